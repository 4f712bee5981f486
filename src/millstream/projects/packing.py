"""A project's folder as one file to send elsewhere: the same files always make the same bytes, so it is sent once.

The archive holds files and links, no folders of their own; times, owners and rights (but the right to be run) are left out.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import secrets
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from millstream.errors import InvalidValue

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MAX_BYTES = 1 << 30
MAX_FILES = 10_000
"""As many as careful unpackers take."""

LEFT_OUT = frozenset(
    {
        ".git", ".hg", ".svn", "mlruns", "mlartifacts", "__pycache__", "node_modules", ".ipynb_checkpoints", ".DS_Store",
        ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".cache",
        "millstream.db", "millstream.db-wal", "millstream.db-shm", "mlflow.db",
    }
)  # fmt: skip
"""Names that are never packed, wherever they stand; nor are virtual environments (a `pyvenv.cfg` tells them)."""

_MTIME = 315_532_800  # 1980: what refuses earlier times, such as zip files, can be made of the files
_NAMED_IN_ERRORS = 3


class Pack(Struct, frozen=True):
    """A packed project.

    Attributes:
        path: a .tar.gz.
        digest: SHA-256 of the archive before its compression, in hexadecimal.
        size_bytes: of the file.
    """

    path: Path
    digest: str
    size_bytes: int


def pack(root: Path, folder: Path, *, max_bytes: int = MAX_BYTES) -> Pack:
    """Write `<digest>.tar.gz` in `folder`, of the files that `project_files` names.

    Args:
        max_bytes: of all files before compression.
    Raises:
        InvalidValue: too large, a link that leads out of the project, or a file that cannot be read; nothing is left.
    """
    files = project_files(root)
    _check_size(files, max_bytes)
    draft = folder / f"{secrets.token_hex(8)}.draft"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            digest = _write(root, files, out)
        path = draft.rename(folder / f"{digest}.tar.gz")
    finally:
        draft.unlink(missing_ok=True)
    return Pack(path, digest, path.stat().st_size)


def project_files(root: Path) -> dict[str, os.stat_result]:
    """The files and links of a project by their names below `root`, in order.

    In a git work tree those that git tracks or would track, so `.gitignore` counts; elsewhere all. In both without `LEFT_OUT`,
    virtual environments, and what is neither file nor link.
    Raises: InvalidValue if git cannot read the work tree.
    """
    listed = _tracked(root) if _in_work_tree(root) else None
    names = listed or _walked(root)  # git names nothing of a folder that it ignores as a whole
    files = {}
    for name in sorted(names):
        if LEFT_OUT.isdisjoint(name.split("/")):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # tracked, but deleted
                found = os.lstat(root / name)
                if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
                    files[name] = found
    return files


def _in_work_tree(root: Path) -> bool:
    resolved = root.resolve()
    return any((folder / ".git").exists() for folder in (resolved, *resolved.parents))


def _tracked(root: Path) -> list[str] | None:
    """What git tracks or would track, submodules too; None without git."""
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "-c", "core.fsmonitor=false", *listing],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except FileNotFoundError:
        return None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()[:500]
        raise InvalidValue(f"git cannot say which files of {str(root)!r} belong to the project: {reason}")
    names = []
    for name in {os.fsdecode(each).rstrip("/") for each in done.stdout.split(b"\0") if each}:
        path = root / name
        if path.is_dir() and not path.is_symlink():  # a submodule, or a repository inside of the work tree
            inner = _tracked(path) if (path / ".git").exists() else None
            names += [f"{name}/{each}" for each in (inner or ())]
        else:
            names.append(name)
    return names


def _walked(root: Path, prefix: str = "") -> Iterator[str]:
    """All files and links, no link followed."""
    try:
        with os.scandir(root / prefix) as found:
            entries = list(found)
    except OSError as error:
        raise InvalidValue(f"The folder {str(root / prefix)!r} cannot be packed: {error.strerror}.") from None
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.name in LEFT_OUT:
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield name
        elif not os.path.lexists(os.path.join(entry.path, "pyvenv.cfg")):
            yield from _walked(root, f"{name}/")


def _check_size(files: Mapping[str, os.stat_result], max_bytes: int) -> None:
    total = sum(found.st_size for found in files.values())
    if total <= max_bytes and len(files) <= MAX_FILES:
        return
    largest = sorted(files, key=lambda name: -files[name].st_size)[:_NAMED_IN_ERRORS]
    shown = ", ".join(f"{name!r} with {files[name].st_size >> 20} MiB" for name in largest)
    raise InvalidValue(
        f"The project has {len(files)} files of {total >> 20} MiB together; at most {MAX_FILES} files of {max_bytes >> 20} MiB "
        f"are sent. The largest are {shown}. Keep data elsewhere (as a `path` or `uri` parameter), or name it in .gitignore."
    )


def _write(root: Path, files: Mapping[str, os.stat_result], out: BinaryIO) -> str:
    """Write the archive, compressed; the digest of what was compressed."""
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=out, mtime=0) as compressed:
        hashed = _Hashed(compressed)
        with tarfile.open(mode="w|", fileobj=hashed, format=tarfile.PAX_FORMAT) as archive:
            for name, found in files.items():
                member = tarfile.TarInfo(name)
                member.mtime = _MTIME
                if stat.S_ISLNK(found.st_mode):
                    member.type, member.linkname, member.mode = tarfile.SYMTYPE, _target(root, name), 0o777
                    archive.addfile(member)
                else:
                    _add(archive, member, root / name)
    return hashed.digest.hexdigest()


def _add(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = os.fstat(file.fileno())
            member.size = found.st_size
            member.mode = 0o755 if found.st_mode & stat.S_IXUSR else 0o644
            archive.addfile(member, file)
    except OSError as error:  # also a file that became shorter meanwhile
        raise InvalidValue(f"{str(path)!r} cannot be packed: {error.strerror or error}.") from None


def _target(root: Path, name: str) -> str:
    """Where a link leads, from its own folder and by no other link. Raises InvalidValue if that is not in the project."""
    top = os.path.realpath(root)
    target = os.path.realpath(root / name)
    if os.path.commonpath((top, target)) != top:
        raise InvalidValue(
            f"{name!r} is a link out of the project, to {os.readlink(root / name)!r}; nothing there can be sent along. "
            "Replace it by a copy, or name it in .gitignore."
        )
    return os.path.relpath(target, os.path.join(top, os.path.dirname(name)))


class _Hashed(io.RawIOBase):
    """Writes through, and keeps the digest of what passed."""

    def __init__(self, out: gzip.GzipFile) -> None:
        self._out = out
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self.digest.update(data)
        return self._out.write(data)
