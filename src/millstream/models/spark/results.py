"""What a function over Spark frames gives: the type of its column, and predictions turned into it.

    type          of a batch's predictions it takes
    boolean, int, long, float, double
                  the first column that fits: booleans, integers of up to 32 or 64 bits, any numbers
    string        the first column, as text
    array         all columns that fit its elements, one array a row; or the lists that the rows are
    struct        the columns of its fields' names, or as many columns in order
    map           dicts, or all columns by name
    variant       anything: it travels as JSON (a result that the signature says nothing of)

Predictions are frames, Series, arrays, lists of values, of rows or of dicts, dicts of columns.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.datatypes import AnyType, to_spark
from millstream.models.inference import type_of
from millstream.models.types import TensorSpec

if TYPE_CHECKING:
    import pandas as pd

    from millstream.models.types import Schema


class WrongResult(InvalidValue):
    """Predictions that are not of the type that was asked for."""


# ---------------------------------------------------------------- types
def declared(given: Any) -> Any:
    """The type of Spark's that `result_type` says: a type, or its name or DDL ("array<double>", "a int, b string").

    Raises InvalidValue for one that predictions cannot have.
    """
    from pyspark.sql import types

    found = given
    if isinstance(given, str):
        text = {"bool": "boolean"}.get(given.strip(), given)
        try:
            parse = getattr(types.DataType, "fromDDL", None) or types._parse_datatype_string
            found = parse(text)
            if isinstance(found, types.StructType) and " " not in text.strip() and ":" not in text:
                raise ValueError(f"{text} is no type")
        except Exception as error:  # of Java's parser, through py4j
            raise InvalidValue(f"result_type={given!r} is no type of Spark's: {str(error).split(chr(10))[0]}") from None
    if not isinstance(found, types.DataType):
        raise InvalidValue(f"result_type is a type of Spark's or its name, such as 'double', not {given!r}.")
    _check(found, given)
    return found


def _check(found: Any, given: Any) -> None:
    from pyspark.sql import types

    if isinstance(found, types.ArrayType):
        return _check(found.elementType, given)
    if isinstance(found, types.StructType):
        for field in found.fields:
            _check(field.dataType, given)
        return None
    if isinstance(found, types.MapType) and isinstance(found.keyType, types.StringType):
        return _check(found.valueType, given)
    simple = (types.BooleanType, types.IntegerType, types.LongType, types.FloatType, types.DoubleType, types.StringType,
              types.BinaryType, types.TimestampType)  # fmt: skip
    if not isinstance(found, simple):
        raise InvalidValue(
            f"A model's result cannot be of the type {found.simpleString()} (in result_type={given!r}). Ask for boolean, int, long, "
            "float, double, string, or arrays, structs or maps (with text as keys) of them."
        )
    return None


def of_schema(outputs: Schema) -> Any:
    """The type that the outputs of a signature have: that of a single one, a struct of several.

    "any" is a variant; text before Spark 4, and in a struct.
    """
    from pyspark.sql import types

    first = outputs.inputs[0]
    if len(outputs) == 1 and not isinstance(first, TensorSpec) and isinstance(first.type, AnyType):
        return getattr(types, "VariantType", types.StringType)()
    found = [_of_spec(each) for each in outputs.inputs]
    if len(found) == 1:
        return found[0]
    names = map(str, outputs.input_names())
    return types.StructType([types.StructField(name, type) for name, type in zip(names, found, strict=True)])


def _of_spec(spec: Any) -> Any:
    from pyspark.sql import types

    if isinstance(spec, TensorSpec):
        import numpy as np

        found = to_spark(type_of(np.zeros((), spec.type)))
        for _ in spec.shape[1:]:
            found = types.ArrayType(found)
        return found
    return types.StringType() if isinstance(spec.type, AnyType) else to_spark(spec.type)


def carrier(wanted: Any) -> Any:
    """The type in which values of a type come from workers: variants as text, which Spark then parses."""
    from pyspark.sql.types import StringType

    return StringType() if wanted.typeName() == "variant" else wanted


def arrow_type_of(wanted: Any, time_zone: str) -> Any:
    """Arrow's type of a type of Spark's; Spark's own function for it takes other arguments in each version."""
    import pyarrow as pa

    kind = wanted.typeName()
    if kind == "array":
        return pa.list_(pa.field("element", arrow_type_of(wanted.elementType, time_zone)))
    if kind == "struct":
        return pa.struct([pa.field(field.name, arrow_type_of(field.dataType, time_zone)) for field in wanted.fields])
    if kind == "map":
        return pa.map_(pa.string(), arrow_type_of(wanted.valueType, time_zone))
    if kind == "timestamp":
        return pa.timestamp("us", tz=time_zone)
    found: Any = getattr(pa, _ARROW[kind])()
    return found


