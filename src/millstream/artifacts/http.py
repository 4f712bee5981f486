"""HTTP for artifacts: one way to connect, to retry and to bring a file here, for the proxy, presigned addresses and plain web servers."""

from __future__ import annotations

import base64
import functools
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from millstream import settings
from millstream.artifacts import paths
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import BLOCK_BYTES, Files, Repository, Sink, Source, cannot
from millstream.artifacts.transfer import Partial, is_strong, known_partial
from millstream.errors import ArtifactNotFound, InvalidValue, MillstreamError, ServerUnreachable, Unavailable, from_wire
from millstream.version import VERSION

if TYPE_CHECKING:
    import urllib3

    from millstream.client.auth import Sign

_DICE = random.SystemRandom()
"""Not the generator of the training, which must draw the same numbers with us as without."""

MAX_REDIRECTS = 5
MAX_ERROR_BYTES = 64 << 10
_RETRIED = frozenset((408, 429, 500, 502, 503, 504))
_MAX_PAUSE_S = 60.0


class Connection:
    """Requests to one web server, with its credentials; safe to use from several threads.

    Args:
        base: address that the requests' addresses begin with; user info in it becomes Basic authentication.
        is_tracking_server: whether the credentials of the tracking server are meant for it.
    """

    def __init__(self, base: str, is_tracking_server: bool) -> None:
        parts = urlsplit(base)
        self.base = urlunsplit((parts.scheme.lower(), parts.netloc.rpartition("@")[2], parts.path, "", "")).rstrip("/")
        self._origin = _origin(self.base)
        self._headers = {"User-Agent": f"millstream-python-client/{VERSION}"}
        self._sign: Sign | None = None
        self._is_tracking_server = is_tracking_server
        if is_tracking_server:
            from millstream.client import auth

            self._headers.update(auth.extra_headers())
            authorization = auth.authorization(base)
            if authorization is not None:
                self._headers["Authorization"] = authorization
            self._sign = auth.signer()
        elif parts.username:
            user_info = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(user_info.encode()).decode()

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | Callable[[], tuple[Any, int | None]] | None = None,
        headers: Mapping[str, str] | None = None,
        allow: Iterable[int] = (),
        is_artifact: str | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request until an answer comes; its body is not read yet.

        Args:
            body: bytes, or a function that opens the body anew for each try and says its size in bytes (None: chunked).
            allow: status codes besides 2xx that are answers, not errors.
            is_artifact: the artifact that a 404 without further word means.
        Raises:
            MillstreamError: the server's own error, or ServerUnreachable.
        """
        allowed = frozenset(allow)
        last: MillstreamError | None = None
        for attempt in range(min(10, settings.HTTP_REQUEST_MAX_RETRIES.get()) + 1):
            if last is not None:
                time.sleep(_pause(attempt, last))
            try:
                response = self._follow(method, url, body, dict(headers or {}))
            except _transport_errors() as error:
                last = ServerUnreachable(self.base, type(error).__name__)
                continue
            if 200 <= response.status < 300 or response.status in allowed:
                return response
            failed = _error_of(response, is_artifact)
            if response.status not in _RETRIED:
                raise failed
            failed.json_kwargs["retry_after"] = response.headers.get("Retry-After")
            last = failed
        assert last is not None
        raise last

    def _follow(self, method: str, url: str, body: Any, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        for _ in range(MAX_REDIRECTS + 1):
            response = self._once(method, url, body, headers)
            target = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or target is None:
                return response
            response.drain_conn()
            moved = urljoin(url, target)
            if method not in ("GET", "HEAD"):
                raise InvalidValue(f"{url} redirects to {moved}; uploads are not redirected. Use the right address.")
            if urlsplit(moved).scheme not in ("https", urlsplit(url).scheme) or urlsplit(moved).scheme not in (
                "http",
                "https",
            ):
                raise InvalidValue(f"{url} redirects to {moved}, which is less safe. Refused.")
            url = moved
        raise InvalidValue(f"{url} redirects more than {MAX_REDIRECTS} times.")

    def _once(self, method: str, url: str, body: Any, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        import urllib3

        stream = None
        if callable(body):
            stream, size = body()
            body = stream
            if size is not None:
                headers["Content-Length"] = str(size)
        is_own = _origin(url) == self._origin
        headers = {**(self._headers if is_own else {"User-Agent": self._headers["User-Agent"]}), **headers}
        if self._sign is not None and is_own:
            headers = self._sign(method, url, headers, body if isinstance(body, bytes) else None)
        try:
            return _pool(os.getpid(), self._is_tracking_server and is_own, *_tls()).request(
                method,
                url,
                body=body,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(
                    connect=settings.HTTP_REQUEST_TIMEOUT.get(), read=settings.ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT.get()
                ),
            )
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()


def _tls() -> tuple[bool, str | None, str | None]:
    return (
        settings.TRACKING_INSECURE_TLS.get(),
        settings.TRACKING_SERVER_CERT_PATH.get(),
        settings.TRACKING_CLIENT_CERT_PATH.get(),
    )


@functools.lru_cache(maxsize=8)
def _pool(
    pid: int, is_tracking_server: bool, is_insecure: bool, ca_file: str | None, client_file: str | None
) -> urllib3.PoolManager:
    """Connections are not shared with a forked process: hence `pid`."""
    import urllib3

    options: dict[str, Any] = {}
    if is_tracking_server:
        if is_insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            options["cert_reqs"] = "CERT_NONE"
        elif ca_file:
            options["ca_certs"] = ca_file
        if client_file:
            options["cert_file"] = client_file
    size = max(settings.HTTP_POOL_MAXSIZE.get(), settings.ARTIFACT_TRANSFER_THREADS.get())
    return urllib3.PoolManager(num_pools=10, maxsize=size, blocksize=BLOCK_BYTES, **options)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


def _transport_errors() -> tuple[type[Exception], ...]:
    import urllib3

    return (urllib3.exceptions.HTTPError, OSError)


def _pause(attempt: int, last: MillstreamError) -> float:
    wanted = last.json_kwargs.pop("retry_after", None)
    if wanted is not None and settings.HTTP_RESPECT_RETRY_AFTER_HEADER.get():
        try:
            return min(_MAX_PAUSE_S, max(0.0, float(wanted)))
        except ValueError:
            pass
    factor = settings.HTTP_REQUEST_BACKOFF_FACTOR.get()
    jitter = settings.HTTP_REQUEST_BACKOFF_JITTER.get()
    return min(_MAX_PAUSE_S, factor * 2 ** (attempt - 2) if attempt > 1 else 0.0) + _DICE.random() * jitter


def _error_of(response: urllib3.BaseHTTPResponse, artifact: str | None) -> MillstreamError:
    import msgspec

    text = b""
    try:
        text = response.read(MAX_ERROR_BYTES)
    except _transport_errors():
        pass
    finally:
        response.release_conn()
    try:
        body = msgspec.json.decode(text)
        code, message = body["error_code"], body["message"]
    except (msgspec.DecodeError, TypeError, KeyError):
        if response.status == 404 and artifact is not None:
            return ArtifactNotFound(artifact)
        return from_wire(response.status, None, f"HTTP {response.status}: {text[:200].decode(errors='replace')}")
    return from_wire(response.status, str(code), str(message))


# ---------------------------------------------------------------- one file


def fetch(
    connection: Connection,
    url: str,
    artifact: str,
    local_path: str,
    progress: Callable[[int], None],
    headers: Any = None,
) -> None:
    """Bring a file here: whole or not at all, resumed where an earlier try was cut if it is still the same version."""
    tries = min(10, settings.HTTP_REQUEST_MAX_RETRIES.get()) + 1
    last: Exception | None = None
    may_resume = True
    for attempt in range(tries):
        if attempt and may_resume:
            time.sleep(_pause(attempt, Unavailable("")))
        known = known_partial(local_path) if may_resume else None
        try:
            _fetch_once(connection, url, artifact, local_path, progress, dict(headers or {}), known)
        except _Mismatch:
            may_resume = False
        except _Cut as cut:
            may_resume = True
            last = cut
        else:
            return
    raise ServerUnreachable(connection.base, f"the download of {artifact!r} was cut {tries} times: {last}")


class _Cut(Exception):
    """The answer broke off; what came is kept."""


class _Mismatch(Exception):
    """What was kept does not fit the file of today, or somebody else is adding to it."""


def _fetch_once(
    connection: Connection,
    url: str,
    artifact: str,
    local_path: str,
    progress: Callable[[int], None],
    headers: dict[str, str],
    known: tuple[str, int] | None,
) -> None:
    if known is not None and known[1]:
        headers |= {"Range": f"bytes={known[1]}-", "If-Range": known[0]}
    response = connection.request("GET", url, headers=headers, allow=(416,), is_artifact=artifact)
    try:
        etag = response.headers.get("ETag", "")
        start = _resumed_at(response)
        total = _total(response, start)
        if response.status == 416 or (start and (known is None or etag != known[0])):
            raise _Mismatch
        partial = Partial(local_path, etag)
        try:
            if not start:
                partial.restart()
            elif partial.size != start:
                raise _Mismatch
            progress(partial.size)
            try:
                for block in response.stream(BLOCK_BYTES, decode_content=False):
                    partial.append(block)
                    progress(len(block))
            except _transport_errors() as error:
                raise _Cut(type(error).__name__) from error
            if total is not None and partial.size != total:
                raise _Cut(f"{partial.size} of {total} bytes came")
            partial.finish()
        finally:
            partial.close()
    finally:
        response.release_conn()


def _resumed_at(response: urllib3.BaseHTTPResponse) -> int:
    if response.status != 206:
        return 0
    spec = response.headers.get("Content-Range", "")
    try:
        return int(spec.removeprefix("bytes ").partition("-")[0])
    except ValueError:
        return 0


def _total(response: urllib3.BaseHTTPResponse, start: int) -> int | None:
    length = response.headers.get("Content-Length")
    return start + int(length) if length is not None and length.isdigit() else None


class HttpSource:
    """A file behind an address: read on in one answer, asked for anew (by range) only after a jump."""

    def __init__(self, connection: Connection, url: str, artifact: str) -> None:
        self._connection, self._url, self._artifact = connection, url, artifact
        head = connection.request("HEAD", url, is_artifact=artifact)
        head.drain_conn()
        length = head.headers.get("Content-Length", "")
        if not length.isdigit():
            raise cannot("say how long a file is", url)
        self.size = int(length)
        self.etag = head.headers.get("ETag", "")
        try:
            self.modified = parsedate_to_datetime(head.headers.get("Last-Modified", "")).timestamp()
        except (ValueError, TypeError):
            self.modified = 0.0
        self._response: urllib3.BaseHTTPResponse | None = None
        self._position = 0

    def read(self, offset: int, length: int) -> bytes:
        if offset >= self.size:
            return b""
        for attempt in (0, 1):
            if self._response is None or offset != self._position:
                self._ask(offset)
            assert self._response is not None
            try:
                data = self._response.read(min(length, self.size - offset), decode_content=False)
            except _transport_errors() as error:
                self.close()
                if attempt:
                    raise ServerUnreachable(self._connection.base, type(error).__name__) from error
                continue
            self._position = offset + len(data)
            return data
        return b""

    def _ask(self, offset: int) -> None:
        self.close()
        headers = {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if is_strong(self.etag):
                headers["If-Range"] = self.etag
        response = self._connection.request("GET", self._url, headers=headers, is_artifact=self._artifact)
        if response.headers.get("ETag", "") != self.etag or _resumed_at(response) != offset:
            response.close()
            raise Unavailable(f"The artifact {self._artifact!r} changed while it was read. Open it again.")
        self._response = response
        self._position = offset

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


class HttpRepository(Repository):
    """Files of a plain web server, to read only.

    Args:
        uri: a folder's address; a query in it is sent with every file.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        parts = urlsplit(uri)
        if not parts.hostname:
            raise InvalidValue(f"{uri!r} names no host.")
        self._query = parts.query
        self._connection = Connection(urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), False)

    def _url(self, path: ArtifactPath) -> str:
        url = f"{self._connection.base}/{quote(path)}" if path else self._connection.base
        return f"{url}?{self._query}" if self._query else url

    def _list(self, folder: ArtifactPath) -> Files:
        if folder == paths.ROOT:
            raise cannot("be listed", self.uri)
        return []

    def _create(self, path: ArtifactPath, size: int | None) -> Sink:
        raise cannot("be written to", self.uri)

    def _delete(self, path: ArtifactPath) -> None:
        raise cannot("be written to", self.uri)

    def _source(self, path: ArtifactPath) -> Source:
        return HttpSource(self._connection, self._url(path), path)

    def _fetch(self, path: ArtifactPath, local_path: str, progress: Callable[[int], None]) -> None:
        fetch(self._connection, self._url(path), path, local_path, progress)
