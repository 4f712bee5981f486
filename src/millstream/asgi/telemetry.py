"""What a server counts, in Prometheus' text form.

Several worker processes share the counts through files in a folder of their own: each writes what it has counted from time to
time, and whoever is asked adds them up.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from millstream.version import VERSION

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Counts(Struct):
    """Everything that only grows."""

    requests: dict[str, int] = field(default_factory=dict)  # "route verb status"
    seconds: dict[str, float] = field(default_factory=dict)  # by route
    buckets: dict[str, list[int]] = field(default_factory=dict)  # by route, the last one without bound
    totals: dict[str, int] = field(default_factory=dict)  # further counters, by name

    def add(self, other: Counts) -> None:
        for key, count in other.requests.items():
            self.requests[key] = self.requests.get(key, 0) + count
        for key, seconds in other.seconds.items():
            self.seconds[key] = self.seconds.get(key, 0.0) + seconds
        for key, counts in other.buckets.items():
            mine = self.buckets.setdefault(key, [0] * len(counts))
            self.buckets[key] = [a + b for a, b in zip(mine, counts, strict=True)]
        for key, count in other.totals.items():
            self.totals[key] = self.totals.get(key, 0) + count


class Telemetry:
    """The counts of this process.

    Args:
        folder: where the workers of one server leave their counts for each other; None for a single process.
        counters: further counters of that server: name and one line of meaning.
    """

    def __init__(self, folder: Path | None = None, counters: Mapping[str, str] | None = None) -> None:
        self._counters = dict(counters or {})
        self.counts = Counts(totals=dict.fromkeys(self._counters, 0))
        self._folder = folder
        self._mine = folder / f"{os.getpid()}.json" if folder else None
        self.gauges: list[tuple[str, str, Callable[[], float]]] = []

    @property
    def is_shared(self) -> bool:
        """Whether other workers count too."""
        return self._folder is not None

    def request_done(self, route: str, verb: str, status: int, seconds: float) -> None:
        counts = self.counts
        key = f"{route} {verb} {status}"
        counts.requests[key] = counts.requests.get(key, 0) + 1
        buckets = counts.buckets.get(route)
        if buckets is None:
            buckets = counts.buckets[route] = [0] * (len(BUCKETS_S) + 1)
            counts.seconds[route] = 0.0
        buckets[bisect_left(BUCKETS_S, seconds)] += 1
        counts.seconds[route] += seconds

    def add(self, counter: str, count: int = 1) -> None:
        self.counts.totals[counter] += count

    def share(self) -> None:
        """Leave the counts where the other workers find them."""
        if self._mine is not None:
            fresh = self._mine.with_suffix(".new")
            fresh.write_bytes(msgspec.json.encode(self.counts))
            fresh.replace(self._mine)

    def _total(self) -> Counts:
        if self._folder is None:
            return self.counts
        total = Counts()
        total.add(self.counts)
        for file in sorted(self._folder.glob("*.json")):
            if file != self._mine:
                try:
                    total.add(msgspec.json.decode(file.read_bytes(), type=Counts))
                except (OSError, msgspec.MsgspecError):
                    continue
        return total

    def text(self) -> bytes:
        """All counts in the text form, version 0.0.4."""
        total = self._total()
        lines = ["# TYPE millstream_info gauge", f'millstream_info{{version="{VERSION}"}} 1']
        lines += ["# HELP millstream_requests_total Answered requests.", "# TYPE millstream_requests_total counter"]
        for key, count in sorted(total.requests.items()):
            route, verb, status = key.split(" ")
            lines.append(f'millstream_requests_total{{route="{route}",verb="{verb}",status="{status}"}} {count}')
        lines += [
            "# HELP millstream_request_seconds Time from the first header to the end of the answer.",
            "# TYPE millstream_request_seconds histogram",
        ]
        for route, buckets in sorted(total.buckets.items()):
            lines.extend(_histogram("millstream_request_seconds", f'route="{route}"', buckets, total.seconds[route]))
        for name, help_text in self._counters.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} counter", f"{name} {total.totals.get(name, 0)}"]
        for name, help_text, gauge in self.gauges:
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", f"{name} {gauge():g}"]
        return ("\n".join(lines) + "\n").encode()


def _histogram(name: str, labels: str, buckets: Iterable[int], seconds: float) -> Iterable[str]:
    below = 0
    for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], buckets, strict=True):
        below += count
        yield f'{name}_bucket{{{labels},le="{bound}"}} {below}'
    yield f"{name}_sum{{{labels}}} {seconds:.6f}"
    yield f"{name}_count{{{labels}}} {below}"
