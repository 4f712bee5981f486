"""Projects on Databricks, on a small workspace that holds all it gets and gives against the official SDK's classes."""

from __future__ import annotations

import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.entities import Run
from millstream.errors import InvalidProject, InvalidValue, MillstreamError, MissingLibrary
from millstream.projects import output
from millstream.projects.backends import databricks
from millstream.projects.backends.databricks_workspace import DatabricksFailed
from millstream.projects.running import RunFailed
from tests.projects import databricks_server
from tests.projects.conftest import Project, kill_runner, wait_for

MLPROJECT = """\
name: churn
entry_points:
  main:
    parameters: {depth: {type: float, default: 4}, table: {type: path, default: data.csv}}
    command: "python fit.py {depth} {table} && echo $MLFLOW_RUN_ID $MLFLOW_TRACKING_URI"
  fail: {command: "echo before; exit 3"}
  wait: {command: "echo waiting; sleep 60"}
"""
FIT = "import sys, os\nprint('fitting', sys.argv[1], open(sys.argv[2]).read(), os.path.basename(sys.argv[2]))\n"
SPARK_JOB = """\
name: churn
databricks_spark_job:
  python_file: jobs/job.py
  parameters: ["--rows", "10 000"]
  python_libraries: ["pandas==2.2.3"]
"""
JOB = "import os, sys\nimport beside\nprint(sys.argv, beside.X, os.environ['MLFLOW_RUN_ID'], __name__)\n"
CLUSTER = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 2}
TRACKING = "http://tracking.example:5000"
CONFIG: dict[str, Any] = {"new_cluster": CLUSTER, "tracking_uri": TRACKING}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[databricks_server.Server]:
    server = databricks_server.Server(tmp_path / "workspace")
    server.folder.mkdir()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DATABRICKS_CONFIG_PROFILE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_HOST", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("DATABRICKS_TOKEN", databricks_server.TOKEN)
    monkeypatch.setattr(databricks, "POLL_S", 0.05)
    yield server
    server.close()
    thread.join()
    assert server.errors == []


@pytest.fixture
def root(project: Project) -> Path:
    return project(MLPROJECT, {"fit.py": FIT, "data.csv": "1,2", "mlruns/0/meta.yaml": "x"})


def last(client: MillstreamClient) -> Run:
    return client.search_runs(["0"], order_by=["attributes.start_time DESC"], max_results=1)[0]


def run(root: Path, entry_point: str = "main", config: dict[str, Any] | None = None, **more: Any) -> Any:
    given = {"backend": "databricks", "env_manager": "local", "backend_config": config or CONFIG, **more}
    return projects.run(str(root), entry_point, **given)


