"""Schemas of tables and arrays, inferred from the data, in the JSON forms that MLflow records.

Only what datasets need; signatures of models will build on the same types.
"""

from __future__ import annotations

import datetime
import decimal
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from millstream.errors import InvalidValue

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

_BY_DTYPE = {
    "bool": "boolean",
    "int8": "integer",
    "int16": "integer",
    "int32": "integer",
    "uint8": "integer",
    "uint16": "integer",
    "int64": "long",
    "uint32": "long",
    "float16": "float",
    "float32": "float",
    "float64": "double",
}


class Column(Struct, frozen=True):
    """One column: `type` is a name such as "long", or a compound such as {"type": "array", "items": ...}."""

    type: str | dict[str, Any]
    name: str | None = None
    required: bool = True

    def to_dict(self) -> dict[str, Any]:
        form: dict[str, Any] = {"type": self.type} if isinstance(self.type, str) else dict(self.type)
        if self.name is not None:
            form["name"] = self.name
        form["required"] = self.required
        return form


class Tensor(Struct, frozen=True):
    """One array: NumPy's name of the type, and the shape with -1 for any size."""

    dtype: str
    shape: tuple[int, ...]
    name: str | None = None

    def to_dict(self) -> dict[str, Any]:
        form: dict[str, Any] = {"type": "tensor", "tensor-spec": {"dtype": self.dtype, "shape": list(self.shape)}}
        return form if self.name is None else {"name": self.name, **form}


class Schema:
    """A list of columns, or of tensors."""

    def __init__(self, inputs: Iterable[Column | Tensor]) -> None:
        self.inputs = list(inputs)

    def to_dict(self) -> list[dict[str, Any]]:
        return [each.to_dict() for each in self.inputs]

    def input_names(self) -> list[str | int]:
        return [index if each.name is None else each.name for index, each in enumerate(self.inputs)]

    def __len__(self) -> int:
        return len(self.inputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.inputs == other.inputs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Schema({self.to_dict()})"


class TensorDatasetSchema(Struct, frozen=True):
    """The schema of arrays: of the features, and of the targets if there are any."""

    features: Schema
    targets: Schema | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "mlflow_tensorspec": {
                "features": _text(self.features),
                "targets": None if self.targets is None else _text(self.targets),
            }
        }


def _text(schema: Schema) -> str:
    import json

    return json.dumps(schema.to_dict())


class Inexpressible(InvalidValue):
    """Values of types that have no place in a schema, or of several types in one column."""


def of_frame(frame: Any) -> Schema:
    """One column each of a pandas frame; a column with a missing value is not required. Raises Inexpressible."""
    return Schema(
        Column(_series_type(frame.iloc[:, index]), name, not _has_missing(frame.iloc[:, index]))
        for index, name in enumerate(frame.columns)
    )


def _has_missing(series: Any) -> bool:
    return bool(series.isnull().any())


def _series_type(series: Any) -> str | dict[str, Any]:
    dtype = series.dtype
    name = str(dtype).lower()
    if name in _BY_DTYPE:
        return _BY_DTYPE[name]
    if name.startswith("datetime64"):
        return "datetime"
    if name == "boolean":
        return "boolean"
    if name.startswith(("string", "str")) or name == "category":
        return "string"
    if name == "object":
        merged: str | dict[str, Any] | None = None
        for value in series:
            if value is None or (isinstance(value, float) and value != value):
                continue
            merged = _merge(merged, value_type(value))
        return merged if merged is not None else "any"
    raise Inexpressible(f"Columns of pandas type {dtype} have no place in a schema.")


def value_type(value: Any) -> str | dict[str, Any]:
    """The type of one value of a column of objects."""
    kind = getattr(getattr(value, "dtype", None), "name", None)
    if kind in _BY_DTYPE and getattr(value, "ndim", 0) == 0:
        return _BY_DTYPE[kind]
    kinds: tuple[tuple[Any, str], ...] = (
        (bool, "boolean"),
        (int, "long"),
        (float, "double"),
        (str, "string"),
        ((bytes, bytearray), "binary"),
        ((datetime.date, datetime.datetime), "datetime"),
        (decimal.Decimal, "string"),
    )
    for types, name in kinds:
        if isinstance(value, types):
            return name
    if isinstance(value, Mapping):
        properties = {
            str(key): {**_as_dict(value_type(item)), "required": item is not None}
            for key, item in sorted(value.items())
        }
        return {"type": "object", "properties": properties} if properties else "any"
    if isinstance(value, list | tuple | set) or hasattr(value, "tolist"):
        items: str | dict[str, Any] | None = None
        for item in value:
            items = _merge(items, value_type(item))
        return {"type": "array", "items": _as_dict(items)} if items is not None else "any"
    return "any"


def _as_dict(type: str | dict[str, Any]) -> dict[str, Any]:
    return {"type": type} if isinstance(type, str) else type


def _merge(left: str | dict[str, Any] | None, right: str | dict[str, Any]) -> str | dict[str, Any]:
    if left is None or left == right or left == "any":
        return right
    if right == "any":
        return left
    if isinstance(left, dict) and isinstance(right, dict) and left["type"] == right["type"]:
        if left["type"] == "array":
            return {"type": "array", "items": _as_dict(_merge(left["items"], right["items"]))}
        properties = {}
        for key in sorted({*left["properties"], *right["properties"]}):
            mine, other = left["properties"].get(key), right["properties"].get(key)
            if mine is None or other is None:
                properties[key] = {**(mine or other), "required": False}
            else:
                merged = _as_dict(_merge(_without(mine), _without(other)))
                properties[key] = {**merged, "required": mine["required"] and other["required"]}
        return {"type": "object", "properties": properties}
    if isinstance(left, dict) and left.keys() == {"type"}:
        return _merge(left["type"], right)
    raise Inexpressible(f"Values of types {left} and {right} stand in one column.")


def or_none(infer: Callable[[], Schema]) -> Schema | None:
    """What `infer` gives; None, after a line on the log, if the data has no schema."""
    try:
        return infer()
    except Inexpressible as error:
        logger.info("The dataset is recorded without a schema: %s", error.message)
        return None


def _without(property: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in property.items() if key != "required"}


def of_arrays(data: Any) -> Schema:
    """One tensor for an array, one named tensor each for a dict of arrays; the first dimension may have any size."""
    if isinstance(data, Mapping):
        return Schema(_tensor(array, str(name)) for name, array in data.items())
    return Schema([_tensor(data, None)])


def _tensor(array: np.ndarray[Any, Any], name: str | None) -> Tensor:
    dtype = array.dtype
    plain = {"U": "str", "S": "bytes"}.get(dtype.kind, dtype.name)
    return Tensor(plain, (-1, *array.shape[1:]), name)
