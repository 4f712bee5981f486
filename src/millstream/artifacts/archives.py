"""What a zip file may hold that somebody else made, whatever it is unpacked for."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence

MAX_MEMBERS = 10_000
MAX_RATIO = 100
FREE_BYTES = 1 << 20
"""What an archive may always unpack to, whatever its ratio: small texts compress well."""


def reason_against(members: Sequence[zipfile.ZipInfo], archive_bytes: int, max_bytes: int | None = None) -> str | None:
    """Why an archive must not be unpacked: too much in it, a name that leaves it, or one that is there twice. None if it may.

    Args:
        archive_bytes: size of the archive.
        max_bytes: what it may unpack to; None is any number within MAX_RATIO.
    """
    if len(members) > MAX_MEMBERS:
        return f"it has {len(members)} members, and {MAX_MEMBERS} is the limit"
    total = sum(member.file_size for member in members)
    if total > max(FREE_BYTES, MAX_RATIO * archive_bytes):
        return f"it unpacks to {total} bytes, over {MAX_RATIO} times its size"
    if max_bytes is not None and total > max_bytes:
        return f"it unpacks to {total} bytes, and {max_bytes} is the limit"
    if len({member.filename.lower() for member in members}) < len(members):
        return "it has two members of one name, and readers differ in which they take"
    for member in members:
        name = member.filename
        if name.startswith("/") or "\\" in name or ":" in name or "\0" in name or ".." in name.split("/"):
            return f"its member {name[:200]!r} leads out of the archive"
    return None
