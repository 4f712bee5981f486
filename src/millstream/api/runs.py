"""Runs: the endpoints and their handlers."""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.endpoint import MILLSTREAM, Empty, endpoint
from millstream.api.stores import TrackingStore
from millstream.entities import (
    DatasetInput,
    Double,
    Int64,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunInfo,
    RunStatus,
    RunTag,
    ViewType,
)

BATCH_BODY_LIMIT = 16 << 20
"""1000 metrics with keys and values of the greatest length fit easily."""


class CreateRun(Struct, omit_defaults=True):
    """`run_id` is an extension: a client that was offline brings the id that it made (32 lower-case hex digits)."""

    experiment_id: str
    user_id: str = ""
    run_name: str = ""
    start_time: Int64 = 0
    tags: list[RunTag] = field(default_factory=list)
    run_id: str | None = None


class RunAnswer(Struct, omit_defaults=True):
    run: Run


class GetRun(Struct, omit_defaults=True):
    run_id: str
    run_uuid: str = ""


class UpdateRun(Struct, omit_defaults=True):
    run_id: str
    status: RunStatus | None = None
    end_time: Int64 | None = None
    run_name: str | None = None
    run_uuid: str = ""


class RunInfoAnswer(Struct, omit_defaults=True):
    run_info: RunInfo


class RunId(Struct, omit_defaults=True):
    run_id: str


class LogMetric(Struct, omit_defaults=True):
    run_id: str
    key: str
    value: Double
    timestamp: Int64
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_uuid: str = ""


class LogParam(Struct, omit_defaults=True):
    run_id: str
    key: str
    value: str = ""
    run_uuid: str = ""


class SetTag(Struct, omit_defaults=True):
    run_id: str
    key: str
    value: str = ""
    run_uuid: str = ""


class DeleteTag(Struct, omit_defaults=True):
    run_id: str
    key: str


class LogBatch(Struct, omit_defaults=True):
    run_id: str
    metrics: list[Metric] = field(default_factory=list)
    params: list[Param] = field(default_factory=list)
    tags: list[RunTag] = field(default_factory=list)


class LogInputs(Struct, omit_defaults=True):
    run_id: str
    datasets: list[DatasetInput] = field(default_factory=list)
    models: list[LoggedModelInput] = field(default_factory=list)


class LogOutputs(Struct, omit_defaults=True):
    run_id: str
    models: list[LoggedModelOutput]


class LogModel(Struct, omit_defaults=True):
    run_id: str
    model_json: str


class SearchRuns(Struct, omit_defaults=True):
    """`select` and `count` are extensions.

    `select` names what to return of each run, as `metrics.<key>`, `params.<key>`, `tags.<key>`, or a whole group
    `metrics`, `params`, `tags`, `inputs`, `outputs`; empty means everything. `count=true` adds the number of all matches.
    """

    experiment_ids: list[str] = field(default_factory=list)
    filter: str = ""
    run_view_type: ViewType = ViewType.ACTIVE_ONLY
    max_results: Int64 = 1000
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""
    select: list[str] = field(default_factory=list)
    count: bool = False


class RunPage(Struct, omit_defaults=True):
    runs: list[Run] = field(default_factory=list)
    next_page_token: str | None = None
    total_count: Int64 | None = None


class RewindRun(Struct, omit_defaults=True):
    run_id: str
    step: Int64
    keys: list[str] = field(default_factory=list)


class RewindAnswer(Struct, omit_defaults=True):
    deleted_points: Int64 = field(default_factory=int)


@endpoint("POST", "runs/create", access="experiment:update")
def create(store: TrackingStore, req: CreateRun) -> RunAnswer:
    """Start a run. Sending the same `run_id` again gives the run that is there already."""
    return RunAnswer(
        store.create_run(req.experiment_id, req.user_id, req.run_name, req.start_time, req.tags, run_id=req.run_id)
    )


@endpoint("GET", "runs/get", access="run:read")
def get(store: TrackingStore, req: GetRun) -> RunAnswer:
    """One run with its latest metrics, params, tags, inputs and outputs."""
    return RunAnswer(store.get_run(req.run_id))


