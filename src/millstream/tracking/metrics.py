"""Logging metrics. `log_metric` is the one call here whose cost is counted in nanoseconds."""

from __future__ import annotations

import numbers
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from millstream import settings
from millstream.errors import InvalidValue
from millstream.tracking import runs, uris
from millstream.tracking.active import by_id, here, state_of
from millstream.tracking.operations import RunOperations, after_logging

if TYPE_CHECKING:
    from millstream.client.recorder import Append, Recorder

MOST_NAMED_APPENDERS = 100_000


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Log one point of a metric to the active run; starts a run if none is active.

    The call returns as soon as the point is in the journal, about a microsecond, whatever the server does.

    Args:
        key: letters, digits, `_ - . / : space`, at most 250 characters.
        value: number, also NaN and infinities; NumPy scalars and tensors of one element are numbers.
        step: 0 if not given.
        synchronous: True waits for the store; False returns something to wait for.
        timestamp: in ms, now if not given.
        run_id: another run than the active one.
        model_id: the logged model that the point belongs to; if not given, the active model, else every model that the run
            put out at that step.
        dataset: the dataset (`millstream.data`) that the value was measured on; recorded as an input of the run.
    Raises:
        InvalidValue: the key or the value cannot be logged.
    """
    # One dict look-up decides: a key stands in it only if none of the questions of `_log_point` is left to be asked.
    if synchronous is None and model_id is None and dataset is None:
        try:
            append = here.appenders.get(key) if run_id is None else _appender_by_id(run_id, key)
        except TypeError:  # a key that is no text
            append = None
        if append is not None:
            append(value if type(value) is float else number(value), 0 if step is None else step, timestamp)
            return None
    return _log_point(key, value, step, synchronous, timestamp, run_id, model_id, dataset)


def _appender_by_id(run_id: str, key: str) -> Append | None:
    return by_id.get((run_id, key)) if here.model_id is None else None


_scalars: set[type] = {float, int, bool}
"""Types that `float()` converts for certain; a set look-up costs a tenth of asking the abstract class."""


def number(value: Any) -> float:
    """The value of a metric as a float. Raises InvalidValue if it is no number, or more than one."""
    kind = type(value)
    if kind in _scalars or issubclass(kind, numbers.Real | Decimal):
        try:
            result = float(value)
        except (OverflowError, ValueError) as error:
            raise InvalidValue(f"A metric's value must fit a 64-bit float: {error}.") from None
        _scalars.add(kind)
        return result
    if hasattr(value, "numpy") and not hasattr(value, "item"):  # TensorFlow
        value = value.numpy()
    item = getattr(value, "item", None)
    if callable(item):
        try:
            single = item()
        except (ValueError, RuntimeError, TypeError) as error:
            raise InvalidValue(f"A metric's value is one number, and this has several or none: {error}.") from None
        if isinstance(single, numbers.Real):
            return float(single)
    raise InvalidValue(
        f"A metric's value is a number, not {type(value).__name__}. Log texts with log_param, set_tag or log_text."
    )


def _recorder_of(run_id: str) -> Recorder:
    opened = state_of(run_id)
    return uris.recorder() if opened is None else opened.recorder


def _model_ids(run_id: str, step: int, model_id: str | None) -> list[str | None]:
    """The models that a point is attached to; [None] for none."""
    named = model_id or here.model_id or settings.ACTIVE_MODEL_ID.get()
    if named:
        return [named]
    opened = state_of(run_id)
    models: list[str | None] = [] if opened is None else [each.model_id for each in opened.outputs if each.step == step]
    return models or [None]


def _keep_appender(recorder: Recorder, run_id: str, key: str, is_named: bool) -> None:
    """Let later points of a metric go straight to its appender, if nothing has to be decided for each of them."""
    opened = state_of(run_id)
    if here.model_id or settings.ACTIVE_MODEL_ID.get() or settings.ENABLE_ASYNC_LOGGING.get():
        return
    if opened is not None and opened.outputs:
        return
    if not is_named:
        here.appenders[key] = recorder.series(run_id, key)
        return
    if len(by_id) >= MOST_NAMED_APPENDERS:
        by_id.clear()
    by_id[run_id, key] = recorder.series(run_id, key)


def _log_point(
    key: str,
    value: Any,
    step: int | None,
    synchronous: bool | None,
    timestamp: int | None,
    run_id: str | None,
    model_id: str | None,
    dataset: Any,
) -> RunOperations | None:
    if not isinstance(key, str):
        raise InvalidValue(f"The key of a metric is text, not {type(key).__name__}.")
    single = number(value)
    target = run_id or runs.current().run_id
    recorder = _recorder_of(target)
    _append(recorder, target, key, single, step, timestamp, model_id, dataset)
    _keep_appender(recorder, target, key, run_id is not None)
    return after_logging(recorder, target, synchronous)


def _append(
    recorder: Recorder,
    run_id: str,
    key: str,
    value: float,
    step: int | None,
    timestamp: int | None,
    model_id: str | None,
    dataset: Any,
) -> None:
    name = digest = None
    if dataset is not None:
        from millstream.tracking.inputs import record_dataset

        name, digest = record_dataset(recorder, run_id, dataset)
    at = 0 if step is None else step
    appends: list[Append] = [
        recorder.series(run_id, key, model, name, digest) for model in _model_ids(run_id, at, model_id)
    ]
    if len(appends) > 1 and timestamp is None:
        timestamp = time.time_ns() // 1_000_000  # the same point, for each model
    for append in appends:
        append(value, at, timestamp)


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Log points of several metrics with the same step and time; the arguments are those of `log_metric`.

    All are checked before any is logged.
    """
    values = [(key, value if type(value) is float else number(value)) for key, value in dict(metrics).items()]
    at = 0 if step is None else step
    when = time.time_ns() // 1_000_000 if timestamp is None else timestamp
    if synchronous is None and model_id is None and dataset is None:
        if run_id is None:
            known = [here.appenders.get(key) for key, _ in values]
        else:
            known = [_appender_by_id(run_id, key) for key, _ in values]
        if None not in known:
            for append, (_, value) in zip(known, values, strict=True):
                append(value, at, when)  # type: ignore[misc]
            return None
    target = run_id or runs.current().run_id
    recorder = _recorder_of(target)
    for key, _ in values:
        recorder.series(target, key)  # raises for a bad key, before anything is logged
    for key, value in values:
        _append(recorder, target, key, value, at, when, model_id, dataset)
        _keep_appender(recorder, target, key, run_id is not None)
    return after_logging(recorder, target, synchronous)
