"""From what a filter says to what a database is asked: names become keys, impossible comparisons become constants.

The lowered tree is a *shape*: it holds names of bound values (`slots`) instead of values, so that one compiled statement
serves all filters of the same form. The values stand beside it, in `Lowered.values`.

Truth has two values here as in the filter: a test that meets a missing value is false and its negation true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from millstream.store.search.like import matches, prefix_of, successor, to_glob
from millstream.store.search.tree import And, Clause, Entity, Field, Node, Not, Op, Value
from millstream.store.tables import HEAD_CHARS

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


class Test(Struct, frozen=True):
    """A test of one value.

    `form` says how the value is stored: "double" (NULL is NaN), "integer", "text" (one column) or "split" (head and rest).
    `op`: any, eq, ne, lt, le, gt, ge, in, not_in, like, ilike; of doubles also number (not NaN); of split texts also
    eq_long, ne_long (values of `HEAD_CHARS` characters and more), prefix (all that the pattern asks for) and
    like_range (a pattern whose beginning bounds the head).
    """

    form: str
    op: str
    slot: str = ""


class Const(Struct, frozen=True):
    value: bool


class Keyed(Struct, frozen=True):
    """The object has a row in a table of keys that passes the test."""

    table: str
    name: str  # slot of the name's key
    column: str
    test: Test


class Base(Struct, frozen=True):
    """A column of the object's own row passes the test; a NULL never does."""

    column: str
    is_nullable: bool
    test: Test


class Input(Struct, frozen=True):
    """The run has a dataset input that passes the test."""

    column: str
    test: Test


class AllOf(Struct, frozen=True):
    items: tuple[Shape, ...]


class AnyOf(Struct, frozen=True):
    items: tuple[Shape, ...]


class Negated(Struct, frozen=True):
    item: Shape


Shape = Const | Keyed | Base | Input | AllOf | AnyOf | Negated
TRUE, FALSE = Const(True), Const(False)

_NUMERIC = {Op.EQ: "eq", Op.NE: "ne", Op.LT: "lt", Op.LE: "le", Op.GT: "gt", Op.GE: "ge"}


class Attribute(Struct, frozen=True, eq=False):
    """How an attribute is stored: in a column, as one of numbered names (`names`), or as a tag."""

    column: str
    form: str
    is_nullable: bool = False
    names: Mapping[str, int] | None = None
    tag: str = ""


class Storage(Struct, frozen=True, eq=False):
    """How one area's fields are stored."""

    attributes: Mapping[str, Attribute]
    tables: Mapping[Entity, tuple[str, str, str]]  # entity -> (table, column, form)
    prompt_tag: str = ""


