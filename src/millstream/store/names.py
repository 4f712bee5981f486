"""Names of metrics, params and tags, interned: a row of `names` for each, its key everywhere else.

Rows of `names` are never changed or deleted, so what one process has read stays true whatever others do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from millstream.store.statement import Statement, insert_new
from millstream.store.tables import names

if TYPE_CHECKING:
    from millstream.store.database import Session

MAX_CACHED = 200_000
"""Entries kept in memory (about 150 bytes each); beyond, the cache starts anew."""

_BY_NAME = Statement(select(names.c.id).where(names.c.name == bindparam("name")))
_BY_ID = Statement(select(names.c.name).where(names.c.id == bindparam("id")))
_BY_IDS = Statement(select(names.c.id, names.c.name).where(names.c.id.in_(bindparam("ids", expanding=True))))
_BY_NAMES = Statement(select(names.c.id, names.c.name).where(names.c.name.in_(bindparam("names", expanding=True))))
_INSERT = insert_new(names, "name")


class NameCache:
    """What a process knows of `names`: committed rows only."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.names: dict[int, str] = {}

    def add(self, name_id: int, name: str) -> None:
        if len(self.ids) >= MAX_CACHED:
            self.ids.clear()
            self.names.clear()
        self.ids[name] = name_id
        self.names[name_id] = name


def find(session: Session, name: str) -> int | None:
    row = session.row(_BY_NAME, name=name)
    return None if row is None else int(row[0])


def find_name(session: Session, name_id: int) -> str | None:
    row = session.row(_BY_ID, id=name_id)
    return None if row is None else str(row[0])


def find_names(session: Session, name_ids: list[int]) -> list[tuple[int, str]]:
    return session.rows(_BY_IDS, ids=name_ids)


def create(session: Session, name: str) -> int:
    """The name's key, inserted unless another transaction did so first."""
    name_id = session.insert_new(_INSERT, name=name)
    if name_id is None:
        name_id = find(session, name)
    assert name_id is not None
    return name_id
