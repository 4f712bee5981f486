"""Deliveries to webhooks that wait, or were made: a table beside the changes that they tell of.

A row is written in the transaction of its change, so it exists if and only if the change does. What works through the table
is `webhooks.dispatcher`.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from millstream.entities import PagedList, WebhookDelivery, WebhookDeliveryStatus, WebhookEvent, WebhookStatus
from millstream.errors import InvalidState, MillstreamError, NotFound
from millstream.store.database import Database, Session, insert_into
from millstream.store.experiments import now_ms
from millstream.store.search import tokens
from millstream.store.statement import Statement
from millstream.store.tables import webhook_deliveries, webhook_events, webhooks
from millstream.webhooks import payloads, secrets
from millstream.webhooks.messages import Claimed, Message, Outcome

KEPT_MS = 7 * 86_400_000
"""How long a delivery that is done with can be looked at."""

MAX_ERROR = 500
_STATUSES = tuple(WebhookDeliveryStatus)
_PENDING = WebhookDeliveryStatus.PENDING.number
_DELIVERED = WebhookDeliveryStatus.DELIVERED.number
_FAILED = WebhookDeliveryStatus.FAILED.number

_D = webhook_deliveries.c
_SUBSCRIBED = Statement(
    select(webhooks.c.id)
    .join(webhook_events, webhook_events.c.webhook == webhooks.c.id)
    .where(webhook_events.c.event == bindparam("event"), webhooks.c.status == WebhookStatus.ACTIVE.number)
)
_INSERT = insert_into(
    webhook_deliveries,
    "delivery_id", "webhook", "event", "body", "status", "attempts", "creation_time", "due_time",
)  # fmt: skip
_DUE = (_D.status == _PENDING, _D.due_time <= bindparam("now"), _D.webhook.not_in(bindparam("busy", expanding=True)))
_ANY_DUE = Statement(select(_D.id).where(*_DUE).limit(1))
_LOCK_DUE = Statement(
    select(_D.id, _D.webhook)
    .where(*_DUE)
    .order_by(_D.due_time, _D.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_CLAIM = Statement(
    update(webhook_deliveries)
    .where(_D.id.in_(bindparam("keys", expanding=True)))
    .values(attempts=_D.attempts + 1, due_time=bindparam("lease_end"), last_attempt_time=bindparam("now"))
)
_CLAIMED = Statement(
    select(
        _D.id, _D.webhook, _D.attempts, _D.delivery_id, _D.body,
        webhooks.c.webhook_id, webhooks.c.url, webhooks.c.secret, webhooks.c.status,
    )
    .join(webhooks, webhooks.c.id == _D.webhook)
    .where(_D.id.in_(bindparam("keys", expanding=True)))
    .order_by(_D.id)
)  # fmt: skip
_OWNED = (_D.id == bindparam("key"), _D.status == _PENDING, _D.attempts == bindparam("attempt"))
_FINISH = Statement(
    update(webhook_deliveries)
    .where(*_OWNED)
    .values(
        status=bindparam("new_status"),
        due_time=bindparam("new_due_time"),
        response_status=bindparam("new_response_status"),
        error=bindparam("new_error"),
    )
)
_RELEASE = Statement(
    update(webhook_deliveries).where(*_OWNED).values(due_time=bindparam("now"), attempts=_D.attempts - 1)
)
_TIDY = Statement(delete(webhook_deliveries).where(_D.status != _PENDING, _D.due_time < bindparam("before")))


def add(session: Session, event: WebhookEvent, data: Mapping[str, Any]) -> None:
    """Write down that an event has to be delivered to all active webhooks that subscribe to it, inside of its change."""
    found = session.rows(_SUBSCRIBED, event=str(event))
    if not found:
        return
    now = now_ms()
    body = payloads.body(event, data, now)
    row = {"event": str(event), "body": body, "status": _PENDING, "attempts": 0, "creation_time": now, "due_time": now}
    session.run_many(_INSERT, [{**row, "webhook": webhook, "delivery_id": str(uuid.uuid4())} for (webhook,) in found])


# ---------------------------------------------------------------- for the dispatcher


def database_file(db: Database) -> Path | None:
    """The file of an SQLite store, beside which its key lies."""
    return Path(db.url.database) if db.dialect == "sqlite" and db.url.database else None


class SqlOutbox:
    """The outbox of a store, as `webhooks.dispatcher.Outbox` has it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def claim(
        self, now: int, lease_end: int, limit: int, under_way: Mapping[int, int], per_webhook: int
    ) -> list[Claimed]:
        busy = [webhook for webhook, count in under_way.items() if count >= per_webhook]
        with self._db.read() as session:  # most looks find nothing, and should not write
            if session.row(_ANY_DUE, now=now, busy=busy) is None:
                return []

        def write(session: Session) -> list[tuple[Any, ...]]:
            of_webhook = Counter(under_way)
            keys: list[int] = []
            for key, webhook in session.rows(_LOCK_DUE, now=now, busy=busy, limit=limit):
                of_webhook[webhook] += 1
                if of_webhook[webhook] <= per_webhook:
                    keys.append(key)
            if not keys:
                return []
            session.run(_CLAIM, keys=keys, lease_end=lease_end, now=now)
            return session.rows(_CLAIMED, keys=keys)

        rows = self._db.write(write)
        return [self._claimed(*row) for row in rows]

    def _claimed(
        self,
        key: int,
        webhook: int,
        attempt: int,
        delivery_id: str,
        body: str,
        webhook_id: str,
        url: str,
        sealed: str | None,
        status: int,
    ) -> Claimed:
        secret, problem = None, None
        if status != WebhookStatus.ACTIVE.number:
            problem = Outcome(error="The webhook was disabled before this could be delivered.")
        elif sealed:
            try:
                secret = secrets.unseal(sealed, webhook_id, database_file(self._db))
            except MillstreamError as error:  # the operator may bring the key back
                problem = Outcome(error=error.message, may_work_later=True)
        return Claimed(key, webhook, attempt, Message(url, delivery_id, body, secret), problem)

    def finish(self, claimed: Claimed, outcome: Outcome, now: int, due_time: int | None) -> None:
        status = _DELIVERED if outcome.error is None else _FAILED if due_time is None else _PENDING
        params = {
            "key": claimed.key,
            "attempt": claimed.attempt,
            "new_status": status,
            "new_due_time": now if due_time is None else due_time,
            "new_response_status": outcome.response_status,
            "new_error": outcome.error[:MAX_ERROR] if outcome.error else None,
        }
        self._db.write(lambda session: session.run(_FINISH, **params))

    def release(self, claimed: Claimed, now: int) -> None:
        self._db.write(lambda session: session.run(_RELEASE, key=claimed.key, attempt=claimed.attempt, now=now))

    def tidy(self, now: int) -> None:
        self._db.write(lambda session: session.run(_TIDY, before=now - KEPT_MS))


