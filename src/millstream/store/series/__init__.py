"""Histories of metrics: appended small, folded into packed chunks, read whole, in pages, sampled, or as a chart wants them.

Every function takes a `Session`, the key of a run and the key of a name. Whoever writes must be inside of a write; a request that
appends to several series, or does other things too, is one transaction with them. docs/series.md says how points are stored.

    append(session, run, experiment_id, {name_id: metrics})      add points
    summary_list(session, run)                                   count, first, last, min, max of each metric
    history(session, run, name_id, max_results, page_token)      all points, or a page
    columns(session, run, name_id)                               all points, as arrays
    bulk(...), sample(...)                                       MLflow's calls for several runs
    windows(session, runs, name_ids, SeriesView(width, ...))       exactly what a chart of that width shows
    lines(...)                                                   the same as arrays, for who only draws it
    rewind(session, run, step, name_ids)                         delete from a step on
    delete_series(session, run, name_id)                         delete for good
    finish(session, run)                                         the run has ended: fold what is left
    fold(session, run, name_id), fold_pending(db, limit)         move points into chunks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream import lazy
from millstream.store.series.appending import append, finish
from millstream.store.series.pending import fold_pending

if TYPE_CHECKING:
    from millstream.store.series.charts import lines, windows
    from millstream.store.series.folding import fold
    from millstream.store.series.histories import bulk, columns, history, sample, summary_list
    from millstream.store.series.rewinding import delete_series, rewind

__getattr__, __dir__, _ = lazy.names(
    __name__,
    {
        "store.series.charts": "lines windows",
        "store.series.folding": "fold",
        "store.series.histories": "bulk columns history sample summary_list",
        "store.series.rewinding": "delete_series rewind",
    },
)
"""Functions that need numpy: imported when first used, so that appending does without."""

__all__ = [
    "View", "append", "bulk", "columns", "delete_series", "finish", "fold", "fold_pending", "history", "lines", "rewind",
    "sample", "summary_list", "windows",
]  # fmt: skip
