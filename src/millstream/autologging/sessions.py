"""Whether something is being recorded already: then patched calls inside of it record nothing of their own.

A session belongs to the context that opened it (a thread, an asyncio task) and to the threads started inside of it, so that the
thread pool of a grid search is quiet while a training in another thread of the user's is recorded. Forked children inherit it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.autologging.training import Training

INHERITED = "_millstream_session"
"""Attribute of a thread that was started inside of a session."""


class Session:
    """Open until it is left; threads outlive it, so it says itself when it is over."""

    __slots__ = ("is_open", "training")

    def __init__(self, training: Training | None) -> None:
        self.is_open = True
        self.training = training
        """What is recorded in it, if anything is."""


Entered = tuple[Session, "Token[Session | None]"]

_current: ContextVar[Session | None] = ContextVar("millstream_autologging_session", default=None)


def current() -> Session | None:
    """The session that this code runs in."""
    session = _current.get()
    if session is None:
        session = getattr(threading.current_thread(), INHERITED, None)
    return session if session is not None and session.is_open else None


def enter(training: Training | None = None) -> Entered:
    """Open a session; to be given to `leave` in the same context."""
    session = Session(training)
    return session, _current.set(session)


def leave(entered: Entered) -> None:
    session, token = entered
    session.is_open = False
    _current.reset(token)


@contextmanager
def disable_autologging() -> Iterator[None]:
    """Record nothing by itself in this block, in this context and the threads that it starts."""
    entered = enter()
    try:
        yield
    finally:
        leave(entered)


def inherit_in_threads(original: Any) -> Any:
    """`threading.Thread.start` that hands the session on."""

    @functools.wraps(original)
    def start(self: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        session = current()
        if session is not None:
            setattr(self, INHERITED, session)
        return original(self, *args, **kwargs)

    return start
