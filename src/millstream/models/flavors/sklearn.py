"""scikit-learn estimators in skops' format where it can express them: loading such a file runs no code of its author.

What skops cannot express (estimators of the user's own, lambdas) is pickled, after one line that says so, and loads on trust
alone. `skops_trusted_types=` names types that the caller trusts, when saving and again when loading.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue
from millstream.models import estimators
from millstream.models.flavor import Flavor
from millstream.models.model_files import named

if TYPE_CHECKING:
    from millstream.models.trust import Trust

FLAVOR = Flavor(
    name="sklearn",
    package="sklearn",
    install="scikit-learn",
    tested=">=1.5,<1.10",
    classes=("sklearn.base.BaseEstimator",),
    loader_module="mlflow.sklearn",
    version_key="sklearn_version",
    model_argument="sk_model",
    requirements=("scikit-learn",),
    options=("serialization_format", "pyfunc_predict_fn", "skops_trusted_types"),
    load_options=("skops_trusted_types",),
)

PREDICT_FUNCTIONS = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")
"""What `pyfunc_predict_fn` can name."""


def check(
    model: Any,
    signature: Any,
    *,
    serialization_format: str | None = None,
    pyfunc_predict_fn: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
) -> None:
    estimators.check_format(serialization_format)
    if pyfunc_predict_fn is not None:
        _check_function(pyfunc_predict_fn)


def save(
    model: Any,
    root: Path,
    *,
    serialization_format: str | None = None,
    pyfunc_predict_fn: str | None = None,
    skops_trusted_types: Sequence[str] | None = None,
) -> dict[str, Any]:
    keys = estimators.write(model, root, serialization_format, skops_trusted_types)
    return {"pickled_model": estimators.FILES[keys["serialization_format"]], **keys}


def pyfunc_entry(section: dict[str, Any], options: dict[str, Any], model: Any) -> dict[str, Any] | None:
    """None for what cannot predict, such as a transformer: it loads natively all the same."""
    function = options.get("pyfunc_predict_fn") or "predict"
    return {"model_path": section["pickled_model"], "predict_fn": function} if hasattr(model, function) else None


def load(root: Path, section: dict[str, Any], *, trust: Trust, skops_trusted_types: Sequence[str] | None = None) -> Any:
    """The estimator. Files that do not say how they were written are plain pickles."""
    file = named(root, section, "pickled_model")
    return estimators.read(file, section.get("serialization_format", "pickle"), trust, skops_trusted_types)


def load_for_pyfunc(
    root: Path, entry: dict[str, Any], section: dict[str, Any], *, trust: Trust, model_config: dict[str, Any]
) -> Any:
    """As `load`; a file without the flavor's own section names the pickle in `model_path`, or before 1.0 in `data`."""
    return load(root, section or {"pickled_model": entry.get("model_path", entry.get("data"))}, trust=trust)


def predict(model: Any, inputs: Any, params: dict[str, Any], entry: dict[str, Any]) -> Any:
    """Call the function that the model was saved for. Params are not passed on."""
    name = entry.get("predict_fn", "predict")
    _check_function(name)
    return getattr(model, name)(inputs)


def _check_function(name: Any) -> None:
    if name not in PREDICT_FUNCTIONS:
        raise InvalidValue(f"The function for predictions is {name!r}; it can be {', '.join(PREDICT_FUNCTIONS)}.")


def requirements_of(section: dict[str, Any]) -> tuple[str, ...]:
    return estimators.packages(section)


save_model, log_model, load_model, autolog, get_default_pip_requirements, get_default_conda_env = FLAVOR.functions()
