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

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from millstream.entities import SeriesLine, SeriesView, SeriesWindow
from millstream.errors import InvalidValue
from millstream.store.series import stored, summary
from millstream.store.series.codec import (
    NO_POINTS,
    Float64s,
    Int64s,
    Points,
    Reader,
    in_order,
    in_time_order,
    join,
)
from millstream.store.series.folding import TARGET
from millstream.store.series.pyramid import Cut, each_once, extremes, first_extremes
from millstream.store.series.summary import Summary

if TYPE_CHECKING:
    from millstream.store.database import Session

MAX_SERIES = 1_000
"""Series one request may ask for."""

SMALL = 4096
"""Points that are decoded and cut by brute force: quicker than looking into the pyramid."""
LONG = 512
"""Full chunks from which the roots are read first, and whole chunks a few at a time."""
_AT_ONCE = 64
"""Chunks of a long series that are in memory at once (2 MB)."""
_TOGETHER = 1 << 20
"""Points of the series that are read together (8 to 25 MB)."""


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


class _Series(NamedTuple):
    """A series that is asked for."""

    run: int
    run_id: str
    name_id: int
    key: str
    row: Summary


class _Window(NamedTuple):
    """What a chart shows of a series."""

    shown: Points  # none of them NaN, in order of the axis
    points: int = 0  # of the history inside the window, NaN included
    nan_points: int = 0
    nans: Points = NO_POINTS  # at least one of every column that has any

    @property
    def is_exact(self) -> bool:
        return self.shown.size + self.nan_points == self.points


def windows(
    session: Session, runs: Sequence[tuple[int, str]], name_ids: Sequence[int], view: SeriesView
) -> list[SeriesWindow]:
    """One window of every series there is among `runs` x `name_ids`.

    Args:
        runs: key and public id of each run.
    Raises:
        InvalidValue: the view makes no sense, or these are too many series.
    """
    return [
        SeriesWindow(
            series.run_id,
            series.key,
            count=window.points,
            steps=window.shown.steps.tolist(),
            timestamps=window.shown.times.tolist(),
            values=window.shown.values.tolist(),
            nan_count=window.nan_points,
            nan_steps=window.nans.steps.tolist(),
            is_exact=window.is_exact,
        )
        for series, window in _windows(session, runs, name_ids, view)
    ]


def lines(
    session: Session, runs: Sequence[tuple[int, str]], name_ids: Sequence[int], view: SeriesView
) -> list[SeriesLine]:
    """As `windows`, for who only draws them: places on the axis and values, as arrays."""
    return [
        SeriesLine(
            series.run_id,
            series.key,
            count=window.points,
            places=_axis_of(window.shown, view.kind).astype("<f8").tobytes(),
            values=window.shown.values.astype("<f8", copy=False).tobytes(),
            nan_places=_axis_of(window.nans, view.kind).tolist(),
            is_exact=window.is_exact,
        )
        for series, window in _windows(session, runs, name_ids, view)
    ]


def _windows(
    session: Session, runs: Sequence[tuple[int, str]], name_ids: Sequence[int], view: SeriesView
) -> Iterator[tuple[_Series, _Window]]:
    kind = view.kind
    if len(runs) * len(name_ids) > MAX_SERIES:
        raise InvalidValue(
            f"{len(runs)} runs x {len(name_ids)} metrics are too many. Ask for at most {MAX_SERIES} series at once."
        )
    asked = [
        _Series(run, run_id, name_id, session.name_of(name_id), row)
        for run, run_id in runs
        for name_id in name_ids
        if (row := summary.find(session, run, name_id)) is not None
    ]
    for group in _groups(asked):
        yield from zip(group, _read_group(session, group, kind, view), strict=True)


def _groups(asked: Sequence[_Series]) -> Iterator[list[_Series]]:
    """Series that are read together: an array operation over fifty short series costs little more than over one."""
    group: list[_Series] = []
    points = 0
    for series in asked:
        if group and points + series.row.points > _TOGETHER:
            yield group
            group, points = [], 0
        group.append(series)
        points += series.row.points
    if group:
        yield group


def _read_group(session: Session, group: Sequence[_Series], axis: str, view: SeriesView) -> list[_Window]:
    """The windows of some series."""
    found = [_Window(NO_POINTS)] * len(group)
    opened: list[tuple[int, Columns, list[_Part]]] = []
    chunks: list[list[tuple[Any, ...]]] = []
    columns = None
    for number, (run, run_id, name_id, _, row) in enumerate(group):
        tail = stored.tail(session, run, name_id) if row.unfolded else NO_POINTS
        low, high = view.bounds(run_id)
        if low is None or high is None:
            first, last = _extent(session, run, name_id, row, tail, axis)
            low, high = (first if low is None else low), (last if high is None else high)
            if low > high:
                continue
        if columns is None or (columns.start, columns.end) != (low, high):
            columns = Columns(low, high, view.width)
        folded = row.points - row.unfolded
        is_long = folded > LONG * TARGET
        parts = _long(session, run, name_id, axis, columns) if is_long else []
        if tail.size:
            parts.append(_raw(tail, axis, columns))
        opened.append((number, columns, parts))
        chunks.append(stored.between(session, run, name_id, axis, low, high) if folded and not is_long else [])
    read = _read(chunks, axis, [window for _, window, _ in opened])
    for (number, window, parts), part in zip(opened, read, strict=True):
        found[number] = _joined([part, *parts], axis, window)
    return found


