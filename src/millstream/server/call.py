"""One request on its way through the server, and the answer to it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from millstream.api import wire
from millstream.asgi.body import Receive, Scope, Send, read_body
from millstream.asgi.security import Headers, Peer

if TYPE_CHECKING:
    from millstream.server.routes import Bound


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
        """The whole body, unpacked; `limit` is the most bytes. Raises what `read_body` raises."""
        return await read_body(self.receive, self.peer, limit)
