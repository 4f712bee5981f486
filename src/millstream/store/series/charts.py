"""What a line chart needs of a history, exactly: first, least, greatest and last point of every pixel column (M4).

The window [start, end] of an axis (step or timestamp) is cut into `width` columns of equal length:
column `j` begins at `start + ceil(j * (end - start + 1) / width)`. Raw points are read only where a column's boundary cuts
through a bucket of the pyramid; all other buckets, and in long series all chunks that fall into one column, are taken
from their stored extremes. So the cost is bounded by the width, and every answer is exact.

Cutting by columns distributes over parts of a history: the answer for the whole is the answer for the union of the parts'
answers. Chunks that were read, chunks known by their root, and tails are such parts.

Timestamps that do not grow with the order of steps have no pyramid: then the chunks inside the window are read in full.
Source: Jugel et al., M4: A Visualization-Oriented Time Series Data Aggregation, VLDB 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from millstream.entities import SeriesWindow
from millstream.errors import InvalidValue
from millstream.store.series import stored, summary
from millstream.store.series.codec import (
    NO_POINTS,
    Float64s,
    Int64s,
    Points,
    in_order,
    in_time_order,
    join,
)
from millstream.store.series.folding import TARGET
from millstream.store.series.pyramid import Cut, each_once, extremes, first_extremes
from millstream.store.series.summary import Summary

if TYPE_CHECKING:
    from millstream.store.database import Session

MAX_WIDTH = 10_000
MAX_SERIES = 1_000
"""Series one request may ask for."""

SMALL = 4096
"""Points that are decoded and cut by brute force: quicker than looking into the pyramid."""
LONG = 512
"""Full chunks from which the roots are read first, and whole chunks a few at a time."""
_AT_ONCE = 64
"""Chunks of a long series that are in memory at once (2 MB)."""
_AXES = {"step": "step", "time": "time", "timestamp": "time"}


class _Part(NamedTuple):
    """A part's share of a window."""

    shown: Points  # none of them NaN, in order of the axis
    points: int  # of the history inside the window, NaN included
    nan_points: int
    nans: Points  # of these, at least the first of every column


_NOTHING = _Part(NO_POINTS, 0, 0, NO_POINTS)


