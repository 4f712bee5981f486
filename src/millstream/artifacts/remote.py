"""Artifacts in object stores and on other machines, over fsspec: one repository class, and a function per scheme that connects."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from millstream import settings
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import Files, Repository
from millstream.artifacts.storage_errors import RemoteFailed, RemoteRefused
from millstream.entities import FileInfo
from millstream.errors import ArtifactNotFound, InvalidValue, MillstreamError

WRITE_BLOCK_BYTES = 8 << 20
READ_BLOCK_BYTES = 4 << 20

_CONNECTION_LOST: tuple[type[Exception], ...] = (OSError, EOFError)


class FsspecRepository(Repository):
    """A folder of an fsspec file system.

    Args:
        uri: what users call it.
        fs: the file system, made without a cache of listings.
        root: the folder, as `fs` names it, without a slash at the end.
        failures: what its library raises when the store does not answer, besides OSError.
        renames: whether it has folders and renames, so that a file is written under another name first; an object store
            shows a file only when it is complete.
    """

    def __init__(self, uri: str, fs: Any, root: str, renames: bool, failures: tuple[type[Exception], ...] = ()) -> None:
        super().__init__(uri)
        self.fs = fs
        self._failures: tuple[type[Exception], ...] = _CONNECTION_LOST + failures
        self.root = root.rstrip("/")
        self._renames = renames

    def key(self, path: ArtifactPath) -> str:
        return f"{self.root}/{path}" if path else self.root or "/"

    @contextmanager
    def translated(self, path: str) -> Iterator[None]:
        """Errors of the file system as ours."""
        try:
            yield
        except MillstreamError:
            raise
        except FileNotFoundError:
            raise ArtifactNotFound(path) from None
        except IsADirectoryError:
            raise InvalidValue(f"The artifact {path!r} is a folder. List it, or name one of its files.") from None
        except (NotADirectoryError, FileExistsError):
            raise InvalidValue(
                f"Cannot store an artifact at {path!r}: its name is taken by a folder or a file."
            ) from None
        except PermissionError as error:
            raise RemoteRefused(
                f"The artifact store {self.uri!r} refuses access: {error}. Check the credentials."
            ) from error
        except self.failures() as error:
            raise RemoteFailed(f"The artifact store {self.uri!r} failed: {type(error).__name__}: {error}.") from error

    def failures(self) -> tuple[type[Exception], ...]:
        """What the file system raises when the store does not answer."""
        return self._failures

    def _list(self, folder: ArtifactPath) -> Files:
        key = self.key(folder)
        with self.translated(folder):
            try:
                entries = self.fs.ls(key, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        own = key.strip("/")
        found = []
        for entry in entries:
            name = str(entry["name"]).strip("/")
            if name == own or not name.startswith(own + "/" if own else ""):
                continue  # a file lists itself, and some stores keep an empty object as the folder
            base = name.rpartition("/")[2]
            if base.startswith(_TEMPORARY):
                continue
            is_folder = entry["type"] == "directory"
            path = f"{folder}/{base}" if folder else base
            found.append(FileInfo(path, is_folder, None if is_folder else int(entry.get("size") or 0)))
        return found

    def _create(self, path: ArtifactPath, size: int | None) -> FsspecSink:
        with self.translated(path):
            return FsspecSink(self, path, self._renames)

    def _source(self, path: ArtifactPath) -> FsspecSource:
        with self.translated(path):
            return FsspecSource(self, path)

    def _delete(self, path: ArtifactPath) -> None:
        with self.translated(path):
            try:
                self.fs.rm(glob.escape(self.key(path)), recursive=True)  # `rm` takes `*`, `?` and `[` for patterns
            except FileNotFoundError:
                return


_TEMPORARY = ".millstream-"


class FsspecSink:
    """One file on its way to a remote store."""

    def __init__(self, repository: FsspecRepository, path: ArtifactPath, renames: bool) -> None:
        self._repository = repository
        self._path = path
        self._final = repository.key(path)
        self._temporary: str | None = None
        fs = repository.fs
        if renames:
            folder = self._final.rpartition("/")[0]
            if folder:
                _make_folder(fs, folder)
            if fs.isdir(self._final):
                raise IsADirectoryError(self._final)
            self._temporary = f"{folder}/{_TEMPORARY}{secrets.token_hex(8)}"
        self._file = fs.open(self._temporary or self._final, "wb", block_size=WRITE_BLOCK_BYTES)

    def write(self, data: bytes | memoryview) -> None:
        with self._repository.translated(self._path):
            self._file.write(data)

    def commit(self) -> None:
        with self._repository.translated(self._path):
            try:
                self._file.close()
                self._file = None
                if self._temporary is not None:
                    self._rename(self._temporary)
                    self._temporary = None
            finally:
                self.abort()

    def _rename(self, temporary: str) -> None:
        fs = self._repository.fs
        if hasattr(fs, "ftp") and hasattr(fs.ftp, "posix_rename"):
            fs.ftp.posix_rename(temporary, self._final)
            return
        if fs.exists(self._final):
            fs.rm(self._final)
        fs.mv(temporary, self._final)

    def abort(self) -> None:
        file, self._file = self._file, None
        with contextlib.suppress(*self._repository.failures()):
            if file is not None and self._temporary is not None:
                file.close()
            elif file is not None:
                _forget(file)
            if self._temporary is not None:
                self._repository.fs.rm(self._temporary)
        self._temporary = None


def _make_folder(fs: Any, folder: str) -> None:
    """Other threads make folders at the same time, and file systems say of one that has just come only that they failed."""
    for _ in range(folder.count("/") + 1):
        try:
            fs.makedirs(folder, exist_ok=True)
        except OSError:
            continue
        return
    if not fs.isdir(folder):
        fs.makedirs(folder, exist_ok=True)


def _forget(file: Any) -> None:
    """Drop an object that is being written; to close it would complete it."""
    with contextlib.suppress(NotImplementedError):
        if getattr(file, "mpu", None) or getattr(file, "location", None):
            file.discard()
    file.closed = True


class FsspecSource:
    """One remote file, open for reading."""

    def __init__(self, repository: FsspecRepository, path: ArtifactPath) -> None:
        self._repository = repository
        self._path = path
        key = repository.key(path)
        info = repository.fs.info(key)
        if info["type"] == "directory":
            raise IsADirectoryError(key)
        self.size = int(info.get("size") or 0)
        self.modified = _seconds(info)
        self.etag = _etag(info, self.size, self.modified)
        self._file: Any = None

    def read(self, offset: int, length: int) -> bytes:
        with self._repository.translated(self._path):
            if self._file is None:
                self._file = self._repository.fs.open(
                    self._repository.key(self._path), "rb", block_size=READ_BLOCK_BYTES, cache_type="readahead"
                )
            if self._file.tell() != offset:
                self._file.seek(offset)
            data: bytes = self._file.read(min(length, max(0, self.size - offset)))
            return data

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(*self._repository.failures()):
                self._file.close()
            self._file = None


def _seconds(info: dict[str, Any]) -> float:
    for name in ("LastModified", "mtime", "modified", "last_modified", "updated"):
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                return datetime.fromisoformat(value).timestamp()
    return 0.0


def _etag(info: dict[str, Any], size: int, modified: float) -> str:
    for name in ("ETag", "etag", "md5Hash", "generation"):
        if info.get(name):
            return '"' + str(info[name]).strip('"') + '"'
    return f'"{int(modified * 1e6):x}-{size:x}"' if modified else ""


# ---------------------------------------------------------------- one function per scheme


def open_gcs(uri: str) -> FsspecRepository:
    import gcsfs

    parts = urlsplit(uri)
    fs = gcsfs.GCSFileSystem(use_listings_cache=False)
    return FsspecRepository(uri, fs, parts.netloc + _folder(parts.path), renames=False)


def open_azure(uri: str) -> FsspecRepository:
    """`wasbs://container@account.blob.core.windows.net/path` and `abfss://container@account.dfs.core.windows.net/path`.

    Credentials: AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCESS_KEY, else those that Azure's own tools find.
    """
    import adlfs

    parts = urlsplit(uri)
    container, _, host = parts.netloc.rpartition("@")
    if not container or not host:
        raise InvalidValue(f"{uri!r} must be {parts.scheme}://container@account.host/path.")
    options: dict[str, Any] = {"account_name": host.partition(".")[0]}
    connection, key = os.environ.get("AZURE_STORAGE_CONNECTION_STRING"), os.environ.get("AZURE_STORAGE_ACCESS_KEY")
    if connection:
        options["connection_string"] = connection
    elif key:
        options["account_key"] = key
    else:
        options["anon"] = False
    fs = adlfs.AzureBlobFileSystem(use_listings_cache=False, **options)
    return FsspecRepository(uri, fs, container + _folder(parts.path), renames=False)


def open_hdfs(uri: str) -> FsspecRepository:
    """HDFS by its native client (`hdfs:`, `viewfs:`); needs a Hadoop installation that libhdfs finds."""
    from fsspec.implementations.arrow import HadoopFileSystem

    parts = urlsplit(uri)
    host = f"{parts.scheme}://{parts.hostname}" if parts.scheme == "viewfs" and parts.hostname else parts.hostname
    with _connecting(uri):
        fs = HadoopFileSystem(
            host=host or "default",
            port=parts.port or 0,
            user=settings.KERBEROS_USER.get() or parts.username,
            kerb_ticket=settings.KERBEROS_TICKET_CACHE.get(),
            extra_conf=_pairs(os.environ.get("MLFLOW_PYARROW_EXTRA_CONF")),
        )
    return FsspecRepository(uri, fs, unquote(parts.path), renames=True)


def open_webhdfs(uri: str) -> FsspecRepository:
    from fsspec.implementations.webhdfs import WebHDFS

    parts = urlsplit(uri)
    user = settings.KERBEROS_USER.get() or parts.username
    fs = WebHDFS(parts.hostname, parts.port or 9870, kerberos=False, user=user)
    return FsspecRepository(uri, fs, unquote(parts.path), renames=True)


def open_sftp(uri: str) -> FsspecRepository:
    """SFTP; the host's key must be known to `~/.ssh/known_hosts`, and keys of the user come from the agent or `~/.ssh`."""
    from paramiko import SSHException

    from millstream.artifacts.sftp import KnownHostsSftp

    parts = urlsplit(uri)
    options: dict[str, Any] = {"port": parts.port or 22}
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    with _connecting(uri, SSHException):
        fs = KnownHostsSftp(parts.hostname, **options)
    return FsspecRepository(_without_password(uri), fs, unquote(parts.path), renames=True, failures=(SSHException,))


