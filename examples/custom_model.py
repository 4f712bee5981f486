"""Python as a model: a class with type hints, the same from a script (models from code), and a plain function.

python examples/custom_model.py      # keeps what it does in ./custom-model-data, made anew each time
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import millstream as mlflow

SCRIPT = '''
"""A model that is this file: nothing is pickled, so it can be read, reviewed and compared."""

import millstream as mlflow


class Triage(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        with open(context.artifacts["words"], encoding="utf-8") as file:
            self.urgent = set(file.read().split())

    def predict(self, model_input: list[str]) -> list[bool]:
        return [bool(self.urgent & set(text.lower().split())) for text in model_input]


mlflow.models.set_model(Triage())
'''


class Celsius(mlflow.pyfunc.PythonModel):
    """The type hints are the signature: what does not fit them is refused."""

    def predict(self, model_input: list[float], params: dict[str, int] | None = None) -> list[float]:
        digits = (params or {}).get("digits", 1)
        return [round((fahrenheit - 32) / 1.8, digits) for fahrenheit in model_input]


def shout(model_input: list[str]) -> list[str]:
    return [text.upper() + "!" for text in model_input]


def main(data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    mlflow.set_tracking_uri(f"sqlite:///{data / 'millstream.db'}")
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("custom", artifact_location=str(data / "artifacts")))

    # From code: the script is the model; what it needs besides are artifacts. Loading runs the script, so it takes trust.
    script, words = data / "triage.py", data / "words.txt"
    script.write_text(SCRIPT, encoding="utf-8")
    words.write_text("fire leak smoke\n", encoding="utf-8")
    info = mlflow.pyfunc.log_model(name="triage", python_model=str(script), artifacts={"words": str(words)})
    triage = mlflow.pyfunc.load_model(info.model_uri, trust=True)
    print("triage:", triage.predict(["Smoke in the hall", "New carpet, please"]))
    print("it takes:", triage.metadata.signature.inputs)

    # A class: pickled with cloudpickle.
    info = mlflow.pyfunc.log_model(
        name="celsius", python_model=Celsius(), input_example=[212.0, 50.0], pip_requirements=["cloudpickle"]
    )
    try:
        mlflow.pyfunc.load_model(info.model_uri)
    except mlflow.exceptions.MlflowException as problem:
        print("without trust:", str(problem).partition(":")[0])
    celsius = mlflow.pyfunc.load_model(info.model_uri, trust=True)
    print("celsius:", celsius.predict([98.6]))
    try:
        celsius.predict(["warm"])
    except mlflow.exceptions.MlflowException as problem:
        print("refused:", str(problem).splitlines()[0][:100])

    # A plain function.
    info = mlflow.pyfunc.log_model(name="shout", python_model=shout, pip_requirements=["cloudpickle"])
    print("shout:", mlflow.pyfunc.load_model(info.model_uri, trust=True).predict(["hello"]))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "custom-model-data").resolve())
