"""Serving models: the scoring server, batch prediction, and the image of a served model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.serving.app import Options, create_app
    from millstream.serving.images import build_docker, generate_dockerfile
    from millstream.serving.prediction import predict, validate_serving_input
    from millstream.serving.responses import PredictionsResponse
    from millstream.serving.run import background, serve

_WHERE = {
    "Options": "app",
    "background": "run",
    "PredictionsResponse": "responses",
    "build_docker": "images",
    "create_app": "app",
    "generate_dockerfile": "images",
    "predict": "prediction",
    "serve": "run",
    "validate_serving_input": "prediction",
}

__all__ = [
    "Options",
    "PredictionsResponse",
    "background",
    "build_docker",
    "create_app",
    "generate_dockerfile",
    "predict",
    "serve",
    "validate_serving_input",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
