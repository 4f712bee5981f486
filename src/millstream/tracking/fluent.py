"""All of the fluent API in one module, as `mlflow.tracking.fluent` offers it."""

from typing import Any

import millstream
from millstream.errors import Unsupported


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(millstream, name)
    except Unsupported as error:
        raise AttributeError(str(error)) from error
    globals()[name] = value
    return value