_ARROW = {
    "boolean": "bool_", "integer": "int32", "long": "int64", "float": "float32", "double": "float64", "string": "string",
    "binary": "binary",
}  # fmt: skip

# ---------------------------------------------------------------- values
_FITS: dict[str, tuple[str, ...]] = {
    "boolean": ("bool",),
    "integer": ("int8", "int16", "int32", "uint8", "uint16"),
    "long": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
    "float": ("number",),
    "double": ("number",),
}
"""What fits a type of Spark's, as `DataFrame.select_dtypes` names it."""


def converted(prediction: Any, wanted: Any, arrow_type: Any, rows: int) -> Any:
    """A batch's predictions as an Arrow array.

    Args:
        wanted: the type of Spark's; `arrow_type` is Arrow's of its carrier.
        rows: how many the batch has.
    Raises:
        WrongResult: there are not as many predictions as rows, or none that fits the type.
    """
    import pyarrow as pa

    table = _as_table(prediction, rows, keeps_dicts=wanted.typeName() in ("map", "variant"))
    try:
        return _column(table, wanted, arrow_type)
    except WrongResult:
        raise
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError, ValueError) as error:
        raise _misfit(table, wanted, error) from None


def _as_table(prediction: Any, rows: int, keeps_dicts: bool) -> pd.DataFrame:
    """Predictions as a frame; rows that are arrays of several dimensions stay lists, in one column.

    Args:
        keeps_dicts: so do rows that are dicts; else their keys are columns.
    """
    import numpy as np
    import pandas as pd

    if isinstance(prediction, pd.DataFrame):
        table = prediction
    elif isinstance(prediction, pd.Series):
        table = prediction.to_frame(0)
    elif isinstance(prediction, np.ndarray):
        table = pd.DataFrame(prediction) if prediction.ndim < 3 else pd.DataFrame({0: list(prediction)})
    elif hasattr(prediction, "toarray"):  # a sparse matrix
        table = pd.DataFrame(prediction.toarray())
    elif isinstance(prediction, dict):
        table = pd.DataFrame({name: _cells(values) for name, values in prediction.items()})
    elif isinstance(prediction, (list, tuple)):
        is_rows = bool(prediction) and isinstance(prediction[0], dict) and not keeps_dicts
        table = pd.DataFrame(list(prediction)) if is_rows else pd.DataFrame({0: list(prediction)})
    else:
        raise WrongResult(
            f"The model gives {type(prediction).__name__}, which has no value for each row. A function over Spark frames needs a "
            "frame, an array or a list as long as its input."
        )
    if len(table) != rows:
        raise WrongResult(f"The model gives {len(table)} predictions for {rows} rows. It has to give one for each row.")
    return table


def _cells(values: Any) -> Any:
    return list(values) if getattr(values, "ndim", 1) > 1 else values


def _column(table: pd.DataFrame, wanted: Any, arrow_type: Any) -> Any:
    import pyarrow as pa

    kind = wanted.typeName()
    if kind == "struct":
        columns = _named(table, wanted)
        made = [_column(each, field.dataType, arrow_type.field(i).type)
                for i, (each, field) in enumerate(zip(columns, wanted.fields, strict=True))]  # fmt: skip
        return pa.StructArray.from_arrays(made, fields=[arrow_type.field(i) for i in range(arrow_type.num_fields)])
    if kind == "array":
        return _arrays(table, wanted, arrow_type)
    if kind == "map":
        return pa.array([_pairs(cell) for cell in _rows(table)], arrow_type)
    if kind == "variant":
        return pa.array([json.dumps(cell, default=_plain, allow_nan=False) for cell in _rows(table)], arrow_type)
    if kind == "string":
        return pa.array([_text(cell) for cell in table.iloc[:, 0]], arrow_type)
    return _scalars(_fitting(table, wanted).iloc[:, 0], kind, arrow_type)


