"""Python functions of every kind, saved and called with whichever package is at work.

Imported by Millstream's tests, and run with the official package in its own environment:
`python python_functions.py theirs ours answers.json` saves its own below `theirs`, calls those and what it finds below `ours`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

LOADER = """
def _load_pyfunc(data_path, model_config=None):
    with open(data_path) as file:
        return Model(int(file.read()) + (model_config or {}).get("more", 0))

class Model:
    def __init__(self, n): self.n = n
    def predict(self, data): return data["x"] * self.n
"""

SCRIPT = """
import mlflow
from mlflow.models import ModelConfig, set_model

config = ModelConfig(development_config={"factor": 3})

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["x"] * config.get("factor")

set_model(Model())
"""


def _message() -> Any:
    """Made where nothing else is: pydantic keeps the variables around a class, and they are pickled with it."""
    import pydantic

    class Message(pydantic.BaseModel):
        role: str
        count: int | None = None

    return Message


def save_all(package: str, folder: Path) -> None:
    """Save one model of each kind below a folder, with `mlflow` or `millstream`."""
    import pandas as pd

    pyfunc = importlib.import_module(f"{package}.pyfunc")
    examples = importlib.import_module(
        "millstream.models.hints" if package == "millstream" else "mlflow.types.type_hints"
    )
    frame = pd.DataFrame({"x": [1.0, 2.0]})

    class Adding(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def __init__(self, amount: float) -> None:
            self.amount = amount

        def load_context(self, context: Any) -> None:
            with open(context.artifacts["words"]) as file:
                self.words = file.read()

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return (
                model_input["x"]
                + self.amount
                + context.model_config["more"]
                + len(self.words)
                + (params or {}).get("by", 0.0)
            )

    message = _message()

    class Speaking(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, model_input, params=None):
            return [message.role.upper() for message in model_input]

    Speaking.predict.__annotations__.update(model_input=list[message], **{"return": list[str]})
    Speaking.__init_subclass__()  # the hints of a class inside of a function cannot be written as texts

    class Base(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, model_input: list[str]) -> list[str]:
            return [self.one(word) for word in model_input]

    class Derived(Base):
        def one(self, word: str) -> str:
            return word + "!"

    class Kind(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, model_input):
            return [type(model_input).__name__]

    Kind.predict.__annotations__.update(model_input=examples.TypeFromExample)

    class Streaming(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, context: Any, model_input: Any) -> Any:
            return model_input["x"] * 2

        def predict_stream(self, context: Any, model_input: Any, params: Any = None) -> Any:
            yield from (model_input["x"], "end")

    def doubled(model_input):
        return model_input * 2

    def longer(model_input: list[str]) -> list[int]:
        return [len(word) for word in model_input]

    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    Path("words.txt").write_text("three")
    Path("model_script.py").write_text(SCRIPT)
    Path("weights.txt").write_text("3")
    Path("loads_weights.py").write_text(LOADER)
    needs = {"pip_requirements": ["pandas"]}
    pyfunc.save_model(
        "adding", python_model=Adding(1.0), artifacts={"words": "words.txt"}, model_config={"more": 10},
        input_example=(frame, {"by": 100.0}), **needs,
    )  # fmt: skip
    pyfunc.save_model("speaking", python_model=Speaking(), input_example=[{"role": "user"}], **needs)
    pyfunc.save_model("derived", python_model=Derived(), **needs)
    pyfunc.save_model("kind", python_model=Kind(), input_example=["a"], **needs)
    pyfunc.save_model("streaming", python_model=Streaming(), streamable=True, input_example=frame, **needs)
    pyfunc.save_model("doubled", python_model=doubled, input_example=frame, **needs)
    pyfunc.save_model("longer", python_model=longer, input_example=["ab"], **needs)
    pyfunc.save_model(
        "script", python_model="model_script.py", model_config={"factor": 7}, input_example=frame, **needs
    )
    pyfunc.save_model(
        "loaded", loader_module="loads_weights", data_path="weights.txt", code_paths=["loads_weights.py"],
        model_config={"more": 2}, **needs,
    )  # fmt: skip
    os.environ["MLFLOW_LOG_MODEL_COMPRESSION"] = "lzma"
    pyfunc.save_model("packed", python_model=doubled, **needs)
    del os.environ["MLFLOW_LOG_MODEL_COMPRESSION"]


def call_all(package: str, folder: Path, **options: Any) -> dict[str, Any]:
    """What each model below a folder answers, to right inputs and to wrong ones."""
    import pandas as pd

    pyfunc = importlib.import_module(f"{package}.pyfunc")
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    right = {
        "adding": frame, "speaking": [{"role": "q", "count": 1}], "derived": ["z"], "kind": ["b"], "streaming": frame,
        "doubled": frame, "longer": ["abc"], "script": frame, "loaded": frame, "packed": frame,
    }  # fmt: skip
    wrong = {
        "adding": pd.DataFrame({"y": [1]}),
        "speaking": [{"count": 1}],
        "derived": [1],
        "longer": [2.5],
        "kind": [1],
    }
    answers: dict[str, Any] = {}
    for name, data in right.items():
        model = pyfunc.load_model(str(folder / name), **options)
        signature = model.metadata.signature
        result = model.predict(data, params={"by": 1000.0}) if name == "adding" else model.predict(data)
        found = {"answer": _plain(result), "signature": signature.to_dict() if signature is not None else None}
        if name == "streaming":
            found["stream"] = list(model.predict_stream(frame[:1]))
        if name in wrong:
            try:
                model.predict(wrong[name])
            except Exception:
                found["refuses"] = True
        answers[name] = found
    return answers


def _plain(result: Any) -> Any:
    if hasattr(result, "to_dict") and hasattr(result, "columns"):
        return {str(name): result[name].tolist() for name in result.columns}
    return result.tolist() if hasattr(result, "tolist") else result


if __name__ == "__main__":
    theirs, ours, target = (Path(argument).absolute() for argument in sys.argv[1:])
    warnings.simplefilter("ignore")
    save_all("mlflow", theirs)
    target.write_text(json.dumps({"theirs": call_all("mlflow", theirs), "ours": call_all("mlflow", ours)}))
