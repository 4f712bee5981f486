"""Scoring servers that outlive whoever starts them: how to start one, whether it lives, how to end it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from millstream.errors import MillstreamError

STOP_TIMEOUT_S = 20.0
"""How long a server may answer what it has begun; longer than it takes itself (`asgi.processes.GRACE_S`)."""

PING_TIMEOUT_S = 2.0
_POLL_S = 0.05
_ADDRESS = re.compile(r"^The model is served at (https?://\S+)/invocations$", re.MULTILINE)
_LOG_TAIL = 2000


class ServerFailed(MillstreamError):
    """A scoring server did not come up."""

    code = "INVALID_STATE"

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(f"The scoring server {reason}. Its log ends with:\n{log.strip()[-_LOG_TAIL:]}")


class Process(Struct, frozen=True):
    """A process, told from a later one that gets its number by the time it started."""

    pid: int
    started: float  # seconds since the epoch

    def is_alive(self) -> bool:
        import psutil

        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)  # if it is our own child, and has ended
        try:
            found = psutil.Process(self.pid)
            return abs(found.create_time() - self.started) < 1 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """End it and what it started: politely, after a while by force."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + STOP_TIMEOUT_S
            if not self.is_alive():
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)  # it leads a session of its own
            while self.is_alive() and time.monotonic() < deadline:
                time.sleep(_POLL_S)


def start(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start a process in a session of its own, its output in a fresh file for the owner alone."""
    import psutil

    log.unlink(missing_ok=True)
    write = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(  # not Popen, which wants to be waited for
        command[0],
        list(command),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), write, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    return Process(pid, psutil.Process(pid).create_time())


def start_server(
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    on_start: Callable[[Process], None],
) -> tuple[Process, str]:
    """Start `millstream models serve` and wait until it answers; the process and its address.

    Args:
        on_start: called with the process as soon as there is one.
    Raises:
        ServerFailed: it ended, or did not answer in time; nothing of it is left but its log.
    """
    process = start([sys.executable, "-m", "millstream.cli.main", "models", "serve", *arguments], log, environment)
    deadline = time.monotonic() + timeout_s
    try:
        on_start(process)
        while True:
            text = read_log(log)
            said = _ADDRESS.search(text)
            if said is not None and answers(said[1]):
                return process, said[1]
            if not process.is_alive():
                raise ServerFailed("ended at once", read_log(log))
            if time.monotonic() > deadline:
                raise ServerFailed(f"did not answer within {timeout_s:g} s", text)
            time.sleep(_POLL_S)
    except BaseException:
        process.stop()
        raise


def answers(url: str) -> bool:
    """Whether a scoring server is there and has its model."""
    import urllib3

    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", f"{url}/ping", timeout=PING_TIMEOUT_S, retries=False, redirect=False)
            return answer.status == 200
    except urllib3.exceptions.HTTPError:
        return False


def read_log(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
