"""Sweeps: one project run many times with other parameters, as children of one run.

A grid runs every combination of the listed values; a random sweep draws from distributions, the same draws for the same seed.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from millstream.client.recorder import new_run_id
from millstream.entities import RunStatus
from millstream.errors import InvalidValue, MillstreamError
from millstream.projects import processes, record
from millstream.projects.backends import BACKENDS
from millstream.projects.parameters import complete
from millstream.projects.running import (
    Request,
    RunFailed,
    Task,
    after,
    begin,
    end,
    end_after_error,
    plan,
    request_of,
    start,
    supervision,
)
from millstream.projects.sources import discard

MAX_TRIALS = 10_000

_LOOK_S = 0.5
_CALL = re.compile(r"(?P<name>[a-z]+)\((?P<arguments>[^()]*)\)")
_DIGITS = 6
"""Significant ones of what is drawn: it reads well, and means the same."""


class Distribution(Struct, frozen=True):
    """Where the values of a parameter are drawn from; see `DISTRIBUTIONS`."""

    name: str
    arguments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Read `loguniform(1e-4,1)`. Raises InvalidValue for what is no distribution."""
        found = _CALL.fullmatch(text.strip())
        if found is None or found["name"] not in DISTRIBUTIONS:
            known = ", ".join(f"{name}({usage})" for name, usage in DISTRIBUTIONS.items())
            raise InvalidValue(f"{text[:100]!r} is no distribution. They are {known}.")
        distribution = cls(found["name"], tuple(part.strip() for part in found["arguments"].split(",")))
        distribution.draw(random.Random(0))
        return distribution

    def draw(self, source: random.Random) -> str:
        if self.name == "choice":
            return source.choice(self.arguments)
        try:
            numbers = [float(text) for text in self.arguments]
        except ValueError:
            numbers = []
        low, high = numbers if len(numbers) == 2 else (math.nan, math.nan)
        is_whole = low == math.floor(low) and high == math.floor(high) if math.isfinite(low + high) else False
        if self.name == "normal":
            if high > 0 and math.isfinite(low + high):
                return f"{source.gauss(low, high):.{_DIGITS}g}"
        elif self.name == "randint":
            if is_whole and low <= high:
                return str(source.randint(int(low), int(high)))
        elif low < high and math.isfinite(low + high):
            if self.name == "uniform":
                return f"{source.uniform(low, high):.{_DIGITS}g}"
            if self.name == "loguniform" and low > 0:
                return f"{math.exp(source.uniform(math.log(low), math.log(high))):.{_DIGITS}g}"
        given = f"{self.name}({','.join(self.arguments)})"
        raise InvalidValue(f"{given[:100]!r} cannot be drawn from; it is {self.name}({DISTRIBUTIONS[self.name]}).")


DISTRIBUTIONS = {
    "uniform": "low,high",
    "loguniform": "low,high",
    "randint": "lowest,highest",
    "normal": "mean,deviation",
    "choice": "a,b,...",
}
"""By name, with what they take. loguniform draws the logarithm uniformly; both bounds of randint may be drawn."""


class Trial(Struct, frozen=True):
    """What became of one run of a sweep.

    Attributes:
        parameters: those that the sweep varies.
        run_id: None if it was not begun.
        error: why it was not successful; "" if it was.
    """

    parameters: dict[str, str]
    run_id: str | None
    status: str
    error: str = ""


class Sweep(Struct, frozen=True):
    """A sweep that has ended: its parent run, and its trials in the order in which they were made."""

    run_id: str
    trials: list[Trial]

    @property
    def succeeded(self) -> bool:
        return all(trial.status == RunStatus.FINISHED for trial in self.trials)


