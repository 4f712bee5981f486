"""What changes, told to the pages as it happens: server-sent events with the ids of what was written.

Each write of this process notes whose it was (a run, an experiment, a model). A page gets the ids that were touched since its last
event, at most once a second. Nothing of the content is sent: the page asks for what it shows, under the rights of its user.
Several server processes do not hear of each other; pages also ask again on their own every few seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from millstream.errors import Overloaded
from millstream.server.call import Call
from millstream.server.routes import Route
from millstream.server.security import PAGE

if TYPE_CHECKING:
    from millstream.asgi.security import Headers
    from millstream.server.app import Application

INTERVAL_S = 1.0
KEEP_ALIVE_S = 15.0
MAX_LISTENERS = 500
MAX_NAMED = 2000
"""Ids kept and named in one event; beyond that the event says that anything may have changed."""


class Changes:
    """The ids that were written, each with the number of its last write."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._forgotten = 0
        self.number = 0
        self.listeners = 0

    def note(self, key: str) -> None:
        """Something of `key` was written; "" is not kept but counts."""
        self.number += 1
        if key:
            self._last.pop(key, None)
            self._last[key] = self.number
            if len(self._last) > MAX_NAMED:
                oldest = next(iter(self._last))
                self._forgotten = self._last.pop(oldest)

    def since(self, number: int) -> list[str] | None:
        """The ids written after write `number`, the latest first; None if they are no longer known."""
        if number < self._forgotten:
            return None
        found = []
        for key in reversed(self._last):
            if self._last[key] <= number:
                break
            found.append(key)
        return found


def routes(app: Application) -> list[Route]:
    async def events(call: Call) -> None:
        await _send_events(app, call)

    return [Route("live.events", "GET", "/api/2.0/millstream/live", events, PAGE)]


async def _send_events(app: Application, call: Call) -> None:
    changes = app.changes
    if changes.listeners >= MAX_LISTENERS:
        raise Overloaded("Too many pages listen already. This one will ask again by itself.")
    headers: Headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        *app.common_headers,
    ]
    changes.listeners += 1
    call.has_started, call.status = True, 200
    gone = asyncio.ensure_future(_until_disconnect(call))
    try:
        await call.send({"type": "http.response.start", "status": 200, "headers": headers})
        await _send_until(app, call, gone)
    finally:
        gone.cancel()
        changes.listeners -= 1


async def _send_until(app: Application, call: Call, gone: asyncio.Future[None]) -> None:
    changes = app.changes
    seen, silent = changes.number, KEEP_ALIVE_S
    while not gone.done() and not app.is_stopping:
        if changes.number != seen:
            keys = changes.since(seen)
            seen, silent = changes.number, 0.0
            data = msgspec.json.encode({"changed": keys if keys is not None else None})
            await call.send({"type": "http.response.body", "body": b"data: " + data + b"\n\n", "more_body": True})
        elif silent >= KEEP_ALIVE_S:
            silent = 0.0
            await call.send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
        await asyncio.wait([gone], timeout=INTERVAL_S)
        silent += INTERVAL_S
    if not gone.done():
        await call.send({"type": "http.response.body", "body": b""})


async def _until_disconnect(call: Call) -> None:
    while (await call.receive())["type"] != "http.disconnect":
        pass
