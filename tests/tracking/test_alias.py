"""`import millstream as mlflow` and `install_as_mlflow()`: the names that scripts and libraries import."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

import millstream
from millstream import alias
from millstream.entities import Experiment
from millstream.errors import InvalidValue
from millstream.tracking import keras

Script = Callable[..., subprocess.CompletedProcess[str]]

NAMES = """
from mlflow import MlflowClient, log_metric, start_run, set_tracking_uri, MlflowException, ActiveRun, Image
import mlflow.entities
from mlflow.entities import (
    Run, RunInfo, RunData, Metric, Param, RunTag, Experiment, ExperimentTag, ViewType, RunStatus, SourceType, FileInfo,
    Dataset, DatasetInput, InputTag, LoggedModel, LoggedModelStatus, LoggedModelInput, LoggedModelOutput, LifecycleStage,
)
from mlflow.entities.run_status import RunStatus as Status
from mlflow.entities.view_type import ViewType as View
from mlflow.exceptions import MlflowException as Error, RestException, ExecutionException, MissingConfigException
from mlflow.tracking import MlflowClient as Client
from mlflow.tracking.client import MlflowClient as Same
from mlflow.tracking.fluent import start_run as start, active_run, log_metrics
from mlflow.tracking.context import registry
from mlflow.tracking.context.registry import resolve_tags
from mlflow.tracking.context.abstract_context import RunContextProvider
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_PARENT_RUN_ID, MLFLOW_USER, MLFLOW_SOURCE_NAME
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH, MAX_TAG_VAL_LENGTH, MAX_METRICS_PER_BATCH
from mlflow.utils.async_logging.run_operations import RunOperations
from mlflow.utils.time import get_current_time_millis
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.entities.paged_list import PagedList
from mlflow.artifacts import download_artifacts, list_artifacts, load_dict, load_text
from mlflow.config import enable_async_logging
from mlflow.system_metrics import enable_system_metrics_logging
from mlflow.data.pandas_dataset import PandasDataset
from mlflow.data.dataset_source import DatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data import from_pandas, from_numpy, get_source
from mlflow.environment_variables import MLFLOW_TRACKING_URI, MLFLOW_RUN_ID
from mlflow.version import VERSION
"""


def test_the_names_that_libraries_import_are_there_and_are_ours(script: Script) -> None:
    script(
        "import millstream; millstream.install_as_mlflow()\n"
        + NAMES
        + """
import mlflow, millstream.entities, millstream.client.client
assert Metric is millstream.entities.Metric and Client is Same is millstream.client.client.MillstreamClient
assert start is millstream.start_run and Error is MlflowException
assert mlflow.utils.mlflow_tags.MLFLOW_RUN_NAME == "mlflow.runName"
assert mlflow.tracking.fluent.start_run is mlflow.start_run
assert mlflow.entities.RunStatus.RUNNING == "RUNNING"
assert (MAX_PARAM_VAL_LENGTH, MAX_PARAMS_TAGS_PER_BATCH, MAX_TAG_VAL_LENGTH) == (6000, 100, 8000)
from mlflow.entities import *
from mlflow import *
"""
    )


def test_version_checks_see_the_level_of_the_api(script: Script) -> None:
    done = script(
        """
import millstream; millstream.install_as_mlflow(); millstream.install_as_mlflow()
import importlib.metadata, importlib.util, mlflow
print(mlflow.__version__, importlib.metadata.version("mlflow"), millstream.__version__)
assert importlib.util.find_spec("mlflow") is not None and importlib.util.find_spec("mlflow.tracking") is not None
assert importlib.metadata.version("msgspec")
"""
    )
    level, distribution, own = done.stdout.split()
    assert level == distribution == millstream.version.MLFLOW_API_VERSION
    assert own == millstream.__version__ != level


def test_a_script_for_mlflow_runs_with_one_line_changed(script: Script, tracking_uri: str) -> None:
    body = """
mlflow.set_experiment("migrated")
with mlflow.start_run(run_name="r") as run:
    mlflow.log_params({"lr": 0.1})
    for step in range(3):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.set_tag("k", "v")
    mlflow.log_text("hello", "a.txt")
client = mlflow.tracking.MlflowClient()
assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [0, 1, 2]
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt") == "hello"
try:
    client.get_run("0" * 32)
except mlflow.exceptions.MlflowException as error:
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST"
print(mlflow.search_runs(filter_string="tags.k = 'v'", max_results=1)["params.lr"][0])
"""
    assert script("import millstream as mlflow" + body).stdout == "0.1\n"
    assert script("import millstream; millstream.install_as_mlflow()\nimport mlflow" + body).stdout == "0.1\n"


def test_what_is_missing_says_when_it_comes(script: Script) -> None:
    script(
        """
import millstream; millstream.install_as_mlflow()
import mlflow
for name, reason in {
    "tensorflow": "later part", "evaluate": "evaluation", "openai": "no traces",
}.items():
    try:
        __import__(f"mlflow.{name}")
    except ModuleNotFoundError as error:
        assert reason in str(error), error
    else:
        raise AssertionError(name)
for name in ("tensorflow", "evaluate", "start_span"):
    assert not hasattr(mlflow, name)
try:
    import mlflow.nonsense
except ModuleNotFoundError as error:
    assert "mlflow.nonsense" in str(error)
"""
    )


def test_a_real_mlflow_that_is_imported_already_is_not_replaced(script: Script) -> None:
    script(
        """
import sys, types, millstream
from importlib.machinery import ModuleSpec
real = sys.modules["mlflow"] = types.ModuleType("mlflow")
real.__spec__ = ModuleSpec("mlflow", None)
try:
    millstream.install_as_mlflow()
except RuntimeError as error:
    assert "first thing" in str(error)
else:
    raise AssertionError
assert sys.modules["mlflow"] is real
"""
    )


def test_every_missing_name_has_a_reason() -> None:
    for name in (*alias.LATER, *alias.NEVER):
        assert alias._missing(name)
        assert name not in alias.MODULES


class Optimizer:
    def get_config(self) -> dict[str, Any]:
        return {"name": "sgd", "learning_rate": 0.1}


class Model:
    """Of the shape of a Keras model."""

    optimizer = Optimizer()

    def summary(self, print_fn: Callable[..., None]) -> None:
        print_fn("the summary", line_break=True)


def test_what_keras_reports_becomes_metrics_params_and_a_summary(local_experiment: Experiment) -> None:
    with millstream.start_run() as run:
        for callback in (
            keras.FitRecorder(),
            keras.FitRecorder(log_every_epoch=False, log_every_n_steps=2),
        ):
            callback.model = Model()
            callback.on_train_begin()
            for epoch in range(2):
                for batch in range(3):
                    callback.on_train_batch_end(batch, {"batch_loss": 1.0})
                callback.on_epoch_end(epoch, {"loss": 0.5, "val_loss": 0.7})
        callback.on_test_end({"loss": 0.25})
    client = millstream.MillstreamClient()
    stored = client.get_run(run.info.run_id).data
    assert stored.params == {"optimizer_name": "sgd", "optimizer_learning_rate": "0.1"}
    assert stored.metrics == {"loss": 0.5, "val_loss": 0.7, "batch_loss": 1.0, "validation_loss": 0.25}
    assert [point.step for point in client.get_metric_history(run.info.run_id, "batch_loss")] == [2, 4, 6]
    assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [0, 1]
    assert millstream.artifacts.load_text(f"runs:/{run.info.run_id}/model_summary.txt") == "the summary"
    with pytest.raises(InvalidValue):
        keras.FitRecorder(log_every_n_steps=3)
