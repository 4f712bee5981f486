"""What pages show at a glance: how active experiments are, and which names their runs use.

Both read indexes alone: a count walks one entry a run, names are found by jumping from one to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, bindparam, func, select

from millstream.entities import ExperimentActivity, ViewType
from millstream.store import experiments
from millstream.store.database import Session, Statement
from millstream.store.tables import ACTIVE, DELETED, run_params, run_tags, runs, series
from millstream.store.tables import experiments as experiment_rows

MAX_EXPERIMENTS = 100

_IDS = Statement(
    select(experiment_rows.c.id).where(experiment_rows.c.lifecycle.in_(bindparam("stages", expanding=True)))
)
_ACTIVITY = Statement(
    select(runs.c.experiment_id, func.count(), func.max(runs.c.start_time))
    .where(runs.c.lifecycle == ACTIVE)
    .group_by(runs.c.experiment_id)
)
_STAGES = {ViewType.ACTIVE_ONLY: [ACTIVE], ViewType.DELETED_ONLY: [DELETED], ViewType.ALL: [ACTIVE, DELETED]}


def activity(session: Session, view_type: ViewType) -> list[ExperimentActivity]:
    """Every experiment, the one with the latest run (or, without runs, creation) first."""
    keys = [row[0] for row in session.rows(_IDS, stages=_STAGES[view_type])]
    counts = {row[0]: (row[1], row[2]) for row in session.rows(_ACTIVITY)}
    found = [
        ExperimentActivity(experiment, *counts.get(int(experiment.experiment_id), (0, None)))
        for experiment in experiments.load(session, keys)
    ]
    found.sort(key=lambda each: each.last_start_time or each.experiment.creation_time or 0, reverse=True)
    return found


def _all_names(table: Table) -> Statement:
    """The name keys of an experiment's rows, each once: one look into the index for each, whatever the number of rows."""
    first = select(func.min(table.c.name_id).label("name_id")).where(
        table.c.experiment_id == bindparam("experiment_id")
    )
    found = first.cte("found", recursive=True)
    following = (
        select(func.min(table.c.name_id))
        .where(table.c.experiment_id == bindparam("experiment_id"), table.c.name_id > found.c.name_id)
        .scalar_subquery()
    )
    found = found.union_all(select(following).where(found.c.name_id.is_not(None)))
    return Statement(select(found.c.name_id).where(found.c.name_id.is_not(None)))


_METRICS, _PARAMS, _TAGS = (_all_names(table) for table in (series, run_params, run_tags))


def names(session: Session, keys: Sequence[int]) -> tuple[list[str], list[str], list[str]]:
    """The names of metrics, params and tags in these experiments, sorted."""
    metrics, params, tags = (_sorted_names(session, statement, keys) for statement in (_METRICS, _PARAMS, _TAGS))
    return metrics, params, tags


def _sorted_names(session: Session, statement: Statement, keys: Sequence[int]) -> list[str]:
    found: set[Any] = set()
    for key in keys:
        found.update(row[0] for row in session.rows(statement, experiment_id=key))
    return sorted(session.names_of(found).values())
