"""`millstream`: the commands by name; the module of a command is imported when it is called."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence

import click

from millstream.errors import InvalidValue, MillstreamError
from millstream.version import MLFLOW_API_VERSION, VERSION

_COMMANDS: dict[str, tuple[str, str]] = {
    # name: (module, attribute)
    "run": ("projects", "run"),
    "server": ("server", "server"),
    "ui": ("server", "server"),  # MLflow's other name for it
    "experiments": ("experiments", "experiments"),
    "runs": ("runs", "runs"),
    "artifacts": ("artifacts", "artifacts"),
    "models": ("models", "models"),
    "envs": ("envs", "envs"),
    "gc": ("store", "gc"),
    "db": ("store", "db"),
    "import": ("migrate", "import_command"),
    "sync": ("sync", "sync"),
    "registry": ("model_registry", "registry"),
    "webhooks": ("webhooks", "webhooks"),
    "deployments": ("deployments", "deployments"),
    "doctor": ("doctor", "doctor"),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _COMMANDS if name != "ui"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"millstream.cli.{module}"), attribute)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["--help"]})
@click.version_option(VERSION, message=f"millstream, version {VERSION} (MLflow API {MLFLOW_API_VERSION})")
@click.option("--env-file", type=click.Path(exists=True, dir_okay=False), help="Read environment variables from here.")
def cli(env_file: str | None) -> None:
    """Track, find and serve machine-learning runs."""
    if env_file:
        _load_environment(env_file)


def _load_environment(path: str) -> None:
    """Set the variables of a file of NAME=value lines; those that are set already stay."""
    import os

    with open(path, encoding="utf-8") as file:
        for line in file:
            name, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and name and not name.startswith("#"):
                os.environ.setdefault(name.strip(), value.strip().strip("'\""))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error of ours is one line on stderr and exit status 1."""
    wants_json = "--json" in (arguments if arguments is not None else sys.argv[1:])
    if arguments is None:
        gc.set_threshold(100_000)  # what is imported stays: to look for garbage meanwhile takes a tenth of the time
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="millstream")
    except MillstreamError as error:
        click.echo(error.serialize_as_json() if wants_json else f"Error: {error.message}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:  # a path of the command line that cannot be read or written
        said = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
        click.echo(InvalidValue(said).serialize_as_json() if wants_json else f"Error: {said}", err=True)
        sys.exit(1)
    finally:
        if arguments is None:
            gc.freeze()  # what looks for garbage while the process ends takes 0.1 s of a command that used the store


if __name__ == "__main__":
    main()
