"""A model's life: trained, logged with its signature, registered, promoted, loaded by stage and by alias.

python examples/models.py            # keeps what it does in ./models-data, made anew each time
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split

import millstream as mlflow
from millstream import MlflowClient

NAME = "progression"


def main(data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{data / 'millstream.db'}")
    experiment = mlflow.create_experiment("diabetes", artifact_location=str(data / "artifacts"))
    mlflow.set_experiment(experiment_id=experiment)
    features, target = load_diabetes(as_frame=True, return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(features, target, random_state=0)

    # Log: the example gives the signature, and loading the first model in a process of its own the requirements of all.
    errors = {}
    for alpha in (0.01, 0.1, 1.0):
        with mlflow.start_run(run_name=f"alpha={alpha}"):
            mlflow.log_param("alpha", alpha)
            model = Ridge(alpha=alpha).fit(x_train, y_train)
            error = float(mean_absolute_error(y_test, model.predict(x_test)))
            mlflow.log_metric("mae", error)
            info = mlflow.sklearn.log_model(
                model, name="model", input_example=x_train.head(2), registered_model_name=NAME
            )
            errors[info.registered_model_version] = error
            print(f"version {info.registered_model_version}: alpha={alpha}, mean absolute error {error:.1f}")

    # Promote: the better one goes to Production, and gets an alias; every step is on record.
    client = MlflowClient()
    best = min(errors, key=errors.__getitem__)
    client.update_model_version(
        NAME, best, description=f"Mean absolute error {errors[best]:.1f} on a quarter of the data."
    )
    client.set_model_version_tag(NAME, best, "checked", "yes")
    for stage in ("Staging", "Production"):
        client.transition_model_version_stage(NAME, best, stage, archive_existing_versions=True)
    client.set_registered_model_alias(NAME, "champion", best)

    # Load, anywhere: by stage, by alias, by number; the answers are those of the model that was trained.
    rows = x_test.head(3)
    by_stage = mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(rows)
    by_alias = mlflow.pyfunc.load_model(f"models:/{NAME}@champion").predict(rows)
    native = mlflow.sklearn.load_model(f"models:/{NAME}/{best}").predict(rows)
    assert np.array_equal(by_stage, by_alias)
    assert np.array_equal(by_stage, native)
    print(f"version {best} is in Production and predicts {np.round(by_stage, 1).tolist()}")

    # What does not fit the signature is said before the model sees it.
    try:
        mlflow.pyfunc.load_model(f"models:/{NAME}/Production").predict(pd.DataFrame({"age": [1.0]}))
    except mlflow.exceptions.MlflowException as problem:
        print(f"refused: {str(problem).splitlines()[0][:120]}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "models-data").resolve())
