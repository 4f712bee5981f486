"""Transactions, groups, names, forks and failures of the database layer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import bindparam, func, select

from millstream.errors import AlreadyExists, InvalidValue, Overloaded, StoreError, Unavailable
from millstream.store.database import Database, Session, Statement, insert_into, insert_new
from millstream.store.tables import experiments, names

ADD = insert_new(experiments, "name", "artifact_location", "lifecycle", "creation_time", "last_update_time")
COUNT = Statement(select(func.count()).select_from(experiments))
BY_IDS = Statement(
    select(experiments.c.id).where(experiments.c.id.in_(bindparam("ids", expanding=True))).order_by(experiments.c.id)
)


def add(session: Session, name: str) -> int | None:
    return session.insert_new(ADD, name=name, artifact_location="", lifecycle=1, creation_time=0, last_update_time=0)


def count(db: Database) -> int:
    with db.read() as session:
        row = session.row(COUNT)
    assert row is not None
    return int(row[0])


def test_a_write_is_seen_after_it_returns(db: Database) -> None:
    key = db.write(lambda session: add(session, "a"))
    assert key is not None
    with db.read() as session:
        assert session.rows(BY_IDS, ids=[key, 10_000]) == [(key,)]
        assert session.rows(BY_IDS, ids=[]) == []


def test_a_failed_write_leaves_nothing(db: Database) -> None:
    def fail(session: Session) -> None:
        add(session, "a")
        session.name_id("lost")
        raise InvalidValue("no")

    with pytest.raises(InvalidValue):
        db.write(fail)
    assert count(db) == 0
    db.write(lambda session: add(session, "b"))
    assert count(db) == 1


def test_a_name_of_a_failed_write_is_interned_anew(db: Database) -> None:
    def fail(session: Session) -> None:
        session.name_id("acc")
        raise InvalidValue("no")

    with pytest.raises(InvalidValue):
        db.write(fail)
    key = db.write(lambda session: session.name_id("acc"))
    with db.read() as session:
        assert session.find_name_id("acc") == key
        assert session.name_of(key) == "acc"
        assert session.find_name_id("other") is None


def test_names_that_differ_in_case_or_blanks_at_the_end_are_two(db: Database) -> None:
    keys = db.write(lambda session: [session.name_id(name) for name in ("acc", "ACC", "acc ", "äcc", "acc")])
    assert keys[0] == keys[4]
    assert len(set(keys)) == 4


def test_lists_whose_names_begin_alike_are_kept_apart(db: Database) -> None:
    keys = db.write(lambda session: [session.name_id(name) for name in "abcd"])
    lists = [names.c.id.in_(bindparam(slot, expanding=True)) for slot in ("v1", "v10")]
    with db.read() as session:
        assert session.rows(Statement(select(names.c.name).where(*lists)), v1=keys[:2], v10=keys[1:]) == [("b",)]


def test_a_taken_unique_key_is_told_without_ending_the_transaction(db: Database) -> None:
    def write(session: Session) -> list[int | None]:
        return [add(session, "a"), add(session, "a"), add(session, "b")]

    first, second, third = db.write(write)
    assert first is not None
    assert second is None
    assert third is not None
    assert count(db) == 2


def test_a_write_inside_a_write_and_a_read_inside_a_write_join_it(db: Database) -> None:
    def outer(session: Session) -> int:
        db.write(lambda inner: add(inner, "a"))
        with db.read() as reading:
            assert reading is session
        return count(db)

    assert db.write(outer) == 1


def test_a_read_is_a_snapshot(db: Database) -> None:
    db.write(lambda session: add(session, "a"))
    with db.read() as session:
        assert session.row(COUNT) == (1,)
        thread = threading.Thread(target=lambda: db.write(lambda inner: add(inner, "b")))
        thread.start()
        thread.join()
        assert session.row(COUNT) == (1,)
    assert count(db) == 2


def test_one_bad_request_in_a_group_harms_no_other(db: Database) -> None:
    db.start_writer_thread()
    gate = threading.Event()
    db.submit(lambda: gate.wait(10))

    def write(number: int) -> int | None:
        def run(session: Session) -> int | None:
            key = add(session, f"e{number}")
            session.name_id(f"name{number}")
            if number % 7 == 3:
                raise InvalidValue("no")
            return key

        return db.write(run)

    futures = [db.submit(lambda number=number: write(number)) for number in range(50)]  # type: ignore[misc]
    gate.set()
    for number, future in enumerate(futures):
        if number % 7 == 3:
            assert isinstance(future.exception(30), InvalidValue)
        else:
            assert future.result(30) is not None
    good = [number for number in range(50) if number % 7 != 3]
    assert count(db) == len(good)
    with db.read() as session:
        for number in good:
            key = session.find_name_id(f"name{number}")
            assert key is not None
            assert session.name_of(key) == f"name{number}"


def test_a_request_refused_before_it_wrote_does_not_run_the_group_again(db: Database) -> None:
    db.start_writer_thread()
    gate = threading.Event()
    db.submit(lambda: gate.wait(10))
    runs: list[int] = []

    def good() -> None:
        db.write(lambda session: (runs.append(1), add(session, f"e{len(runs)}")))

    def bad() -> None:
        raise InvalidValue("no")

    futures = [db.submit(good), db.submit(bad), db.submit(good)]
    gate.set()
    assert [type(future.exception(30)) for future in futures] == [type(None), InvalidValue, type(None)]
    assert len(runs) == 2


def test_threads_without_a_writer_thread_share_groups_and_lose_nothing(db: Database) -> None:
    def work(worker: int) -> None:
        for number in range(25):
            db.write(lambda session, number=number: add(session, f"{worker}-{number}"))  # type: ignore[misc]

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(db) == 200


def test_futures_of_an_event_loop_are_resolved(db: Database) -> None:
    db.start_writer_thread()

    async def main() -> list[int | None]:
        futures = [
            db.submit_async(lambda n=n: db.write(lambda session: add(session, f"e{n}")), f"k{n}")  # type: ignore[misc]
            for n in range(20)
        ]
        return list(await asyncio.gather(*futures))

    assert None not in asyncio.run(main())
    assert count(db) == 20


def test_a_full_queue_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_MAX_QUEUED_WRITES", "3")
    db = Database(database_url)
    db.start_writer_thread()
    gate, entered = threading.Event(), threading.Event()
    first = db.submit(lambda: (entered.set(), gate.wait(10)))
    assert entered.wait(10)
    futures = [db.submit(lambda: None) for _ in range(3)]
    with pytest.raises(Overloaded):
        db.submit(lambda: None)
    gate.set()
    for future in [first, *futures]:
        future.result(10)
    db.close()


def test_closing_commits_what_is_queued(database_url: str) -> None:
    db = Database(database_url)
    db.start_writer_thread()
    for number in range(100):
        db.submit(lambda number=number: db.write(lambda session: add(session, f"e{number}")))  # type: ignore[misc]
    db.close()
    again = Database(database_url)
    assert count(again) == 100
    again.close()


@pytest.mark.sqlite_only
def test_a_write_that_comes_when_the_writer_has_stopped_is_not_left_waiting(db: Database) -> None:
    db.start_writer_thread()
    db.writer.stop_thread()
    assert db.writer.submit(lambda session: add(session, "a"), "").result(10) is not None

    async def write() -> int | None:
        return await asyncio.wait_for(db.submit_async(lambda: db.write(lambda session: add(session, "b"))), 10)

    assert asyncio.run(write()) is not None
    assert count(db) == 2


def test_a_child_process_made_by_fork_reads_and_writes(db: Database) -> None:
    db.write(lambda session: add(session, "parent"))
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            db.write(lambda session: add(session, "child"))
            code = 0 if count(db) == 2 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    db.write(lambda session: add(session, "after"))
    assert count(db) == 3


OPEN = """
import sys
from millstream.store.tracking import open_store
store = open_store(sys.argv[1])
for number in range(5):
    store.create_experiment(f"{sys.argv[2]}-{number}", "", [])
