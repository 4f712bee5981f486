"""Running the server: one process, or several behind one socket.

    serve(host="127.0.0.1", port=5000, backend_store_uri="sqlite:///millstream.db")

Several workers share one database; `millstream.asgi.processes` keeps them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from millstream import settings
from millstream.asgi import processes, security
from millstream.asgi.log import to_stderr
from millstream.errors import InvalidValue

PROXIED_ROOT = "mlflow-artifacts:/"


class ServerConfig(Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know."""

    host: str
    port: int
    backend_store_uri: str
    default_artifact_root: str
    artifacts_destination: str
    serve_artifacts: bool
    artifacts_only: bool
    static_prefix: str
    allowed_hosts: Sequence[str]
    cors_allowed_origins: Sequence[str]
    x_frame_options: str | None
    disable_security: bool
    trusted_proxies: Sequence[str]
    log_level: str
    telemetry_folder: str | None = None
    registry_store_uri: str | None = None


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    workers: int = 1,
    backend_store_uri: str | None = None,
    default_artifact_root: str | None = None,
    artifacts_destination: str | None = None,
    serve_artifacts: bool = True,
    artifacts_only: bool = False,
    static_prefix: str = "",
    allowed_hosts: str | Sequence[str] | None = None,
    cors_allowed_origins: str | Sequence[str] | None = None,
    x_frame_options: str | None = "SAMEORIGIN",
    disable_security: bool = False,
    allow_remote_without_auth: bool | None = None,
    registry_store_uri: str | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is in work, drain the writer and return.

    Args:
        port: 0 takes a free one.
        allowed_hosts, cors_allowed_origins: lists, or text with commas.
        allow_remote_without_auth: listen beyond this machine although nobody has to log in; None asks the setting.
        registry_store_uri: database of the model registry; None is the backend store.
        on_ready: called with the server's address once it answers; None prints a line.
    Raises:
        InvalidValue: options that make no sense, or that would open the server to strangers without having been told to.
        StoreError: the database cannot be opened.
    """
    if allow_remote_without_auth is None:
        allow_remote_without_auth = settings.ALLOW_REMOTE_WITHOUT_AUTH.get()
    if not security.is_loopback(host) and not allow_remote_without_auth:
        raise InvalidValue(
            f"Listening on {host} would let everybody on the network read and change everything: this server has no "
            "authentication yet. Pass --allow-remote-without-auth (or set MILLSTREAM_ALLOW_REMOTE_WITHOUT_AUTH=true) if a "
            "firewall or a proxy that authenticates stands before it."
        )
    sock = processes.listen(host, port)
    config = ServerConfig(
        host=host,
        port=sock.getsockname()[1],
        backend_store_uri=backend_store_uri or settings.DEFAULT_STORE_URI,
        default_artifact_root=default_artifact_root or (PROXIED_ROOT if serve_artifacts else "./mlruns"),
        artifacts_destination=artifacts_destination or settings.ARTIFACTS_DESTINATION.get(),
        serve_artifacts=serve_artifacts,
        artifacts_only=artifacts_only,
        static_prefix=static_prefix,
        allowed_hosts=security.names_of(allowed_hosts),
        cors_allowed_origins=security.names_of(cors_allowed_origins),
        x_frame_options=x_frame_options,
        disable_security=disable_security,
        trusted_proxies=security.names_of(settings.TRUSTED_PROXIES.get()),
        registry_store_uri=registry_store_uri,
        log_level=settings.LOGGING_LEVEL.get(),
    )
    to_stderr(config.log_level)
    address = processes.address_of(config.host, config.port, config.static_prefix)

    def ready() -> None:
        if on_ready is not None:
            on_ready(address)
        else:
            print(f"Millstream is ready at {address}", flush=True)

    processes.serve("millstream.server.run", _run, config, sock, workers, ready)


def build_app(config: ServerConfig) -> Any:
    """The application that a config describes, over an opened store."""
    from millstream.asgi.telemetry import Telemetry
    from millstream.server.app import COUNTERS, Options, create_app
    from millstream.server.artifact_store import ServerArtifacts

    store: Any
    if config.artifacts_only:
        from millstream.server.no_tracking import NoTracking

        store = NoTracking()
    else:
        from millstream.store.tracking import open_store

        store = open_store(config.backend_store_uri, config.default_artifact_root, config.registry_store_uri)
    artifacts = ServerArtifacts(
        store,
        config.artifacts_destination,
        config.serve_artifacts,
        config.default_artifact_root,
        registry=None if config.artifacts_only else store.registry.for_strangers(),
    )
    folder = Path(config.telemetry_folder) if config.telemetry_folder else None
    options = Options(
        static_prefix=config.static_prefix,
        allowed_hosts=[*config.allowed_hosts, *([] if config.host in processes.WILDCARDS else [config.host])],
        cors_allowed_origins=config.cors_allowed_origins,
        x_frame_options=config.x_frame_options,
        disable_security=config.disable_security,
        trusted_proxies=config.trusted_proxies,
        artifacts_only=config.artifacts_only,
        telemetry=Telemetry(folder, COUNTERS),
    )
    return create_app(store, artifacts, options)


def _run(config: ServerConfig, sock: socket.socket, ready: Callable[[], None], lifeline: int | None = None) -> None:
    address = processes.address_of(config.host, config.port, config.static_prefix)
    processes.run(processes.make_server(build_app(config), ready, lifeline), sock, address=address)


if __name__ == "__main__":
    processes.run_worker(ServerConfig, _run, lambda config: config.log_level)
