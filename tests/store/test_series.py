"""The series store by example: cost of an append, size on disk, several writers, pages, samples, the end of a run."""

from __future__ import annotations

import math
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from millstream.entities import MAX_DOUBLE, Metric
from millstream.errors import InvalidValue
from millstream.store import series
from millstream.store.database import Database, Session, Statement
from millstream.store.series import summary
from millstream.store.series.appending import FOLD_INLINE
from millstream.store.tables import chunks, fold_queue, tails

from .test_series_model import Point, as_point, make_run

KEY = "loss"


@pytest.fixture
def name_id(db: Database) -> int:
    make_run(db)
    return db.write(lambda session: session.name_id(KEY))


def metrics(n_points: int, start: int = 0, value: Callable[[int], float] = float) -> list[Metric]:
    return [Metric(KEY, value(n), 1_700_000_000_000 + 10 * n, n) for n in range(start, start + n_points)]


def append(db: Database, name_id: int, points: list[Metric]) -> None:
    db.write(lambda session: series.append(session, 1, 77, {name_id: points}))


def read(db: Database, name_id: int) -> list[Point]:
    with db.read() as session:
        return [as_point(metric) for metric in series.history(session, 1, name_id)]


def row_count(db: Database, table: object) -> int:
    with db.read() as session:
        row = session.row(Statement(select(func.count()).select_from(table)))  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


class Counting:
    """A session that counts what is sent to the driver."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> object:
        attribute = getattr(self._session, name)
        if name not in ("rows", "row", "run", "run_many", "insert"):
            return attribute

        def call(*args: object, **kwargs: object) -> object:
            if name != "run_many" or args[1]:
                self.calls.append(name)
            return attribute(*args, **kwargs)

        return call


def test_an_append_in_order_takes_three_statements_however_many_series_it_has(db: Database, name_id: int) -> None:
    name_ids = db.write(lambda session: [session.name_id(f"k{n}") for n in range(50)])

    def write(session: Session, start: int) -> list[str]:
        counting = Counting(session)
        points = {name: metrics(20, start) for name in name_ids}
        series.append(counting, 1, 77, points)  # type: ignore[arg-type]
        return counting.calls

    db.write(lambda session: write(session, 0))
    assert db.write(lambda session: write(session, 20)) == ["rows", "run_many", "run_many"]
    assert [point[0] for point in read(db, name_ids[7])] == list(range(40))


def test_appending_needs_no_numpy() -> None:
    code = """
import sys
from millstream.store import series
from millstream.store.series.appending import append, finish
assert "numpy" not in sys.modules, "numpy"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_values_are_stored_as_the_contract_says(db: Database, name_id: int) -> None:
    given = [math.inf, -math.inf, -0.0, math.nan, math.nan]
    append(db, name_id, [Metric(KEY, value, 5, step) for step, value in enumerate(given)])
    append(db, name_id, [Metric(KEY, -0.0, 5, 2), Metric(KEY, math.nan, 5, 3), Metric(KEY, math.inf, 5, 0)])
    with db.read() as session:
        found = series.history(session, 1, name_id)
        (known,) = series.summary_list(session, 1)
    assert [metric.value for metric in found[:3]] == [MAX_DOUBLE, -MAX_DOUBLE, 0.0]
    assert math.copysign(1, found[2].value) == 1
    assert [math.isnan(metric.value) for metric in found] == [False, False, False, True, True]
    assert math.isnan(known.last.value)
    assert known.min == Metric(KEY, -MAX_DOUBLE, 5, 1)


def test_of_equal_steps_and_times_the_greatest_value_is_last_and_nan_is_least(db: Database, name_id: int) -> None:
    append(db, name_id, [Metric(KEY, value, 1, 1) for value in (2.0, 3.0, math.nan, -1.0)])
    with db.read() as session:
        assert series.summary_list(session, 1)[0].last.value == 3.0
    append(db, name_id, [Metric(KEY, 2.5, 1, 1), Metric(KEY, 9.0, 0, 1), Metric(KEY, 9.0, 99, 0)])
    with db.read() as session:
        known = series.summary_list(session, 1)[0]
    assert (known.last.value, known.count) == (3.0, 7)
    assert math.isnan(summary_first(db, name_id)) is False


