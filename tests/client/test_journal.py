"""The journal: what is logged is found again, in order, whatever happened to the process or to the end of its files."""

import logging
import math
import os
import shutil
import struct
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millstream.client import adoption
from millstream.client import journal as journals
from millstream.client.adoption import dead_journals
from millstream.client.journal import Journal
from millstream.client.journal_files import CONTROL, POINT, SKIPPED
from millstream.client.records import Call, Entries
from millstream.errors import InvalidValue

URI = "http://server"


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    monkeypatch.setenv("MILLSTREAM_JOURNAL_SEGMENT_BYTES", str(64 + 32 * 16))


@pytest.fixture
def journal(tmp_path):
    journal = Journal(URI, tmp_path)
    yield journal
    journal.acknowledge(journal.position())
    journal.close()


def abandon(journal: Journal) -> None:
    """What kill -9 does: the lock is released, everything stays."""
    journal._close_files()


def read_all(source, position=0):
    """All records as (what, content), without skipped ones."""
    found = []
    while True:
        records, position = source.read(position, 7)
        if not records:
            return found
        for timestamp, value, step, slot, mark in records:
            if mark ^ slot == POINT:
                found.append((source.definition(slot).key, value, step, timestamp))
            elif mark ^ slot == CONTROL:
                found.append(source.record(step, timestamp))


def test_points_and_entries_come_back_in_the_order_in_which_they_were_logged(journal):
    loss = journal.series(journal.slot("r", "loss", None, None))
    acc = journal.series(journal.slot("r", "acc", None, None))
    loss(1.0, 1, 10)
    journal.put(Entries("r", {"lr": "0.1"}))
    acc(2.0, 2, 20)
    journal.put(Call("runs.update", "r", b"x"))
    assert read_all(journal) == [
        ("loss", 1.0, 1, 10),
        Entries("r", {"lr": "0.1"}),
        ("acc", 2.0, 2, 20),
        Call("runs.update", "r", b"x"),
    ]


def test_files_roll_over_and_are_deleted_once_acknowledged(journal, tmp_path):
    append = journal.series(journal.slot("r", "k", None, None))
    for i in range(100):
        append(i, i, i)
    assert len(list(tmp_path.glob("*/*.points"))) == 7
    assert read_all(journal) == [("k", float(i), i, i) for i in range(100)]
    assert journal.pending == 100
    journal.acknowledge(50)
    assert len(list(tmp_path.glob("*/*.points"))) == 4
    assert journal.pending == 50


def test_a_file_prepared_beforehand_is_the_next_one(journal, tmp_path):
    append = journal.series(journal.slot("r", "k", None, None))
    for i in range(12):
        append(i, i, i)
    journal.prepare()
    journal.prepare()
    assert len(list(tmp_path.glob("*/*.points"))) == 2
    for i in range(12, 40):
        append(i, i, i)
    assert read_all(journal) == [("k", float(i), i, i) for i in range(40)]


@pytest.mark.parametrize("value", ["text", None, [1.0, 2.0], 1j, 10**400])
def test_a_value_that_is_no_number_is_refused_and_leaves_nothing(journal, value):
    append = journal.series(journal.slot("r", "k", None, None))
    append(1.0, 0, 1)
    with pytest.raises(InvalidValue, match="must be a number"):
        append(value, 0, 2)
    append(2.0, 0, 3)
    assert [entry[1] for entry in read_all(journal)] == [1.0, 2.0]


@pytest.mark.parametrize(("step", "timestamp"), [("x", 1), (1.5, 1), (2**63, 1), (None, 1), (0, -1), (0, 2**63)])
def test_a_step_or_time_that_cannot_be_is_refused(journal, step, timestamp):
    append = journal.series(journal.slot("r", "k", None, None))
    with pytest.raises(InvalidValue):
        append(1.0, step, timestamp)
    assert read_all(journal) == []


def test_numbers_of_other_kinds_are_taken(journal):
    import numpy as np

    append = journal.series(journal.slot("r", "k", None, None))
    append(np.float32(0.5), np.int64(3), 1)
    append(np.array([[4.0]]), 3.0, 1)
    append(True, True, 1)
    append(7, 0, 1)
    append("0.25", 0, 1)
    append(math.inf, 0, 1)
    assert [entry[1] for entry in read_all(journal)] == [0.5, 4.0, 1.0, 7.0, 0.25, math.inf]


