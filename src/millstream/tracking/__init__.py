"""The fluent layer: active runs and logging to them, their context, datasets and system metrics."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.client.client import MillstreamClient as MillstreamClient
    from millstream.client.client import MlflowClient as MlflowClient
    from millstream.tracking.uris import get_registry_uri as get_registry_uri
    from millstream.tracking.uris import get_tracking_uri as get_tracking_uri
    from millstream.tracking.uris import is_tracking_uri_set as is_tracking_uri_set
    from millstream.tracking.uris import set_registry_uri as set_registry_uri
    from millstream.tracking.uris import set_tracking_uri as set_tracking_uri

_HOME_OF = {
    "MillstreamClient": "millstream.client.client",
    "MlflowClient": "millstream.client.client",
    "get_registry_uri": "millstream.tracking.uris",
    "get_tracking_uri": "millstream.tracking.uris",
    "is_tracking_uri_set": "millstream.tracking.uris",
    "set_registry_uri": "millstream.tracking.uris",
    "set_tracking_uri": "millstream.tracking.uris",
}
_MODULES = frozenset({"config", "context", "experiments", "fluent", "runs", "search"})

__all__ = [*_HOME_OF, *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name == "client":  # mlflow.tracking.client
        value = importlib.import_module("millstream.client")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
