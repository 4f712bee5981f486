"""The migrations make what the tables say, and databases of other revisions are met with a clear word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from millstream.errors import StoreError, Unavailable
from millstream.store import schema
from millstream.store.database import Database, Session, create_engine, parse_url
from millstream.store.migrations import upgrade
from millstream.store.statement import Statement
from millstream.store.tables import metadata
from millstream.store.tracking import open_store

STAMP = Statement(sqlalchemy.update(schema.version).values(version_num=sqlalchemy.bindparam("to")))


def declared(url: str) -> dict[str, str]:
    """What the database holds: its own words on SQLite, columns, keys and indexes as reflected elsewhere."""
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            return {name: re.sub(r"\s+", " ", sql) for name, sql in rows if name != schema.VERSION_TABLE}
        look = sqlalchemy.inspect(connection)
        return {
            name: repr(
                [
                    [(c["name"], str(c["type"]), c["nullable"], getattr(c["type"], "collation", None)) for c in look.get_columns(name)],
                    look.get_pk_constraint(name)["constrained_columns"],
                    sorted(repr(sorted(key.items(), key=str)) for key in look.get_foreign_keys(name)),
                    sorted(repr(sorted(index.items(), key=str)) for index in look.get_indexes(name)),
                ]
            ).replace(f"'{look.default_schema_name}'", "'schema'")
            for name in look.get_table_names()
            if name != schema.VERSION_TABLE
        }  # fmt: skip


def other_database(url: str, request: pytest.FixtureRequest, kind: str) -> str:
    if kind == "sqlite":
        return url.replace("store.db", "other.db")
    made: str = request.getfixturevalue(f"{kind}_database")()
    return made


def test_migrations_and_tables_make_the_same_database(
    database_url: str, database_kind: str, request: pytest.FixtureRequest
) -> None:
    assert upgrade(database_url) == schema.HEAD
    fresh = other_database(database_url, request, database_kind)
    Database(fresh).close()
    migrated = declared(database_url)
    assert migrated == declared(fresh)
    assert set(metadata.tables) - {schema.VERSION_TABLE} <= set(migrated)
    engine = create_engine(parse_url(database_url))
    with engine.connect() as connection:
        # MySQL shows TEXT(4294967295) as LONGTEXT, which Alembic takes for another type
        options = {"version_table": schema.VERSION_TABLE, "compare_type": database_kind != "mariadb"}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    with open_store(database_url) as store:
        assert store.get_experiment("0").name == "Default"


def test_a_database_of_another_program_is_left_as_it_is(database_url: str) -> None:
    engine = create_engine(parse_url(database_url))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    engine.dispose()
    with pytest.raises(StoreError, match="belongs to MLflow or to another program"):
        upgrade(database_url)
    assert declared(database_url).keys() == {"alembic_version"}


def test_an_upgrade_says_what_is_wrong_with_the_database(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(StoreError, match="not an SQLite database"):
        upgrade(f"sqlite:///{tmp_path / 'text.db'}")
    with pytest.raises(Unavailable, match="cannot be opened"):
        upgrade(f"sqlite:///{tmp_path / 'missing' / 'runs.db'}")


def test_an_upgrade_may_be_repeated(database_url: str) -> None:
    Database(database_url).close()
    assert upgrade(database_url) == schema.HEAD


def test_revisions_are_listed_in_order_and_end_at_the_head() -> None:
    from pathlib import Path

    from millstream.store import migrations

    files = sorted(path.name.split("_")[0] for path in Path(migrations.__file__).parent.glob("versions/[0-9]*.py"))
    assert tuple(files) == schema.REVISIONS
    assert schema.REVISIONS[-1] == schema.HEAD


def test_a_database_of_a_newer_release_is_refused(database_url: str) -> None:
    db = Database(database_url)

    def stamp(session: Session) -> None:
        session.run(STAMP, to="9999")

    db.write(stamp)
    db.close()
    with pytest.raises(StoreError, match="newer Millstream"):
        Database(database_url)


def test_a_database_of_mlflow_is_refused_and_left_alone(database_url: str) -> None:
    engine = create_engine(parse_url(database_url))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("CREATE TABLE experiments (experiment_id INTEGER)")
    with pytest.raises(StoreError, match="millstream import"):
        Database(database_url)
    with engine.connect() as connection:
        assert sorted(sqlalchemy.inspect(connection).get_table_names()) == ["alembic_version", "experiments"]


def test_a_server_of_an_older_revision_is_refused_with_the_command_to_run(
    database_url: str, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_kind == "sqlite":
        return  # brought up when opened
    Database(database_url).close()
    monkeypatch.setattr(schema, "HEAD", "9998")
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9998"))
    with pytest.raises(StoreError, match="millstream db upgrade "):
        Database(database_url)


def test_runs_of_the_first_release_are_kept_and_get_a_registry(database_url: str, database_kind: str) -> None:
    assert upgrade(database_url, "0001") == "0001"
    engine = create_engine(parse_url(database_url))
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "INSERT INTO experiments (id, name, artifact_location, lifecycle, creation_time, last_update_time)"
            " VALUES (7, 'old', 'x', 1, 5, 5)"
        )
    engine.dispose()
    if database_kind != "sqlite":  # an SQLite file is brought up when it is opened
        assert upgrade(database_url) == schema.HEAD
    with open_store(database_url) as store:
        assert store.get_experiment("7").name == "old"
        with store.db.read() as session:
            assert schema.read_revision(session) == schema.HEAD
