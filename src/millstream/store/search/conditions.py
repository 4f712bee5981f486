"""Tests of the lowered tree as SQLAlchemy conditions over a row's columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    LargeBinary,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    true,
)
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.types import TypeEngine

from millstream.store.search.lower import Test
from millstream.store.tables import HEAD_CHARS

Columns = Any
"""A table or an alias's `.c`."""

TYPES: dict[str, TypeEngine[Any]] = {
    "double": Double(),
    "integer": BigInteger(),
    "text": Text(),
    "split": Text(),
}


def bind(slot: str, form: str) -> BindParameter[Any]:
    return bindparam(slot, type_=TYPES[form])


def condition(test: Test, columns: Columns, column: str, dialect: str) -> ColumnElement[bool]:
    """Whether a row passes; NULL means no, as in WHERE and ON, so this must not be negated."""
    if test.op == "any":
        return true()
    if test.form == "split":
        return _split(test, columns, dialect)
    value = columns[column]
    if test.form == "double":
        return _double(test, value)
    return _simple(test, value, test.form, dialect)


def covered(test: Test, columns: Columns, column: str, dialect: str) -> tuple[list[ColumnElement[bool]], bool, bool]:
    """What of a test can be asked of an index over (experiment_id, name_id, head or last_value, run) alone.

    Returns:
        Conditions that every row that passes fulfils; whether they bound a range of the index; whether they are the whole
        test.
    """
    if test.op == "any":
        return [], True, True
    if test.form == "double":
        if column != "last_value":
            return [], True, False
        return [_double(test, columns[column])], test.op not in ("ne", "not_in"), True
    if test.form != "split":
        return [], True, False
    head, slot = columns.head, test.slot
    is_long = func.length(head) >= HEAD_CHARS
    match test.op:
        case "eq" | "in":
            return [_simple(test, head, "split", dialect)], True, True
        case "ne" | "not_in":
            return [_simple(test, head, "split", dialect)], False, True
        case "eq_long":
            return [head == bind(f"{slot}_head", "split")], True, False
        case "prefix" if dialect != "mysql":
            return _between(head, slot), True, True
        case "like_range" if dialect != "mysql":
            matching = or_(is_long, _pattern("like", head, slot, dialect))
            return [*_between(head, slot), matching], False, False
        case "like" | "ilike" if dialect != "mysql":
            return [or_(is_long, _pattern(test.op, head, slot, dialect))], False, False
    return [], True, False


def range_of(test: Test, columns: Columns, column: str, dialect: str) -> list[ColumnElement[bool]]:
    """The part of `covered` that bounds a range of the index."""
    if test.form == "split" and test.op == "like_range" and dialect != "mysql":
        return _between(columns.head, test.slot)
    conditions, is_range, _ = covered(test, columns, column, dialect)
    return conditions if is_range else []


def _double(test: Test, value: ColumnElement[Any]) -> ColumnElement[bool]:
    slot = test.slot
    match test.op:
        case "number":
            return value.is_not(None)
        case "ne":  # a NaN (NULL) differs from every number
            return or_(value.is_(None), value != bind(slot, "double"))
        case "in":
            return value.in_(bindparam(slot, type_=TYPES["double"], expanding=True))
        case "not_in":
            return or_(value.is_(None), value.not_in(bindparam(slot, type_=TYPES["double"], expanding=True)))
    return _compared(test.op, value, bind(slot, "double"))


def _compared(op: str, value: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[bool]:
    match op:
        case "eq":
            return value == other
        case "ne":
            return value != other
        case "lt":
            return value < other
        case "le":
            return value <= other
        case "gt":
            return value > other
        case "ge":
            return value >= other
    raise AssertionError(op)


def _simple(test: Test, value: ColumnElement[Any], form: str, dialect: str) -> ColumnElement[bool]:
    """A test of one column that is not NULL."""
    slot, is_text = test.slot, form in ("text", "split")
    match test.op:
        case "like" | "ilike":
            return _pattern(test.op, value, slot, dialect)
        case "in" | "not_in":
            items = bindparam(slot, type_=TYPES[form], expanding=True)
            if is_text and dialect == "mysql":  # its collations compare without trailing blanks
                binary = cast(value, LargeBinary)
                return binary.in_(items) if test.op == "in" else binary.not_in(items)
            return value.in_(items) if test.op == "in" else value.not_in(items)
    if is_text and dialect == "mysql":
        exact = cast(value, LargeBinary) == cast(bind(slot, form), LargeBinary)
        return and_(value == bind(slot, form), exact) if test.op == "eq" else ~exact
    return _compared(test.op, value, bind(slot, form))


def _split(test: Test, columns: Columns, dialect: str) -> ColumnElement[bool]:
    head, rest, slot = columns.head, columns.rest, test.slot
    match test.op:
        case "eq" | "ne" | "in" | "not_in":  # values shorter than a head, so that `rest` cannot be there
            return _simple(test, head, "split", dialect)
        case "eq_long" | "ne_long":
            is_head = _simple(Test("split", "eq", f"{slot}_head"), head, "split", dialect)
            tail = func.coalesce(rest, literal("", Text()))
            is_same = and_(is_head, _simple(Test("text", "eq", f"{slot}_rest"), tail, "text", dialect))
            return is_same if test.op == "eq_long" else ~is_same
        case "prefix" if dialect != "mysql":
            return and_(*_between(head, slot))
        case "like_range" if dialect != "mysql":
            return and_(*_between(head, slot), _pattern("like", _whole(head, rest), slot, dialect))
    return _pattern("ilike" if test.op == "ilike" else "like", _whole(head, rest), slot, dialect)


def _whole(head: ColumnElement[Any], rest: ColumnElement[Any]) -> ColumnElement[Any]:
    return head.concat(func.coalesce(rest, literal("", Text())))


def _between(head: ColumnElement[Any], slot: str) -> list[ColumnElement[bool]]:
    return [head >= bind(f"{slot}_low", "split"), head < bind(f"{slot}_high", "split")]


def _pattern(op: str, value: ColumnElement[Any], slot: str, dialect: str) -> ColumnElement[bool]:
    """LIKE with letter case or ILIKE without; no character escapes another."""
    if dialect == "sqlite":
        if op == "like":
            return value.op("GLOB", is_comparison=True)(bind(f"{slot}_glob", "text"))
        return value.op("LIKE", is_comparison=True)(bind(slot, "text"))
    if dialect == "mysql":  # where ESCAPE '' does not switch the backslash off
        escaped = bind(f"{slot}_escaped", "text")
        return value.like(escaped) if op == "like" else func.lower(value).like(func.lower(escaped))
    return value.like(bind(slot, "text"), escape="") if op == "like" else value.ilike(bind(slot, "text"), escape="")
