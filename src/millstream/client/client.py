"""`MillstreamClient`, also named `MlflowClient`: every call of tracking, for one tracking URI, without an active run.

What is logged goes through the journal and returns at once; reads of the same process see it, because they deliver it first.
`synchronous=True`, or `MILLSTREAM_SYNC=1`, waits for the store.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from millstream.api import experiments, metrics, runs
from millstream.api.endpoint import Endpoint
from millstream.client import checks
from millstream.client.artifact_methods import ArtifactMethods
from millstream.client.model_methods import ModelMethods
from millstream.client.operations import RunOperations
from millstream.client.recorder import Recorder, get_recorder
from millstream.client.registry_methods import RegistryMethods
from millstream.client.transport import Transport, open_transport
from millstream.client.uris import normalize, redact
from millstream.client.webhook_methods import WebhookMethods
from millstream.entities import (
    PARENT_RUN_TAG,
    USER_TAG,
    DatasetInput,
    Experiment,
    ExperimentTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    PagedList,
    Param,
    Run,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
    SeriesSummary,
    SeriesWindow,
    ViewType,
)
from millstream.errors import InvalidValue, NotFound, Offline
from millstream.media.client import MediaLogging
from millstream.settings import ENABLE_ASYNC_LOGGING, OFFLINE, REGISTRY_URI, SYNC

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")

HISTORY_PAGE = 250_000
"""Points asked for at once: a long history does not stand whole in the server's memory as text."""


