"""Permanent deletion of what is in the trash: rows first, then the artifacts that they named."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field
from sqlalchemy import Column, Select, Table, bindparam, delete, exists, func, or_, select

from millstream.errors import (
    ExperimentNotFound,
    InvalidState,
    InvalidValue,
    LoggedModelNotFound,
    MillstreamError,
    RunNotFound,
)
from millstream.store import rules
from millstream.store.database import Database, Session, Statement
from millstream.store.experiments import now_ms
from millstream.store.registry_sources import local_path, proxied_path, scheme_of
from millstream.store.statement import pages
from millstream.store.tables import (
    ACTIVE,
    DELETED,
    datasets,
    experiments,
    logged_models,
    model_versions,
    run_inputs,
    run_models,
    runs,
)

PAGE = 100
"""Objects removed in one transaction, so that other writers wait little."""

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000}
_AGE = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")


class Collected(Struct):
    """What was removed, by public id, which artifacts could not be, and what had to stay."""

    run_ids: list[str] = field(default_factory=list)
    model_ids: list[str] = field(default_factory=list)
    experiment_ids: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # what registered versions have their files in, a sentence each


class _Item(Struct):
    key: int
    public_id: str
    lifecycle: int
    deleted_time: int | None
    location: str


def parse_age(text: str) -> int:
    """Milliseconds of an age such as `7d12h`, `30m` or `1.5d`: days, hours, minutes, seconds.

    Raises InvalidValue for anything else.
    """
    found = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    units = [unit for _, unit in found]
    if _AGE.fullmatch(text) is None or sorted(units, key="dhms".index) != units or len(set(units)) != len(units):
        raise InvalidValue(f"{text!r} is not an age. Write days, hours, minutes, seconds, such as 7d12h or 1d2h3m4s.")
    return int(sum(float(number) * _UNITS_MS[unit] for number, unit in found))


def collect(
    db: Database,
    *,
    older_than: int | None = None,
    run_ids: Sequence[str] | None = None,
    experiment_ids: Sequence[str] | None = None,
    logged_model_ids: Sequence[str] | None = None,
    delete_artifacts: Callable[[str, str], None] | None = None,
) -> Collected:
    """Remove deleted runs, logged models and experiments for good.

    Without ids, everything in the trash; with ids, only what they name. An experiment takes its runs and models along.
    Runs and logged models in whose artifacts a registered version has its files stay in the trash.

    Args:
        older_than: milliseconds since the deletion, at least (`parse_age`).
        delete_artifacts: called with the URI of each artifact folder, and the id of the object that it belonged to, once the
            rows are gone; what it raises is reported.
    Raises:
        NotFound, InvalidState: an id names nothing, or something that is active or younger; nothing was removed then.
    """
    latest = None if older_than is None else now_ms() - older_than
    names_some = any(ids is not None for ids in (run_ids, experiment_ids, logged_model_ids))
    with db.read() as session:
        if names_some:
            doomed_runs = _named(session, runs, run_ids or (), latest, "Run", RunNotFound)
            doomed_models = _named(
                session, logged_models, logged_model_ids or (), latest, "Logged model", LoggedModelNotFound
            )
            doomed = _named(session, experiments, experiment_ids or (), latest, "Experiment", ExperimentNotFound)
            for experiment in doomed:
                if _active_runs(session, experiment.key):
                    raise InvalidState(f"Experiment {experiment.public_id!r} has active runs. Delete them first.")
        else:
            doomed_runs = _in_trash(session, runs, latest)
            doomed_models = _in_trash(session, logged_models, latest)
            doomed = [item for item in _in_trash(session, experiments, latest) if not _active_runs(session, item.key)]
        for experiment in doomed:
            doomed_runs += _of_experiment(session, runs, experiment.key)
            doomed_models += _of_experiment(session, logged_models, experiment.key)
    collected = Collected()
    locations: list[tuple[str, str]] = []
    for page in pages(_unique(doomed_runs), PAGE):
        removed, kept = db.write(partial(_remove_runs, items=page))
        collected.kept += kept
        collected.run_ids += [item.public_id for item in removed]
        locations += [(item.location, item.public_id) for item in removed]
    gone = [item.key for item in doomed]
    for page in pages(_unique(doomed_models), PAGE):
        removed, kept = db.write(partial(_remove_models, items=page, doomed=gone))
        collected.kept += kept
        collected.model_ids += [item.public_id for item in removed]
        locations += [(item.location, item.public_id) for item in removed]
    for experiment in doomed:
        if db.write(partial(_remove_experiment, item=experiment)):
            collected.experiment_ids.append(experiment.public_id)
            if experiment.location.rstrip("/").rsplit("/", 1)[-1] == experiment.public_id:
                # else the user chose it, and other things may be there
                locations.append((experiment.location, experiment.public_id))
    if delete_artifacts is not None:
        for location, public_id in locations:
            try:
                delete_artifacts(location, public_id)
            except (MillstreamError, OSError) as error:
                collected.failures.append(f"{location}: {error}")
    return collected


# ---------------------------------------------------------------- what to remove


def _items(table: Table) -> Select[Any]:
    public_id = {runs: "run_id", logged_models: "model_id", experiments: "id"}[table]
    location = "artifact_location" if table is experiments else "artifact_uri"
    return select(table.c.id, table.c[public_id], table.c.lifecycle, table.c.deleted_time, table.c[location])


def _public_id(table: Table) -> Any:
    return {runs: runs.c.run_id, logged_models: logged_models.c.model_id, experiments: experiments.c.id}[table]


_TRASH = {
    table: Statement(
        _items(table).where(table.c.lifecycle == DELETED, func.coalesce(table.c.deleted_time, 0) <= bindparam("latest"))
    )
    for table in (runs, logged_models, experiments)
}
_BY_PUBLIC_ID = {
    table: Statement(_items(table).where(_public_id(table) == bindparam("public_id")))
    for table in (runs, logged_models, experiments)
}
_OF_EXPERIMENT = {
    table: Statement(_items(table).where(table.c.experiment_id == bindparam("experiment_id")))
    for table in (runs, logged_models)
}
_ACTIVE_RUN = Statement(
    select(runs.c.id).where(runs.c.experiment_id == bindparam("experiment_id"), runs.c.lifecycle == ACTIVE).limit(1)
)


def _in_trash(session: Session, table: Table, latest: int | None) -> list[_Item]:
    rows = session.rows(_TRASH[table], latest=2**62 if latest is None else latest)
    return [_Item(row[0], str(row[1]), *row[2:]) for row in rows]


def _of_experiment(session: Session, table: Table, experiment: int) -> list[_Item]:
    return [_Item(*row) for row in session.rows(_OF_EXPERIMENT[table], experiment_id=experiment)]


def _active_runs(session: Session, experiment: int) -> bool:
    return session.row(_ACTIVE_RUN, experiment_id=experiment) is not None


def _named(
    session: Session,
    table: Table,
    ids: Sequence[str],
    latest: int | None,
    what: str,
    missing: Callable[[str], MillstreamError],
) -> list[_Item]:
    found: list[_Item] = []
    for public_id in ids:
        key: str | int = (
            rules.experiment_key(public_id) if table is experiments else rules.check_text(public_id, "An id")
        )
        row = session.row(_BY_PUBLIC_ID[table], public_id=key)
        if row is None:
            raise missing(public_id)
        item = _Item(row[0], str(row[1]), *row[2:])
        if item.lifecycle == ACTIVE:
            raise InvalidState(f"{what} {public_id!r} is active. Delete it first; only the trash is removed for good.")
        if latest is not None and (item.deleted_time or 0) > latest:
            raise InvalidState(f"{what} {public_id!r} was deleted more recently than asked for.")
        found.append(item)
    return found


def _unique(items: Sequence[_Item]) -> list[_Item]:
    return list({item.key: item for item in items}.values())


# ---------------------------------------------------------------- removing it; rows that refer to it go by foreign key

_LOCK_RUNS = Statement(
    select(runs.c.id, runs.c.experiment_id)
    .where(runs.c.id.in_(bindparam("keys", expanding=True)), runs.c.lifecycle == DELETED)
    .order_by(runs.c.id)
    .with_for_update()
)
_DELETE_RUNS = Statement(delete(runs).where(runs.c.id.in_(bindparam("keys", expanding=True))))
_IS_UNUSED = ~exists().where(run_inputs.c.dataset == datasets.c.id).correlate(datasets)
_LOCK_UNUSED_DATASETS = Statement(
    select(datasets.c.id)
    .where(datasets.c.experiment_id.in_(bindparam("experiments", expanding=True)), _IS_UNUSED)
    .order_by(datasets.c.id)
    .with_for_update()
)
_DELETE_UNUSED_DATASETS = Statement(
    delete(datasets).where(datasets.c.id.in_(bindparam("keys", expanding=True)), _IS_UNUSED)
)
_LOCK_MODELS = Statement(
    select(logged_models.c.id, logged_models.c.lifecycle, logged_models.c.experiment_id)
    .where(logged_models.c.id.in_(bindparam("keys", expanding=True)))
    .order_by(logged_models.c.id)
    .with_for_update()
)
_DELETE_MODELS = Statement(delete(logged_models).where(logged_models.c.id.in_(bindparam("keys", expanding=True))))
_DELETE_LINKS = Statement(delete(run_models).where(run_models.c.model_id.in_(bindparam("ids", expanding=True))))
_LOCK_DELETED_EXPERIMENTS = Statement(
    select(experiments.c.id)
    .where(experiments.c.id.in_(bindparam("keys", expanding=True)), experiments.c.lifecycle == DELETED)
    .order_by(experiments.c.id)
    .with_for_update()
)
_LOCK_EXPERIMENT = Statement(
    select(experiments.c.lifecycle).where(experiments.c.id == bindparam("key")).with_for_update()
)
_REST = {
    table: Statement(select(table.c.id).where(table.c.experiment_id == bindparam("key")).limit(1))
    for table in (runs, logged_models)
}
_DELETE_EXPERIMENT = Statement(delete(experiments).where(experiments.c.id == bindparam("key")))


_VERSIONS = {
    column: Statement(
        select(
            column, model_versions.c.name, model_versions.c.version, model_versions.c.source, model_versions.c.location
        )
        .where(or_(column.in_(bindparam("ids", expanding=True)), model_versions.c.run_id == ""))
        .order_by(model_versions.c.id)
    )
    for column in (model_versions.c.run_id, model_versions.c.model_id)
}


def _in_use(session: Session, items: Sequence[_Item], column: Column[str], what: str) -> dict[str, str]:
    """A sentence for each of the items in whose artifacts a registered version has its files.

    Such a version need not name the item: whoever registers a path of a store of their own gives no run.
    """
    owners = {place: item.public_id for item in items if (place := _place(item.location))}
    found: dict[str, str] = {}
    for linked, name, version, source, location in session.rows(
        _VERSIONS[column], ids=[each.public_id for each in items]
    ):
        place = _place(location or source)
        owner = next((owners[place[:end]] for end in range(len(place), 0, -1) if place[:end] in owners), None)
        if owner is None and linked and source.startswith(f"runs:/{linked}/"):
            owner = linked
        if owner is not None:
            found[owner] = f"{what} {owner} stays: version {version} of {name!r} has its files there."
    return found


def _place(uri: str) -> tuple[str, ...]:
    """The segments of a location, so that one which begins with another's lies inside of it; empty if it cannot be read."""
    scheme = scheme_of(uri)
    try:
        proxied = proxied_path(uri)
        if proxied is not None:
            return ("mlflow-artifacts", *proxied)
        if scheme in ("", "file"):
            return ("file", *(part for part in local_path(uri).split(os.sep) if part)) if uri else ()
        parts = urlsplit(uri)
    except (InvalidValue, ValueError):  # a text that a client of a foreign server stored
        return ()
    return (scheme, parts.netloc, *(segment for segment in unquote(parts.path).split("/") if segment))


