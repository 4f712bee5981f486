"""The short way of a request whose values have the types of their columns already, which is nearly every request.

For a schema of named scalar columns one msgspec decoder is compiled that reads the JSON of all four forms straight into typed
columns. What it does not take as it is (text for a number, null, columns in another order, ...) is not an error: `read` gives None, and
the request goes the general way through `forms`, which casts or refuses. The frame is the same either way, to the bit.
"""

from __future__ import annotations

import struct
from itertools import chain
from types import GenericAlias
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, defstruct

from millstream.models.types import ColSpec, DataType, Schema
from millstream.serving.forms import MAX_DEPTH, NUL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa

_PYTHON: dict[DataType, Any] = {
    DataType.boolean: bool,
    DataType.integer: int,
    DataType.long: int,
    DataType.float: float,
    DataType.double: float,
    DataType.string: str,
}
"""Types of columns that JSON has, and what each is decoded to."""

_CODES = {("i", 4): "i", ("i", 8): "q", ("f", 4): "f", ("f", 8): "d"}
"""Codes of `struct` by kind and size of numbers."""

MAX_COLUMNS = 2000
"""A decoder is compiled for each column; wider tables go the general way."""


class Table(Struct, eq=False):
    """Typed columns in the schema's order: as one matrix if all have the same numeric type, else each for itself."""

    names: pd.Index
    matrix: np.ndarray[Any, Any] | None  # (rows, columns), in Fortran order as a frame's values are
    arrays: Sequence[np.ndarray[Any, Any]]  # empty if there is a matrix
    rows: int

    def frame(self) -> pd.DataFrame:
        import pandas as pd

        if self.matrix is not None:
            return pd.DataFrame(self.matrix, columns=self.names, copy=False)
        return pd.DataFrame(dict(zip(self.names, self.arrays, strict=True)), copy=False)


class Decoded(Struct):
    """A request that the short way took."""

    table: Table
    params: Any


class Columns:
    """The decoder of one schema.

    Args:
        schema: for which `takes` holds.
    Attributes:
        names: of the columns.
        common: the dtype of all columns if they are numbers of one type, so that tables are matrices; else None.
    """

    def __init__(self, schema: Schema) -> None:
        import pandas as pd

        specs = [spec for spec in schema.inputs if isinstance(spec, ColSpec)]
        self.names = pd.Index([str(spec.name) for spec in specs])
        self._names = [str(spec.name) for spec in specs]
        types = [spec.type for spec in specs if isinstance(spec.type, DataType)]
        self.dtypes = [_dtype(kind) for kind in types]
        self._arrow = [_ARROW.get(kind) for kind in types]
        is_uniform = len(set(self.dtypes)) == 1 and self.dtypes[0].kind in "fi"
        self.common = self.dtypes[0] if is_uniform else None
        self._decoder = msgspec.json.Decoder(_body_type(self._names, [_PYTHON[kind] for kind in types]))

    def read(self, body: bytes) -> Decoded | None:
        """The request's columns and its `params`; None if it has to go the general way."""
        import numpy as np

        if NUL in body:
            return None
        try:
            value: Any = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        try:
            with np.errstate(over="ignore"):  # a double beyond the range of a float is infinite
                table = self._table(value)
        except (ValueError, OverflowError, struct.error):  # an integer beyond its type
            return None
        if table is None or self._may_be_deep(body, table):
            return None
        return Decoded(table, None if value.params is UNSET else value.params)

    def _table(self, value: Any) -> Table | None:
        if value.messages is not UNSET or value.prompt is not UNSET or value.input is not UNSET:
            return None
        given = (value.dataframe_split, value.dataframe_records, value.inputs, value.instances)
        forms = [form for form in given if form is not UNSET]
        if len(forms) != 1 or not forms[0]:
            return None
        form = forms[0]
        if type(form) is list:
            return self._of_rows([msgspec.structs.astuple(row) for row in form])
        if form is value.inputs:
            return self._of_columns(msgspec.structs.astuple(form))
        if form.columns != self._names or form.index is not None or not form.data:
            return None
        return self._of_rows(form.data)

    def _may_be_deep(self, body: bytes, table: Table) -> bool:
        """Whether there are many more brackets than a table has: in `params`, or in keys that nobody reads."""
        return body.count(b"[") + body.count(b"{") > table.rows + len(self._names) + MAX_DEPTH

    def _of_rows(self, rows: Sequence[tuple[Any, ...]]) -> Table:
        import numpy as np

        count, width = len(rows), len(self._names)
        if self.common is not None:
            if count == 1:
                flat = np.array(rows, dtype=self.common)
            else:  # packing is 1.6 times as fast as numpy's own reading of cells (10,000 of them: 143 µs, 2026-11)
                code = _CODES[self.common.kind, self.common.itemsize]
                packed = struct.pack(f"={count * width}{code}", *chain.from_iterable(rows))
                flat = np.frombuffer(packed, dtype=self.common).reshape(count, width)
            return Table(self.names, np.array(flat, order="F"), (), count)
        return Table(self.names, None, self._arrays(list(zip(*rows, strict=True))), count)

    def _of_columns(self, columns: Sequence[Sequence[Any]]) -> Table | None:
        import numpy as np

        count = len(columns[0])
        if not count or any(len(column) != count for column in columns):
            return None
        if self.common is not None:
            return Table(self.names, np.array(columns, dtype=self.common).T, (), count)
        return Table(self.names, None, self._arrays(columns), count)

    def _arrays(self, columns: Sequence[Sequence[Any]]) -> list[np.ndarray[Any, Any]]:
        import numpy as np

        return [np.array(column, dtype=dtype) for column, dtype in zip(columns, self.dtypes, strict=True)]

    def of_arrow(self, table: pa.Table) -> Table | None:
        """The columns of an Arrow table that has exactly the schema's names and types and no nulls; else None."""
        import numpy as np

        if table.column_names != self._names or not table.num_rows or not self._fits(table):
            return None
        arrays = [column.to_numpy() for column in table.columns]
        if self.common is not None:
            matrix = np.empty((len(arrays), table.num_rows), dtype=self.common)
            for index, array in enumerate(arrays):
                matrix[index] = array
            return Table(self.names, matrix.T, (), table.num_rows)
        return Table(self.names, None, arrays, table.num_rows)

    def _fits(self, table: pa.Table) -> bool:
        kinds = [str(kind) for kind in table.schema.types]
        return kinds == self._arrow and not any(column.null_count for column in table.columns)