def summary_first(db: Database, name_id: int) -> float:
    with db.read() as session:
        row = summary.find(session, 1, name_id)
    assert row is not None
    return math.nan if row.first_value is None else row.first_value


def test_the_same_batch_again_changes_nothing(db: Database, name_id: int) -> None:
    batches = [metrics(1000, start) for start in range(0, 5000, 1000)]
    for batch in batches:
        append(db, name_id, batch)
    db.write(lambda session: series.fold(session, 1, name_id))
    for batch in reversed(batches):
        append(db, name_id, batch)
        append(db, name_id, batch[500:] + batch[:500])
    assert read(db, name_id) == [as_point(metric) for batch in batches for metric in batch]
    assert row_count(db, tails) == 0
    with db.read() as session:
        assert series.summary_list(session, 1)[0].count == 5000


def test_long_histories_fold_by_themselves_and_the_queue_names_the_rest(db: Database, name_id: int) -> None:
    for start in range(0, 21_000, 1000):
        append(db, name_id, metrics(1000, start))
    with db.read() as session:
        row = summary.find(session, 1, name_id)
    assert row is not None
    assert row.unfolded < FOLD_INLINE
    assert row_count(db, fold_queue) == 1
    assert series.fold_pending(db) == 1
    assert series.fold_pending(db) == 0
    assert row_count(db, tails) == 0
    assert read(db, name_id) == [as_point(metric) for metric in metrics(21_000)]


