"""Group commit: concurrent small writes share one transaction, so that 32 clients cost about what one costs.

Without a thread (embedded), whoever gets the lock commits what all others have queued meanwhile. With the thread (server),
a queue feeds it. Either way one group at a time runs in this process; on SQLite `BEGIN IMMEDIATE` keeps the other processes
out, elsewhere rows are locked.

A group runs without savepoints at first. A request that fails before it wrote anything leaves no trace and needs none. If one
fails later, the group is rolled back and run again with a savepoint per request, so requests must be functions that can
be run again: they take their input as it is and keep no state between runs. A group that meets a deadlock or a lock
timeout is run again, then request by request.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from millstream import settings
from millstream.errors import MillstreamError, Overloaded, Unavailable
from millstream.store.failures import is_disconnect, is_retryable, translate

if TYPE_CHECKING:
    import asyncio

    from millstream.store.database import Database, Session

_DICE = random.SystemRandom()
"""Not the generator of the training, which must draw the same numbers with us as without."""

T = TypeVar("T")

MAX_GROUP = 512
"""Requests in one transaction; at about 50 us each, a group lasts 25 ms at most."""

GROUP_TRIES = 4
SINGLE_TRIES = 8


class Request(Generic[T]):
    """One write and, once `is_done`, its result or error."""

    __slots__ = ("error", "fn", "future", "is_done", "key", "loop", "result")

    def __init__(self, fn: Callable[[Session], T], key: str = "") -> None:
        self.fn = fn
        self.key = key
        self.result: T | None = None
        self.error: BaseException | None = None
        self.is_done = False
        self.future: Future[T] | asyncio.Future[T] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def outcome(self) -> T:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class _NeedsSavepoints(Exception):
    """A request failed after it wrote: the group has to run again, fenced."""


class Writer:
    """The only one in a process that writes to a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: deque[Request[Any]] = deque()
        self._queue: SimpleQueue[Request[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._session: Session | None = None
        self._max_queued = settings.MAX_QUEUED_WRITES.get()
        self._sorts_by_key = database.dialect != "sqlite"

    @property
    def queued(self) -> int:
        """Requests that wait for their group."""
        return self._queue.qsize() + len(self._waiting)

    # ------------------------------------------------------------ embedded: leader and followers

    def write(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in a transaction and return its result after COMMIT."""
        if self._thread is not None:
            future: Future[T] = Future()
            self._enqueue(Request(fn), future)
            return future.result()
        request = Request(fn)
        self._waiting.append(request)
        with self._lock:
            if not request.is_done:
                self._lead(request)
        return request.outcome()

    def _lead(self, mine: Request[Any]) -> None:
        group: list[Request[Any]] = []
        while self._waiting and len(group) < MAX_GROUP:
            group.append(self._waiting.popleft())
        try:
            self.run_group(group)
        except BaseException:
            # only an interrupt of this thread gets here: its request is given up, the others' are left to another leader
            self._waiting.extendleft(each for each in reversed(group) if not each.is_done and each is not mine)
            raise

    # ------------------------------------------------------------ server: a thread

    def start_thread(self) -> None:
        if self._thread is None:
            self._max_queued = settings.MAX_QUEUED_WRITES.get()
            self._thread = threading.Thread(target=self._serve, name="millstream-writer", daemon=True)
            self._thread.start()

    def stop_thread(self) -> None:
        """Commit what is queued, then end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()
            self._drain()

    @property
    def has_thread(self) -> bool:
        return self._thread is not None

    def submit(self, fn: Callable[[Session], T], key: str) -> Future[T]:
        future: Future[T] = Future()
        self._enqueue(Request(fn, key), future)
        return future

    def submit_async(self, fn: Callable[[Session], T], key: str) -> asyncio.Future[T]:
        import asyncio  # servers only: it takes a tenth of a first run's time to load

        request = Request(fn, key)
        request.loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = request.loop.create_future()
        self._enqueue(request, future)
        return future

    def _enqueue(self, request: Request[T], future: Future[T] | asyncio.Future[T]) -> None:
        if self._queue.qsize() >= self._max_queued:
            raise Overloaded(f"{self._max_queued} writes are waiting already. Send the request again in a moment.")
        request.future = future
        self._queue.put(request)
        if self._thread is None:  # it is stopping, or has stopped: nobody may look at the queue any more
            self._drain()

    def _drain(self) -> None:
        """Commit what came behind the thread's last look at the queue."""
        group: list[Request[Any]] = []
        while True:
            try:
                request = self._queue.get_nowait()
            except Empty:
                break
            if request is None:  # for the thread, which is not there yet; whoever stops it drains once more
                self._queue.put(None)
                break
            group.append(request)
        if group:
            with self._lock:
                self.run_group(group)
            _deliver(group)

    def _serve(self) -> None:
        is_open = True
        while is_open:
            request = self._queue.get()
            group: list[Request[Any]] = []
            while request is not None:
                group.append(request)
                if len(group) >= MAX_GROUP:
                    break
                try:
                    request = self._queue.get_nowait()
                except Empty:
                    break
            else:
                is_open = False
            if group:
                with self._lock:
                    self.run_group(group)
                _deliver(group)

    # ------------------------------------------------------------ a group

    def run_group(self, group: list[Request[Any]]) -> None:
        """Run the requests in one transaction and commit; afterwards each has its result or error."""
        if self._sorts_by_key and len(group) > 1:
            group.sort(key=_key)  # all processes lock runs in the same order: no deadlocks between them
        error = self._try_group(group, GROUP_TRIES if len(group) > 1 else SINGLE_TRIES)
        if error is not None and len(group) > 1 and is_retryable(error):
            for request in group:
                self.run_group([request])
            return
        for request in group:
            if error is not None:
                request.error = translate(error)
            request.is_done = True

    def _try_group(self, group: list[Request[Any]], tries: int) -> Exception | None:
        """Run the group until it is committed; the error that stopped the last try, if none succeeded."""
        has_savepoints = False
        reconnected = False
        last: Exception | None = None
        attempt = 0
        while attempt < tries:
            try:
                self._run_once(group, has_savepoints)
                return None
            except _NeedsSavepoints:
                has_savepoints = True
                continue
            except _CommitUnknown as unknown:
                return unknown.error
            except Exception as error:
                last = error
                if is_disconnect(error) and not reconnected:
                    reconnected = True
                    continue
                if not is_retryable(error):
                    return error
            attempt += 1
            time.sleep(_DICE.uniform(0, 0.005 * (1 << attempt)))
        return last

    def _run_once(self, group: list[Request[Any]], has_savepoints: bool) -> None:
        session = self._open_session()
        try:
            session.begin_write()
            for request in group:
                self._run_request(session, request, has_savepoints, is_alone=len(group) == 1)
        except BaseException as error:
            self._undo(session, error)
            if isinstance(error, _Refused):
                return
            raise
        try:
            session.commit()
        except BaseException as error:
            self._undo(session, error)
            if isinstance(error, Exception) and is_disconnect(error):
                raise _CommitUnknown(error) from error
            raise

    def _run_request(self, session: Session, request: Request[Any], has_savepoint: bool, is_alone: bool) -> None:
        before = session.changes
        if has_savepoint:
            session.execute_text("SAVEPOINT request")
        try:
            request.result = request.fn(session)
            request.error = None
        except Exception as error:
            if is_retryable(error) or is_disconnect(error):
                raise
            request.error = translate(error)
            if session.changes != before or not isinstance(error, MillstreamError):
                if is_alone:
                    raise _Refused from None
                if not has_savepoint:
                    raise _NeedsSavepoints from None
                session.execute_text("ROLLBACK TO SAVEPOINT request")
                session.forget_pending()
        if has_savepoint:
            session.execute_text("RELEASE SAVEPOINT request")

    def _open_session(self) -> Session:
        session = self._session
        if session is None:
            session = self._session = self._database.connect(for_writing=True)
        return session

    def _undo(self, session: Session, error: BaseException) -> None:
        is_usable = not is_disconnect(error)
        try:
            session.rollback()
        except Exception:
            is_usable = False
        if not is_usable:
            self._session = None
            session.discard()

    def close(self) -> None:
        self.stop_thread()
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                session.close()

    def abandon(self) -> list[Any]:
        """In a forked child: what belongs to the parent, to be kept from the garbage collector."""
        mine = [self._session, self._queue, self._waiting, self._thread]
        self._session = None
        self._thread = None
        self._lock = threading.Lock()
        self._waiting = deque()
        self._queue = SimpleQueue()
        return mine


class _Refused(Exception):
    """The only request of a group failed: the transaction is undone, the request has its error."""


class _CommitUnknown(Exception):
    def __init__(self, error: Exception) -> None:
        self.error = Unavailable(
            "The connection to the database broke during COMMIT, so it is not known whether the request was written. "
            "Look before sending it again."
        )
        self.error.__cause__ = error


def _key(request: Request[Any]) -> str:
    return request.key


def _deliver(group: Iterable[Request[Any]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[Request[Any]]] = {}
    for request in group:
        if request.loop is not None:
            by_loop.setdefault(request.loop, []).append(request)
        elif isinstance(request.future, Future) and request.future.set_running_or_notify_cancel():
            _settle(request, request.future)
    for loop, requests in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, requests)  # one wake-up of the loop for the whole group
        except RuntimeError:  # the loop was closed while its writes were on the way: nobody waits for them
            pass


def _resolve(requests: Iterable[Request[Any]]) -> None:
    for request in requests:
        if request.future is not None and not request.future.done():
            _settle(request, request.future)


def _settle(request: Request[T], future: Future[T] | asyncio.Future[T]) -> None:
    if request.error is not None:
        future.set_exception(request.error)
    else:
        future.set_result(request.result)  # type: ignore[arg-type]
