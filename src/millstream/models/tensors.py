"""Arrays given to a model whose inputs are tensors: their dtype and shape must be what the signature says, nothing is cast.

Frames are the exception, since pandas cannot hold an array with a second dimension: a column's cells are stacked, reshaped
and cast.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.conversion import Mismatch
from millstream.models.inference import kind_of
from millstream.models.types import Schema, TensorSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

logger = logging.getLogger(__name__)


def enforce_tensors(data: Any, schema: Schema) -> Any:
    """The array or sparse matrix for an unnamed tensor, a dict of arrays for named ones. Raises InvalidValue."""
    specs = [each for each in schema.inputs if isinstance(each, TensorSpec)]
    kind = kind_of(data)
    if kind == "series":
        data, kind = data.to_frame(), "frame"
    if schema.has_input_names():
        return _named(data, kind, specs)
    if kind == "frame":
        return _unnamed_of_frame(data, specs[0])
    if kind in ("array", "sparse"):
        return _checked(data, specs[0], "The array")
    raise InvalidValue(f"The model takes an array; {type(data).__name__} is none. Wrap it: numpy.array(...).")


def _named(data: Any, kind: str, specs: list[TensorSpec]) -> dict[str, Any]:
    if kind == "array" and len(specs) == 1:
        data = {specs[0].name: data}
    is_frame = kind == "frame"
    if not is_frame and not isinstance(data, Mapping):
        raise InvalidValue(f"The model takes a dict of arrays {_names(specs)}; {type(data).__name__} is none.")
    missing = [spec.name for spec in specs if spec.name not in data]
    extra = [name for name in data if name not in _names(specs)]
    if missing:
        also = f" Given besides are {extra}; are they named otherwise?" if extra else ""
        raise InvalidValue(f"Arrays are missing: {missing}.{also}")
    if extra:
        logger.warning("The model takes no such arrays, they are dropped: %s.", ", ".join(map(str, extra)))
    found, problems = {}, []
    for spec in specs:
        where = f"{'Column' if is_frame else 'Array'} {spec.name!r}"
        try:
            value = data[spec.name]
            found[str(spec.name)] = _of_column(value, spec, where) if is_frame else _array(value, spec, where)
        except InvalidValue as error:
            problems.append(error.message)
    if problems:
        raise InvalidValue(" ".join(problems))
    return found


def _names(specs: list[TensorSpec]) -> list[str | None]:
    return [spec.name for spec in specs]


def _array(value: Any, spec: TensorSpec, where: str) -> Any:
    if kind_of(value) != "array":
        raise Mismatch(where, type(value).__name__, repr(spec), "Wrap it: numpy.array(...).")
    return _checked(value, spec, where)


def _checked(value: Any, spec: TensorSpec, where: str) -> Any:
    """The array itself, if it is what the spec says. Arrays of objects are only held against a shape of several dimensions."""
    dtype = value.dtype
    if spec.type.kind == "O" and spec.shape == (-1,):
        return value
    fits = dtype.kind == spec.type.kind if spec.type.kind in "US" else dtype == spec.type
    if not fits:
        raise Mismatch(where, f"{dtype}", repr(spec), f"Convert it: array.astype({spec.type.name!r}).")
    if dtype.kind == "O" and value.ndim == 1 and -1 in spec.shape[1:]:  # rows of different sizes
        return value
    if not _fits_shape(value.shape, spec.shape):
        raise Mismatch(where, f"shape {tuple(value.shape)}", repr(spec))
    return value


def _fits_shape(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return len(given) == len(wanted) and all(want in (-1, size) for size, want in zip(given, wanted, strict=True))


def _unnamed_of_frame(frame: pd.DataFrame, spec: TensorSpec) -> Any:
    if len(frame.columns) == 1:
        return _of_column(frame.iloc[:, 0], spec, f"Column {frame.columns[0]!r}")
    if spec.shape != (-1, len(frame.columns)):
        raise Mismatch(
            "The frame", f"{len(frame.columns)} columns", repr(spec), "Give as many columns as its second dimension."
        )
    return _checked(frame.to_numpy(), spec, "The frame")


def _of_column(column: pd.Series, spec: TensorSpec, where: str) -> np.ndarray[Any, Any]:
    """Cells that are numbers, lists or arrays, as one array. Only the number of rows may be open."""
    import numpy as np

    if spec.shape[:1] != (-1,) or -1 in spec.shape[1:]:
        raise Mismatch(where, "a column", repr(spec), "A column makes an array whose first dimension alone is open.")
    first = column.iloc[0] if len(column) else 0
    if isinstance(first, list | np.ndarray):
        if isinstance(first, list) and any(isinstance(each, list | np.ndarray) for each in first):
            raise Mismatch(where, "lists in lists", repr(spec), "Give each cell as one flat list.")
        cells: Any = column.tolist()
    elif np.isscalar(first):
        if spec.shape not in ((-1,), (-1, 1)):
            raise Mismatch(where, "single values", repr(spec), f"Give lists of {spec.shape[1:]} values as cells.")
        cells = column.to_numpy()
    else:
        raise Mismatch(where, type(first).__name__, repr(spec), "Give numbers, lists or arrays as cells.")
    try:
        array = np.array(cells)
        if spec.type.kind in "iu" and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise Mismatch(where, "numbers with missing or infinite values", repr(spec), "Fill them.")
        return array.astype(spec.type).reshape(spec.shape)
    except (TypeError, ValueError) as error:
        raise Mismatch(where, f"cells that make no such array ({error})", repr(spec)) from None
