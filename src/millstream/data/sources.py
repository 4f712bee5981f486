"""Where a dataset comes from: one class per kind, a table that finds the class for what a caller names as `source`.

A source is stored as `source_type` and JSON text, in MLflow's forms; `get_source` reads it back and `load()` fetches the data.
"""

from __future__ import annotations

import json
import os
import posixpath
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from millstream.entities import Dataset as DatasetEntity
from millstream.entities import DatasetInput
from millstream.errors import InvalidValue, MissingLibrary, Unsupported

HTTP_TIMEOUT_S = 120.0
HTTP_LIMIT_BYTES = 64 << 30


class DatasetSource:
    """Base of all sources; plug-ins subclass it."""

    type_name: ClassVar[str] = ""

    @staticmethod
    def _get_source_type() -> str:
        raise NotImplementedError

    def _type(self) -> str:
        return self.type_name or self._get_source_type()

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, source_dict: Mapping[str, Any]) -> DatasetSource:
        return cls(**source_dict)

    @classmethod
    def from_json(cls, source_json: str) -> DatasetSource:
        return cls.from_dict(json.loads(source_json))

    def load(self, **options: Any) -> Any:
        """Fetch the data; what comes back depends on the kind."""
        raise Unsupported(f"Data of a source of type {self._type()!r} cannot be loaded from here.")


class CodeDatasetSource(DatasetSource):
    """The program that made the data, as the run's context tags."""

    type_name = "code"

    def __init__(self, tags: Mapping[str, str]) -> None:
        self.tags = dict(tags)

    def to_dict(self) -> dict[str, Any]:
        return {"tags": self.tags}


class HTTPDatasetSource(DatasetSource):
    type_name = "http"

    def __init__(self, url: str) -> None:
        if urlsplit(str(url)).scheme.lower() not in ("http", "https"):
            raise InvalidValue(f"{url!r} is no http or https address.")
        self.url = str(url)

    def to_dict(self) -> dict[str, Any]:
        return {"url": self.url}

    def load(self, dst_path: str | None = None, **options: Any) -> str:
        """Download the file to a folder (a new temporary one if not given); gives its path."""
        import urllib3

        folder = Path(dst_path or tempfile.mkdtemp(prefix="millstream-data-"))
        folder.mkdir(parents=True, exist_ok=True)
        name = posixpath.basename(urlsplit(self.url).path) or "dataset"
        target = folder / name
        with urllib3.PoolManager(timeout=HTTP_TIMEOUT_S) as pool:
            response = pool.request("GET", self.url, preload_content=False, redirect=True)
            if response.status != 200:
                raise InvalidValue(f"{self.url} answered {response.status}; nothing was downloaded.")
            size = 0
            with target.open("wb") as file:
                for chunk in response.stream(1 << 20):
                    size += len(chunk)
                    if size > HTTP_LIMIT_BYTES:
                        raise InvalidValue(f"{self.url} is larger than {HTTP_LIMIT_BYTES} bytes.")
                    file.write(chunk)
            response.release_conn()
        return str(target)


class ArtifactDatasetSource(DatasetSource):
    """Files below a URI that artifacts can be read from; the type is the scheme, `local` for paths."""

    def __init__(self, uri: str) -> None:
        self.uri = str(uri)

    def _type(self) -> str:
        scheme = scheme_of(self.uri)
        return "local" if scheme in ("", "file") else scheme

    def to_dict(self) -> dict[str, Any]:
        return {"uri": self.uri}

    def load(self, dst_path: str | None = None, **options: Any) -> str:
        """Download to `dst_path`; a local source without it is given in place. The result is a local path."""
        if self._type() == "local":
            path = urlsplit(self.uri).path if self.uri.startswith("file:") else self.uri
            if dst_path is None:
                return path
        from millstream.artifacts import open_repository

        folder, _, name = self.uri.rpartition("/")
        return str(
            open_repository(folder or ".").download(name, dst_path or tempfile.mkdtemp(prefix="millstream-data-"))
        )


class HuggingFaceDatasetSource(DatasetSource):
    type_name = "hugging_face"

    def __init__(
        self,
        path: str,
        config_name: str | None = None,
        data_dir: str | None = None,
        data_files: Any = None,
        split: Any = None,
        revision: Any = None,
        trust_remote_code: bool | None = None,
    ) -> None:
        self.path = path
        self.config_name = config_name
        self.data_dir = data_dir
        self.data_files = data_files
        self.split = split
        self.revision = revision
        self.trust_remote_code = trust_remote_code

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "config_name": self.config_name,
            "data_dir": self.data_dir,
            "data_files": self.data_files,
            "split": str(self.split),  # "None" too: MLflow writes it so
            "revision": None if self.revision is None else str(self.revision),
        }

    def load(self, **options: Any) -> Any:
        """The dataset, through `datasets.load_dataset`."""
        try:
            from datasets import load_dataset
        except ImportError:
            raise MissingLibrary("datasets", "Loading a dataset of Hugging Face") from None
        known = {
            "path": self.path,
            "name": self.config_name,
            "data_dir": self.data_dir,
            "data_files": self.data_files,
            "split": None if self.split in (None, "None") else self.split,
            "revision": self.revision,
        }
        return load_dataset(**{**{key: value for key, value in known.items() if value is not None}, **options})


