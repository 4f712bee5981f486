"""Statements of run search: shapes of queries, compiled once each.

A query starts somewhere and looks everything else up from there, row by row. On SQLite the order of the joins is forced:
its planner knows nothing of how values are distributed, `runs` (the caller) has counted. Other databases order the joins
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Join,
    Select,
    Table,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    union,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from millstream.store.search import conditions
from millstream.store.search.lower import AllOf, AnyOf, Base, Const, Input, Keyed, Negated, Shape, conjuncts
from millstream.store.search.sorting import MISSING, NAN, Part, Sort, after, constants, expressions, parts_of
from millstream.store.statement import Statement
from millstream.store.tables import datasets, run_inputs, run_params, run_tags, runs, series

KEYED_TABLES: dict[str, Table] = {"series": series, "params": run_params, "tags": run_tags}

MAX_PROBES = 30
"""Most clauses that are joined; SQLite joins 64 tables at most, so the others become EXISTS."""
MAX_PLANNED = 8
"""The same for planners that try orders of joins, which takes PostgreSQL a minute for 300 clauses."""

_EXPERIMENT = bindparam("experiment", type_=BigInteger())
_LIMIT = bindparam("limit", type_=Integer())
_LIFECYCLE = bindparam("lifecycle", type_=Integer())


class _OrderedJoin(Join):
    """A join whose left side is the outer loop, also on SQLite."""

    inherit_cache = True


@compiles(_OrderedJoin)
def _any_join(element: Join, compiler: Any, **kw: Any) -> str:
    return str(compiler.visit_join(element, **kw))


@compiles(_OrderedJoin, "sqlite")
def _cross_join(element: Join, compiler: SQLCompiler, **kw: Any) -> str:
    kw = {**kw, "asfrom": True}
    left, right = compiler.process(element.left, **kw), compiler.process(element.right, **kw)
    assert element.onclause is not None
    return f"{left} CROSS JOIN {right} ON {compiler.process(element.onclause)}"


class Bounds(Struct, frozen=True):
    """Which part of a walk a query covers, in the walk's direction: values bound as `begin` and `end`."""

    begin: str = ""  # "at" the value, "behind" it, or empty for the very beginning
    has_end: bool = False  # up to `end`, that value included


class RunQuery(Struct, frozen=True):
    """The form of a query.

    `start`: "runs"; "walk", the key of sorts[missing] in its order; "nan", the runs where that key is NaN; "leaf", runs
    that pass `leaves` of the filter. `sorts` ends with a unique column. The first `missing` keys are known to be missing.
    """

    start: str
    filter: Shape
    sorts: tuple[Sort, ...]
    missing: int = 0
    leaves: tuple[Shape, ...] = ()
    bounds: Bounds = Bounds()
    is_after: bool = False  # only rows behind the token's, whose parts are bound as t0, t1, ...
    has_lifecycle: bool = True
    is_many: bool = False  # experiments come as a list
    is_count: bool = False


@lru_cache(maxsize=1024)
def rows(query: RunQuery) -> Statement:
    """(run, *parts of the sorts) in order, at most `limit`; or the number of matches."""
    return Statement(lambda dialect: _Builder(query, dialect).build())


