"""The import itself: experiment by experiment, run by run, counted on both sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from millstream.entities import MAX_DOUBLE, Metric
from millstream.errors import InvalidValue
from millstream.migrate import registry_target
from millstream.migrate.report import Counts, Report
from millstream.migrate.source import Source, SourceRun
from millstream.migrate.target import Target
from millstream.store.database import Database

_DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql")


def open_source(address: str) -> Source:
    """The source at `address`: an `mlruns` folder (path or `file:` URI), a database URL, or http(s)://server.

    Raises:
        InvalidValue: there is nothing of the kind, or it is not MLflow's.
        ServerUnreachable: the server does not answer.
    """
    scheme = urlsplit(address).scheme.split("+")[0]
    if scheme in ("http", "https"):
        from millstream.client.http import HttpTransport
        from millstream.migrate.server import ServerSource

        transport = HttpTransport(address)
        transport.probe()  # one try, so that a wrong address is told at once
        return ServerSource(address, transport)
    if scheme in _DATABASES:
        from millstream.migrate.database import DatabaseSource

        return DatabaseSource(address)
    if scheme not in ("", "file"):
        raise InvalidValue(
            f"Cannot import from {scheme}:. Give an mlruns folder, a database URL or a server's address."
        )
    from millstream.migrate.folder import FolderSource

    return FolderSource(Path(unquote(urlsplit(address).path) if scheme else address).expanduser())


def import_into(db: Database, source: Source, progress: Callable[[str], None] | None = None) -> Report:
    """Import everything of `source` into `db`.

    It may be interrupted and started again: runs that are complete are passed over, a run that is not is completed.

    Args:
        progress: called with a line for each experiment; None keeps quiet.
    Returns:
        counts of what was found there and of what is here now, read back from the database.
    """
    target = Target(db, source.name)
    report = Report(source.name)
    for experiment in source.experiments():
        here = target.put_experiment(experiment)
        report.there.experiments += 1
        report.here.experiments += 1
        runs = 0
        for found in source.runs(experiment.experiment_id):
            _import_run(source, target, found, here, report)
            runs += 1
            if progress is not None and runs % 1000 == 0:
                progress(f"{experiment.name}: {runs} runs so far")
        for model in source.models(experiment.experiment_id):
            target.put_model(model, here)
            report.there.models += 1
            report.here.models += target.has_model(model.model.info.model_id)
        if progress is not None:
            progress(f"{experiment.name}: {runs} runs")
    report.notes += target.notes
    _import_registry(db, source, report, progress)
    return report


def _import_registry(db: Database, source: Source, report: Report, progress: Callable[[str], None] | None) -> None:
    for found in source.registered_models():
        here, note = registry_target.put(db, found, source.name)
        report.there.add(registry_target.counts_of(found))
        report.here.add(here)
        if note is not None:
            report.notes.append(note)
    if progress is not None and report.here.registered_models:
        progress(f"{report.here.registered_models} registered models")


def _import_run(source: Source, target: Target, found: SourceRun, experiment_id: int, report: Report) -> None:
    data = found.run.data
    there = Counts(
        runs=1,
        params=len({param.key for param in data.param_list}),
        tags=len({tag.key for tag in data.tag_list}),
        datasets=len(found.run.inputs.dataset_inputs) if found.run.inputs else 0,
    )
    run, experiment_id = target.put_run(found, experiment_id)
    here = target.count_run(run)
    if found.point_count is not None and found.point_count == here.points:
        there.points, there.metrics = here.points, here.metrics
        if here.points:
            report.skipped_runs += 1
    else:
        key: str | None = None
        seen: set[tuple[int, int, str]] = set()  # of one metric: all of a run's points may be too many for the memory
        for batch in source.points(found):
            target.put_points(run, experiment_id, batch)
            if batch[0].key != key:
                there.points += len(seen)
                there.metrics += 1
                key, seen = batch[0].key, set()
            seen.update(map(_identity, batch))
        there.points += len(seen)
        here = target.count_run(run)
    report.there.add(there)
    report.here.add(here)


def _identity(point: Metric) -> tuple[int, int, str]:
    """What makes a point the same as another: its value is compared as it is stored."""
    value = max(-MAX_DOUBLE, min(MAX_DOUBLE, point.value)) if point.value == point.value else point.value
    return point.timestamp, point.step, repr(value + 0.0)
