"""Changes of registered models, in SQL. Functions take the session of the caller's transaction; input is checked before."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import bindparam, delete, select, update

from millstream.entities import PROMPT_TAG, RegisteredModel, RegistryAction
from millstream.errors import RegisteredModelExists
from millstream.store import registry_events
from millstream.store.database import Session, insert_new, upsert
from millstream.store.experiments import now_ms
from millstream.store.registry_events import Change
from millstream.store.registry_rows import KnownModel, find_if_any, load_model, lock
from millstream.store.registry_rules import Author
from millstream.store.statement import Statement
from millstream.store.tables import model_versions, registered_model_tags, registered_models

_M, _T = registered_models.c, registered_model_tags.c
_IS_MODEL = _M.id == bindparam("model")

_INSERT = insert_new(registered_models)
_TOUCH = Statement(update(registered_models).where(_IS_MODEL).values(last_update_time=bindparam("now")))
_COUNT_UP = Statement(
    update(registered_models)
    .where(_IS_MODEL)
    .values(last_version=bindparam("number"), last_update_time=bindparam("now"))
)
_DESCRIBE = Statement(
    update(registered_models)
    .where(_IS_MODEL)
    .values(description=bindparam("text", type_=_M.description.type), last_update_time=bindparam("now"))
)
_RENAME = Statement(
    update(registered_models).where(_IS_MODEL).values(name=bindparam("new_name"), last_update_time=bindparam("now"))
)
_RENAME_VERSIONS = Statement(
    update(model_versions)
    .where(model_versions.c.model == bindparam("model"))
    .values(name=bindparam("new_name"), last_update_time=bindparam("now"))
)
_DELETE = Statement(delete(registered_models).where(_IS_MODEL))
_SET_TAG = upsert(registered_model_tags, ("model", "name_id", "value"), ("value",))
_IS_TAG = (_T.model == bindparam("model"), _T.name_id == bindparam("name_id"))
_TAG = Statement(select(_T.value).where(*_IS_TAG))
_DELETE_TAG = Statement(delete(registered_model_tags).where(*_IS_TAG))
_LOGGED_MODELS = Statement(
    select(model_versions.c.model_id)
    .where(model_versions.c.model == bindparam("model"), model_versions.c.model_id.is_not(None))
    .distinct()
)


def create(
    session: Session, name: str, description: str | None, tags: Mapping[str, str], author: Author
) -> RegisteredModel:
    now = now_ms()
    # looked up first: clients create what is there all the time, and a request that wrote nothing needs no undoing
    if find_if_any(session, name) is not None:
        raise RegisteredModelExists(name)
    key = session.insert_new(
        _INSERT, name=name, description=description, creation_time=now, last_update_time=now, last_version=0
    )
    if key is None:
        raise RegisteredModelExists(name)
    session.run_many(
        _SET_TAG, [{"model": key, "name_id": session.name_id(tag), "value": value} for tag, value in tags.items()]
    )
    change = Change(RegistryAction.MODEL_CREATED, key, name, now, author, to_value=description)
    change.is_prompt = tags.get(PROMPT_TAG) == "true"
    change.details = {"tags": tags, "description": description}
    registry_events.record(session, change)
    return load_model(session, key)


def describe(session: Session, name: str, description: str | None, author: Author) -> RegisteredModel:
    """Replace the description; None clears it."""
    model, now = lock(session, name), now_ms()
    session.run(_DESCRIBE, model=model.key, text=description, now=now)
    if description != model.description:
        change = _change(RegistryAction.MODEL_DESCRIBED, model, now, author)
        change.from_value, change.to_value = model.description, description
        registry_events.record(session, change)
    return load_model(session, model.key)


def rename(session: Session, name: str, new_name: str, author: Author) -> tuple[RegisteredModel, list[str]]:
    """Give a model another name; also the ids of the logged models that its versions are of."""
    model, now = lock(session, name), now_ms()
    if new_name != name and find_if_any(session, new_name) is not None:
        raise RegisteredModelExists(new_name)
    session.run(_RENAME, model=model.key, new_name=new_name, now=now)
    session.run(_RENAME_VERSIONS, model=model.key, new_name=new_name, now=now)
    registry_events.rename(session, model.key, new_name)
    change = _change(RegistryAction.MODEL_RENAMED, model, now, author)
    change.name, change.from_value, change.to_value = new_name, name, new_name
    registry_events.record(session, change)
    return load_model(session, model.key), _logged_models(session, model.key)


def delete_for_good(session: Session, name: str, author: Author) -> list[str]:
    """Delete a model with its versions, tags and aliases; the ids of the logged models that its versions were of."""
    model = lock(session, name)
    logged = _logged_models(session, model.key)
    session.run(_DELETE, model=model.key)  # the rest goes by foreign key
    registry_events.record(session, _change(RegistryAction.MODEL_DELETED, model, now_ms(), author))
    return logged


def touch(session: Session, model: KnownModel, now: int) -> None:
    """Say that something of the model changed."""
    session.run(_TOUCH, model=model.key, now=now)


def count_up(session: Session, model: KnownModel, now: int) -> int:
    """The number of the model's next version."""
    number = model.last_version + 1
    session.run(_COUNT_UP, model=model.key, number=number, now=now)
    return number


def set_tag(session: Session, name: str, key: str, value: str, author: Author) -> None:
    model = lock(session, name)
    name_id = session.name_id(key)
    before = session.row(_TAG, model=model.key, name_id=name_id)
    session.run(_SET_TAG, model=model.key, name_id=name_id, value=value)
    change = _change(RegistryAction.MODEL_TAG_SET, model, now_ms(), author)
    change.key, change.from_value, change.to_value = key, None if before is None else before[0], value
    registry_events.record(session, change)


def delete_tag(session: Session, name: str, key: str, author: Author) -> None:
    """Delete a tag, if there is one."""
    model = lock(session, name)
    name_id = session.find_name_id(key)
    before = None if name_id is None else session.row(_TAG, model=model.key, name_id=name_id)
    if before is not None:
        session.run(_DELETE_TAG, model=model.key, name_id=name_id)
        change = _change(RegistryAction.MODEL_TAG_DELETED, model, now_ms(), author)
        change.key, change.from_value = key, before[0]
        registry_events.record(session, change)


def _change(action: RegistryAction, model: KnownModel, now: int, author: Author) -> Change:
    return Change(action, model.key, model.name, now, author, is_prompt=model.is_prompt)


def _logged_models(session: Session, model: int) -> list[str]:
    return [model_id for (model_id,) in session.rows(_LOGGED_MODELS, model=model)]
