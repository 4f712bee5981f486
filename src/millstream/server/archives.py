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
from millstream.errors import InvalidValue
from millstream.server.artifact_store import LocatedUri, ServerArtifacts
from millstream.server.call import Call
from millstream.server.routes import Route
from millstream.server.security import BodyKind, Policy

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from millstream.asgi.security import Headers
    from millstream.server.app import Application

BLOCK_BYTES = 256 << 10
MAX_PAGE_BYTES = 32 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of all entries: stores do not agree on when a file was made."""

_READ = Policy("run:read", BodyKind.NONE, 0, False)
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="archives")

SANDBOX = (
    b"sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' https://cdn.plot.ly; "
    b"style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'"
)
"""Of a logged page that its reader lets run: no origin, no connections, no code but its own and Plotly's, which
`log_figure` links to."""


def routes(app: Application) -> list[Route]:
    async def archive(call: Call) -> None:
        await _send_archive(app, call)

    async def page(call: Call) -> None:
        await _send_page(app, call)

    return [
        Route("archives.archive", "GET", "/api/2.0/millstream/artifacts/zip", archive, _READ),
        Route("archives.page", "GET", "/api/2.0/millstream/artifacts/page", page, _READ),
    ]


def _place(app: Application, call: Call, path: str) -> LocatedUri:
    """What `run_id` or `model_id`, and `path`, name. Raises MillstreamError."""
    fields = dict(call.query)
    run_id, model_id = fields.get("run_id", ""), fields.get("model_id", "")
    if bool(run_id) == bool(model_id):
        raise InvalidValue("Give run_id or model_id.")
    artifacts = app.artifacts
    assert isinstance(artifacts, ServerArtifacts)
    if path:
        return artifacts.run_artifact_uri(run_id, path) if run_id else artifacts.model_artifact_uri(model_id, path)
    root, _ = artifacts.list_run_artifacts(run_id, "") if run_id else artifacts.list_model_artifacts(model_id, "")
    return artifacts.locate(root)


async def _send_archive(app: Application, call: Call) -> None:
    path = dict(call.query).get("path", "").strip("/")
    place = await app.artifact_reads.run(lambda: _place(app, call, path))
    name = (path.rsplit("/", 1)[-1] or dict(call.query).get("run_id") or "model") + ".zip"
    blocks = entries(place.repository, place.path)
    loop = asyncio.get_running_loop()
    block = await loop.run_in_executor(_threads, next, blocks, b"")
    headers: Headers = [
        (b"content-type", b"application/zip"),
        (b"content-disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}".encode()),
        (b"cache-control", b"no-store"),
        *app.common_headers,
    ]
    call.has_started, call.status = True, 200
    await call.send({"type": "http.response.start", "status": 200, "headers": headers})
    while block:
        await call.send({"type": "http.response.body", "body": block, "more_body": True})
        block = await loop.run_in_executor(_threads, next, blocks, b"")
    await call.send({"type": "http.response.body", "body": b""})


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


async def _send_page(app: Application, call: Call) -> None:
    path = dict(call.query).get("path", "")
    if not path.lower().endswith((".html", ".htm")):
        raise InvalidValue("Only HTML files are shown with their scripts.")

    def read() -> bytes:
        place = _place(app, call, path)
        source = place.repository.source(place.path)
        try:
            if source.size > MAX_PAGE_BYTES:
                raise InvalidValue(
                    f"The page has {source.size} bytes; at most {MAX_PAGE_BYTES} are shown. Download it."
                )
            return source.read(0, source.size)
        finally:
            source.close()

    body = await app.artifact_reads.run(read)
    headers: Headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", SANDBOX),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
        *app.common_headers,
    ]
    call.has_started, call.status = True, 200
    await call.send({"type": "http.response.start", "status": 200, "headers": headers})
    await call.send({"type": "http.response.body", "body": body})
