"""Where our records differ from those of the official autologgers by choice, each with its reason.

A difference changes what the official package recorded into what we record; `expected` applies all of a library's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

Record = dict[str, Any]


class Difference(NamedTuple):
    reason: str
    libraries: tuple[str, ...]
    change: Callable[[str, Record], None]
    """Given the scenario's name and its record, which it changes."""


def _files(scenario: str, record: Record) -> None:
    for model in record["models"]:
        model["files"] = ["model.skops" if file == "model.pkl" else file for file in model["files"]]


def _model_params(scenario: str, record: Record) -> None:
    for model in record["models"]:
        model["params"] = {**record["runs"][model["run"]]["params"], **model["params"]}


def _no_empty_kwargs(scenario: str, record: Record) -> None:
    for params in (each["params"] for each in (*record["runs"], *record["models"])):
        params.pop("kwargs", None)


def _early_stopping(scenario: str, record: Record) -> None:
    if scenario not in ("pytorch_early_stopping", "pytorch_own_checkpoints"):
        return
    (run,) = record["runs"]
    run["params"].update(monitor="val_loss", mode="min", patience="1", min_delta="-100.0", stopped_epoch="0")
    first = run["metrics"]["val_loss"][0][1]
    run["metrics"].update(
        stopped_epoch=[[0, 1.0]], restored_epoch=[[0, 0.0]], wait_count=[[0, 1.0]], best_score=[[0, first]]
    )
    if scenario == "pytorch_own_checkpoints":
        run["artifacts"] = [*run["artifacts"], "restored_model_checkpoint/best.ckpt"]


def _positional(scenario: str, record: Record) -> None:
    if scenario == "keras_positional_arguments":
        record["runs"][0]["params"].update(batch_size="30", epochs="2")


def _keras_example(scenario: str, record: Record) -> None:
    for model in record["models"]:
        model["example"] = "ndarray"
        model["files"] = sorted([*model["files"], "input_example.json", "serving_input_example.json"])


DIFFERENCES = (
    Difference(
        "Models are written with skops, which loads without running code, where MLflow's autologging pickles them.",
        ("sklearn",),
        _files,
    ),
    Difference(
        "A model has all params of its run, also those that were logged after it was announced.",
        ("sklearn", "xgboost", "lightgbm", "pytorch", "keras"),
        _model_params,
    ),
    Difference(
        "`**kwargs` that were not given are no param; MLflow logs kwargs=<class 'inspect._empty'>.",
        ("statsmodels",),
        _no_empty_kwargs,
    ),
    Difference(
        "Early stopping is recorded with `lightning.pytorch` as well as with `pytorch_lightning`; MLflow knows the latter's alone.",
        ("pytorch",),
        _early_stopping,
    ),
    Difference(
        "Arguments of `fit` that are given by position are logged as they are; MLflow logs their defaults.",
        ("keras",),
        _positional,
    ),
    Difference(
        "`log_input_examples=True` stores an example; MLflow's Keras autologging takes the argument and stores none.",
        ("keras",),
        _keras_example,
    ),
)


def expected(library: str, scenario: str, official: Record) -> Record:
    """What we are to record, given what the official package did."""
    record = copy.deepcopy(official)
    for difference in DIFFERENCES:
        if library in difference.libraries:
            difference.change(scenario, record)
    return record
