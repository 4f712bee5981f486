"""Datasets whose records are compared with MLflow's: `test_data.py` holds what MLflow 3.17.2 gives for each.

`python datasets.py mlflow` prints that, where MLflow is installed.
"""

from __future__ import annotations

import datetime
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd


def frames() -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(0)
    days = pd.to_datetime(["2020-01-01", "2021-01-01"])
    return {
        "numbers": pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, np.nan]}),
        "texts": pd.DataFrame({"a": ["x", "y", "z"], "b": [1, 2, 3]}),
        "a missing text": pd.DataFrame({"a": ["x", "y", None], "b": [1, 2, 3]}),
        "an index": pd.DataFrame({"a": [1, 2, 3]}, index=[5, 6, 7]),
        "booleans": pd.DataFrame({"a": [True, False], "b": [1, 2]}),
        "times": pd.DataFrame({"a": days, "b": [1, 2]}),
        "time differences": pd.DataFrame({"a": pd.to_timedelta([1, 2], unit="s")}),
        "names out of order": pd.DataFrame({"z": ["x", "y"], "b": [1, 2], "a": [3, 4], "c": ["q", "r"]}),
        "numbers out of order": pd.DataFrame({"b": [1, 2], "a": [3.0, 4.0]}),
        "texts out of order": pd.DataFrame({"b": ["x", "y"], "a": ["z", "w"]}),
        "categories": pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": [1, 2]}),
        "lists": pd.DataFrame({"a": [[1, 2], [3]], "b": [1, 2]}),
        "dicts": pd.DataFrame({"a": [{"k": 1}, {"k": 2}], "b": [1, 2]}),
        "mixed dicts": pd.DataFrame({"a": [{"k": 1}, {"k": 2.5}], "b": [1, 2]}),
        "bytes": pd.DataFrame({"a": [b"x", b"y"], "b": [1, 2]}),
        "mixed objects": pd.DataFrame({"a": [1, "y"], "b": [1, 2]}),
        "numbered columns": pd.DataFrame(np.arange(6).reshape(3, 2)),
        "small types": pd.DataFrame(
            {"a": np.array([1, 2], "int8"), "b": np.array([1, 2], "float32"), "c": np.array([1, 2], "uint32")}
        ),
        "unsigned": pd.DataFrame({"c": np.array([1, 2], "uint64")}),
        "nullable": pd.DataFrame(
            {"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}
        ),
        "no rows": pd.DataFrame({"a": [], "b": []}),
        "dates": pd.DataFrame({"a": [datetime.date(2020, 1, 1)]}),
        "many rows": pd.DataFrame({"a": random.normal(size=20_000), "s": [f"s{i}" for i in range(20_000)]}),
    }


def arrays() -> dict[str, tuple[Any, ...]]:
    random = np.random.default_rng(0)
    return {
        "matrix": (np.arange(12).reshape(3, 4),),
        "with targets": (np.arange(12.0).reshape(3, 4), np.array([1, 2, 3])),
        "large": (random.normal(size=(300, 100)),),
        "dict": ({"b": np.arange(3), "a": np.ones((3, 2), dtype="float32")}, {"y": np.arange(3)}),
        "array of texts": (np.array(["a", "bb"]),),
        "array of booleans": (np.array([True, False]),),
        "array of objects": (np.array(["a", 1, None], dtype=object),),
    }


SOURCES = (
    "https://x.y/z.csv", "s3://b/k.parquet", "gs://b/k", "file:///tmp/x", "relative/x.csv", "hdfs://h/x",
    "wasbs://c@a.blob.core.windows.net/x", "abfss://x@y/z",
)  # fmt: skip


def records(data: Any) -> dict[str, Any]:
    """What each dataset is recorded as, by a module of MLflow's shape."""
    makers: dict[str, Callable[[], Any]] = {}
    for name, frame in frames().items():
        makers[name] = lambda frame=frame: data.from_pandas(frame, source="/data.csv")
    for name, (features, *targets) in arrays().items():
        makers[name] = lambda features=features, targets=targets: data.from_numpy(
            features, source="/data.npy", targets=targets[0] if targets else None
        )
    for source in SOURCES:
        makers[source] = lambda source=source: data.from_pandas(pd.DataFrame({"a": [1]}), source=source)
    named = pd.DataFrame({"a": [1], "t": [2], "p": [3]})
    makers["named"] = lambda: data.from_pandas(named, "/d", targets="t", name="n", predictions="p")
    made = {name: make().to_dict() for name, make in makers.items()}
    return {name: {key: value for key, value in record.items() if value is not None} for name, record in made.items()}


if __name__ == "__main__":
    json.dump(records(importlib.import_module(f"{sys.argv[1]}.data")), sys.stdout, indent=1)
