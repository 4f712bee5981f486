"""Raw bytes in and out: artifacts up to any size through a bounded amount of memory.

Bare ASGI, because these are the only routes whose cost is in the bytes. Nothing here blocks the event loop: the disk is touched in
threads only. Both functions raise errors of `millstream.errors` before they have answered anything, so the server's one error
handler writes the answer.

Small uploads are the case that fsync makes slow, so they are collected: while one group is being brought to the disk, the next
one gathers, and a group costs about what one file costs (see `millstream.artifacts.staging`).
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import os
import queue
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import Struct

from millstream import settings
from millstream.artifacts import paths, staging, storage_errors
from millstream.artifacts.local import LocalRepository, LocalSink, open_root
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import Sink, Source
from millstream.errors import BadRequest, InvalidValue, MillstreamError
from millstream.server.artifact_store import LocatedUri, located

T = TypeVar("T")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

UNLIMITED = 1 << 62
SMALL_BYTES = 256 << 10
"""Uploads up to this size are held in memory and brought to the disk in groups."""
UPLOAD_BLOCK_BYTES = 1 << 20
DOWNLOAD_BLOCK_BYTES = 512 << 10
"""Memory of one transfer is at most about four blocks, whatever the size of the file."""
_GROUP_FILES = 64

SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
"""Of every artifact answer: whatever the file is, a browser neither guesses its type nor runs it."""

_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="artifacts")


# ---------------------------------------------------------------- upload


async def upload(
    scope: Scope, receive: Receive, send: Send, uri: str, *, limit: int = UNLIMITED, minimum: int = 0
) -> None:
    """Store the request's body as one artifact and answer 200 with an empty body once it is durable.

    Args:
        uri: where, as `ServerArtifacts` gave it.
        limit: most bytes; more is InvalidValue, as MLflow answers too large uploads of its UI.
        minimum: fewest bytes; fewer is InvalidValue.
    Raises:
        MillstreamError: nothing was stored, and nothing answered.
    """
    target = located(uri)
    expected = _content_length(scope)
    if expected is not None and expected > limit:
        raise InvalidValue(f"The upload has {expected} bytes; at most {limit} are taken here.")
    body = _Body(receive, limit)
    parts, is_complete = await body.read_up_to(SMALL_BYTES)
    if body.is_cut:
        return
    if is_complete:
        body.check_complete(expected, minimum)
        await _store_small(target, parts)
    else:
        sink = await _in_thread(target.repository.create, target.path, expected)
        try:
            if not await _pump(body, sink, parts):
                return
            body.check_complete(expected, minimum)
            await _in_thread(sink.commit)
        finally:
            await asyncio.shield(_in_thread(sink.abort))
    await send({"type": "http.response.start", "status": 200, "headers": _UPLOADED})
    await send({"type": "http.response.body", "body": b""})


_UPLOADED: Headers = [(b"content-length", b"0"), *SECURITY_HEADERS]


class _Body:
    """The body of a request, as it arrives."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self.size = 0
        self.is_cut = False

    async def read_up_to(self, wanted: int) -> tuple[list[bytes], bool]:
        """The pieces that came until they are more than `wanted` bytes, and whether the body has ended with them."""
        parts: list[bytes] = []
        enough = self.size + wanted
        while self.size <= enough:
            message = await self._receive()
            if message["type"] != "http.request":
                self.is_cut = True
                return parts, False
            if part := message.get("body", b""):
                parts.append(part)
                self.size += len(part)
                if self.size > self._limit:
                    raise InvalidValue(f"The upload has more than {self._limit} bytes, which is the most taken here.")
            if not message.get("more_body", False):
                return parts, True
        return parts, False

    def check_complete(self, expected: int | None, minimum: int) -> None:
        if expected is not None and self.size != expected:
            raise BadRequest(f"The upload announced {expected} bytes and had {self.size}. Send it again.")
        if self.size < minimum:
            raise InvalidValue(f"The upload has {self.size} bytes; at least {minimum} must come.")


async def _pump(body: _Body, sink: Sink, parts: list[bytes]) -> bool:
    """Move the body into the sink, writing one block while the next arrives. False if the client went away."""
    writing: asyncio.Future[None] | None = None
    is_complete = False
    try:
        while True:
            if writing is not None:
                await writing
            writing = _in_thread(_write, sink, parts)
            if is_complete:
                await writing
                return True
            parts, is_complete = await body.read_up_to(UPLOAD_BLOCK_BYTES)
            if body.is_cut:
                return False
    finally:
        if writing is not None and not writing.done():
            await asyncio.wait([writing])


def _write(sink: Sink, parts: list[bytes]) -> None:
    """Write the pieces and let go of them: a thread remembers its last arguments until it gets the next."""
    if isinstance(sink, LocalSink):
        if parts:
            sink.write_all(parts)
    else:
        for part in parts:
            sink.write(part)
    parts.clear()


