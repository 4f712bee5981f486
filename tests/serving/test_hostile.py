"""Bodies made to break a scoring server: each is refused with a 4xx, quickly, and nothing of the inside is told."""

from __future__ import annotations

import base64
import io
import json
import struct
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from millstream.models.types import ColSpec, Schema, TensorSpec
from millstream.serving import create_app
from millstream.serving.app import Options
from millstream.serving.scorer import Options as ScorerOptions
from tests.serving.conftest import Asker
from tests.serving.test_app import Plain, total

STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"
PARQUET = "application/vnd.apache.parquet"
JSON = "application/json"
CSV = "text/csv"


def _deep(opening: bytes, closing: bytes, levels: int) -> bytes:
    return b'{"inputs":' + opening * levels + b"1" + closing * levels + b"}"


def _arrow(table: pa.Table, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(table, sink, **options)
    return sink.getvalue()


def _patched(body: bytes, old: bytes, new: bytes) -> bytes:
    assert old in body
    return body.replace(old, new)


def _bombs() -> Iterator[tuple[str, str, bytes]]:
    zeros = pa.table({"a": pa.array([0.0]).take(pa.array([0] * 4_000_000)), "b": pa.nulls(4_000_000, pa.float64())})
    yield "arrow, zstd bomb", STREAM, _arrow(zeros, "zstd")
    yield "arrow, lz4 bomb", STREAM, _arrow(zeros, "lz4")
    yield "parquet bomb", PARQUET, _parquet(zeros, compression="zstd")
    nulls = _arrow(pa.table({"a": pa.nulls(1000)}))
    yield "arrow, nulls without end", STREAM, _patched(nulls, struct.pack("<q", 1000), struct.pack("<q", 1 << 40))
    constant = pa.table({"a": pa.array([0.0]).take(pa.array([0] * 3_000_000))})
    yield "parquet, one value many times", PARQUET, _parquet(constant, compression="none", use_dictionary=True)


def _arrow_bodies() -> Iterator[tuple[str, str, bytes]]:
    table = pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    good = _arrow(table)
    texts = _arrow(pa.table({"a": ["x" * 7, "y" * 9], "b": [1.0, 2.0]}))
    for cut in (0, 1, 7, 8, len(good) // 3, len(good) // 2, len(good) - 40):
        yield f"arrow cut at {cut}", STREAM, good[:cut]
    yield (
        "arrow, text offsets beyond the data",
        STREAM,
        _patched(texts, struct.pack("<iii", 0, 7, 16), struct.pack("<iii", 0, 7, 1 << 30)),
    )
    yield (
        "arrow, text offsets that go back",
        STREAM,
        _patched(texts, struct.pack("<iii", 0, 7, 16), struct.pack("<iii", 0, 16, 7)),
    )
    yield "arrow, same name twice", STREAM, _arrow(pa.table([[1.0], [2.0]], names=["a", "a"]))
    yield "arrow, lists for numbers", STREAM, _arrow(pa.table({"a": [[1.0]], "b": [[2.0]]}))
    yield "arrow as file, but a stream", FILE, b"ARROW1\0\0" + b"\xff" * 200
    yield "arrow, nonsense", STREAM, b"\xff\xff\xff\xff" + b"\x7f" * 100
    yield "arrow, negative length", STREAM, b"\xff\xff\xff\xff" + struct.pack("<i", -5) + b"x" * 64
    yield "arrow, huge length", STREAM, b"\xff\xff\xff\xff" + struct.pack("<i", 1 << 30) + b"x" * 64
    yield "arrow, compressed with a lie", STREAM, _lying()
    yield "parquet, nonsense", PARQUET, b"PAR1" + b"\xff" * 100 + b"PAR1"
    whole = _parquet(table)
    yield "parquet, cut", PARQUET, whole[: len(whole) // 2]
    yield "parquet, footer length beyond the file", PARQUET, whole[:-8] + struct.pack("<I", 1 << 30) + b"PAR1"
    yield "parquet, pages overwritten", PARQUET, whole[:4] + b"\xff" * 60 + whole[64:]


def _lying() -> bytes:
    """A compressed column that says it unpacks to nearly 2^62 bytes."""
    body = _arrow(pa.table({"a": [0.0] * 5000}), "zstd")
    return _patched(body, struct.pack("<q", 40_000), struct.pack("<q", 1 << 62))


def _json_bodies() -> Iterator[tuple[str, str, bytes]]:
    yield "lists 101 deep", JSON, _deep(b"[", b"]", 101)
    yield "lists 100,000 deep", JSON, _deep(b"[", b"]", 100_000)
    yield "lists that never close", JSON, b'{"inputs":' + b"[" * 100_000
    yield "objects 100,000 deep", JSON, _deep(b'{"a":', b"}", 100_000)
    yield (
        "deep behind a string with brackets",
        JSON,
        b'{"x":"]]]]]]]]}}}}}}","inputs":' + b"[" * 5000 + b"]" * 5000 + b"}",
    )
    yield (
        "deep beside a fitting form",
        JSON,
        b'{"dataframe_split":{"columns":["a","b"],"data":[[1,2]]},"params":' + b"[" * 5000 + b"]" * 5000 + b"}",
    )
    for key in ("params", "nobody reads this"):
        deep = b"[" * 150 + b"]" * 150
        yield f"150 deep in {key}", JSON, b'{"inputs":{"a":[1],"b":[2]},"%s":%s}' % (key.encode(), deep)
    yield "NUL in a text", JSON, b'{"dataframe_records":[{"a":1,"b":2,"c":"x\\u0000"}]}'
    yield "NUL in a name", JSON, b'{"dataframe_records":[{"a":1,"b":2,"\\u0000":1}]}'
    yield "half of a surrogate pair", JSON, b'{"dataframe_records":[{"a":"\\ud800","b":1}]}'
    yield "not UTF-8", JSON, b'{"inputs":{"a":["\xff\xfe"],"b":[1]}}'
    yield "NUL byte", JSON, b'{"inputs":\0}'
    yield "NUL bytes alone", JSON, b"\0" * 1000
    yield "UTF-16", JSON, '{"inputs": [1]}'.encode("utf-16")
    yield "byte order mark", JSON, b"\xef\xbb\xbf" + b'{"inputs":[[1,2]]}'
    yield "two values", JSON, b'{"inputs":[1]} {"inputs":[2]}'
    yield "a million columns", JSON, json.dumps({"inputs": {str(n): [1] for n in range(200_000)}}).encode()
    yield "integer of 10,000 digits", JSON, b'{"inputs":{"a":[' + b"9" * 10_000 + b'],"b":[1]}}'
    yield "float beyond doubles as text", JSON, b'{"inputs":{"a":["' + b"9" * 10_000 + b'x"],"b":[1]}}'
    yield "pickle", JSON, b"\x80\x04cposix\nsystem\n."
    yield "an object for a cell", JSON, b'{"dataframe_split":{"columns":["a","b"],"data":[[{"__class__":"os"},1]]}}'
    yield "columns that are no list", JSON, b'{"dataframe_split":{"columns":7,"data":[[1,2]]}}'
    yield "columns that are objects", JSON, b'{"dataframe_split":{"columns":[{},{}],"data":[[1,2]]}}'
    yield "index that is too long", JSON, b'{"dataframe_split":{"columns":["a","b"],"index":[1,2,3],"data":[[1,2]]}}'
    yield "ragged rows", JSON, b'{"inputs":{"a":[[1],[1,2]],"b":[1,2]}}'
    yield "records of lists and objects", JSON, b'{"dataframe_records":[{"a":1,"b":2},[1,2]]}'
    yield "instances of objects and numbers", JSON, b'{"instances":[{"a":1,"b":2},1]}'
    yield "csv with a NUL", CSV, b"a,b\n1,\0\n"
    yield "csv, unclosed quote", CSV, b'a,b\n1,"2\n3,4\n5'
    yield "csv, not UTF-8", CSV, b"a,b\n\xff,1\n"
    yield "csv, other separators", CSV, b"a;b\n1;2\n"
    yield "csv, more cells than columns", CSV, b"a,b\n1,2,3,4\n"


BODIES = [*_json_bodies(), *_arrow_bodies(), *_bombs()]


@pytest.fixture(scope="module")
def app() -> Asker:
    options = Options(max_body_bytes=8 << 20, scoring=ScorerOptions(max_unpacked_bytes=16 << 20))
    return Asker(create_app(Plain(total), options))


@pytest.mark.parametrize(
    ("content_type", "body"), [(kind, body) for _, kind, body in BODIES], ids=[name for name, *_ in BODIES]
)
def test_it_is_refused(app: Asker, content_type: str, body: bytes) -> None:
    began = time.perf_counter()
    reply = app.post(body, content_type)
    assert 400 <= reply.error()[0] < 500, reply.body
    assert time.perf_counter() - began < 5
    assert app.score({"inputs": {"a": [1], "b": [2]}}).predictions == [3.0], "the server goes on"


@pytest.mark.parametrize(
    "content_type",
    ["application/json\r\nx: y", "application/json; charset=\xff", "/", ";;;", "application/" + "x" * 10_000, "multipart/form-data; boundary=x",
     "application/x-www-form-urlencoded", "application/x-python-pickle", "text/html"],
)  # fmt: skip
def test_other_content_types_are_415(app: Asker, content_type: str) -> None:
    reply = app.post(b"{}", content_type)
    assert reply.status == 415
    assert len(reply.body) < 1000


def test_tensors_take_no_more_than_they_say() -> None:
    import numpy as np

    schema = Schema([TensorSpec(np.dtype("float32"), (-1, 2), "t")])
    app = Asker(create_app(Plain(lambda data: data["t"].sum(axis=1), schema)))
    assert app.score({"inputs": {"t": [[1, 2]]}}).predictions == [3.0]
    for wrong in ([[1, 2, 3]], [1, 2], [[[1, 2]]], [["a", "b"]], [[1, {}]], {"x": 1}, "t", [[None, []]]):
        assert app.score({"inputs": {"t": wrong}}).error()[0] == 400, wrong


def test_base64_that_is_none_is_refused() -> None:
    app = Asker(create_app(Plain(lambda frame: [len(frame["x"][0])], Schema([ColSpec("binary", "x")]))))
    good = base64.b64encode(b"\0\xff").decode()
    assert app.score({"dataframe_records": [{"x": good}]}).predictions == [2]
    for wrong in ("a", "äöü", 5, ["x"], {"x": 1}):
        assert app.score({"dataframe_records": [{"x": wrong}]}).error()[0] == 400
