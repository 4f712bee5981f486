"""The facts that a report of a problem should begin with, for `millstream.doctor()` and `millstream doctor`."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from millstream import settings
from millstream.client.uris import redact
from millstream.tracking import uris
from millstream.version import MLFLOW_API_VERSION, VERSION

_PACKAGES = ("msgspec", "sqlalchemy", "alembic", "numpy", "uvicorn", "fsspec", "urllib3", "pandas", "psutil")
_SECRET = ("PASSWORD", "TOKEN", "SECRET", "KEY")


def facts(is_masked: bool) -> dict[str, str]:
    """Versions, where is logged to, and the variables that are set. Asks no server.

    Args:
        is_masked: hide the values of all variables. Those of passwords and tokens are always hidden.
    """
    return {
        "millstream": VERSION,
        "MLflow API": MLFLOW_API_VERSION,
        "Location": os.path.dirname(os.path.dirname(__file__)),
        "Python": f"{platform.python_version()} ({sys.executable})",
        "Platform": platform.platform(),
        **{name: _package_version(name) for name in _PACKAGES},
        "Tracking URI": redact(uris.get_tracking_uri()),
        "Registry URI": redact(uris.get_registry_uri()),
        **_variables(is_masked),
    }


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _variables(is_masked: bool) -> dict[str, str]:
    known = {variable for setting in settings.SETTINGS.values() for variable in setting.variables}
    found = {}
    for name, value in sorted(os.environ.items()):
        if name in known or name.startswith(("MLFLOW_", "MILLSTREAM_")):
            is_secret = is_masked or any(word in name for word in _SECRET)
            found[name] = "***" if is_secret else redact(value)
    return found
