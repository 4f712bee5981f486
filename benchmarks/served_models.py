"""Saves the models that are served, with `mlflow` or with us: python served_models.py <package> <folder>

Or loads one in this fresh process and predicts: python served_models.py <package> <folder> load
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

COLUMNS = [f"feature_{index}" for index in range(10)]


def data() -> tuple[Any, Any]:
    """Two thousand rows of ten numbers, and a class for each."""
    import numpy as np
    import pandas as pd

    source = np.random.default_rng(0)
    frame = pd.DataFrame(source.normal(size=(2000, len(COLUMNS))), columns=COLUMNS)
    return frame, (frame.sum(axis=1) + source.normal(size=2000) > 0).astype(int)


def weighted(frame: Any) -> Any:
    """A plain function as a model."""
    return 0.5 * frame["feature_0"] - 2.0 * frame["feature_3"] + frame["feature_9"]


def save(package: str, folder: str) -> None:
    import xgboost
    from sklearn.linear_model import LogisticRegression

    ours = package == "millstream"
    pyfunc = importlib.import_module("millstream.models.pyfunc" if ours else "mlflow.pyfunc")
    infer = importlib.import_module("millstream.models.signature" if ours else "mlflow.models").infer_signature
    flavors = "millstream.models.flavors" if ours else "mlflow"
    frame, target = data()
    example = frame.head(2)
    common = {"signature": infer(frame, target), "input_example": example, "pip_requirements": ["numpy"]}
    sklearn = importlib.import_module(f"{flavors}.sklearn")
    sklearn.save_model(LogisticRegression().fit(frame, target), f"{folder}/sklearn", **common)
    booster = xgboost.XGBClassifier(n_estimators=100, max_depth=4).fit(frame, target)
    importlib.import_module(f"{flavors}.xgboost").save_model(booster, f"{folder}/xgboost", **common)
    pyfunc.save_model(f"{folder}/callable", python_model=weighted, **common)


def load(package: str, folder: str) -> None:
    began = time.perf_counter()
    pyfunc = importlib.import_module("millstream.models.pyfunc" if package == "millstream" else "mlflow.pyfunc")
    import pandas as pd

    model = pyfunc.load_model(f"{folder}/sklearn")
    model.predict(pd.DataFrame([[0.5] * len(COLUMNS)], columns=COLUMNS))
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    {2: save, 3: load}[min(len(sys.argv) - 1, 3)](sys.argv[1], sys.argv[2])
