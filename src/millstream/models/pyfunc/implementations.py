"""What stands behind a `PyFuncModel`: a flavor's model, a PythonModel, or what a loader module of the user's gave."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

from millstream.errors import InvalidValue, Unsupported
from millstream.models import hints
from millstream.models.flavor import FlavorModule
from millstream.models.pyfunc.calling import calling
from millstream.models.pyfunc.python_model import FunctionModel

logger = logging.getLogger("millstream")


class FlavorImplementation:
    """A flavor's model, called by the flavor's `predict`."""

    def __init__(self, module: FlavorModule, model: Any, entry: dict[str, Any]) -> None:
        self.raw = model
        self._function = module.predict
        self._further = (entry,) if "entry" in inspect.signature(module.predict).parameters else ()

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        return self._function(self.raw, data, params or {}, *self._further)

    def predict_stream(self, data: Any, params: dict[str, Any] | None) -> Iterator[Any]:
        raise Unsupported("Models of this flavor do not stream.")


class PythonImplementation:
    """A PythonModel, with its context; inputs are checked against its type hint."""

    def __init__(self, model: Any, context: Any) -> None:
        self.raw = model
        self.context = context
        self._hint = hints.hint_to_check(called(model))
        self._predict = calling(model.predict if self._hint is None else _unwrapped(model.predict))
        stream = getattr(model, "predict_stream", None)
        self._stream = calling(stream) if stream is not None else None

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        if self._hint is not None:
            data = hints.check(data, self._hint)
        return self._predict(self.context, data, params)

    def predict_stream(self, data: Any, params: dict[str, Any] | None) -> Iterator[Any]:
        if self._stream is None:
            raise Unsupported(f"{type(self.raw).__name__} has no method predict_stream.")
        result: Iterator[Any] = self._stream(self.context, data, params)
        return result


def _unwrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    """A bound method without the check that MLflow wrapped around it, where the hint is there to be checked here."""
    function = getattr(method, "__func__", None)
    if function is None or not getattr(function, "_is_pyfunc", False):
        return method
    bound: Callable[..., Any] = inspect.unwrap(function).__get__(method.__self__)  # type: ignore[attr-defined]
    return bound


class LoadedImplementation:
    """What a loader module of the user's gave: any object with a method `predict` (or the one that MLmodel names)."""

    def __init__(self, model: Any, loader: str, predict_fn: str, stream_fn: str) -> None:
        self._model = model
        function = getattr(model, predict_fn, None)
        if not callable(function):
            raise InvalidValue(
                f"What {loader}._load_pyfunc returned ({type(model).__name__}) has no method {predict_fn!r} to predict with."
            )
        self._function = function
        self._stream = getattr(model, stream_fn, None)
        self._takes_params = _takes_params(function)

    @property
    def raw(self) -> Any:
        return self._model.get_raw_model() if hasattr(self._model, "get_raw_model") else self._model

    def predict(self, data: Any, params: dict[str, Any] | None) -> Any:
        if self._takes_params:
            return self._function(data, params=params)
        _say_dropped(params)
        return self._function(data)

    def predict_stream(self, data: Any, params: dict[str, Any] | None) -> Iterator[Any]:
        if self._stream is None:
            raise Unsupported(f"{type(self.raw).__name__} has no method to stream with.")
        if _takes_params(self._stream):
            result: Iterator[Any] = self._stream(data, params=params)
            return result
        _say_dropped(params)
        plain: Iterator[Any] = self._stream(data)
        return plain


def _takes_params(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    found = parameters.get("params")
    return found is not None and found.kind is not found.VAR_KEYWORD


def _say_dropped(params: dict[str, Any] | None) -> None:
    if params:
        logger.warning("This model takes no params; %s were not passed on.", ", ".join(sorted(params)))


def called(model: Any) -> Callable[..., Any]:
    """The function whose parameters and hints are those of a PythonModel: the user's own."""
    function: Callable[..., Any] = model.func if isinstance(model, FunctionModel) else model.predict
    return function
