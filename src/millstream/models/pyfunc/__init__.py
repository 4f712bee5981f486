"""Models as Python functions: any flavor's model can be called as one, and any Python code can be one.

model = millstream.pyfunc.load_model("models:/prices/3")
model.predict(frame)

class Doubled(millstream.pyfunc.PythonModel):
    def predict(self, model_input): return model_input * 2

millstream.pyfunc.log_model(name="doubled", python_model=Doubled(), input_example=frame)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.models.pyfunc.loaded import PyFuncModel as PyFuncModel
    from millstream.models.pyfunc.loading import get_model_dependencies as get_model_dependencies
    from millstream.models.pyfunc.loading import load_model as load_model
    from millstream.models.pyfunc.python_model import PythonModel as PythonModel
    from millstream.models.pyfunc.python_model import PythonModelContext as PythonModelContext
    from millstream.models.pyfunc.saving import add_to_model as add_to_model
    from millstream.models.pyfunc.saving import log_model as log_model
    from millstream.models.pyfunc.saving import save_model as save_model

_HOMES: dict[str, str] = {
    "loaded": "PyFuncModel",
    "loading": "load_model get_model_dependencies",
    "python_model": "PythonModel PythonModelContext",
    "saving": "save_model log_model add_to_model",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

FLAVOR_NAME = "python_function"

__all__ = [*_HOME_OF, "FLAVOR_NAME", "get_default_conda_env", "get_default_pip_requirements"]


def get_default_pip_requirements() -> list[str]:
    """Requirement lines that every pickled Python function needs."""
    from millstream.environments.installed import pinned

    return [pinned("cloudpickle")]


def get_default_conda_env() -> dict[str, Any]:
    """The conda environment that is written if nothing else is said."""
    from millstream.environments import default_conda_env

    return default_conda_env(get_default_pip_requirements())


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
