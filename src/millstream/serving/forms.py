"""JSON bodies of `/invocations`: which of the four forms it is, and the value that the model gets for it.

    {"dataframe_split": {"columns": [...], "data": [[...]]}, "params": {...}}
    {"dataframe_records": [{...}, ...]}
    {"instances": [...]}      rows, as TF Serving has them
    {"inputs": ...}           columns, as TF Serving has them

The conversion is MLflow's, lossy casts included, except that an integer that does not fit its column is refused. This is the
general way; `columns` takes the requests that need none of it. What the model's own enforcement checks is left to it.
"""

from __future__ import annotations

import binascii
import datetime
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from millstream import settings
from millstream.errors import BadRequest, InvalidValue, MillstreamError
from millstream.models.types import AnyType, Array, ColSpec, DataType, Map, Object, Schema, TensorSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from millstream.models.types import ParamSchema

DATA_KEYS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CHAT_KEYS = ("messages", "prompt", "input")
MAX_DEPTH = 100
_SHOWN = 200
"""Characters of the caller's data that an error may repeat."""


class Wanted(Struct, frozen=True):
    """What the model's signature says of its input."""

    schema: Schema | None = None
    params: ParamSchema | None = None
    is_from_type_hint: bool = False


class Inputs(Struct):
    """A request, read."""

    data: Any
    params: Any = None  # a dict if the caller was right, else what the enforcement refuses
    is_wrapped: bool = True  # whether the answer stands below `predictions`


def read(body: bytes, wanted: Wanted) -> Inputs:
    """The value and the parameters for the model.

    Raises:
        BadRequest: the body is none of the forms, or a value does not convert to the type of its column.
        InvalidValue: the form does not fit a model with type hints.
    """
    value = load(body)
    if not isinstance(value, dict):
        raise BadRequest(f"The body is not a JSON object. {_ONE_OF} Got {_kind(value)}.")
    if any(key in value for key in CHAT_KEYS):
        return _chat(value, wanted)
    params = value.get("params") if wanted.params is not None else None  # what the model has not is ignored
    if wanted.is_from_type_hint:
        if "inputs" not in value:
            raise InvalidValue(
                'This model takes its input by type hints. Send {"inputs": ...}; ' + f"the body has {_names(value)}."
            )
        return Inputs(_hinted(value["inputs"], wanted.schema), params)
    given = [key for key in DATA_KEYS if key in value]
    if len(given) != 1:
        raise BadRequest(f"{_ONE_OF} The body has {_names(value)}.")
    key = given[0]
    return Inputs(_READERS[key](value[key], wanted.schema), params)


_ONE_OF = f"Send an object with exactly one of {', '.join(DATA_KEYS)}, and optionally params."


def _chat(value: dict[str, Any], wanted: Wanted) -> Inputs:
    names = {spec.name for spec in wanted.params.params} if wanted.params is not None else set()
    data = {key: item for key, item in value.items() if key not in names}
    params = {key: item for key, item in value.items() if key in names}
    return Inputs(data, params, is_wrapped=False)


def _hinted(value: Any, schema: Schema | None) -> Any:
    """The value for a model with type hints: what JSON has no values for, times and bytes, made of their text."""
    element = schema.inputs[0].type if schema is not None and len(schema.inputs) == 1 else None
    if element is None or not isinstance(value, list):
        return value
    try:
        return [_from_text(item, element) for item in value]
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"A value of `inputs` does not fit the model's type hint: {shown(error)}.") from None


def _from_text(value: Any, wanted: Any) -> Any:
    if isinstance(value, str):
        if wanted is DataType.datetime:
            return datetime.datetime.fromisoformat(value)
        return binascii.a2b_base64(value) if wanted is DataType.binary else value
    if isinstance(value, list) and isinstance(wanted, Array):
        return [_from_text(item, wanted.dtype) for item in value]
    if isinstance(value, dict) and isinstance(wanted, Map):
        return {key: _from_text(item, wanted.value_type) for key, item in value.items()}
    if isinstance(value, dict) and isinstance(wanted, Object):
        types = {each.name: each.dtype for each in wanted.properties}
        return {key: _from_text(item, types.get(key)) for key, item in value.items()}
    return value


