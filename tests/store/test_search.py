"""Run search against a plain reading of the same rules: random filters, orders and page sizes over awkward runs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from millstream.entities import MAX_DOUBLE, RunStatus, ViewType
from millstream.errors import InvalidValue
from millstream.store.database import Database, insert_into
from millstream.store.search import Matches, search_experiments, search_runs
from millstream.store.search import runs as planner
from millstream.store.search.like import matches
from millstream.store.search.tree import And, Clause, Entity, Field, Node, Not, Op, Or, OrderKey
from millstream.store.tables import (
    HEAD_CHARS,
    datasets,
    experiments,
    run_inputs,
    run_params,
    run_tags,
    runs,
    series,
)

NAN = float("nan")
LONG = "x" * HEAD_CHARS
TEXTS = ["", "a", "A", "ab", "a%b", "a_b", "a\\b", "a*b", "[ab]", "a?", "ä", "日本", "b ", "b", "O'Neil", "10", "9"]
LONG_TEXTS = [LONG, LONG + "y", LONG + "Z", LONG[:-1], LONG[:-1] + "w" + "tail"]
PATTERNS = [
    "%",
    "a%",
    "_",
    "%b",
    "a_b",
    "a%b",
    "%'%",
    "A%",
    "[ab]",
    "a*b",
    "a\\b",
    "x%",
    LONG + "%",
    "%tail",
    "",
    "ä%",
    "日_",
]
NUMBERS = [-MAX_DOUBLE, -1.5, -1.0, 0.0, 0.25, 1.0, 1.5, 2.0, MAX_DOUBLE]
METRICS, PARAMS, TAGS = ["m", "n o", "k.max"], ["p", "q"], ["t", "mlflow.runName"]
EXPERIMENTS = [3, 5]


class Known(Struct):
    """One run as the plain reading sees it."""

    key: int
    run_id: str
    experiment: int
    is_active: bool
    attributes: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    texts: dict[Entity, dict[str, str]]
    inputs: list[dict[str, str | None]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        kinds = ["sqlite", "postgresql"] + (["mariadb"] if metafunc.config.getoption("--mariadb") else [])
        metafunc.parametrize("database_kind", kinds, scope="module")


class World(Struct):
    db: Database
    runs: list[Known]

    def __repr__(self) -> str:
        return f"<{len(self.runs)} runs>"


@pytest.fixture(scope="module")
def world(
    database_kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    if database_kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('search')}/store.db"
    else:
        url = request.getfixturevalue(f"{database_kind}_database")()
    db = Database(url)
    known = _known_runs(random.Random(5), 90)
    db.write(lambda session: _insert(session, known))
    yield World(db, known)
    db.close()


def _known_runs(chance: random.Random, count: int) -> list[Known]:
    found = []
    for number in range(count):
        metrics = {}
        for key in METRICS:
            if chance.random() < 0.8:
                points = [NAN if chance.random() < 0.2 else chance.choice(NUMBERS) for _ in range(chance.randint(1, 3))]
                real = [value for value in points if value == value]
                metrics[key] = {
                    "last": points[-1], "first": points[0], "count": len(points),
                    "min": min(real, default=NAN), "max": max(real, default=NAN),
                }  # fmt: skip
        texts: dict[Entity, dict[str, str]] = {
            Entity.PARAM: {key: _text(chance) for key in PARAMS if chance.random() < 0.8},
            Entity.TAG: {key: _text(chance) for key in TAGS if chance.random() < 0.8},
        }
        inputs: list[dict[str, str | None]] = []
        for name, digest in (("iris", "1"), ("iris", "2"), ("wine", "1")):
            if chance.random() < 0.3:
                inputs.append({"name": name, "digest": digest, "context": chance.choice([None, "train", "eval"])})
        found.append(
            Known(
                key=number + 1,
                run_id=f"{chance.getrandbits(128):032x}",
                experiment=chance.choice(EXPERIMENTS),
                is_active=chance.random() < 0.85,
                attributes={
                    "status": chance.choice([status.value for status in RunStatus]),
                    "start_time": chance.randint(0, 12),
                    "end_time": None if chance.random() < 0.3 else chance.randint(0, 12),
                    "user_id": chance.choice(["", "ann", "Bob", "bob"]),
                    "artifact_uri": f"s3://bucket/{number % 3}",
                },
                metrics=metrics,
                texts=texts,
                inputs=inputs,
            )
        )
        found[-1].attributes["run_id"] = found[-1].run_id
        found[-1].attributes["run_name"] = texts[Entity.TAG].get("mlflow.runName")
    return found


def _text(chance: random.Random) -> str:
    return chance.choice(TEXTS if chance.random() < 0.8 else LONG_TEXTS)


def _insert(session: Any, known: Sequence[Known]) -> None:
    for key in EXPERIMENTS:
        session.run(
            insert_into(experiments, *experiments.c.keys()), id=key, name=f"e{key}", artifact_location="", lifecycle=1,
            creation_time=0, last_update_time=0, deleted_time=None,
        )  # fmt: skip
        for number, (name, digest) in enumerate((("iris", "1"), ("iris", "2"), ("wine", "1"))):
            session.run(
                insert_into(datasets, *datasets.c.keys()), id=key * 10 + number, experiment_id=key, name=name,
                digest=digest, source_type="", source="", schema=None, profile=None,
            )  # fmt: skip
    for run in known:
        session.run(
            insert_into(runs, *runs.c.keys()), id=run.key, run_id=run.run_id, experiment_id=run.experiment, name="",
            user_id=run.attributes["user_id"], status=RunStatus(run.attributes["status"]).number,
            start_time=run.attributes["start_time"], end_time=run.attributes["end_time"],
            lifecycle=1 if run.is_active else 2, deleted_time=None, artifact_uri=run.attributes["artifact_uri"],
        )  # fmt: skip
        for name, values in run.metrics.items():
            stored = {f"{key}_value": None if value != value else value for key, value in values.items()}
            row = dict.fromkeys(series.c.keys(), 0)
            count = {"count": values["count"], "run": run.key, "name_id": session.name_id(name)}
            del stored["count_value"]
            session.run(
                insert_into(series, *series.c.keys()), **{**row, **stored, **count, "experiment_id": run.experiment}
            )
        for table, entity in ((run_params, Entity.PARAM), (run_tags, Entity.TAG)):
            for name, text in run.texts[entity].items():
                session.run(
                    insert_into(table), run=run.key, name_id=session.name_id(name), experiment_id=run.experiment,
                    head=text[:HEAD_CHARS], rest=text[HEAD_CHARS:] or None,
                )  # fmt: skip
        for given_input in run.inputs:
            number = [("iris", "1"), ("iris", "2"), ("wine", "1")].index((given_input["name"], given_input["digest"]))  # type: ignore[arg-type]
            session.run(
                insert_into(run_inputs), run=run.key, dataset=run.experiment * 10 + number,
                context=given_input["context"], tags="[]",
            )  # fmt: skip


# ---------------------------------------------------------------- the plain reading


def holds(node: Node, run: Known) -> bool:
    match node:
        case And(items):
            return all(holds(item, run) for item in items)
        case Or(items):
            return any(holds(item, run) for item in items)
        case Not(item):
            return not holds(item, run)
        case Clause(field, op, value):
            found = present(field, run)
            if op is Op.IS_NULL:
                return not found
            return any(passes(op, each, value) for each in found)


def present(field: Field, run: Known) -> list[Any]:
    """What the run has of a field: several values for datasets, none if it is missing."""
    if field.entity is Entity.DATASET:
        return [value for each in run.inputs if (value := each[field.key]) is not None]
    if field.entity is Entity.ATTRIBUTE:
        value = run.attributes[field.key]
        return [] if value is None else [value]
    if field.entity is Entity.METRIC:
        return [run.metrics[field.key][field.aggregate]] if field.key in run.metrics else []
    return [run.texts[field.entity][field.key]] if field.key in run.texts[field.entity] else []


def passes(op: Op, found: Any, value: Any) -> bool:
    match op:
        case Op.NOT_NULL:
            return True
        case Op.EQ:
            return bool(found == value)
        case Op.NE:
            return bool(found != value)
        case Op.LT:
            return bool(found < value)
        case Op.LE:
            return bool(found <= value)
        case Op.GT:
            return bool(found > value)
        case Op.GE:
            return bool(found >= value)
        case Op.IN:
            return found in value
        case Op.NOT_IN:
            return found not in value
        case Op.LIKE:
            return matches(value, found)
        case _:
            return matches(ascii_lower(value), ascii_lower(found))


def ascii_lower(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def sorted_by(order: Sequence[OrderKey], found: Sequence[Known]) -> list[str]:
    ordered = sorted(found, key=lambda run: run.run_id)
    ordered.sort(key=lambda run: -run.attributes["start_time"])
    for key in reversed(order):
        values = {run.key: present(key.field, run) for run in ordered}
        real = [run for run in ordered if values[run.key] and values[run.key][0] == values[run.key][0]]
        nan = [run for run in ordered if values[run.key] and values[run.key][0] != values[run.key][0]]
        missing = [run for run in ordered if not values[run.key]]
        real.sort(key=lambda run: values[run.key][0], reverse=key.descending)
        ordered = real + nan + missing
    return [run.run_id for run in ordered]


# ---------------------------------------------------------------- random searches

NUMBER = st.sampled_from([*NUMBERS, 0.5, 3, -1, 10**25, float("inf"), float("-inf")])
TEXT = st.sampled_from([*TEXTS, *LONG_TEXTS, "nothing"])
TIME = st.sampled_from([-1, 0, 3, 5, 5.5, 12, 10**20, -(10**20)])


@st.composite
def clauses(draw: st.DrawFn) -> Clause:
    value: st.SearchStrategy[Any]
    kind = draw(st.sampled_from(["metric", "text", "attribute", "time", "dataset"]))
    if kind == "metric":
        aggregate = draw(st.sampled_from(["last", "last", "min", "max", "first", "count"]))
        field, value, ops = Field(Entity.METRIC, draw(st.sampled_from([*METRICS, "zz"])), aggregate), NUMBER, _NUMERIC
    elif kind == "text":
        entity = draw(st.sampled_from([Entity.PARAM, Entity.TAG]))
        field = Field(entity, draw(st.sampled_from([*PARAMS, *TAGS])))
        value, ops = TEXT, _TEXTUAL
    elif kind == "attribute":
        key = draw(st.sampled_from(["run_name", "status", "user_id", "artifact_uri"]))
        field, ops = Field(Entity.ATTRIBUTE, key), _TEXTUAL
        value = TEXT if key == "run_name" else st.sampled_from(["RUNNING", "FAILED", "failed", "ann", "bob", "", "s3%"])
    elif kind == "time":
        field, value, ops = Field(Entity.ATTRIBUTE, draw(st.sampled_from(["start_time", "end_time"]))), TIME, _NUMERIC
    else:
        field = Field(Entity.DATASET, draw(st.sampled_from(["name", "digest", "context"])))
        value, ops = st.sampled_from(["iris", "wine", "1", "2", "train", "eval", "i%"]), _TEXTUAL
    op = draw(st.sampled_from(ops))
    if op in (Op.IS_NULL, Op.NOT_NULL):
        return Clause(field, op)
    if op in (Op.IN, Op.NOT_IN):
        return Clause(field, op, tuple(draw(st.lists(value, min_size=1, max_size=3))))
    if op in (Op.LIKE, Op.ILIKE):
        return Clause(field, op, draw(st.sampled_from(PATTERNS) | value))
    return Clause(field, op, draw(value))


_ANY = [Op.EQ, Op.NE, Op.IN, Op.NOT_IN, Op.IS_NULL, Op.NOT_NULL]
_NUMERIC = [*_ANY, Op.LT, Op.LE, Op.GT, Op.GE]
_TEXTUAL = [*_ANY, Op.LIKE, Op.LIKE, Op.ILIKE]

NODES = st.recursive(
    clauses(),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)
FIELDS = [
    *(Field(Entity.METRIC, key, aggregate) for key in [*METRICS, "zz"] for aggregate in ("last", "max", "count")),
    *(Field(Entity.METRIC, key) for key in METRICS * 2),
    *(Field(Entity.PARAM, key) for key in PARAMS * 2),
    *(Field(Entity.TAG, key) for key in TAGS),
    *(Field(Entity.ATTRIBUTE, key) for key in ("run_id", "run_name", "status", "user_id", "start_time", "end_time")),
]
ORDERS = st.lists(
    st.builds(OrderKey, st.sampled_from(FIELDS), st.booleans()), max_size=3, unique_by=lambda key: key.field
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    node=st.just(And()) | NODES,
    order=ORDERS,
    size=st.sampled_from([1, 2, 7, 30, 1000]),
    budget=st.sampled_from([1, 4, 300]),
    view=st.sampled_from(list(ViewType)),
    chosen=st.sampled_from([[3], [5], [3, 5], [5, 3, 9]]),
    most=st.sampled_from([0, 500]),
)
def test_pages_hold_what_a_plain_reading_finds(
    world: World,
    monkeypatch_module: pytest.MonkeyPatch,
    node: Node,
    order: list[OrderKey],
    size: int,
    budget: int,
    view: ViewType,
    chosen: list[int],
    most: int,
) -> None:
    monkeypatch_module.setattr(planner, "FIRST_BUDGET", budget)
    monkeypatch_module.setattr(planner, "MAX_PARTITIONS", most)
    visible = [run for run in world.runs if run.experiment in chosen and _is_seen(run, view) and holds(node, run)]
    expected = sorted_by(order, visible)
    names = {run.key: run.run_id for run in world.runs}
    found: list[str] = []
    token = ""
    with world.db.read() as session:
        while True:
            page = search_runs(session, chosen, str(node), view, size, [str(key) for key in order], token, count=True)
            assert page.total == len(expected)
            found += [names[key] for key in page.pks]
            token = page.token or ""
            if not token:
                break
            assert len(page.pks) == size
    assert found == expected


def _is_seen(run: Known, view: ViewType) -> bool:
    return view is ViewType.ALL or run.is_active == (view is ViewType.ACTIVE_ONLY)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


# ---------------------------------------------------------------- arguments and tokens


def find(world: World, filter: str = "", order: Sequence[str] = (), token: str = "", size: int = 5) -> Matches:
    with world.db.read() as session:
        return search_runs(session, EXPERIMENTS, filter, ViewType.ALL, size, order, token)


def test_nothing_is_found_in_no_experiment_or_an_unknown_one(world: World) -> None:
    with world.db.read() as session:
        assert search_runs(session, [], count=True) == Matches([], None, 0)
        assert search_runs(session, [77], count=True) == Matches([], None, 0)


@pytest.mark.parametrize("size", [0, -1, 50_001])
def test_a_page_size_out_of_range_is_refused(world: World, size: int) -> None:
    with pytest.raises(InvalidValue, match="max_results"):
        find(world, size=size)


@pytest.mark.parametrize(
    "token",
    [
        "x", "é", "====", "e30=", "bnVsbA==", "W10=", "eyJvZmZzZXQiOiAyfQ==", "A" * 200_000,
        "WzEsInh4Il0=", "WzIsIngiLFtdXQ==",
    ],
)  # fmt: skip
def test_a_token_that_is_none_is_refused(world: World, token: str) -> None:
    with pytest.raises(InvalidValue, match="token"):
        find(world, token=token)


def test_a_token_of_another_order_or_area_is_refused(world: World) -> None:
    token = find(world, order=["metrics.m"]).token
    assert token is not None
    assert find(world, "metrics.m IS NOT NULL", ["metrics.m"], token).pks  # another filter is fine
    for order in ([], ["metrics.m DESC"], ["params.p"]):
        with pytest.raises(InvalidValue, match="token"):
            find(world, order=order, token=token)


def test_values_inside_a_token_are_checked(world: World) -> None:
    from millstream.store.search import tokens
    from millstream.store.search.grammar import RUNS
    from millstream.store.search.parser import parse_order

    name = tokens.fingerprint("runs", *parse_order(RUNS, ["metrics.m", "params.p"]))
    good: list[Any] = [0, 1.0, 0, "a", "", 5, "f" * 32]
    assert find(world, order=["metrics.m", "params.p"], token=tokens.encode(name, good))
    for index, bad in (
        (0, 3),
        (0, "0"),
        (1, "x"),
        (1, None),
        (2, -1),
        (3, 1),
        (3, "\0"),
        (5, 2**70),
        (5, True),
        (6, []),
    ):
        values = [*good[:index], bad, *good[index + 1 :]]
        with pytest.raises(InvalidValue, match="token"):
            find(world, order=["metrics.m", "params.p"], token=tokens.encode(name, values))
    with pytest.raises(InvalidValue, match="token"):
        find(world, order=["metrics.m", "params.p"], token=tokens.encode(name, good[:-1]))


LONG_FILTERS = {
    "alternatives": " OR ".join(f"params.p='{number}'" for number in range(480)),
    "tests of one key": " AND ".join(f"tags.t!='{number}'" for number in range(480)),
    "many keys": " AND ".join(f"params.k{number} IS NOT NULL" for number in range(320)),
    "many alternative keys": " OR ".join(f"metrics.k{number} >= 1" for number in range(400)) + " OR metrics.m > 1",
    "many datasets": " AND ".join(f"datasets.name != 'd{number}'" for number in range(320)),
    "lists": " OR ".join(f"params.p IN ('a','{number}')" for number in range(360)),
}


@pytest.mark.parametrize("name", LONG_FILTERS)
def test_as_many_clauses_as_fit_are_answered(world: World, name: str) -> None:
    world.db.write(lambda session: [session.name_id(f"k{number}") for number in range(400)])
    filter = LONG_FILTERS[name]
    assert 8_000 < len(filter) < 10_240
    began = time.process_time()
    found = find(world, filter, ["metrics.m"])
    assert time.process_time() - began < 5
    assert bool(found.pks) == (name != "many keys")


def test_a_long_filter_of_experiments_is_answered(world: World) -> None:
    world.db.write(lambda session: [session.name_id(f"k{number}") for number in range(400)])
    for joint, start in (("AND", "name = 'e3'"), ("OR", "name = 'e3'")):
        filter = f" {joint} ".join([start, *(f"NOT tags.k{number} = 'x'" for number in range(350))])
        with world.db.read() as session:
            assert EXPERIMENTS[0] in search_experiments(session, filter, order_by=["name"]).pks


def test_many_lists_keep_their_values(world: World) -> None:
    lists = [f"params.p NOT IN ({', '.join(repr(str(n)) for n in range(100, 101 + size))})" for size in range(12)]
    numbers = [f"metrics.m NOT IN ({', '.join(str(n) for n in range(100, 101 + size))})" for size in range(12)]
    mixed = " AND ".join(clause for pair in zip(lists, numbers, strict=True) for clause in pair)
    assert find(world, mixed, size=1000) == find(world, "params.p IS NOT NULL AND metrics.m IS NOT NULL", size=1000)


def test_the_deepest_filters_are_answered(world: World) -> None:
    assert find(world, "(" * 50 + "metrics.m > 1" + ")" * 50) == find(world, "metrics.m > 1")
    assert find(world, "NOT " * 50 + "metrics.m > 1") == find(world, "metrics.m > 1")


def test_values_cannot_leave_their_place(world: World) -> None:
    for value in ("'; DROP TABLE runs; --", "%s", "%(limit)s", ":limit", "?", "1 OR 1=1", "\\"):
        assert find(world, f'params.p = "{value}"').pks == []
        assert find(world, f"params.`{value.replace('`', '')}` IS NULL").pks
        assert find(world, "", [f"metrics.`{value}`"]).pks
    assert find(world).pks
