"""The series store against a plain list: random appends, folds, rewinds and reads give what the list gives."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from millstream.entities import MAX_DOUBLE, Metric
from millstream.store import series
from millstream.store.database import Database, Session, Statement
from millstream.store.series import appending, folding
from millstream.store.tables import experiments, runs

Point = tuple[int, int, float]
"""(step, timestamp, value), -inf for NaN: the order of a series."""

NAN = float("nan")


def make_run(db: Database, number: int = 1) -> int:
    def write(session: Session) -> int:
        if number == 1:
            session.sa.execute(
                insert(experiments).values(
                    id=77, name="series", artifact_location="x", lifecycle=1, creation_time=0, last_update_time=0
                )
            )
        session.sa.execute(
            insert(runs).values(
                id=number, run_id=f"run{number}", experiment_id=77, name="", user_id="", status=1, start_time=0,
                lifecycle=1, artifact_uri="x",
            )
        )  # fmt: skip
        return number

    return db.write(write)


@contextmanager
def opened() -> Iterator[Database]:
    with tempfile.TemporaryDirectory(prefix="ms-series") as folder:
        db = Database(f"sqlite:///{Path(folder) / 'store.db'}")
        try:
            make_run(db)
            yield db
        finally:
            db.close()


def stored_value(value: float) -> float:
    if math.isnan(value):
        return -math.inf
    return max(-MAX_DOUBLE, min(MAX_DOUBLE, value)) + 0.0


def as_point(metric: Metric) -> Point:
    value = metric.value
    return metric.step, metric.timestamp, -math.inf if math.isnan(value) else value


class Model:
    """The points of one series in a set."""

    def __init__(self) -> None:
        self.points: set[Point] = set()

    def append(self, metrics: list[Metric]) -> None:
        self.points |= {(m.step, m.timestamp, stored_value(m.value)) for m in metrics}

    def rewind(self, step: int) -> int:
        gone = {point for point in self.points if point[0] >= step}
        self.points -= gone
        return len(gone)

    def by_step(self) -> list[Point]:
        return sorted(self.points)

    def by_time(self) -> list[Point]:
        return sorted(self.points, key=lambda point: (point[1], point[0], point[2]))


def check(db: Database, name_id: int, model: Model) -> None:
    with db.read() as session:
        history = series.history(session, 1, name_id)
        assert [as_point(metric) for metric in history] == model.by_time()
        summaries = {summary.key: summary for summary in series.summary_list(session, 1)}
        key = session.name_of(name_id)
    if not model.points:
        assert key not in summaries
        return
    summary = summaries[key]
    ordered = model.by_step()
    assert summary.count == len(ordered)
    assert as_point(summary.first) == ordered[0]
    assert as_point(summary.last) == ordered[-1]
    valid = [point for point in ordered if point[2] != -math.inf]
    if not valid:
        assert summary.min is None
        assert summary.max is None
        return
    assert summary.min is not None
    assert summary.max is not None
    assert as_point(summary.min) == min(valid, key=lambda point: (point[2], point[0], point[1]))
    assert as_point(summary.max) == min(valid, key=lambda point: (-point[2], point[0], point[1]))


values = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, 1.0, 0.5, math.nan, math.inf, -math.inf, MAX_DOUBLE, 5e-324]),
    st.floats(-10, 10, width=32),
    st.integers(-1000, 1000).map(lambda n: n / 100),
)
steps = st.one_of(st.integers(0, 12), st.integers(-(2**63), 2**63 - 1))
times = st.one_of(st.integers(0, 5), st.integers(0, 2**63 - 1))
metric_lists = st.lists(st.builds(Metric, st.just("m"), values, times, steps), min_size=1, max_size=40)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), metric_lists),
        st.tuples(st.just("again"), st.integers(0, 10)),
        st.tuples(st.just("fold"), st.none()),
        st.tuples(st.just("rewind"), steps),
        st.tuples(st.just("page"), st.integers(1, 7)),
        st.tuples(st.just("check"), st.none()),
    ),
    max_size=12,
)


def follow(db: Database, name: str, todo: list[tuple[str, object]]) -> None:
    name_id = db.write(lambda session: session.name_id(name))
    db.write(lambda session: series.delete_series(session, 1, name_id))
    model, sent = Model(), []
    for what, argument in todo:
        if what == "append":
            assert isinstance(argument, list)
            sent.append(argument)
            model.append(argument)
            db.write(lambda session, points=argument: series.append(session, 1, 77, {name_id: points}))
        elif what == "again" and sent:
            assert isinstance(argument, int)
            points = sent[argument % len(sent)]
            model.append(points)
            db.write(lambda session, points=points: series.append(session, 1, 77, {name_id: points}))
        elif what == "fold":
            db.write(lambda session: series.fold(session, 1, name_id))
        elif what == "rewind":
            assert isinstance(argument, int)
            gone = db.write(lambda session, step=argument: series.rewind(session, 1, step, [name_id]))
            assert gone == model.rewind(argument)
        elif what == "page":
            assert isinstance(argument, int)
            with db.read() as session:
                assert [as_point(m) for m in pages(session, name_id, argument)] == model.by_time()
        check(db, name_id, model)


def pages(session: Session, name_id: int, length: int) -> list[Metric]:
    found: list[Metric] = []
    token: str | None = ""
    while token is not None:
        page = series.history(session, 1, name_id, length, token)
        assert len(page) <= length
        found += page
        token = page.token
        assert token is None or len(page) == length
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(todo=operations)
def test_any_course_of_appends_folds_and_rewinds_reads_as_the_list_does(
    todo: list[tuple[str, object]], sqlite: Database
) -> None:
    follow(sqlite, "m", todo)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(todo=operations, target=st.integers(1, 8), inline=st.sampled_from([5, 30, 10**6]))
def test_chunks_that_split_and_fold_at_any_size_read_as_the_list_does(
    todo: list[tuple[str, object]], target: int, inline: int, sqlite: Database
) -> None:
    with small_chunks(target, inline):
        follow(sqlite, "m", todo)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(todo=operations, target=st.integers(1, 8), inline=st.sampled_from([5, 10**6]))
def test_every_database_reads_as_the_list_does(
    todo: list[tuple[str, object]], target: int, inline: int, db: Database
) -> None:
    with db.read() as session:
        is_new = session.row(_HAS_RUN) is None
    if is_new:
        make_run(db)
    with small_chunks(target, inline):
        follow(db, "m", todo)


_HAS_RUN = Statement(select(runs.c.id).where(runs.c.id == 1))


@contextmanager
def small_chunks(target: int, inline: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "TARGET", target)
        patch.setattr(folding, "SPLIT", 2 * target)
        patch.setattr(folding, "SEQ_STRIDE", 4)  # room between chunks runs out at once
        patch.setattr(appending, "FOLD_INLINE", inline)
        yield


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Database]:
    with opened() as db:
        yield db


def test_a_chunk_in_the_middle_may_burst_into_more_parts_than_there_is_room_for(sqlite: Database) -> None:
    name_id = sqlite.write(lambda session: session.name_id("burst"))
    model = Model()
    ends = [Metric("burst", 0.0, 0, step) for step in (0, 100, 200)]
    with small_chunks(1, 10**6):
        for batch in (ends, [Metric("burst", 1.0, 0, step) for step in range(1, 60)], ends):
            model.append(batch)
            sqlite.write(lambda session, points=batch: series.append(session, 1, 77, {name_id: points}))
            sqlite.write(lambda session: series.fold(session, 1, name_id))
            check(sqlite, name_id, model)
