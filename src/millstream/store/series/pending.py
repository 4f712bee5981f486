"""The queue of series worth folding. Looking at it needs no numpy: in a short-lived process it is mostly empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from millstream.store.statement import Statement
from millstream.store.tables import fold_queue

if TYPE_CHECKING:
    from millstream.store.database import Database

_QUEUED = Statement(select(fold_queue.c.run, fold_queue.c.name_id).limit(bindparam("limit")))


def fold_pending(db: Database, limit: int = 100) -> int:
    """Fold series that were found worth it, each in a write of its own.

    Args:
        limit: most series to fold.
    Returns:
        Series folded; less than `limit` when nothing is left to do.
    """
    with db.read() as session:
        queued = session.rows(_QUEUED, limit=limit)
    if queued:
        from millstream.store.series.folding import fold
    for run, name_id in queued:
        db.write(lambda session, run=run, name_id=name_id: fold(session, run, name_id))  # type: ignore[misc]
    return len(queued)