def _joined(parts: Sequence[_Part], axis: str, columns: Columns) -> _Window:
    """A window of the shares of its parts."""
    order = in_order if axis == "step" else in_time_order
    some = [part.shown for part in parts if part.shown.size]
    shown = _thin(some[0] if len(some) == 1 else order(join(some)), axis, columns)
    points, nan_points = sum(part.points for part in parts), sum(part.nan_points for part in parts)
    if not nan_points:
        return _Window(shown, points)
    nans = order(join([part.nans for part in parts]))
    return _Window(shown, points, nan_points, _one_a_column(nans, axis, columns))


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


def _read(chunks: Sequence[Sequence[tuple[Any, ...]]], axis: str, columns: Sequence[Columns]) -> list[_Part]:
    """The share of whole chunks, for several series at once."""
    parts = [_NOTHING] * len(chunks)
    whole: list[int] = []
    cut: list[int] = []
    for number, rows in enumerate(chunks):
        if rows:
            roots = stored.parse_roots([row[1] for row in rows])
            is_cut = roots["count"].sum() > SMALL and (axis == "step" or is_time_sorted(roots))
            (cut if is_cut else whole).append(number)
    if whole:
        reader, begins = _reader([chunks[number] for number in whole])
        points, ranks = reader.all(), reader.rank_begins[begins].tolist()
        for number, begin, end in zip(whole, ranks, ranks[1:], strict=False):
            parts[number] = _raw(points.take(slice(begin, end)), axis, columns[number])
    if cut:
        reader, begins = _reader([chunks[number] for number in cut])
        for number, part in zip(cut, _cut(reader, begins, axis, [columns[number] for number in cut]), strict=True):
            parts[number] = part
    return parts


def _reader(chunks: Sequence[Sequence[tuple[Any, ...]]]) -> tuple[Reader, Int64s]:
    """A reader over the chunks of several series, and the first chunk of each, and at last how many there are."""
    begins = np.zeros(len(chunks) + 1, np.int64)
    np.cumsum([len(rows) for rows in chunks], out=begins[1:])
    return stored.reader([row for rows in chunks for row in rows]), begins


def _cut(reader: Reader, begins: Int64s, axis: str, columns: Sequence[Columns]) -> list[_Part]:
    """The shares of series that are side by side in a reader; see `Cut` for `begins`."""
    cuts = Cut(reader, axis, begins).cuts([(each.lows, each.end) for each in columns])
    valids = reader.valid_of(cuts)
    widths = np.array([each.width for each in columns])
    lasts = np.cumsum(widths + 1) - 1
    firsts = lasts - widths
    begin_at, end_at = valids[firsts], valids[lasts]
    is_thinned = end_at - begin_at > 4 * widths
    thinned = np.empty(0, np.int64)
    if is_thinned.any():  # what lies between two series is one more stretch; its extremes are left out below
        thinned = extremes(reader, valids[np.repeat(is_thinned, widths + 1)])
    low_at, high_at = np.searchsorted(thinned, begin_at), np.searchsorted(thinned, end_at)
    chosen = [
        thinned[low_at[number] : high_at[number]] if is_thin else np.arange(begin_at[number], end_at[number])
        for number, is_thin in enumerate(is_thinned)
    ]
    places = np.concatenate(chosen)
    ranks = reader.rank_of(places)
    shown = Points(reader.steps_at(ranks), reader.times_at(ranks), reader.values_at(places))
    parts = []
    end = 0
    for number, some in enumerate(chosen):
        begin, end = end, end + len(some)
        inside = cuts[firsts[number] : lasts[number] + 1]
        n_points = int(inside[-1] - inside[0])
        n_valid = int(end_at[number] - begin_at[number])
        nans = NO_POINTS if n_valid == n_points else _nans(reader, inside)
        parts.append(_Part(shown.take(slice(begin, end)), n_points, n_points - n_valid, nans))
    return parts


def _nans(reader: Reader, cuts: Int64s) -> Points:
    """The NaN points of a window, at most one of every column."""
    ranks = reader.nan_ranks
    ranks = ranks[slice(*np.searchsorted(ranks, [cuts[0], cuts[-1]]).tolist())]
    if len(ranks) >= len(cuts):
        ranks = ranks[np.unique(np.searchsorted(cuts, ranks, "right"), return_index=True)[1]]
    return Points(reader.steps_at(ranks), reader.times_at(ranks), np.full(len(ranks), np.nan))


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
        return _read([stored.by_seq(session, run, name_id, heads.seqs)], axis, [columns])
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
        part
        for first in range(0, len(wanted), _AT_ONCE)
        for part in _read([stored.by_seq(session, run, name_id, wanted[first : first + _AT_ONCE])], axis, [columns])
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