# ---------------------------------------------------------------- JSON

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def load(body: bytes) -> Any:
    """Any JSON value, with the bare tokens NaN and Infinity that Python's encoder writes.

    Raises:
        BadRequest: not JSON, not UTF-8, nested too deeply, or with the character NUL in a text (numpy would cut it off).
    """
    if _is_deep(body):
        raise BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
    value = _decode(body)
    if NUL in body and _holds_nul(value):
        raise BadRequest("A text holds the character NUL, which no text may contain.")
    return value


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        value = json.loads(body.decode())
        msgspec.json.encode(value)  # half of a surrogate pair is no character
    except UnicodeError:
        raise BadRequest("The body is not UTF-8, or holds half of a surrogate pair. Send JSON as UTF-8.") from None
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    return value


NUL = b"\\u0000"
"""How JSON spells the character; the same bytes may be a backslash and letters."""


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(_holds_nul(item) for item in value)
    return isinstance(value, str) and "\0" in value


def _is_deep(body: bytes) -> bool:
    """Whether brackets outside of strings are nested deeper than allowed."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRINGS.sub(b"", body).translate(None, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):  # each turn takes the innermost level away
        fewer = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return len(brackets) > MAX_DEPTH


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _names(value: Mapping[str, Any]) -> str:
    text = ", ".join(map(repr, value)) or "no keys"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def shown(error: object) -> str:
    """An error of a library, as much of it as may be told: it may hold the caller's data."""
    if settings.DISABLE_SCHEMA_DETAILS.get():
        return "MILLSTREAM_DISABLE_SCHEMA_DETAILS hides the details"
    text = " ".join(str(error).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


# ---------------------------------------------------------------- frames

_CONVERSION = (TypeError, ValueError, OverflowError, AssertionError, AttributeError, KeyError)
"""What numpy and pandas raise for values that do not convert."""


def _split(value: Any, schema: Schema | None) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(value, dict):
        raise BadRequest(f"`dataframe_split` is an object with `data`, not {_kind(value)}.")
    if "data" not in value or value.keys() - {"data", "columns", "index"}:
        raise BadRequest(
            f"`dataframe_split` has `data` and optionally `columns` and `index`, and nothing else. It has {_names(value)}."
        )
    if not isinstance(value["data"], list):
        raise BadRequest(f"`data` of `dataframe_split` is a list of rows, not {_kind(value['data'])}.")
    if len({len(row) for row in value["data"] if isinstance(row, list)}) > 1:
        raise BadRequest("The rows of `dataframe_split` have different lengths. Give null for a missing cell.")
    index = value.get("index")
    if index is not None and (not isinstance(index, list) or len(index) != len(value["data"])):
        raise BadRequest("`index` of `dataframe_split` is a list with one label for each row.")
    try:
        frame = pd.DataFrame(value["data"], index=index, columns=value.get("columns"))
    except _CONVERSION as error:
        raise BadRequest(f"`dataframe_split` is no table: {shown(error)}.") from None
    return cast_frame(frame, schema)


def _records(value: Any, schema: Schema | None) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(value, list):
        raise BadRequest(f"`dataframe_records` is a list of row objects, not {_kind(value)}.")
    try:
        frame = pd.DataFrame(value)
    except _CONVERSION as error:
        raise BadRequest(f"`dataframe_records` is no table: {shown(error)}.") from None
    return cast_frame(frame, schema)


def cast_frame(frame: pd.DataFrame, schema: Schema | None) -> pd.DataFrame:
    """The frame with each column of the schema cast to its type: by name, or by position where the schema has no names.

    Raises:
        BadRequest: a value does not convert.
    """
    if schema is None:
        return frame
    if schema.has_input_names():
        names = [name for name in schema.input_names() if name in frame.columns]
        specs = schema.input_dict()
        pairs: Iterable[tuple[Any, Any]] = [(name, specs[str(name)]) for name in names]
    else:
        inputs = schema.inputs if not schema.is_tensor_spec() else schema.inputs * len(frame.columns)
        pairs = list(zip(frame.columns, inputs, strict=False))
    changed = {}
    for name, spec in pairs:
        column = frame[name]
        if column.ndim == 1:  # else there are several of that name, which the enforcement refuses
            changed[name] = _cast_column(name, column, spec)
    frame = frame.copy(deep=False)
    for name, column in changed.items():
        frame[name] = column
    return frame


def _cast_column(name: object, column: Any, spec: ColSpec | TensorSpec) -> Any:
    import numpy as np
    import pandas as pd

    try:
        if isinstance(spec, TensorSpec):
            if spec.type.kind == "S":
                return column.map(lambda text: text.encode() if isinstance(text, str) else text)
            return column if _holds_lists(column) else column.astype(spec.type)
        if spec.type is DataType.binary:
            return column.map(_from_base64)
        if spec.type is DataType.datetime:
            return pd.to_datetime(column)
        if not isinstance(spec.type, DataType):
            return _checked(column, spec)
        if spec.type is DataType.string:
            return column if column.dtype.kind == "O" else column.astype(object)  # numbers stay numbers
        target = np.dtype(spec.type.to_numpy())
        if target.kind == "i":
            _check_fits(column, target)
        if target.kind == "b" and column.dtype.kind not in "biuf":
            column = column.astype(object)  # numpy's truth of a value, not a parsed word
        with np.errstate(invalid="ignore", over="ignore"):
            return column.astype(target)
    except (*_CONVERSION, binascii.Error) as error:
        raise BadRequest(f"The column {name!r} cannot be converted to {_type_name(spec)}: {shown(error)}.") from None
    except InvalidValue as error:
        raise BadRequest(error.message) from None


def _holds_lists(column: Any) -> bool:
    return column.dtype == object and any(isinstance(cell, list) for cell in column)


def _type_name(spec: ColSpec | TensorSpec) -> str:
    return str(spec.type.name) if isinstance(spec.type, DataType) else repr(spec.type)


def _from_base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"a binary value is text in base64, not {_kind(text)}")
    return binascii.a2b_base64(text)


