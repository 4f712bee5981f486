"""What may be written: keys, lengths, texts, ids and limits, checked before a transaction begins.

Every function raises InvalidValue that names the field. Values that are too long are cut where the contract says so.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from millstream import settings
from millstream.entities import (
    RUN_NAME_TAG,
    DatasetInput,
    LoggedModelParameter,
    LoggedModelTag,
    Metric,
    Param,
    RunTag,
)
from millstream.errors import InvalidValue

MAX_KEY = 250
MAX_PARAM_VALUE = 6000
MAX_RUN_TAG_VALUE = 8000
MAX_EXPERIMENT_TAG_VALUE = 20_000
MAX_EXPERIMENT_NAME = 500
MAX_BATCH_METRICS = 1000
MAX_BATCH_PARAMS = 100
MAX_BATCH_TAGS = 100
MAX_BATCH_TOTAL = 1000
MAX_ID = 256

_DATASET_LIMITS = (
    ("name", 500),
    ("digest", 36),
    ("source_type", 65_535),
    ("source", 65_535),
    ("schema", 1_048_575),
    ("profile", 16_777_215),
)
_MAX_INPUT_TAG_KEY = 255
_MAX_INPUT_TAG_VALUE = 500

_KEY = re.compile(r"[\w\-. :/]+")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,255}")
_MINTED_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MINTED_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_FORBIDDEN_IN_MODEL_NAME = frozenset("/:.%\"'")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

Pair = RunTag | LoggedModelTag | LoggedModelParameter

_known_keys: set[str] = set()
_MAX_KNOWN_KEYS = 50_000


def check_text(value: str, what: str, limit: int | None = None) -> str:
    """Refuse what a database cannot hold (NUL, lone surrogates) and what is longer than `limit` characters."""
    if type(value) is not str:
        raise InvalidValue(f"{what} must be text, not {type(value).__name__}.")
    if limit is not None and len(value) > limit:
        raise InvalidValue(f"{what} is {len(value)} characters long; at most {limit} are allowed.")
    if "\0" in value:
        raise InvalidValue(f"{what} holds a NUL character. Remove it.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue(f"{what} holds a lone surrogate, which is not Unicode text. Remove it.") from None
    return value


def check_key(key: str, what: str) -> str:
    """A key of a metric, param or tag."""
    if key in _known_keys:
        return key
    if type(key) is not str or not key:
        raise InvalidValue(f"{what} must be a text that is not empty.")
    if len(key) > MAX_KEY:
        raise InvalidValue(f"{what} is {len(key)} characters long; at most {MAX_KEY} are allowed.")
    if _KEY.fullmatch(key) is None:
        raise InvalidValue(
            f"{what} {_shown(key)} may hold letters, digits, underscores, dashes, dots, blanks, colons and slashes only."
        )
    normal = posixpath.normpath(key)
    if normal != key or normal == "." or normal.startswith(("..", "/")):
        raise InvalidValue(
            f"{what} {_shown(key)} is not a plain relative path. Write it without '//', './', '..' or a slash at either end."
        )
    if len(_known_keys) >= _MAX_KNOWN_KEYS:
        _known_keys.clear()
    _known_keys.add(key)
    return key


def check_free_key(key: str, what: str) -> str:
    """A key of a tag that comes with something new: MLflow takes any text there, and existing code relies on it."""
    if key == "":
        raise InvalidValue(f"{what} must not be empty.")
    return check_text(key, what, MAX_KEY)


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 100 else text[:97] + "...")


def cut(value: str, limit: int, what: str) -> str:
    """The value, cut to `limit` characters or refused as TRUNCATE_LONG_VALUES says."""
    check_text(value, what)
    if len(value) > limit:
        if not settings.TRUNCATE_LONG_VALUES.get():
            raise InvalidValue(f"{what} is {len(value)} characters long; at most {limit} are allowed.")
        return value[:limit]
    return value


# ---------------------------------------------------------------- ids


def experiment_key(experiment_id: str) -> int:
    """The integer behind a public experiment id."""
    if type(experiment_id) is str and experiment_id.isascii() and experiment_id.isdigit() and len(experiment_id) <= 19:
        key = int(experiment_id)
        if key < 2**63:
            return key
    raise InvalidValue(f"Experiment id {_shown(str(experiment_id))} is not a whole number.")


def check_run_id(run_id: str) -> str:
    if type(run_id) is not str or _RUN_ID.fullmatch(run_id) is None:
        raise InvalidValue(f"Run id {_shown(str(run_id))} is not one: letters, digits, '-' and '_' only, at most 256.")
    return run_id


def check_minted_run_id(run_id: str) -> str:
    if type(run_id) is not str or _MINTED_RUN_ID.fullmatch(run_id) is None:
        raise InvalidValue("A run_id that a client brings must be 32 lower-case hexadecimal digits (uuid4().hex).")
    return run_id


def check_minted_model_id(model_id: str) -> str:
    if type(model_id) is not str or _MINTED_MODEL_ID.fullmatch(model_id) is None:
        raise InvalidValue("A model_id that a client brings must be 'm-' and 32 lower-case hexadecimal digits.")
    return model_id


def check_int64(value: int, what: str) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise InvalidValue(f"{what} must be a whole number of 64 bits.")
    return value


# ---------------------------------------------------------------- experiments


def check_experiment_name(name: str) -> str:
    if not name:
        raise InvalidValue("The experiment's name must not be empty.")
    return check_text(name, "The experiment's name", MAX_EXPERIMENT_NAME)


def check_location(location: str) -> str:
    """An artifact location that a user chose, local relative paths made absolute."""
    limit = settings.ARTIFACT_LOCATION_MAX_LENGTH.get()
    what = "artifact_location"
    check_text(location, what, limit)
    if _CONTROL.search(location) or location != location.strip():
        raise InvalidValue(f"{what} must not hold control characters or blanks at its ends.")
    if has_dot_dot(location):
        raise InvalidValue(f"{what} must not hold '..'. Write the path out.")
    if _SCHEME.match(location) is None or re.match(r"[A-Za-z]:[\\/]", location):
        return os.path.abspath(location)
    try:
        parts = urlsplit(location)
    except ValueError:
        raise InvalidValue(f"{what} is not a URI.") from None
    if parts.scheme.lower() in ("runs", "models"):
        raise InvalidValue(f"{what} must not start with {parts.scheme}:/, which names artifacts of a run or model.")
    if parts.fragment or "#" in location:
        raise InvalidValue(f"{what} must not have a fragment ('#...').")
    if ";" in parts.path:
        raise InvalidValue(f"{what} must not have parameters (';...').")
    if parts.password is not None:  # a user alone is fine: abfss://container@account, sftp://user@host
        raise InvalidValue(f"{what} must not hold a password. Give credentials through the environment.")
    return location


def has_dot_dot(text: str) -> bool:
    """Whether a `..` segment appears in a path or URI, however often it is percent-encoded."""
    for _ in range(8):
        if ".." in re.split(r"[/\\?&=;#:]", text):
            return True
        decoded = unquote(text)
        if decoded == text:
            return False
        text = decoded
    return True


def below(location: str, *parts: str) -> str:
    """The URI of something below a location; a query string of the location stays at the end."""
    base, mark, query = location.partition("?") if _SCHEME.match(location) else (location, "", "")
    return "/".join((base.rstrip("/"), *parts)) + mark + query


def unique_tags(
    tags: Iterable[Pair], limit: int, what: str, check: Callable[[str, str], str] = check_key
) -> dict[str, str]:
    """Tags as a dict, keys checked, values cut; the last of a repeated key wins."""
    found: dict[str, str] = {}
    for tag in tags:
        check(tag.key, what)
        found[tag.key] = cut(tag.value, limit, f"{what} {_shown(tag.key)}: the value")
    return found


def distinct_tags(
    tags: Sequence[Pair], limit: int, what: str, check: Callable[[str, str], str] = check_key
) -> dict[str, str]:
    """As `unique_tags`, but a repeated key is refused."""
    found = unique_tags(tags, limit, what, check)
    if len(found) != len(tags):
        raise InvalidValue(f"{what}s: a key appears more than once.")
    return found


# ---------------------------------------------------------------- batches


class Batch(Struct):
    """A checked `log_batch`, ready to be written (any number of times)."""

    run_id: str
    metrics: Mapping[str, Sequence[Metric]]
    model_metrics: Sequence[Metric]
    params: Mapping[str, str]
    tags: Mapping[str, str]


def check_batch(run_id: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]) -> Batch:
    check_run_id(run_id)
    for items, limit, what in (
        (metrics, MAX_BATCH_METRICS, "metrics"),
        (params, MAX_BATCH_PARAMS, "params"),
        (tags, MAX_BATCH_TAGS, "tags"),
    ):
        if len(items) > limit:
            raise InvalidValue(f"A batch holds at most {limit} {what}, not {len(items)}. Send it in parts.")
    total = len(metrics) + len(params) + len(tags)
    if total > MAX_BATCH_TOTAL:
        raise InvalidValue(f"A batch holds at most {MAX_BATCH_TOTAL} entries, not {total}. Send it in parts.")
    by_key, of_models = check_metrics(metrics) if metrics else ({}, [])
    checked_params: dict[str, str] = {}
    for param in params:
        key = check_key(param.key, "Param key")
        if key in checked_params:
            raise InvalidValue(f"Param {_shown(key)} appears more than once in the batch.")
        checked_params[key] = cut(param.value, MAX_PARAM_VALUE, f"Param {_shown(key)}: the value")
    checked_tags = unique_tags(tags, MAX_RUN_TAG_VALUE, "Tag key") if tags else {}
    if checked_tags.get(RUN_NAME_TAG) == "":
        del checked_tags[RUN_NAME_TAG]  # an empty name changes neither the name nor the tag
    return Batch(run_id, by_key, of_models, checked_params, checked_tags)


def check_metrics(metrics: Sequence[Metric]) -> tuple[dict[str, list[Metric]], list[Metric]]:
    """Points by key in the order given, and those that belong to logged models too.

    Values are floats of any kind: the series store takes care of infinities and of -0.0.
    """
    by_key: dict[str, list[Metric]] = {}
    of_models: list[Metric] = []
    for metric in metrics:
        key = metric.key
        if (
            type(metric.value) is not float
            or type(metric.timestamp) is not int
            or not 0 <= metric.timestamp < 9223372036854775808
            or type(metric.step) is not int
            or not -9223372036854775808 <= metric.step < 9223372036854775808
        ):
            metric = _exact_metric(metric)
        points = by_key.get(key)
        if points is None:
            check_key(key, "Metric key")
            points = by_key[key] = []
        points.append(metric)
        if metric.model_id or metric.dataset_name or metric.dataset_digest:
            _check_metric_links(metric)
            if metric.model_id:
                of_models.append(metric)
    return by_key, of_models


def _exact_metric(metric: Metric) -> Metric:
    """The point with numbers of the exact types, from those of Python callers (ints, NumPy scalars, booleans)."""
    key = _shown(str(metric.key))
    try:
        value = float(metric.value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidValue(f"Metric {key}: the value must be a number.") from None
    try:
        timestamp, step = metric.timestamp.__index__(), metric.step.__index__()
    except AttributeError:
        raise InvalidValue(f"Metric {key}: timestamp and step must be whole numbers.") from None
    check_int64(step, f"Metric {key}: the step")
    if check_int64(timestamp, f"Metric {key}: the timestamp") < 0:
        raise InvalidValue(f"Metric {key}: the timestamp must not be negative.")
    return Metric(metric.key, value, timestamp, step, metric.model_id, metric.dataset_name, metric.dataset_digest)


def _check_metric_links(metric: Metric) -> None:
    what = f"Metric {_shown(metric.key)}:"
    if bool(metric.dataset_name) != bool(metric.dataset_digest):
        raise InvalidValue(f"{what} dataset_name and dataset_digest go together: give both or neither.")
    if metric.dataset_name and metric.dataset_digest:
        check_text(metric.dataset_name, f"{what} dataset_name", 500)
        check_text(metric.dataset_digest, f"{what} dataset_digest", 36)
    if metric.model_id:
        check_text(metric.model_id, f"{what} model_id", 64)


# ---------------------------------------------------------------- datasets and models


def check_dataset_input(entry: DatasetInput) -> dict[str, str]:
    """Check a dataset and return the tags of its link to the run."""
    dataset = entry.dataset
    if not dataset.name or not dataset.digest:
        raise InvalidValue("A dataset needs a name and a digest.")
    for name, limit in _DATASET_LIMITS:
        value: str | None = getattr(dataset, name)
        if value is not None:
            check_text(value, f"Dataset {name}", limit)
    tags: dict[str, str] = {}
    for tag in entry.tags:
        if not tag.key:
            raise InvalidValue("The key of a dataset's tag must not be empty.")
        check_text(tag.key, "The key of a dataset's tag", _MAX_INPUT_TAG_KEY)
        tags[tag.key] = check_text(tag.value, f"Dataset tag {_shown(tag.key)}: the value", _MAX_INPUT_TAG_VALUE)
    return tags


def check_model_link(model_id: str) -> str:
    if not model_id:
        raise InvalidValue("model_id must not be empty.")
    return check_text(model_id, "model_id", 64)


def check_model_name(name: str) -> str:
    check_text(name, "The model's name")
    if _FORBIDDEN_IN_MODEL_NAME.intersection(name):
        raise InvalidValue(f"The model's name {_shown(name)} must not hold any of / : . % \" '")
    return name
