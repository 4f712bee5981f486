"""Input examples: the files they become, and what is read back from them and from older ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from millstream.errors import InvalidValue, NotFound
from millstream.models.examples import (
    load_example,
    load_example_params,
    load_serving_example,
    save_example,
    serving_payload,
    split_params,
)

ENDLESS: list[Any] = []
ENDLESS.append([ENDLESS])


def test_a_frame_is_saved_without_its_index_and_read_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[4, 5])
    info = save_example(frame, tmp_path)
    assert info == {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
    }
    assert json.loads((tmp_path / "input_example.json").read_text()) == {
        "columns": ["a", "b"],
        "data": [[1, "x"], [2, None]],
    }
    pd.testing.assert_frame_equal(load_example(tmp_path, info), frame.reset_index(drop=True), check_dtype=False)


def test_numbered_columns_are_not_named(tmp_path: Path) -> None:
    info = save_example(pd.DataFrame([[1.5, 2]]), tmp_path)
    assert info["pandas_orient"] == "values"
    assert json.loads(load_serving_example(tmp_path, info)) == {"dataframe_split": {"data": [[1.5, 2.0]]}}
    assert list(load_example(tmp_path, info).columns) == [0, 1]


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, pd.NaT])
def test_missing_values_are_null_and_the_files_strict_json(tmp_path: Path, missing: Any) -> None:
    save_example(pd.DataFrame({"a": pd.Series([1.5, missing], dtype=object)}), tmp_path)
    for name in ("input_example.json", "serving_input_example.json"):
        text = (tmp_path / name).read_text()
        assert "NaN" not in text
        assert "null" in text


def test_arrays_and_matrices_are_read_back_as_such(tmp_path: Path) -> None:
    info = save_example(np.array([[1.5, 2.5]]), tmp_path)
    assert (load_example(tmp_path, info) == np.array([[1.5, 2.5]])).all()
    info = save_example({"a": np.array([1]), "b": np.array(["x"])}, tmp_path)
    loaded = load_example(tmp_path, info)
    assert loaded["a"].tolist() == [1]
    assert loaded["b"].tolist() == ["x"]
    matrix = sparse.csc_matrix(np.array([[0, 1.5], [2.5, 0]]))
    info = save_example(matrix, tmp_path)
    assert json.loads(load_serving_example(tmp_path, info)) == {"inputs": [[0.0, 1.5], [2.5, 0.0]]}
    loaded = load_example(tmp_path, info)
    assert loaded.format == "csc"
    assert (loaded != matrix).nnz == 0


def test_params_come_as_the_second_of_a_pair(tmp_path: Path) -> None:
    info = save_example((np.array([1, 2]), {"k": np.int64(3)}), tmp_path)
    assert info["params"] == "true"
    assert json.loads((tmp_path / "input_example.json").read_text()) == {"inputs": [1, 2], "params": {"k": 3}}
    assert load_example(tmp_path, info).tolist() == [1, 2]
    assert load_example_params(tmp_path, info) == {"k": 3}
    assert split_params(([1], {"k": 1})) == ([1], {"k": 1})
    assert split_params([1]) == ([1], None)
    assert load_example_params(tmp_path, save_example([1], tmp_path)) is None


def test_the_body_of_a_request_is_made_of_any_example() -> None:
    assert json.loads(serving_payload(pd.DataFrame({"a": [1]}))) == {
        "dataframe_split": {"columns": ["a"], "data": [[1]]}
    }
    assert json.loads(serving_payload([1, 2], {"k": 1})) == {"inputs": [1, 2], "params": {"k": 1}}
    assert json.loads(serving_payload(([1, 2], {"k": 1}))) == {"inputs": [1, 2], "params": {"k": 1}}
    assert json.loads(serving_payload({"messages": []}, {"t": 1})) == {"messages": [], "t": 1}


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ({"a": np.array([1]), "b": 2}, "arrays beside"),
        ([np.array([1])], "arrays"),
        (pd.Series([1]), "Series"),
        (sparse.coo_matrix(np.eye(2)), "coo_matrix"),
        ((1, 2), "tuple"),
        (None, "NoneType"),
        (object(), "object"),
        ({"a": [object()]}, "object"),
        (np.array([1 + 2j]), "complex"),
        (ENDLESS, "contains itself"),
    ],
)
def test_what_cannot_be_an_example_is_refused_and_nothing_written(tmp_path: Path, example: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        save_example(example, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_examples_of_1_x_are_read(tmp_path: Path) -> None:
    (tmp_path / "input_example.json").write_text('{"columns": ["a"], "data": [[1]]}')
    old = {"artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "split"}
    assert load_example(tmp_path, old)["a"].tolist() == [1]
    (tmp_path / "input_example.json").write_text('{"columns": ["a"], "index": [3], "data": [[1]]}')
    assert load_example(tmp_path, old).index.tolist() == [0]
    (tmp_path / "input_example.json").write_text('[{"a": 1}, {"a": 2}]')
    assert load_example(tmp_path, {**old, "pandas_orient": "records"})["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"type": "strange"}, "[]"),
        ({"type": "json_object"}, "{"),
        ({"type": "dataframe"}, '{"data": 5}'),
        ({"type": "dataframe"}, '{"rows": []}'),
        ({"type": "dataframe"}, "5"),
        ({"type": "sparse_matrix_csr"}, '{"data": []}'),
        ({"type": "sparse_matrix_csr"}, '{"data": [1], "indices": [99], "indptr": [0, 1], "shape": [1, 1]}'),
        ({"type": "ndarray"}, "[[1], [1, 2]]"),
        ({"type": "json_object", "artifact_path": "../secret.json"}, "{}"),
        ({"type": "json_object", "artifact_path": "/etc/passwd"}, "{}"),
    ],
)
def test_a_broken_or_hostile_example_is_one_clear_error(tmp_path: Path, info: dict[str, Any], text: str) -> None:
    (tmp_path / "secret.json").write_text('"secret"')
    root = tmp_path / "model"
    root.mkdir()
    (root / "input_example.json").write_text(text)
    with pytest.raises(InvalidValue):
        load_example(root, info)


def test_an_example_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"input_example\.json"):
        load_example(tmp_path, {"type": "json_object"})
