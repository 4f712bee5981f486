"""The runs that this process has open: a stack per thread, and what belongs to a run while it is open.

A forked child starts with an empty stack: the parent's runs are not its to end. At exit every run that is still open is
ended, in all threads, as FAILED after an uncaught error.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from millstream.entities import LoggedModelOutput, Run, RunStatus

if TYPE_CHECKING:
    from millstream.client.client import MillstreamClient
    from millstream.client.recorder import Append, Recorder
    from millstream.tracking.system_metrics import SystemMetrics

logger = logging.getLogger(__name__)


class ActiveRun(Run):
    """A run as it was when it was started; `with` ends it. Its `data` does not follow: `get_run` reads it again."""

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from millstream.tracking import runs

        if any(each.run_id == self.info.run_id for each in here.stack):
            if kind is None:
                runs.end_until(self.info.run_id, RunStatus.FINISHED)
                return
            try:
                runs.end_until(self.info.run_id, status_after(kind))
            except Exception as ending:  # the error of the training is what the user must see
                logger.warning("Ending run %s failed: %s", self.info.run_id, ending)


def status_after(kind: type[BaseException]) -> RunStatus:
    """How a run ends that an exception of class `kind` left."""
    return RunStatus.KILLED if issubclass(kind, KeyboardInterrupt) else RunStatus.FAILED


class OpenRun:
    """A run on a stack, with what logging to it needs at hand."""

    __slots__ = ("appenders", "client", "datasets", "monitor", "outputs", "recorder", "run", "run_id")

    def __init__(self, run: ActiveRun, client: MillstreamClient, recorder: Recorder) -> None:
        self.run = run
        self.run_id = run.info.run_id
        self.client = client
        self.recorder = recorder
        self.appenders: dict[str, Append] = {}
        """By key: the metrics for which nothing is left to be decided per point (see `metrics.log_metric`)."""
        self.outputs: list[LoggedModelOutput] = []
        self.datasets: set[tuple[str, str]] = set()
        self.monitor: SystemMetrics | None = None


class _Here(threading.local):
    """What is active in this thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.stack: list[OpenRun] = []
        self.appenders: dict[str, Append] = {}
        """Of the run on top; empty without one."""
        self.last_run_id: str | None = None
        self.model_id: str | None = None
        self.last_model_id: str | None = None

    def top(self) -> OpenRun | None:
        return self.stack[-1] if self.stack else None


here = _Here()
by_id: dict[tuple[str, str], Append] = {}
"""As `here.appenders`, by run id and key, of points that were logged with `run_id=` by threads without an active model."""
_open: dict[str, OpenRun] = {}
_is_exit_registered = False


def push(opened: OpenRun) -> None:
    """Put a run on this thread's stack."""
    global _is_exit_registered
    if not _is_exit_registered:
        _is_exit_registered = True
        atexit.register(_end_all)  # after the recorder's own, hence called before it
    _open[opened.run_id] = opened
    here.stack.append(opened)
    here.appenders = opened.appenders


def pop() -> OpenRun:
    """Take the top of this thread's stack."""
    opened = here.stack.pop()
    _open.pop(opened.run_id, None)
    here.last_run_id = opened.run_id
    here.appenders = here.stack[-1].appenders if here.stack else {}
    return opened


def forget_appenders() -> None:
    """Let the next point of every metric be decided anew: a setting changed that it depends on."""
    by_id.clear()
    for opened in list(_open.values()):
        opened.appenders.clear()


def close(opened: OpenRun, status: RunStatus, *, wait: bool = True) -> None:
    """End a run that is on no stack any more. Raises what only the server could know of what was logged.

    Without `wait` the end is delivered in the background.
    """
    from millstream.media.client import uploads

    for name in [name for name in list(by_id) if name[0] == opened.run_id]:
        by_id.pop(name, None)
    try:
        if opened.monitor is not None:
            opened.monitor.stop()
    finally:
        try:
            uploads.flush(opened.run_id)
        finally:
            opened.recorder.end_run(opened.run_id, status.value, wait=wait)


def _uncaught() -> type[BaseException] | None:
    """The class of the error that ends this program, if one does (a prompt's errors end nothing)."""
    if hasattr(sys, "ps1") or sys.flags.interactive:
        return None
    return getattr(sys, "last_type", None)


def _end_all() -> None:
    kind = _uncaught()
    status = RunStatus.FINISHED if kind is None else status_after(kind)
    for opened in reversed(list(_open.values())):
        _open.pop(opened.run_id, None)
        with contextlib.suppress(ValueError):
            here.stack.remove(opened)
        try:
            close(opened, status)
        except Exception as error:
            logger.warning("Run %s could not be ended: %s", opened.run_id, error)
    here.appenders = {}


def _after_fork() -> None:
    _open.clear()
    here.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def all_open() -> list[OpenRun]:
    """The open runs of all threads."""
    return list(_open.values())


def state_of(run_id: str) -> OpenRun | None:
    """The open run of that id in any thread."""
    return _open.get(run_id)
