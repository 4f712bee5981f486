"""The processes of a server: one that serves until a signal, or several behind one socket.

Several workers are processes of their own with a common listening socket. Their parent only watches them: it starts them, starts a
fallen one again, and passes on the signal to stop. A worker reads its options from its standard input and takes the end of that as
the end of its parent, so none is left behind.
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
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct

from millstream.asgi.log import log, to_stderr
from millstream.errors import InvalidValue, MillstreamError

if TYPE_CHECKING:
    import uvicorn

S = TypeVar("S", bound=Struct)

KEEP_ALIVE_S = 120
GRACE_S = 15
"""How long requests in work may take after the signal to stop."""

WANTED_FILES = 1 << 16
RESTART_PAUSE_S = 1.0
_READY = "ready"
WILDCARDS = ("", "0.0.0.0", "::")
"""All addresses of the machine; none of them is a name that a client has to use."""


def address_of(host: str, port: int, prefix: str = "") -> str:
    """The URL under which a server on that address is reached."""
    name = f"[{host}]" if ":" in host else host
    below = prefix.strip("/")
    return f"http://{name}:{port}" + (f"/{below}" if below else "")


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


def make_server(application: Any, ready: Callable[[], None], lifeline: int | None = None) -> uvicorn.Server:
    """A server that `run(sockets=[...])` runs in this thread until a signal, or until `should_exit` is set.

    Args:
        application: ASGI; if it has a method `stopping`, that is called before the answers in work are waited for.
        ready: called once it answers.
        lifeline: a file descriptor at whose end the server stops.
    """
    import uvicorn

    from millstream.asgi.protocol import Protocol, sweep

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
            if hasattr(application, "stopping"):
                application.stopping()
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
            application,
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


def run(server: uvicorn.Server, sock: socket.socket, **fields: Any) -> None:
    """Serve in this process until a signal. `fields` go into the log lines of start and stop."""
    allow_connections()
    log(logging.INFO, "starting", process=os.getpid(), **fields)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # answers of many small objects make many young ones, and no cycles
    server.run(sockets=[sock])
    log(logging.INFO, "stopped", process=os.getpid())


# ---------------------------------------------------------------- several processes


class _Worker:
    """A worker process, as its parent sees it."""

    def __init__(self, module: str, config: Struct, sock: socket.socket) -> None:
        self.started = time.monotonic()
        self.is_ready = threading.Event()
        command = [sys.executable, "-m", module, str(sock.fileno())]
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


def serve(
    module: str,
    run_one: Callable[[Any, socket.socket, Callable[[], None]], None],
    config: Struct,
    sock: socket.socket,
    workers: int,
    ready: Callable[[], None],
) -> None:
    """Serve until a signal, in this process or in several, then close the socket.

    Args:
        module, run_one: what a worker runs: as `python -m module`, and as a function.
        config: has a field `telemetry_folder`; see `_supervise`.
        ready: called once everything answers.
    """
    try:
        if workers == 1:
            run_one(config, sock, ready)
        else:
            _supervise(module, config, sock, workers, ready)
    finally:
        sock.close()


def _supervise(module: str, config: Struct, sock: socket.socket, count: int, ready: Callable[[], None]) -> None:
    """Keep `count` worker processes running until a signal.

    Args:
        module: what a worker runs (`python -m module`); it calls `run_worker`.
        config: the options of the workers; its field `telemetry_folder` becomes the folder in which they share their counts.
        ready: called once all of them answer.
    Raises:
        MillstreamError: one cannot start.
    """
    stopping = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    folder = tempfile.mkdtemp(prefix="millstream-")
    options = msgspec.structs.replace(config, telemetry_folder=folder)
    workers: list[_Worker] = []
    try:
        # the first one makes what all share (the database, its migration), the others find it done
        while len(workers) < count and not stopping.is_set():
            worker = _Worker(module, options, sock)
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
                    workers[index] = _Worker(module, options, sock)
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


def run_worker(
    options: type[S],
    run_one: Callable[[S, socket.socket, Callable[[], None], int], None],
    log_level: Callable[[S], str],
) -> None:
    """The main function of a worker process: read the options, serve, say when it is ready.

    Args:
        run_one: serves; given the options, the socket, what to call when it answers, and the lifeline.
    """
    config = msgspec.json.decode(_read_line(sys.stdin.fileno()), type=options)
    to_stderr(log_level(config))
    sock = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C reaches the whole terminal; the parent decides
    try:
        run_one(config, sock, lambda: print(_READY, flush=True), sys.stdin.fileno())
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
