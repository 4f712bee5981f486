"""The tracking client: `MillstreamClient`, and the journal, shipper and transports below it. Imported names are loaded when used."""

from typing import Any

_PLACES = {
    "MillstreamClient": "millstream.client.client",
    "MlflowClient": "millstream.client.client",
    "RunOperations": "millstream.client.operations",
    "get_recorder": "millstream.client.recorder",
    "open_transport": "millstream.client.transport",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
