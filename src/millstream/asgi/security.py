"""Who may ask, from where, and how: the checks that stand before every route, and the headers that every answer carries.

The threats are a web page open in the user's browser while the server runs on loopback, and anybody who reaches the port.
Nothing here looks at what is stored.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from millstream.errors import BadRequest, InvalidValue, PermissionDenied

MAX_HEADER_BYTES = 64 << 10
MAX_HEADER_LINES = 100

Headers = list[tuple[bytes, bytes]]


class Peer(Struct, frozen=True):
    """The headers of a request that the checks need, gathered in one pass. None where absent."""

    host: bytes | None
    origin: bytes | None
    fetch_site: bytes | None
    content_type: bytes | None
    content_encoding: bytes | None
    content_length: int | None
    forwarded_host: bytes | None
    forwarded_proto: bytes | None
    has_body: bool


_WANTED = {
    b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-encoding", b"content-length",
    b"x-forwarded-host", b"x-forwarded-proto", b"transfer-encoding",
}  # fmt: skip
_ONLY_ONCE = frozenset({b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-length", b"content-encoding"})


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> Peer:
    """The headers that matter to the checks.

    Raises:
        BadRequest: one that decides something is given twice, or the length is no number.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _WANTED:
            if name in found and name in _ONLY_ONCE:
                raise BadRequest(f"The header {name.decode()!r} is given twice. Send it once.")
            found[name] = value
    get = found.get
    length_text = get(b"content-length")
    length = None
    if length_text is not None:
        if not length_text.isdigit() or len(length_text) > 18:
            raise BadRequest("Content-Length is not a number.")
        length = int(length_text)
    return Peer(
        get(b"host"),
        get(b"origin"),
        get(b"sec-fetch-site"),
        get(b"content-type"),
        get(b"content-encoding"),
        length,
        get(b"x-forwarded-host"),
        get(b"x-forwarded-proto"),
        bool(length) or b"transfer-encoding" in found,
    )


def names_of(entries: str | Sequence[str] | None) -> list[str]:
    """Entries of an option, as a list or as text with commas between them."""
    parts = entries.split(",") if isinstance(entries, str) else entries or ()
    return [part.strip() for part in parts if part.strip()]


# ---------------------------------------------------------------- hosts

_HOST = re.compile(
    r"^(?:\[(?P<v6>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9_](?:[a-z0-9_.-]{0,253}[a-z0-9_.])?))(?::(?P<port>\d{1,5}))?$"
)
_NUMERIC_TAIL = re.compile(r"(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$")
_PRIVATE = tuple(
    ipaddress.ip_network(net)
    for net in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
)  # fmt: skip
_REMEMBERED = 1024


