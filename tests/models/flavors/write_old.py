"""Write small models with an old official release into `tests/models/data/<release>`, with what it predicts for its example.

uv venv --python 3.11 old && uv pip install --python old/bin/python mlflow-skinny==1.30.1 "numpy<2" "pandas<2.1" \
    scikit-learn==1.2.2 xgboost-cpu==2.1.4 lightgbm==3.3.5 "statsmodels<0.15" "scipy<1.13" "onnx<1.17" "setuptools<70"
old/bin/python tests/models/flavors/write_old.py tests/models/data
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import mlflow.lightgbm
import mlflow.onnx
import mlflow.sklearn
import mlflow.statsmodels
import mlflow.xgboost
import numpy as np
import pandas as pd
import sklearn.linear_model
import statsmodels.api
import xgboost
from onnx import TensorProto, helper

INPUTS = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7})
TARGET = INPUTS["a"] * 2 - INPUTS["b"]
EXAMPLE = INPUTS[3:6].reset_index(drop=True)


def _onnx() -> Any:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def models() -> dict[str, tuple[Any, Any, dict[str, Any]]]:
    settings = {"n_estimators": 2, "max_depth": 2}
    matrix = xgboost.DMatrix(INPUTS, TARGET)
    quiet = {"verbose": -1, "min_data": 1, "max_depth": 2}
    # what newer libraries still unpickle: trees and LightGBM's estimators of then are not
    line = sklearn.linear_model.LinearRegression().fit(INPUTS, TARGET)
    return {
        "sklearn-pickle": (mlflow.sklearn, line, {"serialization_format": "pickle"}),
        "sklearn-cloudpickle": (mlflow.sklearn, line, {"serialization_format": "cloudpickle"}),
        "xgboost-booster": (mlflow.xgboost, xgboost.train({"max_depth": 2}, matrix, 2), {}),
        "xgboost-regressor": (mlflow.xgboost, xgboost.XGBRegressor(**settings).fit(INPUTS, TARGET), {}),
        "lightgbm-booster": (mlflow.lightgbm, lightgbm.train(quiet, lightgbm.Dataset(INPUTS, TARGET), 2), {}),
        "statsmodels": (mlflow.statsmodels, statsmodels.api.OLS(TARGET.to_numpy(), INPUTS.to_numpy()).fit(), {"remove_data": True}),
        "onnx": (mlflow.onnx, _onnx(), {}),
    }  # fmt: skip


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    target = folder / mlflow.__version__
    predictions = {}
    for name, (flavor, model, options) in models().items():
        path = str(target / name)
        flavor.save_model(model, path, pip_requirements=["numpy"], **options)
        result = mlflow.pyfunc.load_model(path).predict(EXAMPLE)
        predictions[name] = np.asarray(result, dtype="float64").reshape(-1).tolist()
    (target / "predictions.json").write_text(json.dumps(predictions, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
