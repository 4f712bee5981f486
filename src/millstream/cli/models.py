"""`millstream models`: serve a model, predict with it, make its environment or an image of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import click

from millstream import settings
from millstream.cli.options import admission, listening, several
from millstream.cli.output import json_option, print_json

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def models() -> None:
    """Serve models and predict with them."""


_MODEL = click.option(
    "-m", "--model-uri", required=True, metavar="URI", help="The model: a folder, models:/..., runs:/..."
)
_TRUST = click.option(
    "--trust/--no-trust", default=None, help="Let code that came with the model run (pickles, scripts, code/)."
)
_ENVIRONMENT = several(
    click.option(
        "--env-manager",
        type=click.Choice(["local", "uv", "virtualenv", "conda"]),
        help="Make the model's environment again with this; local is the running one. Default: uv, or virtualenv without uv.",
    ),
    click.option("--no-conda", is_flag=True, hidden=True, help="Old name of --env-manager local."),
    click.option(
        "--install-mlflow", is_flag=True, help="Accepted for compatibility: Millstream is always installed beside."
    ),
)


def _manager(env_manager: str | None, no_conda: bool) -> str | None:
    if no_conda:
        click.echo("--no-conda is deprecated: it is --env-manager local.", err=True)
        return "local"
    return env_manager


@models.command()
@_MODEL
@listening(settings.MODELS_WORKERS, "Processes, each with the model.")
@click.option(
    "-t",
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    envvar=settings.SCORING_SERVER_REQUEST_TIMEOUT.variables,
    default=60.0,
    show_default=True,
    help="Seconds that the model may take for a request.",
)
@_ENVIRONMENT
@click.option(
    "--follow",
    type=click.FloatRange(0, min_open=True),
    is_flag=False,
    flag_value=10.0,
    metavar="SECONDS",
    help="Look that often (10 if no number is given) for another version behind a stage or alias, and serve that.",
)
@click.option("--batching/--no-batching", default=None, help="Predict requests together that wait for the model.")
@click.option("--max-batch-rows", type=click.IntRange(2), help="Most rows of such a batch.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Predictions at once in one process.")
@click.option("--max-waiting", type=click.IntRange(0), help="Requests that may wait; more are answered 429.")
@click.option("--max-body-bytes", type=click.IntRange(1), help="Largest body.")
@click.option("--bare-tokens/--strict-json", default=None, help="Write NaN as MLflow does, or as null.")
@admission
@_TRUST
@click.option("--enable-mlserver", is_flag=True, hidden=True)
def serve(
    *,
    model_uri: str,
    port: int,
    host: str,
    timeout: float,
    workers: int,
    env_manager: str | None,
    no_conda: bool,
    install_mlflow: bool,
    follow: float | None,
    batching: bool | None,
    max_batch_rows: int | None,
    threads: int | None,
    max_waiting: int | None,
    max_body_bytes: int | None,
    bare_tokens: bool | None,
    allowed_hosts: str | None,
    cors_allowed_origins: str | None,
    disable_security_middleware: bool,
    trust: bool | None,
    enable_mlserver: bool,
) -> None:  # fmt: skip
    """Answer requests at /invocations until stopped."""
    from millstream.serving import run, surroundings

    if enable_mlserver:
        click.echo("--enable-mlserver has no meaning here and is ignored: the server needs no other one.", err=True)
    manager = _manager(env_manager, no_conda)
    if not surroundings.is_local(manager):
        surroundings.become(surroundings.prepare_env(model_uri, manager), "millstream.cli.main", *sys.argv[1:])
    run.serve(
        model_uri,
        host=host,
        port=port,
        workers=workers,
        timeout_s=timeout,
        threads=threads,
        max_waiting=max_waiting,
        max_body_bytes=max_body_bytes,
        batching=batching,
        max_batch_rows=max_batch_rows,
        bare_tokens=bare_tokens,
        follow_s=follow,
        trust=trust,
        allowed_hosts=allowed_hosts,
        cors_allowed_origins=cors_allowed_origins,
        disable_security=disable_security_middleware,
    )


@models.command()
@_MODEL
@click.option("-i", "--input-path", metavar="FILE", help="A file with a request; standard input if not given.")
@click.option("-o", "--output-path", metavar="FILE", help="Where to write the answer; standard output if not given.")
@click.option(
    "-t",
    "--content-type",
    type=click.Choice(["json", "csv", "parquet", "arrow"]),
    default="json",
    show_default=True,
    help="Of the input.",
)
@_ENVIRONMENT
@click.option(
    "-r", "--pip-requirements-override", metavar="LINES", help="Requirements in place of the model's own, by comma."
)
@click.option(
    "--env", "env", multiple=True, metavar="NAME=VALUE", help="Environment variable for the process that predicts."
)
@click.option("--bare-tokens/--strict-json", default=False, help="Write NaN as MLflow does, or as null.")
@_TRUST
def predict(
    *,
    model_uri: str,
    input_path: str | None,
    output_path: str | None,
    content_type: str,
    env_manager: str | None,
    no_conda: bool,
    install_mlflow: bool,
    pip_requirements_override: str | None,
    env: Sequence[str],
    bare_tokens: bool,
    trust: bool | None,
) -> None:
    """Predict once, and print what the server would answer."""
    from millstream.serving import prediction, surroundings

    overrides = [line.strip() for line in (pip_requirements_override or "").split(",") if line.strip()]
    prediction.predict(
        model_uri,
        input_path=input_path,
        content_type=content_type,
        output_path=output_path,
        env_manager=_manager(env_manager, no_conda),
        install_mlflow=install_mlflow,
        pip_requirements_override=overrides,
        extra_envs=surroundings.variables(env),
        trust=trust,
        bare_tokens=bare_tokens,
    )


@models.command("prepare-env")
@_MODEL
@_ENVIRONMENT
@json_option
def prepare_env(
    *, model_uri: str, env_manager: str | None, no_conda: bool, install_mlflow: bool, as_json: bool
) -> None:
    """Make the model's environment, so that serving finds it ready."""
    from millstream.serving import surroundings

    environment = surroundings.prepare_env(model_uri, _manager(env_manager, no_conda))
    if as_json:
        facts = {"python": str(environment.python), "manager": environment.manager, "key": environment.key}
        print_json({**facts, "was_cached": environment.was_cached})
    else:
        click.echo(str(environment.python))


