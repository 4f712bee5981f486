"""A project on this machine: what it runs as, what its run records, how it ends."""

from __future__ import annotations

import functools
import getpass
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import millstream
from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.entities import Run
from millstream.errors import InvalidProjectParameter, InvalidValue, MillstreamError, NotFound
from millstream.projects import output, record
from millstream.projects.backends import BACKENDS
from millstream.projects.running import RunFailed
from tests.projects.conftest import Project

MLPROJECT = """\
name: churn
entry_points:
  main:
    parameters:
      depth: {type: float, default: 4}
      note: {type: string, default: "a b"}
      table: path
    command: "python main.py {depth} {note} {table}"
  fail: {command: "echo before; exit 3"}
  silent: {command: "true"}
"""

MAIN = """
import json, os, sys
import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("depth", float(sys.argv[1]))
    mlflow.set_tag("seen", json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd(), "run": run.info.run_id}))
with mlflow.start_run() as second:
    print("second run:", second.info.run_id)
"""


def last(client: MillstreamClient, experiment_id: str = "0") -> Run:
    return client.search_runs([experiment_id], order_by=["attributes.start_time DESC"], max_results=1)[0]


def printed(client: MillstreamClient, run_id: str, tmp_path: Path) -> str:
    return Path(client.download_artifacts(run_id, output.ARTIFACT, tmp_path / "downloads")).read_text()


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_run_records_what_was_run(tracking: MillstreamClient, project: Project, tmp_path: Path) -> None:
    root = project(MLPROJECT, {"main.py": MAIN})
    git(root, "init", "-q", "-b", "trunk")
    git(root, "remote", "add", "origin", "https://ada:secret@git.example/churn.git")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    (root / "main.py").write_text(MAIN + "# changed\n")
    table = tmp_path / "table.csv"
    table.write_text("x\n")
    parent = tracking.create_run("0").info.run_id
    with millstream.start_run(parent):
        submitted = projects.run(
            str(root), parameters={"depth": 2.5, "table": str(table), "extra": "it's $HOME"}, env_manager="local",
            run_name="night",
        )  # fmt: skip
    run = tracking.get_run(submitted.run_id)
    tags = dict(run.data.tags)
    seen = json.loads(tags.pop("seen"))
    place = json.loads(tags.pop("millstream.project.process"))
    assert place["host"] == os.uname().nodename
    assert len(tags.pop("millstream.project.fingerprint")) == 64
    assert tags == {
        "mlflow.user": os.environ.get("LOGNAME") or os.environ.get("USER") or getpass.getuser(),
        "mlflow.runName": "night",
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": tags["mlflow.source.name"],
        "mlflow.source.git.commit": git(root, "rev-parse", "HEAD"),
        "mlflow.source.git.repoURL": "https://git.example/churn.git",
        "mlflow.project.entryPoint": "main",
        "mlflow.project.backend": "local",
        "mlflow.parentRunId": parent,
        "millstream.project.name": "churn",
    }
    assert "secret" not in json.dumps(tags)
    assert run.data.params == {"depth": "2.5", "note": "a b", "table": str(table), "extra": "it's $HOME"}
    assert run.data.metrics == {"depth": 2.5}
    assert (run.info.status, run.info.run_name) == ("FINISHED", "night")
    assert run.info.end_time is not None
    assert seen == {
        "arguments": ["2.5", "a b", str(table), "--extra", "it's $HOME"],
        "folder": str(root),
        "run": submitted.run_id,
    }
    assert (submitted.wait(), submitted.get_status()) == (True, "FINISHED")
    text = printed(tracking, run.info.run_id, tmp_path)
    other = text.split()[-1]
    assert text == f"second run: {other}\n"
    assert other not in (run.info.run_id, parent)
    diff = Path(tracking.download_artifacts(run.info.run_id, "project/changes.diff", tmp_path / "diff")).read_text()
    assert "+# changed" in diff


