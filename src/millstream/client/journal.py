"""The journal: where a log call puts what it logs, in about 0.2 µs, so that `kill -9` of the process loses nothing.

A journal belongs to one process and one tracking URI and is a folder (0700) of

    lock               held with flock for as long as the owner lives
    control            frames of length u32, crc32 u32, msgpack (`records`): the header, series, params, tags, other requests
    <n>.points         files of 32-byte records: the points, in the order in which everything was logged
    acked              the position up to which all is delivered
    files/             artifacts of offline runs

A record of points is timestamp i64, value f64, step i64, slot u32, mark u32 in the machine's own byte order. The mark, written
last, is a constant of the record's kind xor its slot: a record that a killed process had not finished has none. Files of points
are preallocated (a full disk is noticed when one is made, not as SIGBUS later) and memory-mapped: the kernel owns the pages, so
what was written stays when the process dies. A record starts at a multiple of 32 and never crosses a page.

Everything else that is logged goes to `control` and leaves a record of kind CONTROL among the points, so that the files of points
alone give the order. Threads share a file without a lock: `itertools.count().__next__` is one step under the GIL, and the record it
reserves is its thread's own. The reader stops at a record that is reserved but not yet written.

If no file can be made (disk full, folder read-only) records go to memory, after one line that says so.
"""

from __future__ import annotations

import logging
import mmap
import operator
import os
import secrets
import shutil
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from millstream.client.records import FORMAT, Header, Record, Slot, decode, encode
from millstream.errors import InvalidValue
from millstream.settings import JOURNAL_DIR, JOURNAL_SEGMENT_BYTES

try:
    import fcntl
except ImportError:  # Windows has no flock: journals are then written but never adopted
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("millstream")

_RECORD = struct.Struct("qdqII")
_FILE_HEADER = struct.Struct("=8sQQ")
_MAGIC = b"mspoints"
_FRAME = struct.Struct("<II")
_ACK = struct.Struct("<QQI")
_SIZE = 32
_START = 64
"""Bytes before the first record of a file."""

POINT = 0x4D53_0001
CONTROL = 0x4D53_0002
SKIPPED = 0x4D53_0003

STALE_S = 5.0
"""A record reserved for this long and not written is given up: its thread was interrupted between the two."""

Point = tuple[int, float, int, int, int]
"""timestamp, value, step, slot, mark"""

Append = Callable[..., None]


def journal_root() -> Path:
    """The folder of all journals of this user."""
    configured = JOURNAL_DIR.get()
    if configured:
        return Path(configured).expanduser()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "millstream" / "journal"


def checked_value(value: Any) -> float:
    """The number in `value`, or InvalidValue."""
    try:
        return float(value)
    except Exception as error:
        item = getattr(value, "item", None)  # arrays and tensors of one element in any shape
        if item is not None:
            try:
                return float(item())
            except Exception:
                pass
        text = repr(value)
        raise InvalidValue(
            f"A metric's value must be a number, not {text[:80]} ({type(value).__name__}: {error})."
        ) from None


def checked_integer(name: str, value: Any) -> int:
    """`value` as a whole number of 64 bits, or InvalidValue."""
    try:
        number = operator.index(value)
    except TypeError:
        try:
            number = int(value)
            exact = number == value
        except Exception:
            exact = False
        if not exact:
            raise InvalidValue(f"A metric's {name} must be a whole number, not {value!r:.80}.") from None
    if not -(2**63) <= number < 2**63:
        raise InvalidValue(f"A metric's {name} must fit 64 bits, and {number} does not.")
    return number


class _Memory:
    """What stands in for a file of points when none can be made."""

    path: Path | None = None

    def __init__(self, size: int) -> None:
        self.buffer: bytearray | mmap.mmap = bytearray(size)


