"""The requests of the corpus: over all input forms, good and bad. `record.py` asks the official server; the tests ask ours."""

from __future__ import annotations

import base64
import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

from tests.serving.models import KINDS


@dataclass(frozen=True)
class Case:
    """One request to the server of one model."""

    name: str
    model: str
    body: bytes
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def _json(model: str, name: str, body: Any) -> Case:
    return Case(f"{model}: {name}", model, json.dumps(body).encode())


def _raw(model: str, name: str, body: bytes | str, content_type: str | None = "application/json") -> Case:
    return Case(f"{model}: {name}", model, body.encode() if isinstance(body, str) else body, content_type)


def _csv(model: str, name: str, columns: list[str], *rows: list[Any]) -> Case:
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    return _raw(model, name, text.getvalue(), "text/csv")


def _split(columns: list[str] | None, *rows: list[Any]) -> dict[str, Any]:
    return {"dataframe_split": {**({"columns": columns} if columns is not None else {}), "data": list(rows)}}


IRIS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
MIXED = ["boo", "int", "lon", "flo", "dou", "str", "bin", "dat"]
GOOD = [True, 1, 2, 0.5, 0.25, "x", base64.b64encode(b"raw\x00").decode(), "2024-01-02T03:04:05"]
GOOD_ROW = dict(zip(MIXED, GOOD, strict=True))
NUMBERS = ["n", "i", "f", "b"]


