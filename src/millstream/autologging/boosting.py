"""What XGBoost and LightGBM have in common: points of each iteration, early stopping, feature importance."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from millstream.autologging import charts, sessions
from millstream.autologging.patching import Around, Patches
from millstream.autologging.training import Observer, Recording, Steps, Training, first_rows, signature_of
from millstream.client.recorder import Append

_examples: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""The first rows that a library's own container was made of: it cannot give them back as they were, or frees them."""


def install(
    patches: Patches,
    recording: Recording,
    module: ModuleType,
    container: type,
    estimators: ModuleType,
    base: type,
    train: Observer,
    train_part: Observer,
) -> None:
    """Patch a library of this kind.

    Args:
        container: the class in which the library keeps data.
        estimators, base: the module of its sklearn API, and the class that all estimators there derive from.
        train, train_part: observers of `train` when the user calls it, and when an estimator's `fit` does.
    """
    if recording.settings.log_models:
        patches.replace(container, "__init__", _keeping_rows(recording))
    patches.replace(module, "train", recording.around(train))
    patches.replace(estimators, "train", of_estimators(recording, train_part))
    for cls in vars(estimators).values():
        if isinstance(cls, type) and issubclass(cls, base):
            patches.replace(cls, "fit", recording.around(fit))


def _keeping_rows(recording: Recording) -> Around:
    def call(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = original(*args, **kwargs)
        try:
            rows = first_rows(args[1] if len(args) > 1 else kwargs.get("data"))
            if rows is not None:
                _examples[args[0]] = rows
        except Exception as error:
            recording.say("the example", error)
        return result

    return call


def first_rows_of(container: Any) -> Any:
    """The first rows that a container was made of; None if it was made before recording was switched on."""
    return _examples.get(container)


def of_estimators(recording: Recording, observe: Observer) -> Around:
    """What stands for the `train` function that estimators of a library's sklearn API call.

    Inside of a `fit` that is recorded it is a part of that; called by anything else, a training of its own.
    """
    alone = recording.around(observe)

    def call(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        session = sessions.current()
        outer = None if session is None else session.training
        if outer is not None and outer.recording is recording:
            return outer.within(observe, original, args, kwargs)
        return alone(original, args, kwargs)

    return call


def fit(training: Training) -> Steps:
    """The observer of an estimator's `fit`; what is to be recorded of the booster is so by the `train` that it calls."""
    given = training.arguments()
    example = None
    training.start()
    with training.attempt("the example"):
        if training.settings.log_models:
            example = first_rows(given.get("X"))
    training.start_model()
    yield
    estimator = training.instance
    training.log_model(
        estimator,
        example,
        estimator.predict,
        registered_model_name=training.settings.registered_model_name,
        **({"model_format": training.settings.own["model_format"]} if "model_format" in training.settings.own else {}),
    )


def all_arguments(training: Training) -> dict[str, Any]:
    """The arguments of the call by name, with the defaults of those that were not given."""
    bound = signature_of(training.original).bind(*training.args, **training.kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


class Iterations:
    """Logs what a booster is evaluated to after each iteration; the step is the iteration.

    A point costs about a microsecond. An error switches it off and is never seen by the training.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self._appends: dict[str, Append] = {}
        self._is_on = True
        self.results: list[dict[str, float]] = []
        """Values by metric, of each iteration."""

    def log(self, iteration: int, values: Iterable[tuple[str, Any]]) -> None:
        if not self._is_on:
            return
        try:
            found = {key: float(value) for key, value in values}
            self.results.append(found)
            for key, value in found.items():
                append = self._appends.get(key)
                if append is None:
                    append = self._appends[key] = self._training.series(key)
                append(value, iteration)
        except Exception as error:
            self._is_on = False
            self._training.note("metrics of further iterations", error)

    def log_best(self, stopped: int, best: int, at: int) -> None:
        """After early stopping: where it stopped and which iteration was best, as the library counts, and that one's values
        again (those of `results[at]`), one step after the last."""
        self._training.log_metrics({"stopped_iteration": stopped, "best_iteration": best})
        if 0 <= at < len(self.results):
            self._training.log_metrics(self.results[at], step=len(self.results))


def log_importance(training: Training, kinds: Iterable[str], importance: Callable[[str], Mapping[str, Any]]) -> None:
    """Store how much each feature matters as `feature_importance_<kind>.json` and `.png`."""
    for kind in kinds:
        with training.attempt(f"feature_importance_{kind}"):
            values = {str(name): _plain(value) for name, value in importance(kind).items()}
            training.log_dict(values, f"feature_importance_{kind}.json")
            single = {name: value for name, value in values.items() if not isinstance(value, list)}
            png = charts.bars(list(single), list(single.values()), f"Feature importance ({kind})")
            if png is not None and single:
                training.log_bytes(png, f"feature_importance_{kind}.png")


def _plain(value: Any) -> Any:
    """Numbers of NumPy as Python's; several for one feature (linear boosters of many classes) as a list."""
    return value.tolist() if hasattr(value, "tolist") else value
