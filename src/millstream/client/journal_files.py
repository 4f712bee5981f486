"""The files of a journal: their layout on disk, shared by the living journal and by those who adopt a dead one.

A journal is a folder (0700) of

    lock               held with flock for as long as the owner lives
    control            frames of length u32, crc32 u32, msgpack (`records`): the header, series, params, tags, other requests
    <n>.points         files of 32-byte records: the points, in the order in which everything was logged
    acked              the position up to which all is delivered, twice, each with a checksum
    files/             artifacts of offline runs

A record of points is timestamp i64, value f64, step i64, slot u32, mark u32 in the machine's own byte order. The mark, written
last, is a constant of the record's kind xor its slot: a record that a killed process had not finished has none. Files of points
are preallocated (a full disk is noticed when one is made, not as SIGBUS later) and memory-mapped: the kernel owns the pages, so
what was written stays when the process dies. A record starts at a multiple of 32 and never crosses a page.

Whoever changes this raises `records.FORMAT`, which stands in every file, and keeps reading what older versions left.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from millstream.client.records import FORMAT, Record, decode
from millstream.settings import JOURNAL_DIR

try:
    import fcntl
except ImportError:  # Windows has no flock: journals are then written but never adopted
    fcntl = None  # type: ignore[assignment]

CAN_LOCK = fcntl is not None

RECORD = struct.Struct("qdqII")
FILE_HEADER = struct.Struct("=8sQQ")
MAGIC = b"mspoints"
FRAME = struct.Struct("<II")
ACK = struct.Struct("<QQI")
SIZE = 32
START = 64
"""Bytes before the first record of a file."""

POINT = 0x4D53_0001
CONTROL = 0x4D53_0002
SKIPPED = 0x4D53_0003

Point = tuple[int, float, int, int, int]
"""timestamp, value, step, slot, mark"""


def journal_root() -> Path:
    """The folder of all journals of this user."""
    configured = JOURNAL_DIR.get()
    if configured:
        return Path(configured).expanduser()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "millstream" / "journal"


def exists(journal_id: str, root: Path | None = None) -> bool:
    """Whether a journal is still there, alive or dead."""
    return bool(journal_id) and ((root if root is not None else journal_root()) / journal_id).is_dir()


class MemoryFile:
    """What stands in for a file of points when none can be made."""

    path: Path | None = None

    def __init__(self, size: int) -> None:
        self.buffer: bytearray | mmap.mmap = bytearray(size)


class PointsFile:
    """A preallocated, mapped file of points."""

    def __init__(self, path: Path, index: int, size: int) -> None:
        self.path: Path | None = path
        self._page = -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        room = self._page + mmap.ALLOCATIONGRANULARITY  # a page that no record uses, for `warm`
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, room)
            else:  # macOS
                os.write(descriptor, bytes(room))
            os.pwrite(descriptor, FILE_HEADER.pack(MAGIC, FORMAT, index), 0)
            self.buffer: bytearray | mmap.mmap = mmap.mmap(descriptor, size)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def warm(self) -> None:
        """Pay what the file system asks once for the first page of a file that is written through its mapping (1 to 2 ms on
        ext4, 2026-11-23; later pages cost 3 µs): here, on the page after the records, in a system call that does not hold the GIL.
        """
        if self.path is None or not hasattr(os, "preadv"):
            return
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # delivered and deleted
            return
        try:
            with (
                mmap.mmap(descriptor, mmap.ALLOCATIONGRANULARITY, offset=self._page) as page,
                memoryview(page)[:8] as view,
            ):
                os.preadv(descriptor, [view], FILE_HEADER.size)  # zeros
        except (OSError, ValueError):
            pass  # then the first point there pays
        finally:
            os.close(descriptor)


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def read_frame(data: bytes) -> Record | None:
    """The record of one frame, or None if the frame is torn or damaged."""
    if len(data) < FRAME.size:
        return None
    length, crc = FRAME.unpack_from(data)
    payload = data[FRAME.size : FRAME.size + length]
    if len(payload) != length or zlib.crc32(payload) != crc:
        return None
    try:
        return decode(payload)
    except msgspec.MsgspecError:
        return None


def frames(data: bytes) -> Iterator[Record]:
    """The records of a control file up to the first torn or damaged frame."""
    at = 0
    while at + FRAME.size <= len(data):
        record = read_frame(data[at : at + FRAME.size + FRAME.unpack_from(data, at)[0]])
        if record is None:
            return
        yield record
        at += FRAME.size + int(FRAME.unpack_from(data, at)[0])


def write_ack(descriptor: int, turn: int, position: int) -> None:
    """Write to one of two places in turn, so that one of them is always whole."""
    body = struct.pack("<QQ", turn + 1, position)
    try:
        os.pwrite(descriptor, body + struct.pack("<I", zlib.crc32(body)), (turn % 2) * ACK.size)
    except OSError:
        pass  # it will be delivered twice at worst, which the store does not mind


def read_ack(data: bytes) -> int:
    best = 0
    for at in (0, ACK.size):
        piece = data[at : at + ACK.size]
        if len(piece) == ACK.size and zlib.crc32(piece[:16]) == ACK.unpack(piece)[2]:
            best = max(best, int(ACK.unpack(piece)[1]))
    return best


def lock(descriptor: int) -> None:
    """Take the lock of a journal. Raises OSError if somebody has it."""
    if CAN_LOCK:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
