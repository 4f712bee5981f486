"""Models that predict the same from the bare matrix of numbers as from the frame around it.

Taking a frame apart costs an estimator several times its own work: scikit-learn's LogisticRegression needs 640 µs for a frame of one row
and ten columns, 150 µs for the matrix in it (2026-11). So where the library is known to turn a frame of numbers into exactly
that matrix, the frame is never made. Two things stand before it: a list of what was looked at, and a comparison on sample rows,
to the bit, whenever a model is loaded. Whatever is not on the list, and all code of users, gets its frame.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PURE = frozenset({"sklearn", "xgboost", "lightgbm", "statsmodels", "onnx"})
"""Flavors whose predict runs the library's code alone."""

_SKLEARN = (
    "sklearn.cluster._kmeans", "sklearn.decomposition._pca", "sklearn.discriminant_analysis", "sklearn.ensemble._forest",
    "sklearn.ensemble._gb", "sklearn.ensemble._hist_gradient_boosting.gradient_boosting", "sklearn.ensemble._iforest",
    "sklearn.impute._base", "sklearn.kernel_ridge", "sklearn.linear_model._", "sklearn.mixture._gaussian_mixture",
    "sklearn.naive_bayes", "sklearn.neighbors._classification", "sklearn.neighbors._regression",
    "sklearn.neural_network._multilayer_perceptron", "sklearn.preprocessing._data", "sklearn.svm._classes",
    "sklearn.tree._classes",
)  # fmt: skip
"""Modules whose estimators turn their input into one array first of all."""

_SKLEARN_METHODS = frozenset({"predict", "predict_proba", "predict_log_proba"})


def flavor_of(model: Any) -> str | None:
    """The flavor that predicts; None for code of the user."""
    entry = getattr(model.metadata, "flavors", {}).get("python_function")
    loader = entry.get("loader_module") if isinstance(entry, dict) else None
    name = loader.rpartition(".")[2] if isinstance(loader, str) and loader.count(".") == 1 else None
    return name if name in PURE else None


def is_pure(model: Any, takes_matrices: bool) -> bool:
    """Whether predicting is computing and nothing else, so that it cannot wait for something.

    Args:
        takes_matrices: `matrix_function` knows the model; an estimator of scikit-learn that it does not know may hold the user's code.
    """
    flavor = flavor_of(model)
    return flavor is not None and (flavor != "sklearn" or takes_matrices)


def matrix_function(model: Any, names: pd.Index, dtype: np.dtype[Any]) -> Callable[[np.ndarray[Any, Any]], Any] | None:
    """What predicts from a matrix of shape (rows, columns), in Fortran order as the values of a frame are, as the model does from
    a frame with those columns. None if nothing is known to.
    """
    make = _MAKERS.get(flavor_of(model) or "")
    if make is None or dtype.kind not in "fi":
        return None
    function: Callable[[Any], Any] | None = make(model, list(names))
    return function if function is not None and _agrees(model, function, names, dtype) else None


def _agrees(model: Any, function: Callable[[Any], Any], names: pd.Index, dtype: np.dtype[Any]) -> bool:
    """Whether both ways give the same arrays, to the bit, for some rows; and warn of nothing."""
    import numpy as np
    import pandas as pd

    source = np.random.default_rng(7)
    for rows in (1, 2, 33):
        matrix = np.asfortranarray((10 * source.normal(size=(rows, len(names)))).astype(dtype))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                direct = function(matrix)
            framed = model.predict(pd.DataFrame(matrix, columns=names))
        except Exception:
            return False
        if not (isinstance(direct, np.ndarray) and isinstance(framed, np.ndarray)):
            return False
        if direct.dtype != framed.dtype or direct.tobytes() != framed.tobytes() or direct.dtype.hasobject:
            return False
    return True


# ---------------------------------------------------------------- scikit-learn


def _sklearn(model: Any, names: list[str]) -> Callable[[Any], Any] | None:
    """The estimator's own method, on a copy that does not remember its columns' names (they are compared here, once)."""
    sklearn = importlib.import_module("sklearn")
    estimator = model.get_raw_model()
    method = model.metadata.flavors["python_function"].get("predict_fn", "predict")
    fitted = getattr(estimator, "feature_names_in_", None)
    if method not in _SKLEARN_METHODS or (fitted is not None and list(fitted) != names):
        return None
    if sklearn.get_config()["transform_output"] != "default":
        return None
    nameless = _without_names(estimator)
    function: Callable[[Any], Any] | None = getattr(nameless, method, None)
    return function


def _without_names(estimator: Any) -> Any:
    """A shallow copy without `feature_names_in_`, of pipelines with copies of their steps; None for what is not on the list."""
    kind = type(estimator)
    if kind.__module__ == "sklearn.pipeline" and kind.__name__ == "Pipeline":
        steps = [(name, step if step == "passthrough" else _without_names(step)) for name, step in estimator.steps]
        if any(step is None for _, step in steps) or "_sklearn_output_config" in estimator.__dict__:
            return None
        pipeline = copy.copy(estimator)
        pipeline.steps = steps
        return pipeline
    if not kind.__module__.startswith(_SKLEARN) or "_sklearn_output_config" in estimator.__dict__:
        return None
    nameless = copy.copy(estimator)
    nameless.__dict__.pop("feature_names_in_", None)
    return nameless


# ---------------------------------------------------------------- XGBoost, LightGBM


def _xgboost(model: Any, names: list[str]) -> Callable[[Any], Any] | None:
    import xgboost

    native = model.get_raw_model()
    if type(native) is xgboost.Booster:
        known = native.feature_names
        if known is not None and list(known) != names:
            return None
        return lambda matrix: native.predict(xgboost.DMatrix(matrix, feature_names=known))
    if type(native).__module__ == "xgboost.sklearn":
        known = native.get_booster().feature_names
        if known is None or list(known) == names:
            function: Callable[[Any], Any] = native.predict
            return function
    return None


def _lightgbm(model: Any, names: list[str]) -> Callable[[Any], Any] | None:
    import lightgbm

    native = model.get_raw_model()
    if type(native) is lightgbm.Booster and native.feature_name() == names and not native.pandas_categorical:
        function: Callable[[Any], Any] = native.predict
        return function
    return None


_MAKERS: dict[str, Callable[[Any, list[str]], Callable[[Any], Any] | None]] = {
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
}
