"""Source: an `mlruns` folder, as MLflow's file store of any release from 1.x on leaves it.

    mlruns/<experiment>/meta.yaml, tags/<key>, <run>/{meta.yaml, params/<key>, tags/<key>, metrics/<key>, inputs/, outputs/},
    datasets/<id>/meta.yaml, models/<id>/{meta.yaml, params/, tags/, metrics/}; deleted experiments lie in mlruns/.trash.

A metric file has a line a point: `timestamp value step [dataset_name dataset_digest]`, in a model's folder
`timestamp value step run_id [dataset_name dataset_digest]`; lines of the oldest releases lack the step. Keys with slashes are
nested folders. A line that does not parse (a torn last line) is skipped and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from millstream.client.uris import is_file_store
from millstream.entities import (
    DATASET_CONTEXT_TAG,
    Dataset,
    DatasetInput,
    Experiment,
    ExperimentTag,
    InputTag,
    LoggedModel,
    LoggedModelData,
    LoggedModelInfo,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    ModelVersionTag,
    Param,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
)
from millstream.errors import InvalidValue
from millstream.migrate.source import SourceModel, SourceRegisteredModel, SourceRun, add_version

_BATCH = 10_000


class FolderSource:
    """Reads an `mlruns` folder; writes nothing."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InvalidValue(f"There is no folder {str(root)!r} to import. Give the path of an mlruns folder.")
        if not is_file_store(root):
            inside = root / "mlruns"
            hint = f"Did you mean {str(inside)!r}?" if is_file_store(inside) else "Give the path of an mlruns folder."
            raise InvalidValue(f"{str(root)!r} is no file store of MLflow: no experiment is in it. {hint}")
        self._root = root
        self.name = f"folder {root}"
        self.skipped_lines = 0
        self._folders: dict[str, Path] = {}

    def close(self) -> None:
        """Nothing is kept open."""

    def experiments(self) -> Iterator[Experiment]:
        for parent in (self._root, self._root / ".trash"):
            for folder in _folders(parent):
                meta = _read_meta(folder)
                if meta is None or "name" not in meta:
                    continue
                experiment_id = str(meta.get("experiment_id", folder.name))
                self._folders[experiment_id] = folder
                tags = {str(k): str(v) for k, v in (meta.get("tags") or {}).items()} | _read_texts(folder / "tags")
                yield Experiment(
                    experiment_id,
                    str(meta["name"]),
                    str(meta.get("artifact_location") or folder.resolve().as_uri()),
                    "deleted" if parent.name == ".trash" else str(meta.get("lifecycle_stage", "active")),
                    _millis(meta.get("creation_time")),
                    _millis(meta.get("last_update_time")),
                    [ExperimentTag(key, value) for key, value in tags.items()],
                )

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        experiment = self._folders[experiment_id]
        datasets = {folder.name: _dataset(_read_meta(folder) or {}) for folder in _folders(experiment / "datasets")}
        for folder in _folders(experiment):
            meta = _read_meta(folder)
            if meta is None or ("run_id" not in meta and "run_uuid" not in meta):
                continue
            yield self._run(folder, meta, experiment_id, datasets)

    def points(self, run: SourceRun) -> Iterator[list[Metric]]:
        folder = self._folders[run.run.info.experiment_id] / run.run.info.run_id / "metrics"
        for path, key in _files(folder):
            batch: list[Metric] = []
            for fields in self._lines(path):
                metric = _metric(key, fields[:3])
                if metric is None:
                    self.skipped_lines += 1
                    continue
                batch.append(metric)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def models(self, experiment_id: str) -> Iterator[SourceModel]:
        for folder in _folders(self._folders[experiment_id] / "models"):
            meta = _read_meta(folder)
            if meta is None or "model_id" not in meta:
                continue
            info = LoggedModelInfo(
                model_id=str(meta["model_id"]),
                experiment_id=experiment_id,
                name=str(meta.get("name", "")),
                creation_timestamp_ms=_millis(meta.get("creation_timestamp")) or 0,
                last_updated_timestamp_ms=_millis(meta.get("last_updated_timestamp")) or 0,
                artifact_uri=str(meta.get("artifact_location", "")),
                status=LoggedModelStatus(meta.get("status", 1)),
                model_type=str(meta.get("model_type") or ""),
                source_run_id=str(meta.get("source_run_id") or ""),
                status_message=meta.get("status_message"),
                tags=[LoggedModelTag(*pair) for pair in _read_texts(folder / "tags").items()],
            )
            params = [LoggedModelParameter(*pair) for pair in _read_texts(folder / "params").items()]
            is_deleted = str(meta.get("lifecycle_stage", "active")) == "deleted"
            yield SourceModel(
                LoggedModel(info, LoggedModelData(params)), is_deleted, list(self._model_metrics(folder / "metrics"))
            )

    def registered_models(self) -> Iterator[SourceRegisteredModel]:
        for folder in _folders(self._root / "models"):
            meta = _read_meta(folder)
            if meta is None or "name" not in meta:
                continue
            tags, aliases = _read_texts(folder / "tags"), _read_texts(folder / "aliases")
            found = SourceRegisteredModel(
                RegisteredModel(
                    str(meta["name"]),
                    _millis(meta.get("creation_timestamp")),
                    _millis(meta.get("last_updated_timestamp")),
                    None if meta.get("description") is None else str(meta["description"]),
                    tag_list=[RegisteredModelTag(*pair) for pair in tags.items()],
                    alias_list=[RegisteredModelAlias(alias, number.strip()) for alias, number in aliases.items()],
                )
            )
            for place in _folders(folder):
                version = _read_meta(place) if place.name.startswith("version-") else None
                if version is None:
                    continue
                found.last_version = max(found.last_version, int(version["version"]))
                version["creation_time"] = _millis(version.get("creation_timestamp"))
                version["last_updated_time"] = _millis(version.get("last_updated_timestamp"))
                version["tags"] = [ModelVersionTag(*pair) for pair in _read_texts(place / "tags").items()]
                add_version(found, version, version.get("storage_location"))
            yield found

    def _model_metrics(self, folder: Path) -> Iterator[Metric]:
        for path, key in _files(folder):
            for fields in self._lines(path):
                metric = _metric(key, fields[:3])
                if metric is None or len(fields) < 4:
                    self.skipped_lines += 1
                    continue
                metric.run_id = fields[3]
                if len(fields) >= 6:
                    metric.dataset_name, metric.dataset_digest = " ".join(fields[4:-1]), fields[-1]
                yield metric

    def _run(self, folder: Path, meta: dict[str, Any], experiment_id: str, datasets: dict[str, Dataset]) -> SourceRun:
        run_id = str(meta.get("run_id") or meta["run_uuid"])
        tags = _read_texts(folder / "tags")
        info = RunInfo(
            run_id=run_id,
            run_name=str(meta.get("run_name") or meta.get("name") or tags.get("mlflow.runName", "")),
            experiment_id=experiment_id,
            user_id=str(meta.get("user_id") or ""),
            status=RunStatus(meta.get("status", 1)),
            start_time=_millis(meta.get("start_time")),
            end_time=_millis(meta.get("end_time")),
            artifact_uri=str(meta.get("artifact_uri") or (folder / "artifacts").resolve().as_uri()),
            lifecycle_stage=str(meta.get("lifecycle_stage", "active")),
        )
        data = RunData(
            param_list=[Param(*pair) for pair in _read_texts(folder / "params").items()],
            tag_list=[RunTag(*pair) for pair in tags.items()],
        )
        run = Run(info, data, _inputs(folder / "inputs", datasets), _outputs(folder / "outputs"))
        return SourceRun(run, _millis(meta.get("deleted_time")), self._count_points(folder / "metrics"))

    def _count_points(self, folder: Path) -> int:
        return sum(len({tuple(fields[:3]) for fields in self._lines(path)}) for path, _ in _files(folder))

    @staticmethod
    def _lines(path: Path) -> Iterator[list[str]]:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.split()
                if fields:
                    yield fields


