"""LightGBM: `lightgbm.train`, and `fit` of the estimators of its sklearn API, which trains through the same function."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import ModuleType
from typing import Any

from millstream.autologging import boosting
from millstream.autologging.patching import Patches
from millstream.autologging.training import Recording, Steps, Training

NO_PARAMS = frozenset(
    {"params", "train_set", "valid_sets", "valid_names", "fobj", "feval", "init_model", "learning_rates", "callbacks"}
)
"""Arguments of `train` that are data, functions or results."""

IMPORTANCE = ("split", "gain")


def install(patches: Patches, recording: Recording, module: ModuleType) -> None:
    if module.__name__ != "lightgbm":
        return
    import lightgbm.sklearn

    estimators, base = lightgbm.sklearn, lightgbm.sklearn.LGBMModel
    boosting.install(patches, recording, module, module.Dataset, estimators, base, _train, _train_part)


def _train(training: Training) -> Steps:
    training.start()
    training.start_model()
    booster = yield from _train_part(training)
    training.log_model(
        booster,
        boosting.first_rows_of(training.arguments().get("train_set")),
        booster.predict,
        registered_model_name=training.settings.registered_model_name,
    )


def _train_part(training: Training) -> Generator[None, Any, Any]:
    """Everything but the model."""
    given = boosting.all_arguments(training)
    with training.attempt("the params"):
        rest = {name: value for name, value in given.items() if name not in NO_PARAMS}
        training.log_params({**rest, **dict(given.get("params") or {})})
    with training.attempt("the datasets"):
        if training.settings.log_datasets:
            _log_datasets(training, given)
    iterations = boosting.Iterations(training)
    with training.attempt("metrics of iterations"):
        training.set_argument("callbacks", [*(given.get("callbacks") or ()), _Record(iterations)])
    booster = yield
    with training.attempt("early stopping"):
        if booster.best_iteration > 0:  # it counts from 1, and stays 0 without early stopping
            iterations.log_best(len(iterations.results), booster.best_iteration, booster.best_iteration - 1)
    with training.attempt("feature importance"):
        names = booster.feature_name()
        boosting.log_importance(
            training,
            IMPORTANCE,
            lambda kind: dict(zip(names, booster.feature_importance(importance_type=kind), strict=True)),
        )
    return booster


def _log_datasets(training: Training, given: Mapping[str, Any]) -> None:
    """Record the data of Datasets, as far as they still have it."""
    training.log_dataset(given["train_set"].data, "train")
    held_out = given.get("valid_sets") or ()
    held_out = list(held_out) if isinstance(held_out, list | tuple) else [held_out]
    names = given.get("valid_names") or ()
    names = [names] if isinstance(names, str) else list(names)
    for at, data in enumerate(held_out):
        training.log_dataset(data.data, "eval", name=names[at] if at < len(names) else None)


class _Record:
    """LightGBM's kind of callback: it looks for `order` and `before_iteration` in the object itself."""

    def __init__(self, iterations: boosting.Iterations) -> None:
        self.order = 25  # before early stopping (30), which ends the iteration
        self.before_iteration = False
        self._iterations = iterations

    def __call__(self, env: Any) -> None:
        self._iterations.log(
            env.iteration - env.begin_iteration,
            ((f"{each[0]}-{each[1]}".replace("@", "_at_"), each[2]) for each in env.evaluation_result_list or ()),
        )
