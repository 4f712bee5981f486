"""Optuna's MLflowCallback: a study of five trials, and the decorator that logs from inside the objective."""

import json
import sys

import mlflow
import optuna
from optuna_integration.mlflow import MLflowCallback


def main(uri, folder):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    callback = MLflowCallback(
        tracking_uri=uri, metric_name="error", mlflow_kwargs={"nested": True}, tag_study_user_attrs=True
    )

    @callback.track_in_mlflow()
    def objective(trial):
        x = trial.suggest_float("x", -1, 1)
        mlflow.log_metric("inside", x * 2)
        return x * x

    study = optuna.create_study(study_name="optuna", sampler=optuna.samplers.RandomSampler(seed=1))
    study.set_user_attr("team", "red")
    study.optimize(objective, n_trials=5, callbacks=[callback])
    print(json.dumps(study.best_params["x"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
