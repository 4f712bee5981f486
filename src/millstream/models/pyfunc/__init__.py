"""Models as Python functions: any flavor's model can be called as one, and any Python code can be one.

model = millstream.pyfunc.load_model("models:/prices/3")
model.predict(frame)

class Doubled(millstream.pyfunc.PythonModel):
    def predict(self, model_input): return model_input * 2

millstream.pyfunc.log_model(name="doubled", python_model=Doubled(), input_example=frame)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millstream import lazy

if TYPE_CHECKING:
    from millstream.models.pyfunc.loaded import PyFuncModel as PyFuncModel
    from millstream.models.pyfunc.loading import get_model_dependencies as get_model_dependencies
    from millstream.models.pyfunc.loading import load_model as load_model
    from millstream.models.pyfunc.python_model import PythonModel as PythonModel
    from millstream.models.pyfunc.python_model import PythonModelContext as PythonModelContext
    from millstream.models.pyfunc.saving import add_to_model as add_to_model
    from millstream.models.pyfunc.saving import log_model as log_model
    from millstream.models.pyfunc.saving import save_model as save_model
    from millstream.models.spark.functions import spark_udf as spark_udf

__getattr__, __dir__, _lazy = lazy.names(
    __name__,
    {
        "models.pyfunc.loaded": "PyFuncModel",
        "models.pyfunc.loading": "load_model get_model_dependencies",
        "models.pyfunc.python_model": "PythonModel PythonModelContext",
        "models.pyfunc.saving": "save_model log_model add_to_model",
        "models.spark.functions": "spark_udf",
    },
)

FLAVOR_NAME = "python_function"

__all__ = [*_lazy, "FLAVOR_NAME", "get_default_conda_env", "get_default_pip_requirements"]


def get_default_pip_requirements() -> list[str]:
    """Requirement lines that every pickled Python function needs."""
    from millstream.environments.installed import pinned

    return [pinned("cloudpickle")]


def get_default_conda_env() -> dict[str, Any]:
    """The conda environment that is written if nothing else is said."""
    from millstream.environments import default_conda_env

    return default_conda_env(get_default_pip_requirements())
