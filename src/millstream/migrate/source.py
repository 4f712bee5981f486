"""What every source offers: entities as they were recorded, read once, in an order that lets an import stop anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from millstream.artifacts.model_uris import MODEL_ID
from millstream.entities import (
    Experiment,
    LoggedModel,
    Metric,
    ModelVersion,
    ModelVersionStages,
    ModelVersionStatus,
    RegisteredModel,
    Run,
)

STAGES = frozenset(ModelVersionStages)


class SourceRun(Struct):
    """A run with its params, tags, inputs and outputs; its points come apart, for there may be millions.

    `point_count` is the number of distinct points, or None where the source cannot tell without reading them.
    """

    run: Run
    deleted_time: int | None = None
    point_count: int | None = None


class SourceModel(Struct):
    """A logged model; its metrics carry `run_id`, `dataset_name` and `dataset_digest` where they were recorded."""

    model: LoggedModel
    is_deleted: bool = False
    metrics: list[Metric] = field(default_factory=list)


class SourceRegisteredModel(Struct):
    """A registered model with its versions that are not deleted.

    `last_version` is the highest number ever given; `locations` says where a version's files are whose source only refers
    to them, by version.
    """

    model: RegisteredModel
    versions: list[ModelVersion] = field(default_factory=list)
    last_version: int = 0
    locations: dict[str, str] = field(default_factory=dict)


def logged_model_of(source: str) -> str | None:
    """The id of the logged model that a version's source names; None if it names anything else."""
    found = source.removeprefix("models:/")
    return found if found != source and MODEL_ID.fullmatch(found) else None


def add_version(found: SourceRegisteredModel, row: Mapping[str, Any], location: str | None) -> None:
    """Add a version as MLflow's stores keep it, unless it is deleted (which is a stage there).

    Args:
        row: its columns, with `tags` as a list; times under `creation_time` and `last_updated_time`.
        location: where MLflow found the files to be when it was registered.
    """
    number, stage = str(row["version"]), row.get("current_stage") or "None"
    if stage not in STAGES:
        return
    source = row.get("source") or ""
    if location and location != source:
        found.locations[number] = location
    found.versions.append(
        ModelVersion(
            name=found.model.name,
            version=number,
            creation_timestamp=row["creation_time"],
            last_updated_timestamp=row["last_updated_time"],
            current_stage=stage,
            description=row.get("description"),
            user_id=row.get("user_id"),
            source=source,
            run_id=row.get("run_id") or "",
            status=ModelVersionStatus(row.get("status") or "READY"),
            status_message=row.get("status_message"),
            run_link=row.get("run_link") or "",
            tag_list=list(row["tags"]),
            model_id=row.get("model_id") or logged_model_of(source),
        )
    )


class Source(Protocol):
    """A place to import from. Times are milliseconds since the epoch; infinities may be ±inf or ±the greatest double."""

    name: str

    def experiments(self) -> Iterator[Experiment]:
        """All experiments, deleted ones included."""
        ...

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """All runs of an experiment, deleted ones included."""
        ...

    def points(self, run: SourceRun) -> Iterator[list[Metric]]:
        """The run's points in batches, metric by metric: a batch holds points of one, in order of step where there is one."""
        ...

    def models(self, experiment_id: str) -> Iterator[SourceModel]:
        """All logged models of an experiment, deleted ones included."""
        ...

    def registered_models(self) -> Iterator[SourceRegisteredModel]:
        """All registered models, prompts included."""
        ...

    def close(self) -> None: ...
