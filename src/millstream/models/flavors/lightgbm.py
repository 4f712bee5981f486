"""LightGBM boosters in LightGBM's text format, its scikit-learn estimators in skops': loading either runs no code.

In skops an estimator's booster is the same text. An estimator that skops cannot express, such as one with an objective of the
user's own, is pickled and loads on trust alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.models import estimators
from millstream.models.flavor import Flavor, class_name
from millstream.models.model_files import named, reading

if TYPE_CHECKING:
    from millstream.models.trust import Trust

FLAVOR = Flavor(
    name="lightgbm",
    package="lightgbm",
    tested=">=4.0,<5",
    classes=("lightgbm.basic.Booster", "lightgbm.sklearn.LGBMModel"),
    loader_module="mlflow.lightgbm",
    version_key="lgb_version",
    model_argument="lgb_model",
    requirements=("lightgbm",),
    options=("serialization_format", "skops_trusted_types"),
    load_options=("skops_trusted_types",),
)

BOOSTER = "lightgbm.basic.Booster"
BOOSTER_FILE = "model.lgb"


def check(model: Any, signature: Any, *, serialization_format: str | None = None, **options: Any) -> None:
    estimators.check_format(serialization_format)


def save(
    model: Any,
    root: Path,
    *,
    serialization_format: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
) -> dict[str, Any]:
    name = class_name(type(model))
    if name == BOOSTER:
        model.save_model(root / BOOSTER_FILE)
        return {"data": BOOSTER_FILE, "model_class": name}
    keys = estimators.write(model, root, serialization_format, skops_trusted_types)
    return {"data": estimators.FILES[keys["serialization_format"]], "model_class": name, **keys}


def load(root: Path, section: dict[str, Any], *, trust: Trust, skops_trusted_types: Sequence[str] | None = None) -> Any:
    """The booster or estimator. Files of before 2.0 hold boosters and say no class."""
    file = named(root, section, "data")
    if section.get("model_class", BOOSTER) != BOOSTER:
        written_as = "skops" if file.suffix == ".skops" else "pickle"
        return estimators.read(file, written_as, trust, skops_trusted_types)
    lightgbm = FLAVOR.library()
    with reading(file, "a LightGBM model"):
        return lightgbm.Booster(model_file=file)


def predict(model: Any, inputs: Any, params: dict[str, Any]) -> Any:
    """Params are not passed on: LightGBM takes any keyword, so a mistyped one would be swallowed."""
    return model.predict(inputs)


def requirements_of(section: dict[str, Any]) -> tuple[str, ...]:
    return estimators.packages(section) if section["data"] != BOOSTER_FILE else ()


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