def test_a_series_that_cannot_be_read_does_not_keep_others_from_being_folded(
    db: Database, name_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    whole = db.write(lambda session: session.name_id("whole"))
    append(db, name_id, metrics(100))
    assert series.fold_pending(db) == 1
    damage = Statement(update(chunks).values(pyramid=b"", points=b"torn"))
    assert db.write(lambda session: session.run(damage)) == 1
    append(db, name_id, metrics(100, 100))
    append(db, whole, metrics(100))
    assert series.fold_pending(db) == 2
    assert [record.name for record in caplog.records] == ["millstream.store.series.pending"]
    assert series.fold_pending(db) == 0
    with db.read() as session:
        rows = summary.find_all(session, 1)
    assert (rows[name_id].unfolded, rows[whole].unfolded) == (100, 0)


def test_series_that_grow_in_step_are_not_all_folded_by_one_write(db: Database, name_id: int) -> None:
    name_ids = db.write(lambda session: [session.name_id(f"k{n}") for n in range(20)])

    def write(start: int, n_points: int) -> list[int]:
        points = {name: metrics(n_points, start) for name in name_ids}
        db.write(lambda session: series.append(session, 1, 77, points))
        with db.read() as session:
            return sorted(row.unfolded for row in summary.find_all(session, 1).values())

    assert write(0, FOLD_INLINE) == [0] * 8 + [FOLD_INLINE] * 12
    assert write(FOLD_INLINE, 1) == [0] * 8 + [1] * 8 + [FOLD_INLINE + 1] * 4
    assert write(FOLD_INLINE + 1, 1) == [0] * 4 + [1] * 8 + [2] * 8


def test_the_end_of_a_run_leaves_only_a_few_points_unfolded(db: Database, name_id: int) -> None:
    short = db.write(lambda session: session.name_id("short"))
    for n in range(40):
        append(db, name_id, metrics(1, n))
    for n in range(5):
        append(db, short, metrics(1, n))
    assert series.fold_pending(db) == 0
    db.write(lambda session: series.finish(session, 1))
    assert series.fold_pending(db) == 1
    assert row_count(db, tails) == 5
    assert len(read(db, name_id)) == 40


def test_a_deleted_run_takes_its_points_along(db: Database, name_id: int) -> None:
    append(db, name_id, metrics(200))
    db.write(lambda session: series.fold(session, 1, name_id))
    append(db, name_id, metrics(200, 200))
    db.write(lambda session: series.delete_series(session, 1))
    assert [row_count(db, table) for table in (tails, chunks, fold_queue)] == [0, 0, 0]
    with db.read() as session:
        assert series.summary_list(session, 1) == []


def test_pages_follow_each_other_and_a_bad_token_is_refused(db: Database, name_id: int) -> None:
    rng = random.Random(3)
    points = [Metric(KEY, rng.random(), rng.randrange(5000), rng.randrange(-500, 500)) for _ in range(9000)]
    append(db, name_id, points)
    append(db, name_id, [Metric(KEY, math.nan, 7, 3)])
    wanted = read(db, name_id)
    assert wanted == sorted(wanted, key=lambda point: (point[1], point[0], point[2]))
    found: list[Metric] = []
    token: str | None = ""
    with db.read() as session:
        while token is not None:
            page = series.history(session, 1, name_id, 700, token)
            found += page
            token = page.token
        assert [as_point(metric) for metric in found] == wanted
        good = series.history(session, 1, name_id, 10).token
        assert good is not None
        for bad in ("x", "!!!!", good[:-4], "A" * len(good), good + "é", "a" * 10_000):
            with pytest.raises(InvalidValue):
                series.history(session, 1, name_id, 10, bad)
        for length in (0, -1):
            with pytest.raises(InvalidValue):
                series.history(session, 1, name_id, length)
        exact = series.history(session, 1, name_id, len(wanted))
        assert exact.token is None


def test_bulk_reads_run_by_run_up_to_a_total(db: Database, name_id: int) -> None:
    make_run(db, 2)
    append(db, name_id, metrics(30))
    db.write(lambda session: series.append(session, 2, 77, {name_id: metrics(30)}))
    with db.read() as session:
        found = series.bulk(session, [(2, "run2"), (1, "run1")], name_id, 40)
        assert series.bulk(session, [(2, "run2")], name_id, 10**9)[-1].step == 29
    assert [metric.run_id for metric in found] == ["run1"] * 30 + ["run2"] * 10
    assert [metric.step for metric in found] == [*range(30), *range(10)]


def test_samples_are_even_and_keep_the_ends(db: Database, name_id: int) -> None:
    append(db, name_id, metrics(10_000))

    def steps(max_results: int, start: int | None = None, end: int | None = None) -> list[int]:
        with db.read() as session:
            return [m.step for m in series.sample(session, [(1, "run1")], name_id, start, end, max_results)]

    assert steps(1) == [9999]
    assert steps(2) == [0, 9999]
    assert steps(5, 100, 110) == [100, 102, 105, 107, 110]
    assert steps(2500, 100, 110) == list(range(100, 111))
    some = steps(2500)
    assert (len(some), some[0], some[-1]) == (2500, 0, 9999)
    assert {b - a for a, b in pairwise(some)} <= {3, 4, 5}
    assert steps(10, 20_000, 30_000) == []
    append(db, name_id, metrics(100, 10_000))
    append(db, name_id, [Metric(KEY, math.nan, 5, 3)])
    assert steps(4, 9999, 10_002) == [9999, 10_000, 10_001, 10_002]
    assert steps(3, 1, 3) == [1, 2, 3]
    db.write(lambda session: series.fold(session, 1, name_id))
    append(db, name_id, metrics(100, 10_100))
    assert steps(4, 10_098, 10_101) == [10_098, 10_099, 10_100, 10_101]
    assert steps(5, 1, 4) == [1, 2, 3, 3, 4]
    assert steps(2500)[-1] == 10_199
    for arguments in ((0,), (2501,), (10, 5, None), (10, None, 5), (10, 6, 5)):
        with pytest.raises(InvalidValue):
            steps(*arguments)


def test_several_writers_and_folders_on_one_series_lose_and_double_nothing(db: Database, name_id: int) -> None:
    second = Database(db.url.render_as_string(hide_password=False))
    shared = [name_id, *db.write(lambda session: [session.name_id(f"s{n}") for n in range(3)])]
    errors: list[BaseException] = []
    done = threading.Event()

    def write(database: Database, offset: int) -> None:
        try:
            for start in range(0, 1200, 40):
                points = {name: metrics(40, start + offset) for name in shared}  # neighbours overlap by half
                database.write(lambda session, points=points: series.append(session, 1, 77, points))
        except BaseException as error:
            errors.append(error)

    def fold(database: Database) -> None:
        try:
            while not done.is_set():
                for name in shared:
                    database.write(lambda session, name=name: series.fold(session, 1, name))
                time.sleep(0.01)
        except BaseException as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(database, 20 * n)) for n, database in enumerate([db, second, db])]
    folders = [threading.Thread(target=fold, args=(database,)) for database in (db, second)]
    for thread in writers + folders:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in folders:
        thread.join()
    second.close()
    assert errors == []
    for name in shared:
        assert read(db, name) == [as_point(metric) for metric in metrics(1240)]
    with db.read() as session:
        assert [known.count for known in series.summary_list(session, 1)] == [1240] * len(shared)


