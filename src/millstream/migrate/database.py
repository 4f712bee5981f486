"""Source: a database that MLflow's SQL store made (SQLite, PostgreSQL, MySQL, SQL Server), any release from 1.x on.

Tables and columns are reflected, so that what an older release lacks is simply not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from millstream.entities import (
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
from millstream.store.database import missing_driver, with_driver

_BATCH = 10_000
_TABLES = (
    "experiments", "experiment_tags", "runs", "params", "tags", "metrics", "datasets", "inputs", "input_tags",
    "logged_models", "logged_model_params", "logged_model_tags", "logged_model_metrics",
    "registered_models", "registered_model_tags", "registered_model_aliases", "model_versions", "model_version_tags",
)  # fmt: skip


class DatabaseSource:
    """Reads a database of MLflow; writes nothing."""

    def __init__(self, uri: str) -> None:
        try:
            url = with_driver(sa.make_url(uri))
        except (sa.exc.ArgumentError, ValueError):
            raise InvalidValue("The source's address is not a database URL such as sqlite:///mlflow.db.") from None
        self.name = f"database {url.render_as_string(hide_password=True)}"
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():  # SQLite would make it
            raise InvalidValue(f"There is no file {url.database!r} to import.")
        try:
            self._engine = sa.create_engine(url)
            existing = set(sa.inspect(self._engine).get_table_names())
        except ModuleNotFoundError as error:
            raise missing_driver(url, error, "A source") from None
        except sa.exc.SQLAlchemyError as error:
            raise InvalidValue(f"Cannot open {self.name}: {error.__class__.__name__}. Check the address.") from None
        if not {"experiments", "runs", "metrics"} <= existing:
            self.close()
            raise InvalidValue(f"{self.name} was not made by MLflow: it has no tables experiments, runs and metrics.")
        metadata = sa.MetaData()
        metadata.reflect(self._engine, only=[name for name in _TABLES if name in existing], resolve_fks=False)
        self._tables = metadata.tables

    def close(self) -> None:
        self._engine.dispose()

    def experiments(self) -> Iterator[Experiment]:
        tags = self._grouped("experiment_tags", "experiment_id", ("key", "value"))
        for row in self._rows(sa.select(self._tables["experiments"]).order_by(sa.text("experiment_id"))):
            experiment_id = str(row["experiment_id"])
            yield Experiment(
                experiment_id,
                row["name"],
                row["artifact_location"] or "",
                row.get("lifecycle_stage") or "active",
                row.get("creation_time"),
                row.get("last_update_time"),
                [ExperimentTag(key, value or "") for key, value in tags.get(experiment_id, [])],
            )

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        table = self._tables["runs"]
        mine = sa.select(table.c.run_uuid).where(table.c.experiment_id == int(experiment_id))
        params = self._grouped("params", "run_uuid", ("key", "value"), mine)
        tags = self._grouped("tags", "run_uuid", ("key", "value"), mine)
        metrics = self._tables["metrics"]
        counts: dict[str, int] = {
            row["run_uuid"]: row["points"]
            for row in self._rows(
                sa.select(metrics.c.run_uuid, sa.func.count().label("points"))
                .where(metrics.c.run_uuid.in_(mine))
                .group_by(metrics.c.run_uuid)
            )
        }
        inputs, outputs = self._links(mine)
        statement = sa.select(table).where(table.c.experiment_id == int(experiment_id)).order_by(table.c.run_uuid)
        for row in self._rows(statement):
            run_id = row["run_uuid"]
            run_tags = [RunTag(key, value or "") for key, value in tags.get(run_id, [])]
            names = [tag.value for tag in run_tags if tag.key == "mlflow.runName"]
            info = RunInfo(
                run_id=run_id,
                run_name=row.get("name") or (names[0] if names else ""),
                experiment_id=experiment_id,
                user_id=row.get("user_id") or "",
                status=RunStatus(row.get("status") or "RUNNING"),
                start_time=row.get("start_time"),
                end_time=row.get("end_time"),
                artifact_uri=row.get("artifact_uri") or "",
                lifecycle_stage=row.get("lifecycle_stage") or "active",
            )
            data = RunData(
                param_list=[Param(key, value or "") for key, value in params.get(run_id, [])], tag_list=run_tags
            )
            run = Run(info, data, inputs.get(run_id, RunInputs()), outputs.get(run_id, RunOutputs()))
            yield SourceRun(run, row.get("deleted_time"), counts.get(run_id, 0))

    def points(self, run: SourceRun) -> Iterator[list[Metric]]:
        table = self._tables["metrics"]
        step = table.c.step if "step" in table.c else sa.literal(0).label("step")
        nan = table.c.is_nan if "is_nan" in table.c else sa.literal(0).label("is_nan")
        statement = (
            sa.select(table.c.key, table.c.value, table.c.timestamp, step, nan)
            .where(table.c.run_uuid == run.run.info.run_id)
            .order_by(table.c.key, sa.text("step"), table.c.timestamp, table.c.value)
        )
        batch: list[Metric] = []
        for row in self._rows(statement):
            if batch and (batch[-1].key != row["key"] or len(batch) == _BATCH):
                yield batch
                batch = []
            value = float("nan") if row["is_nan"] else row["value"]
            batch.append(Metric(row["key"], value, row["timestamp"], row["step"]))
        if batch:
            yield batch

    def models(self, experiment_id: str) -> Iterator[SourceModel]:
        table = self._tables.get("logged_models")
        if table is None:
            return
        mine = sa.select(table.c.model_id).where(table.c.experiment_id == int(experiment_id))
        params = self._grouped("logged_model_params", "model_id", ("param_key", "param_value"), mine)
        tags = self._grouped("logged_model_tags", "model_id", ("tag_key", "tag_value"), mine)
        points: dict[str, list[Metric]] = {}
        metrics = self._tables["logged_model_metrics"]
        for row in self._rows(sa.select(metrics).where(metrics.c.model_id.in_(mine))):
            value = float("nan") if row["metric_value"] is None else row["metric_value"]
            point = Metric(row["metric_name"], value, row["metric_timestamp_ms"], row["metric_step"])
            point.run_id, point.dataset_name, point.dataset_digest = (
                row["run_id"], row.get("dataset_name"), row.get("dataset_digest"),
            )  # fmt: skip
            points.setdefault(row["model_id"], []).append(point)
        for row in self._rows(sa.select(table).where(table.c.experiment_id == int(experiment_id))):
            model_id = row["model_id"]
            info = LoggedModelInfo(
                model_id=model_id,
                experiment_id=experiment_id,
                name=row["name"],
                creation_timestamp_ms=row["creation_timestamp_ms"],
                last_updated_timestamp_ms=row["last_updated_timestamp_ms"],
                artifact_uri=row["artifact_location"],
                status=LoggedModelStatus(row["status"]),
                model_type=row.get("model_type") or "",
                source_run_id=row.get("source_run_id") or "",
                status_message=row.get("status_message"),
                tags=[LoggedModelTag(key, value or "") for key, value in tags.get(model_id, [])],
            )
            data = LoggedModelData([LoggedModelParameter(key, value or "") for key, value in params.get(model_id, [])])
            is_deleted = row.get("lifecycle_stage") == "deleted"
            yield SourceModel(LoggedModel(info, data), is_deleted, points.get(model_id, []))

    def registered_models(self) -> Iterator[SourceRegisteredModel]:
        if "model_versions" not in self._tables:
            return
        tags = self._grouped("registered_model_tags", "name", ("key", "value"))
        aliases = self._grouped("registered_model_aliases", "name", ("alias", "version"))
        version_tags: dict[tuple[str, int], list[ModelVersionTag]] = {}
        if "model_version_tags" in self._tables:
            for row in self._rows(sa.select(self._tables["model_version_tags"])):
                pair = ModelVersionTag(row["key"], row["value"] or "")
                version_tags.setdefault((row["name"], row["version"]), []).append(pair)
        table = self._tables["model_versions"]
        for row in self._rows(sa.select(self._tables["registered_models"]).order_by(sa.text("creation_time, name"))):
            name = row["name"]
            found = SourceRegisteredModel(
                RegisteredModel(
                    name,
                    row["creation_time"],
                    row["last_updated_time"],
                    row["description"],
                    tag_list=[RegisteredModelTag(key, value or "") for key, value in tags.get(name, [])],
                    alias_list=[RegisteredModelAlias(alias, str(number)) for alias, number in aliases.get(name, [])],
                )
            )
            for version in self._rows(sa.select(table).where(table.c.name == name).order_by(table.c.version)):
                number = version["version"]
                found.last_version = number
                location = version.get("storage_location")
                add_version(found, {**version, "tags": version_tags.get((name, number), [])}, location)
            yield found

    def _links(self, mine: Any) -> tuple[dict[str, RunInputs], dict[str, RunOutputs]]:
        """Dataset and model inputs, model outputs of the runs that `mine` selects."""
        inputs: dict[str, RunInputs] = {}
        outputs: dict[str, RunOutputs] = {}
        if "inputs" not in self._tables:
            return inputs, outputs
        links, datasets = self._tables["inputs"], self._tables["datasets"]
        rows = list(self._rows(sa.select(links).where(links.c.source_id.in_(mine) | links.c.destination_id.in_(mine))))
        wanted = [row["source_id"] for row in rows if row["source_type"] == "DATASET"]
        by_uuid = {
            row["dataset_uuid"]: Dataset(
                row["name"], row["digest"], row["dataset_source_type"], row["dataset_source"],
                row["dataset_schema"], row["dataset_profile"],
            )
            for row in self._rows(sa.select(datasets).where(datasets.c.dataset_uuid.in_(wanted)))
        }  # fmt: skip
        tags = self._grouped("input_tags", "input_uuid", ("name", "value"))
        for row in rows:
            if row["source_type"] == "DATASET" and row["source_id"] in by_uuid:
                link_tags = [InputTag(key, value or "") for key, value in tags.get(row["input_uuid"], [])]
                inputs.setdefault(row["destination_id"], RunInputs()).dataset_inputs.append(
                    DatasetInput(by_uuid[row["source_id"]], link_tags)
                )
            elif row["source_type"] == "RUN_INPUT":
                inputs.setdefault(row["source_id"], RunInputs()).model_inputs.append(
                    LoggedModelInput(row["destination_id"])
                )
            elif row["source_type"] == "RUN_OUTPUT":
                outputs.setdefault(row["source_id"], RunOutputs()).model_outputs.append(
                    LoggedModelOutput(row["destination_id"], row.get("step") or 0)
                )
        return inputs, outputs

    def _grouped(
        self, table: str, owner: str, columns: tuple[str, str], mine: Any = None
    ) -> dict[str, list[tuple[str, str | None]]]:
        """The pairs `columns` of `table`, by owner."""
        grouped: dict[str, list[tuple[str, str | None]]] = {}
        if table not in self._tables:
            return grouped
        selected = self._tables[table]
        statement = sa.select(selected.c[owner], selected.c[columns[0]], selected.c[columns[1]])
        if mine is not None:
            statement = statement.where(selected.c[owner].in_(mine))
        for row in self._rows(statement):
            grouped.setdefault(str(row[owner]), []).append((row[columns[0]], row[columns[1]]))
        return grouped

    def _rows(self, statement: Any) -> Iterator[dict[str, Any]]:
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=_BATCH).execute(statement).mappings():
                yield dict(row)
