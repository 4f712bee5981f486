"""Webhooks in SQL, and the part of the store that their endpoints ask for."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from millstream.entities import (
    PagedList,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEvent,
    WebhookStatus,
    WebhookTestResult,
)
from millstream.errors import InvalidValue, WebhookNotFound, WebhookUrlRefused
from millstream.store import outbox, rules
from millstream.store.database import Database, Session, insert_into
from millstream.store.experiments import now_ms
from millstream.store.search import tokens
from millstream.store.search.matches import check_max_results
from millstream.store.statement import Statement
from millstream.store.tables import webhook_events, webhooks
from millstream.webhooks import addresses, payloads, secrets
from millstream.webhooks.messages import Message

MAX_PAGE = 1000
DEFAULT_PAGE = 100
MAX_DESCRIPTION = 5000
MAX_SECRET = 1000
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_STATUSES = tuple(WebhookStatus)

_W = webhooks.c
_COLUMNS = (
    _W.id, _W.webhook_id, _W.name, _W.description, _W.url, _W.status, _W.creation_time, _W.last_update_time,
)  # fmt: skip
_INSERT = insert_into(webhooks)
_INSERT_EVENT = insert_into(webhook_events, "webhook", "event")
_GET = Statement(select(*_COLUMNS).where(_W.webhook_id == bindparam("webhook_id")))
_GET_SECRET = Statement(select(_W.secret).where(_W.id == bindparam("webhook")))
_PAGE = Statement(select(*_COLUMNS).where(_W.id < bindparam("before")).order_by(_W.id.desc()).limit(bindparam("limit")))
_EVENTS = Statement(
    select(webhook_events.c.webhook, webhook_events.c.event)
    .where(webhook_events.c.webhook.in_(bindparam("webhooks", expanding=True)))
    .order_by(webhook_events.c.event)
)
_UPDATE = Statement(
    update(webhooks)
    .where(_W.id == bindparam("webhook"))
    .values(
        name=bindparam("new_name"),
        description=bindparam("new_description"),
        url=bindparam("new_url"),
        status=bindparam("new_status"),
        last_update_time=bindparam("now"),
    )
)
_SET_SECRET = Statement(update(webhooks).where(_W.id == bindparam("webhook")).values(secret=bindparam("new_secret")))
_DELETE_EVENTS = Statement(delete(webhook_events).where(webhook_events.c.webhook == bindparam("webhook")))
_DELETE = Statement(delete(webhooks).where(_W.webhook_id == bindparam("webhook_id")))


class SqlWebhookStore:
    """Webhooks and their deliveries in the database of the registry whose events they tell.

    What asks name servers does so before a transaction begins.
    """

    def __init__(self, db: Database) -> None:
        self.db = db

    def create_webhook(
        self,
        name: str,
        url: str,
        events: Sequence[WebhookEvent],
        description: str,
        secret: str,
        status: WebhookStatus,
    ) -> Webhook:
        _check_name(name)
        _check_description(description)
        _check_url(url)
        wanted = _check_events(events)
        if not wanted:
            raise InvalidValue("events must name at least one event, such as model_version.created.")
        webhook_id = str(uuid.uuid4())
        sealed = self._sealed(webhook_id, secret)
        row = {
            "webhook_id": webhook_id,
            "name": name,
            "description": description or None,
            "url": url,
            "secret": sealed,
            "status": status.number,
        }

        def write(session: Session) -> Webhook:
            now = now_ms()
            key = session.insert(_INSERT, **row, creation_time=now, last_update_time=now)
            session.run_many(_INSERT_EVENT, [{"webhook": key, "event": event} for event in wanted])
            return _get(session, webhook_id)[1]

        return self.db.write(write)

    def get_webhook(self, webhook_id: str) -> Webhook:
        with self.db.read() as session:
            return _get(session, webhook_id)[1]

    def list_webhooks(self, max_results: int, page_token: str) -> PagedList[Webhook]:
        """The newest first."""
        limit = _page_size(max_results)
        search = tokens.fingerprint("webhooks")
        before = tokens.key_before(page_token, search)
        with self.db.read() as session:
            rows = session.rows(_PAGE, before=before, limit=limit + 1)
            return PagedList(_load(session, rows[:limit]), tokens.next_page(search, rows, limit))

    def update_webhook(
        self,
        webhook_id: str,
        name: str,
        url: str,
        events: Sequence[WebhookEvent],
        description: str | None,
        secret: str | None,
        status: WebhookStatus | None,
    ) -> Webhook:
        """Change what is given: an empty name, url or list, and None, leave things as they are; an empty secret removes it."""
        if name:
            _check_name(name)
        _check_description(description or "")
        if url:
            _check_url(url)
        wanted = _check_events(events)
        sealed = self._sealed(webhook_id, secret) if secret else None

        def write(session: Session) -> Webhook:
            key, old = _get(session, webhook_id)
            session.run(
                _UPDATE,
                webhook=key,
                new_name=name or old.name,
                new_description=old.description if description is None else description or None,
                new_url=url or old.url,
                new_status=(status or old.status).number,
                now=now_ms(),
            )
            if secret is not None:
                session.run(_SET_SECRET, webhook=key, new_secret=sealed)
            if wanted:
                session.run(_DELETE_EVENTS, webhook=key)
                session.run_many(_INSERT_EVENT, [{"webhook": key, "event": event} for event in wanted])
            return _get(session, webhook_id)[1]

        return self.db.write(write)

    def delete_webhook(self, webhook_id: str) -> None:
        """Remove a webhook for good, with its secret and its deliveries."""

        def write(session: Session) -> None:
            if not session.run(_DELETE, webhook_id=_checked_id(webhook_id)):
                raise WebhookNotFound(webhook_id)

        self.db.write(write)

    def test_webhook(self, webhook_id: str, event: WebhookEvent | None) -> WebhookTestResult:
        """Deliver an invented event at once, without retries, and say how that went."""
        from millstream.webhooks.sending import Attempt

        with self.db.read() as session:
            key, webhook = _get(session, webhook_id)
            row = session.row(_GET_SECRET, webhook=key)
        sealed = row[0] if row is not None else None
        secret = secrets.unseal(sealed, webhook_id, outbox.database_file(self.db)) if sealed else None
        chosen = event or webhook.events[0]
        body = payloads.body(chosen, payloads.example(chosen), now_ms())
        outcome = Attempt(Message(webhook.url, str(uuid.uuid4()), body, secret)).run()
        return WebhookTestResult(outcome.error is None, outcome.response_status, None, outcome.error)

    # ------------------------------------------------------------ deliveries

    def list_webhook_deliveries(
        self, webhook_id: str, status: WebhookDeliveryStatus | None, max_results: int, page_token: str
    ) -> PagedList[WebhookDelivery]:
        """The newest event first; those that are done with are kept for a week."""
        limit = _page_size(max_results)
        with self.db.read() as session:
            key, _ = _get(session, webhook_id)
            return outbox.page(session, key, webhook_id, status, limit, page_token)

    def redeliver_webhook(self, webhook_id: str, delivery_id: str) -> WebhookDelivery:
        rules.check_text(delivery_id, "delivery_id")

        def write(session: Session) -> WebhookDelivery:
            key, _ = _get(session, webhook_id)
            return outbox.redeliver(session, key, webhook_id, delivery_id)

        return self.db.write(write)

    def _sealed(self, webhook_id: str, secret: str) -> str | None:
        """The secret as it is stored; None for an empty one."""
        if not secret:
            return None
        rules.check_text(secret, "secret", MAX_SECRET)
        return secrets.seal(secret, webhook_id, outbox.database_file(self.db))


# ---------------------------------------------------------------- checks


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise InvalidValue(
            "The webhook's name must have 1 to 63 letters, digits, '.', '_' or '-', with a letter or digit at both ends."
        )


def _check_description(description: str) -> None:
    rules.check_text(description, "description", MAX_DESCRIPTION)


def _check_url(url: str) -> None:
    receiver = addresses.parse(url)
    if rules.has_dot_dot(url):
        raise WebhookUrlRefused("it holds '..'. Write the path out.")
    addresses.resolve(receiver)


def _check_events(events: Sequence[WebhookEvent]) -> list[str]:
    texts = sorted({str(event) for event in events})
    if len(texts) != len(events):
        raise InvalidValue("events: an event is named more than once.")
    return texts


def _checked_id(webhook_id: str) -> str:
    return rules.check_text(webhook_id, "webhook_id")


def _page_size(max_results: int) -> int:
    """As asked for; of clients that send 0 for "not given", the default."""
    size = max_results or DEFAULT_PAGE
    check_max_results(size, MAX_PAGE)
    return size


# ---------------------------------------------------------------- reading


def _get(session: Session, webhook_id: str) -> tuple[int, Webhook]:
    """Key and webhook; raises WebhookNotFound."""
    row = session.row(_GET, webhook_id=_checked_id(webhook_id))
    if row is None:
        raise WebhookNotFound(webhook_id)
    return row[0], _load(session, [row])[0]


def _load(session: Session, rows: Sequence[tuple[Any, ...]]) -> list[Webhook]:
    events: dict[int, list[WebhookEvent]] = {row[0]: [] for row in rows}
    for webhook, event in session.rows(_EVENTS, webhooks=list(events)):
        events[webhook].append(WebhookEvent.from_str(event))
    return [
        Webhook(
            webhook_id=webhook_id,
            name=name,
            url=url,
            events=events[key],
            creation_timestamp=creation_time,
            last_updated_timestamp=last_update_time,
            description=description,
            status=_STATUSES[status - 1],
        )
        for key, webhook_id, name, description, url, status, creation_time, last_update_time in rows
    ]
