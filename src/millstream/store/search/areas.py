"""Search of experiments, logged models, registered models and model versions: one statement each, planned by the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
)

from millstream.entities import PROMPT_TAG, LoggedModelStatus, ViewType
from millstream.errors import InvalidValue
from millstream.store.database import Session
from millstream.store.search import conditions, tokens
from millstream.store.search.grammar import EXPERIMENTS, LOGGED_MODELS, MODEL_VERSIONS, REGISTERED_MODELS, Grammar
from millstream.store.search.lower import (
    FALSE,
    AllOf,
    AnyOf,
    Attribute,
    Base,
    Const,
    Input,
    Keyed,
    Lowering,
    Negated,
    Shape,
    Storage,
    all_of,
    negated,
)
from millstream.store.search.matches import Matches, check_max_results
from millstream.store.search.parser import MAX_ORDER_KEYS, parse, parse_field, parse_order
from millstream.store.search.run_query import balanced, base_condition, existing
from millstream.store.search.sorting import Sort, after, checked_parts, expressions, parts_of, token_values
from millstream.store.search.tree import And, Clause, Entity, Field, Node, Not, Op, Or, OrderKey
from millstream.store.statement import Statement
from millstream.store.tables import (
    ACTIVE,
    DELETED,
    experiment_tags,
    experiments,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
)

if TYPE_CHECKING:
    from millstream.api.logged_models import DatasetFilter, ModelOrder

MAX_DATASETS = 100
"""Most datasets that one search of logged models names."""


class Area(Struct, frozen=True, eq=False):
    """One area: its rows, the tables of their keys with the column that names the owner, and its orders.

    `tie` follows explicit order clauses, `default` stands where there are none; both end with something unique.
    """

    grammar: Grammar
    table: Table
    columns: Mapping[str, ColumnElement[Any]]
    keyed: Mapping[str, tuple[Table, str]]
    storage: Storage
    sorts: Mapping[str, Sort]
    default: tuple[Sort, ...]
    tie: tuple[Sort, ...]
    has_lifecycle: bool = False


def _tag_storage(attributes: Mapping[str, Attribute], prompt_tag: str = "") -> Storage:
    return Storage(attributes=attributes, tables={Entity.TAG: ("tags", "value", "text")}, prompt_tag=prompt_tag)


EXPERIMENT_AREA = Area(
    grammar=EXPERIMENTS,
    table=experiments,
    columns=dict(experiments.c.items()),
    keyed={"tags": (experiment_tags, "experiment_id")},
    storage=_tag_storage(
        {
            "name": Attribute("name", "text"),
            "experiment_id": Attribute("id", "integer"),
            "creation_time": Attribute("creation_time", "integer"),
            "last_update_time": Attribute("last_update_time", "integer"),
        }
    ),
    sorts={
        "name": Sort("text", "name"),
        "experiment_id": Sort("integer", "id"),
        "creation_time": Sort("integer", "creation_time"),
        "last_update_time": Sort("integer", "last_update_time"),
    },
    default=(Sort("integer", "creation_time", is_descending=True), Sort("integer", "id")),
    tie=(Sort("integer", "id", is_descending=True),),
    has_lifecycle=True,
)

REGISTERED_MODEL_AREA = Area(
    grammar=REGISTERED_MODELS,
    table=registered_models,
    columns=dict(registered_models.c.items()),
    keyed={"tags": (registered_model_tags, "model")},
    storage=_tag_storage({"name": Attribute("name", "text")}, PROMPT_TAG),
    sorts={"name": Sort("text", "name"), "last_updated_timestamp": Sort("integer", "last_update_time")},
    default=(Sort("text", "name"),),
    tie=(Sort("text", "name"),),
)

_VERSION_TIE = (Sort("text", "name"), Sort("integer", "version", is_descending=True))

MODEL_VERSION_AREA = Area(
    grammar=MODEL_VERSIONS,
    table=model_versions,
    columns=dict(model_versions.c.items()),
    keyed={"tags": (model_version_tags, "version")},
    storage=_tag_storage(
        {
            "name": Attribute("name", "text"),
            "run_id": Attribute("run_id", "text"),
            "source_path": Attribute("source", "text"),
            "version_number": Attribute("version", "integer"),
        },
        PROMPT_TAG,
    ),
    sorts={
        "name": Sort("text", "name"),
        "version_number": Sort("integer", "version"),
        "creation_timestamp": Sort("integer", "creation_time"),
        "last_updated_timestamp": Sort("integer", "last_update_time"),
    },
    default=(Sort("integer", "last_update_time", is_descending=True), *_VERSION_TIE),
    tie=_VERSION_TIE,
)


def _status_names() -> dict[str, int]:
    names = {status.value: status.number for status in LoggedModelStatus}
    short = ("UNSPECIFIED", "PENDING", "READY", "FAILED", "UPLOAD_FAILED")
    return {**names, **{name: LoggedModelStatus(name).number for name in short}}


LOGGED_MODEL_AREA = Area(
    grammar=LOGGED_MODELS,
    table=logged_models,
    columns=dict(logged_models.c.items()),
    keyed={
        "params": (logged_model_params, "model"),
        "tags": (logged_model_tags, "model"),
        "metrics": (logged_model_metrics, "model"),
    },
    storage=Storage(
        attributes={
            "name": Attribute("name", "text"),
            "model_id": Attribute("model_id", "text"),
            "model_type": Attribute("model_type", "text"),
            "source_run_id": Attribute("source_run_id", "text"),
            "status": Attribute("status", "integer", names=_status_names()),
            "creation_timestamp": Attribute("creation_time", "integer"),
            "last_updated_timestamp": Attribute("last_update_time", "integer"),
        },
        tables={
            Entity.METRIC: ("metrics", "value", "double"),
            Entity.PARAM: ("params", "value", "text"),
            Entity.TAG: ("tags", "value", "text"),
        },
    ),
    sorts={
        "name": Sort("text", "name"),
        "model_id": Sort("text", "model_id"),
        "model_type": Sort("text", "model_type"),
        "source_run_id": Sort("text", "source_run_id"),
        "status": Sort("integer", "status"),
        "creation_timestamp": Sort("integer", "creation_time"),
        "last_updated_timestamp": Sort("integer", "last_update_time"),
    },
    default=(Sort("integer", "creation_time", is_descending=True), Sort("text", "model_id")),
    tie=(Sort("integer", "creation_time", is_descending=True), Sort("text", "model_id")),
    has_lifecycle=True,
)

_LIFECYCLE = {ViewType.ACTIVE_ONLY: ACTIVE, ViewType.DELETED_ONLY: DELETED, ViewType.ALL: None}


class _On(Struct, frozen=True):
    """A restriction to datasets: for each, the slot of its name (the digest's is that and `d`) and whether it has a digest."""

    datasets: tuple[tuple[str, bool], ...] = ()


class AreaQuery(Struct, frozen=True):
    """The form of a query. `sort_on` restricts the metric of a sort to a dataset, by the sort's place."""

    area: Area
    filter: Shape
    sorts: tuple[Sort, ...]
    on: _On = _On()
    sort_on: tuple[_On, ...] = ()
    needs_metric: bool = False  # on one of the datasets
    has_lifecycle: bool = False
    has_experiments: bool = False
    is_after: bool = False
    is_count: bool = False


# ---------------------------------------------------------------- the four searches


def search_experiments(
    session: Session,
    filter: str = "",
    view_type: ViewType = ViewType.ACTIVE_ONLY,
    max_results: int = 1000,
    order_by: Sequence[str] = (),
    page_token: str = "",
    count: bool = False,
) -> Matches:
    """Experiments that pass a filter; the arguments are as of `search_runs`."""
    area = EXPERIMENT_AREA
    check_max_results(max_results)
    lowering = Lowering(area.storage, session.find_name_id)
    shape = lowering.node(parse(area.grammar, filter))
    query = AreaQuery(area, shape, _sorts(area, parse_order(area.grammar, order_by)))
    if _LIFECYCLE[view_type] is not None:
        lowering.values["lifecycle"] = _LIFECYCLE[view_type]
        query = structs.replace(query, has_lifecycle=True)
    return _page(session, query, lowering.values, ("experiments", *order_by), max_results, page_token, count)


def search_registered_models(
    session: Session,
    filter: str = "",
    max_results: int = 100,
    order_by: Sequence[str] = (),
    page_token: str = "",
    count: bool = False,
) -> Matches:
    """Registered models that pass a filter; prompts only if the filter asks for them. At most 1,000 a page."""
    check_max_results(max_results, 1000)
    return _search_registry(session, REGISTERED_MODEL_AREA, filter, max_results, order_by, page_token, count)


def search_model_versions(
    session: Session,
    filter: str = "",
    max_results: int = 10_000,
    order_by: Sequence[str] = (),
    page_token: str = "",
    count: bool = False,
) -> Matches:
    """Model versions that pass a filter; those of prompts only if the filter asks for them. At most 200,000 a page."""
    check_max_results(max_results, 200_000)
    return _search_registry(session, MODEL_VERSION_AREA, filter, max_results, order_by, page_token, count)


def _search_registry(
    session: Session,
    area: Area,
    filter: str,
    max_results: int,
    order_by: Sequence[str],
    page_token: str,
    count: bool,
) -> Matches:
    tree = parse(area.grammar, filter)
    lowering = Lowering(area.storage, session.find_name_id)
    shape = lowering.node(tree)
    if not _mentions(tree, lambda field: field.key == PROMPT_TAG):
        is_prompt = lowering.clause(Clause(Field(Entity.TAG, PROMPT_TAG), Op.EQ, "true"))
        shape = all_of([shape, negated(is_prompt)])
    query = AreaQuery(area, shape, _sorts(area, parse_order(area.grammar, order_by)))
    return _page(session, query, lowering.values, (area.grammar.area, *order_by), max_results, page_token, count)


def search_logged_models(
    session: Session,
    experiments: Sequence[int],
    filter: str = "",
    datasets: Sequence[DatasetFilter] = (),
    order_by: Sequence[ModelOrder] = (),
    max_results: int = 50,
    page_token: str = "",
    count: bool = False,
) -> Matches:
    """Logged models of these experiments that pass a filter; deleted ones are not found.

    A clause on a metric looks at every point of that name, of the given datasets only if there are any; without such a
    clause, models that have some metric on one of the datasets are found.
    """
    area = LOGGED_MODEL_AREA
    check_max_results(max_results)
    if len(order_by) > MAX_ORDER_KEYS:
        raise InvalidValue(f"order_by has {len(order_by)} clauses; at most {MAX_ORDER_KEYS} are possible.")
    if len(datasets) > MAX_DATASETS:
        raise InvalidValue(f"{len(datasets)} datasets are named; at most {MAX_DATASETS} are possible.")
    experiments = list(dict.fromkeys(experiments))
    tree = parse(area.grammar, filter)
    lowering = Lowering(area.storage, session.find_name_id)
    shape = lowering.node(tree)
    sorts, sort_on = _model_sorts(order_by, lowering)
    has_metric = _mentions(tree, lambda field: field.entity is Entity.METRIC)
    query = AreaQuery(
        area,
        shape,
        sorts,
        on=_on(((each.dataset_name, each.dataset_digest) for each in datasets), lowering),
        sort_on=sort_on,
        needs_metric=bool(datasets) and not has_metric,
        has_lifecycle=True,
        has_experiments=True,
    )
    lowering.values.update(lifecycle=ACTIVE, experiments=experiments)
    name = ("logged models", sorted(experiments), filter, *map(repr, datasets), *map(repr, order_by))
    if not experiments:
        query = structs.replace(query, filter=FALSE)
    return _page(session, query, lowering.values, name, max_results, page_token, count)


def _model_sorts(order_by: Sequence[ModelOrder], lowering: Lowering) -> tuple[tuple[Sort, ...], tuple[_On, ...]]:
    sorts: list[Sort] = []
    places: list[_On] = []
    seen: set[tuple[Field, str, str]] = set()
    for number, each in enumerate(order_by, 1):
        field = parse_field(LOGGED_MODELS, each.field_name, f"order_by {number}")
        if (field, each.dataset_name, each.dataset_digest) in seen:
            raise InvalidValue(f"order_by {number}: {field} was given before. Name each field once.")
        seen.add((field, each.dataset_name, each.dataset_digest))
        if field.entity is Entity.METRIC:
            slot, _ = lowering.name(field.key)
            sorts.append(Sort("double", "value", not each.ascending, table="metrics", name=slot))
        else:
            sorts.append(structs.replace(LOGGED_MODEL_AREA.sorts[field.key], is_descending=not each.ascending))
        is_limited = bool(each.dataset_name) and field.entity is Entity.METRIC
        places.append(_on([(each.dataset_name, each.dataset_digest)] if is_limited else [], lowering))
    full = _with_tie(LOGGED_MODEL_AREA, sorts)
    return full, tuple(places) + (_On(),) * (len(full) - len(places))


def _on(datasets: Iterable[tuple[str, str]], lowering: Lowering) -> _On:
    found = []
    for name, digest in datasets:
        slot = lowering.slot(name)
        lowering.values[f"{slot}d"] = digest
        found.append((slot, bool(digest)))
    return _On(tuple(found))


def _sorts(area: Area, order: Sequence[OrderKey]) -> tuple[Sort, ...]:
    if not order:
        return area.default
    return _with_tie(area, [structs.replace(area.sorts[key.field.key], is_descending=key.descending) for key in order])


def _with_tie(area: Area, sorts: Sequence[Sort]) -> tuple[Sort, ...]:
    given = {(sort.table, sort.column) for sort in sorts if not sort.table}
    return (*sorts, *(sort for sort in area.tie if (sort.table, sort.column) not in given))


def _mentions(node: Node, test: Callable[[Field], bool]) -> bool:
    """Whether any clause is about such a field."""
    match node:
        case Clause():
            return test(node.field)
        case Not(item):
            return _mentions(item, test)
        case And(items) | Or(items):
            return any(_mentions(item, test) for item in items)


def _page(
    session: Session,
    query: AreaQuery,
    values: dict[str, Any],
    name: tuple[object, ...],
    max_results: int,
    page_token: str,
    count: bool,
) -> Matches:
    parts = parts_of(query.sorts)
    search = tokens.fingerprint(*name)
    if page_token:
        token = checked_parts(parts, tokens.decode(page_token, search))
        values = {**values, **{f"t{index}": value for index, value in enumerate(token)}}
    if query.filter == FALSE:
        return Matches([], None, 0 if count else None)
    found = session.rows(_rows(structs.replace(query, is_after=bool(page_token))), **values, limit=max_results + 1)
    total = None
    if count:
        (row,) = session.rows(_rows(structs.replace(query, is_count=True)), **values)
        total = int(row[0])
    page = found[:max_results]
    more = tokens.encode(search, token_values(parts, page[-1])) if len(found) > max_results else None
    return Matches([row[0] for row in page], more, total)


# ---------------------------------------------------------------- statements


@lru_cache(maxsize=512)
def _rows(query: AreaQuery) -> Statement:
    return Statement(lambda dialect: _Builder(query, dialect).build())


class _Builder:
    def __init__(self, query: AreaQuery, dialect: str) -> None:
        self.query = query
        self.area = query.area
        self.dialect = dialect
        self.key: ColumnElement[Any] = query.area.table.c.id

    def build(self) -> Select[Any]:
        query, area = self.query, self.area
        source: FromClause = area.table
        where = [self._predicate(query.filter)]
        if query.needs_metric:
            points = logged_model_metrics.alias()
            where.append(
                exists(select(literal_column("1")).where(points.c.model == self.key, _is_on(points, query.on)))
            )
        if query.has_lifecycle:
            where.append(area.table.c.lifecycle == bindparam("lifecycle", type_=Integer()))
        if query.has_experiments:
            chosen = bindparam("experiments", type_=BigInteger(), expanding=True)
            where.append(area.table.c.experiment_id.in_(chosen))
        if query.is_count:
            return select(func.count()).select_from(source).where(*where)
        values: list[ColumnElement[Any]] = []
        for index, sort in enumerate(query.sorts):
            if sort.table:
                point = logged_model_metrics.alias(f"o{index}")
                source = source.outerjoin(point, point.c.id == self._latest(sort, query.sort_on[index]))
                values += expressions(sort, point.c)
            else:
                values += expressions(sort, area.columns)
        parts = parts_of(query.sorts)
        if query.is_after:
            where.append(after(parts, list(values), [f"t{index}" for index in range(len(parts))]))
        order = [value.desc() if part.is_descending else value for part, value in zip(parts, values, strict=True)]
        found = select(self.key, *values).select_from(source).where(*where).order_by(*order)
        return found.limit(bindparam("limit", type_=Integer()))

    def _latest(self, sort: Sort, on: _On) -> ColumnElement[Any]:
        """Key of a model's newest point of a metric."""
        point = logged_model_metrics.alias()
        where = [point.c.model == self.key, point.c.name_id == bindparam(sort.name), _is_on(point, on)]
        newest = (point.c.timestamp.desc(), point.c.step.desc(), point.c.id.desc())
        return select(point.c.id).where(*where).order_by(*newest).limit(1).correlate(self.area.table).scalar_subquery()

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
                return base_condition(item, self.area.columns, self.dialect)
            case Keyed():
                table, owner = self.area.keyed[item.table]
                alias = table.alias()
                where = [alias.c[owner] == self.key, alias.c.name_id == bindparam(item.name)]
                if item.test.op != "any":
                    where.append(conditions.condition(item.test, alias.c, item.column, self.dialect))
                if item.table == "metrics":
                    where.append(_is_on(alias, self.query.on))
                rows: Select[Any] = select(literal_column("1")).select_from(alias).where(*where)
                return existing(rows, self.query.filter, self.dialect)
            case Input():
                raise AssertionError("only runs have inputs")


def _is_on(points: FromClause, on: _On) -> ColumnElement[bool]:
    """A point belongs to one of the datasets; always so if there are none."""
    if not on.datasets:
        return true()
    found = []
    for slot, has_digest in on.datasets:
        is_named = points.c.dataset_name == bindparam(slot, type_=Text())
        is_same = points.c.dataset_digest == bindparam(f"{slot}d", type_=Text())
        found.append(and_(is_named, is_same) if has_digest else is_named)
    return or_(*found)
