"""Models that Spark writes straight to the artifact store, because Hadoop knows its scheme.

The store is a mount of Hadoop's `viewfs` under a scheme of its own; Millstream reaches it through an artifact plug-in.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import millstream

PLUGIN = '''
import os, shutil
from pathlib import Path
from types import SimpleNamespace

ROOT = Path({root!r})

class Store:
    """What a published plug-in offers, over a local folder."""

    def __init__(self, uri):
        self.folder = ROOT / uri.partition("://store/bucket/")[2]

    def log_artifact(self, local_file, artifact_path=None):
        folder = self.folder / (artifact_path or "")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(local_file, folder)
        with open(ROOT / "uploaded", "a") as log:
            log.write(os.path.basename(local_file) + "\\n")

    def list_artifacts(self, path=None):
        folder = self.folder / (path or "")
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        return [
            SimpleNamespace(path=str(each.relative_to(self.folder)), is_dir=each.is_dir(), file_size=each.stat().st_size)
            for each in found
        ]

    def _download_file(self, remote_file_path, local_path):
        shutil.copy(self.folder / remote_file_path, local_path)
'''
INPUTS = pd.DataFrame({"x": [0.5, 1.5]})


@pytest.fixture
def bucket(spark: Any, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder behind `demo://store/bucket`, where the active experiment keeps its artifacts."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    site = tmp_path / "site"
    metadata = site / "demo-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Name: demo\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mlflow.artifact_repository]\ndemo = demo_store:Store\n")
    (site / "demo_store.py").write_text(PLUGIN.format(root=str(bucket)))
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "demo_store", raising=False)
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("fs.demo.impl", "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme")
    hadoop.set("fs.demo.impl.disable.cache", "true")
    hadoop.set("fs.viewfs.mounttable.store.link./bucket", bucket.as_uri())
    millstream.set_experiment(experiment_id=millstream.create_experiment("demo", "demo://store/bucket/experiment"))
    return bucket


@pytest.fixture
def model() -> Any:
    from pyspark.ml.feature import Bucketizer

    return Bucketizer(splits=[0.0, 1.0, 2.0], inputCol="x", outputCol="y")


def test_spark_writes_its_files_and_we_only_ours(bucket: Path, model: Any) -> None:
    with millstream.start_run():
        info = millstream.spark.log_model(model, name="model", input_example=INPUTS)
    uploaded = (bucket / "uploaded").read_text().split()
    assert "MLmodel" in uploaded
    assert not any(name.startswith("part-") for name in uploaded)
    assert list(bucket.rglob("sparkml/metadata/_SUCCESS"))
    assert millstream.pyfunc.load_model(info.model_uri).predict(INPUTS) == [0.0, 1.0]


def test_where_spark_may_not_write_the_files_pass_through_this_machine(
    spark: Any, bucket: Path, model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    spark.sparkContext._jsc.hadoopConfiguration().set("fs.viewfs.mounttable.store.link./bucket", "nosuch:///place")
    with millstream.start_run(), caplog.at_level("INFO", logger="millstream"):
        info = millstream.spark.log_model(model, name="model", input_example=INPUTS)
    assert "cannot write to 'demo://" in caplog.text
    assert any(name.startswith("part-") for name in (bucket / "uploaded").read_text().split())
    assert millstream.pyfunc.load_model(info.model_uri).predict(INPUTS) == [0.0, 1.0]
