"""What a run's command prints: shown as it comes, and kept for the run; of much output the beginning and the end are kept.

It is kept in files, so that it is there for who ends the run when its runner was killed. A disk that is full ends the keeping,
never the run.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

ARTIFACT = "project/output.log"
"""Where it is among the run's artifacts."""

HEAD_BYTES = 1 << 20
TAIL_BYTES = 4 << 20
"""At least so many bytes of the end are kept, at most twice as many."""

_HEAD, _OLDER, _NEWER, _COUNT = "head", "older", "newer", "dropped"


class Kept:
    """Output in a folder of files. Safe for threads."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="millstream-output-"))  # 0700
        self._lock = threading.Lock()
        self._file: int | None = _create(self.folder / _HEAD)
        self._room = HEAD_BYTES
        self._dropped = 0

    def write(self, data: bytes) -> None:
        with self._lock:
            while data and self._file is not None:
                try:
                    written = os.write(self._file, data[: self._room])
                    data = data[written:]
                    self._room -= written
                    if self._room == 0:
                        self._next()
                except OSError:  # no space is left
                    self._close()

    def _next(self) -> None:
        """Go on in a fresh file; of two full files of the end the older one goes."""
        self._close()
        older, newer = self.folder / _OLDER, self.folder / _NEWER
        if newer.exists():
            if older.exists():
                self._dropped += older.stat().st_size
                (self.folder / _COUNT).write_text(str(self._dropped))
            newer.replace(older)
        self._file = _create(newer)
        self._room = TAIL_BYTES

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def close(self) -> None:
        with self._lock:
            self._close()

    def remove(self) -> None:
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def parts(folder: Path) -> Iterator[bytes]:
    """What was kept in a folder, in order, with a line where something was left out."""
    for name in (_HEAD, _COUNT, _OLDER, _NEWER):
        path = folder / name
        if not path.is_file():
            continue
        if name == _COUNT:
            yield f"\n... {path.read_text()} bytes are left out here ...\n".encode()
            continue
        with open(path, "rb") as file:
            while data := file.read(1 << 20):
                yield data


@contextlib.contextmanager
def as_file(folder: Path) -> Iterator[Path | None]:
    """What was kept as one file of the artifact's name; None if nothing was printed."""
    found = parts(folder)
    first = next(found, b"")
    if not first:
        yield None
        return
    path = folder / Path(ARTIFACT).name
    with open(path, "wb") as file:
        file.write(first)
        file.writelines(found)
    yield path


LINE_BYTES = 8 << 10
"""Of a line that has no end yet so much is held back; then it is shown as a line."""


class Echo:
    """Shows bytes on a text stream of Python's (a terminal, a notebook's cell), as they are where the stream can take bytes.

    Args:
        prefix: put before each line, to tell apart runs that print at the same time. Lines are then shown as a whole, what
            has no end by `end_line`.
    """

    def __init__(self, stream: TextIO | None, prefix: str = "") -> None:
        self._stream = stream
        self._prefix = prefix.encode()
        self._begun = b""
        self._lock = threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> None:
        with self._lock:
            self._show(self._whole_lines(data) if self._prefix else data)

    def end_line(self) -> None:
        """Show what is held back: no more comes."""
        with self._lock:
            if self._begun:
                self._show(self._whole_lines(b"\n"))

    def _show(self, data: bytes) -> None:
        if self._stream is None or not data:
            return
        try:
            buffer = getattr(self._stream, "buffer", None)
            if buffer is not None:
                self._stream.flush()
                buffer.write(data)
                buffer.flush()
            else:
                self._stream.write(self._decoder.decode(data))
                self._stream.flush()
        except (OSError, ValueError):  # the terminal has gone, or the stream is closed: the run goes on
            self._stream = None

    def _whole_lines(self, data: bytes) -> bytes:
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > LINE_BYTES:
            lines.append(self._begun)
            self._begun = b""
        return b"".join(self._prefix + line + b"\n" for line in lines)


def say(sentence: str) -> None:
    """A word on progress, to stderr, if there is one."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
