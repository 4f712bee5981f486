"""`millstream gc` and `millstream db`: work on the store itself, beside or without a server."""

from __future__ import annotations

from urllib.parse import urlsplit

import click

from millstream import settings
from millstream.cli.output import json_option, print_json

_store_option = click.option(
    "--backend-store-uri",
    envvar=settings.BACKEND_STORE_URI.variables,
    metavar="URI",
    help="The database; the default store if not given.",
)


def _delete_artifacts(uri: str, destination: str | None) -> None:
    """Delete a folder of artifacts; one behind the server's proxy lies below its destination."""
    from millstream.artifacts import open_repository

    if uri.startswith("mlflow-artifacts:"):
        below = urlsplit(uri).path.strip("/")
        open_repository(destination or settings.ARTIFACTS_DESTINATION.get()).delete(below)
    else:
        open_repository(uri).delete_all()


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
    from millstream.store.gc import collect, parse_age
    from millstream.store.tracking import open_store

    store = open_store(backend_store_uri or settings.DEFAULT_STORE_URI)
    try:
        removed = collect(
            store.db,
            older_than=parse_age(older_than) if older_than else None,
            run_ids=_split(run_ids),
            experiment_ids=_split(experiment_ids),
            logged_model_ids=_split(logged_model_ids),
            delete_artifacts=lambda uri: _delete_artifacts(uri, artifacts_destination),
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