@endpoint("POST", "runs/update", access="run:update")
def update(store: TrackingStore, req: UpdateRun) -> RunInfoAnswer:
    """Change status, end time or name; what is absent stays."""
    return RunInfoAnswer(store.update_run(req.run_id, req.status, req.end_time, req.run_name))


@endpoint("POST", "runs/delete", access="run:delete")
def delete(store: TrackingStore, req: RunId) -> Empty:
    """Move a run to the trash."""
    store.delete_run(req.run_id)
    return Empty()


@endpoint("POST", "runs/restore", access="run:delete")
def restore(store: TrackingStore, req: RunId) -> Empty:
    """Take a run out of the trash."""
    store.restore_run(req.run_id)
    return Empty()


@endpoint("POST", "runs/log-metric", access="run:update")
def log_metric(store: TrackingStore, req: LogMetric) -> Empty:
    """Log one point of a metric; an identical point is dropped."""
    metric = Metric(req.key, req.value, req.timestamp, req.step, req.model_id, req.dataset_name, req.dataset_digest)
    store.log_batch(req.run_id, [metric], [], [])
    return Empty()


@endpoint("POST", "runs/log-parameter", access="run:update")
def log_param(store: TrackingStore, req: LogParam) -> Empty:
    """Log a param; it cannot change afterwards."""
    store.log_batch(req.run_id, [], [Param(req.key, req.value)], [])
    return Empty()


@endpoint("POST", "runs/set-tag", access="run:update")
def set_tag(store: TrackingStore, req: SetTag) -> Empty:
    """Set a tag, replacing its value."""
    store.log_batch(req.run_id, [], [], [RunTag(req.key, req.value)])
    return Empty()


@endpoint("POST", "runs/delete-tag", access="run:update")
def delete_tag(store: TrackingStore, req: DeleteTag) -> Empty:
    """Delete a tag; a missing one is an error."""
    store.delete_run_tag(req.run_id, req.key)
    return Empty()


@endpoint("POST", "runs/log-batch", access="run:update", body_limit=BATCH_BODY_LIMIT)
def log_batch(store: TrackingStore, req: LogBatch) -> Empty:
    """Write all of the batch or, on any error, none of it. At most 1000 metrics, 100 params, 100 tags, 1000 in all."""
    store.log_batch(req.run_id, req.metrics, req.params, req.tags)
    return Empty()


@endpoint("POST", "runs/log-inputs", access="run:update", body_limit=64 << 20)
def log_inputs(store: TrackingStore, req: LogInputs) -> Empty:
    """Record the datasets and models that a run used."""
    store.log_inputs(req.run_id, req.datasets, req.models)
    return Empty()


@endpoint("POST", "runs/outputs", access="run:update")
def log_outputs(store: TrackingStore, req: LogOutputs) -> Empty:
    """Record the models that a run made."""
    store.log_outputs(req.run_id, req.models)
    return Empty()


@endpoint("POST", "runs/log-model", access="run:update", body_limit=BATCH_BODY_LIMIT)
def log_model(store: TrackingStore, req: LogModel) -> Empty:
    """Append a model's description to the tag `mlflow.log-model.history`, as 2.x clients do."""
    store.log_model_history(req.run_id, req.model_json)
    return Empty()


@endpoint("POST", "runs/search", access="run:read", is_write=False)
def search(store: TrackingStore, req: SearchRuns) -> RunPage:
    """Runs of the named experiments that match a filter."""
    page = store.search_runs(
        req.experiment_ids,
        req.filter,
        req.run_view_type,
        req.max_results,
        req.order_by,
        req.page_token,
        select=req.select,
        count=req.count,
    )
    return RunPage(list(page), page.token, page.total)


@endpoint("POST", "runs/rewind", access="run:update", prefixes=MILLSTREAM)
def rewind(store: TrackingStore, req: RewindRun) -> RewindAnswer:
    """Delete the points of metrics from a step on (that step included), to resume training from a checkpoint."""
    return RewindAnswer(store.rewind_run(req.run_id, req.step, req.keys))
