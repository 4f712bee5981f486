"""A store of each test's own, and everything switched off again after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import millstream
from millstream.autologging import switching
from millstream.autologging.libraries import LIBRARIES
from millstream.client import recorder
from millstream.client.transport import close_transports
from millstream.entities import Run
from millstream.tracking import active, experiments, uris

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("MPLBACKEND", "Agg")

INSTALLED = [
    flavor for flavor, library in LIBRARIES.items() if any(find_spec(name) is not None for name in library.packages)
]
"""Torch and what stands on it are in the environment of `make test-flavors`."""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A local store, chosen for the fluent API."""
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journals"))
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    millstream.set_tracking_uri(uri)
    millstream.set_experiment("trainings")
    yield uri
    with switching._lock:
        for switched in list(switching._switched.values()):
            switched.stop()
        switching._switched.clear()
        switching._chosen.clear()
        switching._follow_threads()
    while active.here.stack:
        millstream.end_run()
    active.forget_appenders()
    experiments._chosen = None
    experiments._by_name.clear()
    uris._default = None
    uris._clients.clear()
    recorder.close_all()
    recorder._recorders.clear()
    close_transports()


def runs() -> list[Run]:
    """All runs, the first that began first."""
    found: Any = millstream.search_runs(order_by=["attributes.start_time ASC"], output_format="list")
    return list(found)


def only_run() -> Run:
    (run,) = runs()
    return run
