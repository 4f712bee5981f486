"""Writing over REST: log-batch on 1 and 4 connections, 32 clients with single points, creating runs."""

from __future__ import annotations

from typing import Any

from benchmarks.bench import Bench, Caller, Load
from benchmarks.measures import OURS
from tests.compat.servers import Server

POINTS = 1000


def run(bench: Bench) -> None:
    repeats = bench.repeats(3)
    for side in [OURS, *bench.official_forms]:
        with bench.server(side) as server:
            for _ in range(repeats):
                _measure(bench, side, server)
            if side == OURS:
                _wait_for_folding(server)


def _measure(bench: Bench, side: str, server: Server) -> None:
    caller = Caller(server.url)
    experiment = caller.experiment(f"ingest {len(bench.results.samples.get('ingest_1', {}).get(side, []))}")
    seconds = 1.0 if bench.is_quick else 4.0
    many = side == OURS
    requests = bench.size(1000 if many else 100, 60)
    for connections in (1, 4):
        runs = caller.runs(experiment, connections)
        plan = {
            "url": server.url,
            "kind": "log-batch",
            "requests": requests,
            "points": POINTS,
            "seconds": seconds,
            "connections": 1,
            "run_ids": runs,
        }
        load = bench.load([{**plan, "first_connection": n} for n in range(connections)])
        bench.results.add(f"ingest_{connections}", side, load.rate * POINTS)
        _check(bench, f"ingest_{connections}", side, load)
        if connections == 1:
            _verify(caller, runs[0], load.requests)
    runs = caller.runs(experiment, 32)
    common: dict[str, Any] = {"url": server.url, "seconds": seconds, "run_ids": runs}
    load = bench.load([{**common, "kind": "log-metric", "connections": 32, "requests": 3000 if many else 500}])
    bench.results.add("singles_32", side, load.rate)
    _check(bench, "singles_32", side, load)
    load = bench.load(
        [
            {
                **common,
                "kind": "create-run",
                "connections": 8,
                "requests": 6000 if many else 500,
                "experiment_id": experiment,
            }
        ]
    )
    bench.results.add("create_runs", side, load.rate)
    _check(bench, "create_runs", side, load)


def _check(bench: Bench, key: str, side: str, load: Load) -> None:
    if load.errors:
        bench.results.note(key, f"{side}: {load.errors} of {load.requests} calls failed")


def _verify(caller: Caller, run_id: str, requests: int) -> None:
    """Every point that was acknowledged is there."""
    steps = requests * POINTS // 10
    found = caller.call("GET", f"metrics/get-history?run_id={run_id}&metric_key=metric_9").get("metrics", [])
    if len(found) != steps:
        raise RuntimeError(f"{len(found)} of {steps} acknowledged points are there")


def _wait_for_folding(server: Server) -> None:
    """Nothing is asserted; the server's shutdown after heavy load is part of what runs."""
    Caller(server.url).call("POST", "experiments/search", {"max_results": 1})
