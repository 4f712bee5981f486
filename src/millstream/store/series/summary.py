"""The row of `series`: what is known of a metric without reading its points.

`last` is the point with the greatest (step, timestamp, value), NaN lowest in that tie; `first` the one with the least.
Of equal extremes the earliest in that order counts. A NaN value is NULL in SQL and NaN here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Select, bindparam, delete, insert, select, update

from millstream.store.statement import Statement, insert_or_ignore
from millstream.store.tables import fold_queue, series, tails

if TYPE_CHECKING:
    from millstream.store.database import Session

NAN = float("nan")
NEVER = float("-inf")
"""Stands for NaN where points are compared; stored values are never infinite."""

Place = tuple[int, int, float]
"""(step, timestamp, value) with NEVER for NaN: the order of a series."""


class Summary(NamedTuple):
    """A row of `series` as SQL gives it: NULL is None."""

    points: int  # the column `count`
    nan_count: int
    last_value: float | None
    last_step: int
    last_time: int
    first_value: float | None
    first_step: int
    first_time: int
    min_value: float | None
    min_step: int | None
    min_time: int | None
    max_value: float | None
    max_step: int | None
    max_time: int | None
    unfolded: int

    @property
    def last(self) -> Place:
        return (self.last_step, self.last_time, NEVER if self.last_value is None else self.last_value)


EMPTY = Summary(0, 0, None, 0, 0, None, 0, 0, None, None, None, None, None, None, 0)

_FIELDS = ("count", *Summary._fields[1:])
_KEY = (series.c.run == bindparam("in_run"), series.c.name_id == bindparam("in_name"))
_SUMMARY = [series.c[name] for name in _FIELDS]


def _with_lock(query: Select[Any]) -> Statement:
    """On SQLite a write transaction is alone; elsewhere the rows are locked, in order of their key."""
    return Statement(lambda dialect: query if dialect == "sqlite" else query.with_for_update())


_ONE = Statement(select(*_SUMMARY).where(*_KEY))
_LOCK_ONE = _with_lock(select(*_SUMMARY).where(*_KEY))
_LOCK = _with_lock(
    select(series.c.name_id, *_SUMMARY)
    .where(series.c.run == bindparam("run"), series.c.name_id.in_(bindparam("names", expanding=True)))
    .order_by(series.c.name_id)
)
_ALL = Statement(select(series.c.name_id, *_SUMMARY).where(series.c.run == bindparam("run")))
_LOCK_ALL = _with_lock(
    select(series.c.name_id, *_SUMMARY).where(series.c.run == bindparam("run")).order_by(series.c.name_id)
)
_INSERT = Statement(
    insert(series).values(
        {name: bindparam(name) for name in ("run", "name_id", "experiment_id")}
        | {name: bindparam("to_" + name, type_=series.c[name].type) for name in _FIELDS}
    )
)
_PLACE = insert_or_ignore(
    series,
    *("run", "name_id", "experiment_id", "count", "nan_count", "last_step", "last_time", "first_step", "first_time"),
    "unfolded",
)
_UPDATE = Statement(
    update(series).where(*_KEY).values({name: bindparam("to_" + name, type_=series.c[name].type) for name in _FIELDS})
)
_DELETE = Statement(delete(series).where(*_KEY))
_QUEUE = insert_or_ignore(fold_queue, "run", "name_id")
ADD_TAIL = Statement(
    insert(tails).values(
        {name: bindparam(name, type_=tails.c[name].type) for name in ("run", "name_id", "seq", "points")}
    )
)


def find(session: Session, run: int, name_id: int) -> Summary | None:
    row = session.row(_ONE, in_run=run, in_name=name_id)
    return None if row is None else Summary._make(row)


def find_all(session: Session, run: int) -> dict[int, Summary]:
    return {row[0]: Summary._make(row[1:]) for row in session.rows(_ALL, run=run)}


def lock_one(session: Session, run: int, name_id: int) -> Summary | None:
    """The summary, and nobody else changes the series until this transaction ends."""
    row = session.row(_LOCK_ONE, in_run=run, in_name=name_id)
    return None if row is None else Summary._make(row)


def lock_all(session: Session, run: int) -> dict[int, Summary]:
    return {row[0]: Summary._make(row[1:]) for row in session.rows(_LOCK_ALL, run=run)}


def lock_or_place(session: Session, run: int, experiment_id: int, name_ids: Sequence[int]) -> dict[int, Summary]:
    """The summaries of these series, locked; those that are new are missing on SQLite and empty elsewhere.

    Two servers may begin the same series at once: the row is put there first, so that one waits for the other.
    """
    if len(name_ids) == 1:
        row = session.row(_LOCK_ONE, in_run=run, in_name=name_ids[0])
        found = {} if row is None else {name_ids[0]: Summary._make(row)}
    else:
        found = {row[0]: Summary._make(row[1:]) for row in session.rows(_LOCK, run=run, names=name_ids)}
    if len(found) == len(name_ids) or session.dialect == "sqlite":
        return found
    zeros = dict.fromkeys(("count", "nan_count", "last_step", "last_time", "first_step", "first_time", "unfolded"), 0)
    new = [name_id for name_id in sorted(name_ids) if name_id not in found]
    session.run_many(_PLACE, [{"run": run, "name_id": name, "experiment_id": experiment_id, **zeros} for name in new])
    found.update({row[0]: Summary._make(row[1:]) for row in session.rows(_LOCK, run=run, names=new)})
    return found


_TO_FIELDS = tuple("to_" + name for name in _FIELDS)


def insertion(run: int, name_id: int, experiment_id: int, summary: Sequence[Any]) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(_TO_FIELDS, summary, strict=True))
    row["run"], row["name_id"], row["experiment_id"] = run, name_id, experiment_id
    return row


def change(run: int, name_id: int, summary: Sequence[Any]) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(_TO_FIELDS, summary, strict=True))
    row["in_run"], row["in_name"] = run, name_id
    return row


def insert_many(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    session.run_many(_INSERT, rows)


def update_many(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    session.run_many(_UPDATE, rows)


def remove(session: Session, run: int, name_id: int) -> None:
    session.run(_DELETE, in_run=run, in_name=name_id)


def enqueue(session: Session, run: int, name_ids: Sequence[int]) -> None:
    """Say that the tails of these series are worth folding."""
    session.run_many(_QUEUE, [{"run": run, "name_id": name_id} for name_id in name_ids])
