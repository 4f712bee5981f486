"""Scoring servers: start, memory, and requests of one row and of a thousand rows over 8 connections.

Each side saves the same models with its own package and serves them with its own command in the running environment. A body is
encoded once and sent again and again. MLflow's server does not take Arrow, so ours with Arrow is compared with theirs with JSON.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.bench import HERE, Bench
from benchmarks.measures import OURS, SERVED
from benchmarks.served_models import COLUMNS
from tests.compat.environments import AUTOLOG as OFFICIAL_WITH_XGBOOST
from tests.compat.servers import clean_environment, free_port

ROWS = 1000
CONNECTIONS = 8
ARROW = "application/vnd.apache.arrow.stream"


def run(bench: Bench) -> None:
    sides = [OURS, *(["official"] if bench.with_official else [])]
    with bench.scratch() as folder:
        for side in sides:
            _script(side, str(folder / side))
        for _ in range(bench.repeats(5)):
            for side in sides:
                bench.results.add("model_load", side, _script(side, str(folder / side), "load")["seconds"])
        for model in SERVED:
            for side in sides:
                for repeat in range(bench.repeats(3)):
                    with _server(side, folder / side / model) as (url, process, ready_s):
                        if model == "sklearn":
                            bench.results.add("serving_ready", side, ready_s)
                        _measure(bench, side, model, url)
                        if model == "sklearn":
                            bench.results.add("serving_memory", side, _memory_mib(process))
                    bench.say(f"serving: {model}, {side}, {repeat + 1}")


def _python(side: str) -> Path:
    return Path(sys.executable) if side == OURS else OFFICIAL_WITH_XGBOOST.python()


def _script(side: str, *arguments: str) -> Any:
    package = OURS if side == OURS else "mlflow"
    command = [str(_python(side)), str(HERE / "served_models.py"), package, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=clean_environment(), check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


@contextmanager
def _server(side: str, model: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], float]]:
    """A scoring server once it has answered one request; its address, process and the seconds until then."""
    port = free_port()
    binary = _python(side).parent
    command = [
        str(binary / ("millstream" if side == OURS else "mlflow")), "models", "serve", "-m", str(model), "-p", str(port),
        "--env-manager", "local", *(["--trust"] if side == OURS else []),
    ]  # fmt: skip
    env = clean_environment()
    env["PATH"] = f"{binary}:{env['PATH']}"
    log = model.with_suffix(".log")
    url = f"http://127.0.0.1:{port}"
    began = time.perf_counter()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=model.parent, start_new_session=True
        )
    try:
        _await_answer(url, process, log)
        yield url, process, time.perf_counter() - began
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)]
        for each in family:
            each.terminate()
        process.wait(20)


def _await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    request = urllib.request.Request(f"{url}/invocations", _body(1), {"Content-Type": "application/json"})
    deadline = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                if answer.status == 200:
                    return
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{error.status}: {error.read()[:1000]!r}") from None
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the scoring server did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.01)


def _rows(count: int) -> list[list[float]]:
    import random

    source = random.Random(count)
    return [[source.gauss(0, 1) for _ in COLUMNS] for _ in range(count)]


def _body(rows: int) -> bytes:
    return json.dumps({"dataframe_split": {"columns": COLUMNS, "data": _rows(rows)}}).encode()


def _arrow(rows: int) -> bytes:
    import pyarrow as pa

    table = pa.table(dict(zip(COLUMNS, map(pa.array, zip(*_rows(rows), strict=True)), strict=True)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _measure(bench: Bench, side: str, model: str, url: str) -> None:
    seconds = 1.0 if bench.is_quick else 5.0

    def load(key: str, body: bytes, content_type: str = "application/json") -> None:
        plan = {
            "url": url, "path": "/invocations", "kind": "same", "body": base64.b64encode(body).decode(),
            "content_type": content_type, "connections": CONNECTIONS, "requests": 1_000_000,
        }  # fmt: skip
        bench.load([{**plan, "seconds": seconds / 5}])  # warm
        found = bench.load([{**plan, "seconds": seconds}])
        bench.results.add(f"{model}_{key}", side, found.rate)
        for name, value in ((f"{model}_{key}_p50", found.p50_s), (f"{model}_{key}_p99", found.p99_s)):
            if name.removeprefix(f"{model}_") in ("one_p50", "one_p99", "json_p99"):
                bench.results.add(name, side, value * 1000)
        if found.errors:
            bench.results.note(f"{model}_{key}", f"{side}: {found.errors} of {found.requests} requests failed")

    load("one", _body(1))
    load("json", _body(ROWS))
    if side == OURS:
        load("arrow", _arrow(ROWS), ARROW)
    else:
        rate = bench.results.samples[f"{model}_json"][side][-1]
        bench.results.add(f"{model}_arrow", side, rate)


def _memory_mib(process: subprocess.Popen[bytes]) -> float:
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return float(sum(each.memory_full_info().pss for each in family)) / 2**20


if __name__ == "__main__":
    sys.argv[1:1] = ["--only", "serving"]
    from benchmarks.__main__ import main

    main()
