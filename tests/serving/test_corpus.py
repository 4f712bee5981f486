"""Our answers to the requests of the corpus are those of the official server (recorded by `record.py`), but for what is named here."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from millstream.serving import create_app
from tests.serving.conftest import Asker
from tests.serving.corpus import Case, cases

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden.json").read_text())

DIFFERENCES: dict[str, tuple[str, int, Any]] = {
    "iris: instances, objects with other keys": (
        "The official server makes columns of unequal rows and then drops some, so values of one row reach another. We refuse.",
        400, "BAD_REQUEST",
    ),
    "iris: type in capitals": ("Media types have no case.", 200, [0]),
    "mixed: csv": (
        "Times in CSV are read, where the official server knows no way to. Binary columns of CSV are text on both.",
        200, None,
    ),
    "mixed: int is 3000000000": ("An integer that does not fit is refused, not turned into another.", 400, "BAD_REQUEST"),
    "mixed: int is 1e+300": ("An integer that does not fit is refused, not turned into another.", 400, "BAD_REQUEST"),
    "mixed: lon is 9223372036854775808": ("An integer that does not fit is refused, not turned into another.", 400, "BAD_REQUEST"),
    "mixed: lon is 1e+20": ("An integer that does not fit is refused, not turned into another.", 400, "BAD_REQUEST"),
    "one_unnamed: inputs, empty": ("No rows are a table without rows.", 200, None),
    "times: no time": ("A mistake of the caller is no 500.", 400, "INVALID_PARAMETER_VALUE"),
    "blobs: no base64": ("A mistake of the caller is no 500.", 400, "INVALID_PARAMETER_VALUE"),
    "objects: instances": ("Rows of objects are taken as rows; the official server makes one row of them and fails.", 200, None),
}  # fmt: skip
"""Requests that are answered otherwise on purpose: why, our status, and our error code or predictions (None: of the model's making).

Besides: NaN and infinities are null, and messages are our own.
"""


@pytest.fixture(scope="session")
def askers(saved: dict[str, Path]) -> dict[str, Asker]:
    return {name: Asker(create_app(str(folder), trust=True)) for name, folder in saved.items()}


def plain(value: Any) -> Any:
    """An answer without what depends on the version of a library: NaN as null, names of scalar types of numpy as Python's."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        if value.get("params") == {"dict": {}}:
            value = {**value, "params": "missing"}  # no params are no params
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) == 2 and isinstance(value[0], str) and value[0] in _PYTHON:
            return [_PYTHON[value[0]], value[1]]
        return [plain(item) for item in value]
    return value


_PYTHON = {
    "str_": "str",
    "int64": "int",
    "int32": "int",
    "float64": "float",
    "float32": "float",
    "bool_": "bool",
    "bytes_": "bytes",
}


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_answer_is_that_of_the_official_server(askers: dict[str, Asker], case: Case) -> None:
    reply = askers[case.model].post(case.body, case.content_type)
    golden = GOLDEN[case.name]
    got = reply.json() if reply.headers["content-type"] == "application/json" else {"text": ""}
    if case.name in DIFFERENCES:
        _, status, expected = DIFFERENCES[case.name]
        assert (golden["status"], golden["body"]) != (status, got), "no difference any more"
        assert (reply.status, got.get("error_code") or got["predictions"]) == (status, expected or got["predictions"])
        return
    expected = (golden["status"], golden["body"].get("error_code") if isinstance(golden["body"], dict) else None)
    found = (reply.status, got.get("error_code"))
    assert found == expected, got
    assert reply.headers["content-type"].split(";")[0] == golden["type"].split(";")[0]
    if golden["status"] == 200:
        assert plain(got) == plain(golden["body"])


def test_every_request_was_recorded() -> None:
    assert {case.name for case in cases()} == GOLDEN.keys()
