"""`millstream gc` and `millstream db`: work on the store itself, beside or without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from millstream import settings
from millstream.cli.output import json_option, print_json
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


def _split(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


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
@click.option("--tracking-uri", hidden=True, help="Accepted for compatibility.")
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

    store = open_store(backend_store_uri or settings.DEFAULT_STORE_URI)
    try:
        configured = ServerArtifacts(store, artifacts_destination, default_artifact_root=store.artifact_root)
        removed = collect(
            store.db,
            older_than=parse_age(older_than) if older_than else None,
            run_ids=_split(run_ids),
            experiment_ids=_split(experiment_ids),
            logged_model_ids=_split(logged_model_ids),
            delete_artifacts=lambda location, object_id: delete_artifacts(configured, location, object_id),
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
