"""A server's log: one JSON object a line on stderr, without secrets."""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import Any

import msgspec

logger = logging.getLogger("millstream.server")

_SECRETS = (
    (re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/@:\"']*):[^\s/@\"']+@"), r"\1:***@"),  # URL passwords
    (re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie|x-api-key)(['\"]?\s*[:=,]\s*)[^\r\n]*"), r"\1\2***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 ***"),
    (
        re.compile(r"(?i)\b([a-z0-9_-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[a-z0-9_-]*)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",;&}]+"),
        r"\1\2***",
    ),
)  # fmt: skip


def without_secrets(text: str) -> str:
    """`text` with passwords of URLs, credentials of headers and values of fields that are named like secrets struck out."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        fields = getattr(record, "fields", None)
        if fields:
            line.update(
                {key: without_secrets(value) if isinstance(value, str) else value for key, value in fields.items()}
            )
        if record.exc_info:
            line["trace"] = without_secrets(self.formatException(record.exc_info))
        return msgspec.json.encode(_printable(line)).decode()


def _printable(line: dict[str, Any]) -> dict[str, Any]:
    return {k: v.encode(errors="replace").decode() if isinstance(v, str) else v for k, v in line.items()}


def log(level: int, message: str, exc_info: BaseException | None = None, **fields: Any) -> None:
    """One line with further fields."""
    logger.log(level, message, exc_info=exc_info, extra={"fields": fields})


def to_stderr(level: str) -> None:
    """Send the server's log lines (and uvicorn's) to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        number = logging.INFO
    for name in ("millstream", "uvicorn.error"):
        named = logging.getLogger(name)
        named.handlers = [handler]
        named.propagate = False
        named.setLevel(number if name == "millstream" else max(number, logging.WARNING))
