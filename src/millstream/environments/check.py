"""How what is installed differs from what a model was made with."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from packaging.version import InvalidVersion, Version

from millstream.environments.installed import version_of
from millstream.environments.lines import OFFICIAL, OURS
from millstream.environments.spec import EnvironmentSpec
from millstream.environments.this_python import python_version
from millstream.version import VERSION


class Mismatch(Struct, frozen=True):
    """One difference.

    Attributes:
        name: of the distribution, or "python".
        required: the requirement as the model has it.
        installed: the version here; None if it is not installed.
    """

    name: str
    required: str
    installed: str | None

    def __str__(self) -> str:
        return f"{self.name} (here: {self.installed or 'not installed'}, the model asks for: {self.required})"


def check_installed(spec: EnvironmentSpec) -> list[Mismatch]:
    """The requirements of a model that this environment does not meet; nothing is imported.

    Local parts of versions do not count (`2.13.0+cpu` is `2.13.0`). What asks for the official package is met by us.
    """
    found = []
    here = python_version()
    if spec.python and not _same_minor(spec.python, here):
        found.append(Mismatch("python", f"python=={spec.python}", here))
    if spec.writer and _is_later(spec.writer):
        found.append(Mismatch(OURS, f"{OURS}>={spec.writer}", VERSION))
    for line in spec.lines:
        if line.kind != "package" or line.name in OFFICIAL:
            continue
        requirement = line.requirement
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = version_of(line.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            found.append(Mismatch(line.name, line.text, version))
    return found


def describe(mismatches: Sequence[Mismatch]) -> str:
    """The mismatches as one warning for the user; "" for none."""
    if not mismatches:
        return ""
    listed = "".join(f"\n - {mismatch}" for mismatch in mismatches)
    return (
        f"The model was made in another environment than this one:{listed}\n"
        "It may load or predict differently here. `millstream models predict --env-manager uv` runs it in its own."
    )


def _is_later(writer: str) -> bool:
    try:
        return Version(writer) > Version(VERSION)
    except InvalidVersion:
        return False


def _same_minor(a: str, b: str) -> bool:
    first, second = a.split(".")[:2], b.split(".")[:2]
    return first == second[: len(first)]
