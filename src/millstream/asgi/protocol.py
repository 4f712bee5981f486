"""HTTP/1.1 as uvicorn speaks it, with the limits that uvicorn lacks: size and number of headers, and patience.

A client that neither finishes its request nor reads its answer is dropped after a while; all others are served meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from millstream.api import wire
from millstream.asgi.security import MAX_HEADER_BYTES, MAX_HEADER_LINES
from millstream.errors import BadRequest, HeadersTooLarge, MillstreamError

HEADERS_TIMEOUT_S = 20.0
"""The headers of a request must be complete by then, counted from its first byte or from the connection."""

IDLE_TIMEOUT_S = 60.0
"""Longest silence inside of a body, and longest time in which a client takes nothing of its answer."""

SWEEP_INTERVAL_S = 2.0


class Protocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            # asyncio sets it only on sockets whose protocol it knows, which a socket shared between processes is not
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._header_bytes = 0  # of a request whose headers are not complete, as they came
        self._seen_header_bytes = 0  # of the headers of a request, parsed
        self._waits_for_headers_since: float | None = self.loop.time()
        self._last_progress = self.loop.time()
        self._unsent = 0
        self._answered_at = 0.0
        self._is_refused = False
        self._is_in_body = False

    def data_received(self, data: bytes) -> None:
        self._last_progress = self.loop.time()
        if self._is_refused:
            return
        if self._waits_for_headers_since is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._waits_for_headers_since is not None and self._header_bytes > MAX_HEADER_BYTES and not self._is_refused:
            self._refuse_headers()  # not yet complete, and too large already

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._seen_header_bytes = 0
        self._waits_for_headers_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._seen_header_bytes += len(name) + len(value) + 4
        if not self._is_in_body:
            super().on_header(name, value)
        elif self._seen_header_bytes > MAX_HEADER_BYTES:
            raise _HeadersRefused  # trailers are headers that come after the checks: counted, and otherwise ignored

    def on_headers_complete(self) -> None:
        self._waits_for_headers_since = None
        self._header_bytes = 0
        if self._seen_header_bytes + len(self.url) > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADER_LINES:
            raise _HeadersRefused
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._last_progress = self._answered_at = self.loop.time()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed as HTTP, or has too many headers, is answered as JSON and the connection closed."""
        if self._seen_header_bytes > MAX_HEADER_BYTES or len(self.headers or ()) > MAX_HEADER_LINES:
            self._refuse_headers()
        else:
            self._answer(BadRequest("That is not a valid HTTP request."))

    def _refuse_headers(self) -> None:
        limits = f"{MAX_HEADER_BYTES >> 10} kB and {MAX_HEADER_LINES} lines"
        self._answer(HeadersTooLarge(f"The headers are larger than {limits}."))

    def _answer(self, error: MillstreamError) -> None:
        self._is_refused = True
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline:
                self.transport.close()  # another answer is on its way on this connection
                return
            cycle.disconnected = True  # the broken request is given up
            cycle.message_event.set()
        body = wire.error_body(error)
        lines = [
            STATUS_LINE[error.status],
            b"content-type: application/json\r\nx-content-type-options: nosniff\r\nconnection: close\r\n",
            b"content-length: %d\r\n\r\n" % len(body),
            body,
        ]
        self.transport.write(b"".join(lines))
        self.transport.close()

    def is_overdue(self, now: float) -> bool:
        """Whether the client is too slow: with its headers, with its body, or in taking its answer."""
        if self._waits_for_headers_since is not None:
            is_idle = self.timeout_keep_alive_task is not None  # between two requests; uvicorn ends that
            return not is_idle and now - self._waits_for_headers_since > HEADERS_TIMEOUT_S
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None:
            return False
        if cycle.response_complete:
            # refused before its body had come: the rest is read and dropped for a while, or the answer would be lost with it
            return self._is_in_body and now - self._answered_at > HEADERS_TIMEOUT_S
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._last_progress = now
        self._unsent = unsent
        is_waiting = bool(unsent) or (cycle.more_body and not self.flow.read_paused)
        return is_waiting and now - self._last_progress > IDLE_TIMEOUT_S


class _HeadersRefused(Exception):
    """Stops the parser, which then calls for a 400."""


async def sweep(connections: Iterable[Any]) -> None:
    """For ever: cut off the clients that are too slow."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_INTERVAL_S)
        now = loop.time()
        for connection in list(connections):
            if isinstance(connection, Protocol) and connection.is_overdue(now):
                connection.transport.abort()
