"""What is measured: one row a measure, with its unit and target; and the results with medians and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

OURS = "millstream"


@dataclass(frozen=True)
class Measure:
    """A target is an absolute bound for our median (`limit`), a least ratio to the official MLflow (`ratio`), or both."""

    key: str
    section: str
    title: str
    unit: str
    more_is_better: bool = False
    limit: float | None = None
    ratio: float | None = None
    not_slower_than: str | None = None  # key of another measure of ours; a quarter more counts as noise

    @property
    def target(self) -> str:
        sign = "≥" if self.more_is_better else "≤"
        parts = [f"{sign} {self.limit:g} {self.unit}"] if self.limit is not None else []
        if self.not_slower_than:
            parts.append("no slower than the first page")
        return ", ".join(parts + ([f"≥ {self.ratio:g} ×"] if self.ratio is not None else []))


def _searches() -> Iterator[Measure]:
    for size, limit in (("10k", 5), ("100k", 20), ("1m", 150)):
        yield Measure(f"search_{size}_order", "search", f"{size} runs: order by a metric", "ms", limit=limit)
        yield Measure(
            f"search_{size}_filter",
            "search",
            f"{size} runs: metric and param filter, ordered by another metric",
            "ms",
            limit=limit,
        )
        yield Measure(f"search_{size}_like", "search", f"{size} runs: tag and LIKE filter", "ms", limit=limit)
        yield Measure(
            f"search_{size}_deep",
            "search",
            f"{size} runs: a page half-way down",
            "ms",
            not_slower_than=f"search_{size}_order",
        )


SERVED = {"sklearn": "scikit-learn", "xgboost": "XGBoost", "callable": "Python function"}
"""Models that are served, and what they are called."""


def _serving() -> Iterator[Measure]:
    section = "serving"
    yield Measure("model_load", section, "a fresh process loads a scikit-learn model and predicts", "s")
    yield Measure("serving_ready", section, "scoring server: start to first answer", "s", ratio=4)
    yield Measure("serving_memory", section, "scoring server: memory after 200 requests (PSS)", "MiB", ratio=2)
    for key, name in SERVED.items():
        yield _rate(f"{key}_one", f"{name}: one row, 8 connections", 6)
        yield Measure(f"{key}_one_p50", section, f"{name}: one row, half of the answers within", "ms")
        yield Measure(f"{key}_one_p99", section, f"{name}: one row, 99 % of the answers within", "ms", ratio=5)
        yield _rate(f"{key}_json", f"{name}: 1,000 rows as JSON", 3)
        yield Measure(f"{key}_json_p99", section, f"{name}: 1,000 rows as JSON, 99 % of the answers within", "ms")
        yield _rate(f"{key}_arrow", f"{name}: 1,000 rows as Arrow (theirs as JSON)", 10)


def _rate(key: str, title: str, ratio: float) -> Measure:
    return Measure(key, "serving", title, "requests/s", more_is_better=True, ratio=ratio)


MEASURES: dict[str, Measure] = {
    row.key: row
    for row in (
        Measure("import", "startup", "import of the package", "ms", limit=60),
        Measure("first_run", "startup", "first run in a fresh local store", "s", limit=0.5),
        Measure("ready", "startup", "server start to first answer", "s", limit=1),
        Measure("idle_memory", "startup", "idle memory of all server processes (PSS)", "MiB", limit=100),
        Measure("loop_local", "logging", "log_metric in the loop, local store", "µs", limit=1),
        Measure("visible_local", "logging", "log_metric until visible, local store", "µs", limit=20),
        Measure("loop_server", "logging", "log_metric in the loop, server", "µs", limit=1),
        Measure("visible_server", "logging", "log_metric until visible, server", "µs", limit=20),
        Measure("ingest_1", "ingest", "log-batch, 1 connection", "points/s", more_is_better=True, ratio=100),
        Measure("ingest_4", "ingest", "log-batch, 4 connections", "points/s", more_is_better=True, ratio=100),
        Measure("singles_32", "ingest", "log-metric, 32 clients at once", "calls/s", more_is_better=True, ratio=50),
        Measure("create_runs", "ingest", "runs/create, 8 clients", "runs/s", more_is_better=True, ratio=50),
        *_searches(),
        Measure("scan_100k", "search", "100k runs: read all of them", "s", ratio=20),
        Measure("history_full", "histories", "1M-point history, in full", "s", ratio=30),
        Measure("history_interval", "histories", "1M-point history, 320 sampled points (MLflow's call)", "ms"),
        Measure("history_window", "histories", "1M-point history, exact window 1000 px wide", "ms", limit=5),
        Measure("bytes_per_point", "histories", "disk, a point of a long history", "bytes", limit=10),
        Measure("upload_big", "artifacts", "512 MiB file up", "MiB/s", more_is_better=True, ratio=1),
        Measure("download_big", "artifacts", "512 MiB file down", "MiB/s", more_is_better=True, ratio=1),
        Measure("upload_small", "artifacts", "4 KiB files up, 1 connection", "files/s", more_is_better=True, ratio=10),
        Measure("download_small", "artifacts", "4 KiB files down, 1 connection", "files/s", more_is_better=True, ratio=10),
        Measure("autolog", "autolog", "autologging of a small fit, without the model", "ms", ratio=10),
        Measure("autolog_models", "autolog", "autologging of a small fit, with the model", "ms", ratio=10),
        *_serving(),
        Measure("environment_cold", "environments", "a model's environment, made (wheels cached)", "s", ratio=5),
        Measure("environment_warm", "environments", "a model's environment, there already", "s", limit=1),
        Measure("project_run", "projects", "`run` of a project whose command does nothing", "s", limit=0.5, ratio=8),
    )
}  # fmt: skip
SECTIONS = tuple(dict.fromkeys(row.section for row in MEASURES.values()))


@dataclass
class Results:
    """Samples by measure and side. Sides are `millstream` and forms of the official one: `lean`, `default`, `async`, ..."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, side: str, value: float) -> None:
        assert key in MEASURES, key
        self.samples.setdefault(key, {}).setdefault(side, []).append(value)

    def note(self, key: str, text: str) -> None:
        self.notes[key] = text

    def median(self, key: str, side: str) -> float | None:
        values = self.samples.get(key, {}).get(side)
        return statistics.median(values) if values else None

    def best_official(self, key: str) -> tuple[str, float] | None:
        """The official form that does best, with its median: the ratio to it is the smaller one."""
        medians = {
            side: statistics.median(values) for side, values in self.samples.get(key, {}).items() if side != OURS
        }
        if not medians:
            return None
        pick = max if MEASURES[key].more_is_better else min
        side = pick(medians, key=lambda name: medians[name])
        return side, medians[side]

    def ratio(self, key: str) -> float | None:
        """How many times better ours is than the best official form."""
        ours, theirs = self.median(key, OURS), self.best_official(key)
        if ours is None or theirs is None or not ours or not theirs[1]:
            return None
        return ours / theirs[1] if MEASURES[key].more_is_better else theirs[1] / ours

    def is_met(self, key: str) -> bool | None:
        """Whether the target is reached; None if there is none or it was not measured."""
        row, ours, ratio = MEASURES[key], self.median(key, OURS), self.ratio(key)
        checks = []
        if row.limit is not None and ours is not None:
            checks.append(ours >= row.limit if row.more_is_better else ours <= row.limit)
        first = self.median(row.not_slower_than, OURS) if row.not_slower_than else None
        if first is not None and ours is not None:
            checks.append(ours <= first * 1.25)
        if row.ratio is not None and ratio is not None:
            checks.append(ratio >= row.ratio)
        return all(checks) if checks else None

    def rows(self) -> list[list[str]]:
        """measure, ours, theirs, ratio, target, verdict; in the order of MEASURES."""
        table = []
        for key, row in MEASURES.items():
            if key not in self.samples:
                continue
            ours, theirs, ratio, met = (
                self.median(key, OURS),
                self.best_official(key),
                self.ratio(key),
                self.is_met(key),
            )
            table.append([
                row.title + (f" ({self.notes[key]})" if key in self.notes else ""),
                f"{number(ours)} {row.unit}" if ours is not None else "–",
                f"{number(theirs[1])} {row.unit} ({theirs[0]})" if theirs else "–",
                f"{number(ratio)} ×" if ratio is not None else "–",
                row.target or "–",
                {True: "met", False: "**missed**", None: "–"}[met],
            ])  # fmt: skip
        return table

    def as_json(self) -> dict[str, Any]:
        return {
            key: {
                "title": MEASURES[key].title, "unit": MEASURES[key].unit, "target": MEASURES[key].target, "samples": sides,
                "ratio": self.ratio(key), "met": self.is_met(key), "note": self.notes.get(key),
            }
            for key, sides in self.samples.items()
        }  # fmt: skip


HEAD = ["what", "Millstream", "MLflow 3.17.2", "ratio", "target", ""]


def markdown(rows: list[list[str]]) -> str:
    lines = [HEAD, ["---", "--:", "--:", "--:", "---", "---"], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float) -> str:
    """Three significant digits, thousands with commas."""
    if value >= 1000:
        return f"{round(value):,}"
    return f"{value:.3g}"
