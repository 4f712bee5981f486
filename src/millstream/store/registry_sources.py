"""Where a model version's files may be: the source that a client names, parsed once, and checked before it is stored and at use.

A stored source leads whoever serves or loads the version to files. So a server takes a path of its own disk, or one behind its
proxy, only inside of the artifacts of the run or logged model that the request names; names of other things (`runs:/`,
`models:/`) must be of the same run or model. A store that a client opens by itself takes any path: its user can read the
file anyway.
"""

from __future__ import annotations

import os
import re
from enum import Enum
from typing import Protocol
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from millstream import settings
from millstream.entities import LoggedModel, Run
from millstream.errors import InvalidValue, RunNotFound, SourceRefused
from millstream.store import rules

MAX_SOURCE = 4096
PROMPT_SOURCE = "dummy-source"
"""What MLflow's clients name for a prompt, which has no files."""

PROXY_PATH = re.compile(r"(?:^|/)(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts/")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")  # two letters at least: C:\ is a path
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Kind(Enum):
    LOCAL = "a path of this machine"
    PROXIED = "an artifact behind this server's proxy"
    RUN = "an artifact of a run"
    LOGGED_MODEL = "a logged model"
    VERSION = "a version of a registered model"
    REMOTE = "another store"


class Parsed(Struct, frozen=True):
    """A source whose form is right.

    `owner` is the run, logged model or registered model that it names; `rest` what is behind: the path of a run's artifact, the
    version, stage or alias (with its `@`) of a registered model.
    """

    kind: Kind
    text: str
    owner: str = ""
    rest: str = ""


class Source(Struct, frozen=True):
    """A source that may be stored. `location` is where the files are, if `text` only refers to them."""

    text: str
    run_id: str
    model_id: str
    location: str | None = None


class Owners(Protocol):
    """Knows runs and logged models: the tracking store."""

    def get_run(self, run_id: str) -> Run: ...
    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel: ...


# ---------------------------------------------------------------- parsing


def parse_new(source: str) -> Parsed:
    """As `parse`, for a source that is registered: it must be of the form that the operator demands."""
    parsed = parse(source)
    pattern = settings.CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX.get()
    if pattern and re.search(pattern, source) is None:
        raise SourceRefused(source, "it is not of the form that this server's operator demands.")
    return parsed


def parse(source: str) -> Parsed:
    """
    Raises:
        SourceRefused: the source is malformed.
    """
    rules.check_text(source, "source", MAX_SOURCE)
    if not source.strip() or source != source.strip() or _CONTROL.search(source):
        raise SourceRefused(source, "it must not be blank, nor hold control characters or blanks at its ends.")
    if rules.has_dot_dot(source):
        raise SourceRefused(source, "it must not hold '..'. Write the path out.")
    if _CONTROL.search(unquote(source)):
        raise SourceRefused(source, "it must not hold control characters.")
    scheme = scheme_of(source)
    if scheme in ("", "file"):
        local_path(source)
        return Parsed(Kind.LOCAL, source)
    try:
        parts = urlsplit(source)
        password = parts.password
    except ValueError:
        raise SourceRefused(source, "it is not a URI.") from None
    if password is not None:
        raise SourceRefused(source, "it must not hold a password. Give credentials through the environment.")
    if scheme == "runs":
        return _parse_run(source)
    if scheme == "models":
        return _parse_model(source)
    if proxied_path(source) is not None:
        return Parsed(Kind.PROXIED, source)
    return Parsed(Kind.REMOTE, source)


def scheme_of(source: str) -> str:
    match = _SCHEME.match(source)
    return match[1].lower() if match else ""


def local_path(source: str) -> str:
    """The absolute path that a path or `file:` URI means, symbolic links followed."""
    if scheme_of(source) != "file":
        return os.path.realpath(source)
    parts = urlsplit(source)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise SourceRefused(source, "a file: URI has neither host nor query: file:///folder/model.")
    return os.path.realpath(unquote(parts.path))


def proxied_path(source: str) -> tuple[str, ...] | None:
    """The segments below the proxy's root, for `mlflow-artifacts:` and addresses of a proxy; None for anything else."""
    scheme = scheme_of(source)
    if scheme not in ("mlflow-artifacts", "http", "https"):
        return None
    parts = urlsplit(source)
    path = unquote(parts.path)
    if scheme != "mlflow-artifacts":
        found = PROXY_PATH.search(path)
        if found is None:
            return None
        path = path[found.end() :]
    if parts.query or parts.fragment:
        raise SourceRefused(source, "an artifact behind the proxy has neither query nor fragment.")
    return tuple(segment for segment in path.split("/") if segment not in ("", "."))


