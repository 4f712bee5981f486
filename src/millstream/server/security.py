"""The rules of each route of the tracking server: right, body, size, and whether it changes something.

Who may ask at all, by host and origin, is checked in `millstream.asgi.security`.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from millstream.api.endpoint import ACCESS_RIGHTS
from millstream.asgi.security import Peer
from millstream.errors import InvalidValue


class BodyKind(StrEnum):
    """What a route accepts as body."""

    NONE = "none"
    JSON = "json"
    RAW = "raw"  # streamed to a store, never parsed


class Policy(Struct, frozen=True):
    """The rules of one route and verb; a route without one stops the start."""

    access: str  # one of ACCESS_RIGHTS
    body: BodyKind
    body_limit: int  # bytes
    changes_state: bool  # requests of foreign pages are refused

    def __post_init__(self) -> None:
        if self.access not in ACCESS_RIGHTS:
            raise ValueError(f"unknown access right {self.access!r}")
        if self.body_limit < 0 or (self.body is BodyKind.NONE and self.body_limit):
            raise ValueError(f"body limit {self.body_limit} does not fit body kind {self.body}")


PAGE = Policy("experiment:read", BodyKind.NONE, 0, False)
PUBLIC = Policy("public", BodyKind.NONE, 0, False)


def check_content_type(policy: Policy, verb: str, peer: Peer) -> None:
    """JSON routes take JSON only. POST and PUT must say so; what they cannot do is what a foreign page's form can send.

    Raises:
        InvalidValue: another or no media type.
    """
    if policy.body is not BodyKind.JSON or verb in ("GET", "HEAD"):
        return
    given = peer.content_type
    if given is None:
        if verb in ("POST", "PUT"):
            raise InvalidValue("The header Content-Type is missing. Send Content-Type: application/json.")
        return
    if given == b"application/json" or given.split(b";", 1)[0].strip().lower() == b"application/json":
        return
    raise InvalidValue("This endpoint takes JSON. Send Content-Type: application/json.")


PAGE_CSP = (
    b"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    b"object-src 'none'; script-src 'self'; frame-ancestors 'self'"
)
