"""Chunks of points as bytes: as small as general compression makes them, yet any single point is read in place.

A chart needs the points on both sides of every pixel boundary, exactly. Were a chunk one compressed stream, a window over a
million points would decode all of them. So every column is packed in blocks of `BLOCK` values, each value of a block with
the same number of bits; value `i` of a block is found by arithmetic. What compresses is the choice of the numbers to pack:

- steps and timestamps: distance from a straight line through the block (regular steps take no bits at all);
- values: distance from the block's least magnitude in the order of the IEEE bits, without the zero bits that all share
  (numbers that were float32 take 3 bytes); or, where every value of a block is a decimal of few digits, that integer.

Three byte strings make a chunk: `root` (fixed size: counts, first, last, least and greatest point), `pyramid` (the tables of
the blocks, the least and greatest value of every `BUCKET` points, the places of NaN) and `points` (the packed bits).
NaN points stand in steps and timestamps; the column of values leaves them out. "valid" below means: not NaN.

Changing the format: raise `VERSION`, keep reading what older versions wrote (`root["version"]` says which; all chunks of a
series may differ), and add a chunk of the old version to tests/unit/test_series_codec.py. Folding rewrites a chunk in the
new version as soon as it touches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

VERSION = 1
BLOCK = 256
BUCKET = 64
MAX_POINTS = 1 << 16
"""Points a chunk may hold; places of NaN are written as 16 bits."""

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_Number = TypeVar("_Number", np.int64, np.float64)

_POINT = [("step", "<i8"), ("time", "<i8"), ("value", "<f8")]
POINT = np.dtype(_POINT)
ROOT = np.dtype(
    [
        ("version", "u1"),
        ("time_sorted", "u1"),
        ("unused", "<u2"),
        ("count", "<u4"),
        ("nan_count", "<u4"),
        ("nan_bytes", "<u4"),
        ("step_bytes", "<u4"),
        ("time_bytes", "<u4"),
        ("min_time", "<i8"),
        ("max_time", "<i8"),
        ("first", _POINT),
        ("last", _POINT),
        ("first_valid", _POINT),
        ("last_valid", _POINT),
        ("low", _POINT),
        ("high", _POINT),
    ]
)
_LINE = np.dtype([("base", "<i8"), ("slope", "<i8"), ("width", "u1")])
_FLOATS = np.dtype([("base", "<u8"), ("mode", "u1"), ("sign", "u1"), ("width", "u1")])
_BUCKETS = np.dtype([("low_at", "u1"), ("high_at", "u1"), ("low", "<f8"), ("high", "<f8")])

_SLOPE_BITS = 16
_MAX_SLOPE = float(1 << 46)
_DECIMAL = 64
"""Modes from here on: `mode - _DECIMAL` decimal digits. Below: number of shared zero bits."""
_MAX_DIGITS = 6
_POWERS = np.array([10.0**k for k in range(_MAX_DIGITS + 1)])
_MAGNITUDE = np.uint64(0x7FFF_FFFF_FFFF_FFFF)
_PADDING = bytes(BLOCK * 8 + 16)
_WITHIN = np.arange(BLOCK, dtype=np.int64)


class Points(NamedTuple):
    """Points as columns of equal length."""

    steps: Int64s
    times: Int64s
    values: Float64s  # NaN is NaN

    @property
    def size(self) -> int:
        return len(self.steps)

    def take(self, index: Int64s | Bools | slice) -> Points:
        return Points(self.steps[index], self.times[index], self.values[index])


class Chunk(NamedTuple):
    """A row of `chunks` without its key."""

    first_step: int
    last_step: int
    min_time: int
    max_time: int
    root: bytes
    pyramid: bytes
    points: bytes


NO_POINTS = Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


def join(parts: Sequence[Points]) -> Points:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return NO_POINTS
    return Points(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def sort_key(values: Float64s) -> Float64s:
    """Values such that NaN comes first; stored values are finite or NaN."""
    return np.where(np.isnan(values), -np.inf, values)


def in_order(points: Points) -> Points:
    """The points by (step, timestamp, value), NaN lowest, each once."""
    if bool((points.steps[1:] > points.steps[:-1]).all()):
        return points
    return _unique(points, np.lexsort((sort_key(points.values), points.times, points.steps)))


def in_time_order(points: Points) -> Points:
    """The points by (timestamp, step, value), NaN lowest, each once."""
    if bool((points.times[1:] > points.times[:-1]).all()):
        return points
    return _unique(points, np.lexsort((sort_key(points.values), points.steps, points.times)))


def _unique(points: Points, order: Int64s) -> Points:
    ordered = points.take(order)
    if ordered.size < 2:
        return ordered
    steps, times, values = ordered
    key = sort_key(values)
    same = (steps[1:] == steps[:-1]) & (times[1:] == times[:-1]) & (key[1:] == key[:-1])
    if not same.any():
        return ordered
    return ordered.take(np.concatenate(([True], ~same)))


# ---------------------------------------------------------------- writing


def encode(points: Points) -> Chunk:
    """A chunk of 1 to MAX_POINTS points, which are in order and each there once."""
    steps, times, values = points
    count = len(steps)
    is_nan = np.isnan(values)
    nan_at = np.flatnonzero(is_nan)
    valid = np.flatnonzero(~is_nan) if len(nan_at) else None
    valid_values = values if valid is None else values[valid]
    step_table, step_bits = _pack_line(steps)
    time_table, time_bits = _pack_line(times)
    nans = _pack_places(nan_at, count)

    root = np.zeros(1, ROOT)
    row = root[0]
    row["version"] = VERSION
    row["time_sorted"] = bool((times[1:] >= times[:-1]).all())
    row["count"] = count
    row["nan_count"] = len(nan_at)
    row["nan_bytes"] = len(nans)
    row["step_bytes"] = len(step_bits)
    row["time_bytes"] = len(time_bits)
    row["min_time"] = times.min()
    row["max_time"] = times.max()
    _set_points(row, points, {"first": 0, "last": count - 1})
    value_table = buckets = value_bits = b""
    if len(valid_values):
        table, value_bits = _pack_floats(valid_values)
        levels = _buckets(valid_values)
        value_table, buckets = table.tobytes(), levels.tobytes()
        best = int(levels["low"].argmin())
        low = best * BUCKET + int(levels["low_at"][best])
        best = int(levels["high"].argmax())
        high = best * BUCKET + int(levels["high_at"][best])
        places = {"first_valid": 0, "last_valid": len(valid_values) - 1, "low": low, "high": high}
        if valid is not None:
            places = {name: int(valid[at]) for name, at in places.items()}
        _set_points(row, points, places)
    return Chunk(
        int(steps[0]),
        int(steps[-1]),
        int(row["min_time"]),
        int(row["max_time"]),
        root.tobytes(),
        b"".join((step_table.tobytes(), time_table.tobytes(), value_table, buckets, nans)),
        b"".join((step_bits, time_bits, value_bits)),
    )


def _set_points(row: np.void, points: Points, places: dict[str, int]) -> None:
    for name, at in places.items():
        row[name] = (points.steps[at], points.times[at], points.values[at])


def _pack_places(nan_at: Int64s, count: int) -> bytes:
    """Places as 16-bit numbers, or as a bitmap of the whole chunk where that is shorter."""
    if len(nan_at) * 2 <= (count + 7) // 8:
        return nan_at.astype("<u2").tobytes()
    bitmap = np.zeros(count, np.uint8)
    bitmap[nan_at] = 1
    return np.packbits(bitmap, bitorder="little").tobytes()


def _buckets(values: Float64s) -> npt.NDArray[np.void]:
    n_buckets = -(-len(values) // BUCKET)
    rows = _blocks(values, BUCKET)
    out = np.empty(n_buckets, _BUCKETS)
    low_at, high_at = rows.argmin(axis=1), rows.argmax(axis=1)
    which = np.arange(n_buckets)
    out["low_at"], out["high_at"] = low_at, high_at
    out["low"], out["high"] = rows[which, low_at], rows[which, high_at]
    return out


def _blocks(column: npt.NDArray[_Number], size: int) -> npt.NDArray[_Number]:
    """The column as rows of `size`; the last row is filled up with the column's last value."""
    missing = -len(column) % size
    if missing:
        column = np.concatenate((column, np.repeat(column[-1:], missing)))
    return column.reshape(-1, size)


