"""XGBoost: `xgboost.train`, and `fit` of the estimators of its sklearn API, which trains through a function of the same kind."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import ModuleType
from typing import Any

from millstream.autologging import boosting
from millstream.autologging.datasets import MatrixDataset
from millstream.autologging.patching import Patches
from millstream.autologging.training import Recording, Steps, Training

NO_PARAMS = frozenset(
    {"params", "dtrain", "evals", "obj", "feval", "evals_result", "xgb_model", "callbacks", "learning_rates"}
)
"""Arguments of `train` that are data, functions or results."""


def install(patches: Patches, recording: Recording, module: ModuleType) -> None:
    if module.__name__ != "xgboost":
        return
    import xgboost.sklearn

    estimators, base = xgboost.sklearn, xgboost.sklearn.XGBModel
    boosting.install(patches, recording, module, module.DMatrix, estimators, base, _train, _train_part)


# ---------------------------------------------------------------- xgboost.train


def _train(training: Training) -> Steps:
    training.start()
    training.start_model()
    booster = yield from _train_part(training)
    training.log_model(
        booster,
        boosting.first_rows_of(training.arguments().get("dtrain")),
        lambda rows: _predict(booster, rows),
        registered_model_name=training.settings.registered_model_name,
        model_format=training.settings.own["model_format"],
    )


def _predict(booster: Any, rows: Any) -> Any:
    import xgboost

    return booster.predict(xgboost.DMatrix(rows))


def _train_part(training: Training) -> Generator[None, Any, Any]:
    """Everything but the model."""
    given = boosting.all_arguments(training)
    with training.attempt("the params"):
        training.log_params(_params(given))
    with training.attempt("the datasets"):
        if training.settings.log_datasets:
            _log_datasets(training, given)
    iterations = boosting.Iterations(training)
    with training.attempt("metrics of iterations"):
        training.set_argument("callbacks", [*(given.get("callbacks") or ()), _callback(iterations)])
    booster = yield
    with training.attempt("early stopping"):
        if given.get("early_stopping_rounds") is not None or _stops_early(given):
            best = int(booster.best_iteration)
            iterations.log_best(len(iterations.results) - 1, best, best)
    with training.attempt("feature importance"):
        _log_importance(training, booster)
    return booster


def _params(given: Mapping[str, Any]) -> dict[str, Any]:
    own = given.get("params") or {}
    rest = {name: value for name, value in given.items() if name not in NO_PARAMS}
    return {**dict(own), **rest}


def _log_datasets(training: Training, given: Mapping[str, Any]) -> None:
    training.log_dataset(_dataset(given["dtrain"]), "train")
    for data, name in given.get("evals") or ():
        training.log_dataset(_dataset(data, name), "eval")


def _dataset(data: Any, name: str | None = None) -> MatrixDataset:
    """A DMatrix by the values of its first rows and its shape: asking it for all of them would double the memory."""
    import xgboost

    rows = data.num_row()

    def head(count: int) -> Any:
        part = data
        if count < rows and not isinstance(data, xgboost.QuantileDMatrix):  # those cannot be sliced
            part = data.slice(list(range(count)), allow_groups=True)
        return part.get_data()[:count].toarray()

    return MatrixDataset(head, (rows, data.num_col()), name)


def _callback(iterations: boosting.Iterations) -> Any:
    import xgboost

    class Record(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
            iterations.log(
                epoch,
                (
                    (
                        f"{data}-{metric}".replace("@", "_at_"),
                        values[-1][0] if isinstance(values[-1], tuple) else values[-1],
                    )
                    for data, metrics in evals_log.items()
                    for metric, values in metrics.items()
                ),
            )
            return False

    return Record()


def _stops_early(given: Mapping[str, Any]) -> bool:
    import xgboost

    return any(isinstance(each, xgboost.callback.EarlyStopping) for each in given.get("callbacks") or ())


def _log_importance(training: Training, booster: Any) -> None:
    def importance(kind: str) -> dict[str, Any]:
        return dict(booster.get_score(importance_type=kind))

    boosting.log_importance(training, training.settings.own["importance_types"], importance)
