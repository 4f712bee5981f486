"""Search over 10k, 100k and 1M runs with the same synthetic sweep on both sides; see data.py.

The official database is filled by SQL, in the tables that its own server made: over REST it would take days.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import time
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.bench import Bench, Caller, median_ms
from benchmarks.measures import OURS

PAGE = 50
QUERIES: dict[str, dict[str, Any]] = {
    "order": {"order_by": ["metrics.val_loss ASC"]},
    "filter": {
        "filter": "metrics.accuracy > 0.5 AND params.optimizer = 'adam'",
        "order_by": ["metrics.val_accuracy DESC"],
    },
    "like": {"filter": "tags.team = 'vision' AND tags.mlflow.runName LIKE 'sweep-%7'"},
}
OFFICIAL_LIMIT_S = 60.0
NEXT_PAGE = re.compile(rb'"next_page_token": ?"([^"]+)"')
SCANNED_OFFICIALLY = 20_000
"""A scan of all 100k runs takes the official server minutes; its later pages are the slow ones, so this flatters it."""


def run(bench: Bench) -> None:
    sizes = [("10k", bench.size(10_000, 1000)), ("100k", bench.size(100_000, 3000))]
    if bench.largest >= 1_000_000 and not bench.is_quick:
        sizes.append(("1m", 1_000_000))
    for label, count in sizes:
        _ours(bench, label, count)
        if bench.with_official and label != "1m":
            _official(bench, label, count)


def _ours(bench: Bench, label: str, count: int) -> None:
    with bench.scratch() as folder:
        bench.say(f"search: writing {count:,} runs for Millstream")
        data.fill(f"sqlite:///{folder}/millstream.db", count)
        with bench.server(OURS, folder) as server:
            caller = Caller(server.url)
            deep = _deep_token(caller, count)
            for name in (*QUERIES, "deep"):
                _query(bench, label, OURS, caller, name, deep, bench.repeats(9))
            if label == "100k":
                bench.results.add("scan_100k", OURS, _scan(caller, count))


def _official(bench: Bench, label: str, count: int) -> None:
    """Queries that take longer than the limit count as the limit; the server that still works on one is thrown away."""
    with bench.scratch() as folder:
        with bench.server("lean", folder) as server:
            Caller(server.url).experiment("sweep")
        bench.say(f"search: writing {count:,} runs for MLflow")
        fill_official(folder / "mlflow.db", count)
        token = base64.b64encode(json.dumps({"offset": count // 2}).encode()).decode()
        repeats = bench.repeats(3) if label == "10k" else 1
        pending = ["like", "filter", *(["scan"] if label == "100k" else []), "order", "deep"]
        while pending:
            with bench.server("lean", folder) as server:
                caller = Caller(server.url, timeout_s=OFFICIAL_LIMIT_S)
                while pending:
                    name = pending.pop(0)
                    try:
                        if name == "scan":
                            _official_scan(bench, caller, count)
                        else:
                            _query(bench, label, "lean", caller, name, token, repeats)
                    except TimeoutError:
                        key = f"search_{label}_{name}"
                        bench.results.add(key, "lean", OFFICIAL_LIMIT_S * 1000)
                        bench.results.note(key, f"MLflow: no answer within {OFFICIAL_LIMIT_S:g} s")
                        break


def _official_scan(bench: Bench, caller: Caller, count: int) -> None:
    scanned = min(SCANNED_OFFICIALLY, count)
    bench.results.add("scan_100k", "lean", _scan(caller, scanned) * count / scanned)
    if scanned < count:
        bench.results.note("scan_100k", f"MLflow: time of the first {scanned:,} runs, scaled")


def _query(bench: Bench, label: str, side: str, caller: Caller, name: str, deep: str, repeats: int) -> None:
    """One of QUERIES, or `deep`: the page of `order` that starts at the token."""
    query = {**QUERIES["order"], "page_token": deep} if name == "deep" else QUERIES[name]
    body = {"experiment_ids": ["1"], "max_results": PAGE, **query}
    seconds, content = caller.timed("POST", "runs/search", body)
    found = len(json.loads(content).get("runs", []))
    if found != PAGE and not bench.is_quick:
        raise RuntimeError(f"{side}, {label}, {name}: {found} runs instead of {PAGE}")
    if repeats > 1:
        seconds = median_ms(lambda: caller.timed("POST", "runs/search", body)[0], repeats) / 1000
    bench.results.add(f"search_{label}_{name}", side, seconds * 1000)


def _deep_token(caller: Caller, count: int) -> str:
    """Our tokens are keysets: walk half-way once, reading nothing but ids."""
    token, read, size = "", 0, min(50_000, count // 2)
    while read < count // 2:
        body = {
            "experiment_ids": ["1"],
            "max_results": size,
            "page_token": token,
            "select": ["tags.none"],
            **QUERIES["order"],
        }
        token = caller.call("POST", "runs/search", body)["next_page_token"]
        read += size
    return token


def _scan(caller: Caller, count: int) -> float:
    """Seconds to read `count` runs in pages of 1000, as a client that wants all of them does."""
    token, read = "", 0
    began = time.perf_counter()
    while read < count:
        body = {"experiment_ids": ["1"], "max_results": 1000, "page_token": token}
        page = caller.timed("POST", "runs/search", body)[1]
        read += page.count(b'"run_uuid"')  # not decoded: the client's own work is not what is measured
        found = NEXT_PAGE.search(page)
        if found is None:
            break
        token = found.group(1).decode()
    if read < count:
        raise RuntimeError(f"a scan found {read} of {count} runs")
    return time.perf_counter() - began


def fill_official(path: Path, count: int, extra: int = 0) -> None:
    """Write the sweep of data.py into experiment 1 of an official SQLite file, whose server is stopped."""
    names = [*data.metric_names(extra), *data.param_names(extra), *data.TAGS]
    keys = {name: number for number, name in enumerate(names, 1)}
    name_of = {number: name for name, number in keys.items()}
    sweep = data.Sweep(count, 1, 1, "sweep", 7, keys, extra)
    status = {1: "RUNNING", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
    run_ids: list[str] = []

    def run_rows() -> Any:
        for _, run_id, _, name, user, state, start, end, _, _, uri in sweep.runs():
            run_ids.append(run_id)
            yield run_id, name, "UNKNOWN", "", "", user, status[state], start, end, "", "active", uri, 1, None

    def keyed(rows: Any) -> Any:
        for run, key, _, value, _ in rows:
            yield name_of[key], value, run_ids[run - 1]

    def points(rows: Any) -> list[tuple[Any, ...]]:
        made = []
        for run, key, _, _, nan, value, step, timestamp, *_ in rows:
            made.append((name_of[key], 0.0 if nan else value, timestamp, step, nan, run_ids[run - 1]))
        return made

    connection.executemany(f"INSERT INTO runs VALUES ({', '.join('?' * 14)})", run_rows())
    connection.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", keyed(sweep.params()))
    connection.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", keyed(sweep.tags()))
    rows = points(sweep.series())
    for table in ("latest_metrics", "metrics"):
        connection.executemany(
            f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
    connection.commit()
    connection.close()