def _tabular() -> list[Case]:
    flower = [5.1, 3.5, 1.4, 0.2]
    row = dict(zip(IRIS, flower, strict=True))
    return [
        _json("iris", "split", _split(IRIS, flower)),
        _json("iris", "split, three rows", _split(IRIS, flower, [6.2, 2.9, 4.3, 1.3], [7.7, 2.6, 6.9, 2.3])),
        _json("iris", "split, integers", _split(IRIS, [5, 3, 1, 0])),
        _json("iris", "split with index", {"dataframe_split": {"columns": IRIS, "index": [7], "data": [flower]}}),
        _json("iris", "split, other order", _split(IRIS[::-1], flower[::-1])),
        _json("iris", "split, one column more", _split([*IRIS, "more"], [*flower, 1])),
        _json("iris", "split, one column less", _split(IRIS[:3], flower[:3])),
        _json("iris", "split without columns", _split(None, flower)),
        _json("iris", "split, ragged rows", _split(IRIS, flower, flower[:3])),
        _json("iris", "split, too many cells", _split(IRIS, [*flower, 1])),
        _json("iris", "split, no rows", _split(IRIS)),
        _json("iris", "split, numbers as text", _split(IRIS, ["5.1", "3.5", "1.4", "0.2"])),
        _json("iris", "split, text", _split(IRIS, ["a", "b", "c", "d"])),
        _json("iris", "split, null", _split(IRIS, [5.1, None, 1.4, 0.2])),
        _json("iris", "split, further key", {"dataframe_split": {"columns": IRIS, "data": [flower], "x": 1}}),
        _json("iris", "split without data", {"dataframe_split": {"columns": IRIS}}),
        _json("iris", "split, column twice", _split([*IRIS[:3], IRIS[2]], flower)),
        _json("iris", "split is a list", {"dataframe_split": [flower]}),
        _json("iris", "split is null", {"dataframe_split": None}),
        _json("iris", "split, data is an object", {"dataframe_split": {"columns": IRIS, "data": {"a": 1}}}),
        _json("iris", "split, row is a number", {"dataframe_split": {"columns": IRIS, "data": [1, 2]}}),
        _json("iris", "records", {"dataframe_records": [row]}),
        _json("iris", "records, two", {"dataframe_records": [row, {**row, "petal_length": 5.5, "petal_width": 2.0}]}),
        _json("iris", "records, other order", {"dataframe_records": [dict(reversed(row.items()))]}),
        _json("iris", "records, missing cell", {"dataframe_records": [row, {k: row[k] for k in IRIS[:3]}]}),
        _json("iris", "records, empty", {"dataframe_records": []}),
        _json("iris", "records is an object", {"dataframe_records": row}),
        _json("iris", "records of lists", {"dataframe_records": [flower]}),
        _json("iris", "records, more", {"dataframe_records": [{**row, "more": "x"}]}),
        _json("iris", "inputs, object of lists", {"inputs": {k: [v, v] for k, v in row.items()}}),
        _json("iris", "inputs, object of scalars", {"inputs": row}),
        _json("iris", "inputs, lengths differ", {"inputs": {**{k: [v, v] for k, v in row.items()}, "petal_width": [1]}}),
        _json("iris", "inputs, list of objects", {"inputs": [row, row]}),
        _json("iris", "inputs, list of lists", {"inputs": [flower, flower]}),
        _json("iris", "inputs, column less", {"inputs": {k: [row[k]] for k in IRIS[:3]}}),
        _json("iris", "inputs, text", {"inputs": {**{k: [v] for k, v in row.items()}, "petal_width": ["wide"]}}),
        _json("iris", "inputs, number as text", {"inputs": {**{k: [v] for k, v in row.items()}, "petal_width": ["0.2"]}}),
        _json("iris", "inputs, scalar", {"inputs": 1}),
        _json("iris", "inputs, null", {"inputs": None}),
        _json("iris", "instances, objects", {"instances": [row, row]}),
        _json("iris", "instances, lists", {"instances": [flower, flower]}),
        _json("iris", "instances, objects with other keys", {"instances": [row, {"a": 1}]}),
        _json("iris", "instances, empty", {"instances": []}),
        _json("iris", "instances, object", {"instances": row}),
        _json("iris", "params that the model has not", {**_split(IRIS, flower), "params": {"a": 1}}),
        _json("iris", "params no object", {**_split(IRIS, flower), "params": [1]}),
        _json("iris", "signature_name", {**_split(IRIS, flower), "signature_name": "x"}),
        _json("iris", "other keys", {**_split(IRIS, flower), "other": 1}),
        _json("iris", "two data keys", {**_split(IRIS, flower), "inputs": [flower]}),
        _json("iris", "no data key", {"columns": IRIS, "data": [flower]}),
        _json("iris", "bare list", [flower]),
        _json("iris", "bare number", 1),
        _json("iris", "bare text", "x"),
        _json("iris", "null", None),
        _json("iris", "empty object", {}),
        _raw("iris", "no JSON", "{"),
        _raw("iris", "empty body", ""),
        _raw("iris", "not UTF-8", b'{"inputs": "\xff"}'),
        _raw("iris", "bare NaN", '{"dataframe_split":{"columns":["sepal_length","sepal_width","petal_length","petal_width"],"data":[[NaN,1,2,3]]}}'),
        _raw("iris", "charset", json.dumps(_split(IRIS, flower)), "application/json; charset=utf-8"),
        _raw("iris", "charset in capitals", json.dumps(_split(IRIS, flower)), "application/json; charset=UTF-8"),
        _raw("iris", "other charset", json.dumps(_split(IRIS, flower)), "application/json; charset=latin-1"),
        _raw("iris", "format parameter", json.dumps(_split(IRIS, flower)), "application/json; format=pandas-split"),
        _raw("iris", "other type", "x", "text/plain"),
        _raw("iris", "type in capitals", json.dumps(_split(IRIS, flower)), "Application/JSON"),
        _csv("iris", "csv", IRIS, flower, flower),
        _csv("iris", "csv, other order", IRIS[::-1], flower[::-1]),
        _csv("iris", "csv, column less", IRIS[:3], flower[:3]),
        _csv("iris", "csv, column more", [*IRIS, "more"], [*flower, "x"]),
        _csv("iris", "csv, text", IRIS, ["a", *flower[1:]]),
        _csv("iris", "csv, empty cell", IRIS, ["", *flower[1:]]),
        _csv("iris", "csv, header alone", IRIS),
        _raw("iris", "csv, empty", "", "text/csv"),
        _raw("iris", "csv, ragged", "sepal_length,sepal_width\n1,2,3\n1\n4,5,6,7,8\n", "text/csv"),
        _raw("iris", "csv, charset", ",".join(IRIS) + "\n5.1,3.5,1.4,0.2\n", "text/csv; charset=utf-8"),
    ]  # fmt: skip


