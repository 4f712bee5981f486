"""The methods of `MillstreamClient` about the model registry: registered models, their versions, aliases and history."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from millstream.api import registry
from millstream.api.endpoint import Endpoint
from millstream.artifacts import model_uris
from millstream.client.identity import user_name
from millstream.entities import (
    ModelVersion,
    ModelVersionStages,
    ModelVersionStatus,
    ModelVersionTag,
    PagedList,
    RegisteredModel,
    RegisteredModelTag,
    RegistryChange,
)
from millstream.errors import AlreadyExists, InvalidState, InvalidValue, MillstreamError, Unavailable

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")

AWAIT_CREATION_S = 300
_POLL_S = 3.0


class RegistryMethods:
    """Mixed into the client, which brings `_registry_call`.

    What changes something is recorded under the user's name; `comment` says why, in the model's history. Servers of MLflow
    keep no history and ignore both.
    """

    if TYPE_CHECKING:

        def _registry_call(self, endpoint: Endpoint[Req, Res], req: Req) -> Res: ...

    # ------------------------------------------------------------ registered models

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, object] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
        *,
        comment: str | None = None,
    ) -> RegisteredModel:
        """Register a name; one that is taken raises AlreadyExists. `deployment_job_id` is of the hosted service: ignored."""
        rows = [RegisteredModelTag(key, str(value)) for key, value in (tags or {}).items()]
        req = registry.CreateRegisteredModel(name, description, rows, **_signed(comment))
        return self._registry_call(registry.create, req).registered_model

    @contextmanager
    def registered_model_for_version(self, name: str) -> Iterator[None]:
        """Create a registered model if it is missing, for a version that the `with` block adds.

        If the block raises, a model that was created here is deleted again, unless somebody has changed it or added a version
        meanwhile.
        """
        try:
            created = self.create_registered_model(name)
        except AlreadyExists:
            yield
            return
        try:
            yield
        except Unavailable:  # the version may yet come, and nobody can be asked
            raise
        except MillstreamError:
            with suppress(MillstreamError):  # what the block raised says more
                if self.get_registered_model(name) == created:
                    self.delete_registered_model(name, comment="Its first version was refused.")
            raise

    def get_registered_model(self, name: str) -> RegisteredModel:
        return self._registry_call(registry.get, registry.RegisteredModelName(name)).registered_model

    def update_registered_model(
        self,
        name: str,
        description: str | None = None,
        deployment_job_id: str | None = None,
        *,
        comment: str | None = None,
    ) -> RegisteredModel:
        """Replace the description; None clears it."""
        req = registry.UpdateRegisteredModel(name, description, **_signed(comment))
        return self._registry_call(registry.update, req).registered_model

    def rename_registered_model(self, name: str, new_name: str, *, comment: str | None = None) -> RegisteredModel:
        """Rename a model; versions, tags, aliases and history go along."""
        req = registry.RenameRegisteredModel(name, new_name, **_signed(comment))
        return self._registry_call(registry.rename, req).registered_model

    def delete_registered_model(self, name: str, *, comment: str | None = None) -> None:
        """Delete a model with all its versions, for good; files stay where they are."""
        self._registry_call(registry.delete, registry.DeleteRegisteredModel(name, **_signed(comment)))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Registered models that match a filter, at most 1,000 a page; `.token` of the list asks for the next page."""
        size = 100 if max_results is None else max_results
        req = registry.SearchRegisteredModels(filter_string or "", size, list(order_by or ()), page_token or "")
        page = self._registry_call(registry.search, req)
        return PagedList(page.registered_models, page.next_page_token)

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """The newest version of each of these stages, of all if none are named."""
        if isinstance(stages, str):
            raise InvalidValue(f"stages is a list of stages: [{stages!r}].")
        req = registry.GetLatestVersions(name, list(stages or ()))
        return self._registry_call(registry.get_latest_versions, req).model_versions

    def set_registered_model_tag(self, name: str, key: str, value: object, *, comment: str | None = None) -> None:
        req = registry.SetRegisteredModelTag(name, key, str(value), **_signed(comment))
        self._registry_call(registry.set_tag, req)

    def delete_registered_model_tag(self, name: str, key: str, *, comment: str | None = None) -> None:
        """Delete a tag, if there is one."""
        self._registry_call(registry.delete_tag, registry.DeleteRegisteredModelTag(name, key, **_signed(comment)))

    # ------------------------------------------------------------ aliases

    def set_registered_model_alias(
        self, name: str, alias: str, version: str | int, *, comment: str | None = None
    ) -> None:
        """Let an alias mean a version, whichever it meant before."""
        self._registry_call(registry.set_alias, registry.SetAlias(name, alias, str(version), **_signed(comment)))

    def delete_registered_model_alias(self, name: str, alias: str, *, comment: str | None = None) -> None:
        """Delete an alias, if there is one."""
        self._registry_call(registry.delete_alias, registry.DeleteAlias(name, alias, **_signed(comment)))

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """The version that an alias means; `latest` is the one with the highest number."""
        return self._registry_call(registry.get_by_alias, registry.AliasName(name, alias)).model_version

    # ------------------------------------------------------------ versions

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, object] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: float | None = AWAIT_CREATION_S,
        model_id: str | None = None,
        *,
        comment: str | None = None,
    ) -> ModelVersion:
        """Add a version to a registered model that exists.

        Args:
            source: where the files are: a URI, `models:/…` or `runs:/…`; a server takes paths of its own only inside of the
                artifacts of `run_id` or `model_id`.
            await_creation_for: seconds to wait until the version is READY; 0 or None does not wait.
        """
        rows = [ModelVersionTag(key, str(value)) for key, value in (tags or {}).items()]
        req = registry.CreateModelVersion(
            name,
            source,
            run_id or "",
            rows,
            run_link or "",
            description or "",
            model_id or "",
            **_signed(comment),
        )
        version = self._registry_call(registry.create_version, req).model_version
        return self._await_ready(version, await_creation_for) if await_creation_for else version

    def _await_ready(self, version: ModelVersion, seconds: float) -> ModelVersion:
        deadline = time.monotonic() + seconds
        while version.status is not ModelVersionStatus.READY:
            if version.status is ModelVersionStatus.FAILED_REGISTRATION:
                raise InvalidState(
                    f"Version {version.version} of {version.name!r} could not be registered: {version.status_message}"
                )
            if time.monotonic() >= deadline:
                raise Unavailable(
                    f"Version {version.version} of {version.name!r} is not ready after {seconds} s. Look again later, or wait "
                    "longer with await_creation_for."
                )
            time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))
            version = self.get_model_version(version.name, version.version)
        return version

    def copy_model_version(self, src_model_uri: str, dst_name: str, *, comment: str | None = None) -> ModelVersion:
        """Register a version once more, with its tags and description, under another name, which is created if it is missing.

        No file is copied.

        Args:
            src_model_uri: `models:/<name>/<version>`, `models:/<name>/<stage>` or `models:/<name>@<alias>`.
        """
        uri = model_uris.parse(src_model_uri)
        if uri.model_id or uri.path:
            raise InvalidValue(
                f"{src_model_uri!r} must name a version of a registered model: models:/<name>/<version>."
            )
        original = model_uris.find_version(uri, self)
        with self.registered_model_for_version(dst_name):
            return self.create_model_version(
                dst_name,
                f"models:/{original.name}/{original.version}",
                original.run_id or None,
                original.tags,
                original.run_link or None,
                original.description,
                comment=comment,
            )

    def get_model_version(self, name: str, version: str | int) -> ModelVersion:
        return self._registry_call(registry.get_version, registry.ModelVersionName(name, str(version))).model_version

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """Where a version's files are."""
        req = registry.ModelVersionName(name, str(version))
        return self._registry_call(registry.get_download_uri, req).artifact_uri

    def get_model_version_stages(self, name: str, version: str | int) -> list[str]:
        """The stages that there are, the same for all versions."""
        return [stage.value for stage in ModelVersionStages]

    def update_model_version(
        self, name: str, version: str | int, description: str | None = None, *, comment: str | None = None
    ) -> ModelVersion:
        """Replace the description; None clears it."""
        req = registry.UpdateModelVersion(name, str(version), description, **_signed(comment))
        return self._registry_call(registry.update_version, req).model_version

    def transition_model_version_stage(
        self,
        name: str,
        version: str | int,
        stage: str,
        archive_existing_versions: bool = False,
        comment: str | None = None,
    ) -> ModelVersion:
        """Move a version to a stage.

        Args:
            stage: None, Staging, Production or Archived, in any letter case.
            archive_existing_versions: archive all others that are in the stage; for Staging and Production.
        """
        req = registry.TransitionStage(name, str(version), stage, archive_existing_versions, **_signed(comment))
        return self._registry_call(registry.transition_stage, req).model_version

    def delete_model_version(self, name: str, version: str | int, *, comment: str | None = None) -> None:
        """Delete a version for good; its number is not used again, its files stay where they are."""
        req = registry.DeleteModelVersion(name, str(version), **_signed(comment))
        self._registry_call(registry.delete_version, req)

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Versions that match a filter, without their aliases; `.token` of the list asks for the next page."""
        size = 10_000 if max_results is None else max_results
        req = registry.SearchModelVersions(filter_string or "", size, list(order_by or ()), page_token or "")
        page = self._registry_call(registry.search_versions, req)
        return PagedList(page.model_versions, page.next_page_token)

    def set_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        value: object = None,
        stage: str | None = None,
        *,
        comment: str | None = None,
    ) -> None:
        """Set a tag of a version, named by its number or as the newest of a stage."""
        number = self._version_or_newest(name, version, stage)
        req = registry.SetModelVersionTag(name, number, _given(key, "key"), str(value), **_signed(comment))
        self._registry_call(registry.set_version_tag, req)

    def delete_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        stage: str | None = None,
        *,
        comment: str | None = None,
    ) -> None:
        """Delete a tag of a version, if there is one."""
        number = self._version_or_newest(name, version, stage)
        req = registry.DeleteModelVersionTag(name, number, _given(key, "key"), **_signed(comment))
        self._registry_call(registry.delete_version_tag, req)

    def _version_or_newest(self, name: str, version: str | int | None, stage: str | None) -> str:
        if (version is None) == (stage is None):
            raise InvalidValue("Give either version or stage.")
        if stage is None:
            return str(version)
        return model_uris.find_version(model_uris.ModelUri(name, stage), self).version

    # ------------------------------------------------------------ history

    def get_model_history(
        self, name: str, version: str | int | None = None, max_results: int = 100, page_token: str | None = None
    ) -> PagedList[RegistryChange]:
        """Who changed what of a model, or of one version, when, from what to what and why; the newest first.

        A deleted model keeps its history, under its last name. Millstream servers only.
        """
        number = None if version is None else str(version)
        page = self._registry_call(
            registry.get_history, registry.GetHistory(name, number, max_results, page_token or "")
        )
        return PagedList(page.changes, page.next_page_token)


def _signed(comment: str | None) -> dict[str, Any]:
    return {"user": user_name(), "comment": comment or ""}


def _given(value: str | None, what: str) -> str:
    if value is None:
        raise InvalidValue(f"Give {what}.")
    return value
