"""What the client can know is wrong about keys, values and tags, so that the call raises and not a barrier later.

The limits are those of the contract; the store checks them again, for other clients.
"""

from __future__ import annotations

import operator
import posixpath
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from millstream.entities import Metric, RunStatus
from millstream.errors import InvalidValue
from millstream.settings import TRUNCATE_LONG_VALUES

MAX_KEY = 250
MAX_PARAM_VALUE = 6000
MAX_TAG_VALUE = 8000
MAX_METRICS = 1000
MAX_PARAMS = 100
MAX_TAGS = 100
MAX_ENTITIES = 1000
"""The last four: of one batch."""

_KEY = re.compile(r"[\w\-. :/]+")
_RUN_ID = re.compile(r"[A-Za-z0-9][\w\-]{0,255}")


@lru_cache(maxsize=65536)
def key(text: str, what: str = "metric") -> str:
    """The key of a metric, param or tag, if it may be one; else InvalidValue."""
    if not isinstance(text, str):
        raise InvalidValue(f"The key of a {what} must be text, not {type(text).__name__}.")
    if not text:
        raise InvalidValue(f"The key of a {what} must not be empty.")
    if len(text) > MAX_KEY:
        raise InvalidValue(f"The key of a {what} may have {MAX_KEY} characters, and {text[:40]!r}... has {len(text)}.")
    if not _KEY.fullmatch(text):
        raise InvalidValue(
            f"The key {text!r} of a {what} may only hold letters, digits, '_', '-', '.', ':', '/' and blanks."
        )
    normal = posixpath.normpath(text)
    if normal != text or normal == "." or text.startswith(("..", "/")):
        raise InvalidValue(
            f"The key {text!r} of a {what} must read as a plain relative path: no '..', '//', leading or trailing '/'."
        )
    return text


@lru_cache(maxsize=4096)
def run_id(text: str) -> str:
    if not isinstance(text, str) or not _RUN_ID.fullmatch(text):
        raise InvalidValue(f"{text!r} is not a run id: letters, digits, '_' and '-', at most 256.")
    return text


def status(name: RunStatus | str) -> RunStatus:
    """The status of that name. Raises InvalidValue for any other."""
    try:
        return RunStatus(name)
    except ValueError:
        raise InvalidValue(f"{name!r} is no status of a run. They are {', '.join(RunStatus)}.") from None


def text(value: object, limit: int, what: str) -> str:
    """A value as text, cut to `limit` characters if settings allow it; else InvalidValue."""
    result = value if type(value) is str else str(value)
    if len(result) > limit:
        if not TRUNCATE_LONG_VALUES.get():
            raise InvalidValue(f"The value of {what} may have {limit} characters, not {len(result)}.")
        result = result[:limit]
    if "\0" in result:
        raise InvalidValue(f"The value of {what} holds a NUL character. Remove it.")
    if not result.isascii():
        try:
            result.encode()
        except UnicodeEncodeError:
            raise InvalidValue(f"The value of {what} holds half of a surrogate pair. Remove that character.") from None
    return result


def params(values: Mapping[str, object]) -> dict[str, str]:
    return {key(name, "param"): text(value, MAX_PARAM_VALUE, f"param {name!r}") for name, value in dict(values).items()}


def tags(values: Mapping[str, object]) -> dict[str, str]:
    return {key(name, "tag"): text(value, MAX_TAG_VALUE, f"tag {name!r}") for name, value in dict(values).items()}


def checked_value(value: Any) -> float:
    """The number in `value`, or InvalidValue."""
    try:
        return float(value)
    except Exception as error:
        item = getattr(value, "item", None)  # arrays and tensors of one element in any shape
        if item is not None:
            try:
                return float(item())
            except Exception:
                pass
        text = repr(value)
        raise InvalidValue(
            f"A metric's value must be a number, not {text[:80]} ({type(value).__name__}: {error})."
        ) from None


def checked_integer(name: str, value: Any) -> int:
    """`value` as a whole number of 64 bits, or InvalidValue."""
    try:
        number = operator.index(value)
    except TypeError:
        try:
            number = int(value)
            exact = number == value
        except Exception:
            exact = False
        if not exact:
            raise InvalidValue(f"A metric's {name} must be a whole number, not {value!r:.80}.") from None
    if not -(2**63) <= number < 2**63:
        raise InvalidValue(f"A metric's {name} must fit 64 bits, and {number} does not.")
    return number


def point(metric: Metric) -> Metric:
    """The point with plain numbers, if it may be logged; else InvalidValue."""
    key(metric.key)
    value, step, timestamp = metric.value, metric.step, metric.timestamp
    number, at, when = checked_value(value), checked_integer("step", step), checked_integer("timestamp", timestamp)
    if when < 0:
        raise InvalidValue(f"A metric's timestamp is in ms since 1970 and cannot be negative: {when}.")
    if type(value) is float and type(step) is int and type(timestamp) is int:
        return metric
    return Metric(metric.key, number, when, at, metric.model_id, metric.dataset_name, metric.dataset_digest)