class MillstreamClient(ArtifactMethods, ModelMethods, RegistryMethods, WebhookMethods, MediaLogging):
    """Reads and writes one tracking store. Safe for threads; two clients of one URI share journal and connections."""

    def __init__(
        self, tracking_uri: str | os.PathLike[str] | None = None, registry_uri: str | os.PathLike[str] | None = None
    ) -> None:
        """
        Args:
            tracking_uri: None is the setting TRACKING_URI, else a database in the working directory.
            registry_uri: of the model registry; None is the setting REGISTRY_URI, else the tracking URI.
        """
        self._recorder = get_recorder(tracking_uri)
        wanted = registry_uri or REGISTRY_URI.get()
        self._registry_uri = normalize(wanted) if wanted else None
        self._roots: dict[str, str] = {}

    @property
    def tracking_uri(self) -> str:
        return self._recorder.tracking_uri

    @property
    def recorder(self) -> Recorder:
        """What this client logs through."""
        return self._recorder

    @property
    def transport(self) -> Transport:
        return self._recorder.transport

    def _call(self, endpoint: Endpoint[Req, Res], req: Req) -> Res:
        """A call that sees and follows everything logged before."""
        _refuse_offline(self.transport)
        self._recorder.settle()
        return self._recorder.transport.call(endpoint, req)

    @property
    def registry_uri(self) -> str:
        """Of the model registry."""
        return self.tracking_uri if self._registry_uri in self._own_uris else redact(self._registry_uri or "")

    def _registry_call(self, endpoint: Endpoint[Req, Res], req: Req) -> Res:
        """A call of the model registry; one in the tracking store sees everything logged before."""
        if self._registry_uri in self._own_uris:
            return self._call(endpoint, req)
        transport = open_transport(self._registry_uri)
        _refuse_offline(transport)
        return transport.call(endpoint, req)

    @property
    def _own_uris(self) -> tuple[str | None, ...]:
        """What may be given for a registry in the tracking store."""
        return (None, self.transport.given_uri, self.transport.uri)

    def _server_id(self, run_id: str) -> str:
        """The run's id at the server: another one only for runs that were started offline, at a foreign server."""
        return self._recorder.run_ids[run_id]

    def flush(self, run_id: str | None = None, timeout: float | None = None) -> bool:
        """Wait until everything logged is stored; see `Recorder.flush`."""
        return self._recorder.flush(run_id, timeout)

    # ------------------------------------------------------------ experiments

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Mapping[str, object] | None = None
    ) -> str:
        """Create an experiment; its id. A name that is taken, by a deleted experiment too, raises AlreadyExists."""
        rows = [ExperimentTag(key, str(value)) for key, value in (tags or {}).items()]
        location = os.fspath(artifact_location) if artifact_location else ""
        return self._call(experiments.create, experiments.CreateExperiment(name, location, rows)).experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        """One experiment, deleted ones included."""
        return self._call(experiments.get, experiments.ExperimentId(str(experiment_id))).experiment

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """One experiment, deleted ones included; None if there is none of that name."""
        try:
            return self._call(experiments.get_by_name, experiments.ExperimentName(name)).experiment
        except NotFound:
            return None

    def search_experiments(
        self,
        view_type: ViewType | str | int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        req = experiments.SearchExperiments(
            max_results=1000 if max_results is None else max_results,
            page_token=page_token or "",
            filter=filter_string or "",
            order_by=list(order_by or ()),
            view_type=ViewType(view_type),  # type: ignore[arg-type]
        )
        page = self._call(experiments.search, req)
        return PagedList(page.experiments, page.next_page_token)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        self._call(experiments.update, experiments.UpdateExperiment(str(experiment_id), new_name))

    def delete_experiment(self, experiment_id: str) -> None:
        """Move an experiment and its runs to the trash."""
        self._call(experiments.delete, experiments.ExperimentId(str(experiment_id)))

    def restore_experiment(self, experiment_id: str) -> None:
        self._call(experiments.restore, experiments.ExperimentId(str(experiment_id)))

    def set_experiment_tag(self, experiment_id: str, key: str, value: object) -> None:
        self._call(experiments.set_tag, experiments.SetExperimentTag(str(experiment_id), key, str(value)))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        self._call(experiments.delete_tag, experiments.DeleteExperimentTag(str(experiment_id), key))

    def search_datasets(self, experiment_ids: Sequence[str]) -> list[experiments.DatasetSummary]:
        """The datasets that runs of 1 to 20 experiments used."""
        ids = [str(experiment_id) for experiment_id in experiment_ids]
        return self._call(experiments.search_datasets, experiments.SearchDatasets(ids)).dataset_summaries

    # ------------------------------------------------------------ runs

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, object] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Start a run. If the server does not answer it is created later; see `Recorder.create_run`."""
        user_id = str((tags or {}).get(USER_TAG, "unknown"))
        run = self._recorder.create_run(str(experiment_id), run_name or "", tags, start_time, user_id)
        if run.info.artifact_uri:
            self.know_artifact_root(run.info.run_id, run.info.artifact_uri)
        return _whole(run)

    def get_run(self, run_id: str) -> Run:
        offline = self._recorder.offline_run(run_id)
        return _whole(
            offline if offline is not None else self._call(runs.get, runs.GetRun(self._server_id(run_id))).run
        )

    def get_parent_run(self, run_id: str) -> Run | None:
        """The run that the tag `mlflow.parentRunId` names; None without one."""
        parent = self.get_run(run_id).data.tags.get(PARENT_RUN_TAG)
        return self.get_run(parent) if parent else None

    def search_runs(  # type: ignore[override]
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: ViewType | str | int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        select: Sequence[str] = (),
        count: bool = False,
    ) -> PagedList[Run]:
        """Runs that match a filter; `.token` of the list asks for the next page.

        Args:
            select: what to return of each run: `metrics.<key>`, `params.<key>`, `tags.<key>`, or whole groups `metrics`,
                `params`, `tags`, `inputs`, `outputs`; empty means everything. Millstream servers only.
            count: fill the list's `total` with the number of all matches. Millstream servers only.
        """
        if isinstance(experiment_ids, (str, bytes)):
            raise InvalidValue(f"experiment_ids is a list of ids: [{experiment_ids!r}].")
        req = runs.SearchRuns(
            experiment_ids=[str(experiment_id) for experiment_id in experiment_ids],
            filter=filter_string or "",
            run_view_type=ViewType(run_view_type),  # type: ignore[arg-type]
            max_results=max_results,
            order_by=list(order_by or ()),
            page_token=page_token or "",
            select=list(select),
            count=count,
        )
        page = self._call(runs.search, req)
        return PagedList(page.runs, page.next_page_token, page.total_count)

    def update_run(self, run_id: str, status: RunStatus | str | None = None, name: str | None = None) -> None:
        """Change status or name; what is None stays."""
        wanted = checks.status(status) if status is not None else None
        req = runs.UpdateRun(self._server_id(run_id), wanted, run_name=name)
        if (offline := self._recorder.offline_run(run_id)) is not None:
            self._recorder.call_later(runs.update, run_id, req)
            if wanted is not None:
                offline.info.status = wanted
            if name:
                offline.info.run_name = name
        else:
            self._call(runs.update, req)

    def set_terminated(self, run_id: str, status: RunStatus | str | None = None, end_time: int | None = None) -> None:
        """End a run (FINISHED unless `status` says otherwise) and wait until all of it is stored."""
        self._recorder.end_run(run_id, status or RunStatus.FINISHED, end_time)

    def delete_run(self, run_id: str) -> None:
        self._call(runs.delete, runs.RunId(self._server_id(run_id)))

    def restore_run(self, run_id: str) -> None:
        self._call(runs.restore, runs.RunId(self._server_id(run_id)))

    def rewind_run(self, run_id: str, step: int, keys: Sequence[str] = ()) -> int:
        """Delete the points of metrics from `step` on (of all metrics if `keys` is empty); how many there were."""
        req = runs.RewindRun(self._server_id(run_id), step, list(keys))
        return self._call(runs.rewind, req).deleted_points

    # ------------------------------------------------------------ logging

    def _logged(self, run_id: str, synchronous: bool | None) -> RunOperations | None:
        """What a log call gives back; `synchronous` and settings as in MLflow."""
        if synchronous is True:
            self._recorder.flush(run_id)
            return None
        if synchronous is False or ENABLE_ASYNC_LOGGING.get():
            return RunOperations(self._recorder, run_id)
        return None

    def _is_now(self, run_id: str, synchronous: bool | None) -> bool:
        return (synchronous is True or SYNC.get()) and not self._recorder.is_offline(run_id)

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Any,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> RunOperations | None:
        """Log one point; `timestamp` in ms, None is now; `step` None is 0."""
        plain = self._recorder.plain.get((run_id, key))
        if plain is not None and synchronous is None and model_id is None and dataset_name is None:
            plain(value, 0 if step is None else step, timestamp)
            return None
        if self._is_now(run_id, synchronous):
            when = time.time_ns() // 1_000_000 if timestamp is None else checks.checked_integer("timestamp", timestamp)
            at = checks.checked_integer("step", 0 if step is None else step)
            point = Metric(
                checks.key(key), checks.checked_value(value), when, at, model_id, dataset_name, dataset_digest
            )
            self._recorder.write_now(run_id, [point])
            return None
        append = self._recorder.series(run_id, key, model_id, dataset_name, dataset_digest)
        append(value, 0 if step is None else step, timestamp)
        operations = self._logged(run_id, synchronous)
        if operations is None and model_id is None and dataset_name is None and not SYNC.get():
            self._recorder.plain[run_id, key] = append
        return operations

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Log a param; the value, or RunOperations if asynchronous."""
        operations = self.log_batch(run_id, params=[Param(key, value)], synchronous=synchronous)
        return value if operations is None else operations

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
        return self.log_batch(run_id, tags=[RunTag(key, value)], synchronous=synchronous)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag; a missing one raises NotFound, for a run that was started offline when it is sent."""
        req = runs.DeleteTag(self._server_id(run_id), key)
        if self._recorder.is_offline(run_id):
            self._recorder.call_later(runs.delete_tag, run_id, req)
        else:
            self._call(runs.delete_tag, req)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> RunOperations | None:
        """Log many things of any number; all are checked before the first is logged."""
        texts, marks = _pairs(params), {tag.key: tag.value for tag in tags}
        if self._is_now(run_id, synchronous):
            self._recorder.write_now(run_id, metrics, checks.params(texts), checks.tags(marks))
            return None
        self._recorder.log_batch(run_id, metrics, texts, marks)
        return self._logged(run_id, synchronous)

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Record datasets and models that a run used."""
        self._recorder.log_inputs(run_id, datasets or (), models or ())

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Record models that a run made."""
        req = runs.LogOutputs(self._server_id(run_id), list(models))
        if self._recorder.is_offline(run_id):
            self._recorder.call_later(runs.log_outputs, run_id, req)
        else:
            self._call(runs.log_outputs, req)

    def record_logged_model(self, run_id: str, model_json: str) -> None:
        """Append a model's description to the run's tag `mlflow.log-model.history`, as MLflow 2 does."""
        self._call(runs.log_model, runs.LogModel(self._server_id(run_id), model_json))

    # ------------------------------------------------------------ histories

    def get_metric_history(self, run_id: str, key: str) -> PagedList[Metric]:
        """All points of a metric, in order of timestamp, step, value; `.token` is None, since there are no more."""
        found: PagedList[Metric] = PagedList()
        token = ""
        while True:
            req = metrics.GetHistory(self._server_id(run_id), key, HISTORY_PAGE, token)
            page = self._call(metrics.get_history, req)
            found += page.metrics
            token = page.next_page_token or ""
            if not token:
                return found

    def get_metric_summaries(self, run_id: str) -> list[SeriesSummary]:
        """Count, first, last, least and greatest point of every metric. Millstream servers only."""
        return self._call(metrics.get_summaries, metrics.GetSummaries(self._server_id(run_id))).series

    def get_metric_windows(
        self,
        run_ids: Sequence[str],
        keys: Sequence[str],
        width: int = 1000,
        axis: str = "step",
        start: int | None = None,
        end: int | None = None,
    ) -> list[SeriesWindow]:
        """Many series over one window, exact at the resolution of a chart `width` pixels wide. Millstream servers only.

        Args:
            axis: "step" or "timestamp"; `start` and `end` bound it, both included, None is open.
        """
        ids = [self._server_id(run_id) for run_id in run_ids]
        req = metrics.GetWindows(ids, list(keys), width, axis, start, end)
        return self._call(metrics.get_windows, req).windows

    def sample_metric_history(
        self,
        run_ids: Sequence[str],
        key: str,
        start_step: int | None = None,
        end_step: int | None = None,
        max_results: int = 2500,
    ) -> list[Metric]:
        """Evenly sampled histories of one metric in 1 to 100 runs, `max_results` points a run at most."""
        ids = [self._server_id(run_id) for run_id in run_ids]
        req = metrics.GetHistoryInterval(ids, key, start_step, end_step, max_results)
        return self._call(metrics.get_history_bulk_interval, req).metrics


def _refuse_offline(transport: Transport) -> None:
    if OFFLINE.get() and not transport.is_local:
        raise Offline(transport.uri)


def _whole(run: Run) -> Run:
    """The run with inputs and outputs, which answers leave out when there are none."""
    run.inputs = run.inputs or RunInputs()
    run.outputs = run.outputs or RunOutputs()
    return run


def _pairs(params: Iterable[Param]) -> dict[str, object]:
    """Params by key. Raises InvalidValue if one key has two values."""
    found: dict[str, object] = {}
    for param in params:
        if found.setdefault(param.key, param.value) != param.value:
            raise InvalidValue(
                f"The batch gives param {param.key!r} two values, {found[param.key]!r} and {param.value!r}. Log one of them."
            )
    return found


MlflowClient = MillstreamClient
