"""`pytest tests/crash --rounds 200`, or MILLSTREAM_CRASH_ROUNDS=200: how often to kill. The ordinary run kills ten times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream.client import recorder
from millstream.client.transport import close_transports


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=None)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    given = request.config.getoption("--rounds", default=None)  # unknown when pytest was not started on this folder
    return int(given or os.environ.get("MILLSTREAM_CRASH_ROUNDS", "10"))


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journals"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.05")
    monkeypatch.chdir(tmp_path)
    yield
    recorder.close_all()
    recorder._recorders.clear()
    close_transports()
