"""Working through the outbox: what a server does beside answering, and `millstream webhooks deliver` does once.

A delivery is claimed for the length of a lease before it is tried. So of several servers one tries it, and if that one dies
the lease ends and another tries again: every event arrives at least once, after a crash perhaps twice, with the same
delivery id.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from millstream import settings
from millstream.errors import Unavailable
from millstream.webhooks.messages import Claimed, Outcome
from millstream.webhooks.sending import Attempt

_DICE = random.SystemRandom()
"""Not the generator of the training, which must draw the same numbers with us as without."""

POLL_INTERVAL_S = 0.5
"""Pause between two looks at the outbox, so about the time from an event to its delivery."""

LEASE_MARGIN_S = 30.0
"""How much longer than an attempt's timeout a lease lasts: name servers and a slow database come on top."""

AT_ONCE_PER_WEBHOOK = 4
"""A receiver that is slow holds up its own deliveries, not those of others."""

LONGEST_PAUSE_S = 3600.0
STOP_TIMEOUT_S = 5.0
"""How long attempts may take after the server was told to stop; they are cut then and made again by the next server."""

TIDY_INTERVAL_S = 3600.0
FAILURE_PAUSE_S = 15.0


class Outbox(Protocol):
    """Where deliveries wait. Times are milliseconds since the epoch."""

    def claim(
        self, now: int, lease_end: int, limit: int, under_way: Mapping[int, int], per_webhook: int
    ) -> list[Claimed]:
        """Take up to `limit` deliveries that are due: so many that of no webhook more than `per_webhook` are under way.

        Args:
            under_way: attempts of this process by webhook.
        """
        ...

    def finish(self, claimed: Claimed, outcome: Outcome, now: int, due_time: int | None) -> None:
        """Write down how an attempt went; `due_time` is when to try again, None if it is done with."""
        ...

    def release(self, claimed: Claimed, now: int) -> None:
        """Give a delivery back as if it had not been tried."""
        ...

    def tidy(self, now: int) -> None:
        """Forget deliveries that were done with long ago."""
        ...


class Counts(Struct):
    """Outcomes of attempts since the start."""

    delivered: int = 0
    failed: int = 0
    postponed: int = 0


