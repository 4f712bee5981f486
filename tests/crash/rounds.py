"""Rounds of kill -9 at random instants, and what must be true after each.

    python tests/crash/rounds.py --rounds 100 --seed 1 --folder /tmp/x

Each round forks a client (and a server, or takes the one of the round before), kills one or both at a random instant, starts what
was killed again, and reads everything back in a fresh process. The client notes in shared memory what was acknowledged, that is,
which log calls have returned. It must all be there, in order, once; of what was under way at that instant any part may be.

Everything is forked from this process, which imports first and opens nothing, so that a round costs milliseconds.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import random
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

# imported here so that no child has to
import urllib3  # noqa: F401

import millstream.artifacts
import millstream.client.http
import millstream.client.shipper
import millstream.client.sync
import millstream.server.run
import millstream.store.tracking  # noqa: F401
from millstream.client import MillstreamClient
from millstream.client.sync import sync

SCENARIOS = (
    "client, store here",
    "client, server",
    "server",
    "both",
    "server under a synchronous client",
    "client, offline",
)
LIMIT_S = 60.0


class Notes:
    """What the client has been acknowledged, in memory shared with its children."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096)

    def clear(self) -> None:
        self._memory[:] = bytes(4096)

    @property
    def run_id(self) -> str:
        return self._memory[0:32].rstrip(b"\0").decode()

    @run_id.setter
    def run_id(self, run_id: str) -> None:
        self._memory[0:32] = run_id.encode()

    def get(self, what: int) -> int:
        value: int = struct.unpack_from("q", self._memory, 64 + 8 * what)[0]
        return value

    def set(self, what: int, number: int) -> None:
        struct.pack_into("q", self._memory, 64 + 8 * what, number)


POINTS, PARAMS, OTHER_POINTS, ENDED, STOP = range(5)


def fork(work: Callable[[], None], quiet: bool = False) -> int:
    """Run `work` in a child; exit code 0 if it returned."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        sys.stdout.flush()
        code = 0
    except BaseException:
        if not quiet:
            traceback.print_exc()
            sys.stderr.flush()
    finally:
        os._exit(code)


def finish(child: int, limit_s: float = LIMIT_S) -> int:
    """Wait for a child; its exit status, negative for a signal; killed after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -999


def client_work(uri: str, notes: Notes) -> None:
    """Log until told to stop, noting what has been acknowledged; then end the run well."""
    client = MillstreamClient(uri)
    run = client.create_run("0")
    run_id = run.info.run_id
    notes.run_id = run_id
    main, side = client.recorder.series(run_id, "main"), client.recorder.series(run_id, "side/metric")
    step = 0
    while not notes.get(STOP):
        step += 1
        main(step * 0.5, step, 1_000_000 + step)
        notes.set(POINTS, step)
        if step % 10 == 0:
            side(float(step), step, 1_000_000 + step)
            notes.set(OTHER_POINTS, step)
        if step % 250 == 0:
            client.log_param(run_id, f"p{step}", step)
            notes.set(PARAMS, step)
        if step % 5000 == 0:
            client.get_run(run_id)
            time.sleep(0.002)
        if step % 40 == 0:
            time.sleep(0.0002)
    client.set_terminated(run_id)
    notes.set(ENDED, 1)
    client.recorder.close()


def synchronous_work(uri: str, notes: Notes) -> None:
    """Every call waits for the server's answer, through its death."""
    os.environ["MILLSTREAM_SYNC"] = "1"
    client = MillstreamClient(uri)
    run_id = client.create_run("0").info.run_id
    notes.run_id = run_id
    step = 0
    while not notes.get(STOP):
        step += 1
        client.log_metric(run_id, "main", step * 0.5, timestamp=1_000_000 + step, step=step)
        notes.set(POINTS, step)
    client.set_terminated(run_id)
    notes.set(ENDED, 1)


def serve(database: str, port: int, folder: Path, ready: int) -> None:
    from millstream.server.run import serve as run_server

    log = os.open(folder / "server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    run_server(
        port=port,
        backend_store_uri=database,
        artifacts_destination=str(folder / "artifacts"),
        on_ready=lambda address: os.write(ready, address.encode()) and None,
    )


