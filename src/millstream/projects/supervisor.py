"""The process that starts a run's command and sees the run end, whatever becomes of who asked for it.

    python -m millstream.projects.supervisor <file descriptor of a socket>

It is the parent of the command, in a session of its own. Over the socket it is told, in lines of JSON,

    {"watch": {...}}            which run to end if the other side goes away (see `ending`)
    {"start": {"command": [...], "folder": "...", "environment": {...}}}
    {"cancel": seconds}         end the command and all that it started, after so many seconds by force
    {"done": true}              the run has ended

and tells

    {"started": pid}            the command's process, which leads a group
    {"failed": "..."}           the command could not be started
    {"ended": status, "cancelled": true or false}   as `subprocess` gives it: negative is a signal
    {"cancelled": true}         somebody asked to end the run before there was a command

SIGTERM means cancel: that is how any process of the same user ends a run. This module imports next to nothing, so that it is
there as soon as it is needed (30 ms).
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
from types import FrameType
from typing import Any

GRACE_S = 10.0
"""How long a command that is told to end may take for it."""

LEFTOVER_GRACE_S = 2.0
"""The same for what a command that has ended leaves running."""


def hold_standard_streams() -> None:
    """Open `/dev/null` where a standard stream is closed, so that no pipe or socket gets its number.

    Whoever is started next would take that for its input or output.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def main() -> None:
    hold_standard_streams()
    control = socket.socket(fileno=int(sys.argv[1]))
    woken, waker = os.pipe()
    for end in (woken, waker):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _noted)  # a function: what is ignored here would be ignored by the command too
    _Supervisor(control, woken).serve()


def _noted(number: int, frame: FrameType | None) -> None:
    """The number arrives in the pipe of `set_wakeup_fd`."""


class _Supervisor:
    def __init__(self, control: socket.socket, woken: int) -> None:
        self._control = control
        self._woken = woken
        self._child: subprocess.Popen[bytes] | None = None
        self._watched: dict[str, Any] | None = None
        self._is_cancelled = False

    def serve(self) -> None:
        """Until the run has ended, or the other side has gone and the run was ended for it."""
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._control:
                        data = self._receive()
                        if not data:
                            self._abandoned()
                            return
                        *lines, received = (received + data).split(b"\n")
                        for line in lines:
                            message = json.loads(line)
                            if "done" in message:
                                self._end_command(0.0)
                                return
                            self._obey(message)
                    else:
                        self._on_signals(os.read(self._woken, 4096))

    def _receive(self) -> bytes:
        try:
            return self._control.recv(1 << 16)
        except ConnectionError:
            return b""

    def _tell(self, **message: object) -> None:
        with contextlib.suppress(OSError):  # the other side has gone: the next read says so
            self._control.sendall(json.dumps(message).encode() + b"\n")

    def _obey(self, message: dict[str, Any]) -> None:
        if "watch" in message:
            self._watched = message["watch"]
        elif "start" in message:
            self._start(**message["start"])
        elif "cancel" in message:
            self._cancel(message["cancel"])

    def _start(self, command: list[str], folder: str, environment: dict[str, str]) -> None:
        if self._is_cancelled:
            self._tell(ended=-signal.SIGTERM, cancelled=True)
            return
        try:
            self._child = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
        except OSError as error:
            self._tell(failed=f"{error.strerror}: {error.filename}")
            return
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):  # the command alone holds the output open from now on
            os.dup2(nothing, standard)
        os.close(nothing)
        self._tell(started=self._child.pid)

    def _on_signals(self, numbers: bytes) -> None:
        if signal.SIGTERM in numbers:
            self._cancel(GRACE_S)
        if self._child is not None and self._child.poll() is not None:
            self._end_leftovers(self._child.pid)
            self._tell(ended=self._child.returncode, cancelled=self._is_cancelled)
            self._child = None

    def _cancel(self, grace_s: float) -> None:
        self._is_cancelled = True
        if self._child is None:
            self._tell(cancelled=True)
        else:
            from millstream.processes import end_tree

            end_tree(self._child.pid, grace_s)  # its end arrives as a signal

    def _end_leftovers(self, group: int) -> None:
        """What the command has left running in its group: nothing of a run goes on after it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, 0)
            from millstream.processes import end_tree

            end_tree(group, LEFTOVER_GRACE_S)

    def _end_command(self, grace_s: float) -> None:
        if self._child is not None:
            self._cancel(grace_s)
            self._child.wait()

    def _abandoned(self) -> None:
        """The other side was killed: end the command, and the run."""
        self._end_command(GRACE_S)
        if self._watched is not None:
            command = [sys.executable, "-P", "-m", "millstream.projects.ending"]
            subprocess.run(command, input=json.dumps(self._watched).encode(), check=False)


if __name__ == "__main__":
    main()