def _checked(column: Any, spec: ColSpec) -> Any:
    """A column of lists, objects or maps as the model takes it."""
    import pandas as pd

    from millstream.models.conversion import conform

    if isinstance(spec.type, AnyType):
        return column
    cells = [
        cell if cell is None and not spec.required else conform(cell, spec.type, f"[{row}]")
        for row, cell in enumerate(column)
    ]
    return pd.Series(cells, dtype=object, index=column.index)


def _check_fits(column: Any, target: np.dtype[Any]) -> None:
    """Refuse integers beyond the range of their column, which numpy would turn into others."""
    import numpy as np

    info = np.iinfo(target)
    if column.dtype.kind in "iuf":
        if not len(column) or column.hasnans:
            return
        low, high = column.min(), column.max()
    else:
        numbers = [cell for cell in column if isinstance(cell, int | float) and cell == cell]
        if not numbers:
            return
        low, high = min(numbers), max(numbers)
    if low < info.min or high > info.max:
        raise OverflowError(f"{low if low < info.min else high} is beyond {info.min} to {info.max}")


# ---------------------------------------------------------------- arrays


def _inputs(value: Any, schema: Schema | None) -> Any:
    try:
        return _convert(value, schema)
    except MillstreamError:
        raise
    except _CONVERSION as error:
        raise BadRequest(f"`inputs` cannot be converted to what the model takes: {shown(error)}.") from None


