"""What serving knows of the library behind a model: whether calling it is pure computing, and whether it gives the same result for the
bare matrix of numbers that a frame holds. Making a frame and taking it apart again costs an estimator several times its own work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from millstream.serving.columns import Columns

PURE = frozenset({"sklearn", "xgboost", "lightgbm", "statsmodels", "onnx"})
"""Flavors whose predict runs the library's code alone."""


def flavor_of(model: Any) -> str | None:
    """The flavor that predicts; None for code of the user."""
    metadata = getattr(model, "metadata", None)
    entry = getattr(metadata, "flavors", {}).get("python_function") if metadata is not None else None
    loader = entry.get("loader_module") if isinstance(entry, dict) else None
    name = loader.rpartition(".")[2] if isinstance(loader, str) and loader.count(".") == 1 else None
    return name if name in PURE else None


def is_pure(model: Any) -> bool:
    """Whether predicting is computing and nothing else, so that it cannot wait for something."""
    return flavor_of(model) is not None


def matrix_function(model: Any, columns: Columns) -> Callable[[np.ndarray[Any, Any]], Any] | None:
    """What predicts from a matrix of the columns, shape (rows, columns) and in Fortran order, exactly as the model does from a frame of
    them; None if there is no such function, or nobody knows.
    """
    return None
