"""Datasets: what is recorded of them is what MLflow records."""

from __future__ import annotations

import http.server
import importlib.util
import json
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from millstream import data
from millstream.data import sources
from millstream.data.dataset import Dataset, MetaDataset, entity_of
from millstream.entities import Dataset as DatasetEntity
from millstream.entities import DatasetInput
from millstream.errors import InvalidValue
from millstream.models.types import ColSpec, Schema

HERE = Path(__file__).parent


def _cases() -> ModuleType:
    spec = importlib.util.spec_from_file_location("datasets_to_compare", HERE / "datasets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MLFLOWS: dict[str, Any] = json.loads((HERE / "datasets_of_mlflow.json").read_text())


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    found: dict[str, Any] = _cases().records(data)
    return found


@pytest.mark.parametrize("name", MLFLOWS)
def test_a_dataset_is_recorded_as_mlflow_records_it(records: dict[str, Any], name: str) -> None:
    assert records[name] == MLFLOWS[name]


def test_a_dataset_without_a_source_comes_from_the_running_program() -> None:
    dataset = data.from_pandas(pd.DataFrame({"a": [1]}))
    record = dataset.to_dict()
    assert record["name"] == "dataset"
    assert record["source_type"] == "code"
    assert json.loads(record["source"])["tags"]["mlflow.source.type"] == "LOCAL"
    assert json.loads(dataset.to_json()) == record


def test_a_digest_may_be_given_and_is_then_kept() -> None:
    assert data.from_pandas(pd.DataFrame({"a": [1]}), digest="abc").digest == "abc"
    assert data.from_numpy(np.arange(3), digest="abc").digest == "abc"


@pytest.mark.parametrize("role", ["targets", "predictions"])
def test_a_role_must_be_a_column(role: str) -> None:
    with pytest.raises(InvalidValue, match="no column 'z'"):
        data.from_pandas(pd.DataFrame({"a": [1]}), **{role: "z"})


def test_polars_frames_have_schema_digest_and_profile() -> None:
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "l": [[1.5], [], [2.5]], "s": [{"k": True}] * 3})
    dataset = data.from_polars(frame, source="/x", targets="b")
    record = dataset.to_dict()
    assert [column["type"] for column in json.loads(record["schema"])["mlflow_colspec"]] == [
        "long",
        "string",
        "array",
        "object",
    ]
    assert record["digest"] == str(frame.hash_rows().sum())
    assert json.loads(record["profile"]) == {"num_rows": 3, "num_elements": 12}
    unusual = data.from_polars(pl.DataFrame({"u": pl.Series([1], dtype=pl.UInt64)}), source="/x")
    assert "schema" not in unusual.to_dict()


class HubDataset:
    """Of the shape of `datasets.Dataset`."""

    config_name = "plain"
    split = "train"
    num_rows, dataset_size, size_in_bytes = 2, 10, 20

    def to_pandas(self, batch_size: int, batched: bool) -> Any:
        return iter([pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})])


def test_datasets_of_the_hub_name_their_source() -> None:
    record = data.from_huggingface(HubDataset(), "imdb", targets="label", revision="main").to_dict()
    assert record["source_type"] == "hugging_face"
    assert json.loads(record["source"]) == {
        "path": "imdb",
        "config_name": "plain",
        "data_dir": None,
        "data_files": None,
        "split": "train",
        "revision": "main",
    }
    assert json.loads(record["profile"]) == {"num_rows": 2, "dataset_size": 10, "size_in_bytes": 20}
    assert data.from_huggingface(HubDataset()).to_dict()["source_type"] == "code"


def test_a_dataset_may_be_known_by_its_source_alone() -> None:
    source = sources.HTTPDatasetSource("https://a.b/c")
    assert MetaDataset(source).digest == "97df7ab6"  # as MLflow 3.17.2 gives it
    assert MetaDataset(source, name="n", schema=Schema([ColSpec("long", "a")])).digest == "21b45340"
    assert MetaDataset("s3://bucket/x", digest="d").to_dict()["source_type"] == "s3"


