"""`millstream artifacts ...`"""

from __future__ import annotations

import click

from millstream.cli.experiments import open_client
from millstream.cli.output import json_option, print_json

_run_option = click.option("-r", "--run-id", required=True, help="The run.")
_path_option = click.option("-a", "--artifact-path", help="Folder below the run's artifacts.")


@click.group()
def artifacts() -> None:
    """Upload, list and download artifacts."""


@artifacts.command()
@click.option("-l", "--local-file", required=True, type=click.Path(exists=True, dir_okay=False))
@_run_option
@_path_option
@json_option
def log_artifact(local_file: str, run_id: str, artifact_path: str | None, as_json: bool) -> None:
    """Upload a file."""
    open_client().log_artifact(run_id, local_file, artifact_path)
    _logged(as_json, run_id, local_file, artifact_path)


@artifacts.command()
@click.option("-l", "--local-dir", required=True, type=click.Path(exists=True, file_okay=False))
@_run_option
@_path_option
@json_option
def log_artifacts(local_dir: str, run_id: str, artifact_path: str | None, as_json: bool) -> None:
    """Upload the contents of a folder."""
    open_client().log_artifacts(run_id, local_dir, artifact_path)
    _logged(as_json, run_id, local_dir, artifact_path)


@artifacts.command(name="list")
@_run_option
@_path_option
@json_option
def list_artifacts(run_id: str, artifact_path: str | None, as_json: bool) -> None:
    """List a folder of artifacts, as JSON."""
    files = open_client().list_artifacts(run_id, artifact_path)
    print_json([{"path": f.path, "is_dir": f.is_dir, "file_size": f.file_size} for f in files])


@artifacts.command()
@click.option("-r", "--run-id", help="The run; not with --artifact-uri.")
@_path_option
@click.option("-u", "--artifact-uri", help="The artifact itself, such as runs:/<run id>/<path>.")
@click.option("-d", "--dst-path", type=click.Path(), help="Where to put it; a new temporary folder if not given.")
@json_option
def download(
    run_id: str | None, artifact_path: str | None, artifact_uri: str | None, dst_path: str | None, as_json: bool
) -> None:
    """Download a file or folder and print where it is."""
    from millstream.artifacts import download_artifacts

    if (run_id is None) == (artifact_uri is None):
        raise click.UsageError("Give exactly one of --run-id and --artifact-uri.")
    if artifact_uri is not None:
        path = download_artifacts(artifact_uri=artifact_uri, dst_path=dst_path)
    else:
        path = download_artifacts(run_id=run_id, artifact_path=artifact_path or "", dst_path=dst_path)
    if as_json:
        print_json({"local_path": str(path)})
    else:
        click.echo(path)


def _logged(as_json: bool, run_id: str, local: str, artifact_path: str | None) -> None:
    if as_json:
        print_json({"run_id": run_id, "local_path": local, "artifact_path": artifact_path})
    else:
        click.echo(f"Logged artifact from local path {local} to artifact_path={artifact_path}")