_ARROW = {
    DataType.boolean: "bool",
    DataType.integer: "int32",
    DataType.long: "int64",
    DataType.float: "float",
    DataType.double: "double",
}
"""Names of Arrow's types; text is left to `to_pandas`."""


def takes(schema: Schema) -> bool:
    """Whether a schema has the short way: named, required columns of scalar types that JSON has, and not too many."""
    return (
        len(schema.inputs) <= MAX_COLUMNS
        and all(
            isinstance(spec, ColSpec) and spec.required and isinstance(spec.name, str)
            and isinstance(spec.type, DataType) and spec.type in _PYTHON
            for spec in schema.inputs
        )
        and len(set(schema.input_names())) == len(schema.inputs)
    )  # fmt: skip


def _dtype(kind: DataType) -> np.dtype[Any]:
    import numpy as np

    return np.dtype(object) if kind is DataType.string else np.dtype(kind.to_numpy())


def _body_type(names: Sequence[str], types: Sequence[Any]) -> type[Struct]:
    """The Struct of a whole body over columns of those names and Python types."""
    fields = [f"c{index}" for index in range(len(names))]
    rename = dict(zip(fields, names, strict=True))
    row = defstruct(
        "Row", list(zip(fields, types, strict=True)), rename=rename, forbid_unknown_fields=True, gc=False
    )  # fmt: skip
    columns = defstruct(
        "ColumnsOf", [(name, _lists(kind)) for name, kind in zip(fields, types, strict=True)],
        rename=rename, forbid_unknown_fields=True,
    )  # fmt: skip
    cells: Any = GenericAlias(tuple, tuple(types))
    split = defstruct(
        "Split",
        [("data", _lists(cells)), ("columns", list[str]), ("index", Any, None)],
        forbid_unknown_fields=True,
    )
    rows = _lists(row)
    absent: Any = UNSET
    return defstruct(
        "Body",
        [
            ("dataframe_split", split | UnsetType, absent),
            ("dataframe_records", rows | UnsetType, absent),
            ("inputs", columns | rows | UnsetType, absent),
            ("instances", rows | UnsetType, absent),
            ("params", Any, absent),
            ("messages", msgspec.Raw | UnsetType, absent),
            ("prompt", msgspec.Raw | UnsetType, absent),
            ("input", msgspec.Raw | UnsetType, absent),
        ],
    )


def _lists(kind: Any) -> Any:
    """`list[kind]` of a type that is made at run time."""
    return GenericAlias(list, (kind,))
