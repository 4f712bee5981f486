"""What a program does whose Spark runs elsewhere: `python -m tests.spark.client ADDRESS FOLDER`.

The address is that of a server of Spark Connect (`sc://`) or of a cluster's master (`spark://`).

Prints one JSON object: for each step what it gave, or its error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import millstream

HOUSES = pd.DataFrame({"rooms": [1.0, 2.0, 3.0, 4.0], "area": [4.0, 3.0, 2.5, 1.0], "price": [1.0, 2.0, 3.0, 4.0]})
INPUTS = HOUSES[["rooms", "area"]]


class Client:
    def __init__(self, address: str, folder: Path) -> None:
        self.spark = _session(address)
        self.folder = folder
        self.frame = self.spark.createDataFrame(HOUSES)
        millstream.set_tracking_uri(f"sqlite:///{folder / 'store.db'}")

    def pipeline(self) -> Any:
        from pyspark.ml import Pipeline
        from pyspark.ml.feature import VectorAssembler
        from pyspark.ml.regression import LinearRegression

        assembler = VectorAssembler(inputCols=["rooms", "area"], outputCol="features")
        return Pipeline(stages=[assembler, LinearRegression(labelCol="price")]).fit(self.frame)

    def model(self) -> list[Any]:
        model = self.pipeline()
        info = millstream.spark.log_model(model, name="model", input_example=INPUTS)
        loaded = millstream.pyfunc.load_model(info.model_uri)
        expected = [row[0] for row in model.transform(self.frame).select("prediction").collect()]
        outputs = None if info.signature is None else info.signature.to_dict()["outputs"]
        return [loaded.predict(INPUTS), expected, outputs]

    def staging(self) -> list[Any]:
        place = self.folder / "staging"
        place.mkdir()
        os.environ["MILLSTREAM_SPARK_STAGING"] = str(place)
        try:
            millstream.spark.save_model(self.pipeline(), self.folder / "staged", pip_requirements=["pyspark"])
        finally:
            del os.environ["MILLSTREAM_SPARK_STAGING"]
        files = [path.name for path in (self.folder / "staged" / "sparkml" / "metadata").iterdir()]
        return [sorted(os.listdir(place)), "_SUCCESS" in files]

    def function(self) -> list[Any]:
        from sklearn.linear_model import LinearRegression

        model = LinearRegression().fit(INPUTS, HOUSES["price"])
        path = self.folder / "regression"
        millstream.sklearn.save_model(model, path, input_example=INPUTS, pip_requirements=["scikit-learn", "skops"])
        function = millstream.pyfunc.spark_udf(self.spark, path)
        found = [row[0] for row in self.frame.select(function("rooms", "area")).collect()]
        return [found, model.predict(INPUTS).tolist()]

    def signature(self) -> str:
        return str(millstream.models.infer_signature(self.frame).to_dict()["inputs"])

    def dataset(self) -> list[Any]:
        made = millstream.data.from_spark(self.frame, path="/data/houses")
        return [made.digest == millstream.data.from_spark(self.frame, path="/data/houses").digest, len(made.digest)]


def _session(address: str) -> Any:
    from pyspark.sql import SparkSession

    if address.startswith("sc://"):
        return SparkSession.builder.remote(address).getOrCreate()
    from tests.spark.cluster import SETTINGS

    builder = SparkSession.builder.master(address)
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def main(address: str, folder: Path) -> None:
    client = Client(address, folder)
    steps: dict[str, Callable[[], Any]] = {
        name: getattr(client, name) for name in ("model", "staging", "function", "signature", "dataset")
    }
    answers = {}
    for name, step in steps.items():
        try:
            answers[name] = step()
        except Exception as error:
            answers[name] = {"error": f"{type(error).__name__}: {error}"[:3000]}
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
