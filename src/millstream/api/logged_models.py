"""Logged models (MLflow 3): the endpoints and their handlers."""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.artifacts import ArtifactList
from millstream.api.endpoint import AJAX_ONLY, Empty, Stream, endpoint
from millstream.api.stores import ArtifactStore, TrackingStore
from millstream.entities import Int64, LoggedModel, LoggedModelParameter, LoggedModelStatus, LoggedModelTag


class CreateLoggedModel(Struct, omit_defaults=True):
    experiment_id: str
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[LoggedModelParameter] = field(default_factory=list)
    tags: list[LoggedModelTag] = field(default_factory=list)
    model_id: str | None = None  # extension: minted by an offline client


class LoggedModelAnswer(Struct, omit_defaults=True):
    model: LoggedModel


class GetLoggedModel(Struct, omit_defaults=True):
    model_id: str
    allow_deleted: bool = False


class FinalizeLoggedModel(Struct, omit_defaults=True):
    model_id: str
    status: LoggedModelStatus


class ModelId(Struct, omit_defaults=True):
    model_id: str


class DatasetFilter(Struct, omit_defaults=True):
    dataset_name: str
    dataset_digest: str = ""


class ModelOrder(Struct, omit_defaults=True):
    field_name: str
    ascending: bool = True
    dataset_name: str = ""
    dataset_digest: str = ""


class SearchLoggedModels(Struct, omit_defaults=True):
    experiment_ids: list[str]
    filter: str = ""
    datasets: list[DatasetFilter] = field(default_factory=list)
    order_by: list[ModelOrder] = field(default_factory=list)
    max_results: Int64 = 50
    page_token: str = ""


class LoggedModelPage(Struct, omit_defaults=True):
    models: list[LoggedModel] = field(default_factory=list)
    next_page_token: str | None = None


class SetModelTags(Struct, omit_defaults=True):
    model_id: str
    tags: list[LoggedModelTag] = field(default_factory=list)


class DeleteModelTag(Struct, omit_defaults=True):
    model_id: str
    key: str


class LogModelParams(Struct, omit_defaults=True):
    model_id: str
    params: list[LoggedModelParameter] = field(default_factory=list)


class ListModelArtifacts(Struct, omit_defaults=True):
    model_id: str
    artifact_directory_path: str = ""


class GetModelFile(Struct, omit_defaults=True):
    model_id: str
    artifact_file_path: str


@endpoint("POST", "logged-models", access="experiment:update")
def create(store: TrackingStore, req: CreateLoggedModel) -> LoggedModelAnswer:
    """Announce a model; it stays PENDING until it is finalized."""
    return LoggedModelAnswer(
        store.create_logged_model(
            req.experiment_id, req.name, req.model_type, req.source_run_id, req.params, req.tags, model_id=req.model_id
        )
    )


@endpoint("POST", "logged-models/search", access="experiment:read", is_write=False)
def search(store: TrackingStore, req: SearchLoggedModels) -> LoggedModelPage:
    """Logged models of the named experiments that match a filter."""
    page = store.search_logged_models(
        req.experiment_ids, req.filter, req.datasets, req.order_by, req.max_results, req.page_token
    )
    return LoggedModelPage(list(page), page.token)


@endpoint("GET", "logged-models/{model_id}", access="model:read")
def get(store: TrackingStore, req: GetLoggedModel) -> LoggedModelAnswer:
    """One logged model; a deleted one only with `allow_deleted`."""
    return LoggedModelAnswer(store.get_logged_model(req.model_id, req.allow_deleted))


@endpoint("PATCH", "logged-models/{model_id}", access="model:update")
def finalize(store: TrackingStore, req: FinalizeLoggedModel) -> LoggedModelAnswer:
    """Say that the model's files are there, or that they could not be written."""
    return LoggedModelAnswer(store.finalize_logged_model(req.model_id, req.status))


@endpoint("DELETE", "logged-models/{model_id}", access="model:delete")
def delete(store: TrackingStore, req: ModelId) -> Empty:
    """Move a logged model to the trash."""
    store.delete_logged_model(req.model_id)
    return Empty()


@endpoint("PATCH", "logged-models/{model_id}/tags", access="model:update")
def set_tags(store: TrackingStore, req: SetModelTags) -> Empty:
    """Set tags of a logged model."""
    store.set_logged_model_tags(req.model_id, req.tags)
    return Empty()


@endpoint("DELETE", "logged-models/{model_id}/tags/{key}", access="model:update")
def delete_tag(store: TrackingStore, req: DeleteModelTag) -> Empty:
    """Delete a tag; a missing one is an error."""
    store.delete_logged_model_tag(req.model_id, req.key)
    return Empty()


@endpoint("POST", "logged-models/{model_id}/params", access="model:update", body_limit=16 << 20)
def log_params(store: TrackingStore, req: LogModelParams) -> Empty:
    """Add params; a key that is there already is refused."""
    store.log_logged_model_params(req.model_id, req.params)
    return Empty()


@endpoint("GET", "logged-models/{model_id}/artifacts/directories", access="model:read")
def list_artifacts(store: ArtifactStore, req: ListModelArtifacts) -> ArtifactList:
    """The files of one folder of a logged model."""
    root, files = store.list_model_artifacts(req.model_id, req.artifact_directory_path)
    return ArtifactList(root, files)


@endpoint(
    "GET",
    "logged-models/{model_id}/artifacts/files",
    access="model:read",
    prefixes=AJAX_ONLY,
    stream=Stream.DOWNLOAD,
)
def get_file(store: ArtifactStore, req: GetModelFile) -> str:
    """One file of a logged model, as an attachment. The handler gives the file's URI below the model's root."""
    return store.model_artifact_uri(req.model_id, req.artifact_file_path)
