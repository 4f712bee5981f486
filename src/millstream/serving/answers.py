"""What a model gave, as the body of an answer: strict JSON as MLflow's clients read it, or Arrow.

JSON: `{"predictions": X}`, where X is nested lists for an array, a list of row objects for a frame or a series, and the value itself
for the rest. NaN and infinities become null, unless the bare tokens are asked for that MLflow writes and JSON has not.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
import sys
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

import msgspec

from millstream.errors import MillstreamError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PREDICTIONS = "predictions"


class Unwritable(MillstreamError):
    """The model's result is of a kind that the asked form cannot hold."""

    code = "INTERNAL_ERROR"


def encode(result: Any, *, is_wrapped: bool = True, bare_tokens: bool = False) -> bytes:
    """The result as JSON.

    Args:
        is_wrapped: below `predictions`; chat-like requests are answered without.
        bare_tokens: write NaN, Infinity and -Infinity, which are not strict JSON, in place of null.
    Raises:
        Unwritable: the result, or something in it, has no JSON form.
    """
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(result) is numpy.ndarray and result.dtype.kind in "fiub":
        value = result.tolist()  # the common case, which msgspec writes as it is
    else:
        value = _plain(result)
    body = {PREDICTIONS: value} if is_wrapped else value
    if bare_tokens:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
    try:
        return msgspec.json.encode(body)
    except (TypeError, UnicodeEncodeError, RecursionError, OverflowError) as error:
        raise Unwritable(f"The model's result cannot be written as JSON: {error}.") from None


def _plain(value: Any, depth: int = 0) -> Any:
    """The result as JSON has it: dicts with text keys, lists, text, numbers, booleans and None."""
    if value is None or isinstance(value, str | bool | int | float):
        return _builtin(value)
    if depth > 100:
        raise Unwritable("The model's result is nested deeper than 100 levels, which is no answer.")
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | Set):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.encodebytes(bytes(value)).decode()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return None if value != value else value.isoformat()  # pandas' NaT is a datetime that equals nothing
    return _of_library(value, depth)


def _builtin(value: Any) -> Any:
    """Subclasses of the plain types (numpy's float64 and str_ are such) as the types themselves."""
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return value if type(value) is kind else kind(value)
    return value


def _key(key: Any) -> str:
    return key if type(key) is str else str(_builtin(key))


def _of_library(value: Any, depth: int) -> Any:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            items = value.tolist()
            return items if value.dtype.kind in "fiubU" else _plain(items, depth)
        if isinstance(value, numpy.generic):
            return _plain(value.item(), depth + 1)
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            return _rows(value, depth)
        if isinstance(value, pandas.Series):
            name = "0" if value.name is None else _key(value.name)
            return [{name: item} for item in _cells(value, depth)]
        if value is pandas.NA or value is pandas.NaT:
            return None
    if hasattr(value, "model_dump"):  # pydantic
        return _plain(value.model_dump(), depth + 1)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth + 1)
    if hasattr(value, "toarray"):  # a sparse matrix
        return _plain(value.toarray(), depth + 1)
    if hasattr(value, "numpy") and hasattr(value, "detach"):  # a tensor of torch
        return _plain(value.detach().cpu().numpy(), depth + 1)
    if hasattr(value, "to_list") and hasattr(value, "to_frame"):  # a series of polars, an index of pandas
        return _plain(value.to_list(), depth + 1)
    if hasattr(value, "to_dicts"):  # a frame of polars
        return _plain(value.to_dicts(), depth + 1)
    raise Unwritable(f"The model's result holds a {type(value).__name__}, which cannot be written as JSON.")


def _cells(column: Any, depth: int) -> list[Any]:
    """The values of a pandas series; numbers of numpy's need no look at each, those of other types may be missing (`pandas.NA`)."""
    import numpy as np

    items: list[Any] = column.tolist()
    is_plain = isinstance(column.dtype, np.dtype) and column.dtype.kind in "fiub"
    return items if is_plain else [_plain(item, depth + 1) for item in items]


def _rows(frame: Any, depth: int) -> list[dict[str, Any]]:
    names = [_key(name) for name in frame.columns]
    columns = [_cells(frame.iloc[:, index], depth) for index in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


# ---------------------------------------------------------------- Arrow


def to_table(result: Any) -> pa.Table:
    """The result as a table: an array or a list is the column `predictions` (lists of fixed size for a matrix), a frame is its
    columns, a dict of arrays one column each.

    Raises:
        Unwritable: it has no such form; JSON may have one.
    """
    import numpy as np
    import pyarrow as pa

    pandas = sys.modules.get("pandas")
    try:
        if isinstance(result, pa.Table):
            return result
        if pandas is not None and isinstance(result, pandas.DataFrame):
            return pa.Table.from_pandas(result, preserve_index=False)
        if pandas is not None and isinstance(result, pandas.Series):
            return pa.table({PREDICTIONS if result.name is None else str(result.name): pa.array(result)})
        if isinstance(result, Mapping):
            return pa.table({_key(key): _array(np.asarray(item)) for key, item in result.items()})
        if isinstance(result, np.ndarray):
            return pa.table({PREDICTIONS: _array(result)})
        if isinstance(result, list | tuple):
            return pa.table({PREDICTIONS: pa.array(result)})
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise Unwritable(f"The model's result cannot be written as Arrow: {error}. Ask for JSON.") from None
    raise Unwritable(
        f"The model's result is a {type(result).__name__}, which is no table. Ask for JSON, not for Arrow."
    )


def _array(values: np.ndarray[Any, Any]) -> pa.Array:
    import pyarrow as pa

    if values.ndim <= 1:
        return pa.array(values.reshape(-1))
    array = pa.array(values.reshape(-1))
    for size in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


def encode_arrow(result: Any, *, is_file: bool) -> bytes:
    """The result as an Arrow IPC stream or file. Raises Unwritable."""
    import pyarrow as pa

    table = to_table(result)
    sink = pa.BufferOutputStream()
    with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
