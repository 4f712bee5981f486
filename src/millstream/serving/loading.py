"""From a model's URI to a `Scorer` that has predicted once already."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from millstream.asgi.log import log
from millstream.errors import InvalidValue
from millstream.serving.media import Form
from millstream.serving.scorer import Options, Scorer

MODEL_CONFIG = "SERVING_MODEL_CONFIG"
"""MLflow's variable, without a prefix: JSON that is laid over the configuration saved with the model."""


MAX_EXAMPLE_CHARS = 1 << 20


def load(
    uri: str,
    trust: bool | None = None,
    options: Options | None = None,
    *,
    name: str | None = None,
    warms: bool = True,
) -> Scorer:
    """The model of a URI, loaded and warm.

    Args:
        name: what logs call it; the URI if not given.
        warms: whether it predicts its example once.
    Raises:
        MillstreamError: there is no such model, it is not trusted, or it cannot be loaded.
    """
    from millstream.models.pyfunc import load_model

    model = load_model(uri, trust=trust, model_config=model_config())
    scorer = Scorer(model, options, name=name or uri)
    if warms:
        warm(scorer)
    return scorer


def model_config() -> dict[str, Any] | None:
    """What SERVING_MODEL_CONFIG says. Raises InvalidValue when that is no JSON object."""
    text = os.environ.get(MODEL_CONFIG)
    if not text:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise InvalidValue(f"{MODEL_CONFIG} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise InvalidValue(f"{MODEL_CONFIG} must hold a JSON object.")
    return config


def warm(scorer: Scorer) -> None:
    """Predict the model's own example once, if it has one, so that the first request does not pay for what is made on first use.

    A model that fails at its example is served all the same: the example may need what is not here.
    """
    payload = _example(scorer.model)
    if payload is None:
        return
    try:
        scorer.answer(payload, Form.JSON)
    except Exception as error:
        log(logging.WARNING, "the model failed at its own example", error, model=scorer.name)


def _example(model: Any) -> bytes | None:
    """The request that was saved with the model, if it is not too long."""
    root, metadata = getattr(model, "root", None), model.metadata
    if root is None:
        return None
    text: str | None = metadata.get_serving_input(root)
    return text.encode() if text is not None and len(text) < MAX_EXAMPLE_CHARS else None
