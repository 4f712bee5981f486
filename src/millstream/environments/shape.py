"""What decides which modules loading a model imports, as one hash: so that a sweep of a hundred models of one kind loads one.

Importing is decided by the classes and the texts in a model's files (names of classes, settings such as a backend's name,
column names), by its MLmodel, and by what is installed. Numbers and arrays import nothing. So two models whose files differ
in numbers alone have the same shape. A model that brings code, or a kind of file that is not known here, has none.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import pickletools
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from millstream.environments.this_python import installed_distributions
from millstream.environments.yaml_files import read_mlmodel

_LOADERS = frozenset(f"mlflow.{flavor}" for flavor in ("sklearn", "xgboost", "lightgbm", "statsmodels", "onnx"))
"""Loaders whose models are data, not code."""

_NATIVE = frozenset({".lgb", ".ubj", ".xgb", ".onnx"})
"""Files of libraries' own formats; they name nothing that would be imported."""

_ENVIRONMENT = frozenset({"requirements.txt", "constraints.txt", "conda.yaml", "python_env.yaml"})
_VALUES = frozenset({"input_example.json", "serving_input_example.json"})
_VOLATILE = frozenset({"run_id", "model_id", "model_uuid", "utc_time_created", "model_size_bytes", "artifact_path"})
"""Keys of MLmodel that differ between any two models."""

_NUMBER = re.compile(r"[-+0-9.eE]+|NaN|-?Infinity")
_MAX_BYTES = 64 << 20


def import_shape(model_root: Path) -> str | None:
    """The hash; None for a model whose imports can only be seen by loading it."""
    digest = hashlib.sha256()

    def add(*texts: str) -> None:
        digest.update(json.dumps(texts).encode())

    add(sys.version, sys.prefix, *installed_distributions())
    for path in sorted(model_root.rglob("*")):
        name = path.relative_to(model_root).as_posix()
        if name in _ENVIRONMENT or name in _VALUES or path.is_dir():
            continue
        add(name)
        texts = _texts(path)
        if texts is None:
            return None
        add(*texts)
    return digest.hexdigest()


def _texts(path: Path) -> list[str] | None:
    """The texts in a file that count; None for a file that is not known."""
    if path.name == "MLmodel":
        return _of_mlmodel(read_mlmodel(path))
    if path.suffix in _NATIVE:
        return []
    if path.stat().st_size > _MAX_BYTES:
        return None
    if path.suffix == ".skops":
        with zipfile.ZipFile(path) as archive:
            return list(_strings(json.loads(archive.read("schema.json"))))
    if path.suffix in (".pkl", ".pickle"):
        return _of_pickle(path.read_bytes())
    return None


def _of_mlmodel(content: dict[str, Any]) -> list[str] | None:
    flavors = content.get("flavors")
    function = flavors.get("python_function") if isinstance(flavors, dict) else None
    if not isinstance(function, dict) or function.get("loader_module") not in _LOADERS or function.get("code"):
        return None
    return [
        json.dumps({key: value for key, value in content.items() if key not in _VOLATILE}, sort_keys=True, default=str)
    ]


def _strings(value: Any) -> Iterator[str]:
    """The texts in JSON, but for numbers in quotes and the names of the files that hold arrays."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in sorted(value.items()):
            if key != "file":
                yield key
                yield from _strings(item)


def _of_pickle(data: bytes) -> list[str] | None:
    try:
        texts = [argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)]
    except (ValueError, pickle.UnpicklingError):  # compressed, or several streams with data between them
        return None
    holds_code = any(text.partition(".")[0] in ("cloudpickle", "dill", "__main__") for text in texts)
    return None if holds_code else texts
