"""Run search: which runs match, in which order, one page at a time.

On SQLite and PostgreSQL a search is planned here, by counting. For each experiment there are several ways to the same answer:

* *walk* an index in the order asked for and test each run, until the page is full: good when many runs match;
* *drive*: start from the clause that fewest runs pass, then sort: good when few match.

Which one wins depends on data, so both are tried with growing budgets: the sizes of clauses are counted up to the budget,
then so many entries are walked, then the budget grows by what the walk has shown. The work is never more than a few times
that of the better way. A page token says where in the order a page ended, so that the next one starts there.

MySQL plans the one general statement itself, and so does any database when very many experiments are searched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, structs

from millstream.entities import MAX_DOUBLE, RUN_NAME_TAG, RunStatus, ViewType
from millstream.store.database import Session
from millstream.store.search import run_query, tokens
from millstream.store.search.grammar import RUNS
from millstream.store.search.lower import (
    FALSE,
    AllOf,
    AnyOf,
    Attribute,
    Base,
    Input,
    Keyed,
    Lowering,
    Shape,
    Storage,
    Test,
    conjuncts,
)
from millstream.store.search.matches import Matches, check_max_results
from millstream.store.search.parser import parse, parse_order
from millstream.store.search.run_query import Bounds, RunQuery
from millstream.store.search.sorting import MISSING, NAN, PRESENT, Sort, checked_parts, merge, parts_of, token_values
from millstream.store.search.tree import Entity, OrderKey
from millstream.store.tables import ACTIVE, DELETED

MAX_PARTITIONS = 500
"""Most experiments that are searched one by one; more are searched in one general statement."""
PARTITIONED = ("sqlite", "postgresql")
FIRST_BUDGET = 300
"""Index entries looked at before anything is known; about 0.5 ms."""
MAX_DRIVERS, MAX_LEAVES = 8, 32
"""Most clauses of a filter that are counted, and most alternatives of one; a long filter must not cost a long plan."""
ROW_COST, MATCH_COST = 0.6, 2.5
"""Of a row that a driver gives, and of one that passes and is sorted, in walked entries (2 us; measured on 2026-11-23)."""

RUN_STORAGE = Storage(
    attributes={
        "run_id": Attribute("run_id", "text"),
        "run_name": Attribute("", "split", tag=RUN_NAME_TAG),
        "status": Attribute("status", "integer", names={status.value: status.number for status in RunStatus}),
        "artifact_uri": Attribute("artifact_uri", "text"),
        "user_id": Attribute("user_id", "text"),
        "start_time": Attribute("start_time", "integer"),
        "end_time": Attribute("end_time", "integer", is_nullable=True),
    },
    tables={
        Entity.METRIC: ("series", "last_value", "double"),
        Entity.PARAM: ("params", "head", "split"),
        Entity.TAG: ("tags", "head", "split"),
    },
)
_STATUS_RANKS = tuple((status.number, rank) for rank, status in enumerate(sorted(RunStatus)))
_LIFECYCLES = {ViewType.ACTIVE_ONLY: (ACTIVE,), ViewType.DELETED_ONLY: (DELETED,), ViewType.ALL: (ACTIVE, DELETED)}


def search_runs(
    session: Session,
    experiments: Sequence[int],
    filter: str = "",
    view_type: ViewType = ViewType.ACTIVE_ONLY,
    max_results: int = 1000,
    order_by: Sequence[str] = (),
    page_token: str = "",
    count: bool = False,
) -> Matches:
    """Runs of these experiments that pass a filter.

    Args:
        experiments: keys of experiments; those that do not exist are ignored.
        max_results: 1 to 50,000.
        page_token: of the page before, with the same `order_by`.
        count: also tell how many runs match in all.
    Raises:
        InvalidValue: anything of the above is wrong; the message says what.
    """
    check_max_results(max_results)
    experiments = list(dict.fromkeys(experiments))
    tree = parse(RUNS, filter)
    order = parse_order(RUNS, order_by)
    lowering = Lowering(RUN_STORAGE, session.find_name_id)
    shape = lowering.node(tree)
    sorts = run_sorts(order, lowering)
    name = tokens.fingerprint("runs", *order)
    token = checked_parts(parts_of(sorts), tokens.decode(page_token, name)) if page_token else None
    if not experiments or shape == FALSE:
        return Matches([], None, 0 if count else None)
    values = {**lowering.values, **{f"t{index}": value for index, value in enumerate(token or ())}}
    search = _Search(session, shape, sorts, values, token, max_results + 1)
    if session.dialect in PARTITIONED and len(experiments) <= MAX_PARTITIONS:
        parts = [_Partition(search, each, life) for each in experiments for life in _LIFECYCLES[view_type]]
        found = merge([part.rows() for part in parts], parts_of(sorts), max_results + 1)
        total = sum(part.count() for part in parts) if count else None
    else:
        found = search.everywhere(experiments, view_type)
        total = search.count_everywhere(experiments, view_type) if count else None
    page = found[:max_results]
    more = tokens.encode(name, token_values(parts_of(sorts), page[-1])) if len(found) > max_results else None
    return Matches([row[0] for row in page], more, total)


def run_sorts(order: Sequence[OrderKey], lowering: Lowering) -> tuple[Sort, ...]:
    """The keys given, then start_time DESC, then run_id; nothing behind run_id, which is unique."""
    sorts: list[Sort] = []
    for key in order:
        sorts.append(_sort(key, lowering))
        if sorts[-1].column == "run_id" and not sorts[-1].table:
            return tuple(sorts)
    if not any(sort.column == "start_time" and not sort.table for sort in sorts):
        sorts.append(Sort("integer", "start_time", is_descending=True))
    return (*sorts, Sort("text", "run_id"))


def _sort(key: OrderKey, lowering: Lowering) -> Sort:
    field, descending = key.field, key.descending
    if field.entity is Entity.ATTRIBUTE:
        attribute = RUN_STORAGE.attributes[field.key]
        if attribute.tag:
            return Sort("split", "head", descending, table="tags", name=lowering.name(attribute.tag)[0])
        if attribute.names is not None:
            return Sort("rank", attribute.column, descending, ranks=_STATUS_RANKS)
        return Sort(attribute.form, attribute.column, descending, attribute.is_nullable)
    table, column, form = RUN_STORAGE.tables[field.entity]
    if table == "series":
        is_count = field.aggregate == "count"
        column, form = ("count", "integer") if is_count else (f"{field.aggregate}_value", "double")
    return Sort(form, column, descending, table=table, name=lowering.name(field.key)[0])


class _Search(Struct, frozen=True, eq=False):
    """What is asked of every experiment."""

    session: Session
    shape: Shape
    sorts: tuple[Sort, ...]
    values: dict[str, Any]
    token: list[Any] | None
    limit: int

    def everywhere(self, experiments: Sequence[int], view_type: ViewType) -> list[tuple[Any, ...]]:
        query = self._general(view_type, self.token is not None)
        return self._run(query, experiments, view_type)

    def count_everywhere(self, experiments: Sequence[int], view_type: ViewType) -> int:
        query = run_query.counting(self._general(view_type, False))
        return int(self._run(query, experiments, view_type)[0][0])

    def _general(self, view_type: ViewType, is_after: bool) -> RunQuery:
        has_lifecycle = view_type is not ViewType.ALL
        return RunQuery("runs", self.shape, self.sorts, is_after=is_after, has_lifecycle=has_lifecycle, is_many=True)

    def _run(self, query: RunQuery, experiments: Sequence[int], view_type: ViewType) -> list[tuple[Any, ...]]:
        return self.session.rows(
            run_query.rows(query),
            **self.values,
            experiments=experiments,
            lifecycle=_LIFECYCLES[view_type][0],
            limit=self.limit,
        )


class _Driver(Struct, frozen=True):
    """Leaves of the filter of which each match passes at least one; none for the runs of the partition themselves."""

    leaves: tuple[Shape, ...] = ()


class _Phase(Struct):
    """A stretch of the order that one kind of query answers; `begin` moves on as it is walked."""

    query: RunQuery
    walk: Sort | None  # None: answered as a whole
    begin: Any = None
    far: Any = None  # behind this value the filter lets nothing through
    is_done: bool = False


class _Partition:
    """The runs of one experiment in one stage of life."""

    def __init__(self, search: _Search, experiment: int, lifecycle: int) -> None:
        self.search = search
        self.session = search.session
        self.values = {**search.values, "experiment": experiment, "lifecycle": lifecycle, "limit": search.limit}
        items = conjuncts(search.shape)
        self.own = tuple(item for item in items if isinstance(item, Base) and item.column in ("run_id", "start_time"))
        found = sorted((leaves for item in items if (leaves := _leaves(item))), key=_rank_of_leaves)
        short = [_Driver(leaves) for leaves in found if len(leaves) <= MAX_LEAVES]
        self.drivers = [_Driver(), *short[:MAX_DRIVERS]]
        self.sizes: dict[_Driver, tuple[int, int]] = {}  # and up to how many were counted

    # ------------------------------------------------------------ the page
    def rows(self) -> list[tuple[Any, ...]]:
        """The first `limit` runs behind the token: (key, *parts of the sorts)."""
        search = self.search
        phases = self._phases()
        phase = next(phases, None)
        is_walkable = phase is not None
        found: list[tuple[Any, ...]] = []
        budget, walked = max(FIRST_BUDGET, search.limit), 0
        worth = 3 * budget  # what starting from a clause may cost, in walked entries
        while True:
            driver = self._cheapest(worth)
            if driver is not None:
                return self._driven(driver)
            if not is_walkable:
                worth *= 8
                continue
            before = len(found)
            while phase is not None:
                found += self._burst(phase, budget, search.limit - len(found))
                if len(found) >= search.limit:
                    return found
                if not phase.is_done:
                    break
                phase = next(phases, None)
            else:
                return found
            walked += budget
            gain = len(found) - before
            # at the rate of this stretch, so many entries fill the page; if it gave nothing, nobody knows
            needed = (search.limit - len(found)) * budget // gain if gain else 8 * walked
            worth = max(worth, needed)
            budget = min(max(needed, walked), 4 * walked)

    def _driven(self, driver: _Driver) -> list[tuple[Any, ...]]:
        start = "leaf" if driver.leaves else "runs"
        search = self.search
        query = RunQuery(start, search.shape, search.sorts, leaves=driver.leaves, is_after=search.token is not None)
        return self.session.rows(run_query.rows(query), **self.values)

    def _burst(self, phase: _Phase, budget: int, limit: int) -> list[tuple[Any, ...]]:
        """Matches among the next `budget` entries of a phase (and those that tie with the last)."""
        query, values = phase.query, {**self.values, "limit": limit}
        if phase.walk is None:
            phase.is_done = True
            return self.session.rows(run_query.rows(query), **values)
        values["begin"], values["far"] = phase.begin, phase.far
        boundary = run_query.boundary(phase.walk, query.bounds.begin, phase.far is not None)
        end = self.session.row(boundary, **values, offset=budget)
        if end is None:
            phase.is_done = True
        else:
            values["end"] = end[0]
            query = structs.replace(query, bounds=Bounds(query.bounds.begin, True))
        found = self.session.rows(run_query.rows(query), **values)
        if end is not None:
            phase.begin = end[0]
            phase.query = structs.replace(query, bounds=Bounds("behind"), is_after=False)
        return found

    # ------------------------------------------------------------ walking
    def _phases(self) -> Iterator[_Phase]:
        """The order, cut where it changes its nature: a key has values, is NaN, is missing."""
        search, token = self.search, self.search.token
        offset = 0
        for index, sort in enumerate(search.sorts):
            query = RunQuery("walk", search.shape, search.sorts, missing=index)
            if not sort.table:
                yield from self._last_phase(query, sort, token, offset)
                return
            if not _has_index(sort):
                if index:
                    yield _Phase(structs.replace(query, start="runs", is_after=token is not None), None)
                return
            rank = PRESENT if token is None else token[offset]
            if rank == PRESENT:
                yield self._walk(query, sort, None if token is None else token[offset + 1])
                token = None
            if sort.form == "double" and rank <= NAN:
                yield _Phase(structs.replace(query, start="nan", is_after=token is not None), None)
                token = None
            if rank < MISSING and (self._tests_of(sort) or self._is_complete(sort)):
                return
            offset += len(sort.parts)

    def _last_phase(self, query: RunQuery, sort: Sort, token: list[Any] | None, offset: int) -> Iterator[_Phase]:
        query = structs.replace(query, start="runs")
        if sort.column == "start_time":
            yield self._walk(query, sort, None if token is None else token[offset])
        elif query.missing:
            yield _Phase(structs.replace(query, is_after=token is not None), None)

    def _walk(self, query: RunQuery, sort: Sort, value: Any) -> _Phase:
        """A walk from the token's value on, or from the first value that the filter lets through."""
        low, high = self._range_of(sort)
        first, far = (high, low) if sort.is_descending else (low, high)
        if value is not None:
            return _Phase(structs.replace(query, bounds=Bounds("at"), is_after=True), sort, value, far)
        if first is None:
            return _Phase(query, sort, None, far)
        return _Phase(structs.replace(query, bounds=Bounds("at")), sort, first, far)

    def _range_of(self, sort: Sort) -> tuple[Any, Any]:
        """The least and the greatest value of a key that the filter may let through; None for no limit."""
        # a number has limits at least, so that its walk does not begin in the NaNs
        low, high = (-MAX_DOUBLE, MAX_DOUBLE) if sort.form == "double" else (None, None)
        for test in self._tests_of(sort):
            value = self.values.get(test.slot)
            if test.op in ("prefix", "like_range"):
                below, above = self.values[f"{test.slot}_low"], self.values[f"{test.slot}_high"]
            elif test.op in ("eq", "gt", "ge", "lt", "le"):
                below = value if test.op in ("eq", "gt", "ge") else None
                above = value if test.op in ("eq", "lt", "le") else None
            else:
                continue
            low = below if low is None else low if below is None else max(low, below)
            high = above if high is None else high if above is None else min(high, above)
        return low, high

    def _tests_of(self, sort: Sort) -> list[Test]:
        """The tests that every match passes with the value that it is sorted by."""
        own = ("", "", sort.column) if not sort.table else (sort.table, sort.name, sort.column)
        found: list[Test] = []
        for item in conjuncts(self.search.shape):
            match item:
                case Keyed(table, name, column, test) if (table, name, column) == own:
                    found.append(test)
                case Base(column, _, test) if ("", "", column) == own:
                    found.append(test)
        return found

    def _is_complete(self, sort: Sort) -> bool:
        """No run of the experiment lacks the key: much cheaper to count than to look for those that do."""
        having = self.session.row(run_query.entries(sort.table), **self.values, name=self.values[sort.name])
        return having == self.session.row(run_query.entries("runs"), **self.values)

    # ------------------------------------------------------------ driving
    def _cheapest(self, worth: int) -> _Driver | None:
        """The driver that costs least, if that is less than `worth` walked entries."""
        cap = int(worth / ROW_COST) + 1
        sizes = {driver: self._size(driver, cap) for driver in self.drivers}
        everything = max(sizes[self.drivers[0]], 1)
        best, least = None, float(worth)
        for driver, size in sizes.items():
            passing = float(size)
            for other in self.drivers[1:]:  # as if clauses had nothing to do with each other
                if other is not driver:
                    passing *= min(1.0, sizes[other] / everything)
            cost = ROW_COST * size + MATCH_COST * passing
            if size < cap and cost < least:
                best, least = driver, cost
        return best

    def _size(self, driver: _Driver, most: int) -> int:
        """How many runs a driver gives; `most` or more if it is not fewer."""
        size, counted = self.sizes.get(driver, (0, 0))
        if size >= counted < most:  # was more than could be seen; look further
            size = self._counted(driver, most)
            self.sizes[driver] = (size, most)
        return size

    def _counted(self, driver: _Driver, most: int) -> int:
        if not driver.leaves:
            row = self.session.row(run_query.runs_size(self.own), **self.values, cap=most)
            return int(row[0]) if row else 0
        size = 0
        for leaf in driver.leaves:
            # entries that the index alone turns down cost a tenth of those that pass
            if _turns_down(leaf) and self._leaf_size(leaf, False, 10 * most) >= 10 * most:
                return most
            size += self._leaf_size(leaf, True, most)
            if size >= most:
                break
        return size

    def _leaf_size(self, leaf: Shape, is_exact: bool, cap: int) -> int:
        statement, values = run_query.leaf_size(leaf, is_exact, self.values)
        row = self.session.row(statement, **values, experiment=self.values["experiment"], cap=cap)
        return int(row[0]) if row else 0

    # ------------------------------------------------------------ counting
    def count(self) -> int:
        """How many runs match in all."""
        driver = self.drivers[0]
        if len(self.drivers) > 1:
            worth = 1000
            while (best := self._cheapest(worth)) is None:
                worth *= 10
            driver = best
        query = RunQuery("leaf" if driver.leaves else "runs", self.search.shape, (), leaves=driver.leaves)
        row = self.session.row(run_query.rows(run_query.counting(query)), **self.values)
        return int(row[0]) if row else 0


def _has_index(sort: Sort) -> bool:
    return sort.table != "series" or sort.column == "last_value"


def _turns_down(leaf: Shape) -> bool:
    """Whether an index holds enough to reject entries of a leaf that its range lets through."""
    return isinstance(leaf, Keyed) and leaf.test.op in ("ne", "not_in", "like", "ilike", "like_range")


def _leaves(item: Shape) -> tuple[Shape, ...]:
    """Leaves of which each match of a part of the filter passes at least one; empty if there are none to start from."""
    if isinstance(item, Keyed | Input):
        return (item,)
    if isinstance(item, AnyOf):
        groups = [_leaves(each) for each in item.items]
        return tuple(leaf for group in groups for leaf in group) if all(groups) else ()
    if isinstance(item, AllOf):
        groups = [group for each in item.items if (group := _leaves(each))]
        return min(groups, key=_rank_of_leaves, default=())
    return ()


def _rank_of_leaves(leaves: tuple[Shape, ...]) -> tuple[int, int]:
    equal = all(isinstance(leaf, Keyed) and leaf.test.op in ("eq", "eq_long", "in", "prefix") for leaf in leaves)
    return (0 if equal else 1, len(leaves))
