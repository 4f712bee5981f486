"""What is done with a trained scikit-learn estimator is recorded in the run of its training, also when that has ended:

- the data that it predicts, as an input of the run with context "eval";
- functions of `sklearn.metrics` that are given one of its predictions: `accuracy_score(y, model.predict(x_test))` becomes the
  metric `accuracy_score_x_test`, by the name of the variable that held the data;
- `model.score(x_test, y)`: the metric `<Class>_score_x_test`.

Predictions are known by identity, so a slice or a copy of one is not. Nothing here holds an estimator or a prediction alive.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from millstream.autologging import sessions
from millstream.autologging.patching import Around
from millstream.autologging.quiet import quietly
from millstream.autologging.training import Recording, Training, is_number, signature_of
from millstream.entities import DATASET_CONTEXT_TAG, DatasetInput, InputTag

if TYPE_CHECKING:
    from millstream.tracking.active import OpenRun

T = TypeVar("T")

UNKNOWN = "unknown_dataset"
FILE = "metric_info.json"

MOST_DATASETS = 20
"""So many datasets that a model predicts are recorded; a program that predicts in a loop pays for no more."""


class Trained:
    """The run of an estimator's training, and what was recorded in it since."""

    def __init__(self, training: Training) -> None:
        self.opened: OpenRun = training.opened
        self.model_id = training.model_id
        self.does_log_datasets = training.settings.log_datasets
        self.datasets: dict[tuple[str, str], None] = {}
        self.times: dict[str, int] = {}
        self.calls: dict[str, str] = {}
        """Text of the call by metric; the content of `metric_info.json`."""


class Prediction:
    """Where a prediction came from."""

    def __init__(self, trained: Trained, data_name: str, dataset: tuple[str, str] | None) -> None:
        self.trained = trained
        self.data_name = data_name
        self.dataset = dataset


class Call(NamedTuple):
    """A call that is recorded afterwards."""

    original: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class _ByIdentity(Generic[T]):
    """A mapping by identity that forgets objects when they go; objects that cannot be watched are not taken."""

    def __init__(self) -> None:
        self._items: dict[int, tuple[Any, T]] = {}

    def get(self, key: Any) -> T | None:
        found = self._items.get(id(key))
        return found[1] if found is not None and found[0]() is key else None

    def put(self, key: Any, value: T) -> None:
        at = id(key)

        def forget(reference: Any, items: dict[int, tuple[Any, T]] = self._items) -> None:
            found = items.get(at)
            if found is not None and found[0] is reference:
                del items[at]

        try:
            self._items[at] = (weakref.ref(key, forget), value)
        except TypeError:
            self._items.pop(at, None)

    def drop(self, key: Any) -> None:
        self._items.pop(id(key), None)

    def __bool__(self) -> bool:
        return bool(self._items)


_trained: _ByIdentity[Trained] = _ByIdentity()
_predictions: _ByIdentity[Prediction] = _ByIdentity()


def remember(estimator: Any, training: Training, dataset: tuple[str, str] | None) -> None:
    """Let what follows of this estimator be recorded in the run of its training."""
    trained = Trained(training)
    if dataset is not None:
        trained.datasets[dataset] = None
    _trained.put(estimator, trained)


def forget(estimator: Any) -> None:
    """What was trained before is not this estimator any more."""
    _trained.drop(estimator)


# ---------------------------------------------------------------- what is called instead


def predicting(recording: Recording) -> Around:
    def record(trained: Trained, call: Call, result: Any) -> None:
        x = _data_in(call)
        _predictions.put(result, Prediction(trained, UNKNOWN, None))
        name, dataset = _name_of(x, _caller()), _log_dataset(trained, x)
        _predictions.put(result, Prediction(trained, name, dataset))

    return _afterwards(recording, "the data that was predicted", _trained_in, record)


def measuring(recording: Recording) -> Around:
    def record(prediction: Prediction, call: Call, result: Any) -> None:
        if is_number(result):
            name = call.original.__name__
            text = _call_text(name, call, _caller())
            _log(prediction.trained, name, prediction.data_name, prediction.dataset, result, text)

    return _afterwards(recording, "a metric that was computed", _prediction_in, record)


def scoring(recording: Recording) -> Around:
    def record(trained: Trained, call: Call, result: Any) -> None:
        if is_number(result):
            cls, frame = type(call.args[0]).__name__, _caller()
            text = _call_text(f"{cls}.score", call, frame, skip=1)
            _log(trained, f"{cls}_score", _name_of(_data_in(call), frame), None, result, text)

    return _afterwards(recording, "a score that was computed", _trained_in, record)


