"""Values turned into the types of a schema, where nothing is lost, and refused where something would be.

    given                                        becomes
    bool                                         boolean
    int8, uint8, int16, uint16, int32            integer, long, double
    uint32                                       long, double
    int64                                        long; float and double if all values are 0 or 1
    float16, float32                             float, double
    float64                                      double
    objects that pandas knows better (ints ...)  as that dtype
    other objects, text                          string, binary, boolean (not looked at); double and datetime if they parse
    datetime64 of any unit                       datetime (nanoseconds)

Never a float to an integer, a 64-bit integer to a float, a time with a zone. pandas' nullable dtypes are as NumPy's while
nothing is missing. The results are those of pandas 2; pandas 3's `str` is its `object`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.datatypes import AnyType, Array, DataType, Map, Object, Type
from millstream.models.inference import is_null, kind_of

if TYPE_CHECKING:
    import pandas as pd

_SMALL = frozenset({"int8", "uint8", "int16", "uint16", "int32"})
_SAFE: dict[DataType, frozenset[str]] = {
    DataType.boolean: frozenset({"bool", "boolean"}),
    DataType.integer: _SMALL,
    DataType.long: _SMALL | {"uint32", "int64"},
    DataType.float: frozenset({"float16", "float32"}),
    DataType.double: _SMALL | {"uint32", "float16", "float32", "float64"},
}
"""What becomes what, by names of dtypes, pandas' nullable ones in lower case."""

_ARROW = {"double[pyarrow]": "float64", "float[pyarrow]": "float32", "halffloat[pyarrow]": "float16"}
"""Names that PyArrow's dtypes do not share with NumPy's."""

_EXACT: dict[DataType, type] = {
    DataType.boolean: bool,
    DataType.long: int,
    DataType.double: float,
    DataType.string: str,
    DataType.binary: bytes,
}
"""Python's own values that are left as they are."""


class Mismatch(InvalidValue):
    """A value does not fit its type.

    Args:
        where: the column, with the way to the value in it, such as "Column 'a'[3].name".
        given, wanted: what it is and what it had to be.
        hint: what to do about it.
    """

    def __init__(self, where: str, given: str, wanted: Type | str, hint: str = "") -> None:
        wanted = wanted if isinstance(wanted, str) else repr(wanted)
        super().__init__(f"{where} is given as {given}, the model takes {wanted}.{hint and ' '}{hint}")
        self.where = where


# ---------------------------------------------------------------- columns
def convert(values: pd.Series, wanted: DataType, where: str) -> pd.Series:
    """A column as the scalar type `wanted`; the same object where its dtype fits already. Raises Mismatch."""
    dtype = values.dtype
    if dtype == wanted.to_pandas():
        return values
    name = str(dtype)
    name = _ARROW.get(name) or name.removesuffix("[pyarrow]")
    if wanted in (DataType.string, DataType.binary):
        if name in ("object", "str", "string", "large_string"):
            return values
        raise _mismatch(values, wanted, where)
    if name == "object":
        values = values.infer_objects()
        name = str(values.dtype)
    if name in ("object", "str"):
        return _convert_objects(values, wanted, where)
    if wanted is DataType.datetime:
        return _convert_times(values, where)
    if name.lower() in _SAFE[wanted] or (wanted in (DataType.float, DataType.double) and _is_zero_or_one(values)):
        try:
            return values.astype(wanted.to_numpy())
        except (TypeError, ValueError):  # missing values of a nullable dtype
            raise _mismatch(values, wanted, where) from None
    raise _mismatch(values, wanted, where)


def is_wider(dtype: Any, wanted: DataType) -> bool:
    """Whether all numbers of a dtype of NumPy's are numbers of the type `wanted`, so that a cast needs no look at them."""
    return dtype.kind in "iuf" and str(dtype) in _SAFE.get(wanted, ())


def _is_zero_or_one(values: pd.Series) -> bool:
    return values.dtype.kind in "iu" and bool(values.isin((0, 1)).all())


def _convert_objects(values: pd.Series, wanted: DataType, where: str) -> pd.Series:
    """Objects that are of no dtype of pandas': text, None among values, Decimal, lists."""
    import pandas as pd

    if wanted is DataType.boolean:
        return values
    if wanted is DataType.double:
        try:
            return pd.to_numeric(values).astype("float64")
        except (TypeError, ValueError):
            raise _mismatch(values, wanted, where) from None
    if wanted is DataType.datetime and pd.api.types.infer_dtype(values, skipna=True) in _TIMES:
        return _convert_times(values, where)
    raise _mismatch(values, wanted, where)


_TIMES = frozenset({"string", "date", "datetime", "datetime64", "empty", "mixed"})
"""What pandas calls objects that may be dates and times."""


def _convert_times(values: pd.Series, where: str) -> pd.Series:
    hint = ""
    if getattr(values.dtype, "tz", None) is not None:
        hint = "Give times in UTC without a zone: column.dt.tz_convert('UTC').dt.tz_localize(None)."
    elif values.dtype.kind == "M" or str(values.dtype) in ("object", "str"):
        try:
            return values.astype("datetime64[ns]")
        except (TypeError, ValueError):
            hint = "Times have no zone and lie between the years 1678 and 2261."
    raise _mismatch(values, DataType.datetime, where, hint)


