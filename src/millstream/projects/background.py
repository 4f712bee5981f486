"""Runs that nobody waits for: each in a process of its own, which outlives who started it, and found again by its run.

    python -m millstream.projects.background <file descriptor>

is that process: it gets its task on stdin, and answers over the descriptor with the run's id, or the error that there was
before. From then on all that happens is told by the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from millstream.entities import RunStatus
from millstream.errors import InvalidState, MillstreamError, NotFound, from_wire
from millstream.projects.submission import SubmittedRun

if TYPE_CHECKING:
    from millstream.entities import Run
    from millstream.projects.running import Task

_SHORTEST_POLL_S = 0.1
_LONGEST_POLL_S = 2.0
CANCEL_TIMEOUT_S = 60.0
"""How long a cancelled run may take to end; its command gets 10 s of it."""


def start(task: Task) -> BackgroundRun:
    """Let another process do a task; the run once it is there. Raises what kept it from being made."""
    ours, theirs = os.pipe()
    command = [sys.executable, "-P", "-m", "millstream.projects.background", str(theirs)]
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[theirs],
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(theirs)
    assert child.stdin is not None
    with open(ours, "rb") as answers:
        with contextlib.suppress(BrokenPipeError), child.stdin as tasks:
            tasks.write(pickle.dumps(task))  # for ourselves, over a pipe that nobody else has
        line = answers.readline()
    child.returncode = 0  # it outlives us; should it not, then it is no zombie
    threading.Thread(target=os.waitpid, args=(child.pid, 0), daemon=True).start()
    if not line:
        raise MillstreamError("The process that was to run the project in the background was killed.")
    answer = json.loads(line)
    if "run_id" not in answer:
        raise from_wire(0, answer["error_code"], answer["message"])
    return BackgroundRun(answer["run_id"], task.submission.tracking_uri)


def main() -> None:
    """Do the task."""
    from millstream.projects import processes, running
    from millstream.tracking.uris import set_tracking_uri

    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    task: Task = pickle.loads(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, processes.exit_on_signal)
    set_tracking_uri(task.submission.tracking_uri)
    with open(descriptor, "wb", buffering=0) as answers:

        def answer(**content: str) -> None:
            if not answers.closed:
                with contextlib.suppress(BrokenPipeError):
                    answers.write(json.dumps(content).encode() + b"\n")
                answers.close()

        try:
            running.run_here(task, announce=lambda run_id: answer(run_id=run_id))
        except MillstreamError as error:
            answer(error_code=error.error_code, message=error.message)
        except Exception as error:
            answer(error_code="INTERNAL_ERROR", message=f"{type(error).__name__}: {error}")
            raise


def attach(run_id: str, tracking_uri: str | None = None) -> BackgroundRun:
    """The run of a project, started by whomever: to ask for its status, to wait for it, to cancel it.

    Raises NotFound if there is no such run.
    """
    from millstream.projects.record import client_of
    from millstream.tracking.uris import get_tracking_uri

    uri = tracking_uri or get_tracking_uri()
    client_of(uri).get_run(run_id)
    return BackgroundRun(run_id, uri)


class BackgroundRun(SubmittedRun):
    """A run of another process, seen through the store."""

    def __init__(self, run_id: str, tracking_uri: str) -> None:
        self._run_id = run_id
        self._tracking_uri = tracking_uri

    @property
    def run_id(self) -> str:
        return self._run_id

    def get_status(self) -> str:
        """The run's status; a run whose processes on this machine are gone is ended as FAILED by this."""
        return self._look().info.status.value

    def wait(self) -> bool:
        pause = _SHORTEST_POLL_S
        while not RunStatus.is_terminated(status := self.get_status()):
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_S)
        return status == RunStatus.FINISHED

    def cancel(self) -> None:
        """End it, and wait until it has ended; a run that has ended already stays as it is.

        Raises InvalidState for a run of another machine, or one that no project's supervisor runs.
        """
        from millstream.projects.record import place_of

        run = self._look()
        if RunStatus.is_terminated(run.info.status):
            return
        place = place_of(run)
        if place is None:
            raise InvalidState(f"Run {self._run_id} is not run as a project, so only its own program can end it.")
        if not place.is_here:
            raise InvalidState(f"Run {self._run_id} runs on the machine {place.host!r}. Cancel it there.")
        try:
            os.kill(place.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it ends just now
        except PermissionError:
            raise InvalidState(f"Run {self._run_id} is another user's, who alone can cancel it.") from None
        deadline = time.monotonic() + CANCEL_TIMEOUT_S
        while not RunStatus.is_terminated(self.get_status()):
            if time.monotonic() > deadline:
                raise InvalidState(
                    f"Run {self._run_id} has not ended within {CANCEL_TIMEOUT_S:g} s after it was cancelled."
                )
            time.sleep(_SHORTEST_POLL_S)

    @property
    def reason(self) -> str:
        from millstream.projects.record import ERROR_TAG

        return self._look().data.tags.get(ERROR_TAG, "")

    def _look(self) -> Run:
        """The run as it is; ended, if whoever ran it here is gone."""
        from millstream.projects import record

        client = record.client_of(self._tracking_uri)
        run = client.get_run(self._run_id)
        place = record.place_of(run)
        if RunStatus.is_terminated(run.info.status) or place is None or not place.is_here or place.process.is_alive():
            return run
        run = client.get_run(self._run_id)  # it may have ended the run before it went
        if RunStatus.is_terminated(run.info.status):
            return run
        with contextlib.suppress(NotFound):
            record.end(self._tracking_uri, self._run_id, RunStatus.FAILED, "The processes that ran it are gone.")
        return client.get_run(self._run_id)


if __name__ == "__main__":
    main()
