"""Experiments in SQL. Functions take the session of the caller's transaction; input is checked before it begins."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, delete, select, update

from millstream.entities import Experiment, ExperimentTag, LifecycleStage
from millstream.errors import (
    ExperimentDeleted,
    ExperimentExists,
    ExperimentNameNotFound,
    ExperimentNotFound,
    InvalidState,
    NotFound,
    TagNotFound,
)
from millstream.store import rules
from millstream.store.database import Session, Statement, insert_into, insert_new, upsert
from millstream.store.statement import pages
from millstream.store.tables import ACTIVE, DELETED, experiment_tags, experiments, runs

DEFAULT_ID = 0
DEFAULT_NAME = "Default"

_COLUMNS = (
    experiments.c.id,
    experiments.c.name,
    experiments.c.artifact_location,
    experiments.c.lifecycle,
    experiments.c.creation_time,
    experiments.c.last_update_time,
)
_ANY = Statement(select(experiments.c.id).limit(1))
_BY_IDS = Statement(select(*_COLUMNS).where(experiments.c.id.in_(bindparam("ids", expanding=True))))
_ID_BY_NAME = Statement(
    select(experiments.c.id, experiments.c.lifecycle).where(experiments.c.name == bindparam("name"))
)
_STATE = Statement(
    select(experiments.c.lifecycle, experiments.c.artifact_location).where(experiments.c.id == bindparam("id"))
)
_STATE_SHARED = Statement(
    select(experiments.c.lifecycle, experiments.c.artifact_location)
    .where(experiments.c.id == bindparam("id"))
    .with_for_update(read=True)
)
_STATE_LOCKED = Statement(
    select(experiments.c.lifecycle, experiments.c.artifact_location)
    .where(experiments.c.id == bindparam("id"))
    .with_for_update(key_share=True)
)
_ROW = ("name", "artifact_location", "lifecycle", "creation_time", "last_update_time")
_INSERT = insert_new(experiments, *_ROW)
_INSERT_WITH_ID = insert_new(experiments, "id", *_ROW)
_SET_LOCATION = Statement(
    update(experiments).where(experiments.c.id == bindparam("key")).values(artifact_location=bindparam("location"))
)
_SET_STAGE = Statement(
    update(experiments)
    .where(experiments.c.id == bindparam("key"))
    .values(lifecycle=bindparam("stage"), last_update_time=bindparam("now"), deleted_time=bindparam("deleted"))
)
_SET_STAGE_OF_RUNS = Statement(
    update(runs)
    .where(runs.c.experiment_id == bindparam("key"), runs.c.lifecycle != bindparam("stage"))
    .values(lifecycle=bindparam("stage"), deleted_time=bindparam("deleted"))
)
_RENAME = Statement(
    update(experiments)
    .where(experiments.c.id == bindparam("key"))
    .values(name=bindparam("new_name"), last_update_time=bindparam("now"))
)
_TAGS_OF = Statement(
    select(experiment_tags.c.experiment_id, experiment_tags.c.name_id, experiment_tags.c.value).where(
        experiment_tags.c.experiment_id.in_(bindparam("ids", expanding=True))
    )
)
_INSERT_TAG = insert_into(experiment_tags, "experiment_id", "name_id", "value")
_SET_TAG = upsert(experiment_tags, ("experiment_id", "name_id", "value"), ("value",))
_DELETE_TAG = Statement(
    delete(experiment_tags).where(
        experiment_tags.c.experiment_id == bindparam("experiment_id"), experiment_tags.c.name_id == bindparam("name_id")
    )
)

STAGES = {ACTIVE: LifecycleStage.ACTIVE.value, DELETED: LifecycleStage.DELETED.value}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def ensure_default(session: Session, artifact_root: str) -> None:
    """Experiment 0, named Default, in a store that has none yet."""
    if session.row(_ANY) is None:
        now = now_ms()
        session.insert_new(
            _INSERT_WITH_ID,
            id=DEFAULT_ID,
            name=DEFAULT_NAME,
            artifact_location=rules.below(artifact_root, str(DEFAULT_ID)),
            lifecycle=ACTIVE,
            creation_time=now,
            last_update_time=now,
        )


def has_any(session: Session) -> bool:
    return session.row(_ANY) is not None


def create(session: Session, artifact_root: str, name: str, location: str, tags: Mapping[str, str]) -> int:
    """A new experiment's key. Its location is below the root unless one is given."""
    now = now_ms()
    key = session.insert_new(
        _INSERT, name=name, artifact_location=location, lifecycle=ACTIVE, creation_time=now, last_update_time=now
    )
    if key is None:
        row = session.row(_ID_BY_NAME, name=name)
        raise ExperimentExists(name, deleted=row is not None and row[1] == DELETED)
    if not location:
        session.run(_SET_LOCATION, key=key, location=rules.below(artifact_root, str(key)))
    session.run_many(
        _INSERT_TAG,
        [{"experiment_id": key, "name_id": session.name_id(tag), "value": value} for tag, value in tags.items()],
    )
    return key


