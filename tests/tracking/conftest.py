"""The fluent API over a local store and over a server: every test that asks for `tracking_uri` runs twice."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import millstream
from millstream.client import recorder
from millstream.client.transport import close_transports
from millstream.entities import Experiment
from millstream.tracking import active, context, experiments, uris

SERVE = """
import sys
from millstream.server.run import serve
serve(port=0, backend_store_uri=sys.argv[1], artifacts_destination=sys.argv[2])
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server in a process of its own."""
    folder = tmp_path_factory.mktemp("server")
    with open(folder / "server.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, f"sqlite:///{folder / 'runs.db'}", str(folder / "artifacts")],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready at" in line, (folder / "server.log").read_text()
    yield line.split()[-1]
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.fixture(scope="session")
def local_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('local') / 'runs.db'}"


@pytest.fixture(params=["local", "http"])
def tracking_uri(request: pytest.FixtureRequest) -> str:
    """Where the test logs to; the fluent API is set up for it."""
    uri: str = request.getfixturevalue("server" if request.param == "http" else "local_store")
    millstream.set_tracking_uri(uri)
    return uri


@pytest.fixture
def local_uri(local_store: str) -> str:
    """For tests in which it does not matter where is logged to."""
    millstream.set_tracking_uri(local_store)
    return local_store


@pytest.fixture
def experiment(tracking_uri: str) -> Experiment:
    """A new experiment, chosen."""
    return millstream.set_experiment(f"experiment {uuid.uuid4()}")


@pytest.fixture
def local_experiment(local_uri: str) -> Experiment:
    return millstream.set_experiment(f"experiment {uuid.uuid4()}")


@pytest.fixture(autouse=True)
def process_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins like a new process, with journals, a home and a working directory of its own."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MILLSTREAM_", "GIT_")):
            monkeypatch.delenv(name)
    before = set(os.environ)
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journals"))
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    while active.here.stack:
        millstream.end_run()
    active._after_fork()
    active.forget_appenders()
    experiments._chosen = experiments._providers = None
    experiments._by_name.clear()
    uris._default = None
    uris._clients.clear()
    context._git_cache.clear()
    context._plugins = None
    recorder.close_all()
    recorder._recorders.clear()
    close_transports()
    for name in set(os.environ) - before:
        if name.startswith(("MLFLOW_", "MILLSTREAM_")):
            del os.environ[name]


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program in a process of its own, with this test's environment."""

    def run(code: str, *, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "program.py"
        path.write_text(code)
        done = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", str(path)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, **environment},
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    return run
