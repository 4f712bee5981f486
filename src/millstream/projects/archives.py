"""Projects in zip files: brought here and unpacked within limits, into a folder that nothing in them leaves."""

from __future__ import annotations

import contextlib
import lzma
import os
import stat
import time
import zipfile
import zlib
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from millstream import settings
from millstream.artifacts.archives import reason_against
from millstream.errors import MillstreamError, ProjectNotFetched
from millstream.projects.places import is_below

MAX_ARCHIVE_BYTES = 1 << 30
MAX_BYTES = 4 << 30
"""Of all files, unpacked."""

BLOCK_BYTES = 1 << 20
_MAX_LINK_BYTES = 4096
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, EOFError, ValueError, FileExistsError,
    NotADirectoryError, IsADirectoryError,
)  # fmt: skip
"""What is raised for an archive; other errors are of this machine, such as a full disk."""


def download(url: str, file: Path) -> None:
    """Bring a zip file from a web server; redirects only to places that are as safe, and without the credentials.

    Raises: ProjectNotFetched: it is not there, too large, too slow, or was cut; what came of it is the caller's to remove.
    """
    import urllib3

    from millstream.artifacts.http import Connection

    parts = urlsplit(url)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    deadline = time.monotonic() + settings.PROJECT_FETCH_TIMEOUT.get()
    try:
        response = Connection(url, is_tracking_server=False).request("GET", address, is_artifact=address)
        with contextlib.closing(response), open(file, "xb") as out:
            for block in response.stream(BLOCK_BYTES, decode_content=False):
                if out.tell() + len(block) > MAX_ARCHIVE_BYTES:
                    raise ProjectNotFetched(url, f"it is larger than {MAX_ARCHIVE_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise ProjectNotFetched(url, "it takes longer than MILLSTREAM_PROJECT_FETCH_TIMEOUT allows")
                out.write(block)
    except urllib3.exceptions.HTTPError as error:
        raise ProjectNotFetched(url, f"the download was cut ({type(error).__name__})") from None
    except ProjectNotFetched:
        raise
    except MillstreamError as error:
        raise ProjectNotFetched(url, error.message) from None


def unpack(file: Path, folder: Path, uri: str) -> None:
    """Unpack a zip file into an empty folder.

    Files keep their right to be run and no other; links are made last, and must lead to what is in the folder.

    Args:
        uri: the project, for errors.
    Raises:
        ProjectNotFetched: no zip file, encrypted, over 10,000 members, 4 GiB or 100 times its size unpacked, or a member that
            is an absolute path, has `..` in it, is there twice, or is no plain file, folder or inner link. What was unpacked
            before that was seen is still there; the folder is the caller's to remove.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            reason = reason_against(members, file.stat().st_size, MAX_BYTES)
            reason = reason or next((found for member in members if (found := _reason_against(member))), None)
            if reason is not None:
                raise ProjectNotFetched(uri, f"{reason}. Nothing was unpacked")
            for member in members:
                if not _is_link(member):
                    _write(archive, member, folder)
            for member in members:
                if _is_link(member):
                    _link(archive, member, folder, uri)
    except _BROKEN as error:
        raise ProjectNotFetched(uri, f"it is no zip file that can be unpacked ({error})") from None


def _mode(member: zipfile.ZipInfo) -> int:
    return member.external_attr >> 16


def _is_link(member: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(_mode(member))


def _reason_against(member: zipfile.ZipInfo) -> str | None:
    mode = _mode(member)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        return f"its member {member.filename[:200]!r} is a device or the like"
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return f"its member {member.filename[:200]!r} would run with the rights of its owner"
    if member.flag_bits & 1:
        return f"its member {member.filename[:200]!r} is encrypted"
    if _is_link(member) and member.file_size > _MAX_LINK_BYTES:
        return f"its link {member.filename[:200]!r} is longer than any path"
    return None


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    path = folder / member.filename
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    permissions = 0o700 if _mode(member) & 0o100 else 0o600
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, permissions)
    with open(descriptor, "wb") as out, archive.open(member) as content:
        while block := content.read(BLOCK_BYTES):  # never more than the size that was checked
            out.write(block)


def _link(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, uri: str) -> None:
    path = folder / member.filename.rstrip("/")
    target = os.fsdecode(archive.read(member))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not is_below(folder, path.parent):
        raise ProjectNotFetched(uri, f"its link {member.filename[:200]!r} stands outside of it")
    if "\0" in target or target.startswith("/") or not is_below(folder, path.parent / target):
        raise ProjectNotFetched(uri, f"its link {member.filename[:200]!r} leads out of it")
    path.symlink_to(target)
