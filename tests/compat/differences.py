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
        if not callable(self.ours):
            return bool(ours == self.ours)
        try:
            return bool(self.ours(official, ours))
        except (KeyError, TypeError, AttributeError, IndexError):  # an answer of another shape than the row expects
            return False


def _same_status_with_code(official: Any, ours: Any) -> bool:
    """Where the official server answers HTML, ours answers the JSON of the same status."""
    return official["error_code"] is None and ours["status"] == official["status"] and bool(ours["error_code"])


def _sampled_evenly(official: Any, ours: Any) -> bool:
    """Other rows, but as many of them, with the same first and last."""
    theirs, mine = official["points"], ours["points"]
    return len(theirs) == len(mine) and theirs[0] == mine[0] and theirs[-1] == mine[-1]


def _corrected(value: Any, timestamp: int) -> Any:
    def right(official: Any, ours: Any) -> bool:
        points = ours["body"]["metrics"]
        return len(points) == 1 and points[0]["value"] == value and points[0]["timestamp"] == timestamp

    return right


def _nan_is_lowest(official: Any, ours: Any) -> bool:
    """Only the metric `tie`, where NaN and -1 were logged at one step and time, differs: -1 is the latest."""
    sides = [{m["key"]: m["value"] for m in side["body"]["run"]["data"]["metrics"]} for side in (official, ours)]
    return {key for key in {**sides[0], **sides[1]} if sides[0].get(key) != sides[1].get(key)} == {"tie"} and sides[1][
        "tie"
    ] == -1


def _stored_nothing(official: Any, ours: Any) -> bool:
    """Only the tag that every run has."""
    return list(ours) == ["tags"] and len(ours["tags"]) == 1


def _media_type_by_name(official: Any, ours: Any) -> bool:
    """JSON is application/json; a name without a known ending is application/octet-stream."""
    json_answers = ({"status": 200, "body": {"a": 1}}, ["application/json", '{"a": 1}'])
    return ours in json_answers or ours == {**official, "media_type": "application/octet-stream"}


def _answered(official: Any, ours: Any) -> bool:
    """A filter that the official server refuses is answered."""
    return bool(official["error_code"] == "INVALID_PARAMETER_VALUE" and "has_token" in ours)


def _without(answer: Any, names: tuple[str, ...]) -> Any:
    """An answer without fields of these names, at any depth."""
    if isinstance(answer, dict):
        return {name: _without(item, names) for name, item in answer.items() if name not in names}
    if isinstance(answer, list):
        return [_without(item, names) for item in answer]
    return answer


_NARROW: tuple[Difference, ...] = (
    Difference(
        "filters end where they end",
        "security 32: trailing text is refused; search-grammar 1: the grammar",
        ("run search: filter metrics.acc > 0 AND", "run search: filter AND metrics.acc > 0", "run search: filter metrics. > 0"),
        REFUSED,
    ),
    Difference("keys are quoted with back-ticks or double quotes", "search-grammar 1: back-ticks or double quotes around the key only",
               ("run search: filter metrics.'acc' > 0",), REFUSED),
    Difference("double-quoted values match", "search-grammar 6: double-quoted values (Millstream: accept)", ("logged model search: filter 'name = \"jay\"'",),
               {"has_token": False, "models": "M J"}),
    Difference("statuses of models have names", "search-grammar 6: names match nothing (Millstream: accept names too)",
               ("logged model search: filter \"status = 'READY'\"",), {"has_token": False, "models": "M J"}),
    Difference("NaN is not 0 for models either", "search-grammar 6: NaN model metrics count as 0 (a defect)", ("logged model search: filter 'metrics.acc = 0'",),
               {"has_token": False, "models": ""}),
    Difference("NaN sorts after all numbers for models too", "search-grammar 2 and 6: NaN comes after all numbers", ('logged model search: order [{"field_name": "metrics.acc"}]',),
               {"has_token": False, "models": "J K M L"}),
)  # fmt: skip