store.close()
"""


def test_processes_that_open_a_fresh_database_at_once_all_succeed(database_url: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", OPEN, database_url, str(n)], stderr=subprocess.PIPE)
        for n in range(4)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    db = Database(database_url, create=False)
    assert count(db) == 21  # `Default` too
    db.close()


@pytest.mark.sqlite_only
def test_the_file_may_be_read_by_its_owner_only(db: Database) -> None:
    db.write(lambda session: add(session, "a"))
    assert db.url.database is not None
    folder = Path(db.url.database).parent
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("store.db*")}
    assert modes == dict.fromkeys(modes, 0o600)
    assert "store.db-wal" in modes


@pytest.mark.sqlite_only
def test_a_lock_held_for_too_long_is_a_clean_error(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_DATABASE_LOCK_TIMEOUT", "0.05")
    holder, db = Database(database_url), Database(database_url)

    def hold(session: Session) -> None:
        with pytest.raises(Unavailable, match="locked"):
            db.write(lambda inner: add(inner, "a"))

    holder.write(hold)
    db.write(lambda session: add(session, "a"))
    assert count(holder) == 1
    holder.close()
    db.close()


@pytest.mark.sqlite_only
def test_what_is_no_database_is_a_clean_error(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database, but long enough to be looked at " * 100)
    with pytest.raises(StoreError, match="not an SQLite database"):
        Database(f"sqlite:///{path}")


@pytest.mark.sqlite_only
@pytest.mark.parametrize("create", [True, False])
def test_a_file_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="MLflow" if create else "no Millstream store"):
        Database(f"sqlite:///{path}", create=create)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("uri", ["", "nonsense", "oracle://x/y", "sqlite://", "sqlite:///:memory:"])
def test_an_address_that_cannot_be_used_is_refused(uri: str) -> None:
    with pytest.raises(InvalidValue):
        Database(uri)


def test_a_database_that_is_not_there_is_not_made_unless_asked_for(database_url: str) -> None:
    with pytest.raises(StoreError):
        Database(database_url, create=False)


def test_no_answer_is_a_clean_error_without_the_password() -> None:
    with pytest.raises(Unavailable) as caught:
        Database("postgresql://somebody:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value)


def test_a_race_for_a_unique_key_is_a_clean_error(db: Database) -> None:
    plain = insert_into(experiments, "name", "artifact_location", "lifecycle", "creation_time", "last_update_time")

    def write(session: Session) -> None:
        for _ in range(2):
            session.run(plain, name="a", artifact_location="", lifecycle=1, creation_time=0, last_update_time=0)

    with pytest.raises(AlreadyExists) as caught:
        db.write(write)
    assert "INSERT" not in str(caught.value)
    assert count(db) == 0


def test_an_interrupted_leader_gives_up_its_own_write_only(db: Database) -> None:
    entered, others = threading.Event(), []

    def interrupt(session: Session) -> None:
        add(session, "mine")
        entered.set()
        while len(db.writer._waiting) < 3:
            time.sleep(0.001)
        raise KeyboardInterrupt

    def other(number: int) -> None:
        entered.wait(10)
        others.append(db.write(lambda session: add(session, f"other{number}")))

    threads = [threading.Thread(target=other, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    with pytest.raises(KeyboardInterrupt):
        db.write(interrupt)
    for thread in threads:
        thread.join()
    assert None not in others
    assert count(db) == 3


def test_a_connection_that_was_cut_is_replaced(db: Database, database_kind: str) -> None:
    if database_kind == "sqlite":
        return
    db.write(lambda session: add(session, "a"))
    assert count(db) == 1
    if database_kind == "mariadb":
        with db._engine.connect() as connection:
            me = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            found = connection.exec_driver_sql("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")
            for (other,) in found.fetchall():
                if other != me:
                    connection.exec_driver_sql(f"KILL {other}")
    else:
        with db._engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
    assert db.write(lambda session: add(session, "b")) is not None
    assert count(db) == 2
