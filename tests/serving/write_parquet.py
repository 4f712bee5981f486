"""Writes parquet.json, the Parquet bodies of the corpus: python -m tests.serving.write_parquet"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from tests.serving.corpus import IRIS


def _body(table: pa.Table) -> str:
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return base64.b64encode(sink.getvalue()).decode()


def main() -> None:
    flower = {name: [value, value + 1] for name, value in zip(IRIS, (5.1, 3.5, 1.4, 0.2), strict=True)}
    stored = [
        ("iris", "parquet", _body(pa.table(flower))),
        ("iris", "parquet, column less", _body(pa.table(flower).drop_columns(["petal_width"]))),
        ("iris", "parquet, floats", _body(pa.table({k: pa.array(v, pa.float32()) for k, v in flower.items()}))),
        ("iris", "parquet, text", _body(pa.table({**flower, "petal_width": ["a", "b"]}))),
        ("iris", "parquet, no parquet", base64.b64encode(b"PAR1 nonsense").decode()),
        ("numbers", "parquet", _body(pa.table({
            "n": pa.array([3, 4], pa.int64()), "i": pa.array([1, 2], pa.int32()), "f": pa.array([0.5, 1.5], pa.float32()),
            "b": pa.array([True, False]),
        }))),
        ("numbers", "parquet, other widths", _body(pa.table({"n": [3], "i": [1], "f": [0.5], "b": [True]}))),
        ("numbers", "parquet, null", _body(pa.table({
            "n": pa.array([None, 4], pa.int64()), "i": pa.array([1, 2], pa.int32()), "f": pa.array([0.5, 1.5], pa.float32()),
            "b": pa.array([True, False]),
        }))),
    ]  # fmt: skip
    (Path(__file__).parent / "parquet.json").write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
