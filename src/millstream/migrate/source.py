"""What every source offers: entities as they were recorded, read once, in an order that lets an import stop anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct, field

from millstream.entities import Experiment, LoggedModel, Metric, Run


class SourceRun(Struct):
    """A run with its params, tags, inputs and outputs; its points come apart, for there may be millions.

    `point_count` is the number of distinct points, or None where the source cannot tell without reading them.
    """

    run: Run
    deleted_time: int | None = None
    point_count: int | None = None


class SourceModel(Struct):
    """A logged model; its metrics carry `run_id`, `dataset_name` and `dataset_digest` where they were recorded."""

    model: LoggedModel
    is_deleted: bool = False
    metrics: list[Metric] = field(default_factory=list)


class Source(Protocol):
    """A place to import from. Times are milliseconds since the epoch; infinities may be ±inf or ±the greatest double."""

    name: str

    def experiments(self) -> Iterator[Experiment]:
        """All experiments, deleted ones included."""
        ...

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """All runs of an experiment, deleted ones included."""
        ...

    def points(self, run: SourceRun) -> Iterator[list[Metric]]:
        """The run's points in batches, metric by metric: a batch holds points of one, in order of step where there is one."""
        ...

    def models(self, experiment_id: str) -> Iterator[SourceModel]:
        """All logged models of an experiment, deleted ones included."""
        ...

    def close(self) -> None: ...
