"""A model's environment is made again by either side, whoever wrote the model. Needs `--official` (and a package index)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.environments.tools import find_uv
from tests.compat.environments import OFFICIAL
from tests.compat.servers import clean_environment

SAVE = """
import sys, pandas
from sklearn.linear_model import LinearRegression
import {package}.sklearn
frame = pandas.DataFrame({{"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 0.0]}})
{package}.sklearn.save_model(LinearRegression().fit(frame, [1.0, 2.0, 4.0]), sys.argv[1], input_example=frame)
"""


@pytest.fixture
def official(request: pytest.FixtureRequest) -> Path:
    if not request.config.getoption("--official"):
        pytest.skip("needs --official")
    return OFFICIAL["3.17"].python()


def run(command: list[str | Path], root: Path) -> str:
    path = os.pathsep.join([str(Path(command[0]).parent), str(Path(str(find_uv())).parent), os.environ["PATH"]])
    environment = clean_environment(MLFLOW_ENV_ROOT=str(root), MILLSTREAM_ENV_ROOT=str(root), PATH=path)
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment, cwd=root.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "millstream (" not in done.stderr  # no warning that it is missing
    return done.stdout


def predictions(text: str) -> list[float]:
    found: list[float] = json.loads(text.strip().splitlines()[-1])["predictions"]
    return found


@pytest.mark.parametrize("writer", ["millstream", "mlflow"])
def test_either_side_predicts_in_the_environment_of_the_others_model(
    writer: str, official: Path, tmp_path: Path
) -> None:
    ours, theirs = Path(sys.executable), official
    model = tmp_path / "model"
    run(
        [ours if writer == "millstream" else theirs, "-c", SAVE.format(package=writer), model],
        tmp_path / "environments",
    )
    reader = theirs.with_name("mlflow") if writer == "millstream" else ours.with_name("millstream")
    body = model / "serving_input_example.json"
    command = [reader, "models", "predict", "-m", model, "--env-manager", "uv", "-i", body]
    assert predictions(run(command, tmp_path / "environments")) == pytest.approx([5 / 6, 7 / 3, 23 / 6])
