"""Making a fresh database, and refusing one that this code does not know.

A fresh database is made from `tables.metadata` and stamped with `HEAD`, without Alembic (its import costs more than all
the tables). Older ones are brought up to date by `store.migrations`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Column, String, Table, bindparam, insert, inspect, select

from millstream.errors import StoreError
from millstream.store.failures import is_retryable
from millstream.store.statement import Statement
from millstream.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from millstream.store.database import Database, Session

T = TypeVar("T")

HEAD = "0003"
"""The newest revision under `migrations/versions`."""

REVISIONS = ("0001", "0002", "0003")
"""All revisions, the oldest first."""

VERSION_TABLE = "millstream_version"

version = Table(VERSION_TABLE, metadata, Column("version_num", String(32), primary_key=True))

_READ_VERSION = Statement(select(version.c.version_num))
_STAMP = Statement(insert(version).values(version_num=bindparam("version_num")))
LOCK_KEY = 7_205_759_403_792_793


def ensure(database: Database, create: bool) -> None:
    """Make the tables of a fresh database; check the revision of any other.

    Several processes may do so at the same moment: one makes the tables, the others wait and find them.
    """
    session = database.connect(for_writing=False)
    try:
        revision = _patiently(lambda: read_revision(session))
        if revision is None:
            if not create:
                raise StoreError(f"{database.safe_uri} holds no Millstream store.")
            _patiently(lambda: refuse_foreign(session.sa))
        if database.dialect == "sqlite":  # kept in the file, so only now that it is known to be ours
            _patiently(lambda: session.execute_text("PRAGMA journal_mode = WAL"))
        if revision is None:
            _create(session)
            revision = read_revision(session)
    finally:
        session.close()
    if revision != HEAD:
        _bring_up(database, revision)


def read_revision(session: Session) -> str | None:
    """The revision that the database is stamped with; None for one without our tables."""
    if not inspect(session.sa).has_table(VERSION_TABLE):
        return None
    row = session.row(_READ_VERSION)
    return None if row is None else str(row[0])


def _bring_up(database: Database, revision: str | None) -> None:
    if revision not in REVISIONS:
        raise StoreError(
            f"{database.safe_uri} was written by a newer Millstream (revision {revision!r}; this one knows up to {HEAD!r}). "
            "Update Millstream."
        )
    if database.dialect != "sqlite":
        raise StoreError(
            f"{database.safe_uri} is of revision {revision}, this Millstream needs {HEAD}. Make a backup, then run: "
            f"millstream db upgrade {database.safe_uri}"
        )
    from millstream.store.migrations import upgrade

    upgrade(database.url.render_as_string(hide_password=False))


def _patiently(fn: Callable[[], T]) -> T:
    """Again while another process switches an SQLite file to WAL: neither the switch nor its witnesses wait by themselves."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return fn()
        except Exception as error:
            if not is_retryable(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _create(session: Session) -> None:
    if session.dialect == "mysql":
        _create_in_mysql(session)
        return
    session.execute_text("BEGIN IMMEDIATE" if session.dialect == "sqlite" else "BEGIN")
    try:
        if session.dialect == "postgresql":
            session.execute_text(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
        if read_revision(session) is None:
            _create_tables(session)
        session.execute_text("COMMIT")
    except BaseException:
        session.execute_text("ROLLBACK")
        raise


def _create_in_mysql(session: Session) -> None:
    # DDL commits by itself there: the stamp comes last, and what a crash left half done is completed
    session.execute_text(f"SELECT GET_LOCK('millstream-{LOCK_KEY}', 60)")
    try:
        if read_revision(session) is None:
            _create_tables(session)
    finally:
        session.execute_text(f"SELECT RELEASE_LOCK('millstream-{LOCK_KEY}')")


def refuse_foreign(connection: Connection) -> None:
    """Raises StoreError for a database that has tables of another program and none of ours."""
    tables = inspect(connection)
    if tables.has_table("alembic_version") and not tables.has_table(VERSION_TABLE):
        raise StoreError(
            "The database belongs to MLflow or to another program. Use an empty one, and `millstream import` to copy runs."
        )


def _create_tables(session: Session) -> None:
    metadata.create_all(session.sa, checkfirst=session.dialect == "mysql")
    session.run(_STAMP, version_num=HEAD)