def _instances(value: Any, schema: Schema | None) -> Any:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        if schema is not None and not schema.is_tensor_spec() and _has_compound(schema):
            return _inputs(value, schema)  # columns of objects would be taken for one row
        keys = value[0].keys()
        if any(item.keys() != keys for item in value):
            raise BadRequest("The objects of `instances` have different keys. Give each the same ones.")
        value = {key: [item[key] for item in value] for key in keys}
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        raise BadRequest("`instances` holds objects and other values. Give objects only, or none.")
    try:
        return _convert(value, schema)
    except MillstreamError:
        raise
    except _CONVERSION as error:
        raise BadRequest(f"`instances` cannot be converted to what the model takes: {shown(error)}.") from None


def _has_compound(schema: Schema) -> bool:
    return any(isinstance(spec.type, Array | Object | Map) for spec in schema.inputs)


def _convert(value: Any, schema: Schema | None) -> Any:
    """The value as numpy has it: a dict of arrays, a list of dicts, an array, or a scalar."""
    specs = schema.inputs if schema is not None else []
    named = {spec.name: spec for spec in specs if spec.name is not None}
    if isinstance(value, dict):
        if specs and not named:
            raise BadRequest("The inputs of this model have no names, so it takes a list or one value, not an object.")
        if named and len(value) > len(named) + _MOST_UNKNOWN:
            value = _known(value, named)
        return {key: _scalar(_values(item, named.get(key)), specs) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [{key: _scalar(_values(item, named.get(key)), specs) for key, item in row.items()} for row in value]
    if not specs:
        return _values(value, None) if value != [] else []
    array = _values(value, specs[0])
    if len(specs) == 1 and specs[0].name is not None and isinstance(specs[0], TensorSpec):
        return {specs[0].name: array}
    return _scalar(array, specs)


_MOST_UNKNOWN = 100
"""Inputs that the model does not take and that are passed on for its enforcement to speak of; each costs as much as a real one."""


def _known(value: dict[str, Any], named: Mapping[Any, Any]) -> dict[str, Any]:
    unknown = itertools.islice((key for key in value if key not in named), _MOST_UNKNOWN)
    return {key: value[key] for key in (*(key for key in value if key in named), *unknown)}


def _scalar(value: Any, specs: list[Any]) -> Any:
    """Arrays without a dimension as their one value, where the model has columns."""
    if specs and isinstance(specs[0], ColSpec) and getattr(value, "shape", None) == ():
        return value[()]
    return value


def _values(value: Any, spec: ColSpec | TensorSpec | None) -> Any:
    import numpy as np

    if spec is None:
        return np.array(value)
    if isinstance(spec, TensorSpec):
        with np.errstate(over="ignore", invalid="ignore"):
            return np.array(value, dtype=spec.type)
    if isinstance(spec.type, DataType):
        return _numbers(value, spec.type)
    return _compound(value, spec.type)


def _numbers(value: Any, wanted: DataType) -> np.ndarray[Any, Any]:
    import numpy as np

    dtype: Any = {
        DataType.string: np.str_,
        DataType.binary: np.bytes_,
        DataType.datetime: "datetime64[ns]",
    }.get(wanted) or wanted.to_numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(value, dtype=dtype)


def _compound(value: Any, wanted: Any) -> Any:
    if isinstance(wanted, Array) and isinstance(value, list):
        if isinstance(wanted.dtype, DataType):
            return _numbers(value, wanted.dtype)
        return [_compound(item, wanted.dtype) for item in value]
    if isinstance(wanted, DataType):
        return _numbers(value, wanted)[()]
    if isinstance(wanted, Object | Map) and not isinstance(value, dict):
        raise BadRequest(f"`inputs` has {_kind(value)} where the model takes an object. Send rows: a list of objects.")
    return value


_READERS = {"dataframe_split": _split, "dataframe_records": _records, "instances": _instances, "inputs": _inputs}