def grid(values: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Every combination; the last parameter changes first."""
    for combination in itertools.product(*values.values()):
        yield dict(zip(values, combination, strict=True))


def draws(distributions: Mapping[str, Distribution], trials: int, seed: int) -> Iterator[dict[str, str]]:
    """So many random combinations."""
    source = random.Random(seed)
    for _ in range(trials):
        yield {name: distribution.draw(source) for name, distribution in distributions.items()}


def sweep(
    uri: str,
    entry_point: str = "main",
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    sample: Mapping[str, str] | None = None,
    trials: int = 20,
    seed: int = 0,
    parallel: int = 1,
    reuse: bool = False,
    **options: Any,
) -> Sweep:
    """Run a project once for every combination of parameters, as children of one run, and wait for all of them.

    Args:
        grid: lists of values by parameter.
        sample: distributions by parameter, as text: `{"alpha": "loguniform(1e-4,1)"}`; not together with `grid`.
        trials: how many draws of `sample`.
        seed: the same seed draws the same.
        parallel: how many runs at the same time.
        reuse: take earlier runs of equal content instead of doing them again; they stay where they are.
        options: further arguments of `run`, such as `parameters` for all runs.
    Raises:
        InvalidValue: the sweep cannot be run as asked; no run was made.
    """
    combinations, told = _combinations(grid, sample, trials, seed)
    request = request_of(uri, entry_point, **options)
    return _run(request, combinations, told, parallel, reuse)


def _combinations(
    lists: Mapping[str, Sequence[Any]] | None, sample: Mapping[str, str] | None, trials: int, seed: int
) -> tuple[list[dict[str, str]], str]:
    """The parameters of each run, and what the parent run records of where they come from."""
    if bool(lists) == bool(sample):
        raise InvalidValue("A sweep is either a grid (lists of values) or a sample (distributions) of parameters.")
    if not isinstance(lists or sample, Mapping):
        raise InvalidValue("A grid or a sample is a mapping by the names of parameters.")
    if lists:
        for name, values in lists.items():
            if not isinstance(name, str) or isinstance(values, str | bytes) or not isinstance(values, Iterable):
                raise InvalidValue(
                    f"A grid has lists of values by name, {{'alpha': [0.1, 0.5]}}; {name!r} has {values!r:.100}."
                )
        texts = {name: [str(value) for value in values] for name, values in lists.items()}
        size = math.prod(len(values) for values in texts.values())
        if not 1 <= size <= MAX_TRIALS:
            raise InvalidValue(f"The grid has {size} combinations; it may have 1 to {MAX_TRIALS}.")
        return list(grid(texts)), json.dumps({"grid": texts})
    assert sample is not None
    if not 1 <= trials <= MAX_TRIALS:
        raise InvalidValue(f"{trials} trials cannot be drawn; it may be 1 to {MAX_TRIALS}.")
    for name, text in sample.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise InvalidValue(f"A sample has texts by name, {{'alpha': 'uniform(0,1)'}}; {name!r} has {text!r:.100}.")
    distributions = {name: Distribution.parse(text) for name, text in sample.items()}
    return list(draws(distributions, trials, seed)), json.dumps(
        {"sample": dict(sample), "trials": trials, "seed": seed}
    )


def _run(request: Request, combinations: list[dict[str, str]], told: str, parallel: int, reuse: bool) -> Sweep:
    if parallel < 1:
        raise InvalidValue("At least one run is done at a time (parallel=1).")
    if request.backend not in BACKENDS:
        raise InvalidValue(f"Sweeps run on {', '.join(BACKENDS)}, not by plug-ins.")
    fixed = request.parameters
    if twice := sorted(fixed.keys() & combinations[0].keys()):
        raise InvalidValue(f"The sweep varies {', '.join(twice)}, so there can be no one value for it.")
    task = plan(replace(request, parameters={**fixed, **combinations[0]}))
    try:
        entry = task.submission.project.entry_point(request.entry_point)
        parameters = [complete(entry, {**fixed, **each}) for each in combinations]
        texts = {name: str(value) for name, value in fixed.items()}
        parent = replace(task, submission=replace(task.submission, parameters=texts))
        children = [
            replace(
                task,
                submission=replace(task.submission, run_id=new_run_id(), parameters=each),
                run_name=None,
                exists=False,
                owns_source=False,
                prefix=f"[{_label(varied)}] " if parallel > 1 else "",
            )
            for varied, each in zip(combinations, parameters, strict=True)
        ]
        return _run_below(parent, children, combinations, told, parallel, reuse)
    finally:
        discard(task.submission.source)


def _run_below(
    parent: Task, children: list[Task], combinations: list[dict[str, str]], told: str, parallel: int, reuse: bool
) -> Sweep:
    """Make the parent run, then the others; whatever happens, it is ended after them."""
    with supervision(parent) as supervisor:
        submission = parent.submission
        try:
            submission = begin(parent, supervisor)
            record.note(submission, **{record.SWEEP_TAG: told, record.BACKEND_TAG: parent.backend})
            tasks = [replace(child, parent_run_id=submission.run_id) for child in children]
            trials = _run_all(tasks, combinations, parallel, reuse, supervisor)
        except BaseException as error:
            end_after_error(submission, supervisor, *after(error))
            raise
        failed = sum(trial.status != RunStatus.FINISHED for trial in trials)
        status = RunStatus.FAILED if failed else RunStatus.FINISHED
        end(submission, supervisor, status, f"{failed} of {len(trials)} runs were not successful." if failed else "")
    return Sweep(submission.run_id, trials)


def _run_all(
    tasks: list[Task],
    combinations: list[dict[str, str]],
    parallel: int,
    reuse: bool,
    supervisor: processes.Supervisor,
) -> list[Trial]:
    """Do the tasks, so many at a time; when this is interrupted, or the parent is cancelled, those that run are ended."""
    is_over = threading.Event()

    def do(task: Task, varied: dict[str, str]) -> Trial:
        if is_over.is_set():
            return Trial(varied, None, RunStatus.KILLED.value, "It was not begun.")
        try:
            found = start(task, synchronous=True, reuse=reuse)
        except RunFailed as error:
            return Trial(varied, error.run_id, error.status_name, error.message)
        except MillstreamError as error:
            return Trial(varied, task.submission.run_id, RunStatus.FAILED.value, error.message)
        return Trial(varied, found.run_id, RunStatus.FINISHED.value)

    with ThreadPoolExecutor(parallel, thread_name_prefix="millstream-sweep") as pool:
        futures = [pool.submit(do, task, varied) for task, varied in zip(tasks, combinations, strict=True)]
        try:
            while wait(futures, _LOOK_S).not_done:
                if supervisor.is_cancelled:
                    raise processes.Cancelled(supervisor.run_id)
        except BaseException:
            is_over.set()
            while wait(futures, _LOOK_S).not_done:
                processes.cancel_children(tasks[0].parent_run_id)
            raise
        return [future.result() for future in futures]


def _label(varied: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in varied.items())
