"""Data given to `predict`, turned into what the model's input schema says: a frame, an array, or a dict of arrays.

This is on the way of every prediction, so a frame that fits already is let through after two comparisons, without a copy
of its data. `conversion` has the rules for values, `tensors` those for arrays, `params` those for parameters.
"""

from __future__ import annotations

import datetime as dt
import logging
import numbers
import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from millstream import settings
from millstream.errors import InvalidValue
from millstream.models.conversion import Mismatch, conform, convert, is_wider
from millstream.models.datatypes import AnyType, Array, DataType, Object
from millstream.models.inference import kind_of
from millstream.models.params import enforce_params
from millstream.models.tensors import enforce_tensors
from millstream.models.types import ColSpec, Schema

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["enforce_inputs", "enforce_params", "validate_schema"]

logger = logging.getLogger(__name__)

_SHOWN = 500
"""Characters of the data and of the schema that an error shows."""
_REPR = reprlib.Repr()  # shows the beginning of large data without going through all of it
_REPR.maxlist = _REPR.maxdict = 20
_REPR.maxstring, _REPR.maxother = _SHOWN, 4 * _SHOWN


def enforce_inputs(data: Any, schema: Schema) -> Any:
    """The data as the schema says.

    Args:
        data: a frame of pandas, polars or Spark, a Series, an array, a sparse matrix, a dict, a list or a single value.
    Returns:
        Columns: a new pandas frame of the schema's columns in its order, which the model may change; for a Spark frame, a Spark
        frame. Tensors: the array or sparse matrix, or a dict of arrays if they are named.
    Raises:
        InvalidValue: names each column that does not fit, what it is and what the model takes; shows the beginning of the
            data and the schema unless `DISABLE_SCHEMA_DETAILS` is set.
    """
    if not schema.is_tensor_spec() and kind_of(data) == "frame":
        plan = _plan(schema)
        if plan.fits(data):
            return _apart(data)
    try:
        return enforce_tensors(data, schema) if schema.is_tensor_spec() else _enforce_columns(data, schema)
    except InvalidValue as error:
        raise _explained(error, data, schema) from None


def validate_schema(data: Any, expected_schema: Schema) -> None:
    """Whether a model with these inputs would take the data: raises InvalidValue, as `predict` would, if not."""
    enforce_inputs(data, expected_schema)


