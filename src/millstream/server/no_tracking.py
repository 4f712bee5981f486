"""The store of a server that offers artifacts only: every question about runs is refused."""

from __future__ import annotations

from typing import Any

from millstream.errors import Unavailable


class TrackingNotOffered(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "This server offers artifacts only (--artifacts-only). Send tracking requests to the tracking server."
        )


class NoTracking:
    """Stands where the tracking store would."""

    def __init__(self) -> None:
        self.db = _NoDatabase()
        self.databases = [self.db]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise TrackingNotOffered

        return refuse


class _NoWriter:
    queued = 0


class _NoDatabase:
    writer = _NoWriter()

    def start_writer_thread(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to close."""
