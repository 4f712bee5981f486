"""Sweeps: which runs there are, whose children they are, how many go on at once, how they end."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.entities import Run
from millstream.errors import InvalidProjectParameter, InvalidValue
from millstream.projects import output
from millstream.projects.sweeps import DISTRIBUTIONS, Distribution, draws
from tests.projects.conftest import Millstream, Project

MLPROJECT = """\
entry_points:
  main:
    parameters: {alpha: float, beta: {type: float, default: 1}, fixed: {default: "same"}}
    command: "test {alpha} != bad"
  slow: {parameters: {alpha: float}, command: "sleep 1000"}
"""


def children(client: MillstreamClient, parent_id: str) -> list[Run]:
    found = client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{parent_id}'", order_by=["attributes.start_time"])
    return list(found)


def test_a_grid_runs_every_combination_as_a_child_of_one_run(tracking: MillstreamClient, project: Project) -> None:
    sweep = projects.sweep(
        str(project(MLPROJECT)), grid={"alpha": [0.1, 0.5], "beta": ["x", "y"]}, parameters={"fixed": "f"},
        env_manager="local", parallel=2,
    )  # fmt: skip
    assert sweep.succeeded
    assert [tuple(trial.parameters.values()) for trial in sweep.trials] == [
        ("0.1", "x"), ("0.1", "y"), ("0.5", "x"), ("0.5", "y"),
    ]  # fmt: skip
    found = {run.info.run_id: run for run in children(tracking, sweep.run_id)}
    assert found.keys() == {trial.run_id for trial in sweep.trials}
    for trial in sweep.trials:
        assert trial.run_id is not None
        run = found[trial.run_id]
        assert run.data.params == {**trial.parameters, "fixed": "f"}
        assert run.info.status == trial.status == "FINISHED"
    parent = tracking.get_run(sweep.run_id)
    assert (parent.info.status, parent.data.params) == ("FINISHED", {"fixed": "f"})
    assert json.loads(parent.data.tags["millstream.project.sweep"]) == {
        "grid": {"alpha": ["0.1", "0.5"], "beta": ["x", "y"]}
    }


def test_a_run_that_fails_stops_no_other_and_fails_the_sweep(tracking: MillstreamClient, project: Project) -> None:
    sweep = projects.sweep(str(project(MLPROJECT)), grid={"alpha": ["bad", "good"]}, env_manager="local")
    assert [trial.status for trial in sweep.trials] == ["FAILED", "FINISHED"]
    assert "exit status 1" in sweep.trials[0].error
    parent = tracking.get_run(sweep.run_id)
    assert parent.info.status == "FAILED"
    assert parent.data.tags["millstream.project.error"] == "1 of 2 runs were not successful."


def test_the_same_seed_draws_the_same() -> None:
    given = {"alpha": Distribution.parse("loguniform(1e-4,1)"), "n": Distribution.parse("randint(1,6)")}
    first, again, other = (list(draws(given, 50, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert all(1e-4 <= float(each["alpha"]) <= 1 for each in first)
    assert {each["n"] for each in first} == set("123456")


def test_a_wide_loguniform_draws_every_order_of_magnitude_alike() -> None:
    drawn = [float(each["x"]) for each in draws({"x": Distribution.parse("loguniform(1e-4,1)")}, 4000, 0)]
    for low in (1e-4, 1e-3, 1e-2, 1e-1):
        assert 900 < sum(low <= value < low * 10 for value in drawn) < 1100


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("uniform(-1,2.5)", -1, 2.5), ("normal(10,0.001)", 9, 11), ("randint(-2,-2)", -2, -2), ("choice(3,4,5)", 3, 5)],
)
def test_draws_are_in_their_bounds(text: str, low: float, high: float) -> None:
    distribution, source = Distribution.parse(text), random.Random(0)
    assert all(low <= float(distribution.draw(source)) <= high for _ in range(500))


@pytest.mark.parametrize(
    "text",
    ["", "0.1,0.5", "gamma(1,2)", "uniform(1)", "uniform(2,1)", "uniform(a,b)", "loguniform(0,1)", "randint(1.5,2)",
     "normal(0,-1)", "uniform(0,inf)", "uniform(nan,1)", "choice(1)(2)", "uniform(1,2,3)"],
)  # fmt: skip
def test_what_is_no_distribution_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(InvalidValue, match="|".join(DISTRIBUTIONS)):
        Distribution.parse(text)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, InvalidValue),
        ({"grid": {"alpha": [1]}, "sample": {"beta": "uniform(0,1)"}}, InvalidValue),
        ({"grid": {"alpha": []}}, InvalidValue),
        ({"grid": {"alpha": range(200), "beta": range(200)}}, InvalidValue),
        ({"grid": {"beta": [1]}}, InvalidProjectParameter),
        ({"grid": {"alpha": [1]}, "parallel": 0}, InvalidValue),
        ({"grid": {"alpha": [1]}, "parameters": {"alpha": 2}}, InvalidValue),
        ({"sample": {"alpha": "uniform(0,1)"}, "trials": 0}, InvalidValue),
        ({"grid": {"alpha": [1]}, "backend": "moon"}, InvalidValue),
    ],
)
def test_a_sweep_that_cannot_be_run_makes_no_run(
    options: dict[str, object], error: type[Exception], tracking: MillstreamClient, project: Project
) -> None:
    with pytest.raises(error):
        projects.sweep(str(project(MLPROJECT)), env_manager="local", **options)
    assert tracking.search_runs(["0"]) == []


def test_a_random_sweep_from_the_command_line(
    tracking: MillstreamClient, project: Project, command: Millstream
) -> None:
    arguments = ["--sample", "alpha=loguniform(1e-4,1)", "--trials", "3", "--seed", "7", "--parallel", "3", "--json"]
    done = command("run", str(project(MLPROJECT)), "--env-manager", "local", *arguments)
    sweep = json.loads(done.stdout)
    expected = list(draws({"alpha": Distribution.parse("loguniform(1e-4,1)")}, 3, 7))
    assert [trial["parameters"] for trial in sweep["trials"]] == expected
    assert [run.info.status.value for run in children(tracking, sweep["run_id"])] == ["FINISHED"] * 3


def test_commas_are_a_grid_only_when_runs_at_the_same_time_are_asked_for(
    tracking: MillstreamClient, project: Project, command: Millstream
) -> None:
    root = str(project(MLPROJECT))
    command("run", root, "--env-manager", "local", "-P", "alpha=1,2")
    (plain,) = tracking.search_runs(["0"])
    assert plain.data.params["alpha"] == "1,2"
    done = command("run", root, "--env-manager", "local", "-P", "alpha=1,bad", "--parallel", "2", check=False)
    assert done.returncode == 1
    (parent,) = tracking.search_runs(["0"], "tags.`millstream.project.sweep` LIKE '%grid%'")
    assert {run.data.params["alpha"]: run.info.status.value for run in children(tracking, parent.info.run_id)} == {
        "1": "FINISHED", "bad": "FAILED",
    }  # fmt: skip
    assert "bad" in done.stdout
    assert "FAILED" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_sweep_ends_its_runs(
    number: signal.Signals, tracking: MillstreamClient, project: Project, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "millstream.cli.main", "run", str(project(MLPROJECT)), "-e", "slow", "--env-manager", "local",
         "--grid", "alpha=1,2,3", "--parallel", "2"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(running(tracking)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(number)
    process.wait(60)
    while running(tracking) and time.monotonic() < deadline:
        time.sleep(0.1)
    found = tracking.search_runs(["0"])
    assert len(found) == 3  # the parent, and two of the three runs
    assert not running(tracking)
    assert "FINISHED" not in {run.info.status.value for run in found}


def running(client: MillstreamClient) -> list[Run]:
    return list(client.search_runs(["0"], "attributes.status = 'RUNNING'"))


@pytest.mark.parametrize(
    "given",
    [{"grid": {"t": "abc"}}, {"grid": {"t": 5}}, {"grid": {1: [1]}}, {"grid": ["t"]}, {"sample": {"t": 5}}, {"sample": ["t"]}],
    ids=str,
)  # fmt: skip
def test_what_is_no_grid_or_sample_is_told_before_anything(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=r"A (grid|sample)"):
        projects.sweep("nowhere", **given)


def test_lines_of_runs_at_the_same_time_are_not_mixed(
    tracking: MillstreamClient, project: Project, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    root = project(
        "entry_points: {main: {parameters: {t: string}, command: "
        "'for i in 1 2 3 4 5; do printf %s- {t}; sleep 0.05; done; echo; printf end-%s {t}'}}\n"
    )
    projects.sweep(str(root), grid={"t": ["a", "b"]}, env_manager="local", parallel=2)
    shown = capfdbinary.readouterr().out.decode()
    assert sorted(line for line in shown.splitlines() if line.startswith("[")) == [
        "[t=a] a-a-a-a-a-", "[t=a] end-a", "[t=b] b-b-b-b-b-", "[t=b] end-b",
    ]  # fmt: skip


def test_a_line_without_end_is_shown_in_parts() -> None:
    stream = io.StringIO()
    echo = output.Echo(stream, "[x] ")
    echo.write(b"a" * output.LINE_BYTES)
    assert stream.getvalue() == ""
    echo.write(b"a")
    echo.write(b"b\nc")
    assert stream.getvalue() == f"[x] {'a' * (output.LINE_BYTES + 1)}\n[x] b\n"
    echo.end_line()
    assert stream.getvalue().endswith("[x] b\n[x] c\n")
