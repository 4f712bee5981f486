"""A repository: the artifacts below one URI, wherever they are. `open_repository` finds the right kind by the URI's scheme."""

from __future__ import annotations

import importlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BufferedReader, RawIOBase
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from millstream.artifacts import paths
from millstream.artifacts.model_uris import names_logged_model
from millstream.artifacts.paths import ArtifactPath
from millstream.entities import FileInfo
from millstream.errors import InvalidValue, MissingLibrary, Unsupported

Files = list[FileInfo]
BLOCK_BYTES = 1 << 20
"""How much of a file is held in memory at once while it is moved."""


class Sink(Protocol):
    """One file being written: it appears whole by `commit`, or not at all. Used by one thread at a time."""

    def write(self, data: bytes | memoryview) -> None: ...
    def commit(self) -> None:
        """Make it visible and durable; the sink is closed then, also if this raises."""
        ...

    def abort(self) -> None:
        """Forget it. Harmless after `commit`."""
        ...


class Source(Protocol):
    """One stored file, open for reading ranges. Used by one thread at a time."""

    size: int
    """In bytes."""
    etag: str
    """Changes whenever the content does; "" if the store does not say."""
    modified: float
    """Seconds since the epoch; 0 if the store does not say."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""
        ...

    def close(self) -> None: ...


class Repository(ABC):
    """The artifacts below one URI.

    Paths are relative to it, `/` between segments, and checked here. All methods raise errors of `millstream.errors`:
    NotFound for what is not there, InvalidValue for paths that cannot be, Unavailable for a store that does not answer.
    """

    max_threads: int | None = None
    """How many transfers the store stands at once, if fewer than the setting says."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    # ------------------------------------------------------------ what each kind of store does itself
    @abstractmethod
    def _list(self, folder: ArtifactPath) -> Files:
        """One level; paths relative to the repository. A file or a missing folder gives nothing."""

    @abstractmethod
    def _create(self, path: ArtifactPath, size: int | None) -> Sink: ...

    @abstractmethod
    def _source(self, path: ArtifactPath) -> Source: ...

    @abstractmethod
    def _delete(self, path: ArtifactPath) -> None:
        """A file or a whole folder; a missing one is fine. "" is everything, the root included."""

    def _put(self, local_path: str, path: ArtifactPath, progress: Callable[[int], None]) -> None:
        """Store one local file. `progress` is told of the bytes moved since its last call."""
        with open(local_path, "rb", buffering=0) as file:
            sink = self._create(path, os.fstat(file.fileno()).st_size)
            try:
                while block := file.read(BLOCK_BYTES):
                    sink.write(block)
                    progress(len(block))
                sink.commit()
            finally:
                sink.abort()

    def _fetch(self, path: ArtifactPath, local_path: str, progress: Callable[[int], None]) -> None:
        """Bring one file to `local_path`, whole or not at all; what came of a large file is kept for the next try."""
        from millstream.artifacts.transfer import fetch_from_source

        fetch_from_source(lambda: self._source(path), local_path, progress)

    # ------------------------------------------------------------ what users call
    def list(self, path: str | None = None) -> Files:
        """One level of a folder, sorted by path; paths are relative to the repository."""
        return sorted(self._list(paths.check_folder(path)), key=lambda info: info.path)

    def walk(self, path: str | None = None) -> Iterator[FileInfo]:
        """All files of a folder, at any depth."""
        for info in self.list(path):
            if info.is_dir:
                yield from self.walk(info.path)
            else:
                yield info

    def log_file(self, local_path: str | os.PathLike[str], folder: str | None = None) -> None:
        """Store a file under its own name in `folder`."""
        from millstream.artifacts.transfer import upload_files

        source = os.fspath(local_path)
        name = paths.check_name(os.path.basename(os.path.abspath(source)))
        upload_files(self, [(source, paths.join(paths.check_folder(folder), name))])

    def log_file_as(self, local_path: str | os.PathLike[str], path: str) -> None:
        """Store a file at `path`, whatever its own name is."""
        from millstream.artifacts.transfer import upload_files

        upload_files(self, [(os.fspath(local_path), paths.check(path))])

    def log_folder(self, local_folder: str | os.PathLike[str], folder: str | None = None) -> None:
        """Store all files below a local folder in `folder`, several at a time; links are followed."""
        from millstream.artifacts.transfer import files_below, upload_files

        target = paths.check_folder(folder)
        upload_files(
            self, [(source, paths.join(target, path)) for source, path in files_below(os.fspath(local_folder))]
        )

    def log_stream(self, stream: IO[bytes] | Iterable[bytes], path: str) -> None:
        """Store what a binary file or an iterable of bytes yields, without a local copy."""
        sink = self._create(paths.check(path), None)
        try:
            for block in _blocks(stream):
                sink.write(block)
            sink.commit()
        finally:
            sink.abort()

    def log_bytes(self, data: bytes, path: str) -> None:
        """Store a small file from memory."""
        sink = self._create(paths.check(path), len(data))
        try:
            if data:
                sink.write(data)
            sink.commit()
        finally:
            sink.abort()

    def open(self, path: str) -> IO[bytes]:
        """A stored file, opened for reading and seeking; nothing is copied to the local disk."""
        return BufferedReader(_SourceFile(self._source(paths.check(path))), buffer_size=BLOCK_BYTES)

    def read_bytes(self, path: str) -> bytes:
        """A whole small file."""
        with self.open(path) as file:
            return file.read()

    def download(self, path: str | None = None, destination: str | os.PathLike[str] | None = None) -> str:
        """Bring a file or folder here.

        Args:
            path: file or folder; None is everything.
            destination: local folder that gets it, under `path`; made if missing. None is a new temporary folder, or the
                artifact itself if it is local already.
        Returns:
            The local path of the file or folder.
        """
        from millstream.artifacts.transfer import download_to

        return download_to(self, paths.check_folder(path), None if destination is None else os.fspath(destination))

    def delete(self, path: str) -> None:
        """Delete a file or a folder with all that is in it; a missing one is fine. The root is refused (InvalidValue)."""
        self._delete(paths.check(path))

    def delete_all(self) -> None:
        """Delete everything, the root included; for the permanent deletion of what the repository belongs to."""
        self._delete(paths.ROOT)

    def local_path(self, path: ArtifactPath) -> str | None:
        """Where the artifact is on this machine; None for a store that is elsewhere."""
        return None

    # ------------------------------------------------------------ what the server asks of its own stores
    def create(self, path: ArtifactPath, size: int | None = None) -> Sink:
        return self._create(path, size)

    def source(self, path: ArtifactPath) -> Source:
        return self._source(path)


