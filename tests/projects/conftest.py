"""A store of its own for each test that runs projects, and projects made of a few lines."""

from __future__ import annotations

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

import millstream
from millstream.client import recorder
from millstream.client.client import MillstreamClient
from millstream.client.transport import close_transports
from millstream.projects.record import place_of
from millstream.tracking import active, experiments, uris
from tests.projects import docker_shim

Project = Callable[..., Path]
Millstream = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MillstreamClient]:
    """The client of a fresh store, which the fluent API and commands log to as well."""
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.setenv("MILLSTREAM_ENV_ROOT", str(tmp_path / "environments"))
    monkeypatch.setenv("MILLSTREAM_PROJECT_CACHE", str(tmp_path / "fetched"))
    for name in ("EXPERIMENT_ID", "EXPERIMENT_NAME", "RUN_ID"):
        for prefix in ("MILLSTREAM", "MLFLOW"):
            monkeypatch.delenv(f"{prefix}_{name}", raising=False)
    monkeypatch.setattr(experiments, "_chosen", None)
    millstream.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    yield uris.client()
    while active.here.stack:
        millstream.end_run()
    recorder.close_all()
    close_transports()
    uris._clients.clear()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Makes a project's folder: its MLproject, if there is one, and other files by their names."""

    def make(mlproject: str = "", files: Mapping[str, str] | None = None, name: str = "project") -> Path:
        root = tmp_path / name
        for file, text in {**({"MLproject": mlproject} if mlproject else {}), **(files or {})}.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(text)
        return root

    return make


@pytest.fixture
def command(tracking: MillstreamClient, tmp_path: Path) -> Millstream:
    """Runs `millstream ...` in a process of its own, in an empty folder."""
    folder = tmp_path / "caller"
    folder.mkdir()

    def run(
        *arguments: str, check: bool = True, environment: Mapping[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "millstream.cli.main", *arguments],
            capture_output=True, text=True, cwd=folder, timeout=timeout, env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a web server that gives the files in `tmp_path / "site"`."""
    monkeypatch.setenv("MILLSTREAM_HTTP_REQUEST_MAX_RETRIES", "0")
    folder = tmp_path / "site"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def wait_for(condition: Callable[[], Any], timeout_s: float = 30) -> Any:
    """What the condition gives as soon as it is something."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def kill_runner(client: MillstreamClient, run_id: str, tag: str) -> None:
    """Kill the process that runs a run in the background, with -9, once the run has a tag."""
    wait_for(lambda: tag in client.get_run(run_id).data.tags)
    place = place_of(client.get_run(run_id))
    assert place is not None
    runner = psutil.Process(place.process.pid).parent()
    assert runner is not None
    assert runner.pid != os.getpid()
    runner.kill()


class Docker:
    """The recording command of `docker_shim`."""

    def __init__(self, state: Path) -> None:
        self.state = state

    @property
    def calls(self) -> list[dict[str, Any]]:
        file = self.state / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def called(self, action: str) -> dict[str, Any]:
        (found,) = [call for call in self.calls if call["arguments"][0] == action]
        return found

    def actions(self) -> list[str]:
        return [call["arguments"][0] for call in self.calls]

    def let_fail(self, **status: int) -> None:
        (self.state / "fails").write_text(json.dumps(status))


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    state, folder, home = tmp_path / "docker", tmp_path / "bin", tmp_path / "home"
    for each in (state, folder, home):
        each.mkdir()
    shim = folder / "docker"
    shim.write_text(f"#!{sys.executable}\n" + Path(docker_shim.__file__).read_text())
    shim.chmod(0o755)
    monkeypatch.setenv("DOCKER_SHIM", str(state))
    monkeypatch.setenv("PATH", f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COPIED", "secret-of-the-host")
    for name in [each for each in os.environ if each.startswith(("AWS_", "AZURE_", "GOOGLE_", "DOCKER_CONFIG"))]:
        monkeypatch.delenv(name)
    return Docker(state)