def open_ftp(uri: str) -> FsspecRepository:
    import ftplib

    from fsspec.implementations.ftp import FTPFileSystem

    parts = urlsplit(uri)
    with _connecting(uri, ftplib.Error):
        fs = FTPFileSystem(
            parts.hostname,
            port=parts.port or 21,
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            use_listings_cache=False,
        )
    repository = FsspecRepository(
        _without_password(uri), fs, unquote(parts.path), renames=True, failures=(ftplib.Error,)
    )
    repository.max_threads = 1  # one control connection, which cannot be shared
    return repository


@contextmanager
def _connecting(uri: str, *failures: type[Exception]) -> Iterator[None]:
    try:
        yield
    except _CONNECTION_LOST + failures as error:
        raise RemoteFailed(
            f"The artifact store {_without_password(uri)!r} cannot be reached: {type(error).__name__}: {error}."
        ) from error


def _folder(path: str) -> str:
    trimmed = path.strip("/")
    return f"/{trimmed}" if trimmed else ""


def _pairs(text: str | None) -> dict[str, str] | None:
    """`a=1,b=2` as a dict."""
    return dict(pair.split("=", 1) for pair in text.split(",")) if text else None


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if not parts.password:
        return uri
    return uri.replace(f":{parts.password}@", "@", 1)
