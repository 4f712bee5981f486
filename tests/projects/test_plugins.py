"""Backends of plug-ins: a package that is really installed brings one, and gets what MLflow's interface says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import millstream
from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.errors import InvalidValue
from millstream.projects.plugins import BrokenBackend
from tests.projects.conftest import Millstream, Project

PLUGIN = """
import json
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun
from mlflow.tracking import MlflowClient

class Run(SubmittedRun):
    def __init__(self, run_id): self._run_id = run_id
    @property
    def run_id(self): return self._run_id
    def wait(self): return True
    def get_status(self): return "FINISHED"
    def cancel(self): pass

class Backend(AbstractBackend):
    def run(self, project_uri, entry_point, params, version, backend_config, tracking_uri, experiment_id):
        client = MlflowClient(tracking_uri)
        run = client.create_run(experiment_id)
        client.set_tag(run.info.run_id, "given", json.dumps(
            [project_uri, entry_point, params, version, backend_config, tracking_uri, experiment_id]))
        client.set_terminated(run.info.run_id)
        return Run(run.info.run_id)

class Empty:
    def run(self, *arguments, **named): return None

class Broken:
    def __init__(self): raise RuntimeError("no key")
"""

ENTRY_POINTS = """
[mlflow.project_backend]
moon = moon_backend:Backend
empty = moon_backend:Empty
local = moon_backend:Broken

[millstream.project_backend]
mars = moon_backend:Backend
broken = moon_backend:Broken
missing = no_such_module:Backend
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with the plug-in in it."""
    folder = tmp_path / "site"
    info = folder / "moon_backend-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "moon_backend.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moon-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    before = [name for name in sys.modules if name == "mlflow" or name.startswith("mlflow.")]
    assert not before
    finders = list(sys.meta_path)
    yield folder
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mlflow", "moon_backend")]:
        del sys.modules[name]


@pytest.mark.parametrize("backend", ["moon", "mars"])
def test_a_plugin_gets_the_project_and_makes_the_run(
    backend: str, site: Path, tracking: MillstreamClient, project: Project
) -> None:
    root = str(project())
    submitted = projects.run(
        root, "fit", "v1", {"alpha": 0.5}, {"gpus": "all"}, experiment_name="space", backend=backend,
        backend_config={"queue": "far"}, storage_dir="/s", synchronous=False, env_manager="local", build_image=True,
        docker_auth={"user": "u"},
    )  # fmt: skip
    run = tracking.get_run(submitted.run_id)
    experiment = tracking.get_experiment_by_name("space")
    assert experiment is not None
    assert json.loads(run.data.tags["given"]) == [
        root, "fit", {"alpha": 0.5}, "v1",
        {
            "queue": "far", "ENV_MANAGER": "local", "SYNCHRONOUS": False, "DOCKER_ARGS": {"gpus": "all"}, "STORAGE_DIR": "/s",
            "build_image": True, "docker_auth": {"user": "u"},
        },
        millstream.get_tracking_uri(), experiment.experiment_id,
    ]  # fmt: skip
    assert submitted.wait()


def test_the_command_line_runs_on_a_plugin_and_returns(
    site: Path, tracking: MillstreamClient, project: Project, command: Millstream
) -> None:
    done = command("run", str(project()), "-b", "moon", "-c", '{"queue": "far"}', "-P", "alpha=1")
    run = tracking.get_run(done.stdout.strip())
    given = json.loads(run.data.tags["given"])
    assert given[2] == {"alpha": "1"}
    assert (given[4]["queue"], given[4]["SYNCHRONOUS"]) == ("far", False)


@pytest.mark.parametrize(
    ("backend", "words"),
    [("empty", "gave NoneType"), ("broken", "no key"), ("missing", "no_such_module")],
)
def test_a_broken_plugin_is_named_with_its_reason(
    backend: str, words: str, site: Path, tracking: MillstreamClient, project: Project
) -> None:
    with pytest.raises(BrokenBackend, match=f"{backend}.*{words}"):
        projects.run(str(project()), backend=backend)


def test_a_plugin_replaces_no_backend_of_ours(site: Path, tracking: MillstreamClient, project: Project) -> None:
    root = project(files={"script.py": "print('here')"})
    assert projects.run(str(root), "script.py", env_manager="local").get_status() == "FINISHED"


def test_an_unknown_backend_is_refused_with_those_that_there_are(
    site: Path, tracking: MillstreamClient, project: Project
) -> None:
    with pytest.raises(
        InvalidValue, match=r"no backend 'sun'.*databricks.*docker.*kubernetes.*local.*mars.*moon.*spark"
    ):
        projects.run(str(project()), backend="sun")
