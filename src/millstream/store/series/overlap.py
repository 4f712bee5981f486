"""Which points of a batch are there already: read are the tails and the chunks whose range overlaps, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from millstream.store.series import stored
from millstream.store.series.codec import Points, join
from millstream.store.series.summary import NEVER

if TYPE_CHECKING:
    from millstream.store.database import Session
    from millstream.store.series.appending import Batch


def without_known(session: Session, run: int, name_id: int, batch: Batch) -> Batch:
    """The batch without the points that the series has."""
    steps, times, values = batch
    rows = stored.in_box(session, run, name_id, (steps[0], steps[-1]), (min(times), max(times)))
    known = join([stored.tail(session, run, name_id), stored.points_of(rows)])
    near = np.isin(known.steps, np.array(steps)) & np.isin(known.times, np.array(times))
    there = _places(known.take(near))
    if not there:
        return batch
    keep = [
        at
        for at, (step, time, value) in enumerate(zip(steps, times, values, strict=True))
        if (step, time, value if value == value else NEVER) not in there
    ]
    return [steps[at] for at in keep], [times[at] for at in keep], [values[at] for at in keep]


def _places(points: Points) -> set[tuple[int, int, float]]:
    values = np.where(np.isnan(points.values), NEVER, points.values)
    return set(zip(points.steps.tolist(), points.times.tolist(), values.tolist(), strict=True))
