"""Running the server: one process, or several behind one socket.

    serve(host="127.0.0.1", port=5000, backend_store_uri="sqlite:///millstream.db")

Several workers are processes of their own with a common listening socket and one database. Their parent only watches them: it
starts them, starts a fallen one again, and passes on the signal to stop. A worker reads its options from its standard input and
takes the end of that as the end of its parent, so none is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from millstream import settings
from millstream.errors import InvalidValue, MillstreamError
from millstream.server import security
from millstream.server.log import log, to_stderr

if TYPE_CHECKING:
    import uvicorn

PROXIED_ROOT = "mlflow-artifacts:/"
KEEP_ALIVE_S = 120
GRACE_S = 15
"""How long requests in work may take after the signal to stop."""

WANTED_FILES = 1 << 16
RESTART_PAUSE_S = 1.0
_READY = "ready"
_WILDCARDS = ("", "0.0.0.0", "::")
"""All addresses of the machine; none of them is a name that a client has to use."""


class ServerConfig(Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know."""

    host: str
    port: int
    backend_store_uri: str
    default_artifact_root: str
    artifacts_destination: str
    serve_artifacts: bool
    artifacts_only: bool
    static_prefix: str
    allowed_hosts: Sequence[str]
    cors_allowed_origins: Sequence[str]
    x_frame_options: str | None
    disable_security: bool
    trusted_proxies: Sequence[str]
    log_level: str
    telemetry_folder: str | None = None


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    workers: int = 1,
    backend_store_uri: str | None = None,
    default_artifact_root: str | None = None,
    artifacts_destination: str | None = None,
    serve_artifacts: bool = True,
    artifacts_only: bool = False,
    static_prefix: str = "",
    allowed_hosts: str | Sequence[str] | None = None,
    cors_allowed_origins: str | Sequence[str] | None = None,
    x_frame_options: str | None = "SAMEORIGIN",
    disable_security: bool = False,
    allow_remote_without_auth: bool | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is in work, drain the writer and return.

    Args:
        port: 0 takes a free one.
        allowed_hosts, cors_allowed_origins: lists, or text with commas.
        allow_remote_without_auth: listen beyond this machine although nobody has to log in; None asks the setting.
        on_ready: called with the server's address once it answers; None prints a line.
    Raises:
        InvalidValue: options that make no sense, or that would open the server to strangers without having been told to.
        StoreError: the database cannot be opened.
    """
    if allow_remote_without_auth is None:
        allow_remote_without_auth = settings.ALLOW_REMOTE_WITHOUT_AUTH.get()
    if not security.is_loopback(host) and not allow_remote_without_auth:
        raise InvalidValue(
            f"Listening on {host} would let everybody on the network read and change everything: this server has no "
            "authentication yet. Pass --allow-remote-without-auth (or set MILLSTREAM_ALLOW_REMOTE_WITHOUT_AUTH=true) if a "
            "firewall or a proxy that authenticates stands before it."
        )
    sock = listen(host, port)
    config = ServerConfig(
        host=host,
        port=sock.getsockname()[1],
        backend_store_uri=backend_store_uri or settings.DEFAULT_STORE_URI,
        default_artifact_root=default_artifact_root or (PROXIED_ROOT if serve_artifacts else "./mlruns"),
        artifacts_destination=artifacts_destination or settings.ARTIFACTS_DESTINATION.get(),
        serve_artifacts=serve_artifacts,
        artifacts_only=artifacts_only,
        static_prefix=static_prefix,
        allowed_hosts=_list(allowed_hosts),
        cors_allowed_origins=_list(cors_allowed_origins),
        x_frame_options=x_frame_options,
        disable_security=disable_security,
        trusted_proxies=_list(settings.TRUSTED_PROXIES.get()),
        log_level=settings.LOGGING_LEVEL.get(),
    )
    to_stderr(config.log_level)
    address = _address(config)

    def ready() -> None:
        if on_ready is not None:
            on_ready(address)
        else:
            print(f"Millstream is ready at {address}", flush=True)

    try:
        if workers == 1:
            _run(config, sock, ready)
        else:
            _supervise(config, sock, workers, ready)
    finally:
        sock.close()


def _list(entries: str | Sequence[str] | None) -> list[str]:
    parts = entries.split(",") if isinstance(entries, str) else entries or ()
    return [part.strip() for part in parts if part.strip()]


def _address(config: ServerConfig) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    prefix = config.static_prefix.strip("/")
    return f"http://{host}:{config.port}" + (f"/{prefix}" if prefix else "")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InvalidValue when the address is taken or none of this machine's."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        raise InvalidValue(f"Cannot listen on {host}: {error.strerror or error}.") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise InvalidValue(
            f"Cannot listen on {host} port {port}: {error.strerror or error}. Take another with --port."
        ) from None
    return sock


# ---------------------------------------------------------------- one process


def build_app(config: ServerConfig) -> Any:
    """The application that a config describes, over an opened store."""
    from millstream.server.app import Options, create_app
    from millstream.server.artifact_store import ServerArtifacts
    from millstream.server.telemetry import Telemetry

    store: Any
    if config.artifacts_only:
        from millstream.server.no_tracking import NoTracking

        store = NoTracking()
    else:
        from millstream.store.tracking import open_store

        store = open_store(config.backend_store_uri, artifact_root=config.default_artifact_root)
    artifacts = ServerArtifacts(
        store, config.artifacts_destination, config.serve_artifacts, config.default_artifact_root
    )
    folder = Path(config.telemetry_folder) if config.telemetry_folder else None
    options = Options(
        static_prefix=config.static_prefix,
        allowed_hosts=[*config.allowed_hosts, *([] if config.host in _WILDCARDS else [config.host])],
        cors_allowed_origins=config.cors_allowed_origins,
        x_frame_options=config.x_frame_options,
        disable_security=config.disable_security,
        trusted_proxies=config.trusted_proxies,
        artifacts_only=config.artifacts_only,
        telemetry=Telemetry(folder),
    )
    return create_app(store, artifacts, options)


def make_server(config: ServerConfig, ready: Callable[[], None], lifeline: int | None = None) -> uvicorn.Server:
    """A server that `run(sockets=[...])` runs in this thread until a signal, or until `should_exit` is set.

    Args:
        ready: called once it answers.
        lifeline: a file descriptor at whose end the server stops.
    """
    import uvicorn

    from millstream.server.protocol import Protocol, sweep

    class Server(uvicorn.Server):
        _sweeper: asyncio.Task[None] | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.should_exit:
                return
            self._sweeper = asyncio.create_task(sweep(self.server_state.connections))
            if lifeline is not None:
                asyncio.get_running_loop().add_reader(lifeline, self._parent_wrote, lifeline)
            ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if self._sweeper is not None:
                self._sweeper.cancel()
            await super().shutdown(sockets)

        def _parent_wrote(self, fd: int) -> None:
            if not os.read(fd, 4096):
                asyncio.get_running_loop().remove_reader(fd)
                self.should_exit = True

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            # uvicorn's own raises the signal again at the end; a server that was asked to stop has not failed
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    return Server(
        uvicorn.Config(
            build_app(config),
            http=Protocol,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # ours count only from configured proxies
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


def allow_connections() -> None:
    """Raise the soft limit of open files, often 1,024, as far as the system lets us: every client that waits costs one."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _run(config: ServerConfig, sock: socket.socket, ready: Callable[[], None], lifeline: int | None = None) -> None:
    allow_connections()
    log(logging.INFO, "starting", address=_address(config), process=os.getpid())
    server = make_server(config, ready, lifeline)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # answers of many small objects make many young ones, and no cycles
    server.run(sockets=[sock])
    log(logging.INFO, "stopped", process=os.getpid())


