"""Models as functions over Spark frames (`pyfunc.spark_udf`)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import millstream
from millstream.errors import InvalidValue
from millstream.models.signature import ModelSignature
from millstream.models.spark.results import WrongResult
from millstream.models.trust import UntrustedModel
from millstream.models.types import AnyType, ColSpec, ParamSchema, ParamSpec, Schema
from millstream.pyfunc import spark_udf

HOUSES = pd.DataFrame({"rooms": [1.0, 2.0, 3.0, 4.0], "area": [4.0, 3.0, 2.5, 1.0], "price": [1.0, 2.5, 3.0, 4.5]})
INPUTS = HOUSES[["rooms", "area"]]


@pytest.fixture(scope="module")
def frame(spark: Any) -> Any:
    return spark.createDataFrame(HOUSES)


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A saved model and what it predicts."""
    model = LinearRegression().fit(INPUTS, HOUSES["price"])
    path = tmp_path_factory.mktemp("models") / "regression"
    millstream.sklearn.save_model(model, path, input_example=INPUTS, pip_requirements=["scikit-learn", "skops"])
    return path, model.predict(INPUTS).tolist()


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Saves a Python function as a model."""

    def save(predict: Callable[..., Any], **given: Any) -> Path:
        path = tmp_path / f"model{len(list(tmp_path.iterdir()))}"

        class Model(millstream.pyfunc.PythonModel):
            def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
                return predict(model_input) if params is None else predict(model_input, params)

        millstream.pyfunc.save_model(path, python_model=Model(), pip_requirements=["cloudpickle"], **given)
        return path

    return save


def values(frame: Any, column: Any) -> list[Any]:
    return [row[0] for row in frame.select(column).collect()]


# ---------------------------------------------------------------- columns
@pytest.mark.quick
def test_a_model_is_a_column_over_a_frame(spark: Any, frame: Any, regression: tuple[Path, list[float]]) -> None:
    path, expected = regression
    function = spark_udf(spark, path)
    assert frame.withColumn("p", function("rooms", "area")).schema["p"].dataType.simpleString() == "double"
    assert values(frame, function("rooms", "area")) == expected


def test_columns_are_named_by_struct_by_place_or_by_the_signature(
    spark: Any, frame: Any, regression: tuple[Path, list[float]]
) -> None:
    from pyspark.sql.functions import col, struct

    path, expected = regression
    function = spark_udf(spark, str(path))
    assert values(frame, function(struct("area", "rooms", "price"))) == expected
    assert values(frame, function(col("rooms"), frame["area"], "price")) == expected
    assert values(frame, function()) == expected
    assert values(frame.withColumnRenamed("rooms", "a").withColumnRenamed("area", "b"), function("a", "b")) == expected


def test_too_few_columns_are_refused_before_a_job_runs(
    spark: Any, frame: Any, regression: tuple[Path, list[float]]
) -> None:
    function = spark_udf(spark, regression[0])
    from pyspark.sql.functions import lit

    assert values(frame.limit(1), function(*map(lit, (1.0, 4.0)))) == [pytest.approx(regression[1][0])]
    three = spark_udf(spark, regression[0])
    with pytest.raises(Exception, match=r"Columns are missing|takes 2 columns"):
        frame.select(three("rooms")).collect()


def test_columns_without_a_signature_are_numbered(spark: Any, frame: Any, model: Callable[..., Path]) -> None:
    path = model(lambda data: [",".join(map(str, data.columns))] * len(data))
    function = spark_udf(spark, path, "string", trust=True)
    assert set(values(frame, function("rooms", "area"))) == {"0,1"}
    assert set(values(frame, function("rooms"))) == {"0"}
    with pytest.raises(InvalidValue, match="names no inputs"):
        function()


def test_optional_inputs_have_to_be_named(spark: Any, frame: Any, model: Callable[..., Path]) -> None:
    signature = ModelSignature(Schema([ColSpec("double", "rooms"), ColSpec("double", "attic", required=False)]))
    path = model(lambda data: data["rooms"] + len(data.columns), signature=signature)
    function = spark_udf(spark, path, "double", trust=True)
    with pytest.raises(InvalidValue, match=r"optional \(attic\)"):
        function()
    assert values(frame, function("rooms")) == [2.0, 3.0, 4.0, 5.0]


def test_times_nested_values_and_nulls_reach_the_model(spark: Any, model: Callable[..., Path]) -> None:
    def describe(data: pd.DataFrame) -> list[str]:
        rows = data.to_dict(orient="records")
        return [
            f"{row['at']:%H:%M}|{row['list'].tolist()}|{row['map']}|{row['struct']['x']}|{pd.isna(row['number'])}"
            for row in rows
        ]

    path = model(describe)
    data = spark.createDataFrame(
        [(dt.datetime(2026, 1, 2, 3, 4), [1, 2], {"a": 1}, {"x": "y"}, None)],
        "at timestamp, list array<int>, map map<string,int>, struct struct<x:string>, number double",
    )
    from pyspark.sql.functions import struct

    function = spark_udf(spark, path, "string", trust=True)
    assert values(data, function(struct("*"))) == ["03:04|[1, 2]|{'a': 1}|y|True"]


def test_a_frame_of_many_batches_and_empty_parts_keeps_its_rows(
    spark: Any, regression: tuple[Path, list[float]]
) -> None:
    many = spark.range(25_000, numPartitions=4).selectExpr("cast(id as double) rooms", "1.0D area")
    function = spark_udf(spark, regression[0])
    filtered = many.where("rooms >= 20000").select("rooms", function("rooms", "area").alias("p")).toPandas()
    raw = millstream.sklearn.load_model(str(regression[0]))
    expected = raw.predict(pd.DataFrame({"rooms": filtered["rooms"], "area": 1.0}))
    assert len(filtered) == 5000
    np.testing.assert_allclose(filtered["p"], expected)


def test_sparks_before_41_pass_pandas(
    spark: Any,
    frame: Any,
    regression: tuple[Path, list[float]],
    model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pyspark.sql import functions

    monkeypatch.delattr(functions, "arrow_udf")
    path, expected = regression
    assert values(frame, spark_udf(spark, path)("rooms", "area")) == expected
    assert values(frame, spark_udf(spark, path)(functions.struct("area", "rooms"))) == expected
    rows = values(frame, spark_udf(spark, model(table), "i int, s string", trust=True)("rooms"))
    assert [tuple(row) for row in rows] == [(1, "r1"), (2, "r2"), (3, "r3"), (4, "r4")]


# ---------------------------------------------------------------- results
TABLE = {"i": np.int32, "l": np.int64, "f": np.float32, "d": np.float64, "b": bool, "s": object}


def table(data: pd.DataFrame) -> pd.DataFrame:
    rooms = data.iloc[:, 0]
    return pd.DataFrame(
        {
            "s": rooms.map("r{:.0f}".format),
            "b": rooms > 2,
            "d": rooms / 2,
            "l": (rooms * 10).astype("int64"),
            "i": rooms.astype("int32"),
        }
    )


@pytest.mark.parametrize(
    ("result_type", "first"),
    [
        ("string", "r1"),
        ("boolean", False),
        ("bool", False),
        ("double", 0.5),
        ("float", 0.5),
        ("long", 10),
        ("bigint", 10),
        ("int", 1),
        ("array<double>", [0.5, 10.0, 1.0]),
        ("array<int>", [1]),
        ("array<string>", ["r1", "False", "0.5", "10", "1"]),
        ("i int, d double", (1, 0.5)),
        ("struct<s:string,l:bigint>", ("r1", 10)),
        ("v string, w boolean, x double, y bigint, z int", ("r1", False, 0.5, 10, 1)),
    ],
)
def test_the_result_type_chooses_columns_that_fit(
    spark: Any, frame: Any, model: Callable[..., Path], result_type: str, first: Any
) -> None:
    function = spark_udf(spark, model(table), result_type, trust=True)
    found = values(frame, function("rooms"))
    assert len(found) == 4
    assert (tuple(found[0]) if isinstance(first, tuple) else found[0]) == first


@pytest.mark.quick
def test_the_signature_says_the_result_type(spark: Any, frame: Any, model: Callable[..., Path]) -> None:
    path = model(table, input_example=INPUTS)
    function = spark_udf(spark, path, trust=True)
    column = frame.select(function("rooms", "area").alias("p"))
    assert column.schema["p"].dataType.simpleString() == "struct<s:string,b:boolean,d:double,l:bigint,i:int>"
    assert column.select("p.l").toPandas()["l"].tolist() == [10, 20, 30, 40]


@pytest.mark.parametrize(
    ("predict", "result_type", "first"),
    [
        (lambda data: data.to_numpy(), "array<double>", [1.0, 4.0]),
        (lambda data: np.stack([data.to_numpy()] * 2, axis=1), "array<array<double>>", [[1.0, 4.0], [1.0, 4.0]]),
        (lambda data: [[1, 2, 3]] * len(data), "array<int>", [1, 2, 3]),
        (lambda data: [{"a": 1.5}] * len(data), "map<string,double>", {"a": 1.5}),
        (lambda data: pd.DataFrame({"m": [{"a": 1.5}] * len(data)}), "m map<string,double>", ({"a": 1.5},)),
        (lambda data: {"x": data["0"].to_numpy(), "y": data["1"].to_numpy()}, "x double, y double", (1.0, 4.0)),
        (lambda data: data["0"], "double", 1.0),
        (lambda data: [None, *data["0"][1:]], "double", None),
        (
            lambda data: pd.Series([pd.Timestamp("2026-01-02 03:04")] * len(data)),
            "timestamp",
            dt.datetime(2026, 1, 2, 3, 4),
        ),
        (lambda data: pd.Series([b"x"] * len(data)), "binary", b"x"),
        (
            lambda data: [{"label": "a", "scores": [0.1]}] * len(data),
            "label string, scores array<double>",
            ("a", [0.1]),
        ),
    ],
    ids=[
        "matrix",
        "cube",
        "lists",
        "dicts",
        "dicts in a struct",
        "dict of arrays",
        "series",
        "none",
        "times",
        "bytes",
        "nested",
    ],
)
def test_all_that_models_give_becomes_a_column(
    spark: Any, frame: Any, model: Callable[..., Path], predict: Callable[..., Any], result_type: str, first: Any
) -> None:
    found = values(frame, spark_udf(spark, model(predict), result_type, trust=True)("rooms", "area"))[0]
    assert (tuple(found) if isinstance(first, tuple) else found) == first


def test_a_tensor_in_the_signature_is_an_array(spark: Any, frame: Any, model: Callable[..., Path]) -> None:
    path = model(lambda data: data * 2, input_example=INPUTS.to_numpy())
    function = spark_udf(spark, path, trust=True)
    column = frame.select(function("rooms", "area").alias("p"))
    assert column.schema["p"].dataType.simpleString() == "array<double>"
    assert column.collect()[0][0] == [2.0, 8.0]


def test_any_in_the_signature_is_a_variant(spark: Any, frame: Any, model: Callable[..., Path]) -> None:
    signature = ModelSignature(Schema([ColSpec("double", "rooms")]), Schema([ColSpec(AnyType())]))
    path = model(lambda data: [{"a": [1]}] * len(data), signature=signature)
    column = frame.select(spark_udf(spark, path, trust=True)("rooms").alias("p"))
    assert column.schema["p"].dataType.simpleString() == "variant"
    assert column.selectExpr("p:a[0]::int").collect()[0][0] == 1


def test_without_outputs_in_the_signature_it_is_double_and_says_so(
    spark: Any, frame: Any, model: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = model(lambda data: data["0"])
    assert values(frame, spark_udf(spark, path, trust=True)("rooms")) == [1.0, 2.0, 3.0, 4.0]
    assert "Give result_type" in caplog.text


@pytest.mark.parametrize("result_type", ["nonsense", "date", "map<int,string>", "array<interval day>", 7])
def test_a_type_that_no_result_has_is_refused_at_once(
    spark: Any, regression: tuple[Path, list[float]], result_type: Any
) -> None:
    with pytest.raises(InvalidValue, match="result_type"):
        spark_udf(spark, regression[0], result_type)


@pytest.mark.parametrize(
    ("predict", "result_type", "reason"),
    [
        (lambda data: ["a"] * len(data), "double", "no column fits"),
        (lambda data: [1.0], "double", "1 predictions for"),
        (lambda data: 7, "double", "no value for each row"),
        (lambda data: [1.0] * len(data), "map<string,double>", "float is no dict"),
        (lambda data: data, "a double, b double, c double", "names and number differ"),
    ],
)
def test_predictions_that_do_not_fit_say_what_they_are(
    spark: Any, frame: Any, model: Callable[..., Path], predict: Callable[..., Any], result_type: str, reason: str
) -> None:
    function = spark_udf(spark, model(predict), result_type, trust=True)
    with pytest.raises(Exception, match=WrongResult.__name__) as failed:
        frame.coalesce(1).select(function("rooms", "area")).collect()
    assert reason in str(failed.value)


# ---------------------------------------------------------------- params, surroundings, trust
@pytest.mark.quick
def test_params_are_those_of_every_batch(spark: Any, frame: Any, model: Callable[..., Path]) -> None:
    signature = ModelSignature(
        Schema([ColSpec("double", "rooms")]), Schema([ColSpec("double")]), ParamSchema([ParamSpec("by", "long", 2)])
    )
    path = model(lambda data, params: data["rooms"] * params["by"], signature=signature)
    assert values(frame, spark_udf(spark, path, trust=True)("rooms")) == [2.0, 4.0, 6.0, 8.0]
    assert values(frame, spark_udf(spark, path, params={"by": 3}, trust=True)("rooms")) == [3.0, 6.0, 9.0, 12.0]


def test_variables_reach_the_workers(spark: Any, frame: Any, model: Callable[..., Path], store: str) -> None:
    def look(data: pd.DataFrame) -> list[str]:
        import os

        return [f"{os.environ['MY_KEY']} {os.environ['MILLSTREAM_TRACKING_URI']}"] * len(data)

    function = spark_udf(spark, model(look), "string", extra_env={"MY_KEY": "here"}, trust=True)
    assert set(values(frame, function("rooms"))) == {f"here {store}"}


def test_a_model_is_loaded_once_by_a_worker(spark: Any, tmp_path: Path) -> None:
    loads = tmp_path / "loads"

    class Counting(millstream.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            with open(loads, "a") as file:
                file.write("x")

        def predict(self, context: Any, model_input: Any) -> Any:
            return model_input.iloc[:, 0]

    millstream.pyfunc.save_model(tmp_path / "model", python_model=Counting(), pip_requirements=["cloudpickle"])
    loads.unlink(missing_ok=True)
    function = spark_udf(spark, tmp_path / "model", "double", trust=True)
    many = spark.range(40_000, numPartitions=8).selectExpr("cast(id as double) x")
    assert many.select(function("x").alias("p")).agg({"p": "sum"}).collect()[0][0] == sum(range(40_000))
    assert many.select(function("x").alias("p")).count() == 40_000
    assert 1 <= len(loads.read_text()) <= 2  # a worker for each core


def test_code_needs_trust_before_a_job_runs(spark: Any, model: Callable[..., Path]) -> None:
    with pytest.raises(UntrustedModel, match="trust=True"):
        spark_udf(spark, model(table), "double")


def test_a_spark_model_predicts_in_a_spark_of_the_workers_own(spark: Any, frame: Any, tmp_path: Path) -> None:
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import LinearRegression as SparkRegression
    from pyspark.sql.functions import struct

    assembler = VectorAssembler(inputCols=["rooms", "area"], outputCol="features")
    model = Pipeline(stages=[assembler, SparkRegression(labelCol="price")]).fit(frame)
    millstream.spark.save_model(model, tmp_path / "model", pip_requirements=["pyspark"])
    expected = [row[0] for row in model.transform(frame).select("prediction").collect()]
    function = spark_udf(spark, tmp_path / "model", "double")
    assert values(frame, function(struct("rooms", "area"))) == pytest.approx(expected)


def test_an_unknown_environment_manager_is_refused(spark: Any, regression: tuple[Path, list[float]]) -> None:
    with pytest.raises(InvalidValue, match="no environment manager"):
        spark_udf(spark, regression[0], env_manager="pixi")


def test_a_model_predicts_in_its_own_environment(
    spark: Any, frame: Any, model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"MILLSTREAM_ENV_ROOT": str(tmp_path / "environments")}
    monkeypatch.setenv(*next(iter(place.items())))

    def look(data: pd.DataFrame) -> list[str]:
        import sys

        return [sys.prefix] * len(data)

    signature = ModelSignature(Schema([ColSpec("double", "rooms")]), Schema([ColSpec("string")]))
    function = spark_udf(spark, model(look, signature=signature), env_manager="uv", extra_env=place, trust=True)
    found = set(values(frame, function("rooms")))
    assert len(found) == 1
    assert Path(found.pop()).is_relative_to(tmp_path / "environments")
