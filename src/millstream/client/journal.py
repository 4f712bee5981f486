"""The journal: where a log call puts what it logs, in about 0.2 µs, so that `kill -9` of the process loses nothing.

A journal belongs to one process and one tracking URI; `journal_files` says what it is on disk. Points go to memory-mapped files.
Everything else goes to the file `control` and leaves a record of kind CONTROL among the points, so that the files of points alone
give the order. Threads share a file without a lock: `itertools.count().__next__` is one step under the GIL, and the record it
reserves is its thread's own. The reader stops at a record that is reserved but not yet written.

If no file can be made (disk full, folder read-only) records go to memory, after one line that says so.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import threading
import time
import zlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from millstream.client.checks import checked_integer, checked_value
from millstream.client.journal_files import (
    ACK,
    CONTROL,
    FRAME,
    POINT,
    RECORD,
    SIZE,
    SKIPPED,
    START,
    MemoryFile,
    Point,
    PointsFile,
    journal_root,
    lock,
    read_frame,
    write_ack,
)
from millstream.client.records import FORMAT, Header, Record, Slot, decode, encode
from millstream.errors import InvalidValue
from millstream.settings import JOURNAL_SEGMENT_BYTES

log = logging.getLogger("millstream")

RELEASE_BYTES = 1 << 20
"""A control file that has grown by this much, and to more than twice its size, begins anew once all in it is delivered."""

STALE_S = 5.0
"""A record reserved for this long and not written is given up: its thread was interrupted between the two."""

Append = Callable[..., None]


class Journal:
    """The journal of this process for one tracking URI. All methods may be called from any thread.

    Nothing is made on disk before the first record. After a fork the child's copy is empty again and begins a journal of its
    own with its first record; series stay valid (`series` below).
    """

    def __init__(self, uri: str, root: Path | None = None, on_start: Callable[[], None] | None = None) -> None:
        """`uri` without credentials; `on_start` is called (in any thread) when the first record is about to be written."""
        self.uri = uri
        self.root = root
        self.journal_id = ""
        self.folder: Path | None = None  # None until started, and for a journal in memory
        self.in_memory = False
        self.acked = 0  # all records below this number are delivered
        self._on_start = on_start
        self._slots: list[Slot] = []
        self._reset("")
        self.series, self._get_current, self._set_current = _bind(self)

    def _reset(self, parent_id: str) -> None:
        self.parent_id = parent_id
        self._lock = threading.RLock()
        self._files: dict[int, PointsFile | MemoryFile] = {}
        self._spare: PointsFile | None = None
        self._index = -1
        self._control_end = 0
        self._control_base = 0  # its size when it began, with all series known then
        self._header: Header | None = None
        self._control: int | None = None
        self._ack_file: int | None = None
        self._ack_turn = 0
        self._lock_file: int | None = None
        self._unwritten: list[bytes] = []
        self._memory_frames: dict[int, bytes] = {}
        self._memory_end = 1 << 62
        self._holes: dict[int, PointsFile | MemoryFile] = {}
        self._stuck_since: tuple[int, float] = (-1, 0.0)
        self.records_per_file = 0

    # ------------------------------------------------------------ writing

    def slot(self, run_id: str, key: str, model_id: str | None, dataset: tuple[str, str] | None) -> int:
        """Define a series; gives its number."""
        with self._lock:
            row = Slot(len(self._slots), run_id, key, model_id, *(dataset or (None, None)))
            self._slots.append(row)
            if self._index >= 0:
                self._write_frame(encode(row), is_slot=True)
        return row.slot

    def begin(self) -> None:
        """Make the files now, so that the first records need not wait for it (1 to 2 ms, more on a busy disk)."""
        if self._index < 0:
            self._roll(self._get_current()[0])
            self.warm()

    def put(self, record: Record) -> None:
        """Write anything but a point, in order with the points."""
        payload = encode(record)
        with self._lock:
            self.begin()
            at = self._write_frame(payload)
            # under the lock: `acknowledge` lets go of frames when no record is left that points to one
            self._append_slowly(None, 0, len(payload), 0.0, at, 0, CONTROL)

    def _write_frame(self, payload: bytes, is_slot: bool = False) -> int:
        """Append a frame to the control file (lock held); its position, which is beyond 2**62 if it is only in memory."""
        if self._control is not None:
            try:
                for waiting in list(self._unwritten):
                    self._write_at_end(waiting)
                    self._unwritten.remove(waiting)
                return self._write_at_end(payload)
            except OSError as error:
                self._tell_of_memory(error)
        if is_slot:
            self._unwritten.append(payload)  # without its series no later point on disk could be understood
        at = self._memory_end
        self._memory_frames[at] = payload
        self._memory_end += len(payload)
        return at

    def _write_at_end(self, payload: bytes) -> int:
        at = self._control_end
        assert self._control is not None
        self._control_end = _write_all(self._control, _frame(payload), at)
        return at

    def _append_slowly(self, buffer: Any, at: int, timestamp: Any, value: Any, step: Any, slot: int, kind: int) -> None:
        """Write a record that the bound function could not, because its file is full or a value is not a plain number."""
        if buffer is not None:
            if at + SIZE > len(buffer):
                self._roll(buffer)
            else:
                RECORD.pack_into(buffer, at, 0, 0.0, 0, 0, SKIPPED)
        if kind == POINT:
            value = checked_value(value)
            step = checked_integer("step", step)
            timestamp = checked_integer("timestamp", timestamp)
        while True:
            buffer, take = self._get_current()
            at = take()
            if at + SIZE <= len(buffer):
                RECORD.pack_into(buffer, at, timestamp, value, step, slot, kind ^ slot)
                return
            self._roll(buffer)

    def _roll(self, full: Any) -> None:
        """Begin the next file if `full` is still the current one; the first time, begin the journal."""
        starts = False
        with self._lock:
            if self._get_current()[0] is not full:
                return
            if self._index < 0:
                self._start()
                starts = True
            index = self._index + 1
            size = START + SIZE * self.records_per_file
            made: PointsFile | MemoryFile
            made, self._spare = self._spare or self._new_file(index, size), None
            self._files[index] = made
            self._index = index
            self._set_current((made.buffer, count(START, SIZE).__next__))
        if starts and self._on_start is not None:
            self._on_start()

    def _new_file(self, index: int, size: int) -> PointsFile | MemoryFile:
        if self.folder is not None:
            try:
                made = PointsFile(self.folder / f"{index:08d}.points", index, size)
            except OSError as error:
                self._tell_of_memory(error)
            else:
                if self.in_memory:
                    self.in_memory = False
                    log.warning("The journal is back on disk: %s.", self.folder)
                return made
        return MemoryFile(size)

    def prepare(self) -> None:
        """Make the next file beforehand when the current one is more than half full, so that no log call has to."""
        with self._lock:
            if self._index < 0 or self._spare is not None or self.folder is None or self.in_memory:
                return
            if self.position() - self._index * self.records_per_file < self.records_per_file // 2:
                return
            try:
                index = self._index + 1
                size = START + SIZE * self.records_per_file
                self._spare = spare = PointsFile(self.folder / f"{index:08d}.points", index, size)
            except OSError:
                return  # told when it is needed
        spare.warm()

    def warm(self) -> None:
        """Spare the threads that log the first cost of the current file."""
        with self._lock:
            current = self._files.get(self._index)
        if isinstance(current, PointsFile):
            current.warm()

    def _start(self) -> None:
        size = max(START + 4 * SIZE, JOURNAL_SEGMENT_BYTES.get())
        self.records_per_file = (size - START) // SIZE
        self.journal_id = f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(4)}"
        self._header = header = Header(
            FORMAT, self.journal_id, self.parent_id, self.uri, socket.gethostname(), os.getpid(),
            time.time_ns() // 1_000_000, self.records_per_file,
        )  # fmt: skip
        root = self.root if self.root is not None else journal_root()
        making = root / f".{self.journal_id}"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            making.mkdir(mode=0o700)
            self._lock_file = os.open(making / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            lock(self._lock_file)
            self._control = os.open(making / "control", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._ack_file = os.open(making / "acked", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._ack_file, bytes(2 * ACK.size), 0)
            self._write_at_end(encode(header))
            for row in self._slots:
                self._write_at_end(encode(row))
            self._control_base = self._control_end
            self.folder = root / self.journal_id
            making.rename(self.folder)
        except OSError as error:
            self._close_files()
            shutil.rmtree(making, ignore_errors=True)
            self.folder = None
            self._tell_of_memory(error)

    def _tell_of_memory(self, error: OSError) -> None:
        if not self.in_memory:
            self.in_memory = True
            log.warning(
                "The journal in %s cannot be written (%s): what is logged is kept in memory until it is delivered, "
                "and a killed process would lose it. Make room there, or set MILLSTREAM_JOURNAL_DIR.",
                self.root if self.root is not None else journal_root(),
                error.strerror or error,
            )

    # ------------------------------------------------------------ reading, by the shipper's thread

    def position(self) -> int:
        """The number that the next record will get."""
        return self._position_in(self._get_current()[1])

    def _position_in(self, take: Any) -> int:
        if self._index < 0:
            return 0
        offset = int(repr(take.__self__)[6:].split(",")[0])  # the only public way to look at a count without moving it
        inside = min((offset - START) // SIZE, self.records_per_file)
        return self._index * self.records_per_file + inside

    def read(self, position: int, limit: int) -> tuple[list[Point], int]:
        """Records from `position` on, at most `limit`, in order; and the position after them.

        Stops at a record that is reserved and not yet written, unless its thread is gone.
        """
        found: list[Point] = []
        for number, file in list(self._holes.items()):
            late: Point = RECORD.unpack_from(file.buffer, START + SIZE * (number % self.records_per_file))
            if late[4]:
                del self._holes[number]
                found.append(late)
        while len(found) < limit:
            index, inside = divmod(position, self.records_per_file) if self.records_per_file else (0, 0)
            file_ = self._files.get(index)
            if file_ is None:
                break
            wanted = min(limit - len(found), self.records_per_file - inside, 512)
            at = START + SIZE * inside
            some: list[Point] = list(RECORD.iter_unpack(file_.buffer[at : at + SIZE * wanted]))
            if not some[-1][4] or not all(record[4] for record in some):
                some = some[: next(i for i, record in enumerate(some) if not record[4])]
            found += some
            position += len(some)
            if len(some) == wanted:
                continue
            if not self._skip_stale(position, file_):
                break
            position += 1
            if index < self._index and not bytes(file_.buffer[at + SIZE * len(some) :]).strip(b"\0"):
                position = (index + 1) * self.records_per_file  # a file that was interrupted before its first record
        return found, position

    def _skip_stale(self, position: int, file: PointsFile | MemoryFile) -> bool:
        """Whether the record at `position` was reserved long ago by a thread that will not write it."""
        if self.position() <= position:
            return False
        number, since = self._stuck_since
        if number != position:
            self._stuck_since = (position, time.monotonic())
            return False
        if time.monotonic() - since < STALE_S:
            return False
        self._holes[position] = file
        return True

    def record(self, at: int, length: int) -> Record | None:
        """The control record that a mark points to."""
        if at >= 1 << 62:
            payload = self._memory_frames.get(at)
            return None if payload is None else decode(payload)
        if self._control is None:
            return None
        return read_frame(os.pread(self._control, FRAME.size + length, at))

    def definition(self, slot: int) -> Slot | None:
        return self._slots[slot] if slot < len(self._slots) else None

    def acknowledge(self, position: int) -> None:
        """Everything below `position` is delivered: remember it, and delete the files that lie wholly below."""
        if position == self.acked:
            return
        self.acked = position
        if self._ack_file is not None:
            write_ack(self._ack_file, self._ack_turn, position)
            self._ack_turn += 1
        with self._lock:
            for index in [i for i in self._files if i < min(self._index, position // self.records_per_file)]:
                gone = self._files.pop(index)
                if gone.path is not None:
                    gone.path.unlink(missing_ok=True)
            if position >= self.position() and not self._holes:
                self._memory_frames.clear()
                if self._control_end - self._control_base > max(RELEASE_BYTES, self._control_base):
                    self._release_control()

    def _release_control(self) -> None:
        """Begin the control file anew with what later points need (lock held; everything else in it is delivered)."""
        if self.folder is None or self._control is None or self._header is None:
            return
        path = self.folder / "control.new"
        try:
            made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError:
            return  # the old one serves on
        try:
            size = _write_all(made, b"".join(_frame(encode(each)) for each in (self._header, *self._slots)), 0)
            path.rename(self.folder / "control")
        except OSError:
            os.close(made)
            return
        os.close(self._control)
        self._control, self._control_end, self._control_base = made, size, size
        self._unwritten.clear()  # they stand among the slots

    @property
    def pending(self) -> int:
        """How many records are not delivered."""
        return self.position() - self.acked

    def files_folder(self) -> Path | None:
        """Where artifacts of offline runs are kept; None for a journal in memory."""
        with self._lock:
            self.begin()
            if self.folder is None:
                return None
            folder = self.folder / "files"
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder

    # ------------------------------------------------------------ ending

    def close(self) -> None:
        """Delete the journal if everything is delivered; else leave it for another process to adopt."""
        with self._lock:
            _, take = self._get_current()
            self._set_current(_nothing())  # first: who logs from here on waits for the lock and begins a journal anew
            delivered = self._index < 0 or self._position_in(take) <= self.acked
            if self._spare is not None and self._spare.path is not None and not delivered:
                self._spare.path.unlink(missing_ok=True)
            folder = self.folder
            if folder is not None and delivered:
                shutil.rmtree(folder, ignore_errors=True)
            self._close_files()
            parent = self.journal_id
            self.folder = None
            self.journal_id = ""
            self.acked = 0
            lock = self._lock  # who waits for it must find it is still the one
            self._reset(parent)
            self._lock = lock

    def forget_after_fork(self) -> None:
        """In a forked child: let go of the parent's journal without a trace, so that the child begins its own."""
        parent = self.journal_id
        self._close_files()  # the parent's lock stays: it is released when its last copy is closed
        self.folder = None
        self.journal_id = ""
        self.in_memory = False
        self.acked = 0
        self._set_current(_nothing())
        self._reset(parent)

    def _close_files(self) -> None:
        for descriptor in (self._control, self._ack_file, self._lock_file):
            if descriptor is not None:
                os.close(descriptor)
        self._control = self._ack_file = self._lock_file = None


