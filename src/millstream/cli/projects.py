"""`millstream run`"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from millstream import settings
from millstream.cli.options import F, pairs
from millstream.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from millstream.projects.sweeps import Sweep

_WAITED_FOR = frozenset({"local", "docker", "kubernetes", "spark"})
"""Backends whose runs the command waits for; databricks and plug-ins return when it is submitted, as in MLflow."""


def _several(name: str, *flags: str, metavar: str, help: str) -> Callable[[F], F]:
    """An option that may be given more than once."""
    return click.option(*flags, name, multiple=True, metavar=metavar, help=help)


@click.command(epilog="Documentation: docs/projects.md")
@click.argument("uri")
@click.option(
    "-e",
    "--entry-point",
    default="main",
    show_default=True,
    metavar="NAME",
    help="What to run: an entry point of the project, or a .py, .sh or .R script in it.",
)
@click.option("-v", "--version", metavar="VERSION", help="Branch, tag or commit of a git repository.")
@_several("param_list", "-P", "--param-list", metavar="NAME=VALUE", help="A parameter. May be given more than once.")
@_several(
    "docker_args",
    "-A",
    "--docker-args",
    metavar="NAME=VALUE",
    help="An option of `docker run`, or NAME for a flag. May be given more than once.",
)
@click.option(
    "--experiment-name", envvar=settings.EXPERIMENT_NAME.variables, help="Experiment of the run; created if missing."
)
@click.option("--experiment-id", envvar=settings.EXPERIMENT_ID.variables, help="Experiment of the run, by id.")
@click.option(
    "-b",
    "--backend",
    default="local",
    show_default=True,
    metavar="BACKEND",
    help="Where to run: local, docker, kubernetes, databricks, spark, or a plug-in's name.",
)
@click.option(
    "-c",
    "--backend-config",
    metavar="FILE",
    help="The backend's configuration: a file that ends in .json, or JSON itself.",
)
@click.option(
    "--env-manager",
    type=click.Choice(["local", "virtualenv", "uv", "conda"]),
    help="What makes the environment; uv, or virtualenv where there is no uv. local is the running environment.",
)
@click.option("--storage-dir", envvar="MLFLOW_TMP_DIR", help="Folder for what `path` parameters are downloaded to.")
@click.option("--run-id", help="A run that exists already, to go on with.")
@click.option("--run-name", help="Name of the run.")
@click.option("--build-image", is_flag=True, help="Build an image with the project's files in it (docker).")
@click.option("--background", is_flag=True, help="Return once the run exists; a process of its own runs it.")
@click.option(
    "--reuse",
    is_flag=True,
    help="If a run with the same code, parameters, inputs and environment has finished, take that.",
)
@_several(
    "grid",
    "--grid",
    metavar="NAME=A,B,...",
    help="Run with each of these values, and every combination of several grids.",
)
@_several(
    "sample",
    "--sample",
    metavar="NAME=DISTRIBUTION",
    help="Draw values: uniform(low,high), loguniform(low,high), randint(lowest,highest), normal(mean,deviation), choice(a,b,...).",
)
@click.option(
    "--trials", type=click.IntRange(1), default=20, show_default=True, help="Runs of a random sweep (--sample)."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same values.")
@click.option(
    "--parallel",
    type=click.IntRange(1),
    metavar="N",
    help="Run N of a sweep at the same time. Commas in -P then make a grid, as in --grid.",
)
@json_option
def run(
    uri: str,
    param_list: Sequence[str],
    docker_args: Sequence[str],
    grid: Sequence[str],
    sample: Sequence[str],
    parallel: int | None,
    trials: int,
    seed: int,
    background: bool,
    reuse: bool,
    backend: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a project as a tracked run.

    URI is a folder, a zip file or a git repository; #sub/folder at its end is a folder in it.
    """
    from millstream import projects
    from millstream.projects import processes
    from millstream.projects.running import read_config

    if options["experiment_name"] and options["experiment_id"]:
        raise click.UsageError("Give --experiment-name or --experiment-id, not both (the environment counts too).")
    parameters = pairs("-P", param_list)
    lists = {name: _items(text) for name, text in pairs("--grid", grid).items()}
    if twice := sorted(parameters.keys() & lists.keys()):
        raise click.UsageError(f"-P and --grid both give {', '.join(twice)}.")
    if parallel is not None:
        lists |= {name: _items(text) for name, text in parameters.items() if "," in text}
        parameters = {name: text for name, text in parameters.items() if name not in lists}
    drawn = pairs("--sample", sample)
    options |= {"parameters": parameters, "docker_args": _flags_and_pairs(docker_args), "backend": backend}
    options["backend_config"] = read_config(options["backend_config"])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, processes.exit_on_signal)
    if lists or drawn:
        if background:
            raise click.UsageError("A sweep is not run with --background. Start the command itself in the background.")
        with _command_output(as_json):
            done = projects.sweep(
                uri, grid=lists, sample=drawn, trials=trials, seed=seed, parallel=parallel or 1, reuse=reuse, **options
            )
        _show(done, as_json)
        sys.exit(0 if done.succeeded else 1)
    waits = backend in _WAITED_FOR and not background
    with _command_output(as_json):
        submitted = projects.run(uri, synchronous=waits, reuse=reuse, **options)
    if as_json:
        print_json({"run_id": submitted.run_id, "status": submitted.get_status()})
    elif not waits:
        click.echo(submitted.run_id)


def _command_output(as_json: bool) -> AbstractContextManager[object]:
    """What the project's command prints goes to stderr where stdout is for JSON."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def _flags_and_pairs(given: Sequence[str]) -> dict[str, str | bool]:
    """Options of `docker run`: NAME=VALUE, or NAME alone for a flag."""
    found: dict[str, str | bool] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if name in found:
            raise click.UsageError(f"-A gives {name!r} twice.")
        found[name] = value if equals else True
    return found


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]


def _show(sweep: Sweep, as_json: bool) -> None:
    if as_json:
        print_json(sweep)
        return
    names = list(sweep.trials[0].parameters)
    rows = [[*trial.parameters.values(), trial.status, trial.run_id or "", trial.error] for trial in sweep.trials]
    print_table([*names, "status", "run", "error"], rows, title=f"Sweep {sweep.run_id}")
