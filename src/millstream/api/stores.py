"""What handlers may ask of the stores. `millstream.store` and `millstream.server` implement these; nothing here is SQL or HTTP.

Every method raises errors of `millstream.errors` only. Writes called through `Transaction.run` are all or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from millstream.entities import (
    DatasetInput,
    Experiment,
    ExperimentActivity,
    ExperimentTag,
    FileInfo,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    ModelVersion,
    ModelVersionTag,
    PagedList,
    Param,
    RegisteredModel,
    RegisteredModelTag,
    RegistryChange,
    Run,
    RunInfo,
    RunStatus,
    RunTag,
    SeriesLine,
    SeriesSummary,
    SeriesView,
    SeriesWindow,
    ViewType,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryStatus,
    WebhookEvent,
    WebhookStatus,
    WebhookTestResult,
)

if TYPE_CHECKING:
    from millstream.api.artifacts import Presigned, PresignedUrl, UploadPart
    from millstream.api.logged_models import DatasetFilter, ModelOrder
    from millstream.api.trash import Purged


class TrackingStore(Protocol):
    """Experiments, runs, metrics, datasets and logged models."""

    # experiments
    def create_experiment(self, name: str, artifact_location: str, tags: Sequence[ExperimentTag]) -> str: ...
    def get_experiment(self, experiment_id: str) -> Experiment: ...
    def get_experiment_by_name(self, name: str) -> Experiment: ...
    def search_experiments(
        self, filter: str, order_by: Sequence[str], max_results: int, page_token: str, view_type: ViewType
    ) -> PagedList[Experiment]: ...
    def delete_experiment(self, experiment_id: str) -> None: ...
    def restore_experiment(self, experiment_id: str) -> None: ...
    def rename_experiment(self, experiment_id: str, new_name: str) -> None: ...
    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None: ...
    def delete_experiment_tag(self, experiment_id: str, key: str) -> None: ...
    def get_overview(self, view_type: ViewType) -> list[ExperimentActivity]: ...
    def get_keys(self, experiment_ids: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        """Names of metrics, params and tags."""
        ...

    def search_datasets(self, experiment_ids: Sequence[str]) -> list[tuple[str, str, str, str | None]]:
        """(experiment_id, name, digest, context) of the datasets used."""
        ...

    # runs
    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        run_name: str,
        start_time: int,
        tags: Sequence[RunTag],
        run_id: str | None = None,
    ) -> Run: ...
    def get_run(self, run_id: str) -> Run: ...
    def update_run(
        self, run_id: str, status: RunStatus | None, end_time: int | None, run_name: str | None
    ) -> RunInfo: ...
    def delete_run(self, run_id: str) -> None: ...
    def restore_run(self, run_id: str) -> None: ...
    def log_batch(
        self, run_id: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]
    ) -> None: ...
    def delete_run_tag(self, run_id: str, key: str) -> None: ...
    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[LoggedModelInput]) -> None: ...
    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None: ...
    def log_model_history(self, run_id: str, model_json: str) -> None: ...
    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter: str,
        run_view_type: ViewType,
        max_results: int,
        order_by: Sequence[str],
        page_token: str,
        select: Sequence[str] = (),
        count: bool = False,
    ) -> PagedList[Run]: ...
    def rewind_run(self, run_id: str, step: int, keys: Sequence[str]) -> int: ...

    # metrics
    def get_metric_history(
        self, run_id: str, key: str, max_results: int | None, page_token: str
    ) -> PagedList[Metric]: ...
    def get_metric_history_bulk(self, run_ids: Sequence[str], key: str, max_results: int) -> list[Metric]: ...
    def sample_metric_history(
        self, run_ids: Sequence[str], key: str, start_step: int | None, end_step: int | None, max_results: int
    ) -> list[Metric]: ...
    def get_metric_windows(
        self, run_ids: Sequence[str], keys: Sequence[str], view: SeriesView
    ) -> list[SeriesWindow]: ...
    def get_metric_lines(self, run_ids: Sequence[str], keys: Sequence[str], view: SeriesView) -> list[SeriesLine]: ...
    def get_metric_summaries(self, run_id: str) -> list[SeriesSummary]: ...

    # logged models
    def create_logged_model(
        self,
        experiment_id: str,
        name: str,
        model_type: str,
        source_run_id: str,
        params: Sequence[LoggedModelParameter],
        tags: Sequence[LoggedModelTag],
        model_id: str | None = None,
    ) -> LoggedModel: ...
    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel: ...
    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel: ...
    def delete_logged_model(self, model_id: str) -> None: ...
    def set_logged_model_tags(self, model_id: str, tags: Sequence[LoggedModelTag]) -> None: ...
    def delete_logged_model_tag(self, model_id: str, key: str) -> None: ...
    def log_logged_model_params(self, model_id: str, params: Sequence[LoggedModelParameter]) -> None: ...
    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter: str,
        datasets: Sequence[DatasetFilter],
        order_by: Sequence[ModelOrder],
        max_results: int,
        page_token: str,
    ) -> PagedList[LoggedModel]: ...


class RegistryStore(Protocol):
    """Registered models with their versions, aliases, tags and history. `user` and `comment` go into the history."""

    def create_registered_model(
        self, name: str, description: str | None, tags: Sequence[RegisteredModelTag], user: str = "", comment: str = ""
    ) -> RegisteredModel: ...
    def get_registered_model(self, name: str) -> RegisteredModel: ...
    def update_registered_model(
        self, name: str, description: str | None, user: str = "", comment: str = ""
    ) -> RegisteredModel: ...
    def rename_registered_model(
        self, name: str, new_name: str, user: str = "", comment: str = ""
    ) -> RegisteredModel: ...
    def delete_registered_model(self, name: str, user: str = "", comment: str = "") -> None: ...
    def search_registered_models(
        self, filter: str, order_by: Sequence[str], max_results: int, page_token: str
    ) -> PagedList[RegisteredModel]: ...
    def get_latest_versions(self, name: str, stages: Sequence[str]) -> list[ModelVersion]: ...
    def set_registered_model_tag(self, name: str, key: str, value: str, user: str = "", comment: str = "") -> None: ...
    def delete_registered_model_tag(self, name: str, key: str, user: str = "", comment: str = "") -> None: ...
    def set_alias(self, name: str, alias: str, version: str, user: str = "", comment: str = "") -> None: ...
    def delete_alias(self, name: str, alias: str, user: str = "", comment: str = "") -> None: ...
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion: ...
    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str,
        run_link: str,
        description: str,
        tags: Sequence[ModelVersionTag],
        model_id: str,
        user: str = "",
        comment: str = "",
    ) -> ModelVersion: ...
    def get_model_version(self, name: str, version: str) -> ModelVersion: ...
    def update_model_version(
        self, name: str, version: str, description: str | None, user: str = "", comment: str = ""
    ) -> ModelVersion: ...
    def delete_model_version(self, name: str, version: str, user: str = "", comment: str = "") -> None: ...
    def transition_model_version_stage(
        self,
        name: str,
        version: str,
        stage: str,
        archive_existing_versions: bool,
        user: str = "",
        comment: str = "",
    ) -> ModelVersion: ...
    def search_model_versions(
        self, filter: str, order_by: Sequence[str], max_results: int, page_token: str
    ) -> PagedList[ModelVersion]: ...
    def get_download_uri(self, name: str, version: str) -> str: ...
    def get_artifact_root(self, name: str, version: str) -> str:
        """Where a server may read the files of a version."""
        ...

    def set_model_version_tag(
        self, name: str, version: str, key: str, value: str, user: str = "", comment: str = ""
    ) -> None: ...
    def delete_model_version_tag(
        self, name: str, version: str, key: str, user: str = "", comment: str = ""
    ) -> None: ...
    def get_history(
        self, name: str, version: str | None, max_results: int, page_token: str
    ) -> PagedList[RegistryChange]: ...


class WebhookStore(Protocol):
    """Webhooks and what was delivered to them."""

    def create_webhook(
        self,
        name: str,
        url: str,
        events: Sequence[WebhookEvent],
        description: str,
        secret: str,
        status: WebhookStatus,
    ) -> Webhook: ...
    def get_webhook(self, webhook_id: str) -> Webhook: ...
    def list_webhooks(self, max_results: int, page_token: str) -> PagedList[Webhook]: ...
    def update_webhook(
        self,
        webhook_id: str,
        name: str,
        url: str,
        events: Sequence[WebhookEvent],
        description: str | None,
        secret: str | None,
        status: WebhookStatus | None,
    ) -> Webhook: ...
    def delete_webhook(self, webhook_id: str) -> None: ...
    def test_webhook(self, webhook_id: str, event: WebhookEvent | None) -> WebhookTestResult: ...
    def list_webhook_deliveries(
        self, webhook_id: str, status: WebhookDeliveryStatus | None, max_results: int, page_token: str
    ) -> PagedList[WebhookDelivery]: ...
    def redeliver_webhook(self, webhook_id: str, delivery_id: str) -> WebhookDelivery: ...


class Trash(Protocol):
    """What was deleted, of all stores."""

    def purge(self, run_ids: Sequence[str], experiment_ids: Sequence[str]) -> Purged: ...


class ArtifactStore(Protocol):
    """Artifacts as the server sees them: by run, by logged model, and below the root of its proxy.

    Paths are checked here, once (`security`: no `..`, no separators in disguise); the URIs returned lie below the root asked
    for. A server whose proxy is switched off raises Unavailable from the `proxied` methods.
    """

    @property
    def takes_multipart(self) -> bool:
        """Whether the store behind the proxy takes uploads in parts and gives presigned addresses."""
        ...

    def list_run_artifacts(self, run_id: str, path: str) -> tuple[str, list[FileInfo]]: ...
    def list_model_artifacts(self, model_id: str, path: str) -> tuple[str, list[FileInfo]]: ...
    def list_proxied(self, path: str) -> list[FileInfo]: ...
    def delete_proxied(self, path: str) -> None: ...
    def delete_own(self, location: str, object_id: str) -> None:
        """Delete the folder of artifacts of a removed run, logged model or experiment."""
        ...

    def proxied_uri(self, path: str) -> str: ...
    def run_artifact_uri(self, run_id: str, path: str) -> str: ...
    def model_artifact_uri(self, model_id: str, path: str) -> str: ...
    def version_artifact_uri(self, name: str, version: str, path: str) -> str: ...
    def owned_uri(self, run_id: str, model_id: str, path: str) -> str:
        """A file or folder of the run or of the logged model, one of which is named; without a path all of its artifacts."""
        ...

    def create_multipart(self, directory: str, name: str, parts: int) -> tuple[str, list[UploadPart]]: ...
    def complete_multipart(self, directory: str, name: str, upload_id: str, parts: Sequence[UploadPart]) -> None: ...
    def abort_multipart(self, directory: str, name: str, upload_id: str) -> None: ...
    def presign_proxied(self, path: str) -> Presigned: ...
    def presign_upload(self, run_id: str, model_id: str, path: str, expiration: int) -> PresignedUrl: ...
    def presign_download(self, run_id: str, path: str, expiration: int) -> PresignedUrl: ...