class Server:
    def __init__(self, database: str, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.port = 0
        self.uri = ""
        self.pid = 0

    def start(self) -> None:
        reading, writing = os.pipe()
        self.pid = fork(lambda: serve(self.database, self.port, self.folder, writing))
        os.close(writing)
        address = os.read(reading, 200).decode()
        os.close(reading)
        if not address:
            raise RuntimeError("the server did not start again: " + (self.folder / "server.log").read_text()[-2000:])
        self.uri = address
        self.port = int(address.rpartition(":")[2])

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0


def check(uri: str, notes: Notes) -> None:
    """In a fresh process: deliver what the dead left, then compare with the notes. Raises AssertionError."""
    report = sync(timeout=30)
    assert report.left == 0, f"journals could not be delivered: {report.journals}"
    assert not report.rejected_files, Path(report.rejected_files[0]).read_text()[:500]
    assert all(journal.sent.unreadable == 0 for journal in report.journals), report
    if not notes.run_id:
        return  # killed before the first acknowledgement
    client = MillstreamClient(uri)
    run = client.get_run(notes.run_id)
    for key, noted, stride in (("main", notes.get(POINTS), 1), ("side/metric", notes.get(OTHER_POINTS), 10)):
        found = [
            (point.step, point.value, point.timestamp) for point in client.get_metric_history(run.info.run_id, key)
        ]
        count = len(found)
        assert noted // stride <= count <= noted // stride + 1, f"{key}: {noted // stride} acknowledged, {count} found"
        factor = 0.5 if key == "main" else 1.0
        wanted = [(s, s * factor, 1_000_000 + s) for s in range(stride, stride * count + 1, stride)]
        assert found == wanted, f"{key}: something is doubled, missing or changed among {count} points"
        if count:
            assert run.data.metrics[key] == found[-1][1]
    params = sorted(int(key[1:]) for key in run.data.params)
    noted = notes.get(PARAMS)
    assert params in (list(range(250, noted + 1, 250)), list(range(250, noted + 251, 250))), f"{noted}: {params}"
    if notes.get(ENDED):
        assert run.info.status == "FINISHED", run.info
    client.recorder.close()


def one_round(rng: random.Random, notes: Notes, server: Server, scenario: str, lose: bool) -> None:
    """Raises what went wrong."""
    notes.clear()
    os.environ["MILLSTREAM_JOURNAL_SEGMENT_BYTES"] = str(rng.choice([64 + 32 * 64, 64 + 32 * 1024, 1 << 22]))
    os.environ["MILLSTREAM_SHIP_INTERVAL"] = str(rng.choice([0.001, 0.01, 0.1]))
    local = scenario == "client, store here"
    if local:
        server.kill()
        uri = server.database
    else:
        if not server.pid:
            server.start()
        uri = server.uri
    if scenario == "client, offline":
        os.environ["MILLSTREAM_OFFLINE"] = "1"
    work = synchronous_work if "synchronous" in scenario else client_work
    client = fork(lambda: work(uri, notes))
    os.environ.pop("MILLSTREAM_OFFLINE", None)
    instant = rng.choice([0.05, 0.15, 0.4]) * rng.random()
    if rng.random() < 0.8:  # mostly after the run has begun
        deadline = time.monotonic() + 30
        while not notes.run_id and time.monotonic() < deadline:
            time.sleep(0.0005)
    time.sleep(instant)
    if scenario.startswith("server"):
        server.kill()
        time.sleep(rng.random() * 0.2)
        server.start()
        time.sleep(0.05)
        notes.set(STOP, 1)
        code = finish(client)
        assert code == 0, f"the client ended with {code}"
        assert notes.get(ENDED), "the client could not end its run"
    else:
        if scenario == "both" and rng.random() < 0.5:
            server.kill()
            time.sleep(rng.random() * 0.1)
        os.kill(client, signal.SIGKILL)
        finish(client)
        if scenario == "both":
            server.kill()
            server.start()
    if lose:
        notes.set(POINTS, notes.get(POINTS) + 2)
    code = finish(fork(lambda: check(uri, notes), quiet=lose))
    assert code == 0, f"the check ended with {code}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument(
        "--lose", action="store_true", help="pretend that two more were acknowledged: every round must fail"
    )
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)
    os.environ.update(
        MILLSTREAM_JOURNAL_DIR=str(options.folder / "journals"),
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="0.05",
        MLFLOW_HTTP_REQUEST_BACKOFF_JITTER="0.05",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="10",
        MILLSTREAM_LOGGING_LEVEL="ERROR",
    )
    rng = random.Random(options.seed)
    notes = Notes()
    server = Server(f"sqlite:///{options.folder / 'runs.db'}", options.folder)
    failures = []
    counts: dict[str, int] = {}
    acknowledged = 0
    began = time.monotonic()
    for number in range(options.rounds):
        scenario = SCENARIOS[(number + options.seed) % len(SCENARIOS)]
        try:
            one_round(rng, notes, server, scenario, options.lose)
        except Exception as error:
            failures.append(f"round {number} (seed {options.seed}; {scenario}): {type(error).__name__}: {error}")
        counts[scenario] = counts.get(scenario, 0) + 1
        acknowledged += notes.get(POINTS) + notes.get(OTHER_POINTS) // 10 + notes.get(PARAMS) // 250
    server.kill()
    summary = {
        "rounds": options.rounds,
        "scenarios": counts,
        "acknowledged": acknowledged,
        "seconds": round(time.monotonic() - began, 1),
        "failures": failures,
    }
    print(json.dumps(summary))
    sys.stdout.flush()
    os._exit(1 if failures else 0)


if __name__ == "__main__":
    main()
