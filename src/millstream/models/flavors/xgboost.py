"""XGBoost boosters and scikit-learn estimators in XGBoost's own formats: loading one runs no code."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models.flavor import Flavor, class_name
from millstream.models.model_files import named, reading

if TYPE_CHECKING:
    from millstream.models.trust import Trust

_logger = logging.getLogger("millstream")

FLAVOR = Flavor(
    name="xgboost",
    package="xgboost",
    tested=">=2.0,<4",
    classes=("xgboost.core.Booster", "xgboost.sklearn.XGBModel"),
    loader_module="mlflow.xgboost",
    version_key="xgb_version",
    model_argument="xgb_model",
    requirements=("xgboost",),
    options=("model_format",),
)

BOOSTER = "xgboost.core.Booster"
CLASSES = frozenset(
    {BOOSTER, *(f"xgboost.sklearn.XGB{kind}" for kind in ("Model", "Classifier", "Regressor", "Ranker"))}
    | {"xgboost.sklearn.XGBRFClassifier", "xgboost.sklearn.XGBRFRegressor"}
)
"""What `model_class` may say. A model of a class derived from these would lose what that class adds."""


def check(model: Any, signature: Any, *, model_format: str | None = None) -> None:
    if model_format not in (None, "ubj", "json"):
        raise InvalidValue(f"model_format is {model_format!r}; XGBoost writes 'ubj' and 'json'.")
    if class_name(type(model)) not in CLASSES:
        raise InvalidValue(
            f"XGBoost's own formats keep boosters and XGBoost's estimators, not {class_name(type(model))}. Save its get_booster(), "
            "or wrap it in a millstream.pyfunc.PythonModel."
        )


def save(model: Any, root: Path, *, model_format: str | None = None) -> dict[str, Any]:
    kind = model_format or "ubj"
    model.save_model(root / f"model.{kind}")
    return {"data": f"model.{kind}", "model_class": class_name(type(model)), "model_format": kind}


def load(root: Path, section: dict[str, Any], *, trust: Trust) -> Any:
    """The booster or estimator. Files of before 2.0 hold boosters and say no class."""
    name = section.get("model_class", BOOSTER)
    if name not in CLASSES:
        raise InvalidValue(f"model_class in MLmodel is {name!r}, which is no class of XGBoost's models.")
    xgboost = FLAVOR.library()
    file = named(root, section, "data")
    model = getattr(xgboost, name.rpartition(".")[2])()
    with reading(file, "an XGBoost model"):
        # as bytes, so that the content counts and not the file's name (old files are called model.xgb)
        model.load_model(bytearray(file.read_bytes()))
    return model


def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    known = inspect.signature(model.predict).parameters
    unknown = sorted(set(params) - set(known))
    if unknown:
        _logger.warning("XGBoost's predict takes no %s; it is left out.", ", ".join(unknown))
    chosen = {key: value for key, value in params.items() if key in known}
    if class_name(type(model)) == BOOSTER:
        inputs = FLAVOR.library().DMatrix(inputs)
    return model.predict(inputs, **chosen)


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