def _mismatch(values: pd.Series, wanted: DataType, where: str, hint: str = "") -> Mismatch:
    name = str(values.dtype)
    if wanted in (DataType.integer, DataType.long) and values.dtype.kind == "f" and values.isna().any():
        hint = (
            "It has missing values, which pandas stores in floats. Fill them, or declare the column as double in the "
            "signature."
        )
    elif name == "category":
        hint = "Give its values: column.astype(object)."
    elif name.lower() in _SAFE.get(wanted, ()) and values.isna().any():
        hint = "It has missing values. Fill them, or give floats or objects."
    elif wanted in (DataType.float, DataType.double) and name in ("int64", "Int64"):
        hint = f"Turn it into floats: column.astype({wanted.to_numpy().name!r})."
    return Mismatch(where, name, wanted, hint)


# ---------------------------------------------------------------- values inside of arrays, objects and maps
def conform(value: Any, wanted: Type, where: str, *, nullable: bool = False) -> Any:
    """A value as the type `wanted`. Lists and dicts whose elements fit already are returned as they are.

    Args:
        nullable: None and the like are fine, for the value and for lists, dicts and objects in it.
    Raises:
        Mismatch: it does not fit.
    """
    if isinstance(wanted, AnyType) or (nullable and is_null(value)):
        return value
    if isinstance(wanted, DataType):
        return _conform_scalar(value, wanted, where)
    if isinstance(wanted, Array):
        return _conform_array(value, wanted, where, nullable)
    if not isinstance(value, Mapping):
        raise Mismatch(where, _kind(value), wanted, "Give a dict.")
    if isinstance(wanted, Map):
        return _conform_map(value, wanted, where, nullable)
    return _conform_object(value, wanted, where)


def _conform_scalar(value: Any, wanted: DataType, where: str) -> Any:
    import pandas as pd

    if type(value) is _EXACT.get(wanted):
        return value
    if is_null(value) and not (wanted is DataType.double and isinstance(value, float)):
        raise Mismatch(where, "no value", wanted)
    if _is_many(value):
        raise Mismatch(where, _kind(value), wanted)
    return convert(pd.Series([value]), wanted, where).iloc[0]


def _conform_array(value: Any, wanted: Array, where: str, nullable: bool) -> Any:
    is_array = kind_of(value) == "array" and value.ndim > 0
    if not isinstance(value, list) and not is_array:
        raise Mismatch(where, _kind(value), wanted, "Give a list or an array.")
    if is_array and value.dtype.kind != "O":
        return _conform_ndarray(value, wanted, where)
    element = wanted.dtype
    if not isinstance(element, DataType):
        return [conform(each, element, f"{where}[{index}]", nullable=nullable) for index, each in enumerate(value)]
    if is_array:
        value = value.tolist()
    kinds = {type(each) for each in value}
    if kinds <= {_EXACT.get(element)}:
        return value
    import numpy as np
    import pandas as pd

    if all(issubclass(kind, np.number) for kind in kinds):
        array = np.array(value)
        if is_wider(array.dtype, element):
            return array.astype(element.to_numpy()).tolist()
    if any(_is_many(each) for each in value):
        raise Mismatch(where, "a list with other than single values", wanted)
    return convert(pd.Series(value), element, where).tolist()


def _conform_ndarray(value: Any, wanted: Array, where: str) -> Any:
    """An array of as many dimensions as lists nest in `wanted`."""
    import pandas as pd

    element: Type = wanted
    depth = 0
    while isinstance(element, Array):
        element, depth = element.dtype, depth + 1
    if isinstance(element, AnyType):
        return value
    if not isinstance(element, DataType) or value.ndim != depth:
        raise Mismatch(where, _kind(value), wanted)
    if value.dtype == element.to_numpy() or (element is DataType.string and value.dtype.kind == "U"):
        return value
    if is_wider(value.dtype, element):
        return value.astype(element.to_numpy())
    return convert(pd.Series(value.ravel()), element, where).to_numpy().reshape(value.shape)


def _conform_map(value: Mapping[Any, Any], wanted: Map, where: str, nullable: bool) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise Mismatch(where, f"a dict with the key {key!r}", wanted, "The keys of a map are text.")
    return {
        key: conform(each, wanted.value_type, f"{where}[{key!r}]", nullable=nullable) for key, each in value.items()
    }


def _conform_object(value: Mapping[Any, Any], wanted: Object, where: str) -> dict[str, Any]:
    known = {each.name: each for each in wanted.properties}
    unknown = [str(key) for key in value if key not in known]
    if unknown:
        raise Mismatch(where, f"a dict with the unknown keys {unknown}", wanted, "Leave them out.")
    missing = [name for name, each in known.items() if each.required and name not in value]
    if missing:
        raise Mismatch(where, f"a dict without the keys {missing}", wanted, "Add them.")
    return {
        key: conform(each, known[key].dtype, f"{where}.{key}", nullable=not known[key].required)
        for key, each in value.items()
    }


def _is_many(value: Any) -> bool:
    return isinstance(value, list | tuple | set | Mapping) or _dimensions(value) > 0


def _dimensions(value: Any) -> int:
    found: int = getattr(value, "ndim", 0)
    return found


def _kind(value: Any) -> str:
    if value is None:
        return "no value"
    shape = f" of shape {value.shape}" if _dimensions(value) else ""
    return f"{type(value).__name__}{shape}"
