"""What is installed here: distributions, their versions, and which of them a module belongs to."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Collection, Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


def python_version() -> str:
    """Such as "3.11.7"."""
    return platform.python_version()


def version_of(name: str) -> str | None:
    """The installed version of a distribution, without its local part (`2.3.0+cpu`); None if it is not installed."""
    try:
        text = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    try:
        return Version(text).public
    except InvalidVersion:
        return text


def pinned(requirement: str) -> str:
    """`name==<installed>` for the name of a distribution; what says more than a name, or is not installed, as it is.

    Builds of the same modules under another name stand for it (`xgboost-cpu` for `xgboost`).
    """
    if _is_name(requirement):
        for name in (requirement, f"{requirement}-cpu", f"{requirement}-gpu"):
            if (version := version_of(name)) is not None:
                return f"{name}=={version}"
    return requirement


def _is_name(text: str) -> bool:
    return all(c.isalnum() or c in "-_." for c in text)


def required_by(names: Iterable[str]) -> set[str]:
    """Canonical names of all that distributions require, directly or not, without their extras. Those that are not
    installed require nothing."""
    found: set[str] = set()
    waiting: list[str] = [canonicalize_name(name) for name in names]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for required in _requires(name):
            found.add(required)
            waiting.append(required)
    return found


def _requires(name: str) -> Iterable[str]:
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def distributions_of(files: Collection[str]) -> dict[str, str]:
    """Which distribution each imported file belongs to.

    Args:
        files: absolute paths (`__file__` of modules).
    Returns:
        Canonical name of the distribution by file; files of none (the standard library, the user's own) are left out.
    """
    from pathlib import Path

    by_file: dict[str, str] = {}
    by_root: dict[Path, list[importlib.metadata.Distribution]] = {}
    wanted = {Path(file) for file in files}
    for distribution in importlib.metadata.distributions():
        root = Path(str(distribution.locate_file("")))
        by_root.setdefault(root, []).append(distribution)
    for root, found in by_root.items():
        below = {file.relative_to(root).as_posix(): str(file) for file in wanted if file.is_relative_to(root)}
        if not below:
            continue
        tops = {path.partition("/")[0] for path in below}
        for distribution in found:
            for owned in _recorded(distribution, tops):
                if owned in below:
                    by_file.setdefault(below[owned], canonicalize_name(distribution.metadata["Name"]))
    return by_file


def _recorded(distribution: importlib.metadata.Distribution, tops: set[str]) -> Iterable[str]:
    """Paths of a distribution's files below some top-level names, from its RECORD (or the like)."""
    text = distribution.read_text("RECORD")
    if text is None:
        for file in distribution.files or ():
            yield file.as_posix()
        return
    for line in text.splitlines():
        path = line[1 : line.index('"', 1)] if line.startswith('"') else line.partition(",")[0]
        if path.partition("/")[0] in tops:
            yield path
