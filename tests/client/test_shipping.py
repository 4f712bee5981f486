"""Shipping: away servers, forks, several processes, offline runs, foreign servers, sync."""

import json
import logging
import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from millstream.client import MillstreamClient
from millstream.client.adoption import count_waiting
from millstream.client.recorder import Recorder, get_recorder
from millstream.client.sync import sync
from millstream.errors import InvalidValue, MillstreamError, Offline, ServerUnreachable, Unauthenticated

from .scripted import ScriptedServer


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.fixture
def client(uri):
    return MillstreamClient(uri)


def fresh(uri) -> MillstreamClient:
    """What another process would see."""
    client = MillstreamClient.__new__(MillstreamClient)
    client._recorder = Recorder(uri)
    client._registry_uri = uri
    client._roots = {}
    return client


def python(code, uri, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, uri],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps(client, run_id, key="m"):
    return [point.step for point in client.get_metric_history(run_id, key)]


# ---------------------------------------------------------------- in the background


def test_a_store_without_a_server_folds_its_histories_by_itself(client, tmp_path):
    run_id = client.create_run("0").info.run_id
    for step in range(300):
        client.log_metric(run_id, "m", step, step=step)
    client.set_terminated(run_id)

    def rows(table):
        with sqlite3.connect(tmp_path / "runs.db") as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    assert eventually(lambda: rows("tails") == 0)
    assert rows("chunks") == 1
    assert steps(client, run_id) == list(range(300))


