"""Changes of model versions and aliases, in SQL. Functions take the session of the caller's transaction; input is checked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, delete, select, update

from millstream.entities import ModelVersion, ModelVersionStatus, RegistryAction
from millstream.errors import AliasNotFound, ModelVersionNotFound
from millstream.store import registered_models, registry_events
from millstream.store.database import Session, insert_into, upsert
from millstream.store.experiments import now_ms
from millstream.store.registry_events import Change
from millstream.store.registry_rows import KnownModel, find, load_version, load_versions, lock
from millstream.store.registry_rules import ARCHIVED, LATEST, STAGES, Author, known_alias, stage_number, version_number
from millstream.store.registry_sources import Source
from millstream.store.statement import Statement
from millstream.store.tables import model_version_tags, model_versions, registered_model_aliases

Action = RegistryAction

_V, _T, _A = model_versions.c, model_version_tags.c, registered_model_aliases.c
_IS_VERSION = _V.id == bindparam("key")

_FIND = Statement(
    select(_V.id, _V.stage, _V.description, _V.source, _V.location, _V.model_id).where(
        _V.model == bindparam("model"), _V.version == bindparam("version")
    )
)
_NEWEST = Statement(select(_V.version).where(_V.model == bindparam("model")).order_by(_V.version.desc()).limit(1))
_NEWEST_IN = Statement(
    select(_V.id, _V.version)
    .where(_V.model == bindparam("model"), _V.stage == bindparam("stage"))
    .order_by(_V.version.desc())
    .limit(1)
)
_OTHERS_IN = Statement(
    select(_V.id, _V.version).where(
        _V.model == bindparam("model"), _V.stage == bindparam("stage"), _V.id != bindparam("key")
    )
)
_INSERT = insert_into(model_versions)
_SET_STAGE = Statement(
    update(model_versions).where(_IS_VERSION).values(stage=bindparam("new_stage"), last_update_time=bindparam("now"))
)
_DESCRIBE = Statement(
    update(model_versions)
    .where(_IS_VERSION)
    .values(description=bindparam("text", type_=_V.description.type), last_update_time=bindparam("now"))
)
_DELETE = Statement(delete(model_versions).where(_IS_VERSION))
_SET_TAG = upsert(model_version_tags, ("version", "name_id", "value"), ("value",))
_IS_TAG = (_T.version == bindparam("key"), _T.name_id == bindparam("name_id"))
_TAG = Statement(select(_T.value).where(*_IS_TAG))
_DELETE_TAG = Statement(delete(model_version_tags).where(*_IS_TAG))
_SET_ALIAS = upsert(registered_model_aliases, ("model", "alias", "version"), ("version",))
_ALIAS = Statement(
    select(_V.id, _V.version)
    .join(registered_model_aliases, _A.version == _V.id)
    .where(_A.model == bindparam("model"), _A.alias == bindparam("alias"))
)
_DELETE_ALIAS = Statement(
    delete(registered_model_aliases).where(_A.model == bindparam("model"), _A.alias == bindparam("alias"))
)
_ALIASES = Statement(select(_A.alias).where(_A.version == bindparam("key")).order_by(_A.alias))


class FoundVersion(Struct):
    """What a change needs to know of a version."""

    key: int
    stage: int
    description: str | None
    source: str
    location: str | None
    model_id: str | None


class Placed(Struct):
    """A version and where its files are."""

    version: ModelVersion
    place: str


def find_version(session: Session, model: int, name: str, number: int) -> FoundVersion:
    row = session.row(_FIND, model=model, version=number)
    if row is None:
        raise ModelVersionNotFound(name, number)
    return FoundVersion(*row)


def _lock(session: Session, name: str, number: int) -> tuple[KnownModel, FoundVersion]:
    model = lock(session, name)
    return model, find_version(session, model.key, name, number)


def _change(action: Action, model: KnownModel, number: int, now: int, author: Author, **values: Any) -> Change:
    return Change(action, model.key, model.name, now, author, version=number, is_prompt=model.is_prompt, **values)


# ---------------------------------------------------------------- versions


class NewVersion(Struct):
    """A checked `create_model_version`, but for its source, which is checked against what else is there."""

    description: str
    run_link: str
    tags: Mapping[str, str]
    author: Author


def create(session: Session, model: KnownModel, new: NewVersion, source: Source) -> ModelVersion:
    """Add a version under the model's next number, READY."""
    now = now_ms()
    number = registered_models.count_up(session, model, now)
    key = session.insert(
        _INSERT,
        model=model.key,
        name=model.name,
        version=number,
        creation_time=now,
        last_update_time=now,
        stage=0,
        status=ModelVersionStatus.READY.number,
        status_message=None,
        description=new.description,
        source=source.text,
        location=source.location,
        run_id=source.run_id,
        run_link=new.run_link,
        user_id=new.author.user,
        model_id=source.model_id or None,
    )
    session.run_many(
        _SET_TAG, [{"version": key, "name_id": session.name_id(tag), "value": text} for tag, text in new.tags.items()]
    )
    change = _change(Action.VERSION_CREATED, model, number, now, new.author, to_value=source.text)
    change.details = {"tags": new.tags, "description": new.description, "run_id": source.run_id}
    registry_events.record(session, change)
    return load_version(session, key)


