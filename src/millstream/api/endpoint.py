"""What an endpoint is: verb, path, request and answer types, access right and handler, declared in one place.

    @endpoint("POST", "runs/log-batch", access="run:update")
    def log_batch(store: TrackingStore, req: LogBatch) -> Empty: ...

makes `log_batch` an `Endpoint` and puts it into `ENDPOINTS`. The server routes from that table, the client calls from it,
the OpenAPI document is printed from it, and contract tests walk it. A handler sees only the store that its first
parameter names and a checked request Struct.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar, get_type_hints

from msgspec import Struct

Req = TypeVar("Req", bound=Struct)
Res = TypeVar("Res")

Verb = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

MLFLOW = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/")
AJAX_ONLY = ("/ajax-api/2.0/mlflow/",)
MLFLOW_3 = ("/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/")
PROXY = ("/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/")
MILLSTREAM = ("/api/2.0/millstream/",)
ROOT = ("/",)

ACCESS_RIGHTS = frozenset(
    {
        "public",  # no credentials needed
        "any",  # any authenticated user
        "experiment:read", "experiment:update", "experiment:delete",
        "run:read", "run:update", "run:delete",
        "model:read", "model:update", "model:delete",  # logged models; they follow their experiment
        "artifact:read", "artifact:update", "artifact:delete",
        "registered-model:read", "registered-model:update", "registered-model:delete",  # with their versions
        "webhook:read", "webhook:update", "webhook:delete",
    }
)  # fmt: skip


class Stream(StrEnum):
    """Endpoints whose body is raw bytes: the server moves the bytes, the handler is not called with them."""

    UPLOAD = "upload"
    DOWNLOAD = "download"
    ARCHIVE = "archive"  # a folder as a zip file, made while it is sent
    PAGE = "page"  # HTML, which may run its scripts in a sandbox


class Empty(Struct):
    """An answer without content: `{}`."""


class Endpoint(Struct, Generic[Req, Res], frozen=True, eq=False):
    """One row of the table."""

    name: str  # area.function, unique: "runs.log_batch"
    verb: Verb
    path: str  # below the prefixes, with {params}; "" is the prefix itself without its last slash
    prefixes: tuple[str, ...]
    store: Any  # which one the handler asks for: a protocol of `api.stores`, or Any
    request: type[Req]
    response: type[Res]
    access: str
    handler: Callable[[Any, Req], Res]
    is_write: bool
    also: tuple[Verb, ...]  # further verbs that reach the same handler
    body_limit: int  # bytes
    stream: Stream | None
    calls_out: bool  # the handler waits for other machines
    doc: str

    @property
    def paths(self) -> list[str]:
        """Full paths, the canonical one first."""
        return [(prefix + self.path).rstrip("/") or "/" for prefix in self.prefixes]

    @property
    def path_params(self) -> list[str]:
        return re.findall(r"{(\w+)(?::\w+)?}", self.path)

    @property
    def verbs(self) -> tuple[Verb, ...]:
        return (self.verb, *self.also)


ENDPOINTS: dict[str, Endpoint[Any, Any]] = {}
"""All endpoints by name, filled as the modules of `millstream.api` are imported."""


def endpoint(
    verb: Verb,
    path: str,
    *,
    access: str,
    prefixes: tuple[str, ...] = MLFLOW,
    also: tuple[Verb, ...] = (),
    is_write: bool | None = None,
    body_limit: int = 1 << 20,
    stream: Stream | None = None,
    calls_out: bool = False,
) -> Callable[[Callable[[Any, Req], Res]], Endpoint[Req, Res]]:
    """Declare the decorated handler as an endpoint.

    Args:
        verb: the HTTP verb; GET takes its input from the query string, all others from a JSON body.
        path: below `prefixes`; `{name}` fills the request's field of that name.
        access: one of `ACCESS_RIGHTS`.
        also: further verbs (`experiments/search` answers GET too).
        is_write: whether the handler runs inside the writer's transaction; None means: it does unless the verb is GET.
        body_limit: longest body in bytes.
        stream: for raw bodies; the server then does the work itself.
        calls_out: whether the handler asks name servers or other machines: it then gets a thread that no other call waits for.
    """
    if access not in ACCESS_RIGHTS:
        raise ValueError(f"unknown access right {access!r}")

    def declare(handler: Callable[[Any, Req], Res]) -> Endpoint[Req, Res]:
        hints = get_type_hints(handler)
        parameters = list(inspect.signature(handler).parameters)
        area = handler.__module__.rsplit(".", 1)[-1]
        name = f"{area}.{handler.__name__}"
        if name in ENDPOINTS:
            raise ValueError(f"endpoint {name} is declared twice")
        row: Endpoint[Req, Res] = Endpoint(
            name=name,
            verb=verb,
            path=path,
            prefixes=prefixes,
            store=hints[parameters[0]],
            request=hints[parameters[1]],
            response=hints["return"],
            access=access,
            handler=handler,
            is_write=(verb != "GET" and stream is None) if is_write is None else is_write,
            also=also,
            body_limit=body_limit,
            stream=stream,
            calls_out=calls_out,
            doc=inspect.getdoc(handler) or "",
        )
        ENDPOINTS[name] = row
        return row

    return declare