def _pack_line(column: Int64s) -> tuple[npt.NDArray[np.void], bytes]:
    count = len(column)
    rows = _blocks(column, BLOCK)
    table = np.zeros(len(rows), _LINE)
    last = np.full(len(rows), BLOCK - 1)
    last[-1] = (count - 1) % BLOCK
    rise = rows[:, -1].astype(np.float64) - rows[:, 0].astype(np.float64)
    slope = rise / np.maximum(last, 1)
    slope[np.abs(slope) > _MAX_SLOPE] = 0.0
    table["slope"] = np.rint(slope * (1 << _SLOPE_BITS))
    # arithmetic modulo 2**64 throughout: what encoding wraps, decoding wraps back
    offsets = rows - ((table["slope"][:, None] * _WITHIN[None, :]) >> _SLOPE_BITS)
    offsets[-1, last[-1] :] = offsets[-1, last[-1]]
    table["base"] = offsets.min(axis=1)
    rest = (offsets - table["base"][:, None]).view(np.uint64)
    table["width"] = _widths(rest)
    return table, _pack(rest, table["width"], count)


def _pack_floats(values: Float64s) -> tuple[npt.NDArray[np.void], bytes]:
    count = len(values)
    rows = _blocks(values, BLOCK)
    table = np.zeros(len(rows), _FLOATS)
    bits = np.ascontiguousarray(rows).view(np.uint64)
    magnitude = bits & _MAGNITUDE
    shared: UInt64s = np.bitwise_or.reduce(magnitude, axis=1)
    lowest_set = shared & (~shared + np.uint64(1))
    mode = np.zeros(len(rows), np.uint64)
    some = lowest_set > 0
    mode[some] = np.log2(lowest_set[some].astype(np.float64)).astype(np.uint64)
    magnitude >>= mode[:, None]
    base: UInt64s = np.min(magnitude, axis=1)
    sign: UInt64s = np.any(bits >> np.uint64(63), axis=1).astype(np.uint64)
    rest = ((magnitude - base[:, None]) << sign[:, None]) | (bits >> np.uint64(63))
    width = _widths(rest)
    table["mode"], table["base"], table["sign"] = mode, base, sign
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is not a decimal of few digits
        for digits in range(_MAX_DIGITS + 1):
            _try_decimals(rows, digits, table, rest, width)
    table["width"] = width
    return table, _pack(rest, width, count)


