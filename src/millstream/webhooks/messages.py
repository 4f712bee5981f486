"""What goes between the outbox and those who empty it. Light: every store imports this, few ever send."""

from __future__ import annotations

from msgspec import Struct


class Message(Struct, frozen=True):
    """What is to be delivered, and where."""

    url: str
    delivery_id: str
    body: str
    secret: str | None = None

    def __repr__(self) -> str:  # url and secret stay out of logs
        return f"Message(delivery_id={self.delivery_id!r})"


class Outcome(Struct, frozen=True):
    """How an attempt went. Without `error` it is delivered."""

    response_status: int | None = None
    error: str | None = None
    may_work_later: bool = False
    retry_after_s: float | None = None


class Claimed(Struct, frozen=True):
    """A delivery that this process may try now."""

    key: int
    webhook: int
    attempt: int  # counted from 1
    message: Message
    problem: Outcome | None = None  # why it cannot even be tried
