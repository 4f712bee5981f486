"""The path of an artifact inside its run, as callers give it."""

from __future__ import annotations

import posixpath

from millstream.errors import InvalidValue


def artifact_path(text: object) -> str:
    """A relative posix path of a file below a run's artifact root.

    Raises InvalidValue if it is empty, absolute, has `.`, `..` or empty parts, a backslash, control characters or a scheme.
    """
    path = str(text)
    parts = path.split("/")
    if (
        not path
        or any(part in ("", ".", "..") for part in parts)
        or "\\" in path
        or "#" in parts[0][:1]
        or any(ord(char) < 32 for char in path)
        or posixpath.isabs(path)
        or "://" in path
    ):
        raise InvalidValue(
            f"{path!r} is no path for an artifact. Give a relative path such as 'plots/loss.png', without '..'."
        )
    return path