def test_a_run_is_recorded_before_its_environment_is_made(
    tracking: MillstreamClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(
        "python_env: python_env.yaml\nentry_points: {main: {command: 'true'}}\n",
        {"python_env.yaml": "dependencies: ['--no-index', 'there-is-no-such-package==1']\n"},
    )
    with pytest.raises(MillstreamError, match="there-is-no-such-package"):
        projects.run(str(root), env_manager="uv")
    run = last(tracking)
    assert run.info.status == "FAILED"
    assert "there-is-no-such-package" in run.data.tags["millstream.project.error"]
    assert run.data.tags["mlflow.project.env"] == "uv"
    assert "mlflow.project.backend" not in run.data.tags


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"entry_point": "nothing"}, NotFound),
        ({}, InvalidProjectParameter),
        ({"entry_point": "silent", "env_manager": "poetry"}, InvalidValue),
        ({"entry_point": "silent", "backend": "moon"}, InvalidValue),
        ({"entry_point": "silent", "experiment_name": "a", "experiment_id": "0"}, InvalidValue),
        ({"entry_point": "silent", "backend_config": "{"}, InvalidValue),
        ({"entry_point": "silent", "backend_config": "/nowhere.json"}, InvalidValue),
        ({"entry_point": "silent", "backend_config": "[1]"}, InvalidValue),
    ],
)
def test_what_cannot_run_is_refused_before_there_is_a_run(
    arguments: dict[str, str], error: type[Exception], tracking: MillstreamClient, project: Project
) -> None:
    root = project(MLPROJECT, {"main.py": MAIN})
    with pytest.raises(error):
        projects.run(str(root), **{"env_manager": "local", **arguments})
    assert tracking.search_runs(["0"]) == []


def test_a_path_that_is_not_there_ends_the_run(tracking: MillstreamClient, project: Project) -> None:
    with pytest.raises(InvalidProjectParameter, match="nothing at"):
        projects.run(str(project(MLPROJECT, {"main.py": MAIN})), parameters={"table": "no.csv"}, env_manager="local")
    run = last(tracking)
    assert run.info.status == "FAILED"
    assert "no.csv" in run.data.tags["millstream.project.error"]


