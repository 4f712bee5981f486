"""Projects on a real standalone cluster, by the backend `spark`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.projects.running import RunFailed
from tests.projects.conftest import tracking as tracking
from tests.spark import jobs
from tests.spark.cluster import HOME, SETTINGS, Cluster

HOSTILE = """it's "$(touch canary)" `touch canary`; touch canary && \\n -x é 日 \\ * {} # ~"""
"""Every character that a shell or Java could take for something else."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return jobs.write(tmp_path / "project")


def config(cluster: Cluster, **more: Any) -> dict[str, Any]:
    conf = {**SETTINGS, **more.pop("conf", {})}
    return {"master": cluster.master, "environment": "shared", "conf": conf, **more}


def report(tracking: MillstreamClient, run_id: str, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        Path(tracking.download_artifacts(run_id, "report.json", str(folder))).read_text()
    )
    return found


def test_driver_and_executors_know_their_run_and_get_parameters_as_given(
    cluster: Cluster, project: Path, tracking: MillstreamClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_TOKEN", "hunter2")
    run = projects.run(
        str(project), backend="spark", env_manager="local", parameters={"note": HOSTILE, "empty": ""},
        backend_config=config(cluster, env=["LAKE_TOKEN"], conf={"spark.speculation": False}),
    )  # fmt: skip
    found = report(tracking, run.run_id, tmp_path)
    stored = tracking.get_run(run.run_id)
    assert found["arguments"] == [HOSTILE, "--empty", ""]
    assert not list(tmp_path.rglob("canary"))
    assert found["folder"] == str(project)
    assert found["master"] == cluster.master
    assert found["conf"] == "false"
    assert found["locals"] == [None, None]
    assert found["python"] == sys.executable
    assert len(found["executors"]) == 4
    for each in found["executors"]:
        assert each["MLFLOW_RUN_ID"] == run.run_id
        assert each["MLFLOW_EXPERIMENT_ID"] == stored.info.experiment_id
        assert each["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path / 'runs.db'}"
        assert each["LAKE_TOKEN"] == "hunter2"
        assert json.loads(each["MILLSTREAM_RUN_PARAMETERS"]) == {"note": HOSTILE, "empty": ""}
        assert each["python"] == sys.executable
    assert [each["helped"] for each in found["executors"]] == [0, 2, 4, 6]
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"note": HOSTILE, "empty": ""}
    assert cluster.applications()[found["app"]] == "FINISHED"


def test_a_job_that_fails_on_an_executor_fails_the_run(
    cluster: Cluster, project: Path, tracking: MillstreamClient, tmp_path: Path
) -> None:
    with pytest.raises(RunFailed) as caught:
        projects.run(str(project), "fail", backend="spark", env_manager="local", backend_config=config(cluster))
    assert tracking.get_run(caught.value.run_id).info.status == "FAILED"
    output = Path(tracking.download_artifacts(caught.value.run_id, "project/output.log", str(tmp_path))).read_text()
    assert "ZeroDivisionError" in output


def test_cancel_ends_the_application_on_the_cluster(
    cluster: Cluster, project: Path, tracking: MillstreamClient
) -> None:
    run = projects.run(
        str(project), "wait", backend="spark", env_manager="local", synchronous=False,
        backend_config=config(cluster, name="cancelled"),
    )  # fmt: skip
    wait_until(lambda: (project / "waiting").exists())
    run.cancel()
    assert tracking.get_run(run.run_id).info.status == "KILLED"
    wait_until(lambda: not cluster.state()["activeapps"])
    assert cluster.applications()["cancelled"] in ("FINISHED", "KILLED")


def test_executors_run_in_the_environment_that_was_sent_along(
    cluster: Cluster, project: Path, tracking: MillstreamClient, tmp_path: Path
) -> None:
    (project / "requirements.txt").write_text("click\n")
    run = projects.run(
        str(project),
        backend="spark",
        backend_config={**config(cluster), "environment": "packed", "spark_home": str(HOME)},
    )
    found = report(tracking, run.run_id, tmp_path)
    work = cluster.folder
    for each in found["executors"]:
        assert Path(each["python"]).is_relative_to(work)
        assert each["python"].endswith("/environment/bin/python")
    assert tracking.get_run(run.run_id).data.tags["mlflow.project.env"] in ("uv", "virtualenv")


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
