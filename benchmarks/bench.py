"""What every section shares: options, results, servers, client processes, plain HTTP calls."""

from __future__ import annotations

import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.measures import OURS, Results
from tests.compat.environments import OFFICIAL
from tests.compat.servers import Server, clean_environment, official_server, our_server

HERE = Path(__file__).parent
API = "/api/2.0/mlflow/"
IDLE_S = 2.0
"""Servers close connections that idle for 5 s."""


@dataclass
class Bench:
    """Options and results of one run of the benchmarks."""

    folder: Path
    is_quick: bool = False
    with_official: bool = True
    with_default: bool = True
    largest: int = 1_000_000
    results: Results = field(default_factory=Results)

    @property
    def official_forms(self) -> list[str]:
        """`lean` is --workers 1, `default` its default number of workers."""
        return (["lean", "default"] if self.with_default else ["lean"]) if self.with_official else []

    def repeats(self, full: int) -> int:
        return 1 if self.is_quick else full

    def size(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full

    def say(self, text: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def server(self, side: str, folder: Path | None = None) -> Iterator[Server]:
        """A server of one side over a fresh store (or the one in `folder`), idle when given."""
        with self.scratch() as fresh:
            where = folder or fresh
            make = our_server(where) if side == OURS else official_server(where, 1 if side == "lean" else None)
            with make as server:
                yield server

    def python(self, package: str) -> str:
        return sys.executable if package == OURS else str(OFFICIAL["3.17"].python())

    def client_calls(self, *arguments: str, interpreter: str | None = None, **environment: str) -> dict[str, float]:
        """Run client_calls.py for the package named second in `arguments`, in its own environment if no other is given."""
        command = [interpreter or self.python(arguments[1]), str(HERE / "client_calls.py"), *arguments]
        env = clean_environment(**environment)
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def load(self, plans: Sequence[dict[str, Any]]) -> Load:
        """Run one client process a plan, all started at once."""
        with subprocess_group(len(plans)) as clients:
            for client, plan in zip(clients, plans, strict=True):
                _say_to(client, json.dumps({"now_ms": int(time.time() * 1000), **plan}))
            for client in clients:
                assert client.stdout is not None
                if client.stdout.readline().strip() != "ready":
                    raise RuntimeError("a load client did not start")
            for client in clients:
                _say_to(client, "go")
            answers = [json.loads(client.stdout.readline()) for client in clients if client.stdout]
        seconds = max(a["ended"] for a in answers) - min(a["began"] for a in answers)
        return Load(
            sum(a["requests"] for a in answers),
            sum(a["errors"] for a in answers),
            seconds,
            max(a["p50_s"] for a in answers),
            max(a["p99_s"] for a in answers),
        )


@dataclass(frozen=True)
class Load:
    requests: int
    errors: int
    seconds: float
    p50_s: float
    p99_s: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


@contextmanager
def subprocess_group(count: int) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "benchmarks.http_load"]
    clients = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
        for _ in range(count)
    ]
    try:
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def _say_to(client: subprocess.Popen[str], line: str) -> None:
    assert client.stdin is not None
    client.stdin.write(line + "\n")
    client.stdin.flush()


class Caller:
    """A kept connection for timed calls; the answer's bytes are read, not decoded, within the time."""

    def __init__(self, url: str, timeout_s: float = 900) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        self._used = time.monotonic()

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def timed(self, verb: str, path: str, body: Any = None) -> tuple[float, bytes]:
        """Seconds until the whole answer was read, and the answer. Raises TimeoutError, and RuntimeError unless the status is 200."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        if time.monotonic() - self._used > IDLE_S:
            self._connection.close()  # the next request connects again
        if self._connection.sock is None:
            self._connection.connect()
        began = time.perf_counter()
        self._connection.request(verb, path if path.startswith("/") else API + path, body=data, headers=headers)
        answer = self._connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        self._used = time.monotonic()
        if answer.status != 200:
            raise RuntimeError(f"{verb} {path}: {answer.status} {content[:500]!r}")
        return seconds, content

    def call(self, verb: str, path: str, body: Any = None) -> Any:
        return json.loads(self.timed(verb, path, body)[1] or b"{}")

    def experiment(self, name: str) -> str:
        answer: str = self.call("POST", "experiments/create", {"name": name})["experiment_id"]
        return answer

    def runs(self, experiment_id: str, count: int) -> list[str]:
        bodies = ({"experiment_id": experiment_id, "run_name": f"r{n}", "start_time": 1} for n in range(count))
        return [self.call("POST", "runs/create", body)["run"]["info"]["run_id"] for body in bodies]


def median_ms(measure: Callable[[], float], repeats: int) -> float:
    """Median over repeats of a call that gives seconds, in ms."""
    return statistics.median(measure() for _ in range(repeats)) * 1000
