"""Datasets of pandas and polars frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream.data import digests, schema
from millstream.data.dataset import Dataset
from millstream.data.sources import DatasetSource, resolve_source
from millstream.errors import InvalidValue

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from millstream.models.types import Schema


def _check_columns(columns: list[Any], **named: str | None) -> None:
    for role, name in named.items():
        if name is not None and name not in columns:
            raise InvalidValue(
                f"The frame has no column {name!r} for {role}. It has: {', '.join(map(str, columns[:50]))}."
            )


class PandasDataset(Dataset):
    """A pandas frame; `targets` and `predictions` name columns."""

    def __init__(
        self,
        df: pd.DataFrame,
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
        return digests.of_frame(self.df)

    @property
    def schema(self) -> Schema | None:
        from millstream.models.inference import of_frame

        return schema.or_none(lambda: of_frame(self.df))

    @property
    def profile(self) -> dict[str, Any]:
        return {"num_rows": len(self.df), "num_elements": int(self.df.size)}


def from_pandas(
    df: pd.DataFrame,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """A dataset of a pandas frame.

    Args:
        source: path, URI or `DatasetSource`; the running program if not given.
        targets: name of the column to predict.
        name: "dataset" if not given.
        digest: computed from the frame if not given.
        predictions: name of the column with a model's predictions.
    """
    return PandasDataset(df, resolve_source(source), targets, name, digest, predictions)


class PolarsDataset(Dataset):
    """A polars frame; `targets` and `predictions` name columns."""

    def __init__(
        self,
        df: pl.DataFrame,
        source: DatasetSource,
        targets: str | None = None,
        name: str | None = None,
        digest: str | None = None,
        predictions: str | None = None,
    ) -> None:
        _check_columns(df.columns, targets=targets, predictions=predictions)
        super().__init__(source, name, digest)
        self.df = df
        self.targets = targets
        self.predictions = predictions

    def _compute_digest(self) -> str:
        """The sum of polars' row hashes, as MLflow takes it; it differs between versions of polars."""
        return str(self.df.hash_rows().sum())

    @property
    def schema(self) -> Schema | None:
        """All columns are required, as MLflow records them."""
        from millstream.models.foreign_frames import of_polars

        return schema.or_none(lambda: of_polars(self.df, nullable=False))

    @property
    def profile(self) -> dict[str, Any]:
        return {"num_rows": len(self.df), "num_elements": len(self.df) * self.df.width}


def from_polars(
    df: pl.DataFrame,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PolarsDataset:
    """A dataset of a polars frame; the arguments are those of `from_pandas`."""
    return PolarsDataset(df, resolve_source(source), targets, name, digest, predictions)
