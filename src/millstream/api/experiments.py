"""Experiments: the endpoints and their handlers."""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.endpoint import AJAX_ONLY, MILLSTREAM, Empty, endpoint
from millstream.api.stores import TrackingStore
from millstream.entities import Experiment, ExperimentActivity, ExperimentTag, Int64, ViewType


class CreateExperiment(Struct, omit_defaults=True):
    name: str
    artifact_location: str = ""
    tags: list[ExperimentTag] = field(default_factory=list)


class ExperimentId(Struct, omit_defaults=True):
    experiment_id: str


class ExperimentName(Struct, omit_defaults=True):
    experiment_name: str


class ExperimentAnswer(Struct, omit_defaults=True):
    experiment: Experiment


class SearchExperiments(Struct, omit_defaults=True):
    max_results: Int64
    page_token: str = ""
    filter: str = ""
    order_by: list[str] = field(default_factory=list)
    view_type: ViewType = ViewType.ACTIVE_ONLY


class ExperimentPage(Struct, omit_defaults=True):
    experiments: list[Experiment] = field(default_factory=list)
    next_page_token: str | None = None


class UpdateExperiment(Struct, omit_defaults=True):
    experiment_id: str
    new_name: str


class SetExperimentTag(Struct, omit_defaults=True):
    experiment_id: str
    key: str
    value: str = ""


class DeleteExperimentTag(Struct, omit_defaults=True):
    experiment_id: str
    key: str


class SearchDatasets(Struct, omit_defaults=True):
    experiment_ids: list[str] = field(default_factory=list)


class DatasetSummary(Struct, omit_defaults=True):
    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class DatasetSummaries(Struct, omit_defaults=True):
    dataset_summaries: list[DatasetSummary] = field(default_factory=list)


class GetOverview(Struct, omit_defaults=True):
    view_type: ViewType = ViewType.ACTIVE_ONLY


class Overview(Struct, omit_defaults=True):
    experiments: list[ExperimentActivity] = field(default_factory=list)


class GetKeys(Struct, omit_defaults=True):
    experiment_ids: list[str] = field(default_factory=list)


class Keys(Struct, omit_defaults=True):
    metrics: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


@endpoint("POST", "experiments/create", access="any")
def create(store: TrackingStore, req: CreateExperiment) -> ExperimentId:
    """Create an experiment; a name that any experiment has, deleted ones included, is refused."""
    return ExperimentId(store.create_experiment(req.name, req.artifact_location, req.tags))


@endpoint("GET", "experiments/get", access="experiment:read")
def get(store: TrackingStore, req: ExperimentId) -> ExperimentAnswer:
    """One experiment by id, deleted ones included."""
    return ExperimentAnswer(store.get_experiment(req.experiment_id))


@endpoint("GET", "experiments/get-by-name", access="experiment:read")
def get_by_name(store: TrackingStore, req: ExperimentName) -> ExperimentAnswer:
    """One experiment by name, deleted ones included."""
    return ExperimentAnswer(store.get_experiment_by_name(req.experiment_name))


@endpoint("POST", "experiments/search", access="experiment:read", also=("GET",), is_write=False)
def search(store: TrackingStore, req: SearchExperiments) -> ExperimentPage:
    """Experiments that match a filter, the newest first unless `order_by` says otherwise."""
    page = store.search_experiments(req.filter, req.order_by, req.max_results, req.page_token, req.view_type)
    return ExperimentPage(list(page), page.token)


@endpoint("POST", "experiments/delete", access="experiment:delete")
def delete(store: TrackingStore, req: ExperimentId) -> Empty:
    """Move an experiment and all its runs to the trash."""
    store.delete_experiment(req.experiment_id)
    return Empty()


@endpoint("POST", "experiments/restore", access="experiment:delete")
def restore(store: TrackingStore, req: ExperimentId) -> Empty:
    """Take an experiment and all its runs out of the trash."""
    store.restore_experiment(req.experiment_id)
    return Empty()


@endpoint("POST", "experiments/update", access="experiment:update")
def update(store: TrackingStore, req: UpdateExperiment) -> Empty:
    """Rename an experiment."""
    store.rename_experiment(req.experiment_id, req.new_name)
    return Empty()


@endpoint("POST", "experiments/set-experiment-tag", access="experiment:update")
def set_tag(store: TrackingStore, req: SetExperimentTag) -> Empty:
    """Set a tag of an experiment."""
    store.set_experiment_tag(req.experiment_id, req.key, req.value)
    return Empty()


@endpoint("POST", "experiments/delete-experiment-tag", access="experiment:update")
def delete_tag(store: TrackingStore, req: DeleteExperimentTag) -> Empty:
    """Delete a tag of an experiment; a missing one is an error."""
    store.delete_experiment_tag(req.experiment_id, req.key)
    return Empty()


@endpoint("POST", "experiments/search-datasets", access="experiment:read", prefixes=AJAX_ONLY, is_write=False)
def search_datasets(store: TrackingStore, req: SearchDatasets) -> DatasetSummaries:
    """The datasets that runs of 1 to 20 experiments used, at most 1000."""
    return DatasetSummaries([DatasetSummary(*row) for row in store.search_datasets(req.experiment_ids)])


@endpoint("GET", "experiments/overview", access="experiment:read", prefixes=MILLSTREAM)
def get_overview(store: TrackingStore, req: GetOverview) -> Overview:
    """All experiments with the number of their active runs and the start of the latest, the latest active first."""
    return Overview(store.get_overview(req.view_type))


@endpoint("POST", "experiments/keys", access="experiment:read", prefixes=MILLSTREAM, is_write=False)
def get_keys(store: TrackingStore, req: GetKeys) -> Keys:
    """The names of all metrics, params and tags that runs of 1 to 100 experiments have, sorted."""
    return Keys(*store.get_keys(req.experiment_ids))