def _try_decimals(
    rows: Float64s, digits: int, table: npt.NDArray[np.void], rest: UInt64s, width: npt.NDArray[np.uint8]
) -> None:
    """Where all values of a block are decimals of so many digits and that is shorter, write them so (in place)."""
    power = _POWERS[digits]
    sample = rows[:, ::37] * power
    hopeful = np.flatnonzero(
        (np.abs(sample) < 1e15).all(axis=1) & (np.rint(sample) / power == rows[:, ::37]).all(axis=1)
    )
    if not len(hopeful):
        return
    some = rows[hopeful]
    scaled = some * power
    whole = np.rint(scaled)
    exact = (np.abs(scaled) < 1e15).all(axis=1) & (whole / power == some).all(axis=1)
    if not exact.any():
        return
    hopeful, integers = hopeful[exact], whole[exact].astype(np.int64)
    base = integers.min(axis=1)
    offsets = (integers - base[:, None]).view(np.uint64)
    shorter = _widths(offsets) < width[hopeful]
    chosen = hopeful[shorter]
    rest[chosen] = offsets[shorter]
    width[chosen] = _widths(offsets[shorter])
    table["mode"][chosen] = _DECIMAL + digits
    table["base"][chosen] = base[shorter].view(np.uint64)
    table["sign"][chosen] = 0


def _widths(rest: UInt64s) -> npt.NDArray[np.uint8]:
    """Bits that each row's greatest number needs; above 57 it is 64, so that a number starts on a whole byte."""
    greatest = rest.max(axis=1) if len(rest) else np.zeros(0, np.uint64)
    width = np.zeros(len(rest), np.uint8)
    high, low = (greatest >> np.uint64(32)).astype(np.float64), (greatest & np.uint64(0xFFFFFFFF)).astype(np.float64)
    width = np.where(high > 0, 32 + np.frexp(high)[1], np.frexp(low)[1])
    return np.where(width > 57, 64, width).astype(np.uint8)


