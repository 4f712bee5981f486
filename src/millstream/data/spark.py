"""Datasets of Spark DataFrames and Delta tables. Nothing here imports pyspark: the frame brings it along."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from millstream.data import schema
from millstream.data.dataset import Dataset
from millstream.data.frames import _check_columns
from millstream.data.sources import CodeDatasetSource, DatasetSource, DeltaDatasetSource, SparkDatasetSource
from millstream.errors import InvalidValue

if TYPE_CHECKING:
    from millstream.models.types import Schema


class SparkDataset(Dataset):
    """A Spark DataFrame; `targets` and `predictions` name columns."""

    def __init__(
        self,
        df: Any,
        source: DatasetSource,
        targets: str | None = None,
        name: str | None = None,
        digest: str | None = None,
        predictions: str | None = None,
    ) -> None:
        _check_columns(list(df.columns), targets=targets, predictions=predictions)
        super().__init__(source, name, digest)
        self.df = df
        self.targets = targets
        self.predictions = predictions

    def _compute_digest(self) -> str:
        """Of the plan's semantic hash (the schema where Spark Connect gives none): no job runs."""
        try:
            content = str(self.df.semanticHash())
        except Exception:  # Spark Connect before 3.5, plans that cannot be hashed
            content = self.df.schema.json()
        return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()[:8]

    @property
    def schema(self) -> Schema | None:
        """No job runs: a map, whose keys only its rows say, is "any"."""
        from millstream.models.foreign_frames import of_spark

        return schema.or_none(lambda: of_spark(self.df, read_maps=False))

    @property
    def profile(self) -> dict[str, Any]:
        """The number of rows is not counted: that would run a job."""
        return {"approx_count": "unknown"}


def from_spark(
    df: Any,
    path: str | None = None,
    table_name: str | None = None,
    version: str | None = None,
    sql: str | None = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> SparkDataset:
    """A dataset of a Spark DataFrame.

    Args:
        path, table_name, sql: where it comes from, at most one; the running program if none is given.
        version: of the Delta table that `path` or `table_name` names.
    """
    if sum(value is not None for value in (path, table_name, sql)) > 1:
        raise InvalidValue("Give at most one of path, table_name and sql.")
    source: DatasetSource
    if version is not None:
        if sql is not None or (path is None and table_name is None):
            raise InvalidValue("A version needs the path or the name of a Delta table.")
        source = DeltaDatasetSource(path, table_name, int(version))
    elif path is None and table_name is None and sql is None:
        from millstream.tracking.context import resolve_tags

        source = CodeDatasetSource(resolve_tags())
    else:
        source = SparkDatasetSource(path, table_name, sql)
    return SparkDataset(df, source, targets, name, digest, predictions)


def load_delta(
    path: str | None = None,
    table_name: str | None = None,
    version: str | None = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> SparkDataset:
    """Read a Delta table in the active Spark session, as a dataset."""
    source = DeltaDatasetSource(path, table_name, None if version is None else int(version))
    return SparkDataset(source.load(), source, targets, name, digest)
