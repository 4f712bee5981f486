"""A full disk, a folder that cannot be written, a locked database, a server that is away: one clear line, no loss, no doubling."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from millstream.client import MillstreamClient
from millstream.client.recorder import Recorder
from millstream.client.sync import sync
from millstream.store.tracking import open_store

SERVE = """
import sys
from millstream.server.run import serve
serve(port=int(sys.argv[1]), backend_store_uri=sys.argv[2], artifacts_destination=sys.argv[3])
"""


class Server:
    """A server in a process of its own."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.arguments = [uri, str(folder / "artifacts")]
        self.port = 0

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.port), *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().split()[-1]
        self.port = int(self.uri.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def server(uri: str, tmp_path: Path):
    server = Server(uri, tmp_path)
    server.start()
    yield server
    server.kill()


def client_of(uri: str) -> MillstreamClient:
    """A client with a recorder of its own, as another process has."""
    client = MillstreamClient.__new__(MillstreamClient)
    client._recorder = Recorder(uri)
    client._registry_uri = uri
    client._roots = {}
    return client


def steps(client: MillstreamClient, run_id: str) -> list[int]:
    return [point.step for point in client.get_metric_history(run_id, "m")]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


def _mount(folder: Path, options: str) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    _mount(folder, "size=4m")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def read_only_folder(tmp_path: Path):
    """A folder that even root cannot write."""
    folder = tmp_path / "fixed"
    _mount(folder, "ro,size=64k")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_journal_on_a_full_disk_goes_on_in_memory_and_loses_nothing(uri, small_disk, monkeypatch, caplog):
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(small_disk / "journals"))
    monkeypatch.setenv("MILLSTREAM_JOURNAL_SEGMENT_BYTES", str(1 << 20))
    client = client_of(uri)
    run_id = client.create_run("0").info.run_id
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")  # nothing is released, so that the disk fills up
    for step in range(200_000):
        client.log_metric(run_id, "m", step, step=step)
    client.log_param(run_id, "p", "x" * 6000)
    assert len(re.findall("kept in memory", caplog.text)) == 1
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    assert client.flush()
    assert steps(client, run_id) == list(range(200_000))
    assert len(client.get_run(run_id).data.params["p"]) == 6000
    for step in range(200_000, 201_000):
        client.log_metric(run_id, "m", step, step=step)
    client.set_terminated(run_id)
    assert steps(client, run_id) == list(range(201_000))
    client.recorder.close()
    assert list((small_disk / "journals").iterdir()) == []


def test_a_full_disk_under_a_killed_process_keeps_what_was_on_it(uri, small_disk, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(small_disk / "journals"))
    monkeypatch.setenv("MILLSTREAM_JOURNAL_SEGMENT_BYTES", str(1 << 20))
    client = client_of(uri)
    run_id = client.create_run("0").info.run_id
    code = f"""
import os, sys
os.environ["MILLSTREAM_OFFLINE"] = "1"
from millstream.client import MillstreamClient
client = MillstreamClient(sys.argv[1])
for i in range(200_000):
    client.log_metric("{run_id}", "m", i, step=i)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code, uri], stderr=subprocess.DEVNULL, check=False)
    assert sync().left == 0
    found = steps(client, run_id)
    assert found == list(range(len(found)))
    assert len(found) >= 2 * 32766


def test_a_journal_in_a_folder_that_cannot_be_written_is_in_memory(uri, read_only_folder, monkeypatch, caplog):
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(read_only_folder / "journals"))
    client = client_of(uri)
    run_id = client.create_run("0").info.run_id
    for step in range(1000):
        client.log_metric(run_id, "m", step, step=step)
    client.set_terminated(run_id)
    assert len(re.findall("cannot be written", caplog.text)) == 1
    assert steps(client, run_id) == list(range(1000))
    client.recorder.close()


def test_what_is_only_in_memory_and_cannot_be_delivered_is_not_lost_silently(read_only_folder, monkeypatch, caplog):
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(read_only_folder / "journals"))
    monkeypatch.setenv("MILLSTREAM_FLUSH_TIMEOUT", "0.3")
    client = client_of("http://127.0.0.1:9")
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    client.recorder.close()
    assert "lost with this process" in caplog.text


def test_a_store_on_a_full_disk_takes_what_was_logged_once_there_is_room(small_disk, tmp_path, caplog):
    uri = f"sqlite:///{small_disk / 'runs.db'}"
    client = client_of(uri)
    run_id = client.create_run("0").info.run_id
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    for step in range(20_000):
        client.log_metric(run_id, "m", step, step=step)
    for number in range(50):
        client.log_param(run_id, f"p{number}", "y" * 5000)
    assert client.flush(timeout=1.0) is False
    filler.unlink()
    assert client.flush(timeout=30)
    assert steps(client, run_id) == list(range(20_000))
    assert len(client.get_run(run_id).data.params) == 50
    client.recorder.close()


def test_a_database_that_another_process_locks_delays_and_loses_nothing(uri, tmp_path):
    client = client_of(uri)
    run_id = client.create_run("0").info.run_id
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        held.set()
        release.wait(20)
        other.execute("ROLLBACK")
        other.close()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    started = time.monotonic()
    for step in range(2000):
        client.log_metric(run_id, "m", step, step=step)
    assert time.monotonic() - started < 0.5, "logging does not wait for the database"
    assert client.flush(timeout=0.5) is False
    release.set()
    thread.join()
    assert client.flush(timeout=30)
    assert steps(client, run_id) == list(range(2000))
    client.recorder.close()


def test_a_database_that_became_read_only_is_said_and_everything_waits(uri, tmp_path, caplog):
    client = client_of(uri)
    run_id = client.create_run("0").info.run_id
    client.flush()
    database = tmp_path / "runs.db"
    kept = tmp_path / "kept.db"
    store = open_store(uri, artifact_root=str(tmp_path))
    store.close()
    client.transport.close()
    with client.recorder.shipper._working:  # between the two steps it would make an empty database
        database.rename(kept)
        database.mkdir()  # whatever opens it now fails, for root too
    client.log_metric(run_id, "m", 1.0, step=1)
    with caplog.at_level(logging.WARNING):
        assert client.flush(timeout=1.0) is False
    assert "kept in the journal for now" in caplog.text
    with client.recorder.shipper._working:
        database.rmdir()
        kept.rename(database)
    assert client.flush(timeout=30)
    assert steps(client, run_id) == [1]
    client.recorder.close()


def test_a_server_that_is_away_for_a_while_costs_nothing_but_time(server, monkeypatch, tmp_path):
    """The process even ends while the server is away; the next one delivers."""
    client = client_of(server.uri)
    run_id = client.create_run("0").info.run_id
    server.kill()
    monkeypatch.setenv("MILLSTREAM_FLUSH_TIMEOUT", "0.2")
    for step in range(500):
        client.log_metric(run_id, "m", step, step=step)
    client.recorder.close()
    assert len(list((tmp_path / "journals").iterdir())) == 1
    server.start()
    monkeypatch.delenv("MILLSTREAM_FLUSH_TIMEOUT")
    later = client_of(server.uri)
    other = later.create_run("0").info.run_id
    later.set_terminated(other)
    assert steps(later, run_id) == list(range(500))
    later.recorder.close()
