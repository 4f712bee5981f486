"""Import, the first run in a fresh local store, the server's start and its memory while idle."""

from __future__ import annotations

import time

import psutil

from benchmarks.bench import Bench, Caller
from benchmarks.measures import OURS
from tests.compat.servers import Server


def run(bench: Bench) -> None:
    packages = [(OURS, OURS), *([("mlflow", "official")] if bench.with_official else [])]
    for repeat in range(bench.repeats(7) + 1):
        for package, side in packages:
            seconds = bench.client_calls("import", package)["seconds"]
            if repeat:  # the first one warms the file cache
                bench.results.add("import", side, seconds * 1000)
    for _ in range(bench.repeats(5)):
        for package, side in packages:
            with bench.scratch() as folder:
                answer = bench.client_calls(
                    "first", package, f"sqlite:///{folder}/first.db", MILLSTREAM_JOURNAL_DIR=str(folder / "journal")
                )
            bench.results.add("first_run", side, answer["seconds"])
    for repeat in range(bench.repeats(3)):
        for side in [OURS, *bench.official_forms]:
            if side == "default" and repeat:
                continue
            with bench.server(side) as server:
                bench.results.add("ready", side, server.ready_s)
                bench.results.add("idle_memory", side, _idle_memory_mib(server))


def _idle_memory_mib(server: Server) -> float:
    """PSS of the process and all its descendants, some seconds after one call to each of a few routes."""
    caller = Caller(server.url)
    caller.call("POST", "experiments/search", {"max_results": 10})
    caller.call("POST", "runs/search", {"experiment_ids": ["0"]})
    time.sleep(3)
    process = psutil.Process(server.process.pid)
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20
