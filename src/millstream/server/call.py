"""One request on its way through the server, and the answer to it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from millstream.api import wire
from millstream.errors import InvalidValue, MillstreamError, PayloadTooLarge
from millstream.server.security import Headers, Peer

if TYPE_CHECKING:
    from millstream.server.routes import Bound

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_TIMEOUT_S = 60.0
"""A body that is parsed must have arrived by then."""

MAX_RATIO = 100
"""Most bytes that one byte of a gzip body may become, on the whole."""


_SMALL_GZIP = 8 << 10
"""Up to so many bytes are unpacked at once (under 2 ms at the highest ratio); more are unpacked in a thread."""


class ClientGone(Exception):
    """The client went away before its request was read; nobody is left to answer."""


class RequestTimeout(MillstreamError):
    code = "REQUEST_TIMEOUT"


class Answer:
    """Status, own headers and body of an answer; headers that all answers carry are added when it is sent."""

    __slots__ = ("body", "headers", "is_plain", "status")

    def __init__(
        self, body: bytes, content_type: bytes = b"", status: int = 200, headers: Headers | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.is_plain = not content_type and headers is None and status == 200  # JSON without headers of its own
        self.headers: Headers = [(b"content-type", content_type or b"application/json"), *(headers or ())]


class Call:
    """A request whose headers are read and whose route is being found.

    Attributes:
        path: undecoded, below the static prefix.
        root: the prefix under which the request came, for links; "" or "/pfx".
        path_params: decoded parts of the path, by field name.
        scheme, host: under which the user reached the server.
        has_started, status: of an answer that its target streams itself; 499 until then.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, peer: Peer, request_id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.peer = peer
        self.request_id = request_id
        self.verb: str = scope["method"]
        self.path: bytes = b""
        self.root = ""
        self.path_params: dict[str, str] = {}
        self.scheme: str = "http"
        self.host: bytes = b""
        self.bound: Bound | None = None
        self.has_started = False
        self.status = 499

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        return wire.parse_query(self.scope["query_string"])

    async def body(self, limit: int) -> bytes:
        """The whole body, unpacked if it came as gzip.

        Args:
            limit: most bytes, packed and unpacked.
        Raises:
            PayloadTooLarge, RequestTimeout, InvalidValue (unreadable gzip, other encodings), ClientGone.
        """
        encoding = self.peer.content_encoding
        if encoding is not None and encoding.lower() not in (b"gzip", b"identity"):
            raise InvalidValue("Bodies may be sent plain or as gzip (Content-Encoding).")
        if self.peer.content_length is not None and self.peer.content_length > limit:
            raise _too_large(limit)
        if self.peer.content_length is None and self.peer.has_body:
            data = await self._rest(b"", limit)  # chunks may drip without ever holding a byte of the body
        else:
            message = await self.receive()  # a client that is silent here is cut off by the protocol's sweep
            if message["type"] == "http.disconnect":
                raise ClientGone
            data = message.get("body", b"")
            if message.get("more_body", False):
                data = await self._rest(data, limit)
        if len(data) > limit:
            raise _too_large(limit)
        if encoding is not None and encoding.lower() == b"gzip":
            if len(data) > _SMALL_GZIP:
                return await asyncio.to_thread(_gunzip, data, limit)
            return _gunzip(data, limit)
        return data

    async def _rest(self, data: bytes, limit: int) -> bytes:
        parts = [data]
        size = len(data)
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    part = message.get("body", b"")
                    size += len(part)
                    if size > limit:
                        raise _too_large(limit)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise RequestTimeout("The body of the request did not arrive in time. Send it again.") from None


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The body is larger than the {limit} bytes that this endpoint takes. Send it in smaller parts."
    )


def _gunzip(data: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    most = min(limit, len(data) * MAX_RATIO)
    try:
        unpacked = unpacker.decompress(data, most + 1)
    except zlib.error:
        raise InvalidValue("The body is not gzip, though Content-Encoding says so.") from None
    if len(unpacked) > most:
        raise _too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidValue("The gzip body is cut or has more behind its end.")
    return unpacked
