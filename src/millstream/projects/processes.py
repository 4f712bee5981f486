"""Commands of runs, each under a supervisor of its own: started, watched, their output shown and kept, ended.

A run has at most one supervisor (see `supervisor`), from before it is in the store until it has ended: `supervised(run_id)`.
A backend that runs a command on this machine starts it with `start`.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from msgspec import structs

from millstream.entities import RunStatus
from millstream.errors import MillstreamError
from millstream.processes import Process, end_tree
from millstream.projects.ending import Abandoned
from millstream.projects.output import Echo, Kept
from millstream.projects.submission import SubmittedRun
from millstream.projects.supervisor import GRACE_S, hold_standard_streams

_DRAIN_S = 0.5
"""How long output is waited for after the command's end; only what it left running in another group could still print."""


class CommandNotStarted(MillstreamError):
    """The command of a run is nothing that can be started."""

    code = "INVALID_STATE"

    def __init__(self, command: Sequence[str], reason: str) -> None:
        super().__init__(f"{command[0]!r} cannot be started ({reason}).")


class Cancelled(MillstreamError):
    """Somebody cancelled a run before its command was started."""

    code = "CANCELLED"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id} was cancelled.")


_by_run: dict[str, Supervisor] = {}


def supervised(run_id: str) -> Supervisor | None:
    """The supervisor of a run of this process."""
    return _by_run.get(run_id)


def cancel_children(parent_run_id: str | None) -> None:
    """Cancel the runs of this process that have a parent, and return when their commands have ended."""
    for supervisor in list(_by_run.values()):
        if supervisor.parent_run_id == parent_run_id:
            supervisor.cancel()


@contextlib.contextmanager
def supervision(
    run_id: str,
    tracking_uri: str,
    parent_run_id: str | None = None,
    temporary: Path | None = None,
    prefix: str = "",
) -> Iterator[Supervisor]:
    """A supervisor for a run. If this process is killed, or leaves without a word that the run is `done`, the supervisor ends
    the run's command and the run itself, and removes the `temporary` folder of its project."""
    supervisor = Supervisor(run_id, tracking_uri, parent_run_id, temporary, prefix)
    _by_run[run_id] = supervisor
    try:
        yield supervisor
    finally:
        del _by_run[supervisor.run_id]
        supervisor.close()


