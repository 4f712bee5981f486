"""What `import mlflow` finds first in a project's command, whose PYTHONPATH this folder is on.

The package that is installed, if there is one and it can log where the run is: it knows servers alone. Millstream else, under
that name. A Python without either says that there is no mlflow, as ever.
"""

import importlib.machinery
import os
import sys


def _installed() -> "importlib.machinery.ModuleSpec | None":
    here = os.path.realpath(os.path.join(__path__[0], os.pardir))
    return importlib.machinery.PathFinder.find_spec(
        "mlflow", [p for p in sys.path if os.path.realpath(p or ".") != here]
    )


def _wants_millstream() -> bool:
    if os.environ.get("MILLSTREAM_IMPORT_AS_MLFLOW", "").strip().lower() in ("1", "true", "yes", "on"):
        return True
    return not os.environ.get("MLFLOW_TRACKING_URI", "").startswith(("http://", "https://"))


def _become_millstream() -> None:
    from millstream import alias

    del sys.modules["mlflow"]
    alias.install_as_mlflow()


def _become(spec: importlib.machinery.ModuleSpec) -> None:
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["mlflow"] = module
    assert spec.loader is not None
    spec.loader.exec_module(module)


def _find() -> None:
    found = _installed()
    if found is None or found.loader is None or _wants_millstream():
        try:
            return _become_millstream()
        except ModuleNotFoundError as error:
            if error.name not in ("millstream", "msgspec"):
                raise
    if found is None or found.loader is None:
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")
    return _become(found)


_find()
