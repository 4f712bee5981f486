"""The model registry over SQL: what `api.stores.RegistryStore` asks for, each call one transaction.

Thin on purpose: input is checked (`registry_rules`, `registry_sources`), then `registered_models` and `model_versions` do the
work inside a read or a write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Protocol

from millstream.entities import (
    MODEL_VERSIONS_TAG,
    LoggedModelTag,
    ModelVersion,
    ModelVersionTag,
    PagedList,
    RegisteredModel,
    RegisteredModelTag,
    RegistryChange,
)
from millstream.errors import LoggedModelNotFound, SourceRefused, TagNotFound
from millstream.store import model_versions, registered_models, registry_events, registry_rows, registry_sources, rules
from millstream.store import registry_rules as own
from millstream.store.database import Database, Session
from millstream.store.registry_sources import Kind, Parsed, Source
from millstream.store.search.matches import check_max_results

MAX_HISTORY = 1000


class Tracking(registry_sources.Owners, Protocol):
    """What the registry needs of the tracking store, which may be in another database."""

    def set_logged_model_tags(self, model_id: str, tags: Sequence[LoggedModelTag]) -> None: ...
    def delete_logged_model_tag(self, model_id: str, key: str) -> None: ...


class SqlRegistryStore:
    """Registered models, their versions, tags, aliases and history in one database.

    Args:
        db: where they are.
        tracking: where runs and logged models are. In the same database, what is written to both is one transaction.
        is_served: whether requests come from strangers, so that sources of this machine must belong to a run or model.
    """

    def __init__(self, db: Database, tracking: Tracking, is_served: bool = False) -> None:
        self.db = db
        self._tracking = tracking
        self._is_served = is_served

    def for_strangers(self) -> SqlRegistryStore:
        """The same registry, as a server offers it."""
        return SqlRegistryStore(self.db, self._tracking, is_served=True)

    # ------------------------------------------------------------ registered models

    def create_registered_model(
        self, name: str, description: str | None, tags: Sequence[RegisteredModelTag], user: str = "", comment: str = ""
    ) -> RegisteredModel:
        own.check_name(name)
        own.check_description(description)
        texts, author = own.check_tags(tags), own.author(user, comment)
        return self.db.write(lambda session: registered_models.create(session, name, description, texts, author))

    def get_registered_model(self, name: str) -> RegisteredModel:
        own.known_name(name)
        with self.db.read() as session:
            return registry_rows.load_model(session, registry_rows.find(session, name))

    def update_registered_model(
        self, name: str, description: str | None, user: str = "", comment: str = ""
    ) -> RegisteredModel:
        own.known_name(name)
        own.check_description(description)
        author = own.author(user, comment)
        return self.db.write(lambda session: registered_models.describe(session, name, description, author))

    def rename_registered_model(self, name: str, new_name: str, user: str = "", comment: str = "") -> RegisteredModel:
        own.known_name(name)
        own.check_name(new_name, "new_name")
        author = own.author(user, comment)

        def rename(session: Session) -> RegisteredModel:
            model, logged = registered_models.rename(session, name, new_name, author)
            self._tag_logged_models(session, logged)
            return model

        return self.db.write(rename)

    def delete_registered_model(self, name: str, user: str = "", comment: str = "") -> None:
        own.known_name(name)
        author = own.author(user, comment)

        def delete(session: Session) -> None:
            self._tag_logged_models(session, registered_models.delete_for_good(session, name, author))

        self.db.write(delete)

    def search_registered_models(
        self, filter: str, order_by: Sequence[str], max_results: int, page_token: str
    ) -> PagedList[RegisteredModel]:
        from millstream.store import search

        with self.db.read() as session:
            found = search.search_registered_models(session, filter, max_results, order_by, page_token)
            return PagedList(registry_rows.load_models(session, found.pks), found.token)

    def get_latest_versions(self, name: str, stages: Sequence[str]) -> list[ModelVersion]:
        own.known_name(name)
        numbers = own.stage_numbers(stages)
        with self.db.read() as session:
            return model_versions.newest(session, name, numbers)

    def set_registered_model_tag(self, name: str, key: str, value: str, user: str = "", comment: str = "") -> None:
        own.known_name(name)
        own.check_tag(key, value)
        author = own.author(user, comment)
        self.db.write(lambda session: registered_models.set_tag(session, name, key, value, author))

    def delete_registered_model_tag(self, name: str, key: str, user: str = "", comment: str = "") -> None:
        own.known_name(name)
        rules.check_text(key, "key")
        author = own.author(user, comment)
        self.db.write(lambda session: registered_models.delete_tag(session, name, key, author))

    # ------------------------------------------------------------ aliases

    def set_alias(self, name: str, alias: str, version: str, user: str = "", comment: str = "") -> None:
        own.known_name(name)
        own.check_alias(alias)
        number, author = own.version_number(version), own.author(user, comment)
        self.db.write(lambda session: model_versions.set_alias(session, name, alias, number, author))

    def delete_alias(self, name: str, alias: str, user: str = "", comment: str = "") -> None:
        own.known_name(name)
        own.known_alias(alias)
        author = own.author(user, comment)
        self.db.write(lambda session: model_versions.delete_alias(session, name, alias, author))

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        own.known_name(name)
        own.known_alias(alias)
        with self.db.read() as session:
            return model_versions.get_by_alias(session, name, alias)

    # ------------------------------------------------------------ versions

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
    ) -> ModelVersion:
        own.known_name(name)
        parsed = registry_sources.parse_new(source)
        rules.check_text(run_id, "run_id", rules.MAX_ID)
        rules.check_text(model_id, "model_id", 64)
        rules.check_text(run_link, "run_link", registry_sources.MAX_SOURCE)
        own.check_description(description)
        new = model_versions.NewVersion(description, run_link, own.check_tags(tags), own.author(user, comment))

        def create(session: Session) -> ModelVersion:
            model = registry_rows.lock(session, name)
            checked = self._check_source(session, model, parsed, run_id, model_id)
            version = model_versions.create(session, model, new, checked)
            if checked.model_id:
                self._tag_logged_models(session, [checked.model_id])
            return version

        return self.db.write(create)

    def _check_source(
        self, session: Session, model: registry_rows.KnownModel, parsed: Parsed, run_id: str, model_id: str
    ) -> Source:
        if model.is_prompt:
            if parsed.text != registry_sources.PROMPT_SOURCE:
                raise SourceRefused(parsed.text, f"a prompt has no files, so it is {registry_sources.PROMPT_SOURCE!r}.")
            return Source(parsed.text, run_id, "")
        if parsed.kind is not Kind.VERSION:
            return registry_sources.check(parsed, run_id, model_id, self._tracking, self._is_served)
        original = self._referenced(session, parsed)
        run = registry_sources.inherited(run_id, original.version.run_id, "run_id", parsed.text)
        logged = registry_sources.inherited(model_id, original.version.model_id or "", "model_id", parsed.text)
        if model_id:
            self._tracking.get_logged_model(model_id)
        text = f"models:/{original.version.name}/{original.version.version}"
        return Source(text, run, logged, original.place)

    def _referenced(self, session: Session, parsed: Parsed) -> model_versions.Placed:
        """The version that a `models:/` source names."""
        model = registry_rows.read(session, parsed.owner)
        if model.is_prompt:
            raise SourceRefused(parsed.text, "it is a prompt, not a model.")
        return model_versions.refer(session, model, parsed.rest)

    def get_model_version(self, name: str, version: str) -> ModelVersion:
        own.known_name(name)
        number = own.version_number(version)
        with self.db.read() as session:
            return model_versions.get(session, name, number)

    def update_model_version(
        self, name: str, version: str, description: str | None, user: str = "", comment: str = ""
    ) -> ModelVersion:
        own.known_name(name)
        own.check_description(description)
        number, author = own.version_number(version), own.author(user, comment)
        return self.db.write(lambda session: model_versions.describe(session, name, number, description, author))

    def delete_model_version(self, name: str, version: str, user: str = "", comment: str = "") -> None:
        own.known_name(name)
        number, author = own.version_number(version), own.author(user, comment)

        def delete(session: Session) -> None:
            model_id = model_versions.delete_for_good(session, name, number, author)
            if model_id:
                self._tag_logged_models(session, [model_id])

        self.db.write(delete)

    def transition_model_version_stage(
        self, name: str, version: str, stage: str, archive_existing_versions: bool, user: str = "", comment: str = ""
    ) -> ModelVersion:
        own.known_name(name)
        number, target, author = own.version_number(version), own.stage_number(stage), own.author(user, comment)
        if archive_existing_versions:
            own.check_archiving(target)
        return self.db.write(
            lambda session: model_versions.move(session, name, number, target, archive_existing_versions, author)
        )

    def search_model_versions(
        self, filter: str, order_by: Sequence[str], max_results: int, page_token: str
    ) -> PagedList[ModelVersion]:
        from millstream.store import search

        with self.db.read() as session:
            found = search.search_model_versions(session, filter, max_results, order_by, page_token)
            return PagedList(registry_rows.load_versions(session, found.pks), found.token)

    def get_download_uri(self, name: str, version: str) -> str:
        own.known_name(name)
        number = own.version_number(version)
        with self.db.read() as session:
            return model_versions.placed(session, name, number).place

    def get_artifact_root(self, name: str, version: str) -> str:
        """Where a server may read the files of a version: as `get_download_uri`, with the source's rules checked again."""
        own.known_name(name)
        number = own.version_number(version)
        with self.db.read() as session:
            found = model_versions.placed(session, name, number)
        parsed = registry_sources.parse(found.place)
        if parsed.kind is Kind.RUN:
            root = self._tracking.get_run(parsed.owner).info.artifact_uri or ""
            return rules.below(root, *parsed.rest.split("/"))
        if parsed.kind in (Kind.LOCAL, Kind.PROXIED):
            model_id = found.version.model_id
            model = self._tracking.get_logged_model(model_id, allow_deleted=True) if model_id else None
            registry_sources.require_inside(found.place, found.version.run_id, model, self._tracking)
        return found.place

    def set_model_version_tag(
        self, name: str, version: str, key: str, value: str, user: str = "", comment: str = ""
    ) -> None:
        own.known_name(name)
        own.check_tag(key, value)
        number, author = own.version_number(version), own.author(user, comment)
        self.db.write(lambda session: model_versions.set_tag(session, name, number, key, value, author))

    def delete_model_version_tag(self, name: str, version: str, key: str, user: str = "", comment: str = "") -> None:
        own.known_name(name)
        rules.check_text(key, "key")
        number, author = own.version_number(version), own.author(user, comment)
        self.db.write(lambda session: model_versions.delete_tag(session, name, number, key, author))

    # ------------------------------------------------------------ history

    def get_history(
        self, name: str, version: str | None, max_results: int, page_token: str
    ) -> PagedList[RegistryChange]:
        own.known_name(name)
        check_max_results(max_results, MAX_HISTORY)
        number = None if version is None else own.version_number(version)
        with self.db.read() as session:
            return registry_events.read(session, name, number, max_results, page_token)

    # ------------------------------------------------------------ logged models

    def _tag_logged_models(self, session: Session, model_ids: Iterable[str]) -> None:
        """Let the tag `mlflow.modelVersions` of logged models list the versions that are of them now."""
        ids = sorted(set(model_ids))
        found = registry_rows.registrations(session, ids)
        for model_id in ids:
            names = [{"name": name, "version": number} for name, number in found.get(model_id, ())]
            try:
                if names:
                    tag = LoggedModelTag(MODEL_VERSIONS_TAG, json.dumps(names))
                    self._tracking.set_logged_model_tags(model_id, [tag])
                else:
                    self._tracking.delete_logged_model_tag(model_id, MODEL_VERSIONS_TAG)
            except (LoggedModelNotFound, TagNotFound):
                pass  # collected since, or the tag was deleted by hand
