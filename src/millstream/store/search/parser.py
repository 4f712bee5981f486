"""Filters and orderings of all areas, parsed to the typed tree by recursive descent.

    filter  := "" | or
    or      := and ("OR" and)*
    and     := not ("AND" not)*
    not     := "NOT" not | "(" or ")" | clause
    clause  := field operator value | field ["NOT"] "IN" "(" value ("," value)* [","] ")" | field "IS" ["NOT"] "NULL"
    field   := [entity "."] key [aggregate]
    order   := field ["ASC" | "DESC"]

OR, NOT and parentheses, IN and IS NULL beyond a few fields, and the aggregates are extensions of MLflow's grammar.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from millstream.errors import InvalidValue
from millstream.store.search.grammar import OPERATORS, Grammar, Kind
from millstream.store.search.lexer import MAX_BYTES, Source, Token
from millstream.store.search.tree import And, Clause, Entity, Field, Node, Not, Op, Or, OrderKey, Value

MAX_DEPTH = 50
"""Deepest nesting of parentheses and NOT."""
MAX_ORDER_KEYS = 20
"""Most clauses of an ordering."""

_KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE"})
_WRONG_OPERATORS = {"==": "Write '=' instead of '=='", "<>": "Write '!=' instead of '<>'"}


@lru_cache(maxsize=1024)
def parse(grammar: Grammar, text: str) -> Node:
    """The tree of a filter; an empty one gives `And()`, which everything satisfies.

    Raises:
        InvalidValue: the text is not a filter of this area; the message says where and what to write.
    """
    if not text:
        return And()
    parser = _Parser(grammar, Source(text, "Filter"))
    if parser.token.kind == "end":
        parser.fail("there are only blanks. Leave the filter empty to find everything")
    node = parser.any_of(0)
    parser.expect_end("AND, OR or the end of the filter")
    return node


def parse_order(grammar: Grammar, clauses: Sequence[str]) -> tuple[OrderKey, ...]:
    """The keys of an ordering, the first is the strongest.

    Raises:
        InvalidValue: a clause is not an ordering of this area, or a field comes twice.
    """
    return _parse_order(grammar, tuple(clauses))


@lru_cache(maxsize=1024)
def _parse_order(grammar: Grammar, clauses: tuple[str, ...]) -> tuple[OrderKey, ...]:
    if len(clauses) > MAX_ORDER_KEYS:
        raise InvalidValue(f"order_by has {len(clauses)} clauses; at most {MAX_ORDER_KEYS} are possible.")
    if sum(map(len, clauses)) > MAX_BYTES:
        raise InvalidValue(f"order_by is longer than {MAX_BYTES} characters. Order by fewer fields.")
    keys: list[OrderKey] = []
    for number, text in enumerate(clauses, 1):
        key = _Parser(grammar, Source(text, f"order_by clause {number}"), is_order=True).order_key()
        if any(key.field == other.field for other in keys):
            if grammar.ignores_repeated_order:
                continue
            raise InvalidValue(f"order_by clause {number}: {key.field} was given before. Name each field once.")
        keys.append(key)
    return tuple(keys)


def parse_field(grammar: Grammar, text: str, label: str) -> Field:
    """The field to order by, written alone; raises InvalidValue."""
    return _Parser(grammar, Source(text, label), is_order=True).lone_field()


class _Parser:
    def __init__(self, grammar: Grammar, source: Source, is_order: bool = False) -> None:
        self.grammar = grammar
        self.source = source
        self.is_order = is_order
        self.tokens = source.tokens()
        self.index = 0

    # ------------------------------------------------------------ tokens
    @property
    def token(self) -> Token:
        return self.tokens[self.index]

    def next(self) -> Token:
        token = self.tokens[self.index]
        if token.kind != "end":
            self.index += 1
        return token

    def take(self, keyword: str) -> bool:
        """Go past a keyword or a mark if it stands here."""
        token = self.token
        if token.keyword == keyword or (token.kind == "mark" and token.text == keyword):
            self.index += 1
            return True
        return False

    def fail(self, problem: str, token: Token | None = None) -> InvalidValue:
        token = token or self.token
        self.source.fail(token.start, problem)

    def expected(self, what: str) -> InvalidValue:
        token = self.token
        found = "the text ends" if token.kind == "end" else f"found {_shown(token)}"
        raise self.fail(f"{found}, but {what} must stand here")

    def expect_end(self, what: str) -> None:
        if self.token.kind == "end":
            return
        if self.token.kind == "mark" and self.token.text == ",":
            self.fail("clauses are joined by AND or OR, not by a comma")
        if self.token.keyword == "BETWEEN":
            self.fail("there is no BETWEEN; write two clauses with >= and <=")
        raise self.expected(what)

    # ------------------------------------------------------------ expressions
    def any_of(self, depth: int) -> Node:
        items = [self.all_of(depth)]
        while self.take("OR"):
            items.append(self.all_of(depth))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def all_of(self, depth: int) -> Node:
        items = [self.negation(depth)]
        while self.take("AND"):
            items.append(self.negation(depth))
        return items[0] if len(items) == 1 else And(tuple(items))

    def negation(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.fail(f"parentheses and NOT are nested deeper than {MAX_DEPTH}. Simplify the filter")
        if self.take("NOT"):
            return Not(self.negation(depth + 1))
        if self.take("("):
            node = self.any_of(depth + 1)
            if not self.take(")"):
                raise self.expected("AND, OR or ')'")
            return node
        return self.clause()

    def clause(self) -> Clause:
        field, kind = self.field()
        token = self.next()
        keyword = token.keyword
        if token.kind == "operator":
            if token.text in _WRONG_OPERATORS:
                self.fail(_WRONG_OPERATORS[token.text], token)
            op = Op(token.text)
        elif keyword in ("LIKE", "ILIKE", "IN"):
            op = Op(keyword)
        elif keyword == "NOT":
            if self.token.keyword in ("LIKE", "ILIKE"):
                self.fail(
                    f"there is no NOT {self.token.keyword}; write NOT before the field: NOT {field} {self.token.keyword}",
                    token,
                )
            if not self.take("IN"):
                raise self.expected("IN")
            op = Op.NOT_IN
        elif keyword == "IS":
            op = Op.NOT_NULL if self.take("NOT") else Op.IS_NULL
            if not self.take("NULL"):
                raise self.expected("NULL")
        else:
            self.index -= token.kind != "end"
            if keyword == "BETWEEN":
                self.fail("there is no BETWEEN; write two clauses with >= and <=")
            raise self.expected("a comparison (=, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL)")
        if op not in OPERATORS[kind]:
            allowed = ", ".join(each for each in Op if each in OPERATORS[kind])
            self.fail(f"{field} holds {kind.value} and cannot be compared with {op}. It has: {allowed}", token)
        if op in (Op.IS_NULL, Op.NOT_NULL):
            return Clause(field, op)
        if op in (Op.IN, Op.NOT_IN):
            return Clause(field, op, self.values(field, kind))
        return Clause(field, op, self.value(field, kind, op))

    def values(self, field: Field, kind: Kind) -> tuple[Value, ...]:
        if not self.take("("):
            raise self.expected("a list in parentheses, such as ('a', 'b'),")
        values: list[Value] = []
        while not values or not self.take(")"):
            values.append(self.value(field, kind, Op.IN))
            if not self.take(","):
                if self.take(")"):
                    break
                raise self.expected("',' or ')'")
        return tuple(values)

    def value(self, field: Field, kind: Kind, op: Op) -> Value:
        token = self.token
        is_text = token.kind == "quoted" and token.quote != "`"
        is_number = token.kind == "number"
        value: Value | None = None
        if kind is Kind.TEXT or (kind is Kind.STATUS and op in (Op.LIKE, Op.ILIKE)):
            value = token.text if is_text else None
        elif kind is Kind.TEXT_OR_WORD:
            is_word = token.kind == "word" and token.keyword not in _KEYWORDS
            value = token.text if is_text or is_number or is_word else None
        elif kind is Kind.STATUS:
            value = token.text if is_text else self.number(token) if is_number else None
            if isinstance(value, str) and op in (Op.LT, Op.LE, Op.GT, Op.GE):
                value = None
        elif kind is Kind.NUMBER:
            value = self.number(token) if is_number else None
        else:
            allowed = {
                Kind.INTEGER: is_number,
                Kind.INTEGER_TEXT: is_text,
                Kind.INTEGER_OR_TEXT: is_text or is_number,
            }[kind]
            value = _whole(token.text) if allowed else None
        if value is None:
            if kind in (Kind.TEXT, Kind.TEXT_OR_WORD) and token.kind in ("word", "number", "quoted"):
                self.fail(f"{field} is compared with text: write '{token.text}' in single or double quotes")
            raise self.expected(f"{kind.value} to compare {field} with")
        self.index += 1
        return value

    def number(self, token: Token) -> int | float:
        whole = _whole(token.text)
        return float(token.text) if whole is None else whole

    # ------------------------------------------------------------ fields
    def field(self) -> tuple[Field, Kind]:
        """The field that stands here and what it holds."""
        token = self.next()
        if token.kind == "word" and self._touches(".") and self.tokens[self.index + 1].kind == "quoted":
            self.index += 1
            return self._keyed(token, self._entity(token.text, token), self._quoted_key(), is_literal=True)
        if token.kind == "word":
            first, dot, rest = token.text.partition(".")
            if dot:
                return self._keyed(token, self._entity(first, token), rest, is_literal=False)
            if self.token.kind == "mark" and self.token.text == ".":
                self.fail(f"a key must follow '{token.text}.' without a blank", self.token)
            if token.keyword in _KEYWORDS:
                self.fail(f"{token.keyword} cannot stand here; a field such as {self._example()} must", token)
            return self._attribute(token.text, token)
        if token.kind == "quoted" and token.quote != "'":
            return self._attribute(token.text, token)
        if token.kind in ("quoted", "number"):
            self.fail("the field stands on the left of a comparison, the value on the right", token)
        self.index -= token.kind != "end"
        raise self.expected(f"a field such as {self._example()}")

    def _touches(self, mark: str) -> bool:
        """The mark follows the last token, and a token follows the mark, without blanks."""
        here = self.token
        return here.text == mark and here.kind == "mark" and self._adjacent(self.index)

    def _adjacent(self, index: int) -> bool:
        before, here, after = self.tokens[index - 1 : index + 2]
        return before.end == here.start and here.end == after.start

    def _quoted_key(self) -> str:
        token = self.next()
        if token.quote == "'":
            self.fail("a key is quoted with back-ticks or double quotes, not with single quotes", token)
        return token.text

    def _entity(self, name: str, token: Token) -> Entity:
        entity = self.grammar.entities.get(name)
        if entity is None:
            self.fail(f"{self.grammar.area} have no {name!r}. They have: {self.grammar.entity_names}", token)
            raise AssertionError
        return entity

    def _keyed(self, token: Token, entity: Entity, key: str, is_literal: bool) -> tuple[Field, Kind]:
        if not key:
            self.fail(f"the key after '{token.text}.' is empty", token)
        if entity is Entity.ATTRIBUTE:
            return self._attribute(key, token)
        if self.is_order and entity not in self.grammar.order_entities:
            self.fail(f"{self.grammar.area} cannot be ordered by {entity}. {self._orders()}", token)
        if entity is Entity.DATASET and key not in self.grammar.dataset_fields:
            self.fail(f"datasets have no {key!r}. They have: {', '.join(sorted(self.grammar.dataset_fields))}", token)
        aggregate = "last"
        if entity is Entity.METRIC and self.grammar.aggregates:
            if is_literal:
                aggregate = self._suffix()
            else:
                stem, dot, last = key.rpartition(".")
                if stem and dot and last in self.grammar.aggregates:
                    key, aggregate = stem, last
        return Field(entity, key, aggregate), self.grammar.keyed[entity]

    def _suffix(self) -> str:
        """The aggregate after a quoted key."""
        if not self._touches(".") or self.tokens[self.index + 1].kind != "word":
            return "last"
        self.index += 1
        token = self.next()
        if token.text not in self.grammar.aggregates:
            self.fail(f"a metric has no {token.text!r}. It has: {', '.join(self.grammar.aggregates)}", token)
        return token.text

    def _attribute(self, name: str, token: Token) -> tuple[Field, Kind]:
        grammar = self.grammar
        if self.is_order:
            name = grammar.order_aliases.get(name, name)
            if name not in grammar.order_attributes:
                self.fail(f"{grammar.area} cannot be ordered by {name!r}. {self._orders()}", token)
            return Field(Entity.ATTRIBUTE, name), grammar.attributes.get(name, Kind.INTEGER)
        name = grammar.aliases.get(name, name)
        if name not in grammar.attributes:
            self.fail(f"{grammar.area} have no attribute {name!r}. They have: {', '.join(grammar.attributes)}", token)
        return Field(Entity.ATTRIBUTE, name), grammar.attributes[name]

    def _orders(self) -> str:
        keyed = [f"{entity}.<key>" for entity in Entity if entity in self.grammar.order_entities]
        return f"Order by one of: {', '.join([*sorted(self.grammar.order_attributes), *keyed])}"

    def _example(self) -> str:
        return "metrics.loss" if Entity.METRIC in self.grammar.keyed else "name"

    def lone_field(self) -> Field:
        if self.token.kind == "end":
            self.fail("it is empty. Name a field")
        field, _kind = self.field()
        self.expect_end("the end")
        return field

    def order_key(self) -> OrderKey:
        if self.token.kind == "end":
            self.fail("it is empty. Name a field, then ASC or DESC")
        field, _kind = self.field()
        descending = self.take("DESC")
        if not descending:
            self.take("ASC")
        self.expect_end("ASC, DESC or the end of the clause")
        return OrderKey(field, descending)


def _shown(token: Token) -> str:
    text = token.text if len(token.text) <= 40 else token.text[:40] + "..."
    return f"{token.quote}{text}{token.quote}" if token.quote else repr(text)


def _whole(text: str) -> int | None:
    """The integer written as digits; None if it is anything else or far beyond 64 bits."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 30 else None
