"""Moving files between this machine and a repository: several at a time, resumed where they were cut, and never half there."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from millstream import settings
from millstream.artifacts import paths
from millstream.artifacts.paths import ArtifactPath
from millstream.errors import ArtifactNotFound, InvalidValue, LocalFileNotFound, Unavailable

if TYPE_CHECKING:
    from millstream.artifacts.repository import Repository, Source

BLOCK_BYTES = 1 << 20
RESUMABLE_BYTES = 8 << 20
"""What came of a smaller file is not worth keeping."""
PROGRESS_AFTER_S = 1.0
_PARTIAL_PREFIX = ".millstream-"
_PARTIAL_SUFFIX = ".part"


# ---------------------------------------------------------------- folders


def files_below(folder: str) -> list[tuple[str, ArtifactPath]]:
    """The files below a local folder with their paths relative to it, by path; links are followed, but no circle of them."""
    if not os.path.exists(folder):
        raise LocalFileNotFound(folder)
    if not os.path.isdir(folder):
        raise InvalidValue(f"{folder!r} is not a folder. `log_artifact` stores a single file.")
    found: list[tuple[str, ArtifactPath]] = []
    _collect(folder, "", (os.path.realpath(folder),), found)
    return sorted(found, key=lambda pair: pair[1])


def _collect(folder: str, prefix: str, above: tuple[str, ...], found: list[tuple[str, ArtifactPath]]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                real = os.path.realpath(entry.path)
                if real not in above:
                    _collect(entry.path, f"{prefix}{entry.name}/", (*above, real), found)
            elif entry.is_file():
                found.append((entry.path, paths.check(prefix + entry.name)))


def upload_files(repository: Repository, files: Sequence[tuple[str, ArtifactPath]]) -> None:
    """Store local files, several at a time. The first error is raised once no transfer is under way any more."""
    for source, _ in files:
        if not os.path.exists(source):
            raise LocalFileNotFound(source)
        if not os.path.isfile(source):
            raise InvalidValue(f"{source!r} is not a file.")
    total = sum(os.path.getsize(source) for source, _ in files)
    with Progress("Uploading", total) as progress:
        _for_each(lambda pair: repository._put(pair[0], pair[1], progress.advance), files, repository.max_threads)


def download_to(repository: Repository, path: ArtifactPath, destination: str | None) -> str:
    """See `Repository.download`."""
    here = repository.local_path(path)
    if here is not None and (destination is None or not os.path.exists(here)):
        if not os.path.exists(here):
            raise ArtifactNotFound(path or repository.uri)
        return here
    files = _remote_files(repository, path)
    base = destination if destination is not None else tempfile.mkdtemp(prefix="millstream-artifacts-")
    base = os.path.abspath(base)
    target = os.path.join(base, *path.split("/")) if path else base
    if not files and path and not (here is not None and os.path.isdir(here)):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with Progress("Downloading", None) as progress:
            repository._fetch(path, target, progress.advance)
        return target
    os.makedirs(target, exist_ok=True)
    for folder in {os.path.dirname(os.path.join(base, file)) for file, _ in files}:
        os.makedirs(folder, exist_ok=True)
    with Progress("Downloading", sum(size for _, size in files)) as progress:
        _for_each(
            lambda file: repository._fetch(file[0], os.path.join(base, file[0]), progress.advance),
            files,
            repository.max_threads,
        )
    return target


def _remote_files(repository: Repository, folder: ArtifactPath) -> list[tuple[ArtifactPath, int]]:
    """All files below a folder. Names come from somebody else's store: they are checked before anything is written here."""
    prefix = f"{folder}/" if folder else ""
    found = []
    for info in repository.walk(folder):
        path = paths.check(info.path)
        if not path.startswith(prefix) or path == prefix:
            raise InvalidValue(
                f"The store lists {info.path!r} inside {folder!r}, where it cannot be. Nothing was downloaded."
            )
        found.append((path, info.file_size or 0))
    return found


def _for_each(move: Callable[[Any], None], items: Sequence[Any], limit: int | None) -> None:
    threads = max(1, min(settings.ARTIFACT_TRANSFER_THREADS.get(), len(items), limit or len(items)))
    if threads == 1:
        for item in items:
            move(item)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="transfer") as pool:
        moves = [pool.submit(move, item) for item in items]
        done, waiting = wait(moves, return_when=FIRST_EXCEPTION)
        for move_waiting in waiting:
            move_waiting.cancel()
    for finished in done:
        finished.result()


# ---------------------------------------------------------------- downloads of one file


