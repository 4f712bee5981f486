"""Autologging: training calls of machine-learning libraries are recorded by themselves.

    millstream.autolog()                        # all libraries, those imported later too
    millstream.sklearn.autolog(log_models=False)
    LogisticRegression().fit(x, y)              # a run with params, metrics, plots, dataset and model

`training` is the one engine; a file for each library says what is recorded of it; `libraries` has a row for each.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.autologging.libraries import LIBRARIES as LIBRARIES
    from millstream.autologging.libraries import Settings as Settings
    from millstream.autologging.sessions import disable_autologging as disable_autologging
    from millstream.autologging.switching import autolog as autolog
    from millstream.autologging.switching import autologging_is_disabled as autologging_is_disabled
    from millstream.autologging.switching import settings_of as settings_of
    from millstream.autologging.switching import switch as switch

_HOME = {
    "LIBRARIES": "libraries",
    "Settings": "libraries",
    "autologging_is_disabled": "switching",
    "disable_autologging": "sessions",
    "autolog": "switching",
    "settings_of": "switching",
    "switch": "switching",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
