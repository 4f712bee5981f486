"""Schemas, enforcement and files are those of the official MLflow 3.17.2, but for the differences named here.

`golden/mlflow.json` holds MLflow's answers (`make golden-models` records them anew).
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

GOLDEN = Path(__file__).parent / "golden"


class Difference(NamedTuple):
    """Where our answer is another one: patterns of the area, the question and the part of the answer, and why."""

    area: str
    question: str
    part: str
    why: str


DIFFERENCES = (
    Difference(
        "inference", r".*np\.u?(int8|int16|int32|float16)\(1\).*", "", "model-format 4.3: small ints -> integer; uint32 -> long"
    ),
    Difference("inference", r".*pd\.Timestamp.*", "", "model-format 4.2: a datetime, which a Timestamp is, -> datetime"),
    Difference("inference", r"object\(\)", "", "model-format 4.3: what has no schema falls back to any"),
    Difference("inference", r"Pydantic\(a=1\)", "", "model-format 4.3: pydantic object -> error"),
    Difference("columns", r'pd\.Series\(\["1", "2"\]\)|pd\.Series\(\[\], dtype=object\)', "double", "model-format 4.2: double is float64"),
    Difference("nested", r".*items.*", r".*(None|\"|dt\.|datetime|Timestamp|Decimal|b\"x\"|\[1\]|\{).*",
               "model-format 6.5: array elements are converted by the same table (text is not looked at, times are times)"),
    Difference("nested", r".*", r".*(dt\.date|Timestamp).*", "model-format 4.2: date and datetime are values of datetime"),
    Difference("inputs", r".*", r"np\.array\(5\)", "model-format 6.5: scalar -> 1x1"),
    Difference("inputs", r".*", r'pd\.DataFrame\(\{"a": \[(float\("nan"\), \[1\.5\]|pd\.NA)\]\}\)', "model-format 6.5: optional null is fine"),
    Difference("inputs", r".*false.*", r'pd\.DataFrame\(\{"b": \[1\]\}\)', "model-format 6.5: absent columns are left out, rows are not"),
    Difference("inputs", r".*tensor.*", r'pd\.DataFrame\(\{"a": \[np\.array\(\[1\.0, 2\.0\]\)\]\}\)', "model-format 6.7: cells are cast to the dtype"),
    Difference("params", r"pd\.Timestamp.*", "inferred", "model-format 4.2: a datetime, which a Timestamp is, -> datetime"),
    Difference("params", r"\[\]", "inferred", "model-format 4.3: empty list -> string"),
    Difference("examples", r".*(1\.5, None|np\.nan\]|float\(\"nan\"\)|01-01\", None).*", "", "model-format 5: NaN is written as null"),
    Difference("examples", r"np\.zeros\(\(0, 2\)\)", "", "model-format 5: an ndarray is read as one, an empty one too"),
    Difference("mlmodels", "anchors", "", "model-format 2: a plain block-style dump; a value that stands twice is written twice"),
    Difference("examples", r"dt\.date.*", "", "model-format 4.2: a date is a scalar"),
)  # fmt: skip


def leaves(area: str, answer: Any, parts: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The parts of an answer: what stands at the end of the questions' names."""
    depth = {"columns": 1, "nested": 2, "inputs": 1, "params": 1, "hints": 1}.get(area, 0)
    if len(parts) < depth:
        for name, below in answer.items():
            yield from leaves(area, below, (*parts, name))
    else:
        yield " ".join(parts), answer


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, GOLDEN / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MLFLOWS: dict[str, dict[str, Any]] = json.loads((GOLDEN / "mlflow.json").read_text())
QUESTIONS = [(area, question) for area, questions in MLFLOWS.items() for question in questions]


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    answers = load("answers")
    found: dict[str, Any] = json.loads(answers.compact(answers.answers("millstream")))
    return found


@pytest.mark.parametrize(("area", "question"), QUESTIONS, ids=range(len(QUESTIONS)))
def test_an_answer_is_mlflows_or_a_named_difference(ours: dict[str, Any], area: str, question: str) -> None:
    theirs = dict(leaves(area, MLFLOWS[area][question]))
    mine = dict(leaves(area, ours[area][question]))
    different = {part for part in theirs if mine[part] != theirs[part]}
    unnamed = {part for part in different if not any(_covers(each, area, question, part) for each in DIFFERENCES)}
    assert {part: mine[part] for part in unnamed} == {part: theirs[part] for part in unnamed}


def test_every_named_difference_is_one(ours: dict[str, Any]) -> None:
    found = [
        (area, question, part)
        for area, question in QUESTIONS
        for (part, theirs), (_, mine) in zip(
            leaves(area, MLFLOWS[area][question]), leaves(area, ours[area][question]), strict=True
        )
        if theirs != mine
    ]
    unused = [each for each in DIFFERENCES if not any(_covers(each, *place) for place in found)]
    assert unused == []


def test_the_questions_are_those_that_were_asked() -> None:
    cases = load("cases")
    assert list(MLFLOWS["inference"]) == list(dict.fromkeys(cases.INFERENCE))
    assert len(MLFLOWS["inference"]) >= 80
    assert list(MLFLOWS["columns"]) == cases.COLUMNS
    assert {want for answer in MLFLOWS["columns"].values() for want in answer} == set(cases.SCALARS)
    assert list(MLFLOWS["inputs"]) == list(cases.INPUTS)
    assert list(MLFLOWS["mlmodels"]) == list(cases.MLMODELS)


def _covers(difference: Difference, area: str, question: str, part: str) -> bool:
    return (
        difference.area == area
        and re.fullmatch(difference.question, question, re.DOTALL) is not None
        and (not difference.part or re.fullmatch(difference.part, part) is not None)
    )