def test_a_command_that_fails_makes_a_failed_run_and_an_error(
    tracking: MillstreamClient, project: Project, tmp_path: Path
) -> None:
    with pytest.raises(RunFailed, match="exit status 3") as failed:
        projects.run(str(project(MLPROJECT)), "fail", env_manager="local")
    run = tracking.get_run(failed.value.run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["millstream.project.error"] == "Its command ended with exit status 3."
    assert printed(tracking, run.info.run_id, tmp_path) == "before\n"


def test_a_run_that_its_program_ended_stays_as_it_was_ended(tracking: MillstreamClient, project: Project) -> None:
    script = "import mlflow, sys\nwith mlflow.start_run(): pass\nsys.exit(1)\n"
    with pytest.raises(RunFailed) as failed:
        projects.run(str(project(files={"script.py": script})), "script.py", env_manager="local")
    assert tracking.get_run(failed.value.run_id).info.status == "FINISHED"


def test_a_command_that_prints_nothing_has_no_artifact(tracking: MillstreamClient, project: Project) -> None:
    submitted = projects.run(str(project(MLPROJECT)), "silent", env_manager="local")
    assert tracking.list_artifacts(submitted.run_id) == []


def test_output_is_shown_while_it_is_printed(
    tracking: MillstreamClient, project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    script = "import sys\nprint('to stdout \\N{SNOWMAN}')\nprint('to stderr', file=sys.stderr)\n"
    projects.run(str(project(files={"script.py": script})), "script.py", env_manager="local")
    shown = capfd.readouterr()
    assert shown.out == "to stdout \N{SNOWMAN}\n"
    assert "to stderr\n" in shown.err


def test_of_much_output_the_beginning_and_the_end_are_kept(
    tracking: MillstreamClient, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "HEAD_BYTES", 1000)
    monkeypatch.setattr(output, "TAIL_BYTES", 2000)
    script = "for number in range(100_000): print(f'{number:09}')\n"
    submitted = projects.run(str(project(files={"script.py": script})), "script.py", env_manager="local")
    text = printed(tracking, submitted.run_id, tmp_path)
    assert text.startswith("000000000\n000000001\n")
    assert text.endswith("000099999\n")
    head, _, tail = text.partition("\n... ")
    left_out = int(tail.split()[0])
    kept_tail = tail.partition(" ...\n")[2]
    assert len(head) == 1000
    assert 2000 <= len(kept_tail) <= 4000
    assert len(head) + left_out + len(kept_tail) == 1_000_000


def test_the_calls_own_folder_is_what_relative_paths_are_relative_to(
    tracking: MillstreamClient, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.csv").write_text("x")
    root = project("entry_points: {main: {parameters: {table: path}, command: 'cat {table} && pwd'}}\n")
    submitted = projects.run(str(root), parameters={"table": "here.csv"}, env_manager="local")
    assert printed(tracking, submitted.run_id, tmp_path) == f"x{root}\n"
    assert tracking.get_run(submitted.run_id).data.params == {"table": "here.csv"}


def test_the_command_finds_its_run_by_the_names_of_both(
    tracking: MillstreamClient, project: Project, tmp_path: Path
) -> None:
    line = " ".join(
        f"${{{p}_{n}}}" for n in ("RUN_ID", "EXPERIMENT_ID", "TRACKING_URI") for p in ("MLFLOW", "MILLSTREAM")
    )
    mlproject = f"entry_points: {{main: {{command: 'echo {line.replace('{', '{{').replace('}', '}}')}'}}}}\n"
    submitted = projects.run(str(project(mlproject)), env_manager="local", experiment_name="other")
    experiment_id = tracking.get_run(submitted.run_id).info.experiment_id
    assert experiment_id != "0"
    uri = millstream.get_tracking_uri()
    expected = [submitted.run_id] * 2 + [experiment_id] * 2 + [uri] * 2
    assert printed(tracking, submitted.run_id, tmp_path).split() == expected


def test_steps_that_run_steps_are_nested(tracking: MillstreamClient, project: Project) -> None:
    root = project(
        "entry_points:\n"
        "  main: {command: 'python main.py'}\n"
        "  step: {parameters: {n: float}, command: 'echo {n}'}\n"
        "  shell: {command: 'python -m millstream.cli.main run . -e step -P n=9 --env-manager local'}\n",
        {
            "main.py": "import mlflow\n"
            "with mlflow.start_run():\n"
            "    runs = [mlflow.run('.', 'step', parameters={'n': n}, env_manager='local') for n in (1, 2)]\n"
            "    assert len({run.run_id for run in runs}) == 2\n"
        },
    )
    outer = projects.run(str(root), env_manager="local").run_id
    children = tracking.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{outer}'")
    assert sorted(run.data.params["n"] for run in children) == ["1", "2"]
    assert {run.info.status.value for run in children} == {"FINISHED"}
    shell = projects.run(str(root), "shell", env_manager="local").run_id
    (child,) = tracking.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{shell}'")
    assert child.data.params == {"n": "9"}


def test_a_run_that_exists_is_gone_on_with(tracking: MillstreamClient, project: Project) -> None:
    made = tracking.create_run("0", tags={"mine": "1"}).info.run_id
    tracking.set_terminated(made, "FAILED")
    projects.run(str(project(MLPROJECT)), "silent", run_id=made, env_manager="local")
    run = tracking.get_run(made)
    assert run.info.status == "FINISHED"
    assert (run.data.tags["mine"], run.data.tags["mlflow.project.entryPoint"]) == ("1", "silent")


def test_what_a_command_leaves_running_ends_with_it(
    tracking: MillstreamClient, project: Project, tmp_path: Path
) -> None:
    import psutil

    root = project(f"entry_points: {{main: {{command: 'sleep 1000 & echo $! > {tmp_path}/pid'}}}}\n")
    began = time.monotonic()
    projects.run(str(root), env_manager="local")
    assert time.monotonic() - began < 30
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_own_mlflow_is_imported_where_a_server_gets_the_run(project: Project, tmp_path: Path) -> None:
    from millstream.projects.environment import AS_MLFLOW

    package = project(name="installed", files={"mlflow/__init__.py": "name = 'the official one'\n"})
    code = "import mlflow; print(getattr(mlflow, 'name', 'Millstream'))"

    def imported(uri: str, **more: str) -> str:
        found = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(AS_MLFLOW), str(package))),
            "MLFLOW_TRACKING_URI": uri,
        }
        return subprocess.run(
            [sys.executable, "-c", code], env={**found, **more}, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert imported("http://127.0.0.1:5000") == "the official one"
    assert imported("sqlite:///x.db") == "Millstream"
    assert imported("http://127.0.0.1:5000", MILLSTREAM_IMPORT_AS_MLFLOW="true") == "Millstream"


def test_a_python_without_millstream_says_that_there_is_no_mlflow() -> None:
    from millstream.projects.environment import AS_MLFLOW

    done = subprocess.run(
        [sys.executable, "-S", "-c", "import mlflow"],
        env={"PYTHONPATH": str(AS_MLFLOW)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'mlflow'"


def test_a_backend_that_cannot_cancel_hides_neither_the_first_error_nor_the_end(
    project: Project, tracking: MillstreamClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lost_backend.py").write_text(
        "from millstream.errors import MillstreamError\n"
        "from millstream.projects.submission import SubmittedRun\n"
        "class Lost(SubmittedRun):\n"
        "    def __init__(self, run_id): self._run_id = run_id\n"
        "    @property\n"
        "    def run_id(self): return self._run_id\n"
        "    def wait(self): raise MillstreamError('The place is on fire.')\n"
        "    def get_status(self): return 'RUNNING'\n"
        "    def cancel(self): raise MillstreamError('Nobody answers.')\n"
        "def check(submission): pass\n"
        "def submit(submission): return Lost(submission.run_id)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(BACKENDS, "lost", "lost_backend")
    root = project("entry_points: {main: {command: 'true'}}", {})
    with pytest.raises(MillstreamError, match="on fire"):
        projects.run(str(root), backend="lost")
    run = last(tracking)
    assert run.info.status == "FAILED"
    assert run.data.tags[record.ERROR_TAG] == (
        "The place is on fire. What was started could not be cancelled: Nobody answers."
    )


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_a_run_does_not_need_standard_streams(
    closed: str, tracking: MillstreamClient, project: Project, tmp_path: Path
) -> None:
    """As of services that close them: what else is opened then gets their numbers."""
    root = project("entry_points:\n  main: {command: 'cat; echo done'}\n")
    line = f"exec {sys.executable} -m millstream.cli.main run {root} --env-manager local {closed}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 0
    (run,) = tracking.search_runs(["0"])
    assert run.info.status == "FINISHED"
    assert "done" in millstream.artifacts.load_text(f"runs:/{run.info.run_id}/{output.ARTIFACT}")


def test_an_experiment_that_is_not_there_is_told(tracking: MillstreamClient, project: Project) -> None:
    root = project("entry_points:\n  main: {command: 'echo done'}\n")
    for start in (projects.run, functools.partial(projects.sweep, grid={"a": [1, 2]})):
        with pytest.raises(NotFound, match=r"experiment.*99"):
            start(str(root), env_manager="local", experiment_id="99")


def test_parameters_that_are_no_mapping_are_refused(project: Project) -> None:
    root = project("entry_points:\n  main: {command: 'echo done'}\n")
    names: Any = ["t"]
    with pytest.raises(InvalidValue, match="a mapping of names to values, not a list"):
        projects.run(str(root), parameters=names)
