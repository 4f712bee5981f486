"""Searches that are turned page by page until there is enough, or no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from millstream.entities import PagedList

T = TypeVar("T")


def gather(page: Callable[[int, str | None], PagedList[T]], most: int | None, at_once: int) -> list[T]:
    """The items of all pages.

    Args:
        page: gives so many items, from the place that a token names.
        most: how many at most; None is all.
        at_once: the largest page that may be asked for.
    """
    found: list[T] = []
    token: str | None = None
    while most is None or len(found) < most:
        some = page(at_once if most is None else min(at_once, most - len(found)), token)
        found += some
        token = some.token
        if not token:
            break
    return found
