"""Serving models: the scoring server, batch prediction, and the image of a served model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.serving.app import Options, create_app
    from millstream.serving.responses import PredictionsResponse

_WHERE = {"create_app": "app", "Options": "app", "PredictionsResponse": "responses"}

__all__ = ["Options", "PredictionsResponse", "create_app"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
