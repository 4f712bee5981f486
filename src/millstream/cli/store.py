"""`millstream gc` and `millstream db`: work on the store itself, beside or without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from millstream import settings
from millstream.cli.output import json_option, print_json
from millstream.client.uris import DEFAULT_DATABASE, folder_of, is_http, scheme_of
from millstream.errors import PermissionDenied

if TYPE_CHECKING:
    from millstream.server.artifact_store import ServerArtifacts

_store_option = click.option(
    "--backend-store-uri",
    envvar=settings.BACKEND_STORE_URI.variables,
    metavar="URI",
    help="The database; the default store if not given.",
)


def delete_artifacts(configured: ServerArtifacts, location: str, object_id: str) -> None:
    """Delete the folder of artifacts at a stored location, if it is the object's own.

    Unlike a server, which deletes below its configured roots only, its operator reaches what lies elsewhere too; the id must then
    be one that nobody can guess beforehand (that of an experiment is a small number).

    Raises:
        PermissionDenied: the folder may be something else.
    """
    from millstream.artifacts import open_repository
    from millstream.artifacts.repository import SCHEMES, scheme_of
    from millstream.server.artifact_store import own_end

    own = own_end(location, object_id)
    try:
        configured.delete_own(location, object_id)
    except PermissionDenied:
        row = SCHEMES.get(scheme_of(location))
        if object_id.isdigit() or row is None or row.module == "indirect":
            raise
        root = location[: -len(own)]
        open_repository(root.rstrip("/") or root).delete(own)  # walks down from there without following links


def _split(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:  # a variable of a script that was not set; it must not mean everything
        raise click.UsageError(f"{option} names nothing. Leave it out for the whole trash.")
    return found


def _trash_uri(backend_store_uri: str | None, tracking_uri: str | None) -> str:
    """The database whose trash is meant. Raises UsageError if there is none: making one would look like an empty trash."""
    from millstream.store.database import parse_url

    uri = backend_store_uri or tracking_uri or settings.DEFAULT_STORE_URI
    if is_http(uri):
        raise click.UsageError("gc works on the database, not through a server. Give --backend-store-uri.")
    if scheme_of(uri) in ("", "file"):
        uri = f"sqlite:///{folder_of(uri) / DEFAULT_DATABASE}"
    url = parse_url(uri)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise click.UsageError(f"There is no database {url.database}. Give --backend-store-uri.")
    return uri


@click.command()
@_store_option
@click.option("--older-than", metavar="AGE", help="Only what was deleted at least so long ago, such as 7d12h.")
@click.option("--run-ids", metavar="IDS", help="Only these runs, by comma.")
@click.option("--experiment-ids", metavar="IDS", help="Only these experiments, by comma.")
@click.option("--logged-model-ids", metavar="IDS", help="Only these logged models, by comma.")
@click.option(
    "--artifacts-destination",
    envvar=settings.ARTIFACTS_DESTINATION.variables,
    help="Where the server's proxy stores; needed to delete proxied artifacts.",
)
@click.option("--tracking-uri", metavar="URI", help="Stands for --backend-store-uri if that is not given.")
@json_option
def gc(
    backend_store_uri: str | None,
    older_than: str | None,
    run_ids: str | None,
    experiment_ids: str | None,
    logged_model_ids: str | None,
    artifacts_destination: str | None,
    tracking_uri: str | None,
    as_json: bool,
) -> None:
    """Remove what is in the trash for good, with its artifacts."""
    from millstream.server.artifact_store import ServerArtifacts
    from millstream.store.gc import collect, parse_age
    from millstream.store.tracking import open_store

    uri = _trash_uri(backend_store_uri, tracking_uri)
    chosen = {
        "run_ids": _split("--run-ids", run_ids),
        "experiment_ids": _split("--experiment-ids", experiment_ids),
        "logged_model_ids": _split("--logged-model-ids", logged_model_ids),
    }
    store = open_store(uri)
    try:
        configured = ServerArtifacts(store, artifacts_destination, default_artifact_root=store.artifact_root)
        removed = collect(
            store.db,
            older_than=parse_age(older_than) if older_than else None,
            delete_artifacts=lambda location, object_id: delete_artifacts(configured, location, object_id),
            **chosen,
        )
    finally:
        store.close()
    if as_json:
        print_json(removed)
        return
    for kind, ids in (
        ("Run", removed.run_ids),
        ("Logged model", removed.model_ids),
        ("Experiment", removed.experiment_ids),
    ):
        for removed_id in ids:
            click.echo(f"{kind} with ID {removed_id} has been permanently deleted.")
    if not (removed.run_ids or removed.model_ids or removed.experiment_ids):
        click.echo(f"Nothing to remove in {store.db.safe_uri}.")
    for sentence in removed.kept:
        click.echo(sentence, err=True)
    for failure in removed.failures:
        click.echo(f"Artifacts left behind: {failure}", err=True)


@click.group()
def db() -> None:
    """Manage the store's database."""


@db.command()
@click.argument("url")
@json_option
def upgrade(url: str, as_json: bool) -> None:
    """Bring the database at URL to this release's schema."""
    from millstream.store.migrations import upgrade as upgrade_schema

    revision = upgrade_schema(url)
    if as_json:
        print_json({"revision": revision})
    else:
        click.echo(f"The schema is at revision {revision}.")