def _columns() -> list[Case]:
    good = _split(MIXED, GOOD)
    cases = [
        _json("mixed", "split", good),
        _json("mixed", "two rows", _split(MIXED, GOOD, GOOD)),
        _json("mixed", "records", {"dataframe_records": [GOOD_ROW]}),
        _json("mixed", "inputs", {"inputs": {k: [v] for k, v in GOOD_ROW.items()}}),
        _json("mixed", "inputs, scalars", {"inputs": GOOD_ROW}),
        _json("mixed", "instances", {"instances": [GOOD_ROW]}),
        _json("mixed", "inputs, objects", {"inputs": [GOOD_ROW]}),
        _csv("mixed", "csv", MIXED, GOOD),
        _json("mixed", "params", {**good, "params": {"k": 7, "scale": 2, "names": ["x", "y"], "when": "2025-01-01T00:00:00"}}),
        _json("mixed", "params, unknown", {**good, "params": {"nothing": 1}}),
        _json("mixed", "params, wrong type", {**good, "params": {"k": "seven"}}),
        _json("mixed", "params, float for long", {**good, "params": {"k": 1.5}}),
        _json("mixed", "params, scalar for a list", {**good, "params": {"names": "x"}}),
        _json("mixed", "params, nested list", {**good, "params": {"names": [["x"]]}}),
        _json("mixed", "params, null value", {**good, "params": {"k": None}}),
        _json("mixed", "params null", {**good, "params": None}),
        _json("mixed", "params a list", {**good, "params": [1]}),
        _json("mixed", "params text", {**good, "params": "k"}),
        _json("mixed", "params empty", {**good, "params": {}}),
    ]  # fmt: skip
    changes: dict[str, list[Any]] = {
        "boo": ["true", "", 0, 1, 2.5, None, "false"],
        "int": [2.5, "3", "x", None, True, 3_000_000_000, -1, 1e300, "2.5"],
        "lon": [2.5, "3", None, 2**53 + 1, 2**63, True, 1e20],
        "flo": [1, "1.5", 1e300, None, True, "nan"],
        "dou": [1, "1.5", None, True, 2**63, "x", "inf"],
        "str": [1, 2.5, None, True, ["a"], {"a": 1}],
        "bin": ["not base64!", 1, None, "YQ==", "YQ"],
        "dat": ["yesterday", 5, None, "2024-01-02", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456789", 1.7e18],
    }
    for column, values in changes.items():
        for value in values:
            row = [value if name == column else cell for name, cell in GOOD_ROW.items()]
            cases.append(_json("mixed", f"{column} is {json.dumps(value)}", _split(MIXED, row)))
    numbers = [3, 4, 0.5, True]
    for form in ("inputs", "instances"):
        for column, values in {"n": [2.5, "3", None, "x"], "i": [2.5, 3_000_000_000], "f": ["0.5", 1], "b": ["yes", 0, 2]}.items():  # fmt: skip
            for value in values:
                changed = {**dict(zip(NUMBERS, numbers, strict=True)), column: value}
                body = {k: [v] for k, v in changed.items()} if form == "inputs" else [changed]
                cases.append(_json("numbers", f"{form}, {column} is {json.dumps(value)}", {form: body}))
    cases += [
        _csv("binary", "csv", ["s", "x"], ["a", "cmF3AA=="]),
        _csv("binary", "csv, number for text", ["s", "x"], [1, "cmF3AA=="]),
        _json("binary", "split", _split(["s", "x"], ["a", "cmF3AA=="])),
        _json("binary", "inputs", {"inputs": {"s": ["a"], "x": ["cmF3AA=="]}}),
        _csv("numbers", "csv", NUMBERS, [3, 4, 0.5, True]),
        _csv("numbers", "csv, float for long", NUMBERS, [2.5, 4, 0.5, True]),
        _csv("numbers", "csv, empty long", NUMBERS, ["", 4, 0.5, True]),
        _csv("numbers", "csv, number for boolean", NUMBERS, [3, 4, 0.5, 1]),
        _json("optional", "all there", _split(["a", "b", "c"], [1.5, 2.5, "x"])),
        _json("optional", "absent", _split(["a"], [1.5])),
        _json("optional", "null", _split(["a", "b", "c"], [1.5, None, None])),
        _json("optional", "some null", _split(["a", "b", "c"], [1.5, None, None], [2.5, 3.5, "y"])),
        _json("optional", "required null", _split(["a", "b", "c"], [None, 1.5, "x"])),
        _json("optional", "records with holes", {"dataframe_records": [{"a": 1.5, "c": "x"}, {"a": 2.5, "b": 1}]}),
        _json("optional", "inputs", {"inputs": {"a": [1.5], "c": ["x"]}}),
        _json("optional", "inputs with null", {"inputs": {"a": [1.5, 2], "b": [None, 1.5]}}),
        _csv("optional", "csv with holes", ["a", "b", "c"], [1.5, "", ""], [2.5, 1, "y"]),
        _json("unnamed", "split", _split(None, [1.5, "x"])),
        _json("unnamed", "split with names", _split(["p", "q"], [1, "x"])),
        _json("unnamed", "records", {"dataframe_records": [{"p": 1, "q": "x"}]}),
        _json("unnamed", "one column", _split(None, [1.5])),
        _json("unnamed", "one column more", _split(None, [1.5, "x", 3])),
        _json("unnamed", "inputs", {"inputs": [[1.5, "x"], [2.5, "y"]]}),
        _json("unnamed", "instances", {"instances": [[1.5, "x"]]}),
        _csv("unnamed", "csv", ["p", "q"], [1, "x"]),
        _json("one_unnamed", "inputs, texts", {"inputs": ["a", "b"]}),
        _json("one_unnamed", "inputs, one text", {"inputs": "a"}),
        _json("one_unnamed", "inputs, numbers", {"inputs": [1, 2]}),
        _json("one_unnamed", "inputs, empty", {"inputs": []}),
        _json("one_unnamed", "split", _split(None, ["a"], ["b"])),
    ]  # fmt: skip
    return cases


def _tensors() -> list[Case]:
    return [
        _json("tensor", "inputs", {"inputs": [[1, 2], [3, 4.5]]}),
        _json("tensor", "instances", {"instances": [[1, 2], [3, 4]]}),
        _json("tensor", "wrong width", {"inputs": [[1, 2, 3]]}),
        _json("tensor", "wrong rank", {"inputs": [1, 2]}),
        _json("tensor", "ragged", {"inputs": [[1, 2], [3]]}),
        _json("tensor", "text", {"inputs": [["a", "b"]]}),
        _json("tensor", "numbers as text", {"inputs": [["1", "2"]]}),
        _json("tensor", "null", {"inputs": [[1, None]]}),
        _json("tensor", "object", {"inputs": {"a": [[1, 2]]}}),
        _json("tensor", "list of objects", {"inputs": [{"a": 1}]}),
        _json("tensor", "scalar", {"inputs": 1}),
        _json("tensor", "empty", {"inputs": []}),
        _json("tensor", "split", _split(None, [1, 2])),
        _json("tensor", "split with names", _split(["a", "b"], [1.5, 2.5])),
        _json("tensor", "records", {"dataframe_records": [{"a": 1.5, "b": 2.5}]}),
        _csv("tensor", "csv", ["a", "b"], [1.5, 2.5]),
        _json("tensor", "truth", {"inputs": [[True, False]]}),
        _json("tensor", "large", {"inputs": [[1e300, 1]]}),
        _json("tensors", "inputs", {"inputs": {"a": [[1, 2]], "b": [3]}}),
        _json("tensors", "instances", {"instances": [{"a": [1, 2], "b": 3}, {"a": [3, 4], "b": 5}]}),
        _json("tensors", "one missing", {"inputs": {"a": [[1, 2]]}}),
        _json("tensors", "one more", {"inputs": {"a": [[1, 2]], "b": [3], "c": [1]}}),
        _json("tensors", "float for an integer", {"inputs": {"a": [[1, 2]], "b": [3.5]}}),
        _json("tensors", "bare list", {"inputs": [[1, 2]]}),
        _json("tensors", "lengths differ", {"inputs": {"a": [[1, 2], [3, 4]], "b": [3]}}),
        _json("tensors", "instances, lengths differ", {"instances": [{"a": [1, 2], "b": 3}, {"a": [3, 4]}]}),
        _json("tensors", "split", _split(["a", "b"], [[1, 2], 3], [[4, 5], 6])),
        _json("tensors", "records", {"dataframe_records": [{"a": [1, 2], "b": 3}]}),
        _json("one_tensor", "bare list", {"inputs": [[1, 2]]}),
        _json("one_tensor", "object", {"inputs": {"a": [[1, 2]]}}),
        _json("one_tensor", "instances", {"instances": [[1, 2]]}),
        _json("one_tensor", "instances, objects", {"instances": [{"a": [1, 2]}]}),
        _json("text_tensor", "texts", {"inputs": {"a": ["x", "yy"]}}),
        _json("text_tensor", "numbers", {"inputs": {"a": [1, 2]}}),
        _json("text_tensor", "split", _split(["a"], ["x"], ["yy"])),
    ]


def _objects() -> list[Case]:
    row = {"xs": [1.5, 2.5], "person": {"name": "ann", "age": 3}}
    full = {**row, "tags": {"a": "b"}, "more": [1, "x"]}
    return [
        _json("objects", "records", {"dataframe_records": [row]}),
        _json("objects", "records, all", {"dataframe_records": [full, full]}),
        _json("objects", "split", _split(["xs", "person"], [row["xs"], row["person"]])),
        _json("objects", "inputs, objects", {"inputs": [row, row]}),
        _json("objects", "inputs, one object", {"inputs": row}),
        _json("objects", "inputs, columns", {"inputs": {k: [v] for k, v in row.items()}}),
        _json("objects", "instances", {"instances": [row]}),
        _json("objects", "integers for doubles", {"dataframe_records": [{**row, "xs": [1, 2]}]}),
        _json("objects", "integers and doubles", {"dataframe_records": [{**row, "xs": [1, 2.5]}]}),
        _json("objects", "zeros and ones for doubles", {"dataframe_records": [{**row, "xs": [0, 1]}]}),
        _json("objects", "text in an array", {"dataframe_records": [{**row, "xs": ["a"]}]}),
        _json("objects", "scalar for an array", {"dataframe_records": [{**row, "xs": 1.5}]}),
        _json("objects", "empty array", {"dataframe_records": [{**row, "xs": []}]}),
        _json("objects", "null for an array", {"dataframe_records": [{**row, "xs": None}]}),
        _json("objects", "property missing", {"dataframe_records": [{**row, "person": {"name": "ann"}}]}),
        _json("objects", "required property missing", {"dataframe_records": [{**row, "person": {"age": 3}}]}),
        _json("objects", "unknown property", {"dataframe_records": [{**row, "person": {"name": "a", "x": 1}}]}),
        _json("objects", "null property", {"dataframe_records": [{**row, "person": {"name": "a", "age": None}}]}),
        _json("objects", "property of another type", {"dataframe_records": [{**row, "person": {"name": 1}}]}),
        _json("objects", "map of numbers", {"dataframe_records": [{**row, "tags": {"a": 1}}]}),
        _json("objects", "column missing", {"dataframe_records": [{"xs": [1.5]}]}),
        _csv("objects", "csv", ["xs", "person"], ["[1.5]", "{}"]),
    ]


def _rest() -> list[Case]:
    cases = [_json("results", kind, _split(["kind"], [kind])) for kind in KINDS]
    cases += [
        _json("failing", how, _split(["how"], [how]))
        for how in ("value", "key", "type", "RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED", "INVALID_PARAMETER_VALUE",
                    "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
    ]  # fmt: skip
    cases += [
        _json("bare", "split", _split(["a", "b"], [1, "x"], [2.5, None])),
        _json("bare", "split without columns", _split(None, [1, 2])),
        _json("bare", "split, integers and null", _split(["a"], [1], [None])),
        _json("bare", "split, nested", _split(["a"], [[1, 2]], [{"k": 1}])),
        _json("bare", "split, dates stay text", _split(["date"], ["2024-01-01"])),
        _json("bare", "split, large integers", _split(["a"], [2**53 + 1], [2**62])),
        _json("bare", "split, huge integers", _split(["a"], [2**70])),
        _json("bare", "records", {"dataframe_records": [{"a": 1, "b": "x"}, {"b": "y", "c": True}]}),
        _json("bare", "inputs, list", {"inputs": [1, 2, 3]}),
        _json("bare", "inputs, list with null", {"inputs": [1, None]}),
        _json("bare", "inputs, floats", {"inputs": [[1.5, 2], [3, 4]]}),
        _json("bare", "inputs, ragged", {"inputs": [[1], [2, 3]]}),
        _json("bare", "inputs, texts", {"inputs": ["a", "bc"]}),
        _json("bare", "inputs, text and number", {"inputs": ["a", 1]}),
        _json("bare", "inputs, scalar", {"inputs": 5}),
        _json("bare", "inputs, text", {"inputs": "x"}),
        _json("bare", "inputs, truth", {"inputs": True}),
        _json("bare", "inputs, null", {"inputs": None}),
        _json("bare", "inputs, object", {"inputs": {"a": [1, 2], "b": ["x", "y"]}}),
        _json("bare", "inputs, object of scalars", {"inputs": {"a": 1, "b": "x"}}),
        _json("bare", "inputs, nested object", {"inputs": {"a": {"b": [1]}}}),
        _json("bare", "inputs, objects", {"inputs": [{"a": 1}, {"a": 2}]}),
        _json("bare", "inputs, empty", {"inputs": []}),
        _json("bare", "instances", {"instances": [[1, 2], [3, 4]]}),
        _json("bare", "instances, objects", {"instances": [{"a": 1, "b": [1, 2]}, {"a": 2, "b": [3, 4]}]}),
        _json("bare", "instances, scalars", {"instances": [1, 2.5]}),
        _json("bare", "params", {"inputs": [1], "params": {"a": 1}}),
        _json("bare", "messages", {"messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}),
        _json("bare", "prompt", {"prompt": "hi"}),
        _json("bare", "input", {"input": "hi", "more": 1}),
        _csv("bare", "csv", ["a", "b", "c"], [1, "x", ""], [2, "y", "1.5"]),
        _json("mixed", "messages", {"messages": [], "k": 9}),
        _json("iris", "prompt", {"prompt": "x"}),
        _json("texts", "inputs", {"inputs": ["a", "b"]}),
        _json("texts", "one text", {"inputs": "a"}),
        _json("texts", "numbers", {"inputs": [1]}),
        _json("texts", "split", _split(None, ["a"])),
        _json("texts", "instances", {"instances": ["a"]}),
        _json("texts", "empty", {"inputs": []}),
        _csv("texts", "csv", ["a"], ["x"]),
        _json("times", "inputs", {"inputs": ["2024-01-02T03:04:05", "2024-01-02"]}),
        _json("times", "no time", {"inputs": ["yesterday"]}),
        _json("times", "number", {"inputs": [5]}),
        _json("blobs", "inputs", {"inputs": [{"a": "cmF3AA=="}, {}]}),
        _json("blobs", "no base64", {"inputs": [{"a": "x"}]}),
        _json("people", "inputs", {"inputs": [{"name": "ann", "age": 3}, {"name": "bo"}]}),
        _json("people", "property missing", {"inputs": [{"age": 3}]}),
        _json("people", "unknown property", {"inputs": [{"name": "ann", "x": 1}]}),
        _json("people", "wrong type", {"inputs": [{"name": 1}]}),
        _json("people", "no list", {"inputs": {"name": "ann"}}),
    ]  # fmt: skip
    return cases


def cases() -> list[Case]:
    """All requests; their names are distinct."""
    return [*_tabular(), *_columns(), *_tensors(), *_objects(), *_rest(), *_linear(), *_parquet()]


def _linear() -> list[Case]:
    import random

    source = random.Random(7)
    columns = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
    rows = [[round(source.gauss(0, 0.05), 6) for _ in columns] for _ in range(50)]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    return [
        _json("linear", "one row", _split(columns, rows[0])),
        _json("linear", "fifty rows", _split(columns, *rows)),
        _json("linear", "fifty records", {"dataframe_records": records}),
        _json("linear", "fifty rows by column", {"inputs": {c: [r[c] for r in records] for c in columns}}),
        _json("linear", "fifty instances", {"instances": records}),
        _csv("linear", "fifty lines", columns, *rows),
    ]


def _parquet() -> list[Case]:
    """Parquet bodies, written once and kept as text so that they are the same for ever."""
    from pathlib import Path

    stored = json.loads((Path(__file__).parent / "parquet.json").read_text())
    return [_raw(model, name, base64.b64decode(text), "application/vnd.apache.parquet") for model, name, text in stored]
