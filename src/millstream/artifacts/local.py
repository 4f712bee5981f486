"""Artifacts in a local folder.

Every access walks from a handle of the root, segment by segment and without following links, so no path, no link planted below
the root and no race with somebody who plants one leads outside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from millstream import settings
from millstream.artifacts import staging, storage_errors
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import Files, Repository, local_root
from millstream.entities import FileInfo
from millstream.errors import ArtifactNotFound, InvalidValue

_WRITEBACK_BYTES = 8 << 20
_REMOVE_TRIES = 10
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalRepository(Repository):
    """A folder of this machine.

    Args:
        uri: path or `file:` URI; the folder is made by the first write.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.root = local_root(uri)

    def local_path(self, path: ArtifactPath) -> str:
        return os.path.join(self.root, path) if path else self.root

    def _list(self, folder: ArtifactPath) -> Files:
        prefix = f"{folder}/" if folder else ""
        try:
            with self._root_handle() as root:
                handle = staging.open_folder(root, folder)
                try:
                    with os.scandir(handle) as entries:
                        found = [_file_info(prefix, entry) for entry in entries if entry.name != staging.STAGING_FOLDER]
                finally:
                    os.close(handle)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise storage_errors.reading(error, folder) from None
        return [info for info in found if info is not None]

    def _create(self, path: ArtifactPath, size: int | None) -> LocalSink:
        return LocalSink(self.root, path)

    def _source(self, path: ArtifactPath) -> LocalSource:
        try:
            with self._root_handle() as root:
                return open_source(root, path)
        except OSError as error:
            raise storage_errors.reading(error, path) from None

    def _delete(self, path: ArtifactPath) -> None:
        try:
            if not path:
                if os.path.lexists(self.root):
                    shutil.rmtree(self.root)
                return
            with self._root_handle() as root:
                delete_below(root, path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_errors.writing(error, path) from None

    @contextmanager
    def _root_handle(self) -> Iterator[int]:
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)


def open_root(root: str) -> int:
    """A handle of a root that is about to be written to; it is made if missing. Raises OSError."""
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        os.makedirs(root, exist_ok=True)
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def refuse_wrong_kind(root: int, path: ArtifactPath) -> None:
    """Raise OSError if a file can never be stored at `path` as things are: it is a folder, or a file is in the way."""
    segments = path.split("/")
    handle = os.dup(root)
    try:
        for segment in segments[:-1]:
            below = os.open(segment, staging.FOLDER_FLAGS, dir_fd=handle)
            os.close(handle)
            handle = below
        if stat.S_ISDIR(os.stat(segments[-1], dir_fd=handle, follow_symlinks=False).st_mode):
            raise IsADirectoryError(21, "is a folder")
    except FileNotFoundError:
        return
    finally:
        os.close(handle)


class LocalSink:
    """One file on its way into a local folder."""

    __slots__ = ("_path", "_root", "_root_path", "_staged", "_written_back")

    def __init__(self, root: str, path: ArtifactPath) -> None:
        if path.split("/", 1)[0] == staging.STAGING_FOLDER:
            raise InvalidValue(f"The name {staging.STAGING_FOLDER!r} is taken by the store itself. Choose another.")
        self._path = path
        self._root_path = root
        self._written_back = 0
        self._staged: staging.StagedFile | None = None
        self._root = -1
        try:
            self._root = open_root(root)
            refuse_wrong_kind(self._root, path)
            self._staged = staging.StagedFile(self._root)
        except OSError as error:
            self.abort()
            raise storage_errors.writing(error, path) from None

    @property
    def staged(self) -> staging.StagedFile:
        assert self._staged is not None, "the sink is closed"
        return self._staged

    def write(self, data: bytes | memoryview) -> None:
        try:
            self.staged.write(data)
            self._write_back()
        except OSError as error:
            raise storage_errors.writing(error, self._path) from None

    def write_all(self, parts: list[bytes]) -> None:
        """Several pieces in one call."""
        try:
            self.staged.write_all(parts)
            self._write_back()
        except OSError as error:
            raise storage_errors.writing(error, self._path) from None

    def _write_back(self) -> None:
        """Let the disk begin early, so that little is left to wait for in `commit`."""
        staged = self.staged
        if staged.size - self._written_back >= _WRITEBACK_BYTES:
            staging.begin_writeback(staged.fd, self._written_back, staged.size - self._written_back)
            self._written_back = staged.size

    def commit(self) -> None:
        try:
            if settings.ARTIFACT_FSYNC.get():
                staging.settle_one(self.staged, self._path)
            else:
                os.close(self.staged.publish(self._path))
        except OSError as error:
            raise storage_errors.writing(error, self._path) from None
        finally:
            self.abort()

    def abort(self) -> None:
        if self._staged is not None:
            self._staged.close()
            self._staged = None
        if self._root >= 0:
            os.close(self._root)
            self._root = -1


