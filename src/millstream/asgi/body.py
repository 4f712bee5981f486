"""The body of a request: read whole within a limit and a time, and unpacked."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from millstream.asgi.security import Peer
from millstream.errors import InvalidValue, MillstreamError, PayloadTooLarge

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


async def read_body(receive: Receive, peer: Peer, limit: int) -> bytes:
    """The whole body, unpacked if it came as gzip.

    Args:
        limit: most bytes, packed and unpacked.
    Raises:
        PayloadTooLarge, RequestTimeout, InvalidValue (unreadable gzip, other encodings), ClientGone.
    """
    encoding = peer.content_encoding
    if encoding is not None and encoding.lower() not in (b"gzip", b"identity"):
        raise InvalidValue("Bodies may be sent plain or as gzip (Content-Encoding).")
    if peer.content_length is not None and peer.content_length > limit:
        raise _too_large(limit)
    if peer.content_length is None and peer.has_body:
        data = await _rest(receive, b"", limit)  # chunks may drip without ever holding a byte of the body
    else:
        message = await receive()  # a client that is silent here is cut off by the protocol's sweep
        if message["type"] == "http.disconnect":
            raise ClientGone
        data = message.get("body", b"")
        if message.get("more_body", False):
            data = await _rest(receive, data, limit)
    if len(data) > limit:
        raise _too_large(limit)
    if encoding is not None and encoding.lower() == b"gzip":
        if len(data) > _SMALL_GZIP:
            return await asyncio.to_thread(_gunzip, data, limit)
        return _gunzip(data, limit)
    return data


async def _rest(receive: Receive, data: bytes, limit: int) -> bytes:
    parts = [data]
    size = len(data)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
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
