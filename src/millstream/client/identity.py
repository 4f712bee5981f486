"""Who uses this client, as far as the machine knows."""

from __future__ import annotations

import os

from millstream.settings import TRACKING_USERNAME


def user_name() -> str:
    """The name that runs and changes are recorded under: the configured credentials', else the login name, else "unknown"."""
    configured = TRACKING_USERNAME.get()
    if configured:
        return configured
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        name = os.environ.get(variable)
        if name:
            return name
    try:
        import getpass

        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "unknown"
