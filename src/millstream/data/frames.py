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
    def schema(self) -> schema.Schema | None:
        return schema.or_none(lambda: schema.of_frame(self.df))

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
    def schema(self) -> schema.Schema | None:
        columns = self.df.schema.items()
        return schema.or_none(
            lambda: schema.Schema(schema.Column(_polars_type(dtype), name) for name, dtype in columns)
        )

    @property
    def profile(self) -> dict[str, Any]:
        return {"num_rows": len(self.df), "num_elements": len(self.df) * self.df.width}


_POLARS = {
    "Boolean": "boolean",
    "Int8": "integer",
    "Int16": "integer",
    "Int32": "integer",
    "UInt8": "integer",
    "UInt16": "integer",
    "UInt32": "long",
    "Int64": "long",
    "Float32": "float",
    "Float64": "double",
    "String": "string",
    "Categorical": "string",
    "Enum": "string",
    "Binary": "binary",
    "Date": "datetime",
    "Datetime": "datetime",
}


def _polars_type(dtype: Any) -> str | dict[str, Any]:
    kind = dtype.base_type().__name__
    if kind in _POLARS:
        return _POLARS[kind]
    if kind in ("List", "Array"):
        inner = _polars_type(dtype.inner)
        return {"type": "array", "items": {"type": inner} if isinstance(inner, str) else inner}
    if kind == "Struct":
        properties = {}
        for field in sorted(dtype.fields, key=lambda field: str(field.name)):
            inner = _polars_type(field.dtype)
            properties[field.name] = {**({"type": inner} if isinstance(inner, str) else inner), "required": True}
        return {"type": "object", "properties": properties}
    raise schema.Inexpressible(f"Columns of polars type {dtype} have no place in a schema.")


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