# ---------------------------------------------------------------- several processes


class _Worker:
    """A worker process, as its parent sees it."""

    def __init__(self, config: ServerConfig, sock: socket.socket) -> None:
        self.started = time.monotonic()
        self.is_ready = threading.Event()
        command = [sys.executable, "-m", "millstream.server.run", str(sock.fileno())]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[sock.fileno()], start_new_session=True
        )
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(config) + b"\n")
        self.process.stdin.flush()  # and stays open: its end tells the worker that the parent is gone
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == _READY.encode():
                self.is_ready.set()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()

    def finish(self, deadline: float) -> None:
        """Wait until it has ended; after `deadline` (monotonic seconds) end it by force."""
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _supervise(config: ServerConfig, sock: socket.socket, count: int, ready: Callable[[], None]) -> None:
    """Keep `count` workers running until a signal."""
    stopping = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    folder = tempfile.mkdtemp(prefix="millstream-")
    config = msgspec.structs.replace(config, telemetry_folder=folder)
    workers: list[_Worker] = []
    try:
        # the first one makes or migrates the database, the others find it done
        while len(workers) < count and not stopping.is_set():
            worker = _Worker(config, sock)
            workers.append(worker)
            if len(workers) == 1:
                _await_ready([worker], stopping)
        _await_ready(workers, stopping)
        if not stopping.is_set():
            ready()
        while not stopping.wait(0.2):
            for index, worker in enumerate(workers):
                if worker.process.poll() is not None:
                    log(logging.ERROR, "a worker ended and is started again", status=worker.process.returncode)
                    worker.finish(time.monotonic())
                    if stopping.wait(RESTART_PAUSE_S):
                        break
                    workers[index] = _Worker(config, sock)
    finally:
        for worker in workers:
            worker.stop()
        deadline = time.monotonic() + GRACE_S + 5
        for worker in workers:
            worker.finish(deadline)
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def _await_ready(workers: Sequence[_Worker], stopping: threading.Event) -> None:
    for worker in workers:
        while not worker.is_ready.wait(0.02) and not stopping.is_set():
            if worker.process.poll() is not None:
                raise MillstreamError("A worker of the server could not start. Its log says why.")


def _worker_main(sock_fd: int) -> None:
    config = msgspec.json.decode(_read_line(sys.stdin.fileno()), type=ServerConfig)
    to_stderr(config.log_level)
    sock = socket.socket(fileno=sock_fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C reaches the whole terminal; the parent decides
    try:
        _run(config, sock, lambda: print(_READY, flush=True), lifeline=sys.stdin.fileno())
    except MillstreamError as error:
        log(logging.ERROR, error.message)
        raise SystemExit(1) from None


def _read_line(fd: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            raise SystemExit("The options of this worker did not arrive.")
        line += byte
    return line


if __name__ == "__main__":
    _worker_main(int(sys.argv[1]))
