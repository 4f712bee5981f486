"""What the server says of itself, and what it does in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from millstream.asgi.body import Receive, Send
from millstream.asgi.log import log
from millstream.entities import ViewType
from millstream.errors import MillstreamError, Unavailable
from millstream.server import openapi
from millstream.server.call import Answer, Call
from millstream.server.routes import Route
from millstream.server.security import PUBLIC, BodyKind, Policy
from millstream.version import MLFLOW_API_VERSION

if TYPE_CHECKING:
    from millstream.server.app import Application
    from millstream.webhooks.dispatcher import Dispatcher

READY_TIMEOUT_S = 5.0
FOLD_INTERVAL_S = 1.0
FOLD_BATCH = 64
SHARE_INTERVAL_S = 2.0

_TEXT = b"text/plain; charset=utf-8"
_INTERNAL = Policy("any", BodyKind.NONE, 0, False)


def routes(app: Application) -> list[Route]:
    """The routes that are not in the endpoint table."""

    async def health(call: Call) -> Answer:
        return Answer(b"OK", _TEXT)

    async def version(call: Call) -> Answer:
        return Answer(MLFLOW_API_VERSION.encode(), _TEXT)

    async def ready(call: Call) -> Answer:
        await check_ready(app)
        return Answer(b'{"status":"ready"}')

    async def metrics(call: Call) -> Answer:
        return Answer(app.telemetry.text(), b"text/plain; version=0.0.4; charset=utf-8")

    async def document(call: Call) -> Answer:
        return Answer(openapi.document())

    async def gateway(call: Call) -> Answer:
        return Answer(b'{"endpoints":[]}')

    return [
        Route("service.health", "GET", "/health", health, PUBLIC),
        Route("service.version_text", "GET", "/version", version, PUBLIC),
        Route("service.ready", "GET", "/ready", ready, PUBLIC),
        Route("service.metrics", "GET", "/metrics", metrics, _INTERNAL),
        Route("service.openapi", "GET", "/openapi.json", document, _INTERNAL),
        Route("service.gateway_proxy", "GET", "/ajax-api/2.0/mlflow/gateway-proxy", gateway, _INTERNAL),
    ]


async def check_ready(app: Application) -> None:
    """Ask the database something.

    Raises:
        Unavailable: it does not answer.
    """
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await app.in_thread(lambda: app.store.search_experiments("", [], 1, "", ViewType.ALL))
    except TimeoutError:
        raise Unavailable("The database does not answer. Look at the server's log.") from None
    except MillstreamError as error:
        raise Unavailable(f"The database does not answer: {error.message}") from error


# ---------------------------------------------------------------- background


async def lifespan(app: Application, receive: Receive, send: Send) -> None:
    """Start the writer and the background tasks; at the end stop them and drain the writer."""
    tasks: list[asyncio.Task[None]] = []
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                tasks = start(app)
            except Exception as error:
                log(logging.ERROR, "the server cannot start", error)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await stop(app, tasks)
            await send({"type": "lifespan.shutdown.complete"})
            return


def start(app: Application) -> list[asyncio.Task[None]]:
    for db in app.store.databases:
        db.start_writer_thread()
    app.telemetry.gauges = _gauges(app)
    background = []
    if not app.options.artifacts_only:
        background.append(_repeat("fold", FOLD_INTERVAL_S, lambda: _fold(app)))
        app.dispatcher = _dispatcher(app)
        app.dispatcher.start()
    if app.telemetry.is_shared:
        background.append(_repeat("share", SHARE_INTERVAL_S, lambda: _share(app)))
    return [asyncio.create_task(task) for task in background]


async def stop(app: Application, tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if app.dispatcher is not None:
        await asyncio.to_thread(app.dispatcher.stop)
    for db in app.store.databases:
        await asyncio.to_thread(db.close)
    for threads in (app.reads, app.artifact_reads, app.calls_out):
        threads.pool.shutdown(wait=False, cancel_futures=True)


def _dispatcher(app: Application) -> Dispatcher:
    """What delivers to webhooks, in threads of its own."""
    from millstream.store.outbox import SqlOutbox
    from millstream.webhooks.dispatcher import Dispatcher

    return Dispatcher(SqlOutbox(app.store.webhooks.db), lambda message, error: log(logging.ERROR, message, error))


def _gauges(app: Application) -> list[tuple[str, str, Callable[[], float]]]:
    writers = [db.writer for db in app.store.databases]
    return [
        ("millstream_active_requests", "Requests in work.", lambda: app.active),
        (
            "millstream_writer_queue",
            "Writes that wait for their transaction.",
            lambda: sum(each.queued for each in writers),
        ),
    ]


async def _repeat(name: str, interval_s: float, work: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Do `work` for ever: again at once while it says there is more, else after a pause. An error is logged, then a longer pause."""
    while True:
        pause = interval_s
        try:
            if await work():
                pause = 0.01
        except Exception as error:
            log(logging.ERROR, f"background task {name} failed", error)
            pause = 30 * interval_s
        await asyncio.sleep(pause)


async def _fold(app: Application) -> bool:
    """Fold series that have gathered enough small appends."""
    from millstream.store.series import fold_pending

    return await asyncio.to_thread(fold_pending, app.store.db, FOLD_BATCH) >= FOLD_BATCH


async def _share(app: Application) -> bool:
    await asyncio.to_thread(app.telemetry.share)
    return False
