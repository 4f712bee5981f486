"""2,000 log_metric calls: what one costs the training loop, and until all can be read."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.measures import OURS

CALLS = 2000


def run(bench: Bench) -> None:
    calls = str(bench.size(CALLS, 200))
    modes = [(OURS, OURS, "sync")]
    if bench.with_official:
        modes += [("mlflow", "sync", "sync"), ("mlflow", "async", "async")]
    for _ in range(bench.repeats(3)):
        for package, side, mode in modes:
            with bench.scratch() as folder:
                _record(
                    bench, "local", side, package, f"sqlite:///{folder}/local.db", mode, calls, str(folder / "journal")
                )
    for form in [OURS, *bench.official_forms]:
        with bench.server(form) as server, bench.scratch() as folder:
            for _ in range(bench.repeats(3)):
                for package, side, mode in modes:
                    if (package == OURS) == (form == OURS):
                        name = side if form == OURS else f"{form}, {side}"
                        _record(bench, "server", name, package, server.url, mode, calls, str(folder / "journal"))


def _record(bench: Bench, place: str, side: str, package: str, uri: str, mode: str, calls: str, journal: str) -> None:
    answer = bench.client_calls("loop", package, uri, mode, calls, MILLSTREAM_JOURNAL_DIR=journal)
    bench.results.add(f"loop_{place}", side, answer["loop"] * 1e6)
    bench.results.add(f"visible_{place}", side, answer["visible"] * 1e6)
