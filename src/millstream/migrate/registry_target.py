"""Writing registered models into a store of ours, with version numbers, times, stages and aliases kept.

May be repeated: a model is known again by its name and the time of its creation. What changed at the source since is taken over
and told in the history; what a user added here is left alone. A model of the same name that was made here keeps its name, and
the imported one gets another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, func, or_, select, update

from millstream.entities import ModelVersion, ModelVersionStatus, RegistryAction
from millstream.migrate.report import Counts
from millstream.migrate.source import SourceRegisteredModel
from millstream.store import registry_events, tables
from millstream.store.database import Database, Session, insert_into, upsert
from millstream.store.registry_events import Change
from millstream.store.registry_rules import MAX_NAME, STAGES, Author
from millstream.store.statement import Statement

_M, _V, _A = tables.registered_models.c, tables.model_versions.c, tables.registered_model_aliases.c

_MODEL = Statement(
    select(_M.id, _M.name, _M.creation_time).where(
        or_(_M.name == bindparam("name"), _M.name == bindparam("other_name"))
    )
)
_ADD_MODEL = insert_into(tables.registered_models)
_UPDATE_MODEL = Statement(
    update(tables.registered_models)
    .where(_M.id == bindparam("model"))
    .values(
        description=bindparam("text", type_=_M.description.type),
        last_update_time=bindparam("now"),
        last_version=func.coalesce(
            select(func.max(_V.version)).where(_V.model == bindparam("model")).scalar_subquery(), 0
        ),
    )
)
_LAST_VERSION = Statement(
    update(tables.registered_models)
    .where(_M.id == bindparam("model"), _M.last_version < bindparam("number"))
    .values(last_version=bindparam("number"))
)
_PUT_MODEL_TAG = upsert(tables.registered_model_tags, ("model", "name_id", "value"), ("value",))
_VERSIONS = Statement(select(_V.version, _V.id, _V.stage).where(_V.model == bindparam("model")))
_ADD_VERSION = insert_into(tables.model_versions)
_CHANGING = ("last_update_time", "stage", "status", "status_message", "description")
_UPDATE_VERSION = Statement(
    update(tables.model_versions)
    .where(_V.id == bindparam("key"))
    .values({name: bindparam(name, type_=_V[name].type) for name in _CHANGING})
)
_PUT_VERSION_TAG = upsert(tables.model_version_tags, ("version", "name_id", "value"), ("value",))
_ALIASES = Statement(
    select(_A.alias, _V.version).join(tables.model_versions, _V.id == _A.version).where(_A.model == bindparam("model"))
)
_PUT_ALIAS = upsert(tables.registered_model_aliases, ("model", "alias", "version"), ("version",))


class _Place(Struct):
    """A registered model here."""

    key: int
    name: str
    is_new: bool


def put(db: Database, found: SourceRegisteredModel, origin: str) -> tuple[Counts, str | None]:
    """Write a registered model with all that belongs to it.

    Returns:
        What of it is here now, read back from the tables; and a note, if it is kept under another name.
    """
    place = db.write(lambda session: _put(session, found, origin))
    note = None
    if place.name != found.model.name:
        note = (
            f"Registered model {found.model.name!r} is kept as {place.name!r}: another one has its name, or its name is "
            "not allowed here."
        )
    with db.read() as session:
        return _count(session, place.key, found), note


def _put(session: Session, found: SourceRegisteredModel, origin: str) -> _Place:
    model = found.model
    author = Author(comment=f"imported from {origin}")
    place = _find_or_add(session, found, author)
    session.run_many(
        _PUT_MODEL_TAG,
        [{"model": place.key, "name_id": session.name_id(tag.key), "value": tag.value} for tag in model.tag_list],
    )
    known = {number: (key, stage) for number, key, stage in session.rows(_VERSIONS, model=place.key)}
    keys: dict[str, int] = {}
    for version in sorted(found.versions, key=lambda version: int(version.version)):
        keys[version.version] = _put_version(session, place, found, version, known.get(int(version.version)), author)
    _put_aliases(session, place, found, keys, author)
    session.run(_UPDATE_MODEL, model=place.key, text=model.description, now=model.last_updated_timestamp or 0)
    session.run(_LAST_VERSION, model=place.key, number=found.last_version)
    return place


def _find_or_add(session: Session, found: SourceRegisteredModel, author: Author) -> _Place:
    model, created = found.model, found.model.creation_timestamp or 0
    other_name = f"{model.name[: MAX_NAME - 11]} (imported)"
    owners = {name: (key, time) for key, name, time in session.rows(_MODEL, name=model.name, other_name=other_name)}
    for name, (key, time) in owners.items():
        if time == created:
            return _Place(int(key), name, False)
    name = other_name if model.name in owners or len(model.name) > MAX_NAME else model.name
    key = session.insert(
        _ADD_MODEL,
        name=name,
        description=model.description,
        creation_time=created,
        last_update_time=model.last_updated_timestamp or created,
        last_version=0,
    )
    change = Change(RegistryAction.MODEL_CREATED, key, name, created, author, to_value=model.description)
    _record(session, change)
    return _Place(key, name, True)


def _put_version(
    session: Session,
    place: _Place,
    found: SourceRegisteredModel,
    version: ModelVersion,
    known: tuple[int, int] | None,
    author: Author,
) -> int:
    number = int(version.version)
    created = version.creation_timestamp or 0
    changing: dict[str, Any] = {
        "last_update_time": version.last_updated_timestamp or created,
        "stage": STAGES.index(version.current_stage),
        "status": ModelVersionStatus(version.status).number,
        "status_message": version.status_message,
        "description": version.description,
    }
    stage = 0
    if known is None:
        key = session.insert(
            _ADD_VERSION,
            model=place.key,
            name=place.name,
            version=number,
            creation_time=created,
            source=version.source,
            location=found.locations.get(version.version),
            run_id=version.run_id,
            run_link=version.run_link,
            user_id=version.user_id or "",
            model_id=version.model_id,
            **changing,
        )
        made = Change(
            RegistryAction.VERSION_CREATED, place.key, place.name, created, author, number, to_value=version.source
        )
        _record(session, made)
    else:
        key, stage = known
        session.run(_UPDATE_VERSION, key=key, **changing)
    if changing["stage"] != stage:
        moved = Change(
            RegistryAction.STAGE_CHANGED, place.key, place.name, changing["last_update_time"], author, number,
            from_value=STAGES[stage], to_value=version.current_stage,
        )  # fmt: skip
        _record(session, moved)
    session.run_many(
        _PUT_VERSION_TAG,
        [{"version": key, "name_id": session.name_id(tag.key), "value": tag.value} for tag in version.tag_list],
    )
    return key


def _put_aliases(
    session: Session, place: _Place, found: SourceRegisteredModel, keys: dict[str, int], author: Author
) -> None:
    before = dict(session.rows(_ALIASES, model=place.key))
    for alias in sorted(found.model.alias_list, key=lambda each: each.alias):
        number = before.get(alias.alias)
        if alias.version not in keys or str(number) == alias.version:
            continue
        session.run(_PUT_ALIAS, model=place.key, alias=alias.alias, version=keys[alias.version])
        change = Change(
            RegistryAction.ALIAS_SET, place.key, place.name, found.model.last_updated_timestamp or 0, author,
            int(alias.version), alias.alias, None if number is None else str(number), alias.version, number,
        )  # fmt: skip
        _record(session, change)


def _record(session: Session, change: Change) -> None:
    """Into the history, without telling webhooks of what happened elsewhere, long ago."""
    change.is_silent = True
    registry_events.record(session, change)


_COUNT_VERSIONS = Statement(select(_V.id, _V.version).where(_V.model == bindparam("model")))
_COUNT_MODEL_TAGS = Statement(
    select(func.count())
    .select_from(tables.registered_model_tags)
    .where(tables.registered_model_tags.c.model == bindparam("model"))
)
_COUNT_VERSION_TAGS = Statement(
    select(func.count())
    .select_from(tables.model_version_tags)
    .join(tables.model_versions, _V.id == tables.model_version_tags.c.version)
    .where(_V.model == bindparam("model"))
)


def _count(session: Session, model: int, found: SourceRegisteredModel) -> Counts:
    """What of the found is here; what was added here is not counted."""
    numbers = {str(number) for _, number in session.rows(_COUNT_VERSIONS, model=model)}
    aliases = {alias: str(number) for alias, number in session.rows(_ALIASES, model=model)}
    tags = _number(session, _COUNT_MODEL_TAGS, model) + _number(session, _COUNT_VERSION_TAGS, model)
    return Counts(
        registered_models=1,
        model_versions=sum(version.version in numbers for version in found.versions),
        aliases=sum(aliases.get(each.alias) == each.version for each in found.model.alias_list),
        registry_tags=min(tags, counts_of(found).registry_tags),
    )


def _number(session: Session, statement: Statement, model: int) -> int:
    row: Sequence[int] | None = session.row(statement, model=model)
    return row[0] if row else 0


def counts_of(found: SourceRegisteredModel) -> Counts:
    """What there is of a registered model at its source."""
    return Counts(
        registered_models=1,
        model_versions=len(found.versions),
        aliases=len(found.model.alias_list),
        registry_tags=len(found.model.tags) + sum(len(version.tags) for version in found.versions),
    )