@pytest.mark.parametrize(
    ("source_type", "fields", "cls"),
    [
        ("http", {"url": "https://a.b/c"}, sources.HTTPDatasetSource),
        ("local", {"uri": "/x"}, sources.ArtifactDatasetSource),
        ("s3", {"uri": "s3://b/x"}, sources.ArtifactDatasetSource),
        ("code", {"tags": {"a": "b"}}, sources.CodeDatasetSource),
        ("spark", {"table_name": "t"}, sources.SparkDatasetSource),
        ("delta_table", {"path": "/x", "delta_table_version": 3}, sources.DeltaDatasetSource),
        ("strange", {"anything": 1}, sources.UnknownDatasetSource),
    ],
)
def test_a_recorded_source_is_read_back(source_type: str, fields: dict[str, Any], cls: type) -> None:
    entity = DatasetEntity("n", "d", source_type, json.dumps(fields))
    for dataset in (entity, DatasetInput(entity)):
        source = data.get_source(dataset)
        assert type(source) is cls
        assert source.to_dict() == fields
        assert source._type() == source_type


def test_a_source_that_nothing_understands_is_refused() -> None:
    for source in ("weird://x", 5):
        with pytest.raises(InvalidValue, match="source"):
            data.from_pandas(pd.DataFrame({"a": [1]}), source=source)
    with pytest.raises(InvalidValue, match="no dataset"):
        data.get_source(3)
    with pytest.raises(InvalidValue):
        sources.SparkDatasetSource()
    with pytest.raises(InvalidValue):
        sources.DeltaDatasetSource()
    with pytest.raises(InvalidValue):
        sources.HTTPDatasetSource("ftp://a/b")


def test_data_is_loaded_from_its_source(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("a,b\n1,2\n")
    local = data.get_source(data.from_pandas(pd.DataFrame({"a": [1]}), source=file))
    assert local.load() == str(file)
    copy = Path(local.load(dst_path=str(tmp_path / "copy")))
    assert copy.read_text() == "a,b\n1,2\n"
    assert copy != file

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        found = sources.HTTPDatasetSource(f"{address}/train.csv").load(dst_path=str(tmp_path / "web"))
        assert Path(found).read_text() == "a,b\n1,2\n"
        with pytest.raises(InvalidValue, match="404"):
            sources.HTTPDatasetSource(f"{address}/none.csv").load(dst_path=str(tmp_path / "web"))
        server.shutdown()


def test_datasets_of_others_are_recorded_by_what_they_say() -> None:
    class Own(Dataset):
        def _compute_digest(self) -> str:
            return "own"

    class Foreign:
        def to_dict(self) -> dict[str, str]:
            return {"name": "f", "digest": "1", "source": "{}", "source_type": "x", "profile": "{}"}

    assert entity_of(Own(sources.HTTPDatasetSource("https://a.b/c"), "n")).digest == "own"
    assert entity_of(Foreign()) == DatasetEntity("f", "1", "x", "{}", None, "{}")
    with pytest.raises(InvalidValue, match="no dataset"):
        entity_of(pd.DataFrame())


def test_tensors_and_streams_of_tensorflow_are_recorded_as_mlflow_records_them() -> None:
    tf = pytest.importorskip("tensorflow")  # too large for the tests' environment; run by hand against 2.x
    array = np.arange(12, dtype="float32").reshape(3, 4)
    record = data.from_tensorflow(tf.constant(array), source="/x", targets=tf.constant([1, 2, 3])).to_dict()
    assert json.loads(record["profile"]) == {"features_cardinality": 12, "targets_cardinality": 3}
    assert record["digest"] == data.from_numpy(array, targets=np.array([1, 2, 3], "int32")).digest
    stream = tf.data.Dataset.from_tensor_slices(array)
    assert data.from_tensorflow(stream, source="/x").digest == "75f60396"
    assert data.from_tensorflow(stream.batch(2), source="/x").digest == "75f60396"
