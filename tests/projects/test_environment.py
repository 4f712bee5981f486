"""Which environment a project's command gets: by which file, made by whom, and what the command sees of it."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import pytest

from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.environments.prepared import running_environment
from millstream.projects import environment, output
from millstream.projects.spec import read_project
from tests.projects.conftest import Project

PYPROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["five"]\n'
FILES = {
    "python_env.yaml": "python: '3.11'\ndependencies: [one, '-r requirements.txt']\n",
    "conda.yaml": "dependencies: [python=3.11, numpy=1.26, gcc, {pip: [three]}]\n",
    "pyproject.toml": PYPROJECT,
    "requirements.txt": "four\n",
}


@pytest.mark.parametrize(
    ("mlproject", "files", "lines"),
    [
        ("python_env: python_env.yaml\n", FILES, ["one", "four"]),
        ("conda_env: conda.yaml\n", FILES, ["numpy==1.26.*", "three"]),
        ("name: x\n", FILES, ["one", "four"]),
        ("", FILES, ["one", "four"]),
        ("", {name: FILES[name] for name in ("conda.yaml", "pyproject.toml")}, ["numpy==1.26.*", "three"]),
        ("", {name: FILES[name] for name in ("pyproject.toml", "requirements.txt")}, ["five"]),
        ("", {"pyproject.toml": "[tool.x]\n", "requirements.txt": "four\n"}, ["four"]),
        ("", {"requirements.txt": "four\n"}, ["four"]),
        ("", {}, []),
    ],
)
def test_the_first_file_that_there_is_says_what_is_installed(
    mlproject: str, files: dict[str, str], lines: list[str], project: Project
) -> None:
    root = project(mlproject, {"MLproject": mlproject or "{}", **files})
    spec = environment.spec_of(read_project(root))
    assert [line.text for line in (*spec.of_conda, *spec.lines)] == lines


def test_what_conda_alone_has_is_named_in_one_warning(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    environment.spec_of(read_project(project("conda_env: conda.yaml\n", FILES)))
    (warning,) = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert "left out: gcc." in warning


def test_a_prepared_environment_is_what_the_command_runs_in(
    tracking: MillstreamClient, project: Project, tmp_path: Path
) -> None:
    script = (
        "import json, os, sys, mlflow\n"
        "with mlflow.start_run(): mlflow.log_metric('m', 1)\n"
        "print(json.dumps([sys.prefix, os.environ['VIRTUAL_ENV'], mlflow.__name__ or '']))\n"
    )
    root = project(
        "python_env: python_env.yaml\n", {"python_env.yaml": "dependencies: [mlflow]\n", "script.py": script}
    )
    run = projects.run(str(root), "script.py", env_manager="uv")
    recorded = tracking.get_run(run.run_id)
    key = recorded.data.tags["millstream.project.environment"]
    assert recorded.data.tags["mlflow.project.env"] == "uv"
    assert recorded.data.metrics == {"m": 1.0}
    prefix = str(tmp_path / "environments" / key / "env")
    printed = Path(tracking.download_artifacts(run.run_id, output.ARTIFACT, tmp_path / "down")).read_text()
    assert json.loads(printed.splitlines()[-1])[:2] == [prefix, prefix]


def test_with_a_python_that_millstream_does_not_run_on_the_environment_is_the_projects_alone(project: Project) -> None:
    old = project("python_env: p.yaml\n", {"p.yaml": "python: '3.10'\ndependencies: [mlflow==2.9]\n"}, "old")
    new = project("python_env: p.yaml\n", {"p.yaml": "python: '3.11'\ndependencies: [mlflow==2.9]\n"}, "new")
    assert not environment._takes_millstream(environment.spec_of(read_project(old)))
    assert environment._takes_millstream(environment.spec_of(read_project(new)))


def test_the_local_environment_is_the_running_one_with_its_python_first() -> None:
    found = environment.command_variables(running_environment(), {"MLFLOW_RUN_ID": "r"})
    assert found["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert found["PYTHONPATH"].split(os.pathsep)[-1] == str(environment.AS_MLFLOW)
    assert (found["MLFLOW_RUN_ID"], found["PYTHONUNBUFFERED"]) == ("r", "1")
