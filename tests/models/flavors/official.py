"""Save and load models with the official package, in its own environment: `python official.py job.json results.pkl`.

The job has `libraries`, folders to import what is not installed there from, and `models`: name of a case to `theirs`, a folder to
save the official package's own to, and `ours`, a folder with ours to load. The results have what each gave.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any


def save(case: Any, path: str) -> Any:
    import mlflow

    model, example = case.make()
    module = importlib.import_module(f"mlflow.{'pyfunc' if case.flavor == 'python_function' else case.flavor}")
    options = dict(case.options if case.official_options is None else case.official_options)
    if case.flavor in ("pytorch", "lightgbm") and mlflow.__version__ < "3":
        options.pop("serialization_format", None)  # it always pickled
    given = {"path": path, "input_example": example, "pip_requirements": ["numpy"], **options}
    Path(path).mkdir()  # the Keras flavor of 3.17 does not make it before it writes the example
    if case.flavor == "python_function":
        module.save_model(python_model=model, **given)
    else:
        module.save_model(model, **given)
    return example


def load(case: Any, path: str, example: Any) -> dict[str, Any]:
    import mlflow.pyfunc
    from mlflow.models import Model

    from tests.models.flavors.cases import plain

    signature = Model.load(path).signature
    found: dict[str, Any] = {"signature": None if signature is None else signature.to_dict()}
    if case.flavor != "python_function":
        native = importlib.import_module(f"mlflow.{case.flavor}").load_model(path)
        found["native"] = plain(case.native(native, example))
    if case.has_function:
        function = mlflow.pyfunc.load_model(path)
        found["prediction"] = plain(function.predict(example))
        found["example"] = plain(getattr(function, "input_example", None))
    return found


def main(job: Path, results: Path) -> None:
    wanted = json.loads(job.read_text())
    sys.path += wanted["libraries"]
    sys.path.insert(0, str(Path(__file__).parents[3]))
    warnings.simplefilter("ignore")
    import mlflow

    from tests.models.flavors.cases import CASES

    answers: dict[str, Any] = {"version": mlflow.__version__}
    for name, paths in wanted["models"].items():
        answer = answers.setdefault(name, {})
        example = None
        for whose, path in paths.items():
            try:
                if whose == "theirs":
                    example = save(CASES[name], path)
                answer[whose] = load(CASES[name], path, example)
            except Exception:
                answer[whose] = {"error": traceback.format_exc()[-1500:]}
    results.write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
