"""The search grammar: what it takes, what it refuses and how it says so."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.errors import InvalidValue
from millstream.store.search.grammar import (
    EXPERIMENTS,
    GRAMMARS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    OPERATORS,
    REGISTERED_MODELS,
    RUNS,
    Grammar,
    Kind,
)
from millstream.store.search.lexer import MAX_BYTES
from millstream.store.search.parser import MAX_DEPTH, MAX_ORDER_KEYS, parse, parse_order
from millstream.store.search.tree import And, Clause, Entity, Field, Node, Not, Op, Or, OrderKey, Value


def field(text: str) -> Field:
    clause = parse(RUNS, f"{text} IS NULL")
    assert isinstance(clause, Clause)
    return clause.field


def test_an_empty_filter_is_satisfied_by_everything() -> None:
    assert parse(RUNS, "") == And()


def test_and_binds_stronger_than_or_and_not_strongest() -> None:
    a, b, c = (Clause(Field(Entity.METRIC, key), Op.GT, 1) for key in "abc")
    assert parse(RUNS, "metrics.a > 1 OR NOT metrics.b > 1 AND metrics.c > 1") == Or((a, And((Not(b), c))))
    assert parse(RUNS, "(metrics.a > 1 or metrics.b > 1) and metrics.c > 1") == And((Or((a, b)), c))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.acc", Field(Entity.METRIC, "acc")),
        ("metrics.acc.last", Field(Entity.METRIC, "acc")),
        ("metrics.val.acc.max", Field(Entity.METRIC, "val.acc", "max")),
        ("metrics.`val.acc.max`", Field(Entity.METRIC, "val.acc.max")),
        ('metrics."val.acc.max"', Field(Entity.METRIC, "val.acc.max")),
        ("metrics.`val acc`.max", Field(Entity.METRIC, "val acc", "max")),
        ("metrics.max", Field(Entity.METRIC, "max")),
        ("metrics.max.min", Field(Entity.METRIC, "max", "min")),
        ("metrics.train/loss", Field(Entity.METRIC, "train/loss")),
        ("metrics.日本", Field(Entity.METRIC, "日本")),
        ("params.x.max", Field(Entity.PARAM, "x.max")),
        ("parameter.lr", Field(Entity.PARAM, "lr")),
        ("tags.mlflow.source.git.commit", Field(Entity.TAG, "mlflow.source.git.commit")),
        ("run.status", Field(Entity.ATTRIBUTE, "status")),
        ("attr.`Run Name`", Field(Entity.ATTRIBUTE, "run_name")),
        ("`run name`", Field(Entity.ATTRIBUTE, "run_name")),
        ('"created"', Field(Entity.ATTRIBUTE, "start_time")),
        ("datasets.digest", Field(Entity.DATASET, "digest")),
    ],
)
def test_fields_are_written_in_these_ways(text: str, expected: Field) -> None:
    assert field(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-2", -2), ("-1.5e0", -1.5), ("1e308", 1e308), (".5", 0.5), ("5.", 5.0), ("1e400", float("inf")), ("007", 7)],
)
def test_numbers_are_written_in_these_ways(text: str, expected: float) -> None:
    clause = parse(RUNS, f"metrics.a >{text}")
    assert isinstance(clause, Clause)
    assert clause.value == expected


def test_two_quotes_in_a_text_stand_for_themselves() -> None:
    assert parse(RUNS, "params.a = 'O''Neil'") == Clause(Field(Entity.PARAM, "a"), Op.EQ, "O''Neil")


def test_a_list_may_end_with_a_comma() -> None:
    assert parse(RUNS, "params.a in ('x', ')',)") == Clause(Field(Entity.PARAM, "a"), Op.IN, ("x", ")"))


@pytest.mark.parametrize(
    ("grammar", "text", "position"),
    [
        (RUNS, "   ", 4),
        (RUNS, "metrics.acc", 12),
        (RUNS, "metrics.acc >", 14),
        (RUNS, "metrics.acc > '0.5'", 15),
        (RUNS, "metrics.acc > +1", 15),
        (RUNS, "metrics.acc > 1x", 15),
        (RUNS, "metrics.acc LIKE 'x'", 13),
        (RUNS, "metrics.acc == 1", 13),
        (RUNS, "metrics.acc <> 1", 13),
        (RUNS, "0.5 < metrics.acc", 1),
        (RUNS, "'x' = params.a", 1),
        (RUNS, "metrics.acc BETWEEN 1 AND 2", 13),
        (RUNS, "metrics.acc > 1, metrics.loss < 1", 16),
        (RUNS, "metrics.acc > 1;", 16),
        (RUNS, "metrics.acc > 1 -- all", 17),
        (RUNS, "metrics.acc > 1 /* all */", 17),
        (RUNS, "metrics.acc > 1 metrics.loss < 1", 17),
        (RUNS, "metrics.acc > (SELECT 1)", 15),
        (RUNS, "metrics.acc > 1 AND", 20),
        (RUNS, "AND metrics.acc > 1", 1),
        (RUNS, "metrics.acc > 1 AND AND metrics.b > 1", 21),
        (RUNS, "(metrics.acc > 1", 17),
        (RUNS, "metrics.acc > 1)", 16),
        (RUNS, "()", 2),
        (RUNS, "NOT", 4),
        (RUNS, "metrics. = 1", 8),
        (RUNS, "metrics.`` = 1", 1),
        (RUNS, "metrics.'a' = 1", 9),
        (RUNS, "metrics.`a`.mean > 1", 13),
        (RUNS, "metrics.`a > 1", 9),
        (RUNS, "params.a = 'x", 12),
        (RUNS, "params.a = 'x\0'", 14),
        (RUNS, "params.a = `x`", 12),
        (RUNS, "params.a = x", 12),
        (RUNS, "params.a = 0.1", 12),
        (RUNS, "params.a > 'x'", 10),
        (RUNS, "params.a NOT LIKE 'x'", 10),
        (RUNS, "params.a NOT 'x'", 14),
        (RUNS, "params.a IS 'x'", 13),
        (RUNS, "params.a = NULL", 12),
        (RUNS, "params.a IN ()", 14),
        (RUNS, "params.a IN 'x'", 13),
        (RUNS, "params.a IN ('x'", 17),
        (RUNS, "params.a IN ('x' 'y')", 18),
        (RUNS, "run_id IN ('x', 5)", 17),
        (RUNS, "start_time = '1000'", 14),
        (RUNS, "lifecycle_stage = 'active'", 1),
        (RUNS, "experiment_id = '1'", 1),
        (RUNS, "bogus.x = '1'", 1),
        (RUNS, "dataset.source = 'x'", 1),
        (EXPERIMENTS, "metrics.a > 1", 1),
        (EXPERIMENTS, "experiment_id > '1'", 15),
        (EXPERIMENTS, "experiment_id = 'one'", 17),
        (EXPERIMENTS, "creation_time > '0'", 17),
        (EXPERIMENTS, "creation_time > 0.5", 17),
        (REGISTERED_MODELS, "description = 'x'", 1),
        (MODEL_VERSIONS, "version = 1", 1),
        (MODEL_VERSIONS, "current_stage = 'x'", 1),
        (MODEL_VERSIONS, "version_number = 1.5", 18),
        (LOGGED_MODELS, "creator = 'x'", 1),
        (LOGGED_MODELS, "metrics.acc > '1'", 15),
        (LOGGED_MODELS, "status < 'READY'", 10),
    ],
)
def test_a_mistake_is_refused_with_its_place(grammar: Grammar, text: str, position: int) -> None:
    with pytest.raises(InvalidValue, match=rf"^Filter, character {position}: .{{10,}}\.$") as caught:
        parse(grammar, text)
    assert caught.value.status == 400


@pytest.mark.parametrize("text", ["", " ", "metrics.a FOO", "metrics.a ASC, start_time", "a.b", "dataset.name", "ASC"])
def test_a_wrong_order_clause_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^order_by clause 1, character \d+: "):
        parse_order(RUNS, [text])


def test_a_field_orders_once() -> None:
    with pytest.raises(InvalidValue, match="given before"):
        parse_order(RUNS, ["start_time", "metrics.a", "attributes.created DESC"])
    with pytest.raises(InvalidValue, match="given before"):
        parse_order(REGISTERED_MODELS, ["timestamp", "last_updated_timestamp"])
    # MLflow takes a repetition for experiments, where the second one says nothing
    assert parse_order(EXPERIMENTS, ["name", "name DESC"]) == (OrderKey(Field(Entity.ATTRIBUTE, "name")),)


def test_order_clauses_are_limited_in_number_and_length() -> None:
    with pytest.raises(InvalidValue, match=f"at most {MAX_ORDER_KEYS}"):
        parse_order(RUNS, [f"metrics.m{number}" for number in range(MAX_ORDER_KEYS + 1)])
    with pytest.raises(InvalidValue, match="longer"):
        parse_order(RUNS, ["metrics.`" + "a" * MAX_BYTES + "`"])


def test_filters_are_limited_in_length_and_depth() -> None:
    clause = "metrics.a > 1"
    with pytest.raises(InvalidValue, match="longer"):
        parse(RUNS, f"params.a = '{'é' * (MAX_BYTES // 2)}'")
    deepest = "(" * MAX_DEPTH + clause + ")" * MAX_DEPTH
    assert isinstance(parse(RUNS, deepest), Clause)
    with pytest.raises(InvalidValue, match="nested"):
        parse(RUNS, f"({deepest})")
    with pytest.raises(InvalidValue, match="nested"):
        parse(RUNS, "NOT " * (MAX_DEPTH + 1) + clause)


@pytest.mark.parametrize("text", ["'" * 10_000, "a." * 5_000, "(" * 10_000, "`'" * 5_000, "1" * 10_000, "-" * 10_000])
def test_hostile_texts_take_linear_time(text: str) -> None:
    began = time.process_time()
    for prefix in ("", "metrics.a > ", "params.a = "):
        with contextlib.suppress(InvalidValue):
            parse(RUNS, prefix + text)
    assert time.process_time() - began < 0.5


@given(st.sampled_from(list(GRAMMARS.values())), st.text() | st.text("metrics.a`'\"=<>!()1e,- \nANDORNTINULSK%"))
def test_no_text_raises_anything_but_invalid_value(grammar: Grammar, text: str) -> None:
    for parse_text in (parse, lambda grammar, text: parse_order(grammar, [text])):
        with contextlib.suppress(InvalidValue):
            parse_text(grammar, text)


PIECES = [
    "metrics.a", "params.`b c`", "tags", ".", "status", "=", "!=", "<", "LIKE", "IN", "NOT", "IS", "NULL", "AND", "OR",
    "(", ")", ",", "'x'", '"y"', "`z`", "5", "-1.5e3", "BETWEEN", ";", "--", "start_time", "dataset.name",
]  # fmt: skip


@given(st.sampled_from(list(GRAMMARS.values())), st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_no_shuffled_filter_raises_anything_but_invalid_value(grammar: Grammar, text: str) -> None:
    try:
        node = parse(grammar, text)
    except InvalidValue:
        return
    assert parse(grammar, str(node)) == node


# ---------------------------------------------------------------- random trees

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
KEYS = TEXT.filter(bool).map(lambda text: text.replace("`", "")).filter(bool) | st.sampled_from(["a.max", "x y", '"'])
VALUES = TEXT.map(lambda text: text.replace('"', ""))
FLOATS = st.floats(allow_nan=False).map(lambda number: number + 0.0)
NUMBERS = st.integers(-(10**29), 10**29) | FLOATS


@st.composite
def clauses(draw: st.DrawFn, grammar: Grammar) -> Clause:
    entity = draw(st.sampled_from([Entity.ATTRIBUTE, *grammar.keyed]))
    if entity is Entity.ATTRIBUTE:
        key = draw(st.sampled_from(list(grammar.attributes)))
        kind = grammar.attributes[key]
    else:
        kind = grammar.keyed[entity]
        key = draw(st.sampled_from(sorted(grammar.dataset_fields)) if entity is Entity.DATASET else KEYS)
    aggregates = grammar.aggregates if entity is Entity.METRIC and grammar.aggregates else ("last",)
    found = Field(entity, key, draw(st.sampled_from(aggregates)))
    op = draw(st.sampled_from(sorted(OPERATORS[kind])))
    if op in (Op.IS_NULL, Op.NOT_NULL):
        return Clause(found, op)
    if op in (Op.IN, Op.NOT_IN):
        return Clause(found, op, tuple(draw(st.lists(values(kind, op), min_size=1, max_size=4))))
    return Clause(found, op, draw(values(kind, op)))


def values(kind: Kind, op: Op) -> st.SearchStrategy[Value]:
    if kind in (Kind.TEXT, Kind.TEXT_OR_WORD) or op in (Op.LIKE, Op.ILIKE):
        return VALUES
    if kind is Kind.STATUS:
        return NUMBERS if op in (Op.LT, Op.LE, Op.GT, Op.GE) else NUMBERS | VALUES
    return NUMBERS if kind is Kind.NUMBER else st.integers(-(10**29), 10**29)


def printed(grammar: Grammar, clause: Clause) -> str:
    """As `str`, with quotes around the whole numbers that must have them."""
    if clause.field.key != "experiment_id" or clause.value is None:
        return str(clause)
    numbers = clause.value if isinstance(clause.value, tuple) else (clause.value,)
    quoted = ", ".join(f"'{number}'" for number in numbers)
    return (
        f"{clause.field} {clause.op} ({quoted})"
        if isinstance(clause.value, tuple)
        else (f"{clause.field} {clause.op} {quoted}")
    )


def nodes(grammar: Grammar) -> st.SearchStrategy[Node]:
    leaf = clauses(grammar).filter(lambda clause: clause.field.key != "experiment_id")
    return st.recursive(
        leaf,
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(And, st.lists(inner, min_size=2, max_size=4).map(tuple))
            | st.builds(Or, st.lists(inner, min_size=2, max_size=4).map(tuple))
        ),
        max_leaves=12,
    )


@given(st.data(), st.sampled_from(list(GRAMMARS.values())))
def test_a_printed_tree_parses_to_the_same_tree(data: st.DataObject, grammar: Grammar) -> None:
    node = data.draw(nodes(grammar))
    assert parse(grammar, str(node)) == node


@given(st.data(), st.sampled_from(list(GRAMMARS.values())))
def test_a_printed_clause_parses_to_the_same_clause(data: st.DataObject, grammar: Grammar) -> None:
    clause = data.draw(clauses(grammar))
    assert parse(grammar, printed(grammar, clause)) == clause


@given(st.lists(st.tuples(KEYS, st.booleans()), max_size=5, unique_by=lambda key: key[0]))
def test_a_printed_ordering_parses_to_the_same_ordering(keys: list[tuple[str, bool]]) -> None:
    order = tuple(OrderKey(Field(Entity.METRIC, key, "min"), descending) for key, descending in keys)
    assert parse_order(RUNS, [str(key) for key in order]) == order