# ---------------------------------------------------------------- for people

_COLUMNS = (
    _D.id, _D.delivery_id, _D.event, _D.status, _D.attempts, _D.creation_time, _D.due_time, _D.last_attempt_time,
    _D.response_status, _D.error,
)  # fmt: skip
_PAGE = Statement(
    select(*_COLUMNS)
    .where(
        _D.webhook == bindparam("webhook"),
        _D.id < bindparam("before"),
        _D.status.in_(bindparam("statuses", expanding=True)),
    )
    .order_by(_D.id.desc())
    .limit(bindparam("limit"))
)
_ONE = Statement(
    select(*_COLUMNS).where(_D.webhook == bindparam("webhook"), _D.delivery_id == bindparam("delivery_id"))
)
_AGAIN = Statement(
    update(webhook_deliveries)
    .where(_D.id == bindparam("key"), _D.status != _PENDING)
    .values(status=_PENDING, attempts=0, due_time=bindparam("now"))
)


def page(
    session: Session,
    webhook: int,
    webhook_id: str,
    status: WebhookDeliveryStatus | None,
    max_results: int,
    page_token: str,
) -> PagedList[WebhookDelivery]:
    """Deliveries to one webhook, the newest event first."""
    search = tokens.fingerprint("webhook deliveries", webhook_id, status)
    before = tokens.key_before(page_token, search)
    statuses = [status.number] if status is not None else [each.number for each in _STATUSES]
    rows = session.rows(_PAGE, webhook=webhook, before=before, statuses=statuses, limit=max_results + 1)
    found = [_delivery(webhook_id, row) for row in rows[:max_results]]
    return PagedList(found, tokens.next_page(search, rows, max_results))


def redeliver(session: Session, webhook: int, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Try a delivery that is done with once more, with as many attempts as a new one.

    Raises:
        NotFound: the webhook has no such delivery (any more).
        InvalidState: it is still being tried.
    """
    row = session.row(_ONE, webhook=webhook, delivery_id=delivery_id)
    if row is None:
        raise NotFound(f"The webhook has no delivery {delivery_id[:100]!r}. They are kept for a week.")
    if not session.run(_AGAIN, key=row[0], now=now_ms()):
        raise InvalidState("The delivery is still being tried. Wait until it has failed.")
    again = session.row(_ONE, webhook=webhook, delivery_id=delivery_id)
    assert again is not None
    return _delivery(webhook_id, again)


def _delivery(webhook_id: str, row: tuple[Any, ...]) -> WebhookDelivery:
    _, delivery_id, event, status, attempts, creation_time, due_time, last_attempt_time, response_status, error = row
    is_pending = status == _PENDING
    return WebhookDelivery(
        delivery_id=delivery_id,
        webhook_id=webhook_id,
        event=WebhookEvent.from_str(event),
        status=_STATUSES[status - 1],
        attempts=attempts,
        creation_timestamp=creation_time,
        next_attempt_timestamp=due_time if is_pending else None,
        last_attempt_timestamp=last_attempt_time,
        response_status=response_status,
        error_message=error,
    )
