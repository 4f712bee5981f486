"""Least and greatest points of any stretches of chunks, from the buckets where they can tell and from raw points elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from millstream.store.series.codec import BUCKET, Float64s, Int64s, Reader

_GREATEST = 2**63 - 1


class Cut:
    """Where coordinates fall among the points of a reader, whose axis ascends within each series.

    Args:
        begins: the first chunk of each series in the reader, and at last the number of chunks; one series if not given.
    """

    def __init__(self, reader: Reader, axis: str, begins: Int64s | None = None) -> None:
        self._reader = reader
        roots = reader.roots
        if axis == "step":
            self._at, firsts, lasts = reader.steps_at, roots["first"]["step"], roots["last"]["step"]
        else:
            self._at, firsts, lasts = reader.times_at, roots["min_time"], roots["max_time"]
        self._firsts: Int64s = np.ascontiguousarray(firsts)
        self._lasts: Int64s = np.ascontiguousarray(lasts)
        self._begins = np.array([0, len(roots)]) if begins is None else begins

    def cuts(self, windows: Sequence[tuple[Int64s, int]]) -> Int64s:
        """For each series, given (lows, end): for each of `lows` how many points of the reader lie before it, and how many
        before the series' first point that is greater than `end`; one series after the other."""
        bounds = [np.append(lows, min(end, _GREATEST - 1) + 1) for lows, end in windows]
        spans = zip(self._begins.tolist(), self._begins[1:].tolist(), bounds, strict=False)
        chunk = np.concatenate([begin + np.searchsorted(self._lasts[begin:stop], some) for begin, stop, some in spans])
        sizes = np.array([len(some) for some in bounds])
        ranks = self._before(np.concatenate(bounds), chunk, np.repeat(self._begins[1:], sizes))
        for at, (_, end), stop in zip(np.cumsum(sizes) - 1, windows, self._begins[1:], strict=True):
            if end == _GREATEST:  # nothing is greater
                ranks[at] = self._reader.rank_begins[stop]
        return ranks

    def _before(self, bounds: Int64s, chunk: Int64s, stop: Int64s) -> Int64s:
        ranks = self._reader.rank_begins[chunk]
        inside = np.flatnonzero(chunk < stop)
        inside = inside[bounds[inside] > self._firsts[chunk[inside]]]
        if len(inside):
            ranks[inside] = self._search(bounds[inside], chunk[inside])
        return ranks

    def _search(self, bounds: Int64s, chunk: Int64s) -> Int64s:
        """First rank whose coordinate is not below the bound; the chunk's first is below, its last is not."""
        below = self._reader.rank_begins[chunk]
        found = self._reader.rank_begins[chunk + 1] - 1
        # most series are nearly regular: look where a straight line says first
        firsts, lasts = self._firsts[chunk].astype(np.float64), self._lasts[chunk].astype(np.float64)
        share = (bounds.astype(np.float64) - firsts) / np.maximum(lasts - firsts, 1.0)
        guess = below + np.ceil(share * (found - below)).astype(np.int64)
        for probe in (guess, guess - 1):
            self._narrow(bounds, below, found, np.clip(probe, below, found), slice(None))
        while len(open_ := np.flatnonzero(found - below > 1)):
            self._narrow(bounds, below, found, (below[open_] + found[open_]) // 2, open_)
        return found

    def _narrow(self, bounds: Int64s, below: Int64s, found: Int64s, probe: Int64s, which: slice | Int64s) -> None:
        is_below = self._at(probe) < bounds[which]
        below[which] = np.where(is_below, np.maximum(below[which], probe), below[which])
        found[which] = np.where(is_below, found[which], np.minimum(found[which], probe))


def first_extremes(values: Float64s, begins: Int64s) -> Int64s:
    """Place of the first least value of every stretch of `values`; stretches follow each other without gaps."""
    least = np.minimum.reduceat(values, begins)
    places = np.flatnonzero(values == np.repeat(least, np.diff(np.append(begins, len(values)))))
    return places[np.searchsorted(places, begins)]


DENSE = 2 * BUCKET
"""Points a stretch, on the average, up to which all values are read: most stretches would cut through their buckets anyway."""


def extremes(reader: Reader, cuts: Int64s) -> Int64s:
    """Valid places of first, least, greatest and last point of each stretch [cuts[j], cuts[j + 1]), ascending.

    The stretches and the buckets cut each other into pieces. A whole bucket knows its extremes, and so does a piece that holds
    its bucket's. Another piece is read only if its bucket's extreme could beat what its stretch has already.
    """
    begins, ends = cuts[:-1], cuts[1:]
    filled = ends > begins
    begins, ends = begins[filled], ends[filled]
    start, end = begins[0], ends[-1]
    if end - start <= DENSE * len(begins):
        values = reader.valid_values()[start:end]
        lows, highs = first_extremes(values, begins - start), first_extremes(-values, begins - start)
        return each_once(np.concatenate((begins, start + lows, start + highs, ends - 1)))
    borders = reader.bucket_begins
    first_bucket = int(np.searchsorted(borders, start, "right")) - 1
    inner = borders[first_bucket + 1 : int(np.searchsorted(borders, end))]
    order = np.argsort(np.concatenate((inner, begins)), kind="stable")
    is_border = order < len(inner)
    piece_begins = np.concatenate((inner, begins))[order]
    piece_ends = np.append(piece_begins[1:], end)
    keep = piece_ends > piece_begins
    bucket = (first_bucket + np.cumsum(is_border))[keep]
    stretch = (np.cumsum(~is_border) - 1)[keep]
    piece_begins, piece_ends = piece_begins[keep], piece_ends[keep]
    firsts = np.searchsorted(stretch, np.arange(len(begins)))  # first piece of every stretch

    rows = reader.buckets[bucket]
    origin = borders[bucket]
    low_at, high_at = origin + rows["low_at"], origin + rows["high_at"]
    low, high = rows["low"].copy(), -rows["high"]
    unknown = []
    for at, value in ((low_at, low), (high_at, high)):
        is_unknown = (at < piece_begins) | (at >= piece_ends)
        known = np.where(is_unknown, np.inf, value)
        best = np.minimum.reduceat(known, firsts)
        unknown.append(is_unknown & (value < best[stretch]))
        value[is_unknown] = np.inf
    read = np.flatnonzero(unknown[0] | unknown[1])
    if len(read):
        _read_pieces(reader, bucket[read], piece_begins[read], piece_ends[read], (read, low, low_at, high, high_at))
    lows, highs = low_at[first_extremes(low, firsts)], high_at[first_extremes(high, firsts)]
    return each_once(np.concatenate((begins, lows, highs, ends - 1)))


def each_once(places: Int64s) -> Int64s:
    """Ascending, none twice; at least one place. `np.unique` is ten times as slow (1,000 places: 112 us, 2026-11-26)."""
    ascending = np.sort(places)
    is_new = np.ones(len(ascending), np.bool_)
    is_new[1:] = ascending[1:] != ascending[:-1]
    return ascending[is_new]


_AT_ONCE = 512
"""Pieces read in one go: their columns stay in the processor's cache (4000 pixels, smooth: 27 to 12 ms, 2026-11-23)."""


def _read_pieces(
    reader: Reader,
    bucket: Int64s,
    begins: Int64s,
    ends: Int64s,
    into: tuple[Int64s, Float64s, Int64s, Float64s, Int64s],
) -> None:
    """Put the true extremes of some pieces into the columns of all pieces."""
    read, low, low_at, high, high_at = into
    for first in range(0, len(read), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        buckets, row = np.unique(bucket[some], return_inverse=True)
        values = reader.bucket_values(buckets)[row]
        place = reader.bucket_begins[bucket[some]][:, None] + np.arange(BUCKET)
        outside = (place < begins[some, None]) | (place >= ends[some, None])
        number = np.arange(len(row))
        for sign, value, at in ((1.0, low, low_at), (-1.0, high, high_at)):
            masked: npt.NDArray[np.float64] = np.where(outside, np.inf, values * sign)
            best = masked.argmin(axis=1)
            value[read[some]] = masked[number, best]
            at[read[some]] = place[number, best]
