"""Models: saved, logged and loaded in files that MLflow reads and writes too.

millstream.sklearn.log_model(model, name="model", input_example=X[:5])
millstream.pyfunc.load_model("models:/m-…").predict(X)
millstream.models.infer_signature(X, model.predict(X))

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES: dict[str, str] = {
    "environments": "update_model_requirements",
    "environments.inference": "infer_pip_requirements",
    "models.enforcement": "validate_schema",
    "models.examples": "convert_input_example_to_serving_input",
    "models.mlmodel": "Model ModelInfo get_model_info",
    "models.pyfunc.code_models": "ModelConfig set_model",
    "models.signature": "ModelSignature infer_signature set_signature",
    "models.trust": "UntrustedModel",
    "serving": "build_docker predict validate_serving_input",
}
"""Which module brings which names."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = list(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"millstream.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
