"""Bodies that are tables: CSV, Parquet, and Arrow IPC as a stream or a file.

Parquet and Arrow say the types of their columns themselves, so nothing is cast here: what the model's enforcement takes safely, it
takes. Both are read as data of strangers: sizes are known before anything is unpacked, and offsets are checked before they are used.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from millstream.errors import BadRequest, MissingLibrary, PayloadTooLarge
from millstream.models.types import ColSpec, DataType, Schema
from millstream.serving.forms import cast_frame, shown

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MAX_CELLS = 1 << 26
"""Rows times columns of a table."""


# ---------------------------------------------------------------- CSV


def read_csv(body: bytes, schema: Schema | None) -> pd.DataFrame:
    """A frame of comma-separated text whose first line names the columns; the named columns of the schema get their types.

    Raises:
        BadRequest: the text is no table, a value does not convert, or the schema has columns that no CSV can hold.
    """
    import pandas as pd

    dtypes: dict[Any, Any] = {}
    times: dict[str, ColSpec] = {}
    for spec in schema.inputs if schema is not None else ():
        if not isinstance(spec, ColSpec) or not isinstance(spec.type, DataType):
            raise BadRequest("This model takes tensors, arrays or objects, which CSV cannot hold. Send JSON.")
        if spec.name is None:
            continue
        if spec.type is DataType.datetime:
            times[spec.name] = spec
        else:
            dtypes[spec.name] = object if spec.type in (DataType.string, DataType.binary) else spec.type.to_numpy()
    try:
        text = body.decode()
        if "\0" in text:
            raise ValueError("it holds a NUL character")
        frame = pd.read_csv(io.StringIO(text), dtype=dtypes or None)
    except (ValueError, TypeError, OverflowError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise BadRequest(f"The body cannot be read as CSV with the model's types: {shown(error)}.") from None
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes what is too much for an index
        raise BadRequest("The rows of the CSV have more cells than its first line has names.")
    return cast_frame(frame, Schema(list(times.values()))) if times else frame


# ---------------------------------------------------------------- Parquet


def read_parquet(body: bytes, limit: int) -> pa.Table:
    """
    Args:
        limit: most bytes of the unpacked table.
    Raises:
        BadRequest: no Parquet. PayloadTooLarge: it would unpack to more than the limit.
    """
    pa = _pyarrow()
    from pyarrow import parquet

    with _reading(pa, "Parquet file"):
        file = parquet.ParquetFile(pa.BufferReader(body))
        meta = file.metadata
        _check_cells(meta.num_rows, meta.num_columns)
        size = sum(meta.row_group(index).total_byte_size for index in range(meta.num_row_groups))
        if size > limit or size < 0:
            raise _unpacked(limit)
        table = file.read()
    _check_table(table, limit)
    return table


# ---------------------------------------------------------------- Arrow

_FILE_MAGIC = b"ARROW1\0\0"


def read_arrow(body: bytes, limit: int) -> pa.Table:
    """A table of an Arrow IPC stream or file; a file is a stream behind eight bytes.

    Args:
        limit: most bytes of the unpacked table.
    Raises:
        BadRequest: no Arrow. PayloadTooLarge: it would unpack to more than the limit.
    """
    pa = _pyarrow()
    stream = pa.py_buffer(body)
    if body.startswith(_FILE_MAGIC):
        stream = stream.slice(len(_FILE_MAGIC))
    with _reading(pa, "Arrow IPC stream"):
        _check_messages(pa, stream, limit)
        with pa.ipc.open_stream(stream) as reader:
            table = reader.read_all()
        _check_table(table, limit)
        for batch in table.to_batches():
            batch.validate(full=True)
    return table


def _check_messages(pa: Any, stream: Any, limit: int) -> None:
    """Add up the cells and the unpacked bytes that the messages speak of, before anything is made of them."""
    total = cells = 0
    for message in _messages(pa, stream):
        batch = _batch_of(message.metadata.to_pybytes())
        if batch is None:
            continue
        cells += sum(max(length, 0) for length, _ in batch.pairs(_NODES))
        _check_cells(cells, 1)
        if batch.field(_COMPRESSION):
            total += _unpacked_size(batch, message.body)
            if total > limit:
                raise _unpacked(limit)


def _messages(pa: Any, stream: Any) -> Any:
    reader = pa.ipc.MessageReader.open_stream(stream)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_NODES, _BUFFERS, _COMPRESSION = 1, 2, 3


def _batch_of(message: bytes) -> _Flat | None:
    """The record batch that a message's metadata describes; None for a schema.

    The metadata is a flatbuffer, Message {version, header_type, header, ...}, and the header a RecordBatch {length, nodes, buffers,
    compression, ...} or a DictionaryBatch {id, data: RecordBatch, ...} (Arrow's format/Message.fbs).
    """
    table = _Flat(message, struct.unpack_from("<I", message, 0)[0])
    kind_at, header = table.field(1), table.table(2)
    kind = message[kind_at] if kind_at else 0
    if kind == _DICTIONARY_BATCH:
        return header.table(1) if header else None
    return header if kind == _RECORD_BATCH else None


def _unpacked_size(batch: _Flat, body: Any) -> int:
    """Bytes that the compressed buffers of a batch unpack to: each begins with that length in 8 bytes, -1 if it was left as it is."""
    data = memoryview(body) if body is not None else memoryview(b"")
    total = 0
    for offset, length in batch.pairs(_BUFFERS):
        if length >= 8:
            if offset < 0 or offset + 8 > len(data):
                raise ValueError("a buffer lies outside of its message")
            total += max(struct.unpack_from("<q", data, offset)[0], 0)
    return total


class _Flat:
    """A table of a flatbuffer: fields by number, absent ones as 0 or None. Raises struct.error outside of the message."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self._vtable = at - struct.unpack_from("<i", data, at)[0]
        if self._vtable < 0:
            raise ValueError("the metadata of a message is damaged")
        self._size: int = struct.unpack_from("<H", data, self._vtable)[0]

    def field(self, number: int) -> int:
        """Where the field lies; 0 if it is absent."""
        slot = 4 + 2 * number
        offset: int = struct.unpack_from("<H", self.data, self._vtable + slot)[0] if slot + 2 <= self._size else 0
        return self.at + offset if offset else 0

    def table(self, number: int) -> _Flat | None:
        at = self.field(number)
        return _Flat(self.data, at + struct.unpack_from("<I", self.data, at)[0]) if at else None

    def pairs(self, number: int) -> list[tuple[int, int]]:
        """A vector of structs of two 64-bit integers."""
        at = self.field(number)
        if not at:
            return []
        at += struct.unpack_from("<I", self.data, at)[0]
        count: int = struct.unpack_from("<I", self.data, at)[0]
        if count > 1 << 16:
            raise ValueError("a message has too many buffers")
        return [struct.unpack_from("<qq", self.data, at + 4 + 16 * index) for index in range(count)]


# ---------------------------------------------------------------- both


@contextmanager
def _reading(pa: Any, what: str) -> Iterator[None]:
    """Let bytes that cannot be read as `what` be a BadRequest."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, struct.error) as error:
        raise BadRequest(f"The body is no {what}: {shown(error)}.") from None


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The table as pandas has it: nulls in numbers are NaN, text is what pandas keeps text in."""
    pa = _pyarrow()
    try:
        return table.to_pandas()
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise BadRequest(f"The table cannot be given to the model: {shown(error)}.") from None


def _check_table(table: pa.Table, limit: int) -> None:
    _check_cells(table.num_rows, table.num_columns)
    if len(set(table.column_names)) != table.num_columns:
        raise BadRequest("Two columns of the table have the same name.")
    if table.nbytes > limit:
        raise _unpacked(limit)


def _check_cells(rows: int, columns: int) -> None:
    if rows * max(columns, 1) > MAX_CELLS:
        raise PayloadTooLarge(f"The table has more than {MAX_CELLS} cells. Send it in smaller parts.")


def _unpacked(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The table unpacks to more than {limit} bytes. Send it in smaller parts.")


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ModuleNotFoundError:
        raise MissingLibrary("pyarrow", "Reading Arrow and Parquet bodies") from None
    return pa
