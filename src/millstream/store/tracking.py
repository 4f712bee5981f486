"""The tracking store over SQL: what `api.stores.TrackingStore` asks for, each call one transaction.

Thin on purpose: input is checked (`rules`), then the area's module does the work inside a read or a write.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from millstream.entities import (
    LOGGED_MODEL_HISTORY_TAG,
    DatasetInput,
    Experiment,
    ExperimentActivity,
    ExperimentTag,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    PagedList,
    Param,
    Run,
    RunInfo,
    RunStatus,
    RunTag,
    ViewType,
)
from millstream.errors import InvalidValue
from millstream.store import experiments, inputs, logged_models, rules, runs
from millstream.store.database import Database, Session, parse_url
from millstream.store.metrics import MetricReads

if TYPE_CHECKING:
    from millstream.api.logged_models import DatasetFilter, ModelOrder
    from millstream.store.registry import SqlRegistryStore
    from millstream.store.webhooks import SqlWebhookStore

ARTIFACT_FOLDER = "mlartifacts"


class SqlTrackingStore(MetricReads):
    """Experiments, runs, metrics, datasets and logged models in one database.

    Args:
        db: where they are.
        artifact_root: URI or folder below which experiments that name no location of their own keep artifacts.
        registry_db: where the model registry and its webhooks are; the same database if not given.
    """

    def __init__(self, db: Database, artifact_root: str, registry_db: Database | None = None) -> None:
        self.db = db
        self.registry_db = registry_db or db
        self.artifact_root = artifact_root
        with db.read() as session:
            is_fresh = not experiments.has_any(session)
        if is_fresh:
            db.write(lambda session: experiments.ensure_default(session, artifact_root))

    @cached_property
    def registry(self) -> SqlRegistryStore:
        """The model registry; imported when first asked for, as a training run needs none."""
        from millstream.store.registry import SqlRegistryStore

        return SqlRegistryStore(self.registry_db, self)

    @cached_property
    def webhooks(self) -> SqlWebhookStore:
        from millstream.store.webhooks import SqlWebhookStore

        return SqlWebhookStore(self.registry_db)

    @property
    def databases(self) -> list[Database]:
        return list(dict.fromkeys((self.db, self.registry_db)))

    def close(self) -> None:
        for db in self.databases:
            db.close()

    def __enter__(self) -> SqlTrackingStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ experiments

    def create_experiment(self, name: str, artifact_location: str, tags: Sequence[ExperimentTag]) -> str:
        rules.check_experiment_name(name)
        location = rules.check_location(artifact_location) if artifact_location else ""
        texts = _experiment_tags(tags)
        root = self.artifact_root
        return str(self.db.write(lambda session: experiments.create(session, root, name, location, texts)))

    def get_experiment(self, experiment_id: str) -> Experiment:
        key = rules.experiment_key(experiment_id)
        with self.db.read() as session:
            return experiments.get(session, key)

    def get_experiment_by_name(self, name: str) -> Experiment:
        rules.check_text(name, "The experiment's name")
        with self.db.read() as session:
            return experiments.get_by_name(session, name)

    def search_experiments(
        self, filter: str, order_by: Sequence[str], max_results: int, page_token: str, view_type: ViewType
    ) -> PagedList[Experiment]:
        from millstream.store import search

        with self.db.read() as session:
            found = search.search_experiments(session, filter, view_type, max_results, order_by, page_token)
            return PagedList(experiments.load(session, found.pks), found.token, found.total)

    def delete_experiment(self, experiment_id: str) -> None:
        key = rules.experiment_key(experiment_id)
        self.db.write(lambda session: experiments.delete_to_trash(session, key))

    def restore_experiment(self, experiment_id: str) -> None:
        key = rules.experiment_key(experiment_id)
        self.db.write(lambda session: experiments.restore(session, key))

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        key = rules.experiment_key(experiment_id)
        rules.check_experiment_name(new_name)
        self.db.write(lambda session: experiments.rename(session, key, new_name))

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        experiment = rules.experiment_key(experiment_id)
        _experiment_tags([ExperimentTag(key, value)])
        self.db.write(lambda session: experiments.set_tag(session, experiment, key, value))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        experiment = rules.experiment_key(experiment_id)
        rules.check_text(key, "The tag's key")
        self.db.write(lambda session: experiments.delete_tag(session, experiment, key))

    def get_overview(self, view_type: ViewType) -> list[ExperimentActivity]:
        from millstream.store import overview

        with self.db.read() as session:
            return overview.activity(session, view_type)

    def get_keys(self, experiment_ids: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        from millstream.store import overview

        if not 1 <= len(experiment_ids) <= overview.MAX_EXPERIMENTS:
            raise InvalidValue(f"experiment_ids must name 1 to {overview.MAX_EXPERIMENTS} experiments.")
        keys = [rules.experiment_key(experiment_id) for experiment_id in experiment_ids]
        with self.db.read() as session:
            return overview.names(session, keys)

    def search_datasets(self, experiment_ids: Sequence[str]) -> list[tuple[str, str, str, str | None]]:
        if not 1 <= len(experiment_ids) <= inputs.MAX_SUMMARY_EXPERIMENTS:
            raise InvalidValue(f"experiment_ids must name 1 to {inputs.MAX_SUMMARY_EXPERIMENTS} experiments.")
        keys = [rules.experiment_key(experiment_id) for experiment_id in experiment_ids]
        with self.db.read() as session:
            return inputs.search_datasets(session, keys)

    # ------------------------------------------------------------ runs

    def create_run(
        self,
        experiment_id: str,
        user_id: str,
        run_name: str,
        start_time: int,
        tags: Sequence[RunTag],
        run_id: str | None = None,
    ) -> Run:
        new = runs.check_new(experiment_id, user_id, run_name, start_time, tags, run_id)
        return self.db.write(lambda session: runs.create(session, new))

    def get_run(self, run_id: str) -> Run:
        rules.check_text(run_id, "run_id")
        with self.db.read() as session:
            return runs.get(session, run_id)

    def update_run(self, run_id: str, status: RunStatus | None, end_time: int | None, run_name: str | None) -> RunInfo:
        rules.check_text(run_id, "run_id")
        if end_time is not None:
            rules.check_int64(end_time, "end_time")
        name = rules.cut(run_name, rules.MAX_RUN_TAG_VALUE, "run_name") if run_name else None
        return self.db.write(lambda session: runs.update_info(session, run_id, status, end_time, name))

    def delete_run(self, run_id: str) -> None:
        rules.check_text(run_id, "run_id")
        self.db.write(lambda session: runs.delete_to_trash(session, run_id))

    def restore_run(self, run_id: str) -> None:
        rules.check_text(run_id, "run_id")
        self.db.write(lambda session: runs.restore(session, run_id))

    def log_batch(
        self, run_id: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]
    ) -> None:
        batch = rules.check_batch(run_id, metrics, params, tags)
        self.db.write(lambda session: runs.log_batch(session, batch))

    def delete_run_tag(self, run_id: str, key: str) -> None:
        rules.check_text(run_id, "run_id")
        rules.check_text(key, "The tag's key")
        self.db.write(lambda session: runs.delete_tag(session, run_id, key))

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[LoggedModelInput]) -> None:
        rules.check_text(run_id, "run_id")
        entries = [(entry, rules.check_dataset_input(entry)) for entry in datasets]
        for model in models:
            rules.check_model_link(model.model_id)
        self.db.write(
            lambda session: inputs.log_inputs(
                session, *_run_and_experiment(runs.lock(session, run_id)), entries, models
            )
        )

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        rules.check_text(run_id, "run_id")
        for model in models:
            rules.check_model_link(model.model_id)
            rules.check_int64(model.step, "The step of an output")
        self.db.write(lambda session: inputs.log_outputs(session, runs.lock(session, run_id).key, run_id, models))

    def log_model_history(self, run_id: str, model_json: str) -> None:
        rules.check_text(run_id, "run_id")
        model = inputs.check_model_json(rules.check_text(model_json, "model_json"))

        def append(session: Session) -> None:
            run = runs.lock(session, run_id)
            history = runs.read_tag(session, run, LOGGED_MODEL_HISTORY_TAG)
            runs.set_tag(session, run, LOGGED_MODEL_HISTORY_TAG, inputs.extended_history(history, model))

        self.db.write(append)

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
    ) -> PagedList[Run]:
        from millstream.store import search

        keys = [rules.experiment_key(experiment_id) for experiment_id in experiment_ids]
        selection = runs.parse_select(select)
        with self.db.read() as session:
            found = search.search_runs(session, keys, filter, run_view_type, max_results, order_by, page_token, count)
            return PagedList(runs.load_runs(session, found.pks, selection), found.token, found.total)

    def rewind_run(self, run_id: str, step: int, keys: Sequence[str]) -> int:
        from millstream.store import series

        rules.check_text(run_id, "run_id")
        rules.check_int64(step, "step")
        for key in keys:
            rules.check_text(key, "A metric's key")

        def rewind(session: Session) -> int:
            run = runs.lock(session, run_id)
            if not keys:
                return series.rewind(session, run.key, step, None)
            found = [name_id for key in keys if (name_id := session.find_name_id(key)) is not None]
            return series.rewind(session, run.key, step, found)

        return self.db.write(rewind)

    # ------------------------------------------------------------ logged models

    def create_logged_model(
        self,
        experiment_id: str,
        name: str,
        model_type: str,
        source_run_id: str,
        params: Sequence[LoggedModelParameter],
        tags: Sequence[LoggedModelTag],
        model_id: str | None = None,
    ) -> LoggedModel:
        new = logged_models.check_new(experiment_id, name, model_type, source_run_id, params, tags, model_id)
        return self.db.write(lambda session: logged_models.create(session, new))

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        rules.check_text(model_id, "model_id")
        with self.db.read() as session:
            return logged_models.get(session, model_id, allow_deleted)

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        rules.check_text(model_id, "model_id")
        if status == LoggedModelStatus.UNSPECIFIED:
            raise InvalidValue("status must be LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED or LOGGED_MODEL_PENDING.")
        return self.db.write(lambda session: logged_models.finalize(session, model_id, status))

    def delete_logged_model(self, model_id: str) -> None:
        rules.check_text(model_id, "model_id")
        self.db.write(lambda session: logged_models.delete_to_trash(session, model_id))

    def set_logged_model_tags(self, model_id: str, tags: Sequence[LoggedModelTag]) -> None:
        rules.check_text(model_id, "model_id")
        texts = logged_models.check_tags(tags)
        self.db.write(lambda session: logged_models.set_tags(session, model_id, texts))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        rules.check_text(model_id, "model_id")
        rules.check_text(key, "The tag's key")
        self.db.write(lambda session: logged_models.delete_tag(session, model_id, key))

    def log_logged_model_params(self, model_id: str, params: Sequence[LoggedModelParameter]) -> None:
        rules.check_text(model_id, "model_id")
        texts = logged_models.check_params(params)
        self.db.write(lambda session: logged_models.log_params(session, model_id, texts))

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter: str,
        datasets: Sequence[DatasetFilter],
        order_by: Sequence[ModelOrder],
        max_results: int,
        page_token: str,
    ) -> PagedList[LoggedModel]:
        from millstream.store import search

        keys = [rules.experiment_key(experiment_id) for experiment_id in experiment_ids]
        with self.db.read() as session:
            found = search.search_logged_models(
                session, keys, filter, datasets, order_by, max_results or 50, page_token
            )
            return PagedList(logged_models.load(session, found.pks), found.token, found.total)


def open_store(uri: str, artifact_root: str | None = None, registry_uri: str | None = None) -> SqlTrackingStore:
    """Open (and make, if it is not there) the store at a database URL.

    Args:
        uri: SQLAlchemy URL.
        artifact_root: see `SqlTrackingStore`; without one, the folder `mlartifacts` beside an SQLite file, else in the
            working folder.
        registry_uri: SQLAlchemy URL of the model registry; `uri` if not given.
    """
    opened = [Database(uri)]
    try:
        if registry_uri and parse_url(registry_uri) != opened[0].url:
            opened.append(Database(registry_uri))
        return SqlTrackingStore(opened[0], artifact_root or _default_root(opened[0]), opened[-1])
    except BaseException:
        for db in opened:
            db.close()
        raise


def _default_root(db: Database) -> str:
    beside = os.path.dirname(db.url.database) if db.dialect == "sqlite" and db.url.database else os.getcwd()
    return os.path.join(beside, ARTIFACT_FOLDER)


def _experiment_tags(tags: Sequence[ExperimentTag]) -> dict[str, str]:
    found: dict[str, str] = {}
    for tag in tags:
        rules.check_key(tag.key, "Tag key")
        found[tag.key] = rules.check_text(tag.value, "The tag's value", rules.MAX_EXPERIMENT_TAG_VALUE)
    if len(found) != len(tags):
        raise InvalidValue("tags: a key appears more than once.")
    return found


def _run_and_experiment(run: runs.LockedRun) -> tuple[int, int]:
    return run.key, run.experiment_id
