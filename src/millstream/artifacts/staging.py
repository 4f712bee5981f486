"""Files that appear whole or not at all, and that are on the disk when we say so.

A file is written without a name (`O_TMPFILE`) in the file system it is meant for, so nothing is left of it when the process is
killed; it gets its name when it is complete. Where a file system has no such files, a private folder holds them.

What "on the disk" costs decides how many small files a server takes, so a group of files is settled together:

- On ext4 and XFS the data of all files is written first and waited for, then all get their names, then *one* fsync of a folder
  commits the journal: it commits in order, hence everything before it.
- Elsewhere every file is synced, then every folder that got a name.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from millstream.artifacts.paths import ArtifactPath

STAGING_FOLDER = ".millstream-staging"
"""Private folder below a root for what cannot be written without a name; never listed, never served."""

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TMPFILE = getattr(os, "O_TMPFILE", 0)
_NO_TMPFILE = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL))
_ORDERED_JOURNALS = frozenset(("ext4", "xfs"))

_PUBLISH_TRIES = 100
_LEFT_OVER_S = 7 * 86_400

_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4


def open_folder(root: int, path: ArtifactPath) -> int:
    """A handle of the folder `path` below the handle `root`, without following any link. Raises OSError."""
    handle = os.dup(root)
    for segment in path.split("/") if path else ():
        handle = _step(handle, segment)
    return handle


def make_folder(root: int, path: ArtifactPath) -> tuple[int, int]:
    """As `open_folder`, making what is missing; also how many levels were made. Raises OSError, leaving nothing new."""
    handle = os.dup(root)
    made = 0
    depth = 0
    segments = path.split("/") if path else []
    try:
        for depth, segment in enumerate(segments):  # noqa: B007 - the depth reached is needed below
            try:
                handle = _step(handle, segment, keep_on_error=True)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(segment, dir_fd=handle)
                    made += 1
                handle = _step(handle, segment, keep_on_error=True)
    except OSError:
        os.close(handle)
        if made:
            unmake_folder(root, ArtifactPath("/".join(segments[: depth + 1])), made)
        raise
    return handle, made


def unmake_folder(root: int, path: ArtifactPath, levels: int) -> None:
    """Remove the last `levels` folders of `path` as far as they are empty."""
    segments = path.split("/")
    for end in range(len(segments), len(segments) - levels, -1):
        try:
            above = open_folder(root, ArtifactPath("/".join(segments[: end - 1])))
        except OSError:
            continue
        try:
            os.rmdir(segments[end - 1], dir_fd=above)
        except FileNotFoundError:
            continue
        except OSError:
            return
        finally:
            os.close(above)


def _step(handle: int, segment: str, keep_on_error: bool = False) -> int:
    try:
        below = os.open(segment, FOLDER_FLAGS, dir_fd=handle)
    except OSError:
        if not keep_on_error:
            os.close(handle)
        raise
    os.close(handle)
    return below


class StagedFile:
    """A file that is being written and has no name yet.

    Args:
        root: handle of the folder below which it will appear; it must stay open while the file is used.
    """

    __slots__ = ("_name", "fd", "root", "size")

    def __init__(self, root: int) -> None:
        self.root = root
        self.size = 0
        self._name: str | None = None
        if _TMPFILE and _can_link_unnamed():
            try:
                self.fd = os.open(".", os.O_WRONLY | _TMPFILE | os.O_CLOEXEC, 0o666, dir_fd=root)
                return
            except OSError as error:
                if error.errno not in _NO_TMPFILE:
                    raise
        name = secrets.token_hex(16)
        staging = _staging_folder(root)
        try:
            self.fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=staging)
        finally:
            os.close(staging)
        self._name = name

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            count = os.write(self.fd, view)
            self.size += count
            view = view[count:]

    def write_all(self, parts: Sequence[bytes]) -> None:
        expected = sum(map(len, parts))
        count = os.writev(self.fd, parts)
        self.size += count
        if count < expected:
            self.write(b"".join(parts)[count:])

    def publish(self, path: ArtifactPath) -> int:
        """Give it its name, replacing a file of that name.

        Returns:
            A handle of the folder that the name is in, for the caller to sync and close.
        Raises:
            OSError: IsADirectoryError and NotADirectoryError if the name is taken by the other kind; nothing has changed then.
        """
        for attempt in range(_PUBLISH_TRIES):
            try:
                return self._publish(path)
            except FileNotFoundError:  # somebody deletes the folder just now
                if attempt == _PUBLISH_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _publish(self, path: ArtifactPath) -> int:
        folder, _, base = path.rpartition("/")
        parent, made = make_folder(self.root, ArtifactPath(folder))
        try:
            self._link(parent, base)
        except OSError:
            os.close(parent)
            if made:
                unmake_folder(self.root, ArtifactPath(folder), made)
            raise
        return parent

    def _link(self, parent: int, base: str) -> None:
        if self._name is None:
            unnamed = f"/proc/self/fd/{self.fd}"
            try:
                os.link(unnamed, base, dst_dir_fd=parent, follow_symlinks=True)
                return
            except FileExistsError:
                self._name = secrets.token_hex(16)
            staging = _staging_folder(self.root)
            try:
                os.link(unnamed, self._name, dst_dir_fd=staging, follow_symlinks=True)
            except OSError:
                self._name = None
                raise
            finally:
                os.close(staging)
        staging = _staging_folder(self.root)
        try:
            os.rename(self._name, base, src_dir_fd=staging, dst_dir_fd=parent)
        finally:
            os.close(staging)
        self._name = None

    def close(self) -> None:
        """Let go of it; what was not published is gone."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self._name is not None:
            with contextlib.suppress(OSError):
                staging = _staging_folder(self.root)
                try:
                    os.unlink(self._name, dir_fd=staging)
                finally:
                    os.close(staging)
            self._name = None


