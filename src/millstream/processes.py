"""Processes that outlive whoever starts them: how to start one, whether it lives, how to end it with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import psutil

STOP_TIMEOUT_S = 20.0
"""How long a process may end what it has begun; longer than a scoring server takes (`asgi.processes.GRACE_S`)."""

_KILL_TIMEOUT_S = 5.0
"""How long the kernel may take to end what was killed; more takes what hangs in a call to a disk or network that is gone."""

_POLL_S = 0.05


class Process(Struct, frozen=True):
    """A process, told from a later one that gets its number by the time it started."""

    pid: int
    started: float  # seconds since the epoch

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has a number now; the number must be one that cannot be given to another meanwhile."""
        import psutil

        return cls(pid, psutil.Process(pid).create_time())

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
        """End it and what it started in its session: politely, after a while by force."""
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
    return Process.of(pid)


def end_tree(pid: int, grace_s: float) -> None:
    """End the leader of a process group, the group, and all that descends from the leader: politely, after `grace_s` seconds
    by force.

    Descendants that have made a group of their own are found as long as their parents live. Nothing is reaped.
    """
    members = _members(pid)
    _signal(pid, members, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        if not any(_lives(member) for member in members) and not group_lives(pid):
            return
        time.sleep(_POLL_S)
    members |= _members(pid)
    _signal(pid, members, signal.SIGKILL)
    deadline = time.monotonic() + _KILL_TIMEOUT_S
    while any(_lives(member) for member in members) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def group_lives(pid: int) -> bool:
    """Whether a process group has members that are more than a memory."""
    import psutil

    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _members(pid: int) -> set[psutil.Process]:
    import psutil

    try:
        leader = psutil.Process(pid)
        return {leader, *leader.children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def _signal(group: int, members: set[psutil.Process], number: signal.Signals) -> None:
    import psutil

    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for member in members:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(member.pid) != group:
                member.send_signal(number)  # refuses a number that has another process by now


def _lives(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
