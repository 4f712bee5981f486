"""Searching runs, as a DataFrame (pandas, polars), an Arrow table, or a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from millstream.entities import Run, ViewType
from millstream.errors import InvalidValue, MissingLibrary
from millstream.tracking import experiments, uris

if TYPE_CHECKING:
    import pandas as pd

OutputFormat = Literal["pandas", "list", "polars", "arrow"]

PAGE = 10_000
"""Runs fetched by one request."""

_INFO = ("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time")


@overload
def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int | str = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = None,
    output_format: Literal["pandas"] = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
    select: Sequence[str] | None = None,
) -> pd.DataFrame: ...
@overload
def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int | str = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = None,
    *,
    output_format: Literal["list"],
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
    select: Sequence[str] | None = None,
) -> list[Run]: ...
@overload
def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int | str = ...,
    max_results: int = ...,
    order_by: Sequence[str] | None = None,
    output_format: str = ...,
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
    select: Sequence[str] | None = None,
) -> Any: ...
def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int | str = ViewType.ACTIVE_ONLY,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
    select: Sequence[str] | None = None,
) -> Any:
    """Runs that match a filter.

    Args:
        experiment_ids: where to search; the active experiment if neither ids nor names are given.
        filter_string: such as `metrics.acc > 0.9 and params.model = 'cnn'`.
        run_view_type: ACTIVE_ONLY, DELETED_ONLY or ALL.
        max_results: at most so many.
        order_by: such as `["metrics.acc DESC"]`; the newest first if not given.
        output_format: "pandas", "list", "polars" or "arrow" (the last two are extensions).
        search_all_experiments: search all active experiments if neither ids nor names are given.
        experiment_names: instead of ids; unknown ones are left out with a warning.
        select: extension: what to return of each run, as `metrics.<key>`, `params.<key>`, `tags.<key>` or a whole group
            (`metrics`, `params`, `tags`); everything if not given.
    Returns:
        A list of runs, or a table with the columns run_id, experiment_id, status, artifact_uri, start_time, end_time, then
        `metrics.<key>`, `params.<key>`, `tags.<key>`. Times are UTC; what a run lacks is NaN, NaT or None
        (pandas 3 makes NaN of missing texts).
    Raises:
        ValueError: another `output_format`. InvalidValue: ids and names both given, or a filter that cannot be read.
    """
    if output_format not in ("pandas", "list", "polars", "arrow"):
        raise ValueError(f"Unsupported output format {output_format!r}. Use 'pandas', 'list', 'polars' or 'arrow'.")
    ids = _experiment_ids(experiment_ids, experiment_names, search_all_experiments)
    runs = _fetch(ids, filter_string, run_view_type, max_results, order_by, select) if ids else []
    if output_format == "list":
        return runs
    columns = _columns(runs)
    if output_format == "pandas":
        return _to_pandas(columns)
    if output_format == "polars":
        return _to_polars(columns)
    return _to_arrow(columns)


def _experiment_ids(
    experiment_ids: Sequence[str] | None, experiment_names: Sequence[str] | None, search_all: bool
) -> list[str]:
    if experiment_ids and experiment_names:
        raise InvalidValue("Give either experiment_ids or experiment_names.")
    if experiment_ids:
        return [str(experiment_id) for experiment_id in experiment_ids]
    if experiment_names is not None:
        return experiments.ids_of(experiment_names)
    if search_all:
        return [experiment.experiment_id for experiment in experiments.search_experiments()]
    return [experiments.active_experiment_id()] if experiment_ids is None else []


def _fetch(
    ids: list[str],
    filter_string: str,
    run_view_type: int | str,
    max_results: int,
    order_by: Sequence[str] | None,
    select: Sequence[str] | None,
) -> list[Run]:
    client = uris.client()
    options: dict[str, Any] = {"select": list(select)} if select else {}
    found: list[Run] = []
    token: str | None = None
    while len(found) < max_results:
        page = client.search_runs(
            ids,
            filter_string=filter_string or "",
            run_view_type=run_view_type,
            max_results=min(PAGE, max_results - len(found)),
            order_by=list(order_by) if order_by else None,
            page_token=token,
            **options,
        )
        found += page
        token = page.token
        if not token:
            break
    return found


def _columns(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Columns by name; times in ms, None for what is missing."""
    infos = [run.info for run in runs]
    columns: dict[str, list[Any]] = {name: [getattr(info, name) for info in infos] for name in _INFO}
    columns["status"] = [info.status.value for info in infos]
    for group, name in (("metrics", "metric_list"), ("params", "param_list"), ("tags", "tag_list")):
        added: dict[str, list[Any]] = {}
        for row, run in enumerate(runs):
            for pair in getattr(run.data, name):
                column = added.get(pair.key)
                if column is None:
                    column = added[pair.key] = [None] * len(runs)
                column[row] = pair.value
        columns.update({f"{group}.{key}": column for key, column in added.items()})
    return columns


def _to_pandas(columns: dict[str, list[Any]]) -> pd.DataFrame:
    import numpy as np

    from millstream.media.tables import pandas

    pd = pandas()
    series: dict[str, Any] = {}
    for name, values in columns.items():
        if name in ("start_time", "end_time"):
            series[name] = pd.to_datetime(pd.Series(values, dtype="Int64").astype("object"), unit="ms", utc=True)
        elif name.startswith("metrics."):
            series[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        else:
            series[name] = np.array(values, dtype=object)
    return pd.DataFrame(series, columns=list(columns))


def _to_arrow(columns: dict[str, list[Any]]) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingLibrary("pyarrow", "An Arrow table") from None
    arrays = {}
    for name, values in columns.items():
        if name in ("start_time", "end_time"):
            arrays[name] = pa.array(values, pa.timestamp("ms", tz="UTC"))
        else:
            arrays[name] = pa.array(values, pa.float64() if name.startswith("metrics.") else pa.string())
    return pa.table(arrays)


def _to_polars(columns: dict[str, list[Any]]) -> Any:
    try:
        import polars as pl
    except ImportError:
        raise MissingLibrary("polars", "A polars frame") from None
    series = []
    for name, values in columns.items():
        if name in ("start_time", "end_time"):
            series.append(pl.Series(name, values, dtype=pl.Int64).cast(pl.Datetime("ms", "UTC")))
        else:
            series.append(pl.Series(name, values, dtype=pl.Float64 if name.startswith("metrics.") else pl.String))
    return pl.DataFrame(series)
