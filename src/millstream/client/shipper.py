"""The shipper: a background thread that delivers this process's journal, and the journals of dead processes it finds.

Nobody signals it when something is logged, since that would cost more than the logging: it looks every SHIP_INTERVAL seconds
while things are logged and every second when not. Barriers (`flush`) wake it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from millstream.client.adoption import DeadJournal, dead_journals
from millstream.client.delivery import Delivery, RunIds, is_blocking, is_transient
from millstream.client.journal import Journal
from millstream.client.journal_files import exists
from millstream.client.transport import Transport
from millstream.errors import MillstreamError
from millstream.settings import OFFLINE, SHIP_INTERVAL

_DICE = random.SystemRandom()
"""Not the generator of the training, which must draw the same numbers with us as without."""

log = logging.getLogger("millstream")

IDLE_S = 1.0
ADOPT_EVERY_S = 15.0
STRANGERS_S = 0.25
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
WAITED_PAUSE_S = 0.5
"""The longest between two tries while somebody waits."""
MOST_REFUSALS = 1000


class Shipper:
    """Delivers one journal. All methods may be called from any thread."""

    def __init__(self, journal: Journal, transport: Transport, run_ids: RunIds, root: Callable[[], Path]) -> None:
        self._journal = journal
        self._transport = transport
        self._run_ids = run_ids
        self._root = root
        self._reset()

    def _reset(self) -> None:
        self._refusals: list[tuple[str, MillstreamError]] = []  # run, what the server refused since the last barrier
        self._refusals_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._working = threading.Lock()
        self._waiting = 0  # barriers
        self._stopping = False
        self._delivery: Delivery | None = None
        self._adopted_at = 0.0
        self._adoptions_asked = 0
        self._adoptions_done = 0
        self._adopted: list[tuple[DeadJournal, Delivery]] = []
        self.failing_since: float | None = None  # monotonic
        self.last_error: BaseException | None = None

    def forget_after_fork(self) -> None:
        for journal, _ in self._adopted:
            journal.close(delete=False)  # its lock stays with the parent
        self._reset()

    def start(self) -> None:
        """Start the thread, unless it runs."""
        if self._thread is not None or self._stopping:
            return
        thread = threading.Thread(target=self._run, name="millstream-shipper", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending: barriers do the work themselves
            self._thread = None

    def stop(self) -> None:
        """Let the thread end."""
        self._stopping = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)
        for journal, _ in self._adopted:
            journal.close(delete=False)
        self._reset()

    # ------------------------------------------------------------ barriers

    def wait(self, position: int, timeout: float, adopt: bool = False) -> bool:
        """Wait until everything below `position` is delivered, at most `timeout` seconds.

        Returns early with False when nothing can be delivered until somebody changes something (`last_error` says what).

        Args:
            adopt: deliver the journals of dead processes as well (those of forked workers above all).
        """
        self._waiting += 1
        try:
            return self._wait(position, timeout, adopt)
        finally:
            self._waiting -= 1

    def _wait(self, position: int, timeout: float, adopt: bool) -> bool:
        deadline = time.monotonic() + timeout
        if adopt:
            self._adoptions_asked += 1
        asked = self._adoptions_asked if adopt else 0
        if self._thread is None or not self._thread.is_alive():
            self._thread = None
            self.start()
        tried = False
        while self._journal.acked < position or self._adoptions_done < asked:
            if self._thread is None:
                if not self._work_inline():
                    return self._journal.acked >= position
                continue
            error = self.last_error
            if tried and error is not None and is_blocking(error):
                return False
            left = deadline - time.monotonic()
            if left <= 0:
                break
            with self._changed:
                if self._journal.acked < position or self._adoptions_done < asked:
                    if not tried:  # a try that failed is not repeated at once: it has its pause
                        self._wake.set()
                    self._changed.wait(min(left, 0.25))
            tried = True
        return self._journal.acked >= position

    def _work_inline(self) -> bool:
        try:
            return self._round()
        except Exception as error:
            self._note(error)
            return False

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        me = threading.current_thread()
        busy_until = 0.0
        is_tidy = False
        self._journal.warm()
        self._wake.wait(SHIP_INTERVAL.get())  # the first thing logged is seldom alone
        while not self._stopping and self._thread is me:
            self._wake.clear()
            try:
                if self._round():
                    busy_until = time.monotonic() + 2 * IDLE_S
                    is_tidy = False
                elif not is_tidy:
                    is_tidy = not self._transport.tidy()
                self._recovered()
                pause = FIRST_PAUSE_S
                interval = SHIP_INTERVAL.get() if time.monotonic() < busy_until or not is_tidy else IDLE_S
            except Exception as error:
                self._note(error)
                asked = getattr(error, "retry_after_s", None)
                pause = min(pause, LONGEST_PAUSE_S, WAITED_PAUSE_S if self._waiting else LONGEST_PAUSE_S)
                interval = min(float(asked), 60.0) if asked is not None else pause * (0.75 + _DICE.random() / 2)
                pause *= 2
            with self._changed:
                self._changed.notify_all()
            self._wake.wait(interval)

    def _round(self) -> bool:
        """Deliver what there is; whether there was anything."""
        with self._working:
            if OFFLINE.get():
                self._adoptions_done = self._adoptions_asked
                return False
            journal = self._journal
            if self._delivery is None or self._delivery.source.journal_id != journal.journal_id:
                parent = journal.parent_id
                self._delivery = Delivery(
                    journal, self._transport, self._run_ids, self._root() / "rejected", self._refused,
                    may_come=lambda: exists(parent, self._root()), is_polite=self._is_polite,
                )  # fmt: skip
            asked = self._adoptions_asked
            found = False
            while self._delivery.step():
                found = True
                with self._changed:
                    self._changed.notify_all()
            journal.prepare()
            is_due = bool(journal.journal_id) and time.monotonic() - self._adopted_at > ADOPT_EVERY_S
            if is_due or asked > self._adoptions_done:
                self._adopt()
                self._adopted_at = time.monotonic()
            if self._adopted:
                found = self._deliver_adopted() or found
            self._adoptions_done = max(asked, self._adoptions_done)
            return found

    def _is_polite(self) -> bool:
        """Threads that log come first, unless one of them waits for the delivery."""
        return self._waiting == 0

    def _adopt(self) -> None:
        """Take over the journals of dead processes; those of this process's own children come first."""
        own = self._journal.journal_id
        for journal in dead_journals(self._root(), self._transport.uri):
            is_child = journal.header.parent_id == own
            delivery = Delivery(
                journal, self._transport, self._run_ids, self._root() / "rejected", self._refused if is_child else None,
                may_come=partial(exists, journal.header.parent_id, self._root()), is_polite=self._is_polite,
            )  # fmt: skip
            self._adopted.append((journal, delivery))
        self._adopted.sort(key=lambda pair: pair[0].header.parent_id != own)

    def _deliver_adopted(self) -> bool:
        """Deliver adopted journals: all of this process's children, of others for a moment only, so that nobody's barrier waits
        for strangers. Whether some are left."""
        deadline = time.monotonic() + STRANGERS_S
        for pair in list(self._adopted):
            journal, delivery = pair
            is_child = journal.header.parent_id == self._journal.journal_id
            done = False
            try:
                while not done and (is_child or time.monotonic() < deadline):
                    done = not delivery.step()
            except Exception as error:
                self._adopted.remove(pair)
                journal.close(delete=False)
                log.warning(
                    "The journal %s of a process that ended cannot be delivered now: %s", journal.journal_id, error
                )
                continue
            if not done:
                return True
            self._adopted.remove(pair)
            journal.close(delete=True)
            _tell_unreadable(journal, delivery)
        return bool(self._adopted)

    def _refused(self, run_id: str, error: MillstreamError) -> None:
        with self._refusals_lock:
            if len(self._refusals) < MOST_REFUSALS:
                self._refusals.append((run_id, error))

    def take_refusal(self, run_id: str | None) -> MillstreamError | None:
        """The first error that a barrier has to raise: of a run, or (None) of any run; None if there is none.

        What was refused of that run is forgotten with it, since it stands in the log and in `rejected/`: each run raises once.
        """
        with self._refusals_lock:
            found = next((pair for pair in self._refusals if run_id is None or pair[0] == run_id), None)
            if found is None:
                return None
            self._refusals = [pair for pair in self._refusals if pair[0] != found[0]]
            return found[1]

    def _note(self, error: Exception) -> None:
        """Say once that delivery has stopped."""
        known = is_transient(error) or is_blocking(error)
        if self.failing_since is None:
            self.failing_since = time.monotonic()
            log.warning(
                "What is logged is kept in the journal for now: %s Delivery is tried again.",
                error if isinstance(error, MillstreamError) else f"{type(error).__name__}: {error}.",
                exc_info=None if known or isinstance(error, MillstreamError) else error,
            )
        self.last_error = error

    def _recovered(self) -> None:
        if self.failing_since is not None:
            log.info("Delivery to %s goes on.", self._transport.uri)
        self.failing_since = None
        self.last_error = None


def deliver_dead(
    journal: DeadJournal,
    transport: Transport,
    run_ids: RunIds,
    root: Path,
    on_refused: Callable[[str, MillstreamError], None] | None = None,
) -> Delivery:
    """Deliver an adopted journal and delete it, or let go of it and raise what kept it from being delivered."""
    delivery = Delivery(
        journal, transport, run_ids, root / "rejected", on_refused,
        may_come=partial(exists, journal.header.parent_id, root),
    )  # fmt: skip
    done = False
    try:
        while delivery.step():
            pass
        done = True
    finally:
        journal.close(delete=done)
    _tell_unreadable(journal, delivery)
    return delivery


def _tell_unreadable(journal: DeadJournal, delivery: Delivery) -> None:
    if delivery.report.unreadable:
        log.error(
            "%d records in the journal %s of a process that died are damaged and were left out.",
            delivery.report.unreadable,
            journal.journal_id,
        )
