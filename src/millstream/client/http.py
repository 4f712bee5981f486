"""Requests to a tracking server: connections that stay open, retries of what may work later, credentials, TLS."""

from __future__ import annotations

import random
import socket
import threading
import time
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from msgspec import Struct

from millstream.api import service, wire
from millstream.api.endpoint import MILLSTREAM, Empty, Endpoint
from millstream.client import auth
from millstream.client.uris import redact
from millstream.errors import EndpointNotFound, InvalidValue, MillstreamError, ServerUnreachable
from millstream.settings import (
    HTTP_POOL_MAXSIZE,
    HTTP_REQUEST_BACKOFF_FACTOR,
    HTTP_REQUEST_BACKOFF_JITTER,
    HTTP_REQUEST_MAX_RETRIES,
    HTTP_REQUEST_TIMEOUT,
    HTTP_RESPECT_RETRY_AFTER_HEADER,
    TRACKING_AUTH,
    TRACKING_CLIENT_CERT_PATH,
    TRACKING_INSECURE_TLS,
    TRACKING_PASSWORD,
    TRACKING_SERVER_CERT_PATH,
    TRACKING_TOKEN,
    TRACKING_USERNAME,
)
from millstream.version import VERSION

_DICE = random.SystemRandom()
"""Not the generator of the training, which must draw the same numbers with us as without."""

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")

RETRIED = frozenset((408, 429, 500, 502, 503, 504))
MOST_RETRIES = 10
LONGEST_PAUSE_S = 120.0
CONNECT_TIMEOUT_S = 10.0
USER_AGENT = f"millstream-python-client/{VERSION}"


