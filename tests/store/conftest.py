"""Stores for tests: each test that asks for `store` or `db` runs on every database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from millstream.store.database import Database
from millstream.store.tracking import SqlTrackingStore


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def store(db: Database) -> SqlTrackingStore:
    return SqlTrackingStore(db, "mlflow-artifacts:/")