def _remove_runs(session: Session, items: Sequence[_Item]) -> tuple[list[_Item], list[str]]:
    """Remove those that are still deleted (one may have been restored meanwhile) and that no registered version needs."""
    kept = _in_use(session, items, model_versions.c.run_id, "Run")
    items = [item for item in items if item.public_id not in kept]
    still = dict(session.rows(_LOCK_RUNS, keys=[item.key for item in items])) if items else {}
    if still:
        session.run(_DELETE_RUNS, keys=list(still))
        # locked first and looked at again: a run may be about to link one, and deleting it would take the new link along
        unused = [key for (key,) in session.rows(_LOCK_UNUSED_DATASETS, experiments=sorted(set(still.values())))]
        for keys in pages(unused, PAGE):
            session.run(_DELETE_UNUSED_DATASETS, keys=keys)
    return [item for item in items if item.key in still], list(kept.values())


def _remove_models(session: Session, items: Sequence[_Item], doomed: Sequence[int]) -> tuple[list[_Item], list[str]]:
    """Remove those that are still deleted, or whose experiment is among the doomed and still deleted; as `_remove_runs`."""
    kept = _in_use(session, items, model_versions.c.model_id, "Logged model")
    items = [item for item in items if item.public_id not in kept]
    gone = {key for (key,) in session.rows(_LOCK_DELETED_EXPERIMENTS, keys=doomed)} if doomed else set()
    rows = session.rows(_LOCK_MODELS, keys=[item.key for item in items])
    still = {key for key, lifecycle, experiment in rows if lifecycle == DELETED or experiment in gone}
    removed = [item for item in items if item.key in still]
    if removed:
        session.run(_DELETE_LINKS, ids=[item.public_id for item in removed])
        session.run(_DELETE_MODELS, keys=sorted(still))
    return removed, list(kept.values())


def _remove_experiment(session: Session, item: _Item) -> bool:
    row = session.row(_LOCK_EXPERIMENT, key=item.key)
    if row is None or row[0] != DELETED or any(session.row(rest, key=item.key) for rest in _REST.values()):
        return False
    session.run(_DELETE_EXPERIMENT, key=item.key)
    return True