class Lowering:
    """Lowers one filter and its ordering; `find_name` gives the key of an interned name, None if it was never used."""

    def __init__(self, storage: Storage, find_name: Callable[[str], int | None]) -> None:
        self.storage = storage
        self.values: dict[str, Any] = {}
        self._find_name = find_name
        self._names: dict[str, str] = {}

    # ------------------------------------------------------------ slots
    def slot(self, value: object) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return name

    def pattern(self, value: str) -> str:
        slot = self.slot(value)
        self.values[f"{slot}_glob"] = to_glob(value)  # for SQLite
        self.values[f"{slot}_escaped"] = value.replace("\\", "\\\\")  # for MySQL
        return slot

    def name(self, key: str) -> tuple[str, bool]:
        """Slot of a key's name and whether anything was ever logged under it."""
        slot = self._names.get(key)
        if slot is None:
            found = self._find_name(key)
            slot = self._names[key] = f"n{len(self._names)}"
            self.values[slot] = -1 if found is None else found
        return slot, self.values[slot] != -1

    # ------------------------------------------------------------ the tree
    def node(self, node: Node) -> Shape:
        if isinstance(node, Clause):
            return self.clause(node)
        if isinstance(node, Not):
            return negated(self.node(node.item))
        items = [self.node(item) for item in node.items]
        return all_of(items) if isinstance(node, And) else any_of(items)

    def clause(self, clause: Clause) -> Shape:
        field = clause.field
        if field.entity is Entity.ATTRIBUTE:
            return self.attribute(clause, self.storage.attributes[field.key])
        if field.entity is Entity.DATASET:
            return self.presence(clause, lambda test: Input(field.key, test), "text")
        if field.key == self.storage.prompt_tag and clause.op in (Op.EQ, Op.NE) and clause.value in ("true", "false"):
            # models that are no prompts lack the tag: = 'false' and != 'true' find them all the same
            is_prompt = self.keyed(Clause(field, Op.EQ, "true"), field)
            return is_prompt if (clause.op is Op.EQ) == (clause.value == "true") else negated(is_prompt)
        return self.keyed(clause, field)

    def keyed(self, clause: Clause, field: Field) -> Shape:
        table, column, form = self.storage.tables[field.entity]
        if table == "series":
            column = "count" if field.aggregate == "count" else f"{field.aggregate}_value"
            form = "integer" if field.aggregate == "count" else "double"
        slot, is_known = self.name(field.key)
        if not is_known:
            return Const(clause.op is Op.IS_NULL)
        return self.presence(clause, lambda test: Keyed(table, slot, column, test), form)

    def presence(self, clause: Clause, row: Callable[[Test], Shape], form: str) -> Shape:
        """A clause on something of which an object may have no row or several."""
        if clause.op is Op.IS_NULL:
            return negated(row(Test(form, "any")))
        return self.tested(clause.op, clause.value, form, row)

    def attribute(self, clause: Clause, attribute: Attribute) -> Shape:
        if attribute.tag:
            return self.keyed(clause, Field(Entity.TAG, attribute.tag))
        if clause.op in (Op.IS_NULL, Op.NOT_NULL):
            present = Base(attribute.column, True, Test(attribute.form, "any")) if attribute.is_nullable else TRUE
            return negated(present) if clause.op is Op.IS_NULL else present

        def row(test: Test) -> Shape:
            return Base(attribute.column, attribute.is_nullable, test)

        value: Any = clause.value
        if attribute.names is not None and clause.op not in (Op.LT, Op.LE, Op.GT, Op.GE):
            numbers = _named(attribute.names, clause.op, value if isinstance(value, tuple) else (value,))
            return row(Test("integer", "in", self.slot(numbers))) if numbers else FALSE
        if attribute.form == "integer" and isinstance(value, str):
            value = int(value)
        return self.tested(clause.op, value, attribute.form, row)

    # ------------------------------------------------------------ tests
    def tested(self, op: Op, value: Any, form: str, row: Callable[[Test], Shape]) -> Shape:
        if op is Op.NOT_NULL:
            return row(Test(form, "any"))
        if form == "double":
            return self._double(op, value, row)
        if form == "integer":
            return self._integer(op, value, row)
        return self._text(op, value, form, row)

    def _double(self, op: Op, value: Any, row: Callable[[Test], Shape]) -> Shape:
        if op in (Op.IN, Op.NOT_IN):
            numbers = sorted({float(number) for number in value if not math.isinf(float(number))})
            if not numbers:
                return FALSE if op is Op.IN else row(Test("double", "any"))
            return row(Test("double", "in" if op is Op.IN else "not_in", self.slot(numbers)))
        number = float(value)
        if math.isinf(number):  # stored infinities are the greatest doubles, so nothing is as great as this
            if op is Op.NE:
                return row(Test("double", "any"))
            holds = op in ((Op.LT, Op.LE) if number > 0 else (Op.GT, Op.GE))
            return row(Test("double", "number")) if holds else FALSE
        return row(Test("double", _NUMERIC[op], self.slot(number)))

    def _integer(self, op: Op, value: Any, row: Callable[[Test], Shape]) -> Shape:
        if op in (Op.IN, Op.NOT_IN):
            numbers = sorted({whole for number in value if (whole := _as_integer(number)) is not None})
            if not numbers:
                return FALSE if op is Op.IN else row(Test("integer", "any"))
            return row(Test("integer", "in" if op is Op.IN else "not_in", self.slot(numbers)))
        if op in (Op.EQ, Op.NE):
            whole = _as_integer(value)
            if whole is None:
                return FALSE if op is Op.EQ else row(Test("integer", "any"))
            return row(Test("integer", _NUMERIC[op], self.slot(whole)))
        # only whole numbers are stored: x < 2.5 is x < 3, and x <= 2.5 is x <= 2
        if isinstance(value, float) and math.isinf(value):
            bound = MAX_INTEGER + 1 if value > 0 else MIN_INTEGER - 1
        else:
            bound = math.ceil(value) if op in (Op.LT, Op.GE) else math.floor(value)
        if not MIN_INTEGER <= bound <= MAX_INTEGER:
            holds = op in ((Op.LT, Op.LE) if bound > 0 else (Op.GT, Op.GE))
            return row(Test("integer", "any")) if holds else FALSE
        return row(Test("integer", _NUMERIC[op], self.slot(bound)))

    def _text(self, op: Op, value: Any, form: str, row: Callable[[Test], Shape]) -> Shape:
        if op in (Op.IN, Op.NOT_IN):
            return self._text_list(op, sorted(set(value)), form, row)
        if op is Op.LIKE:
            return self._like(value, form, row)
        if op is Op.ILIKE:
            if not value.strip("%") and value:
                return row(Test(form, "any"))
            return row(Test(form, "ilike", self.pattern(value)))
        name = _NUMERIC[op]
        if form == "split" and len(value) >= HEAD_CHARS:
            slot = self.slot(value)
            self.values[f"{slot}_head"], self.values[f"{slot}_rest"] = value[:HEAD_CHARS], value[HEAD_CHARS:]
            return row(Test(form, f"{name}_long", slot))
        return row(Test(form, name, self.slot(value)))

    def _text_list(self, op: Op, values: Sequence[str], form: str, row: Callable[[Test], Shape]) -> Shape:
        long = [value for value in values if form == "split" and len(value) >= HEAD_CHARS]
        short = [value for value in values if value not in long] if long else list(values)
        single = Op.EQ if op is Op.IN else Op.NE
        items = [self._text(single, value, form, row) for value in long]
        if short:
            items.append(row(Test(form, "in" if op is Op.IN else "not_in", self.slot(short))))
        return any_of(items) if op is Op.IN else all_of(items)

    def _like(self, pattern: str, form: str, row: Callable[[Test], Shape]) -> Shape:
        if pattern and not pattern.strip("%"):
            return row(Test(form, "any"))
        prefix, remainder = prefix_of(pattern)
        if not remainder:
            return self._text(Op.EQ, pattern, form, row)
        slot = self.pattern(pattern)
        if form != "split" or not prefix:
            return row(Test(form, "like", slot))
        head = prefix[:HEAD_CHARS]
        above = successor(head)
        if above is None:
            return row(Test(form, "like", slot))
        self.values[f"{slot}_low"], self.values[f"{slot}_high"] = head, above
        is_all = not remainder.strip("%") and len(prefix) <= HEAD_CHARS
        return row(Test(form, "prefix" if is_all else "like_range", slot))