def _staging_folder(root: int) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(STAGING_FOLDER, 0o700, dir_fd=root)
    return os.open(STAGING_FOLDER, FOLDER_FLAGS, dir_fd=root)


class CannotSetAside(Exception):
    """The folder must be deleted where it is: another file system begins there, or the disk is full."""


@contextlib.contextmanager
def set_aside(root: int, parent: int, base: str) -> Iterator[tuple[int, str]]:
    """Move a folder into the staging folder; gives a handle of that and the new name. What is left there for long is removed.

    Raises:
        CannotSetAside: nothing has changed.
    """
    name = secrets.token_hex(16)
    try:
        staging = _staging_folder(root)
    except OSError:
        raise CannotSetAside from None
    try:
        try:
            os.rename(base, name, src_dir_fd=parent, dst_dir_fd=staging)
        except FileNotFoundError:
            raise
        except OSError:
            raise CannotSetAside from None
        yield staging, name
        _sweep(staging)
    finally:
        os.close(staging)


def _sweep(staging: int) -> None:
    """Remove what a process that was killed has left in the staging folder."""
    limit = time.time() - _LEFT_OVER_S
    with contextlib.suppress(OSError):
        for name in os.listdir(staging):
            status = os.stat(name, dir_fd=staging, follow_symlinks=False)
            if status.st_ctime > limit:
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(name, dir_fd=staging)
            else:
                os.unlink(name, dir_fd=staging)


@functools.cache
def _can_link_unnamed() -> bool:
    return os.path.isdir("/proc/self/fd")


# ---------------------------------------------------------------- reaching the disk


def begin_writeback(fd: int, offset: int = 0, length: int = 0) -> None:
    """Start writing a range to the disk without waiting; `length` 0 is up to the end."""
    sync_range = _sync_file_range()
    if sync_range is not None:
        sync_range(fd, offset, length, _WRITE)


def settle_one(staged: StagedFile, path: ArtifactPath) -> None:
    """Bring one file to the disk and give it its name. Raises OSError."""
    os.fdatasync(staged.fd)
    parent = staged.publish(path)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    _sync_chain(staged.root, path)


def settle_group(group: Iterable[tuple[StagedFile, ArtifactPath]]) -> list[OSError | None]:
    """Bring many files to the disk and give them their names.

    Args:
        group: files below roots in one file system.
    Returns:
        For each file None, or why it is not there.
    """
    files = list(group)
    errors: list[OSError | None] = [None] * len(files)
    if not files:
        return errors
    ordered = _has_ordered_journal(os.fstat(files[0][0].fd).st_dev)
    sync_range = _sync_file_range() if ordered else None
    if sync_range is not None:
        for staged, _ in files:
            sync_range(staged.fd, 0, 0, _WRITE)
        for index, (staged, _) in enumerate(files):
            if sync_range(staged.fd, 0, 0, _WAIT_BEFORE | _WRITE | _WAIT_AFTER) != 0:
                errors[index] = OSError(errno.EIO, "writeback failed")
    else:
        errors = [_attempt(os.fdatasync, staged.fd) for staged, _ in files]
    last = -1
    for index, (staged, path) in enumerate(files):
        if errors[index] is not None:
            continue
        try:
            parent = staged.publish(path)
        except OSError as error:
            errors[index] = error
            continue
        if sync_range is not None:
            if last >= 0:
                os.close(last)
            last = parent
            continue
        errors[index] = _attempt(os.fsync, parent)
        os.close(parent)
        _sync_chain(staged.root, path)
    if last >= 0:
        failed = _attempt(os.fsync, last)
        os.close(last)
        if failed is not None:
            errors = [error or failed for error in errors]
    return errors


def _attempt(sync: Callable[[int], None], fd: int) -> OSError | None:
    try:
        sync(fd)
    except OSError as error:
        return error
    return None


def _sync_chain(root: int, path: ArtifactPath) -> None:
    """Sync the folders between `root` and the parent of `path`: new ones are known to the disk by their parents only."""
    if _has_ordered_journal(os.fstat(root).st_dev):
        return
    segments = path.split("/")[:-1]
    for end in range(len(segments)):
        folder = open_folder(root, ArtifactPath("/".join(segments[:end])))
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@functools.cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int
    called: Callable[[int, int, int, int], int] = function
    return called


@functools.cache
def _has_ordered_journal(device: int) -> bool:
    """Whether a commit of this device's journal commits everything before it."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                fields, _, rest = line.partition(" - ")
                if fields.split(" ", 3)[2] == wanted:
                    kind, _, options = rest.partition(" ")
                    return kind in _ORDERED_JOURNALS and "data=writeback" not in options and "nobarrier" not in options
    except (OSError, IndexError):
        pass
    return False
