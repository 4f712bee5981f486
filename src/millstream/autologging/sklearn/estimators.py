"""Which scikit-learn estimators are recorded, and what they are called."""

from __future__ import annotations

from functools import lru_cache
from inspect import isabstract
from typing import Any

NO_TRAINING = frozenset({"preprocessing", "impute", "feature_extraction", "feature_selection", "externals", "tests"})
"""Modules whose estimators prepare data; a run for each of them would be noise."""

NO_TRAINING_CLASSES = frozenset({"ColumnTransformer"})


@lru_cache(maxsize=4096)
def is_model_class(cls: type) -> bool:
    """Whether a class is a public estimator of sklearn's that trains something, or one derived from such."""
    from sklearn.base import BaseEstimator

    if not issubclass(cls, BaseEstimator):
        return False
    for each in cls.__mro__:
        place = each.__module__.split(".")
        if place[0] != "sklearn" or place == ["sklearn", "base"] or not issubclass(each, BaseEstimator):
            continue
        if each.__name__.startswith("_") or isabstract(each):
            continue
        return NO_TRAINING.isdisjoint(place) and each.__name__ not in NO_TRAINING_CLASSES
    return False


def is_search(estimator: Any) -> bool:
    """Whether an estimator tries candidates (`GridSearchCV` and its kin)."""
    from sklearn.model_selection._search import BaseSearchCV

    return isinstance(estimator, BaseSearchCV)


def names_of(estimator: Any) -> dict[str, str]:
    """The tags that name an estimator's class."""
    cls = type(estimator)
    return {"estimator_name": cls.__name__, "estimator_class": f"{cls.__module__}.{cls.__name__}"}
