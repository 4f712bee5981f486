"""Ends a run whose runner was killed: `python -m millstream.projects.ending`, told on stdin by the run's supervisor."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

REASON = "The process that ran it was killed."


class Abandoned(Struct, frozen=True):
    """A run that nobody will end.

    Attributes:
        output: folder of what its command has printed (see `output.Kept`).
        temporary: folder of the project's files, if they were fetched for this run.
    """

    run_id: str
    tracking_uri: str
    output: str
    temporary: str | None = None


def main() -> None:
    from millstream.entities import RunStatus
    from millstream.errors import NotFound
    from millstream.projects import record

    abandoned = msgspec.json.decode(sys.stdin.buffer.read(), type=Abandoned)
    try:
        record.end(abandoned.tracking_uri, abandoned.run_id, RunStatus.FAILED, REASON, Path(abandoned.output))
    except NotFound:  # killed before the run was made
        pass
    finally:
        for folder in filter(None, (abandoned.output, abandoned.temporary)):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