def test_the_time_is_now_unless_given(journal):
    before = time.time_ns() // 1_000_000
    journal.series(journal.slot("r", "k", None, None))(1.0)
    [(_, _, step, timestamp)] = read_all(journal)
    assert step == 0
    assert before <= timestamp <= time.time_ns() // 1_000_000


def test_threads_lose_and_double_nothing(journal):
    slots = [journal.series(journal.slot("r", str(t), None, None)) for t in range(8)]

    def work(t):
        for i in range(500):
            slots[t](i, i, i)
            if i % 100 == 0:
                journal.put(Entries("r", {f"{t}-{i}": "x"}))

    threads = [threading.Thread(target=work, args=(t,)) for t in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_all(journal)
    for t in range(8):
        assert [entry[2] for entry in found if isinstance(entry, tuple) and entry[0] == str(t)] == list(range(500))
    assert sum(isinstance(entry, Entries) for entry in found) == 40


def test_a_record_that_an_interrupted_thread_never_wrote_is_given_up_and_read_if_it_comes_late(journal, monkeypatch):
    append = journal.series(journal.slot("r", "k", None, None))
    append(1.0, 1, 1)
    buffer, take = journal._get_current()
    late = take()
    append(3.0, 3, 3)
    records, position = journal.read(0, 100)
    assert (len(records), position) == (1, 1)
    monkeypatch.setattr(journals, "STALE_S", 0.0)
    journal.read(1, 100)
    records, position = journal.read(1, 100)
    assert ([record[2] for record in records], position) == ([3], 3)
    struct.pack_into("qdqII", buffer, late, 2, 2.0, 2, 0, POINT)
    records, position = journal.read(3, 100)
    assert ([record[2] for record in records], position) == ([2], 3)


def test_a_roll_over_that_was_interrupted_does_not_stop_the_reader(journal, monkeypatch):
    append = journal.series(journal.slot("r", "k", None, None))
    for i in range(16):
        append(i, i, i)
    journal._files[1] = journal._new_file(1, 64 + 32 * 16)
    journal._index = 1  # an interrupt came before the file became the current one
    for i in range(16, 20):
        append(i, i, i)
    monkeypatch.setattr(journals, "STALE_S", 0.0)
    found, position = [], 0
    for _ in range(10):
        records, position = journal.read(position, 100)
        found += records
    assert [record[2] for record in found] == list(range(20))
    assert position == 36


def test_the_folder_is_private_and_is_gone_when_everything_is_delivered(journal, tmp_path):
    journal.series(journal.slot("r", "k", None, None))(1.0)
    [folder] = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    journal.acknowledge(journal.position())
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_was_never_used_leaves_no_trace(tmp_path):
    Journal(URI, tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_goes_on_after_it_was_closed(journal, tmp_path):
    append = journal.series(journal.slot("r", "k", None, None))
    append(1.0, 1, 1)
    journal.acknowledge(1)
    journal.close()
    append(2.0, 2, 2)
    assert read_all(journal) == [("k", 2.0, 2, 2)]


def test_a_living_owner_keeps_its_journal_and_a_dead_ones_is_adopted_once(journal, tmp_path):
    append = journal.series(journal.slot("r", "k", "m-1", ("data", "digest")))
    for i in range(20):
        append(i, i, i)
    journal.acknowledge(4)
    assert list(dead_journals(tmp_path)) == []
    abandon(journal)
    [dead] = dead_journals(tmp_path)
    assert list(dead_journals(tmp_path)) == []
    assert dead.header.uri == URI
    assert dead.pending == 16
    assert dead.definition(0).model_id == "m-1"
    assert [entry[2] for entry in read_all(dead, dead.acked)] == list(range(4, 20))
    dead.close(delete=True)
    assert list(dead_journals(tmp_path)) == []


def test_journals_of_other_addresses_and_other_machines_are_left_alone(journal, tmp_path, monkeypatch):
    journal.series(journal.slot("r", "k", None, None))(1.0)
    abandon(journal)
    assert list(dead_journals(tmp_path, "http://other")) == []
    monkeypatch.setattr(adoption.socket, "gethostname", lambda: "elsewhere")
    assert list(dead_journals(tmp_path, URI)) == []


def test_a_forked_child_writes_a_journal_of_its_own(journal, tmp_path):
    append = journal.series(journal.slot("r", "k", None, None))
    append(1.0, 1, 1)
    child = os.fork()
    if child == 0:
        journal.forget_after_fork()
        append(2.0, 2, 2)
        os._exit(0)
    os.waitpid(child, 0)
    append(3.0, 3, 3)
    [dead] = dead_journals(tmp_path)
    assert dead.header.parent_id == journal.journal_id
    assert read_all(dead) == [("k", 2.0, 2, 2)]
    dead.close(delete=True)
    assert read_all(journal) == [("k", 1.0, 1, 1), ("k", 3.0, 3, 3)]


def test_without_a_place_on_disk_it_works_in_memory_and_says_so_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    journal = Journal(URI, tmp_path / "file")
    append = journal.series(journal.slot("r", "k", None, None))
    with caplog.at_level(logging.WARNING):
        for i in range(100):
            append(i, i, i)
        journal.put(Entries("r", {"a": "b"}))
    assert caplog.text.count("kept in memory") == 1
    assert read_all(journal) == [*(("k", float(i), i, i) for i in range(100)), Entries("r", {"a": "b"})]


def test_when_the_disk_fills_up_later_it_goes_on_in_memory_and_returns_to_disk(journal, tmp_path, monkeypatch, caplog):
    append = journal.series(journal.slot("r", "k", None, None))
    append(0, 0, 0)
    real_allocate, real_write = os.posix_fallocate, os.pwrite

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(os, "pwrite", full)
    for i in range(1, 20):
        append(i, i, i)
    journal.put(Entries("r", {"a": "b"}))
    other = journal.series(journal.slot("r", "other", None, None))
    monkeypatch.setattr(os, "posix_fallocate", real_allocate)
    monkeypatch.setattr(os, "pwrite", real_write)
    for i in range(20):
        other(i, i, i)
    journal.put(Entries("r", {"c": "d"}))
    assert caplog.text.count("kept in memory") == 1
    expected = [
        *(("k", float(i), i, i) for i in range(20)),
        Entries("r", {"a": "b"}),
        *(("other", float(i), i, i) for i in range(20)),
        Entries("r", {"c": "d"}),
    ]
    assert read_all(journal) == expected
    abandon(journal)
    [dead] = dead_journals(tmp_path)
    kept = read_all(dead)
    dead.close(delete=True)
    assert kept == expected[:16] + expected[-len(kept) + 16 :], "of what was logged on disk nothing may be missing"
    assert kept[-1] == Entries("r", {"c": "d"})


# ---------------------------------------------------------------- torn and damaged files

ENTRIES = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=20), max_size=3)
LOGGED = st.lists(
    st.one_of(st.tuples(st.integers(0, 3), st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1)), ENTRIES),
    max_size=60,
)


