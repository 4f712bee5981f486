"""The rows of one series: its tails and its chunks, as SQL and as points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import bindparam, delete, func, select

from millstream.store.series.codec import NO_POINTS, ROOT, Chunk, Points, Reader, in_order, join
from millstream.store.statement import Statement, insert_into
from millstream.store.tables import chunks, fold_queue, tails

if TYPE_CHECKING:
    from millstream.store.database import Session

SEQ_STRIDE = 1 << 32
"""Room between neighbouring chunks, for those that come between them when one is split."""

_IN_TAILS = (tails.c.run == bindparam("in_run"), tails.c.name_id == bindparam("in_name"))
_IN_CHUNKS = (chunks.c.run == bindparam("in_run"), chunks.c.name_id == bindparam("in_name"))
_HEAD = (chunks.c.seq, chunks.c.root)
_WHOLE = (*_HEAD, chunks.c.pyramid, chunks.c.points)

_TAILS = Statement(select(tails.c.points).where(*_IN_TAILS).order_by(tails.c.seq))
_DELETE_TAILS = Statement(delete(tails).where(*_IN_TAILS))
_HEADS = Statement(select(*_HEAD).where(*_IN_CHUNKS).order_by(chunks.c.seq))
_ALL = Statement(select(*_WHOLE).where(*_IN_CHUNKS).order_by(chunks.c.seq))
_LAST = Statement(select(*_WHOLE).where(*_IN_CHUNKS).order_by(chunks.c.seq.desc()).limit(1))
_BY_SEQ = Statement(
    select(*_WHOLE).where(*_IN_CHUNKS, chunks.c.seq.in_(bindparam("seqs", expanding=True))).order_by(chunks.c.seq)
)
_HEADS_BETWEEN_STEPS = Statement(
    select(*_HEAD)
    .where(*_IN_CHUNKS, chunks.c.last_step >= bindparam("low"), chunks.c.first_step <= bindparam("high"))
    .order_by(chunks.c.seq)
)
_HEADS_BETWEEN_TIMES = Statement(
    select(*_HEAD)
    .where(*_IN_CHUNKS, chunks.c.max_time >= bindparam("low"), chunks.c.min_time <= bindparam("high"))
    .order_by(chunks.c.seq)
)
_BETWEEN_STEPS = Statement(
    select(*_WHOLE)
    .where(*_IN_CHUNKS, chunks.c.last_step >= bindparam("low"), chunks.c.first_step <= bindparam("high"))
    .order_by(chunks.c.seq)
)
_BETWEEN_TIMES = Statement(
    select(*_WHOLE)
    .where(*_IN_CHUNKS, chunks.c.max_time >= bindparam("low"), chunks.c.min_time <= bindparam("high"))
    .order_by(chunks.c.seq)
)
_TIME_RANGE = Statement(select(func.min(chunks.c.min_time), func.max(chunks.c.max_time)).where(*_IN_CHUNKS))
_BOX = Statement(
    select(*_WHOLE)
    .where(
        *_IN_CHUNKS,
        chunks.c.last_step >= bindparam("low_step"),
        chunks.c.first_step <= bindparam("high_step"),
        chunks.c.max_time >= bindparam("low_time"),
        chunks.c.min_time <= bindparam("high_time"),
    )
    .order_by(chunks.c.seq)
)
_DELETE_CHUNK = Statement(delete(chunks).where(*_IN_CHUNKS, chunks.c.seq == bindparam("in_seq")))
_DELETE_CHUNKS = Statement(delete(chunks).where(*_IN_CHUNKS))
_INSERT_CHUNK = insert_into(chunks)
_UNQUEUE = Statement(
    delete(fold_queue).where(fold_queue.c.run == bindparam("in_run"), fold_queue.c.name_id == bindparam("in_name"))
)


class Heads:
    """Roots of chunks in order, read without their points."""

    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.seqs: list[int] = [row[0] for row in rows]
        self.roots = parse_roots([row[1] for row in rows])

    def __len__(self) -> int:
        return len(self.seqs)


def parse_roots(roots: Sequence[bytes]) -> npt.NDArray[np.void]:
    return np.frombuffer(b"".join(roots), ROOT)


def reader(rows: Sequence[tuple[Any, ...]]) -> Reader:
    """A reader over whole chunks: rows of (seq, root, pyramid, points)."""
    return Reader(parse_roots([row[1] for row in rows]), [row[2] for row in rows], [row[3] for row in rows])


def points_of(rows: Sequence[tuple[Any, ...]]) -> Points:
    return reader(rows).all() if rows else NO_POINTS


def tail(session: Session, run: int, name_id: int) -> Points:
    """The unfolded points, in order."""
    rows = session.rows(_TAILS, in_run=run, in_name=name_id)
    if not rows:
        return NO_POINTS
    if all(len(row[0]) == 24 for row in rows):
        table = np.frombuffer(b"".join([row[0] for row in rows]), "<i8").reshape(-1, 3)
        points = Points(table[:, 0], table[:, 1], np.ascontiguousarray(table[:, 2]).view("<f8"))
    else:
        points = join([_unpacked(row[0]) for row in rows])
    return in_order(points)


def _unpacked(data: bytes) -> Points:
    columns = np.frombuffer(data, "<i8").reshape(3, -1)
    return Points(columns[0], columns[1], columns[2].view("<f8"))


def heads(session: Session, run: int, name_id: int) -> Heads:
    return Heads(session.rows(_HEADS, in_run=run, in_name=name_id))


def heads_between(session: Session, run: int, name_id: int, axis: str, low: int, high: int) -> Heads:
    """Chunks that may hold points with `low` <= axis <= `high`; axis is "step" or "time"."""
    query = _HEADS_BETWEEN_STEPS if axis == "step" else _HEADS_BETWEEN_TIMES
    return Heads(session.rows(query, in_run=run, in_name=name_id, low=low, high=high))


def between(session: Session, run: int, name_id: int, axis: str, low: int, high: int) -> list[tuple[Any, ...]]:
    """As `heads_between`, with everything that the chunks hold."""
    query = _BETWEEN_STEPS if axis == "step" else _BETWEEN_TIMES
    return session.rows(query, in_run=run, in_name=name_id, low=low, high=high)


def time_range(session: Session, run: int, name_id: int) -> tuple[int | None, int | None]:
    """Least and greatest timestamp of the folded points."""
    low, high = session.rows(_TIME_RANGE, in_run=run, in_name=name_id)[0]
    return low, high


def whole(session: Session, run: int, name_id: int) -> list[tuple[Any, ...]]:
    return session.rows(_ALL, in_run=run, in_name=name_id)


def last(session: Session, run: int, name_id: int) -> tuple[Any, ...] | None:
    return session.row(_LAST, in_run=run, in_name=name_id)


def by_seq(session: Session, run: int, name_id: int, seqs: Sequence[int]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(seqs), 256):
        rows += session.rows(_BY_SEQ, in_run=run, in_name=name_id, seqs=seqs[start : start + 256])
    return rows


def in_box(
    session: Session, run: int, name_id: int, steps: tuple[int, int], times: tuple[int, int]
) -> list[tuple[Any, ...]]:
    """Whole chunks that may hold points with both coordinates in these closed ranges."""
    return session.rows(
        _BOX,
        in_run=run,
        in_name=name_id,
        low_step=steps[0],
        high_step=steps[1],
        low_time=times[0],
        high_time=times[1],
    )


def delete_tails(session: Session, run: int, name_id: int) -> None:
    session.run(_DELETE_TAILS, in_run=run, in_name=name_id)


def delete_chunks(session: Session, run: int, name_id: int, seqs: Sequence[int] | None) -> None:
    """Delete these chunks, all of them for None."""
    if seqs is None:
        session.run(_DELETE_CHUNKS, in_run=run, in_name=name_id)
        return
    session.run_many(_DELETE_CHUNK, [{"in_run": run, "in_name": name_id, "in_seq": seq} for seq in seqs])


def insert_chunks(session: Session, run: int, name_id: int, rows: Sequence[tuple[int, Chunk]]) -> None:
    session.run_many(
        _INSERT_CHUNK, [{"run": run, "name_id": name_id, "seq": seq, **chunk._asdict()} for seq, chunk in rows]
    )


def unqueue(session: Session, run: int, name_id: int) -> None:
    session.run(_UNQUEUE, in_run=run, in_name=name_id)
