"""SQL written once as SQLAlchemy Core, compiled once for each dialect, then run on the driver's cursor.

`Connection.execute` costs 30 to 60 us a statement beside the database's own time; running the compiled text on the
driver's cursor costs 1 to 2. Values go to the driver as they are: give plain `int`, `float`, `str`, `bytes` and None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Dialect, Table, bindparam, insert
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert
from sqlalchemy.types import TypeEngine

Construct = Executable | Callable[[str], Executable]
T = TypeVar("T")

PAGE = 512
"""Keys that one statement names at most: drivers take some tens of thousands of values."""


class Statement:
    """A statement with `bindparam`s, or a function from the dialect's name to one where the dialects differ.

    Literals inside the construct are bound too. A list goes to `column.in_(bindparam("ids", expanding=True))`;
    it may be empty.
    """

    __slots__ = ("_construct", "_prepared", "_returning")

    def __init__(self, construct: Construct) -> None:
        self._construct = construct
        self._prepared: dict[str, Prepared] = {}
        self._returning: dict[str, Prepared] = {}

    def prepared(self, dialect: Dialect) -> Prepared:
        prepared = self._prepared.get(dialect.name)
        if prepared is None:
            prepared = self._prepared[dialect.name] = Prepared(self._for(dialect), dialect)
        return prepared

    def prepared_returning(self, dialect: Dialect) -> Prepared:
        """The INSERT with `RETURNING id`, for databases whose driver does not tell the new key."""
        prepared = self._returning.get(dialect.name)
        if prepared is None:
            construct = self._for(dialect)
            assert isinstance(construct, Insert)
            assert isinstance(construct.table, Table)
            prepared = self._returning[dialect.name] = Prepared(construct.returning(construct.table.c.id), dialect)
        return prepared

    def _for(self, dialect: Dialect) -> Executable:
        construct = self._construct
        return construct if isinstance(construct, Executable) else construct(_family(dialect.name))


def _family(dialect: str) -> str:
    return "mysql" if dialect == "mariadb" else dialect


class Prepared:
    """The text of a statement for one dialect and how to lay out its parameters for the driver."""

    __slots__ = (
        "_defaults",
        "_empty_lists",
        "_getter",
        "_lists",
        "_names",
        "_placeholder",
        "_texts",
        "is_plain",
        "text",
    )

    def __init__(self, construct: Executable, dialect: Dialect) -> None:
        compiled = construct.compile(dialect=dialect)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        self.text: str = compiled.string
        binds = compiled.post_compile_params | compiled.literal_execute_params
        self._lists = sorted(bind.key for bind in binds)
        values = compiled.construct_params(_check=False)
        self._defaults = {key: value for key, value in values.items() if value is not None}
        self._names: Sequence[str] | None = compiled.positiontup if compiled.positional else None
        self._getter = _getter(self._names) if self._names is not None and not self._lists else None
        self.is_plain = not self._lists
        self._texts: dict[tuple[int, ...], str] = {}
        self._placeholder = "?" if dialect.paramstyle == "qmark" else "%s"
        self._empty_lists = {bind.key: _no_rows(bind.type, dialect) for bind in binds}

    def layout(self, params: Mapping[str, Any]) -> Any:
        """The parameters as the driver wants them, for a statement without lists."""
        if self._defaults:
            params = {**self._defaults, **params}
        return params if self._getter is None else self._getter(params)

    def layouts(self, rows: Iterable[Mapping[str, Any]]) -> list[Any]:
        if self._getter is not None and not self._defaults:
            return list(map(self._getter, rows))
        return [self.layout(row) for row in rows]

    def expand(self, params: Mapping[str, Any]) -> tuple[str, Any]:
        """Text and parameters of a statement with lists.

        Lists are filled up to a power of two with their last value, so that few texts exist for the driver to prepare.
        """
        given: dict[str, Any] = {**self._defaults, **params}
        lists: dict[str, list[Any]] = {}
        for name in self._lists:
            items = list(given[name])
            items.extend(items[-1:] * ((1 << max(0, len(items) - 1).bit_length()) - len(items)))
            lists[name] = items
        sizes = tuple(len(items) for items in lists.values())
        text = self._texts.get(sizes)
        if text is None:
            if len(self._texts) > 64:
                self._texts.clear()
            text = self._texts[sizes] = self._expanded_text(lists)
        if self._names is None:
            for name, items in lists.items():
                del given[name]
                given.update({f"{name}__{i}": item for i, item in enumerate(items)})
            return text, given
        values: list[Any] = []
        for name in self._names:
            if name in lists:
                values.extend(lists[name])
            else:
                values.append(given[name])
        return text, values

    def _expanded_text(self, lists: Mapping[str, Sequence[Any]]) -> str:
        text = self.text
        for name, items in lists.items():
            if not items:
                inside = self._empty_lists[name]
            elif self._names is None:
                inside = ", ".join(f"%({name}__{i})s" for i in range(len(items)))
            else:
                inside = ", ".join([self._placeholder] * len(items))
            text = _replace_marker(text, name, inside)
        return text


def _no_rows(kind: TypeEngine[Any], dialect: Dialect) -> str:
    """What stands for an empty list: `IN (NULL)` would make NOT IN false too."""
    null = f"CAST(NULL AS {kind.compile(dialect=dialect)})" if dialect.name == "postgresql" else "NULL"
    return f"SELECT {null} FROM (SELECT 1 AS x) AS never WHERE 1 != 1"


def _replace_marker(text: str, name: str, inside: str) -> str:
    # "~~" begins what a dialect wraps around each item
    return re.sub(rf"\(__\[POSTCOMPILE_{re.escape(name)}(?:~~.*?)?\]\)", lambda marker: f"({inside})", text)


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if not names:
        return lambda params: ()
    if len(names) == 1:
        (only,) = names
        return lambda params: (params[only],)
    return itemgetter(*names)


def pages(items: Sequence[T], size: int = PAGE) -> Iterator[Sequence[T]]:
    """The items in pieces that one statement each may name."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert_into(table: Table, *columns: str) -> Statement:
    """INSERT of these columns, each bound under its own name; all but `id` if none are named."""
    return Statement(insert(table).values(_bound(table, columns)))


