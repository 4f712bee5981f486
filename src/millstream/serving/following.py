"""Following a stage or an alias of the registry: when it moves to another version, that one is loaded beside the old one and takes its
place in one step. Requests that are in work keep the model they began with. If the new version cannot be loaded the old one stays,
and the new one is tried again later, unless it is its files that are refused.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable

from msgspec import Struct

from millstream.artifacts import model_uris
from millstream.asgi.log import log
from millstream.client import MillstreamClient
from millstream.errors import InvalidValue
from millstream.models import locations
from millstream.models.model_files import BrokenModelFile
from millstream.models.trust import BrokenPickle, UntrustedModel
from millstream.safe_yaml import HostileYaml
from millstream.serving import loading
from millstream.serving.scorer import Options, Scorer

MAX_PAUSE_S = 60.0
"""Longest time between two looks while the registry does not answer, and between two attempts to load a version."""

FINAL = (UntrustedModel, BrokenModelFile, BrokenPickle, locations.PathLeavesModel, HostileYaml)
"""What is wrong with a version's files, which do not change: trying again is of no use."""


class Named(Struct, frozen=True):
    """The version that the URI named at a look. The number alone is none: a model that is deleted and made again counts from 1."""

    number: str
    creation_timestamp: int | None
    source: str


class _Failure(Struct):
    """The last attempt to load a version, which failed."""

    named: Named
    pause_s: float
    retry_at: float  # of the monotonic clock


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
        self._uri = movable(uri)
        self.uri = uri
        self._interval_s = interval_s
        self._trust = trust
        self._options = options
        self.served: Named | None = None
        self._client = MillstreamClient()
        self._failure: _Failure | None = None

    def load(self) -> Scorer:
        """The version that the URI names now. Raises MillstreamError when there is none or it cannot be loaded."""
        named = self.current()
        scorer = self._load(named)
        self.served = named
        return scorer

    def current(self) -> Named:
        """The version that the stage or alias names. Raises NotFound when there is none."""
        found = model_uris.find_version(self._uri, self._client)
        return Named(str(found.version), found.creation_timestamp, found.source)

    def _load(self, named: Named) -> Scorer:
        folder = locations.fetch(f"models:/{self._uri.name}/{named.number}")
        try:
            name = f"{self.uri} (version {named.number})"
            return loading.load(str(folder), self._trust, self._options, name=name)
        except BaseException:
            locations.discard(folder)  # attempts would fill the disk
            raise

    async def follow(self, replace: Callable[[Scorer], None], failed: Callable[[], None]) -> None:
        """For ever: look, load what is new, hand it over.

        Args:
            replace: called in the event loop with the new version's scorer.
            failed: called for each attempt to load a version that failed.
        """
        pause_s = self._interval_s
        is_away = False
        while True:
            await asyncio.sleep(pause_s)
            try:
                named = await asyncio.to_thread(self.current)
            except Exception as error:
                if not is_away:
                    log(logging.WARNING, "the registry cannot be asked; the model stays", error, model=self.uri)
                is_away = True
                pause_s = self._longer(pause_s)
                continue
            if is_away:
                log(logging.INFO, "the registry answers again", model=self.uri)
            is_away = False
            pause_s = self._interval_s
            if named == self.served:
                self._failure = None
            elif self._is_due(named):
                await self._take(named, replace, failed)

    def _longer(self, pause_s: float) -> float:
        return min(2 * pause_s, max(MAX_PAUSE_S, self._interval_s))

    def _is_due(self, named: Named) -> bool:
        failure = self._failure
        return failure is None or failure.named != named or time.monotonic() >= failure.retry_at

    async def _take(self, named: Named, replace: Callable[[Scorer], None], failed: Callable[[], None]) -> None:
        stays = self.served.number if self.served is not None else None
        try:
            scorer = await asyncio.to_thread(self._load, named)
        except Exception as error:
            self._failure = self._failure_of(named, error)
            failed()
            again = not isinstance(error, FINAL)
            text = "the new version cannot be loaded; the old one stays"
            log(logging.ERROR, text, error, model=self.uri, version=named.number, stays=stays, is_tried_again=again)
            return
        self.served, self._failure = named, None
        replace(scorer)
        log(logging.INFO, "another version is served", model=self.uri, version=named.number, before=stays)

    def _failure_of(self, named: Named, error: Exception) -> _Failure:
        if isinstance(error, FINAL):
            return _Failure(named, math.inf, math.inf)
        before = self._failure
        pause_s = self._longer(before.pause_s) if before is not None and before.named == named else self._interval_s
        return _Failure(named, pause_s, time.monotonic() + pause_s)


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