def get(session: Session, name: str, number: int) -> ModelVersion:
    return load_version(session, find_version(session, find(session, name), name, number).key)


def describe(session: Session, name: str, number: int, description: str | None, author: Author) -> ModelVersion:
    """Replace the description; None clears it."""
    model, version = _lock(session, name, number)
    now = now_ms()
    session.run(_DESCRIBE, key=version.key, text=description, now=now)
    if description != version.description:
        values = {"from_value": version.description, "to_value": description}
        registry_events.record(session, _change(Action.VERSION_DESCRIBED, model, number, now, author, **values))
    return load_version(session, version.key)


def move(session: Session, name: str, number: int, stage: int, archives_others: bool, author: Author) -> ModelVersion:
    """Put a version into a stage; on request all others that are there go to Archived, at the same time."""
    model, version = _lock(session, name, number)
    now = now_ms()
    session.run(_SET_STAGE, key=version.key, new_stage=stage, now=now)
    values = {"from_value": STAGES[version.stage], "to_value": STAGES[stage]}
    changes = [_change(Action.STAGE_CHANGED, model, number, now, author, **values)]
    if archives_others:
        others = session.rows(_OTHERS_IN, model=model.key, stage=stage, key=version.key)
        session.run_many(_SET_STAGE, [{"key": key, "new_stage": ARCHIVED, "now": now} for key, _ in others])
        values = {"from_value": STAGES[stage], "to_value": STAGES[ARCHIVED]}
        changes += [_change(Action.STAGE_CHANGED, model, other, now, author, **values) for _, other in others]
    registered_models.touch(session, model, now)
    registry_events.record(session, *changes)
    return load_version(session, version.key)


def delete_for_good(session: Session, name: str, number: int, author: Author) -> str | None:
    """Delete a version with its tags and aliases; the id of the logged model that it was of. Its number is not used again."""
    model, version = _lock(session, name, number)
    now = now_ms()
    aliases = [alias for (alias,) in session.rows(_ALIASES, key=version.key)]
    session.run(_DELETE, key=version.key)  # tags and aliases go by foreign key
    registered_models.touch(session, model, now)
    was = {"from_value": str(number), "is_silent": True}
    changes = [_change(Action.ALIAS_DELETED, model, number, now, author, key=alias, **was) for alias in aliases]
    changes.append(_change(Action.VERSION_DELETED, model, number, now, author, from_value=version.source))
    registry_events.record(session, *changes)
    return version.model_id


def newest(session: Session, name: str, stages: Sequence[int]) -> list[ModelVersion]:
    """The newest version of each stage that has any, in order of their numbers."""
    model = find(session, name)
    rows = [session.row(_NEWEST_IN, model=model, stage=stage) for stage in stages]
    found = load_versions(session, [row[0] for row in rows if row is not None], with_aliases=True)
    return sorted(found, key=lambda version: int(version.version))


