"""Runs in SQL: their life, params and tags, and reading them back in numbers.

Functions take the session of the caller's transaction; input is checked before it begins (`rules`). Whoever changes a run
locks its row first, so that two servers change one run one after the other.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, bindparam, delete, select, update

from millstream.entities import (
    RUN_NAME_TAG,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
)
from millstream.errors import AlreadyExists, InvalidValue, ParamChanged, RunDeleted, RunNotFound, TagNotFound
from millstream.store import experiments, inputs, logged_models, rules
from millstream.store.database import Session, Statement, insert_into, insert_new, upsert
from millstream.store.random_names import random_name
from millstream.store.series import append as append_points
from millstream.store.series import finish as finish_series
from millstream.store.statement import pages
from millstream.store.tables import ACTIVE, DELETED, HEAD_CHARS, run_params, run_tags, runs, series

_STATUSES = (RunStatus.RUNNING, *RunStatus)  # by number, counted from 1
_STAGES = (None, LifecycleStage.ACTIVE.value, LifecycleStage.DELETED.value)

_INFO = (
    runs.c.id,
    runs.c.run_id,
    runs.c.experiment_id,
    runs.c.name,
    runs.c.user_id,
    runs.c.status,
    runs.c.start_time,
    runs.c.end_time,
    runs.c.lifecycle,
    runs.c.artifact_uri,
)
_FIND = Statement(select(runs.c.id).where(runs.c.run_id == bindparam("run_id")))
_LOCK = Statement(
    select(runs.c.id, runs.c.experiment_id, runs.c.lifecycle)
    .where(runs.c.run_id == bindparam("run_id"))
    .with_for_update(key_share=True)
)
_INFOS = Statement(select(*_INFO).where(runs.c.id.in_(bindparam("runs", expanding=True))))
_INSERT = insert_new(
    runs, "run_id", "experiment_id", "name", "user_id", "status", "start_time", "lifecycle", "artifact_uri"
)
_RENAME = Statement(update(runs).where(runs.c.id == bindparam("run")).values(name=bindparam("new_name")))
_SET_STATUS = Statement(update(runs).where(runs.c.id == bindparam("run")).values(status=bindparam("new_status")))
_SET_END = Statement(update(runs).where(runs.c.id == bindparam("run")).values(end_time=bindparam("new_end")))
_SET_STAGE = Statement(
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(lifecycle=bindparam("stage"), deleted_time=bindparam("deleted"))
)
_TEXT_ROW = ("run", "name_id", "experiment_id", "head", "rest")
_INSERT_TAG = insert_into(run_tags, *_TEXT_ROW)
_SET_TAG = upsert(run_tags, _TEXT_ROW, ("head", "rest"))
_DELETE_TAG = Statement(
    delete(run_tags).where(run_tags.c.run == bindparam("run"), run_tags.c.name_id == bindparam("name_id"))
)
_READ_TAG = Statement(
    select(run_tags.c.head, run_tags.c.rest).where(
        run_tags.c.run == bindparam("run"), run_tags.c.name_id == bindparam("name_id")
    )
)
_INSERT_PARAM = insert_into(run_params, *_TEXT_ROW)
_PARAMS_OF_KEYS = Statement(
    select(run_params.c.name_id, run_params.c.head, run_params.c.rest).where(
        run_params.c.run == bindparam("run"), run_params.c.name_id.in_(bindparam("names", expanding=True))
    )
)


def _of_runs(table: Table, *columns: ColumnElement[Any]) -> tuple[Statement, Statement]:
    """What a table holds of many runs: of all names, and of some names."""
    everything = select(table.c.run, table.c.name_id, *columns).where(
        table.c.run.in_(bindparam("runs", expanding=True))
    )
    return (
        Statement(everything),
        Statement(everything.where(table.c.name_id.in_(bindparam("names", expanding=True)))),
    )


_METRICS = _of_runs(series, series.c.last_value, series.c.last_time, series.c.last_step)
_PARAMS = _of_runs(run_params, run_params.c.head, run_params.c.rest)
_TAGS = _of_runs(run_tags, run_tags.c.head, run_tags.c.rest)


class LockedRun(Struct):
    """An active run whose row this transaction has locked."""

    key: int
    run_id: str
    experiment_id: int


def find(session: Session, run_id: str) -> int:
    """The key behind a public run id."""
    row = session.row(_FIND, run_id=run_id)
    if row is None:
        raise RunNotFound(run_id)
    return int(row[0])


def lock(session: Session, run_id: str) -> LockedRun:
    """An active run, to be written to."""
    row = session.row(_LOCK, run_id=run_id)
    if row is None:
        raise RunNotFound(run_id)
    if row[2] != ACTIVE:
        raise RunDeleted(run_id)
    return LockedRun(row[0], run_id, row[1])


# ---------------------------------------------------------------- life


class NewRun(Struct):
    """A checked `create_run`."""

    experiment_id: int
    user_id: str
    name: str
    start_time: int
    tags: dict[str, str]  # with mlflow.runName
    run_id: str
    is_minted_by_client: bool


def check_new(
    experiment_id: str, user_id: str, name: str, start_time: int, tags: Sequence[RunTag], run_id: str | None
) -> NewRun:
    """Check a run that is to be made, and give it a name if it has none."""
    texts = rules.distinct_tags(tags, rules.MAX_RUN_TAG_VALUE, "Tag key", rules.check_free_key) if tags else {}
    tag_name = texts.get(RUN_NAME_TAG, "")
    if name:
        name = rules.cut(name, rules.MAX_RUN_TAG_VALUE, "run_name")
        if tag_name and tag_name != name:
            raise InvalidValue(f"run_name and the tag {RUN_NAME_TAG} differ. Give one of them, or the same in both.")
    name = name or tag_name or random_name()
    texts[RUN_NAME_TAG] = name
    return NewRun(
        rules.experiment_key(experiment_id),
        rules.check_text(user_id, "user_id", rules.MAX_ID) if user_id else "",
        name,
        rules.check_int64(start_time, "start_time"),
        texts,
        uuid.uuid4().hex if run_id is None else rules.check_minted_run_id(run_id),
        run_id is not None,
    )


def create(session: Session, new: NewRun) -> Run:
    """Insert a run and its tags. One that a client made before, under the same id, is returned as it is."""
    location = experiments.location_for_new_content(session, new.experiment_id)
    artifact_uri = rules.below(location, new.run_id, "artifacts")
    key = session.insert_new(
        _INSERT,
        run_id=new.run_id,
        experiment_id=new.experiment_id,
        name=new.name,
        user_id=new.user_id,
        status=RunStatus.RUNNING.number,
        start_time=new.start_time,
        lifecycle=ACTIVE,
        artifact_uri=artifact_uri,
    )
    experiment_id = str(new.experiment_id)
    if key is None:
        return _created_before(session, new.run_id, experiment_id)
    session.run_many(_INSERT_TAG, _text_rows(session, key, new.experiment_id, new.tags))
    info = RunInfo(
        new.run_id,
        new.run_id,
        new.name,
        experiment_id,
        new.user_id,
        RunStatus.RUNNING,
        new.start_time,
        None,
        artifact_uri,
        LifecycleStage.ACTIVE.value,
    )
    return Run(info, RunData([], [], [RunTag(tag, value) for tag, value in new.tags.items()]), RunInputs(), None)


def _created_before(session: Session, run_id: str, experiment_id: str) -> Run:
    run = get(session, run_id)
    if run.info.experiment_id != experiment_id:
        raise AlreadyExists(f"Run {run_id!r} exists already, in experiment {run.info.experiment_id!r}.")
    return run


def update_info(
    session: Session, run_id: str, status: RunStatus | None, end_time: int | None, name: str | None
) -> RunInfo:
    """Change what is given; an empty name changes nothing."""
    run = lock(session, run_id)
    if status is not None:
        session.run(_SET_STATUS, run=run.key, new_status=status.number)
        if status in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED):
            finish_series(session, run.key)
    if end_time is not None:
        session.run(_SET_END, run=run.key, new_end=end_time)
    if name:
        session.run(_RENAME, run=run.key, new_name=name)
        session.run_many(_SET_TAG, _text_rows(session, run.key, run.experiment_id, {RUN_NAME_TAG: name}))
    return _infos(session, [run.key])[run.key]


def delete_to_trash(session: Session, run_id: str) -> None:
    """Move a run to the trash; one that is there keeps the time of its deletion."""
    row = _locked_row(session, run_id)
    if row[2] == ACTIVE:
        session.run(_SET_STAGE, run=row[0], stage=DELETED, deleted=experiments.now_ms())


def restore(session: Session, run_id: str) -> None:
    row = _locked_row(session, run_id)
    if row[2] == DELETED:
        session.run(_SET_STAGE, run=row[0], stage=ACTIVE, deleted=None)


def _locked_row(session: Session, run_id: str) -> tuple[Any, ...]:
    row = session.row(_LOCK, run_id=run_id)
    if row is None:
        raise RunNotFound(run_id)
    return row


# ---------------------------------------------------------------- logging


def log_batch(session: Session, batch: rules.Batch) -> None:
    """Write a checked batch. What can be refused is refused before the first write."""
    run = lock(session, batch.run_id)
    new_params = _new_params(session, run, batch.params) if batch.params else {}
    models = logged_models.find_many(session, batch.model_metrics) if batch.model_metrics else {}
    if batch.metrics:
        points = {session.name_id(key): points for key, points in batch.metrics.items()}
        append_points(session, run.key, run.experiment_id, points)
    if models:
        logged_models.log_metrics(session, run.run_id, models, batch.model_metrics)
    if new_params:
        session.run_many(_INSERT_PARAM, _text_rows(session, run.key, run.experiment_id, new_params))
    if batch.tags:
        session.run_many(_SET_TAG, _text_rows(session, run.key, run.experiment_id, batch.tags))
        name = batch.tags.get(RUN_NAME_TAG)
        if name:
            session.run(_RENAME, run=run.key, new_name=name)


def _new_params(session: Session, run: LockedRun, params: Mapping[str, str]) -> dict[str, str]:
    """The params that the run does not have yet; raises ParamChanged for one that it has with another value."""
    keys = {name_id: key for key in params if (name_id := session.find_name_id(key)) is not None}
    present: dict[str, str] = {}
    if keys:
        for name_id, head, rest in session.rows(_PARAMS_OF_KEYS, run=run.key, names=list(keys)):
            present[keys[name_id]] = head if rest is None else head + rest
    for key, value in present.items():
        if params[key] != value:
            raise ParamChanged(run.run_id, key, value, params[key])
    return {key: value for key, value in params.items() if key not in present}


def _text_rows(session: Session, run: int, experiment_id: int, texts: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "run": run,
            "name_id": session.name_id(key),
            "experiment_id": experiment_id,
            "head": value[:HEAD_CHARS],
            "rest": value[HEAD_CHARS:] or None,
        }
        for key, value in texts.items()
    ]


def set_tag(session: Session, run: LockedRun, key: str, value: str) -> None:
    """Set a tag of a locked run, of any length."""
    session.run_many(_SET_TAG, _text_rows(session, run.key, run.experiment_id, {key: value}))


def read_tag(session: Session, run: LockedRun, key: str) -> str | None:
    name_id = session.find_name_id(key)
    if name_id is None:
        return None
    row = session.row(_READ_TAG, run=run.key, name_id=name_id)
    return None if row is None else row[0] + (row[1] or "")


def delete_tag(session: Session, run_id: str, key: str) -> None:
    run = lock(session, run_id)
    name_id = session.find_name_id(key)
    if name_id is None or not session.run(_DELETE_TAG, run=run.key, name_id=name_id):
        raise TagNotFound(key, f"Run {run_id!r}")


# ---------------------------------------------------------------- reading


class Selection(Struct, frozen=True):
    """What to read of each run: None is everything of a kind, an empty tuple nothing."""

    metrics: tuple[str, ...] | None = None
    params: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    has_inputs: bool = True
    has_outputs: bool = True


EVERYTHING = Selection()


def parse_select(select: Sequence[str]) -> Selection:
    """`metrics.<key>`, `params.<key>`, `tags.<key>`, `metrics`, `params`, `tags`, `inputs`, `outputs`; none: everything."""
    if not select:
        return EVERYTHING
    keys: dict[str, dict[str, None] | None] = {"metrics": {}, "params": {}, "tags": {}}
    groups: set[str] = set()
    for item in select:
        kind, dot, key = item.partition(".")
        if not dot and item in ("metrics", "params", "tags", "inputs", "outputs"):
            groups.add(item)
        elif dot and key and kind in keys:
            wanted = keys[kind]
            assert wanted is not None
            wanted[key] = None
        else:
            raise InvalidValue(
                f"select: {item[:100]!a} is none of metrics.<key>, params.<key>, tags.<key>, metrics, params, tags, "
                "inputs, outputs."
            )

    def chosen(kind: str) -> tuple[str, ...] | None:
        return None if kind in groups else tuple(keys[kind] or ())

    return Selection(chosen("metrics"), chosen("params"), chosen("tags"), "inputs" in groups, "outputs" in groups)


def get(session: Session, run_id: str) -> Run:
    """A run with everything, its model inputs included."""
    key = find(session, run_id)
    (run,) = load_runs(session, [key])
    assert run.inputs is not None
    run.inputs.model_inputs = inputs.model_inputs_of(session, key)
    return run


def get_infos(session: Session, keys: Sequence[int]) -> dict[int, RunInfo]:
    found: dict[int, RunInfo] = {}
    for page in pages(keys):
        found.update(_infos(session, page))
    return found


def load_runs(session: Session, keys: Sequence[int], selection: Selection = EVERYTHING) -> list[Run]:
    """The runs of these keys in their order, without model inputs; those that are missing are left out."""
    found: list[Run] = []
    for page in pages(keys):
        found.extend(_load_page(session, page, selection))
    return found


def _load_page(session: Session, keys: Sequence[int], selection: Selection) -> list[Run]:
    infos = _infos(session, keys)
    metrics: dict[int, list[Metric]] = {key: [] for key in infos}
    params: dict[int, list[Param]] = {key: [] for key in infos}
    tags: dict[int, list[RunTag]] = {key: [] for key in infos}
    rows = _children(session, _METRICS, keys, selection.metrics)
    names = session.names_of({row[1] for row in rows})
    for run, name_id, value, timestamp, step in rows:
        metrics[run].append(Metric(names[name_id], _NAN if value is None else value, timestamp, step))
    rows = _children(session, _PARAMS, keys, selection.params)
    names = session.names_of({row[1] for row in rows})
    for run, name_id, head, rest in rows:
        params[run].append(Param(names[name_id], head if rest is None else head + rest))
    rows = _children(session, _TAGS, keys, selection.tags)
    names = session.names_of({row[1] for row in rows})
    for run, name_id, head, rest in rows:
        tags[run].append(RunTag(names[name_id], head if rest is None else head + rest))
    run_inputs = inputs.dataset_inputs_of(session, keys) if selection.has_inputs else {}
    run_outputs = inputs.model_outputs_of(session, keys) if selection.has_outputs else {}
    return [
        Run(
            infos[key],
            RunData(metrics[key], params[key], tags[key]),
            RunInputs(run_inputs.get(key, [])) if selection.has_inputs else None,
            RunOutputs(run_outputs.get(key, [])) if selection.has_outputs else None,
        )
        for key in keys
        if key in infos
    ]


_NAN = float("nan")


def _children(
    session: Session, statements: tuple[Statement, Statement], keys: Sequence[int], names: tuple[str, ...] | None
) -> list[tuple[Any, ...]]:
    everything, some = statements
    if names is None:
        return session.rows(everything, runs=keys)
    name_ids = [name_id for name in names if (name_id := session.find_name_id(name)) is not None]
    return session.rows(some, runs=keys, names=name_ids) if name_ids else []


def _infos(session: Session, keys: Sequence[int]) -> dict[int, RunInfo]:
    return {
        row[0]: RunInfo(
            row[1],
            row[1],
            row[3],
            str(row[2]),
            row[4],
            _STATUSES[row[5]],
            row[6],
            row[7],
            row[9],
            _STAGES[row[8]] or "",
        )
        for row in session.rows(_INFOS, runs=keys)
    }
