"""`mlflow.environment_variables`: our settings under MLflow's names, with `get`, `set`, `unset`, `is_set`."""

from __future__ import annotations

from typing import Any

from millstream.settings import SETTINGS

_BY_NAME = {f"MLFLOW_{setting.mlflow_name}": setting for setting in SETTINGS.values() if setting.in_mlflow}

__all__ = sorted(_BY_NAME)


def __getattr__(name: str) -> Any:
    if name in _BY_NAME:
        return _BY_NAME[name]
    raise AttributeError(f"module 'mlflow.environment_variables' has no attribute {name!r}")
