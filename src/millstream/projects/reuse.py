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

from msgspec import structs

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

QUICK_FILES = 5_000
"""Nor are folders of more entries walked unless reuse was asked for (0.1 s)."""

_FORMAT = 2
"""Of fingerprints: another one makes all earlier runs other ones."""

_CHUNK = 1 << 20


class _TooMuch(Exception):
    """There is more to read than a run may wait for."""


def fingerprint(task: Task, *, thorough: bool) -> str:
    """64 hex digits that are equal for runs that do the same; "" if they cannot be had, or without `thorough` not quickly."""
    submission = task.submission
    room = _Room() if thorough else _Room(QUICK_BYTES, QUICK_FILES)
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
    """How many bytes and files may still be read; None is any number."""

    def __init__(self, size_bytes: int | None = None, files: int | None = None) -> None:
        self._left, self._files = size_bytes, files

    def take(self, size_bytes: int) -> None:
        if self._left is not None:
            self._left -= size_bytes
            if self._left < 0:
                raise _TooMuch

    def take_entry(self) -> None:
        if self._files is not None:
            self._files -= 1
            if self._files < 0:
                raise _TooMuch


def _environment(task: Task) -> object:
    submission = task.submission
    if task.module in PREPARING:
        return environment.key_of(submission)
    docker = submission.project.docker
    return [str(docker and structs.replace(docker, line=None)), submission.environment_manager]


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


def _input(path: Path, room: _Room) -> object:
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        return _digest(path.parent, {path.name: found}, room) if stat.S_ISREG(found.st_mode) else str(path)
    return _digest(path, dict(_walk(path, found, room)), room)


def _walk(root: Path, found: os.stat_result, room: _Room) -> Iterator[tuple[str, os.stat_result]]:
    """All below a folder in an order that is always the same, links followed, as a command that reads it would.

    A folder that is met again, by a link around it or beside it, is not entered again: its name tells where it was first.
    """
    seen = {_identity(found): ""}
    prefixes = [""]
    while prefixes:
        prefix = prefixes.pop()
        names = []
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                room.take_entry()
                names.append(prefix + entry.name)
        for name in sorted(names):
            try:
                found = os.stat(root / name)
            except OSError:  # a link that leads nowhere
                found = os.lstat(root / name)
            if not stat.S_ISDIR(found.st_mode):
                yield name, found
            elif (first := seen.setdefault(_identity(found), name)) != name:
                yield f"{name}/\0{first}", found
            else:
                yield f"{name}/", found
                prefixes.append(f"{name}/")


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _digest(root: Path, files: dict[str, os.stat_result], room: _Room) -> str:
    """Of the names, kinds and contents of files; whether one may be run counts, times and owners do not.

    Only regular files are read, and of a link that was not followed where it leads: a pipe would be waited for.
    """
    total = hashlib.sha256()
    for name, found in files.items():
        content = hashlib.sha256()
        if stat.S_ISLNK(found.st_mode):
            content.update(os.fsencode(os.readlink(root / name)))
        elif stat.S_ISREG(found.st_mode):
            room.take(found.st_size)
            _read(root / name, content)
        kind = stat.S_IFMT(found.st_mode)
        may_run = stat.S_ISREG(found.st_mode) and bool(found.st_mode & stat.S_IXUSR)
        total.update(json.dumps([name, kind, may_run, content.hexdigest()]).encode())
    return total.hexdigest()


def _read(path: Path, into: hashlib._Hash) -> None:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        while data := file.read(_CHUNK):
            into.update(data)