async def _store_small(target: LocatedUri, parts: list[bytes]) -> None:
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    if isinstance(target.repository, LocalRepository):
        await _groups.put(target.repository.root, target.path, data)
    else:
        await _in_thread(target.repository.log_bytes, data, target.path)


class _Job(Struct, eq=False):
    root: str
    path: ArtifactPath
    data: bytes
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    error: Exception | None = None


class _Groups:
    """Small files on their way to the disk, group by group, in one thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def put(self, root: str, path: ArtifactPath, data: bytes) -> asyncio.Future[None]:
        """Store a file; the future is done when it is durable, or holds the error."""
        if self._thread is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._queue = queue.SimpleQueue()
            self._thread = threading.Thread(target=self._run, args=(self._queue,), name="artifact-groups", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        job = _Job(root, path, data, loop, loop.create_future())
        self._queue.put(job)
        return job.done

    def _run(self, jobs: queue.SimpleQueue[_Job]) -> None:
        while True:
            group = [jobs.get()]
            while len(group) < _GROUP_FILES:
                try:
                    group.append(jobs.get_nowait())
                except queue.Empty:
                    break
            by_root: dict[str, list[_Job]] = {}
            for job in group:
                by_root.setdefault(job.root, []).append(job)
            for root, some in by_root.items():
                try:
                    _store_group(root, some)
                except (
                    Exception
                ) as error:  # a mistake of ours, answered as one; without this thread all uploads would hang
                    for job in some:
                        job.error = job.error or error
                by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
                for job in some:
                    by_loop.setdefault(job.loop, []).append(job)
                for loop, finished in by_loop.items():
                    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                        loop.call_soon_threadsafe(_resolve, finished)


_groups = _Groups()


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.done.done():
            continue
        if job.error is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(job.error)


def _store_group(root_path: str, jobs: list[_Job]) -> None:
    is_durable = settings.ARTIFACT_FSYNC.get()
    try:
        root = open_root(root_path)
    except OSError as error:
        for job in jobs:
            job.error = storage_errors.writing(error, job.path)
        return
    staged: list[tuple[staging.StagedFile, _Job]] = []
    try:
        for job in jobs:
            try:
                staged.append((_stage(root, job), job))
            except OSError as error:
                job.error = storage_errors.writing(error, job.path)
            except MillstreamError as refusal:
                job.error = refusal
        if is_durable:
            errors = staging.settle_group([(file, job.path) for file, job in staged])
        else:
            errors = [_publish(file, job.path) for file, job in staged]
        for (_, job), failed in zip(staged, errors, strict=True):
            if failed is not None:
                job.error = storage_errors.writing(failed, job.path)
    except OSError as error:
        for job in jobs:
            job.error = job.error or storage_errors.writing(error, job.path)
    finally:
        for file, _ in staged:
            file.close()
        os.close(root)


def _stage(root: int, job: _Job) -> staging.StagedFile:
    if job.path.split("/", 1)[0] == staging.STAGING_FOLDER:
        raise InvalidValue(f"The name {staging.STAGING_FOLDER!r} is taken by the store itself. Choose another.")
    file = staging.StagedFile(root)
    try:
        if job.data:
            file.write(job.data)
    except OSError:
        file.close()
        raise
    return file


def _publish(file: staging.StagedFile, path: ArtifactPath) -> OSError | None:
    try:
        os.close(file.publish(path))
    except OSError as error:
        return error
    return None


# ---------------------------------------------------------------- download


class _Reply(Struct):
    status: int
    headers: Headers
    first: bytes
    offset: int
    """Where the bytes after `first` begin."""
    end: int
    source: Source | None


async def download(scope: Scope, receive: Receive, send: Send, uri: str) -> None:
    """Answer GET or HEAD with one artifact: whole, a range (206), 304 or 416.

    Args:
        uri: which, as `ServerArtifacts` gave it.
    Raises:
        MillstreamError: there is no such file, it is a folder, or its store does not answer; nothing was answered.
    """
    target = located(uri)
    headers = dict(scope["headers"])
    reply = await _in_thread(_open_reply, target, headers, scope["method"] == "HEAD")
    source = reply.source
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        if source is None or reply.offset >= reply.end:
            await send({"type": "http.response.body", "body": reply.first})
        else:
            await _send_blocks(receive, send, source, reply)
    finally:
        if source is not None:
            await asyncio.shield(_in_thread(source.close))


async def _send_blocks(receive: Receive, send: Send, source: Source, reply: _Reply) -> None:
    """Send a file block by block, reading the next while one is sent; stop when the client has gone."""
    gone = asyncio.ensure_future(_until_disconnect(receive))
    block, offset, end = reply.first, reply.offset, reply.end
    reading: asyncio.Future[bytes] | None = None
    try:
        while not gone.done():
            reading = _in_thread(source.read, offset, min(DOWNLOAD_BLOCK_BYTES, end - offset)) if offset < end else None
            await send({"type": "http.response.body", "body": block, "more_body": reading is not None})
            if reading is None:
                return
            block = await reading
            if not block:
                raise ConnectionAbortedError("the artifact became shorter while it was sent")
            offset += len(block)
    finally:
        gone.cancel()
        if reading is not None and not reading.done():
            await asyncio.wait([reading])


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _open_reply(target: LocatedUri, request: dict[bytes, bytes], is_head: bool) -> _Reply:
    source = target.repository.source(target.path)
    try:
        reply = _reply(source, target.path, request, is_head)
    except BaseException:
        source.close()
        raise
    if reply.source is None:
        source.close()
    return reply


def _reply(source: Source, path: ArtifactPath, request: dict[bytes, bytes], is_head: bool) -> _Reply:
    headers = _file_headers(source, path)
    if _is_unchanged(source, request):
        return _Reply(304, [pair for pair in headers if pair[0] != b"content-type"], b"", 0, 0, None)
    start, end, status = 0, source.size, 200
    wanted = request.get(b"range")
    if wanted is not None and _range_applies(source, request):
        found = _parse_range(wanted.decode("latin-1"), source.size)
        if found == "unsatisfiable":
            problem = InvalidValue(
                f"The artifact {path!r} has {source.size} bytes; the range asked for begins behind them."
            )
            body = problem.serialize_as_json().encode()
            unsatisfied: Headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"content-range", f"bytes */{source.size}".encode()),
                *SECURITY_HEADERS,
            ]
            return _Reply(416, unsatisfied, b"" if is_head else body, 0, 0, None)
        if isinstance(found, tuple):
            start, end = found
            status = 206
            headers.append((b"content-range", f"bytes {start}-{end - 1}/{source.size}".encode()))
    headers.append((b"content-length", str(end - start).encode()))
    if is_head:
        return _Reply(status, headers, b"", 0, 0, None)
    first = source.read(start, min(DOWNLOAD_BLOCK_BYTES, end - start)) if end > start else b""
    offset = start + len(first)
    return _Reply(status, headers, first, offset, end, source if offset < end else None)


def _file_headers(source: Source, path: ArtifactPath) -> Headers:
    name = paths.name(path)
    headers: Headers = [
        (b"content-type", _content_type(name)),
        (b"content-disposition", _disposition(name)),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, no-cache"),
        *SECURITY_HEADERS,
    ]
    if source.etag:
        headers.append((b"etag", source.etag.encode("latin-1", "replace")))
    if source.modified:
        headers.append((b"last-modified", formatdate(source.modified, usegmt=True).encode()))
    return headers


def _content_type(name: str) -> bytes:
    kind, encoding = mimetypes.guess_type(name, strict=False)
    if kind is None or encoding is not None:
        return b"application/octet-stream"
    return f"{kind}; charset=utf-8".encode() if kind.startswith("text/") else kind.encode()


def _disposition(name: str) -> bytes:
    """`attachment` with the name as RFC 6266 wants it: plain, and encoded where plain ASCII cannot say it."""
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%' else "_" for char in name)
    value = f'attachment; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe='')}"
    return value.encode("ascii")


def _is_unchanged(source: Source, request: dict[bytes, bytes]) -> bool:
    known = request.get(b"if-none-match")
    if known is not None:
        tags = [tag.strip().removeprefix("W/") for tag in known.decode("latin-1").split(",")]
        return "*" in tags or (bool(source.etag) and source.etag.removeprefix("W/") in tags)
    since = request.get(b"if-modified-since")
    return since is not None and bool(source.modified) and int(source.modified) <= _timestamp(since)


def _range_applies(source: Source, request: dict[bytes, bytes]) -> bool:
    condition = request.get(b"if-range")
    if condition is None:
        return True
    text = condition.decode("latin-1").strip()
    if text.startswith(('"', "W/")):
        return bool(source.etag) and text == source.etag and not text.startswith("W/")
    return bool(source.modified) and int(source.modified) == _timestamp(condition)


def _timestamp(date: bytes) -> int:
    try:
        return int(parsedate_to_datetime(date.decode("latin-1")).timestamp())
    except (ValueError, TypeError, OverflowError):
        return -1


def _parse_range(text: str, size: int) -> tuple[int, int] | str | None:
    """(start, end) of a single byte range; "unsatisfiable"; None for what is to be ignored (malformed, several ranges)."""
    unit, _, spec = text.partition("=")
    first, dash, last = spec.strip().partition("-")
    first, last = first.strip(), last.strip()
    if unit.strip().lower() != "bytes" or not dash or "," in spec:
        return None
    if not (first or last) or not all(
        part.isascii() and part.isdigit() and len(part) <= 19 for part in (first, last) if part
    ):
        return None
    if not first:
        length = int(last)
        return (max(0, size - length), size) if length and size else "unsatisfiable"
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        return "unsatisfiable"
    return start, min(size, int(last) + 1) if last else size


# ---------------------------------------------------------------- common


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            text = value.decode("latin-1").strip()
            if not (text.isascii() and text.isdigit() and len(text) <= 19):
                raise BadRequest("Content-Length must be a whole number.")
            return int(text)
    return None


def _in_thread(function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(_threads, function, *args)
