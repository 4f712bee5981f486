"""The five grammars as tables: which fields each area has, under which names, and what may be done with them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field

from millstream.store.search.tree import AGGREGATES, Entity, Op


class Kind(Enum):
    """What a field holds: decides how its values are written and which operators it has."""

    TEXT = "text in quotes"
    TEXT_OR_WORD = "text"  # quotes may be left out
    NUMBER = "a number"
    INTEGER = "a whole number"
    INTEGER_OR_TEXT = "a whole number, with or without quotes"
    INTEGER_TEXT = "a whole number in quotes"
    STATUS = "a status"  # by name in quotes or by number


_EVERY = frozenset({Op.EQ, Op.NE, Op.IN, Op.NOT_IN, Op.IS_NULL, Op.NOT_NULL})
_TEXT = _EVERY | {Op.LIKE, Op.ILIKE}
_NUMBER = _EVERY | {Op.LT, Op.LE, Op.GT, Op.GE}

OPERATORS: Mapping[Kind, frozenset[Op]] = {
    Kind.TEXT: _TEXT,
    Kind.TEXT_OR_WORD: _TEXT,
    Kind.NUMBER: _NUMBER,
    Kind.INTEGER: _NUMBER,
    Kind.INTEGER_OR_TEXT: _NUMBER,
    Kind.INTEGER_TEXT: _EVERY,
    Kind.STATUS: _TEXT | _NUMBER,
}

_ATTRIBUTE_NAMES = ("attributes", "attribute", "attr")
_TAG_NAMES = ("tags", "tag")
_PARAM_NAMES = ("params", "param", "parameters", "parameter")
_METRIC_NAMES = ("metrics", "metric")
_DATASET_NAMES = ("datasets", "dataset")


class Grammar(Struct, frozen=True, eq=False):
    """One area. An attribute's aliases lead to its own name."""

    area: str
    attributes: Mapping[str, Kind]
    entities: Mapping[str, Entity]
    keyed: Mapping[Entity, Kind]
    order_attributes: frozenset[str]
    aliases: Mapping[str, str] = field(default_factory=dict)
    order_aliases: Mapping[str, str] = field(default_factory=dict)
    order_entities: frozenset[Entity] = frozenset()
    dataset_fields: frozenset[str] = frozenset()
    aggregates: tuple[str, ...] = ()
    ignores_repeated_order: bool = False  # else a field given twice is an error

    @property
    def entity_names(self) -> str:
        return ", ".join(dict.fromkeys(str(entity) for entity in self.entities.values()))


def _entities(*groups: tuple[Entity, tuple[str, ...]]) -> dict[str, Entity]:
    return {name: entity for entity, names in groups for name in names}


_CREATED = {"created": "start_time", "Created": "start_time"}

RUNS = Grammar(
    area="runs",
    attributes={
        "run_id": Kind.TEXT,
        "run_name": Kind.TEXT,
        "status": Kind.TEXT,
        "artifact_uri": Kind.TEXT,
        "user_id": Kind.TEXT,
        "start_time": Kind.NUMBER,
        "end_time": Kind.NUMBER,
    },
    aliases={**_CREATED, "run name": "run_name", "Run name": "run_name", "Run Name": "run_name"},
    entities=_entities(
        (Entity.ATTRIBUTE, (*_ATTRIBUTE_NAMES, "run")),
        (Entity.METRIC, _METRIC_NAMES),
        (Entity.PARAM, _PARAM_NAMES),
        (Entity.TAG, _TAG_NAMES),
        (Entity.DATASET, _DATASET_NAMES),
    ),
    keyed={
        Entity.METRIC: Kind.NUMBER,
        Entity.PARAM: Kind.TEXT,
        Entity.TAG: Kind.TEXT,
        Entity.DATASET: Kind.TEXT,
    },
    dataset_fields=frozenset({"name", "digest", "context"}),
    aggregates=AGGREGATES,
    order_attributes=frozenset({"run_id", "run_name", "status", "artifact_uri", "user_id", "start_time", "end_time"}),
    order_aliases=_CREATED,
    order_entities=frozenset({Entity.METRIC, Entity.PARAM, Entity.TAG}),
)

EXPERIMENTS = Grammar(
    area="experiments",
    attributes={
        "name": Kind.TEXT,
        "experiment_id": Kind.INTEGER_TEXT,
        "creation_time": Kind.INTEGER,
        "last_update_time": Kind.INTEGER,
    },
    entities=_entities((Entity.ATTRIBUTE, _ATTRIBUTE_NAMES), (Entity.TAG, _TAG_NAMES)),
    keyed={Entity.TAG: Kind.TEXT},
    order_attributes=frozenset({"name", "experiment_id", "creation_time", "last_update_time"}),
    ignores_repeated_order=True,
)

REGISTERED_MODELS = Grammar(
    area="registered models",
    attributes={"name": Kind.TEXT},
    entities=_entities((Entity.ATTRIBUTE, _ATTRIBUTE_NAMES), (Entity.TAG, _TAG_NAMES)),
    keyed={Entity.TAG: Kind.TEXT},
    order_attributes=frozenset({"name", "last_updated_timestamp"}),
    order_aliases={"timestamp": "last_updated_timestamp"},
)

MODEL_VERSIONS = Grammar(
    area="model versions",
    attributes={
        "name": Kind.TEXT,
        "run_id": Kind.TEXT,
        "source_path": Kind.TEXT,
        "version_number": Kind.INTEGER_OR_TEXT,
    },
    entities=_entities((Entity.ATTRIBUTE, _ATTRIBUTE_NAMES), (Entity.TAG, _TAG_NAMES)),
    keyed={Entity.TAG: Kind.TEXT},
    order_attributes=frozenset({"name", "version_number", "creation_timestamp", "last_updated_timestamp"}),
)

_MODEL_TIMES = {
    "creation_time": "creation_timestamp",
    "creation_timestamp_ms": "creation_timestamp",
    "last_updated_time": "last_updated_timestamp",
    "last_updated_timestamp_ms": "last_updated_timestamp",
    "last_update_time": "last_updated_timestamp",
}

LOGGED_MODELS = Grammar(
    area="logged models",
    attributes={
        "name": Kind.TEXT,
        "model_id": Kind.TEXT,
        "model_type": Kind.TEXT,
        "source_run_id": Kind.TEXT,
        "status": Kind.STATUS,
        "creation_timestamp": Kind.NUMBER,
        "last_updated_timestamp": Kind.NUMBER,
    },
    aliases=_MODEL_TIMES,
    entities=_entities(
        (Entity.ATTRIBUTE, _ATTRIBUTE_NAMES),
        (Entity.METRIC, _METRIC_NAMES),
        (Entity.PARAM, _PARAM_NAMES),
        (Entity.TAG, _TAG_NAMES),
    ),
    keyed={Entity.METRIC: Kind.NUMBER, Entity.PARAM: Kind.TEXT_OR_WORD, Entity.TAG: Kind.TEXT_OR_WORD},
    order_attributes=frozenset(
        {"name", "model_id", "model_type", "source_run_id", "status", "creation_timestamp", "last_updated_timestamp"}
    ),
    order_aliases=_MODEL_TIMES,
    order_entities=frozenset({Entity.METRIC}),
)

GRAMMARS = {grammar.area: grammar for grammar in (RUNS, EXPERIMENTS, REGISTERED_MODELS, MODEL_VERSIONS, LOGGED_MODELS)}
