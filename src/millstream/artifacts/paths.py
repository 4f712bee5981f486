"""Artifact paths: text from outside becomes a checked path here, once, and only the checked path is used afterwards.

A checked path is relative, uses `/`, and names something below a root: it cannot leave the root, whatever decodes it again.
Client and server use the same check, so what one accepts the other stores.
"""

from __future__ import annotations

import re
from typing import NewType
from urllib.parse import unquote

from millstream.errors import InvalidValue

ArtifactPath = NewType("ArtifactPath", str)
"""A path that passed `check` or `check_folder`; "" is the root and comes from `check_folder` only."""

ROOT = ArtifactPath("")
MAX_PATH_BYTES = 4096
MAX_SEGMENT_BYTES = 255

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\#]")
_DRIVE_OR_SCHEME = re.compile(r"[A-Za-z]:|[A-Za-z][A-Za-z0-9+.\-]*:/|file:", re.IGNORECASE)
_DOTS = frozenset((".", ".."))
_PLAIN = re.compile(r"[A-Za-z0-9_\-]+(?:[./][A-Za-z0-9_\-]+)*")
"""The shape of nearly every path, which is safe as it is; anything else takes the long way."""


def check(path: str) -> ArtifactPath:
    """The path of a file or folder below a root.

    Args:
        path: relative, `/` between segments, already decoded once by whatever transported it.
    Raises:
        InvalidValue: the path is empty or absolute; has a segment that is empty, `.`, `..` or longer than 255 bytes; holds a
            backslash, `#`, NUL or another control character; begins with a drive or a scheme; is longer than 4,096 bytes; or
            would become such a path, or gain a separator, if somebody decoded it again.
    """
    if len(path) <= MAX_SEGMENT_BYTES and _PLAIN.fullmatch(path):
        return ArtifactPath(path)
    _refuse_bad_form(path, path)
    decoded = path
    while "%" in decoded:
        once_more = unquote(decoded)
        if once_more == decoded:
            break
        decoded = once_more
        _refuse_hidden(path, decoded)
    return ArtifactPath(path)


def check_folder(path: str | None) -> ArtifactPath:
    """As `check`, but None and the empty text are the root, and one `/` at the end is taken off (MLflow's clients send it)."""
    if not path:
        return ROOT
    return check(path[:-1] if len(path) > 1 and path.endswith("/") else path)


def check_name(name: str) -> ArtifactPath:
    """One segment: the base name of a file. Raises InvalidValue also if it holds a `/`."""
    if "/" in name:
        raise _refusal(name, "it must be a file name without '/'")
    return check(name)


def join(folder: ArtifactPath, path: ArtifactPath) -> ArtifactPath:
    """`path` below `folder`. Raises InvalidValue if the two together are too long."""
    if not folder or not path:
        return folder or path
    joined = ArtifactPath(f"{folder}/{path}")
    if len(joined) * 4 > MAX_PATH_BYTES and len(joined.encode()) > MAX_PATH_BYTES:
        raise _refusal(joined, f"it is longer than {MAX_PATH_BYTES} bytes")
    return joined


def parent(path: ArtifactPath) -> ArtifactPath:
    return ArtifactPath(path.rpartition("/")[0])


def name(path: ArtifactPath) -> str:
    return path.rpartition("/")[2]


def _refuse_bad_form(path: str, text: str) -> None:
    if not text:
        raise _refusal(path, "it is empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise _refusal(path, "it is not valid Unicode") from None
    if size > MAX_PATH_BYTES:
        raise _refusal(path, f"it is longer than {MAX_PATH_BYTES} bytes")
    if _FORBIDDEN.search(text):
        raise _refusal(path, "it holds a backslash, '#' or a control character")
    if _DRIVE_OR_SCHEME.match(text):
        raise _refusal(path, "it begins with a drive or a scheme")
    for segment in text.split("/"):
        if not segment:
            raise _refusal(path, "it is absolute or has an empty segment")
        if segment in _DOTS:
            raise _refusal(path, f"it has a segment {segment!r}")
        if len(segment) * 4 > MAX_SEGMENT_BYTES and len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise _refusal(path, f"it has a segment longer than {MAX_SEGMENT_BYTES} bytes")


def _refuse_hidden(path: str, decoded: str) -> None:
    """Refuse what a second decoding would turn into another place.

    Control characters and `#` may appear by decoding: `images/a%step%1%timestamp%1732383822123%…` is a name that MLflow
    clients give to images, and `%17` is in it.
    """
    if decoded.count("/") != path.count("/") or "\\" in decoded or "\0" in decoded:
        raise _refusal(path, "it holds an encoded separator or NUL")
    if any(segment in _DOTS for segment in decoded.split("/")):
        raise _refusal(path, "it holds an encoded '.' or '..' segment")
    if _DRIVE_OR_SCHEME.match(decoded):
        raise _refusal(path, "it begins with an encoded drive or scheme")


def _refusal(path: str, reason: str) -> InvalidValue:
    shown = path if len(path) <= 200 else path[:200] + "…"
    return InvalidValue(f"Invalid artifact path {shown!r}: {reason}. Use a relative path such as 'plots/roc.png'.")
