"""The schema of data: frames, arrays, dicts, lists and single values, of NumPy, pandas, polars, SciPy and Spark.

`schema_of` raises `Inexpressible` where data has no schema; `infer_schema` then claims nothing (one column "any"). The rules
are MLflow's, quirks included: a schema is stored with a model and compared by other tools.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.datatypes import ANY, Array, DataType, Inexpressible, Object, Property, Type, merge
from millstream.models.types import ColSpec, Schema, TensorSpec

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

_BY_DTYPE = {
    "bool": DataType.boolean,
    "boolean": DataType.boolean,
    "int8": DataType.integer,
    "int16": DataType.integer,
    "int32": DataType.integer,
    "uint8": DataType.integer,
    "uint16": DataType.integer,
    "int64": DataType.long,
    "uint32": DataType.long,
    "float16": DataType.float,
    "float": DataType.float,  # PyArrow's name of float32
    "float32": DataType.float,
    "float64": DataType.double,
    "double": DataType.double,  # and of float64
    "str": DataType.string,
    "string": DataType.string,
    "large_string": DataType.string,
}
"""By the name of a dtype of NumPy, of pandas (in lower case), of PyArrow in pandas."""

_BY_KIND = {"U": DataType.string, "S": DataType.binary, "M": DataType.datetime}
"""By the kind of a dtype of NumPy."""

_BY_CLASS: tuple[tuple[type | tuple[type, ...], DataType], ...] = (
    (bool, DataType.boolean),
    (int, DataType.long),
    (float, DataType.double),
    (str, DataType.string),
    ((bytes, bytearray), DataType.binary),
    ((dt.date, dt.datetime), DataType.datetime),
)


def infer_schema(data: Any) -> Schema | None:
    """The schema of data; None for None; one column "any" and a warning where it has none.

    Raises InvalidValue for objects of pydantic: their classes say more than their values (see `hints`).
    """
    if data is None:
        return None
    _refuse_pydantic(data)
    try:
        return schema_of(data)
    except (InvalidValue, RecursionError) as error:  # the latter: data that contains itself
        logger.warning("No schema can be inferred from the data, so the signature claims nothing about it: %s", error)
        return Schema([ColSpec(ANY)])


def schema_of(data: Any) -> Schema:
    """The schema of data. Raises Inexpressible, or InvalidValue for combinations that a schema cannot hold."""
    kind = kind_of(data)
    if kind == "frame":
        return of_frame(data)
    if kind == "series":
        return of_series(data)
    if kind == "array":
        return of_arrays(data)
    if kind == "sparse":
        return Schema([TensorSpec(data.dtype, (-1, *data.shape[1:]))])
    if kind in ("spark", "polars"):
        from millstream.models import foreign_frames

        return foreign_frames.of_spark(data) if kind == "spark" else foreign_frames.of_polars(data)
    if dataclasses.is_dataclass(data):
        from millstream.models.hints import schema_of_dataclass

        return schema_of_dataclass(data if isinstance(data, type) else type(data))
    if isinstance(data, Mapping):
        return of_mapping(data)
    if isinstance(data, list):
        return of_list(data)
    return Schema([ColSpec(type_of(data))])


def kind_of(data: Any) -> str:
    """What kind of container `data` is, without importing a library: its class tells.

    One of frame, series (pandas), array, sparse (CSR or CSC matrix of SciPy), spark, polars; "" for everything else.
    """
    for cls in type(data).__mro__:
        found = _KINDS.get((cls.__module__.partition(".")[0], cls.__name__))
        if found is not None:
            return found
    return ""


_KINDS = {
    ("pandas", "DataFrame"): "frame",
    ("pandas", "Series"): "series",
    ("numpy", "ndarray"): "array",
    ("scipy", "csr_matrix"): "sparse",
    ("scipy", "csc_matrix"): "sparse",
    ("pyspark", "DataFrame"): "spark",
    ("polars", "DataFrame"): "polars",
}


def is_null(value: Any) -> bool:
    """None, a NaN, or pandas' NA and NaT."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value
    return type(value).__name__ in ("NAType", "NaTType")


# ---------------------------------------------------------------- pandas
def of_frame(frame: Any) -> Schema:
    """One column each of a pandas frame; a column with a missing value is not required. Raises Inexpressible."""
    if not frame.columns.is_unique:
        raise Inexpressible("Several columns of the frame have the same name. Names must differ.")
    if not len(frame.columns):
        raise Inexpressible("A frame without columns has no schema.")
    return Schema([_column(frame.iloc[:, index], name) for index, name in enumerate(frame.columns)])


def of_series(series: Any) -> Schema:
    """One column, named as the series is. Raises Inexpressible."""
    return Schema([_column(series, series.name)])


def _column(series: Any, name: Any) -> ColSpec:
    return ColSpec(_type_of_series(series), name, not bool(series.isna().any()))


def _type_of_series(series: Any) -> Type:
    dtype = series.dtype
    name = str(dtype).lower().removesuffix("[pyarrow]")
    if name in _BY_DTYPE:
        return _BY_DTYPE[name]
    if name.startswith(("string", "str")):
        return DataType.string
    if name.startswith(("datetime64", "timestamp")):
        return DataType.datetime
    if name == "category" and not str(dtype.categories.dtype).startswith("datetime64"):
        return _type_of_series(dtype.categories.to_series())
    if name == "object":
        return _type_of_objects(series)
    raise Inexpressible(f"Columns of pandas type {dtype} have no place in a schema.")


