"""Models from code: a script that calls `set_model` is the model; it runs again each time the model is loaded.

# model.py
from millstream.models import ModelConfig, set_model
config = ModelConfig(development_config={"threshold": 0.5})
set_model(MyModel(config.get("threshold")))

millstream.pyfunc.log_model(name="m", python_model="model.py", model_config={"threshold": 0.7})
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import inspect
import itertools
import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from millstream import safe_yaml
from millstream.errors import InvalidValue

_numbers = itertools.count(1)


class _Script:
    """A script that is running: what it sets, and the configuration that it is given."""

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        self.config = config
        self.model: Any = None


_running: ContextVar[_Script | None] = ContextVar("millstream_model_script", default=None)


def set_model(model: Any) -> None:
    """Say which object of this script is the model: a PythonModel, or a function of one argument.

    Outside of a script that is being saved or loaded it does nothing but check.

    Raises:
        InvalidValue: it is neither.
    """
    if not is_python_model(model) and not callable(model):
        raise InvalidValue(f"set_model takes a PythonModel or a function, not {type(model).__name__}.")
    script = _running.get()
    if script is not None:
        script.model = model


def is_python_model(model: Any) -> bool:
    """Whether an object is a PythonModel: ours, or one that was made with the official package beside us."""
    from millstream.models.pyfunc.python_model import PythonModel

    if isinstance(model, type):
        return False
    return isinstance(model, PythonModel) or any(
        each.__module__ == "mlflow.pyfunc.model" and each.__name__ == "PythonModel" for each in type(model).__mro__
    )


class ModelConfig:
    """The configuration that a model's script reads.

    In this order: what was given to `load_model(model_config=...)` and saved with the model; else, while the script is run by
    its author, `development_config` (a dict or the path of a YAML file).
    """

    def __init__(self, *, development_config: Mapping[str, Any] | str | os.PathLike[str] | None = None) -> None:
        script = _running.get()
        given = script.config if script is not None and script.config else development_config
        if given is None:
            raise InvalidValue(
                "The script has no configuration: save the model with model_config=, or give development_config to ModelConfig."
            )
        self._values = read_config(given)

    def get(self, key: str) -> Any:
        """The value of a key. Raises KeyError for one that is not there."""
        return self._values[key]

    def to_dict(self) -> dict[str, Any]:
        return dict(self._values)


def read_config(config: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    """A configuration, given as a mapping or as the path of a YAML file. Raises InvalidValue for any other content."""
    if isinstance(config, Mapping):
        return dict(config)
    from millstream.environments.yaml_files import read_mapping

    return read_mapping(Path(config), safe_yaml.MAX_BYTES)


def run_script(path: Path, config: Mapping[str, Any] | None = None) -> Any:
    """Run a model's script and give what it set as the model.

    Args:
        path: runs as a module with a name of its own, so two scripts of the same name do not meet.
        config: what `ModelConfig` gives in it.
    Raises:
        InvalidValue: it sets no model, or it needs `import mlflow` and that is not there.
    """
    from millstream import alias

    name = f"millstream_model_{next(_numbers)}_{path.stem if path.stem.isidentifier() else 'script'}"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes made in it find their module there
    script = _Script(config)
    token = _running.set(script)
    try:
        alias.run_for_mlflow(lambda: loader.exec_module(module))
    except ModuleNotFoundError as error:
        if error.name == "mlflow":
            raise InvalidValue(
                f"The model's script {path.name!r} imports mlflow, which is not installed. To serve it with Millstream instead, "
                "set MILLSTREAM_IMPORT_AS_MLFLOW=true, or load the model inside `with millstream.as_mlflow():`."
            ) from error
        raise
    finally:
        _running.reset(token)
    if script.model is None:
        del sys.modules[name]
        raise InvalidValue(f"The script {str(path)!r} sets no model. Let it call millstream.models.set_model(model).")
    return script.model


def check_function(function: Callable[..., Any]) -> None:
    """Raises InvalidValue if a callable that is to be a model does not take exactly one argument."""
    try:
        count = len(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return  # a builtin that does not say
    if count != 1:
        raise InvalidValue(
            f"A function that is a model takes exactly one argument, the inputs; {getattr(function, '__name__', function)!r} "
            f"takes {count}. Derive from millstream.pyfunc.PythonModel for more."
        )
