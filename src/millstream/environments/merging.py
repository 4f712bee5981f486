"""Lines of one distribution become one, or contradict each other."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from millstream.environments.lines import MAX_VERSIONS, Line, without_hashes, written
from millstream.errors import InvalidRequirement, RequirementConflict


def merge(lines: Iterable[Line]) -> list[Line]:
    """Each distribution once per marker, in the order in which they came; equal files and options once.

    Extras and versions of lines of one name add up. A reference to a file (`name @ url`) takes the place of a line without
    version. Raises RequirementConflict, naming both origins, when no version can satisfy two lines.
    """
    merged: dict[tuple[str, str], Line] = {}
    for line in lines:
        if line.kind == "package":
            requirement = line.requirement
            key = (line.name, str(requirement.marker or ""))
        else:
            key = (line.name or line.text, "") if line.kind == "file" else (line.text, "")
        before = merged.get(key)
        merged[key] = line if before is None else _join(before, line)
    return list(merged.values())


def _join(a: Line, b: Line) -> Line:
    if a.text == b.text:
        return a
    if a.kind == "file" or b.kind == "file":
        return _choose_file(a, b)
    first, second = a.requirement, b.requirement
    if first.url != second.url:
        if first.url and second.url:
            raise RequirementConflict(a.text, a.origin, b.text, b.origin)
        return _choose_file(a, b)
    specifier = _simplified(first.specifier & second.specifier)
    if len(specifier) > MAX_VERSIONS:
        raise InvalidRequirement(a.name, f"all lines for it together name more than {MAX_VERSIONS} versions", b.origin)
    if not is_satisfiable(specifier):
        raise RequirementConflict(a.text, a.origin, b.text, b.origin)
    first.extras |= second.extras
    first.specifier = specifier
    hashes = without_hashes(a.text)[1] or without_hashes(b.text)[1]
    text = " ".join([written(first), *(f"--hash={value}" for value in hashes)])
    return Line(text, a.origin if a.origin == b.origin else f"{a.origin} and {b.origin}", "package", a.name)


def _choose_file(a: Line, b: Line) -> Line:
    """Of a reference to a file and a line by name, the file, unless the other asks for a version."""
    file, other = (a, b) if a.kind == "file" or a.requirement.url else (b, a)
    if other.kind == "package" and not other.requirement.specifier and not other.requirement.url:
        return file
    raise RequirementConflict(a.text, a.origin, b.text, b.origin)


def _simplified(specifier: SpecifierSet) -> SpecifierSet:
    """A pin alone, where it satisfies the rest."""
    for one in specifier:
        if one.operator in ("==", "===") and not one.version.endswith(".*") and _contains(specifier, one.version):
            return SpecifierSet(str(one))
    return specifier


def _contains(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(version, prereleases=True)
    except InvalidVersion:  # `===` takes any text
        return str(specifier) == f"==={version}"


def is_satisfiable(specifier: SpecifierSet) -> bool:
    """Whether some version lies in all of the specifiers. Asks no index: the version need not have been published.

    Between two neighbours of the versions that are named nothing changes but what `!=` takes away, so it is enough to try
    the named versions, one just above each, and one below all.
    """
    candidates = {"0", "0.dev0"}
    for one in specifier:
        text = one.version.removesuffix(".*")
        try:
            version = Version(text)
        except InvalidVersion:
            candidates.add(text)
            continue
        release = list(version.release)
        epoch = f"{version.epoch}!" if version.epoch else ""
        bumped = [[*release[:i], release[i] + 1] for i in range(len(release))]
        for numbers in (release, *bumped):
            base = epoch + ".".join(map(str, numbers))
            candidates |= {base, f"{base}.dev0", f"{base}.post99999", f"{base}.0.0.0.1", f"{base}rc99999"}
        candidates |= {text, version.public}
    return any(_contains(specifier, candidate) for candidate in candidates)
