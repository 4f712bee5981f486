"""Keras with MLflow's own callback, on Keras' torch backend. Prints the run's id."""

import json
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import keras
import mlflow
import numpy as np
from mlflow.keras import MlflowCallback


def main(uri, folder):
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("keras")
    inputs = np.linspace(0, 1, 64).reshape(-1, 1)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", metrics=["mae"])
    with mlflow.start_run(run_name="dense") as run:
        model.fit(
            inputs,
            2 * inputs,
            epochs=3,
            batch_size=16,
            validation_split=0.25,
            verbose=0,
            callbacks=[MlflowCallback(run)],
        )
    print(json.dumps(run.info.run_id))


if __name__ == "__main__":
    main(*sys.argv[1:])
