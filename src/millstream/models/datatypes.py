"""The types a value can have in a signature: eight scalar types, arrays, objects, maps, "any" and Spark's vectors.

Names, order of arguments and the JSON forms are those of MLflow's `mlflow.types`. Types are values: they are compared by
what they say, and none of them changes once it is made.

Where a constructor takes a type it also takes the name of a scalar one; the signatures that say so to type checkers stand
beside the fields, which always hold types.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct
from msgspec.structs import force_setattr

from millstream.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

MAX_DEPTH = 100
"""How deep types may nest in JSON; nobody's data is deeper, hostile files are."""


class Inexpressible(InvalidValue):
    """Values of types that have no place in a schema, or of several types in one column."""


class DataType(Enum):
    """The scalar types; `DataType["long"]` and `DataType.long` are the same. Their order is MLflow's."""

    boolean = 1
    integer = 2
    long = 3
    float = 4
    double = 5
    string = 6
    binary = 7
    datetime = 8

    def __repr__(self) -> str:
        return self.name

    def to_numpy(self) -> np.dtype[Any]:
        """The dtype that arrays of this type have; text and bytes without a width."""
        import numpy as np

        return np.dtype(_NUMPY[self])

    def to_pandas(self) -> Any:
        """The dtype that columns of this type have; `object` for text and bytes."""
        return object if self in (DataType.string, DataType.binary) else self.to_numpy()

    def to_python(self) -> type:
        return _PYTHON[self]

    def to_spark(self) -> Any:
        """The type of Spark's SQL. Needs pyspark."""
        from pyspark.sql import types

        return getattr(types, _SPARK[self])()

    @classmethod
    def all_types(cls) -> list[DataType]:
        return list(cls)

    @classmethod
    def from_numpy_type(cls, np_type: Any) -> DataType | None:
        """The type whose dtype is exactly `np_type`, None if there is none."""
        import numpy as np

        wanted = np.dtype(np_type)
        return next((each for each in cls if each.to_numpy() == wanted), None)

    @classmethod
    def get_spark_types(cls) -> list[Any]:
        return [each.to_spark() for each in cls]


_NUMPY = {
    DataType.boolean: "bool",
    DataType.integer: "int32",
    DataType.long: "int64",
    DataType.float: "float32",
    DataType.double: "float64",
    DataType.string: "str",
    DataType.binary: "bytes",
    DataType.datetime: "datetime64[ns]",
}
_PYTHON: dict[DataType, type] = {
    DataType.boolean: bool,
    DataType.integer: int,
    DataType.long: int,
    DataType.float: float,
    DataType.double: float,
    DataType.string: str,
    DataType.binary: bytes,
    DataType.datetime: dt.date,
}
_SPARK = {
    DataType.boolean: "BooleanType",
    DataType.integer: "IntegerType",
    DataType.long: "LongType",
    DataType.float: "FloatType",
    DataType.double: "DoubleType",
    DataType.string: "StringType",
    DataType.binary: "BinaryType",
    DataType.datetime: "TimestampType",
}


class Property(Struct, frozen=True):
    """One entry of an object. `dtype` may be given as the name of a scalar type."""

    name: str
    dtype: Type
    required: bool = True

    if TYPE_CHECKING:

        def __init__(self, name: str, dtype: Type | str, required: bool = True) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise InvalidValue(f"The name of a property is text, not {self.name!r}.")
        force_setattr(self, "dtype", as_type(self.dtype))

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype!r} ({'required' if self.required else 'optional'})"

    def to_dict(self) -> dict[str, Any]:
        return {self.name: {**type_to_dict(self.dtype), "required": self.required}}


class Object(Struct, frozen=True):
    """A mapping with known keys, at least one; `properties` are kept sorted by name."""

    properties: list[Property]

    def __post_init__(self) -> None:
        given = self.properties
        if not isinstance(given, list | tuple) or not all(isinstance(each, Property) for each in given):
            raise InvalidValue(f"An object is made of a list of Property, not of {given!r}.")
        if not given:
            raise InvalidValue(
                "An object needs at least one property; use AnyType for values whose keys are not known."
            )
        names = [each.name for each in given]
        doubles = sorted({name for name in names if names.count(name) > 1})
        if doubles:
            raise InvalidValue(f"Several properties of an object are named {', '.join(doubles)}. Names must differ.")
        force_setattr(self, "properties", sorted(given, key=lambda each: each.name))

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self.properties)) + "}"

    def to_dict(self) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for each in self.properties:
            properties.update(each.to_dict())
        return {"type": "object", "properties": properties}


class Array(Struct, frozen=True):
    """A list of any length whose elements are of one type."""

    dtype: Type

    if TYPE_CHECKING:

        def __init__(self, dtype: Type | str) -> None: ...

    def __post_init__(self) -> None:
        force_setattr(self, "dtype", as_type(self.dtype))

    def __repr__(self) -> str:
        return f"Array({self.dtype!r})"

    def to_dict(self) -> dict[str, Any]:
        return {"type": "array", "items": type_to_dict(self.dtype)}


class SparkMLVector(Array, frozen=True):
    """A vector of Spark ML: an array of doubles that Spark turns into its own vector type."""

    dtype: Type = DataType.double

    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    def __repr__(self) -> str:
        return "SparkML vector"

    def to_dict(self) -> dict[str, Any]:
        return {"type": "sparkml_vector"}


