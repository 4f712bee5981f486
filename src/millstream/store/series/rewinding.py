"""Taking points away again: from a step on, or a whole series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from millstream.store.series import stored, summary
from millstream.store.series.codec import encode
from millstream.store.series.folding import fold
from millstream.store.series.summary import Summary

if TYPE_CHECKING:
    from millstream.store.database import Session


def rewind(session: Session, run: int, step: int, name_ids: Sequence[int] | None = None) -> int:
    """Delete all points of a run from a step on; series that are left without points vanish.

    Args:
        session: inside a write.
        step: points with this step or a greater one go.
        name_ids: the series concerned; None for all of the run.
    Returns:
        How many points were deleted.
    """
    rows = summary.lock_all(session, run)
    chosen = rows if name_ids is None else {name_id: rows[name_id] for name_id in name_ids if name_id in rows}
    return sum(_rewind(session, run, name_id, row, step) for name_id, row in chosen.items())


def delete_series(session: Session, run: int, name_id: int | None = None) -> None:
    """Delete a series, or all of a run, with their points."""
    for chosen in summary.lock_all(session, run) if name_id is None else [name_id]:
        _delete(session, run, chosen)


def _delete(session: Session, run: int, name_id: int) -> None:
    stored.delete_tails(session, run, name_id)
    stored.delete_chunks(session, run, name_id, None)
    stored.unqueue(session, run, name_id)
    summary.remove(session, run, name_id)


def _rewind(session: Session, run: int, name_id: int, row: Summary, step: int) -> int:
    if row.last_step < step:
        return 0
    if row.first_step >= step:
        _delete(session, run, name_id)
        return row.points
    fold(session, run, name_id)
    heads = stored.heads(session, run, name_id)
    gone = [at for at in range(len(heads)) if int(heads.roots[at]["last"]["step"]) >= step]
    cut = stored.by_seq(session, run, name_id, [heads.seqs[gone[0]]])
    kept = stored.points_of(cut)
    kept = kept.take(slice(0, int(np.searchsorted(kept.steps, step))))
    stored.delete_chunks(session, run, name_id, [heads.seqs[at] for at in gone])
    roots = heads.roots[: gone[0]]
    if kept.size:
        chunk = encode(kept)
        stored.insert_chunks(session, run, name_id, [(heads.seqs[gone[0]], chunk)])
        roots = np.concatenate((roots, stored.parse_roots([chunk.root])))
    after = _summary(roots)
    summary.update_many(session, [summary.change(run, name_id, after)])
    return row.points - after.points


def _summary(roots: npt.NDArray[np.void]) -> Summary:
    """The summary of a series that is folded as a whole, from the roots of its chunks."""
    first, last = roots[0]["first"], roots[-1]["last"]
    count, nans = int(roots["count"].sum()), int(roots["nan_count"].sum())
    valid = roots[roots["count"] > roots["nan_count"]]
    extremes: tuple[float | int | None, ...] = (None,) * 6
    if len(valid):
        low = valid["low"][int(valid["low"]["value"].argmin())]
        high = valid["high"][int(valid["high"]["value"].argmax())]
        extremes = (*_columns(low), *_columns(high))
    return Summary._make((count, nans, *_columns(last), *_columns(first), *extremes, 0))


def _columns(point: npt.NDArray[np.void] | np.void) -> tuple[float | None, int, int]:
    value = float(point["value"])
    return (value if value == value else None), int(point["step"]), int(point["time"])