def _type_of_objects(series: Any) -> Type:
    """By value. Numbers are doubles as soon as one is a float or missing, as pandas itself would store them."""
    from pandas.api.types import infer_dtype

    if not len(series):
        return DataType.string
    kind = infer_dtype(series, skipna=True)
    if kind in ("floating", "mixed-integer-float") or (kind == "integer" and series.isna().any()):
        return DataType.double
    if kind == "string":
        return DataType.string
    return merged(series)


# ---------------------------------------------------------------- values
def type_of(value: Any) -> Type:
    """The type of one value. Raises Inexpressible."""
    if is_null(value):
        return ANY
    if isinstance(value, Mapping):
        return _object_of(value)
    if isinstance(value, list):
        return Array(merged(value)) if value else ANY
    if type(value).__module__.partition(".")[0] == "numpy":
        return _type_of_array(value)
    for classes, found in _BY_CLASS:
        if isinstance(value, classes):
            return found
    raise Inexpressible(f"Values of type {value.__class__.__name__} have no place in a schema.")


def _type_of_array(value: Any) -> Type:
    """Of an array of any number of dimensions, a scalar of NumPy included."""
    if value.dtype.kind == "O":
        return type_of(value.tolist())
    type: Type | None = _BY_DTYPE.get(value.dtype.name) or _BY_KIND.get(value.dtype.kind)
    if type is None:
        raise Inexpressible(f"Values of dtype {value.dtype} have no place in a schema.")
    if not value.size:
        return ANY
    for _ in range(value.ndim):
        type = Array(type)
    return type


def _object_of(mapping: Mapping[Any, Any]) -> Type:
    """An object; "any" if it is empty. A property without a value, or with an empty one, is optional."""
    if not mapping:
        return ANY
    properties = []
    for name, value in mapping.items():
        _check_name(name)
        type = type_of(value)
        properties.append(Property(name, type, required=type != ANY))
    return Object(properties)


def merged(values: Any) -> Type:
    """The one type of several values; "any" if none of them says more. Raises Inexpressible if their types differ."""
    found: Type | None = None
    for value in values:
        type = type_of(value)
        found = type if found is None else merge(found, type)
    return ANY if found is None else found


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise Inexpressible(f"The keys of a dict are text in a schema; {name!r} is {type(name).__name__}.")


# ---------------------------------------------------------------- dicts and lists
def of_mapping(data: Mapping[Any, Any]) -> Schema:
    """Tensors if all values are arrays, else one column per key; a key whose value is null, or a list with one, is optional."""
    for name in data:
        _check_name(name)
    if data and all(kind_of(value) == "array" for value in data.values()):
        return of_arrays(data)
    if not data:
        return Schema([ColSpec(ANY)])
    return Schema([ColSpec(type_of(value), name, not _has_null(value)) for name, value in data.items()])


def _has_null(value: Any) -> bool:
    return is_null(value) or (isinstance(value, list) and any(is_null(item) for item in value))


def of_list(data: list[Any]) -> Schema:
    """Of dicts: one column per key seen, optional where a dict lacks it or holds None. Else one unnamed column."""
    if not data:
        return Schema([ColSpec(DataType.string)])
    if not isinstance(data[0], Mapping):
        return Schema([ColSpec(merged(data))])
    if not all(isinstance(row, Mapping) for row in data):
        raise Inexpressible("A list that holds dicts holds nothing else in a schema.")
    names = dict.fromkeys(name for row in data for name in row)
    columns = []
    for name in names:
        _check_name(name)
        type = merged(row[name] for row in data if name in row)
        columns.append(ColSpec(type, name, all(row.get(name) is not None for row in data)))
    return Schema(columns)


# ---------------------------------------------------------------- arrays
def of_arrays(data: Any) -> Schema:
    """One tensor for an array, one named tensor each for a dict of arrays; the first dimension may have any size."""
    if isinstance(data, Mapping):
        return Schema([_tensor(array, str(name)) for name, array in data.items()])
    return Schema([_tensor(data, None)])


def _tensor(array: np.ndarray[Any, Any], name: str | None) -> TensorSpec:
    import numpy as np

    if not array.ndim:
        raise Inexpressible(
            "An array without dimensions is no tensor; give the number itself, or an array of shape (1,)."
        )
    dtype: np.dtype[Any] = array.dtype
    if dtype.kind in "US":
        dtype = np.dtype("str" if dtype.kind == "U" else "bytes")
    return TensorSpec(dtype, (-1, *array.shape[1:]), name)


def _refuse_pydantic(data: Any) -> None:
    """Looks at the value itself, and at those of a list or dict."""
    values = [data, *(data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ())]
    for value in values:
        if any(cls.__module__.startswith("pydantic.") for cls in type(value).__mro__):
            raise InvalidValue(
                f"No schema is inferred from objects of pydantic ({type(value).__name__}). Give `predict` of the model a type "
                f"hint instead: `def predict(self, model_input: list[{type(value).__name__}])`."
            )
