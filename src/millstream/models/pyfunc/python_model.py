"""What users derive from to make a model of their own: `PythonModel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class PythonModel:
    """A model written in Python: derive from it and write `predict`.

        class AddN(millstream.pyfunc.PythonModel):
            def __init__(self, n): self.n = n
            def predict(self, model_input): return model_input + self.n

    `predict(self, model_input, params=None)` may take a `PythonModelContext` as well: as the parameter `context`, or as the first
    of two. A type hint `list[T]` of the input becomes the model's signature, and inputs are checked against it.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Called once after the model was loaded, and before its signature is inferred; reads what `context.artifacts` names."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Predictions for a whole batch of inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no method predict.")

    def predict_stream(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """An iterator over the parts of the prediction for one input: a row as a dict, or an element of a list."""
        raise NotImplementedError(f"{type(self).__name__} has no method predict_stream.")


class PythonModelContext:
    """What a `PythonModel` finds beside itself.

    Attributes:
        artifacts: name to absolute local path, of the files that were given as `artifacts=`.
        model_config: the configuration saved with the model, changed by what the caller of `load_model` gave.
    """

    def __init__(self, artifacts: Mapping[str, str], model_config: Mapping[str, Any] | None = None) -> None:
        self.artifacts = dict(artifacts)
        self.model_config = dict(model_config or {})


class FunctionModel(PythonModel):
    """A plain function of one argument as a model."""

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # type: ignore[override]
        return self.func(model_input)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.func,)  # MLflow's class adds its own checks when it is made like this


_FunctionPythonModel = FunctionModel
"""Its name in pickles."""
