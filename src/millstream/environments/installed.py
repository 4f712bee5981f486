"""What is installed here: distributions, their versions, and which of them a module belongs to."""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Collection, Iterable
from functools import cached_property

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from millstream.environments.this_python import METADATA_FOLDERS, folders_of_distributions

_VERSION = re.compile(r"^Version:(.*)$", re.MULTILINE)


def version_of(name: str) -> str | None:
    """The installed version of a distribution, without its local part (`2.3.0+cpu`); None if it is not installed."""
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    found = _VERSION.search(distribution.read_text("METADATA") or "")  # parsing all of it takes 5 ms
    text = found[1].strip() if found else distribution.version
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
        Canonical name of the distribution by file; files of none (the standard library, the user's own, packages installed
        as editable) are left out.
    """
    records = {folder: _records(folder) for folder in folders_of_distributions()}
    by_top: dict[tuple[str, str], list[str]] = {}
    for file in files:
        for folder in records:
            if file.startswith(folder + os.sep):
                below = file[len(folder) + 1 :]
                by_top.setdefault((folder, below.partition(os.sep)[0]), []).append(below)
                break
    owners: dict[str, str] = {}
    for (folder, top), found in by_top.items():
        init = os.path.join(top, "__init__.py")
        is_package = os.path.isfile(os.path.join(folder, init))  # else a module, or a namespace that several share
        whole = _owner(top, init, records[folder]) if is_package else None
        for below in found:
            owner = whole or _owner(top, below, records[folder])
            if owner is not None:
                owners[os.path.join(folder, below)] = owner
    return owners


class _Record:
    """The list of a distribution's files, read when it is first asked for."""

    def __init__(self, folder: str) -> None:
        self.name = canonicalize_name(os.path.basename(folder).rpartition(".")[0].split("-")[0])
        self._folder = folder

    @cached_property
    def _text(self) -> str:
        for name in ("RECORD", "installed-files.txt", "SOURCES.txt"):
            try:
                with open(os.path.join(self._folder, name), encoding="utf-8", errors="replace") as file:
                    return "\n" + file.read().replace("\n../", "\n")
            except OSError:
                continue
        return ""

    def holds(self, below: str) -> bool:
        """Whether a path, relative to the folder of the distribution, is one of its files."""
        return any(f"\n{below}{end}" in self._text for end in (",", "\n")) or f'\n"{below}"' in self._text


def _records(folder: str) -> list[_Record]:
    return [_Record(os.path.join(folder, name)) for name in os.listdir(folder) if name.endswith(METADATA_FOLDERS)]


def _owner(top: str, below: str, records: list[_Record]) -> str | None:
    """The distribution that holds a file; one that is called like the package is asked first."""
    likely = canonicalize_name(top.removesuffix(".py"))
    for record in sorted(records, key=lambda record: record.name != likely):
        if record.holds(below):
            return record.name
    return None
