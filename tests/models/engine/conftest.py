"""A small estimator, places to save and log it to, and a process that begins anew for every test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from millstream.models import code_paths
from tests.tracking.conftest import (
    experiment,
    local_experiment,
    local_store,
    local_uri,
    process_state,
    script,
    server,
    tracking_uri,
)

__all__ = [
    "experiment", "local_experiment", "local_store", "local_uri", "process_state", "script", "server", "tracking_uri",
]  # fmt: skip


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return pd.DataFrame({"height": [1.0, 2.0, 3.0, 4.0], "width": [0.5, 0.25, 2.0, 1.0]})


@pytest.fixture(scope="session")
def estimator(frame: pd.DataFrame) -> Any:
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(frame, np.array([1.0, 2.0, 2.5, 4.0]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a model can be saved to."""
    return tmp_path / "model"


@pytest.fixture(autouse=True)
def imported_modules() -> Iterator[None]:
    """What a model's code/ brought goes with its test."""
    before, path_before = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path_before
    code_paths._folders.clear()
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if "site-packages" not in file and "/lib/python" not in file and not name.startswith("millstream"):
            del sys.modules[name]