_IMAGE = several(
    click.option("-m", "--model-uri", metavar="URI", help="The model; without one it is mounted on /opt/ml/model."),
    _ENVIRONMENT,
    click.option("--mlflow-home", hidden=True),
    click.option(
        "--install-java/--no-install-java", default=None, help="Install Java; by default where a flavor needs it."
    ),
    click.option("--base-image", metavar="IMAGE", help="In place of python:<version of the model>-slim."),
    click.option("--trust", is_flag=True, help="Let code that came with the model run in the image."),
    click.option("--enable-mlserver", is_flag=True, hidden=True),
)


@models.command("build-docker")
@click.option("-n", "--name", default="mlflow-pyfunc-servable", show_default=True, help="Name of the image.")
@_IMAGE
def build_docker(*, name: str, **options: Any) -> None:
    """Build an image that serves the model."""
    from millstream.serving import images

    images.build_docker(name=name, **_imageseveral(options))


@models.command("generate-dockerfile")
@click.option("-d", "--output-directory", default="mlflow-dockerfile", show_default=True, help="Folder to write to.")
@_IMAGE
def generate_dockerfile(*, output_directory: str, **options: Any) -> None:
    """Write a Dockerfile and all that it copies."""
    from millstream.serving import images

    click.echo(str(images.generate_dockerfile(output_directory=output_directory, **_imageseveral(options))))


def _imageseveral(options: dict[str, Any]) -> dict[str, Any]:
    if options.pop("enable_mlserver"):
        click.echo("--enable-mlserver has no meaning here and is ignored: the server needs no other one.", err=True)
    manager = _manager(options.pop("env_manager"), options.pop("no_conda"))
    return {**options, "env_manager": manager}


@models.command("update-pip-requirements")
@_MODEL
@click.argument("operation", type=click.Choice(["add", "remove"]))
@click.argument("requirement_strings", nargs=-1, required=True, metavar="REQUIREMENT...")
def update_pip_requirements(
    model_uri: str, operation: Literal["add", "remove"], requirement_strings: Sequence[str]
) -> None:
    """Change the requirements in a model's files."""
    from millstream.environments import update_model_requirements

    update_model_requirements(model_uri, operation, list(requirement_strings))
    click.echo(json.dumps({"model_uri": model_uri, operation: list(requirement_strings)}))