def placed(session: Session, name: str, number: int) -> Placed:
    version = find_version(session, find(session, name), name, number)
    place = version.source if version.location is None else version.location
    return Placed(load_version(session, version.key), place)


def refer(session: Session, model: KnownModel, what: str) -> Placed:
    """The version that a reference means: its number, its stage, `latest`, or `@` and an alias."""
    if what.startswith("@"):
        number = _number_by_alias(session, model.key, model.name, known_alias(what[1:]))
    elif what.isascii() and what.isdigit():
        number = version_number(what)
    elif what.lower() == LATEST:
        number = _newest_number(session, model.key, model.name)
    else:
        row = session.row(_NEWEST_IN, model=model.key, stage=stage_number(what))
        if row is None:
            raise ModelVersionNotFound(model.name, f"in stage {what}")
        number = row[1]
    return placed(session, model.name, number)


# ---------------------------------------------------------------- tags


def set_tag(session: Session, name: str, number: int, key: str, value: str, author: Author) -> None:
    model, version = _lock(session, name, number)
    name_id = session.name_id(key)
    before = session.row(_TAG, key=version.key, name_id=name_id)
    session.run(_SET_TAG, version=version.key, name_id=name_id, value=value)
    values = {"key": key, "from_value": None if before is None else before[0], "to_value": value}
    registry_events.record(session, _change(Action.VERSION_TAG_SET, model, number, now_ms(), author, **values))


def delete_tag(session: Session, name: str, number: int, key: str, author: Author) -> None:
    """Delete a tag, if there is one."""
    model, version = _lock(session, name, number)
    name_id = session.find_name_id(key)
    before = None if name_id is None else session.row(_TAG, key=version.key, name_id=name_id)
    if before is not None:
        session.run(_DELETE_TAG, key=version.key, name_id=name_id)
        values = {"key": key, "from_value": before[0]}
        registry_events.record(session, _change(Action.VERSION_TAG_DELETED, model, number, now_ms(), author, **values))


# ---------------------------------------------------------------- aliases


def set_alias(session: Session, name: str, alias: str, number: int, author: Author) -> None:
    """Let an alias mean a version, whichever it meant before."""
    model, version = _lock(session, name, number)
    before = session.row(_ALIAS, model=model.key, alias=alias)
    session.run(_SET_ALIAS, model=model.key, alias=alias, version=version.key)
    values: dict[str, Any] = {"key": alias, "to_value": str(number)}
    if before is not None:
        values |= {"from_value": str(before[1]), "from_version": before[1]}
    registry_events.record(session, _change(Action.ALIAS_SET, model, number, now_ms(), author, **values))


def delete_alias(session: Session, name: str, alias: str, author: Author) -> None:
    """Delete an alias, if there is one."""
    model = lock(session, name)
    before = session.row(_ALIAS, model=model.key, alias=alias)
    if before is not None:
        session.run(_DELETE_ALIAS, model=model.key, alias=alias)
        values = {"key": alias, "from_value": str(before[1])}
        registry_events.record(session, _change(Action.ALIAS_DELETED, model, before[1], now_ms(), author, **values))


def get_by_alias(session: Session, name: str, alias: str) -> ModelVersion:
    """The version that an alias means; `latest` means the one with the highest number."""
    model = find(session, name)
    number = _number_by_alias(session, model, name, alias)
    return load_version(session, find_version(session, model, name, number).key)


def _number_by_alias(session: Session, model: int, name: str, alias: str) -> int:
    row = session.row(_ALIAS, model=model, alias=alias)
    if row is not None:
        return int(row[1])
    if alias.lower() == LATEST:
        return _newest_number(session, model, name)
    raise AliasNotFound(name, alias)


def _newest_number(session: Session, model: int, name: str) -> int:
    row = session.row(_NEWEST, model=model)
    if row is None:
        raise ModelVersionNotFound(name, "at all")
    return int(row[0])
