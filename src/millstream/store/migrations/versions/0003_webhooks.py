"""Webhooks and their outbox, as they were released: a frozen copy of their part of `tables.py`, not to be changed.

Revision ID: 0003
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key; SQLite gives its fast rowid only to INTEGER."""

# compared by code point, blanks at the end included (the older utf8mb4_bin pads)
_MYSQL_COLLATION = "utf8mb4_0900_bin"
_MARIADB_COLLATION = "utf8mb4_nopad_bin"
_LONG = 2**32 - 1  # TEXT and BLOB of this length are LONGTEXT and LONGBLOB; naming these would import the dialect


def _string(length: int) -> String:
    """Text up to `length` characters, compared by code point on every database."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(String(length, collation=_MYSQL_COLLATION), "mysql")
        .with_variant(String(length, collation=_MARIADB_COLLATION), "mariadb")
    )


def _text() -> Text:
    return (
        Text()
        .with_variant(Text(collation="C"), "postgresql")
        .with_variant(Text(_LONG, collation=_MYSQL_COLLATION), "mysql")
        .with_variant(Text(_LONG, collation=_MARIADB_COLLATION), "mariadb")
    )


# nothing is said about MySQL's engine and character set: InnoDB is the default, each text has its collation, and any
# `mysql_` argument here would load that dialect
_ROWLESS: dict[str, Any] = {"sqlite_with_rowid": False}
_PLAIN: dict[str, Any] = {"sqlite_autoincrement": True}


webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("webhook_id", _string(36), nullable=False, unique=True),
    Column("name", _string(63), nullable=False),
    Column("description", _text()),
    Column("url", _text(), nullable=False),
    Column("secret", _text()),
    Column("status", SmallInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    **_PLAIN,
)

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("webhook", BigId, ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
    Column("event", _string(64), primary_key=True),
    Index("ix_webhook_events_event", "event", "webhook"),
    **_ROWLESS,
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("delivery_id", _string(36), nullable=False, unique=True),
    Column("webhook", BigId, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", _string(64), nullable=False),
    Column("body", _text(), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("due_time", BigInteger, nullable=False),
    Column("last_attempt_time", BigInteger),
    Column("response_status", Integer),
    Column("error", _text()),
    Index("ix_webhook_deliveries_due", "status", "due_time"),
    Index("ix_webhook_deliveries_webhook", "webhook", "id"),
    **_PLAIN,
)

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=False)
