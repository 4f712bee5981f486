"""The model registry: the endpoints and their handlers.

Requests that change something take, beyond MLflow's fields, `user` and `comment`: who does it and why, for the history. A server
that authenticates puts in the user that it knows.
"""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.endpoint import MILLSTREAM, ROOT, Empty, Stream, endpoint
from millstream.api.stores import ArtifactStore, RegistryStore
from millstream.entities import (
    Int64,
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
    RegistryChange,
)

# ---------------------------------------------------------------- requests and answers


class Signed(Struct, omit_defaults=True, kw_only=True):
    """Who changes something, and why."""

    user: str = ""
    comment: str = ""


class CreateRegisteredModel(Signed):
    name: str
    description: str | None = None
    tags: list[RegisteredModelTag] = field(default_factory=list)


class RegisteredModelName(Struct, omit_defaults=True):
    name: str


class UpdateRegisteredModel(Signed):
    name: str
    description: str | None = None


class RenameRegisteredModel(Signed):
    name: str
    new_name: str


class DeleteRegisteredModel(Signed):
    name: str


class RegisteredModelAnswer(Struct, omit_defaults=True):
    registered_model: RegisteredModel


class SearchRegisteredModels(Struct, omit_defaults=True):
    filter: str = ""
    max_results: Int64 = 100
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class RegisteredModelPage(Struct, omit_defaults=True):
    registered_models: list[RegisteredModel] = field(default_factory=list)
    next_page_token: str | None = None


class GetLatestVersions(Struct, omit_defaults=True):
    name: str
    stages: list[str] = field(default_factory=list)


class ModelVersions(Struct, omit_defaults=True):
    model_versions: list[ModelVersion] = field(default_factory=list)


class SetRegisteredModelTag(Signed):
    name: str
    key: str
    value: str = ""


class DeleteRegisteredModelTag(Signed):
    name: str
    key: str


class SetAlias(Signed):
    name: str
    alias: str
    version: str


class DeleteAlias(Signed):
    name: str
    alias: str


class AliasName(Struct, omit_defaults=True):
    name: str
    alias: str


class CreateModelVersion(Signed):
    name: str
    source: str
    run_id: str = ""
    tags: list[ModelVersionTag] = field(default_factory=list)
    run_link: str = ""
    description: str = ""
    model_id: str = ""


class ModelVersionName(Struct, omit_defaults=True):
    name: str
    version: str


class UpdateModelVersion(Signed):
    name: str
    version: str
    description: str | None = None


class DeleteModelVersion(Signed):
    name: str
    version: str


class TransitionStage(Signed):
    name: str
    version: str
    stage: str
    archive_existing_versions: bool = False


class ModelVersionAnswer(Struct, omit_defaults=True):
    model_version: ModelVersion


class SearchModelVersions(Struct, omit_defaults=True):
    filter: str = ""
    max_results: Int64 = 200_000
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class ModelVersionPage(Struct, omit_defaults=True):
    model_versions: list[ModelVersion] = field(default_factory=list)
    next_page_token: str | None = None


class DownloadUri(Struct):
    artifact_uri: str


class SetModelVersionTag(Signed):
    name: str
    version: str
    key: str
    value: str = ""


class DeleteModelVersionTag(Signed):
    name: str
    version: str
    key: str


class GetHistory(Struct, omit_defaults=True):
    name: str
    version: str | None = None
    max_results: Int64 = 100
    page_token: str = ""


class HistoryPage(Struct, omit_defaults=True):
    changes: list[RegistryChange] = field(default_factory=list)
    next_page_token: str | None = None


class GetVersionFile(Struct, omit_defaults=True):
    name: str
    version: str
    path: str


# ---------------------------------------------------------------- registered models


@endpoint("POST", "registered-models/create", access="any")
def create(store: RegistryStore, req: CreateRegisteredModel) -> RegisteredModelAnswer:
    """Register a name under which versions are counted."""
    return RegisteredModelAnswer(
        store.create_registered_model(req.name, req.description, req.tags, req.user, req.comment)
    )


@endpoint("GET", "registered-models/get", access="registered-model:read")
def get(store: RegistryStore, req: RegisteredModelName) -> RegisteredModelAnswer:
    """One registered model."""
    return RegisteredModelAnswer(store.get_registered_model(req.name))


@endpoint("PATCH", "registered-models/update", access="registered-model:update")
def update(store: RegistryStore, req: UpdateRegisteredModel) -> RegisteredModelAnswer:
    """Replace the description; without one it is cleared."""
    return RegisteredModelAnswer(store.update_registered_model(req.name, req.description, req.user, req.comment))


@endpoint("POST", "registered-models/rename", access="registered-model:update")
def rename(store: RegistryStore, req: RenameRegisteredModel) -> RegisteredModelAnswer:
    """Rename a model; versions, tags, aliases and history go along."""
    return RegisteredModelAnswer(store.rename_registered_model(req.name, req.new_name, req.user, req.comment))


@endpoint("DELETE", "registered-models/delete", access="registered-model:delete")
def delete(store: RegistryStore, req: DeleteRegisteredModel) -> Empty:
    """Delete a model with all its versions, for good; its history stays."""
    store.delete_registered_model(req.name, req.user, req.comment)
    return Empty()


@endpoint("GET", "registered-models/search", access="registered-model:read")
def search(store: RegistryStore, req: SearchRegisteredModels) -> RegisteredModelPage:
    """Registered models that match a filter."""
    page = store.search_registered_models(req.filter, req.order_by, req.max_results, req.page_token)
    return RegisteredModelPage(list(page), page.token)


