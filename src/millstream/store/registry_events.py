"""What happened in the registry, written where it happens, in the transaction of the change itself.

Every write of the registry ends in `record(session, Change(...))`. That puts a row into the history and, for the kinds of
change that MLflow has a webhook event for, a delivery to each webhook that subscribes to it into the outbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from sqlalchemy import and_, bindparam, or_, select, update

from millstream.entities import (
    PROMPT_TAG,
    PROMPT_TEXT_TAG,
    PagedList,
    RegistryAction,
    RegistryChange,
    WebhookAction,
    WebhookEntity,
    WebhookEvent,
)
from millstream.store import outbox
from millstream.store.database import Session, insert_into
from millstream.store.registry_rules import Author
from millstream.store.search import tokens
from millstream.store.statement import Statement
from millstream.store.tables import registry_history

Action = RegistryAction


class Change(Struct):
    """One change, about to be recorded.

    `details` holds what only webhooks tell: tags, description, run_id. `version` is the version's number, None for a change of
    the model itself.
    """

    action: RegistryAction
    model: int
    name: str
    time: int
    author: Author
    version: int | None = None
    key: str | None = None
    from_value: str | None = None
    to_value: str | None = None
    from_version: int | None = None
    is_prompt: bool = False
    is_silent: bool = False  # goes into the history only: it follows from another change
    details: Mapping[str, Any] = field(default_factory=dict)


_INSERT = insert_into(registry_history)


def record(session: Session, *changes: Change) -> None:
    """Write changes into the history, and announce those that webhooks tell of."""
    session.run_many(
        _INSERT,
        [
            {
                "model": change.model,
                "name": change.name,
                "version": change.version,
                "action": change.action.number,
                "key": change.key,
                "from_value": change.from_value,
                "to_value": change.to_value,
                "from_version": change.from_version,
                "user_id": change.author.user,
                "comment": change.author.comment or None,
                "time": change.time,
            }
            for change in changes
        ],
    )
    for change in changes:
        event = event_of(change)
        if event is not None and not change.is_silent:
            outbox.add(session, *event)


# ---------------------------------------------------------------- webhook events


_EVENTS: dict[RegistryAction, WebhookEvent] = {
    Action.MODEL_CREATED: WebhookEvent(WebhookEntity.REGISTERED_MODEL, WebhookAction.CREATED),
    Action.VERSION_CREATED: WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED),
    Action.VERSION_TAG_SET: WebhookEvent(WebhookEntity.MODEL_VERSION_TAG, WebhookAction.SET),
    Action.VERSION_TAG_DELETED: WebhookEvent(WebhookEntity.MODEL_VERSION_TAG, WebhookAction.DELETED),
    Action.ALIAS_SET: WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED),
    Action.ALIAS_DELETED: WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.DELETED),
}
"""The changes that MLflow has events for. Renames, updates, stages and deletions have none."""

_PROMPT_EVENTS: dict[RegistryAction, WebhookEvent] = {
    Action.MODEL_CREATED: WebhookEvent(WebhookEntity.PROMPT, WebhookAction.CREATED),
    Action.MODEL_TAG_SET: WebhookEvent(WebhookEntity.PROMPT_TAG, WebhookAction.SET),
    Action.MODEL_TAG_DELETED: WebhookEvent(WebhookEntity.PROMPT_TAG, WebhookAction.DELETED),
    Action.VERSION_CREATED: WebhookEvent(WebhookEntity.PROMPT_VERSION, WebhookAction.CREATED),
    Action.VERSION_TAG_SET: WebhookEvent(WebhookEntity.PROMPT_VERSION_TAG, WebhookAction.SET),
    Action.VERSION_TAG_DELETED: WebhookEvent(WebhookEntity.PROMPT_VERSION_TAG, WebhookAction.DELETED),
    Action.ALIAS_SET: WebhookEvent(WebhookEntity.PROMPT_ALIAS, WebhookAction.CREATED),
    Action.ALIAS_DELETED: WebhookEvent(WebhookEntity.PROMPT_ALIAS, WebhookAction.DELETED),
}


def event_of(change: Change) -> tuple[WebhookEvent, dict[str, Any]] | None:
    """The webhook event that a change is, and its data: texts, None for what is absent, tags as a dict. None if it is none."""
    event = (_PROMPT_EVENTS if change.is_prompt else _EVENTS).get(change.action)
    if event is None:
        return None
    data: dict[str, Any] = {"name": change.name}
    version = None if change.version is None else str(change.version)
    details = change.details
    match change.action:
        case Action.MODEL_CREATED:  # a version without description has None there
            data |= {"tags": _told_tags(change), "description": details.get("description") or ""}
        case Action.VERSION_CREATED if change.is_prompt:
            template = details.get("tags", {}).get(PROMPT_TEXT_TAG)
            data |= {"version": version, "template": template}
            data |= {"tags": _told_tags(change), "description": details.get("description") or None}
        case Action.VERSION_CREATED:
            data |= {"version": version, "source": change.to_value, "run_id": details.get("run_id") or None}
            data |= {"tags": _told_tags(change), "description": details.get("description") or None}
        case Action.VERSION_TAG_SET:
            data |= {"version": version, "key": change.key, "value": change.to_value}
        case Action.VERSION_TAG_DELETED:
            data |= {"version": version, "key": change.key}
        case Action.MODEL_TAG_SET:
            data |= {"key": change.key, "value": change.to_value}
        case Action.MODEL_TAG_DELETED:
            data |= {"key": change.key}
        case Action.ALIAS_SET:
            data |= {"alias": change.key, "version": version}
        case Action.ALIAS_DELETED:
            data |= {"alias": change.key}
    return event, data


def _told_tags(change: Change) -> dict[str, str]:
    """The tags of something new, without those by which a prompt is stored."""
    tags: Mapping[str, str] = change.details.get("tags", {})
    return {key: value for key, value in tags.items() if key not in (PROMPT_TAG, PROMPT_TEXT_TAG)}


# ---------------------------------------------------------------- reading the history

_H = registry_history.c
_COLUMNS = (
    _H.id, _H.time, _H.name, _H.action, _H.version, _H.key, _H.from_value, _H.to_value, _H.user_id, _H.comment,
)  # fmt: skip
_OF_MODEL = Statement(
    select(*_COLUMNS)
    .where(_H.name == bindparam("name"), _H.id < bindparam("before"))
    .order_by(_H.id.desc())
    .limit(bindparam("limit"))
)
_OF_VERSION = Statement(
    select(*_COLUMNS)
    .where(
        _H.id < bindparam("before"),
        or_(
            and_(_H.name == bindparam("name"), _H.version == bindparam("version")),
            and_(_H.name == bindparam("name"), _H.from_version == bindparam("version")),
        ),
    )
    .order_by(_H.id.desc())
    .limit(bindparam("limit"))
)
_RENAME = Statement(update(registry_history).where(_H.model == bindparam("model")).values(name=bindparam("new_name")))
_ACTIONS = tuple(RegistryAction)


def read(
    session: Session, name: str, version: int | None, max_results: int, page_token: str
) -> PagedList[RegistryChange]:
    """A page of the history of a model, or of one of its versions, the newest change first.

    A model that is deleted still has its history, under its last name; a new one of that name continues it.
    """
    search = tokens.fingerprint("registry history", name, version)
    before = tokens.key_before(page_token, search)
    statement = _OF_MODEL if version is None else _OF_VERSION
    rows = session.rows(statement, name=name, version=version, before=before, limit=max_results + 1)
    return PagedList([_change(row) for row in rows[:max_results]], tokens.next_page(search, rows, max_results))


def _change(row: tuple[Any, ...]) -> RegistryChange:
    return RegistryChange(
        change_id=row[0],
        timestamp=row[1],
        name=row[2],
        action=_ACTIONS[row[3] - 1],
        version=None if row[4] is None else str(row[4]),
        key=row[5],
        from_value=row[6],
        to_value=row[7],
        user_id=row[8],
        comment=row[9],
    )


def rename(session: Session, model: int, new_name: str) -> None:
    """Let a model's history go along with its name."""
    session.run(_RENAME, model=model, new_name=new_name)
