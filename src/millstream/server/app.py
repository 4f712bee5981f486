"""The server as an ASGI application.

    application = create_app(store, artifacts, Options(allowed_hosts=["tracking.example.org"]))

A call passes the checks of `security`, finds its route, and is answered: writes in the writer's thread (many share one
transaction), reads in a pool of threads, raw bytes by `streams`. Every error becomes JSON here, in one place. It is bare
ASGI: a framework's layers would cost more than the rest of a small request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, field

from millstream.api import ENDPOINTS, Empty, wire
from millstream.api.endpoint import PROXY, Endpoint, Stream
from millstream.api.runs import LogBatch
from millstream.api.stores import ArtifactStore, RegistryStore, Trash, WebhookStore
from millstream.artifacts.storage_errors import RemoteFailed, RemoteRefused
from millstream.asgi import security
from millstream.asgi.body import ClientGone, Receive, Scope, Send
from millstream.asgi.log import log, logger
from millstream.asgi.security import Headers
from millstream.asgi.telemetry import Telemetry
from millstream.errors import (
    InvalidValue,
    MethodNotAllowed,
    MillstreamError,
    Overloaded,
    PermissionDenied,
    Unavailable,
)
from millstream.server.call import Answer, Call
from millstream.server.no_tracking import TrackingNotOffered
from millstream.server.routes import Route, Router, policy_of
from millstream.server.security import check_content_type
from millstream.server.trash import ServerTrash

if TYPE_CHECKING:
    from millstream.webhooks.dispatcher import Dispatcher

T = TypeVar("T")

MAX_ACTIVE = 4096
"""Requests in work at once; more are told to come back."""

MAX_WAITING_READS = 512
"""Reads that wait for a thread; more are told to come back."""

READ_THREADS = 8
SLOW_S = 2.0
COUNTERS = {
    "millstream_points_written_total": "Points of metrics that were acknowledged.",
    "millstream_writes_total": "Requests that went through the writer.",
    "millstream_write_groups_total": "Transactions that those shared.",
}
_RETRY_AFTER: Headers = [(b"retry-after", b"1")]
_EMPTY = b"{}"
_ALWAYS_ANSWERED = frozenset({b"/health", b"/ready", b"/metrics"})


class Options(Struct, frozen=True, kw_only=True):
    """How the application behaves, as the operator chose. See `settings` for the meaning of each."""

    static_prefix: str = ""
    allowed_hosts: Sequence[str] = ()
    cors_allowed_origins: Sequence[str] = ()
    x_frame_options: str | None = "SAMEORIGIN"
    disable_security: bool = False
    trusted_proxies: Sequence[str] = ()
    artifacts_only: bool = False
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(counters=COUNTERS))


def create_app(store: Any, artifacts: ArtifactStore, options: Options | None = None) -> Application:
    """The application over a store whose `db` is its database (with `submit_async`) and over a store of artifacts.

    Raises:
        RuntimeError: a route has no policy.
        InvalidValue: an option makes no sense.
    """
    return Application(store, artifacts, options or Options())


class Application:
    """An ASGI application; also an async context manager of what runs in the background."""

    def __init__(self, store: Any, artifacts: ArtifactStore, options: Options) -> None:
        from millstream.server.live import Changes

        self.store = store
        self.artifacts = artifacts
        self.options = options
        self.telemetry = options.telemetry
        self.active = 0
        self.reads = Threads("reads")
        self.artifact_reads = Threads("artifact-reads")
        self.calls_out = Threads("calls-out")
        self.dispatcher: Dispatcher | None = None
        self.changes = Changes()
        self.is_stopping = False
        self._is_in_group = False
        self._prefix = _prefix(options.static_prefix)
        self._hosts = security.HostRules(options.allowed_hosts)
        self._origins = security.OriginRules(options.cors_allowed_origins)
        self._proxies = security.ProxyRules(options.trusted_proxies)
        self._common = security.common_headers(options.x_frame_options)
        self._plain: Headers = [(b"content-type", b"application/json"), *self._common, (b"cache-control", b"no-store")]
        self._request_ids = count(1)
        self._process = f"{time.time_ns() // 1000 % 36**6:x}"
        self.router = Router([*self._endpoint_routes(), *self._own_routes()])

    def _own_routes(self) -> list[Route]:
        from millstream.server import live, pages, service, ui_files

        return [
            *service.routes(self),
            *live.routes(self),
            *ui_files.routes(self),
            *pages.routes(self),
        ]

    # ------------------------------------------------------------ routes of the endpoint table

    def _endpoint_routes(self) -> list[Route]:
        routes: list[Route] = []
        for endpoint in ENDPOINTS.values():
            target = self._target(endpoint)
            for path in endpoint.paths:
                routes.extend(
                    Route(endpoint.name, verb, path, target, policy_of(endpoint, verb), endpoint)
                    for verb in endpoint.verbs
                )
        return routes

    def _target(self, endpoint: Endpoint[Any, Any]) -> Callable[[Call], Any]:
        if self.options.artifacts_only and endpoint.store not in (ArtifactStore, Any):
            return _refuse_tracking
        store = self._store_for(endpoint.store)
        if endpoint.stream is not None:
            return _stream_target(self, endpoint, store)
        return _write_target(self, endpoint, store) if endpoint.is_write else _read_target(self, endpoint, store)

    def _store_for(self, wanted: Any) -> Any:
        if wanted is ArtifactStore:
            return self.artifacts
        if wanted is RegistryStore:
            return self.store.registry.for_strangers()
        if wanted is Trash:
            return ServerTrash(self.store.db, self.artifacts)
        return self.store.webhooks if wanted is WebhookStore else self.store

    # ------------------------------------------------------------ ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            from millstream.server.service import lifespan

            await lifespan(self, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        self.active += 1
        request_id = f"{self._process}-{next(self._request_ids)}"
        call: Call | None = None
        status = 499
        try:
            peer = security.read_headers(scope["headers"])
            call = Call(scope, receive, send, peer, request_id)
            answer = await self._answer(call)
            status = await self._send(call, answer)
        except ClientGone:
            pass
        except Exception as error:
            status = await self._send_error(scope, send, call, request_id, error)
        finally:
            self.active -= 1
            seconds = time.perf_counter() - began
            route = call.bound.name if call is not None and call.bound is not None else "-"
            verb = scope["method"] if scope["method"] in _VERBS else "-"
            self.telemetry.request_done(route, verb, status, seconds)
            if seconds > SLOW_S or logger.isEnabledFor(logging.DEBUG):
                level = logging.INFO if seconds > SLOW_S and route not in _LONG_RUNNING else logging.DEBUG
                log(
                    level,
                    "request",
                    request_id=request_id,
                    route=route,
                    verb=verb,
                    status=status,
                    seconds=round(seconds, 4),
                )

    async def _answer(self, call: Call) -> Answer | None:
        path = self._below_prefix(call)
        if self.active > MAX_ACTIVE and path not in _ALWAYS_ANSWERED:
            raise Unavailable("The server is busy. Send the request again in a moment.")
        client = call.scope.get("client")
        scheme = call.scope.get("scheme", "http")
        call.scheme, host = self._proxies.reached_as(call.peer, client[0] if client else None, scheme)
        if not self.options.disable_security:
            self._hosts.check(host)
        call.host = host or b""
        if call.verb == "OPTIONS":
            return self._options(call, path)
        bound, call.path_params = self.router.find(call.verb, path)
        call.bound = bound
        if bound.policy.changes_state and not self.options.disable_security:
            self._origins.check(call.peer, call.scheme, call.host)
        check_content_type(bound.policy, call.verb, call.peer)
        return await bound.target(call)

    def _below_prefix(self, call: Call) -> bytes:
        path: bytes = call.scope.get("raw_path") or call.scope["path"].encode()
        path = path.partition(b"?")[0]
        if self._prefix and (path == self._prefix or path.startswith(self._prefix + b"/")):
            path = path[len(self._prefix) :] or b"/"
            call.root = self._prefix.decode()
        call.path = path
        return path

    def _options(self, call: Call, path: bytes) -> Answer:
        allowed = self.router.allowed(path)
        if not allowed:
            self.router.find("GET", path)
        headers: Headers = [(b"allow", ", ".join(allowed).encode())]
        if self._origins.is_configured(call.peer.origin):
            headers.append((b"access-control-allow-methods", ", ".join(allowed).encode()))
            headers.extend(security.PREFLIGHT)
        answer = Answer(b"", status=204)
        answer.headers = headers
        return answer

    # ------------------------------------------------------------ answers

    async def _send(self, call: Call, answer: Answer | None) -> int:
        if answer is None:
            return call.status
        await self._start(call.send, answer, self._origins.answer_headers(call.peer))
        return answer.status

    async def _start(self, send: Send, answer: Answer, more: Headers) -> None:
        if answer.is_plain and not more:
            headers = [*self._plain, (b"content-length", b"%d" % len(answer.body))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})
            return
        own = {name for name, _ in answer.headers}
        headers = [*answer.headers, *(pair for pair in self._common if pair[0] not in own), *more]
        if b"cache-control" not in own:
            headers.append((b"cache-control", b"no-store"))
        if answer.status not in (204, 304):
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _send_error(self, scope: Scope, send: Send, call: Call | None, request_id: str, error: Exception) -> int:
        if not isinstance(error, MillstreamError) or error.error_code == "INTERNAL_ERROR":
            log(logging.ERROR, "unexpected error", error, request_id=request_id, route=_route_name(call))
            error = MillstreamError(f"The server failed at this request (id {request_id}). Its log says why.")
        elif (error.status >= 500 and error.status != 501) or isinstance(error, RemoteRefused):
            log(logging.WARNING, error.message, error.__cause__, request_id=request_id, route=_route_name(call))
        error = _for_strangers(error, request_id)
        if call is not None and call.has_started:
            raise ConnectionAbortedError("failed while the answer was being sent")  # uvicorn then closes the connection
        headers: Headers = [(b"x-request-id", request_id.encode())]
        if error.status in (429, 503):
            headers += _RETRY_AFTER
        if isinstance(error, MethodNotAllowed) and call is not None:
            headers.append((b"allow", ", ".join(self.router.allowed(call.path)).encode()))
        if error.status == 408:
            headers.append((b"connection", b"close"))
        answer = Answer(wire.error_body(error), status=error.status, headers=headers)
        await self._start(send, answer, self._origins.answer_headers(call.peer) if call is not None else [])
        return error.status

    @property
    def common_headers(self) -> Headers:
        """Headers of every answer, for those that are sent past `_start`."""
        return self._common

    def stopping(self) -> None:
        """The server is about to stop: answers that never end by themselves end now."""
        self.is_stopping = True

    # ------------------------------------------------------------ threads

    def write_done(self, key: str = "") -> None:
        """Count a write to `key` (a run's, an experiment's, a model's id); those that were committed together are answered in
        one turn of the loop."""
        self.changes.note(key)
        self.telemetry.add("millstream_writes_total")
        if not self._is_in_group:
            self._is_in_group = True
            self.telemetry.add("millstream_write_groups_total")
            asyncio.get_running_loop().call_soon(self._group_done)

    def _group_done(self) -> None:
        self._is_in_group = False

    async def in_thread(self, fn: Callable[[], T]) -> T:
        """Run a read of the database in a thread. Raises Overloaded when too many wait already."""
        return await self.reads.run(fn)


class Threads:
    """A pool of threads for reads. The database, the artifact store and the rest of the world have one each: a bucket or a
    name server may not answer for minutes, and nobody else should wait for that."""

    def __init__(self, name: str) -> None:
        self.pool = ThreadPoolExecutor(READ_THREADS, thread_name_prefix=name)
        self._waiting = 0

    async def run(self, fn: Callable[[], T]) -> T:
        """
        Raises:
            Overloaded: too many reads wait already.
        """
        if self._waiting >= MAX_WAITING_READS:
            raise Overloaded("Too many reads wait already. Send the request again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, fn)
        finally:
            self._waiting -= 1


_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LONG_RUNNING = frozenset(e.name for e in ENDPOINTS.values() if e.stream is not None)
_LARGE_BODY = 256 << 10


def _route_name(call: Call | None) -> str:
    return call.bound.name if call is not None and call.bound is not None else "-"


def _for_strangers(error: MillstreamError, request_id: str) -> MillstreamError:
    """The error as it may be answered: addresses and accounts of the artifact store are the operator's business."""
    if isinstance(error, RemoteFailed):
        return Unavailable(f"The artifact store does not answer. Try again later; the log says why (id {request_id}).")
    if isinstance(error, RemoteRefused):
        return PermissionDenied(
            f"The artifact store refuses access to this server. Its log says why (id {request_id})."
        )
    return error


def _prefix(text: str) -> bytes:
    """A static prefix as it stands before paths: with a slash in front and none behind."""
    stripped = text.strip("/")
    if not stripped:
        return b""
    if not all(
        part and part not in (".", "..") and part.isascii() and part.isprintable() for part in stripped.split("/")
    ):
        raise InvalidValue(f"{text!r} is no static prefix. Give a path such as /tracking.")
    return b"/" + stripped.encode()


# ---------------------------------------------------------------- targets


async def _request(app: Application, endpoint: Endpoint[Any, Any], call: Call) -> Any:
    verb = "GET" if call.verb == "HEAD" else call.verb
    body = b""
    if verb != "GET" or (call.peer.has_body and not call.scope["query_string"]):
        body = await call.body(endpoint.body_limit)
    query = call.query if verb == "GET" else ()
    if len(body) > _LARGE_BODY:
        return await app.in_thread(lambda: wire.parse_request(endpoint, query, body, call.path_params, verb))
    return wire.parse_request(endpoint, query, body, call.path_params, verb)


def _write_target(app: Application, endpoint: Endpoint[Any, Any], store: Any) -> Callable[[Call], Any]:
    handler = endpoint.handler
    is_empty = endpoint.response is Empty
    counts_points = endpoint.name in ("runs.log_metric", "runs.log_batch")
    keys = ("name",) if endpoint.store is RegistryStore else ("run_id", "model_id", "experiment_id")

    async def answer(call: Call) -> Answer:
        req = await _request(app, endpoint, call)
        key = next((value for name in keys if (value := getattr(req, name, ""))), "")
        writing = store.db.submit_async(lambda: handler(store, req), key)
        try:
            result = await writing
        finally:
            app.write_done(key)
        if counts_points:
            points = len(req.metrics) if endpoint.request is LogBatch else 1
            app.telemetry.add("millstream_points_written_total", points)
        return Answer(_EMPTY if is_empty else wire.encode(result))

    return answer


def _read_target(app: Application, endpoint: Endpoint[Any, Any], store: Any) -> Callable[[Call], Any]:
    handler = endpoint.handler
    threads = app.artifact_reads if store is app.artifacts else app.calls_out if endpoint.calls_out else app.reads

    async def answer(call: Call) -> Answer:
        req = await _request(app, endpoint, call)
        return Answer(await threads.run(lambda: wire.encode(handler(store, req))))

    return answer


def _stream_target(app: Application, endpoint: Endpoint[Any, Any], store: Any) -> Callable[[Call], Any]:
    is_proxied = endpoint.prefixes == PROXY  # the handler checks a path and reads nothing
    minimum = 1 if endpoint.name == "artifacts.upload_artifact" else 0

    async def answer(call: Call) -> None:
        from millstream.server import archives, streams

        req = wire.parse_request(endpoint, call.query, b"", call.path_params)
        uri = endpoint.handler(store, req) if is_proxied else await app.in_thread(lambda: endpoint.handler(store, req))
        send = _adding(call, app._common, app._origins.answer_headers(call.peer))
        match endpoint.stream:
            case Stream.UPLOAD:
                await streams.upload(call.scope, call.receive, send, uri, limit=endpoint.body_limit, minimum=minimum)
            case Stream.DOWNLOAD:
                await streams.download(call.scope, call.receive, send, uri)
            case Stream.ARCHIVE:
                await archives.send_archive(send, uri)
            case Stream.PAGE:
                await archives.send_page(send, uri)

    return answer


def _adding(call: Call, common: Headers, more: Headers) -> Send:
    """`send` that adds the headers of every answer to one that streams, and remembers that it has begun."""

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            call.has_started = True
            call.status = message["status"]
            there = {name for name, _ in message["headers"]}
            missing = [pair for pair in common if pair[0] not in there]
            message = {**message, "headers": [*message["headers"], *missing, *more]}
        await call.send(message)

    return send


async def _refuse_tracking(call: Call) -> Answer:
    raise TrackingNotOffered