class Partial:
    """The part of a file that has arrived, beside the place that the file will have.

    It is kept when the download is cut, if the store names the version (ETag), and found by the next try: its name holds both.
    Somebody else who downloads to the same place at the same time gets a file of their own.
    """

    def __init__(self, local_path: str, etag: str) -> None:
        self._target = local_path
        self._is_kept = is_strong(etag)
        folder = os.path.dirname(local_path) or "."
        name = _partial_name(local_path, etag) if self._is_kept else ""
        if name and len(name) <= paths.MAX_SEGMENT_BYTES:
            self.path = os.path.join(folder, name)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if not _lock(self._fd):
                os.close(self._fd)
                name = ""
        if not name or len(name) > paths.MAX_SEGMENT_BYTES:
            self._is_kept = False
            self._fd, self.path = tempfile.mkstemp(_PARTIAL_SUFFIX, _PARTIAL_PREFIX, folder)
        self.size = os.fstat(self._fd).st_size

    def restart(self) -> None:
        os.ftruncate(self._fd, 0)
        self.size = 0

    def append(self, block: bytes | memoryview) -> None:
        view = memoryview(block)
        while view:
            count = os.pwrite(self._fd, view, self.size)
            self.size += count
            view = view[count:]

    def finish(self) -> None:
        """It is complete: give it its name."""
        umask = os.umask(0o022)
        os.umask(umask)
        os.fchmod(self._fd, 0o666 & ~umask)
        os.replace(self.path, self._target)
        os.close(self._fd)
        self._fd = -1

    def close(self) -> None:
        """Let go of it, keeping it if that helps the next try. Harmless after `finish`."""
        if self._fd < 0:
            return
        if not self._is_kept or self.size < RESUMABLE_BYTES:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        os.close(self._fd)
        self._fd = -1


def is_strong(etag: str) -> bool:
    """Whether the ETag promises the same bytes, not only the same meaning."""
    return bool(etag) and not etag.startswith("W/")


def known_partial(local_path: str) -> tuple[str, int] | None:
    """ETag and size in bytes of what an earlier download to this place has left; the largest of several."""
    folder = os.path.dirname(local_path) or "."
    prefix = _partial_prefix(local_path)
    found: list[tuple[str, int]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith(_PARTIAL_SUFFIX):
                text = entry.name[len(prefix) : -len(_PARTIAL_SUFFIX)]
                with contextlib.suppress(ValueError, binascii.Error, OSError):
                    etag = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
                    found.append((etag, entry.stat(follow_symlinks=False).st_size))
    return max(found, key=lambda pair: pair[1], default=None)


def _partial_prefix(local_path: str) -> str:
    return f"{_PARTIAL_PREFIX}{hashlib.sha256(os.path.basename(local_path).encode()).hexdigest()[:16]}-"


def _partial_name(local_path: str, etag: str) -> str:
    return _partial_prefix(local_path) + base64.urlsafe_b64encode(etag.encode()).decode().rstrip("=") + _PARTIAL_SUFFIX


def _lock(fd: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def fetch_from_source(open_source: Callable[[], Source], local_path: str, progress: Callable[[int], None]) -> None:
    """Copy a source to a local file that appears whole or not at all."""
    source = open_source()
    try:
        partial = Partial(local_path, source.etag)
        try:
            if partial.size > source.size:
                partial.restart()
            progress(partial.size)
            while partial.size < source.size:
                block = source.read(partial.size, min(BLOCK_BYTES, source.size - partial.size))
                if not block:
                    raise Unavailable(
                        f"The artifact became shorter while it was downloaded to {local_path!r}. Try again."
                    )
                partial.append(block)
                progress(len(block))
            partial.finish()
        finally:
            partial.close()
    finally:
        source.close()


# ---------------------------------------------------------------- progress


class Progress:
    """A bar in the terminal, for transfers that take more than a second.

    Args:
        title: what is done.
        total: bytes in all; None if unknown.
    """

    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._is_wanted = (
            sys.stderr is not None and sys.stderr.isatty() and settings.ENABLE_ARTIFACTS_PROGRESS_BAR.get()
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int) -> None:
        """Say that `count` more bytes have been moved; from any thread."""
        if not self._is_wanted:
            return
        with self._lock:
            self._done += count
            if self._bar is None:
                if time.monotonic() - self._started < PROGRESS_AFTER_S:
                    return
                self._show()
            self._bar.update(self._task, completed=self._done)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._title, total=self._total)
        self._bar.start()


def counted(blocks: Iterable[bytes], progress: Callable[[int], None]) -> Iterator[bytes]:
    for block in blocks:
        yield block
        progress(len(block))