def load(session: Session, keys: Sequence[int]) -> list[Experiment]:
    """The experiments of these keys, in their order; those that are missing are left out."""
    found: dict[int, Experiment] = {}
    for page in pages(keys):
        for key, name, location, stage, created, updated in session.rows(_BY_IDS, ids=page):
            found[key] = Experiment(str(key), name, location, STAGES[stage], created, updated)
        tags = session.rows(_TAGS_OF, ids=page)
        names = session.names_of([row[1] for row in tags])
        for key, name_id, value in tags:
            found[key].tag_list.append(ExperimentTag(names[name_id], value))
    return [found[key] for key in keys if key in found]


def get(session: Session, key: int) -> Experiment:
    found = load(session, [key])
    if not found:
        raise ExperimentNotFound(str(key))
    return found[0]


def get_by_name(session: Session, name: str) -> Experiment:
    row = session.row(_ID_BY_NAME, name=name)
    if row is None:
        raise ExperimentNameNotFound(name)
    return get(session, row[0])


def location_for_new_content(session: Session, key: int) -> str:
    """The artifact location of an active experiment, which cannot be deleted before this transaction ends."""
    row = session.row(_STATE_SHARED, id=key)
    if row is None:
        raise ExperimentNotFound(str(key))
    if row[0] != ACTIVE:
        raise ExperimentDeleted(str(key))
    return str(row[1])


def _stage(session: Session, key: int) -> int:
    row = session.row(_STATE_LOCKED, id=key)
    if row is None:
        raise ExperimentNotFound(str(key))
    return int(row[0])


def delete_to_trash(session: Session, key: int) -> None:
    """Move an active experiment and all its runs to the trash."""
    if _stage(session, key) != ACTIVE:
        raise NotFound(f"Experiment {str(key)!r} is deleted already.")
    now = now_ms()
    session.run(_SET_STAGE, key=key, stage=DELETED, now=now, deleted=now)
    session.run(_SET_STAGE_OF_RUNS, key=key, stage=DELETED, deleted=now)


def restore(session: Session, key: int) -> None:
    """Take a deleted experiment out of the trash, with all its runs (also those that were deleted before it)."""
    if _stage(session, key) != DELETED:
        raise NotFound(f"Experiment {str(key)!r} is not deleted, so it cannot be restored.")
    session.run(_SET_STAGE, key=key, stage=ACTIVE, now=now_ms(), deleted=None)
    session.run(_SET_STAGE_OF_RUNS, key=key, stage=ACTIVE, deleted=None)


def rename(session: Session, key: int, new_name: str) -> None:
    if _stage(session, key) != ACTIVE:
        raise InvalidState(f"Experiment {str(key)!r} is deleted and cannot be renamed. Restore it first.")
    row = session.row(_ID_BY_NAME, name=new_name)
    if row is not None and row[0] != key:
        raise ExperimentExists(new_name, deleted=row[1] == DELETED)
    session.run(_RENAME, key=key, new_name=new_name, now=now_ms())


def set_tag(session: Session, key: int, tag: str, value: str) -> None:
    _require_active(session, key)
    session.run(_SET_TAG, experiment_id=key, name_id=session.name_id(tag), value=value)


def delete_tag(session: Session, key: int, tag: str) -> None:
    _require_active(session, key)
    name_id = session.find_name_id(tag)
    if name_id is None or not session.run(_DELETE_TAG, experiment_id=key, name_id=name_id):
        raise TagNotFound(tag, f"Experiment {str(key)!r}")


def _require_active(session: Session, key: int) -> None:
    if _stage(session, key) != ACTIVE:
        raise ExperimentDeleted(str(key))