def _metric(key: str, fields: list[str]) -> Metric | None:
    try:
        return Metric(key, float(fields[1]), int(fields[0]), int(fields[2]) if len(fields) > 2 else 0)
    except (ValueError, IndexError):
        return None


def _folders(parent: Path) -> Iterator[Path]:
    if parent.is_dir():
        for path in sorted(parent.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield path


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files below `folder` with the key that their path spells."""
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path, path.relative_to(folder).as_posix()


def _read_texts(folder: Path) -> dict[str, str]:
    return {key: path.read_text(encoding="utf-8", errors="replace") for path, key in _files(folder)}


def _read_meta(folder: Path) -> dict[str, Any] | None:
    path = folder / "meta.yaml"
    if not path.is_file():
        return None
    try:
        meta = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InvalidValue(
            f"{path} is not valid YAML ({error}). Repair or remove that folder and import again."
        ) from None
    return meta if isinstance(meta, dict) else None


def _millis(value: object) -> int | None:
    return None if value is None else int(str(value))


def _dataset(meta: dict[str, Any]) -> Dataset:
    def text(key: str) -> str:
        return str(meta.get(key) or "")

    return Dataset(
        text("name"), text("digest"), text("source_type"), text("source"), meta.get("schema"), meta.get("profile")
    )


def _inputs(folder: Path, datasets: dict[str, Dataset]) -> RunInputs:
    inputs = RunInputs()
    for link in _folders(folder):
        meta = _read_meta(link) or {}
        source = str(meta.get("source_id", ""))
        if meta.get("source_type") == "DATASET" and source in datasets:
            tags = [InputTag(str(k), str(v)) for k, v in (meta.get("tags") or {}).items()]
            tags.sort(key=lambda tag: tag.key != DATASET_CONTEXT_TAG)
            inputs.dataset_inputs.append(DatasetInput(datasets[source], tags))
        elif source.startswith("m-"):
            inputs.model_inputs.append(LoggedModelInput(source))
    return inputs


def _outputs(folder: Path) -> RunOutputs:
    outputs = RunOutputs()
    for link in _folders(folder):
        meta = _read_meta(link) or {}
        outputs.model_outputs.append(
            LoggedModelOutput(str(meta.get("destination_id", link.name)), int(meta.get("step") or 0))
        )
    return outputs
