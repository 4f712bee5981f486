"""Metrics logged by Spark's tasks, on executors, to the run of the program that started them.

A task may run more than once: its executor was lost, or Spark tried it a second time to be quicker. What an attempt logs is told by the
run, the stage, the partition: all attempts of a task give their points the same times, so that the store, which drops a point that it has
already, keeps each once. It takes them whole, when the attempt has succeeded.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

from millstream.errors import InvalidState

_SPREAD_MS = 60_000


class TaskMetrics(Struct, frozen=True):
    """Where tasks log to. It is made in the driver, by `task_metrics`, and travels with the tasks.

    Attributes:
        made_time: milliseconds since the epoch.
    """

    run_id: str
    tracking_uri: str
    made_time: int

    @contextmanager
    def task(self) -> Iterator[Callable[[str, float, int], None]]:
        """Gives `log(key, value, step)` for the task that runs in this thread; all of it is stored when the block ends without error.

        Values have to be the same in each attempt: other values are other points.
        Raises InvalidState outside of a task.
        """
        from millstream.client.client import MillstreamClient
        from millstream.entities import Metric

        moment = self.made_time + _offset_ms()
        points: list[Metric] = []

        def log(key: str, value: float, step: int = 0) -> None:
            points.append(Metric(key, float(value), moment, step))

        yield log
        if points:
            MillstreamClient(self.tracking_uri).log_batch(self.run_id, points, synchronous=True)


def task_metrics(run_id: str | None = None) -> TaskMetrics:
    """For metrics of tasks, to be called in the driver; of the active run if no other is named.

    Raises InvalidState without a run.
    """
    from millstream.tracking.runs import active_run
    from millstream.tracking.uris import get_tracking_uri

    active = active_run()
    chosen = run_id or (active.info.run_id if active is not None else None)
    if chosen is None:
        raise InvalidState("No run is active. Call it inside of `with millstream.start_run()`, or give run_id.")
    return TaskMetrics(chosen, get_tracking_uri(), time.time_ns() // 1_000_000)


def _offset_ms() -> int:
    """Tells apart equal points of different tasks, by up to a minute."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is None:
        raise InvalidState("This is not a task of Spark's. Metrics of the driver are logged with `log_metric`.")
    return zlib.crc32(f"{context.stageId()}/{context.partitionId()}".encode()) % _SPREAD_MS