class Columns:
    """Pixel columns of a window; no more of them than it has integers."""

    def __init__(self, start: int, end: int, width: int) -> None:
        span = end - start + 1
        self.start, self.end = start, end
        self.width = min(width, span)
        if span * self.width < 2**62 and max(abs(start), abs(end)) < 2**62:
            self.lows: Int64s = start - (np.arange(self.width, dtype=np.int64) * -span) // self.width
        else:
            self.lows = np.array([start - (j * -span) // self.width for j in range(self.width)], np.int64)

    def cuts(self, axis: Int64s) -> Int64s:
        """Places in `axis`, which ascends, where the columns begin, and where the last one ends."""
        return np.append(np.searchsorted(axis, self.lows), np.searchsorted(axis, self.end, "right"))

    def of(self, axis: Int64s) -> Int64s:
        """The column of every coordinate inside the window."""
        return np.searchsorted(self.lows, axis, "right") - 1


def windows(
    session: Session,
    runs: Sequence[tuple[int, str]],
    name_ids: Sequence[int],
    width: int,
    axis: str = "step",
    start: int | None = None,
    end: int | None = None,
) -> list[SeriesWindow]:
    """One window of every series there is among `runs` x `name_ids`.

    Args:
        runs: key and public id of each run.
        width: of the chart, in pixels, 1 to MAX_WIDTH.
        axis: "step" or "timestamp" (also "time").
        start, end: bounds on the axis, both included; None means from or to the end of each series.
    Raises:
        InvalidValue: an argument is out of range.
    """
    kind = _AXES.get(axis)
    if kind is None:
        raise InvalidValue(f"axis={axis!r} is not known. Use 'step' or 'timestamp'.")
    if not 1 <= width <= MAX_WIDTH:
        raise InvalidValue(f"width={width} is out of range. Give the chart's width in pixels, 1 to {MAX_WIDTH}.")
    if start is not None and end is not None and start > end:
        raise InvalidValue(f"start={start} is greater than end={end}.")
    if len(runs) * len(name_ids) > MAX_SERIES:
        raise InvalidValue(
            f"{len(runs)} runs x {len(name_ids)} metrics are too many. Ask for at most {MAX_SERIES} series at once."
        )
    found: list[SeriesWindow] = []
    for run, run_id in runs:
        for name_id in name_ids:
            row = summary.find(session, run, name_id)
            if row is not None:
                answer = SeriesWindow(run_id, session.name_of(name_id))
                _fill(session, run, name_id, row, answer, width, kind, start, end)
                found.append(answer)
    return found


def _fill(
    session: Session,
    run: int,
    name_id: int,
    row: Summary,
    answer: SeriesWindow,
    width: int,
    axis: str,
    start: int | None,
    end: int | None,
) -> None:
    tail = stored.tail(session, run, name_id) if row.unfolded else NO_POINTS
    folded = row.points - row.unfolded
    if start is None or end is None:
        low, high = _extent(session, run, name_id, row, tail, axis)
        start, end = (low if start is None else start), (high if end is None else end)
        if start > end:
            return
    columns = Columns(start, end, width)
    parts = []
    if folded > LONG * TARGET:
        parts = _long(session, run, name_id, axis, columns)
    elif folded:
        parts = [_read(stored.between(session, run, name_id, axis, start, end), axis, columns)]
    if tail.size:
        parts.append(_raw(tail, axis, columns))
    order = in_order if axis == "step" else in_time_order
    some = [part.shown for part in parts if part.shown.size]
    shown = _thin(some[0] if len(some) == 1 else order(join(some)), axis, columns)
    answer.steps, answer.timestamps, answer.values = shown.steps.tolist(), shown.times.tolist(), shown.values.tolist()
    answer.count = sum(part.points for part in parts)
    answer.nan_count = sum(part.nan_points for part in parts)
    answer.is_exact = shown.size + answer.nan_count == answer.count
    if answer.nan_count:
        nans = order(join([part.nans for part in parts]))
        answer.nan_steps = _one_a_column(nans, axis, columns).steps.tolist()


def _extent(session: Session, run: int, name_id: int, row: Summary, tail: Points, axis: str) -> tuple[int, int]:
    """Least and greatest coordinate of a series."""
    if axis == "step":
        return row.first_step, row.last_step
    bounds = [bound for bound in stored.time_range(session, run, name_id) if bound is not None]
    if tail.size:
        bounds += [int(tail.times.min()), int(tail.times.max())]
    return min(bounds), max(bounds)


def _axis_of(points: Points, axis: str) -> Int64s:
    return points.steps if axis == "step" else points.times


def _one_a_column(points: Points, axis: str, columns: Columns) -> Points:
    """The first point of every column; points are in order of the axis."""
    if points.size <= columns.width:
        return points
    return points.take(np.unique(columns.of(_axis_of(points, axis)), return_index=True)[1])


def _thin(points: Points, axis: str, columns: Columns) -> Points:
    """M4 of points without NaN, in order of the axis; all of them if they are few."""
    if points.size <= 4 * columns.width:
        return points
    cuts = columns.cuts(_axis_of(points, axis))
    begins, ends = cuts[:-1], cuts[1:]
    filled = ends > begins
    begins, ends = begins[filled], ends[filled]
    lows, highs = first_extremes(points.values, begins), first_extremes(-points.values, begins)
    return points.take(each_once(np.concatenate((begins, lows, highs, ends - 1))))


def _raw(points: Points, axis: str, columns: Columns) -> _Part:
    """The share of points that are all at hand, in order of the series."""
    if axis == "time" and not bool((points.times[1:] >= points.times[:-1]).all()):
        points = in_time_order(points)
    x = _axis_of(points, axis)
    inside = points.take(slice(int(np.searchsorted(x, columns.start)), int(np.searchsorted(x, columns.end, "right"))))
    is_nan = np.isnan(inside.values)
    if not is_nan.any():
        return _Part(_thin(inside, axis, columns), inside.size, 0, NO_POINTS)
    nans = inside.take(is_nan)
    return _Part(_thin(inside.take(~is_nan), axis, columns), inside.size, nans.size, nans)


def _read(rows: Sequence[tuple[Any, ...]], axis: str, columns: Columns) -> _Part:
    """The share of whole chunks."""
    if not rows:
        return _NOTHING
    reader = stored.reader(rows)
    if reader.count <= SMALL or (axis == "time" and not is_time_sorted(reader.roots)):
        return _raw(reader.all(), axis, columns)
    cuts = Cut(reader, axis).cuts(columns.lows, columns.end)
    n_points = int(cuts[-1] - cuts[0])
    valids = reader.valid_of(cuts)
    n_valid = int(valids[-1] - valids[0])
    places = np.arange(valids[0], valids[-1]) if n_valid <= 4 * columns.width else extremes(reader, valids)
    ranks = reader.rank_of(places)
    shown = Points(reader.steps_at(ranks), reader.times_at(ranks), reader.values_at(places))
    if n_valid == n_points:
        return _Part(shown, n_points, 0, NO_POINTS)
    nan_ranks = reader.nan_ranks
    nan_ranks = nan_ranks[slice(*np.searchsorted(nan_ranks, [cuts[0], cuts[-1]]).tolist())]
    if len(nan_ranks) > columns.width:
        nan_ranks = nan_ranks[np.unique(np.searchsorted(cuts, nan_ranks, "right"), return_index=True)[1]]
    nans = Points(reader.steps_at(nan_ranks), reader.times_at(nan_ranks), np.full(len(nan_ranks), np.nan))
    return _Part(shown, n_points, n_points - n_valid, nans)


def is_time_sorted(roots: npt.NDArray[np.void]) -> bool:
    """Whether timestamps ascend over all points of these chunks."""
    return bool(roots["time_sorted"].all() and (roots["max_time"][:-1] <= roots["min_time"][1:]).all())


def _long(session: Session, run: int, name_id: int, axis: str, columns: Columns) -> list[_Part]:
    """Shares of a series with many chunks: those inside of one column give their roots only, and are not read."""
    heads = stored.heads_between(session, run, name_id, axis, columns.start, columns.end)
    roots = heads.roots
    if not len(roots):
        return []
    if axis == "time" and not is_time_sorted(roots):
        return [_read(stored.by_seq(session, run, name_id, heads.seqs), axis, columns)]
    if axis == "step":
        firsts, lasts = roots["first"]["step"], roots["last"]["step"]
    else:
        firsts, lasts = roots["min_time"], roots["max_time"]
    column = columns.of(firsts)
    is_inside = (column == columns.of(lasts)) & (firsts >= columns.start) & (lasts <= columns.end)
    # of NaN one a column is shown: read the first chunk of every column that has any
    with_nan = np.flatnonzero(is_inside & (roots["nan_count"] > 0))
    is_inside[with_nan[np.unique(column[with_nan], return_index=True)[1]]] = False
    wanted = [seq for seq, is_root in zip(heads.seqs, is_inside.tolist(), strict=True) if not is_root]
    parts = [
        _read(stored.by_seq(session, run, name_id, wanted[first : first + _AT_ONCE]), axis, columns)
        for first in range(0, len(wanted), _AT_ONCE)
    ]
    roots = roots[is_inside]
    if len(roots):
        some = roots[roots["count"] > roots["nan_count"]]
        flat = np.concatenate([some[name] for name in ("first_valid", "low", "high", "last_valid")])
        ends: list[Float64s | Int64s] = [np.ascontiguousarray(flat[name]) for name in ("step", "time", "value")]
        shown = in_order(Points(*ends))  # type: ignore[arg-type]
        parts.append(
            _Part(
                _thin(shown, axis, columns),
                int(roots["count"].sum(dtype=np.int64)),
                int(roots["nan_count"].sum(dtype=np.int64)),
                NO_POINTS,
            )
        )
    return parts
