"""Writing what a source gives into a store of ours, with ids, times and stages kept.

Every method may be called again with the same thing: rows are overwritten with what the source says, except for params and
logged models, which are written once; identical points are dropped by the series store, and nothing that a user added here
since is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select, update

from millstream.entities import (
    Experiment,
    LoggedModelStatus,
    Metric,
    Run,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from millstream.migrate.report import Counts
from millstream.migrate.source import SourceModel, SourceRun
from millstream.store import inputs, series, tables
from millstream.store.database import Database, Session, insert_into, insert_new, insert_or_ignore, upsert
from millstream.store.statement import Statement
from millstream.store.tables import ACTIVE, DELETED, HEAD_CHARS

_ORIGIN_TAG = "millstream.importedFrom"

_EXPERIMENT = Statement(
    select(tables.experiments.c.id, tables.experiments.c.name).where(
        (tables.experiments.c.id == bindparam("id")) | (tables.experiments.c.name == bindparam("name"))
    )
)
_EXPERIMENT_COLUMNS = ("name", "artifact_location", "lifecycle", "creation_time", "last_update_time", "deleted_time")
_PUT_EXPERIMENT = upsert(tables.experiments, ("id", *_EXPERIMENT_COLUMNS), _EXPERIMENT_COLUMNS, ("id",))
_SKIP_IDS = (
    "SELECT setval(s, greatest(nextval(s), (SELECT max(id) FROM experiments)))"
    " FROM (SELECT pg_get_serial_sequence('experiments', 'id') AS s) AS of_ids"
)
_ADD_EXPERIMENT = insert_into(tables.experiments, *_EXPERIMENT_COLUMNS)
_PUT_EXPERIMENT_TAG = upsert(tables.experiment_tags, ("experiment_id", "name_id", "value"), ("value",))
_BY_ORIGIN = Statement(
    select(tables.experiment_tags.c.experiment_id).where(
        tables.experiment_tags.c.name_id == bindparam("name_id"), tables.experiment_tags.c.value == bindparam("value")
    )
)
_RUNS_IN = Statement(
    select(func.count()).select_from(tables.runs).where(tables.runs.c.experiment_id == bindparam("experiment_id"))
)

_RUN = Statement(
    select(tables.runs.c.id, tables.runs.c.experiment_id).where(tables.runs.c.run_id == bindparam("run_id"))
)
_RUN_COLUMNS = (
    "experiment_id", "name", "user_id", "status", "start_time", "end_time", "lifecycle", "deleted_time", "artifact_uri",
)  # fmt: skip
_ADD_RUN = insert_into(tables.runs, "run_id", *_RUN_COLUMNS)
_UPDATE_RUN = Statement(
    update(tables.runs)
    .where(tables.runs.c.id == bindparam("run"))
    .values({name: bindparam(name, type_=tables.runs.c[name].type) for name in _RUN_COLUMNS if name != "experiment_id"})
)
_PAIR_COLUMNS = ("run", "name_id", "experiment_id", "head", "rest")
_PUT_PARAM = insert_or_ignore(tables.run_params, *_PAIR_COLUMNS)
_PUT_TAG = upsert(tables.run_tags, _PAIR_COLUMNS, ("head", "rest"))
_PUT_OUTPUT = insert_or_ignore(tables.run_models, "run", "is_output", "model_id", "step")

_MODEL = Statement(select(tables.logged_models.c.id).where(tables.logged_models.c.model_id == bindparam("model_id")))
_MODEL_COLUMNS = (
    "model_id", "experiment_id", "name", "creation_time", "last_update_time", "artifact_uri", "status",
    "status_message", "model_type", "source_run_id", "lifecycle", "deleted_time",
)  # fmt: skip
_ADD_MODEL = insert_new(tables.logged_models, *_MODEL_COLUMNS)
_PUT_MODEL_PARAM = insert_or_ignore(tables.logged_model_params, "model", "name_id", "value")
_PUT_MODEL_TAG = upsert(tables.logged_model_tags, ("model", "name_id", "value"), ("value",))
_ADD_MODEL_METRIC = insert_into(
    tables.logged_model_metrics,
    "model", "name_id", "run_id", "timestamp", "step", "value", "dataset_name", "dataset_digest",
)  # fmt: skip


class Target:
    """A store that is being imported into.

    Args:
        db: the database.
        origin: the source's name; it marks experiments that could not keep their id or name.
    """

    def __init__(self, db: Database, origin: str) -> None:
        self._db = db
        self._origin = origin
        self.notes: list[str] = []

    def put_experiment(self, experiment: Experiment) -> int:
        """Write an experiment and give its key here: its own id, unless that is another experiment's already."""
        return self._db.write(lambda session: self._put_experiment(session, experiment))

    def put_run(self, found: SourceRun, experiment_id: int) -> tuple[int, int]:
        """Write everything of a run but its points; give its key here and its experiment's.

        A run that is here already stays in its experiment, whichever that is.
        """
        return self._db.write(lambda session: self._put_run(session, found, experiment_id))

    def put_points(self, run: int, experiment_id: int, points: Sequence[Metric]) -> None:
        """Write points of one metric; those that are here already are dropped."""
        clean = [Metric(p.key, p.value, p.timestamp, p.step) for p in points]

        def write(session: Session) -> None:
            series.append(session, run, experiment_id, {session.name_id(clean[0].key): clean})

        self._db.write(write)

    def put_model(self, found: SourceModel, experiment_id: int) -> None:
        """Write a logged model with its params, tags and metrics."""
        self._db.write(lambda session: self._put_model(session, found, experiment_id))

    def count_run(self, run: int) -> Counts:
        """What is here of a run, read back from the tables."""
        with self._db.read() as session:
            return Counts(
                runs=1,
                params=_count(session, "run_params", run),
                tags=_count(session, "run_tags", run),
                metrics=_count(session, "series", run),
                points=int((session.row(_POINTS, run=run) or (0,))[0] or 0),
                datasets=_count(session, "run_inputs", run),
            )

    def has_model(self, model_id: str) -> bool:
        with self._db.read() as session:
            return session.row(_MODEL, model_id=model_id) is not None

    # ------------------------------------------------------------ experiments

    def _put_experiment(self, session: Session, experiment: Experiment) -> int:
        is_deleted = experiment.lifecycle_stage == "deleted"
        created = experiment.creation_time or 0
        row = {
            "name": experiment.name,
            "artifact_location": experiment.artifact_location,
            "lifecycle": DELETED if is_deleted else ACTIVE,
            "creation_time": created,
            "last_update_time": experiment.last_update_time or created,
            "deleted_time": (experiment.last_update_time or created) if is_deleted else None,
        }
        here = self._place(session, experiment, row)
        for tag in experiment.tag_list:
            session.run(_PUT_EXPERIMENT_TAG, experiment_id=here, name_id=session.name_id(tag.key), value=tag.value)
        return here

    def _place(self, session: Session, experiment: Experiment, row: dict[str, object]) -> int:
        """Find or make the experiment's row: under its own id if that is free or its own, else under a new one."""
        wanted = int(experiment.experiment_id)
        origin = f"{self._origin}#{wanted}"
        moved = session.row(_BY_ORIGIN, name_id=session.name_id(_ORIGIN_TAG), value=origin)
        if moved is not None:
            return int(moved[0])
        owners = {int(key): name for key, name in session.rows(_EXPERIMENT, id=wanted, name=experiment.name)}
        name_is_free = all(name != experiment.name or key == wanted for key, name in owners.items())
        # the Default experiment that every store begins with gives way as long as it is unused
        id_is_free = owners.get(wanted, experiment.name) == experiment.name or (
            wanted == 0 and not (session.row(_RUNS_IN, experiment_id=0) or (0,))[0]
        )
        if name_is_free and id_is_free:
            self._put_under(session, wanted, row)
            return wanted
        if not name_is_free:
            row = {**row, "name": f"{experiment.name} (imported {wanted})"}
        here = wanted
        if id_is_free:
            self._put_under(session, wanted, row)
        else:
            here = session.insert(_ADD_EXPERIMENT, **row)
        session.run(_PUT_EXPERIMENT_TAG, experiment_id=here, name_id=session.name_id(_ORIGIN_TAG), value=origin)
        self.notes.append(
            f"Experiment {experiment.name!r} ({wanted}) is kept as {row['name']!r} ({here}): another one has its name or id."
        )
        return here

    @staticmethod
    def _put_under(session: Session, wanted: int, row: dict[str, object]) -> None:
        session.run(_PUT_EXPERIMENT, id=wanted, **row)
        if session.dialect == "postgresql":  # where ids that are given do not move the sequence on
            session.execute_text(_SKIP_IDS)

    # ------------------------------------------------------------ runs

    def _put_run(self, session: Session, found: SourceRun, experiment_id: int) -> tuple[int, int]:
        info = found.run.info
        is_deleted = info.lifecycle_stage == "deleted"
        row = {
            "name": info.run_name,
            "user_id": info.user_id,
            "status": RunStatus(info.status).number,
            "start_time": info.start_time or 0,
            "end_time": info.end_time,
            "lifecycle": DELETED if is_deleted else ACTIVE,
            "deleted_time": (found.deleted_time or info.end_time or info.start_time or 0) if is_deleted else None,
            "artifact_uri": info.artifact_uri or "",
        }
        known = session.row(_RUN, run_id=info.run_id)
        if known is None:
            run = session.insert(_ADD_RUN, run_id=info.run_id, experiment_id=experiment_id, **row)
        else:
            run, experiment_id = known
            session.run(_UPDATE_RUN, run=run, **row)
        data = found.run.data
        session.run_many(
            _PUT_PARAM, [_pair(session, run, experiment_id, param.key, param.value) for param in data.param_list]
        )
        session.run_many(_PUT_TAG, [_pair(session, run, experiment_id, tag.key, tag.value) for tag in data.tag_list])
        self._put_links(session, found.run, run, experiment_id)
        return run, experiment_id

    def _put_links(self, session: Session, found: Run, run: int, experiment_id: int) -> None:
        used = found.inputs or RunInputs()
        entries = [(each, {tag.key: tag.value for tag in each.tags}) for each in used.dataset_inputs]
        inputs.log_inputs(session, run, experiment_id, entries, used.model_inputs)
        made = (found.outputs or RunOutputs()).model_outputs
        session.run_many(
            _PUT_OUTPUT, [{"run": run, "is_output": 1, "model_id": each.model_id, "step": each.step} for each in made]
        )

    # ------------------------------------------------------------ logged models

    def _put_model(self, session: Session, found: SourceModel, experiment_id: int) -> None:
        info = found.model.info
        is_deleted = found.is_deleted
        model = session.insert_new(
            _ADD_MODEL,
            model_id=info.model_id,
            experiment_id=experiment_id,
            name=info.name,
            creation_time=info.creation_timestamp_ms,
            last_update_time=info.last_updated_timestamp_ms,
            artifact_uri=info.artifact_uri,
            status=LoggedModelStatus(info.status).number,
            status_message=info.status_message,
            model_type=info.model_type,
            source_run_id=info.source_run_id,
            lifecycle=DELETED if is_deleted else ACTIVE,
            deleted_time=info.last_updated_timestamp_ms if is_deleted else None,
        )
        if model is None:
            return  # written whole by an earlier import
        session.run_many(
            _PUT_MODEL_PARAM,
            [{"model": model, "name_id": session.name_id(p.key), "value": p.value} for p in found.model.data.params],
        )
        session.run_many(
            _PUT_MODEL_TAG,
            [{"model": model, "name_id": session.name_id(tag.key), "value": tag.value} for tag in info.tags],
        )
        session.run_many(
            _ADD_MODEL_METRIC,
            [
                {
                    "model": model,
                    "name_id": session.name_id(point.key),
                    "run_id": point.run_id or info.source_run_id,
                    "timestamp": point.timestamp,
                    "step": point.step,
                    "value": None if point.value != point.value else point.value,
                    "dataset_name": point.dataset_name,
                    "dataset_digest": point.dataset_digest,
                }
                for point in found.metrics
            ],
        )


_POINTS = Statement(select(func.sum(tables.series.c["count"])).where(tables.series.c.run == bindparam("run")))
_COUNTS = {
    table.name: Statement(select(func.count()).select_from(table).where(table.c.run == bindparam("run")))
    for table in (tables.run_params, tables.run_tags, tables.series, tables.run_inputs)
}


def _count(session: Session, table: str, run: int) -> int:
    row = session.row(_COUNTS[table], run=run)
    return int(row[0]) if row else 0


def _pair(session: Session, run: int, experiment_id: int, key: str, value: str) -> dict[str, object]:
    return {
        "run": run,
        "name_id": session.name_id(key),
        "experiment_id": experiment_id,
        "head": value[:HEAD_CHARS],
        "rest": value[HEAD_CHARS:] or None,
    }