def _parse_run(source: str) -> Parsed:
    run_id, _, path = _path_of(source, "runs:/<run id>/<path>").partition("/")
    if not run_id or not path:
        raise SourceRefused(source, "it must be runs:/<run id>/<path>.")
    return Parsed(Kind.RUN, source, run_id, path)


def _parse_model(source: str) -> Parsed:
    form = "models:/<name>/<version>, models:/<name>@<alias> or models:/<model id>"
    name, *more = _path_of(source, form).split("/")
    if not name or len(more) > 1 or (more and not more[0]):
        raise SourceRefused(source, f"it must be {form}.")
    if more:
        return Parsed(Kind.VERSION, source, name, more[0])
    base, at, alias = name.rpartition("@")
    if at:
        if not base or not alias:
            raise SourceRefused(source, f"it must be {form}.")
        return Parsed(Kind.VERSION, source, base, f"@{alias}")
    return Parsed(Kind.LOGGED_MODEL, source, name)


def _path_of(source: str, form: str) -> str:
    parts = urlsplit(source)
    if parts.netloc or parts.query or parts.fragment:
        raise SourceRefused(source, f"it must be {form}, with one slash and no query.")
    return unquote(parts.path).strip("/")


# ---------------------------------------------------------------- checking


def check(parsed: Parsed, run_id: str, model_id: str, owners: Owners, is_served: bool) -> Source:
    """The source as it may be stored, for all kinds but versions of registered models.

    Args:
        run_id, model_id: as the request names them; "" is none.
        is_served: whether strangers ask.
    Raises:
        SourceRefused: it is not of that run or logged model.
        LoggedModelNotFound
    """
    if parsed.kind is Kind.LOGGED_MODEL and model_id != parsed.owner:
        raise SourceRefused(parsed.text, f"model_id must be {parsed.owner!r}, the model that it names.")
    model = owners.get_logged_model(model_id) if model_id else None
    run_of_version = run_id or (model.source_run_id or "" if model is not None else "")
    location: str | None = None
    match parsed.kind:
        case Kind.RUN:
            if parsed.owner != run_of_version:
                raise SourceRefused(parsed.text, f"run_id must be {parsed.owner!r}, the run that it names.")
        case Kind.LOGGED_MODEL if model is not None:
            location = model.artifact_location
        case Kind.LOCAL | Kind.PROXIED if is_served:
            require_inside(parsed.text, run_id, model, owners)
    return Source(parsed.text, run_of_version, model_id, location)


def require_inside(source: str, run_id: str, model: LoggedModel | None, owners: Owners) -> None:
    """Refuse a local or proxied source that does not lie inside of the artifacts of the run or logged model."""
    roots = [] if model is None else [model.artifact_location]
    if run_id:
        try:
            roots.append(owners.get_run(run_id).info.artifact_uri or "")
        except RunNotFound as error:
            raise SourceRefused(source, error.message) from None
    if not roots:
        raise SourceRefused(source, "a path of the server needs the run_id or model_id whose artifact it is.")
    if not any(is_inside(source, root) for root in roots):
        raise SourceRefused(source, "it does not lie inside of the artifacts of the run or model that is named.")


def is_inside(source: str, root: str) -> bool:
    """Whether a local or proxied source is a root, or lies below it: compared by segments, symbolic links followed."""
    if not root:
        return False
    theirs, ours = proxied_path(root), proxied_path(source)
    if ours is not None:
        return theirs is not None and bool(theirs) and ours[: len(theirs)] == theirs
    if scheme_of(root) not in ("", "file") or scheme_of(source) not in ("", "file"):
        return False
    base, path = local_path(root), local_path(source)
    return path == base or path.startswith(base.rstrip(os.sep) + os.sep)


def inherited(given: str, of_source: str, what: str, source: str) -> str:
    """A run or model id of a version that is copied: the source's, which a request may repeat but not change."""
    if given and of_source and given != of_source:
        raise InvalidValue(f"{what} must be {of_source!r}, that of {source!r}, or be left out.")
    return given or of_source
