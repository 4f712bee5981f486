"""Several processes on one database: nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from millstream.store.tracking import SqlTrackingStore, open_store

WRITERS = 2
THREADS = 4
ROUNDS = 25
POINTS = 4

# every process logs to the same runs and metrics, creates runs and experiments of its own, and repeats some of it
WORK = f"""
import json, sys, threading
from millstream.entities import Metric, Param, RunTag
from millstream.errors import AlreadyExists
from millstream.store.tracking import open_store

uri, me, run_ids = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
store = open_store(uri)
if sys.argv[4] == "thread":
    store.db.start_writer_thread()
made, failures = [], []

def work(thread):
    try:
        for i in range({ROUNDS}):
            run_id = run_ids[(i + me) % len(run_ids)]
            first = ((i * {THREADS} + thread) * {WRITERS} + me) * {POINTS}
            points = [Metric("loss", float(at), at, at) for at in range(first, first + {POINTS})]
            def batch():
                store.log_batch(run_id, points, [Param("shared", "1")], [RunTag(f"t{{me}}", str(i))])
                store.log_batch(run_id, [Metric(f"own{{me}}-{{thread}}", 1.0, i, i)], [], [])
            store.db.submit(batch, run_id).result()
            store.log_batch(run_id, points, [], [])  # as after an answer that got lost
            made.append(store.db.submit(lambda: store.create_run("0", "", "", i, [RunTag("k", "v")])).result().info.run_id)
        try:
            made.append(store.create_experiment(f"same-{{thread}}", "", []))
        except AlreadyExists:
            pass
    except BaseException as error:
        failures.append(repr(error))

threads = [threading.Thread(target=work, args=(n,)) for n in range({THREADS})]
[t.start() for t in threads]
[t.join() for t in threads]
store.close()
print(json.dumps([made, failures]))
"""


def run_writers(url: str, run_ids: list[str], mode: str) -> list[str]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WORK, url, str(n), json.dumps(run_ids), mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for n in range(WRITERS)
    ]
    made: list[str] = []
    for process in processes:
        out, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()
        mine, failures = json.loads(out)
        assert failures == []
        made += mine
    return made


def check(url: str, mode: str) -> None:
    with open_store(url, "mlflow-artifacts:/") as store:
        run_ids = [store.create_run("0", "", "", 0, []).info.run_id for _ in range(3)]
    made = run_writers(url, run_ids, mode)
    assert len(set(made)) == len(made) == WRITERS * THREADS * ROUNDS + THREADS
    with open_store(url, "mlflow-artifacts:/") as store:
        expected = set(range(WRITERS * THREADS * ROUNDS * POINTS))
        seen = [point for run_id in run_ids for point in store.get_metric_history(run_id, "loss", None, "")]
        assert sorted(point.step for point in seen) == sorted(expected)
        summaries = [one for run_id in run_ids for one in store.get_metric_summaries(run_id)]
        assert sum(one.count for one in summaries if one.key == "loss") == len(expected)
        assert sum(one.count for one in summaries if one.key != "loss") == WRITERS * THREADS * ROUNDS
        for run_id in run_ids:
            data = store.get_run(run_id).data
            assert data.params == {"shared": "1"}
            assert {"t0", "t1"} <= set(data.tags)
        for run_id in made[:ROUNDS]:
            assert store.get_run(run_id).data.tags["k"] == "v"


def test_two_servers_on_one_database_lose_and_double_nothing(database_url: str) -> None:
    check(database_url, "thread")


def test_two_programs_on_one_database_lose_and_double_nothing(database_url: str) -> None:
    check(database_url, "embedded")


FORKED = """
import os, sys
from millstream.entities import Metric
from millstream.store.tracking import open_store

store = open_store(sys.argv[1])
run_id = sys.argv[2]
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            for i in range(20):
                store.log_batch(run_id, [Metric(f"child{child}", float(i), i, i)], [], [])
            os._exit(0)
        finally:
            os._exit(1)
    children.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
store.log_batch(run_id, [Metric("parent", 1.0, 1, 1)], [], [])
store.close()
sys.exit(any(codes))
"""


def test_workers_made_by_fork_log_through_the_store_they_inherit(store: SqlTrackingStore, database_url: str) -> None:
    run_id = store.create_run("0", "", "", 0, []).info.run_id
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED, database_url, run_id], capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    counts = {one.key: one.count for one in store.get_metric_summaries(run_id)}
    assert counts == {"child0": 20, "child1": 20, "child2": 20, "child3": 20, "parent": 1}


FIRST_RUN = """
import sys
from millstream.entities import Metric, Param, RunTag
from millstream.store.tracking import open_store

with open_store(sys.argv[1]) as store:
    run_id = store.create_run("0", "", "", 0, []).info.run_id
    for step in range(3):
        store.log_batch(run_id, [Metric("a", 1.0, step, step)], [Param("p", "1")], [RunTag("t", "1")])
    store.get_run(run_id)
print(sorted({"numpy", "alembic", "sqlalchemy.orm", "sqlalchemy.dialects.mysql"} & set(sys.modules)))
"""


@pytest.mark.sqlite_only
def test_a_first_run_in_a_fresh_store_loads_nothing_heavy(database_url: str) -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_RUN, database_url], capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().strip() == "[]"
