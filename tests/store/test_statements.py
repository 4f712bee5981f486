"""How many statements a call costs: counts, which unlike times do not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from millstream.entities import Metric, ModelVersionTag, Param, RegisteredModelTag, RunTag
from millstream.store.database import Session
from millstream.store.registry import SqlRegistryStore
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


def of_registry(call: Callable[[SqlRegistryStore], object]) -> Callable[[SqlTrackingStore, str], object]:
    return lambda store, run: call(store.registry)


REGISTRY_CALLS: list[tuple[str, int, Callable[[SqlTrackingStore, str], object]]] = [
    ("create: find, row, tag, history, hooks, 3 of the answer", 2 + 8, of_registry(lambda r: r.create_registered_model("n", "", [RegisteredModelTag("k", "v")]))),
    ("get: key, row, tags, aliases, versions, their tags", 2 + 6, of_registry(lambda r: r.get_registered_model("m"))),
    ("create version: lock, count, row, tag, history, hooks, 3 of the answer", 2 + 9, of_registry(lambda r: r.create_model_version("m", "s3://b/x", "", "", "", [ModelVersionTag("k", "v")], ""))),
    ("get version: model, version, row, tags, aliases", 2 + 5, of_registry(lambda r: r.get_model_version("m", "1"))),
    ("by alias: model, alias, version, row, tags, aliases", 2 + 6, of_registry(lambda r: r.get_model_version_by_alias("m", "a"))),
    ("download: model, version, row, tags, aliases", 2 + 5, of_registry(lambda r: r.get_download_uri("m", "1"))),
    ("move: lock, version, stage, others, model, history, 3 of the answer", 2 + 9, of_registry(lambda r: r.transition_model_version_stage("m", "1", "Production", True))),
    ("set alias: lock, version, old, upsert, history, hooks", 2 + 6, of_registry(lambda r: r.set_alias("m", "a", "1"))),
    ("set tag: lock, version, old, upsert, history, hooks", 2 + 6, of_registry(lambda r: r.set_model_version_tag("m", "1", "k", "w"))),
    ("latest versions: model, 4 stages, row, tags, aliases", 2 + 8, of_registry(lambda r: r.get_latest_versions("m", []))),
    ("history: one query", 2 + 1, of_registry(lambda r: r.get_history("m", None, 100, ""))),
    ("search of models: prompts, keys, rows, tags, aliases, versions, their tags", 2 + 7, of_registry(lambda r: r.search_registered_models("", [], 100, ""))),
    ("search of versions: prompts, keys, rows, tags", 2 + 4, of_registry(lambda r: r.search_model_versions("", [], 100, ""))),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 20])
@pytest.mark.parametrize(("what", "expected", "call"), REGISTRY_CALLS, ids=[what for what, _, _ in REGISTRY_CALLS])
def test_a_call_of_the_registry_costs_the_same_however_much_is_registered(
    store: SqlTrackingStore, size: int, what: str, expected: int, call: Callable[[SqlTrackingStore, str], object]
) -> None:
    def fill(session: Session) -> None:
        registry = store.registry
        for name in ["m", *(f"m{number}" for number in range(size))]:
            registry.create_registered_model(name, None, [RegisteredModelTag("k", "v")])
            for number in range(3):
                registry.create_model_version(name, f"s3://b/{number}", "", "", "", [ModelVersionTag("k", "v")], "")
            registry.set_alias(name, "a", "1")

    store.db.write(fill)
    with counted(store) as statements:
        call(store, "")
    assert len(statements) == expected, statements


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
