import mlflow

with mlflow.start_run():
    mlflow.log_metric("before", 1)
    raise ValueError("on purpose")
