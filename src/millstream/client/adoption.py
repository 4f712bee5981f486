"""Journals whose owner died: found, taken over by their lock, and read like living ones."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from millstream.client.journal_files import (
    CAN_LOCK,
    FILE_HEADER,
    FRAME,
    MAGIC,
    RECORD,
    SIZE,
    START,
    Point,
    frames,
    journal_root,
    lock,
    read_ack,
    read_bytes,
    read_frame,
    write_ack,
)
from millstream.client.records import FORMAT, Header, Record, Slot

UNFINISHED_S = 3600.0
"""Age at which a journal's folder that has not got its name is taken for abandoned."""


_FIRST_BYTES = 16 << 10
"""Of a control file: more than its first frame has."""


class DeadJournal:
    """A journal whose owner is gone, held by its lock; read like a live one."""

    def __init__(self, folder: Path, lock_file: int) -> None:
        """Raises ValueError, which says why, if there is no header that this version can read."""
        self.folder = folder
        self._lock_file: int | None = lock_file
        self._slots: dict[int, Slot] = {}
        self._control = read_bytes(folder / "control")
        header: Header | None = None
        for record in frames(self._control):
            if isinstance(record, Slot):
                self._slots[record.slot] = record
            elif isinstance(record, Header):
                header = record
        if header is None:
            raise ValueError("its header is damaged")
        if header.format != FORMAT:
            raise ValueError(f"its format is {header.format}, and this version reads {FORMAT}")
        self.header = header
        self.journal_id = header.journal_id
        self.uri = header.uri
        self.records_per_file = header.records
        self.acked = read_ack(read_bytes(folder / "acked"))
        self._last = max((int(path.stem) for path in folder.glob("*.points")), default=-1)
        self._loaded: tuple[int, bytes] = (-1, b"")
        self._ack_turn = 0
        self.lost = 0  # records that could not be understood
        try:
            self._ack_file: int | None = os.open(folder / "acked", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            self._ack_file = None

    @property
    def end(self) -> int:
        """The position after the last file."""
        return (self._last + 1) * self.records_per_file

    @property
    def pending(self) -> int:
        """How many finished records are not delivered."""
        number, position = 0, self.acked
        while position < self.end:
            records, position = self.read(position, 1 << 16)
            number += len(records)
        return number

    def read(self, position: int, limit: int) -> tuple[list[Point], int]:
        """Records from `position` on, at most `limit`; unfinished ones are left out. `([], end)` when there are no more."""
        found: list[Point] = []
        while len(found) < limit and position < self.end:
            index, inside = divmod(position, self.records_per_file)
            data = self._points(index)
            at = START + SIZE * inside
            wanted = min(limit - len(found), self.records_per_file - inside)
            piece = data[at : at + SIZE * wanted]
            piece = piece[: len(piece) - len(piece) % SIZE]
            if not piece.strip(b"\0"):
                if not data[at:].strip(b"\0"):
                    position = (index + 1) * self.records_per_file
                else:
                    position += wanted
                continue
            found += [record for record in RECORD.iter_unpack(piece) if record[4]]
            position += wanted
        return found, position

    def _points(self, index: int) -> bytes:
        if self._loaded[0] != index:
            data = read_bytes(self.folder / f"{index:08d}.points")
            if data[: FILE_HEADER.size] != FILE_HEADER.pack(MAGIC, FORMAT, index):
                data = b""
            self._loaded = (index, data)
        return self._loaded[1]

    def record(self, at: int, length: int) -> Record | None:
        return read_frame(self._control[at : at + FRAME.size + length]) if 0 <= at < len(self._control) else None

    def definition(self, slot: int) -> Slot | None:
        return self._slots.get(slot)

    def acknowledge(self, position: int) -> None:
        if position == self.acked:
            return
        self.acked = position
        if self._ack_file is not None:
            write_ack(self._ack_file, self._ack_turn, position)
            self._ack_turn += 1
        for path in self.folder.glob("*.points"):
            if (int(path.stem) + 1) * self.records_per_file <= position:
                path.unlink(missing_ok=True)

    def files_folder(self) -> Path | None:
        return self.folder / "files"

    def close(self, delete: bool) -> None:
        """Let go of it: delete it when all is delivered, else leave it for later."""
        if delete:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._ack_file is not None:
            os.close(self._ack_file)
            self._ack_file = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None


def dead_journals(root: Path | None = None, uri: str | None = None) -> Iterator[DeadJournal]:
    """Take over, one after the other and the oldest first, the journals of this machine whose owner is gone.

    The caller must `close` each. Those of other URIs are passed over unless `uri` is None.
    """
    if not CAN_LOCK:
        return
    root = root if root is not None else journal_root()
    host = socket.gethostname()
    for folder in _folders(root):
        if uri is not None and _uri_of(folder) not in (uri, None):
            continue  # without its lock: to others that look at this moment it would seem to be in use
        lock_file = _take(folder)
        if lock_file is None:
            continue
        try:
            journal = DeadJournal(folder, lock_file)
        except (ValueError, OSError):
            if (folder / "control").exists():
                os.close(lock_file)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock_file)
            continue
        if journal.header.host != host or (uri is not None and journal.uri != uri):
            journal.close(delete=False)
            continue
        yield journal


def _uri_of(folder: Path) -> str | None:
    """Where a journal is to be delivered, as its first frame says, which never changes; None if that cannot be read."""
    try:
        with open(folder / "control", "rb") as file:
            first = next(frames(file.read(_FIRST_BYTES)), None)
    except OSError:
        return None
    return first.uri if isinstance(first, Header) else None


def _folders(root: Path) -> list[Path]:
    """The journals, the oldest first. What a process left that died while it made one (nothing is logged yet) is deleted."""
    found = []
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return []
    for entry in entries:
        if not entry.is_dir() or entry.name == "rejected":
            continue
        if not entry.name.startswith("."):
            found.append(root / entry.name)
            continue
        with contextlib.suppress(OSError):
            if time.time() - entry.stat().st_mtime > UNFINISHED_S:
                shutil.rmtree(entry.path)
    return found


def left_aside(root: Path | None = None) -> list[str]:
    """A sentence for each journal without an owner that nobody here can deliver: unreadable, or of another machine."""
    found = []
    host = socket.gethostname()
    for folder in _folders(root if root is not None else journal_root()) if CAN_LOCK else ():
        lock_file = _take(folder)
        if lock_file is None:
            continue
        try:
            journal = DeadJournal(folder, lock_file)
        except (ValueError, OSError) as error:
            os.close(lock_file)
            found.append(f"{folder} cannot be read: {error}.")
            continue
        if journal.header.host != host:
            found.append(f"{folder} was written on the machine {journal.header.host!r}: deliver it there.")
        journal.close(delete=False)
    return found


def _take(folder: Path) -> int | None:
    """The journal's lock, if nobody holds it."""
    try:
        lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        lock(lock_file)
        if os.fstat(lock_file).st_nlink:  # else somebody has just delivered and deleted it
            return lock_file
    except OSError:
        pass
    os.close(lock_file)
    return None


def count_in_use(root: Path | None = None) -> int:
    """How many journals belong to processes that still run, and deliver their own."""
    number = 0
    for folder in _folders(root if root is not None else journal_root()):
        lock_file = _take(folder)
        if lock_file is not None:
            os.close(lock_file)
        elif (folder / "lock").exists():
            number += 1
    return number


def count_waiting(root: Path | None = None) -> int:
    """How many journals of dead processes wait to be delivered, by whom it may be."""
    number = 0
    for journal in dead_journals(root):
        journal.close(delete=False)
        number += 1
    return number