def _explained(error: InvalidValue, data: Any, schema: Schema) -> InvalidValue:
    if settings.DISABLE_SCHEMA_DETAILS.get():
        return InvalidValue(
            "The data does not fit the input schema of the model. MILLSTREAM_DISABLE_SCHEMA_DETAILS hides the details."
        )
    shown = " ".join(_REPR.repr(data).split())
    return InvalidValue(
        f"The data does not fit the input schema of the model. {error.message} Schema: {_cut(repr(schema))}. "
        f"Data: {_cut(shown)}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _apart(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame that the model may change without changing the caller's: pandas 3 copies what is written to, when it is."""
    import pandas as pd

    return frame.copy(deep=int(pd.__version__.partition(".")[0]) < 3)


# ---------------------------------------------------------------- the plan of a schema
class Plan(Struct):
    """What a schema of columns asks of a frame, worked out once per schema.

    Attributes:
        names: None for columns without names.
        dtypes: per column, those that need no work; empty for arrays, objects and maps, whose values are always looked at.
        layouts: lists of dtypes of whole frames that need no work.
    """

    columns: list[ColSpec]
    names: pd.Index | None
    dtypes: list[tuple[Any, ...]]
    layouts: tuple[list[Any], ...]

    def fits(self, frame: pd.DataFrame) -> bool:
        """Whether the frame has exactly these columns, in this order, of these dtypes."""
        if len(frame.columns) != len(self.columns):
            return False
        if self.names is not None and not frame.columns.equals(self.names):
            return False
        return frame.dtypes.tolist() in self.layouts


def _plan(schema: Schema) -> Plan:
    """Kept with the schema."""
    plan: Plan | None = schema.__dict__.get("_plan")
    if plan is None:
        import pandas as pd

        columns = [each for each in schema.inputs if isinstance(each, ColSpec)]
        names = pd.Index([each.name for each in columns]) if schema.has_input_names() else None
        dtypes = [_dtypes(each) for each in columns]
        layouts = ([each[0] for each in dtypes], [each[-1] for each in dtypes]) if all(dtypes) else ()
        plan = schema.__dict__["_plan"] = Plan(columns, names, dtypes, layouts)
    return plan


def _dtypes(column: ColSpec) -> tuple[Any, ...]:
    """The dtypes that need no work. Text has two with pandas 3, `str` and `object`."""
    import numpy as np
    import pandas as pd

    if not isinstance(column.type, DataType):
        return ()
    if column.type is DataType.string:
        return pd.Series(dtype=str).dtype, np.dtype(object)
    return (np.dtype(column.type.to_pandas()),)


# ---------------------------------------------------------------- columns
def _enforce_columns(data: Any, schema: Schema) -> Any:
    if kind_of(data) == "spark":
        return _enforce_spark(data, schema)
    frame = _as_frame(data, schema)
    given = frame.dtypes.tolist()
    chosen = _chosen(list(frame.columns), schema)
    positions = [position for position, _, _ in chosen]
    target = _common_target([given[each] for each in positions], [spec for _, spec, _ in chosen])
    if target is not None:
        return frame.take(positions, axis=1).astype(target)
    is_unique = frame.columns.is_unique
    converted, problems = {}, []
    for position, spec, dtypes in chosen:
        if given[position] in dtypes:
            continue
        name = frame.columns[position]
        column = frame[name] if is_unique else frame.iloc[:, position]
        try:
            converted[position] = _enforce_column(column, spec, f"Column {name!r}")
        except Mismatch as error:
            problems.append(error.message)
    if problems:
        raise InvalidValue(" ".join(problems[:_PROBLEMS]))
    if not converted:
        is_whole = positions == list(range(len(given)))
        return _apart(frame) if is_whole else frame.take(positions, axis=1)
    import pandas as pd

    columns = [converted[each] if each in converted else frame.iloc[:, each].array for each in positions]
    enforced = pd.DataFrame(dict(enumerate(columns)), index=frame.index)
    enforced.columns = frame.columns[positions]
    return enforced


def _common_target(dtypes: list[Any], specs: list[ColSpec]) -> Any:
    """The dtype to cast a whole table to, if all its columns are of one dtype and have to be of another, wider one; else None."""
    wanted = specs[0].type if specs else None
    if not isinstance(wanted, DataType) or any(spec.type != wanted for spec in specs) or len(set(dtypes)) != 1:
        return None
    return wanted.to_numpy() if is_wider(dtypes[0], wanted) else None


_PROBLEMS = 20
"""Columns that an error names at most."""


def _enforce_column(values: pd.Series, spec: ColSpec, where: str) -> Any:
    """The column's values, as an array of NumPy's or pandas'."""
    if isinstance(spec.type, DataType):
        if is_wider(values.dtype, spec.type):
            return values.to_numpy().astype(spec.type.to_numpy())  # a tenth of the time that pandas takes for it
        return convert(values, spec.type, where).array
    if isinstance(spec.type, AnyType):
        return values.array
    import pandas as pd

    found = [
        conform(value, spec.type, f"{where}[{row}]", nullable=not spec.required) for row, value in enumerate(values)
    ]
    return pd.Series(found, dtype=object).array


def _chosen(given: list[Any], schema: Schema) -> list[tuple[int, ColSpec, tuple[Any, ...]]]:
    """The columns that the model takes, in its order: where each is among the given ones, what it has to be, and the dtypes that
    need no work. Raises InvalidValue listing columns that are missing."""
    plan = _plan(schema)
    if plan.names is None:
        if len(given) < len(plan.columns):
            raise InvalidValue(f"The model takes {len(plan.columns)} columns, {len(given)} are given.")
        return list(zip(range(len(plan.columns)), plan.columns, plan.dtypes, strict=True))
    where = {name: position for position, name in enumerate(given)}
    wanted = {spec.name for spec in plan.columns}
    extra = [name for name in given if name not in wanted]
    missing = [spec.name for spec in plan.columns if spec.required and spec.name not in where]
    if missing:
        also = f" Given besides are {extra}; are they named otherwise?" if extra else ""
        raise InvalidValue(f"Columns are missing: {missing}.{also}")
    if len(where) < len(given):
        doubles = sorted({str(name) for name in given if given.count(name) > 1 and name in wanted})
        if doubles:
            raise InvalidValue(f"Several columns are named {', '.join(doubles)}. Names must differ.")
    if extra:
        logger.warning("The model takes no such columns, they are dropped: %s.", ", ".join(map(str, extra)))
    columns = zip(plan.columns, plan.dtypes, strict=True)
    return [(where[spec.name], spec, dtypes) for spec, dtypes in columns if spec.name in where]


def _enforce_spark(data: Any, schema: Schema) -> Any:
    """Ten rows are checked; the frame itself only loses the columns that the model does not take."""
    _enforce_columns(data.limit(10).toPandas(), schema)
    return data.select(*[data.columns[position] for position, _, _ in _chosen(data.columns, schema)])


# ---------------------------------------------------------------- containers
def _as_frame(data: Any, schema: Schema) -> pd.DataFrame:
    """A pandas frame of what is given. Raises InvalidValue for what is no table in any way."""
    import numpy as np
    import pandas as pd

    kind = kind_of(data)
    if kind == "frame":
        return data
    if kind == "series":
        return data.to_frame()
    if kind == "polars":
        return data.to_pandas()
    try:
        if isinstance(data, Mapping):
            return _of_mapping(data, schema)
        if kind == "array" and data.ndim:
            return pd.DataFrame(data)
        if isinstance(data, list):
            return pd.DataFrame(_padded(data))
        if isinstance(data, numbers.Number | str | bytes | dt.date | np.generic) or kind == "array":
            return pd.DataFrame([data])
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"The data makes no table: {error}") from None
    raise InvalidValue(
        f"The model takes a table; {type(data).__name__} is none. Give a frame, a dict or a list of dicts."
    )


def _padded(rows: list[Any]) -> list[Any]:
    """Rows of different lengths filled up with None, which pandas does no longer do by itself."""
    if not all(isinstance(row, list) or (kind_of(row) == "array" and row.ndim) for row in rows):
        return rows
    width = max(map(len, rows), default=0)
    if all(len(row) == width for row in rows):
        return rows
    return [[*row, *[None] * (width - len(row))] for row in rows]


def _of_mapping(data: Mapping[Any, Any], schema: Schema) -> pd.DataFrame:
    """One row if the model takes arrays or objects, or if all values are single or lists of text; else columns."""
    import pandas as pd

    takes_compound = any(isinstance(each.type, Array | Object) for each in schema.inputs)
    if takes_compound or all(_is_single(value) for value in data.values()):
        return pd.DataFrame([dict(data)])
    columns = {
        name: value.tolist() if kind_of(value) == "array" and value.ndim > 1 else value for name, value in data.items()
    }
    return pd.DataFrame(columns)


def _is_single(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    return not isinstance(value, Mapping) and not getattr(value, "ndim", 0)
