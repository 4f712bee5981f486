"""Runs that need not be done again: found by a fingerprint of all that decides what a run does.

That is the content of the project's files, the entry point, the parameters with the content of the files and folders that
`path` parameters name, the environment, and the backend with its configuration. What a command reads besides, such as data
behind a `uri` parameter or on the network, is not seen: who asks for reuse says that it does not change.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.client import uris
from millstream.entities import RunStatus
from millstream.errors import MillstreamError
from millstream.projects import environment, packing, record
from millstream.projects.backends import PREPARING

if TYPE_CHECKING:
    from millstream.projects.background import BackgroundRun
    from millstream.projects.running import Task

QUICK_BYTES = 32 << 20
"""More than this is read only if reuse was asked for: every run has a fingerprint, and should not wait for it (0.1 s)."""

_FORMAT = 1
"""Of fingerprints: another one makes all earlier runs other ones."""

_CHUNK = 1 << 20


class _TooMuch(Exception):
    """There is more to read than a run may wait for."""


def fingerprint(task: Task, *, thorough: bool) -> str:
    """64 hex digits that are equal for runs that do the same; "" if they cannot be had, or without `thorough` not quickly."""
    submission = task.submission
    room = _Room(None if thorough else QUICK_BYTES)
    try:
        parts = [
            _FORMAT,
            task.backend,
            submission.entry_point,
            dict(submission.parameters),
            [_input(path, room) for path in _paths(task)],
            _code(submission.project.root, submission.tracking_uri, room),
            _environment(task),
            submission.config,
            submission.docker_args,
            submission.build_image,
        ]
    except (_TooMuch, OSError):
        return ""
    except MillstreamError:
        if thorough:
            raise
        return ""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def find(task: Task) -> BackgroundRun | None:
    """The latest FINISHED run of the experiment that has the task's fingerprint."""
    from millstream.projects.background import BackgroundRun

    if not task.fingerprint:
        return None
    uri = task.submission.tracking_uri
    found = record.client_of(uri).search_runs(
        [task.submission.experiment_id],
        f"tags.`{record.FINGERPRINT_TAG}` = '{task.fingerprint}' AND attributes.status = '{RunStatus.FINISHED.value}'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return BackgroundRun(found[0].info.run_id, uri) if found else None


class _Room:
    """How many bytes may still be read; None is any number."""

    def __init__(self, size_bytes: int | None) -> None:
        self._left = size_bytes

    def take(self, size_bytes: int) -> None:
        if self._left is not None:
            self._left -= size_bytes
            if self._left < 0:
                raise _TooMuch


def _environment(task: Task) -> object:
    submission = task.submission
    if task.module in PREPARING:
        return environment.key_of(submission)
    return [str(submission.project.docker), submission.environment_manager]


def _paths(task: Task) -> Iterator[Path]:
    """The local files and folders that `path` parameters name."""
    from millstream.artifacts.repository import local_root, scheme_of

    submission = task.submission
    entry = submission.project.entry_point(submission.entry_point)
    for parameter in entry.parameters if entry is not None else ():
        value = submission.parameters[parameter.name]
        if parameter.type == "path" and scheme_of(value) in ("", "file"):
            yield Path(local_root(value)) if scheme_of(value) else submission.caller_dir / value


def _code(root: Path, tracking_uri: str, room: _Room) -> str:
    """Of the project's files, without those of a store that lies among them: it changes with every run."""
    top, store = root.resolve(), _store(tracking_uri)
    files = packing.project_files(root)
    code = {name: found for name, found in files.items() if not (store and str(top / name).startswith(store))}
    return _digest(root, code, room)


def _store(tracking_uri: str) -> str:
    """What the paths of a store's files begin with; "" for a store that is no file."""
    scheme = uris.scheme_of(tracking_uri)
    if scheme == "sqlite":
        return os.path.realpath(tracking_uri.partition(":///")[2].partition("?")[0])
    return "" if scheme else os.path.realpath(tracking_uri) + os.sep


def _input(path: Path, room: _Room) -> str:
    if path.is_dir():
        files = {
            file.relative_to(path).as_posix(): file.lstat() for file in sorted(path.rglob("*")) if not file.is_dir()
        }
        return _digest(path, files, room)
    found = path.stat()
    return _digest(path.parent, {path.name: found}, room) if stat.S_ISREG(found.st_mode) else str(path)


def _digest(root: Path, files: dict[str, os.stat_result], room: _Room) -> str:
    """Of the names, kinds and contents of files; whether one may be run counts, times and owners do not."""
    total = hashlib.sha256()
    for name, found in files.items():
        is_link = stat.S_ISLNK(found.st_mode)
        content = hashlib.sha256()
        if is_link:
            content.update(os.fsencode(os.readlink(root / name)))
        else:
            room.take(found.st_size)
            with open(root / name, "rb") as file:
                while data := file.read(_CHUNK):
                    content.update(data)
        total.update(json.dumps([name, is_link, bool(found.st_mode & stat.S_IXUSR), content.hexdigest()]).encode())
    return total.hexdigest()
