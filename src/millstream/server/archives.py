"""A folder of artifacts as one zip file, made while it is sent; and HTML with its scripts, in a sandbox.

Both are for the pages. Nothing is held whole in memory or on disk: a file is read in blocks, and the client's pace is ours.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import quote

from millstream.artifacts import paths
from millstream.artifacts.repository import Repository
from millstream.asgi.body import Send
from millstream.errors import InvalidValue
from millstream.server.artifact_store import LocatedUri, located

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from millstream.asgi.security import Headers

BLOCK_BYTES = 256 << 10
MAX_PAGE_BYTES = 32 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of all entries: stores do not agree on when a file was made."""

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="archives")

SANDBOX = (
    b"sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' https://cdn.plot.ly; "
    b"style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'"
)
"""Of a logged page that its reader lets run: no origin, no connections, no code but its own and Plotly's, which
`log_figure` links to."""


async def send_archive(send: Send, uri: str) -> None:
    """Answer with all files of a folder in one zip file, which is called as the folder (that of all artifacts: as their owner)."""
    folder = located(uri)
    name = (folder.path.removesuffix("/artifacts").rsplit("/", 1)[-1] or "artifacts") + ".zip"
    blocks = entries(folder.repository, folder.path)
    loop = asyncio.get_running_loop()
    block = await loop.run_in_executor(_threads, next, blocks, b"")
    headers: Headers = [
        (b"content-type", b"application/zip"),
        (b"content-disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}".encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while block:
        await send({"type": "http.response.body", "body": block, "more_body": True})
        block = await loop.run_in_executor(_threads, next, blocks, b"")
    await send({"type": "http.response.body", "body": b""})


def entries(repository: Repository, folder: str) -> Iterator[bytes]:
    """The bytes of a zip file of all files below a folder, named from there on; files are stored, not packed."""
    pipe = _Pipe()
    prefix = f"{folder}/" if folder else ""
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for info in repository.walk(folder):
            entry = zipfile.ZipInfo(info.path.removeprefix(prefix), _EPOCH)
            source = repository.source(paths.check(info.path))
            try:
                with archive.open(entry, "w", force_zip64=source.size > 1 << 30) as target:
                    offset = 0
                    while offset < source.size:
                        block = source.read(offset, min(BLOCK_BYTES, source.size - offset))
                        if not block:
                            raise ConnectionAbortedError("the artifact became shorter while it was sent")
                        target.write(block)
                        offset += len(block)
                        if pipe.size >= BLOCK_BYTES:
                            yield pipe.take()
            finally:
                source.close()
    yield pipe.take()


class _Pipe(io.RawIOBase):
    """Keeps what is written until it is taken; cannot be sought, so `zipfile` writes each entry's sizes behind it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        part = bytes(data)
        self._parts.append(part)
        self.size += len(part)
        return len(part)

    def take(self) -> bytes:
        block = b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return block


async def send_page(send: Send, uri: str) -> None:
    """Answer with an HTML file, in a sandbox.

    Raises:
        InvalidValue: it is not called HTML, or is too large to be shown.
    """
    file = located(uri)
    if not file.path.lower().endswith((".html", ".htm")):
        raise InvalidValue("Only HTML files are shown with their scripts.")
    body = await asyncio.get_running_loop().run_in_executor(_threads, _read_page, file)
    headers: Headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", SANDBOX),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _read_page(file: LocatedUri) -> bytes:
    source = file.repository.source(file.path)
    try:
        if source.size > MAX_PAGE_BYTES:
            raise InvalidValue(f"The page has {source.size} bytes; at most {MAX_PAGE_BYTES} are shown. Download it.")
        return source.read(0, source.size)
    finally:
        source.close()