class Dispatcher:
    """Delivers what is due, at most `WEBHOOK_DELIVERY_MAX_WORKERS` at once, each in a thread of its own."""

    def __init__(self, outbox: Outbox, on_error: Callable[[str, Exception | None], None]) -> None:
        """
        Args:
            on_error: gets a sentence about each delivery that is given up, and about each exception that nobody expected
                (the work goes on).
        """
        self._outbox = outbox
        self._on_error = on_error
        self._most = max(1, settings.WEBHOOK_DELIVERY_MAX_WORKERS.get())
        self._condition = threading.Condition()
        self._running: dict[Attempt, Claimed] = {}
        self._is_stopping = False
        self._has_news = False  # an attempt is over since the last look at the outbox
        self._thread: threading.Thread | None = None
        self.counts = Counts()

    # ------------------------------------------------------------ for ever, or once

    def start(self) -> None:
        """Work in the background until `stop`."""
        self._thread = threading.Thread(target=self._work, name="millstream-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Claim no more, wait a little for attempts under way, then cut them and give them back."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT_S)
        with self._condition:
            self._condition.wait_for(lambda: not self._running, STOP_TIMEOUT_S)
            left = list(self._running)
        for attempt in left:
            attempt.cut()
        with self._condition:
            self._condition.wait_for(lambda: not self._running, STOP_TIMEOUT_S)

    def run_once(self) -> Counts:
        """Try everything that is due, and return when that is done.

        Raises:
            Unavailable: the system has no thread left; what was not tried is due as before.
        """
        try:
            while self._start_some() or self._await_attempt():
                pass
        except Exception:
            with self._condition:  # what is under way is written down, as long as the outbox is there
                self._condition.wait_for(lambda: not self._running)
            raise
        return self.counts

    def _work(self) -> None:
        next_tidy = 0.0
        while not self._is_stopping:
            pause = POLL_INTERVAL_S
            try:
                if time.monotonic() >= next_tidy:
                    self._outbox.tidy(_now())
                    next_tidy = time.monotonic() + TIDY_INTERVAL_S
                if self._start_some():
                    continue
            except Exception as error:  # the database is away, or all threads are taken: that will pass
                self._on_error("Webhooks: nothing can be delivered now.", error)
                pause = FAILURE_PAUSE_S
            with self._condition:
                self._condition.wait_for(lambda: self._is_stopping or self._has_news, pause)

    def _await_attempt(self) -> bool:
        """Wait until an attempt is over; False if none is under way."""
        with self._condition:
            if not self._running and not self._has_news:
                return False
            self._condition.wait_for(lambda: self._has_news)
        return True

    # ------------------------------------------------------------ attempts

    def _start_some(self) -> bool:
        """Claim as much as there is room for and start it; whether there may be more, and room for it."""
        with self._condition:
            self._has_news = False
            room = self._most - len(self._running)
            under_way = Counter(claimed.webhook for claimed in self._running.values())
        if room <= 0:
            return False
        now = _now()
        lease_end = now + int((settings.WEBHOOK_REQUEST_TIMEOUT.get() + LEASE_MARGIN_S) * 1000)
        claimed = self._outbox.claim(now, lease_end, room, under_way, AT_ONCE_PER_WEBHOOK)
        for number, each in enumerate(claimed):
            try:
                self._start_attempt(each)
            except RuntimeError as error:
                for left in claimed[number:]:
                    self._outbox.release(left, _now())
                raise Unavailable("The system refuses another thread. What is due is tried again later.") from error
        return bool(claimed) and len(claimed) < room

    def _start_attempt(self, claimed: Claimed) -> None:
        """Raises RuntimeError if the system has no thread left; nothing is under way then."""
        attempt = Attempt(claimed.message)
        with self._condition:
            self._running[attempt] = claimed
        try:
            threading.Thread(target=self._try, args=(claimed, attempt), name="millstream-webhook", daemon=True).start()
        except RuntimeError:
            with self._condition:
                del self._running[attempt]
            raise

    def _try(self, claimed: Claimed, attempt: Attempt) -> None:
        try:
            outcome = claimed.problem or attempt.run()
            if attempt.was_cut:
                self._outbox.release(claimed, _now())
            else:
                self._finish(claimed, outcome)
        except Exception as error:  # the lease will end, and the attempt be made again
            self._on_error(f"Webhooks: delivery {claimed.message.delivery_id} could not be recorded.", error)
        finally:
            with self._condition:
                del self._running[attempt]
                self._has_news = True
                self._condition.notify_all()

    def _finish(self, claimed: Claimed, outcome: Outcome) -> None:
        now = _now()
        due_time = None
        if outcome.may_work_later and claimed.attempt <= settings.WEBHOOK_REQUEST_MAX_RETRIES.get():
            due_time = now + int(1000 * _pause_s(claimed.attempt, outcome.retry_after_s))
        self._outbox.finish(claimed, outcome, now, due_time)
        if outcome.error is not None and due_time is None:
            self._on_error(f"Webhooks: delivery {claimed.message.delivery_id} is given up. {outcome.error}", None)
        with self._condition:
            if outcome.error is None:
                self.counts.delivered += 1
            elif due_time is None:
                self.counts.failed += 1
            else:
                self.counts.postponed += 1


def _pause_s(attempt: int, retry_after_s: float | None) -> float:
    """Seconds to wait after an attempt that failed: what the receiver asks for, else twice as long each time, with jitter."""
    pause = 2.0 ** min(attempt - 1, 20) * _DICE.uniform(0.75, 1.25) if retry_after_s is None else retry_after_s
    return min(pause, LONGEST_PAUSE_S)


def _now() -> int:
    return time.time_ns() // 1_000_000
