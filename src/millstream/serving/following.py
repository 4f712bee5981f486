"""Following a stage or an alias of the registry: when it moves to another version, that one is loaded beside the old one and takes its
place in one step. Requests that are in work keep the model they began with. If the new version cannot be loaded the old one stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from millstream.artifacts import model_uris
from millstream.asgi.log import log
from millstream.client import MillstreamClient
from millstream.errors import InvalidValue
from millstream.serving import loading
from millstream.serving.scorer import Options, Scorer

MAX_PAUSE_S = 60.0
"""Longest time between two looks while the registry does not answer."""


class Follower:
    """
    Args:
        uri: `models:/name/stage`, `models:/name/latest` or `models:/name@alias`.
        interval_s: between two looks.
    Raises:
        InvalidValue: the URI names nothing that can move.
    """

    def __init__(self, uri: str, interval_s: float, trust: bool | None, options: Options) -> None:
        if interval_s <= 0:
            raise InvalidValue("The interval of --follow is a number of seconds above 0.")
        self._named = movable(uri)
        self.uri = uri
        self._interval_s = interval_s
        self._trust = trust
        self._options = options
        self.version: str | None = None
        self._client = MillstreamClient()
        self._failed: str | None = None  # a version that could not be loaded is not tried at every look

    def load(self) -> Scorer:
        """The version that the URI names now. Raises MillstreamError when there is none or it cannot be loaded."""
        version = self.current()
        scorer = self._load(version)
        self.version = version
        return scorer

    def current(self) -> str:
        """The version number that the stage or alias names. Raises NotFound when there is none."""
        return str(model_uris.find_version(self._named, self._client).version)

    def _load(self, version: str) -> Scorer:
        pinned = f"models:/{self._named.name}/{version}"
        return loading.load(pinned, self._trust, self._options, name=f"{self.uri} (version {version})")

    async def follow(self, replace: Callable[[Scorer], None], failed: Callable[[], None]) -> None:
        """For ever: look, load what is new, hand it over.

        Args:
            replace: called in the event loop with the new version's scorer.
            failed: called for each version that could not be loaded.
        """
        pause_s = self._interval_s
        is_away = False
        while True:
            await asyncio.sleep(pause_s)
            try:
                version = await asyncio.to_thread(self.current)
            except Exception as error:
                if not is_away:
                    log(logging.WARNING, "the registry cannot be asked; the model stays", error, model=self.uri)
                is_away = True
                pause_s = min(max(2 * pause_s, self._interval_s), max(MAX_PAUSE_S, self._interval_s))
                continue
            if is_away:
                log(logging.INFO, "the registry answers again", model=self.uri)
            is_away = False
            pause_s = self._interval_s
            if version not in (self.version, self._failed):
                await self._take(version, replace, failed)
            elif version == self.version:
                self._failed = None

    async def _take(self, version: str, replace: Callable[[Scorer], None], failed: Callable[[], None]) -> None:
        try:
            scorer = await asyncio.to_thread(self._load, version)
        except Exception as error:
            self._failed = version
            failed()
            log(
                logging.ERROR,
                "the new version cannot be loaded; the old one stays",
                error,
                model=self.uri,
                version=version,
                stays=self.version,
            )
            return
        before, self.version, self._failed = self.version, version, None
        replace(scorer)
        log(logging.INFO, "another version is served", model=self.uri, version=version, before=before)


def movable(uri: str) -> model_uris.ModelUri:
    """A URI that can come to name another version.

    Raises:
        InvalidValue: it names a fixed version, or is no URI of the registry.
    """
    try:
        named = model_uris.parse(uri)
    except InvalidValue:
        named = model_uris.ModelUri()
    if not named.name or named.path or named.version.isdigit():
        raise InvalidValue(
            f"{uri!r} cannot be followed: only models:/<name>/<stage>, models:/<name>/latest and models:/<name>@<alias> can come "
            "to name another version."
        )
    return named