class LocalSource:
    """One file of a local folder, open for reading."""

    __slots__ = ("_fd", "etag", "modified", "size")

    def __init__(self, fd: int, status: os.stat_result) -> None:
        self._fd = fd
        self.size = status.st_size
        self.modified = status.st_mtime
        self.etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'

    def read(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._fd, length, offset)
        except OSError as error:
            raise storage_errors.unavailable(error) from None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def open_source(root: int, path: ArtifactPath) -> LocalSource:
    """Open a regular file below the handle `root`. Raises OSError, ArtifactNotFound."""
    folder, _, base = path.rpartition("/")
    if path.split("/", 1)[0] == staging.STAGING_FOLDER:
        raise ArtifactNotFound(path)
    parent = staging.open_folder(root, ArtifactPath(folder))
    try:
        fd = os.open(base, _FILE_FLAGS, dir_fd=parent)
    finally:
        os.close(parent)
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return LocalSource(fd, status)
    os.close(fd)
    if stat.S_ISDIR(status.st_mode):
        raise storage_errors.is_folder(path)
    raise ArtifactNotFound(path)


def delete_below(root: int, path: ArtifactPath) -> None:
    """Delete a file, a link (not what it points to) or a folder with its content. Raises OSError, FileNotFoundError."""
    folder, _, base = path.rpartition("/")
    if path.split("/", 1)[0] == staging.STAGING_FOLDER:
        raise FileNotFoundError(2, "no artifact")
    try:
        parent = staging.open_folder(root, ArtifactPath(folder))
    except NotADirectoryError:
        raise FileNotFoundError(2, "no artifact") from None
    try:
        try:
            os.unlink(base, dir_fd=parent)
        except (IsADirectoryError, PermissionError):
            if not stat.S_ISDIR(os.stat(base, dir_fd=parent, follow_symlinks=False).st_mode):
                raise
            _delete_folder(root, parent, base)
    finally:
        os.close(parent)


def _delete_folder(root: int, parent: int, base: str) -> None:
    """Delete a folder at once as everybody else sees it: moved aside, then emptied, so that uploads meanwhile do not mix in."""
    try:
        with staging.set_aside(root, parent, base) as (folder, aside):
            _remove_tree(folder, aside)
    except staging.CannotSetAside:
        _remove_tree(parent, base)


def _remove_tree(parent: int, base: str) -> None:
    for attempt in range(_REMOVE_TRIES):
        try:
            shutil.rmtree(base, dir_fd=parent)
        except OSError as error:
            # An upload that had begun has added its file just now.
            if error.errno != errno.ENOTEMPTY or attempt == _REMOVE_TRIES - 1:
                raise
        else:
            return


def _file_info(prefix: str, entry: os.DirEntry[str]) -> FileInfo | None:
    """None for what is neither a file nor a folder (links are not followed, so they are not shown), or has no name in Unicode."""
    with contextlib.suppress(OSError, UnicodeEncodeError):
        entry.name.encode()
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return FileInfo(prefix + entry.name, True)
        if stat.S_ISREG(status.st_mode):
            return FileInfo(prefix + entry.name, False, status.st_size)
    return None
