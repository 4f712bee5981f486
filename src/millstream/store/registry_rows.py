"""Rows of the registry as entities, and the lock that every change begins with.

Changes of one registered model, its versions, tags and aliases lock the model's row first, so that they follow each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, select

from millstream.entities import (
    PROMPT_TAG,
    ModelVersion,
    ModelVersionStatus,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from millstream.errors import RegisteredModelNotFound
from millstream.store.database import Session
from millstream.store.registry_rules import STAGES
from millstream.store.statement import Statement, pages
from millstream.store.tables import (
    model_version_tags,
    model_versions,
    names,
    registered_model_aliases,
    registered_model_tags,
    registered_models,
)

_M, _V = registered_models.c, model_versions.c
_STATUSES = tuple(ModelVersionStatus)  # by number, counted from 1

# ---------------------------------------------------------------- models by name


class KnownModel(Struct):
    """The row of a registered model."""

    key: int
    name: str
    last_version: int
    description: str | None
    is_prompt: bool


_FIND = Statement(select(_M.id).where(_M.name == bindparam("name")))
_IS_PROMPT = exists().where(
    and_(
        registered_model_tags.c.model == _M.id,
        registered_model_tags.c.name_id == names.c.id,
        names.c.name == PROMPT_TAG,
        registered_model_tags.c.value == "true",
    )
)
_STATE = select(_M.id, _M.name, _M.last_version, _M.description, _IS_PROMPT).where(_M.name == bindparam("name"))
_READ = Statement(_STATE)
_LOCK = Statement(_STATE.with_for_update(key_share=True))


def find_if_any(session: Session, name: str) -> int | None:
    row = session.row(_FIND, name=name)
    return None if row is None else int(row[0])


def find(session: Session, name: str) -> int:
    """The key behind a name."""
    key = find_if_any(session, name)
    if key is None:
        raise RegisteredModelNotFound(name)
    return key


def lock(session: Session, name: str) -> KnownModel:
    """The model of a name, locked until the end of the transaction."""
    return _known(session, _LOCK, name)


def read(session: Session, name: str) -> KnownModel:
    return _known(session, _READ, name)


def _known(session: Session, statement: Statement, name: str) -> KnownModel:
    row = session.row(statement, name=name)
    if row is None:
        raise RegisteredModelNotFound(name)
    return KnownModel(row[0], row[1], row[2], row[3], bool(row[4]))


# ---------------------------------------------------------------- versions

_VERSIONS = Statement(
    select(
        _V.id,
        _V.name,
        _V.version,
        _V.creation_time,
        _V.last_update_time,
        _V.stage,
        _V.description,
        _V.user_id,
        _V.source,
        _V.run_id,
        _V.status,
        _V.status_message,
        _V.run_link,
        _V.model_id,
    ).where(_V.id.in_(bindparam("versions", expanding=True)))
)
_VERSION_TAGS = Statement(
    select(model_version_tags.c.version, model_version_tags.c.name_id, model_version_tags.c.value).where(
        model_version_tags.c.version.in_(bindparam("versions", expanding=True))
    )
)
_VERSION_ALIASES = Statement(
    select(registered_model_aliases.c.version, registered_model_aliases.c.alias)
    .where(registered_model_aliases.c.version.in_(bindparam("versions", expanding=True)))
    .order_by(registered_model_aliases.c.alias)
)


def load_versions(session: Session, keys: Sequence[int], with_aliases: bool = False) -> list[ModelVersion]:
    """The versions of these keys in their order; those that are missing are left out."""
    found: dict[int, ModelVersion] = {}
    for page in pages(keys):
        for row in session.rows(_VERSIONS, versions=page):
            found[row[0]] = ModelVersion(
                name=row[1],
                version=str(row[2]),
                creation_timestamp=row[3],
                last_updated_timestamp=row[4],
                current_stage=STAGES[row[5]],
                description=row[6],
                user_id=row[7] or None,
                source=row[8],
                run_id=row[9],
                status=_STATUSES[row[10] - 1],
                status_message=row[11],
                run_link=row[12],
                model_id=row[13],
            )
        for version, tag, value in _named(session, session.rows(_VERSION_TAGS, versions=page)):
            found[version].tag_list.append(ModelVersionTag(tag, value))
        if with_aliases:
            for version, alias in session.rows(_VERSION_ALIASES, versions=page):
                found[version].aliases.append(alias)
    return [found[key] for key in keys if key in found]


def load_version(session: Session, key: int) -> ModelVersion:
    (version,) = load_versions(session, [key], with_aliases=True)
    return version


# ---------------------------------------------------------------- models


def _latest(stage: int) -> ColumnElement[int]:
    """Key of a model's newest version in a stage."""
    found: Select[tuple[int]] = select(_V.id).where(_V.model == _M.id, _V.stage == stage)
    return found.order_by(_V.version.desc()).limit(1).correlate(registered_models).scalar_subquery()


