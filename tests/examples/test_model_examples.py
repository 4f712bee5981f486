"""The examples of models run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "models.py",
            ["version 3: alpha=1.0", "is in Production and predicts [", "refused: The data does not fit the input schema"],
        ),
        (
            "custom_model.py",
            ["triage: [True, False]", "without trust: Loading this model would run code", "celsius: [37.0]", "refused: ", "shout: ['HELLO!']"],
        ),
    ],
)  # fmt: skip
def test_an_example_of_models_runs_and_says_what_it_shows(name: str, said: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, tmp_path / "data"], capture_output=True, text=True, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for text in said:
        assert text in done.stdout
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]
