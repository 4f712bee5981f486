"""Migrations of the schema, run by Alembic; imported only when a database of an older revision is met.

Changing the schema: change `tables.py`, add `versions/<number>_<what>.py`, put its number into `schema.REVISIONS` and
`schema.HEAD`. A test compares both on every database.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config


def upgrade(uri: str, revision: str = "head") -> None:
    """Bring a database up to a revision, in one transaction where the database can.

    Args:
        uri: its SQLAlchemy URL.
    """
    from millstream.store.database import parse_url

    engine = sqlalchemy.create_engine(parse_url(uri), poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            upgrade_connection(connection, revision)
    finally:
        engine.dispose()


def upgrade_connection(connection: sqlalchemy.Connection, revision: str = "head") -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
