"""`millstream import`: bring over what an MLflow installation recorded."""

from __future__ import annotations

import sys

import click

from millstream import settings
from millstream.cli.output import json_option, print_json, print_table


@click.command(name="import")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--to",
    "target",
    envvar=settings.BACKEND_STORE_URI.variables,
    metavar="URI",
    help="Database to import into, the one that `millstream server` uses; the default store if not given.",
)
@click.option("--no-progress", is_flag=True, help="Print the report only.")
@json_option
def import_command(source: str, target: str | None, no_progress: bool, as_json: bool) -> None:
    """Import from SOURCE: an mlruns folder, a database URL, or the address of a running server.

    Ids, times, stages of life and artifact locations are kept; artifacts stay where they are. An import may be stopped and
    started again, and repeated: nothing is doubled. It ends with counts of both sides; exit status 2 if they differ.
    """
    from millstream.migrate import import_into, open_source
    from millstream.store.tracking import open_store

    opened = open_source(source)
    store = open_store(target or settings.DEFAULT_STORE_URI)
    try:
        show = None if as_json or no_progress else (lambda line: click.echo(line, err=True))
        report = import_into(store.db, opened, progress=show)
    finally:
        opened.close()
        store.close()
    if as_json:
        print_json(report)
    else:
        rows = [[what, there, here, "" if there == here else "differs"] for what, there, here in report.rows()]
        print_table(["What", "Source", "Here", ""], rows, title=f"Imported from {report.source}")
        for note in report.notes:
            click.echo(note)
    if not report.is_complete:
        sys.exit(2)