class _Builder:
    def __init__(self, query: RunQuery, dialect: str) -> None:
        self.query = query
        self.dialect = dialect
        self.runs = runs.alias("r")
        self.where: list[ColumnElement[bool]] = []
        self.most = MAX_PROBES if dialect == "sqlite" else MAX_PLANNED
        self.joined: dict[tuple[str, str], FromClause] = {}
        self.passed: Shape | None = None  # needs no further test

    def build(self) -> Select[Any]:
        query = self.query
        source, self.run = self._start()
        for item in sorted(conjuncts(query.filter), key=_leniency):
            if item == self.passed:
                continue
            if isinstance(item, Keyed) and ((item.table, item.name) in self.joined or len(self.joined) < self.most):
                source = self._probe(source, item)
            else:
                self.where.append(self._predicate(item))
        for sort in query.sorts[: query.missing]:
            self.where.append(~self._keyed_exists(sort.table, sort.name))
        if query.start != "runs":
            source = _OrderedJoin(source, self.runs, self.runs.c.id == self.run)
            if query.has_lifecycle:
                self.where.append(self.runs.c.lifecycle == _LIFECYCLE)
        if query.is_count:
            return select(func.count()).select_from(source).where(*self.where)
        source, values = self._sort_values(source)
        parts = parts_of(query.sorts)
        if query.is_after:
            behind = [None if _is_constant(value) else value for value in values]
            self.where.append(after(parts, behind, [f"t{index}" for index in range(len(parts))]))
        return (
            select(self.run, *values)
            .select_from(source)
            .where(*self.where)
            .order_by(*_order(parts, values))
            .limit(_LIMIT)
        )

    # ------------------------------------------------------------ where the query starts
    def _start(self) -> tuple[FromClause, ColumnElement[Any]]:
        query = self.query
        if query.start in ("walk", "nan"):
            sort = query.sorts[query.missing]
            walk = self._keyed_alias(sort.table, sort.name, "w")
            self.where += [walk.c.experiment_id == _EXPERIMENT, walk.c.name_id == bindparam(sort.name)]
            if query.start == "nan":
                self.where.append(walk.c[sort.column].is_(None))
            else:
                self.where += _bounds(_walked(sort, walk.c), sort, query.bounds)
            return walk, walk.c.run
        if query.start == "leaf":
            (leaf, *others) = query.leaves
            if not others and isinstance(leaf, Keyed) and leaf in conjuncts(query.filter):
                alias = KEYED_TABLES[leaf.table].alias("d")
                self.where += _leaf_range(leaf, alias, self.dialect)
                if conditions.covered(leaf.test, alias.c, leaf.column, self.dialect)[2]:
                    self.joined[leaf.table, leaf.name] = alias
                    self.passed = leaf
                # else the row is joined once more, so that entries that the index turns down cost no look at the table
                return alias, alias.c.run
            source = union(*[_leaf_runs(each, self.dialect) for each in query.leaves]).subquery("d")
            return source, source.c.run
        experiment = self.runs.c.experiment_id
        if query.is_many:
            self.where.append(experiment.in_(bindparam("experiments", type_=BigInteger(), expanding=True)))
        else:
            self.where.append(experiment == _EXPERIMENT)
        if query.has_lifecycle:
            self.where.append(self.runs.c.lifecycle == _LIFECYCLE)
        if query.bounds != Bounds():
            sort = query.sorts[query.missing]
            self.where += _bounds(self.runs.c[sort.column], sort, query.bounds)
        return self.runs, self.runs.c.id

    def _keyed_alias(self, table: str, name: str, label: str) -> FromClause:
        alias = self.joined[table, name] = KEYED_TABLES[table].alias(label)
        return alias

    # ------------------------------------------------------------ the filter
    def _probe(self, source: FromClause, leaf: Keyed) -> FromClause:
        """Join the one row that a keyed clause asks for, and test it."""
        alias = self.joined.get((leaf.table, leaf.name))
        if alias is None:
            alias = self._keyed_alias(leaf.table, leaf.name, f"p{len(self.joined)}")
            matching = and_(alias.c.run == self.run, alias.c.name_id == bindparam(leaf.name))
            source = _OrderedJoin(source, alias, matching)
        if leaf.test.op != "any":
            self.where.append(conditions.condition(leaf.test, alias.c, leaf.column, self.dialect))
        return source

    def _predicate(self, item: Shape) -> ColumnElement[bool]:
        match item:
            case Const(value):
                return true() if value else false()
            case AllOf(items):
                return balanced(and_, [self._predicate(each) for each in items])
            case AnyOf(items):
                return balanced(or_, [self._predicate(each) for each in items])
            case Negated(inner):
                return ~self._predicate(inner)
            case Base():
                return base_condition(item, self.runs.c, self.dialect)
            case Keyed():
                alias = self.joined.get((item.table, item.name))
                if alias is not None and item.test.op == "any":
                    return true()
                return self._keyed_exists(item.table, item.name, item)
            case Input():
                return existing(_input_rows(item, self.dialect, self.run), self.query.filter, self.dialect)

    def _keyed_exists(self, table: str, name: str, leaf: Keyed | None = None) -> ColumnElement[bool]:
        alias = KEYED_TABLES[table].alias()
        matching = [alias.c.run == self.run, alias.c.name_id == bindparam(name)]
        if leaf is not None and leaf.test.op != "any":
            matching.append(conditions.condition(leaf.test, alias.c, leaf.column, self.dialect))
        return existing(
            select(literal_column("1")).select_from(alias).where(*matching), self.query.filter, self.dialect
        )

    # ------------------------------------------------------------ the ordering
    def _sort_values(self, source: FromClause) -> tuple[FromClause, list[ColumnElement[Any]]]:
        query = self.query
        values: list[ColumnElement[Any]] = []
        for index, sort in enumerate(query.sorts):
            if index < query.missing:
                values += constants(sort, MISSING)
            elif index == query.missing and query.start == "nan":
                values += constants(sort, NAN)
            elif index == query.missing and query.start == "walk":
                values += expressions(sort, self.joined[sort.table, sort.name].c, is_present=True)
            elif sort.table:
                alias = self.joined.get((sort.table, sort.name))
                if alias is None:
                    alias = self._keyed_alias(sort.table, sort.name, f"o{index}")
                    matching = and_(alias.c.run == self.run, alias.c.name_id == bindparam(sort.name))
                    source = source.outerjoin(alias, matching)
                values += expressions(sort, alias.c)
            else:
                values += expressions(sort, self.runs.c)
        return source, values


