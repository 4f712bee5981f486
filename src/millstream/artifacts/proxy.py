"""Artifacts through the tracking server's proxy (`mlflow-artifacts:`), so that only the server needs rights to the storage."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from millstream import settings
from millstream.artifacts import paths
from millstream.artifacts.http import Connection, HttpSource, fetch
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import BLOCK_BYTES, Files, Repository, Sink, Source, _blocks, cannot
from millstream.entities import FileInfo
from millstream.errors import EndpointNotFound, InvalidValue, MillstreamError, NotFound, Unavailable, Unsupported

API = "/api/2.0/mlflow-artifacts"
SERVER_INFO = "/api/3.0/mlflow/server-info"
INFO_SECONDS = 300.0
CONNECTION_SECONDS = 60.0


class _Folder(msgspec.Struct):
    files: list[FileInfo] = []


class _ServerInfo(msgspec.Struct):
    multipart_uploads_enabled: bool = False
    multipart_downloads_enabled: bool = False


class _Part(msgspec.Struct):
    url: str
    part_number: int
    headers: dict[str, str] = {}


class _Upload(msgspec.Struct):
    upload_id: str = ""
    credentials: list[_Part] = []


class _Presigned(msgspec.Struct):
    url: str
    headers: dict[str, str] = {}
    file_size: int | None = None


def open_proxy(uri: str, tracking_uri: str | None) -> ProxyRepository:
    """The repository of an `mlflow-artifacts:` URI: on the tracking server, or on the host that the URI names."""
    server = tracking_uri or settings.TRACKING_URI.get() or ""
    parts = urlsplit(uri)
    if parts.query or parts.fragment:
        raise InvalidValue(f"{uri!r} must be mlflow-artifacts:/path.")
    is_http = server.lower().startswith(("http://", "https://"))
    if not is_http and not parts.netloc:
        raise InvalidValue(
            f"The artifacts at {uri!r} are reached through a tracking server, but the tracking URI is {server!r}. "
            "Set it to the server's http(s) address."
        )
    is_tracking_server = is_http and parts.netloc in ("", urlsplit(server).netloc.rpartition("@")[2])
    if not is_tracking_server:
        server = f"{urlsplit(server).scheme if is_http else 'http'}://{parts.netloc}"
    root = paths.check_folder(parts.path.strip("/"))
    return ProxyRepository(uri, connection_to(server, is_tracking_server), root)


def connection_to(server: str, is_tracking_server: bool) -> Connection:
    """A connection with the credentials in force; kept for a minute, since finding plug-ins that add to them takes a while."""
    known = tuple(setting.get() for setting in _CREDENTIALS)
    return _connection(server, is_tracking_server, known, int(time.monotonic() // CONNECTION_SECONDS))


@functools.lru_cache(maxsize=32)
def _connection(server: str, is_tracking_server: bool, known: tuple[str | None, ...], minute: int) -> Connection:
    return Connection(server, is_tracking_server)


_CREDENTIALS = (
    settings.TRACKING_USERNAME,
    settings.TRACKING_PASSWORD,
    settings.TRACKING_TOKEN,
    settings.TRACKING_AUTH,
)


class ProxyRepository(Repository):
    """A folder of the proxy.

    Args:
        uri: the `mlflow-artifacts:` URI.
        connection: to the server; its base is the server's address with its prefix.
        root: the folder, as the proxy names it.
    """

    def __init__(self, uri: str, connection: Connection, root: ArtifactPath) -> None:
        super().__init__(uri)
        self._connection = connection
        self._root = root

    def _url(self, path: ArtifactPath, what: str = "artifacts") -> str:
        return f"{self._connection.base}{API}/{what}/{quote(paths.join(self._root, path))}"

    def _json(self, method: str, url: str, kind: type[Any], content: Any = None) -> Any:
        body = None if content is None else msgspec.json.encode(content)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        response = self._connection.request(method, url, body=body, headers=headers)
        try:
            return msgspec.json.decode(response.read(), type=kind)
        except msgspec.DecodeError:
            raise Unavailable(
                f"{url} answered something that is not the artifact API's JSON. Check the address."
            ) from None
        finally:
            response.release_conn()

    def _list(self, folder: ArtifactPath) -> Files:
        where = paths.join(self._root, folder)
        query = "?" + urlencode({"path": where}) if where else ""
        found: _Folder = self._json("GET", f"{self._connection.base}{API}/artifacts{query}", _Folder)
        prefix = f"{folder}/" if folder else ""
        return [
            FileInfo(
                prefix + info.path.rstrip("/").rpartition("/")[2],
                info.is_dir,
                None if info.is_dir else info.file_size or 0,
            )
            for info in found.files
        ]

    def _create(self, path: ArtifactPath, size: int | None) -> Sink:
        raise cannot("be written to piece by piece (use log_stream)", self.uri)

    def _source(self, path: ArtifactPath) -> Source:
        return HttpSource(self._connection, self._url(path), path)

    def _delete(self, path: ArtifactPath) -> None:
        try:
            self._connection.request("DELETE", self._url(path)).drain_conn()
        except EndpointNotFound:
            raise
        except NotFound:
            return

    # ------------------------------------------------------------ up
    def log_bytes(self, data: bytes, path: str) -> None:
        self._upload(paths.check(path), data)

    def log_stream(self, stream: IO[bytes] | Iterable[bytes], path: str) -> None:
        checked = paths.check(path)
        blocks = _OnceOnly(_blocks(stream))
        self._upload(checked, lambda: (blocks.start(), None))

    def _put(self, local_path: str, path: ArtifactPath, progress: Callable[[int], None]) -> None:
        size = os.path.getsize(local_path)
        if size >= settings.MULTIPART_UPLOAD_MINIMUM_FILE_SIZE.get() and self._server_info().multipart_uploads_enabled:
            try:
                self._put_in_parts(local_path, path, size, progress)
                return
            except (Unsupported, EndpointNotFound):
                pass
        if size == 0:
            self._upload(path, b"")
            return
        self._upload(path, lambda: (_ReadFile(local_path, 0, size, progress), size))

    def _upload(self, path: ArtifactPath, body: bytes | Callable[[], tuple[Any, int | None]]) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        self._connection.request("PUT", self._url(path), body=body, headers=headers).drain_conn()

    def _put_in_parts(self, local_path: str, path: ArtifactPath, size: int, progress: Callable[[int], None]) -> None:
        """Parts go to the storage directly; a part that is cut is sent again, those that arrived are not."""
        part_size = max(settings.MULTIPART_UPLOAD_CHUNK_SIZE.get(), -(-size // 10_000))
        folder, name = paths.parent(path), paths.name(path)
        count = -(-size // part_size)
        created: _Upload = self._json(
            "POST", self._url(folder, "mpu/create").rstrip("/"), _Upload, {"path": name, "num_parts": count}
        )
        try:
            if len(created.credentials) != count:
                raise Unavailable(f"The server offered {len(created.credentials)} parts instead of {count}.")

            def send(part: _Part) -> dict[str, Any]:
                start = (part.part_number - 1) * part_size
                length = min(part_size, size - start)
                response = Connection(_origin_of(part.url), False).request(
                    "PUT",
                    part.url,
                    body=lambda: (_ReadFile(local_path, start, length, progress), length),
                    headers=part.headers,
                )
                response.drain_conn()
                return {"part_number": part.part_number, "etag": response.headers.get("ETag", ""), "url": part.url}

            with ThreadPoolExecutor(max(1, settings.ARTIFACT_TRANSFER_THREADS.get())) as pool:
                parts = list(pool.map(send, created.credentials))
            complete = {"path": name, "upload_id": created.upload_id, "parts": parts}
            self._json("POST", self._url(folder, "mpu/complete").rstrip("/"), dict, complete)
        except BaseException:
            abort = {"path": name, "upload_id": created.upload_id}
            try:
                self._json("POST", self._url(folder, "mpu/abort").rstrip("/"), dict, abort)
            except MillstreamError:
                pass
            raise

    # ------------------------------------------------------------ down
    def _fetch(self, path: ArtifactPath, local_path: str, progress: Callable[[int], None]) -> None:
        presigned = self._presigned(path) if self._server_info().multipart_downloads_enabled else None
        if presigned is not None:
            connection = Connection(_origin_of(presigned.url), False)
            fetch(connection, presigned.url, path, local_path, progress, presigned.headers)
            return
        fetch(self._connection, self._url(path), path, local_path, progress)

    def _presigned(self, path: ArtifactPath) -> _Presigned | None:
        """Where to get a large file directly; None for a small one, or if the server does not offer that."""
        try:
            presigned: _Presigned = self._json("GET", self._url(path, "presigned"), _Presigned)
        except (Unsupported, NotFound, EndpointNotFound):
            return None
        is_large = (presigned.file_size or 0) >= settings.MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE.get()
        return presigned if is_large and urlsplit(presigned.url).scheme in ("http", "https") else None

    def _server_info(self) -> _ServerInfo:
        """What the server offers; asked once per server and some minutes."""
        base = self._connection.base
        known = _server_infos.get(base)
        if known is None or known[0] < time.monotonic():
            try:
                info = self._json("GET", base + SERVER_INFO, _ServerInfo)
            except MillstreamError:
                info = _ServerInfo()
            known = _server_infos[base] = (time.monotonic() + INFO_SECONDS, info)
        return known[1]


_server_infos: dict[str, tuple[float, _ServerInfo]] = {}


class _ReadFile:
    """A range of a local file as the body of a request."""

    def __init__(self, local_path: str, start: int, length: int, progress: Callable[[int], None]) -> None:
        self._file = open(local_path, "rb", buffering=0)  # noqa: SIM115 - closed by the request that reads it
        self._file.seek(start)
        self._left = length
        self._progress = progress

    def read(self, size: int = BLOCK_BYTES) -> bytes:
        block = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(block)
        if not block and self._left:
            raise EOFError("the file became shorter while it was uploaded")
        self._progress(len(block))
        return block

    def close(self) -> None:
        self._file.close()


class _OnceOnly:
    """A stream cannot be sent a second time: a cut upload of one is an error, not a retry."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._is_started = False

    def start(self) -> Iterator[bytes]:
        if self._is_started:
            raise Unavailable(
                "The upload of a stream was cut, and a stream cannot be sent again. Log it again from its start."
            )
        self._is_started = True
        return self._blocks


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