class _PointsFile:
    """A preallocated, mapped file of points."""

    def __init__(self, path: Path, index: int, size: int) -> None:
        self.path: Path | None = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
            else:  # macOS
                os.write(descriptor, bytes(size))
            os.pwrite(descriptor, _FILE_HEADER.pack(_MAGIC, FORMAT, index), 0)
            self.buffer: bytearray | mmap.mmap = mmap.mmap(descriptor, size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


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
        self._files: dict[int, _PointsFile | _Memory] = {}
        self._spare: _PointsFile | None = None
        self._index = -1
        self._control_end = 0
        self._control: int | None = None
        self._ack_file: int | None = None
        self._ack_turn = 0
        self._lock_file: int | None = None
        self._unwritten: list[bytes] = []
        self._memory_frames: dict[int, bytes] = {}
        self._memory_end = 1 << 62
        self._holes: dict[int, _PointsFile | _Memory] = {}
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

    def put(self, record: Record) -> None:
        """Write anything but a point, in order with the points."""
        payload = encode(record)
        with self._lock:
            if self._index < 0:
                self._roll(self._get_current()[0])
            at = self._write_frame(payload)
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
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        at = self._control_end
        assert self._control is not None
        written = 0
        while written < len(frame):  # a full disk may take a part: the next frame overwrites it
            written += os.pwrite(self._control, frame[written:], at + written)
        self._control_end = at + len(frame)
        return at

    def _append_slowly(self, buffer: Any, at: int, timestamp: Any, value: Any, step: Any, slot: int, kind: int) -> None:
        """Write a record that the bound function could not, because its file is full or a value is not a plain number."""
        if buffer is not None:
            if at + _SIZE > len(buffer):
                self._roll(buffer)
            else:
                _RECORD.pack_into(buffer, at, 0, 0.0, 0, 0, SKIPPED)
        if kind == POINT:
            value = checked_value(value)
            step = checked_integer("step", step)
            timestamp = checked_integer("timestamp", timestamp)
        while True:
            buffer, take = self._get_current()
            at = take()
            if at + _SIZE <= len(buffer):
                _RECORD.pack_into(buffer, at, timestamp, value, step, slot, kind ^ slot)
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
            size = _START + _SIZE * self.records_per_file
            made: _PointsFile | _Memory
            made, self._spare = self._spare or self._new_file(index, size), None
            self._files[index] = made
            self._index = index
            self._set_current((made.buffer, count(_START, _SIZE).__next__))
        if starts and self._on_start is not None:
            self._on_start()

    def _new_file(self, index: int, size: int) -> _PointsFile | _Memory:
        if self.folder is not None:
            try:
                made = _PointsFile(self.folder / f"{index:08d}.points", index, size)
            except OSError as error:
                self._tell_of_memory(error)
            else:
                if self.in_memory:
                    self.in_memory = False
                    log.warning("The journal is back on disk: %s.", self.folder)
                return made
        return _Memory(size)

    def prepare(self) -> None:
        """Make the next file beforehand when the current one is more than half full, so that no log call has to."""
        with self._lock:
            if self._index < 0 or self._spare is not None or self.folder is None or self.in_memory:
                return
            if self.position() - self._index * self.records_per_file < self.records_per_file // 2:
                return
            try:
                index = self._index + 1
                size = _START + _SIZE * self.records_per_file
                self._spare = _PointsFile(self.folder / f"{index:08d}.points", index, size)
            except OSError:
                pass  # told when it is needed

    def _start(self) -> None:
        size = max(_START + 4 * _SIZE, JOURNAL_SEGMENT_BYTES.get())
        self.records_per_file = (size - _START) // _SIZE
        self.journal_id = f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(4)}"
        header = Header(
            FORMAT, self.journal_id, self.parent_id, self.uri, socket.gethostname(), os.getpid(),
            time.time_ns() // 1_000_000, self.records_per_file,
        )  # fmt: skip
        root = self.root if self.root is not None else journal_root()
        making = root / f".{self.journal_id}"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            making.mkdir(mode=0o700)
            self._lock_file = os.open(making / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if fcntl is not None:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._control = os.open(making / "control", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._ack_file = os.open(making / "acked", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._ack_file, bytes(2 * _ACK.size), 0)
            self._write_at_end(encode(header))
            for row in self._slots:
                self._write_at_end(encode(row))
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
        _, take = self._get_current()
        if self._index < 0:
            return 0
        offset = int(repr(take.__self__)[6:].split(",")[0])  # the only public way to look at a count without moving it
        inside = min((offset - _START) // _SIZE, self.records_per_file)
        return self._index * self.records_per_file + inside

    def read(self, position: int, limit: int) -> tuple[list[Point], int]:
        """Records from `position` on, at most `limit`, in order; and the position after them.

        Stops at a record that is reserved and not yet written, unless its thread is gone.
        """
        found: list[Point] = []
        for number, file in list(self._holes.items()):
            late: Point = _RECORD.unpack_from(file.buffer, _START + _SIZE * (number % self.records_per_file))
            if late[4]:
                del self._holes[number]
                found.append(late)
        while len(found) < limit:
            index, inside = divmod(position, self.records_per_file) if self.records_per_file else (0, 0)
            file_ = self._files.get(index)
            if file_ is None:
                break
            wanted = min(limit - len(found), self.records_per_file - inside, 512)
            at = _START + _SIZE * inside
            some: list[Point] = list(_RECORD.iter_unpack(file_.buffer[at : at + _SIZE * wanted]))
            if not some[-1][4] or not all(record[4] for record in some):
                some = some[: next(i for i, record in enumerate(some) if not record[4])]
            found += some
            position += len(some)
            if len(some) == wanted:
                continue
            if not self._skip_stale(position, file_):
                break
            position += 1
            if index < self._index and not bytes(file_.buffer[at + _SIZE * len(some) :]).strip(b"\0"):
                position = (index + 1) * self.records_per_file  # a file that was interrupted before its first record
        return found, position

    def _skip_stale(self, position: int, file: _PointsFile | _Memory) -> bool:
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
            return decode(self._memory_frames[at])
        if self._control is None:
            return None
        return _read_frame(os.pread(self._control, _FRAME.size + length, at))

    def definition(self, slot: int) -> Slot | None:
        return self._slots[slot] if slot < len(self._slots) else None

    def acknowledge(self, position: int) -> None:
        """Everything below `position` is delivered: remember it, and delete the files that lie wholly below."""
        if position == self.acked:
            return
        self.acked = position
        if self._ack_file is not None:
            _write_ack(self._ack_file, self._ack_turn, position)
            self._ack_turn += 1
        with self._lock:
            for index in [i for i in self._files if i < min(self._index, position // self.records_per_file)]:
                gone = self._files.pop(index)
                if gone.path is not None:
                    gone.path.unlink(missing_ok=True)
            if self._memory_frames and position >= self.position():
                self._memory_frames.clear()

    @property
    def pending(self) -> int:
        """How many records are not delivered."""
        return self.position() - self.acked

    def files_folder(self) -> Path | None:
        """Where artifacts of offline runs are kept; None for a journal in memory."""
        with self._lock:
            if self._index < 0:
                self._roll(self._get_current()[0])
            if self.folder is None:
                return None
            folder = self.folder / "files"
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder

    # ------------------------------------------------------------ ending

    def close(self) -> None:
        """Delete the journal if everything is delivered; else leave it for another process to adopt."""
        with self._lock:
            delivered = self._index < 0 or self.pending <= 0
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
            self._set_current(_nothing())
            self._reset(parent)

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


def _nothing() -> tuple[Any, Callable[[], int]]:
    """A file without room: the first record then takes the slow path, which begins the journal."""
    return bytearray(0), count(_START, _SIZE).__next__


def _bind(journal: Journal) -> tuple[Callable[[int], Append], Callable[[], Any], Callable[[Any], None]]:
    """The hot path: closures over one cell that holds the current file and the counter of its records.

    File and counter are read as one pair, so that a thread never writes into one file at a position of another.
    """
    current: tuple[Any, Callable[[], int]] = _nothing()
    pack = _RECORD.pack_into
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


# ---------------------------------------------------------------- journals whose owner died


class DeadJournal:
    """A journal whose owner is gone, held by its lock; read like a live one."""

    def __init__(self, folder: Path, lock_file: int) -> None:
        """Raises ValueError if there is no readable header (its owner died before it logged anything)."""
        self.folder = folder
        self._lock_file: int | None = lock_file
        self._slots: dict[int, Slot] = {}
        self._control = _read_bytes(folder / "control")
        header: Header | None = None
        for record in _frames(self._control):
            if isinstance(record, Slot):
                self._slots[record.slot] = record
            elif isinstance(record, Header):
                header = record
        if header is None or header.format != FORMAT:
            raise ValueError("no header")
        self.header = header
        self.journal_id = header.journal_id
        self.uri = header.uri
        self.records_per_file = header.records
        self.acked = _read_ack(_read_bytes(folder / "acked"))
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
            at = _START + _SIZE * inside
            wanted = min(limit - len(found), self.records_per_file - inside)
            piece = data[at : at + _SIZE * wanted]
            piece = piece[: len(piece) - len(piece) % _SIZE]
            if not piece.strip(b"\0"):
                if not data[at:].strip(b"\0"):
                    position = (index + 1) * self.records_per_file
                else:
                    position += wanted
                continue
            found += [record for record in _RECORD.iter_unpack(piece) if record[4]]
            position += wanted
        return found, position

    def _points(self, index: int) -> bytes:
        if self._loaded[0] != index:
            data = _read_bytes(self.folder / f"{index:08d}.points")
            if data[: _FILE_HEADER.size] != _FILE_HEADER.pack(_MAGIC, FORMAT, index):
                data = b""
            self._loaded = (index, data)
        return self._loaded[1]

    def record(self, at: int, length: int) -> Record | None:
        return _read_frame(self._control[at : at + _FRAME.size + length]) if 0 <= at < len(self._control) else None

    def definition(self, slot: int) -> Slot | None:
        return self._slots.get(slot)

    def acknowledge(self, position: int) -> None:
        if position == self.acked:
            return
        self.acked = position
        if self._ack_file is not None:
            _write_ack(self._ack_file, self._ack_turn, position)
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
    if fcntl is None:  # type: ignore[unreachable, unused-ignore]
        return  # type: ignore[unreachable, unused-ignore]
    root = root if root is not None else journal_root()
    host = socket.gethostname()
    try:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return
    for name in names:
        folder = root / name
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


def _take(folder: Path) -> int | None:
    """The journal's lock, if nobody holds it."""
    try:
        lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock_file).st_nlink:  # else somebody has just delivered and deleted it
            return lock_file
    except OSError:
        pass
    os.close(lock_file)
    return None


def exists(journal_id: str, root: Path | None = None) -> bool:
    """Whether a journal is still there, alive or dead."""
    return bool(journal_id) and ((root if root is not None else journal_root()) / journal_id).is_dir()


# ---------------------------------------------------------------- the formats on disk


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _read_frame(data: bytes) -> Record | None:
    """The record of one frame, or None if the frame is torn or damaged."""
    if len(data) < _FRAME.size:
        return None
    length, crc = _FRAME.unpack_from(data)
    payload = data[_FRAME.size : _FRAME.size + length]
    if len(payload) != length or zlib.crc32(payload) != crc:
        return None
    try:
        return decode(payload)
    except msgspec.MsgspecError:
        return None


def _frames(data: bytes) -> Iterator[Record]:
    """The records of a control file up to the first torn or damaged frame."""
    at = 0
    while at + _FRAME.size <= len(data):
        record = _read_frame(data[at : at + _FRAME.size + _FRAME.unpack_from(data, at)[0]])
        if record is None:
            return
        yield record
        at += _FRAME.size + int(_FRAME.unpack_from(data, at)[0])


def _write_ack(descriptor: int, turn: int, position: int) -> None:
    """Write to one of two places in turn, so that one of them is always whole."""
    body = struct.pack("<QQ", turn + 1, position)
    try:
        os.pwrite(descriptor, body + struct.pack("<I", zlib.crc32(body)), (turn % 2) * _ACK.size)
    except OSError:
        pass  # it will be delivered twice at worst, which the store does not mind


def _read_ack(data: bytes) -> int:
    best = 0
    for at in (0, _ACK.size):
        piece = data[at : at + _ACK.size]
        if len(piece) == _ACK.size and zlib.crc32(piece[:16]) == _ACK.unpack(piece)[2]:
            best = max(best, int(_ACK.unpack(piece)[1]))
    return best
