"""The YAML files of an environment, and the MLmodel beside them; strangers' files, so they are read as plain data, and nothing
in them is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from millstream import safe_yaml
from millstream.errors import InvalidValue

_MAX_BYTES = 1 << 20


def read_mapping(path: Path, max_bytes: int = _MAX_BYTES) -> dict[str, Any]:
    """A file that holds a mapping. Raises InvalidValue for any other."""
    if not path.is_file():
        raise InvalidValue(f"There is no file {str(path)!r}.")
    if path.stat().st_size > max_bytes:
        raise InvalidValue(f"{path.name} is larger than {max_bytes >> 20} MiB.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidValue(f"{path.name} is not UTF-8 text.") from None
    return safe_yaml.read_mapping(text, path.name)


def read_mlmodel(path: Path) -> dict[str, Any]:
    """An MLmodel, as long as `Model.load` takes it: the signature of a wide table alone has more than a MiB."""
    return read_mapping(path, safe_yaml.MAX_BYTES)


def texts_of(content: Mapping[str, Any], key: str, path: Path) -> list[str]:
    """A key that holds a list of texts; a missing one is an empty list."""
    values = content.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidValue(f"{path.name}: {key!r} must be a list of texts.")
    return values
