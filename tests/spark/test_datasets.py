"""What is recorded of Spark frames as data of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import millstream


def test_a_frame_read_from_a_path_is_an_input_of_a_run(spark: Any, store: str, tmp_path: Path) -> None:
    path = str(tmp_path / "houses")
    spark.createDataFrame([(1, "a")], "rooms int, name string").write.parquet(path)
    frame = spark.read.parquet(path)
    with millstream.start_run() as run:
        millstream.log_input(millstream.data.from_spark(frame, path=path, name="houses"), context="train")
    (logged,) = millstream.get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.source_type) == ("houses", "spark")
    assert [each["name"] for each in json.loads(logged.dataset.schema)["mlflow_colspec"]] == ["rooms", "name"]
    again = millstream.data.get_source(logged)
    assert again.load().collect() == frame.collect()


def test_the_digest_is_that_of_the_plan_and_runs_no_job(spark: Any) -> None:
    frame = spark.range(10).selectExpr("id * 2 AS x")
    tracker = spark.sparkContext.statusTracker()
    spark.sparkContext.setJobGroup("digest", "none of this runs")
    made = millstream.data.from_spark(frame)
    assert made.digest == millstream.data.from_spark(spark.range(10).selectExpr("id * 2 AS x")).digest
    assert made.digest != millstream.data.from_spark(spark.range(10).selectExpr("id * 3 AS x")).digest
    assert made.schema is not None
    assert made.profile == {"approx_count": "unknown"}
    assert list(tracker.getJobIdsForGroup("digest")) == []
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)


def test_vectors_are_in_the_schema(spark: Any) -> None:
    from pyspark.ml.linalg import Vectors

    frame = spark.createDataFrame([(Vectors.dense([1.0]),)], ["features"])
    schema = millstream.data.from_spark(frame).schema
    assert schema is not None
    assert schema.to_dict() == [{"type": "sparkml_vector", "name": "features", "required": True}]