_MODELS = Statement(
    select(
        _M.id,
        _M.name,
        _M.creation_time,
        _M.last_update_time,
        _M.description,
        *(_latest(stage) for stage in range(len(STAGES))),
    ).where(_M.id.in_(bindparam("models", expanding=True)))
)
_MODEL_TAGS = Statement(
    select(registered_model_tags.c.model, registered_model_tags.c.name_id, registered_model_tags.c.value).where(
        registered_model_tags.c.model.in_(bindparam("models", expanding=True))
    )
)
_MODEL_ALIASES = Statement(
    select(registered_model_aliases.c.model, registered_model_aliases.c.alias, _V.version)
    .join(model_versions, _V.id == registered_model_aliases.c.version)
    .where(registered_model_aliases.c.model.in_(bindparam("models", expanding=True)))
    .order_by(registered_model_aliases.c.alias)
)


def load_models(session: Session, keys: Sequence[int]) -> list[RegisteredModel]:
    """The models of these keys in their order, with tags, aliases and the newest version of each stage."""
    found: dict[int, RegisteredModel] = {}
    newest: dict[int, int] = {}  # model by key of version
    for page in pages(keys):
        for row in session.rows(_MODELS, models=page):
            found[row[0]] = RegisteredModel(row[1], row[2], row[3], row[4])
            newest.update((version, row[0]) for version in row[5:] if version is not None)
        for model, tag, value in _named(session, session.rows(_MODEL_TAGS, models=page)):
            found[model].tag_list.append(RegisteredModelTag(tag, value))
        for model, alias, version in session.rows(_MODEL_ALIASES, models=page):
            found[model].alias_list.append(RegisteredModelAlias(alias, str(version)))
    for key, each in zip(newest, load_versions(session, list(newest)), strict=True):
        found[newest[key]].latest_versions.append(each)
    for registered in found.values():
        registered.latest_versions.sort(key=lambda version: int(version.version))
    return [found[key] for key in keys if key in found]


def load_model(session: Session, key: int) -> RegisteredModel:
    (model,) = load_models(session, [key])
    return model


# ---------------------------------------------------------------- versions of logged models

_REGISTRATIONS = Statement(
    select(_V.model_id, _V.name, _V.version)
    .where(_V.model_id.in_(bindparam("model_ids", expanding=True)))
    .order_by(_V.id)
)


def registrations(session: Session, model_ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Name and number of the versions that are of these logged models, in the order in which they were registered."""
    found: dict[str, list[tuple[str, int]]] = {}
    for page in pages(model_ids):
        for model_id, name, number in session.rows(_REGISTRATIONS, model_ids=page):
            found.setdefault(model_id, []).append((name, number))
    return found


def _named(session: Session, tags: Sequence[tuple[Any, ...]]) -> list[tuple[int, str, str]]:
    """(owner, key, value) of rows (owner, name_id, value), in order of the key."""
    keys: Mapping[int, str] = session.names_of({name_id for _, name_id, _ in tags})
    return sorted((owner, keys[name_id], value) for owner, name_id, value in tags)