def _afterwards(
    recording: Recording, what: str, find: Callable[[Call], T | None], record: Callable[[T, Call, Any], None]
) -> Around:
    """What is called instead of a function that may be given something trained, or a prediction of such.

    Args:
        what: completes "left out ...".
        find: what the call is about; None if that is nothing which is recorded.
        record: given that, the call and its result.
    """

    def around(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = Call(original, args, kwargs)
        found = find(call)
        if found is None or sessions.current() is not None:
            return original(*args, **kwargs)
        with sessions.disable_autologging():
            result = original(*args, **kwargs)
        with _attempt(recording, what), quietly():
            record(found, call, result)
        return result

    return around


@contextmanager
def _attempt(recording: Recording, what: str) -> Iterator[None]:
    """Let what fails in this block be left out, and said."""
    try:
        yield
    except Exception as error:
        recording.say(what, error)


# ---------------------------------------------------------------- recording


def _trained_in(call: Call) -> Trained | None:
    return _trained.get(call.args[0]) if _trained and call.args else None


def _prediction_in(call: Call) -> Prediction | None:
    if _predictions:
        for value in (*call.args, *call.kwargs.values()):
            found = _predictions.get(value)
            if found is not None:
                return found
    return None


def _data_in(call: Call) -> Any:
    """What a method of an estimator is given as X."""
    return call.args[1] if len(call.args) > 1 else call.kwargs.get("X")


def _log_dataset(trained: Trained, x: Any) -> tuple[str, str] | None:
    """Record what is predicted as an input of the run, once."""
    from millstream.autologging.datasets import dataset_of
    from millstream.data.dataset import entity_of

    if not trained.does_log_datasets or len(trained.datasets) > MOST_DATASETS:
        return None
    dataset = dataset_of(x)
    if dataset is None:
        return None
    entity = entity_of(dataset)
    known = (entity.name, entity.digest)
    if known not in trained.datasets:
        trained.datasets[known] = None
        link = DatasetInput(entity, [InputTag(DATASET_CONTEXT_TAG, "eval")])
        trained.opened.recorder.log_inputs(trained.opened.run_id, [link])
    return known


def _log(
    trained: Trained, function: str, data_name: str, dataset: tuple[str, str] | None, value: Any, call: str
) -> None:
    times = trained.times[function] = trained.times.get(function, 0) + 1
    key = f"{function}_{data_name}" if times == 1 else f"{function}-{times}_{data_name}"
    opened = trained.opened
    opened.recorder.series(opened.run_id, key, trained.model_id, *(dataset or (None, None)))(float(value))
    trained.calls[key] = call
    opened.client.log_dict(opened.run_id, trained.calls, FILE)


# ---------------------------------------------------------------- names of the user's variables


def _caller() -> FrameType | None:
    """The innermost frame that is not ours."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("millstream.autologging"):
        frame = frame.f_back
    return frame


def _variable(value: Any, frame: FrameType | None) -> str | None:
    """The name of the variable in a frame that holds this very object."""
    if frame is None or value is None:
        return None
    for names in (frame.f_locals, frame.f_globals):
        for name, present in list(names.items()):
            if present is value and not name.startswith("_"):
                return name
    return None


def _name_of(data: Any, frame: FrameType | None) -> str:
    return _variable(data, frame) or UNKNOWN


def _call_text(name: str, call: Call, frame: FrameType | None, skip: int = 0) -> str:
    """A call as the user may have written it, with values of plain kinds and names of variables.

    Args:
        skip: leave out so many leading arguments (`self`).
    """
    function, args, kwargs = call
    try:
        given = list(signature_of(function).bind(*args, **kwargs).arguments.items())[skip:]
    except (TypeError, ValueError):
        given = [*((f"arg{at}", value) for at, value in enumerate(args[skip:])), *kwargs.items()]
    given = [pair for key, value in given for pair in (value.items() if _is_rest(function, key) else [(key, value)])]
    return f"{name}({', '.join(f'{key}={_shown(value, frame)}' for key, value in given)})"


def _is_rest(function: Callable[..., Any], key: str) -> bool:
    parameter = signature_of(function).parameters.get(key)
    return parameter is not None and parameter.kind is inspect.Parameter.VAR_KEYWORD


def _shown(value: Any, frame: FrameType | None) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return _variable(value, frame) or f"<{type(value).__name__}>"
