"""`examples/spark-mlproject`: from a folder, from a git repository and on a cluster; what it records equals a table."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

import pytest

import millstream
from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.entities import Run
from tests.projects.conftest import tracking as tracking
from tests.spark.cluster import SETTINGS, Cluster

EXAMPLE = Path(__file__).parents[2] / "examples" / "spark-mlproject"
DEFAULTS = {
    "algorithms": "logistic,forest",
    "regularization": "0.01",
    "trees": "20",
    "test_fraction": "0.25",
    "seed": "7",
    "registered_model": "wine-cultivar",
}
OURS = ("millstream.project.process", "millstream.project.fingerprint", "mlflow.runName")
"""Tags that differ from run to run."""


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that has the example in a folder, tagged; what comes after the tag does not work."""
    root = tmp_path / "repository"
    target = root / "training" / "wine"
    target.mkdir(parents=True)
    for path in EXAMPLE.iterdir():
        if path.is_file():
            (target / path.name).write_bytes(path.read_bytes())
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "Train on Spark")
    git(root, "tag", "v1")
    (target / "train.py").write_text("raise SystemExit('the wrong version')")
    git(root, "commit", "--quiet", "-am", "Break it")
    return root


def tags(run: Run) -> dict[str, str]:
    """What a run says of itself, but what differs from run to run."""
    return {
        name: value for name, value in run.data.tags.items() if name not in OURS and not name.startswith("mlflow.log")
    }


def expected(**more: str) -> dict[str, str]:
    table = {
        "mlflow.user": getpass.getuser(),
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": "main",
        "millstream.project.name": "wine-on-spark",
    }
    return table | {name.replace("__", "."): value for name, value in more.items()}


def check_results(tracking: MillstreamClient, run: Run, folder: Path) -> None:
    """One run of the example with two algorithms, each in a run below it, a plot, a model, a version that scores."""
    children = tracking.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert {child.data.params["algorithm"] for child in children} == {"logistic", "forest"}
    for child in children:
        assert child.info.status == "FINISHED"
        assert child.data.metrics["accuracy"] > 0.85
        assert child.data.metrics["log_loss"] > 0
        assert [each.path for each in tracking.list_artifacts(child.info.run_id)] == ["confusion.png"]
    metrics = run.data.metrics
    assert metrics["rows/train"] + metrics["rows/test"] == 178
    best = max(children, key=lambda child: (child.data.metrics["accuracy"], -child.data.metrics["log_loss"]))
    assert run.data.tags["best"] == best.data.params["algorithm"]
    assert metrics["accuracy"] == best.data.metrics["accuracy"] == metrics["scored/accuracy"]
    version = tracking.get_model_version("wine-cultivar", "1")
    assert version.run_id == run.info.run_id
    model = millstream.models.get_model_info("models:/wine-cultivar/1")
    assert {"spark", "python_function"} <= set(model.flavors)
    assert model.signature.inputs.input_names()[0] == "alcohol"
    assert len(model.signature.inputs.inputs) == 14
    printed = Path(tracking.download_artifacts(run.info.run_id, "project/output.log", str(folder))).read_text()
    assert "Added JAR" not in printed
    assert "org.mlflow" not in printed


def test_it_runs_from_a_folder_on_this_machine(tracking: MillstreamClient, tmp_path: Path) -> None:
    with millstream.start_run() as parent:
        submitted = projects.run(str(EXAMPLE), env_manager="local", parameters={"seed": 3})
    run = tracking.get_run(submitted.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == DEFAULTS | {"seed": "3"}
    found = tags(run)
    for name in ("mlflow.source.name", "mlflow.source.git.repoURL", "mlflow.source.git.commit"):
        found.pop(name, None)  # of whatever repository the tests are in
    assert found == expected(
        mlflow__project__backend="local", mlflow__parentRunId=parent.info.run_id, spark__master="local[2]",
        best=found["best"],
    )  # fmt: skip
    assert run.data.tags["mlflow.source.name"].endswith("examples/spark-mlproject")
    check_results(tracking, run, tmp_path)


@pytest.mark.parametrize("form", ["file://", "git+file://"])
def test_it_runs_from_a_tag_of_a_git_repository_on_the_cluster(
    form: str, cluster: Cluster, repository: Path, tracking: MillstreamClient, tmp_path: Path
) -> None:
    uri, name = f"{form}{repository}#training/wine", f"wine from {form}"
    submitted = projects.run(
        uri, version="v1", backend="spark", env_manager="local", parameters={"trees": 10},
        backend_config={"master": cluster.master, "environment": "shared", "conf": SETTINGS, "name": name},
    )  # fmt: skip
    run = tracking.get_run(submitted.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == DEFAULTS | {"trees": "10"}
    address = {"mlflow.source.git.repoURL": f"file://{repository}"} if form == "git+file://" else {}
    found = tags(run)
    assert found == address | expected(
        mlflow__source__name=uri, mlflow__source__git__commit=git(repository, "rev-parse", "v1"),
        mlflow__project__backend="spark", spark__master=cluster.master, best=found["best"],
    )  # fmt: skip
    assert cluster.applications()[name] == "FINISHED"
    check_results(tracking, run, tmp_path)