def write(root: Path, logged) -> Path:
    """Log it all and die; the journal's folder."""
    shutil.rmtree(root, ignore_errors=True)
    journal = Journal(URI, root)
    series = [journal.series(journal.slot("r", f"k{n}", None, None)) for n in range(4)]
    journal.put(Entries("r", {"first": "x"}))
    for entry in logged:
        if isinstance(entry, dict):
            journal.put(Entries("r", entry))
        else:
            series[entry[0]](entry[1], entry[2], 5)
    abandon(journal)
    return next(root.iterdir())


def recover(root: Path):
    journals = list(dead_journals(root))
    found = [entry for journal in journals for entry in read_all(journal)]
    for journal in journals:
        journal.close(delete=False)
    return found


def expected(logged):
    return [Entries("r", {"first": "x"})] + [
        Entries("r", entry) if isinstance(entry, dict) else (f"k{entry[0]}", entry[1], entry[2], 5) for entry in logged
    ]


many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(LOGGED)
def test_all_that_was_logged_survives_the_process(tmp_path, logged):
    write(tmp_path / "j", logged)
    assert recover(tmp_path / "j") == expected(logged)


@many
@given(LOGGED, st.data())
def test_points_cut_anywhere_give_a_prefix(tmp_path, logged, data):
    folder = write(tmp_path / "j", logged)
    last = max(folder.glob("*.points"))
    content = last.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    if data.draw(st.booleans()):
        last.write_bytes(content[:cut])
    else:
        last.write_bytes(content[:cut] + bytes(len(content) - cut))
    found = recover(tmp_path / "j")
    whole = expected(logged)
    assert found == whole[: len(found)]
    assert len(found) >= (len(list(folder.glob("*.points"))) - 1) * 16


