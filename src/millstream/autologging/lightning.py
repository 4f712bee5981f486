"""PyTorch Lightning under both of its names: `Trainer.fit`, and `Trainer.test` of a trainer that was recorded.

Recorded by a callback that is in the trainer while it fits, and by the process of rank zero alone.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from millstream.autologging.patching import Patches
from millstream.autologging.training import Recording, Steps, Training

if TYPE_CHECKING:
    from millstream.tracking.active import OpenRun

HOMES = ("lightning.pytorch.trainer.trainer", "pytorch_lightning.trainer.trainer")
"""The modules that define `Trainer`."""

CHECKPOINT_TAG = "mlflow.latest_checkpoint_artifact"

_runs: weakref.WeakKeyDictionary[Any, OpenRun] = weakref.WeakKeyDictionary()
"""By trainer: the run that its fit was recorded in."""


def install(patches: Patches, recording: Recording, module: ModuleType) -> None:
    if module.__name__ in HOMES:
        patches.replace(module.Trainer, "fit", recording.around(_fit, _is_first_rank))
        patches.replace(module.Trainer, "test", _testing(recording))


def _is_first_rank(args: tuple[Any, ...]) -> bool:
    return bool(getattr(args[0], "is_global_zero", True)) if args else False


def _package(trainer: Any) -> str:
    """`lightning.pytorch` or `pytorch_lightning`, whichever the trainer is of."""
    return next(
        home.removesuffix(".trainer.trainer")
        for cls in type(trainer).__mro__
        for home in HOMES
        if cls.__module__ == home
    )


def _fit(training: Training) -> Steps:
    trainer = training.instance
    model = training.arguments().get("model")
    opened = training.start()
    training.set_tags({"Mode": "training"})
    training.log_params({"epochs": trainer.max_epochs})
    with training.attempt("params of early stopping"):
        for callback in _of_kind(trainer, "EarlyStopping"):
            training.log_params(
                {
                    name: getattr(callback, name, None)
                    for name in ("monitor", "mode", "patience", "min_delta", "stopped_epoch")
                }
            )
    with training.attempt("model_summary.txt"):
        summary = importlib.import_module(f"{_package(trainer)}.utilities.model_summary")
        training.log_text(str(summary.summarize(model, max_depth=-1)), "model_summary.txt")
    training.start_model()
    _runs[trainer] = opened
    seen = Seen(training, model)
    added = [_callback(trainer, Epochs(training)), *_checkpoints(training, trainer)]
    before = trainer.callbacks
    trainer.callbacks = _in_order(before, added)
    try:
        yield
    finally:
        seen.stop()
        trainer.callbacks = [each for each in trainer.callbacks if not any(each is ours for ours in added)]
    with training.attempt("early stopping"):
        _log_early_stopping(training, trainer)
    training.log_model(model, registered_model_name=training.settings.registered_model_name, signature=seen.signature())


def _in_order(callbacks: list[Any], added: list[Any]) -> list[Any]:
    """Ours before the checkpoints of the trainer, which Lightning keeps at the end."""
    kept = [each for each in callbacks if hasattr(each, "best_model_path")]
    return [*(each for each in callbacks if not hasattr(each, "best_model_path")), *added, *kept]


def _of_kind(trainer: Any, name: str) -> list[Any]:
    return [each for each in trainer.callbacks if any(cls.__name__ == name for cls in type(each).__mro__)]


def _log_early_stopping(training: Training, trainer: Any) -> None:
    for callback in _of_kind(trainer, "EarlyStopping"):
        if not callback.stopped_epoch:
            continue
        training.log_metrics(
            {
                "stopped_epoch": callback.stopped_epoch,
                "restored_epoch": callback.stopped_epoch - max(1, callback.patience),
                "best_score": float(callback.best_score),
                "wait_count": callback.wait_count,
            }
        )
        best = getattr(trainer.checkpoint_callback, "best_model_path", "")
        if best:
            training.opened.client.log_artifact(training.run_id, best, "restored_model_checkpoint")


# ---------------------------------------------------------------- callbacks


def _callback(trainer: Any, recorder: Any) -> Any:
    """A callback of the trainer's own Lightning whose hooks are the methods of `recorder`.

    What fails in a hook switches the recorder off.
    """
    base = importlib.import_module(_package(trainer)).Callback
    is_on = True

    def hook(name: str, act: Callable[..., None]) -> Callable[..., None]:
        def call(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
            nonlocal is_on
            if is_on:
                try:
                    act(trainer)
                except Exception as error:
                    is_on = False
                    recorder.training.note(recorder.what, error)

        return call

    hooks = {name: hook(name, getattr(recorder, name)) for name in dir(recorder) if name.startswith("on_")}
    return type("MillstreamCallback", (base,), hooks)()


class Epochs:
    """Metrics of epochs, or of steps if asked for, and params of the optimizer."""

    what = "metrics of further epochs"

    def __init__(self, training: Training) -> None:
        self.training = training
        self._every_epoch = training.settings.own["log_every_n_epoch"] or 1
        self._every_step = training.settings.own["log_every_n_step"]
        self._step_keys: set[str] = set()

    def on_train_start(self, trainer: Any) -> None:
        if not trainer.optimizers:
            return
        optimizer = getattr(trainer.optimizers[0], "_optimizer", trainer.optimizers[0])
        self.training.log_params({"optimizer_name": type(optimizer).__name__, **optimizer.defaults})

    def on_train_batch_end(self, trainer: Any) -> None:
        if self._every_step is None or trainer.global_step % self._every_step:
            return
        values = _of_step(trainer)
        self._step_keys |= values.keys()
        self.training.log_metrics(values, step=trainer.global_step)

    def on_train_epoch_end(self, trainer: Any) -> None:
        epoch = trainer.current_epoch
        if (epoch + 1) % self._every_epoch == 0:
            values = _plain(trainer.callback_metrics)
            self.training.log_metrics(
                {name: value for name, value in values.items() if name not in self._step_keys}, step=epoch
            )


def _plain(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}


def _of_step(trainer: Any) -> dict[str, float]:
    """What the step that has just ended logged; Lightning has no public word for it."""
    results = getattr(trainer, "_results", None)
    if results is None:
        return {name: value for name, value in _plain(trainer.callback_metrics).items() if name.endswith("_step")}
    values = _plain(results.metrics(on_step=True)["callback"])
    return {name: value for name, value in values.items() if f"{name}_step" not in values}  # that one is of the epoch


def _checkpoints(training: Training, trainer: Any) -> list[Any]:
    if not training.settings.own["checkpoint"]:
        return []
    if trainer.world_size > 1:
        training.recording.remark(
            "Checkpoints are not logged of trainings in several processes, which write them together."
        )
        return []
    return [_callback(trainer, Checkpoints(training))]


class Checkpoints:
    """Checkpoints as artifacts: the best so far, or all of them, each with the metrics at its time."""

    what = "further checkpoints"

    def __init__(self, training: Training) -> None:
        own = training.settings.own
        self.training = training
        self._monitor: str = own["checkpoint_monitor"]
        self._sign = -1.0 if own["checkpoint_mode"] == "max" else 1.0
        self._only_best: bool = own["checkpoint_save_best_only"]
        self._only_weights: bool = own["checkpoint_save_weights_only"]
        self._every: Any = own["checkpoint_save_freq"]
        self._best: float | None = None
        self._has_said = False

    def on_train_epoch_end(self, trainer: Any) -> None:
        if self._every == "epoch":
            self._save(trainer, f"epoch_{trainer.current_epoch}")

    def on_train_batch_end(self, trainer: Any) -> None:
        if self._every != "epoch" and trainer.global_step % int(self._every) == 0:
            self._save(trainer, f"global_step_{trainer.global_step}")

    def _save(self, trainer: Any, name: str) -> None:
        values = _plain(trainer.callback_metrics)
        if self._only_best:
            if not self._is_best(values):
                return
            stem, beside = "checkpoints/latest_checkpoint", "checkpoints/latest_checkpoint_metrics.json"
        else:
            stem, beside = f"checkpoints/{name}/checkpoint", f"checkpoints/{name}/checkpoint_metrics.json"
        file = f"{stem}{'.weights' if self._only_weights else ''}.pth"
        training = self.training
        with tempfile.TemporaryDirectory(prefix="millstream-checkpoint-") as folder:
            path = Path(folder) / Path(file).name
            trainer.save_checkpoint(path, weights_only=self._only_weights)
            training.opened.client.log_artifact(training.run_id, str(path), str(Path(file).parent))
        training.log_dict({"epoch": trainer.current_epoch, "global_step": trainer.global_step, **values}, beside)
        training.set_tags({CHECKPOINT_TAG: file})

    def _is_best(self, values: Mapping[str, float]) -> bool:
        value = values.get(self._monitor)
        if value is None:
            if not self._has_said:
                self._has_said = True
                self.training.recording.remark(
                    "No checkpoint is logged: the training has no metric %r. Its metrics are %s; "
                    "set checkpoint_monitor to one of them, or checkpoint=False.",
                    self._monitor,
                    ", ".join(values) or "none",
                )
            return False
        if self._best is not None and not self._sign * value < self._sign * self._best:
            return False
        self._best = value
        return True


# ---------------------------------------------------------------- signature


class Seen:
    """Inputs and outputs of the first forward pass, copied while it runs: no pass is made for the signature's sake."""

    def __init__(self, training: Training, model: Any) -> None:
        self._training = training
        self._pair: tuple[Any, Any] | None = None
        self._handle: Any = None
        if training.settings.log_models and training.settings.log_model_signatures:
            with training.attempt("the model's signature"):
                self._handle = model.register_forward_hook(self._keep)

    def _keep(self, module: Any, args: tuple[Any, ...], output: Any) -> None:
        self.stop()
        torch = sys.modules["torch"]
        with self._training.attempt("the model's signature"):
            if len(args) == 1 and isinstance(args[0], torch.Tensor) and isinstance(output, torch.Tensor):
                self._pair = (_as_array(args[0]), _as_array(output))

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def signature(self) -> Any:
        """None unless the module takes one tensor and gives one."""
        from millstream.models.signature import infer_signature

        with self._training.attempt("the model's signature"):
            if self._pair is not None:
                return infer_signature(*self._pair)
        return None


def _as_array(tensor: Any) -> Any:
    return tensor[:5].detach().cpu().numpy().copy()


# ---------------------------------------------------------------- tests


def _testing(recording: Recording) -> Any:
    """What stands for `Trainer.test`: its metrics go to the run of the trainer's fit."""

    def call(original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = original(*args, **kwargs)
        opened = _runs.get(args[0]) if args else None
        if opened is not None and _is_first_rank(args):
            try:
                opened.recorder.set_tags(opened.run_id, {"Mode": "testing"})
                for name, value in _plain(args[0].callback_metrics).items():
                    opened.recorder.series(opened.run_id, name)(value)
            except Exception as error:
                recording.say("metrics of the test", error)
        return result

    return call