class SparkDatasetSource(DatasetSource):
    type_name = "spark"

    def __init__(self, path: str | None = None, table_name: str | None = None, sql: str | None = None) -> None:
        if sum(value is not None for value in (path, table_name, sql)) != 1:
            raise InvalidValue("Give exactly one of path, table_name and sql.")
        self.path = path
        self.table_name = table_name
        self.sql = sql

    def to_dict(self) -> dict[str, Any]:
        fields = {"path": self.path, "table_name": self.table_name, "sql": self.sql}
        return {key: value for key, value in fields.items() if value is not None}

    def load(self, **options: Any) -> Any:
        """The Spark DataFrame, in the active session."""
        session = _spark_session()
        if self.path is not None:
            return session.read.parquet(self.path)
        return session.table(self.table_name) if self.table_name is not None else session.sql(self.sql)


class DeltaDatasetSource(DatasetSource):
    type_name = "delta_table"

    def __init__(
        self,
        path: str | None = None,
        delta_table_name: str | None = None,
        delta_table_version: int | None = None,
        delta_table_id: str | None = None,
        is_databricks_uc_table: bool = False,
    ) -> None:
        if (path is None) == (delta_table_name is None):
            raise InvalidValue("Give either a path or a table's name.")
        self.path = path
        self.delta_table_name = delta_table_name
        self.delta_table_version = delta_table_version
        self.delta_table_id = delta_table_id
        self.is_databricks_uc_table = is_databricks_uc_table

    def to_dict(self) -> dict[str, Any]:
        fields = {
            "path": self.path,
            "delta_table_name": self.delta_table_name,
            "delta_table_version": self.delta_table_version,
            "delta_table_id": self.delta_table_id,
            "is_databricks_uc_table": self.is_databricks_uc_table or None,
        }
        return {key: value for key, value in fields.items() if value is not None}

    def load(self, **options: Any) -> Any:
        """The Spark DataFrame at the recorded version, in the active session."""
        reader = _spark_session().read.format("delta")
        if self.delta_table_version is not None:
            reader = reader.option("versionAsOf", self.delta_table_version)
        return reader.load(self.path) if self.path is not None else reader.table(self.delta_table_name)


def _spark_session() -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise MissingLibrary("pyspark", "Loading a dataset of Spark") from None
    return SparkSession.builder.getOrCreate()


class UnknownDatasetSource(DatasetSource):
    """A source of a type that is not known here; kept as it is."""

    def __init__(self, source_type: str, fields: Mapping[str, Any]) -> None:
        self.source_type = source_type
        self.fields = dict(fields)

    def _type(self) -> str:
        return self.source_type

    def to_dict(self) -> dict[str, Any]:
        return self.fields


SOURCES: dict[str, type[DatasetSource]] = {
    cls.type_name: cls
    for cls in (CodeDatasetSource, HTTPDatasetSource, HuggingFaceDatasetSource, SparkDatasetSource, DeltaDatasetSource)
}

ARTIFACT_SCHEMES = frozenset(
    {"local", "s3", "gs", "wasbs", "abfss", "r2", "b2", "ftp", "sftp", "hdfs", "viewfs", "dbfs", "mlflow-artifacts"}
    | {"runs", "models"}
)


def scheme_of(uri: str) -> str:
    """The scheme of a URI, lower case; "" for a path (a drive letter is none)."""
    scheme = urlsplit(uri).scheme.lower()
    return "" if len(scheme) == 1 and os.name == "nt" else scheme


def get_registered_sources() -> list[type[DatasetSource]]:
    """Classes of the sources that are known, plug-ins included."""
    return [*SOURCES.values(), ArtifactDatasetSource, *_plugins()]


def _plugins() -> list[Any]:
    from importlib.metadata import entry_points

    installed = entry_points()
    return [
        entry.load()
        for group in ("mlflow.dataset_source", "millstream.dataset_source")
        for entry in installed.select(group=group)
    ]


def resolve_source(source: Any) -> DatasetSource:
    """The source for what a caller gave: a source, a path, a URI; None means the running program.

    Raises InvalidValue for what nothing understands.
    """
    if source is None:
        from millstream.tracking.context import resolve_tags

        return CodeDatasetSource(resolve_tags())
    if isinstance(source, DatasetSource) or callable(getattr(source, "_get_source_type", None)):
        found: DatasetSource = source
        return found
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        text = str(source) if isinstance(source, str) else os.fspath(source)
        scheme = scheme_of(text)
        if scheme in ("http", "https"):
            return HTTPDatasetSource(text)
        if scheme in ("", "file") or scheme in ARTIFACT_SCHEMES:
            return ArtifactDatasetSource(text)
    for plugin in _plugins():
        if plugin._can_resolve(source):
            resolved: DatasetSource = plugin._resolve(source)
            return resolved
    raise InvalidValue(f"{source!r} is no source of data that is known. Give a path, a URI, or a DatasetSource.")


def source_from(source_type: str, source: str) -> DatasetSource:
    """The source as recorded: a type and JSON text."""
    fields = json.loads(source) if source else {}
    if source_type in SOURCES:
        return SOURCES[source_type].from_dict(fields)
    if source_type in ARTIFACT_SCHEMES and set(fields) == {"uri"}:
        return ArtifactDatasetSource(fields["uri"])
    for plugin in _plugins():
        if plugin._get_source_type() == source_type:
            found: DatasetSource = plugin.from_dict(fields)
            return found
    return UnknownDatasetSource(source_type, fields)


def get_source(dataset: Any) -> DatasetSource:
    """Where a recorded dataset (of a run's inputs) or a dataset object comes from."""
    if isinstance(dataset, DatasetInput):
        dataset = dataset.dataset
    if isinstance(dataset, DatasetEntity):
        return source_from(dataset.source_type, dataset.source)
    source = getattr(dataset, "source", None)
    if source is None:
        raise InvalidValue(
            f"{type(dataset).__name__} is no dataset. Give one of a run's inputs, or one made by from_*."
        )
    return resolve_source(source)