def test_rewinding_is_exact_at_any_step(db: Database, name_id: int) -> None:
    other = db.write(lambda session: session.name_id("other"))
    for step in (0, 1, 63, 64, 4095, 4096, 9999, 10_000):
        db.write(lambda session: series.delete_series(session, 1))
        append(db, name_id, metrics(9000, value=lambda n: math.sin(n)))
        append(db, name_id, metrics(1000, 9000, value=lambda n: math.sin(n)))
        append(db, other, metrics(3))
        gone = db.write(lambda session, step=step: series.rewind(session, 1, step, [name_id]))
        assert gone == 10_000 - step
        kept = [as_point(metric) for metric in metrics(step, value=lambda n: math.sin(n))]
        assert read(db, name_id) == kept
        assert len(read(db, other)) == 3
        append(db, name_id, metrics(10, step, value=lambda n: 7.0))
        with db.read() as session:
            known = {item.key: item for item in series.summary_list(session, 1)}[KEY]
        assert known.count == step + 10
        assert known.last.value == 7.0
    assert db.write(lambda session: series.rewind(session, 1, 0, None)) == 10_013


@pytest.mark.sqlite_only
def test_a_million_points_take_less_than_ten_bytes_each_on_disk(db: Database, name_id: int) -> None:
    rng = random.Random(1)
    now = 1_700_000_000_000
    for start in range(0, 1_000_000, 1000):
        points = []
        for step in range(start, start + 1000):
            now += rng.randrange(5, 15)
            points.append(Metric(KEY, rng.random(), now, step))
        append(db, name_id, points)
    db.write(lambda session: series.fold(session, 1, name_id))
    path = db.url.database
    db.close()
    assert path is not None
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert os.path.getsize(path) / 1_000_000 < 10


@pytest.mark.sqlite_only
def test_short_series_are_not_bloated(db: Database, name_id: int) -> None:
    names = db.write(lambda session: [session.name_id(f"short/{n}") for n in range(500)])
    empty = size(db)
    for start in range(0, 100, 20):
        db.write(
            lambda session, start=start: series.append(
                session, 1, 77, {name: metrics(20, start, value=math.sin) for name in names}
            )
        )
    db.write(lambda session: series.finish(session, 1))
    while series.fold_pending(db, 1000):
        pass
    db.write(lambda session: session.execute_text("SELECT 1"))
    assert (size(db) - empty) / (500 * 100) < 20


def size(db: Database) -> int:
    """Bytes of the database in use."""
    with db.read() as session:
        cursor = session._cursor
        (n_pages,) = cursor.execute("PRAGMA page_count").fetchone()
        (n_free,) = cursor.execute("PRAGMA freelist_count").fetchone()
        (page_size,) = cursor.execute("PRAGMA page_size").fetchone()
    return int((n_pages - n_free) * page_size)


_KILLED = """
import sys
from millstream.entities import Metric
from millstream.store import series
from millstream.store.database import Database

db = Database(sys.argv[1])
name_id = int(sys.argv[2])
for start in range(int(sys.argv[3]), 10**9, 50):
    points = [Metric("loss", float(n), 1_700_000_000_000 + 10 * n, n) for n in range(start, start + 50)]
    db.write(lambda session: series.append(session, 1, 77, {name_id: points}))
    print(start + 50, flush=True)
    series.fold_pending(db)
"""


@pytest.mark.sqlite_only
def test_a_process_killed_while_it_folds_loses_nothing_it_confirmed(db: Database, name_id: int, tmp_path: Path) -> None:
    url, written = db.url.render_as_string(hide_password=False), 0
    for round in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", _KILLED, url, str(name_id), str(written)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(15 + 10 * round):
            written = int(process.stdout.readline())
        process.kill()
        for line in process.stdout.read().splitlines():
            written = int(line)
        process.stdout.close()
        process.wait()
        found = read(db, name_id)
        assert written <= len(found) <= written + 50
        assert found == [as_point(metric) for metric in metrics(len(found))]
        with db.read() as session:
            assert series.summary_list(session, 1)[0].count == len(found)
        written = len(found)
