"""Synthetic runs, written straight into a store's SQLite file: made in minutes where the API would take hours.

    python benchmarks/data.py sqlite:////tmp/runs.db 100000

Every run has 10 metrics, 10 params and 3 tags, as a sweep leaves them: params from small grids, one that is unique, metrics
that follow the run's hidden quality or oppose it, a few NaN, a few missing. Histories are not written: a series has its
summary only (`fill_histories` writes them). The same arguments always give the same rows.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.schema import CreateIndex

from millstream.store.database import Database, Session
from millstream.store.series import stored, summary
from millstream.store.series.codec import Points, encode
from millstream.store.series.folding import TARGET
from millstream.store.tables import ACTIVE, experiments, run_params, run_tags, runs, series

FIRST_START = 1_700_000_000_000
"""Start of the first run, in ms; the next ones follow 1 to 2 s after each other."""

GRIDS: dict[str, Sequence[str]] = {
    "learning_rate": [f"{10**-exponent:.6g}" for exponent in np.linspace(1, 5, 20)],
    "optimizer": ["adam", "adamw", "sgd", "rmsprop"],
    "batch_size": ["16", "32", "64", "128", "256", "512"],
    "depth": [str(depth) for depth in range(2, 14)],
    "model": ["resnet18", "resnet50", "vit-small", "vit-base", "mlp", "unet", "convnext", "swin-tiny"],
    "dropout": [f"{step / 20:g}" for step in range(10)],
    "weight_decay": ["0", "1e-05", "0.0001", "0.001", "0.01"],
    "dataset": ["imagenet/2012", "cifar-100", "food-101"],
    "augmentation": [f"policy-{number:03d}" for number in range(200)],
}
PARAMS = [*GRIDS, "seed"]
METRICS = ["accuracy", "val_accuracy", "loss", "val_loss", "f1", "auc", "grad_norm", "epoch_time", "memory_mb", "score"]
TEAMS = ["vision", "speech", "robotics", "search", "ads"]
TAGS = ["mlflow.runName", "team", "mlflow.source.git.commit"]

NAN_SHARE, MISSING_SHARE = 0.002, 0.01


def metric_names(extra: int = 0) -> list[str]:
    return [*METRICS, *(f"metric_{number:02d}" for number in range(extra))]


def param_names(extra: int = 0) -> list[str]:
    return [*PARAMS, *(f"option_{number:02d}" for number in range(extra))]


def fill(uri: str, count: int, *, experiment: int = 1, name: str = "sweep", seed: int = 7, extra: int = 0) -> None:
    """Write an experiment with `count` runs into a store that has neither this experiment nor another sweep of it.

    Args:
        uri: sqlite:///<file>; made if it is not there.
        experiment: key of the new experiment, above 0.
        extra: so many metrics and params more than the usual ten of each.
    """
    database = Database(uri)
    with database.read() as session:
        keys = {key: session.find_name_id(key) for key in (*metric_names(extra), *param_names(extra), *TAGS)}
        row = session.sa.execute(runs.select().order_by(runs.c.id.desc()).limit(1)).first()
    if None in keys.values():
        database.write(lambda session: [session.name_id(key) for key in keys])
        with database.read() as session:
            keys = {key: session.find_name_id(key) for key in keys}
    first = 1 if row is None else int(row[0]) + 1
    path = database.url.database
    database.close()
    assert path is not None
    numbers = {key: int(value or 0) for key, value in keys.items()}
    _write(path, Sweep(count, experiment, first, name, seed, numbers, extra))


def fill_histories(uri: str, runs_count: int, metrics_count: int, points: int, *, experiment: int) -> None:
    """Write an experiment whose runs have whole histories, folded as a server leaves them: noisy falling losses, a few spikes.

    The store must hold no runs of this experiment; runs and metrics are `run-<n>` and `curve/<n>`.
    """
    database = Database(uri)
    random = np.random.default_rng(experiment)
    steps = np.arange(points, dtype=np.int64)

    def write(session: Session) -> None:
        first = int(session.sa.execute(select(func.coalesce(func.max(runs.c.id), 0))).scalar_one()) + 1
        row = (experiment, "histories", f"mlflow-artifacts:/{experiment}", ACTIVE, FIRST_START, FIRST_START, None)
        session.sa.execute(experiments.insert().values(dict(zip(experiments.c.keys(), row, strict=True))))
        name_ids = [session.name_id(f"curve/{number}") for number in range(metrics_count)]
        for number in range(runs_count):
            run_id, start = random.bytes(16).hex(), FIRST_START + number * 1000
            session.sa.execute(
                runs.insert().values(
                    id=first + number, run_id=run_id, experiment_id=experiment, name=f"run-{number}", user_id="user",
                    status=3, start_time=start, end_time=start + 100 * points, lifecycle=ACTIVE,
                    artifact_uri=f"mlflow-artifacts:/{experiment}/{run_id}/artifacts",
                )
            )  # fmt: skip
            for name_id in name_ids:
                values = np.exp(-steps / (points * random.uniform(0.1, 0.5))) + random.normal(0, 0.02, points)
                values[random.integers(0, points, 5)] += 1
                curve = Points(steps, start + 100 * steps, values)
                _write_history(session, first + number, name_id, experiment, curve)

    database.write(write)
    database.close()


def _write_history(session: Session, run: int, name_id: int, experiment: int, curve: Points) -> None:
    def at(index: int) -> tuple[float, int, int]:
        return float(curve.values[index]), int(curve.steps[index]), int(curve.times[index])

    low, high = at(int(curve.values.argmin())), at(int(curve.values.argmax()))
    row = (curve.size, 0, *at(-1), *at(0), *low, *high, 0)
    summary.insert_many(session, [summary.insertion(run, name_id, experiment, row)])
    parts = [curve.take(slice(start, start + TARGET)) for start in range(0, curve.size, TARGET)]
    stored.insert_chunks(
        session, run, name_id, [(number * stored.SEQ_STRIDE, encode(part)) for number, part in enumerate(parts)]
    )


class Sweep:
    def __init__(
        self, count: int, experiment: int, first: int, name: str, seed: int, keys: dict[str, int], extra: int = 0
    ) -> None:
        self.count, self.experiment, self.first, self.name, self.keys = count, experiment, first, name, keys
        self.extra = extra
        self.random = np.random.default_rng(seed)
        self.quality = self.random.random(count)
        self.starts = FIRST_START + np.cumsum(self.random.integers(1000, 2000, count))

    def runs(self) -> Iterator[tuple[Any, ...]]:
        status = self.random.choice([1, 3, 4, 5], self.count, p=[0.02, 0.9, 0.06, 0.02]).tolist()
        ids = self.random.bytes(16 * self.count).hex()
        for index, start in enumerate(self.starts.tolist()):
            run_id = ids[32 * index : 32 * index + 32]
            end = None if status[index] == 1 else start + 60_000 + index % 7919
            uri = f"mlflow-artifacts:/{self.experiment}/{run_id}/artifacts"
            user = f"user{index % 37}"
            yield (
                self.first + index, run_id, self.experiment, f"{self.name}-{index}", user, status[index],
                start, end, ACTIVE, None, uri,
            )  # fmt: skip

    def params(self) -> Iterator[tuple[Any, ...]]:
        picks = {key: self.random.integers(0, len(grid), self.count).tolist() for key, grid in GRIDS.items()}
        more = param_names(self.extra)[len(PARAMS) :]
        picks |= {key: self.random.integers(0, 10, self.count).tolist() for key in more}
        ordered = sorted((self.keys[key], key) for key in param_names(self.extra))
        for index in range(self.count):
            for key_id, key in ordered:
                if key == "seed":
                    value = str(100_000 + index)
                else:
                    value = GRIDS[key][picks[key][index]] if key in GRIDS else f"value-{picks[key][index]}"
                yield self.first + index, key_id, self.experiment, value, None

    def tags(self) -> Iterator[tuple[Any, ...]]:
        teams = self.random.integers(0, len(TEAMS), self.count).tolist()
        ordered = sorted((self.keys[key], key) for key in TAGS)
        for index in range(self.count):
            values = {
                "mlflow.runName": f"{self.name}-{index}",
                "team": TEAMS[teams[index]],
                "mlflow.source.git.commit": f"{index // 50:040x}",
            }
            for key_id, key in ordered:
                yield self.first + index, key_id, self.experiment, values[key], None

    def series(self) -> Iterator[tuple[Any, ...]]:
        columns = {key: self._metric(key) for key in metric_names(self.extra)}
        ordered = sorted((self.keys[key], key) for key in columns)
        starts = self.starts.tolist()
        for index in range(self.count):
            time_ms = starts[index] + 50_000
            for key_id, key in ordered:
                value = columns[key][index]
                if value is None:
                    continue
                if value != value:
                    point, nan = (None, 0, time_ms), 1
                    extreme: tuple[Any, ...] = (None, None, None)
                else:
                    point, nan = (value, 0, time_ms), 0
                    extreme = point
                yield self.first + index, key_id, self.experiment, 1, nan, *point, *point, *extreme, *extreme, 0

    def _metric(self, key: str) -> list[Any]:
        noise = self.random.normal(0, 0.05, self.count)
        if "accuracy" in key or key in ("f1", "auc"):
            values = np.clip(self.quality + noise, 0, 1)
        elif "loss" in key:
            values = np.exp(-3 * self.quality + noise)
        elif key == "score":
            values = np.round(self.random.random(self.count), 2)  # many ties
        else:
            values = self.random.lognormal(3, 1, self.count)
        values[self.random.random(self.count) < NAN_SHARE] = np.nan
        missing = self.random.random(self.count) < MISSING_SHARE
        return [None if gone else value for value, gone in zip(values.tolist(), missing.tolist(), strict=True)]


def _write(path: str, sweep: Sweep) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    connection.execute("BEGIN IMMEDIATE")
    is_empty = connection.execute("SELECT count(*) FROM (SELECT 1 FROM runs LIMIT 1)").fetchone() == (0,)
    indexes = [index for table in (runs, run_params, run_tags, series) for index in table.indexes] if is_empty else []
    for index in indexes:  # built at the end, sorted: several times faster than row by row
        connection.execute(f'DROP INDEX "{index.name}"')
    now = FIRST_START
    row = (sweep.experiment, sweep.name, f"mlflow-artifacts:/{sweep.experiment}", ACTIVE, now, now, None)
    _insert(connection, experiments, iter([row]))
    _insert(connection, runs, sweep.runs())
    _insert(connection, run_params, sweep.params())
    _insert(connection, run_tags, sweep.tags())
    _insert(connection, series, sweep.series())
    for index in indexes:
        connection.execute(str(CreateIndex(index)))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _insert(connection: sqlite3.Connection, table: Any, rows: Iterator[tuple[Any, ...]]) -> None:
    columns = [column.name for column in table.columns]
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})", rows)


def main() -> None:
    uri, count = sys.argv[1], int(sys.argv[2])
    began = time.perf_counter()
    fill(uri, count)
    print(f"{count} runs in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
