"""What a driver's exception means: try again, tell the user, or a bug."""

from __future__ import annotations

from typing import Any

from millstream.errors import AlreadyExists, MillstreamError, StoreError, Unavailable

_SQLITE_BUSY = 5
_SQLITE_LOCKED = 6
_SQLITE_REASONS = {
    _SQLITE_BUSY: "the database file is locked by another process for too long",
    _SQLITE_LOCKED: "the database file is locked",
    8: "the database file is read-only; check its owner, its rights and those of its folder",
    10: "the disk failed to read or write the database file",
    13: "the disk is full",
    14: "the database file cannot be opened; check that its folder exists and may be written",
}
_SQLITE_BROKEN = {11: "the database file is damaged", 26: "the file is not an SQLite database"}
_SQLITE_TAKEN = (1555, 2067)  # primary key, unique index
_MYSQL_TAKEN = 1062
_POSTGRESQL_RETRY = {"40001", "40P01", "55P03"}  # serialisation failure, deadlock, lock timeout
_MYSQL_RETRY = {1205, 1213, 1020}  # lock timeout, deadlock, row changed since read
_MYSQL_GONE = {2002, 2003, 2006, 2013, 2014, 2055, 1927, 1053}


def driver_error(error: BaseException) -> BaseException:
    """The driver's own exception behind one of SQLAlchemy's."""
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may succeed when run again from its start."""
    error = driver_error(error)
    sqlite_code: Any = getattr(error, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return sqlite_code & 0xFF in (_SQLITE_BUSY, _SQLITE_LOCKED)
    sqlstate: Any = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate in _POSTGRESQL_RETRY
    return type(error).__module__.startswith("pymysql") and bool(error.args) and error.args[0] in _MYSQL_RETRY


def is_disconnect(error: BaseException) -> bool:
    """Whether the connection is of no more use."""
    error = driver_error(error)
    if getattr(error, "sqlite_errorcode", None) is not None:
        return False
    module = type(error).__module__
    if module.startswith("psycopg"):
        sqlstate: str | None = getattr(error, "sqlstate", None)
        if sqlstate is None:
            return type(error).__name__ in ("OperationalError", "InterfaceError")
        return sqlstate.startswith(("08", "57P"))
    if module.startswith("pymysql"):
        code = error.args[0] if error.args else 0
        return type(error).__name__ == "InterfaceError" or code in _MYSQL_GONE
    return False


def is_taken(error: BaseException) -> bool:
    """Whether a unique key was taken already."""
    error = driver_error(error)
    if getattr(error, "sqlite_errorcode", None) in _SQLITE_TAKEN or getattr(error, "sqlstate", None) == "23505":
        return True
    return type(error).__module__.startswith("pymysql") and error.args[:1] == (_MYSQL_TAKEN,)


def translate(error: BaseException) -> BaseException:
    """The error to show: one of ours where the cause is known, else the exception itself (a bug)."""
    if isinstance(error, MillstreamError):
        return error
    original = driver_error(error)
    sqlite_code: Any = getattr(original, "sqlite_errorcode", None)
    if sqlite_code is not None and not is_taken(original):
        reason = _SQLITE_REASONS.get(sqlite_code & 0xFF)
        if reason is not None:
            return Unavailable(f"The store cannot take the request: {reason}. Nothing was changed; try again later.")
        broken = _SQLITE_BROKEN.get(sqlite_code & 0xFF)
        if broken is not None:
            return StoreError(f"The store cannot be read: {broken}. Restore it from a backup.")
        return error
    if is_taken(original):
        return AlreadyExists("Another request wrote the same at the same moment. Read it again.")
    if is_retryable(original):
        return Unavailable("The database is too busy: other transactions hold what this one needs. Try again.")
    if is_disconnect(original):
        return Unavailable("The database does not answer. Check that it runs; the request may be sent again.")
    sqlstate: Any = getattr(original, "sqlstate", None)
    if isinstance(sqlstate, str) and sqlstate.startswith("53"):
        return Unavailable(
            "The database is short of disk, memory or connections. Nothing was changed; try again later."
        )
    return error
