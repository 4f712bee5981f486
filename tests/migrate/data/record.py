"""What recorded the data beside this file, run with the official `mlflow` 3.6 and 3.17.2:

python record.py file:///srv/team/mlruns          -> mlruns.tar.gz (3.6)
python record.py sqlite:////srv/team/mlflow.db    -> mlflow36.sql, mlflow317.sql (a dump of the tables that hold runs)
"""

import sys

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
mlflow.create_experiment("sweep/one", tags={"team": "a", "note one": "x"})
gone = mlflow.create_experiment("gone")
mlflow.set_experiment("sweep/one")
for i in range(2):
    with mlflow.start_run(run_name=f"r{i}", description="hello\nworld: [x]") as run:
        mlflow.log_param("lr", 0.1 * i)
        mlflow.log_param("opt", "a'b\nc: \u00e9")
        for step in range(20):
            mlflow.log_metric("val/loss", 1 / (step + 1), step=step)
        mlflow.log_metric("nan", float("nan"))
        mlflow.log_metric("inf", float("inf"))
        mlflow.log_metric("neg", -float("inf"))
        mlflow.log_text("hi", "a/b.txt")
        mlflow.set_tag("t", "multi\nline")
        mlflow.set_tag("empty", "")
        dataset = mlflow.data.from_pandas(pd.DataFrame({"a": [1, 2, i]}), name="df")
        mlflow.log_input(dataset, context="train", tags={"k": "v"})
        mlflow.log_metric("withds", 0.5, dataset=dataset, step=3)
        with mlflow.start_run(nested=True, run_name="child"):
            mlflow.log_metric("x", 1)
        model = mlflow.initialize_logged_model(name="mod", tags={"a": "b"}, params={"p": "1"}, model_type="agent")
        mlflow.log_metric("acc", 0.7, step=1, model_id=model.model_id, dataset=dataset)
        mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.log_outputs([LoggedModelOutput(model.model_id, 1)])
mlflow.delete_run(run.info.run_id)
with mlflow.start_run(experiment_id=gone):
    mlflow.log_metric("q", 1)
mlflow.delete_experiment(gone)
