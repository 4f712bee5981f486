"""scikit-learn: what is patched. Recorded are `fit`, `fit_transform` and `fit_predict` of its own estimators (see `fitting`), and
what is done with them afterwards: predictions, scores and the functions of `sklearn.metrics` (see `afterwards`).

Methods are patched where they are defined, private bases and mixins included, and decide by the class of their instance whether
there is anything to record. So enabling imports nothing, and subclasses need no patch of their own.
"""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import Any

from millstream.autologging import sessions
from millstream.autologging.patching import Patches
from millstream.autologging.sklearn import afterwards, fitting
from millstream.autologging.sklearn.estimators import is_model_class
from millstream.autologging.training import Recording

TRAINING = ("fit", "fit_transform", "fit_predict")
PREDICTING = ("predict", "predict_proba", "predict_log_proba", "transform")

SELECTION_HELPERS = (
    "cross_val_predict", "cross_val_score", "cross_validate", "learning_curve", "permutation_test_score", "validation_curve",
)  # fmt: skip
"""Functions of `sklearn.model_selection` that train models to throw them away: nothing inside of them is recorded."""


def install(patches: Patches, recording: Recording, module: ModuleType) -> None:
    name = module.__name__
    if name == "sklearn.metrics" and recording.settings.own["log_post_training_metrics"]:
        _install_metrics(patches, recording, module)
    elif name == "sklearn.model_selection":
        for helper in SELECTION_HELPERS:
            patches.replace(module, helper, _unrecorded)
    for cls in [each for each in list(vars(module).values()) if isinstance(each, type) and each.__module__ == name]:
        _install_methods(patches, recording, cls)


def _install_methods(patches: Patches, recording: Recording, cls: type) -> None:
    if not cls.__flags__ & _HEAP_TYPE:  # compiled classes take no attributes, and hold no estimator
        return
    for method in TRAINING:
        patches.replace(cls, method, recording.around(fitting.fit, _is_recorded))
    if recording.settings.own["log_post_training_metrics"]:
        for method in PREDICTING:
            patches.replace(cls, method, afterwards.predicting(recording))
        patches.replace(cls, "score", afterwards.scoring(recording))


_HEAP_TYPE = 1 << 9
"""`Py_TPFLAGS_HEAPTYPE`."""


def _install_metrics(patches: Patches, recording: Recording, module: ModuleType) -> None:
    for name in module.__all__:
        if isinstance(vars(module).get(name), FunctionType) and not name.startswith(("get_", "make_", "check_")):
            patches.replace(module, name, afterwards.measuring(recording))


def _unrecorded(original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with sessions.disable_autologging():
        return original(*args, **kwargs)


def _is_recorded(args: tuple[Any, ...]) -> bool:
    if not args:
        return False
    cls: type = type(args[0])
    return is_model_class(cls)
