"""Which tracking server and registry the fluent API talks to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from millstream import settings
from millstream.client.uris import default_uri, normalize
from millstream.tracking.active import by_id

if TYPE_CHECKING:
    from millstream.client.client import MillstreamClient
    from millstream.client.recorder import Recorder

_default: str | None = None
_clients: dict[tuple[str, str | None], MillstreamClient] = {}


def set_tracking_uri(uri: str | os.PathLike[str] | None) -> None:
    """Log to `uri` from now on: in all threads, and in child processes through the environment.

    Args:
        uri: http(s) address of a server, database URL, or a folder; relative ones are taken from the working directory now.
            None or "" takes back what was set.
    """
    by_id.clear()
    if uri is None or not os.fspath(uri):
        settings.TRACKING_URI.unset()
        return
    settings.TRACKING_URI.set(normalize(uri))


def get_tracking_uri() -> str:
    """What was set, else `MILLSTREAM_TRACKING_URI` or `MLFLOW_TRACKING_URI`, else a database in the working directory."""
    global _default
    uri = settings.TRACKING_URI.get()
    if uri:
        return normalize(uri)
    if _default is None:
        _default = normalize(default_uri())  # the program may change its working directory
    return _default


def is_tracking_uri_set() -> bool:
    """Whether a call or the environment says where to log."""
    return settings.TRACKING_URI.is_set()


def set_registry_uri(uri: str | os.PathLike[str] | None) -> None:
    """Use the model registry at `uri`; None or "" means the tracking server's."""
    if uri is None or not os.fspath(uri):
        settings.REGISTRY_URI.unset()
        return
    settings.REGISTRY_URI.set(normalize(uri))


def get_registry_uri() -> str:
    """What was set, else the environment's, else the tracking URI."""
    uri = settings.REGISTRY_URI.get()
    return normalize(uri) if uri else get_tracking_uri()


def client() -> MillstreamClient:
    """The client of the tracking URI in force."""
    from millstream.client.client import MillstreamClient

    place = (get_tracking_uri(), settings.REGISTRY_URI.get())
    if place not in _clients:
        _clients[place] = MillstreamClient(place[0], place[1])
    return _clients[place]


def recorder() -> Recorder:
    """The recorder of the tracking URI in force."""
    from millstream.client.recorder import get_recorder

    return get_recorder(get_tracking_uri())
