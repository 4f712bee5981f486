"""What is sent: the body that tells of an event, and the headers that prove where it comes from."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from millstream.entities import WebhookEntity, WebhookEvent
from millstream.version import VERSION

DELIVERY_ID_HEADER = "X-MLflow-Delivery-Id"
TIMESTAMP_HEADER = "X-MLflow-Timestamp"
SIGNATURE_HEADER = "X-MLflow-Signature"


def body(event: WebhookEvent, data: Mapping[str, Any], time_ms: int) -> str:
    """The JSON that tells of an event that happened at `time_ms`; what is absent is null."""
    when = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()
    content = {"entity": str(event.entity), "action": str(event.action), "timestamp": when, "data": data}
    return json.dumps(content, ensure_ascii=False)


def headers(delivery_id: str, timestamp_s: int, raw_body: bytes, secret: str | None) -> dict[str, str]:
    """The headers of one attempt. A repeated attempt keeps its delivery id and has a time stamp and signature of its own."""
    found = {
        "Content-Type": "application/json",
        "User-Agent": f"millstream/{VERSION}",
        DELIVERY_ID_HEADER: delivery_id,
        TIMESTAMP_HEADER: str(timestamp_s),
    }
    if secret:
        found[SIGNATURE_HEADER] = signature(delivery_id, timestamp_s, raw_body, secret)
    return found


def signature(delivery_id: str, timestamp_s: int, raw_body: bytes, secret: str) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `<delivery id>.<time stamp>.<body>`."""
    signed = f"{delivery_id}.{timestamp_s}.".encode() + raw_body
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


def example(event: WebhookEvent) -> dict[str, Any]:
    """Data of an invented event, for trial deliveries."""
    is_prompt = event.entity.value.startswith("PROMPT")
    what = "prompt" if is_prompt else "model"
    new = {"tags": {"example_key": "example_value"}}
    name, version = {"name": f"example_{what}"}, {"version": "1"}
    tag, text = {"key": "example_key"}, {"value": "example_value"} if event.action == "SET" else {}
    match event.entity:
        case WebhookEntity.REGISTERED_MODEL:
            return {**name, **new, "description": "An example registered model"}
        case WebhookEntity.PROMPT:
            return {**name, **new, "description": "An example prompt"}
        case WebhookEntity.MODEL_VERSION:
            origin = {"source": "models:/123", "run_id": "abcd1234abcd5678"}
            return {**name, **version, **origin, **new, "description": "An example model version"}
        case WebhookEntity.PROMPT_VERSION:
            return {**name, **version, "template": "Hello {{name}}!", **new, "description": "An example prompt version"}
        case WebhookEntity.MODEL_VERSION_TAG | WebhookEntity.PROMPT_VERSION_TAG:
            return {**name, **version, **tag, **text}
        case WebhookEntity.PROMPT_TAG:
            return {**name, **tag, **text}
        case WebhookEntity.MODEL_VERSION_ALIAS | WebhookEntity.PROMPT_ALIAS:
            return {**name, "alias": "example_alias", **(version if event.action == "CREATED" else {})}
        case WebhookEntity.BUDGET_POLICY:
            return {"budget_policy_id": "example_policy"}
