"""What brings a request Struct to its handler and the answer back: in this process, or over HTTP.

The client is written once, above this. `HttpTransport` has a module of its own, imported when first needed.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Struct

from millstream.api.endpoint import Endpoint
from millstream.api.service import Version
from millstream.api.stores import RegistryStore, WebhookStore
from millstream.client import uris
from millstream.errors import InvalidValue
from millstream.settings import DEFAULT_ARTIFACT_ROOT

if TYPE_CHECKING:
    from millstream.store.tracking import SqlTrackingStore

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")


class Transport(Protocol):
    """One tracking store, near or far. Safe for threads and fork."""

    uri: str
    """Without credentials."""
    given_uri: str
    """With them: to connect, never to write or show."""
    is_local: bool

    def call(self, endpoint: Endpoint[Req, Res], req: Req, *, retry: bool = True) -> Res:
        """The endpoint's answer. Raises MillstreamError: ServerUnreachable or Unavailable if it may work later.

        `retry=False` gives up at once what may work later.
        """
        ...

    def probe(self) -> Version | None:
        """Which Millstream is there; None for another MLflow-compatible server."""
        ...

    def forget_after_fork(self) -> None:
        """In a forked child: share no connection with the parent."""
        ...

    def tidy(self) -> bool:
        """Do some of the work that can wait (a server does its own); whether some is left."""
        ...

    def close(self) -> None: ...


_FOLD_BATCH = 8
"""Series folded between two looks at the journal: some ten milliseconds."""


class LocalTransport:
    """Calls the handlers here, on a store opened from a database URL or a folder."""

    is_local = True

    def __init__(self, uri: str) -> None:
        """`uri`: normalised. The database is opened with the first call."""
        self.uri = uris.redact(uri)
        self.given_uri = uri
        self._lock = threading.Lock()
        self._store: SqlTrackingStore | None = None
        self._abandoned: list[object] = []

    @property
    def store(self) -> SqlTrackingStore:
        """The store, opened when first asked for."""
        store = self._store
        if store is None:
            with self._lock:
                store = self._store
                if store is None:
                    from millstream.store.tracking import open_store

                    url, artifacts = _place(self.given_uri)
                    store = self._store = open_store(url, artifact_root=DEFAULT_ARTIFACT_ROOT.get() or artifacts)
        return store

    def call(self, endpoint: Endpoint[Req, Res], req: Req, *, retry: bool = True) -> Res:
        store: Any = self.store
        if endpoint.store is RegistryStore:
            store = store.registry
        elif endpoint.store is WebhookStore:
            store = store.webhooks
        if endpoint.is_write:
            answer: Res = store.db.write(lambda session: endpoint.handler(store, req))
            return answer
        return endpoint.handler(store, req)

    def probe(self) -> Version | None:
        return Version()

    def tidy(self) -> bool:
        """Fold histories that have gathered many small appends."""
        if self._store is None:
            return False
        from millstream.store.series import fold_pending

        return fold_pending(self._store.db, _FOLD_BATCH) >= _FOLD_BATCH

    def forget_after_fork(self) -> None:
        self._abandoned.append(self._store)  # closing would disturb the parent's connections, so would collecting it
        self._store = None
        self._lock = threading.Lock()

    def close(self) -> None:
        if self._store is not None:
            self._store.db.close()
            self._store = None


def _place(uri: str) -> tuple[str, str]:
    """Database URL and artifact root of a local URI."""
    scheme = uris.scheme_of(uri)
    if scheme == "sqlite":
        path = Path(uri.partition(":///")[2].partition("?")[0])
        if not path.parent.is_dir():
            raise InvalidValue(f"The folder {str(path.parent)!r} of the database does not exist. Create it first.")
        return uri, str(path.parent / uris.ARTIFACT_FOLDER)
    if scheme:
        return uri, str(Path.cwd() / uris.ARTIFACT_FOLDER)
    folder = uris.folder_of(uri)
    if uris.is_file_store(folder):
        raise InvalidValue(
            f"{str(folder)!r} is a file store of MLflow. Copy it with `millstream import {folder}` and log to the copy."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / uris.DEFAULT_DATABASE}", str(folder / uris.ARTIFACT_FOLDER)


_transports: dict[str, Transport] = {}
_lock = threading.Lock()


def open_transport(uri: str | os.PathLike[str] | None = None) -> Transport:
    """The transport for a tracking URI (default: `uris.default_uri()`), one for each URI in a process.

    Raises InvalidValue for a URI that names no tracking store.
    """
    wanted = uris.normalize(uri if uri is not None else uris.default_uri())
    transport = _transports.get(wanted)
    if transport is None:
        with _lock:
            transport = _transports.get(wanted)
            if transport is None:
                if uris.is_http(wanted):
                    from millstream.client.http import HttpTransport

                    transport = HttpTransport(wanted)
                else:
                    transport = LocalTransport(wanted)
                _transports[wanted] = transport
    return transport


def close_transports() -> None:
    """Close all connections; the next call opens them again."""
    for transport in list(_transports.values()):
        transport.close()
    _transports.clear()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for transport in _transports.values():
        transport.forget_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