class HttpTransport:
    """Brings requests to a server and answers back. Safe for threads; a forked child opens connections of its own."""

    is_local = False

    def __init__(self, uri: str) -> None:
        """`uri`: normalised; a path in it is the server's static prefix."""
        parts = urlsplit(uri)
        self.uri = redact(uri)
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self.given_uri = uri
        self._pool: urllib3.PoolManager | None = None
        self._lock = threading.Lock()
        self._sign: auth.Sign | None = None
        self._headers: tuple[tuple[Any, ...], dict[str, str]] | None = None

    def forget_after_fork(self) -> None:
        self._pool = None
        self._lock = threading.Lock()

    def tidy(self) -> bool:
        return False

    def close(self) -> None:
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    # ------------------------------------------------------------ calls

    def call(self, endpoint: Endpoint[Req, Res], req: Req, *, retry: bool = True) -> Res:
        """Send a request and give the answer.

        Args:
            retry: try again, with pauses, what may work later (408, 429, 5xx, no connection).
        Raises:
            MillstreamError: what the server answered, as the class of its code; ServerUnreachable if it did not.
        """
        path = endpoint.paths[0]
        for name in endpoint.path_params:
            value = quote(str(getattr(req, name)), safe="")
            path = path.replace(f"{{{name}}}", value).replace(f"{{{name}:path}}", value.replace("%2F", "/"))
        body: bytes | None = None
        if endpoint.verb == "GET":
            pairs = wire.to_query(req, exclude=endpoint.path_params)
            if pairs:
                path += "?" + urlencode(pairs)
        else:
            body = wire.encode(req)
        try:
            data = self._send(endpoint.verb, self._base + path, body, retry)
        except EndpointNotFound:
            if endpoint.prefixes != MILLSTREAM:
                raise
            raise EndpointNotFound(
                f"The server at {self.uri} is not a Millstream server (or an older one) and cannot do {endpoint.name!r}."
            ) from None
        if endpoint.response is Empty:
            return Empty()  # type: ignore[return-value]
        return wire.decode(endpoint.response, data)

    def probe(self) -> service.Version | None:
        """Which Millstream the server is; None if it is another MLflow-compatible server."""
        try:
            return self.call(service.version, Empty(), retry=False)
        except MillstreamError as error:
            if error.status in (404, 405) or "not understood" in error.message:
                return None
            raise

    def _send(self, verb: str, url: str, body: bytes | None, retry: bool) -> bytes:
        retries = min(HTTP_REQUEST_MAX_RETRIES.get(), MOST_RETRIES) if retry else 0
        tried = 0
        while True:
            try:
                status, headers, data = self._send_once(verb, url, body)
            except ServerUnreachable:
                if tried >= retries:
                    raise
                pause = self._pause(tried, None)
            else:
                if status < 300:
                    return data
                if status not in RETRIED or tried >= retries:
                    error = wire.read_error(status, data)
                    retry_after = _seconds(headers.get("Retry-After"))
                    if retry_after is not None:
                        error.retry_after_s = retry_after  # type: ignore[attr-defined]
                    raise error
                pause = self._pause(tried, headers.get("Retry-After"))
            tried += 1
            time.sleep(pause)

    def _send_once(self, verb: str, url: str, body: bytes | None) -> tuple[int, Any, bytes]:
        headers = self._request_headers()
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._sign is not None:
            headers = self._sign(verb, url, headers, body)
        timeout = HTTP_REQUEST_TIMEOUT.get()
        try:
            response = self._connections().request(
                verb,
                url,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT_S, timeout), read=timeout),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ServerUnreachable(self.uri, _reason(error)) from None
        return response.status, response.headers, response.data

    def _pause(self, tried: int, retry_after: str | None) -> float:
        asked = _seconds(retry_after)
        if asked is not None and HTTP_RESPECT_RETRY_AFTER_HEADER.get():
            return min(asked, LONGEST_PAUSE_S)
        pause = HTTP_REQUEST_BACKOFF_FACTOR.get() * 2.0**tried if tried else 0.0  # the first retry comes at once
        return min(pause + _DICE.random() * HTTP_REQUEST_BACKOFF_JITTER.get(), LONGEST_PAUSE_S)

    def _request_headers(self) -> dict[str, str]:
        """Worked out again only when a setting of theirs has changed."""
        wanted = (
            TRACKING_USERNAME.get(), TRACKING_PASSWORD.get(), TRACKING_TOKEN.get(), TRACKING_AUTH.get(),
        )  # fmt: skip
        if self._headers is None or self._headers[0] != wanted:
            headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **auth.extra_headers()}
            self._sign = auth.signer()
            authorization = None if self._sign else auth.authorization(self.given_uri)
            if authorization:
                headers["Authorization"] = authorization
            self._headers = (wanted, headers)
        return dict(self._headers[1])

    def _connections(self) -> urllib3.PoolManager:
        pool = self._pool
        if pool is None:
            with self._lock:
                pool = self._pool
                if pool is None:
                    pool = self._pool = self._open()
        return pool

    def _open(self) -> urllib3.PoolManager:
        options: dict[str, Any] = {}
        insecure, ca = TRACKING_INSECURE_TLS.get(), TRACKING_SERVER_CERT_PATH.get()
        if insecure and ca:
            raise InvalidValue(
                "TRACKING_INSECURE_TLS and TRACKING_SERVER_CERT_PATH contradict each other: either the server's certificate "
                "is checked, or it is not. Unset one."
            )
        if insecure:
            options["cert_reqs"] = "CERT_NONE"
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        elif ca:
            options["ca_certs"] = ca
        if TRACKING_CLIENT_CERT_PATH.get():
            options["cert_file"] = TRACKING_CLIENT_CERT_PATH.get()
        keep_alive = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        return urllib3.PoolManager(
            num_pools=HTTP_POOL_MAXSIZE.get(), maxsize=HTTP_POOL_MAXSIZE.get(), socket_options=keep_alive, **options
        )


def _seconds(retry_after: str | None) -> float | None:
    """The header's number of seconds; its other form, a date, is not worth reading."""
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    if isinstance(inner, urllib3.exceptions.NewConnectionError):
        return str(inner).rpartition(": ")[2]
    if isinstance(inner, urllib3.exceptions.TimeoutError):
        return "it took too long"
    if isinstance(inner, urllib3.exceptions.ProtocolError) and inner.args:
        return str(inner.args[0]).rstrip(".").lower()
    return (str(inner).rpartition(": ")[2] or type(inner).__name__)[:200]
