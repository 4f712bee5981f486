"""Where prepared environments are kept: one folder each, named by the hash of what is in it.

    <root>/ms-<24 hex digits>/environment.json   written last: without it the folder counts for nothing
                              env/               the environment itself (virtual environments cannot be moved once made)
                              requirements.txt   what was installed
    <root>/ms-<...>.lock                         held while the folder is made, checked or removed
    <root>/wheels/<hash>/                        Millstream itself, as a wheel

An environment is made under its lock, which the installers inherit: when the process that makes one is killed, whoever comes
next waits until they have ended too, finds no environment.json, and begins again.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from millstream import settings
from millstream.errors import EnvironmentFailed

READY = "environment.json"
_KEY = re.compile(r"ms-[0-9a-f]{24}")

Manager = Literal["uv", "virtualenv", "conda", "local"]


class Entry(Struct, frozen=True):
    """A prepared environment.

    Attributes:
        key: name of its folder.
        manager: what made it.
        python_version: of its interpreter.
        requirements: the lines that were installed.
        created_time, used_time: milliseconds since the epoch; used is when it was last asked for.
        seconds: how long it took to make.
    """

    key: str
    manager: Manager
    python_version: str
    requirements: list[str]
    created_time: int
    seconds: float
    used_time: int = 0

    @property
    def folder(self) -> Path:
        return cache_root() / self.key

    def size_bytes(self) -> int:
        """Bytes of its files; those that an installer shares between environments by hard links count in each."""
        return sum(file.lstat().st_size for file in self.folder.rglob("*") if not file.is_symlink() and file.is_file())


def cache_root() -> Path:
    """The cache's folder, made if missing. Raises EnvironmentFailed if other users could write to it."""
    configured = settings.ENV_ROOT.get()
    root = Path(configured) if configured else Path.home() / ".cache" / "millstream" / "environments"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as error:
        raise EnvironmentFailed(
            f"The folder of environments {str(root)!r} cannot be used ({error.strerror})", ""
        ) from None
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise EnvironmentFailed(
            f"The folder of environments {str(root)!r} belongs to or can be written by other users. Set MILLSTREAM_ENV_ROOT to "
            "a folder of your own",
            "",
        )
    return root.resolve()


@contextmanager
def locked(key: str, *, shared: bool = False, wait: bool = True) -> Iterator[int | None]:
    """Hold the lock of an environment.

    Yields:
        The lock's file descriptor, for processes that must hold it as long as they live; None if `wait` is off and someone
        else has it.
    """
    import fcntl

    path = cache_root() / f"{key}.lock"
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, kind)
            except BlockingIOError:
                yield None
                return
            if not _is_still(path, descriptor):  # removed together with its environment while we waited
                continue
            yield descriptor
            return
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def find(key: str) -> Entry | None:
    """The environment of a key, if it is complete."""
    marker = cache_root() / key / READY
    try:
        entry = msgspec.json.decode(marker.read_bytes(), type=Entry)
        used_time = int(marker.stat().st_mtime * 1000)
    except (OSError, msgspec.DecodeError):
        return None
    return msgspec.structs.replace(entry, used_time=used_time)


def complete(entry: Entry) -> None:
    """Declare an environment ready; the last step of making it."""
    folder = entry.folder
    draft = folder / f"{READY}.draft"
    with open(draft, "wb") as file:
        file.write(msgspec.json.encode(entry))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / READY)


def touch(entry: Entry) -> None:
    """Note that an environment is used now."""
    os.utime(entry.folder / READY)


def remove(folder: Path) -> None:
    """Remove an environment's folder; at no moment is there a folder that looks ready and is not whole."""
    (folder / READY).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def entries() -> list[Entry]:
    """All complete environments, the last used first."""
    found = (find(path.name) for path in cache_root().iterdir() if _KEY.fullmatch(path.name) and path.is_dir())
    return sorted((entry for entry in found if entry is not None), key=lambda entry: -entry.used_time)


def gc(unused_days: float = 30.0, *, dry_run: bool = False) -> list[Entry]:
    """Remove environments that nobody asked for in so many days, and what interrupted builds left.

    Environments that are being made, or that a process on this machine runs in, stay.

    Returns:
        The environments that were removed (or would be, with `dry_run`).
    """
    root = cache_root()
    limit = (time.time() - unused_days * 86_400) * 1000
    removed = []
    running = _interpreters_of_processes()
    for path in sorted(root.iterdir()):
        if not _KEY.fullmatch(path.name) or not path.is_dir() or any(name.startswith(f"{path}/") for name in running):
            continue
        with locked(path.name, wait=False) as lock:
            if lock is None:
                continue
            entry = find(path.name)
            if entry is not None and entry.used_time > limit:
                continue
            if entry is not None:
                removed.append(entry)
            if not dry_run:
                remove(path)
                (root / f"{path.name}.lock").unlink(missing_ok=True)
    if not dry_run:
        _remove_unused_locks(root)
        _remove_old_wheels(root / "wheels", limit)
    return removed


def _remove_unused_locks(root: Path) -> None:
    """Those of environments that could not be made."""
    for path in root.glob("ms-*.lock"):
        if not path.with_suffix("").exists():
            with locked(path.stem, wait=False) as lock:
                if lock is not None and not path.with_suffix("").exists():
                    path.unlink(missing_ok=True)


def _remove_old_wheels(folder: Path, limit: float) -> None:
    for wheel in folder.glob("*/*.whl") if folder.is_dir() else ():
        if wheel.stat().st_mtime * 1000 <= limit:
            shutil.rmtree(wheel.parent, ignore_errors=True)


def _interpreters_of_processes() -> set[str]:
    """What the processes on this machine were started as, as far as we may see it."""
    import psutil

    found: set[str] = set()
    for process in psutil.process_iter(["cmdline"]):
        found.update((process.info["cmdline"] or [])[:1])
    return found
