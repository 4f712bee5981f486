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
from millstream.store.failures import translate


def upgrade(uri: str, revision: str = schema.HEAD) -> str:
    """Bring a database up to a revision, in one transaction where the database can (not MySQL), and return that.

    Args:
        uri: its SQLAlchemy URL. An empty database gets all tables.
    Raises:
        StoreError: it is another program's, or no database.
        Unavailable: it does not answer, or cannot be opened.
    """
    engine = create_engine(parse_url(uri))
    try:
        with engine.connect() as connection:
            schema.refuse_foreign(connection)
            _upgrade(connection, revision)
    except Exception as error:
        translated = translate(error)
        if translated is error:
            raise
        raise translated from error
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
