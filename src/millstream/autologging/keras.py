"""Keras 3: `fit` of its models, on every backend."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from millstream.autologging.patching import Patches
from millstream.autologging.training import Recording, Steps, Training, first_rows, signature_of
from millstream.tracking.keras import FitRecorder

NO_PARAMS = frozenset({"self", "x", "y", "callbacks", "validation_data", "verbose"})
"""Arguments of `fit` that are data or do not matter."""


def install(patches: Patches, recording: Recording, module: ModuleType) -> None:
    for cls in list(vars(module).values()):
        if isinstance(cls, type) and cls.__module__ == module.__name__ and _is_trainer(cls):
            patches.replace(cls, "fit", recording.around(_fit))


def _is_trainer(cls: type) -> bool:
    """Whether a class trains on a backend; the base of those, which has no `fit` of its own, is none."""
    return any(
        base.__name__ == "Trainer" and base.__module__ == "keras.src.trainers.trainer" for base in cls.__mro__[1:]
    )


def _fit(training: Training) -> Steps:
    given = _all_arguments(training)
    training.start()
    with training.attempt("the params"):
        training.log_params({name: value for name, value in given.items() if name not in NO_PARAMS})
    example = None
    with training.attempt("the dataset"):
        if training.settings.log_datasets:
            training.log_dataset(given.get("x"), "train", given.get("y"))
        example = first_rows(given.get("x"))
    training.start_model()
    with training.attempt("metrics of epochs"):
        _add_callback(training, given.get("callbacks"))

    yield

    model, own = training.instance, training.settings.own
    training.log_model(
        model,
        _as_inputs(model, example),
        lambda rows: model(rows),
        registered_model_name=training.settings.registered_model_name,
        signature=_signature(model) if training.settings.log_model_signatures else None,
        save_exported_model=own["save_exported_model"],
        save_model_kwargs=own["save_model_kwargs"],
    )


def _all_arguments(training: Training) -> dict[str, Any]:
    bound = signature_of(training.original).bind(*training.args, **training.kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


# ---------------------------------------------------------------- the callback


def _add_callback(training: Training, callbacks: Any) -> None:
    own = training.settings.own
    if hasattr(callbacks, "append") and not isinstance(callbacks, list):  # keras.callbacks.CallbackList
        present = list(callbacks.callbacks)
    else:
        present = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks] if callbacks else []
    if any(isinstance(each, FitRecorder) for each in present):
        return  # the user's own MlflowCallback says the same
    ours = _callback()(training, log_every_epoch=own["log_every_epoch"], log_every_n_steps=own["log_every_n_steps"])
    if hasattr(callbacks, "append") and not isinstance(callbacks, list):
        callbacks.append(ours)
    else:
        training.set_argument("callbacks", [*present, ours])


@cache
def _callback() -> Any:
    import keras

    class Record(FitRecorder, keras.callbacks.Callback):  # type: ignore[misc]  # the library has no types
        """Logs with the model of the training; what fails switches it off."""

        def __init__(self, training: Training, **options: Any) -> None:
            super().__init__(training.opened.run, **options)
            self._training = training
            self._is_on = True

        def _log(self, values: Mapping[str, Any] | None, step: int, prefix: str = "") -> None:
            self._training.log_metrics(
                {prefix + name: float(value) for name, value in (values or {}).items()}, step=step
            )

    def guarded(name: str) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> None:
            if self._is_on:
                try:
                    getattr(super(Record, self), name)(*args, **kwargs)
                except Exception as error:
                    self._is_on = False
                    self._training.note("what further epochs report", error)

        return call

    for name in ("on_train_begin", "on_epoch_end", "on_train_batch_end", "on_test_end"):
        setattr(Record, name, guarded(name))
    return Record


# ---------------------------------------------------------------- signature


def _signature(model: Any) -> Any:
    """Of a model with one input and one output, whose shapes it knows; None for others."""
    import numpy as np

    from millstream.models.signature import ModelSignature
    from millstream.models.types import Schema, TensorSpec

    try:
        (given,), (made,) = model.inputs, model.outputs
    except (AttributeError, TypeError, ValueError):
        return None

    def schema(tensor: Any) -> Any:
        shape = tuple(-1 if size is None else int(size) for size in tensor.shape)
        return Schema([TensorSpec(np.dtype(str(tensor.dtype)), shape)])

    return ModelSignature(schema(given), schema(made))


def _as_inputs(model: Any, rows: Any) -> Any:
    """Rows of one input in the type that the model takes."""
    import numpy as np

    if not isinstance(rows, np.ndarray):
        return None
    try:
        (given,) = model.inputs
    except (AttributeError, TypeError, ValueError):
        return rows
    return rows.astype(str(given.dtype))
