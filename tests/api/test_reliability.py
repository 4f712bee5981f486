"""Trouble around the server: a locked database, links in the store, uploads that break off, a kill."""

import json
import os
import socket
import sqlite3
import threading
import time

import pytest

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def test_a_locked_database_delays_writes_and_stops_nothing_else(start):
    server = start()
    run = server.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    other = sqlite3.connect(server.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    replies = []
    writes = [
        threading.Thread(
            target=lambda i=i: replies.append(
                server.post("runs/log-metric", {"run_id": run, "key": "m", "value": i, "timestamp": i})
            )
        )
        for i in range(5)
    ]
    for thread in writes:
        thread.start()
    try:
        for _ in range(5):
            began = time.perf_counter()
            assert server.get("/health").status == 200
            assert server.get(f"/api/2.0/mlflow/runs/get?run_id={run}").status == 200
            assert time.perf_counter() - began < 2
            time.sleep(0.1)
        assert not replies
    finally:
        other.execute("ROLLBACK")
        other.close()
    for thread in writes:
        thread.join(30)
    assert [reply.status for reply in replies] == [200] * 5
    history = server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=m").json()["metrics"]
    assert len(history) == 5


def test_links_do_not_lead_out_of_the_store(world, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file.txt").write_text("secret")
    root = world.server.folder / "artifacts" / world.experiment / world.run / "artifacts"
    os.symlink(secret, root / "link")
    os.symlink(secret / "file.txt", root / "link.txt")
    try:
        below = f"{PROXY}/{world.experiment}/{world.run}/artifacts"
        for path in ("link/file.txt", "link.txt"):
            assert 400 <= world.server.get(f"{below}/{path}").error()[0] < 500
            assert 400 <= world.server.get(f"/get-artifact?run_id={world.run}&path={path}").error()[0] < 500
        listed = world.server.get(f"{PROXY}?path={world.experiment}/{world.run}/artifacts/link")
        assert b"file.txt" not in listed.body
        world.server.ask("PUT", f"{below}/link/new.txt", b"x")
        world.server.ask("DELETE", f"{below}/link/file.txt")
        world.server.ask("DELETE", f"{below}/link")
        assert (secret / "file.txt").read_text() == "secret"
        assert sorted(os.listdir(secret)) == ["file.txt"]
    finally:
        for name in ("link", "link.txt"):
            if os.path.lexists(root / name):
                os.unlink(root / name)


@pytest.mark.parametrize("size", [1000, 2_000_000])
def test_an_upload_that_breaks_off_leaves_nothing(size, world, unchanged):
    path = f"{PROXY}/{world.experiment}/{world.run}/artifacts/broken-{size}.bin"
    with socket.create_connection(("127.0.0.1", world.server.port)) as sock:
        sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
        sock.sendall(b"x" * (size // 2))
        time.sleep(0.2)
    time.sleep(0.3)
    assert world.server.get(path).error() == (404, "RESOURCE_DOES_NOT_EXIST")


def test_uploads_over_folders_and_below_files_are_refused(world, unchanged):
    below = f"{PROXY}/{world.experiment}/{world.run}/artifacts"
    for path in ("a", "a/b.txt/c", "x" * 256):
        assert 400 <= world.server.ask("PUT", f"{below}/{path}", b"x").error()[0] < 500


def test_many_requests_on_one_connection_and_pipelined_are_answered_in_order(server):
    one = b"GET /api/2.0/mlflow/experiments/get?experiment_id=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = server.raw(one * 20 + last)
    assert answer.count(b"HTTP/1.1 200 ") == 21
    assert answer.endswith(b"OK")


def test_concurrent_clients_lose_and_double_nothing(server):
    run = server.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    failures = []

    def write(thread):
        for step in range(40):
            body = {"run_id": run, "key": "loss", "value": thread * 1000 + step, "timestamp": step, "step": step}
            if server.post("runs/log-metric", body).status != 200:
                failures.append(body)
            if (
                step % 10 == 0 and server.post("runs/log-metric", body).status != 200
            ):  # sent again, as after a lost answer
                failures.append(body)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    history = server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss").json()["metrics"]
    assert sorted(point["value"] for point in history) == sorted(t * 1000 + s for t in range(16) for s in range(40))


def test_one_bad_request_in_a_group_does_not_hurt_the_others(server):
    run = server.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    good = {"run_id": run, "params": [{"key": "p", "value": "1"}]}
    clash = {
        "run_id": run,
        "metrics": [{"key": "m", "value": 1, "timestamp": 1}],
        "params": [{"key": "p", "value": "2"}],
    }
    assert server.post("runs/log-batch", good).status == 200
    statuses = []
    threads = [
        threading.Thread(
            target=lambda i=i: statuses.append(
                (
                    i % 2,
                    server.post(
                        "runs/log-batch", clash if i % 2 else {"run_id": run, "tags": [{"key": f"t{i}", "value": "v"}]}
                    ).status,
                )
            )
        )
        for i in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(statuses)) == [(0, 200), (1, 400)]
    data = json.loads(server.get(f"/api/2.0/mlflow/runs/get?run_id={run}").body)["run"]["data"]
    assert "metrics" not in data
    assert len([tag for tag in data["tags"] if tag["key"].startswith("t")]) == 12
