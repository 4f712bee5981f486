"""Asking a scoring server: inputs of any kind as a request, its answer as predictions."""

from __future__ import annotations

import json
from typing import Any

from millstream import settings
from millstream.errors import InvalidValue, ServerUnreachable, from_wire
from millstream.serving.responses import PredictionsResponse


def predict(url: str, inputs: Any) -> PredictionsResponse:
    """
    Args:
        url: of the server, without `/invocations`.
        inputs: a DataFrame, an array, lists, a dict of columns, or a whole request (`{"dataframe_split": ...}`).
    Raises:
        InvalidValue: the inputs cannot be sent.
        ServerUnreachable: no answer in MILLSTREAM_DEPLOYMENT_PREDICT_TIMEOUT.
        MillstreamError: what the server answered.
    """
    import urllib3

    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request(
                "POST",
                f"{url}/invocations",
                body=request_body(inputs),
                headers={"Content-Type": "application/json"},
                timeout=settings.DEPLOYMENT_PREDICT_TIMEOUT.get(),
                retries=False,
                redirect=False,
            )
    except urllib3.exceptions.HTTPError as error:
        raise ServerUnreachable(url, str(error).rpartition(": ")[2][:200]) from None
    if answer.status != 200:
        raise _error(answer.status, answer.data)
    return PredictionsResponse.from_json(answer.data)


def request_body(inputs: Any) -> bytes:
    """The JSON request that asks for predictions of these inputs."""
    if inputs is None:
        raise InvalidValue("Give inputs to predict from.")
    request = inputs if is_request(inputs) else _wrapped(inputs)
    try:
        return json.dumps(request, allow_nan=False, default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise InvalidValue(f"The inputs cannot be written as JSON: {error}.") from None


def is_request(inputs: Any) -> bool:
    """Whether inputs are a whole request already."""
    from millstream.serving.forms import DATA_KEYS

    return isinstance(inputs, dict) and not inputs.keys().isdisjoint(DATA_KEYS)


def _wrapped(inputs: Any) -> dict[str, Any]:
    if hasattr(inputs, "to_json") and hasattr(inputs, "columns"):  # a DataFrame: NaN becomes null
        return {"dataframe_split": json.loads(inputs.to_json(orient="split", date_format="iso", double_precision=15))}
    return {"inputs": inputs}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays and scalars of numpy, series
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _error(status: int, body: bytes) -> Exception:
    try:
        read = json.loads(body)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        return from_wire(status, None, body[:500].decode(errors="replace").strip() or f"HTTP status {status}")
    return from_wire(status, read.get("error_code"), str(read.get("message") or read))
