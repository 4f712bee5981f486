"""`millstream server`: options and variables as MLflow names them."""

from __future__ import annotations

import click

from millstream import settings
from millstream.cli.options import admission, listening


@click.command()
@click.option(
    "--backend-store-uri",
    envvar=settings.BACKEND_STORE_URI.variables,
    metavar="URI",
    help="Database to keep everything in; a SQLite file in this folder if not given.",
)
@click.option(
    "--registry-store-uri",
    envvar=settings.REGISTRY_STORE_URI.variables,
    metavar="URI",
    help="Database of the model registry; the backend store if not given.",
)
@click.option(
    "--default-artifact-root",
    envvar=settings.DEFAULT_ARTIFACT_ROOT.variables,
    metavar="URI",
    help="Artifact root of new experiments; the server's own proxy if not given.",
)
@click.option(
    "--serve-artifacts/--no-serve-artifacts",
    envvar=settings.SERVE_ARTIFACTS.variables,
    default=True,
    show_default=True,
    help="Move artifacts through this server.",
)
@click.option(
    "--artifacts-only",
    envvar=settings.ARTIFACTS_ONLY.variables,
    is_flag=True,
    help="Offer nothing but the artifact proxy.",
)
@click.option(
    "--artifacts-destination",
    envvar=settings.ARTIFACTS_DESTINATION.variables,
    default="./mlartifacts",
    show_default=True,
    metavar="URI",
    help="Where the proxy stores artifacts.",
)
@listening(settings.WORKERS, "Server processes; one serves thousands of requests a second.")
@click.option(
    "--static-prefix",
    envvar=settings.STATIC_PREFIX.variables,
    default="",
    metavar="PATH",
    help="Path under which a reverse proxy shows this server.",
)
@admission
@click.option(
    "--x-frame-options",
    envvar=settings.SERVER_X_FRAME_OPTIONS.variables,
    default="SAMEORIGIN",
    show_default=True,
    type=click.Choice(["SAMEORIGIN", "DENY", "NONE"], case_sensitive=False),
    help="Who may show these pages in a frame.",
)
@click.option(
    "--allow-remote-without-auth",
    envvar=settings.ALLOW_REMOTE_WITHOUT_AUTH.variables,
    is_flag=True,
    help="Listen beyond this machine although there is no authentication.",
)
@click.option(
    "--expose-prometheus",
    envvar=settings.EXPOSE_PROMETHEUS.variables,
    metavar="DIR",
    help="Accepted for compatibility: /metrics is always there.",
)
@click.option("--gunicorn-opts", "ignored_gunicorn", envvar="MLFLOW_GUNICORN_OPTS", hidden=True)
@click.option("--waitress-opts", "ignored_waitress", hidden=True)
@click.option("--uvicorn-opts", "ignored_uvicorn", envvar="MLFLOW_UVICORN_OPTS", hidden=True)
@click.option("--app-name", "ignored_app", hidden=True)
@click.option("--auth-config", envvar="MLFLOW_AUTH_CONFIG_PATH", hidden=True)
@click.option("--dev", is_flag=True, hidden=True)
def server(
    *,
    backend_store_uri: str | None,
    registry_store_uri: str | None,
    default_artifact_root: str | None,
    serve_artifacts: bool,
    artifacts_only: bool,
    artifacts_destination: str,
    host: str,
    port: int,
    workers: int,
    static_prefix: str,
    allowed_hosts: str | None,
    cors_allowed_origins: str | None,
    x_frame_options: str,
    disable_security_middleware: bool,
    allow_remote_without_auth: bool,
    expose_prometheus: str | None,
    ignored_gunicorn: str | None,
    ignored_waitress: str | None,
    ignored_uvicorn: str | None,
    ignored_app: str | None,
    auth_config: str | None,
    dev: bool,
) -> None:
    """Serve tracking data, artifacts and the web page."""
    from millstream.server.run import serve

    if (ignored_app or auth_config) and not allow_remote_without_auth:
        raise click.UsageError(
            f"{'--app-name' if ignored_app else 'MLFLOW_AUTH_CONFIG_PATH'} asks for another application, such as one with "
            "passwords, which this server does not have. Put a proxy that asks for them in front of it, and take the option "
            "away, or give --allow-remote-without-auth to serve everybody who can reach it."
        )
    for option, value in (
        ("--gunicorn-opts", ignored_gunicorn),
        ("--waitress-opts", ignored_waitress),
        ("--uvicorn-opts", ignored_uvicorn),
        ("--dev", dev),
    ):
        if value:
            click.echo(
                f"{option} has no meaning here and is ignored: this server needs no tuning of that kind.", err=True
            )
    serve(
        host=host,
        port=port,
        workers=workers,
        backend_store_uri=backend_store_uri,
        default_artifact_root=default_artifact_root,
        artifacts_destination=artifacts_destination,
        serve_artifacts=serve_artifacts,
        artifacts_only=artifacts_only,
        static_prefix=static_prefix,
        allowed_hosts=allowed_hosts,
        cors_allowed_origins=cors_allowed_origins,
        x_frame_options=x_frame_options,
        disable_security=disable_security_middleware,
        allow_remote_without_auth=allow_remote_without_auth,
        registry_store_uri=registry_store_uri,
    )