DIFFERENCES: tuple[Difference, ...] = (
    *_NARROW,
    Difference(
        "errors of the HTTP layer are JSON",
        "rest-tracking 1.1: Millstream may return JSON here instead of HTML; security 3",
        (
            "service: v2 endpoint under 3.0", "service: trailing slash", "service: unknown route", "service: wrong verb", "service: wrong verb GET",
            "service: removed experiments/list", "service: removed runs/list", "service: removed registered-models/list", "security: foreign host", "security: foreign origin writes",
            "transport: camel case of a required field", "metrics: bulk, api prefix", "inputs: dataset summaries, api prefix",
            "logged models: file, api prefix", "logged model search: api 3.0", "artifacts: get folder", "artifacts: get range beyond", "artifacts: get-artifact without path",
            "artifacts: get bad %00", "artifacts: put bad %00", "webhooks: list with a slash", "webhooks: test by GET",
            "registry models: search by POST", "registry models: list", "registry versions: search by POST",
        ),
        _same_status_with_code,
    ),
    Difference("names of registered models have 256 characters at most", "rest-registry 2: longer is accepted on SQLite (Millstream: 400 above 256)",
               ("registry models: create name 'of 257'",), REFUSED),
    Difference(
        "the registry's users' errors are 400 or 404, not 500",
        "rest-registry 3.3 (archiving with None or Archived: 400), 3.1 (the logged model and the version must exist: 404); search-grammar 1 (the same field twice: 400)",
        (
            "registry stages: archiving with None", "registry stages: archiving with Archived", "registry sources: unknown logged model",
            "registry sources: version models:/src/Staging", "registry search: *, order ['*ASC', '*']",
        ),
        lambda official, ours: official["status"] == 500 and ours["status"] in (400, 404),
    ),
    Difference("pages of the registry have at least one entry", "rest-registry 2: 0 -> a page token pointing to itself (Millstream: 400)",
               ("registry search: models, max_results 0", "registry search: models, max_results -1"), REFUSED),
    Difference(
        "sources of other stores and of unknown schemes are accepted",
        "rest-registry 3.1: s3://, gs://, other remote or unknown scheme: always; an http(s) URL of the proxy: run_id must own the prefix",
        (
            "registry sources: 'abfss://c@a/x'*", "registry sources: 'odd:x'*", "registry sources: 'http://h/x'*",
            "registry sources: 'http://h/api/2.0/mlflow-artifacts/artifacts/run/artifacts' with run",
        ),
        lambda official, ours: official == REFUSED and ours["status"] == 200 and "model_version" in ours["body"],
    ),
    Difference(
        "a version says which logged model it is of, and a logged model which versions are of it",
        "rest-registry 1: ModelVersion has model_id; rest-tracking 5: LoggedModel has registrations",
        (
            "registry sources: logged model", "registry sources: remote with logged model", "registry sources: artifacts of the logged model",
            "registry sources: logged model, read", "registry sources: download uri of a logged model", "registry sources: version models:/src/2",
            "registry sources: version models:/src/latest",
        ),
        lambda official, ours: _without(ours, ("model_id", "registrations")) == _without(official, ("model_id", "registrations")) and ours != official,
    ),
    Difference("a version that is registered again may name its logged model", "rest-registry 3.1: run_id/model_id are inherited if absent and must match if present",
               ("registry sources: version with its logged model",), lambda official, ours: ours["body"]["model_version"]["source"] == "models:/src/2"),
    Difference("a logged model that is not there is not found", "rest-registry 3.1: with model_id, the logged model must exist (404)",
               ("registry sources: version with another logged model",), {"status": 404, "error_code": "RESOURCE_DOES_NOT_EXIST"}),
    Difference(
        "filters of the registry may say more: OR, IN and IS NULL for all, all aliases",
        "the issue, extensions of search; search-grammar 4: IS NULL on tags (Millstream: 400 or support it)",
        (
            "registry search: *, filter \"*IN (*", "registry search: *, filter *IS NULL*", "registry search: *, filter *OR *",
            "registry search: *, filter \"attributes.name*", "registry search: *, filter 'version_number IN (1)'",
        ),
        lambda official, ours: official["status"] in (400, 500) and "found" in ours,
    ),
    Difference("HEAD works on GET routes with a query", "rest-tracking 1.1: GET routes also answer HEAD", ("service: HEAD on a GET route",), 200),
    Difference(
        "hosts are checked as addresses, on every route",
        "security 13: private ranges are matched as addresses, never as text; applies to every route",
        ("security: look-alike of a private address", "security: foreign host on health", "security: foreign host on version"),
        {"status": 403, "error_code": "PERMISSION_DENIED"},
    ),
    Difference(
        "users' errors are 400, not 500",
        "rest-tracking 12: 5xx for user errors may become 400; 1.2; 3 (rename on deleted); security 7 and 8 (upload over a folder, below a file, "
        "too long names); search-grammar 1 (the same field twice)",
        (
            "transport: list body", "transport: number body", "batches: empty body", "metrics: value list", "batches: metrics with a number",
            "experiments: deleted, rename", "artifacts: put with a name of 300", "artifacts: put over a folder", "artifacts: put below a file",
            "run search: order ['start_time ASC', 'start_time DESC']", "logged model search: filter \"metrics.acc > 'x'\"",
            "logged model search: filter \"bogus = 'x'\"", "logged model search: broken token",
            "webhooks: create for RUN CREATED", "webhooks: create for MODEL_VERSION RENAMED", "webhooks: create for an event without action",
        ),
        REFUSED,
    ),
    Difference(
        "errors carry the code that says what is wrong",
        "rest-tracking 1.4: raw constraint failures surface as BAD_REQUEST with SQL text; use the semantic code and no SQL; 3, 4",
        (
            "experiments: duplicate tag keys", "runs: create without experiment", "runs: duplicate tags", "metrics: unknown model", "batches: unknown model",
            "webhooks: create for an event twice",
            "inputs: model output again", "logged models: create with duplicate params", "logged models: params again", "logged models: file without path",
        ),
        REFUSED,
    ),
    Difference("... in the client", "as above", ("client models: params again",), REFUSED_IN_CLIENT),
    Difference("a taken name is RESOURCE_ALREADY_EXISTS on rename too", "rest-tracking 3: rename to a taken name", ("experiments: rename to taken",), TAKEN),
    Difference("... in the client", "as above", ("client experiments: rename to taken",), TAKEN_IN_CLIENT),
    Difference(
        "run_uuid alone is a missing run_id where run_id is the only name",
        "rest-tracking 4: run_uuid is not accepted on delete, restore, delete-tag; the missing parameter is named",
        ("runs: delete by run_uuid", "params and tags: untag by run_uuid"),
        REFUSED,
    ),
    Difference(
        "values of a wrong type are refused, not replaced by a default",
        "rest-tracking 1.2: Millstream must not copy the silent defaults; 12: corruption may become 400 or the correct value",
        ("transport: tag value as a number", "metrics: raw 1e400", "metrics: raw timestamp 15.7", "batches: metric with a word", "batches: param number",
         "runs: time as a fraction"),
        REFUSED,
    ),
    Difference("... so nothing is stored of them", "as above", ("metrics: raw 1e400, history", "metrics: raw timestamp 15.7, history"), {"status": 200, "body": {}}),
    Difference("... nor of the rest of their batch", "as above; rest-tracking 4.4: Millstream may make the whole batch atomic",
               ("batches: metric with a word, stored", "batches: param number, stored", "batches: unknown model, stored"), _stored_nothing),
    Difference("NaN is NaN in every spelling", "rest-tracking 1.2: accept bare NaN/Infinity with their evident meaning",
               ("metrics: raw word nan, history", "metrics: raw bare NaN, history"), _corrected("NaN", 5)),
    Difference("infinity is infinity in every spelling", "rest-tracking 1.2: accept bare NaN/Infinity with their evident meaning", ("metrics: raw bare Infinity, history",), _corrected(1.7976931348623157e308, 5)),
    Difference(
        "unknown enum names are refused",
        "rest-tracking 1.2: Millstream: 400 is safe (no client sends these)",
        ("transport: unknown enum value", "runs: update unknown status", "runs: update lower-case status", "run search: unknown view",
         "webhooks: create with unknown status"),
        REFUSED,
    ),
    Difference(
        "parameters in an artifact location are refused",
        "rest-tracking 3: artifact_location with fragment or params is refused; security 9",
        ("experiments: location params",),
        REFUSED,
    ),
    Difference("... so there is nothing to read", "as above", ("experiments: location params, read",), "<no such step>"),
    Difference(
        "answers are strict JSON: NaN is text in get-history-bulk too",
        "design: answers are strict JSON; security 30",
        ("metrics: bulk, form of NaN",),
        "text",
    ),
    Difference("... read back as text", "as above", ("metrics: bulk, NaN run",), {"keys": ["metrics"], "points": [["<id 1>", 3, "NaN"]]}),
    Difference("NaN is the lowest where step and time are equal", "rest-tracking 12: NaN treated as lowest in that tie", ("metrics: read all",), _nan_is_lowest),
    Difference(
        "sampled histories keep other rows between first and last",
        "rest-tracking 4.1: down-samples evenly by row, always keeping first and last",
        ("metrics: interval", "metrics: interval, ajax", "metrics: interval, window sampled", "metrics: interval, 499 of 500", "metrics: interval, two runs"),
        _sampled_evenly,
    ),
    Difference(
        "datasets need a name and a digest",
        "rest-tracking 4.5: Millstream: 400 for missing name/digest",
        ("inputs: without name", "inputs: without digest", "inputs: without dataset"),
        REFUSED,
    ),
    Difference(
        "the log-model history holds what the client sent",
        "rest-tracking 4.5: log-model appends to the tag (a JSON list)",
        ("inputs: log-model history",),
        lambda official, ours: ours == [[{k: v for k, v in entry.items() if k != "model_uuid"} for entry in tag] for tag in official],
    ),
    Difference(
        "filters may say more: OR, NOT, parentheses, IN and IS NULL for all, any case, all aliases",
        "the issue, extensions of search; search-grammar 1, 3, 6: Millstream: accept",
        (
            "run search: filter *", "experiment search: filter *", "logged model search: filter *", "logged model search: order *",
            "client search: filter \"params.n IN ('1')\"",
        ),
        lambda official, ours: _answered(official, ours) or (ours == [{"info.run_name": "r01"}] and official["error_code"] == "INVALID_PARAMETER_VALUE"),
    ),
    Difference(
        "the id in the path is enough",
        "rest-tracking 5: Millstream: path id alone is enough",
        ("logged models: finalize without model_id", "logged models: params without model_id"),
        lambda official, ours: ours["status"] == 200,
    ),
    Difference(
        "the last of duplicate tags wins on create too",
        "rest-tracking 5: tags: upsert, last of duplicates wins",
        ("logged models: create with duplicate tags",),
        lambda official, ours: ours["body"]["model"]["info"]["tags"] == [{"key": "a", "value": "2"}],
    ),
    Difference("a negative page size is refused", "rest-tracking 5: negative -> broken page (Millstream: 400)", ("logged model search: max_results -1",), REFUSED),
    Difference(
        "a dataset's name alone means any digest",
        "search-grammar 6: documented meaning: any digest; implement that",
        ("logged model search: datasets name alone",),
        {"has_token": False, "models": "K J"},
    ),
    Difference(
        "webhooks lead to plain URLs only",
        "security 9: leading blanks, user info and fragments are refused; rest-registry 5: no credentials",
        ("webhooks: create to 'https://user:word@192.0.1.1/'", "webhooks: create to 'https://user@192.0.1.1/'",
         "webhooks: create to ' https://192.0.1.1/hook'", "webhooks: create to 'https://192.0.1.1/hook#part'"),
        REFUSED,
    ),
    Difference("events may be named in lower case", "rest-registry 5: unknown entity name is a 500 (a defect)", ("webhooks: create for an event in lower case",),
               lambda official, ours: ours["body"]["webhook"]["events"] == [{"entity": "MODEL_VERSION", "action": "CREATED"}]),
    Difference("what a webhook's receiver says is not shown", "security 35: response bodies never returned to the caller",
               ("client webhooks: test", "client webhooks: test of an event"),
               lambda official, ours: ours == {**official, "response_body": None}),
    Difference("a webhook that is disabled hears nothing from then on", "rest-registry 5: the reference's subscription list is cached 60 s per process",
               ("client webhooks: received while disabled",), []),
    Difference("empty files have a size", "rest-tracking 12: exact file_size:0 for empty files", ("artifacts: list an empty file",),
               lambda official, ours: ours["body"]["files"] == [{"path": "void/empty.bin", "is_dir": False, "file_size": 0}]),
    Difference(
        "the media type of a file follows from its name",
        "rest-tracking 6.2: Content-Type guessed from the name",
        ("artifacts: get json", "artifacts: get json, bytes", "logged models: file"),
        _media_type_by_name,
    ),
    Difference(
        "hostile artifact paths are refused alike",
        "security 4: empty and dot segments, backslashes, NUL, absolute paths are refused",
        (
            "artifacts: delete bad *", "artifacts: get bad %5C..%5Cx", "artifacts: put bad %5C..%5Cx", "artifacts: put odd odd//b.txt",
            "artifacts: get odd odd//b.txt", "artifacts: put odd odd/./c.txt", "artifacts: get odd odd/./c.txt",
        ),
        REFUSED,
    ),
)  # fmt: skip


def find(step: str) -> Difference | None:
    """The row that covers a step; the narrow ones come first."""
    return next((row for row in DIFFERENCES if row.covers(step)), None)


def as_markdown() -> str:
    """The rows as a table for docs/compatibility.md; rows that only continue another one are left out."""
    rows = [f"| {row.name} | {row.allowed_by} |" for row in DIFFERENCES if not row.name.startswith("...")]
    return "\n".join(["| what differs | why |", "| --- | --- |", *sorted(rows)]) + "\n"


if __name__ == "__main__":
    print(as_markdown())
