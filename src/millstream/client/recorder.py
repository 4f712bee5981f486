"""What logging goes through: one `Recorder` per tracking URI and process, in front of the journal and its shipper.

The fluent layer's hot path is meant to be

    append = appenders.get((run_id, key))              # a dict of the fluent layer, filled from `recorder.series`
    append(value, step or 0, timestamp)                # ~0.25 µs; no lock, no network, no database

`series` does once what need not be done per point: it checks the key, defines the series in the journal and binds everything
that a point needs. The function it returns stays valid for as long as the process lives: over roll-over of the journal's files,
after `flush`, after `end_run`, in other threads, and in a forked child (which then writes a journal of its own). With
`MILLSTREAM_SYNC=1` the same function waits for the store instead.

    recorder = get_recorder(tracking_uri)
    run = recorder.create_run(experiment_id, run_name=..., tags=...)
    recorder.series(run.info.run_id, "loss")(0.5, 3)
    recorder.log_params(run_id, {"lr": 0.1})
    recorder.end_run(run_id, "FINISHED")               # a barrier: raises what only the server could know
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import secrets
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from millstream.api import runs
from millstream.api.endpoint import Endpoint
from millstream.client import checks, delivery, records
from millstream.client.auth import user_name
from millstream.client.checks import checked_integer, checked_value
from millstream.client.journal import Journal
from millstream.client.journal_files import journal_root
from millstream.client.shipper import Shipper
from millstream.client.transport import Transport, open_transport
from millstream.entities import (
    PARENT_RUN_TAG,
    RUN_NAME_TAG,
    USER_TAG,
    DatasetInput,
    Experiment,
    LoggedModelInput,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunTag,
)
from millstream.errors import InvalidValue, LocalFileNotFound, MillstreamError, ParamChanged
from millstream.settings import FLUSH_TIMEOUT, OFFLINE, SYNC

_DICE = random.SystemRandom()
"""Not the generator of the training, which must draw the same numbers with us as without."""

log = logging.getLogger("millstream")

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")

OFFLINE_EXPERIMENT = "name:"
"""What the id of an experiment begins with while the server that knows its real one cannot be reached."""

KNOWN_OUTAGE_TIMEOUT_S = 1.0
"""How long a barrier waits for a server that has not answered for a whole FLUSH_TIMEOUT already."""


CREATE_PAUSES_S = (0.1, 0.4)
"""Before a run is taken for an offline one: a server that just restarts, or is busy, gets a second and third chance."""


class Append(Protocol):
    """Log one point. `step` counts from anything; `timestamp` is ms since the epoch, None means now.

    `value` may be whatever has `__float__` (NumPy scalars, tensors of one element, bool); `step` whatever has `__index__`.
    Raises InvalidValue if it has not, or for a negative timestamp; nothing else ever.
    """

    def __call__(self, value: Any, step: Any = 0, timestamp: Any = None, /) -> None: ...


class Recorder:
    """Everything that is written to runs, for one tracking URI in one process. Safe for threads and fork."""

    def __init__(self, tracking_uri: str, transport: Transport | None = None, root: Path | None = None) -> None:
        """`root`: folder of the journals; None is the setting's."""
        self.tracking_uri = tracking_uri
        self.transport = transport if transport is not None else open_transport(tracking_uri)
        self.run_ids = delivery.run_ids_of(self.transport.uri)
        self._root = root
        self.journal = Journal(self.transport.uri, root, on_start=self._journal_started)
        self.shipper = Shipper(self.journal, self.transport, self.run_ids, self.root)
        self._appenders: dict[tuple[Any, ...], Append] = {}
        self.plain: dict[tuple[str, str], Append] = {}  # series that need no look at settings any more
        self._params: dict[str, dict[str, str]] = {}
        self._offline_runs: dict[str, Run] = {}
        self._said_offline = False
        self._said_undelivered = False
        self._finalizer: object = None

    def root(self) -> Path:
        return self._root if self._root is not None else journal_root()

    # ------------------------------------------------------------ logging

    def series(
        self,
        run_id: str,
        key: str,
        model_id: str | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
    ) -> Append:
        """The function that logs points of one series. Cached: the same arguments give the same function.

        Raises InvalidValue for a bad key.
        """
        is_sync = SYNC.get()
        name = (run_id, key, model_id, dataset_name, dataset_digest, is_sync)
        append = self._appenders.get(name)
        if append is None:
            checks.run_id(run_id)
            checks.key(key)
            if (dataset_name is None) != (dataset_digest is None):
                raise InvalidValue("A metric's dataset needs both dataset_name and dataset_digest.")
            if is_sync:
                append = self._series_now(run_id, key, model_id, dataset_name, dataset_digest)
            else:
                dataset = None if dataset_name is None or dataset_digest is None else (dataset_name, dataset_digest)
                append = self.journal.series(self.journal.slot(run_id, key, model_id, dataset))
            append = self._appenders.setdefault(name, append)
        return append

    def _series_now(self, run_id: str, key: str, *attached: str | None) -> Append:
        def append(value: Any, step: Any = 0, timestamp: Any = None, /) -> None:
            number, at = checked_value(value), checked_integer("step", step)
            when = time.time_ns() // 1_000_000 if timestamp is None else checked_integer("timestamp", timestamp)
            self.write_now(run_id, [Metric(key, number, when, at, *attached)])

        return append

    def log_points(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Log many points; their keys are checked before the first is logged."""
        appenders = [
            self.series(run_id, metric.key, metric.model_id, metric.dataset_name, metric.dataset_digest)
            for metric in metrics
        ]
        for append, metric in zip(appenders, metrics, strict=True):
            append(metric.value, metric.step, metric.timestamp)

    def log_params(self, run_id: str, params: Mapping[str, object]) -> None:
        """Log params; values become text.

        Raises InvalidValue for a bad key, ParamChanged if this process logged another value for the key.
        """
        checked = checks.params(params)
        self._check_params(run_id, checked)
        if SYNC.get():
            self.write_now(run_id, (), checked)
        else:
            for part in _parts(checked, checks.MAX_PARAMS):
                self.journal.put(records.Entries(checks.run_id(run_id), part))

    def _check_params(self, run_id: str, checked: Mapping[str, str]) -> None:
        known = self._params.setdefault(run_id, {})
        for name, value in checked.items():
            old = known.get(name)
            if old is not None and old != value:
                raise ParamChanged(run_id, name, old, value)
        known.update(checked)

    def set_tags(self, run_id: str, tags: Mapping[str, object]) -> None:
        """Set tags; values become text. Raises InvalidValue for a bad key."""
        checked = checks.tags(tags)
        if SYNC.get():
            self.write_now(run_id, (), {}, checked)
        else:
            for part in _parts(checked, checks.MAX_TAGS):
                self.journal.put(records.Entries(checks.run_id(run_id), {}, part))

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        """Log points, params and tags together; all are checked before any is logged."""
        checked_params, checked_tags = checks.params(params or {}), checks.tags(tags or {})
        metrics = [checks.point(metric) for metric in metrics]
        self._check_params(run_id, checked_params)
        if SYNC.get():
            self.write_now(run_id, metrics, checked_params, checked_tags)
            return
        if checked_params or checked_tags:
            self.journal.put(records.Entries(checks.run_id(run_id), checked_params, checked_tags))
        self.log_points(run_id, metrics)

    def log_inputs(
        self, run_id: str, datasets: Sequence[DatasetInput], models: Sequence[LoggedModelInput] = ()
    ) -> None:
        """Record datasets and models that a run used."""
        self.call_later(runs.log_inputs, run_id, runs.LogInputs(run_id, list(datasets), list(models)))

    def call_later(self, endpoint: Endpoint[Req, Res], run_id: str, req: Req) -> None:
        """Send any request about a run in order with what is logged to it, without waiting."""
        if SYNC.get() and not self.is_offline(run_id):
            self.flush(run_id)
            self.transport.call(endpoint, req)
        else:
            self.journal.put(records.Call(endpoint.name, checks.run_id(run_id), msgspec.msgpack.encode(req)))

    def write_now(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write and wait for the store, after what was logged before. Raises what the server answers."""
        items = [checks.point(metric) for metric in metrics]
        self.flush(run_id)
        texts = [Param(*pair) for pair in (params or {}).items()]
        marks = [RunTag(*pair) for pair in (tags or {}).items()]
        server_id = self.run_ids[run_id]
        while True:
            some_texts, texts = texts[: checks.MAX_PARAMS], texts[checks.MAX_PARAMS :]
            some_marks, marks = marks[: checks.MAX_TAGS], marks[checks.MAX_TAGS :]
            room = checks.MAX_METRICS - len(some_texts) - len(some_marks)
            some, items = items[:room], items[room:]
            self.transport.call(runs.log_batch, runs.LogBatch(server_id, some, some_texts, some_marks))
            if not (items or texts or marks):
                return

    # ------------------------------------------------------------ runs

    def create_run(
        self,
        experiment_id: str,
        run_name: str = "",
        tags: Mapping[str, object] | None = None,
        start_time: int | None = None,
        user_id: str = "",
        run_id: str | None = None,
    ) -> Run:
        """Start a run. One call to the server, which answers with the run.

        If the server does not answer, or with `MILLSTREAM_OFFLINE=1`, the id is made here, one line says so, and the run is
        created when the server can be reached (or by `millstream sync`).

        Args:
            run_id: what `new_run_id` gave; servers other than ours choose their own nevertheless.
        """
        checked = {
            name: checks.text(value, checks.MAX_TAG_VALUE, f"tag {name!r}") for name, value in (tags or {}).items()
        }
        now = time.time_ns() // 1_000_000 if start_time is None else start_time
        run_id = new_run_id() if run_id is None else checks.run_id(run_id)
        is_named = experiment_id.startswith(OFFLINE_EXPERIMENT)
        item = records.NewRun(
            run_id, "" if is_named else experiment_id, experiment_id.removeprefix(OFFLINE_EXPERIMENT) if is_named else "",
            run_name, user_id, now, checked,
        )  # fmt: skip
        if checked.get(PARENT_RUN_TAG) in self._offline_runs:
            return self._create_offline(item)
        if not OFFLINE.get():
            for pause in (*CREATE_PAUSES_S, None):
                try:
                    if is_named:
                        return delivery.create_minted(self.transport, item, self.run_ids)
                    req = runs.CreateRun(
                        experiment_id, user_id, run_name, now, [RunTag(*pair) for pair in checked.items()], run_id
                    )
                    run = self.transport.call(runs.create, req, retry=SYNC.get()).run
                    if not SYNC.get():
                        self.journal.begin()
                    return run
                except MillstreamError as error:
                    if SYNC.get() or not delivery.is_transient(error):
                        raise
                    if pause is None:
                        self._say_offline(error)
                    else:
                        time.sleep(pause)
        return self._create_offline(item)

    def _create_offline(self, item: records.NewRun) -> Run:
        name = item.run_name or item.tags.get(RUN_NAME_TAG) or _random_name()
        tags = {USER_TAG: user_name() or _login(), **item.tags, RUN_NAME_TAG: name}
        item = msgspec.structs.replace(item, run_name=name, tags=tags)
        self._say_offline(None)
        self.journal.put(item)
        experiment = item.experiment_id or f"{OFFLINE_EXPERIMENT}{item.experiment_name}"
        info = RunInfo(
            item.run_id, run_name=name, experiment_id=experiment, user_id=item.user_id, start_time=item.start_time,
            artifact_uri="",
        )  # fmt: skip
        run = Run(info, RunData(tag_list=[RunTag(*pair) for pair in tags.items()]))
        self._offline_runs[item.run_id] = run
        return run

    def offline_run(self, run_id: str) -> Run | None:
        """What is known here of a run that is not delivered yet."""
        return self._offline_runs[run_id] if self.is_offline(run_id) else None

    def is_offline(self, run_id: str) -> bool:
        """Whether the run was started here while the server could not be reached, and is not delivered yet."""
        if run_id not in self._offline_runs:
            return False
        if OFFLINE.get() or self.journal.pending > 0:
            return True
        self._offline_runs.pop(run_id, None)
        return False

    def get_or_create_experiment(self, name: str) -> Experiment:
        """The experiment of that name, created if missing; a deleted one is given too.

        Offline its id is provisional ("name:<name>"); `create_run` takes it, and the run finds its experiment when it is sent.
        """
        if not OFFLINE.get():
            try:
                return delivery.experiment_named(self.transport, name)
            except MillstreamError as error:
                if SYNC.get() or not delivery.is_transient(error):
                    raise
                self._say_offline(error)
        return Experiment(f"{OFFLINE_EXPERIMENT}{name}", name, "")

    def _say_offline(self, error: MillstreamError | None) -> None:
        if self._said_offline:
            return
        self._said_offline = True
        if error is None:
            log.warning(
                "Offline (MILLSTREAM_OFFLINE): runs are kept in %s. `millstream sync` sends them to %s.",
                self.root(),
                self.transport.uri,
            )
        else:
            log.warning("%s The run is kept in %s and sent as soon as the server answers.", error.message, self.root())

    def keep_files(self, run_id: str, local_path: str, artifact_path: str | None, name: str | None = None) -> None:
        """Keep a copy of a file or folder of an offline run in the journal; it is uploaded when the run is.

        Raises:
            InvalidValue: the journal is only in memory. LocalFileNotFound: there is no such file.
        """
        import shutil

        if not os.path.exists(local_path):
            raise LocalFileNotFound(local_path)
        folder = self.journal.files_folder()
        if folder is None:
            raise InvalidValue(
                "Artifacts of an offline run need a journal on disk, and its folder cannot be written. Set MILLSTREAM_JOURNAL_DIR."
            )
        place = folder / secrets.token_hex(8)
        place.mkdir(mode=0o700)
        if os.path.isdir(local_path):
            shutil.copytree(local_path, place, dirs_exist_ok=True)
        else:
            shutil.copy2(local_path, place / (name or os.path.basename(local_path)))
        self.journal.put(records.File(run_id, place.name, artifact_path or ""))

    def end_run(self, run_id: str, status: str = "FINISHED", end_time: int | None = None, *, wait: bool = True) -> None:
        """Record the end, then wait like `flush(run_id)`; journals of forked workers that ended are delivered as well.

        Without `wait` the end goes its way through the journal like a metric, and nothing of it is raised here.
        """
        now = time.time_ns() // 1_000_000 if end_time is None else end_time
        req = runs.UpdateRun(checks.run_id(run_id), checks.status(status), now)
        if (offline := self.offline_run(run_id)) is not None:
            offline.info.status, offline.info.end_time = checks.status(status), now
        try:
            if SYNC.get() and not self.is_offline(run_id):
                self.flush(run_id, adopt=True)
                req.run_id = self.run_ids[run_id]
                self.transport.call(runs.update, req)
            else:
                self.call_later(runs.update, run_id, req)
                if wait:
                    self.flush(run_id, adopt=True)
        finally:
            self._params.pop(run_id, None)
            for name in [name for name in list(self._appenders) if name[0] == run_id]:  # threads may add to it
                self._appenders.pop(name, None)
                self.plain.pop((name[0], name[1]), None)

    # ------------------------------------------------------------ barriers

    def flush(self, run_id: str | None = None, timeout: float | None = None, *, adopt: bool = False) -> bool:
        """Wait until everything logged before is stored, at most `timeout` seconds (default: the setting FLUSH_TIMEOUT).

        Returns False, after one clear line on the log, if it could not be delivered in time; it stays in the journal then.
        Raises the first error that the server gave for what was logged to `run_id` since the run's last barrier, or the error
        that keeps everything from being delivered (wrong password). Without `run_id` it speaks for all runs that this process
        logs to: it raises the first error of any run, once. What was refused of other runs is raised by the next barrier.

        Args:
            adopt: also deliver journals that processes left which died, such as forked workers.
        """
        delivered = self._deliver(timeout, adopt)
        if delivered:
            self._said_undelivered = False
        else:
            self._tell_undelivered()
        refused = self.shipper.take_refusal(run_id)
        if refused is not None:
            raise refused
        error = self.shipper.last_error
        if not delivered and isinstance(error, MillstreamError) and delivery.is_blocking(error):
            raise error
        return delivered

    def settle(self) -> None:
        """Before a read of this process: deliver what was logged, without raising what was refused."""
        if self.journal.pending > 0:
            self._deliver(None, adopt=False)

    def _deliver(self, timeout: float | None, adopt: bool) -> bool:
        journal = self.journal
        if journal.pending <= 0 and not adopt:
            return True
        if OFFLINE.get():
            return journal.pending <= 0
        limit = FLUSH_TIMEOUT.get() if timeout is None else timeout
        since = self.shipper.failing_since
        if timeout is None and since is not None:
            limit = max(KNOWN_OUTAGE_TIMEOUT_S, limit - (time.monotonic() - since))
        return self.shipper.wait(journal.position(), limit, adopt)

    def _tell_undelivered(self) -> None:
        """One line, once until delivery works again."""
        if OFFLINE.get() or self.journal.pending <= 0 or self._said_undelivered:
            return
        self._said_undelivered = True
        where = "in memory only" if self.journal.in_memory else f"in {self.journal.folder}"
        reason = self.shipper.last_error
        log.warning(
            "%d records are not delivered to %s yet%s. They are %s and will be sent later, at the latest by `millstream sync`.",
            self.journal.pending,
            self.transport.uri,
            f" ({reason})" if reason is not None else "",
            where,
        )

    def close(self) -> None:
        """The barrier at the end of the process. Never raises; what cannot be delivered is said and stays in the journal."""
        try:
            if not self._deliver(None, adopt=bool(self.journal.journal_id)):
                self._tell_undelivered()
                if self.journal.in_memory and self.journal.pending > 0:
                    log.error("%d records were only in memory and are lost with this process.", self.journal.pending)
        except Exception as error:
            log.error("What was logged could not be delivered: %s. It stays in the journal.", error)
        self.shipper.stop()
        self.journal.close()

    # ------------------------------------------------------------ threads and forks

    def _journal_started(self) -> None:
        self.shipper.start()
        self._close_with_worker()

    def _close_with_worker(self) -> None:
        """Workers of multiprocessing end without running atexit handlers; this is what they run."""
        process = sys.modules.get("multiprocessing.process")
        util = sys.modules.get("multiprocessing.util")
        if process is not None and util is not None and process.parent_process() is not None:
            self._finalizer = util.Finalize(None, self.close, exitpriority=100)

    def forget_after_fork(self) -> None:
        """In a forked child: begin a journal, a shipper and connections of its own."""
        self.journal.forget_after_fork()
        self.shipper.forget_after_fork()
        self._finalizer = None


def new_run_id() -> str:
    return secrets.token_hex(16)


def _parts(values: Mapping[str, str], size: int) -> list[dict[str, str]]:
    pairs = list(values.items())
    return [dict(pairs[i : i + size]) for i in range(0, len(pairs), size)]


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


_ADJECTIVES = (
    "able",
    "bold",
    "calm",
    "deft",
    "fair",
    "fleet",
    "keen",
    "kind",
    "lucid",
    "neat",
    "quick",
    "rare",
    "swift",
)
_NOUNS = (
    "bear",
    "crane",
    "deer",
    "dove",
    "eagle",
    "finch",
    "fox",
    "hare",
    "heron",
    "ibis",
    "lark",
    "lynx",
    "otter",
    "seal",
)


def _random_name() -> str:
    """A name for an offline run; servers make their own."""
    return f"{_DICE.choice(_ADJECTIVES)}-{_DICE.choice(_NOUNS)}-{_DICE.randint(0, 1000)}"


# ---------------------------------------------------------------- one recorder per tracking URI

_recorders: dict[str, Recorder] = {}
_lock = threading.Lock()


def get_recorder(tracking_uri: str | os.PathLike[str] | None = None) -> Recorder:
    """The recorder of this process for a tracking URI (default: see `uris.default_uri`)."""
    from millstream.client import uris

    wanted = uris.normalize(tracking_uri if tracking_uri is not None else uris.default_uri())
    recorder = _recorders.get(wanted)
    if recorder is None:
        with _lock:
            recorder = _recorders.get(wanted)
            if recorder is None:
                recorder = _recorders[wanted] = Recorder(wanted)
    return recorder


def flush_all(timeout: float | None = None) -> bool:
    """Wait for all recorders of this process, and then raise like `Recorder.flush`."""
    delivered = True
    first: MillstreamError | None = None
    for recorder in list(_recorders.values()):
        try:
            delivered = recorder.flush(timeout=timeout) and delivered
        except MillstreamError as error:
            first = first or error
    if first is not None:
        raise first
    return delivered


def close_all() -> None:
    """Deliver everything and end the shippers; run at exit. Recorders go on working if used again."""
    for recorder in list(_recorders.values()):
        recorder.close()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    for recorder in _recorders.values():
        recorder.forget_after_fork()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

__all__ = ["Append", "Recorder", "close_all", "flush_all", "get_recorder"]
