"""Dicts as JSON or YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def _plain(value: Any) -> Any:
    """What YAML's safe form can express; anything else as text."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int | float | type(None)):
        return value
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    return str(value)


def dump_dict(dictionary: Any, artifact_file: str) -> str:
    """`dictionary` as YAML for `.yml` and `.yaml`, else as JSON with an indent of 2; unknown objects as text."""
    if artifact_file.lower().endswith((".yml", ".yaml")):
        import yaml

        text: str = yaml.safe_dump(_plain(dictionary), indent=2, default_flow_style=False, sort_keys=False)
        return text
    return json.dumps(dictionary, indent=2, default=str)
