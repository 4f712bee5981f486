"""Where a webhook may lead.

A URL is text of a user; the machine that sends to it may reach what the user may not. So the host name is resolved once,
every address that it has must be public, and the connection goes to one of exactly these addresses: a name server that
gives another answer a moment later changes nothing. An operator may allow more (`WEBHOOK_ALLOWED_SCHEMES`,
`WEBHOOK_ALLOW_PRIVATE_IPS`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from millstream import settings
from millstream.errors import WebhookUrlRefused

MAX_URL = 2048

_PORTS = {"https": 443, "http": 80}
_NOT_IN_URLS = re.compile(r"[^\x21-\x7e]|[\\^`{|}<>\"]")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER = tuple(map(ipaddress.IPv6Network, ("2001::/32", "64:ff9b:1::/48", "fec0::/10")))
"""Tunnels whose other end cannot be told, translation inside of one network, and the private addresses of old."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Receiver(Struct, frozen=True):
    """A checked URL."""

    scheme: str
    host: str  # a name, or an address without brackets
    port: int
    target: str  # path and query

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Resolved(Struct, frozen=True):
    """An address that may be connected to."""

    family: int
    address: tuple[Any, ...]


class HostUnknown(WebhookUrlRefused):
    """The name has no address now; it may have one later."""

    def __init__(self) -> None:
        super().__init__("no name server knows its host. Check the name.")


def parse(url: str) -> Receiver:
    """
    Raises:
        WebhookUrlRefused: no URL that a webhook may have, whatever its host resolves to.
    """
    if len(url) > MAX_URL:
        raise WebhookUrlRefused(f"it is longer than {MAX_URL} characters.")
    if _NOT_IN_URLS.search(url):
        raise WebhookUrlRefused("it holds blanks or characters that a URL has not. Percent-encode them.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WebhookUrlRefused("it is not a URL. Write it as https://host/path.") from None
    scheme = parts.scheme.lower()
    if scheme not in _allowed_schemes():
        allowed = " or ".join(sorted(_allowed_schemes()))
        raise WebhookUrlRefused(
            f"its scheme has to be {allowed}. An operator may allow http (WEBHOOK_ALLOWED_SCHEMES)."
        )
    if "@" in parts.netloc:
        raise WebhookUrlRefused("it holds a user or password. Give the receiver a secret to check instead.")
    if "#" in url:
        raise WebhookUrlRefused("it has a fragment ('#...'), which is never sent. Leave it out.")
    if ";" in parts.path:
        raise WebhookUrlRefused("its path has parameters (';...'). Leave them out.")
    if not parts.hostname or "%" in parts.hostname:
        raise WebhookUrlRefused("it names no host. Write it as https://host/path.")
    if port == 0:
        raise WebhookUrlRefused("port 0 is none.")
    path = parts.path or "/"
    return Receiver(scheme, parts.hostname, port or _PORTS[scheme], f"{path}?{parts.query}" if parts.query else path)


def _allowed_schemes() -> set[str]:
    asked = {part.strip().lower() for part in settings.WEBHOOK_ALLOWED_SCHEMES.get().split(",")}
    return asked & _PORTS.keys() or {"https"}


def resolve(receiver: Receiver) -> list[Resolved]:
    """The addresses of the receiver, all of which may be connected to. Asks name servers.

    Raises:
        HostUnknown: it has none.
        WebhookUrlRefused: one of them is not public, and private ones are not allowed.
    """
    try:
        found = socket.getaddrinfo(receiver.host, receiver.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise HostUnknown from None
    resolved = [Resolved(family, address) for family, _, _, _, address in found]
    if not resolved:
        raise HostUnknown
    if not settings.WEBHOOK_ALLOW_PRIVATE_IPS.get():
        for each in resolved:
            check_public(str(each.address[0]))
    return resolved


def check_public(address: str) -> None:
    """
    Raises:
        WebhookUrlRefused: the address is one of this machine, of a private network, or of no network at all.
    """
    try:
        is_public = _is_public(ipaddress.ip_address(address))
    except ValueError:
        is_public = False
    if not is_public:
        raise WebhookUrlRefused(
            "its host is not on the public internet. An operator may allow that (WEBHOOK_ALLOW_PRIVATE_IPS)."
        )


def _is_public(address: IpAddress) -> bool:
    inner = _embedded(address)
    if inner is not None:
        return _is_public(inner)
    if any(address in network for network in _NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _embedded(address: IpAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: it is where the packets go in the end."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
