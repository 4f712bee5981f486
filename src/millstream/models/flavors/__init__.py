"""The flavors: one file each in this folder, one row each here.

Recognising a model imports nothing: classes are named as text and compared along the model's ancestry.
"""

from __future__ import annotations

import importlib
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from millstream.errors import InvalidValue, Unsupported
from millstream.models.flavor import Flavor, FlavorModule, class_name

FLAVORS = MappingProxyType(
    {
        name: f"millstream.models.flavors.{name}"
        for name in ("sklearn", "xgboost", "lightgbm", "statsmodels", "onnx", "pytorch", "keras", "spacy", "spark")
    }
)
"""Name of a flavor to its module."""

NOT_YET = frozenset(
    {"catboost", "crate", "diviner", "fastai", "gluon", "h2o", "johnsnowlabs", "mleap", "paddle", "pmdarima", "prophet",
     "sentence_transformers", "tensorflow", "transformers"}
)  # fmt: skip
"""Flavors that model files in the wild have and that are not read yet."""


class FlavorNotSupported(Unsupported):
    """A model file of a flavor that is known by name only."""

    def __init__(self, name: str) -> None:
        there = ", ".join(FLAVORS)
        super().__init__(
            f"Models of the flavor {name!r} are not read by this version of Millstream. Its flavors are {there}; "
            "the model's metadata (signature, requirements) can be read all the same with get_model_info."
        )


def flavor_module(name: str) -> FlavorModule:
    """The file of a flavor. Raises FlavorNotSupported for one that has none, InvalidValue for a name that is no flavor's."""
    if name in FLAVORS:
        return cast(FlavorModule, importlib.import_module(FLAVORS[name]))
    if name in NOT_YET:
        raise FlavorNotSupported(name)
    raise InvalidValue(f"There is no model flavor {name!r}. The flavors are {', '.join(FLAVORS)}.")


def flavor(name: str) -> Flavor:
    """The facts of a flavor; raises as `flavor_module`."""
    return flavor_module(name).FLAVOR


def flavor_of(model: Any) -> str:
    """The name of the flavor that saves this object. Raises InvalidValue if none does."""
    known = _by_class()
    for each in type(model).__mro__:
        name = known.get(class_name(each))
        if name is not None:
            return name
    raise InvalidValue(
        f"No model flavor saves objects of {class_name(type(model))}. Wrap it in a millstream.pyfunc.PythonModel, "
        f"or use one of the flavors {', '.join(FLAVORS)}."
    )


def by_loader_module(loader_module: str) -> str | None:
    """The flavor whose files name this loader, `mlflow.sklearn` or `millstream.sklearn`; None for a loader of the user's.

    Raises:
        FlavorNotSupported: a loader of a flavor that is known by name only.
    """
    package, _, name = loader_module.partition(".")
    if package not in ("mlflow", "millstream"):
        return None
    if name in NOT_YET:
        raise FlavorNotSupported(name)
    return name if name in FLAVORS else None


@cache
def _by_class() -> dict[str, str]:
    return {text: name for name in FLAVORS for text in flavor(name).classes}
