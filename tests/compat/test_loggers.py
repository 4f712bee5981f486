"""Loggers of other projects, unchanged, with the official client, against our server. Slow to install: `--loggers`, but for Optuna."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from benchmarks.bench import Caller
from tests.compat.environments import LOGGERS, OPTUNA, Environment
from tests.compat.servers import Server, clean_environment, our_server

HERE = Path(__file__).parent
Call = Callable[..., Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with our_server(tmp_path) as running:
        yield running


@pytest.fixture
def train(server: Server, tmp_path: Path) -> Callable[[str, Environment], Any]:
    def run(script: str, environment: Environment) -> Any:
        """What a script of `loggers/` prints as its last line."""
        folder = tmp_path / "training"
        folder.mkdir()
        done = subprocess.run(
            [str(environment.python()), str(HERE / "loggers" / script), server.url, str(folder)],
            capture_output=True, text=True, timeout=600, cwd=folder, env=clean_environment(PYTHONDONTWRITEBYTECODE="1"),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-5000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.fixture
def slow(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--loggers", default=False):
        pytest.skip("installs torch and friends: make test-loggers")


@pytest.fixture
def call(server: Server) -> Iterator[Call]:
    with Caller(server.url) as caller:
        yield caller.call


def _run(call: Call, run_id: str) -> dict[str, Any]:
    run = call("GET", f"runs/get?run_id={run_id}")["run"]
    data = run["data"]
    pairs = {
        kind: {item["key"]: item["value"] for item in data.get(kind, [])} for kind in ("metrics", "params", "tags")
    }
    return {"info": run["info"], **pairs}


def _history(call: Call, run_id: str, key: str) -> list[int]:
    return [
        point["step"]
        for point in call("GET", f"metrics/get-history?run_id={run_id}&metric_key={key}").get("metrics", [])
    ]


def _files(call: Call, run_id: str, folder: str = "") -> list[str]:
    """Paths of all files of a run."""
    found = call("GET", f"artifacts/list?run_id={run_id}&path={quote(folder)}").get("files", [])
    return [
        path for file in found for path in (_files(call, run_id, file["path"]) if file["is_dir"] else [file["path"]])
    ]


def test_optuna_logs_a_run_for_every_trial(train: Any, call: Call) -> None:
    best = train("optuna_callback.py", OPTUNA)
    experiment = call("GET", "experiments/get-by-name?experiment_name=optuna")["experiment"]["experiment_id"]
    found = call("POST", "runs/search", {"experiment_ids": [experiment], "order_by": ["metrics.error ASC"]})["runs"]
    runs = [_run(call, run["info"]["run_id"]) for run in found]
    assert len(runs) == 5
    assert {run["info"]["status"] for run in runs} == {"FINISHED"}
    assert float(runs[0]["params"]["x"]) == best
    assert runs[0]["metrics"] == {"error": best * best, "inside": best * 2}
    assert runs[0]["tags"]["team"] == "red"
    assert sorted(run["tags"]["number"] for run in runs) == list("01234")


@pytest.mark.usefixtures("slow")
def test_lightning_logs_metrics_params_and_checkpoints(train: Any, call: Call) -> None:
    run_id = train("lightning_logger.py", LOGGERS)
    run = _run(call, run_id)
    assert run["info"]["status"] == "FINISHED"
    assert run["info"]["run_name"] == "line"
    assert run["params"] == {"learning_rate": "0.1"}
    assert run["tags"]["kind"] == "logger"
    assert {"train_loss", "val_loss", "epoch"} <= set(run["metrics"])
    assert _history(call, run_id, "train_loss") == list(range(8))
    assert [path for path in _files(call, run_id) if path.endswith(".ckpt")]


@pytest.mark.usefixtures("slow")
def test_keras_logs_metrics_of_every_epoch_and_the_model_summary(train: Any, call: Call) -> None:
    run_id = train("keras_callback.py", LOGGERS)
    run = _run(call, run_id)
    assert run["info"]["status"] == "FINISHED"
    assert {"loss", "mae", "validation_loss", "validation_mae"} <= set(run["metrics"])
    assert run["params"]["optimizer_name"].lower() == "sgd"
    assert len(_history(call, run_id, "loss")) >= 3
    files = call("GET", f"artifacts/list?run_id={run_id}")["files"]
    assert "model_summary.txt" in {file["path"] for file in files}


@pytest.mark.usefixtures("slow")
def test_transformers_logs_its_arguments_and_losses(train: Any, call: Call) -> None:
    run_id = train("transformers_callback.py", LOGGERS)
    run = _run(call, run_id)
    assert run["info"]["run_name"] == "tiny"
    assert {"loss", "learning_rate", "train_runtime"} <= set(run["metrics"])
    assert run["params"]["hidden_size"] == "16"
    assert len(run["params"]) > 100
    assert _history(call, run_id, "loss") == list(range(1, 9))