class PresigningRepository(Repository):
    """A store that can let others upload parts and download, through addresses that carry the right to do so for a while."""

    @abstractmethod
    def presign_get(self, path: ArtifactPath, seconds: int) -> str: ...

    @abstractmethod
    def presign_put(self, path: ArtifactPath, seconds: int) -> str: ...

    @abstractmethod
    def create_parts(self, path: ArtifactPath, count: int) -> tuple[str, list[str]]:
        """Begin an upload in `count` parts: its id, and the address to PUT each part to."""

    @abstractmethod
    def complete_parts(self, path: ArtifactPath, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Put parts (number from 1, ETag that its PUT answered) together."""

    @abstractmethod
    def abort_parts(self, path: ArtifactPath, upload_id: str) -> None: ...


def _blocks(stream: IO[bytes] | Iterable[bytes]) -> Iterator[bytes]:
    read = getattr(stream, "read", None)
    if read is None:
        yield from stream
        return
    while block := read(BLOCK_BYTES):
        if not isinstance(block, bytes | bytearray | memoryview):
            raise InvalidValue(
                f"log_stream needs bytes, but the stream yields {type(block).__name__}: open it in binary mode."
            )
        yield bytes(block)


class _SourceFile(RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


# ---------------------------------------------------------------- schemes


class Scheme(Struct, frozen=True):
    """One row of the table: where the repositories of a URI scheme come from."""

    name: str
    module: str
    factory: str
    package: str | None = None
    """Module that must be importable."""
    install: str | None = None
    """What to give to `pip install`, if it is not."""
    is_remote: bool = True


SCHEMES: dict[str, Scheme] = {
    row.name: row
    for row in (
        Scheme("", "local", "LocalRepository", is_remote=False),
        Scheme("file", "local", "LocalRepository", is_remote=False),
        Scheme("mlflow-artifacts", "proxy", "open_proxy"),
        Scheme("runs", "indirect", "open_run"),
        Scheme("models", "indirect", "open_model"),
        Scheme("http", "http", "HttpRepository"),
        Scheme("https", "http", "HttpRepository"),
        Scheme("s3", "s3", "S3Repository", "s3fs", "'millstream[s3]'"),
        Scheme("r2", "s3", "open_r2", "s3fs", "'millstream[s3]'"),
        Scheme("gs", "remote", "open_gcs", "gcsfs", "'millstream[gcs]'"),
        Scheme("abfss", "remote", "open_azure", "adlfs", "'millstream[azure]'"),
        Scheme("wasbs", "remote", "open_azure", "adlfs", "'millstream[azure]'"),
        Scheme("hdfs", "remote", "open_hdfs", "pyarrow", "'millstream[hdfs]'"),
        Scheme("viewfs", "remote", "open_hdfs", "pyarrow", "'millstream[hdfs]'"),
        Scheme("webhdfs", "remote", "open_webhdfs", "requests", "requests"),
        Scheme("sftp", "remote", "open_sftp", "paramiko", "'millstream[sftp]'"),
        Scheme("ftp", "remote", "open_ftp"),
    )
}
"""The table of schemes; docs and tests walk it."""

PLUGIN_GROUP = "mlflow.artifact_repository"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")


def scheme_of(uri: str) -> str:
    """The scheme of an artifact URI, in lower case; "" for a plain path (also one with a Windows drive)."""
    found = _SCHEME.match(uri)
    return found[1].lower() if found else ""


def open_repository(uri: str | os.PathLike[str], tracking_uri: str | None = None, client: Any = None) -> Repository:
    """The repository of an artifact URI.

    Args:
        uri: a local path, or a URI of a scheme in `SCHEMES` or of a plug-in.
        tracking_uri: what `mlflow-artifacts:`, `runs:` and `models:` refer to; None is the one in force.
        client: for `runs:` and `models:`, a client to look the run or model up with; None makes one.
    Raises:
        InvalidValue: nobody knows the scheme, or the URI is malformed.
        MissingLibrary: the package for the scheme is not installed; the message holds its install line.
    """
    text = os.fspath(uri)
    scheme = scheme_of(text)
    row = SCHEMES.get(scheme)
    if row is None:
        return _open_plugin(scheme, text)
    if row.package is not None:
        try:
            importlib.import_module(row.package)
        except ImportError as error:
            raise MissingLibrary(row.package, f"An artifact at {scheme}://", row.install) from error
    factory = getattr(importlib.import_module(f"millstream.artifacts.{row.module}"), row.factory)
    if row.module == "proxy":
        repository: Repository = factory(text, tracking_uri)
    elif row.module == "indirect":
        repository = factory(text, tracking_uri, client)
    else:
        repository = factory(text)
    return repository


def _open_plugin(scheme: str, uri: str) -> Repository:
    from importlib.metadata import entry_points

    for entry in entry_points(group=PLUGIN_GROUP, name=scheme):
        from millstream.artifacts.plugin import PluginRepository

        return PluginRepository(uri, entry.load())
    known = ", ".join(name for name in SCHEMES if name)
    raise InvalidValue(f"No artifact repository knows the scheme {scheme!r} of {uri!r}. Known: local paths, {known}.")


def local_root(uri: str) -> str:
    """The absolute local path of a path or `file:` URI. Raises InvalidValue for a `file:` URI with a foreign host."""
    if scheme_of(uri) != "file":
        return os.path.abspath(os.path.expanduser(uri))
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise InvalidValue(f"{uri!r} names the host {parts.netloc!r}: a file URI is file:///path on this machine.")
    return os.path.abspath(unquote(parts.path))


def split_uri(uri: str) -> tuple[str, str]:
    """A URI as the URI of a folder and a name in it; the name is "" for a root, such as a bucket, a run or a model."""
    scheme = scheme_of(uri)
    if scheme in ("", "file"):
        root = local_root(uri)
        return os.path.dirname(root), os.path.basename(root)
    head, mark, query = (uri, "", "") if scheme in ("runs", "models") else uri.partition("?")
    head = head.rstrip("/")
    authority = len(urlsplit(head).scheme) + 1
    if head[authority:].startswith("//"):
        end = head.find("/", authority + 2)
        authority = len(head) if end < 0 else end
    place, slash, name = head[authority:].rpartition("/")
    if not slash or not name or place.count("/") < _root_segments(scheme, head[authority:]):
        return uri, ""
    return f"{head[:authority]}{place or ('/' if scheme == 'mlflow-artifacts' else '')}{mark}{query}", name


def _root_segments(scheme: str, path: str) -> int:
    """How many segments of a path name the thing whose artifacts follow."""
    if scheme == "models":
        first, second = (*path.lstrip("/").split("/", 2), "")[:2]
        return 1 if "@" in first or names_logged_model(first, second) else 2
    return 1 if scheme == "runs" else 0


def cannot(what: str, uri: str) -> Unsupported:
    return Unsupported(f"The artifact store of {uri!r} cannot {what}.")
