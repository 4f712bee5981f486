"""`millstream experiments ...`"""

from __future__ import annotations

import csv as csv_format
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from millstream.cli.output import json_option, print_json, print_table, show_time
from millstream.entities import Experiment, Run, ViewType
from millstream.errors import ExperimentNameNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from millstream.client import MillstreamClient

_id_option = click.option("-x", "--experiment-id", required=True, envvar="MLFLOW_EXPERIMENT_ID", help="The experiment.")
VIEW_CHOICE = click.Choice([view.value.lower() for view in ViewType], case_sensitive=False)


def open_client() -> MillstreamClient:
    """A client for the tracking URI in force."""
    from millstream.client import MillstreamClient

    return MillstreamClient()


@click.group()
def experiments() -> None:
    """Create, find, rename, delete and restore experiments."""


@experiments.command()
@click.option("-n", "--experiment-name", required=True)
@click.option("-l", "--artifact-location", help="Root of its artifacts; the store's default if not given.")
@json_option
def create(experiment_name: str, artifact_location: str | None, as_json: bool) -> None:
    """Create an experiment."""
    experiment_id = open_client().create_experiment(experiment_name, artifact_location)
    if as_json:
        print_json({"experiment_id": experiment_id})
    else:
        click.echo(f"Created experiment '{experiment_name}' with id {experiment_id}")


@experiments.command()
@click.option("-v", "--view", type=VIEW_CHOICE, default="active_only", show_default=True)
@click.option("--filter", "filter_string", default="", help="Such as: name LIKE 'vision/%' AND tags.team = 'a'.")
@click.option("--order-by", multiple=True, help="Such as: name ASC. May be given more than once.")
@click.option("--max-results", type=click.IntRange(min=1), help="How many at most; all if not given.")
@json_option
def search(view: str, filter_string: str, order_by: tuple[str, ...], max_results: int | None, as_json: bool) -> None:
    """List experiments."""
    client = open_client()
    found: list[Experiment] = []
    token: str | None = None
    while max_results is None or len(found) < max_results:
        size = 1000 if max_results is None else min(1000, max_results - len(found))
        page = client.search_experiments(ViewType(view.upper()), size, filter_string, list(order_by), page_token=token)
        found += page
        token = page.token
        if not token:
            break
    if as_json:
        print_json(found)
        return
    rows = [
        [e.experiment_id, e.name, e.lifecycle_stage, show_time(e.last_update_time), e.artifact_location] for e in found
    ]
    print_table(["Experiment Id", "Name", "Stage", "Updated", "Artifact Location"], rows)


@experiments.command()
@click.option("-x", "--experiment-id", help="By id.")
@click.option("-n", "--experiment-name", help="By name.")
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@json_option
def get(experiment_id: str | None, experiment_name: str | None, output: str, as_json: bool) -> None:
    """Show one experiment."""
    if (experiment_id is None) == (experiment_name is None):
        raise click.UsageError("Give exactly one of --experiment-id and --experiment-name.")
    client = open_client()
    if experiment_id is not None:
        experiment = client.get_experiment(experiment_id)
    else:
        found = client.get_experiment_by_name(str(experiment_name))
        if found is None:
            raise ExperimentNameNotFound(str(experiment_name))
        experiment = found
    if as_json or output == "json":
        print_json(experiment)
        return
    rows = [[name, str(value)] for name, value in experiment.to_dictionary().items() if name != "tag_list"]
    print_table(["Field", "Value"], rows + [[f"tag {key}", value] for key, value in experiment.tags.items()])


@experiments.command()
@_id_option
@json_option
def delete(experiment_id: str, as_json: bool) -> None:
    """Move an experiment and its runs to the trash."""
    open_client().delete_experiment(experiment_id)
    _done(as_json, experiment_id, f"Experiment with ID {experiment_id} has been deleted.")


@experiments.command()
@_id_option
@json_option
def restore(experiment_id: str, as_json: bool) -> None:
    """Take an experiment and its runs out of the trash."""
    open_client().restore_experiment(experiment_id)
    _done(as_json, experiment_id, f"Experiment with id {experiment_id} has been restored.")


@experiments.command()
@_id_option
@click.option("--new-name", required=True)
@json_option
def rename(experiment_id: str, new_name: str, as_json: bool) -> None:
    """Rename an experiment."""
    open_client().rename_experiment(experiment_id, new_name)
    _done(as_json, experiment_id, f"Experiment with id {experiment_id} has been renamed to '{new_name}'.")


@experiments.command()
@_id_option
@click.option(
    "-o", "--filename", type=click.Path(dir_okay=False, writable=True), help="File to write; stdout if not given."
)
@json_option
def csv(experiment_id: str, filename: str | None, as_json: bool) -> None:
    """Write all active runs of an experiment as CSV (or, with --json, as a JSON list)."""
    found = list(all_runs(open_client(), experiment_id, ViewType.ACTIVE_ONLY))
    if as_json:
        print_json(found)
        return
    metrics = sorted({key for run in found for key in run.data.metrics})
    params = sorted({key for run in found for key in run.data.params})
    tags = sorted({key for run in found for key in run.data.tags})
    info = ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"]
    with open(filename, "w", newline="", encoding="utf-8") if filename else nullcontext(sys.stdout) as file:
        writer = csv_format.writer(file)
        writer.writerow(
            info + [f"metrics.{k}" for k in metrics] + [f"params.{k}" for k in params] + [f"tags.{k}" for k in tags]
        )
        for run in found:
            data = run.data
            writer.writerow(
                [getattr(run.info, name) for name in info]
                + [data.metrics.get(k) for k in metrics]
                + [data.params.get(k) for k in params]
                + [data.tags.get(k) for k in tags]
            )
    if filename:
        click.echo(f"Wrote {len(found)} runs to {filename}")


def all_runs(client: MillstreamClient, experiment_id: str, view: ViewType) -> Iterator[Run]:
    """Every run of an experiment, page by page."""
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], "", view, 1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _done(as_json: bool, experiment_id: str, sentence: str) -> None:
    if as_json:
        print_json({"experiment_id": experiment_id})
    else:
        click.echo(sentence)
