"""`millstream runs ...`"""

from __future__ import annotations

import click

from millstream.cli.experiments import VIEW_CHOICE, open_client
from millstream.cli.output import json_option, print_json, print_table, show_time
from millstream.entities import ViewType

_run_option = click.option("-r", "--run-id", required=True, help="The run.")


@click.group()
def runs() -> None:
    """List, describe, cancel, delete, restore and rewind runs, and wait for them."""


@runs.command(name="list")
@click.option("-x", "--experiment-id", envvar="MLFLOW_EXPERIMENT_ID", required=True, help="The experiment.")
@click.option("-v", "--view", type=VIEW_CHOICE, default="active_only", show_default=True)
@click.option("--filter", "filter_string", default="", help="Such as: metrics.acc > 0.9 AND params.lr = '0.1'.")
@click.option("--order-by", multiple=True, help="Such as: metrics.acc DESC. May be given more than once.")
@click.option("--max-results", type=click.IntRange(1, 50_000), default=1000, show_default=True)
@json_option
def list_runs(
    experiment_id: str, view: str, filter_string: str, order_by: tuple[str, ...], max_results: int, as_json: bool
) -> None:
    """List the runs of an experiment."""
    found = open_client().search_runs(
        [experiment_id], filter_string, ViewType(view.upper()), max_results, list(order_by)
    )
    if as_json:
        print_json(list(found))
        return
    rows = [
        [show_time(run.info.start_time), run.info.run_name, run.info.run_id, run.info.status.value] for run in found
    ]
    print_table(["Date", "Name", "ID", "Status"], rows)
    if found.token:
        click.echo(f"There are more than {max_results} runs; ask for them with --max-results.", err=True)


@runs.command()
@_run_option
@json_option
def describe(run_id: str, as_json: bool) -> None:
    """Show everything of a run as JSON."""
    print_json(open_client().get_run(run_id))


@runs.command()
@click.option("-x", "--experiment-id", help="Experiment by id.")
@click.option("-n", "--experiment-name", help="Experiment by name; created if missing.")
@click.option("--run-name", help="Name of the run.")
@click.option(
    "--status",
    type=click.Choice(["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]),
    default="FINISHED",
    show_default=True,
)
@json_option
def create(
    experiment_id: str | None, experiment_name: str | None, run_name: str | None, status: str, as_json: bool
) -> None:
    """Create an empty run and print its id."""
    client = open_client()
    if experiment_name is not None:
        experiment = client.get_experiment_by_name(experiment_name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(experiment_name)
    run = client.create_run(experiment_id or "0", run_name=run_name)
    if status not in ("RUNNING", "SCHEDULED"):
        client.set_terminated(run.info.run_id, status)
    elif status == "SCHEDULED":
        client.update_run(run.info.run_id, status)
    if as_json:
        print_json({"run_id": run.info.run_id, "experiment_id": run.info.experiment_id})
    else:
        click.echo(run.info.run_id)


@runs.command()
@_run_option
@json_option
def delete(run_id: str, as_json: bool) -> None:
    """Move a run to the trash."""
    open_client().delete_run(run_id)
    _done(as_json, run_id, f"Run with ID {run_id} has been deleted.")


@runs.command()
@_run_option
@json_option
def restore(run_id: str, as_json: bool) -> None:
    """Take a run out of the trash."""
    open_client().restore_run(run_id)
    _done(as_json, run_id, f"Run with id {run_id} has been restored.")


@runs.command()
@_run_option
@json_option
def cancel(run_id: str, as_json: bool) -> None:
    """End a project's run that goes on on this machine, with all that its command started."""
    from millstream.projects import attach

    run = attach(run_id, open_client().tracking_uri)
    run.cancel()
    status = run.get_status()
    if as_json:
        print_json({"run_id": run_id, "status": status})
    else:
        click.echo(f"Run {run_id} is {status}.")


@runs.command()
@_run_option
@json_option
def wait(run_id: str, as_json: bool) -> None:
    """Wait for the end of a project's run; exit status 1 unless it FINISHED."""
    from millstream.projects import attach

    run = attach(run_id, open_client().tracking_uri)
    succeeded = run.wait()
    status = run.get_status()
    if as_json:
        print_json({"run_id": run_id, "status": status})
    else:
        click.echo(f"Run {run_id} is {status}.")
    raise SystemExit(0 if succeeded else 1)


@runs.command()
@_run_option
@click.option("--step", required=True, type=int, help="First step to delete.")
@click.option("--key", "keys", multiple=True, help="Only this metric. May be given more than once.")
@json_option
def rewind(run_id: str, step: int, keys: tuple[str, ...], as_json: bool) -> None:
    """Delete the points of metrics from a step on, to train again from a checkpoint."""
    deleted = open_client().rewind_run(run_id, step, list(keys))
    if as_json:
        print_json({"run_id": run_id, "deleted_points": deleted})
    else:
        click.echo(f"Deleted {deleted} points of run {run_id} from step {step} on.")


def _done(as_json: bool, run_id: str, sentence: str) -> None:
    if as_json:
        print_json({"run_id": run_id})
    else:
        click.echo(sentence)