def insert_new(table: Table, *columns: str) -> Statement:
    """INSERT for `Session.insert_new`: it does nothing when a unique key is taken."""

    def construct(dialect: str) -> Executable:
        values = _bound(table, columns)
        if dialect == "mysql":  # a plain INSERT: the session sees the refusal, which ends the statement only
            return insert(table).values(values)
        return _conflict_insert(dialect)(table).values(values).on_conflict_do_nothing()  # type: ignore[no-any-return]

    return Statement(construct)


def insert_or_ignore(table: Table, *columns: str) -> Statement:
    """INSERT for `Session.run` and `run_many` that skips rows whose primary or unique key is taken.

    The row count says nothing on MySQL: where it matters, use `insert_new`.
    """

    def construct(dialect: str) -> Executable:
        values = _bound(table, columns)
        if dialect == "mysql":
            # not INSERT IGNORE, which would also swallow broken foreign keys and cut values
            from sqlalchemy.dialects.mysql import insert as mysql_insert

            key = next(iter(table.primary_key.columns))
            return mysql_insert(table).values(values).on_duplicate_key_update({key.name: key})
        return _conflict_insert(dialect)(table).values(values).on_conflict_do_nothing()  # type: ignore[no-any-return]

    return Statement(construct)


def upsert(table: Table, columns: Sequence[str], update: Sequence[str], keys: Sequence[str] = ()) -> Statement:
    """INSERT of `columns`; where `keys` (the primary key if not given) are taken, `update` is overwritten instead."""

    def construct(dialect: str) -> Executable:
        values = _bound(table, columns)
        if dialect == "mysql":
            from sqlalchemy.dialects.mysql import insert as mysql_insert

            statement = mysql_insert(table).values(values)
            return statement.on_duplicate_key_update({name: statement.inserted[name] for name in update})
        conflict = list(keys) or [column.name for column in table.primary_key.columns]
        base = _conflict_insert(dialect)(table).values(values)
        return base.on_conflict_do_update(  # type: ignore[no-any-return]
            index_elements=conflict, set_={name: base.excluded[name] for name in update}
        )

    return Statement(construct)


def _conflict_insert(dialect: str) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert


def _bound(table: Table, columns: Sequence[str]) -> dict[str, Any]:
    names = columns or [column.name for column in table.columns if column.name != "id"]
    return {name: bindparam(name, type_=table.c[name].type) for name in names}
