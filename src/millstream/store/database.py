"""A database of the store: its connections, its transactions, its writer.

    db = Database("sqlite:///runs.db")
    with db.read() as session:
        session.rows(STATEMENT, run=7)
    db.write(lambda session: session.run(OTHER, run=7))

`read` gives a snapshot. `write` returns after COMMIT and shares its transaction with concurrent writes (see `writer`).
Within a write of the same thread, `read` and `write` join the transaction.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from millstream import settings
from millstream.errors import InvalidValue, MissingLibrary, StoreError
from millstream.store import names, schema
from millstream.store.failures import is_disconnect, is_taken, translate
from millstream.store.statement import Prepared, Statement, insert_into, insert_new, insert_or_ignore, upsert
from millstream.store.writer import Writer

if TYPE_CHECKING:
    import asyncio

__all__ = ["Database", "Session", "Statement", "insert_into", "insert_new", "insert_or_ignore", "upsert"]

T = TypeVar("T")

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_EXTRAS = {"psycopg": "millstream[postgresql]", "pymysql": "millstream[mysql]"}
_MAX_IDLE = 16


class Session:
    """One transaction on one thread, over a connection that is reused for the next one."""

    def __init__(self, database: Database, connection: sqlalchemy.Connection, for_writing: bool) -> None:
        self.database = database
        self.dialect: str = database.dialect
        self.changes = 0  # grows with every statement that may have written
        self._sa_dialect = connection.dialect
        self._connection = connection
        dbapi = connection.connection.dbapi_connection
        assert dbapi is not None
        self._dbapi = dbapi
        self._cursor: Any = dbapi.cursor()
        self._for_writing = for_writing
        self._pending_names: dict[str, int] = {}
        self._uses_sa = False

    # ------------------------------------------------------------ statements

    @property
    def sa(self) -> sqlalchemy.Connection:
        """SQLAlchemy's own connection inside the same transaction, for what a `Statement` cannot say (slower)."""
        self.changes += 1
        self._uses_sa = True
        return self._connection

    def rows(self, st: Statement, **params: Any) -> list[tuple[Any, ...]]:
        prepared = st.prepared(self._sa_dialect)
        cursor = self._cursor
        if prepared.is_plain:
            cursor.execute(prepared.text, prepared.layout(params))
        else:
            cursor.execute(*prepared.expand(params))
        found = cursor.fetchall()
        return found if type(found) is list else list(found)

    def row(self, st: Statement, **params: Any) -> tuple[Any, ...] | None:
        rows = self.rows(st, **params)
        return rows[0] if rows else None

    def run(self, st: Statement, **params: Any) -> int:
        """Execute and return the number of rows concerned."""
        self.changes += 1
        prepared = st.prepared(self._sa_dialect)
        cursor = self._cursor
        if prepared.is_plain:
            cursor.execute(prepared.text, prepared.layout(params))
        else:
            cursor.execute(*prepared.expand(params))
        return cursor.rowcount  # type: ignore[no-any-return]

    def insert(self, st: Statement, **params: Any) -> int:
        """Insert a row of a table with an `id` and return that."""
        key = self._insert(st, params)
        assert key is not None
        return key

    def insert_new(self, st: Statement, **params: Any) -> int | None:
        """As `insert`, for a statement of `insert_new()`: None when a unique key is taken."""
        return self._insert(st, params)

    def _insert(self, st: Statement, params: Mapping[str, Any]) -> int | None:
        self.changes += 1
        cursor = self._cursor
        if self.dialect == "postgresql":
            prepared = st.prepared_returning(self._sa_dialect)
            cursor.execute(prepared.text, prepared.layout(params))
            row = cursor.fetchone()
            return None if row is None else int(row[0])
        prepared = st.prepared(self._sa_dialect)
        try:
            cursor.execute(prepared.text, prepared.layout(params))
        except Exception as error:
            if self.dialect == "mysql" and is_taken(error):
                return None
            raise
        return int(cursor.lastrowid) if cursor.rowcount else None

    def run_many(self, st: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute once for each row."""
        if not rows:
            return
        self.changes += 1
        prepared: Prepared = st.prepared(self._sa_dialect)
        if len(rows) == 1:
            self._cursor.execute(prepared.text, prepared.layout(rows[0]))
        else:
            self._cursor.executemany(prepared.text, prepared.layouts(rows))

    def execute_text(self, sql: str) -> None:
        """Run a statement without parameters as it is."""
        self._cursor.execute(sql)

    # ------------------------------------------------------------ names

    def name_id(self, name: str) -> int:
        """The key of an interned name; a name that is new is added (inside a write only)."""
        known = self.database.name_cache.ids.get(name)
        if known is None:
            known = self._pending_names.get(name)
        if known is not None:
            return known
        found = names.find(self, name)
        if found is not None:
            self._remember(found, name)
            return found
        if not self._for_writing:
            raise StoreError("A name can be added inside of a write only.")
        return self._add_name(name)

    def _add_name(self, name: str) -> int:
        if self.dialect == "sqlite":
            name_id = names.create(self, name)
            self._pending_names[name] = name_id
            return name_id
        # in a transaction of its own: two servers that add the same names never wait for each other's groups
        name_id = self.database.run_aside(lambda aside: names.create(aside, name))
        self.database.name_cache.add(name_id, name)
        return name_id

    def find_name_id(self, name: str) -> int | None:
        """The key of a name, None if nothing was ever logged under it."""
        known = self.database.name_cache.ids.get(name)
        if known is None:
            known = self._pending_names.get(name)
        if known is None:
            known = names.find(self, name)
            if known is not None:
                self._remember(known, name)
        return known

    def name_of(self, name_id: int) -> str:
        name = self.database.name_cache.names.get(name_id)
        if name is None:
            name = names.find_name(self, name_id)
            if name is None:
                raise StoreError(f"The database has no name with the key {name_id}.")
            self._remember(name_id, name)
        return name

    def names_of(self, name_ids: Collection[int]) -> dict[int, str]:
        """The names of many keys, in one query for those that are not known yet."""
        known = self.database.name_cache.names
        # another thread may start the cache anew at any moment
        found = {name_id: name for name_id in name_ids if (name := known.get(name_id)) is not None}
        missing = [name_id for name_id in name_ids if name_id not in found]
        for start in range(0, len(missing), 1000):
            for name_id, name in names.find_names(self, missing[start : start + 1000]):
                found[name_id] = name
                self._remember(name_id, name)
        return found

    def _remember(self, name_id: int, name: str) -> None:
        if self.changes and self.dialect == "sqlite" and self._for_writing:
            self._pending_names[name] = name_id  # may be of this transaction
        else:
            self.database.name_cache.add(name_id, name)

    def forget_pending(self) -> None:
        """After a rollback: names added since BEGIN are looked up anew."""
        self._pending_names.clear()

    # ------------------------------------------------------------ transaction (for the writer and `read`)

    def begin_write(self) -> None:
        self.changes = 0
        self._cursor.execute("BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN")
        self.database.local.session = self

    def begin_read(self) -> None:
        self._cursor.execute(_BEGIN_READ[self.dialect])

    def commit(self) -> None:
        self._cursor.execute("COMMIT")
        if self._pending_names:
            for name, name_id in self._pending_names.items():
                self.database.name_cache.add(name_id, name)
        self._end()

    def rollback(self) -> None:
        self.forget_pending()
        try:
            if self.dialect != "sqlite" or self._dbapi.in_transaction:
                self._cursor.execute("ROLLBACK")
        finally:
            self._end()

    def _end(self) -> None:
        self._pending_names.clear()
        if self._for_writing:
            self.database.local.session = None
        if self._uses_sa:
            self._uses_sa = False
            if self._connection.in_transaction():
                self._connection.rollback()  # SQLAlchemy's own book-keeping; the transaction has ended already

    def close(self) -> None:
        self._cursor.close()
        self._connection.close()

    def discard(self) -> None:
        """Drop a broken connection."""
        try:
            self._connection.invalidate()
            self._connection.close()
        except Exception:  # nothing can be done about a connection that is gone
            pass


_BEGIN_READ = {
    "sqlite": "BEGIN",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "mysql": "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
}


class _Local(threading.local):
    session: Session | None = None  # of the write that runs on this thread
    reading: Session | None = None


class _Read:
    """The context manager of `Database.read`."""

    __slots__ = ("_database", "_joined", "_session")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Session | None = None
        self._joined = False

    def __enter__(self) -> Session:
        local = self._database.local
        session = local.session or local.reading
        if session is not None:
            self._joined = True
            return session
        try:
            session = self._database._begin_read()
        except Exception as error:
            raise translate(error) from error
        self._session = local.reading = session
        return session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session = self._session
        if self._joined or session is None:
            return
        self._database.local.reading = None
        self._database._end_read(session, error)
        if isinstance(error, Exception):
            translated = translate(error)
            if translated is not error:
                raise translated from error


class Database:
    """A database by its SQLAlchemy URL; safe for threads and forks.

    Args:
        uri: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user@host/db`, `mysql://...`.
        create: make what is missing: the file, the tables. Without it, a database that is not there is an error.
    Raises:
        InvalidValue: the URL cannot be used.
        MissingLibrary: the database's driver is not installed.
        StoreError: the database is not Millstream's, or of another version.
        Unavailable: it does not answer.
    """

    def __init__(self, uri: str, *, create: bool = True) -> None:
        self.url = parse_url(uri)
        family = self.url.get_backend_name()
        self.dialect = "mysql" if family == "mariadb" else family
        self.name_cache = names.NameCache()
        self.local = _Local()
        self._is_closed = False
        self._idle: list[Session] = []
        self._lock_timeout_s = settings.DATABASE_LOCK_TIMEOUT.get()
        self._engine = create_engine(self.url, self._lock_timeout_s)
        if self.dialect == "mysql":
            self.url = self._engine.url
        self._aside_lock = threading.Lock()
        self._aside: Session | None = None
        self._slots: threading.Semaphore | None = None
        if self.dialect == "sqlite":
            _prepare_file(self.url, create)
        else:
            self._slots = threading.BoundedSemaphore(max(1, settings.DATABASE_POOL_SIZE.get()))
        self.writer = Writer(self)
        _DATABASES.add(self)
        try:
            schema.ensure(self, create)
        except Exception as error:
            self.close()
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error

    @property
    def safe_uri(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    # ------------------------------------------------------------ reading and writing

    def read(self) -> _Read:
        """`with db.read() as session`: a snapshot; inside a write or read of this thread, that one's session."""
        return _Read(self)

    def write(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` in a transaction shared with concurrent writes; returns after COMMIT.

        `fn` may run more than once (the group is run again after a deadlock, or when another request failed), so it must
        not change what it closes over. Inside of a write it simply runs.
        """
        session = self.local.session
        if session is not None:
            return fn(session)
        return self.writer.write(fn)

    def submit(self, fn: Callable[[], T], key: str = "") -> Future[T]:
        """Queue `fn` for the writer thread; methods of the store called in it join the group's transaction.

        Args:
            fn: as in `write`, it may run more than once.
            key: what it writes to (a run id): groups lock in order of key, so that servers do not deadlock.
        Returns:
            A future that has its result after COMMIT.
        Raises:
            Overloaded: `MAX_QUEUED_WRITES` requests wait already.
        """
        if not self.writer.has_thread:
            future: Future[T] = Future()
            try:
                future.set_result(self.write(lambda session: fn()))
            except Exception as error:
                future.set_exception(error)
            return future
        return self.writer.submit(lambda session: fn(), key)

    def submit_async(self, fn: Callable[[], T], key: str = "") -> asyncio.Future[T]:
        """As `submit`, for code on an event loop: the futures of a group are resolved with one wake-up of the loop."""
        return self.writer.submit_async(lambda session: fn(), key)

    def start_writer_thread(self) -> None:
        self.writer.start_thread()

    def run_aside(self, fn: Callable[[Session], T]) -> T:
        """Run `fn` outside of the current transaction, each statement committed by itself (not on SQLite)."""
        with self._aside_lock:
            if self._aside is None:
                self._aside = self.connect(for_writing=False)
            try:
                return fn(self._aside)
            except Exception as error:
                if is_disconnect(error):
                    self._aside.discard()
                    self._aside = None
                raise

    # ------------------------------------------------------------ connections

    def connect(self, *, for_writing: bool) -> Session:
        """A session over a new connection, for the writer."""
        connection = self._engine.connect()
        try:
            session = Session(self, connection, for_writing)
            for text in _session_setup(self.dialect, for_writing, self._lock_timeout_s):
                session.execute_text(text)
        except BaseException:
            connection.close()
            raise
        return session

    def _begin_read(self) -> Session:
        if self._slots is not None:
            self._slots.acquire()
        try:
            while self._idle:
                try:
                    session = self._idle.pop()
                except IndexError:
                    break
                try:
                    session.begin_read()
                    return session
                except Exception as error:
                    session.discard()
                    if not is_disconnect(error):
                        raise
            session = self.connect(for_writing=False)
            session.begin_read()
            return session
        except BaseException:
            if self._slots is not None:
                self._slots.release()
            raise

    def _end_read(self, session: Session, error: BaseException | None) -> None:
        try:
            if isinstance(error, Exception) and is_disconnect(error):
                session.discard()
                return
            try:
                session.rollback()
            except Exception:
                session.discard()
                return
            if self._is_closed or len(self._idle) >= _MAX_IDLE:
                session.close()
            else:
                self._idle.append(session)
        finally:
            if self._slots is not None:
                self._slots.release()

    def close(self) -> None:
        """Commit what is queued and close all connections; those in use close when they are done."""
        self._is_closed = True
        self.writer.close()
        while self._idle:
            self._idle.pop().close()
        with self._aside_lock:
            if self._aside is not None:
                self._aside.close()
                self._aside = None
        self._engine.dispose()
        _DATABASES.discard(self)

    def _abandon(self) -> None:
        """In a forked child: leave the parent's connections alone, without closing them, and start with new ones."""
        _LEAKED.extend([self._engine, self._idle, self._aside, self.local.session, self.local.reading])
        _LEAKED.extend(self.writer.abandon())
        self.local = _Local()
        self._idle = []
        self._aside = None
        self._aside_lock = threading.Lock()
        self.name_cache = names.NameCache()
        self._engine = create_engine(self.url, self._lock_timeout_s)
        if self._slots is not None:
            self._slots = threading.BoundedSemaphore(max(1, settings.DATABASE_POOL_SIZE.get()))


_DATABASES: weakref.WeakSet[Database] = weakref.WeakSet()
_LEAKED: list[Any] = []


def _after_fork() -> None:
    for database in list(_DATABASES):
        database._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def parse_url(uri: str) -> URL:
    """The URL with the driver that we use; raises InvalidValue."""
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        raise InvalidValue(
            "The store's address is not a database URL such as sqlite:///runs.db or postgresql://user@host/database."
        ) from None
    url = with_driver(url)
    if url.get_backend_name() not in ("sqlite", "postgresql", "mysql", "mariadb"):
        raise InvalidValue(
            f"A store in {url.get_backend_name()!r} is not supported. Use SQLite, PostgreSQL, MySQL or MariaDB."
        )
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise InvalidValue("A store in memory cannot be shared by threads. Give a file: sqlite:///runs.db.")
        assert url.database is not None
        url = url.set(database=os.path.abspath(os.path.expanduser(url.database)))
    return url


def with_driver(url: URL) -> URL:
    """The URL with the driver that we use, unless it names one."""
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def missing_driver(url: URL, error: ModuleNotFoundError, what: str) -> MissingLibrary:
    """The error to raise when the driver of a database cannot be imported; `what` wants it, such as "A store"."""
    package = error.name or url.get_driver_name()
    return MissingLibrary(package, f"{what} at {url.get_backend_name()}", _EXTRAS.get(package))


def create_engine(url: URL, lock_timeout_s: float = 60.0) -> sqlalchemy.Engine:
    """An engine whose connections begin and commit nothing by themselves.

    Raises InvalidValue, MissingLibrary; Unavailable if a MySQL server does not answer (it is asked what it is).
    """
    engine = _engine(url, lock_timeout_s)
    if url.get_backend_name() != "mysql":
        return engine
    # collations differ between MySQL and MariaDB, and SQLAlchemy chooses them by the URL, not by the server
    try:
        with engine.connect() as connection:
            is_mariadb = bool(connection.dialect.is_mariadb)  # type: ignore[attr-defined]
    except Exception as error:
        raise translate(error) from error
    return _engine(url.set(drivername="mariadb+pymysql"), lock_timeout_s) if is_mariadb else engine


def _engine(url: URL, lock_timeout_s: float) -> sqlalchemy.Engine:
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": lock_timeout_s, "check_same_thread": False, "cached_statements": 512}
    elif url.get_backend_name() in ("mysql", "mariadb"):
        arguments = {"charset": "utf8mb4"}
    try:
        return sqlalchemy.create_engine(
            url, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args=arguments, skip_autocommit_rollback=True
        )
    except NoSuchModuleError:
        raise InvalidValue(f"SQLAlchemy has no dialect {url.drivername!r}.") from None
    except ModuleNotFoundError as error:
        raise missing_driver(url, error, "A store") from None


def _prepare_file(url: URL, create: bool) -> None:
    assert url.database is not None
    path = Path(url.database)
    if path.exists():
        return
    if not create:
        raise StoreError(f"There is no database file {str(path)!r}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # only the owner may read it; SQLite gives -wal and -shm the same mode
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"The database file {str(path)!r} cannot be made: {error.strerror}.") from error


def _session_setup(dialect: str, for_writing: bool, lock_timeout_s: float) -> list[str]:
    if dialect == "sqlite":
        synchronous = settings.SQLITE_SYNCHRONOUS.get().upper()
        if synchronous not in ("OFF", "NORMAL", "FULL", "EXTRA"):
            raise InvalidValue("MILLSTREAM_SQLITE_SYNCHRONOUS must be NORMAL or FULL.")
        return [
            "PRAGMA foreign_keys = ON",
            f"PRAGMA synchronous = {synchronous}",
            "PRAGMA cache_size = -32768",  # KiB; grows as it is used
            "PRAGMA mmap_size = 268435456",
            "PRAGMA temp_store = MEMORY",
            "PRAGMA wal_autocheckpoint = 4000",  # pages of 4 KiB: a checkpoint's fsync every 16 MiB
            "PRAGMA journal_size_limit = 67108864",
        ]
    if dialect == "mysql":
        return [
            # 0 is the key of the experiment `Default`, not a request for the next number
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO,STRICT_TRANS_TABLES,ANSI_QUOTES')",
            f"SET SESSION innodb_lock_wait_timeout = {max(1, int(lock_timeout_s))}",
            "SET SESSION TRANSACTION ISOLATION LEVEL " + ("READ COMMITTED" if for_writing else "REPEATABLE READ"),
        ]
    return [f"SET lock_timeout = {int(lock_timeout_s * 1000)}"] if for_writing else []
