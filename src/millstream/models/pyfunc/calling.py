"""How the methods of a PythonModel are called: which of context, input and params they take, and in which place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from millstream.errors import InvalidValue


class Calling(Struct, frozen=True):
    """A method, and what it takes.

    Attributes:
        function: the bound method.
        context: place of the context among the positional arguments; None if it takes none.
        takes_params: it has a parameter `params` (`**kwargs` does not count).
    """

    function: Callable[..., Any]
    context: int | None
    takes_params: bool

    def __call__(self, context: Any, data: Any, params: dict[str, Any] | None) -> Any:
        arguments = (data,) if self.context is None else (context, data) if self.context == 0 else (data, context)
        if self.takes_params:
            return self.function(*arguments, params=params)
        return self.function(*arguments)


def calling(function: Callable[..., Any]) -> Calling:
    """How to call a bound method: a parameter named `context`, or the first of two besides `params`, gets the context.

    Raises:
        InvalidValue: it takes neither one nor two positional arguments besides `params`.
    """
    parameters = inspect.signature(function).parameters.values()
    takes_params = any(each.name == "params" and each.kind is not each.VAR_KEYWORD for each in parameters)
    names = [
        each.name
        for each in parameters
        if each.name != "params" and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    if not names and takes_any:
        return Calling(function, 0, takes_params)
    if "context" in names[:2]:
        return Calling(function, names.index("context"), takes_params)
    required = [each.name for each in parameters if each.name in names and each.default is each.empty]
    if not names or len(required) > 2:
        raise InvalidValue(
            f"{getattr(function, '__qualname__', function)} takes ({', '.join(names)}). It must take the input, perhaps a "
            "context before it, and perhaps params: predict(self, model_input, params=None)."
        )
    return Calling(function, 0 if len(names) == 2 else None, takes_params)
