"""`MlflowCallback` for Keras 3: what `model.fit` reports becomes metrics, params and a summary of the active run.

model.fit(x, y, epochs=3, callbacks=[millstream.keras.MlflowCallback()])
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from millstream.errors import InvalidValue, MissingLibrary
from millstream.tracking import files, metrics, params, runs
from millstream.tracking.active import OpenRun


class FitRecorder:
    """The callback without Keras' base class."""

    model: Any

    def __init__(
        self, run: Any = None, log_every_epoch: bool = True, log_every_n_steps: int | None = None, **options: Any
    ) -> None:
        """
        Args:
            run: a run to log to; the active run if not given, which is started if there is none.
            log_every_epoch: log at the end of every epoch; the step is the epoch.
            log_every_n_steps: log every so many batches instead (then set `log_every_epoch=False`).
        """
        super().__init__(**options)
        if log_every_epoch == (log_every_n_steps is not None):
            raise InvalidValue("Log either every epoch (log_every_epoch=True) or every n steps (log_every_n_steps=n).")
        self._run = run
        self._every_n_steps = log_every_n_steps
        self._batches = 0

    def _run_id(self) -> str:
        if self._run is not None:
            run_id: str = self._run.info.run_id
            return run_id
        opened: OpenRun = runs.current()
        return opened.run_id

    def _log(self, values: Mapping[str, Any] | None, step: int, prefix: str = "") -> None:
        if values:
            metrics.log_metrics({prefix + key: value for key, value in values.items()}, step, run_id=self._run_id())

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None:
            config = {f"optimizer_{key}": value for key, value in optimizer.get_config().items()}
            params.log_params(config, run_id=self._run_id())
        lines: list[str] = []
        self.model.summary(print_fn=lambda line, *rest, **options: lines.append(str(line)))
        files.log_text("\n".join(lines), "model_summary.txt", run_id=self._run_id())

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._every_n_steps is None:
            self._log(logs, epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._batches += 1
        if self._every_n_steps is not None and self._batches % self._every_n_steps == 0:
            self._log(logs, self._batches)

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._log(logs, 0, "validation_")


@cache
def _callback() -> type[Any]:
    try:
        import keras
    except ImportError:
        raise MissingLibrary("keras", "Logging from Keras") from None
    return type("MlflowCallback", (FitRecorder, keras.callbacks.Callback), {"__doc__": FitRecorder.__doc__})


def __getattr__(name: str) -> Any:
    if name == "MlflowCallback":
        return _callback()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
