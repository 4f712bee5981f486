"""`millstream doctor`: what one needs to know to help somebody."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

import click

from millstream import settings
from millstream.cli.output import json_option, print_json, print_table
from millstream.errors import MillstreamError
from millstream.version import MLFLOW_API_VERSION, VERSION

_PACKAGES = ("msgspec", "sqlalchemy", "alembic", "numpy", "pcodec", "starlette", "uvicorn", "fsspec", "urllib3")
_SECRET = ("PASSWORD", "TOKEN", "SECRET", "KEY")


@click.command()
@click.option("--mask-envs", is_flag=True, help="Show which variables are set, not what they say.")
@json_option
def doctor(mask_envs: bool, as_json: bool) -> None:
    """Show versions, settings, the tracking server's answer and journals that wait for delivery."""
    facts = {
        "millstream": VERSION,
        "MLflow API": MLFLOW_API_VERSION,
        "Python": platform.python_version(),
        "Platform": platform.platform(),
        "Executable": sys.executable,
        **{name: _package_version(name) for name in _PACKAGES},
        **_environment(mask_envs),
        **_tracking(),
        **_journals(),
    }
    if as_json:
        print_json(facts)
    else:
        print_table(["What", "Value"], list(facts.items()))


def _package_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _environment(is_masked: bool) -> dict[str, str]:
    found = {}
    for setting in settings.SETTINGS.values():
        for variable in setting.variables:
            value = os.environ.get(variable)
            if value is not None:
                is_secret = is_masked or any(word in variable for word in _SECRET)
                found[variable] = "***" if is_secret else _without_password(value)
    return found


def _without_password(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}:***@{host}" if separator and at and ":" in user else value


def _tracking() -> dict[str, str]:
    from millstream.client.transport import tracking_uri

    uri = tracking_uri()
    try:
        from millstream.client.client import MillstreamClient

        answer = f"{len(MillstreamClient(uri).search_experiments(max_results=1000))} experiments"
    except MillstreamError as error:
        answer = f"no: {error.message}"
    return {"Tracking URI": _without_password(uri), "It answers": answer}


def _journals() -> dict[str, str]:
    from millstream.client.sync import pending

    waiting = pending()
    return {"Journals waiting": str(len(waiting)), **{f"journal {name}": text for name, text in waiting.items()}}
