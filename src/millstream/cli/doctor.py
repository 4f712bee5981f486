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

_PACKAGES = ("msgspec", "sqlalchemy", "alembic", "numpy", "uvicorn", "fsspec", "urllib3")
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
    from millstream.client.uris import redact

    found = {}
    for setting in settings.SETTINGS.values():
        for variable in setting.variables:
            value = os.environ.get(variable)
            if value is not None:
                is_secret = is_masked or any(word in variable for word in _SECRET)
                found[variable] = "***" if is_secret else redact(value)
    return found


def _tracking() -> dict[str, str]:
    from millstream.client import MillstreamClient
    from millstream.client.uris import default_uri, is_http, redact

    uri = default_uri()
    try:
        if is_http(uri):
            answer = f"yes, {len(MillstreamClient(uri).search_experiments(max_results=1000))} experiments"
        else:
            answer = "no server: logs go to the store itself"
    except MillstreamError as error:
        answer = f"no: {error.message}"
    return {"Tracking URI": redact(uri), "It answers": answer}


def _journals() -> dict[str, str]:
    from millstream.client.adoption import count_waiting
    from millstream.client.journal_files import journal_root

    return {"Journals": str(journal_root()), "Waiting for `millstream sync`": str(count_waiting())}
