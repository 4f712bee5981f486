"""What a filter means, as a typed tree: clauses joined by And, Or and Not. All five grammars parse to it.

`str(node)` writes a node as text that parses to the same node again.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

Value = str | int | float
"""What a clause compares with. A status written as a number stays a number."""

AGGREGATES = ("last", "first", "min", "max", "count")
"""What of a metric's history can be compared: its latest, first, least, greatest value, or how many points it has."""


class Entity(StrEnum):
    ATTRIBUTE = "attributes"
    METRIC = "metrics"
    PARAM = "params"
    TAG = "tags"
    DATASET = "datasets"


class Op(StrEnum):
    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    NOT_NULL = "IS NOT NULL"


class Field(Struct, frozen=True):
    """What a clause or an ordering looks at: an attribute by its own (not an alias's) name, or a key of an entity."""

    entity: Entity
    key: str
    aggregate: str = "last"  # of metrics: one of AGGREGATES

    def __str__(self) -> str:
        if self.entity is Entity.ATTRIBUTE:
            return self.key
        suffix = "" if self.aggregate == "last" else f".{self.aggregate}"
        return f"{self.entity}.{_quoted_key(self.key)}{suffix}"


class Clause(Struct, frozen=True):
    """One comparison. `value` is None for IS [NOT] NULL and a tuple for [NOT] IN."""

    field: Field
    op: Op
    value: Value | tuple[Value, ...] | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} {self.op}"
        if isinstance(self.value, tuple):
            return f"{self.field} {self.op} ({', '.join(map(_literal, self.value))})"
        return f"{self.field} {self.op} {_literal(self.value)}"


class And(Struct, frozen=True):
    """All hold; without items: everything."""

    items: tuple[Node, ...] = ()

    def __str__(self) -> str:
        return " AND ".join(map(_nested, self.items))


class Or(Struct, frozen=True):
    """At least one holds; has two items or more."""

    items: tuple[Node, ...]

    def __str__(self) -> str:
        return " OR ".join(map(_nested, self.items))


class Not(Struct, frozen=True):
    """Does not hold. A clause on a missing key does not hold, so its negation does."""

    item: Node

    def __str__(self) -> str:
        return f"NOT {_nested(self.item)}"


Node = Clause | And | Or | Not


class OrderKey(Struct, frozen=True):
    field: Field
    descending: bool = False

    def __str__(self) -> str:
        return f"{self.field} {'DESC' if self.descending else 'ASC'}"


def _nested(node: Node) -> str:
    return str(node) if isinstance(node, Clause | Not) else f"({node})"


def _quoted_key(key: str) -> str:
    if key.isascii() and key.isidentifier():
        return key
    return f"`{key}`" if "`" not in key else f'"{key}"'


def _literal(value: Value) -> str:
    if isinstance(value, str):
        return f"'{value}'" if "'" not in value.replace("''", "") else f'"{value}"'
    if value == float("inf"):
        return "1e999"
    if value == float("-inf"):
        return "-1e999"
    return repr(value)
