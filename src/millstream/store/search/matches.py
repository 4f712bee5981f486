"""What a search gives, and what all searches check."""

from __future__ import annotations

from msgspec import Struct

from millstream.errors import InvalidValue

MAX_RESULTS = 50_000


class Matches(Struct, frozen=True):
    """A page of what was found: integer keys in order, the token of the next page, the number of all matches if asked."""

    pks: list[int]
    token: str | None = None
    total: int | None = None


def check_max_results(max_results: int, most: int = MAX_RESULTS) -> None:
    if not 1 <= max_results <= most:
        raise InvalidValue(f"max_results is {max_results}; it must be from 1 to {most}.")
