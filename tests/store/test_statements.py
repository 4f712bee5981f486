"""How many statements a call costs: counts, which unlike times do not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from millstream.entities import Metric, Param, RunTag
from millstream.store.runs import load_runs
from millstream.store.tracking import SqlTrackingStore

pytestmark = pytest.mark.sqlite_only  # the driver there tells every statement


@contextmanager
def counted(store: SqlTrackingStore) -> Iterator[list[str]]:
    """All statements that the writer's or the idle reader's connection runs, BEGIN and COMMIT included."""
    statements: list[str] = []
    writer = store.db.writer._open_session()
    with store.db.read() as reader:
        sessions = {writer, reader}
    for session in sessions:
        session._dbapi.set_trace_callback(statements.append)
    yield statements
    for session in sessions:
        session._dbapi.set_trace_callback(None)


@pytest.fixture
def run_id(store: SqlTrackingStore) -> str:
    run_id = store.create_run("0", "", "", 0, [RunTag("k", "v")]).info.run_id
    store.log_batch(run_id, [Metric("a", 0.0, 0, 0)], [Param("p", "1")], [])
    return run_id


CALLS: list[tuple[str, int, Callable[[SqlTrackingStore, str], object]]] = [
    ("create_run: experiment, run, tags", 2 + 4, lambda store, run: store.create_run("0", "", "n", 1, [RunTag("k", "v")])),
    ("one point: run, series, update, tail", 2 + 4, lambda store, run: store.log_batch(run, [Metric("a", 1.0, 1, 1)], [], [])),
    ("the same param again: run, params", 2 + 2, lambda store, run: store.log_batch(run, [], [Param("p", "1")], [])),
    ("one tag: run, upsert", 2 + 2, lambda store, run: store.log_batch(run, [], [], [RunTag("k", "w")])),
    ("get_run: key, info, 3 kinds of data, 2 of inputs, outputs", 2 + 8, lambda store, run: store.get_run(run)),
]  # fmt: skip


@pytest.mark.parametrize(("what", "expected", "call"), CALLS, ids=[what for what, _, _ in CALLS])
def test_a_call_costs_a_fixed_number_of_statements(
    store: SqlTrackingStore, run_id: str, what: str, expected: int, call: Callable[[SqlTrackingStore, str], object]
) -> None:
    with counted(store) as statements:
        call(store, run_id)
    assert len(statements) == expected, statements


def test_a_batch_of_many_points_costs_statements_by_the_series_not_by_the_point(
    store: SqlTrackingStore, run_id: str
) -> None:
    with counted(store) as statements:
        store.log_batch(run_id, [Metric("a", float(i), i, i) for i in range(1, 60)], [], [])
    assert len(statements) == 2 + 4


def test_many_runs_are_read_with_one_query_a_table(store: SqlTrackingStore) -> None:
    for i in range(20):
        run_id = store.create_run("0", "", "", i, []).info.run_id
        store.log_batch(run_id, [Metric("a", 1.0, 1, 1)], [Param("p", "1")], [])
    with counted(store) as statements, store.db.read() as session:
        assert len(load_runs(session, list(range(1, 21)))) == 20
    assert len(statements) == 2 + 6


def test_a_group_shares_one_transaction(store: SqlTrackingStore, run_id: str) -> None:
    import threading

    store.db.start_writer_thread()
    gate = threading.Event()
    first = store.db.submit(lambda: gate.wait(10))
    with counted(store) as statements:
        futures = [
            store.db.submit(lambda i=i: store.log_batch(run_id, [Metric("a", 1.0, i, i)], [], []), run_id)  # type: ignore[misc]
            for i in range(1, 31)
        ]
        gate.set()
        for future in [first, *futures]:
            future.result(10)
    assert sum(statement == "COMMIT" for statement in statements) <= 2
    assert not any("SAVEPOINT" in statement for statement in statements)
