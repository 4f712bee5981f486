"""A real server over a real store, and a client that sends exactly what it is told to."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millstream.asgi import processes
from millstream.server import run, service
from millstream.webhooks import dispatcher


class Reply:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        def refuse(token: str) -> None:
            raise AssertionError(f"not strict JSON: {token}")

        return json.loads(self.body, parse_constant=refuse)

    def error(self) -> tuple[int, str]:
        """Status and error code; checks the shape that every error has."""
        assert self.headers["content-type"] == "application/json", self.body
        assert self.headers["x-content-type-options"] == "nosniff"
        answer = self.json()
        assert set(answer) >= {"error_code", "message"}, answer
        assert answer["message"]
        assert len(answer["message"]) < 5000
        for inside in ("Traceback", "sqlite", "SELECT ", "INSERT ", ".py", "site-packages"):
            assert inside not in answer["message"], answer
        return self.status, answer["error_code"]


class Server:
    """A running server."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.database = folder / "store.db"
        self.sock = processes.listen("127.0.0.1", 0)
        self.port: int = self.sock.getsockname()[1]
        defaults: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "backend_store_uri": f"sqlite:///{self.database}",
            "default_artifact_root": "mlflow-artifacts:/",
            "artifacts_destination": str(folder / "artifacts"),
            "serve_artifacts": True,
            "artifacts_only": False,
            "static_prefix": "",
            "allowed_hosts": [],
            "cors_allowed_origins": [],
            "x_frame_options": "SAMEORIGIN",
            "disable_security": False,
            "trusted_proxies": [],
            "log_level": "INFO",
        }
        config = run.ServerConfig(**{**defaults, **options})
        ready = threading.Event()
        try:
            self.server = processes.make_server(run.build_app(config), ready.set)
        except BaseException:
            self.sock.close()
            raise
        self.app = self.server.config.app
        self.thread = threading.Thread(target=lambda: self.server.run(sockets=[self.sock]))
        self.thread.start()
        assert ready.wait(20), "the server did not start"

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.sock.close()

    def ask(
        self, verb: str, path: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 30
    ) -> Reply:
        """Send a request; a body that is no bytes is sent as JSON with its media type."""
        own = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            own.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(verb, path, skip_host=True, skip_accept_encoding=True)
            for name, value in own.items():
                connection.putheader(name, value)
            if body is not None and "Transfer-Encoding" not in own:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        """POST JSON to an endpoint below /api/2.0/mlflow."""
        full = path if path.startswith("/") else f"/api/2.0/mlflow/{path}"
        return self.ask(
            "POST", full, {} if body is None else body, {k.replace("_", "-"): v for k, v in headers.items()}
        )

    def raw(self, data: bytes, timeout: float = 20) -> bytes:
        """Send bytes as they are and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            sock.sendall(data)
            answer = b""
            while True:
                try:
                    part = sock.recv(65536)
                except ConnectionResetError:
                    return answer
                if not part:
                    return answer
                answer += part

    def contents(self) -> str:
        """A digest of everything in the database and below the artifact root."""
        digest = hashlib.sha256()
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            for line in connection.iterdump():
                digest.update(line.encode(errors="surrogateescape"))
        finally:
            connection.close()
        root = self.folder / "artifacts"
        for file in sorted(root.rglob("*")) if root.exists() else ():
            if ".millstream" in str(file) or not file.is_file():
                continue
            digest.update(str(file.relative_to(root)).encode() + file.read_bytes())
        return digest.hexdigest()


class World:
    """A server with something in it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.experiment = server.post("experiments/create", {"name": "vision"}).json()["experiment_id"]
        self.run = self.new_run()
        self.model = self.new_model()
        server.post("runs/log-metric", {"run_id": self.run, "key": "loss", "value": 0.5, "timestamp": 1, "step": 1})
        server.post("runs/log-metric", {"run_id": self.run, "key": "loss", "value": 0.25, "timestamp": 2, "step": 2})
        server.post("runs/set-tag", {"run_id": self.run, "key": "team", "value": "blue"})
        path = f"/api/2.0/mlflow-artifacts/artifacts/{self.experiment}/{self.run}/artifacts/a/b.txt"
        assert server.ask("PUT", path, b"hello").status == 200

    def new_run(self) -> str:
        body = {"experiment_id": self.experiment, "start_time": 1}
        run_id: str = self.server.post("runs/create", body).json()["run"]["info"]["run_id"]
        return run_id

    def new_model(self) -> str:
        answer = self.server.post("logged-models", {"experiment_id": self.experiment}).json()
        model_id: str = answer["model"]["info"]["model_id"]
        return model_id


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start servers with options of their own; they end with the module, and what is set for them ends too."""
    servers: list[Server] = []

    def begin(**options: Any) -> Server:
        servers.append(Server(tmp_path_factory.mktemp("server"), **options))
        return servers[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "FOLD_INTERVAL_S", 3600)  # folding changes the database at times of its own choice
        patch.setattr(dispatcher, "POLL_INTERVAL_S", 3600)  # so do deliveries
        patch.setenv("MILLSTREAM_WEBHOOK_REQUEST_TIMEOUT", "0.5")  # the receivers of these tests are nowhere
        yield begin
        for one in servers:
            one.close()


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    return start()


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    return World(server)


@pytest.fixture
def unchanged(server: Server) -> Iterator[None]:
    """Fails a test that changed anything in the store."""
    before = server.contents()
    yield
    assert server.contents() == before, "something was written"
