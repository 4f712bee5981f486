"""The queue of series worth folding. Looking at it needs no numpy: in a short-lived process it is mostly empty."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from millstream.errors import MillstreamError
from millstream.store.statement import Statement
from millstream.store.tables import fold_queue

if TYPE_CHECKING:
    from millstream.store.database import Database

_logger = logging.getLogger(__name__)

_QUEUED = Statement(select(fold_queue.c.run, fold_queue.c.name_id).limit(bindparam("limit")))


def fold_pending(db: Database, limit: int = 100) -> int:
    """Fold series that were found worth it, each in a write of its own.

    A series whose chunks cannot be read is logged and leaves the queue with its points where they are.

    Args:
        limit: most series to fold.
    Returns:
        Series taken from the queue; less than `limit` when nothing is left to do.
    Raises:
        Unavailable: the database does not take the writes; the rest stays queued.
    """
    with db.read() as session:
        queued = session.rows(_QUEUED, limit=limit)
    if queued:
        from millstream.store.series import stored
        from millstream.store.series.folding import fold
    for run, name_id in queued:
        try:
            db.write(partial(fold, run=run, name_id=name_id))
        except MillstreamError:
            raise
        except Exception:  # a damaged chunk fails in any way that arrays can
            _logger.exception("The points of run %d, metric %d (keys) cannot be folded.", run, name_id)
            db.write(partial(stored.unqueue, run=run, name_id=name_id))
    return len(queued)
