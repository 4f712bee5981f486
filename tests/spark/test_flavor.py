"""The Spark ML flavor, in a real Spark: what the suite of all flavors (`tests/models/flavors`) does not ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import millstream
from millstream.errors import InvalidValue, MissingLibrary
from millstream.models.model_files import BrokenModelFile
from millstream.models.signature import infer_signature
from millstream.models.spark import session, staging
from millstream.models.trust import UntrustedModel
from tests.spark.transformers import Doubler, Unwritable

REQUIREMENTS = {"pip_requirements": ["pyspark"]}
HOUSES = pd.DataFrame({"rooms": [1.0, 2.0, 3.0, 4.0], "area": [4.0, 3.0, 2.5, 1.0], "price": [1.0, 2.0, 3.0, 4.0]})
INPUTS = HOUSES[["rooms", "area"]]


@pytest.fixture(scope="module")
def pipeline(spark: Any) -> Any:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import LinearRegression

    assembler = VectorAssembler(inputCols=["rooms", "area"], outputCol="features")
    return Pipeline(stages=[assembler, LinearRegression(labelCol="price")]).fit(spark.createDataFrame(HOUSES))


def transformed(spark: Any, model: Any, inputs: pd.DataFrame, column: str = "prediction") -> list[Any]:
    return [row[0] for row in model.transform(spark.createDataFrame(inputs)).select(column).collect()]


def saved(model: Any, folder: Path, **given: Any) -> Path:
    millstream.spark.save_model(model, folder, **{**REQUIREMENTS, **given})
    return folder


@pytest.mark.quick
def test_a_logged_pipeline_predicts_and_transforms_as_it_did(spark: Any, pipeline: Any, store: str) -> None:
    with millstream.start_run() as run:
        info = millstream.spark.log_model(pipeline, name="model", input_example=INPUTS)
    expected = transformed(spark, pipeline, INPUTS)
    assert millstream.pyfunc.load_model(info.model_uri).predict(INPUTS) == expected
    native = millstream.spark.load_model(f"runs:/{run.info.run_id}/model")
    assert type(native).__name__ == "PipelineModel"
    assert transformed(spark, native, INPUTS) == expected
    assert info.signature is not None
    assert [each["type"] for each in json.loads(info.signature.to_dict()["outputs"])] == ["double"]


def test_what_it_requires_is_found_without_a_second_spark(
    spark: Any, pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLSTREAM_REQUIREMENTS_INFERENCE_TIMEOUT", "0.001")
    monkeypatch.setenv("MILLSTREAM_REQUIREMENTS_INFERENCE_RAISE_ERRORS", "true")
    millstream.spark.save_model(pipeline, tmp_path / "model")
    import pyspark

    assert f"pyspark=={pyspark.__version__}" in (tmp_path / "model" / "requirements.txt").read_text().splitlines()


def test_no_checksum_file_is_kept(pipeline: Any, tmp_path: Path) -> None:
    assert not [path for path in saved(pipeline, tmp_path / "model").rglob("*") if path.name.endswith(".crc")]


def test_a_lone_model_is_loaded_as_a_pipeline(spark: Any, pipeline: Any, tmp_path: Path) -> None:
    regression = pipeline.stages[-1]
    loaded = millstream.spark.load_model(saved(regression, tmp_path / "model"))
    assert type(loaded).__name__ == "PipelineModel"
    assert [type(stage).__name__ for stage in loaded.stages] == ["LinearRegressionModel"]


# ---------------------------------------------------------------- vectors, order, columns
@pytest.mark.quick
def test_vectors_are_part_of_a_signature_and_given_as_lists(spark: Any, pipeline: Any, tmp_path: Path) -> None:
    assembler, regression = pipeline.stages
    features = assembler.transform(spark.createDataFrame(HOUSES)).select("features")
    signature = infer_signature(features, regression.transform(features).select("prediction"))
    assert json.loads(signature.to_dict()["inputs"]) == [
        {"type": "sparkml_vector", "name": "features", "required": True}
    ]
    path = saved(regression, tmp_path / "model", signature=signature)
    lists = pd.DataFrame({"features": INPUTS.to_numpy().tolist()})
    assert millstream.pyfunc.load_model(path).predict(lists) == transformed(spark, pipeline, INPUTS)


def test_integers_in_lists_are_vectors_too(pipeline: Any, tmp_path: Path) -> None:
    function = millstream.pyfunc.load_model(saved(pipeline.stages[-1], tmp_path / "model"))
    assert function.predict(pd.DataFrame({"features": [[1, 2]]})) == function.predict(
        pd.DataFrame({"features": [[1.0, 2.0]]})
    )


def test_the_output_column_of_a_last_transformer_is_the_prediction(spark: Any, pipeline: Any, tmp_path: Path) -> None:
    function = millstream.pyfunc.load_model(saved(pipeline.stages[0], tmp_path / "model"))
    assert function.predict(INPUTS) == INPUTS.to_numpy().tolist()


def test_a_model_without_an_output_column_says_so(spark: Any, tmp_path: Path) -> None:
    from pyspark.ml.feature import VectorSizeHint

    hint = VectorSizeHint(inputCol="features", size=2, handleInvalid="skip")
    function = millstream.pyfunc.load_model(saved(hint, tmp_path / "model"))
    with pytest.raises(InvalidValue, match="setPredictionCol"):
        function.predict(pd.DataFrame({"features": [[1.0, 2.0]]}))


def test_rows_keep_their_order_through_joins_and_dropped_ones_are_none(spark: Any, tmp_path: Path) -> None:
    from pyspark.ml.recommendation import ALS

    seen = pd.DataFrame({"user": [0, 0, 1, 1, 2], "item": [0, 1, 1, 2, 0], "rating": [5.0, 1.0, 4.0, 2.0, 3.0]})
    model = ALS(rank=2, maxIter=2, seed=1, coldStartStrategy="drop").fit(spark.createDataFrame(seen))
    function = millstream.pyfunc.load_model(saved(model, tmp_path / "model"))
    asked = pd.DataFrame({"user": [2, 99, 1, 0, 1, 2], "item": [0, 0, 2, 1, 1, 0]})
    predicted = function.predict(asked)
    assert predicted[1] is None
    assert predicted[0] == predicted[5]
    assert [abs(value - want) < 1 for value, want in zip(predicted[2:5], [2.0, 1.0, 4.0], strict=True)] == [True] * 3


def test_a_spark_frame_can_be_predicted_as_well(spark: Any, pipeline: Any, tmp_path: Path) -> None:
    path = saved(pipeline, tmp_path / "model", input_example=INPUTS)
    frame = spark.createDataFrame(HOUSES)
    assert millstream.pyfunc.load_model(path).predict(frame) == transformed(spark, pipeline, INPUTS)


def test_the_index_of_a_frame_does_not_matter(pipeline: Any, tmp_path: Path) -> None:
    function = millstream.pyfunc.load_model(saved(pipeline, tmp_path / "model"))
    assert function.predict(INPUTS.iloc[::-1]) == function.predict(INPUTS)[::-1]


# ---------------------------------------------------------------- what cannot be saved
def test_an_estimator_is_refused_before_anything_is_written(spark: Any, tmp_path: Path) -> None:
    from pyspark.ml.regression import LinearRegression

    with pytest.raises(InvalidValue, match="not trained"):
        saved(LinearRegression(), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_stage_that_spark_cannot_save_is_named(spark: Any, tmp_path: Path) -> None:
    from pyspark.ml import PipelineModel

    with pytest.raises(InvalidValue, match=r"transformers\.Unwritable.*DefaultParamsWritable"):
        saved(PipelineModel(stages=[Unwritable()]), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- strangers' models
def test_a_transformer_of_the_users_needs_trust(spark: Any, tmp_path: Path) -> None:
    path = saved(Doubler(inputCol="rooms", outputCol="prediction"), tmp_path / "model")
    with pytest.raises(UntrustedModel, match=r"tests\.spark\.transformers\.Doubler"):
        millstream.pyfunc.load_model(path)
    assert millstream.pyfunc.load_model(path, trust=True).predict(INPUTS) == [2.0, 4.0, 6.0, 8.0]


def test_sql_needs_trust(spark: Any, tmp_path: Path) -> None:
    from pyspark.ml.feature import SQLTransformer

    path = saved(SQLTransformer(statement="SELECT *, rooms + 1 AS prediction FROM __THIS__"), tmp_path / "model")
    with pytest.raises(UntrustedModel, match="SQL"):
        millstream.spark.load_model(path)
    assert millstream.pyfunc.load_model(path, trust=True).predict(INPUTS) == [2.0, 3.0, 4.0, 5.0]


@pytest.fixture
def forged(pipeline: Any, tmp_path: Path) -> Path:
    return saved(pipeline, tmp_path / "model")


def metadata_of(path: Path, stage: str) -> Path:
    return next(path.glob(f"sparkml/{stage}metadata/part-*"))


def test_a_class_in_a_stage_that_is_not_sparks_needs_trust(forged: Path) -> None:
    file = metadata_of(forged, "stages/1_*/")
    file.write_text(file.read_text().replace('"org.apache.spark.ml.regression', '"evil'))
    with pytest.raises(UntrustedModel, match=r"evil\.LinearRegressionModel"):
        millstream.spark.load_model(forged)


def test_a_class_under_another_files_name_is_seen(forged: Path) -> None:
    (metadata_of(forged, "").parent / "another").write_text('{"class": "os.system"}')
    with pytest.raises(UntrustedModel, match=r"os\.system"):
        millstream.spark.load_model(forged)


def test_compressed_metadata_needs_trust(forged: Path) -> None:
    (metadata_of(forged, "").parent / "part-00001.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(UntrustedModel, match="compressed"):
        millstream.spark.load_model(forged)


def test_a_stage_elsewhere_is_refused(forged: Path) -> None:
    file = metadata_of(forged, "")
    content = json.loads(file.read_text())
    content["paramMap"]["stageUids"][0] = "../../../elsewhere"
    file.write_text(json.dumps(content))
    with pytest.raises(BrokenModelFile, match="lies elsewhere"):
        millstream.spark.load_model(forged, trust=True)


def test_a_pickled_type_in_parquet_needs_trust(forged: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = json.dumps({"type": "udt", "pyClass": "a.b", "serializedClass": "gAWVCg==", "sqlType": "double"})
    table = pa.table({"x": [1.0]}).replace_schema_metadata({"org.apache.spark.sql.parquet.row.metadata": row})
    pq.write_table(table, next(forged.glob("sparkml/stages/1_*/data")) / "part-1")
    with pytest.raises(UntrustedModel, match="pickled type"):
        millstream.spark.load_model(forged)


@pytest.mark.parametrize("broken", ["{", "[1]", "\x00"])
def test_broken_metadata_is_one_clear_error(forged: Path, broken: str) -> None:
    metadata_of(forged, "").write_text(broken)
    with pytest.raises(BrokenModelFile, match="metadata of a Spark model"):
        millstream.spark.load_model(forged)


def test_missing_data_is_one_clear_error(forged: Path) -> None:
    for file in forged.glob("sparkml/stages/1_*/data/*"):
        file.unlink()
    with pytest.raises(BrokenModelFile, match="a Spark model"):
        millstream.spark.load_model(forged)


# ---------------------------------------------------------------- the way through a shared filesystem
def test_a_staging_place_is_used_and_left_empty(spark: Any, pipeline: Any, tmp_path: Path) -> None:
    place = tmp_path / "staging"
    path = saved(pipeline, tmp_path / "model", dfs_tmpdir=place.as_uri())
    assert transformed(spark, millstream.spark.load_model(path), INPUTS) == transformed(spark, pipeline, INPUTS)
    assert list(place.iterdir()) == []


def test_a_loaded_copy_stays_as_long_as_the_program_and_no_longer(pipeline: Any, tmp_path: Path) -> None:
    path, place = saved(pipeline, tmp_path / "model"), tmp_path / "staging"
    program = (
        "import sys, pathlib, millstream\n"
        "from tests.models.flavors.cases import spark_session\n"
        "spark_session()\n"
        "model = millstream.spark.load_model(sys.argv[1], dfs_tmpdir=pathlib.Path(sys.argv[2]).as_uri())\n"
        "print(len(list(pathlib.Path(sys.argv[2]).iterdir())), model.stages[-1].numFeatures)\n"
    )
    done = run(program, path, place)
    assert done.stdout.split() == ["1", "2"], done.stderr
    assert list(place.iterdir()) == []


def test_executors_that_wrote_elsewhere_are_noticed(spark: Any, tmp_path: Path) -> None:
    def write(uri: str) -> None:
        folder = Path(uri.removeprefix("file://")) / "data"
        folder.mkdir(parents=True)
        (folder / "_SUCCESS").touch()

    with pytest.raises(staging.Incomplete, match="MILLSTREAM_SPARK_STAGING"):
        staging.save(write, tmp_path / "model", spark)


def test_nothing_temporary_is_left(
    spark: Any, pipeline: Any, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    millstream.spark.log_model(pipeline, name="model", **REQUIREMENTS)
    assert list((tmp_path / "temporary").iterdir()) == []


# ---------------------------------------------------------------- finding Spark
def run(program: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(root), **variables}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_without_a_session_a_small_one_on_this_machine_is_made(pipeline: Any, tmp_path: Path) -> None:
    path = saved(pipeline, tmp_path / "model", input_example=INPUTS)
    program = (
        "import sys, millstream\n"
        "model = millstream.pyfunc.load_model(sys.argv[1])\n"
        "print(model.predict(model.input_example))\n"
        "from pyspark.sql import SparkSession\n"
        "print(SparkSession.active().conf.get('spark.master'))\n"
    )
    done = run(program, path)
    assert done.returncode == 0, done.stderr
    predicted, master = done.stdout.splitlines()
    assert json.loads(predicted) == millstream.pyfunc.load_model(path).predict(INPUTS)
    assert master == "local[2]"


def test_without_java_the_error_says_what_to_do(pipeline: Any, tmp_path: Path) -> None:
    path = saved(pipeline, tmp_path / "model")
    program = (
        "import sys, millstream\n"
        "try: millstream.spark.load_model(sys.argv[1])\n"
        "except millstream.MillstreamError as error: print(error)\n"
    )
    done = run(program, path, PATH="/nowhere", JAVA_HOME="")
    assert "apt-get install openjdk-17-jre-headless" in done.stdout, done.stderr


def test_a_spark_that_pip_did_not_install_is_found_by_spark_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyspark

    home = tmp_path / "spark"
    (home / "python" / "lib").mkdir(parents=True)
    (home / "python" / "pyspark").symlink_to(Path(pyspark.__file__).parent)
    (home / "python" / "lib" / "py4j-0.10.9.9-src.zip").touch()
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "pyspark")
    with pytest.raises(MissingLibrary, match="SPARK_HOME"):
        session.require("This test")
    monkeypatch.setenv("SPARK_HOME", str(home))
    session.make_importable()
    assert sys.path == [str(home / "python"), str(home / "python" / "lib" / "py4j-0.10.9.9-src.zip")]


# ---------------------------------------------------------------- models of Spark Connect before Spark 4
def test_a_model_that_is_python_alone_is_saved_without_spark(tmp_path: Path) -> None:
    from pyspark.ml.connect.feature import MaxAbsScaler

    data = pd.DataFrame({"features": [[1.0, -4.0], [2.0, 2.0]]})
    model = MaxAbsScaler(inputCol="features", outputCol="scaled").fit(data)
    path = saved(model, tmp_path / "model")
    with pytest.raises(UntrustedModel, match="pickle"):
        millstream.pyfunc.load_model(path)
    function = millstream.pyfunc.load_model(path, trust=True)
    assert [list(row) for row in function.predict(data)] == [[0.5, -1.0], [1.0, 0.5]]
