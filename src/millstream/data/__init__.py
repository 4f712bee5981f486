"""Datasets that runs use: what `log_input` records of them (name, digest, source, schema, profile), never the data itself.

dataset = millstream.data.from_pandas(frame, source="s3://bucket/train.parquet", targets="label")
millstream.log_input(dataset, context="training")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.data.arrays import NumpyDataset as NumpyDataset
    from millstream.data.arrays import from_numpy as from_numpy
    from millstream.data.arrays import from_tensorflow as from_tensorflow
    from millstream.data.dataset import Dataset as Dataset
    from millstream.data.dataset import MetaDataset as MetaDataset
    from millstream.data.frames import PandasDataset as PandasDataset
    from millstream.data.frames import PolarsDataset as PolarsDataset
    from millstream.data.frames import from_pandas as from_pandas
    from millstream.data.frames import from_polars as from_polars
    from millstream.data.huggingface import from_huggingface as from_huggingface
    from millstream.data.sources import DatasetSource as DatasetSource
    from millstream.data.sources import get_registered_sources as get_registered_sources
    from millstream.data.sources import get_source as get_source
    from millstream.data.spark import from_spark as from_spark
    from millstream.data.spark import load_delta as load_delta

_HOME = {
    "Dataset": "dataset",
    "MetaDataset": "dataset",
    "DatasetSource": "sources",
    "get_source": "sources",
    "get_registered_sources": "sources",
    "PandasDataset": "frames",
    "PolarsDataset": "frames",
    "from_pandas": "frames",
    "from_polars": "frames",
    "NumpyDataset": "arrays",
    "from_numpy": "arrays",
    "from_tensorflow": "arrays",
    "from_huggingface": "huggingface",
    "from_spark": "spark",
    "load_delta": "spark",
}

ALIASES = {
    "dataset_source": "sources",
    "dataset_source_registry": "sources",
    "code_dataset_source": "sources",
    "http_dataset_source": "sources",
    "filesystem_dataset_source": "sources",
    "artifact_dataset_sources": "sources",
    "huggingface_dataset_source": "sources",
    "delta_dataset_source": "sources",
    "spark_dataset_source": "sources",
    "meta_dataset": "dataset",
    "pandas_dataset": "frames",
    "polars_dataset": "frames",
    "numpy_dataset": "arrays",
    "tensorflow_dataset": "arrays",
    "huggingface_dataset": "huggingface",
    "spark_dataset": "spark",
    "schema": "schema",
}
"""MLflow's names of the modules here."""

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in ALIASES:
        value = importlib.import_module(f"{__name__}.{ALIASES[name]}")
    elif name.startswith(("from_", "load_")):
        value = _constructor_plugin(name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _constructor_plugin(name: str) -> Any:
    """A function that a package registered under `mlflow.dataset_constructor`."""
    from importlib.metadata import entry_points

    installed = entry_points()
    for group in ("mlflow.dataset_constructor", "millstream.dataset_constructor"):
        for entry in installed.select(group=group, name=name):
            return entry.load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