def _pack(rest: UInt64s, widths: npt.NDArray[np.uint8], count: int) -> bytes:
    """The bits of all blocks one after the other; every block but the last starts and ends on a whole byte."""
    parts: list[bytes] = [b""] * len(rest)
    for width in _distinct(widths):
        if width == 0:
            continue
        which = np.flatnonzero(widths == width)
        rows = rest[which]
        if width == 64:
            words = rows
        else:
            begin = _WITHIN * width
            word, shift = begin >> 6, (begin & 63).astype(np.uint64)
            starts = np.searchsorted(word, np.arange(BLOCK * width // 64))
            words = np.bitwise_or.reduceat(rows << shift, starts, axis=1)
            spill = np.flatnonzero((begin & 63) + width > 64)
            words[:, word[spill] + 1] |= rows[:, spill] >> (np.uint64(64) - shift[spill])
        for at, block in zip(which.tolist(), np.ascontiguousarray(words.astype("<u8", copy=False)), strict=True):
            parts[at] = block.tobytes()
    used = ((count - 1) % BLOCK + 1) * int(widths[-1])
    parts[-1] = parts[-1][: (used + 7) // 8]
    return b"".join(parts)


# ---------------------------------------------------------------- reading


class _Table(NamedTuple):
    """Blocks of one column over several chunks."""

    begins: Int64s  # first block of each chunk, and the number of blocks
    sizes: Int64s  # values in each block
    bits: Int64s  # where each block's bits start in the buffer
    rows: npt.NDArray[np.void]

    @property
    def width(self) -> Int64s:
        return self.rows["width"].astype(np.int64)


class Reader:
    """Several chunks side by side: any of their points by its place, or all of them.

    Places count from 0 over all the chunks given: `rank` among all points, `valid` among those that are not NaN.
    """

    def __init__(self, roots: npt.NDArray[np.void], pyramids: Sequence[bytes], points: Sequence[bytes]) -> None:
        self.roots = roots
        counts, nans = roots["count"].astype(np.int64), roots["nan_count"].astype(np.int64)
        valids = counts - nans
        self.rank_begins = _cumulated(counts)
        self.valid_begins = _cumulated(valids)
        n_blocks, n_value_blocks, n_buckets = -(-counts // BLOCK), -(-valids // BLOCK), -(-valids // BUCKET)
        ends = np.cumsum(
            [
                n_blocks * _LINE.itemsize,
                n_blocks * _LINE.itemsize,
                n_value_blocks * _FLOATS.itemsize,
                n_buckets * _BUCKETS.itemsize,
                roots["nan_bytes"].astype(np.int64),
            ],
            axis=0,
        ).T.tolist()
        lines: tuple[list[bytes], ...] = ([], [], [], [])
        places: list[Int64s] = []
        for number, (pyramid, (a, b, c, d, e)) in enumerate(zip(pyramids, ends, strict=True)):
            lines[0].append(pyramid[:a])
            lines[1].append(pyramid[a:b])
            lines[2].append(pyramid[b:c])
            lines[3].append(pyramid[c:d])
            if e > d:
                at = _places(pyramid[d:e], int(counts[number]), int(nans[number]))
                places.append(at + self.rank_begins[number])
        buffer = b"".join((*points, _PADDING))
        self._words = np.ndarray((len(buffer) - 7,), "<u8", buffer, 0, (1,))
        begins = _cumulated(np.fromiter(map(len, points), np.int64, len(points)))[:-1] * 8
        step_bits = roots["step_bytes"].astype(np.int64) * 8
        time_bits = roots["time_bytes"].astype(np.int64) * 8
        self._steps = _table(b"".join(lines[0]), _LINE, counts, n_blocks, begins)
        self._times = _table(b"".join(lines[1]), _LINE, counts, n_blocks, begins + step_bits)
        self._values = _table(b"".join(lines[2]), _FLOATS, valids, n_value_blocks, begins + step_bits + time_bits)
        self.buckets = np.frombuffer(b"".join(lines[3]), _BUCKETS)
        within = np.arange(len(self.buckets)) - np.repeat(_cumulated(n_buckets)[:-1], n_buckets)
        self.bucket_begins: Int64s = np.repeat(self.valid_begins[:-1], n_buckets) + within * BUCKET
        """The valid place at which each bucket starts."""
        self.nan_ranks: Int64s = np.concatenate(places) if places else np.empty(0, np.int64)
        self._valid_before_nan = self.nan_ranks - np.arange(len(self.nan_ranks))

    @property
    def count(self) -> int:
        return int(self.rank_begins[-1])

    def valid_of(self, ranks: Int64s) -> Int64s:
        """How many valid points come before each rank."""
        if not len(self.nan_ranks):
            return ranks
        return ranks - np.searchsorted(self.nan_ranks, ranks)

    def rank_of(self, valids: Int64s) -> Int64s:
        if not len(self.nan_ranks):
            return valids
        return valids + np.searchsorted(self._valid_before_nan, valids, "right")

    def steps_at(self, ranks: Int64s) -> Int64s:
        return self._line_at(self._steps, ranks)

    def times_at(self, ranks: Int64s) -> Int64s:
        return self._line_at(self._times, ranks)

    def values_at(self, valids: Int64s) -> Float64s:
        """Values of valid points by their valid place."""
        table = self._values
        block, within = _locate(table, self.valid_begins, valids)
        rows = table.rows[block]
        return _floats(self._bits_at(table, block, within), rows)

    def points_at(self, ranks: Int64s) -> Points:
        values = np.full(len(ranks), np.nan)
        is_valid = np.ones(len(ranks), np.bool_) if not len(self.nan_ranks) else ~np.isin(ranks, self.nan_ranks)
        values[is_valid] = self.values_at(self.valid_of(ranks[is_valid]))
        return Points(self.steps_at(ranks), self.times_at(ranks), values)

    def bucket_values(self, buckets: Int64s) -> Float64s:
        """Values of whole buckets, (len(buckets), BUCKET); what lies past the end of a chunk is arbitrary."""
        table = self._values
        chunk = np.searchsorted(self.valid_begins, self.bucket_begins[buckets], "right") - 1
        local = self.bucket_begins[buckets] - self.valid_begins[chunk]
        block = (table.begins[chunk] + (local >> 8))[:, None]
        within = (local & (BLOCK - 1))[:, None] + _WITHIN[:BUCKET]
        return _floats(self._bits_at(table, block, within), table.rows[block])

    def all(self) -> Points:
        """All points, in order."""
        steps = self._all_lines(self._steps)
        times = self._all_lines(self._times)
        flat = self.valid_values()
        if not len(self.nan_ranks):
            return Points(steps, times, flat)
        whole = np.full(len(steps), np.nan)
        mask = np.ones(len(steps), np.bool_)
        mask[self.nan_ranks] = False
        whole[mask] = flat
        return Points(steps, times, whole)

    def valid_values(self) -> Float64s:
        """All values that are not NaN, by their valid place."""
        rest, keep = self._all_bits(self._values)
        rows = self._values.rows
        modes = _distinct(rows["mode"])
        if len(modes) == 1:
            values = _block_floats(rest, rows, modes[0])
        else:
            values = np.empty(rest.shape, np.float64)
            for mode in modes:
                which = np.flatnonzero(rows["mode"] == mode)
                values[which] = _block_floats(rest[which], rows[which], mode)
        flat = values.reshape(-1)
        return flat if keep is None else flat[keep]

    def _line_at(self, table: _Table, ranks: Int64s) -> Int64s:
        block, within = _locate(table, self.rank_begins, ranks)
        line = (table.rows["slope"][block] * within) >> _SLOPE_BITS
        line += table.rows["base"][block]
        line += self._bits_at(table, block, within).view(np.int64)
        return line

    def _bits_at(self, table: _Table, block: Int64s, within: Int64s) -> UInt64s:
        width = table.width[block]
        at = table.bits[block] + within * width
        words: UInt64s = self._words[at >> 3]
        words >>= (at & 7).astype(np.uint64)
        words &= _MASKS[width]
        return words

    def _all_lines(self, table: _Table) -> Int64s:
        rest, keep = self._all_bits(table)
        out = rest.view(np.int64)
        out += (table.rows["slope"][:, None] * _WITHIN) >> _SLOPE_BITS
        out += table.rows["base"][:, None]
        flat = out.reshape(-1)
        return flat if keep is None else flat[keep]

    def _all_bits(self, table: _Table) -> tuple[UInt64s, Bools | None]:
        """Packed numbers of all blocks, (blocks, BLOCK), and which of them are there."""
        widths = table.rows["width"]
        rest = np.zeros((len(widths), BLOCK), np.uint64)
        for width in _distinct(widths):
            if width == 0:
                continue
            which = np.flatnonzero(widths == width)
            begin = _WITHIN * width
            words = self._words[(table.bits[which] >> 3)[:, None] + (begin >> 3)]
            words >>= (begin & 7).astype(np.uint64)
            words &= _MASKS[width]
            if len(which) == len(rest):
                rest = words
            else:
                rest[which] = words
        if (table.sizes == BLOCK).all():
            return rest, None
        return rest, (table.sizes[:, None] > _WITHIN).reshape(-1)


_MASKS: UInt64s = np.array([(1 << width) - 1 for width in range(65)], np.uint64)


def _distinct(column: npt.NDArray[np.uint8]) -> list[int]:
    return np.flatnonzero(np.bincount(column)).tolist()


def _cumulated(counts: Int64s) -> Int64s:
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


def _places(data: bytes, count: int, nan_count: int) -> Int64s:
    if nan_count * 2 <= (count + 7) // 8:
        return np.frombuffer(data, "<u2").astype(np.int64)
    return np.flatnonzero(np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little"))


def _table(data: bytes, kind: np.dtype[np.void], counts: Int64s, n_blocks: Int64s, begins: Int64s) -> _Table:
    rows = np.frombuffer(data, kind)
    firsts = _cumulated(n_blocks)
    sizes = np.full(len(rows), BLOCK, np.int64)
    some = n_blocks > 0
    sizes[firsts[1:][some] - 1] = (counts[some] - 1) % BLOCK + 1
    before = _cumulated(rows["width"].astype(np.int64) * BLOCK)
    bits = before[:-1] + np.repeat(begins - before[firsts[:-1]], n_blocks)
    return _Table(firsts, sizes, bits, rows)


def _locate(table: _Table, begins: Int64s, places: Int64s) -> tuple[Int64s, Int64s]:
    """Block and place within the block; `begins` holds the first place of every chunk."""
    if len(begins) == 2:
        return places >> 8, places & (BLOCK - 1)
    chunk = np.searchsorted(begins, places, "right") - 1
    local = places - begins[chunk]
    return table.begins[chunk] + (local >> 8), local & (BLOCK - 1)


def _block_floats(rest: UInt64s, rows: npt.NDArray[np.void], mode: int) -> Float64s:
    """Values of whole blocks of one mode, (blocks, BLOCK), from their packed numbers, which are overwritten."""
    if rows["sign"].any():
        return _floats(rest, rows[:, None])
    rest += rows["base"][:, None]
    if mode >= _DECIMAL:
        return np.asarray(rest.view(np.int64) / _POWERS[mode - _DECIMAL])
    if mode:
        rest <<= np.uint64(mode)
    return rest.view(np.float64)


def _floats(rest: UInt64s, rows: npt.NDArray[np.void]) -> Float64s:
    """Values from their packed numbers; `rows` broadcasts against `rest`."""
    base, mode, sign = rows["base"], rows["mode"], rows["sign"].astype(np.uint64)
    is_decimal = mode >= _DECIMAL
    if is_decimal.all():
        integers: Float64s = (rest + base).view(np.int64).astype(np.float64)
        return np.asarray(integers / _POWERS[mode - _DECIMAL])
    shift = np.where(is_decimal, 0, mode).astype(np.uint64)
    bits = ((rest >> sign) + base) << shift
    bits |= (rest & sign) << np.uint64(63)
    out: Float64s = bits.view(np.float64)
    if is_decimal.any():
        integers = (rest + base).view(np.int64).astype(np.float64)
        out = np.where(is_decimal, integers / _POWERS[np.where(is_decimal, mode - _DECIMAL, 0)], out)
    return out