def all_of(items: Sequence[Shape]) -> Shape:
    """All of them, flattened, without constants."""
    kept: list[Shape] = []
    for item in items:
        if item == FALSE:
            return FALSE
        if item != TRUE:
            kept.extend(item.items if isinstance(item, AllOf) else [item])
    return TRUE if not kept else kept[0] if len(kept) == 1 else AllOf(tuple(kept))


def any_of(items: Sequence[Shape]) -> Shape:
    kept: list[Shape] = []
    for item in items:
        if item == TRUE:
            return TRUE
        if item != FALSE:
            kept.extend(item.items if isinstance(item, AnyOf) else [item])
    return FALSE if not kept else kept[0] if len(kept) == 1 else AnyOf(tuple(kept))


def negated(item: Shape) -> Shape:
    if isinstance(item, Const):
        return Const(not item.value)
    return item.item if isinstance(item, Negated) else Negated(item)


def conjuncts(shape: Shape) -> tuple[Shape, ...]:
    """What must hold together."""
    if shape == TRUE:
        return ()
    return shape.items if isinstance(shape, AllOf) else (shape,)


def _as_integer(value: Value) -> int | None:
    """The 64-bit integer that equals a number; None if none does."""
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    number = int(value)
    return number if MIN_INTEGER <= number <= MAX_INTEGER else None


def _named(names: Mapping[str, int], op: Op, values: Sequence[Any]) -> list[int]:
    """The numbers whose names (a number may have several) pass a test; numbers may be given as such."""
    if op is Op.LIKE:
        return sorted({number for name, number in names.items() if matches(values[0], name)})
    if op is Op.ILIKE:
        return sorted({number for name, number in names.items() if matches(values[0].lower(), name.lower())})
    named = {names.get(value) if isinstance(value, str) else _as_integer(value) for value in values}
    return sorted({number for number in names.values() if (number in named) == (op in (Op.EQ, Op.IN))})
