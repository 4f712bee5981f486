"""Histories of metrics: in full, sampled, and as a chart wants them."""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.endpoint import AJAX_ONLY, MILLSTREAM, endpoint
from millstream.api.stores import TrackingStore
from millstream.entities import Int64, Metric, SeriesLine, SeriesSummary, SeriesView, SeriesWindow
from millstream.errors import InvalidValue


class GetHistory(Struct, omit_defaults=True):
    run_id: str
    metric_key: str
    max_results: Int64 | None = None
    page_token: str = ""
    run_uuid: str = ""


class MetricPage(Struct, omit_defaults=True):
    metrics: list[Metric] = field(default_factory=list)
    next_page_token: str | None = None


class GetHistoryBulk(Struct, omit_defaults=True):
    run_id: list[str]
    metric_key: str
    max_results: Int64 = 25_000


class AllMetrics(Struct):
    """Unlike elsewhere, an empty list is written as such."""

    metrics: list[Metric]


class GetHistoryInterval(Struct, omit_defaults=True):
    run_ids: list[str]
    metric_key: str
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int64 = 2500


class GetWindows(Struct, omit_defaults=True):
    """`start` and `end` bound the axis, both included; None means from or to the end of the series.

    They count from `origins` (none, or one for each of `run_ids`): with the start of every run there, and the axis of
    time, they are milliseconds since each run's own start.
    """

    run_ids: list[str]
    keys: list[str]
    width: Int64 = 1000
    axis: str = "step"
    start: Int64 | None = None
    end: Int64 | None = None
    origins: list[Int64] = field(default_factory=list)


class Windows(Struct, omit_defaults=True):
    windows: list[SeriesWindow] = field(default_factory=list)


class Lines(Struct, omit_defaults=True):
    lines: list[SeriesLine] = field(default_factory=list)


class GetSummaries(Struct, omit_defaults=True):
    run_id: str


class Summaries(Struct, omit_defaults=True):
    series: list[SeriesSummary] = field(default_factory=list)


@endpoint("GET", "metrics/get-history", access="run:read")
def get_history(store: TrackingStore, req: GetHistory) -> MetricPage:
    """All points of one metric in order of timestamp, step, value; in pages if `max_results` is given."""
    page = store.get_metric_history(req.run_id, req.metric_key, req.max_results, req.page_token)
    return MetricPage(list(page), page.token)


@endpoint("GET", "metrics/get-history-bulk", access="run:read", prefixes=AJAX_ONLY)
def get_history_bulk(store: TrackingStore, req: GetHistoryBulk) -> AllMetrics:
    """The histories of one metric in 1 to 100 runs, run by run, cut at `max_results` points in all."""
    return AllMetrics(store.get_metric_history_bulk(req.run_id, req.metric_key, req.max_results))


@endpoint("GET", "metrics/get-history-bulk-interval", access="run:read")
def get_history_bulk_interval(store: TrackingStore, req: GetHistoryInterval) -> MetricPage:
    """Evenly sampled histories of one metric in 1 to 100 runs, first and last point kept, `max_results` points a run."""
    return MetricPage(
        store.sample_metric_history(req.run_ids, req.metric_key, req.start_step, req.end_step, req.max_results)
    )


@endpoint("POST", "metrics/windows", access="run:read", prefixes=MILLSTREAM, is_write=False)
def get_windows(store: TrackingStore, req: GetWindows) -> Windows:
    """Many series over one window, each exact at the resolution of a chart `width` pixels wide."""
    return Windows(store.get_metric_windows(req.run_ids, req.keys, _view(req)))


@endpoint("POST", "metrics/lines", access="run:read", prefixes=MILLSTREAM, is_write=False)
def get_lines(store: TrackingStore, req: GetWindows) -> Lines:
    """As `metrics/windows`, for who draws them: places and values as arrays of little-endian doubles in base64."""
    return Lines(store.get_metric_lines(req.run_ids, req.keys, _view(req)))


def _view(req: GetWindows) -> SeriesView:
    if req.origins and len(req.origins) != len(req.run_ids):
        raise InvalidValue(
            f"There are {len(req.origins)} origins for {len(req.run_ids)} run_ids. Give one for each, or none."
        )
    origins = dict(zip(req.run_ids, req.origins, strict=False))
    return SeriesView(req.width, req.axis, req.start, req.end, origins)


@endpoint("GET", "metrics/summaries", access="run:read", prefixes=MILLSTREAM)
def get_summaries(store: TrackingStore, req: GetSummaries) -> Summaries:
    """Count, first, last, least and greatest point of every metric of a run, without reading histories."""
    return Summaries(store.get_metric_summaries(req.run_id))
