"""From a journal to a store: records become requests, requests are sent in order, what is refused is set aside.

Used by the shipper for this process's journal, and by whoever adopts the journal of a dead process. Delivery is idempotent: the
store drops a point that it has, a param of equal value, and gives the run that is there for a run id that was sent before.
So a window of records is acknowledged as a whole, after its last request, and sent again from its start if the process dies before.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

from millstream.api import ENDPOINTS, experiments, runs
from millstream.client import checks, records
from millstream.client.journal_files import CONTROL, POINT, SKIPPED, Point
from millstream.client.transport import Transport
from millstream.entities import Experiment, Metric, Param, Run, RunTag, ViewType
from millstream.errors import AlreadyExists, MillstreamError, NotFound

log = logging.getLogger("millstream")

WINDOW = 8192
"""Records read, sent and acknowledged together."""

YIELD_EVERY = 128
"""Records after which the thread that logs may have the GIL: without asking it would wait for 5 ms (the switch interval)."""

MINTED_TAG = "millstream.runId"
"""On a foreign server, which gives runs ids of its own: the id that the client made."""

MOST_TRIES = 10
"""Of a request that fails inside the server: then, if the server can do others, it is set aside."""

DOUBTS = 3
"""Times in a row that the request must fail and another one not, before it is believed to be the request's fault."""

