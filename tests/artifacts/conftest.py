"""Real parts: a Millstream server that proxies artifacts, an S3 server, a web server, all on loopback."""

from __future__ import annotations

import functools
import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream import settings

START = """
import sys
from millstream.server.run import serve
database = sys.argv[2] if len(sys.argv) > 2 else None
serve(
    port=0,
    artifacts_only=database is None,
    artifacts_destination=sys.argv[1],
    backend_store_uri=database,
    serve_artifacts=len(sys.argv) < 4,
    default_artifact_root=sys.argv[3] if len(sys.argv) > 3 else None,
)
"""


class ProxyServer:
    """A server process over `destination`: with nothing but the artifact proxy, or with a tracking database too.

    `root` is the artifact root of new experiments of a server without a proxy.
    """

    def __init__(
        self, destination: str, database: str | None = None, root: str | None = None, **environment: str
    ) -> None:
        self.destination = destination
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, destination, *(part for part in (database, root) if part)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | environment,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "http://" in line, line
        self.uri = line[line.index("http://") :].strip()
        self.artifacts = self.uri + "/api/2.0/mlflow-artifacts/artifacts"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.uri.removeprefix("http://").rpartition(":")
        return host, int(port)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        finally:
            self.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyServer]:
    started = ProxyServer(str(tmp_path_factory.mktemp("destination")))
    yield started
    started.stop()


@pytest.fixture
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, value in (
        (settings.HTTP_REQUEST_MAX_RETRIES, "3"),
        (settings.HTTP_REQUEST_BACKOFF_FACTOR, "0.02"),
        (settings.HTTP_REQUEST_BACKOFF_JITTER, "0"),
    ):
        monkeypatch.setenv(setting.variables[0], value)


BUCKET = "artifacts"


class S3Server:
    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.bucket = BUCKET


@pytest.fixture(scope="session")
def s3_process() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Running on" in line:
            break
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()
    drain.join(10)
    process.stderr.close()


@pytest.fixture
def s3(s3_process: str, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """An empty bucket of a real S3 server."""
    import s3fs
    import urllib3

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("MLFLOW_S3_ENDPOINT_URL", s3_process),
    ):
        monkeypatch.setenv(name, value)
    urllib3.request("POST", f"{s3_process}/moto-api/reset")
    s3fs.S3FileSystem.clear_instance_cache()
    server = S3Server(s3_process)
    s3fs.S3FileSystem(endpoint_url=s3_process).mkdir(server.bucket)
    return server


class WebServer:
    """Python's own file server: no ranges, no ETag. `folder` is what it serves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        handler = functools.partial(_Quiet, directory=str(folder))
        self._server = _Server(("127.0.0.1", 0), handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is none."""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path.startswith("/downgrade/"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    folder = tmp_path / "web"
    folder.mkdir()
    started = WebServer(folder)
    yield started
    started.stop()
