"""Logging params and tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millstream.tracking import runs, uris
from millstream.tracking.active import state_of
from millstream.tracking.operations import RunOperations, after_logging


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a param to the active run; starts a run if none is active.

    Args:
        key: letters, digits, `_ - . / : space`, at most 250 characters.
        value: kept as text, at most 6000 characters.
        synchronous: True waits for the store; False returns something to wait for.
    Returns:
        The value, or `RunOperations` if asynchronous.
    Raises:
        ParamChanged: the run has another value for that key: params are written once.
    """
    operations = log_params({key: value}, synchronous)
    return value if operations is None else operations


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Log params, as `log_param`; `run_id` names another run than the active one."""
    target = run_id or runs.current().run_id
    opened = state_of(target)
    recorder = uris.recorder() if opened is None else opened.recorder
    recorder.log_params(target, params)
    return after_logging(recorder, target, synchronous)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Set a tag of the active run, replacing its value; starts a run if none is active. Values are kept as text."""
    return set_tags({key: value}, synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Set tags of the active run, as `set_tag`."""
    opened = runs.current()
    opened.recorder.set_tags(opened.run_id, tags)
    return after_logging(opened.recorder, opened.run_id, synchronous)


def delete_tag(key: str) -> None:
    """Delete a tag of the active run; a missing one is an error."""
    opened = runs.current()
    opened.client.delete_tag(opened.run_id, key)
