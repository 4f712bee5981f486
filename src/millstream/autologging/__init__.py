"""Autologging: training calls of machine-learning libraries are recorded by themselves.

    millstream.autolog()                        # all libraries, those imported later too
    millstream.sklearn.autolog(log_models=False)
    LogisticRegression().fit(x, y)              # a run with params, metrics, plots, dataset and model

`training` is the one engine; a file for each library says what is recorded of it; `libraries` has a row for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream import lazy

if TYPE_CHECKING:
    from millstream.autologging.libraries import LIBRARIES as LIBRARIES
    from millstream.autologging.libraries import Settings as Settings
    from millstream.autologging.sessions import disable_autologging as disable_autologging
    from millstream.autologging.switching import autolog as autolog
    from millstream.autologging.switching import autologging_is_disabled as autologging_is_disabled
    from millstream.autologging.switching import settings_of as settings_of
    from millstream.autologging.switching import switch as switch

__getattr__, __dir__, __all__ = lazy.names(
    __name__,
    {
        "autologging.libraries": "LIBRARIES Settings",
        "autologging.sessions": "disable_autologging",
        "autologging.switching": "autologging_is_disabled autolog settings_of switch",
    },
)
