"""Reading metrics by public ids: the part of the tracking store that stands on the series store."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from millstream.entities import Metric, PagedList, SeriesLine, SeriesSummary, SeriesView, SeriesWindow
from millstream.errors import InvalidValue
from millstream.store import rules, series
from millstream.store.database import Database, Session, Statement
from millstream.store.tables import runs

MAX_RUNS = 100
MAX_SAMPLE = 2500

_KEYS = Statement(select(runs.c.id, runs.c.run_id).where(runs.c.run_id.in_(bindparam("run_ids", expanding=True))))


class MetricReads:
    """Histories, samples, windows and summaries; a run or key that is unknown has no points."""

    db: Database

    def get_metric_history(self, run_id: str, key: str, max_results: int | None, page_token: str) -> PagedList[Metric]:
        rules.check_text(run_id, "run_id")
        rules.check_text(key, "metric_key")
        if max_results is not None and max_results < 1:
            raise InvalidValue(
                f"max_results is {max_results}; it must be at least 1. Leave it out for the whole history."
            )
        with self.db.read() as session:
            found = _runs(session, [run_id])
            name_id = session.find_name_id(key)
            if not found or name_id is None:
                return PagedList()
            return series.history(session, found[0][0], name_id, max_results, page_token)

    def get_metric_history_bulk(self, run_ids: Sequence[str], key: str, max_results: int) -> list[Metric]:
        _check_runs(run_ids, "run_id")
        rules.check_text(key, "metric_key")
        if max_results < 1:
            raise InvalidValue(f"max_results is {max_results}; it must be at least 1.")
        with self.db.read() as session:
            name_id = session.find_name_id(key)
            return [] if name_id is None else series.bulk(session, _runs(session, run_ids), name_id, max_results)

    def sample_metric_history(
        self, run_ids: Sequence[str], key: str, start_step: int | None, end_step: int | None, max_results: int
    ) -> list[Metric]:
        _check_runs(run_ids, "run_ids")
        rules.check_text(key, "metric_key")
        if not 1 <= max_results <= MAX_SAMPLE:
            raise InvalidValue(f"max_results is {max_results}; it must be from 1 to {MAX_SAMPLE}.")
        if (start_step is None) != (end_step is None):
            raise InvalidValue("start_step and end_step go together: give both or neither.")
        if start_step is not None and end_step is not None and start_step > end_step:
            raise InvalidValue(f"start_step ({start_step}) is greater than end_step ({end_step}).")
        with self.db.read() as session:
            name_id = session.find_name_id(key)
            if name_id is None:
                return []
            return series.sample(session, _runs(session, run_ids), name_id, start_step, end_step, max_results)

    def get_metric_windows(self, run_ids: Sequence[str], keys: Sequence[str], view: SeriesView) -> list[SeriesWindow]:
        with self.db.read() as session:
            return series.windows(session, *_series(session, run_ids, keys), view)

    def get_metric_lines(self, run_ids: Sequence[str], keys: Sequence[str], view: SeriesView) -> list[SeriesLine]:
        with self.db.read() as session:
            return series.lines(session, *_series(session, run_ids, keys), view)

    def get_metric_summaries(self, run_id: str) -> list[SeriesSummary]:
        rules.check_text(run_id, "run_id")
        with self.db.read() as session:
            found = _runs(session, [run_id])
            return series.summary_list(session, found[0][0]) if found else []


def _check_runs(run_ids: Sequence[str], what: str) -> None:
    if not 1 <= len(run_ids) <= MAX_RUNS:
        raise InvalidValue(f"{what} must name 1 to {MAX_RUNS} runs, not {len(run_ids)}.")
    for run_id in run_ids:
        rules.check_text(run_id, what)


def _series(session: Session, run_ids: Sequence[str], keys: Sequence[str]) -> tuple[list[tuple[int, str]], list[int]]:
    """The runs and the names there are among these."""
    for run_id in run_ids:
        rules.check_text(run_id, "run_ids")
    for key in keys:
        rules.check_text(key, "keys")
    name_ids = [name_id for key in keys if (name_id := session.find_name_id(key)) is not None]
    return _runs(session, run_ids), name_ids


def _runs(session: Session, run_ids: Sequence[str]) -> list[tuple[int, str]]:
    """Key and public id of the runs there are, in the order given, each once."""
    keys = {run_id: key for key, run_id in session.rows(_KEYS, run_ids=list(run_ids))}
    return [(keys[run_id], run_id) for run_id in dict.fromkeys(run_ids) if run_id in keys]
