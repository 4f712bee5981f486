"""Schemas and enforcement give the same results under pandas 2 as under pandas 3, which the other tests run under."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.compat.environments import Environment

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
PANDAS_2 = Environment(
    "pandas-2", (("uv", "pandas<3", "scipy", "pydantic>=2", "msgspec>=0.20", "pyyaml", "polars", "pyarrow", "pytest"),)
)


@pytest.fixture(scope="module")
def python(request: pytest.FixtureRequest) -> Path:
    if not request.config.getoption("--old-pandas", default=False):
        pytest.skip("make test-old-pandas runs this in an environment of its own")
    return PANDAS_2.python()


def run(python: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([python, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_all_answers_are_those_under_pandas_3(python: Path) -> None:
    from tests.models.test_golden import load

    answers = load("answers")
    under_3: dict[str, Any] = json.loads(answers.compact(answers.answers("millstream")))
    under_2 = json.loads(run(python, str(HERE / "golden" / "answers.py"), "millstream"))
    assert under_2 == under_3


@pytest.mark.parametrize("name", ["types", "inference", "signature", "examples", "enforcement", "params"])
def test_the_tests_of_schemas_pass(python: Path, name: str) -> None:
    run(python, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", str(HERE / f"test_{name}.py"))