def eventually(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_what_is_logged_arrives_without_a_barrier(client, uri):
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    other = fresh(uri)
    deadline = time.monotonic() + 10
    while not other.get_run(run_id).data.metrics and time.monotonic() < deadline:
        time.sleep(0.05)
    assert other.get_run(run_id).data.metrics == {"m": 1.0}


def test_the_journal_is_gone_when_the_process_ends_well(uri, journal_dir):
    code = """
import sys
from millstream.client import MillstreamClient
client = MillstreamClient(sys.argv[1])
run_id = client.create_run("0").info.run_id
for i in range(5000):
    client.log_metric(run_id, "m", i, step=i)
client.log_param(run_id, "p", 1)
print(run_id)
"""
    process = python(code, uri)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert list(journal_dir.iterdir()) == []
    assert len(steps(fresh(uri), out.strip())) == 5000


def test_a_killed_process_loses_nothing_and_the_next_client_delivers_it(client, uri, journal_dir):
    code = """
import os, sys
from millstream.client import MillstreamClient
client = MillstreamClient(sys.argv[1])
os.environ["MILLSTREAM_OFFLINE"] = "1"   # so that nothing can have been delivered
run_id = os.environ["RUN"]
for i in range(3000):
    client.log_metric(run_id, "m", i, step=i)
client.set_tag(run_id, "t", "x")
os.kill(os.getpid(), 9)
"""
    run_id = client.create_run("0").info.run_id
    process = python(code, uri, RUN=run_id)
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert count_waiting() == 1
    client.set_terminated(run_id)
    deadline = time.monotonic() + 30
    while count_waiting() + len(client.recorder.shipper._adopted) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert steps(client, run_id) == list(range(3000))
    assert client.get_run(run_id).data.tags["t"] == "x"
    assert [path.name for path in journal_dir.iterdir()] in ([], [client.recorder.journal.journal_id])


# ---------------------------------------------------------------- forks and several processes


def _log_in_worker(uri, run_id, worker):
    client = MillstreamClient(uri)
    for i in range(500):
        client.log_metric(run_id, f"w{worker}", i, step=i)
    client.log_param(run_id, f"p{worker}", worker)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_write_the_same_run(client, uri, method):
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    context = multiprocessing.get_context(method)
    workers = [context.Process(target=_log_in_worker, args=(uri, run_id, worker)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for step in range(100):
        client.log_metric(run_id, "m", step, step=step)
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    client.set_terminated(run_id)
    for worker in range(3):
        assert steps(client, run_id, f"w{worker}") == list(range(500))
    assert client.get_run(run_id).data.params == {f"p{worker}": str(worker) for worker in range(3)}


def test_a_bare_fork_that_ends_without_goodbye_is_delivered_by_the_parent(client, uri):
    run_id = client.create_run("0").info.run_id
    append = client.recorder.series(run_id, "m")
    append(0.0, 0)
    child = os.fork()
    if child == 0:
        for step in range(1, 200):
            append(step, step)
        os._exit(0)
    os.waitpid(child, 0)
    append(200.0, 200)
    client.set_terminated(run_id)
    assert sorted(steps(client, run_id)) == list(range(201))


def test_threads_log_to_one_run(client):
    run_id = client.create_run("0").info.run_id

    def work(thread):
        for step in range(1000):
            client.log_metric(run_id, f"t{thread}", step, step=step)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for thread in range(6):
        assert steps(client, run_id, f"t{thread}") == list(range(1000))


def test_several_processes_write_one_run_through_a_server(start_server):
    server = start_server()
    client = MillstreamClient(server.uri)
    run_id = client.create_run("0").info.run_id
    code = f"""
import sys
from millstream.client import MillstreamClient
client = MillstreamClient(sys.argv[1])
for i in range(1000):
    client.log_metric("{run_id}", "m", i, step=i, timestamp=i)
"""
    processes = [python(code, server.uri) for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
    assert steps(client, run_id) == list(range(1000)), "identical points are one point"


# ---------------------------------------------------------------- a server that is away


def test_logging_goes_on_while_the_server_is_away_and_all_arrives_when_it_returns(start_server, caplog):
    server = start_server()
    client = MillstreamClient(server.uri)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 0, step=0)
    client.flush()
    server.kill()
    started = time.monotonic()
    for step in range(1, 2000):
        client.log_metric(run_id, "m", step, step=step)
    assert time.monotonic() - started < 0.5
    assert client.flush(timeout=0.5) is False
    assert len(re.findall("not delivered", caplog.text)) == 1
    assert len(re.findall("kept in the journal for now", caplog.text)) == 1
    server.start()
    assert client.flush()
    assert steps(client, run_id) == list(range(2000))


def test_a_run_that_starts_while_the_server_is_away_is_created_when_it_is_there(start_server, caplog, tmp_path):
    server = start_server()
    port, uri = server.port, server.uri
    server.kill()
    client = MillstreamClient(uri)
    experiment = client.recorder.get_or_create_experiment("later")
    run = client.create_run(experiment.experiment_id, tags={"a": "b"}, run_name="early")
    run_id = run.info.run_id
    assert client.get_run(run_id).info.run_name == "early"
    client.log_metric(run_id, "m", 1.0)
    client.log_text(run_id, "hello", "notes/a.txt")
    (tmp_path / "file.txt").write_text("content")
    client.log_artifact(run_id, tmp_path / "file.txt", "folder")
    assert len([r for r in caplog.records if "sent as soon as" in r.getMessage()]) == 1
    start_server(port)
    client.set_terminated(run_id)
    found = client.get_run(run_id)
    assert (found.info.run_name, found.info.status, found.data.metrics) == ("early", "FINISHED", {"m": 1.0})
    assert client.get_experiment(found.info.experiment_id).name == "later"
    assert sorted(info.path for info in client.list_artifacts(run_id)) == ["folder", "notes"]
    with open(client.download_artifacts(run_id, "notes/a.txt")) as file:
        assert file.read() == "hello"


def test_a_barrier_does_not_wait_again_for_a_server_known_to_be_away(start_server, monkeypatch):
    server = start_server()
    client = MillstreamClient(server.uri)
    run_id = client.create_run("0").info.run_id
    server.kill()
    monkeypatch.setenv("MILLSTREAM_FLUSH_TIMEOUT", "1.5")
    client.log_metric(run_id, "m", 1.0)
    assert client.flush() is False
    started = time.monotonic()
    client.set_terminated(run_id)
    assert time.monotonic() - started < 1.4
    server.start()
    assert client.flush(timeout=20)


def test_a_wrong_password_raises_at_the_barrier_and_keeps_everything(journal_dir):
    state = {"open": True}

    def answer(request):
        if not state["open"]:
            return 401, "who are you?"
        if request.path.endswith("runs/create"):
            return 200, {"run": {"info": {"run_id": "a" * 32}}}
        return 200, {}

    server = ScriptedServer(answer)
    client = MillstreamClient(server.uri)
    run_id = client.create_run("0").info.run_id
    state["open"] = False
    client.log_metric(run_id, "m", 1.0)
    started = time.monotonic()
    with pytest.raises(Unauthenticated):
        client.flush()
    assert time.monotonic() - started < 5
    state["open"] = True
    assert client.flush()
    assert [r.json["metrics"][0]["value"] for r in server.requests if r.path.endswith("log-batch")][-1] == 1.0
    assert not (journal_dir / "rejected").exists()
    server.close()


def test_a_request_at_which_the_server_fails_is_set_aside_at_last(journal_dir, monkeypatch):
    monkeypatch.setattr("millstream.client.shipper.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("millstream.client.shipper.LONGEST_PAUSE_S", 0.001)

    def answer(request):
        if request.path.endswith("log-batch") and request.json.get("metrics", [{}])[0].get("key") == "poison":
            return 500, "boom"
        return 200, {"run": {"info": {"run_id": "a" * 32}}}

    server = ScriptedServer(answer)
    client = MillstreamClient(server.uri)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "poison", 1.0)
    with pytest.raises(MillstreamError, match="boom"):
        client.flush(run_id)
    client.log_metric(run_id, "fine", 1.0)
    assert client.flush()
    [rejected] = (journal_dir / "rejected").iterdir()
    assert json.loads(rejected.read_text())["item"]["metrics"][0]["key"] == "poison"
    server.close()


def test_a_barrier_does_not_wait_for_what_strangers_left(client, uri, monkeypatch):
    left = fresh(uri)
    stranger = client.create_run("0").info.run_id
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    for step in range(100_000):
        left.log_metric(stranger, "m", step, step=step)
    left.recorder.shipper.stop()
    left.recorder.journal._close_files()
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    monkeypatch.setattr("millstream.client.shipper.STRANGERS_S", 0.001)
    mine = client.create_run("0").info.run_id
    client.log_metric(mine, "m", 1.0)
    client.set_terminated(mine)
    assert len(list(fresh(uri).get_metric_history(stranger, "m"))) < 100_000
    deadline = time.monotonic() + 60
    while client.recorder.shipper._adopted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert steps(client, stranger) == list(range(100_000))


def test_a_journal_that_cannot_be_delivered_does_not_hold_up_others(client, uri, caplog):
    left = fresh(uri)
    left.log_metric("0" * 32, "m", 1.0)
    left.recorder.shipper.stop()
    left.recorder.journal._close_files()
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    client.set_terminated(run_id)
    assert client.flush()
    assert "No run" in caplog.text
    assert steps(client, run_id) == [0]


def test_a_server_that_fails_at_everything_is_waited_for(journal_dir, monkeypatch):
    monkeypatch.setattr("millstream.client.shipper.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("millstream.client.shipper.LONGEST_PAUSE_S", 0.001)
    state = {"broken": False}
    made = {"run": {"info": {"run_id": "a" * 32}}}
    server = ScriptedServer(lambda request: (500, "the database is away") if state["broken"] else (200, made))
    client = MillstreamClient(server.uri)
    run_id = client.create_run("0").info.run_id
    state["broken"] = True
    client.log_metric(run_id, "m", 1.0)
    assert client.flush(timeout=1.0) is False
    assert len(server.requests) > 15
    state["broken"] = False
    assert client.flush()
    assert server.requests[-1].json["metrics"][0]["key"] == "m"
    assert not (journal_dir / "rejected").exists()
    server.close()


def test_a_server_that_comes_back_between_two_calls_is_sent_the_request_again(journal_dir, monkeypatch):
    monkeypatch.setattr("millstream.client.shipper.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("millstream.client.shipper.LONGEST_PAUSE_S", 0.001)
    monkeypatch.setattr("millstream.client.delivery.MOST_TRIES", 4)
    left = [4]  # requests with points that still fail; the empty ones that ask whether the server works do not

    def answer(request):
        if request.json.get("metrics") and left[0] > 0:
            left[0] -= 1
            return 500, "the database is away"
        return 200, {"run": {"info": {"run_id": "a" * 32}}}

    server = ScriptedServer(answer)
    client = MillstreamClient(server.uri)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    assert client.flush()
    assert server.requests[-1].json["metrics"][0]["key"] == "m"
    assert not (journal_dir / "rejected").exists()
    server.close()


# ---------------------------------------------------------------- offline, sync


def test_offline_nothing_is_sent_until_sync(uri, client, monkeypatch, caplog, tmp_path, journal_dir):
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    offline = fresh(uri)
    experiment = offline.recorder.get_or_create_experiment("field work")
    parent = offline.create_run(experiment.experiment_id)
    child = offline.create_run(experiment.experiment_id, tags={"mlflow.parentRunId": parent.info.run_id})
    run_id = child.info.run_id
    for step in range(1500):
        offline.log_metric(run_id, "m", step, step=step)
    offline.log_param(run_id, "p", 1)
    offline.log_text(run_id, "text", "a.txt")
    offline.set_terminated(run_id)
    offline.set_terminated(parent.info.run_id)
    assert offline.get_run(run_id).info.status == "FINISHED"
    offline.recorder.close()
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    assert not (tmp_path / "runs.db").exists()
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    report = sync()
    assert (report.left, report.runs, report.points, report.rejected) == (0, 2, 1500, 0)
    found = client.get_run(run_id)
    assert (found.info.status, found.data.params) == ("FINISHED", {"p": "1"})
    assert found.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert client.get_experiment(found.info.experiment_id).name == "field work"
    assert steps(client, run_id) == list(range(1500))
    assert [info.path for info in client.list_artifacts(run_id)] == ["a.txt"]
    assert sync().journals == []


def test_offline_a_tag_is_deleted_and_a_run_goes_on(uri, client, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    offline = fresh(uri)
    run_id = offline.create_run("0").info.run_id
    offline.set_tag(run_id, "kept", "1")
    offline.set_tag(run_id, "gone", "1")
    offline.delete_tag(run_id, "gone")
    offline.set_terminated(run_id)
    offline.update_run(run_id, status="RUNNING", name="again")
    info = offline.get_run(run_id).info
    assert (info.status, info.run_name) == ("RUNNING", "again")
    offline.recorder.close()
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    assert sync().rejected == 0
    run = client.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert {"kept", "gone"} & run.data.tags.keys() == {"kept"}


def test_offline_no_server_is_asked(monkeypatch):
    """Neither waited for: nothing listens at that address, and the default retries take minutes."""
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    offline = fresh("http://127.0.0.1:9")
    for call in (
        lambda: offline.search_runs(["0"]),
        lambda: offline.create_experiment("e"),
        lambda: offline.set_experiment_tag("1", "a", "b"),
        lambda: offline.search_registered_models(),
        lambda: offline.delete_tag("f" * 32, "a"),
    ):
        with pytest.raises(Offline, match="MILLSTREAM_OFFLINE is set"):
            call()


def test_a_status_that_there_is_not_is_told_with_those_that_there_are(client):
    run_id = client.create_run("0").info.run_id
    for end in (client.set_terminated, client.update_run):
        with pytest.raises(InvalidValue, match=r"'DONE' is no status of a run.*FINISHED"):
            end(run_id, "DONE")
    assert client.get_run(run_id).info.status == "RUNNING"


def test_a_server_that_is_down_is_not_asked_again_and_again_while_somebody_waits(client, uri, monkeypatch):
    run_id = client.create_run("0").info.run_id
    tries = []

    def refuse(*args, **options):
        tries.append(args)
        raise ServerUnreachable(uri, "refused")

    monkeypatch.setattr(client.transport, "call", refuse)
    client.log_metric(run_id, "m", 1.0)
    assert client.flush(run_id, timeout=2.0) is False
    assert 2 <= len(tries) <= 10  # after 0.1, 0.2, 0.4, 0.5, 0.5 ... seconds
    monkeypatch.undo()
    assert client.flush(run_id, timeout=20.0)
    assert client.get_run(run_id).data.metrics == {"m": 1.0}


def test_sync_reports_what_it_cannot_deliver_and_leaves_it(monkeypatch, journal_dir):
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    offline = fresh("http://127.0.0.1:9")
    offline.create_run("0")
    offline.recorder.close()
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    report = sync(timeout=0.3)
    assert report.left == 1
    assert "does not answer" in report.journals[0].error
    assert report.journals[0].records == 1
    assert len(list(journal_dir.iterdir())) == 1


def test_sync_names_journals_that_cannot_be_delivered_from_here(monkeypatch, journal_dir, caplog):
    folder = journal_dir / "0-1-ab"
    folder.mkdir(parents=True)
    (folder / "lock").write_text("")
    (folder / "control").write_bytes(b"nonsense")
    report = sync(timeout=0.3)
    assert report.in_use == 0
    assert report.aside == [f"{folder} cannot be read: its header is damaged."]
    assert len(re.findall("cannot be read", caplog.text)) == 1

    from click.testing import CliRunner

    from millstream.cli.doctor import doctor

    assert str(folder) in json.loads(CliRunner().invoke(doctor, ["--json"]).stdout)["Not to be delivered from here"]


def test_each_run_that_was_refused_raises_once_at_the_first_barrier_that_speaks_for_it(client):
    good, bad, worse = (client.create_run("0").info.run_id for _ in range(3))
    client.delete_run(bad)
    client.delete_run(worse)
    for run_id in (good, bad, worse):
        client.log_metric(run_id, "m", 1.0)
    assert client.flush(good)
    with pytest.raises(MillstreamError, match=bad):
        client.flush()
    assert client.flush(bad)
    with pytest.raises(MillstreamError, match=worse):
        client.flush(worse)
    assert client.flush()


def test_flush_all_delivers_to_every_store_although_one_refuses(client, tmp_path):
    from millstream.client.recorder import flush_all

    bad = client.create_run("0").info.run_id
    client.delete_run(bad)
    elsewhere = MillstreamClient(f"sqlite:///{tmp_path / 'other.db'}")
    run_id = elsewhere.create_run("0").info.run_id
    client.log_metric(bad, "m", 1.0)
    elsewhere.log_metric(run_id, "m", 1.0)
    with pytest.raises(MillstreamError, match="deleted"):
        flush_all()
    assert elsewhere.recorder.journal.pending == 0


def test_that_records_are_not_delivered_is_said_once_until_delivery_works_again(caplog, monkeypatch):
    is_up = False
    server = ScriptedServer(lambda request: (200, {}) if is_up else (503, {"error_code": "TEMPORARILY_UNAVAILABLE"}))
    client = fresh(server.uri)

    def said():
        return len(re.findall("are not delivered", caplog.text))

    for _ in range(3):
        client.log_metric("r", "m", 1.0)
        assert not client.flush(timeout=0.2)
    assert said() == 1
    is_up = True
    assert client.flush(timeout=10)
    is_up = False
    client.log_metric("r", "m", 2.0)
    assert not client.flush(timeout=0.2)
    assert said() == 2
    is_up = True
    client.recorder.close()
    server.close()


def test_a_window_that_cannot_be_planned_is_read_again(client, monkeypatch):
    from millstream.client import delivery

    run_id = client.create_run("0").info.run_id
    plan, failures = delivery.plan, []

    def fails_once(*arguments):
        if not failures:
            failures.append(arguments)
            raise RuntimeError("cut short")
        return plan(*arguments)

    monkeypatch.setattr(delivery, "plan", fails_once)
    client.log_metric(run_id, "m", 1.0, step=4)
    client.flush()
    assert failures
    assert steps(client, run_id) == [4]


def test_files_of_an_offline_run_reach_a_server_whose_password_stands_in_the_uri(monkeypatch, tmp_path):
    (tmp_path / "a.txt").write_text("x")

    def answer(request):
        if "authorization" not in request.headers:
            return 401, {"error_code": "UNAUTHENTICATED", "message": "who?"}
        if request.path.endswith(("runs/get", "runs/create")):
            return 200, {"run": {"info": {"run_id": "r", "artifact_uri": "mlflow-artifacts:/0/r/artifacts"}}}
        return 200, {}

    server = ScriptedServer(answer)
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    client = fresh(server.uri.replace("http://", "http://user:secret@"))
    run_id = client.create_run("0").info.run_id
    client.log_artifact(run_id, tmp_path / "a.txt")
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    assert client.flush(timeout=10)
    assert next(request.path for request in server.requests if request.verb == "PUT").endswith("0/r/artifacts/a.txt")
    client.recorder.close()
    server.close()


def test_files_that_a_server_refuses_are_kept(monkeypatch, tmp_path, journal_dir):
    (tmp_path / "a.txt").write_text("precious")

    def answer(request):
        if request.verb == "PUT":
            return 413, {"error_code": "PAYLOAD_TOO_LARGE", "message": "too much"}
        return 200, {"run": {"info": {"run_id": "r", "artifact_uri": "mlflow-artifacts:/0/r/artifacts"}}}

    server = ScriptedServer(answer)
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    client = fresh(server.uri)
    run_id = client.create_run("0").info.run_id
    client.log_artifact(run_id, tmp_path / "a.txt")
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    with pytest.raises(MillstreamError, match="too much"):
        client.flush(timeout=10)
    client.recorder.close()
    server.close()
    assert [path.read_text() for path in journal_dir.glob("rejected/*.files/*/a.txt")] == ["precious"]


def test_journals_can_be_delivered_elsewhere(monkeypatch, uri, client):
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    offline = fresh("http://127.0.0.1:9")
    run_id = offline.create_run("0").info.run_id
    offline.recorder.close()
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    assert sync(tracking_uri=uri).left == 0
    assert client.get_run(run_id).info.run_id == run_id


def test_on_a_foreign_server_an_offline_run_gets_a_new_id_and_a_tag_and_is_made_once(monkeypatch, journal_dir):
    foreign_id = "f" * 32
    made = []

    def answer(request):
        if "/millstream/" in request.path:
            return 404, "<html>"
        if request.path.endswith("runs/create"):
            made.append(request.json)
            return 200, {"run": {"info": {"run_id": foreign_id}}}
        if request.path.endswith("runs/search"):
            return 200, {"runs": [{"info": {"run_id": foreign_id}}]} if made else {}
        return 200, {"experiment": {"experiment_id": "3", "name": "x", "artifact_location": ""}}

    server = ScriptedServer(answer)
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "1")
    offline = fresh(server.uri)
    run_id = offline.create_run("name:x").info.run_id
    offline.log_metric(run_id, "m", 1.0)
    offline.recorder.close()
    monkeypatch.delenv("MILLSTREAM_OFFLINE")
    assert sync().left == 0
    assert {"key": "millstream.runId", "value": run_id} in made[0]["tags"]
    assert made[0]["experiment_id"] == "3"
    [batch] = [request.json for request in server.requests if request.path.endswith("log-batch")]
    assert batch["run_id"] == foreign_id
    later = fresh(server.uri)
    later.log_metric(run_id, "m", 2.0)
    later.flush()
    assert server.requests[-1].json["run_id"] == foreign_id
    assert len(made) == 1
    later.recorder.close()
    server.close()


def test_one_recorder_serves_all_clients_of_a_uri(uri, tmp_path, monkeypatch):
    assert get_recorder(uri) is MillstreamClient(uri).recorder
    monkeypatch.chdir(tmp_path)
    assert get_recorder("sqlite:///runs.db") is get_recorder(uri)
