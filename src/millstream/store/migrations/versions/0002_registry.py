"""The registry, as it was released: a frozen copy of its part of `tables.py`, not to be changed.

The first schema had four of these tables for the sake of search, and nothing that wrote them: they are made anew.

Revision ID: 0002
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


Table("names", metadata, Column("id", BigId, primary_key=True))  # referred to

registered_models = Table(
    "registered_models",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", _string(256), nullable=False, unique=True),
    Column("description", _text()),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("last_version", BigInteger, nullable=False),
    Index("ix_registered_models_page", "last_update_time", "name"),
    **_PLAIN,
)

registered_model_tags = Table(
    "registered_model_tags",
    metadata,
    Column("model", BigId, ForeignKey("registered_models.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("value", _text(), nullable=False),
    **_ROWLESS,
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("model", BigId, ForeignKey("registered_models.id", ondelete="CASCADE"), nullable=False),
    Column("name", _string(256), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("stage", SmallInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("status_message", _text()),
    Column("description", _text()),
    Column("source", _text(), nullable=False),
    Column("location", _text()),
    Column("run_id", _string(256), nullable=False),
    Column("run_link", _text(), nullable=False),
    Column("user_id", _string(256), nullable=False),
    Column("model_id", _string(64)),
    Index("ix_model_versions_identity", "model", "version", unique=True),
    Index("ix_model_versions_stage", "model", "stage", "version"),
    Index("ix_model_versions_page", "last_update_time", "name", "version"),
    Index("ix_model_versions_name", "name", "version"),
    Index("ix_model_versions_run", "run_id", "last_update_time"),
    Index("ix_model_versions_model_id", "model_id"),
    **_PLAIN,
)

model_version_tags = Table(
    "model_version_tags",
    metadata,
    Column("version", BigId, ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("value", _text(), nullable=False),
    **_ROWLESS,
)

registered_model_aliases = Table(
    "registered_model_aliases",
    metadata,
    Column("model", BigId, ForeignKey("registered_models.id", ondelete="CASCADE"), primary_key=True),
    Column("alias", _string(256), primary_key=True),
    Column("version", BigId, ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False),
    Index("ix_registered_model_aliases_version", "version"),
    **_ROWLESS,
)

registry_history = Table(
    "registry_history",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("model", BigInteger, nullable=False),
    Column("name", _string(256), nullable=False),
    Column("version", BigInteger),
    Column("action", SmallInteger, nullable=False),
    Column("key", _string(256)),
    Column("from_value", _text()),
    Column("to_value", _text()),
    Column("from_version", BigInteger),
    Column("user_id", _string(256), nullable=False),
    Column("comment", _text()),
    Column("time", BigInteger, nullable=False),
    Index("ix_registry_history_model", "model"),
    Index("ix_registry_history_name", "name", "id"),
    Index("ix_registry_history_version", "name", "version", "id"),
    Index("ix_registry_history_from", "name", "from_version", "id"),
    **_PLAIN,
)

revision = "0002"
down_revision = "0001"

_FIRST = ("model_version_tags", "model_versions", "registered_model_tags", "registered_models")
_NOW = (
    registered_models,
    registered_model_tags,
    model_versions,
    model_version_tags,
    registered_model_aliases,
    registry_history,
)


def upgrade() -> None:
    for name in _FIRST:
        op.drop_table(name)
    metadata.create_all(op.get_bind(), tables=_NOW, checkfirst=False)
