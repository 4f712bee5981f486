"""Which request goes where: the endpoint table and the server's own pages as routes, each with its policy.

Paths are compared as they came, so an encoded slash never becomes a separator of the route; the parts that fill parameters
are decoded here, exactly once.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from millstream.api.endpoint import Endpoint, Stream
from millstream.errors import EndpointNotFound, InvalidValue, MethodNotAllowed, MillstreamError, Unsupported
from millstream.server.call import Answer, Call
from millstream.server.security import BodyKind, Policy

Target = Callable[[Call], Awaitable[Answer | None]]
"""What answers a call; None means that it has sent its answer itself."""


class Route(Struct, frozen=True):
    """One path with one verb. `path` may hold `{name}` (a segment) and `{name:path}` (the rest)."""

    name: str
    verb: str
    path: str
    target: Target
    policy: Policy | None
    endpoint: Endpoint[Any, Any] | None = None


class Bound(Struct, frozen=True, eq=False):
    """A route as found for a request."""

    name: str
    target: Target
    policy: Policy
    endpoint: Endpoint[Any, Any] | None


def policy_of(endpoint: Endpoint[Any, Any], verb: str) -> Policy:
    """The policy of an endpoint under one of its verbs."""
    if endpoint.stream is Stream.UPLOAD:
        return Policy(endpoint.access, BodyKind.RAW, endpoint.body_limit, True)
    if endpoint.stream is not None:
        return Policy(endpoint.access, BodyKind.NONE, 0, False)
    return Policy(endpoint.access, BodyKind.JSON, endpoint.body_limit, verb != "GET")


_Verbs = dict[str, Bound]


class Router:
    """Finds the route of a request.

    Raises:
        RuntimeError: a route has no policy, or two answer to the same path and verb.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[bytes, _Verbs] = {}
        self._patterns: dict[str, tuple[re.Pattern[bytes], _Verbs]] = {}
        self.routes = list(routes)
        for route in self.routes:
            if route.policy is None:
                raise RuntimeError(f"The route {route.verb} {route.path} has no policy, so the server does not start.")
            verbs = self._verbs_of(route.path)
            if route.verb in verbs:
                raise RuntimeError(f"Two routes answer to {route.verb} {route.path}.")
            verbs[route.verb] = Bound(route.name, route.target, route.policy, route.endpoint)

    def _verbs_of(self, path: str) -> _Verbs:
        if "{" not in path:
            return self._exact.setdefault(path.encode(), {})
        if path not in self._patterns:
            self._patterns[path] = (re.compile(_pattern(path).encode()), {})
        return self._patterns[path][1]

    def find(self, verb: str, path: bytes) -> tuple[Bound, dict[str, str]]:
        """The route and the decoded parts of its path. HEAD finds GET.

        Raises:
            EndpointNotFound, Unsupported, MethodNotAllowed, InvalidValue (a part that is not UTF-8).
        """
        wanted = "GET" if verb == "HEAD" else verb
        verbs = self._exact.get(path)
        if verbs is not None and wanted in verbs:
            return verbs[wanted], {}
        for pattern, pattern_verbs in self._patterns.values():
            match = pattern.fullmatch(path)
            if match is not None and wanted in pattern_verbs:
                return pattern_verbs[wanted], {name: _decoded(part) for name, part in match.groupdict().items()}
        if allowed := self.allowed(path):
            raise MethodNotAllowed(f"{verb} is not allowed here. Allowed: {', '.join(allowed)}.")
        raise _not_found(path)

    def allowed(self, path: bytes) -> list[str]:
        """All verbs that the path answers to, none if there is no such path."""
        found = set(self._exact.get(path, ()))
        for pattern, verbs in self._patterns.values():
            if pattern.fullmatch(path) is not None:
                found.update(verbs)
        if not found:
            return []
        return sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set()))


def _pattern(path: str) -> str:
    parts = re.split(r"{(\w+)(:path)?}", path)
    text = re.escape(parts[0])
    for name, is_rest, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        text += f"(?P<{name}>{'.+' if is_rest else '[^/]+'})" + re.escape(after)
    return text


def _decoded(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise InvalidValue("The path is not UTF-8. Encode it as UTF-8, then percent-encode it.") from None


# ---------------------------------------------------------------- what is known not to be here

OUT_OF_SCOPE: dict[str, str] = {
    "traces": "Traces", "get-trace-artifact": "Traces", "scorers": "Scorers", "datasets": "Evaluation datasets",
    "users": "User accounts", "roles": "User accounts", "experiments/permissions": "User accounts",
    "workspaces": "Workspaces", "gateway": "The gateway", "prompt-optimization": "Prompts", "review-queues": "Review queues",
    "label-schemas": "Label schemas", "issues": "Issues", "jobs": "Jobs", "runs/create-promptlab-run": "Prompts",
    "graphql": "GraphQL",
}  # fmt: skip
"""First segments below an API prefix that MLflow has and this server has not: answered 501."""

_OUT_OF_SCOPE_ROOTS = {
    b"graphql": "GraphQL", b"v1": "OpenTelemetry ingest", b"gateway": "The gateway",
    b"signup": "User accounts",
}  # fmt: skip

_BELOW_PREFIX = re.compile(rb"/(?:ajax-)?api/[23]\.0/(?:mlflow/)?(.+)")


def _not_found(path: bytes) -> MillstreamError:
    group = None
    if match := _BELOW_PREFIX.fullmatch(path):
        segments = match[1].split(b"/")
        for length in (1, 2):
            group = group or OUT_OF_SCOPE.get(b"/".join(segments[:length]).decode("latin-1"))
    else:
        group = _OUT_OF_SCOPE_ROOTS.get(path[1:].split(b"/", 1)[0])
    if group is not None:
        return Unsupported(f"{group}: not offered by this server. Tracking of runs and artifacts works without it.")
    return EndpointNotFound("There is no such endpoint. /openapi.json lists those there are.")
