"""Folding: the points of `tails` become part of `chunks`.

Chunks are disjoint stretches in order of (step, timestamp, value), so most folds touch the last chunk only. Points out of
order go into the chunk they belong to, which is split when it grows past `SPLIT`. A fold is one transaction that holds the
lock of the series' row, so appends, rewinds, reads and other folders see it whole or not at all.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import bindparam, update

from millstream.store.series import stored, summary
from millstream.store.series.codec import Chunk, Points, encode, in_order, join
from millstream.store.series.stored import SEQ_STRIDE, Heads
from millstream.store.series.summary import NEVER, Place
from millstream.store.statement import Statement
from millstream.store.tables import chunks, series

if TYPE_CHECKING:
    from millstream.store.database import Session

TARGET = 4096
"""Points of a full chunk."""
SPLIT = 2 * TARGET
"""Points from which a chunk that grew in the middle is split."""

_SET_FOLDED = Statement(
    update(series)
    .where(series.c.run == bindparam("in_run"), series.c.name_id == bindparam("in_name"))
    .values(unfolded=0)
)
_RENUMBER = Statement(
    update(chunks)
    .where(
        chunks.c.run == bindparam("in_run"), chunks.c.name_id == bindparam("in_name"), chunks.c.seq == bindparam("old")
    )
    .values(seq=bindparam("new"))
)


def fold(session: Session, run: int, name_id: int) -> int:
    """Move all points of a series' tails into chunks; returns how many. Does nothing when there are none."""
    row = summary.lock_one(session, run, name_id)
    points = stored.tail(session, run, name_id) if row is not None and row.unfolded else None
    if points is not None and points.size:
        _insert(session, run, name_id, points)
        stored.delete_tails(session, run, name_id)
        session.run(_SET_FOLDED, in_run=run, in_name=name_id)
    stored.unqueue(session, run, name_id)
    return 0 if points is None else points.size


def place(points: Points, at: int) -> Place:
    value = float(points.values[at])
    return int(points.steps[at]), int(points.times[at]), value if value == value else NEVER


def _place_of(point: Any) -> Place:
    value = float(point["value"])
    return int(point["step"]), int(point["time"]), value if value == value else NEVER


def _insert(session: Session, run: int, name_id: int, points: Points) -> None:
    last = stored.last(session, run, name_id)
    if last is None:
        _write(session, run, name_id, None, points, 0)
        return
    root = stored.parse_roots([last[1]])[0]
    if place(points, 0) > _place_of(root["last"]):
        if int(root["count"]) < TARGET:
            _write(session, run, name_id, last[0], join([stored.points_of([last]), points]), last[0])
        else:
            _write(session, run, name_id, None, points, last[0] + SEQ_STRIDE)
        return
    _insert_between(session, run, name_id, points)


def _write(session: Session, run: int, name_id: int, replaced: int | None, points: Points, seq: int) -> None:
    """Write points as full chunks and a rest, at the end of the series, from `seq` on."""
    if replaced is not None:
        stored.delete_chunks(session, run, name_id, [replaced])
    rows: list[tuple[int, Chunk]] = []
    for start in range(0, points.size, TARGET):
        rows.append((seq, encode(points.take(slice(start, start + TARGET)))))
        seq += SEQ_STRIDE
    stored.insert_chunks(session, run, name_id, rows)


def _insert_between(session: Session, run: int, name_id: int, points: Points) -> None:
    """Put points into the chunks whose stretch they fall into; those after a chunk's end belong to that chunk."""
    heads = stored.heads(session, run, name_id)
    begins = [_place_of(root["first"]) for root in heads.roots]
    cuts = [0, *(_first_not_below(points, begin) for begin in begins[1:]), points.size]
    for at in reversed(range(len(heads))):
        added = points.take(slice(cuts[at], cuts[at + 1]))
        if not added.size:
            continue
        seq = heads.seqs[at]  # read here: `_room` may have renumbered
        (old,) = stored.by_seq(session, run, name_id, [seq])
        merged = in_order(join([stored.points_of([old]), added]))
        if at == len(heads) - 1:
            _write(session, run, name_id, seq, merged, seq)
            continue
        n_parts = 1 if merged.size < SPLIT else -(-merged.size // TARGET)
        seqs = _room(session, run, name_id, heads, at, n_parts)
        stored.delete_chunks(session, run, name_id, [seqs[0]])
        edges = np.linspace(0, merged.size, n_parts + 1).astype(int).tolist()
        parts = [encode(merged.take(slice(a, b))) for a, b in pairwise(edges)]
        stored.insert_chunks(session, run, name_id, list(zip(seqs, parts, strict=True)))


def _first_not_below(points: Points, begin: Place) -> int:
    """How many of the points, which are in order, come before `begin`."""
    low = int(np.searchsorted(points.steps, begin[0], "left"))
    high = int(np.searchsorted(points.steps, begin[0], "right"))
    while low < high:
        middle = (low + high) // 2
        if place(points, middle) < begin:
            low = middle + 1
        else:
            high = middle
    return low


def _room(session: Session, run: int, name_id: int, heads: Heads, at: int, n_parts: int) -> list[int]:
    """Numbers for the parts of the chunk at place `at`: its own, then ones below the next chunk's."""
    begin, end = heads.seqs[at], heads.seqs[at + 1]
    if end - begin < n_parts:
        # chunks behind the one at hand may have been split meanwhile: read their numbers anew
        fresh = stored.heads(session, run, name_id).seqs
        stride = max(SEQ_STRIDE, n_parts)
        numbers = [fresh[-1] + stride * (number + 1) for number in range(len(fresh))]
        session.run_many(
            _RENUMBER,
            [
                {"in_run": run, "in_name": name_id, "old": old, "new": new}
                for old, new in zip(fresh, numbers, strict=True)
            ],
        )
        moved = dict(zip(fresh, numbers, strict=True))
        heads.seqs[:] = [moved[seq] for seq in heads.seqs]
        begin, end = heads.seqs[at], heads.seqs[at + 1]
    return [begin + (end - begin) * number // n_parts for number in range(n_parts)]
