"""What logging goes through: one `Recorder` per tracking URI and process, in front of the journal and its shipper.

The fluent layer's hot path is meant to be

    append = appenders.get((run_id, key))              # a dict of the fluent layer, filled from `recorder.series`
    append(value, step or 0, timestamp)                # ~0.2 µs; no lock, no network, no database

`series` does once what need not be done per point: it checks the key, defines the series in the journal and binds everything
that a point needs. The function it returns stays valid for as long as the process lives: over roll-over of the journal's files,
after `flush`, after `end_run`, in other threads, and in a forked child (which then writes a journal of its own). With
`MILLSTREAM_SYNC=1` the same function waits for the store instead.

    recorder = get_recorder(tracking_uri)
    run = recorder.create_run(experiment_id, run_name=..., tags=...)
    recorder.series(run.info.run_id, "loss")(0.5, 3)
    recorder.log_params(run_id, {"lr": 0.1})
    recorder.end_run(run_id, "FINISHED")               # a barrier: raises what only the server could know
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from millstream.entities import DatasetInput, Experiment, LoggedModelInput, Metric, Run


class Append(Protocol):
    """Log one point. `step` counts from anything; `timestamp` is ms since the epoch, None means now.

    `value` may be whatever has `__float__` (NumPy scalars, tensors of one element, bool); `step` whatever has `__index__`.
    Raises InvalidValue if it has not, or for a negative timestamp; nothing else ever.
    """

    def __call__(self, value: float, step: int = 0, timestamp: int | None = None, /) -> None: ...


class Recorder(Protocol):
    """Everything that is written to runs, for one tracking URI in one process. Safe for threads and fork."""

    tracking_uri: str

    def series(
        self,
        run_id: str,
        key: str,
        model_id: str | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
    ) -> Append:
        """The function that logs points of one series. Cached: the same arguments give the same function.

        Raises InvalidValue for a bad key.
        """
        ...

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Log params; values become text.

        Raises InvalidValue for a bad key, ParamChanged if this process logged another value for the key.
        """
        ...

    def set_tags(self, run_id: str, tags: Mapping[str, object]) -> None: ...

    def log_points(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Log many points, checked as a whole first."""
        ...

    def log_inputs(
        self, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[LoggedModelInput] = ()
    ) -> None: ...

    def create_run(
        self,
        experiment_id: str,
        run_name: str = "",
        tags: Mapping[str, str] | None = None,
        start_time: int | None = None,
        user_id: str = "",
    ) -> Run:
        """Start a run. One call to the server, which answers with the run.

        If the server does not answer, or with `MILLSTREAM_OFFLINE=1`, the id is made here, one line says so, and the run is
        created when the server can be reached (or by `millstream sync`).
        """
        ...

    def get_or_create_experiment(self, name: str) -> Experiment:
        """The experiment of that name, created if missing.

        Offline its id is provisional ("name:<name>"); `create_run` takes it, and the run finds its experiment when it is sent.
        """
        ...

    def end_run(self, run_id: str, status: str = "FINISHED", end_time: int | None = None) -> None:
        """Record the end, then wait like `flush(run_id)`."""
        ...

    def flush(self, run_id: str | None = None, timeout: float | None = None) -> bool:
        """Wait until everything logged before is stored, at most `timeout` seconds (default: the setting FLUSH_TIMEOUT).

        Returns False, after one clear line on the log, if it could not be delivered in time; it stays in the journal then.
        Raises the first error that the server gave for what was logged to `run_id` (any run if None) since the last barrier.
        """
        ...
