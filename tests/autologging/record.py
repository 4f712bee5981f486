"""Runs the scenarios with the official mlflow or with Millstream and prints as JSON what the runs recorded.

    python record.py mlflow sklearn > golden/sklearn.json        (in the environment AUTOLOG of tests/compat/environments.py)
    python record.py millstream sklearn [scenario ...]

What differs from run to run by nature (ids, times, names, user, source) is left out; runs are in order of their start and
parents are given by their place in that order.
"""

from __future__ import annotations

import csv
import importlib
import json
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import scenarios

LEFT_OUT = ("mlflow.user", "mlflow.source.", "mlflow.runName", "mlflow.runColor", "mlflow.log-model.history")


def main() -> None:
    package, library, *wanted = sys.argv[1:]
    warnings.simplefilter("ignore")
    os.environ.update(GIT_PYTHON_REFRESH="quiet", MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true")
    out = os.dup(1)
    os.dup2(2, 1)  # some libraries print
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        mlflow = importlib.import_module(package)
        logging.getLogger("mlflow").setLevel("ERROR")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/store.db")
        found = {}
        for name in wanted or scenarios.names(library):
            mlflow.create_experiment(name, artifact_location=f"{folder}/files/{name}")
            mlflow.set_experiment(name)
            scenarios.run(mlflow, name)
            found[name] = recorded(mlflow, name)
        text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    os.write(out, text.encode())


def recorded(mlflow: ModuleType, name: str) -> dict[str, Any]:
    """All that the runs of an experiment hold."""
    experiment = mlflow.get_experiment_by_name(name)
    client = mlflow.MlflowClient()
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    runs.sort(
        key=lambda run: (run.info.start_time, "mlflow.parentRunId" in run.data.tags, sorted(run.data.params.items()))
    )
    place = {run.info.run_id: number for number, run in enumerate(runs)}
    models = client.search_logged_models([experiment.experiment_id])
    models = sorted(models, key=lambda model: (model.name, place.get(model.source_run_id, -1)))
    return {
        "runs": [run_as_json(client, run, place) for run in runs],
        "models": [model_as_json(mlflow, model, place) for model in models],
    }


def run_as_json(client: Any, run: Any, place: dict[str, int]) -> dict[str, Any]:
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith(LEFT_OUT)}
    if "mlflow.parentRunId" in tags:
        tags["mlflow.parentRunId"] = f"run {place[tags['mlflow.parentRunId']]}"
    root = run.info.artifact_uri.removeprefix("file://")
    return {
        "status": str(run.info.status),
        "tags": tags,
        "params": run.data.params,
        "metrics": {
            key: "measured" if key.endswith("_time") else points(client, run.info.run_id, key)
            for key in run.data.metrics
        },
        "artifacts": files(root),
        "contents": {path: content(Path(root, path)) for path in files(root) if path.endswith((".json", ".csv"))},
        "inputs": [input_as_json(each) for each in run.inputs.dataset_inputs],
        "outputs": len(run.outputs.model_outputs) if run.outputs else 0,
    }


def content(path: Path) -> Any:
    """What a file says, without times that were measured."""
    if path.suffix == ".json":
        return rounded(json.loads(path.read_text()))
    head, *rows = csv.reader(path.read_text().splitlines())
    kept = [at for at, name in enumerate(head) if not name.endswith("_time")]
    return [[head[at] for at in kept], *([rounded(row[at]) for at in kept] for row in rows)]


def rounded(value: Any) -> Any:
    """Numbers anywhere inside, as `number`; also those that are text."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    try:
        return number(float(value))
    except (TypeError, ValueError):
        return value


def points(client: Any, run_id: str, key: str) -> list[list[float]]:
    """Step and value of each point, in order."""
    return [[point.step, number(point.value)] for point in client.get_metric_history(run_id, key)]


def number(value: float) -> float:
    """Rounded to what differs between platforms."""
    return float(f"{value:.9g}")


def input_as_json(each: Any) -> dict[str, Any]:
    data = each.dataset
    return {
        "name": data.name,
        "digest": data.digest,
        "source_type": data.source_type,
        "schema": json.loads(data.schema) if data.schema else None,
        "profile": json.loads(data.profile) if data.profile else None,
        "tags": {tag.key: tag.value for tag in each.tags},
    }


def files(root: str) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in Path(root).rglob("*") if path.is_file())


def model_as_json(mlflow: ModuleType, model: Any, place: dict[str, int]) -> dict[str, Any]:
    import yaml

    root = str(model.artifact_location).removeprefix("file://")
    written = files(root)
    described = yaml.safe_load(Path(root, "MLmodel").read_text()) if "MLmodel" in written else {}
    return {
        "name": model.name,
        "status": str(model.status).rpartition(".")[2],
        "run": place.get(model.source_run_id),
        "params": model.params,
        "tags": {key: value for key, value in model.tags.items() if not key.startswith(LEFT_OUT)},
        "metrics": sorted(
            (
                [
                    each.key,
                    each.step,
                    "measured" if each.key.endswith("_time") else number(each.value),
                    each.dataset_name,
                ]
                for each in model.metrics or []
            ),
            key=repr,
        ),
        "files": written,
        "flavors": sorted(described.get("flavors", {})),
        "signature": {key: value and json.loads(value) for key, value in (described.get("signature") or {}).items()},
        "example": (described.get("saved_input_example_info") or {}).get("type"),
    }


if __name__ == "__main__":
    main()
