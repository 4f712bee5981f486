"""`millstream envs ...`"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import asdict

from millstream.cli.output import json_option, print_json, print_table, show_time

if TYPE_CHECKING:
    from millstream.environments.cache import Entry, Manager
    from millstream.environments.spec import EnvironmentSpec


@click.group()
def envs() -> None:
    """Look at and clean up the environments that were made for models and projects."""


@envs.command(name="list")
@json_option
def list_environments(as_json: bool) -> None:
    """List the prepared environments, the last used first."""
    from millstream.environments import cache

    found = cache.entries()
    if as_json:
        print_json([_as_dict(entry) for entry in found])
        return
    rows = [
        [entry.key, entry.manager, entry.python_version, _megabytes(entry), show_time(entry.used_time), _short(entry)]
        for entry in found
    ]
    print_table(["key", "manager", "python", "MiB", "last used", "requirements"], rows)


@envs.command()
@click.option(
    "--unused-days", type=click.FloatRange(0), default=30.0, show_default=True, help="Keep what was used since."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
def gc(unused_days: float, dry_run: bool, as_json: bool) -> None:
    """Remove environments that nobody used for long, and what interrupted builds left.

    Environments that are being made or that a process runs in stay.
    """
    from millstream.environments import cache

    removed = cache.gc(unused_days, dry_run=dry_run)
    if as_json:
        print_json([asdict(entry) for entry in removed])
        return
    verb = "Would remove" if dry_run else "Removed"
    click.echo(
        "".join(f"{verb} {entry.key} ({_short(entry)}).\n" for entry in removed) or "Nothing to remove.\n", nl=False
    )


@envs.command()
@click.option("-m", "--model-uri", help="The model; without one, the folder of all environments is printed.")
@click.option(
    "--env-manager", type=click.Choice(["uv", "virtualenv", "conda"]), help="What makes it; uv if it is installed."
)
@json_option
def path(model_uri: str | None, env_manager: Manager | None, as_json: bool) -> None:
    """Print where the environments are, or that of a model (as `models serve` and `predict` make it).

    Exit status 1 if the model's environment has not been made yet: `millstream models prepare-env` makes it.
    """
    from millstream.environments import cache, environment_key

    if model_uri is None:
        print_json({"path": str(cache.cache_root())}) if as_json else click.echo(cache.cache_root())
        return
    with tempfile.TemporaryDirectory(prefix="millstream-envs-") as folder:
        spec = _spec_of(model_uri, Path(folder))
        key = environment_key(spec, env_manager, install_millstream=True)
    found = cache.cache_root() / key / "env"
    is_ready = cache.find(key) is not None
    print_json({"path": str(found), "ready": is_ready}) if as_json else click.echo(found)
    if not is_ready:
        click.echo("It has not been made yet: millstream models prepare-env makes it.", err=True)
        raise SystemExit(1)


def _spec_of(model_uri: str, folder: Path) -> EnvironmentSpec:
    """What a model asks for when it is served; of a remote one all is fetched, since its files may name others."""
    from millstream.artifacts import download_artifacts
    from millstream.environments import EnvironmentSpec
    from millstream.serving.surroundings import with_pandas

    local = Path(model_uri)
    root = local if local.is_dir() else Path(download_artifacts(artifact_uri=model_uri, dst_path=str(folder)))
    return with_pandas(EnvironmentSpec.read(root))


def _as_dict(entry: Entry) -> dict[str, object]:
    return {**asdict(entry), "size_bytes": entry.size_bytes(), "path": str(entry.folder / "env")}


def _megabytes(entry: Entry) -> int:
    return entry.size_bytes() >> 20


def _short(entry: Entry) -> str:
    text = ", ".join(entry.requirements)
    return text if len(text) <= 100 else text[:97] + "..."
