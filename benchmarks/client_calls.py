"""Measures one package from inside a fresh process; runs in our environment and in the official one.

    python client_calls.py loop  millstream|mlflow URI sync|async CALLS
    python client_calls.py first millstream|mlflow URI
    python client_calls.py import millstream|mlflow
    python client_calls.py autolog millstream|mlflow URI FITS [models]

Prints one JSON line, times in seconds.
"""

import json
import sys
import time


def loop(package: str, uri: str, mode: str, calls: int) -> dict[str, float]:
    """CALLS log_metric calls: in the loop, and until every one can be read by another client."""
    mlflow = __import__(package)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("bench")
    options = {"synchronous": False} if mode == "async" else {}
    with mlflow.start_run(run_name="bench") as run:
        log_metric = mlflow.log_metric
        log_metric("warm", 0.0, step=0)
        began = time.perf_counter()
        for step in range(calls):
            log_metric("loss", 1.0 / (step + 1), step=step, **options)
        looped = time.perf_counter()
        if package == "millstream":
            mlflow.flush()
        elif mode == "async":
            mlflow.flush_async_logging()
        visible = time.perf_counter()
    found = len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss"))
    if found != calls:
        raise SystemExit(f"{found} of {calls} points were stored")
    return {"loop": (looped - began) / calls, "visible": (visible - began) / calls}


def first(package: str, uri: str) -> dict[str, float]:
    """A run with a param, a metric and a tag in a store that does not exist yet; without the import."""
    mlflow = __import__(package)
    began = time.perf_counter()
    mlflow.set_tracking_uri(uri)
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_metric("loss", 0.5)
        mlflow.set_tag("t", "1")
    if package == "millstream":
        mlflow.flush()
    ended = time.perf_counter()
    if mlflow.get_run(run.info.run_id).data.metrics != {"loss": 0.5}:
        raise SystemExit("the run was not stored")
    return {"seconds": ended - began}


def autolog(package: str, uri: str, fits: int, models: str) -> dict[str, float]:
    """FITS small trainings without and with autologging: seconds for each, until all can be read by another client."""
    import logging
    import warnings

    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    warnings.simplefilter("ignore")
    mlflow = __import__(package)
    logging.getLogger(package).setLevel("ERROR")
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("bench")
    at = np.arange(100.0)
    x = pd.DataFrame({"a": np.sin(at), "b": np.cos(at), "c": at % 7})
    y = x["a"] * 2 + x["b"]
    kinds = (y > 0).astype(int)
    trainings = ((LinearRegression, y), (LogisticRegression, kinds), (DecisionTreeClassifier, kinds))

    def train(count: int) -> float:
        began = time.perf_counter()
        for number in range(count):
            estimator, target = trainings[number % 3]
            estimator().fit(x, target)
        if package == "millstream":
            mlflow.flush()
        return (time.perf_counter() - began) / count

    train(3)
    plain = train(fits)
    mlflow.sklearn.autolog(log_models=bool(models), silent=True)
    train(3)
    return {"plain": plain, "recorded": train(fits)}


def import_(package: str) -> dict[str, float]:
    began = time.perf_counter()
    __import__(package)
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    what, package, *rest = sys.argv[1:]
    if what == "loop":
        answer = loop(package, rest[0], rest[1], int(rest[2]))
    elif what == "first":
        answer = first(package, rest[0])
    elif what == "autolog":
        answer = autolog(package, rest[0], int(rest[1]), rest[2])
    else:
        answer = import_(package)
    print(json.dumps(answer))
