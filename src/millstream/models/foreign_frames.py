"""Schemas of frames that say the types of their columns themselves: polars and Spark. Neither library is imported."""

from __future__ import annotations

from typing import Any

from millstream.models.datatypes import ANY, Array, DataType, Inexpressible, Object, Property, SparkMLVector, Type
from millstream.models.inference import merged
from millstream.models.types import ColSpec, Schema

_POLARS = {
    "Boolean": DataType.boolean,
    "Int8": DataType.integer,
    "Int16": DataType.integer,
    "Int32": DataType.integer,
    "UInt8": DataType.integer,
    "UInt16": DataType.integer,
    "UInt32": DataType.long,
    "Int64": DataType.long,
    "Float32": DataType.float,
    "Float64": DataType.double,
    "String": DataType.string,
    "Categorical": DataType.string,
    "Enum": DataType.string,
    "Binary": DataType.binary,
    "Date": DataType.datetime,
    "Datetime": DataType.datetime,
}


def of_polars(frame: Any, *, nullable: bool = True) -> Schema:
    """One column each of a polars frame. Raises Inexpressible.

    Args:
        nullable: a column with a null is optional; False makes all columns required, as records of datasets have them.
    """
    if not frame.width:
        raise Inexpressible("A frame without columns has no schema.")
    return Schema(
        [
            ColSpec(_type_of_polars(dtype), name, not (nullable and frame[name].null_count()))
            for name, dtype in frame.schema.items()
        ]
    )


def _type_of_polars(dtype: Any) -> Type:
    kind = dtype.base_type().__name__
    if kind in _POLARS:
        return _POLARS[kind]
    if kind in ("List", "Array"):
        return Array(_type_of_polars(dtype.inner))
    if kind == "Struct" and dtype.fields:
        return Object([Property(field.name, _type_of_polars(field.dtype)) for field in dtype.fields])
    raise Inexpressible(f"Columns of polars type {dtype} have no place in a schema.")


_SPARK = {
    "boolean": DataType.boolean,
    "byte": DataType.integer,
    "short": DataType.integer,
    "integer": DataType.integer,
    "long": DataType.long,
    "float": DataType.float,
    "double": DataType.double,
    "string": DataType.string,
    "varchar": DataType.string,
    "char": DataType.string,
    "binary": DataType.binary,
    "date": DataType.datetime,
    "timestamp": DataType.datetime,
    "timestamp_ntz": DataType.datetime,
}
_MAP_ROWS = 1000
"""Rows of a Spark frame that are read to see the keys of its maps."""


def of_spark(frame: Any, *, read_maps: bool = True) -> Schema:
    """One required column per field. A map becomes an object of the keys that its first rows hold, for which a job runs; "any"
    without `read_maps`."""
    columns = []
    for field in frame.schema.fields:
        if read_maps and field.dataType.typeName() == "map":
            rows = frame.select(field.name).limit(_MAP_ROWS).collect()
            type = merged(row[0] for row in rows)
        else:
            type = type_of_spark(field.dataType)
        columns.append(ColSpec(type, field.name))
    return Schema(columns)


def type_of_spark(data_type: Any) -> Type:
    """The type of a type of Spark's; "any" for one that has no counterpart."""
    kind = data_type.typeName()
    if kind in _SPARK:
        return _SPARK[kind]
    if kind == "vectorudt":
        return SparkMLVector()
    if kind == "array":
        return Array(type_of_spark(data_type.elementType))
    if kind == "struct" and data_type.fields:
        return Object(
            [Property(field.name, type_of_spark(field.dataType), not field.nullable) for field in data_type.fields]
        )
    return ANY
