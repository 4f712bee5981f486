"""`mlflow.utils`: the little that code outside of MLflow uses."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from millstream.errors import MillstreamError


def get_current_time_millis() -> int:
    return time.time_ns() // 1_000_000


def local_file_uri_to_path(uri: str) -> str:
    from millstream.artifacts.repository import local_root

    return local_root(uri)


def path_to_local_file_uri(path: str) -> str:
    return Path(os.path.abspath(path)).as_uri()


def chunk_list(values: list[Any], chunk_size: int) -> list[list[Any]]:
    """`values` in lists of at most `chunk_size`."""
    return [values[start : start + chunk_size] for start in range(0, len(values), chunk_size)]


def __getattr__(name: str) -> Any:
    if name in ("mlflow_tags", "validation"):
        import importlib

        return importlib.import_module(f"millstream.mlflow_names.{name}")
    raise AttributeError(f"module 'mlflow.utils' has no attribute {name!r}")


__all__ = [
    "MillstreamError",
    "chunk_list",
    "get_current_time_millis",
    "local_file_uri_to_path",
    "path_to_local_file_uri",
]