@many
@given(LOGGED, st.data())
def test_a_control_file_cut_anywhere_gives_no_garbage(tmp_path, logged, data):
    folder = write(tmp_path / "j", logged)
    control = folder / "control"
    content = control.read_bytes()
    control.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    whole = expected(logged)
    found = [entry for entry in recover_lax(tmp_path / "j") if entry is not None]
    remaining = iter(whole)
    assert all(entry in remaining for entry in found), "a part of what was logged, in order"


@many
@given(LOGGED, st.data())
def test_a_damaged_byte_of_control_loses_only_what_it_stood_in(tmp_path, logged, data):
    folder = write(tmp_path / "j", logged)
    control = folder / "control"
    content = bytearray(control.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    control.write_bytes(content)
    found = [entry for entry in recover_lax(tmp_path / "j") if entry is not None]
    remaining = iter(expected(logged))
    assert all(entry in remaining for entry in found)


def recover_lax(root: Path):
    """As the delivery reads: what is not understood is left out."""
    found = []
    for journal in dead_journals(root):
        records, _ = journal.read(0, 1 << 20)
        for timestamp, value, step, slot, mark in records:
            if mark ^ slot == POINT and journal.definition(slot) is not None:
                found.append((journal.definition(slot).key, value, step, timestamp))
            elif mark ^ slot == CONTROL:
                found.append(journal.record(step, timestamp))
            else:
                assert mark ^ slot in (SKIPPED, POINT)
        journal.close(delete=False)
    return found


@many
@given(st.integers(0, 39), st.binary(min_size=1, max_size=1))
def test_a_damaged_acknowledgement_only_means_delivering_again(tmp_path, at, byte):
    root = tmp_path / "j"
    shutil.rmtree(root, ignore_errors=True)
    journal = Journal(URI, root)
    append = journal.series(journal.slot("r", "k", None, None))
    for i in range(10):
        append(i, i, i)
    journal.acknowledge(3)
    journal.acknowledge(7)
    abandon(journal)
    path = next(root.iterdir()) / "acked"
    content = bytearray(path.read_bytes())
    content[at : at + 1] = byte
    path.write_bytes(content)
    [dead] = dead_journals(root)
    assert dead.acked in (0, 3, 7)
    dead.close(delete=True)


def test_a_journal_without_a_header_is_left_where_it_is(tmp_path, journal):
    journal.put(Entries("r", {"a": "b"}))
    abandon(journal)
    next(tmp_path.iterdir()).joinpath("control").write_bytes(b"")
    assert list(dead_journals(tmp_path)) == []
    assert len(list(tmp_path.iterdir())) == 1


def test_the_first_frame_says_whose_journal_it_is(tmp_path, journal):
    journal.put(Entries("r", {"a": "b"}))
    abandon(journal)
    [dead] = dead_journals(tmp_path)
    assert (dead.header.uri, dead.header.pid, dead.header.records) == (URI, os.getpid(), 16)
    dead.close(delete=True)


def test_who_looks_for_journals_of_another_uri_does_not_lock_this_one(journal, tmp_path):
    """Or `sync`, at that moment, would take it for one in use."""
    journal.put(Entries("r", {"a": "b"}))
    abandon(journal)
    locked = []

    def note_lock(frame, event, what):
        if event == "c_call" and what.__name__ == "flock":
            locked.append(what)

    profiling = sys.getprofile()
    sys.setprofile(note_lock)
    others = list(dead_journals(tmp_path, "http://other"))
    locked_for_others = list(locked)
    [dead] = dead_journals(tmp_path, URI)
    sys.setprofile(profiling)
    dead.close(delete=True)
    assert (others, locked_for_others) == ([], [])
    assert len(locked) == 1


def test_a_point_costs_one_call_that_asks_the_system_for_nothing_but_the_time(monkeypatch, tmp_path):
    """How long that takes depends on the machine (`make bench`); what is done does not."""
    monkeypatch.setenv("MILLSTREAM_JOURNAL_SEGMENT_BYTES", str(1 << 22))
    other = Journal(URI, tmp_path / "fast")
    append = other.series(other.slot("r", "k", None, None))
    append(0.5, 7)  # makes the file
    calls: list[str] = []
    opcodes = 0

    def note_call(frame, event, what):
        if event == "call":
            calls.append(frame.f_code.co_name)
        elif event == "c_call" and what is not sys.setprofile:
            calls.append(what.__name__)

    def note_opcode(frame, event, _):
        nonlocal opcodes
        frame.f_trace_opcodes = True
        opcodes += event == "opcode"
        return note_opcode

    profiling, tracing = sys.getprofile(), sys.gettrace()
    sys.setprofile(note_call)
    append(0.5, 7)
    sys.setprofile(profiling)
    sys.settrace(note_opcode)
    append(0.5, 7)
    sys.settrace(tracing)
    other.acknowledge(other.position())
    other.close()
    assert calls == ["append", "time_ns", "pack_into"]
    assert 10 < opcodes < 60


def test_a_control_file_begins_anew_when_all_in_it_is_delivered_and_a_later_reader_understands_it(
    journal, tmp_path, monkeypatch
):
    monkeypatch.setattr(journals, "RELEASE_BYTES", 2000)
    append = journal.series(journal.slot("r", "loss", None, None))
    for i in range(100):
        journal.put(Entries("r", {"p": str(i) * 20}))
    [control] = tmp_path.glob("*/control")
    grown = control.stat().st_size
    journal.acknowledge(journal.position() - 1)
    assert control.stat().st_size == grown
    journal.acknowledge(journal.position())
    assert control.stat().st_size < 300
    journal.put(Entries("r", {"later": "1"}))
    append(1.0, 1, 1)
    wanted = [Entries("r", {"later": "1"}), ("loss", 1.0, 1, 1)]
    assert read_all(journal, journal.acked) == wanted
    abandon(journal)
    [dead] = dead_journals(tmp_path)
    assert read_all(dead, dead.acked) == wanted
    dead.close(delete=True)


def test_warming_a_file_leaves_its_records_alone(journal, tmp_path):
    append = journal.series(journal.slot("r", "k", None, None))
    for i in range(16):
        append(i, i, i)
    [file] = tmp_path.glob("*/*.points")
    before = file.read_bytes()
    journal.warm()
    assert file.read_bytes() == before
    assert len(before) >= journals.START + 16 * journals.SIZE + 4096


def test_a_record_put_while_all_before_is_acknowledged_in_memory_is_not_dropped(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    journal = Journal(URI, blocked)  # no folder: in memory
    append = journal._append_slowly

    def acknowledge_first(*arguments):
        other = threading.Thread(target=lambda: journal.acknowledge(journal.position()))
        other.start()
        other.join(0.2)  # it has to wait for the lock
        append(*arguments)
        others.append(other)

    others = []
    journal.put(Entries("r", {"a": "1"}))
    monkeypatch.setattr(journal, "_append_slowly", acknowledge_first)
    journal.put(Entries("r", {"b": "2"}))
    others[0].join()
    assert read_all(journal, 1) == [Entries("r", {"b": "2"})]


def test_folders_that_were_never_finished_are_cleaned_up_when_they_are_old(journal, tmp_path):
    old, new = tmp_path / ".old", tmp_path / ".new"
    old.mkdir()
    new.mkdir()
    os.utime(old, (1, 1))
    assert list(dead_journals(tmp_path)) == []
    assert not old.exists()
    assert new.exists()


def test_journals_that_nobody_here_can_deliver_are_named_with_the_reason(tmp_path, monkeypatch):
    for name in ("damaged", "elsewhere"):
        journal = Journal(URI, tmp_path)
        if name == "elsewhere":
            monkeypatch.setattr(journals.socket, "gethostname", lambda: "other-machine")
        journal.put(Entries("r", {"a": name}))
        monkeypatch.undo()
        if name == "damaged":
            assert journal.folder is not None
            (journal.folder / "control").write_bytes(b"nonsense")
        abandon(journal)
    assert list(dead_journals(tmp_path)) == []
    damaged, elsewhere = adoption.left_aside(tmp_path)
    assert "cannot be read: its header is damaged" in damaged
    assert "'other-machine'" in elsewhere
    assert adoption.count_in_use(tmp_path) == 0
