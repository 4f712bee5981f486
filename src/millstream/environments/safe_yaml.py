"""YAML files of strangers: read as plain data, nothing in them is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millstream.errors import InvalidValue

_MAX_BYTES = 1 << 20


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping, read without running anything."""
    import yaml

    if not path.is_file():
        raise InvalidValue(f"There is no file {str(path)!r}.")
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidValue(f"{path.name} is larger than {_MAX_BYTES >> 20} MiB.")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidValue(f"{path.name} is not a YAML file that can be read: {str(error)[:300]}") from None
    if not isinstance(content, dict):
        raise InvalidValue(f"{path.name} must hold a mapping of keys to values.")
    return content


def texts_of(content: Mapping[str, Any], key: str, path: Path) -> list[str]:
    values = content.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidValue(f"{path.name}: {key!r} must be a list of texts.")
    return values
