"""Page tokens: where the last page ended, as base64 of JSON. Opaque to clients, checked like any other input."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from millstream.errors import InvalidValue

VERSION = 1
NEWEST = 2**63 - 1
"""Where a list begins that goes from the newest key to the oldest: above all of them."""

MAX_CHARS = 100_000


class _Token(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    version: int
    search: str
    values: list[Any]


_decoder = msgspec.json.Decoder(_Token)


def fingerprint(*texts: object) -> str:
    """A short name of a search: tokens of another one are refused."""
    return hashlib.blake2b(repr(texts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def encode(search: str, values: Sequence[Any]) -> str:
    """The token of the page that ends with a row of these sort values."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Token(VERSION, search, list(values)))).decode()


def next_page(search: str, rows: Sequence[Sequence[Any]], size: int) -> str | None:
    """The token of what follows the first `size` rows, which begin with their key, the newest first; None if nothing does."""
    return encode(search, [rows[size - 1][0]]) if len(rows) > size else None


def key_before(token: str, search: str) -> int:
    """The key below which the page of a token of `next_page` begins; an empty token is the first page's."""
    if not token:
        return NEWEST
    values = decode(token, search)
    if len(values) != 1 or type(values[0]) is not int or not 0 <= values[0] <= NEWEST:
        raise InvalidValue("The page token is not one of this list's. Start again without a token.")
    return int(values[0])


def decode(token: str, search: str) -> list[Any]:
    """The sort values of a token; raises InvalidValue for one that is not of this search."""
    if len(token) > MAX_CHARS:
        raise InvalidValue("The page token is too long to be one of this server's.")
    try:
        text = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        found = _decoder.decode(text)
    except (UnicodeError, binascii.Error, msgspec.DecodeError):
        raise InvalidValue("The page token is not one of this server's. Start again without a token.") from None
    if found.version != VERSION or found.search != search:
        raise InvalidValue(
            "The page token belongs to another search. Use a token with the order_by of the search that gave it."
        )
    return found.values