def _leniency(item: Shape) -> int:
    """Guesses which clauses let most runs through: these are tested last."""
    if not isinstance(item, Keyed):
        return 9
    return {"eq": 0, "eq_long": 0, "in": 1, "prefix": 2, "like_range": 2, "ilike": 3, "like": 3}.get(item.test.op, 4)


def existing(rows: Select[Any], filter: Shape, dialect: str) -> ColumnElement[bool]:
    """EXISTS, which planners do not turn into one more join if the filter has many clauses."""
    found = exists(rows)
    if dialect == "sqlite" or len(conjuncts(filter)) <= MAX_PLANNED:
        return found
    return case((found, literal_column("1")), else_=literal_column("0")) == literal_column("1")


def base_condition(item: Base, columns: conditions.Columns, dialect: str) -> ColumnElement[bool]:
    """A test of the object's own column: true or false, never NULL."""
    test = conditions.condition(item.test, columns, item.column, dialect)
    return and_(columns[item.column].is_not(None), test) if item.is_nullable else test


def balanced(join: Any, items: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Joined in groups: databases limit the depth of an expression, and a long chain is a deep one."""
    while len(items) > 20:
        items = [join(*items[start : start + 20]).self_group() for start in range(0, len(items), 20)]
    result: ColumnElement[bool] = join(*items)
    return result


def _is_constant(value: ColumnElement[Any]) -> bool:
    return bool(getattr(value, "is_literal", False))


def _order(parts: Sequence[Part], values: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [
        value.desc() if part.is_descending else value
        for part, value in zip(parts, values, strict=True)
        if not _is_constant(value)
    ]


# ---------------------------------------------------------------- walks


def _walked(sort: Sort, columns: conditions.Columns) -> ColumnElement[Any]:
    value: ColumnElement[Any] = columns.head if sort.form == "split" else columns[sort.column]
    return value


def _bounds(value: ColumnElement[Any], sort: Sort, bounds: Bounds) -> list[ColumnElement[bool]]:
    begin, end = conditions.bind("begin", sort.form), conditions.bind("end", sort.form)
    found: list[ColumnElement[bool]] = []
    if bounds.begin == "at":
        found.append(value <= begin if sort.is_descending else value >= begin)
    elif bounds.begin == "behind":
        found.append(value < begin if sort.is_descending else value > begin)
    if bounds.has_end:
        found.append(value >= end if sort.is_descending else value <= end)
    return found


@lru_cache(maxsize=256)
def boundary(sort: Sort, begin: str, has_far: bool) -> Statement:
    """The value `offset` index entries behind `begin` in the walk's direction; no row if `far` comes before it."""
    table = KEYED_TABLES[sort.table] if sort.table else runs
    value = _walked(sort, table.c)
    where = [table.c.experiment_id == _EXPERIMENT, *_bounds(value, sort, Bounds(begin))]
    if has_far:
        far = conditions.bind("far", sort.form)
        where.append(value >= far if sort.is_descending else value <= far)
    where.append(table.c.name_id == bindparam(sort.name) if sort.table else table.c.lifecycle == _LIFECYCLE)
    ordered = select(value).where(*where).order_by(value.desc() if sort.is_descending else value)
    return Statement(ordered.limit(1).offset(bindparam("offset", type_=Integer())))


# ---------------------------------------------------------------- leaves to start from


def _leaf_range(leaf: Keyed, alias: FromClause, dialect: str) -> list[ColumnElement[bool]]:
    covered, _, _ = conditions.covered(leaf.test, alias.c, leaf.column, dialect)
    return [alias.c.experiment_id == _EXPERIMENT, alias.c.name_id == bindparam(leaf.name), *covered]


def _leaf_runs(leaf: Shape, dialect: str) -> Select[Any]:
    """Runs that may pass a leaf: all that do, perhaps more."""
    if isinstance(leaf, Input):
        return _input_rows(leaf, dialect, None)
    assert isinstance(leaf, Keyed)
    alias = KEYED_TABLES[leaf.table].alias()
    return select(alias.c.run.label("run")).where(*_leaf_range(leaf, alias, dialect))


def _input_rows(leaf: Input, dialect: str, run: ColumnElement[Any] | None) -> Select[Any]:
    """Inputs that pass a dataset clause: of one run, or of all runs of an experiment."""
    inputs, data = run_inputs.alias(), datasets.alias()
    is_context = leaf.column == "context"
    item = Base(leaf.column, is_context, leaf.test)
    where = [base_condition(item, inputs.c if is_context else data.c, dialect)]
    if run is not None:
        where.append(inputs.c.run == run)
        if is_context:
            return select(literal_column("1")).select_from(inputs).where(*where)
        source = _OrderedJoin(inputs, data, data.c.id == inputs.c.dataset)
        return select(literal_column("1")).select_from(source).where(*where)
    where.append(data.c.experiment_id == _EXPERIMENT)
    source = _OrderedJoin(data, inputs, data.c.id == inputs.c.dataset)
    return select(inputs.c.run.label("run")).select_from(source).where(*where).distinct()


def leaf_size(leaf: Shape, is_exact: bool, values: Mapping[str, Any]) -> tuple[Statement, dict[str, Any]]:
    """Counts the entries of an index that must be read for a leaf, up to `cap`.

    Args:
        is_exact: count only those that pass, as far as the index tells; reads all that must be read if few do.
        values: of the filter's slots.
    Returns:
        A statement that all leaves of the form share, and its values.
    """
    assert isinstance(leaf, Keyed | Input)
    slot = leaf.test.slot
    found = {f"value{name.removeprefix(slot)}": values[name] for name in _slots(slot) if name in values}
    test = structs.replace(leaf.test, slot="value")
    if isinstance(leaf, Keyed):
        found["name"] = values[leaf.name]
        return _leaf_statement(structs.replace(leaf, name="name", test=test), is_exact), found
    return _leaf_statement(structs.replace(leaf, test=test), is_exact), found


def _slots(slot: str) -> list[str]:
    return [slot + suffix for suffix in ("", "_low", "_high", "_head", "_rest", "_glob", "_escaped")]


@lru_cache(maxsize=256)
def _leaf_statement(leaf: Keyed | Input, is_exact: bool) -> Statement:
    return Statement(lambda dialect: _leaf_size(leaf, is_exact, dialect))


def _leaf_size(leaf: Keyed | Input, is_exact: bool, dialect: str) -> Select[*tuple[Any, ...]]:
    cap = bindparam("cap", type_=Integer())
    if isinstance(leaf, Input):
        return select(func.count()).select_from(_input_rows(leaf, dialect, None).limit(cap).subquery())
    table = KEYED_TABLES[leaf.table]
    where = [table.c.experiment_id == _EXPERIMENT, table.c.name_id == bindparam(leaf.name)]
    if is_exact:
        where += conditions.covered(leaf.test, table.c, leaf.column, dialect)[0]
    else:
        where += conditions.range_of(leaf.test, table.c, leaf.column, dialect)
    found: Select[Any] = select(literal_column("1")).select_from(table).where(*where)
    return select(func.count()).select_from(found.limit(cap).subquery())


@lru_cache(maxsize=256)
def runs_size(filters: tuple[Base, ...]) -> Statement:
    """How many runs of one experiment and stage of life pass these clauses, up to `cap`."""

    def construct(dialect: str) -> Select[*tuple[Any, ...]]:
        where = [base_condition(each, runs.c, dialect) for each in filters]
        found: Select[Any] = select(literal_column("1")).select_from(runs)
        found = found.where(runs.c.experiment_id == _EXPERIMENT, runs.c.lifecycle == _LIFECYCLE, *where)
        return select(func.count()).select_from(found.limit(bindparam("cap", type_=Integer())).subquery())

    return Statement(construct)


@lru_cache(maxsize=8)
def entries(table: str) -> Statement:
    """How many runs of an experiment have a key (bound as `name`); for "runs", how many it has at all."""
    if table == "runs":
        return Statement(select(func.count()).select_from(runs).where(runs.c.experiment_id == _EXPERIMENT))
    keyed = KEYED_TABLES[table]
    where = (keyed.c.experiment_id == _EXPERIMENT, keyed.c.name_id == bindparam("name"))
    return Statement(select(func.count()).select_from(keyed).where(*where))


def counting(query: RunQuery) -> RunQuery:
    return structs.replace(query, is_count=True, is_after=False, sorts=(), bounds=Bounds())
