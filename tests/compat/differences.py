"""Where our answers may differ from the official server's, and why: every row names the rule that allows it.

A step that no row covers must be answered alike; a row whose steps are answered alike is out of date. Both fail the tests.
`docs/compatibility.md` lists these rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

REFUSED = {"status": 400, "error_code": "INVALID_PARAMETER_VALUE"}
TAKEN = {"status": 400, "error_code": "RESOURCE_ALREADY_EXISTS"}
REFUSED_IN_CLIENT = {"raises": "RestException", "error_code": "INVALID_PARAMETER_VALUE"}
TAKEN_IN_CLIENT = {"raises": "RestException", "error_code": "RESOURCE_ALREADY_EXISTS"}


@dataclass(frozen=True)
class Difference:
    """One kind of difference.

    Attributes:
        allowed_by: the line of the contract or of the security requirements.
        steps: names of steps, `*` stands for anything.
        ours: our exact answer; or a function of (official answer, our answer) that says whether ours is right.
    """

    name: str
    allowed_by: str
    steps: tuple[str, ...]
    ours: Any | Callable[[Any, Any], bool]

    def covers(self, step: str) -> bool:
        return any(step == pattern or fnmatchcase(step, pattern.replace("[", "[[]")) for pattern in self.steps)

    def allows(self, official: Any, ours: Any) -> bool:
        return bool(self.ours(official, ours)) if callable(self.ours) else ours == self.ours


def _same_status_with_code(official: Any, ours: Any) -> bool:
    """Where the official server answers HTML, ours answers the JSON of the same status."""
    return official["error_code"] is None and ours["status"] == official["status"] and bool(ours["error_code"])


def _sampled_evenly(official: Any, ours: Any) -> bool:
    """Other rows, but as many of them, with the same first and last."""
    theirs, mine = official["points"], ours["points"]
    return len(theirs) == len(mine) and theirs[0] == mine[0] and theirs[-1] == mine[-1]


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "errors of the HTTP layer are JSON",
        "rest-tracking 1.1: Millstream may return JSON here instead of HTML; security 3",
        (
            "service: v2 endpoint under 3.0",
            "service: trailing slash",
            "service: unknown route",
            "service: wrong verb",
            "service: wrong verb GET",
            "service: removed experiments/list",
            "service: removed runs/list",
            "security: foreign host",
            "security: foreign origin writes",
            "transport: camel case of a required field",
            "metrics: bulk, api prefix",
            "inputs: dataset summaries, api prefix",
            "logged models: file, api prefix",
            "logged model search: api 3.0",
            "artifacts: get folder",
            "artifacts: get range beyond",
            "artifacts: get-artifact without path",
            "artifacts: get-artifact folder",
            "artifacts: get bad %00",
            "artifacts: put bad %00",
        ),
        _same_status_with_code,
    ),
    Difference(
        "HEAD works on GET routes with a query",
        "rest-tracking 1.1: GET routes also answer HEAD",
        ("service: HEAD on a GET route",),
        200,
    ),
    Difference(
        "hosts are checked as addresses, on every route",
        "security 13: private ranges are matched as addresses, never as text; applies to every route",
        (
            "security: look-alike of a private address",
            "security: foreign host on health",
            "security: foreign host on version",
        ),
        {"status": 403, "error_code": "PERMISSION_DENIED"},
    ),
    Difference(
        "malformed requests are 400, not 500",
        "rest-tracking 1.2 and 12: 5xx for user errors may become 400",
        (
            "transport: list body",
            "transport: number body",
            "batches: empty body",
            "metrics: value list",
            "batches: metrics with a number",
            "experiments: deleted, rename",
            "artifacts: put odd odd/./c.txt",
            "artifacts: put with a name of 300",
            "artifacts: put bad *",
            "run search: order ['start_time ASC', 'start_time DESC']",
            'logged model search: filter "bogus*',
            "logged model search: broken token",
        ),
        REFUSED,
    ),
    Difference(
        "values of a wrong type are refused, not replaced by a default",
        "rest-tracking 1.2: Millstream must not copy the silent defaults; 12: corruption may become 400 or the correct value",
        (
            "transport: tag value as a number",
            "metrics: raw 1e400",
            "metrics: raw timestamp 15.7",
            "metrics: raw timestamp 2^63",
            "batches: metric with a word",
            "batches: param number",
            "runs: time as a fraction",
            "metrics: raw word nan",
            "metrics: raw word inf",
        ),
        REFUSED,
    ),
    Difference(
        "what was refused was not stored",
        "as above",
        (
            "metrics: raw 1e400, history",
            "metrics: raw timestamp 15.7, history",
            "metrics: raw timestamp 2^63, history",
            "metrics: raw word nan, history",
            "metrics: raw word inf, history",
        ),
        {"status": 200, "body": {}},
    ),
    Difference(
        "unknown enum names are refused",
        "rest-tracking 1.2: Millstream: 400 is safe (no client sends these)",
        (
            "transport: unknown enum value",
            "runs: update unknown status",
            "runs: update lower-case status",
            "run search: unknown view",
        ),
        REFUSED,
    ),
)


def find(step: str) -> Difference | None:
    return next((row for row in DIFFERENCES if row.covers(step)), None)
