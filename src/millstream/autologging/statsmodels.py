"""statsmodels: `fit` of its models, of those that are imported later too."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

from millstream.autologging.patching import Patches
from millstream.autologging.training import Recording, Steps, Training, is_number, signature_of

METRICS = (
    "aic", "bic", "centered_tss", "condition_number", "df_model", "df_resid", "ess", "f_pvalue", "fvalue", "llf", "mse_model",
    "mse_resid", "mse_total", "rsquared", "rsquared_adj", "scale", "ssr", "uncentered_tss",
)  # fmt: skip
"""Attributes of results that are metrics, as far as a model's results have them."""


def install(patches: Patches, recording: Recording, module: ModuleType) -> None:
    base = getattr(sys.modules.get("statsmodels.base.model"), "Model", None)
    if base is None:
        return  # what is imported before that class has no models
    around = recording.around(_fit)
    for cls in list(vars(module).values()):
        if isinstance(cls, type) and issubclass(cls, base) and cls.__module__ == module.__name__:
            patches.replace(cls, "fit", around)


def _fit(training: Training) -> Steps:
    training.start()
    with training.attempt("the params"):
        training.log_params(_params(training))
    training.start_model()

    results = yield

    with training.attempt("the metrics"):
        training.log_metrics(_metrics(results))
    with training.attempt("model_summary.txt"):
        if hasattr(results, "summary"):
            training.log_text(_text(results.summary()), "model_summary.txt")
    training.log_model(results, registered_model_name=training.settings.registered_model_name)


def _params(training: Training) -> dict[str, Any]:
    """Arguments of `fit`, defaults included; those in `**kwargs` under their own names."""
    signature = signature_of(training.original)
    bound = signature.bind(*training.args, **training.kwargs)
    bound.apply_defaults()
    params: dict[str, Any] = {}
    for name, value in list(bound.arguments.items())[1:]:
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            params.update(value)
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            params[name] = value
    return params


def _text(summary: Any) -> str:
    """A summary as text; those of vector autoregressions have no `as_text`."""
    return str(summary.as_text() if hasattr(summary, "as_text") else summary)


def _metrics(results: Any) -> dict[str, float]:
    """What the results have of the metrics. Many are computed when they are asked for, and some of those fail."""
    found = {}
    for name in METRICS:
        try:
            value: Any = getattr(results, name, None)
        except Exception:
            continue
        if is_number(value):
            found[name] = float(value)
    return found
