"""The scoring server as an ASGI application.

    application = create_app("models:/churn/Production")

It is bare ASGI, as the tracking server is: there are five routes, and a framework's layers would cost as much as the prediction of a small
model. What is shared with the tracking server (hosts, origins, bodies, counters, log) stands in `millstream.asgi`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct, field

from millstream.asgi import security
from millstream.asgi.body import ClientGone, Receive, Scope, Send, read_body
from millstream.asgi.log import log, logger
from millstream.asgi.security import Headers, Peer
from millstream.asgi.telemetry import Telemetry
from millstream.errors import EndpointNotFound, InvalidValue, MethodNotAllowed, MillstreamError, Unavailable
from millstream.serving import media
from millstream.serving.batching import MAX_ROWS, Batcher
from millstream.serving.following import Follower
from millstream.serving.media import Form, UnsupportedMedia
from millstream.serving.pool import DeadlineExceeded, Pool
from millstream.serving.scorer import Model, ModelFailed, Scorer
from millstream.serving.scorer import Options as ScorerOptions
from millstream.version import VERSION

MAX_ACTIVE = 2048
"""Requests in work at once; more are told to come back."""

QUICK_BYTES = 16 << 10
QUICK_S = 0.002
"""A body up to this size is answered in the event loop itself, without a thread, if the model only computes and has lately taken
less time than this: handing over costs more than such a model does."""

SLOW_S = 2.0
_MESSAGE_LIMIT = 1000
_SHARE_INTERVAL_S = 2.0

COUNTERS = {
    "millstream_model_reloads_total": "Models that took the place of the one before.",
    "millstream_model_reload_failures_total": "Attempts to load another version that failed.",
    "millstream_batches_total": "Batches of more than one request.",
    "millstream_batched_requests_total": "Requests in those batches.",
    "millstream_model_failures_total": "Requests at which the model raised an error.",
    "millstream_timeouts_total": "Requests that were given up because the model took too long.",
}


class Options(Struct, frozen=True, kw_only=True):
    """How the application behaves. `settings` says what each means to a user."""

    timeout_s: float = 60.0
    threads: int = 4
    max_waiting: int = 256
    max_body_bytes: int = 64 << 20
    batching: bool = False
    max_batch_rows: int = MAX_ROWS
    allowed_hosts: Sequence[str] = ()
    """As `HostRules` takes them; `*` is any host."""
    cors_allowed_origins: Sequence[str] = ()
    disable_security: bool = False
    trusted_proxies: Sequence[str] = ()
    scoring: ScorerOptions = field(default_factory=ScorerOptions)
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(counters=COUNTERS))


def create_app(
    model: str | Model, options: Options | None = None, *, trust: bool | None = None, follow_s: float | None = None
) -> Application:
    """The application that serves a model.

    Args:
        model: a URI, or a model that is loaded (anything with `predict` and `metadata`).
        trust: whether code that came with the model may run; None asks the setting TRUST_PICKLES.
        follow_s: seconds between two looks at the registry for another version under the URI; None does not look.
    Raises:
        InvalidValue: an option makes no sense, or the URI names no stage or alias that could be followed.
        MillstreamError: the model cannot be loaded.
    """
    options = options or Options()
    if not isinstance(model, str):
        if follow_s is not None:
            raise InvalidValue("Only a model that is named by its URI can be followed.")
        return Application(Scorer(model, options.scoring), options)
    from millstream.serving import loading

    if follow_s is not None:
        follower = Follower(model, follow_s, trust, options.scoring)
        return Application(follower.load(), options, follower)
    return Application(loading.load(model, trust, options.scoring), options)


class _Reply(Struct):
    """An answer on its way out."""

    body: bytes
    content_type: bytes = b"application/json"
    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()


class Application:
    """
    Attributes:
        scorer: answers requests; replaced as a whole when another version is followed.
    """

    def __init__(self, scorer: Scorer, options: Options, follower: Follower | None = None) -> None:
        self.scorer = scorer
        self.options = options
        self.telemetry = options.telemetry
        self.active = 0
        self.pool = Pool(options.threads, options.max_waiting)
        self._batcher = Batcher(self.pool, options.max_batch_rows, self._batch_done) if options.batching else None
        self._follower = follower
        self._cost_s = 1.0  # of a quick request, lately: a decaying maximum
        self._hosts = security.HostRules(options.allowed_hosts)
        self._origins = security.OriginRules(options.cors_allowed_origins)
        self._proxies = security.ProxyRules(options.trusted_proxies)
        self._common: Headers = [*security.common_headers(None), (b"cache-control", b"no-store")]
        self._request_ids = count(1)
        self._process = f"{time.time_ns() // 1000 % 36**6:x}"
        self._tasks: list[asyncio.Task[Any]] = []
        self._gets = {b"/ping": self._alive, b"/health": self._alive, b"/version": _version, b"/metrics": self._metrics}

    # ------------------------------------------------------------ ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        self.active += 1
        path: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        peer: Peer | None = None
        status = 499
        try:
            peer = security.read_headers(scope["headers"])
            reply = await self._answer(scope, receive, peer, path)
            status = await self._send(send, peer, reply)
        except ClientGone:
            pass
        except Exception as error:
            status = await self._send(send, peer, self._refusal(error, path))
        finally:
            self.active -= 1
            seconds = time.perf_counter() - began
            route = path.decode() if path in self._gets or path == _INVOCATIONS else "-"
            verb = scope["method"] if scope["method"] in _VERBS else "-"
            self.telemetry.request_done(route, verb, status, seconds)
            if seconds > SLOW_S or logger.isEnabledFor(logging.DEBUG):
                level = logging.INFO if seconds > SLOW_S else logging.DEBUG
                log(level, "request", route=route, verb=verb, status=status, seconds=round(seconds, 4))

    async def _answer(self, scope: Scope, receive: Receive, peer: Peer, path: bytes) -> _Reply:
        verb = scope["method"]
        get = self._gets.get(path)
        if self.active > MAX_ACTIVE and get is None:
            raise Unavailable("The server is busy. Send the request again in a moment.")
        client = scope.get("client")
        scheme, host = self._proxies.reached_as(peer, client[0] if client else None, scope.get("scheme", "http"))
        if not self.options.disable_security:
            self._hosts.check(host)
        if get is None and path != _INVOCATIONS:
            raise EndpointNotFound("There is no such endpoint. Score with POST /invocations.")
        allowed = _allowed(path)
        if verb == "OPTIONS":
            return self._options(peer, allowed)
        if verb not in allowed:
            raise MethodNotAllowed(f"{verb[:20]} is not allowed here. Allowed: {', '.join(allowed)}.")
        if get is not None:
            return get()
        if not self.options.disable_security:
            self._origins.check(peer, scheme, host or b"")
        return await self._invoke(scope, receive, peer)

    def _options(self, peer: Peer, allowed: Sequence[str]) -> _Reply:
        verbs = ", ".join(allowed).encode()
        headers = [(b"allow", verbs)]
        if self._origins.is_configured(peer.origin):
            headers += [(b"access-control-allow-methods", verbs), *security.PREFLIGHT]
        return _Reply(b"", status=204, headers=headers)

    # ------------------------------------------------------------ scoring

    async def _invoke(self, scope: Scope, receive: Receive, peer: Peer) -> _Reply:
        form = media.form_of(peer.content_type)
        wanted = media.answer_form(_accept(scope))
        body = await read_body(receive, peer, self.options.max_body_bytes)
        scorer = self.scorer
        if self._batcher is not None:
            return await self._invoke_batched(self._batcher, scorer, body, form, wanted)
        if scorer.is_quick and len(body) <= QUICK_BYTES and self._cost_s < QUICK_S:
            return _Reply(self._timed(scorer, body, form, wanted), _CONTENT_TYPES[wanted])
        answer = await self.pool.run(lambda: self._timed(scorer, body, form, wanted), self.options.timeout_s)
        return _Reply(answer, _CONTENT_TYPES[wanted])

    def _timed(self, scorer: Scorer, body: bytes, form: Form, wanted: Form) -> bytes:
        """The answer; the time of a small request is remembered."""
        if len(body) > QUICK_BYTES:
            return scorer.answer(body, form, wanted)
        began = time.perf_counter()
        try:
            return scorer.answer(body, form, wanted)
        finally:
            self._cost_s = max(time.perf_counter() - began, 0.95 * self._cost_s)

    async def _invoke_batched(self, batcher: Batcher, scorer: Scorer, body: bytes, form: Form, wanted: Form) -> _Reply:
        timeout_s = self.options.timeout_s
        if len(body) <= QUICK_BYTES and form is Form.JSON:
            request = scorer.read(body, form)
        else:
            request = await self.pool.run(lambda: scorer.read(body, form), timeout_s)
        if batcher.takes(request):
            result = await batcher.predict(scorer, request, timeout_s)
        else:
            result = await self.pool.run(lambda: scorer.predict(request), timeout_s)
        if len(body) <= QUICK_BYTES:
            answer = scorer.encode(result, request.is_wrapped, wanted)
        else:
            answer = await self.pool.run(lambda: scorer.encode(result, request.is_wrapped, wanted), timeout_s)
        return _Reply(answer, _CONTENT_TYPES[wanted])

    def _batch_done(self, requests: int) -> None:
        self.telemetry.add("millstream_batches_total")
        self.telemetry.add("millstream_batched_requests_total", requests)

    # ------------------------------------------------------------ answers

    async def _send(self, send: Send, peer: Peer | None, reply: _Reply) -> int:
        headers = [(b"content-type", reply.content_type), *self._common, *reply.headers]
        if peer is not None and peer.origin is not None:
            headers += self._origins.answer_headers(peer)
        if reply.status != 204:
            headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        return reply.status

    def _refusal(self, error: Exception, path: bytes) -> _Reply:
        """An error as an answer: what it tells is for the caller, the rest goes to the log."""
        request_id = f"{self._process}-{next(self._request_ids)}"
        headers: Headers = [(b"x-request-id", request_id.encode())]
        if not isinstance(error, MillstreamError):
            log(logging.ERROR, "unexpected error", error, request_id=request_id, route=path.decode("latin-1")[:100])
            error = MillstreamError(f"The server failed at this request (id {request_id}). Its log says why.")
        if isinstance(error, ModelFailed):
            self.telemetry.add("millstream_model_failures_total")
            log(logging.WARNING, "the model failed", error.__cause__, request_id=request_id)
        if isinstance(error, DeadlineExceeded):
            self.telemetry.add("millstream_timeouts_total")
        if error.status in (429, 503):
            headers.append((b"retry-after", b"1"))
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", ", ".join(_allowed(path)).encode()))
        if error.status == 408:
            headers.append((b"connection", b"close"))
        text = f"{error.message} (id {request_id})" if isinstance(error, ModelFailed) else error.message
        message = text.encode(errors="replace").decode()
        if len(message) > _MESSAGE_LIMIT:
            message = message[:_MESSAGE_LIMIT] + "…"
        if isinstance(error, UnsupportedMedia | DeadlineExceeded):
            return _Reply(message.encode(), _TEXT, error.status, headers)
        body = msgspec.json.encode({"error_code": error.error_code, "message": message})
        return _Reply(body, status=error.status, headers=headers)

    # ------------------------------------------------------------ the server's own state

    def _alive(self) -> _Reply:
        return _Reply(b"\n")

    def _metrics(self) -> _Reply:
        return _Reply(self.telemetry.text(), b"text/plain; version=0.0.4; charset=utf-8")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _start(self) -> None:
        gauges = [
            ("millstream_active_requests", "Requests in work.", lambda: float(self.active)),
            ("millstream_predictions_running", "Threads that predict.", lambda: float(self.pool.running)),
        ]
        self.telemetry.gauges = gauges
        if self.telemetry.is_shared:
            self._tasks.append(asyncio.create_task(self._share()))
        if self._follower is not None:
            self._tasks.append(asyncio.create_task(self._follower.follow(self._replace, self._reload_failed)))

    def _replace(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self._cost_s = 1.0
        self.telemetry.add("millstream_model_reloads_total")

    def _reload_failed(self) -> None:
        self.telemetry.add("millstream_model_reload_failures_total")

    async def _share(self) -> None:
        while True:
            await asyncio.sleep(_SHARE_INTERVAL_S)
            await asyncio.to_thread(self.telemetry.share)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.pool.close()


_INVOCATIONS = b"/invocations"
_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TEXT = b"text/plain; charset=utf-8"
_CONTENT_TYPES = {form: form.value.encode() for form in Form}


def _allowed(path: bytes) -> Sequence[str]:
    return ("POST", "OPTIONS") if path == _INVOCATIONS else ("GET", "HEAD", "OPTIONS")


def _version() -> _Reply:
    return _Reply(VERSION.encode())


def _accept(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"accept":
            found: bytes = value
            return found
    return None