@endpoint(
    "POST", "registered-models/get-latest-versions", access="registered-model:read", also=("GET",), is_write=False
)
def get_latest_versions(store: RegistryStore, req: GetLatestVersions) -> ModelVersions:
    """The newest version of each of the stages, of all if none are named."""
    return ModelVersions(store.get_latest_versions(req.name, req.stages))


@endpoint("POST", "registered-models/set-tag", access="registered-model:update")
def set_tag(store: RegistryStore, req: SetRegisteredModelTag) -> Empty:
    """Set a tag of a registered model."""
    store.set_registered_model_tag(req.name, req.key, req.value, req.user, req.comment)
    return Empty()


@endpoint("DELETE", "registered-models/delete-tag", access="registered-model:update")
def delete_tag(store: RegistryStore, req: DeleteRegisteredModelTag) -> Empty:
    """Delete a tag of a registered model, if there is one."""
    store.delete_registered_model_tag(req.name, req.key, req.user, req.comment)
    return Empty()


@endpoint("POST", "registered-models/alias", access="registered-model:update")
def set_alias(store: RegistryStore, req: SetAlias) -> Empty:
    """Let an alias mean a version, whichever it meant before."""
    store.set_alias(req.name, req.alias, req.version, req.user, req.comment)
    return Empty()


@endpoint("GET", "registered-models/alias", access="registered-model:read")
def get_by_alias(store: RegistryStore, req: AliasName) -> ModelVersionAnswer:
    """The version that an alias means; `latest` is the one with the highest number."""
    return ModelVersionAnswer(store.get_model_version_by_alias(req.name, req.alias))


@endpoint("DELETE", "registered-models/alias", access="registered-model:update")
def delete_alias(store: RegistryStore, req: DeleteAlias) -> Empty:
    """Delete an alias, if there is one."""
    store.delete_alias(req.name, req.alias, req.user, req.comment)
    return Empty()


# ---------------------------------------------------------------- model versions


@endpoint("POST", "model-versions/create", access="registered-model:update")
def create_version(store: RegistryStore, req: CreateModelVersion) -> ModelVersionAnswer:
    """Add a version under the model's next number; it is READY at once."""
    return ModelVersionAnswer(
        store.create_model_version(
            req.name,
            req.source,
            req.run_id,
            req.run_link,
            req.description,
            req.tags,
            req.model_id,
            req.user,
            req.comment,
        )
    )


@endpoint("GET", "model-versions/get", access="registered-model:read")
def get_version(store: RegistryStore, req: ModelVersionName) -> ModelVersionAnswer:
    """One version."""
    return ModelVersionAnswer(store.get_model_version(req.name, req.version))


@endpoint("PATCH", "model-versions/update", access="registered-model:update")
def update_version(store: RegistryStore, req: UpdateModelVersion) -> ModelVersionAnswer:
    """Replace the description of a version; without one it is cleared."""
    return ModelVersionAnswer(store.update_model_version(req.name, req.version, req.description, req.user, req.comment))


@endpoint("DELETE", "model-versions/delete", access="registered-model:delete")
def delete_version(store: RegistryStore, req: DeleteModelVersion) -> Empty:
    """Delete a version for good; its number is not used again while the model exists."""
    store.delete_model_version(req.name, req.version, req.user, req.comment)
    return Empty()


@endpoint("GET", "model-versions/search", access="registered-model:read")
def search_versions(store: RegistryStore, req: SearchModelVersions) -> ModelVersionPage:
    """Versions that match a filter."""
    page = store.search_model_versions(req.filter, req.order_by, req.max_results, req.page_token)
    return ModelVersionPage(list(page), page.token)


@endpoint("POST", "model-versions/transition-stage", access="registered-model:update")
def transition_stage(store: RegistryStore, req: TransitionStage) -> ModelVersionAnswer:
    """Move a version to a stage; on request all others in it are archived at the same time."""
    return ModelVersionAnswer(
        store.transition_model_version_stage(
            req.name, req.version, req.stage, req.archive_existing_versions, req.user, req.comment
        )
    )


@endpoint("GET", "model-versions/get-download-uri", access="registered-model:read")
def get_download_uri(store: RegistryStore, req: ModelVersionName) -> DownloadUri:
    """Where a version's files are."""
    return DownloadUri(store.get_download_uri(req.name, req.version))


@endpoint("POST", "model-versions/set-tag", access="registered-model:update")
def set_version_tag(store: RegistryStore, req: SetModelVersionTag) -> Empty:
    """Set a tag of a version."""
    store.set_model_version_tag(req.name, req.version, req.key, req.value, req.user, req.comment)
    return Empty()


@endpoint("DELETE", "model-versions/delete-tag", access="registered-model:update")
def delete_version_tag(store: RegistryStore, req: DeleteModelVersionTag) -> Empty:
    """Delete a tag of a version, if there is one."""
    store.delete_model_version_tag(req.name, req.version, req.key, req.user, req.comment)
    return Empty()


@endpoint("GET", "model-versions/get-artifact", access="registered-model:read", prefixes=ROOT, stream=Stream.DOWNLOAD)
def get_file(store: ArtifactStore, req: GetVersionFile) -> str:
    """Download a file of a version, as the UI does."""
    return store.version_artifact_uri(req.name, req.version, req.path)


# ---------------------------------------------------------------- history


@endpoint("GET", "registry/history", access="registered-model:read", prefixes=MILLSTREAM)
def get_history(store: RegistryStore, req: GetHistory) -> HistoryPage:
    """Who changed what of a model, or of one of its versions, when, from what to what and why; the newest first."""
    page = store.get_history(req.name, req.version, req.max_results, req.page_token)
    return HistoryPage(list(page), page.token)
