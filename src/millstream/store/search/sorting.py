"""Orderings: which values a row is sorted by, how to go on after a given row, and how to merge sorted pages.

A key becomes one or several *parts*, none of which is ever NULL. A key that may be missing starts with its rank (0 has a
value, 1 is NaN, 2 is missing), which ascends in both directions: missing values come last, NaN before them. The last part
is unique, so that the parts of a row say exactly where it stands; a page token holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cmp_to_key
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Integer, Text, and_, bindparam, case, func, literal, literal_column, or_

from millstream.errors import InvalidValue
from millstream.store.search.conditions import TYPES, Columns
from millstream.store.search.lower import MAX_INTEGER, MIN_INTEGER

PRESENT, NAN, MISSING = 0, 1, 2


class Sort(Struct, frozen=True):
    """One key of an ordering.

    `form` is as of `lower.Test`, or "rank" for a column of numbers sorted by the names they stand for.
    """

    form: str
    column: str
    is_descending: bool = False
    is_nullable: bool = False
    table: str = ""  # of keys; empty for a column of the object itself
    name: str = ""  # slot of the key's name
    ranks: tuple[tuple[int, int], ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        values = (Part("text", self.is_descending),) * 2 if self.form == "split" else (self._value_part,)
        return (Part("rank", False), *values) if self.is_optional else values

    @property
    def is_optional(self) -> bool:
        """Whether an object may lack it."""
        return self.is_nullable or bool(self.table)

    @property
    def _value_part(self) -> Part:
        form = {"rank": "integer", "split": "text"}.get(self.form, self.form)
        return Part(form, self.is_descending)


class Part(Struct, frozen=True):
    form: str  # rank, double, integer, text
    is_descending: bool

    @property
    def filler(self) -> Any:
        """Stands for the value where there is none."""
        return {"double": 0.0, "text": ""}.get(self.form, 0)


def parts_of(sorts: Iterable[Sort]) -> tuple[Part, ...]:
    return tuple(part for sort in sorts for part in sort.parts)


def expressions(sort: Sort, columns: Columns, is_present: bool = False) -> list[ColumnElement[Any]]:
    """The key's parts as SQL.

    Args:
        columns: of the object for a column of its own, else of the joined table of keys.
        is_present: the value is known to be there; its parts are then the bare columns, which an index can serve.
    """
    value = columns[sort.column] if sort.form != "split" else columns.head
    if sort.form == "rank":
        return [case(dict(sort.ranks), value=value, else_=len(sort.ranks))]
    if not sort.is_optional:
        return [value]
    present: ColumnElement[Any] = literal_column("0")
    texts = [func.coalesce(columns.rest, literal("", Text()))] if sort.form == "split" else []
    if is_present:
        return [present, value, *texts]
    conditions: list[tuple[Any, Any]] = []
    if sort.table:
        conditions.append((columns.name_id.is_(None), literal_column("2")))
    if sort.form == "double":
        conditions.append((value.is_(None), literal_column("1")))
    elif sort.is_nullable:
        conditions.append((value.is_(None), literal_column("2")))
    filler: ColumnElement[Any] = literal_column({"double": "0.0", "integer": "0"}.get(sort.form, "''"))
    return [case(*conditions, else_=literal_column("0")), func.coalesce(value, filler), *texts]


def constants(sort: Sort, rank: int) -> list[ColumnElement[Any]]:
    """The key's parts where its value is known to be NaN or missing."""
    text = {"double": "0.0", "integer": "0", "text": "''"}
    return [literal_column(str(rank)), *(literal_column(text[part.form]) for part in sort.parts[1:])]


def after(
    parts: Sequence[Part], values: Sequence[ColumnElement[Any] | None], slots: Sequence[str]
) -> ColumnElement[bool]:
    """Whether a row stands behind the one whose parts are bound in `slots`.

    Args:
        values: the row's parts; None for one known to equal the bound one.
    """
    result: ColumnElement[bool] | None = None
    for part, value, slot in reversed(list(zip(parts, values, slots, strict=True))):
        if value is None:
            continue
        bound = bindparam(slot, type_=Integer() if part.form == "rank" else TYPES[part.form])
        beyond = value < bound if part.is_descending else value > bound
        result = beyond if result is None else or_(beyond, and_(value == bound, result))
    assert result is not None
    return result


def merge(pages: Sequence[Sequence[tuple[Any, ...]]], parts: Sequence[Part], limit: int) -> list[tuple[Any, ...]]:
    """The first rows of several sorted pages of (id, *parts)."""
    if len(pages) == 1:
        return list(pages[0][:limit])
    rows = [row for page in pages for row in page]
    rows.sort(key=cmp_to_key(comparison(parts)))
    return rows[:limit]


def comparison(parts: Sequence[Part]) -> Callable[[tuple[Any, ...], tuple[Any, ...]], int]:
    signs = [(index, -1 if part.is_descending else 1) for index, part in enumerate(parts, 1)]

    def compare(one: tuple[Any, ...], other: tuple[Any, ...]) -> int:
        for index, sign in signs:
            a, b = one[index], other[index]
            if a != b:
                return sign if a > b else -sign
        return 0

    return compare


def token_values(parts: Sequence[Part], row: Sequence[Any]) -> list[Any]:
    """The parts of a row (key, *parts) for a token; drivers give a constant 0.0 as Decimal."""
    return [float(value) if part.form == "double" else value for part, value in zip(parts, row[1:], strict=True)]


def checked_parts(parts: Sequence[Part], values: Sequence[Any]) -> list[Any]:
    """A token's values, each of its part's type; raises InvalidValue."""
    if len(values) != len(parts):
        raise _foreign()
    return [_checked(part, value) for part, value in zip(parts, values, strict=True)]


def _checked(part: Part, value: Any) -> Any:
    if part.form == "text":
        if isinstance(value, str) and "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value):
            return value
    elif isinstance(value, bool):
        pass
    elif part.form == "double":
        if isinstance(value, int | float) and abs(value) <= 1.8e308:
            return float(value)
    elif isinstance(value, int) and (
        (MIN_INTEGER <= value <= MAX_INTEGER) if part.form == "integer" else PRESENT <= value <= MISSING
    ):
        return value
    raise _foreign()


def _foreign() -> InvalidValue:
    return InvalidValue("The page token does not belong to this search. Start again without a token.")