class Map(Struct, frozen=True):
    """A mapping with any text as keys, whose values are of one type."""

    value_type: Type

    if TYPE_CHECKING:

        def __init__(self, value_type: Type | str) -> None: ...

    def __post_init__(self) -> None:
        force_setattr(self, "value_type", as_type(self.value_type))

    def __repr__(self) -> str:
        return f"Map(str -> {self.value_type!r})"

    def to_dict(self) -> dict[str, Any]:
        return {"type": "map", "values": type_to_dict(self.value_type)}


class AnyType(Struct, frozen=True):
    """No claim: nothing is checked or converted."""

    def __repr__(self) -> str:
        return "Any"

    def to_dict(self) -> dict[str, Any]:
        return {"type": "any"}


Type: TypeAlias = DataType | Array | Object | Map | AnyType
"""Every type; a `SparkMLVector` is an `Array`."""

ANY = AnyType()


def as_type(value: object) -> Type:
    """`value` if it is a type, the scalar type that it names if it is text. Raises InvalidValue otherwise."""
    if isinstance(value, DataType | Array | Object | Map | AnyType):
        return value
    if isinstance(value, str) and value in DataType.__members__:
        return DataType[value]
    raise InvalidValue(
        f"{value!r} is no type. Give {', '.join(DataType.__members__)}, or an Array, Object, Map or AnyType."
    )


def type_to_dict(type: Type) -> dict[str, Any]:
    return {"type": type.name} if isinstance(type, DataType) else type.to_dict()


def type_from_dict(form: Any, depth: int = 0) -> Type:
    """The type of a JSON form; keys that say something else about it, such as `name`, are not looked at.

    Raises InvalidValue naming what is missing or not known.
    """
    if depth > MAX_DEPTH:
        raise InvalidValue(f"The types of this schema nest deeper than {MAX_DEPTH} levels.")
    kind = _key(form, "type", "type")
    if kind == "array":
        return Array(type_from_dict(_key(form, "items", "array"), depth + 1))
    if kind == "map":
        return Map(type_from_dict(_key(form, "values", "map"), depth + 1))
    if kind == "object":
        properties = _key(form, "properties", "object")
        if not isinstance(properties, Mapping):
            raise InvalidValue(f"The `properties` of an object are a map, not {properties!r:.100}.")
        return Object(
            [
                Property(str(name), type_from_dict(each, depth + 1), is_required(each))
                for name, each in properties.items()
            ]
        )
    if kind == "any":
        return ANY
    if kind == "sparkml_vector":
        return SparkMLVector()
    return as_type(kind)


def is_required(form: Mapping[str, Any]) -> bool:
    """What a column or property says of that. Not said means required; MLflow 2.0 to 2.9 wrote `optional` instead."""
    return bool(form["required"]) if "required" in form else not form.get("optional", False)


def _key(form: Any, key: str, what: str) -> Any:
    if not isinstance(form, Mapping) or key not in form:
        raise InvalidValue(f"The JSON of a schema's {what} has no {key!r}: {form!r:.200}")
    return form[key]


def merge(left: Type, right: Type) -> Type:
    """The type of a column that holds values of both; "any" yields to the other type.

    Raises Inexpressible if no type holds both.
    """
    if left == right:
        return left
    if ANY in (left, right):
        return _without_requirements(right if left == ANY else left)
    if isinstance(left, Array) and isinstance(right, Array):
        return Array(merge(left.dtype, right.dtype))
    if isinstance(left, Map) and isinstance(right, Map):
        return Map(merge(left.value_type, right.value_type))
    if isinstance(left, Object) and isinstance(right, Object):
        return _merge_objects(left, right)
    raise Inexpressible(f"Values of types {left!r} and {right!r} stand in one column.")


def _without_requirements(type: Type) -> Type:
    """An object that stands beside values of no known type may lack any property; other types stay what they are."""
    if not isinstance(type, Object):
        return type
    return Object([Property(each.name, each.dtype, required=False) for each in type.properties])


def _merge_objects(left: Object, right: Object) -> Object:
    """All properties of both; one that is missing on a side is optional."""
    mine = {each.name: each for each in left.properties}
    theirs = {each.name: each for each in right.properties}
    merged = []
    for name in mine | theirs:
        one, other = mine.get(name), theirs.get(name)
        if one is not None and other is not None:
            merged.append(Property(name, merge(one.dtype, other.dtype), one.required and other.required))
        else:
            only = one or theirs[name]
            merged.append(Property(name, only.dtype, required=False))
    return Object(merged)


def to_spark(type: Type) -> Any:
    """The type of Spark's SQL. Needs pyspark; raises InvalidValue for "any", which has none."""
    from pyspark.sql import types

    if isinstance(type, DataType):
        return type.to_spark()
    if isinstance(type, SparkMLVector):
        from pyspark.ml.linalg import VectorUDT

        return VectorUDT()
    if isinstance(type, Array):
        return types.ArrayType(to_spark(type.dtype))
    if isinstance(type, Map):
        return types.MapType(types.StringType(), to_spark(type.value_type))
    if isinstance(type, Object):
        return types.StructType(
            [types.StructField(each.name, to_spark(each.dtype), not each.required) for each in type.properties]
        )
    if hasattr(types, "VariantType"):
        return types.VariantType()
    raise InvalidValue("Values of type any have no type in Spark before 4.0.")
