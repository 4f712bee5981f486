"""Signatures: from data, from type hints, in MLmodel, set later."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import logging
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd
import pydantic
import pytest

from millstream.errors import InvalidValue, NotFound
from millstream.models import hints
from millstream.models.hints import TypeFromExample
from millstream.models.mlmodel import Model
from millstream.models.signature import (
    ModelSignature,
    infer_signature,
    set_signature,
    signature_from_type_hints,
    signature_of_example,
)
from millstream.models.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

LONG = Schema([ColSpec("long", "a")])


class Row(pydantic.BaseModel):
    a: int
    b: str | None = None
    when: dt.datetime | None = None


@dataclasses.dataclass
class Person:
    name: str
    age: Optional[int]  # noqa: UP045


def test_a_signature_is_inferred_from_inputs_outputs_and_params() -> None:
    signature = infer_signature(pd.DataFrame({"a": [1.5], "b": ["x"]}), np.array([1]), {"k": 3})
    assert signature.to_dict() == {
        "inputs": '[{"type": "double", "name": "a", "required": true}, {"type": "string", "name": "b", "required": true}]',
        "outputs": '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]',
        "params": '[{"name": "k", "default": 3, "shape": null, "type": "long"}]',
    }
    assert ModelSignature.from_dict(signature.to_dict()) == signature
    assert repr(ModelSignature(LONG)) == "inputs: \n  ['a': long (required)]\noutputs: \n  None\nparams: \n  None\n"


def test_a_signature_says_something() -> None:
    with pytest.raises(InvalidValue, match="inputs, outputs or params"):
        ModelSignature()
    with pytest.raises(InvalidValue, match="inputs, outputs or params"):
        infer_signature(None, None, {})
    for arguments in ({"inputs": 3}, {"outputs": [1]}, {"params": LONG}):
        with pytest.raises(TypeError):
            ModelSignature(**arguments)


def test_a_dataclass_may_stand_for_a_schema() -> None:
    signature = ModelSignature(inputs=Person, outputs=Person("x", 1))  # type: ignore[arg-type]
    assert signature.inputs == Schema([ColSpec("string", "name"), ColSpec("long", "age", False)])
    assert signature.outputs == signature.inputs


def test_integer_inputs_come_with_a_warning_about_missing_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="millstream"):
        infer_signature(pd.DataFrame({"a": [1.5]}), pd.DataFrame({"a": [1]}))
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING, logger="millstream"):
        infer_signature(pd.DataFrame({"a": [1]}))
    assert "float64" in caplog.text


def test_all_params_without_a_type_are_named_together() -> None:
    with pytest.raises(InvalidValue, match=r"'a'.*'c'") as caught:
        infer_signature(params={"a": b"x", "b": 1, "c": [[1]]})
    assert "'b'" not in caught.value.message
    with pytest.raises(InvalidValue, match="dict"):
        infer_signature(params=[1])  # type: ignore[arg-type]


def test_flat_predictions_of_a_model_of_columns_are_a_column() -> None:
    assert signature_of_example(pd.DataFrame({"a": [1.5]}), np.array([1.5])).outputs == Schema([ColSpec("double")])
    outputs = signature_of_example(np.array([[1.5]]), np.array([1.5])).outputs
    assert outputs is not None
    assert outputs.is_tensor_spec()


@pytest.mark.parametrize("form", [3, {"inputs": 3}, {"inputs": "[", "outputs": None}, {}])
def test_a_broken_signature_is_one_clear_error(form: Any) -> None:
    with pytest.raises(InvalidValue):
        ModelSignature.from_dict(form)


# ---------------------------------------------------------------- type hints
class Predictor:
    def of_rows(self, context: Any, model_input: list[Row], params: dict[str, Any] | None = None) -> list[str]: ...
    def of_numbers(self, model_input: list[int]) -> str: ...
    def of_frames(self, model_input: pd.DataFrame) -> pd.DataFrame: ...
    def of_nothing(self, context: Any) -> None: ...
    def of_unknown(self, model_input: list[Nowhere]) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def of_example(self, model_input: TypeFromExample) -> list[float]: ...
    def of_dicts(self, model_input: list[dict]) -> None: ...  # type: ignore[type-arg]
    def without(self, model_input): ...  # type: ignore[no-untyped-def]


def test_the_hint_of_a_list_makes_the_signature() -> None:
    signature = signature_from_type_hints(Predictor().of_rows)
    assert signature is not None
    assert signature.is_from_type_hint
    assert not signature.is_from_example
    assert json.loads(signature.to_dict()["inputs"])[0]["properties"] == {
        "a": {"type": "long", "required": True},
        "b": {"type": "string", "required": False},
        "when": {"type": "datetime", "required": False},
    }
    assert signature.outputs == Schema([ColSpec("string")])
    numbers = signature_from_type_hints(Predictor.of_numbers)
    assert numbers is not None
    assert numbers.outputs == Schema([ColSpec("string")])


@pytest.mark.parametrize("name", ["of_frames", "of_nothing", "of_unknown", "without"])
def test_other_hints_make_none(name: str) -> None:
    assert signature_from_type_hints(getattr(Predictor(), name)) is None


def test_a_hint_that_says_half_of_it_is_refused() -> None:
    with pytest.raises(InvalidValue, match="dict"):
        signature_from_type_hints(Predictor().of_dicts)


def test_a_wrapped_function_has_the_hints_of_what_it_wraps() -> None:
    @functools.wraps(Predictor.of_rows)
    def wrapper(*arguments: Any) -> Any: ...

    assert signature_from_type_hints(wrapper) is not None


def test_the_example_makes_the_signature_where_the_hint_says_so(caplog: pytest.LogCaptureFixture) -> None:
    signature = signature_from_type_hints(Predictor().of_example, pd.DataFrame({"a": [1.5]}))
    assert signature is not None
    assert signature.is_from_example
    assert signature.inputs == Schema([ColSpec("double", "a")])
    assert signature_from_type_hints(Predictor().of_example, {"a": 1.5}) is None  # MLflow keeps no other form
    with caplog.at_level(logging.WARNING, logger="millstream"):
        assert signature_from_type_hints(Predictor().of_example) is None
    assert "input_example" in caplog.text


def test_data_is_checked_against_the_hint_and_dicts_become_objects() -> None:
    rows = hints.check([{"a": 1, "b": "x"}, Row(a=2)], list[Row])
    assert rows == [Row(a=1, b="x"), Row(a=2)]
    assert hints.check(pd.DataFrame({"q": [1, 2]}), list[int]) == [1, 2]
    assert hints.check(pd.DataFrame({"a": [1], "b": ["x"]}), list[Row]) == [Row(a=1, b="x")]
    assert hints.check(np.array([1.5]), list[float]) == [1.5]
    assert hints.check([1, "x", None], list[Any]) == [1, "x", None]
    assert hints.check([{"k": [1]}], list[dict[str, list[int]]]) == [{"k": [1]}]
    assert hints.check([1, "x"], list[int | str]) == [1, "x"]
    assert hints.check([True], list[int]) == [True]  # as in Python
    assert hints.check([{"a": 1}, "x", None], list[Row | str | None]) == [Row(a=1), "x", None]


def test_what_json_has_as_text_becomes_what_the_hint_says() -> None:
    noon = dt.datetime(2020, 1, 1, 12)
    assert hints.check(["2020-01-01T12:00:00", noon], list[dt.datetime]) == [noon, noon]
    assert hints.check(["eA==", "eA==\n", b"y"], list[bytes]) == [b"x", b"x", b"y"]
    assert hints.check([{"a": 1, "when": "2020-01-01T12:00:00"}], list[Row]) == [Row(a=1, when=noon)]


@pytest.mark.parametrize(
    ("data", "hint", "message"),
    [
        ([1, "x"], list[int], "Row 1 is given as str"),
        ([1], list[bool], "int"),
        ([1], list[float], r"Row 0 is given as int \(1\), the model takes float"),
        ([[1.5, 2]], list[list[float]], r"Row 0\[1\] is given as int"),
        ([{"a": True}], list[Row], "Row 0 is no Row: a"),
        (5, list[int], "takes a list"),
        ([{"a": "many"}], list[Row], "Row 0 is no Row: a"),
        ([{}], list[Row], "Row 0 is no Row: a"),
        ([{"k": ["x"]}], list[dict[str, list[int]]], r"Row 0\['k'\]\[0\]"),
        ([{1: 2}], list[dict[str, int]], "Row 0"),
        ([{"a": "1"}], list[Row], "Row 0 is no Row: a"),
        ([{"a": 1.5}], list[Row], "Row 0 is no Row: a"),
        ([{"a": 1, "when": "soon"}], list[Row], "Row 0 is no Row: when"),
        (["soon"], list[dt.datetime], "Row 0"),
        (["not base64"], list[bytes], "Row 0"),
    ],
)
def test_data_that_does_not_fit_the_hint_is_refused_by_row(data: Any, hint: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        hints.check(data, hint)


# ---------------------------------------------------------------- set later
def test_a_signature_is_set_in_a_saved_model(tmp_path: Path) -> None:
    Model(flavors={"custom": {"k": 1}}).save(tmp_path / "MLmodel")
    set_signature(str(tmp_path), ModelSignature(LONG, params=ParamSchema([ParamSpec("k", "long", 1)])))
    model = Model.load(tmp_path)
    assert model.get_input_schema() == LONG
    assert model.get_output_schema() is None
    assert model.get_params_schema() == ParamSchema([ParamSpec("k", "long", 1)])
    assert model.flavors == {"custom": {"k": 1}}


@pytest.mark.parametrize("uri", ["models:/name/1", "models:/name@champion", "models:/name/Production"])
def test_the_files_of_a_registered_version_are_fixed(uri: str) -> None:
    with pytest.raises(InvalidValue, match="fixed"):
        set_signature(uri, ModelSignature(LONG))


def test_a_signature_is_not_set_where_there_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model"):
        set_signature(str(tmp_path), ModelSignature(LONG))
    with pytest.raises(TypeError):
        set_signature(str(tmp_path), LONG)  # type: ignore[arg-type]


def test_a_column_type_is_looked_up_by_name() -> None:
    signature = infer_signature(pd.DataFrame({"a": [True]}))
    assert signature.inputs is not None
    assert signature.inputs.input_types_dict() == {"a": DataType.boolean}
