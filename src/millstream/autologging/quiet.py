"""Running our code in the middle of the user's: without a warning of ours, and without a draw from the global random numbers."""

from __future__ import annotations

import random
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast


class _InThisThread:
    """The message of a filter in `warnings.filters` that matches whatever one thread warns of, and nothing of others.

    `warnings.catch_warnings` would do for one thread, but swallows what others warn of meanwhile, and two threads inside of it
    leave each other's filters behind.
    """

    pattern = "(?!)"
    """For those who read filters, or send them to worker processes as sklearn does: nothing matches."""
    flags = 0

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def match(self, text: str) -> bool:
        return threading.get_ident() == self._thread

    def __reduce__(self) -> Any:
        return re.compile, (self.pattern,)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep what this block warns of to itself, and let it not move the global generators of `random` and NumPy."""
    entry = ("ignore", _InThisThread(), Warning, None, 0)
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, entry)
    restore = _random_state()
    try:
        yield
    finally:
        for at, present in enumerate(filters):
            if present is entry:
                del filters[at]
                break
        restore()


def _nothing() -> None:
    pass


def _random_state() -> Callable[[], None]:
    """What puts the generators back. With other threads about it does nothing: they would see their draws a second time."""
    here = threading.current_thread()
    if any(each is not here and not each.name.startswith("millstream") for each in threading.enumerate()):
        return _nothing
    own = random.getstate()
    numpy_random = sys.modules.get("numpy.random")
    state = None if numpy_random is None else numpy_random.get_state()

    def restore() -> None:
        if random.getstate() != own:
            random.setstate(own)
        if numpy_random is not None and not _is_same(numpy_random.get_state(), state):
            numpy_random.set_state(state)

    return restore


def _is_same(one: Any, other: Any) -> bool:
    return bool((one[1] == other[1]).all()) and one[0] == other[0] and one[2:] == other[2:]
