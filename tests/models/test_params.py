"""Parameters of a call: what MLflow's answers (test_golden.py) do not cover."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from millstream.errors import InvalidValue
from millstream.models.enforcement import enforce_params
from millstream.models.types import ParamSchema, ParamSpec

SCHEMA = ParamSchema(
    [ParamSpec("k", "double", 1.0), ParamSpec("stop", "string", ["a"], (-1,)), ParamSpec("on", "boolean", None)]
)


def test_absent_params_are_their_defaults() -> None:
    assert enforce_params(None, SCHEMA) == {"k": 1.0, "stop": ["a"], "on": None}
    assert enforce_params({"k": 2}, SCHEMA) == {"k": 2.0, "stop": ["a"], "on": None}


def test_a_default_that_a_model_changes_is_not_the_next_calls_default() -> None:
    enforce_params({}, SCHEMA)["stop"].append("b")
    assert enforce_params({}, SCHEMA)["stop"] == ["a"]


@pytest.mark.parametrize("schema", [SCHEMA, None])
def test_unknown_params_are_ignored_and_named(schema: ParamSchema | None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="millstream"):
        found = enforce_params({"other": 1, 5: 2}, schema)
    assert "other" not in found
    assert "5, other" in caplog.text


def test_all_params_that_do_not_fit_are_named_at_once() -> None:
    with pytest.raises(InvalidValue, match=r"'k' is given as str.*'on' is given as int") as caught:
        enforce_params({"k": "x", "on": 1, "stop": ["b"]}, SCHEMA)
    assert "'stop'" not in caught.value.message


@pytest.mark.parametrize("params", [[1], "k", 5])
def test_params_are_a_dict(params: Any) -> None:
    with pytest.raises(InvalidValue, match="dict"):
        enforce_params(params, SCHEMA)
