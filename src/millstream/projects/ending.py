"""Ends a run whose runner was killed: `python -m millstream.projects.ending`, told on stdin by the run's supervisor."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

REASON = "The process that ran it was killed."


class Abandoned(Struct, frozen=True):
    """A run that nobody will end.

    Attributes:
        output: folder of what its command has printed (see `output.Kept`).
        temporary: folder of the project's files, if they were fetched for this run.
        module, handle: what the module of `backends` has started elsewhere; an empty handle if that is nothing.
    """

    run_id: str
    tracking_uri: str
    output: str
    temporary: str | None = None
    module: str = ""
    handle: Mapping[str, Any] = field(default_factory=dict)


def main() -> None:
    from millstream.entities import RunStatus
    from millstream.errors import MillstreamError, NotFound
    from millstream.projects import record

    abandoned = msgspec.json.decode(sys.stdin.buffer.read(), type=Abandoned)
    try:
        reason = f"{REASON} {_cancel(abandoned)}".rstrip()
        record.end(abandoned.tracking_uri, abandoned.run_id, RunStatus.FAILED, reason, Path(abandoned.output))
    except NotFound:  # killed before the run was made
        pass
    except MillstreamError as error:
        sys.exit(f"Run {abandoned.run_id} could not be ended: {error.message}")
    finally:
        for folder in filter(None, (abandoned.output, abandoned.temporary)):
            shutil.rmtree(folder, ignore_errors=True)


def _cancel(abandoned: Abandoned) -> str:
    """End what goes on elsewhere, and say what became of it."""
    from millstream.projects.backends import BACKENDS

    if not abandoned.handle:
        return ""
    try:
        importlib.import_module(BACKENDS[abandoned.module]).reopen(abandoned.run_id, abandoned.handle).cancel()
    except Exception as error:  # whatever it is, the run is ended
        return f"What it had started on {abandoned.module} could not be cancelled: {error}"
    return f"What it had started on {abandoned.module} was cancelled."


if __name__ == "__main__":
    main()
