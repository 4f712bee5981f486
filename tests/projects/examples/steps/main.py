"""Runs the steps within a run of its own."""

import sys

import mlflow

with mlflow.start_run() as parent:
    loaded = mlflow.run(".", "load", env_manager="local", run_name="load")
    rows = mlflow.get_run(loaded.run_id).data.metrics["rows"]
    trained = mlflow.run(
        ".", "train", parameters={"rows": int(rows) + int(sys.argv[1])}, env_manager="local", run_name="train"
    )
    mlflow.log_metric("loss", mlflow.get_run(trained.run_id).data.metrics["loss"])
