"""Threads for predictions: a bounded number, a bounded queue, and a time after which the caller is told to stop waiting.

The event loop hands a job over and goes on; health checks are answered meanwhile. A job that is overdue is given up by its caller, but
a running thread cannot be stopped: it goes on until the model returns. The threads are daemons, so that one that never returns does not
keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NoReturn, TypeVar

from millstream.errors import MillstreamError, Overloaded

T = TypeVar("T")


class DeadlineExceeded(MillstreamError):
    """The model took too long. Answered 504 with the message as plain text, as MLflow does."""

    code = "DEADLINE_EXCEEDED"

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            f"The model did not answer within {timeout_s:g} seconds. Send less at once, or raise --timeout."
        )


class _Job:
    __slots__ = ("fn", "future", "loop")

    def __init__(self, fn: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.fn = fn
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()


class Pool:
    """
    Args:
        threads: predictions at once.
        max_waiting: jobs that wait for a thread; more are refused.
    """

    def __init__(self, threads: int, max_waiting: int) -> None:
        self.threads = threads
        self.max_waiting = max_waiting
        self.jobs = 0
        """Jobs that run or wait and whose callers have not given up."""
        self.running = 0
        """Threads that are busy, also with jobs that were given up."""
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._started = 0
        self._unfinished = 0
        """Jobs that no thread is done with yet, also those that were given up: what threads are needed for."""
        self._lock = threading.Lock()

    async def run(self, fn: Callable[[], T], timeout_s: float) -> T:
        """The result of `fn()`, called in a thread.

        Raises:
            Overloaded: too many wait already.
            DeadlineExceeded: it was not done in time.
        """
        if self.jobs >= self.threads + self.max_waiting:
            self.refuse()
        loop = asyncio.get_running_loop()
        job = _Job(fn, loop)
        self._put(job)
        self.jobs += 1
        timer = loop.call_later(timeout_s, _expire, job.future, timeout_s)
        try:
            result: T = await job.future
            return result
        finally:
            timer.cancel()
            self.jobs -= 1

    def refuse(self) -> NoReturn:
        """Raises Overloaded."""
        raise Overloaded("Too many requests wait for the model already. Send the request again in a moment.")

    def _put(self, job: _Job) -> None:
        """Queue a job, with a thread for it if all that were started may be busy."""
        with self._lock:
            if self._started < min(self.threads, self._unfinished + 1):
                self._start()
            self._unfinished += 1
        self._queue.put(job)

    def _start(self) -> None:
        name = f"predict-{self._started + 1}"
        threading.Thread(target=self._work, name=name, daemon=True).start()
        self._started += 1

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.future.done():  # given up while it waited
                with self._lock:
                    self._unfinished -= 1
                continue
            with self._lock:
                self.running += 1
            try:
                result, error = job.fn(), None
            except BaseException as raised:
                result, error = None, raised
            with self._lock:
                self.running -= 1
                self._unfinished -= 1
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                job.loop.call_soon_threadsafe(_resolve, job.future, result, error)
            del job, result, error

    def close(self) -> None:
        """End the threads when they have nothing more to do."""
        for _ in range(self._started):
            self._queue.put(None)


def _expire(future: asyncio.Future[Any], timeout_s: float) -> None:
    if not future.done():
        future.set_exception(DeadlineExceeded(timeout_s))


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