class HostRules:
    """Which Host headers are served: loopback and private addresses, `localhost`, and what the operator names.

    Args:
        allowed: names or addresses, optionally with a port; `*.example.org` means all names below, `*` any host.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._any = "*" in allowed
        self._exact = {"localhost"}
        self._suffixes: list[str] = []
        for entry in allowed:
            lowered = entry.strip().lower().rstrip(".")
            if lowered.startswith("*."):
                self._suffixes.append(lowered[1:])
            elif lowered and lowered != "*":
                self._exact.add(lowered)
        self._known: dict[bytes, bool] = {}

    def check(self, host: bytes | None) -> None:
        """
        Raises:
            BadRequest: missing or malformed.
            PermissionDenied: a name that is not served here.
        """
        if host is None:
            raise BadRequest("The request has no Host header.")
        allowed = self._known.get(host)
        if allowed is None:
            allowed = self._decide(host)
            if len(self._known) < _REMEMBERED:
                self._known[host] = allowed
        if not allowed:
            raise PermissionDenied(
                "This server does not answer under that host name. The operator can allow it with --allowed-hosts."
            )

    def _decide(self, host: bytes) -> bool:
        name, port = split_host(host)
        if self._any or name in self._exact or (port is not None and f"{name}:{port}" in self._exact):
            return True
        address = _address(name)
        if address is not None:
            return any(address in net for net in _PRIVATE if net.version == address.version)
        return any(name.endswith(suffix) for suffix in self._suffixes)


def split_host(host: bytes) -> tuple[str, int | None]:
    """Name or address (without brackets, lower case, no final dot) and port. Raises BadRequest when it is neither."""
    match = _HOST.match(host.decode("latin-1").lower())
    if match is None:
        raise BadRequest("The Host header is malformed.")
    port = int(match["port"]) if match["port"] else None
    name = match["v6"] or match["name"].rstrip(".")
    is_bad_address = _address(name) is None and (match["v6"] is not None or _NUMERIC_TAIL.search(name) is not None)
    if is_bad_address or ".." in name or (port is not None and port > 65535):
        raise BadRequest("The Host header is malformed.")
    return name, port


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_loopback(host: str) -> bool:
    """Whether listening there is seen by this machine only."""
    if host.lower() == "localhost":
        return True
    address = _address(host.strip("[]"))
    return address is not None and address.is_loopback


# ---------------------------------------------------------------- origins

_DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginRules:
    """Which pages may change things: those of this server itself and those of the origins that the operator names.

    Args:
        allowed: origins such as `https://tools.example.org`; `*` means any.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self.any = "*" in allowed
        self._allowed = {entry.strip().lower().rstrip("/") for entry in allowed} - {"", "*", "null"}

    def is_configured(self, origin: bytes | None) -> bool:
        """Whether the operator named that origin; only then do answers carry CORS headers."""
        if origin is None or origin == b"null":
            return False
        return self.any or origin.decode("latin-1").lower() in self._allowed

    def check(self, peer: Peer, scheme: str, host: bytes) -> None:
        """
        Args:
            scheme, host: under which the server was reached.
        Raises:
            PermissionDenied: the request comes from a page of another origin.
        """
        if peer.origin is None:
            if peer.fetch_site in (b"cross-site", b"same-site"):
                raise PermissionDenied("Requests that change something are refused from pages of other sites.")
            return
        if self.is_configured(peer.origin) or _same_origin(peer.origin, scheme, host):
            return
        raise PermissionDenied(
            "Requests that change something are refused from pages of other origins. "
            "The operator can allow an origin with --cors-allowed-origins."
        )

    def answer_headers(self, peer: Peer) -> Headers:
        """CORS headers for a configured origin, none for others. Credentials are never allowed together with `*`."""
        if peer.origin is None or not self.is_configured(peer.origin):
            return []
        if self.any:
            return [(b"access-control-allow-origin", b"*")]
        return [
            (b"access-control-allow-origin", peer.origin),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"Origin"),
        ]


PREFLIGHT: Headers = [
    (b"access-control-allow-headers", b"authorization, content-type, x-request-id"),
    (b"access-control-max-age", b"600"),
]


def _same_origin(origin: bytes, scheme: str, host: bytes) -> bool:
    origin_scheme, separator, origin_host = origin.partition(b"://")
    if not separator or origin_scheme.decode("latin-1").lower() != scheme:
        return False
    try:
        theirs, their_port = split_host(origin_host)
        ours, our_port = split_host(host)
    except BadRequest:
        return False
    default = _DEFAULT_PORTS.get(scheme)
    return theirs == ours and (their_port or default) == (our_port or default)


# ---------------------------------------------------------------- proxies


class ProxyRules:
    """From whom forwarded headers count.

    Args:
        trusted: addresses or networks of proxies.
    """

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        try:
            self._trusted = [ipaddress.ip_network(entry.strip(), strict=False) for entry in trusted if entry.strip()]
        except ValueError as error:
            raise InvalidValue(f"TRUSTED_PROXIES holds something that is no address: {error}") from None

    def reached_as(self, peer: Peer, client: str | None, scheme: str) -> tuple[str, bytes | None]:
        """Scheme and host under which the user reached the server."""
        host = peer.host
        if self._trusted and client is not None and (peer.forwarded_host or peer.forwarded_proto):
            address = _address(client)
            if address is not None and any(address in net for net in self._trusted if net.version == address.version):
                if peer.forwarded_proto in (b"http", b"https"):
                    scheme = peer.forwarded_proto.decode()
                host = peer.forwarded_host or host
        return scheme, host


# ---------------------------------------------------------------- what answers carry


def common_headers(x_frame_options: str | None) -> Headers:
    """Headers of every answer.

    Args:
        x_frame_options: value of that header; None or NONE leaves it away.
    """
    headers: Headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if x_frame_options and x_frame_options.upper() != "NONE":
        if not re.fullmatch(r"[A-Za-z-]+", x_frame_options):
            raise InvalidValue(f"{x_frame_options!r} is no value of X-Frame-Options. Take SAMEORIGIN, DENY or NONE.")
        headers.append((b"x-frame-options", x_frame_options.upper().encode()))
    return headers