def test_the_project_is_uploaded_and_its_command_runs_on_a_new_cluster(
    tracking: MillstreamClient,
    workspace: databricks_server.Server,
    root: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    done = run(root, parameters={"depth": "$(id) 'x'"})
    printed = f"fitting $(id) 'x' 1,2 data.csv\n{done.run_id} {TRACKING}\n"
    assert capfd.readouterr().out == printed
    assert Path(tracking.download_artifacts(done.run_id, output.ARTIFACT, str(tmp_path / "got"))).read_text() == printed
    (body,) = workspace.submitted
    (task,) = body["tasks"]
    own = "/Workspace/Users/ada@example.com/.millstream"
    assert task["new_cluster"] == CLUSTER
    (library,) = task["libraries"]
    assert library["whl"].startswith(f"{own}/wheels/")
    assert library["whl"].endswith("-py3-none-any.whl")
    order = json.loads(task["spark_python_task"]["parameters"][0])
    assert order["archive"].startswith(f"{own}/projects/")
    with tarfile.open(workspace.place(order["archive"])) as archive:
        assert archive.getnames() == ["MLproject", "data.csv", "fit.py"]
    stored = tracking.get_run(done.run_id)
    assert (stored.info.status, stored.data.params) == ("FINISHED", {"depth": "$(id) 'x'", "table": "data.csv"})
    tags = {name.removeprefix("mlflow."): value for name, value in stored.data.tags.items()}
    assert tags["project.backend"] == "databricks"
    assert (tags["databricks.shellJobRunID"], tags["databricks.shellJobID"]) == ("101", "77")
    assert tags["databricks.runURL"] == f"http://127.0.0.1:{workspace.server_port}/?o=1#job/77/run/101"
    assert tags["databricks.webappURL"] == f"http://127.0.0.1:{workspace.server_port}"


@pytest.mark.parametrize("folder", [None, "/Volumes/main/ml/files", "dbfs:/mlflow-experiments"])
def test_files_are_uploaded_once_by_their_content_wherever_they_go(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path, folder: str | None
) -> None:
    config = CONFIG | ({"upload_dir": folder} if folder else {})
    uploads = {None: "/api/2.0/workspace/import", "d": "/api/2.0/dbfs/create"}.get(folder and folder[0])
    counts = []
    for text in (FIT, FIT + "# changed\n"):
        (root / "fit.py").write_text(text)
        run(root, config=config)
        if uploads is None:
            counts.append(len([verb for verb, _ in workspace.requests if verb == "PUT"]))
        else:
            counts.append(workspace.asked(uploads))
    assert counts == [3, 4], "of the second project, which has the same wheel and launcher, only its files"
    assert [each.process.returncode for each in workspace.runs.values()] == [0, 0]


def test_a_spark_job_runs_its_file_in_the_process_that_has_the_session(
    tracking: MillstreamClient,
    workspace: databricks_server.Server,
    project: Project,
    capfd: pytest.CaptureFixture[str],
) -> None:
    root = project(SPARK_JOB, {"jobs/job.py": JOB, "jobs/beside.py": "X = 7\n"})
    libraries = [{"maven": {"coordinates": "org.example:x:1"}}]
    done = run(root, config=CONFIG | {"libraries": libraries, "timeout_seconds": 600}, parameters={"depth": "4"})
    assert capfd.readouterr().out == f"['jobs/job.py', '--rows', '10 000', '--depth', '4'] 7 {done.run_id} __main__\n"
    (body,) = workspace.submitted
    assert body["timeout_seconds"] == 600
    assert body["tasks"][0]["libraries"][1:] == [{"pypi": {"package": "pandas==2.2.3"}}, *libraries]


def test_a_cluster_specification_alone_is_a_new_cluster() -> None:
    assert databricks.read_config(CLUSTER).new_cluster == CLUSTER


def test_a_run_that_fails_says_what_databricks_says(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path
) -> None:
    with pytest.raises(RunFailed, match=r"Databricks reports FAILED: it says FAILED SystemExit: 3"):
        run(root, "fail")
    stored = last(tracking)
    assert stored.info.status == "FAILED"
    assert "SystemExit: 3" in stored.data.tags["millstream.project.error"]


def test_what_may_work_later_is_tried_again(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path
) -> None:
    workspace.faults = [
        ("/api/2.0/workspace/get-status", 429),
        ("/api/2.0/workspace/mkdirs", 503),
        ("/api/2.2/jobs/runs/submit", 429),
        ("/api/2.2/jobs/runs/get", 503),
    ]
    run(root)
    assert workspace.faults == []
    assert len(workspace.submitted) == 1


@pytest.mark.parametrize("path", ["/api/2.2/jobs/runs/submit", "/api/2.0/workspace/import"])
def test_what_is_refused_fails_the_run(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path, path: str
) -> None:
    workspace.faults = [(path, 403)]
    with pytest.raises(DatabricksFailed, match="fault 403"):
        run(root)
    assert last(tracking).info.status == "FAILED"
    assert workspace.runs == {}


def test_a_run_that_is_lost_sight_of_at_once_is_cancelled(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path
) -> None:
    workspace.faults = [("/api/2.2/jobs/runs/get", 403)]
    with pytest.raises(DatabricksFailed, match="fault 403"):
        run(root, "wait")
    (own,) = workspace.runs.values()
    assert own.is_cancelled
    assert last(tracking).info.status == "FAILED"


def test_output_that_cannot_be_had_is_no_failure_of_the_run(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    workspace.faults = [("/api/2.2/jobs/runs/get-output", 403)]
    run(root)
    assert "The output is not shown. The output cannot be read: fault 403." in capfd.readouterr().err
    assert last(tracking).info.status == "FINISHED"


def test_cancelling_ends_the_run_of_databricks(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path
) -> None:
    submitted = run(root, "wait", synchronous=False)
    wait_for(lambda: workspace.runs)
    submitted.cancel()
    assert tracking.get_run(submitted.run_id).info.status == "KILLED"
    (own,) = workspace.runs.values()
    assert own.is_cancelled
    assert own.ended.is_set()


def test_the_run_of_a_killed_runner_is_cancelled(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path
) -> None:
    submitted = run(root, "wait", synchronous=False)
    kill_runner(tracking, submitted.run_id, databricks.RUN_PAGE_TAG)
    wait_for(lambda: tracking.get_run(submitted.run_id).info.status == "FAILED")
    (own,) = workspace.runs.values()
    assert own.is_cancelled
    reason = tracking.get_run(submitted.run_id).data.tags["millstream.project.error"]
    assert reason == "The process that ran it was killed. What it had started on databricks was cancelled."


def test_a_profile_says_which_workspace(
    tracking: MillstreamClient,
    workspace: databricks_server.Server,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = f"http://127.0.0.1:{workspace.server_port}"
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name)
    (tmp_path / ".databrickscfg").write_text(f"[team]\nhost = {host}\ntoken = {databricks_server.TOKEN}\n")
    run(root, config=CONFIG | {"profile": "team"})
    assert len(workspace.runs) == 1
    monkeypatch.setenv("DATABRICKS_HOST", "https://other.example")
    with pytest.raises(InvalidValue, match="DATABRICKS_HOST is set and would count more"):
        run(root, config=CONFIG | {"profile": "team"})


# ---------------------------------------------------------------- refused before there is a run


@pytest.mark.parametrize(
    ("config", "more", "error", "says"),
    [
        ({}, {}, InvalidValue, "specification of a new cluster"),
        ({"existing_cluster_id": "1"}, {}, InvalidValue, "existing_cluster_id"),
        ({"new_cluster": {"existing_cluster_id": "1"}}, {}, InvalidValue, "existing_cluster_id"),
        ({"new_cluster": "small"}, {}, InvalidValue, "new_cluster"),
        ({"libraries": []}, {}, InvalidValue, "new_cluster"),
        (CONFIG | {"librarys": []}, {}, InvalidValue, "libraries"),
        (CONFIG | {"upload_dir": "/tmp"}, {}, InvalidValue, "/Volumes/"),
        (CLUSTER, {}, InvalidValue, "cannot reach the tracking store"),
        (CONFIG | {"tracking_uri": "http://127.0.0.1:5000"}, {}, InvalidValue, "cannot reach the tracking store"),
        (CONFIG, {"entry_point": "none"}, MillstreamError, "no entry point"),
        (CONFIG, {"parameters": {"depth": "x" * 10_000}}, InvalidValue, "too long"),
        (CONFIG | {"profile": "none"}, {}, InvalidValue, "no profile 'none'"),
    ],
)
def test_what_cannot_run_is_refused_before_there_is_a_run(
    tracking: MillstreamClient,
    workspace: databricks_server.Server,
    root: Path,
    config: dict[str, Any],
    more: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    with pytest.raises(error, match=says):
        projects.run(str(root), backend="databricks", backend_config=config, **more)
    assert workspace.asked("/api/") == 0
    assert tracking.search_runs(["0"]) == []


def test_a_script_that_is_missing_or_outside_is_refused(
    tracking: MillstreamClient, workspace: databricks_server.Server, project: Project
) -> None:
    with pytest.raises(InvalidProject, match=r"no file 'jobs/job\.py'"):
        run(project(SPARK_JOB))
    outside = project(SPARK_JOB.replace("jobs/job.py", "../outside.py"), {"../outside.py": ""})
    with pytest.raises(InvalidProject, match="outside"):
        run(outside)
    assert workspace.asked("/api/") == 0


def test_a_project_for_containers_is_refused(
    tracking: MillstreamClient, workspace: databricks_server.Server, project: Project
) -> None:
    with pytest.raises(InvalidProject, match="docker_env"):
        run(project("docker_env: {image: base}\nentry_points: {main: {command: 'true'}}\n"))
    assert tracking.search_runs(["0"]) == []


def test_a_missing_sdk_or_login_is_said_before_there_is_a_run(
    tracking: MillstreamClient, workspace: databricks_server.Server, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    with pytest.raises(InvalidValue, match="Set DATABRICKS_HOST and DATABRICKS_TOKEN"):
        run(root)
    for name in [each for each in sys.modules if each.partition(".")[0] == "databricks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "databricks.sdk", None)
    with pytest.raises(MissingLibrary, match=r"millstream\[databricks\]"):
        run(root)
    assert tracking.search_runs(["0"]) == []


def test_every_key_of_the_configuration_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "projects.md").read_text()
    assert [key for key in databricks.DatabricksConfig.__struct_encode_fields__ if f"`{key}`" not in page] == []