def _rows(table: pd.DataFrame) -> list[Any]:
    """The cells of a single column that has no name or holds dicts, else a dict for each row."""
    if len(table.columns) == 1:
        cells: list[Any] = table.iloc[:, 0].tolist()
        if table.columns[0] == 0 or any(isinstance(cell, dict) for cell in cells):
            return cells
    rows: list[Any] = table.to_dict(orient="records")
    return rows


def _pairs(cell: Any) -> list[tuple[Any, Any]] | None:
    """A dict as Arrow takes a map. Raises TypeError."""
    if isinstance(cell, dict):
        return list(cell.items())
    from millstream.models.inference import is_null

    if is_null(cell):
        return None
    raise TypeError(f"{type(cell).__name__} is no dict")


def _scalars(values: pd.Series, kind: str, arrow_type: Any) -> Any:
    import pyarrow as pa

    if kind == "timestamp" and getattr(values.dtype, "tz", None) is None:
        values = values.astype("datetime64[ns]").dt.tz_localize(arrow_type.tz)
    return pa.Array.from_pandas(values, type=arrow_type, safe=False)


def _named(table: pd.DataFrame, wanted: Any) -> list[pd.DataFrame]:
    """The columns of a struct's fields: by name, or else in order. Raises WrongResult if there are too few."""
    names = [field.name for field in wanted.fields]
    known = {str(name): index for index, name in enumerate(table.columns)}
    if all(name in known for name in names):
        return [table.iloc[:, [known[name]]] for name in names]
    if len(table.columns) != len(names):
        raise _misfit(table, wanted, "their names and number differ")
    return [table.iloc[:, [index]] for index in range(len(names))]


def _arrays(table: pd.DataFrame, wanted: Any, arrow_type: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if len(table.columns) == 1 and table.dtypes.iloc[0].kind == "O":
        cells = [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in table.iloc[:, 0]]
        if any(isinstance(cell, list) for cell in cells):
            return pa.array(cells, arrow_type)
    element = wanted.elementType
    found = table if element.typeName() == "string" else _fitting(table, element)
    if element.typeName() == "string":
        flat = pa.array([_text(cell) for cell in found.to_numpy().ravel()], arrow_type.value_type)
    else:
        flat = pa.Array.from_pandas(found.to_numpy().ravel(), type=arrow_type.value_type, safe=False)
    ends = np.arange(len(found) + 1, dtype=np.int32) * len(found.columns)
    return pa.ListArray.from_arrays(pa.array(ends), flat, type=arrow_type)


def _fitting(table: pd.DataFrame, wanted: Any) -> pd.DataFrame:
    """The columns that fit a scalar type. Raises WrongResult if none does."""
    dtypes = _FITS.get(wanted.typeName())
    if dtypes is None:
        return table
    table = table.infer_objects()
    found = table.select_dtypes(include=list(dtypes))
    if wanted.typeName() in ("float", "double"):
        found = found[[name for name in found.columns if found[name].dtype.kind in "iuf"]]
    if not len(found.columns):
        raise _misfit(table, wanted, "no column fits")
    return found


def _text(cell: Any) -> str | None:
    """A value as text, compound ones as JSON."""
    from millstream.models.inference import is_null

    if is_null(cell):
        return None
    if isinstance(cell, (dict, list)):
        return json.dumps(cell, default=_plain)
    return cell if isinstance(cell, str) else str(cell)


def _plain(value: Any) -> Any:
    """What JSON has no form for: NumPy's values, and others as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _misfit(table: pd.DataFrame, wanted: Any, reason: object) -> WrongResult:
    columns = ", ".join(f"{name!r}: {dtype}" for name, dtype in list(table.dtypes.items())[:20])
    return WrongResult(
        f"The model's predictions ({columns}) are not {wanted.simpleString()}: {str(reason).split(chr(10))[0]}. Give the "
        "result_type that they have, such as 'double', 'string', 'array<double>' or 'a int, b double'."
    )
