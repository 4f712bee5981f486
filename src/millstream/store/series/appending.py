"""Adding points: the hot path of every log call, hence without numpy and with a fixed number of statements a request.

One SELECT of the summaries (which locks them), one UPDATE or INSERT of them, one INSERT of tails; the latter two are
executed once for each series. Points that come in order (after the series' last one) cannot be there already. Others are compared
with the stored points of their range first, see `overlap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from operator import lt
from struct import Struct
from typing import TYPE_CHECKING, Any

from millstream.entities import MAX_DOUBLE, Metric
from millstream.store.series import summary as summaries
from millstream.store.series.summary import EMPTY, NAN, NEVER, Place, Summary

if TYPE_CHECKING:
    from millstream.store.database import Session

FOLD_INLINE = 8192
"""Unfolded points of a series from which the write that adds more folds them itself."""
FOLDS_INLINE = 8
"""Series that one write folds at most (about 1 ms each): a run's series tend to grow in step."""

WORTH_AT_END = 16
"""Unfolded points of a finished series that are worth folding."""

Batch = tuple[Sequence[int], Sequence[int], Sequence[float]]
"""Steps, timestamps and values in order of the series, each point once; NaN is NaN."""


def fold_from(count: int) -> int:
    """Unfolded points from which a series of `count` points is worth folding: a quarter, within bounds.

    So a point is written about five times while its series is short and one and a half times later.
    """
    return min(2048, max(64, count >> 2))


def append(session: Session, run: int, experiment_id: int, points: Mapping[int, Sequence[Metric]]) -> None:
    """Add the points of one request to the series of a run; those that are there already change nothing.

    Args:
        session: inside a write.
        points: name key -> checked points, in any order. Infinities become the greatest double, -0.0 becomes 0.0.
    """
    known = summaries.lock_or_place(session, run, experiment_id, list(points))
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    tails: list[dict[str, Any]] = []
    worth_folding: list[int] = []
    too_long: list[tuple[int, int]] = []
    for name_id, metrics in points.items():
        if not metrics:
            continue
        row = known.get(name_id)
        batch, nans = _batch(metrics)
        if row is not None and row.points and _first(batch) <= row.last:
            from millstream.store.series.overlap import without_known

            batch = without_known(session, run, name_id, batch)
            nans = sum(value != value for value in batch[2])
            if not batch[0]:
                continue
        merged = _merged(row or EMPTY, batch, nans)
        count, unfolded = merged[0], merged[14]
        if row is None:
            new.append(summaries.insertion(run, name_id, experiment_id, merged))
        else:
            changed.append(summaries.change(run, name_id, merged))
        tails.append({"run": run, "name_id": name_id, "seq": count, "points": _packed(batch)})
        if unfolded >= FOLD_INLINE:
            too_long.append((unfolded, name_id))
        elif unfolded >= fold_from(count) and (row is None or row.unfolded < fold_from(row.points)):
            worth_folding.append(name_id)
    summaries.insert_many(session, new)
    summaries.update_many(session, changed)
    session.run_many(summaries.ADD_TAIL, tails)
    if worth_folding:
        summaries.enqueue(session, run, worth_folding)
    if too_long:
        from millstream.store.series.folding import fold

        for _, name_id in sorted(too_long, reverse=True)[:FOLDS_INLINE]:
            fold(session, run, name_id)


def finish(session: Session, run: int) -> None:
    """A run has ended: have the rests of its series folded, where they are more than a few points."""
    left = [name_id for name_id, row in summaries.find_all(session, run).items() if row.unfolded >= WORTH_AT_END]
    if left:
        summaries.enqueue(session, run, left)


def _batch(metrics: Sequence[Metric]) -> tuple[Batch, int]:
    """The points in order, each once, and how many are NaN."""
    if len(metrics) == 1:
        metric = metrics[0]
        value = metric.value + 0.0
        if value != value:
            return ((metric.step,), (metric.timestamp,), (NAN,)), 1
        return ((metric.step,), (metric.timestamp,), (max(-MAX_DOUBLE, min(MAX_DOUBLE, value)),)), 0
    steps = [metric.step for metric in metrics]
    times = [metric.timestamp for metric in metrics]
    values = [metric.value for metric in metrics]
    total = sum(values)
    is_plain = total - total == 0.0  # else there may be NaN or infinities among them
    if not is_plain:
        values = [max(-MAX_DOUBLE, min(MAX_DOUBLE, value)) if value == value else NAN for value in values]
    if 0.0 in values:
        values = [value + 0.0 for value in values]  # -0.0 becomes 0.0
    if not all(map(lt, steps, islice(steps, 1, None))):
        places = set(zip(steps, times, values if is_plain else map(_comparable, values), strict=True))
        ordered = sorted(places)
        steps, times, values = map(list, zip(*ordered, strict=True))
        if not is_plain:
            values = [NAN if value == NEVER else value for value in values]
    return (steps, times, values), 0 if is_plain else sum(value != value for value in values)


def _comparable(value: float) -> float:
    return value if value == value else NEVER


def _first(batch: Batch) -> Place:
    return (batch[0][0], batch[1][0], _comparable(batch[2][0]))


def _merged(row: Summary, batch: Batch, nans: int) -> tuple[Any, ...]:
    """The summary after adding a batch of points that are all new, in the order of `Summary`."""
    steps, times, values = batch
    count = len(steps)
    (
        old_count, old_nans, last_value, last_step, last_time, first_value, first_step, first_time,
        min_value, min_step, min_time, max_value, max_step, max_time, unfolded,
    ) = row  # fmt: skip
    begin, end = values[0], values[-1]
    if not old_count or (steps[-1], times[-1], _comparable(end)) > row.last:
        last_value, last_step, last_time = (end if end == end else None), steps[-1], times[-1]
    if not old_count or (steps[0], times[0], _comparable(begin)) < (
        first_step,
        first_time,
        NEVER if first_value is None else first_value,
    ):
        first_value, first_step, first_time = (begin if begin == begin else None), steps[0], times[0]
    if nans:
        valid = [at for at, value in enumerate(values) if value == value]
        steps, times = [steps[at] for at in valid], [times[at] for at in valid]
        values = [values[at] for at in valid]
    if values:
        low, high = min(values), max(values)
        at = values.index(low)
        if min_value is None or (low, steps[at], times[at]) < (min_value, min_step, min_time):
            min_value, min_step, min_time = low, steps[at], times[at]
        at = values.index(high)
        if max_value is None or (-high, steps[at], times[at]) < (-max_value, max_step, max_time):
            max_value, max_step, max_time = high, steps[at], times[at]
    return (
        old_count + count, old_nans + nans, last_value, last_step, last_time, first_value, first_step, first_time,
        min_value, min_step, min_time, max_value, max_step, max_time, unfolded + count,
    )  # fmt: skip


def _packed(batch: Batch) -> bytes:
    """A row of `tails`: all steps, all timestamps, all values, 8 little-endian bytes each."""
    steps, times, values = batch
    return _row_of(len(steps)).pack(*steps, *times, *values)


@lru_cache(2048)
def _row_of(count: int) -> Struct:
    return Struct(f"<{count}q{count}q{count}d")
