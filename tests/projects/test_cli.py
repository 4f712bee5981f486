"""`millstream run`: its options, what it prints, how it exits, how little it loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from millstream.client.client import MillstreamClient
from tests.projects.conftest import Millstream, Project

MLPROJECT = """\
name: churn
entry_points:
  main: {parameters: {alpha: {type: float, default: 1}}, command: "echo alpha is {alpha}"}
  fail: {command: "exit 7"}
  slow: {command: "sleep 3; echo end"}
  quiet: {command: "true"}
"""


@pytest.fixture
def root(project: Project) -> str:
    return str(project(MLPROJECT))


def test_a_run_prints_what_its_command_prints_and_how_it_ends(
    root: str, command: Millstream, tracking: MillstreamClient
) -> None:
    done = command("run", root, "-P", "alpha=0.5", "-P", "more=a b", "--env-manager", "local", "--run-name", "night")
    assert done.stdout == "alpha is 0.5 --more a b\n"
    (run,) = tracking.search_runs(["0"])
    assert done.stderr.splitlines() == [
        f"Run {run.info.run_id}: echo alpha is 0.5 --more 'a b'", f"Run {run.info.run_id}: FINISHED.",
    ]  # fmt: skip
    assert (run.info.run_name, run.data.params) == ("night", {"alpha": "0.5", "more": "a b"})


def test_what_was_fetched_is_removed_when_the_run_has_ended(
    root: str, command: Millstream, tracking: MillstreamClient, tmp_path: Path
) -> None:
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", "-C", root, *arguments], check=True)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ids = []
    for more in ([], ["--background"], ["--grid", "alpha=1,2"], ["-e", "fail"], ["-e", "nothing"]):
        done = command(
            "run", f"git+file://{root}", "--env-manager", "local", *more, "--json", check=False,
            environment={"TMPDIR": str(temporary)},
        )  # fmt: skip
        assert done.stderr.startswith("Project: fetching git+file://")
        if "--background" in more:
            command("runs", "wait", "-r", json.loads(done.stdout)["run_id"])
        ids.append(done.returncode)
    assert ids == [0, 0, 0, 1, 1]
    deadline = time.monotonic() + 20
    while list(temporary.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(temporary.iterdir()) == []
    assert {run.info.status.value for run in tracking.search_runs(["0"])} == {"FINISHED", "FAILED"}


def test_a_command_that_fails_is_exit_status_1_and_one_line(root: str, command: Millstream) -> None:
    done = command("run", root, "-e", "fail", "--env-manager", "local", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: Run ")
    assert done.stderr.splitlines()[-1].endswith("failed. Its command ended with exit status 7.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-P", "alpha"], "NAME=VALUE"),
        (["-P", "=1"], "NAME=VALUE"),
        (["-P", "alpha=1", "-P", "alpha=2"], "twice"),
        (["-A", "t", "-A", "t=1"], "twice"),
        (["--experiment-name", "a", "--experiment-id", "0"], "not both"),
        (["--env-manager", "poetry"], "poetry"),
        (["--parallel", "0"], "--parallel"),
        (["--grid", "alpha=1,2", "--background"], "--background"),
        (["--grid", "alpha"], "NAME=VALUE"),
        (["--grid", "alpha=1,2", "-P", "alpha=3"], "both give alpha"),
    ],
)
def test_wrong_usage_is_exit_status_2(
    arguments: list[str], words: str, root: str, command: Millstream, tracking: MillstreamClient
) -> None:
    done = command("run", root, *arguments, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert tracking.search_runs(["0"]) == []


def test_experiments_may_come_from_the_environment_and_still_exclude_each_other(
    root: str, command: Millstream, tracking: MillstreamClient
) -> None:
    command("run", root, "--env-manager", "local", environment={"MLFLOW_EXPERIMENT_NAME": "named"})
    experiment = tracking.get_experiment_by_name("named")
    assert experiment is not None
    assert len(tracking.search_runs([experiment.experiment_id])) == 1
    done = command("run", root, "--experiment-id", "0", check=False, environment={"MLFLOW_EXPERIMENT_NAME": "named"})
    assert done.returncode == 2


def test_in_the_background_the_command_returns_at_once_and_the_run_goes_on(
    root: str, command: Millstream, tracking: MillstreamClient
) -> None:
    began = time.monotonic()
    run_id = command("run", root, "-e", "slow", "--env-manager", "local", "--background").stdout.strip()
    assert tracking.get_run(run_id).info.status == "RUNNING"
    assert time.monotonic() - began < 60
    done = command("runs", "wait", "-r", run_id, "--json")
    assert json.loads(done.stdout) == {"run_id": run_id, "status": "FINISHED"}
    assert command("runs", "cancel", "-r", run_id).stdout == f"Run {run_id} is FINISHED.\n"


def test_a_background_run_that_fails_says_so_to_who_waits(
    root: str, command: Millstream, tracking: MillstreamClient
) -> None:
    done = command("run", root, "-e", "fail", "--env-manager", "local", "--background", "--json")
    run_id = json.loads(done.stdout)["run_id"]
    waited = command("runs", "wait", "-r", run_id, check=False)
    assert (waited.returncode, waited.stdout) == (1, f"Run {run_id} is FAILED.\n")


def test_reuse_takes_the_earlier_run(root: str, command: Millstream, tracking: MillstreamClient) -> None:
    options = ["--env-manager", "local", "-e", "quiet"]
    first = json.loads(command("run", root, *options, "--json").stdout)
    done = command("run", root, *options, "--reuse", "--json")
    assert json.loads(done.stdout) == first
    assert done.stderr == f"Run {first['run_id']} has done the same; it is reused.\n"


def test_output_that_nobody_reads_ends_nothing(root: str, tracking: MillstreamClient, tmp_path: Path) -> None:
    """As in `millstream run ... | head -1`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "millstream.cli.main", "run", root, "-e", "slow", "--env-manager", "local"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, cwd=tmp_path, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    (run,) = tracking.search_runs(["0"])
    assert run.info.status == "FINISHED"


def test_the_help_of_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom millstream.cli.main import cli\n"
        "try: cli.main(['run', '--help'])\nexcept SystemExit: pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {
        "sqlalchemy",
        "numpy",
        "alembic",
        "yaml",
        "psutil",
        "fsspec",
        "urllib3",
        "kubernetes",
        "pyspark",
    }
