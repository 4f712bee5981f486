"""Running a scoring server: one process, or several behind one socket, each with the model.

serve("models:/churn/Production", port=5001, follow_s=10)
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from millstream import settings
from millstream.asgi import processes, security
from millstream.asgi.log import to_stderr
from millstream.errors import InvalidValue, MillstreamError

if TYPE_CHECKING:
    from millstream.serving.app import Options
    from millstream.serving.scorer import Model


class ServingConfig(Struct, frozen=True, kw_only=True):
    """Everything a worker needs to know."""

    model_uri: str
    host: str
    port: int
    timeout_s: float
    threads: int
    max_waiting: int
    max_body_bytes: int
    batching: bool
    max_batch_rows: int
    bare_tokens: bool
    follow_s: float | None
    trust: bool | None
    allowed_hosts: Sequence[str]
    cors_allowed_origins: Sequence[str]
    disable_security: bool
    trusted_proxies: Sequence[str]
    log_level: str
    telemetry_folder: str | None = None


def serve(
    model_uri: str,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    workers: int = 1,
    timeout_s: float | None = None,
    threads: int | None = None,
    max_waiting: int | None = None,
    max_body_bytes: int | None = None,
    batching: bool | None = None,
    max_batch_rows: int | None = None,
    bare_tokens: bool | None = None,
    follow_s: float | None = None,
    trust: bool | None = None,
    allowed_hosts: str | Sequence[str] | None = None,
    cors_allowed_origins: str | Sequence[str] | None = None,
    disable_security: bool | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a model until SIGTERM or SIGINT, then answer what is in work and return.

    What is None is asked of its setting; see docs/settings.md for the meaning of each.

    Args:
        model_uri: what `load_model` takes.
        port: 0 takes a free one.
        follow_s: seconds between two looks for another version behind the URI; None does not look.
        trust: whether code that came with the model may run.
        allowed_hosts: host names that are answered to. A server on loopback answers to loopback and private addresses besides,
            so that no web page can reach it under a name of its own; any other one answers to all if none is given.
        on_ready: called with the server's address once it answers; None prints a line.
    Raises:
        InvalidValue: options that make no sense, or the address cannot be listened on.
        MillstreamError: the model cannot be loaded.
    """
    _check_positive(workers=workers, timeout_s=timeout_s, threads=threads, max_body_bytes=max_body_bytes)
    sock = processes.listen(host, port)
    config = ServingConfig(
        model_uri=model_uri,
        host=host,
        port=sock.getsockname()[1],
        timeout_s=_or(timeout_s, settings.SCORING_SERVER_REQUEST_TIMEOUT),
        threads=_or(threads, settings.SCORING_THREADS),
        max_waiting=_or(max_waiting, settings.SCORING_MAX_WAITING),
        max_body_bytes=_or(max_body_bytes, settings.SCORING_MAX_BODY_BYTES),
        batching=_or(batching, settings.SCORING_BATCHING),
        max_batch_rows=_or(max_batch_rows, settings.SCORING_MAX_BATCH_ROWS),
        bare_tokens=_or(bare_tokens, settings.SCORING_BARE_TOKENS),
        follow_s=follow_s,
        trust=trust,
        allowed_hosts=security.names_of(_or(allowed_hosts, settings.SERVER_ALLOWED_HOSTS)),
        cors_allowed_origins=security.names_of(_or(cors_allowed_origins, settings.SERVER_CORS_ALLOWED_ORIGINS)),
        disable_security=_or(disable_security, settings.SERVER_DISABLE_SECURITY_MIDDLEWARE),
        trusted_proxies=security.names_of(settings.TRUSTED_PROXIES.get()),
        log_level=settings.LOGGING_LEVEL.get(),
    )
    to_stderr(config.log_level)
    share_processors(config.threads * workers)
    address = processes.address_of(host, config.port)

    def ready() -> None:
        if on_ready is not None:
            on_ready(address)
        else:
            print(f"The model is served at {address}/invocations", flush=True)

    processes.serve("millstream.serving.run", _run, config, sock, workers, ready)


@contextlib.contextmanager
def background(
    model: str | Model,
    options: Options | None = None,
    *,
    port: int = 0,
    trust: bool | None = None,
    follow_s: float | None = None,
) -> Iterator[str]:
    """Serve a model on loopback from a thread of this process while the block runs; gives the address. Arguments as of `create_app`.

    Raises:
        InvalidValue: the port is taken. MillstreamError: the model cannot be loaded.
    """
    from millstream.serving.app import create_app

    application = create_app(model, options, trust=trust, follow_s=follow_s)
    ready = threading.Event()
    with contextlib.closing(processes.listen("127.0.0.1", port)) as sock:
        server = processes.make_server(application, ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="scoring-server", daemon=True)
        thread.start()
        try:
            while not ready.wait(0.05):
                if not thread.is_alive():
                    raise MillstreamError("The scoring server could not start. Its log says why.")
            yield processes.address_of("127.0.0.1", sock.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


def share_processors(predictions: int) -> None:
    """Let each of so many predictions at once have its share of the processors, unless the environment says otherwise.

    Numerical libraries start a thread for each processor, each time; several predictions at once then hinder each other (XGBoost,
    1,000 rows, 4 threads on 2 busy processors: 40 to 56 requests/s, 2026-11). Counts for libraries that are imported later.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = str(max(1, processors // predictions))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, share)


def _or(given: Any, setting: settings.Setting[Any]) -> Any:
    return setting.get() if given is None else given


def _check_positive(**given: float | None) -> None:
    for name, value in given.items():
        if value is not None and value <= 0:
            raise InvalidValue(f"{name} is {value}; it must be above 0.")


def build_app(config: ServingConfig) -> Any:
    """The application that a config describes, with the model loaded."""
    from millstream.asgi.telemetry import Telemetry
    from millstream.serving import app, scorer

    hosts = [*config.allowed_hosts, *([] if config.host in processes.WILDCARDS else [config.host])]
    if not config.allowed_hosts and not security.is_loopback(config.host):
        hosts = ["*"]  # in a container or a cluster nobody knows under which names it is reached
    folder = Path(config.telemetry_folder) if config.telemetry_folder else None
    options = app.Options(
        timeout_s=config.timeout_s,
        threads=config.threads,
        max_waiting=config.max_waiting,
        max_body_bytes=config.max_body_bytes,
        batching=config.batching,
        max_batch_rows=config.max_batch_rows,
        allowed_hosts=hosts,
        cors_allowed_origins=config.cors_allowed_origins,
        disable_security=config.disable_security,
        trusted_proxies=config.trusted_proxies,
        scoring=scorer.Options(bare_tokens=config.bare_tokens),
        telemetry=Telemetry(folder, app.COUNTERS),
    )
    return app.create_app(config.model_uri, options, trust=config.trust, follow_s=config.follow_s)


def _run(config: ServingConfig, sock: socket.socket, ready: Callable[[], None], lifeline: int | None = None) -> None:
    server = processes.make_server(build_app(config), ready, lifeline)
    processes.run(server, sock, address=processes.address_of(config.host, config.port), model=config.model_uri)


if __name__ == "__main__":
    processes.run_worker(ServingConfig, _run, lambda config: config.log_level)
