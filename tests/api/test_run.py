"""The server as a process: its start, its signals, its workers."""

import http.client
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from millstream.asgi import processes

SCRIPT = """
from millstream.server.run import serve
serve(port=0, workers={workers}, backend_store_uri={store!r}, artifacts_destination={artifacts!r}, **{more!r})
"""


class Process:
    def __init__(self, folder, workers=1, store=None, **more):
        folder.mkdir(exist_ok=True)
        self.store = store or f"sqlite:///{folder}/store.db"
        code = SCRIPT.format(workers=workers, store=self.store, artifacts=str(folder / "artifacts"), more=more)
        self.errors = open(folder / f"errors-{time.time_ns()}.txt", "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=folder,
        )
        self.line = self.process.stdout.readline()
        assert self.line.startswith("Millstream is ready at http://127.0.0.1:"), self.log()
        self.port = int(self.line.strip().rsplit(":", 1)[1].partition("/")[0])

    def log(self):
        self.errors.flush()
        self.errors.seek(0)
        return self.errors.read()

    def ask(self, verb, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                verb, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def create_run(self):
        status, body = self.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
        assert status == 200, body
        return json.loads(body)["run"]["info"]["run_id"]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(30)
        self.process.stdout.close()
        self.errors.close()
        return status


@pytest.fixture
def launch(tmp_path):
    started = []

    def begin(**options):
        started.append(Process(tmp_path / "here", **options))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            for child in psutil.Process(one.process.pid).children():
                child.kill()
            one.process.kill()
            one.process.wait()
        if not one.process.stdout.closed:
            one.process.stdout.close()
            one.errors.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_order(launch, number):
    server = launch()
    assert server.ask("GET", "/health") == (200, b"OK")
    assert server.stop(number) == 0


def test_start_and_size_are_small(launch):
    server = launch()
    server.create_run()
    server.stop()
    again = launch()
    process = psutil.Process(again.process.pid)
    work_s = sum(process.cpu_times()[:2])
    size_mib = process.memory_info().rss / 2**20
    again.stop()
    assert work_s < 2.5, (
        "below 1 s alone on the machine (2026-11), which the benchmark measures; this is for gross mistakes"
    )
    assert size_mib < 100


def test_what_was_acknowledged_before_the_signal_is_there_afterwards(launch):
    server = launch()
    run_id = server.create_run()
    written = []
    stop = threading.Event()

    def write(thread):
        for step in range(100_000):
            if stop.is_set():
                return
            point = {"run_id": run_id, "key": f"m{thread}", "value": step, "timestamp": step, "step": step}
            try:
                status, _ = server.ask("POST", "/api/2.0/mlflow/runs/log-metric", point)
            except OSError:
                return
            if status != 200:
                return
            written.append((f"m{thread}", step))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert server.stop() == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert len(written) > 20
    again = launch()
    found = set()
    for key in {key for key, _ in written}:
        body = again.ask("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key={key}")[1]
        found |= {(key, point["step"]) for point in json.loads(body)["metrics"]}
    assert set(written) <= found
    again.stop()


def test_several_workers_share_one_socket_one_database_and_their_counts(launch):
    server = launch(workers=2)
    parent = psutil.Process(server.process.pid)
    assert len(parent.children()) == 2
    runs = [server.create_run() for _ in range(20)]
    for run_id in runs:
        assert server.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}")[0] == 200
    deadline = time.monotonic() + 15
    wanted = b'millstream_requests_total{route="runs.create",verb="POST",status="200"} 20\n'
    while wanted not in server.ask("GET", "/metrics")[1]:
        assert time.monotonic() < deadline, "the workers' counts do not add up"
        time.sleep(0.3)
    children = parent.children()
    assert server.stop() == 0
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_fallen_worker_is_started_again(launch):
    server = launch(workers=2)
    parent = psutil.Process(server.process.pid)
    victim = parent.children()[0]
    victim.kill()
    deadline = time.monotonic() + 20
    while victim in parent.children() or len(parent.children()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert server.ask("GET", "/health") == (200, b"OK")
    assert server.stop() == 0


def test_workers_do_not_outlive_their_parent(launch):
    server = launch(workers=2)
    children = psutil.Process(server.process.pid).children()
    os.kill(server.process.pid, signal.SIGKILL)
    assert not psutil.wait_procs(children, timeout=20)[1]


def test_a_taken_port_is_said_in_one_sentence(launch, tmp_path):
    server = launch()
    code = f"from millstream.server.run import serve; serve(port={server.port}, backend_store_uri='sqlite:///x.db')"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert "--port" in failed.stderr.splitlines()[-1]
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_database_that_cannot_be_opened_is_said_in_one_sentence(workers, tmp_path):
    code = f"from millstream.server.run import serve; serve(port=0, workers={workers}, backend_store_uri='sqlite:////proc/x/y.db')"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert failed.returncode != 0
    assert "/proc/x/y.db" in failed.stderr
    if workers > 1:
        assert "Its log says why" in failed.stderr.splitlines()[-1]


def test_an_artifacts_only_server_keeps_no_database(launch, tmp_path):
    server = launch(artifacts_only=True)
    status, body = server.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
    assert status == 503
    assert json.loads(body)["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert server.ask("GET", "/health") == (200, b"OK")
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("PUT", "/api/2.0/mlflow-artifacts/artifacts/a/b.txt", b"x")
    assert connection.getresponse().status == 200
    connection.close()
    assert not list((tmp_path / "here").glob("*.db"))


def test_a_server_without_the_proxy_answers_503_there(launch):
    server = launch(serve_artifacts=False)
    assert server.ask("GET", "/api/2.0/mlflow-artifacts/artifacts/a/b.txt")[0] == 503
    assert server.ask("GET", "/api/2.0/mlflow-artifacts/artifacts")[0] == 503
    assert server.ask("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")[0] == 200


def test_a_low_limit_of_open_files_is_raised():
    code = (
        "import resource as r; from millstream.asgi import processes; hard = r.getrlimit(r.RLIMIT_NOFILE)[1]; "
        "r.setrlimit(r.RLIMIT_NOFILE, (256, hard)); processes.allow_connections(); print(r.getrlimit(r.RLIMIT_NOFILE)[0], hard)"
    )
    soft, hard = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split()
    assert int(soft) == (processes.WANTED_FILES if int(hard) < 0 else min(processes.WANTED_FILES, int(hard)))


def test_the_log_is_json_lines(launch):
    server = launch()
    server.ask("GET", "/health")
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert [line["message"] for line in lines] == ["starting", "stopped"]


def test_a_killed_server_has_lost_nothing_that_it_acknowledged(launch):
    server = launch()
    run_id = server.create_run()
    acknowledged = []
    for round_number in range(3):

        def write(thread, server=server, round_number=round_number):
            for step in range(100_000):
                point = {"run_id": run_id, "key": "m", "value": thread, "timestamp": round_number, "step": step}
                try:
                    if server.ask("POST", "/api/2.0/mlflow/runs/log-metric", point)[0] != 200:
                        return
                except (OSError, http.client.HTTPException):
                    return
                acknowledged.append((thread, round_number, step))

        threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.4)
        server.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
        server = launch()
    body = server.ask("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key=m")[1]
    found = [(point["value"], point["timestamp"], point["step"]) for point in json.loads(body)["metrics"]]
    assert len(acknowledged) > 10
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    server.stop()


def test_two_servers_on_one_database_lose_and_double_nothing(launch, database_url):
    one, two = launch(store=database_url), launch(store=database_url)
    runs = [one.create_run(), two.create_run()]
    acknowledged = set()
    problems = []

    def write(thread):
        for step in range(60):
            server, twin = (one, two) if (thread + step) % 2 else (two, one)
            run_id = runs[step % 2]
            point = {"run_id": run_id, "key": "m", "value": thread, "timestamp": step, "step": step}
            batch = {
                "run_id": run_id,
                "metrics": [{"key": f"k{i}", "value": thread, "timestamp": step, "step": step} for i in range(5)],
                "params": [{"key": f"p{step}", "value": str(step)}],
                "tags": [{"key": "last", "value": str(thread)}],
            }
            replies = [server.ask("POST", "/api/2.0/mlflow/runs/log-metric", point)]
            replies.append(server.ask("POST", "/api/2.0/mlflow/runs/log-batch", batch))
            if step % 5 == 0:  # sent again to the other server, as a client does whose answer was lost
                replies.append(twin.ask("POST", "/api/2.0/mlflow/runs/log-metric", point))
                replies.append(twin.ask("POST", "/api/2.0/mlflow/runs/log-batch", batch))
            problems.extend(reply for reply in replies if reply[0] != 200)
            acknowledged.add((run_id, thread, step))

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[:3]
    for server in (one, two):
        for key in ("m", "k0", "k4"):
            found = []
            for run_id in runs:
                body = server.ask("GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key={key}")[1]
                found += [(run_id, int(point["value"]), point["step"]) for point in json.loads(body)["metrics"]]
            assert len(found) == len(set(found)), "doubled"
            assert set(found) == acknowledged
        data = json.loads(server.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={runs[0]}")[1])["run"]["data"]
        assert len(data["params"]) == 30
    assert one.stop() == 0
    assert two.stop() == 0