def start(run_id: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> CommandRun:
    """Start the command of a run on this machine, in a process group of its own.

    What it prints is shown on stdout and stderr, and kept as an artifact when the run ends.

    Args:
        command: an argument list, never a shell's line.
        folder: its working directory.
        environment: all its environment variables.
    Raises:
        CommandNotStarted: there is no such program, or no such folder.
        Cancelled: the run was cancelled meanwhile.
    """
    supervisor = _by_run.get(run_id)
    if supervisor is None:
        raise MillstreamError(f"Run {run_id} has no supervisor: commands are started inside of `supervision`.")
    supervisor.start(command, folder, environment)
    return CommandRun(run_id, supervisor)


def watch(run_id: str, module: str, handle: Mapping[str, Any]) -> None:
    """Say what was started for a run elsewhere: should this process be killed, that is cancelled.

    Args:
        module: of `backends`, by name.
        handle: in JSON's types, what the module's `reopen` takes.
    """
    supervisor = _by_run.get(run_id)
    if supervisor is not None:
        supervisor.watch(module, handle)


class CommandRun(SubmittedRun):
    """A run whose command runs on this machine."""

    def __init__(self, run_id: str, supervisor: Supervisor) -> None:
        self._run_id = run_id
        self._supervisor = supervisor

    @property
    def run_id(self) -> str:
        return self._run_id

    def wait(self) -> bool:
        return self._supervisor.wait() == 0

    def get_status(self) -> str:
        if not self._supervisor.has_ended:
            return RunStatus.RUNNING.value
        if self._supervisor.is_cancelled:
            return RunStatus.KILLED.value
        return (RunStatus.FINISHED if self._supervisor.wait() == 0 else RunStatus.FAILED).value

    def cancel(self) -> None:
        self._supervisor.cancel()

    @property
    def reason(self) -> str:
        """Why it has not succeeded; "" if it has."""
        return self._supervisor.reason


class Supervisor:
    """This process's side of a run's supervisor. One thread shows and keeps output and hears what the supervisor tells."""

    def __init__(
        self, run_id: str, tracking_uri: str, parent_run_id: str | None, temporary: Path | None, prefix: str
    ) -> None:
        self.run_id = run_id
        self.parent_run_id = parent_run_id
        self._tracking_uri = tracking_uri
        self._temporary = temporary
        self._elsewhere: tuple[str, Mapping[str, Any]] = ("", {})
        hold_standard_streams()
        self.output = Kept()
        self.is_cancelled = False
        self._status: int | None = None
        self._is_lost = False
        self._is_closing = False
        self._is_done = False
        self._may_interrupt = threading.current_thread() is threading.main_thread()
        self._canceller: Callable[[], None] | None = None
        self._failure: str | None = None
        self._child: int | None = None
        self._started = threading.Event()
        self._ended = threading.Event()
        self._control, theirs = socket.socketpair()
        out, their_out = os.pipe()
        err, their_err = os.pipe()
        command = [sys.executable, "-P", "-m", "millstream.projects.supervisor", str(theirs.fileno())]
        self._began = time.time()
        try:
            self._popen = subprocess.Popen(
                command, stdout=their_out, stderr=their_err, pass_fds=[theirs.fileno()], start_new_session=True
            )
        except BaseException:
            self._control.close()
            os.close(out)
            os.close(err)
            self.output.remove()
            raise
        finally:
            theirs.close()
            os.close(their_out)
            os.close(their_err)
        self._echo = Echo(sys.stdout, prefix)
        streams = {out: self._echo, err: Echo(sys.stderr, prefix)}
        self._thread = threading.Thread(
            target=self._listen, args=(streams,), name=f"millstream-run-{run_id[:8]}", daemon=True
        )
        self._thread.start()
        self._watch()

    @property
    def process(self) -> Process:
        """The supervisor itself: to send it SIGTERM cancels the run."""
        return Process(self._popen.pid, self._began)

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    @property
    def reason(self) -> str:
        if self.is_cancelled:
            return "It was cancelled."
        if self._is_lost:
            return "The process that supervised it was killed."
        if self._status is None or self._status == 0:
            return ""
        if self._status < 0:
            return f"Its command was ended by signal {-self._status} ({_signal_name(-self._status)})."
        return f"Its command ended with exit status {self._status}."

    def _watch(self) -> None:
        temporary = str(self._temporary) if self._temporary is not None else None
        abandoned = Abandoned(self.run_id, self._tracking_uri, str(self.output.folder), temporary, *self._elsewhere)
        self._tell(watch=structs.asdict(abandoned))

    def watch(self, module: str, handle: Mapping[str, Any]) -> None:
        self._elsewhere = (module, handle)
        self._watch()

    def rename(self, run_id: str) -> None:
        """Go on with another id for the run: the one that a foreign server has chosen."""
        _by_run[run_id] = _by_run.pop(self.run_id)
        self.run_id = run_id
        self._watch()

    def start(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._tell(start={"command": list(command), "folder": str(folder), "environment": dict(environment)})
        self._started.wait()
        if self._failure is not None:
            raise CommandNotStarted(command, self._failure)
        if self._child is None:
            if self._is_lost:
                raise MillstreamError(self.reason)
            raise Cancelled(self.run_id)

    def on_cancel(self, canceller: Callable[[], None]) -> None:
        """Call this when somebody cancels a run that has no command here, but is somewhere else."""
        self._canceller = canceller

    def show(self, data: bytes) -> None:
        """Show and keep what a command elsewhere has printed."""
        self._echo.write(data)
        self.output.write(data)

    def wait(self) -> int | None:
        """The exit status of the command; negative is a signal, None if it was never known."""
        self._ended.wait()
        return self._status

    def cancel(self, grace_s: float = GRACE_S) -> None:
        """End the command and all that it started, and return when they have ended."""
        self._may_interrupt = False  # who calls this knows
        self._tell(cancel=grace_s)
        if self._child is not None:
            self._ended.wait()

    def done(self) -> None:
        """The run has ended: nothing is left to be seen to."""
        self._is_done = True
        self._tell(done=True)

    def close(self) -> None:
        """Let the supervisor go, and wait until it has."""
        self._is_closing = True
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
        self._popen.wait()
        self._thread.join()
        self._control.close()
        if self._is_done:
            self.output.remove()

    def _tell(self, **message: object) -> None:
        with contextlib.suppress(OSError):  # it was killed: `_listen` sees it
            self._control.sendall(json.dumps(message).encode() + b"\n")

    # ------------------------------------------------------------ in the thread

    def _listen(self, streams: dict[int, Echo]) -> None:
        """Until the command has ended and all that it printed was read, or the supervisor has gone."""
        received, is_over = b"", False
        with selectors.DefaultSelector() as selector:
            for source in (self._control.fileno(), *streams):
                selector.register(source, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(_DRAIN_S if is_over else None)
                if is_over and not ready:
                    break
                for key, _ in ready:
                    data = _read(key.fd)
                    if key.fd in streams:
                        if data:
                            streams[key.fd].write(data)
                            self.output.write(data)
                    else:
                        *lines, received = (received + data).split(b"\n")
                        is_over = [self._hear(json.loads(line)) for line in lines].count(True) > 0 or not data
                        if not data and self._status is None:
                            self._supervisor_lost()
                    if not data or (is_over and key.fd not in streams):
                        selector.unregister(key.fd)
        for descriptor, echo in streams.items():
            echo.end_line()
            os.close(descriptor)
        self.output.close()
        self._started.set()
        self._ended.set()

    def _hear(self, message: dict[str, Any]) -> bool:
        """Note what the supervisor tells; whether that was the command's end."""
        self.is_cancelled = self.is_cancelled or message.get("cancelled", False)
        self._child = message.get("started", self._child)
        self._failure = message.get("failed", self._failure)
        self._status = message.get("ended", self._status)
        if message.keys() & {"started", "failed", "ended"}:
            self._started.set()
        elif self._canceller is not None:
            # in a thread of its own: it may wait for what this one has to hear
            threading.Thread(target=self._canceller, daemon=True).start()
        elif self._may_interrupt and signal.getsignal(signal.SIGTERM) is exit_on_signal:
            self._may_interrupt = False
            os.kill(os.getpid(), signal.SIGTERM)  # the main thread prepares something, and is there for nothing else
        return "ended" in message

    def _supervisor_lost(self) -> None:
        self._is_lost = not self._is_closing
        if self._child is not None:
            end_tree(self._child, GRACE_S)


def exit_on_signal(number: int, frame: FrameType | None) -> None:
    """A handler for SIGTERM and SIGHUP in a process that is there for runs alone: they end, and then the process."""
    sys.exit(128 + number)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except ConnectionError:  # the supervisor was killed with something unread
        return b""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"
