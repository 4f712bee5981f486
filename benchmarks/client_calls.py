"""Measures one package from inside a fresh process; runs in our environment and in the official one.

    python client_calls.py loop  millstream|mlflow URI sync|async CALLS
    python client_calls.py first millstream|mlflow URI
    python client_calls.py import millstream|mlflow

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
    else:
        answer = import_(package)
    print(json.dumps(answer))
