"""`python_model.pkl`: written so that MLflow reads it with its classes and we read it with ours, and the reverse.

MLflow reads the file with plain cloudpickle, so classes of ours must not be in it under our names. Where the pickle would
name `PythonModel` it says instead: import the module `mlflow.pyfunc.model` and take its attribute `PythonModel`. Modules of
ours that code in the pickle uses (`import millstream as mlflow`) are written under MLflow's names too. Our own unpickler
(`trust.Unpickler`) gives our modules for these.
"""

from __future__ import annotations

import importlib
import inspect
import operator
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import IO, Any, NamedTuple

import cloudpickle

from millstream import alias, settings
from millstream.errors import InvalidValue, MillstreamError
from millstream.models import hints
from millstream.models.pyfunc.implementations import called
from millstream.models.pyfunc.python_model import FunctionModel, PythonModel, PythonModelContext

WRITTEN_AS: tuple[tuple[Any, str, str], ...] = (
    (PythonModel, "mlflow.pyfunc.model", "PythonModel"),
    (PythonModelContext, "mlflow.pyfunc.model", "PythonModelContext"),
    (FunctionModel, "mlflow.pyfunc.model", "_FunctionPythonModel"),
    (MillstreamError, "mlflow.exceptions", "MlflowException"),
    (hints.TypeFromExample, "mlflow.types.type_hints", "TypeFromExample"),
)
"""Names of ours, and the names under which a pickle has them; `trust.RENAMED` is the way back."""


class _Module(NamedTuple):
    """Pickled as the import of a module."""

    name: str

    def __reduce__(self) -> tuple[Any, ...]:
        return cloudpickle.cloudpickle.subimport, (self.name,)


class _Wrapping(NamedTuple):
    """Pickled as a call that lets MLflow put its check of type hints around `predict`, as it does for classes made there."""

    model_class: type

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.methodcaller("__init_subclass__"), (self.model_class,)


class _Checked(NamedTuple):
    """Pickled as the model itself, after the wrapping of its classes."""

    model: Any
    wrappings: tuple[_Wrapping, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.getitem, ((self.model, *self.wrappings), 0)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, ModuleType):
            theirs = alias.name_in_mlflow(obj.__name__) if obj.__name__.startswith("millstream") else None
            return _Module(theirs).__reduce__() if theirs is not None else NotImplemented
        for ours, module, name in WRITTEN_AS:
            if obj is ours:
                return getattr, (_Module(module), name)
        return super().reducer_override(obj)


def dump(model: PythonModel, file: IO[bytes]) -> None:
    """Pickle a model. Raises InvalidValue naming what in it cannot be pickled."""
    root: Any = model
    if not isinstance(model, FunctionModel) and hints.hint_to_check(called(model)) is not None:
        root = _Checked(model, tuple(_Wrapping(each) for each in _classes_with_predict(model)))
    try:
        with _hints_resolved(called(model)):
            _Pickler(file).dump(root)
    except MillstreamError:
        raise
    except Exception as error:  # whatever the objects in the model raise when they are asked for their state
        raise InvalidValue(
            f"The model cannot be pickled: {error}. Make what cannot be pickled (locks, connections, open files) in load_context "
            "instead of __init__, or save the model as a script: python_model='model.py'."
        ) from error


@contextmanager
def _hints_resolved(function: Callable[..., Any]) -> Iterator[None]:
    """Type hints as objects while a function is pickled: the names in hints that are texts are not pickled along."""
    plain = inspect.unwrap(getattr(function, "__func__", function))
    written = plain.__annotations__ if isinstance(plain, FunctionType) else None
    try:
        resolved = typing.get_type_hints(plain) if written else None
    except (NameError, TypeError, AttributeError):  # then they say nothing here either
        resolved = None
    if not resolved:
        yield
        return
    plain.__annotations__ = resolved
    try:
        yield
    finally:
        plain.__annotations__ = written or {}


def _classes_with_predict(model: PythonModel) -> list[type]:
    """The classes whose `predict` MLflow checks, base first; those that make something else of `__init_subclass__` are left."""
    return [
        each
        for each in reversed(type(model).__mro__)
        if issubclass(each, PythonModel) and each is not PythonModel and "predict" in vars(each)
        and "__init_subclass__" not in {name for base in each.__mro__ if base is not object for name in vars(base)}
    ]  # fmt: skip


COMPRESSIONS: dict[str, tuple[str, str]] = {"lzma": (".xz", "lzma"), "bzip2": (".bz2", "bz2"), "gzip": (".gz", "gzip")}
"""Values of the setting LOG_MODEL_COMPRESSION: what the file's name ends with, and the module that writes it."""


def save(model: PythonModel, root: Path) -> dict[str, str]:
    """Write `python_model.pkl`, compressed if the setting says so; the keys of `flavors.python_function` that name it."""
    compression = settings.LOG_MODEL_COMPRESSION.get()
    name = "python_model.pkl"
    keys = {"cloudpickle_version": str(cloudpickle.__version__)}
    if not compression:
        opener: Callable[..., IO[bytes]] = open
    elif compression in COMPRESSIONS:
        suffix, module = COMPRESSIONS[compression]
        opener = importlib.import_module(module).open
        name += suffix
        keys["python_model_compression"] = compression
    else:
        raise InvalidValue(
            f"LOG_MODEL_COMPRESSION={compression!r} is not known. Use one of {', '.join(COMPRESSIONS)}, or unset it."
        )
    with opener(root / name, "wb") as file:
        dump(model, file)
    return {**keys, "python_model": name}


# ---------------------------------------------------------------- what pickles of MLflow's name besides


class TypeHints:
    """Stands for MLflow's note of a model's type hints; ours are read from `predict` itself."""


class FuncInfo(NamedTuple):
    """What MLflow's wrapper around `predict` knows of it."""

    input_type_hint: Any
    input_param_name: str


def validate_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], index: int, hint: Any, name: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What MLflow's wrapper calls: the arguments of `predict`, with the model's input checked and converted."""
    if name in kwargs:
        return args, {**kwargs, name: hints.check(kwargs[name], hint)}
    if index < len(args):
        return (*args[:index], hints.check(args[index], hint), *args[index + 1 :]), kwargs
    return args, kwargs