_TRANSIENT = frozenset(
    ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED")
)
_BLOCKING = frozenset(("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "ENDPOINT_NOT_FOUND", "METHOD_NOT_ALLOWED"))
"""Nothing at all can be delivered until somebody changes a password or an address; the journal keeps everything."""


class Source(Protocol):
    """A journal to deliver, alive or dead."""

    journal_id: str
    acked: int

    def read(self, position: int, limit: int) -> tuple[list[Point], int]: ...
    def record(self, at: int, length: int) -> records.Record | None: ...
    def definition(self, slot: int) -> records.Slot | None: ...
    def acknowledge(self, position: int) -> None: ...
    def files_folder(self) -> Path | None: ...


class Batch(Struct):
    """What becomes one log-batch."""

    run_id: str
    metrics: list[Metric] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.metrics) + len(self.params) + len(self.tags)


Item = Batch | records.NewRun | records.Call | records.File


def is_transient(error: BaseException) -> bool:
    """Whether sending the same again may work without anybody changing anything."""
    return isinstance(error, MillstreamError) and error.error_code in _TRANSIENT


def is_blocking(error: BaseException) -> bool:
    return isinstance(error, MillstreamError) and error.error_code in _BLOCKING


class RunIds:
    """Which run of a foreign server stands for a run id that was made here."""

    def __init__(self) -> None:
        self._by_minted: dict[str, str] = {}
        self.has_foreign = False

    def __getitem__(self, run_id: str) -> str:
        return self._by_minted.get(run_id, run_id)

    def set(self, minted: str, run_id: str) -> None:
        if minted != run_id:
            self._by_minted[minted] = run_id
            self.has_foreign = True


class Report(Struct):
    """What a delivery did."""

    points: int = 0
    entries: int = 0  # params and tags
    runs: int = 0
    files: int = 0
    other: int = 0
    rejected: int = 0  # set aside, because the server refuses them
    unreadable: int = 0  # records whose series or content is damaged


def plan(found: list[Point], source: Source, report: Report, is_polite: bool = False) -> list[Item]:
    """The requests for a window of records. Those of one run stay in order; points, params and tags of a run share batches.

    `is_polite` lets other threads go first.
    """
    items: list[Item] = []
    open_batches: dict[str, Batch] = {}
    targets: dict[int, tuple[records.Slot, Batch]] = {}

    def batch_of(run_id: str) -> Batch:
        batch = open_batches.get(run_id)
        if batch is None:
            batch = open_batches[run_id] = Batch(run_id)
            items.append(batch)
        return batch

    def close(run_id: str) -> None:
        if open_batches.pop(run_id, None) is not None:
            targets.clear()

    for number, (timestamp, value, step, slot, mark) in enumerate(found):
        if is_polite and not number % YIELD_EVERY:
            time.sleep(0)
        kind = mark ^ slot
        if kind == POINT:
            target = targets.get(slot)
            if target is None:
                row = source.definition(slot)
                if row is None:
                    report.unreadable += 1
                    continue
                target = targets[slot] = (row, batch_of(row.run_id))
            row, batch = target
            batch.metrics.append(
                Metric(row.key, value, timestamp, step, row.model_id, row.dataset_name, row.dataset_digest)
            )
            if len(batch.metrics) + len(batch.params) + len(batch.tags) >= checks.MAX_METRICS:
                close(row.run_id)
        elif kind == CONTROL:
            record = source.record(step, timestamp)
            if isinstance(record, records.Entries):
                _add_entries(record, batch_of, close)
            elif isinstance(record, records.NewRun | records.Call | records.File):
                close(record.run_id)
                items.append(record)
            elif record is None:
                report.unreadable += 1
        elif kind != SKIPPED:
            report.unreadable += 1
    return items


def _add_entries(record: records.Entries, batch_of: Callable[[str], Batch], close: Callable[[str], None]) -> None:
    for name, value in record.params.items():
        batch = batch_of(record.run_id)
        is_other = batch.params.get(name, value) != value
        if is_other or len(batch.params) >= checks.MAX_PARAMS or batch.size >= checks.MAX_ENTITIES:
            close(record.run_id)
            batch = batch_of(record.run_id)
        batch.params[name] = value
    for name, value in record.tags.items():
        batch = batch_of(record.run_id)
        if (name not in batch.tags and len(batch.tags) >= checks.MAX_TAGS) or batch.size >= checks.MAX_ENTITIES:
            close(record.run_id)
            batch = batch_of(record.run_id)
        batch.tags[name] = value


class Delivery:
    """The delivery of one journal. `step` is called by one thread at a time."""

    def __init__(
        self,
        source: Source,
        transport: Transport,
        run_ids: RunIds,
        rejected: Path | None,
        on_refused: Callable[[str, MillstreamError], None] | None = None,
        may_come: Callable[[], bool] = lambda: False,
        is_polite: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            rejected: folder for what the server refuses; None keeps only the error.
            on_refused: told the run and the error of what was refused.
            may_come: whether an unknown run may yet be created, by the delivery of another journal.
            is_polite: whether threads of this process that log should come first.
        """
        self.source = source
        self.report = Report()
        self._transport = transport
        self._run_ids = run_ids
        self._rejected = rejected
        self._on_refused = on_refused
        self._may_come = may_come
        self._is_polite = is_polite
        self._journal_id = source.journal_id
        self._position = source.acked
        self._waiting: list[Item] = []
        self._tries = 0
        self._doubts = 0  # times in a row that this request failed and another one right after it did not

    def step(self) -> bool:
        """Deliver what is there, at most one window; whether there was anything.

        Raises what kept it from being delivered; the next call goes on with the same request.
        """
        if not self._waiting:
            found, position = self.source.read(self._position, WINDOW)
            if not found:
                self._position = position
                if self._position != self.source.acked:
                    self.source.acknowledge(self._position)
                return False
            self._waiting = plan(found, self.source, self.report, self._is_polite())
            self._waiting.reverse()
            self._position = position  # not before: what cannot be planned is read again
        while self._waiting:
            item = self._waiting[-1]
            try:
                self._deliver(item)
            except Exception as error:
                self._tries += 1
                if is_transient(error) or is_blocking(error):
                    raise
                if isinstance(error, NotFound):
                    if self._tries == 1 and self._find_foreign(item.run_id):
                        continue
                    if self._tries < 6 * MOST_TRIES and self._may_come():
                        raise
                if not _is_refusal(error):
                    if self._tries < MOST_TRIES or not self._server_works(item.run_id):
                        self._doubts = 0
                        raise
                    self._doubts += 1
                    if self._doubts < DOUBTS:  # the server may have come back between the two calls
                        continue
                self._refuse(item, error)
            self._waiting.pop()
            self._tries = self._doubts = 0
        if self.source.journal_id == self._journal_id:  # else it was closed meanwhile, and begun anew
            self.source.acknowledge(self._position)
        return True

    def _find_foreign(self, run_id: str) -> bool:
        """Whether a foreign server has the run under another id, given by a delivery that did not live to finish."""
        if self._transport.is_local or self._run_ids[run_id] != run_id or self._transport.probe() is not None:
            return False
        page = self._transport.call(
            experiments.search, experiments.SearchExperiments(1000, view_type=ViewType.ALL), retry=False
        )
        run = find_minted(self._transport, run_id, [experiment.experiment_id for experiment in page.experiments])
        if run is not None:
            self._run_ids.set(run_id, run.info.run_id)
        return run is not None

    def _server_works(self, run_id: str) -> bool:
        """Whether it is this request at which the server fails, and not any."""
        try:
            self._transport.call(runs.log_batch, runs.LogBatch(self._run_ids[run_id]), retry=False)
        except MillstreamError as error:
            return error.status < 500 and not is_transient(error)
        except Exception:  # a local store that is broken may raise anything
            return False
        return True

    # ------------------------------------------------------------ one request

    def _deliver(self, item: Item) -> None:
        if isinstance(item, Batch):
            self._deliver_batch(item)
        elif isinstance(item, records.NewRun):
            create_minted(self._transport, item, self._run_ids)
            self.report.runs += 1
        elif isinstance(item, records.Call):
            endpoint = ENDPOINTS[item.endpoint]
            req = msgspec.msgpack.decode(item.request, type=endpoint.request)
            if hasattr(req, "run_id"):
                req.run_id = self._run_ids[req.run_id]
            self._transport.call(endpoint, req, retry=False)
            self.report.other += 1
        else:
            self._deliver_file(item)

    def _deliver_batch(self, batch: Batch) -> None:
        try:
            self._send_batch(batch)
        except MillstreamError as error:
            if batch.size <= 1 or not _is_refusal(error) or isinstance(error, NotFound):
                raise
            self._send_batch(Batch(batch.run_id))  # raises if it is the run that refuses everything
            self._send_parts(batch, error)

    def _send_batch(self, batch: Batch) -> None:
        self._transport.call(
            runs.log_batch,
            runs.LogBatch(
                self._run_ids[batch.run_id],
                batch.metrics,
                [Param(*pair) for pair in batch.params.items()],
                [RunTag(*pair) for pair in batch.tags.items()],
            ),
            retry=False,
        )
        self.report.points += len(batch.metrics)
        self.report.entries += len(batch.params) + len(batch.tags)

    def _send_parts(self, batch: Batch, error: MillstreamError) -> None:
        """Halve a refused batch until what is wrong stands alone: a batch is all or nothing, its neighbours need not suffer."""
        if batch.size == 1:
            self._refuse(batch, error)
            return
        for half in _halves(batch):
            try:
                self._send_batch(half)
            except MillstreamError as narrower:
                if not _is_refusal(narrower):
                    raise
                self._send_parts(half, narrower)

    def _deliver_file(self, item: records.File) -> None:
        from millstream.artifacts import open_repository

        folder = self.source.files_folder()
        path = folder / item.name if folder is not None else None
        if path is None or not path.exists():
            return  # delivered before, and the process died just then
        run = self._transport.call(runs.get, runs.GetRun(self._run_ids[item.run_id]), retry=False).run
        repository = open_repository(run.info.artifact_uri or "", tracking_uri=self._transport.given_uri)
        for entry in sorted(path.iterdir()):
            if entry.is_dir():
                target = f"{item.artifact_path}/{entry.name}" if item.artifact_path else entry.name
                repository.log_folder(str(entry), target)
            else:
                repository.log_file(str(entry), item.artifact_path or None)
        shutil.rmtree(path, ignore_errors=True)
        self.report.files += 1

    # ------------------------------------------------------------ what is refused

    def _keep_file(self, item: records.File, place: Path) -> str:
        """Move what a refused item stands for out of the journal, which is deleted when it is delivered; a remark for the log."""
        folder = self.source.files_folder()
        if folder is None or not (folder / item.name).exists():
            return ""
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(folder / item.name, place / item.name)
        except OSError as error:
            return f" Its files could not be kept ({error})."
        return f" Its files are in {place / item.name}."

    def _refuse(self, item: Item, error: BaseException) -> None:
        shown = error if isinstance(error, MillstreamError) else MillstreamError(f"{type(error).__name__}: {error}")
        self.report.rejected += item.size if isinstance(item, Batch) else 1
        kept = ""
        if self._rejected is not None:
            line = {
                "time": time.time_ns() // 1_000_000,
                "tracking_uri": self._transport.uri,
                "run_id": item.run_id,
                "error_code": shown.error_code,
                "message": shown.message,
                "kind": type(item).__name__,
                "item": msgspec.to_builtins(item),
            }
            kept = _append_line(self._rejected / f"{self.source.journal_id}.jsonl", line)
            if isinstance(item, records.File):
                kept += self._keep_file(item, self._rejected / f"{self.source.journal_id}.files")
        log.error("Run %s: the server refused what was logged: %s%s", item.run_id, shown.message, kept)
        if self._on_refused is not None:
            self._on_refused(item.run_id, shown)


def _is_refusal(error: BaseException) -> bool:
    """Whether the server understood the request and will never take it."""
    return (
        isinstance(error, MillstreamError) and error.status < 500 and not is_transient(error) and not is_blocking(error)
    )


def _halves(batch: Batch) -> list[Batch]:
    parts = [
        Batch(batch.run_id, metrics=batch.metrics),
        Batch(batch.run_id, params=batch.params),
        Batch(batch.run_id, tags=batch.tags),
    ]
    parts = [part for part in parts if part.size]
    if len(parts) > 1:
        return parts
    middle = batch.size // 2
    params, tags = list(batch.params.items()), list(batch.tags.items())
    return [
        Batch(batch.run_id, batch.metrics[piece], dict(params[piece]), dict(tags[piece]))
        for piece in (slice(None, middle), slice(middle, None))
    ]


def _append_line(path: Path, line: dict[str, Any]) -> str:
    """Add to a file of refused items; a remark for the log."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(line, default=repr) + "\n")
    except OSError as error:
        return f" It could not be kept either ({error})."
    return f" It is kept in {path}."


# ---------------------------------------------------------------- runs that were started offline


def create_minted(transport: Transport, item: records.NewRun, run_ids: RunIds) -> Run:
    """Create a run whose id was made here, once, whatever happens between; on a foreign server it gets another id and a tag."""
    experiment_id = item.experiment_id
    if item.experiment_name:
        experiment_id = experiment_named(transport, item.experiment_name).experiment_id
    tags = dict(item.tags)
    if not transport.is_local and transport.probe() is None:
        known = find_minted(transport, item.run_id, [experiment_id])
        if known is not None:
            run_ids.set(item.run_id, known.info.run_id)
            return known
        tags[MINTED_TAG] = item.run_id
    req = runs.CreateRun(
        experiment_id,
        item.user_id,
        item.run_name,
        item.start_time,
        [RunTag(*pair) for pair in tags.items()],
        item.run_id,
    )
    run = transport.call(runs.create, req, retry=False).run
    run_ids.set(item.run_id, run.info.run_id)
    return run


def experiment_named(transport: Transport, name: str) -> Experiment:
    """The experiment of that name, created if missing."""
    by_name = experiments.ExperimentName(name)
    try:
        return transport.call(experiments.get_by_name, by_name, retry=False).experiment
    except NotFound:
        pass
    try:
        made = transport.call(experiments.create, experiments.CreateExperiment(name), retry=False).experiment_id
    except AlreadyExists:  # another process was faster
        return transport.call(experiments.get_by_name, by_name, retry=False).experiment
    return transport.call(experiments.get, experiments.ExperimentId(made), retry=False).experiment


def find_minted(transport: Transport, run_id: str, experiment_ids: list[str]) -> Run | None:
    """The run of a foreign server that carries the tag of a run id made here."""
    req = runs.SearchRuns(experiment_ids, f"tags.`{MINTED_TAG}` = '{run_id}'", ViewType.ALL, 1)
    found = transport.call(runs.search, req, retry=False).runs
    return found[0] if found else None


_run_ids: dict[str, RunIds] = {}


def run_ids_of(uri: str) -> RunIds:
    """The ids known for a tracking URI, shared by all deliveries of this process."""
    return _run_ids.setdefault(uri, RunIds())