def _frame(payload: bytes) -> bytes:
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _write_all(descriptor: int, data: bytes, at: int) -> int:
    """Write at a position; the position after it. A full disk may take a part: the next frame overwrites that."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], at + written)
    return at + len(data)


def _nothing() -> tuple[Any, Callable[[], int]]:
    """A file without room: the first record then takes the slow path, which begins the journal."""
    return bytearray(0), count(START, SIZE).__next__


def _bind(journal: Journal) -> tuple[Callable[[int], Append], Callable[[], Any], Callable[[Any], None]]:
    """The hot path: closures over one cell that holds the current file and the counter of its records.

    File and counter are read as one pair, so that a thread never writes into one file at a position of another.
    """
    current: tuple[Any, Callable[[], int]] = _nothing()
    pack = RECORD.pack_into
    time_ns = time.time_ns
    slowly = journal._append_slowly

    def series(slot: int) -> Append:
        mark = POINT ^ slot

        def append(value: Any, step: Any = 0, timestamp: Any = None, /) -> None:
            if timestamp is None:
                timestamp = time_ns() // 1_000_000
            elif timestamp < 0:
                raise InvalidValue(f"A metric's timestamp is in ms since 1970 and cannot be negative: {timestamp}.")
            buffer, take = current
            at = take()
            try:
                pack(buffer, at, timestamp, value, step, slot, mark)
            except BaseException as error:
                slowly(buffer, at, timestamp, value, step, slot, POINT)
                if not isinstance(error, Exception):
                    raise

        return append

    def get() -> tuple[Any, Callable[[], int]]:
        return current

    def set(pair: tuple[Any, Callable[[], int]]) -> None:
        nonlocal current
        current = pair

    return series, get, set
