"""Serving models: the scoring server, batch prediction, and the image of a served model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream import lazy

if TYPE_CHECKING:
    from millstream.serving.app import Options as Options
    from millstream.serving.app import create_app as create_app
    from millstream.serving.images import build_docker as build_docker
    from millstream.serving.images import generate_dockerfile as generate_dockerfile
    from millstream.serving.prediction import predict as predict
    from millstream.serving.prediction import validate_serving_input as validate_serving_input
    from millstream.serving.responses import PredictionsResponse as PredictionsResponse
    from millstream.serving.run import background as background
    from millstream.serving.run import serve as serve

__getattr__, __dir__, __all__ = lazy.names(
    __name__,
    {
        "serving.app": "Options create_app",
        "serving.images": "build_docker generate_dockerfile",
        "serving.prediction": "predict validate_serving_input",
        "serving.responses": "PredictionsResponse",
        "serving.run": "background serve",
    },
)
