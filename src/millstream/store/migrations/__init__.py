"""Migrations of the schema, run by Alembic; imported only when a database of an older revision is met.

Changing the schema: change `tables.py`, add `versions/<number>_<what>.py`, put its number into `schema.REVISIONS` and
`schema.HEAD`. A test compares both on every database.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config

from millstream.store import schema
from millstream.store.database import create_engine, parse_url


def upgrade(uri: str, revision: str = schema.HEAD) -> str:
    """Bring a database up to a revision, in one transaction where the database can (not MySQL), and return that.

    Args:
        uri: its SQLAlchemy URL. An empty database gets all tables.
    """
    engine = create_engine(parse_url(uri))
    try:
        with engine.connect() as connection:
            _upgrade(connection, revision)
    finally:
        engine.dispose()
    return revision


def _upgrade(connection: sqlalchemy.Connection, revision: str) -> None:
    # connections are in autocommit mode: the transaction is ours, the lock first
    dialect = connection.dialect.name
    connection.exec_driver_sql("BEGIN IMMEDIATE" if dialect == "sqlite" else "BEGIN")
    try:
        if dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema.LOCK_KEY})")
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
