"""Load saved models in a process that knows nothing of them: `python -m tests.models.flavors.fresh job.json results.pkl`.

The job is {name: [path, flavor, needs trust, has a python_function view]}; the results {name: what came of it}.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import millstream
from tests.models.flavors.cases import plain


def load(path: str, flavor: str, trust: bool, has_function: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if flavor != "python_function":
        native = getattr(millstream, flavor).load_model(path, trust=trust or None)
        found["type"] = f"{type(native).__module__}.{type(native).__qualname__}"
    if has_function:
        function = millstream.pyfunc.load_model(path, trust=trust or None)
        found["prediction"] = plain(function.predict(function.input_example))
    return found


def main(job: Path, results: Path) -> None:
    answers: dict[str, dict[str, Any]] = {}
    for name, what in json.loads(job.read_text()).items():
        try:
            answers[name] = load(*what)
        except Exception as error:
            answers[name] = {"error": repr(error)}
    results.write_bytes(pickle.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
