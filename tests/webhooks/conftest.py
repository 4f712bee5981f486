"""A receiver on loopback that checks signatures by itself, and servers that may be killed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from millstream.store.tracking import SqlTrackingStore, open_store

SECRET = "the receiver knows it too"


@dataclass
class Delivery:
    path: str
    headers: dict[str, str]
    raw: bytes
    body: Any = field(init=False)

    def __post_init__(self) -> None:
        self.body = json.loads(self.raw)

    @property
    def delivery_id(self) -> str:
        return self.headers["x-mlflow-delivery-id"]

    def is_signed_with(self, secret: str) -> bool:
        """As a receiver that knows nothing of Millstream's code checks it."""
        signed = f"{self.delivery_id}.{self.headers['x-mlflow-timestamp']}.".encode() + self.raw
        version, _, given = self.headers["x-mlflow-signature"].partition(",")
        digest = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
        return version == "v1" and hmac.compare_digest(given, digest)


class Receiver:
    """An HTTP(S) server that keeps what it gets, and answers as it is told.

    Attributes:
        answers: statuses (with headers) of the next answers; 200 when there are none left.
        delay_s: time before each answer.
    """

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver._condition:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    receiver.got.append(Delivery(self.path, headers, raw))
                    receiver.at_once += 1
                    receiver.most_at_once = max(receiver.most_at_once, receiver.at_once)
                    receiver._condition.notify_all()
                    answer = receiver.answers.pop(0) if receiver.answers else 200
                receiver.stopping.wait(receiver.delay_s)
                with receiver._condition:
                    receiver.at_once -= 1
                status, more = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"secret")

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: object, client_address: object) -> None:
                """A sender that gives up, or does not trust the certificate, is what some tests are about."""

        self._condition = threading.Condition()
        self.got: list[Delivery] = []
        self.answers: list[int | tuple[int, dict[str, str]]] = []
        self.delay_s = 0.0
        self.at_once = self.most_at_once = 0
        self.stopping = threading.Event()
        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.scheme = "http"
        if context is not None:
            self.scheme = "https"
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def wait_for(self, count: int, timeout_s: float = 20) -> list[Delivery]:
        """The first `count` deliveries, once they are there."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.got) >= count, timeout_s), f"{len(self.got)} of {count}"
            return self.got[:count]

    def close(self) -> None:
        self.stopping.set()
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def start_receiver() -> Iterator[Callable[..., Receiver]]:
    receivers: list[Receiver] = []

    def start(**options: Any) -> Receiver:
        receivers.append(Receiver(**options))
        return receivers[-1]

    yield start
    for one in receivers:
        one.close()


@pytest.fixture
def receiver(start_receiver: Callable[..., Receiver]) -> Receiver:
    return start_receiver()


@pytest.fixture
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an operator allows it: these tests' receivers have no public address."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")


@pytest.fixture
def store(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlTrackingStore]:
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "A" * 43 + "=")
    with open_store(database_url) as opened:
        yield opened


# ---------------------------------------------------------------- servers

SERVE = """
import sys
from millstream.server.run import serve
from millstream.webhooks import dispatcher
dispatcher.LEASE_MARGIN_S = 0.5
dispatcher.POLL_INTERVAL_S = float(sys.argv[3])
serve(port=0, backend_store_uri=sys.argv[1], artifacts_destination=sys.argv[2])
"""


class ServerProcess:
    """A real server in a process of its own; `poll_s` is its pause between two looks at the outbox."""

    def __init__(self, database: str, folder: Path, poll_s: float = 0.05, **environment: str) -> None:
        self.log = folder / "server.log"
        arguments = [sys.executable, "-c", SERVE, database, str(folder / "artifacts"), str(poll_s)]
        import os

        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment}
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "ready at" in line, self.log.read_text()
        self.uri = line.split()[-1]

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """The JSON answer of an endpoint below /api/2.0/; an error raises HTTPError."""
        request = urllib.request.Request(
            f"{self.uri}/api/2.0/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=verb,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def create_webhook(self, url: str, *events: tuple[str, str], **fields: Any) -> str:
        wanted = [{"entity": entity, "action": action} for entity, action in events]
        body = {"name": "hook", "url": url, "events": wanted, **fields}
        made: str = self.ask("POST", "mlflow/webhooks", body)["webhook"]["webhook_id"]
        return made

    def register(self, name: str) -> None:
        self.ask("POST", "mlflow/registered-models/create", {"name": name})

    def deliveries(self, webhook_id: str, status: str = "") -> list[Any]:
        query = f"?status={status}" if status else ""
        found: list[Any] = self.ask("GET", f"millstream/webhooks/{webhook_id}/deliveries{query}").get("deliveries", [])
        return found

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def stop(self) -> float:
        """End it as an operator does; how long that took, in seconds."""
        began = time.monotonic()
        self.process.terminate()
        self._reap()
        return time.monotonic() - began

    def _reap(self) -> None:
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def start_server(
    tmp_path: Path, allow_loopback: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers that the test may kill; by default over one SQLite file."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "A" * 43 + "=")
    monkeypatch.setenv("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", "2")
    servers: list[ServerProcess] = []

    def start(database: str | None = None, **options: Any) -> ServerProcess:
        folder = tmp_path / "server"
        folder.mkdir(exist_ok=True)
        servers.append(ServerProcess(database or f"sqlite:///{folder / 'store.db'}", folder, **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.kill()
