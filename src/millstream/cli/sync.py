"""`millstream sync`: deliver what journals still hold."""

from __future__ import annotations

import sys

import click

from millstream.cli.output import json_option, print_json, print_table


@click.command()
@click.option("--tracking-uri", help="Deliver here instead of to the address that each journal names.")
@click.option("--timeout", type=float, default=300.0, show_default=True, help="Seconds to try.")
@json_option
def sync(tracking_uri: str | None, timeout: float, as_json: bool) -> None:
    """Send what was logged offline, or by processes that died, to its server."""
    from millstream.client.sync import sync as sync_journals

    report = sync_journals(tracking_uri=tracking_uri, timeout=timeout)
    if as_json:
        print_json(report)
    else:
        if report.journals:
            rows = [
                [
                    journal.journal_id,
                    journal.tracking_uri,
                    journal.sent.runs,
                    journal.sent.points,
                    journal.error or "delivered",
                ]
                for journal in report.journals
            ]
            print_table(["Journal", "To", "Runs", "Points", "Outcome"], rows)
        click.echo(
            f"Delivered {report.points} points and {report.runs} new runs; {report.left} journals left, "
            f"{report.in_use} in use by running processes."
        )
        for path in report.rejected_files:
            click.echo(f"Refused by the server, kept in {path}", err=True)
    if report.left:
        sys.exit(2)
