"""Folders that Spark writes and reads, brought to this machine and back.

Spark's executors write what they are told to save, each its own part, so the folder has to be one that all of them and this process
reach. Where all of Spark runs on this machine that is any local folder. Elsewhere it is a folder below the *staging place*: the argument
`dfs_tmpdir`, else the setting SPARK_STAGING, else `/tmp/millstream` on a cluster's own filesystem. Each call has a folder of its own in it.

A cluster's filesystem is reached through Hadoop in the Java process of the session. A session of Spark Connect has no such process: there
the staging place is a URI that our own artifact stores read too (`s3://...`), or a folder that both machines have mounted.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from millstream import settings
from millstream.errors import InvalidState, MillstreamError
from millstream.models.spark import session as sessions

T = TypeVar("T")
logger = logging.getLogger("millstream")

DEFAULT_PLACE = "/tmp/millstream"
"""On the filesystem that a cluster is configured to use."""

_OURS = {"s3a": "s3", "s3n": "s3"}
"""Hadoop's names of schemes that our artifact stores call otherwise."""


class NoStaging(InvalidState):
    """No folder is known that Spark and this process both reach."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason} Spark writes and reads model files where it runs, so they have to pass through a folder that it and this "
            "process both reach. Either set MILLSTREAM_SPARK_STAGING (or MLFLOW_DFS_TMP, or dfs_tmpdir=) to such a place, a store "
            "like s3://bucket/staging or a folder that is mounted on both sides; or save the model in a program with a classic "
            "session on the cluster (spark-submit); or leave the model out (log_models=False when autologging)."
        )


class Incomplete(MillstreamError):
    """Executors wrote to disks of their own."""

    code = "INVALID_PARAMETER_VALUE"

    def __init__(self, folder: str, place: str) -> None:
        super().__init__(
            f"Spark says that it has written {folder!r}, but there is nothing in it: its executors wrote to disks of their own. The "
            f"staging place {place!r} has to be on a filesystem that the whole cluster shares: give dfs_tmpdir=, or set "
            "MILLSTREAM_SPARK_STAGING, such as hdfs:///tmp or s3a://bucket/staging."
        )


def save(write: Callable[[str], object], target: Path, session: Any, dfs_tmpdir: str | None = None) -> None:
    """Let Spark write a folder, and have it at `target` on this machine, without the checksum files that Hadoop puts beside.

    Args:
        write: has Spark write a new folder with this URI.
        target: does not exist yet.
        dfs_tmpdir: the staging place; found as the module says if not given.
    Raises:
        NoStaging, Incomplete.
    """
    place = _place(session, dfs_tmpdir)
    if place is None:
        write(target.as_uri())
        if not target.is_dir():
            raise NoStaging(f"The Spark server has written {str(target)!r}, but not on this machine.")
    else:
        with _folder(session, place) as folder:
            write(folder.uri)
            folder.bring(target)
    _remove_checksums(target)
    for marker in target.rglob("_SUCCESS"):
        if not any(marker.parent.glob("part-*")) and not any(marker.parent.glob("*=*")):
            raise Incomplete(str(marker.parent.relative_to(target)), str(place or target.parent))


def load(read: Callable[[str], T], source: Path, session: Any, dfs_tmpdir: str | None = None) -> T:
    """Let Spark read a folder of this machine.

    A copy on the staging place stays until this program ends: Spark reads some models' data when it is first used.

    Args:
        read: has Spark read the folder with this URI.
    """
    place = _place(session, dfs_tmpdir)
    if place is None:
        return read(source.resolve().as_uri())
    staged = contextlib.ExitStack()
    atexit.register(staged.close)
    folder = staged.enter_context(_folder(session, place))
    folder.put(source)
    return read(folder.uri)


def direct(session: Any, location: str) -> str | None:
    """The URI by which Spark itself writes below an artifact location; None if it cannot, or need not.

    Args:
        location: URI of a folder of an artifact store.
    """
    if sessions.is_connect(session):
        return None
    scheme, colon, rest = location.partition("://")
    if not colon or scheme in ("file", "mlflow-artifacts", "http", "https", "runs", "models"):
        return None
    for name in (scheme, *(hadoop for hadoop, ours in _OURS.items() if ours == scheme)):
        try:
            session._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(name, session._jsc.hadoopConfiguration())
        except Exception:  # of py4j: Hadoop knows no such scheme, or not its class
            continue
        return f"{name}://{rest}"
    return None


def _place(session: Any, dfs_tmpdir: str | None) -> str | None:
    """The staging place; None where Spark reaches the paths of this process. Raises NoStaging."""
    if dfs_tmpdir:
        return dfs_tmpdir.rstrip("/")
    if not sessions.is_connect(session):
        if sessions.runs_here(session):
            return None
        return (settings.SPARK_STAGING.get() or DEFAULT_PLACE).rstrip("/")
    place = settings.SPARK_STAGING.get()
    if place:
        return place.rstrip("/")
    if sessions.runs_here(session):
        return None
    raise NoStaging("This is a session of Spark Connect with a server on another machine.")


class _Hadoop:
    """A folder on a filesystem of Hadoop's."""

    def __init__(self, session: Any, uri: str) -> None:
        self.uri = uri
        hadoop = session._jvm.org.apache.hadoop.fs
        self._to_path = hadoop.Path
        self._path = hadoop.Path(uri)
        self._files = self._path.getFileSystem(session._jsc.hadoopConfiguration())

    def bring(self, target: Path) -> None:
        is_raw = True  # which writes no checksums
        self._files.copyToLocalFile(False, self._path, self._to_path(target.as_uri()), is_raw)

    def put(self, source: Path) -> None:
        self._files.copyFromLocalFile(False, True, self._to_path(source.resolve().as_uri()), self._path)

    def delete(self) -> None:
        self._files.delete(self._path, True)


class _Shared:
    """A folder that the Spark server and our artifact stores both reach."""

    def __init__(self, uri: str) -> None:
        from millstream.artifacts import open_repository

        scheme, colon, rest = uri.partition("://")
        self.uri = uri
        self._repository = open_repository(f"{_OURS.get(scheme, scheme)}{colon}{rest}")

    def bring(self, target: Path) -> None:
        if not self._repository.list():
            raise NoStaging(f"The Spark server has written {self.uri!r}, but nothing can be seen there from here.")
        self._repository.download(None, target)

    def put(self, source: Path) -> None:
        self._repository.log_folder(source)

    def delete(self) -> None:
        self._repository.delete_all()


@contextlib.contextmanager
def _folder(session: Any, place: str) -> Iterator[_Hadoop | _Shared]:
    """A new folder's name below the staging place; the folder is deleted at the end."""
    uri = f"{place}/{uuid.uuid4().hex}"
    folder = _Shared(uri) if sessions.is_connect(session) else _Hadoop(session, uri)
    try:
        yield folder
    finally:
        try:
            folder.delete()
        except Exception as error:  # of py4j or of a store: the work itself is done
            logger.warning("The temporary folder %r could not be deleted: %s", uri, str(error).split("\n")[0])


def _remove_checksums(folder: Path) -> None:
    """Hadoop's `.part-00000.crc` beside each file, which readers do without and some artifact stores refuse."""
    for path in folder.rglob(".*.crc"):
        path.unlink()
