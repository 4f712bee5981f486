"""One metric with a million points: its full history, sampled, in a chart's window; and what a point takes on disk."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from pathlib import Path

from benchmarks.bench import Bench, Caller, median_ms
from benchmarks.measures import OURS

AJAX = "/ajax-api/2.0/mlflow/"
START_MS = 1_700_000_000_000


def run(bench: Bench) -> None:
    count = bench.size(1_000_000, 20_000)
    _ours(bench, count)
    if bench.with_official:
        _official(bench, count)


def value_at(step: int) -> float:
    """A noisy, falling loss with 17 significant digits, as training leaves them."""
    return math.exp(-step / 400_000) + (step * 2654435761 % 2**32) / 2**32 * 0.05


def _ours(bench: Bench, count: int) -> None:
    with bench.scratch() as folder:
        with bench.server(OURS, folder) as server:
            caller = Caller(server.url)
            run_id = caller.runs(caller.experiment("history"), 1)[0]
        before = _size(folder, "millstream.db")
        with bench.server(OURS, folder) as server:
            caller = Caller(server.url)
            for start in range(0, count, 1000):
                points = [
                    {"key": "loss", "value": value_at(step), "timestamp": START_MS + 37 * step + step % 7, "step": step}
                    for step in range(start, start + 1000)
                ]
                caller.call("POST", "runs/log-batch", {"run_id": run_id, "metrics": points})
            time.sleep(bench.size(20, 5))  # folding happens in the background
            _measure(bench, OURS, caller, run_id, count, bench.repeats(3))
            body = {"run_ids": [run_id], "keys": ["loss"], "width": 1000, "start": count // 10, "end": count // 2}
            path = "/api/2.0/millstream/metrics/windows"
            bench.results.add(
                "history_window", OURS, median_ms(lambda: caller.timed("POST", path, body)[0], bench.repeats(15))
            )
        bench.results.add("bytes_per_point", OURS, (_size(folder, "millstream.db") - before) / count)


def _official(bench: Bench, count: int) -> None:
    with bench.scratch() as folder:
        with bench.server("lean", folder) as server:
            caller = Caller(server.url)
            run_id = caller.runs(caller.experiment("history"), 1)[0]
        before = _size(folder, "mlflow.db")
        connection = sqlite3.connect(folder / "mlflow.db")
        rows = [("loss", value_at(step), START_MS + 37 * step + step % 7, step, 0, run_id) for step in range(count)]
        insert = "INSERT INTO {} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)"
        connection.executemany(insert.format("metrics"), rows)
        connection.executemany(insert.format("latest_metrics"), rows[-1:])
        connection.commit()
        connection.close()
        bench.results.add("bytes_per_point", "lean", (_size(folder, "mlflow.db") - before) / count)
        with bench.server("lean", folder) as server:
            _measure(bench, "lean", Caller(server.url), run_id, count, 1)
        bench.results.add("history_window", "lean", bench.results.samples["history_interval"]["lean"][0])
        bench.results.note("history_window", "MLflow: its 320 sampled points, which are not exact")


def _measure(bench: Bench, side: str, caller: Caller, run_id: str, count: int, repeats: int) -> None:
    path = f"metrics/get-history?run_id={run_id}&metric_key=loss"
    for _ in range(repeats):
        seconds, content = caller.timed("GET", path)
        bench.results.add("history_full", side, seconds)
    found = json.loads(content)["metrics"]
    if len(found) != count or found[-1]["value"] != value_at(count - 1):
        raise RuntimeError(f"{side}: {len(found)} of {count} points came back")
    sampled = f"{AJAX}metrics/get-history-bulk-interval?run_ids={run_id}&metric_key=loss&max_results=320"
    caller.timed("GET", sampled)
    bench.results.add("history_interval", side, median_ms(lambda: caller.timed("GET", sampled)[0], max(3, repeats)))


def _size(folder: Path, name: str) -> int:
    """Of the database, its log included; the server is stopped."""
    return sum(path.stat().st_size for path in folder.glob(name + "*"))
