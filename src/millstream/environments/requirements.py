"""Requirement lines: what pip's requirement files may say here, checked once, merged, and written again.

A line is a requirement (`numpy==2.1; python_version < "3.13"`), a reference to a file (`git+https://...`, `./wheels/x.whl`) or
one of a few options for the index. Lines come from strangers' models and end in the hands of an installer, so everything
else is refused: unknown options, control characters, `${NAME}` (installers would put the reader's secrets into a
stranger's URL), revisions and hosts that begin with `-`.

**What our own files say about Millstream** (`own_lines`). The official package makes an environment from requirements.txt
with pip and needs `mlflow` in it; pip knows no `millstream`, so a plain pin would break every such restore (tried with 3.17.2).
Hence two lines: `mlflow>=3,<4`, which is for others and which Millstream itself always counts as satisfied, and
`millstream==<version>; extra == "millstream"`, which pip, uv, conda and the official package's check skip by its marker, and
which Millstream reads as the writer's version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.requirements import InvalidRequirement as NotPep508
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from millstream.environments.conda import conda_environment, conda_pip_lines
from millstream.errors import ExclusiveArguments, InvalidRequirement, RequirementConflict
from millstream.version import MLFLOW_API_VERSION, VERSION

OURS = "millstream"
OFFICIAL = frozenset({"mlflow", "mlflow-skinny", "mlflow-tracing"})
"""Distributions of the official package: where a file asks for one, Millstream serves in its place."""

MAX_LINE = 4_000
MAX_LINES = 10_000
_MAX_DEPTH = 10
_MAX_BYTES = 4 << 20

_SCHEMES = frozenset(
    {"https", "http", "file"}
    | {f"git+{scheme}" for scheme in ("https", "http", "ssh", "file")}
    | {f"hg+{scheme}" for scheme in ("https", "http", "ssh")}
    | {f"svn+{scheme}" for scheme in ("https", "http", "ssh")}
)
_URL_OPTIONS = ("--index-url", "--extra-index-url", "--find-links")
_SHORT = {"-i": "--index-url", "-f": "--find-links", "-r": "--requirement", "-c": "--constraint", "-e": "--editable"}
_FLAGS = ("--no-index", "--pre", "--prefer-binary")
_PACKAGE_OPTIONS = ("--no-binary", "--only-binary")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
_HASH = re.compile(r"sha(?:256|384|512):[0-9a-f]{64,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://|/)")


class Line(Struct, frozen=True):
    """One checked line.

    Attributes:
        text: how it is written into a file; never empty, one line.
        origin: where it came from, for messages.
        kind: "package" (by name, perhaps `name @ url`), "file" (a bare URL or path) or "option" (of the index).
        name: canonical name of the distribution; "" for an option and for a file that does not say it.
    """

    text: str
    origin: str
    kind: Literal["package", "file", "option"]
    name: str = ""

    @property
    def requirement(self) -> Requirement:
        """The parsed form of a "package"."""
        return Requirement(_without_hashes(self.text)[0])

    @property
    def is_own(self) -> bool:
        """It asks for Millstream, or for the official package, in whose place Millstream stands."""
        return self.name == OURS or self.name in OFFICIAL

    @property
    def names_a_local_file(self) -> bool:
        """Also an index or a folder of packages that lies on this machine."""
        target = self.text.rpartition(" ")[2] if self.kind != "package" else self.requirement.url or ""
        return urlsplit(target).scheme in ("file", "git+file") or (self.kind == "file" and not _SCHEME.match(target))


class Parsed(Struct, frozen=True):
    """The lines of one or several files, `-r` and `-c` followed."""

    lines: tuple[Line, ...]
    constraints: tuple[Line, ...] = ()


def own_lines() -> list[str]:
    """What stands above the requirements of every model that we write; the module's text says why."""
    major = int(MLFLOW_API_VERSION.partition(".")[0])
    return [f"mlflow>={major},<{major + 1}", f'{OURS}=={VERSION}; extra == "{OURS}"']


# ---------------------------------------------------------------- reading


def parse(
    lines: Iterable[str], origin: str = "the requirements", *, folder: Path | None = None, within: Path | None = None
) -> Parsed:
    """Check requirement lines and follow their `-r` and `-c`.

    Args:
        lines: as in a requirements file; comments, blank lines and `\\` at the end of a line are understood.
        origin: what messages call them.
        folder: what relative paths are relative to; the working directory if None.
        within: for the files of somebody else's model or project: no path may be absolute or lead out of this folder.
    Raises:
        InvalidRequirement: a line is not one of those that are allowed, or a file is missing.
    """
    reader = _Reader(within.resolve() if within is not None else None)
    reader.read(lines, origin, folder if folder is not None else Path.cwd(), False, 0)
    return Parsed(tuple(reader.lines), tuple(reader.constraints))


def parse_file(path: Path, *, within: Path | None = None) -> Parsed:
    """The lines of a requirements file; see `parse`."""
    return parse([f"-r {path.name}"], path.name, folder=path.parent, within=within)


class _Reader:
    """What `parse` gathers while it follows files."""

    def __init__(self, within: Path | None) -> None:
        self.within = within
        self.lines: list[Line] = []
        self.constraints: list[Line] = []

    def read(self, lines: Iterable[str], origin: str, folder: Path, is_constraint: bool, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise InvalidRequirement(origin, f"files include each other more than {_MAX_DEPTH} deep")
        for number, text in _logical_lines(lines, origin):
            where = f"{origin}, line {number}"
            option, value = _option(text)
            if option in ("--requirement", "--constraint"):
                path = self._file(value, where, folder)
                inner = is_constraint or option == "--constraint"
                self.read(_read_text(path, where).splitlines(), path.name, path.parent, inner, depth + 1)
                continue
            line = _parse_line(text, where)
            if self.within is not None and line.names_a_local_file:
                self._check_local(line, folder)
            target = self.constraints if is_constraint else self.lines
            target.append(line)
            if len(target) > MAX_LINES:
                raise InvalidRequirement(origin, f"more than {MAX_LINES} lines")

    def _file(self, value: str, where: str, folder: Path) -> Path:
        if _SCHEME.match(value):
            raise InvalidRequirement(value, "a file of requirements must be local: download it first", where)
        path = folder / value
        if self.within is not None and (Path(value).is_absolute() or not _is_inside(path, self.within)):
            raise InvalidRequirement(value, "the path leads out of the folder that it came with", where)
        if not path.is_file():
            raise InvalidRequirement(value, "there is no such file", where)
        return path

    def _check_local(self, line: Line, folder: Path) -> None:
        path = line.text.partition("#")[0].partition("[")[0]
        if line.kind != "file" or _SCHEME.match(path) or Path(path).is_absolute():
            reason = "it names a place on the machine that wrote it: replace it by one that can be reached from here"
            raise InvalidRequirement(line.text, reason, line.origin)
        assert self.within is not None
        if not _is_inside(folder / path, self.within):
            raise InvalidRequirement(line.text, "the path leads out of the folder that it came with", line.origin)


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root)


def _read_text(path: Path, where: str) -> str:
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidRequirement(path.name, f"the file is larger than {_MAX_BYTES >> 20} MiB", where)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequirement(path.name, "the file is not UTF-8 text", where) from None


def _logical_lines(lines: Iterable[str], origin: str) -> Iterable[tuple[int, str]]:
    """Number of the first line, and text without comments, of what `\\` continues."""
    held, first = "", 0
    for number, raw in enumerate(lines, 1):
        if not isinstance(raw, str):
            raise InvalidRequirement(repr(raw), "a requirement is text", f"{origin}, line {number}")
        text = raw.rstrip("\r\n")
        first = first if held else number
        stripped = re.sub(r"(^|\s+)#.*$", "", text)
        if stripped.endswith("\\"):
            held += stripped[:-1]
            continue
        whole = (held + stripped).strip()
        held = ""
        if whole:
            yield first, whole
    if held.strip():
        yield first, held.strip()


def _option(text: str) -> tuple[str, str]:
    """The option that a line begins with, by its long name, and its value; ("", text) for a line without one."""
    if not text.startswith("-"):
        return "", text
    if text.startswith("--"):
        name, separator, value = re.match(r"([^\s=]*)(\s*=\s*|\s+)?(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
        return name, value.strip() if separator else ""
    return _SHORT.get(text[:2], text[:2]), text[2:].strip()


def _parse_line(text: str, origin: str) -> Line:
    if len(text) > MAX_LINE:
        raise InvalidRequirement(text[:80] + "...", f"a line is at most {MAX_LINE} characters long", origin)
    if _CONTROL.search(text.replace("\t", " ")):
        raise InvalidRequirement(text, "it holds control characters", origin)
    if "${" in text:
        reason = (
            "variables are not expanded: keep credentials in the installer's own settings (netrc, UV_INDEX, pip.conf)"
        )
        raise InvalidRequirement(text, reason, origin)
    option, value = _option(text)
    if option == "--editable":
        return _parse_line(value, origin)  # nothing is edited in a copy
    if option:
        return _parse_option(text, option, value, origin)
    if _is_file(text):
        return _parse_reference(text, origin)
    bare, hashes = _without_hashes(text)
    try:
        requirement = Requirement(bare)
    except NotPep508 as error:
        raise InvalidRequirement(text, str(error).splitlines()[0], origin) from None
    if requirement.url is not None:
        _check_url(requirement.url, text, origin)
    for value in hashes:
        if not _HASH.fullmatch(value):
            raise InvalidRequirement(text, f"{value!r} is no hash", origin)
    written = " ".join([_written(requirement), *(f"--hash={value}" for value in hashes)])
    return Line(written, origin, "package", canonicalize_name(requirement.name))


def _parse_option(text: str, option: str, value: str, origin: str) -> Line:
    if option in _FLAGS and not value:
        return Line(option, origin, "option")
    if option in _URL_OPTIONS:
        _check_url(value, text, origin)
        return Line(f"{option} {value}", origin, "option")
    if option in _PACKAGE_OPTIONS and re.fullmatch(r"[\w.,:-]+", value) and not value.startswith("-"):
        return Line(f"{option} {value}", origin, "option")
    known = ", ".join((*_SHORT, *_URL_OPTIONS, *_PACKAGE_OPTIONS, *_FLAGS))
    raise InvalidRequirement(text, f"only these options are allowed: {known}", origin)


def _is_file(text: str) -> bool:
    """Whether a line is a bare URL or path, not a requirement by name."""
    if _SCHEME.match(text) or text.startswith((".", "/", "~", "\\")) or re.match(r"[A-Za-z]+(\+[a-z]+)?:\S", text):
        return True
    first = text.split(" ")[0].partition("#")[0]
    return "@" not in first and (first.lower().endswith(_ARCHIVES) or "/" in first)


def _parse_reference(text: str, origin: str) -> Line:
    """A bare URL or path: `git+https://host/repo@v1#egg=name&subdirectory=x`, `./wheels/name-1.0-py3-none-any.whl`."""
    if re.search(r"\s", text):
        raise InvalidRequirement(
            text, "a URL or path holds no blanks; a marker needs the form `name @ URL ; marker`", origin
        )
    if _SCHEME.match(text):
        _check_url(text, text, origin)
    elif text.startswith("~") or "\\" in text or ":" in text:
        raise InvalidRequirement(text, "it is neither a URL nor a path in full, with slashes", origin)
    path, _, fragment = text.partition("#")
    egg = re.search(r"(?:^|&)egg=([A-Za-z0-9._-]+)", fragment)
    base = unquote(path).rstrip("/").rpartition("/")[2]
    name = egg.group(1) if egg else base.split("-")[0] if base.endswith(".whl") and base.count("-") >= 4 else ""
    return Line(text, origin, "file", canonicalize_name(name) if name else "")


def _check_url(url: str, text: str, origin: str) -> None:
    def refuse(reason: str) -> NoReturn:
        raise InvalidRequirement(re.sub(r"//[^/@]*@", "//***@", text), reason, origin)

    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        refuse(f"{url!r} is no URL ({error})")
    if parts.scheme.lower() not in _SCHEMES:
        refuse(f"{url!r} is no URL that can be installed from; these are: {', '.join(sorted(_SCHEMES))}")
    if re.search(r"\s", url):
        refuse("a URL holds no blanks")
    is_local = parts.scheme.lower() in ("file", "git+file")
    if is_local and (parts.netloc or not parts.path.startswith("/")):
        refuse("the URL of a file is file:///, and then its whole path")
    if not is_local and not parts.hostname:
        refuse("the URL names no host")
    if (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-"):
        refuse("neither host nor user may begin with '-'")
    if parts.password is not None or (parts.username is not None and "ssh" not in parts.scheme):
        refuse(
            "credentials in a URL are stored with the model: keep them in the installer's own settings (netrc, UV_INDEX)"
        )
    decoded = unquote(parts.path)
    if any(piece.startswith("-") for piece in decoded.split("@")[1:]):
        refuse("a revision may not begin with '-'")
    if _CONTROL.search(unquote(url)):
        refuse("the URL holds control characters")
    if ".." in re.split(r"[/\\]", unquote(parts.fragment.partition("subdirectory=")[2].partition("&")[0])):
        refuse("the subdirectory leads out of the repository")


def _without_hashes(text: str) -> tuple[str, list[str]]:
    """A requirement, and the hashes that follow it."""
    bare, *hashes = re.split(r"\s+--hash(?:=|\s+)", text)
    return bare.strip(), [value.strip() for value in hashes]


def _written(requirement: Requirement) -> str:
    """As pip's tools write it; a hard-coded blank less than packaging's form has before a marker."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    url = f" @ {requirement.url}" if requirement.url else ""
    marker = f"{' ' if url else ''}; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}{_specifiers(requirement.specifier)}{url}{marker}"


# ---------------------------------------------------------------- merging


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
    if not is_satisfiable(specifier):
        raise RequirementConflict(a.text, a.origin, b.text, b.origin)
    first.extras |= second.extras
    first.specifier = specifier
    hashes = _without_hashes(a.text)[1] or _without_hashes(b.text)[1]
    text = " ".join([_written(first), *(f"--hash={value}" for value in hashes)])
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


def _specifiers(specifier: SpecifierSet) -> str:
    return ",".join(sorted(map(str, specifier), key=lambda text: (text.lstrip("=<>~!"), text)))


# ---------------------------------------------------------------- what a model needs


class Requirements(Struct, frozen=True):
    """What is written beside a model; see `files.write_environment`.

    Attributes:
        lines: of requirements.txt, without the `-c` line.
        constraints: of constraints.txt.
        conda_env: the caller's own conda environment; None for the one that is made from `lines`.
    """

    lines: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    conda_env: dict[str, Any] | None = None

    @classmethod
    def resolve(
        cls,
        *,
        conda_env: Mapping[str, Any] | str | Path | None = None,
        pip_requirements: Sequence[str] | str | Path | None = None,
        extra_pip_requirements: Sequence[str] | str | Path | None = None,
        inferred: Sequence[str] | Callable[[], Sequence[str]] = (),
    ) -> Requirements:
        """What the caller of `save_model` or `log_model` asked for.

        Args:
            conda_env: a conda environment, or the path of its YAML file.
            pip_requirements: the whole list, or the path of a requirements file.
            extra_pip_requirements: the same, added to what is inferred.
            inferred: what the model was seen to need; a function is called only if it is used.
        Raises:
            ExclusiveArguments: more than one of the first three is given (also a ValueError).
            InvalidRequirement, RequirementConflict: a line is wrong, or two contradict each other.
        """
        given = {
            "conda_env": conda_env,
            "pip_requirements": pip_requirements,
            "extra_pip_requirements": extra_pip_requirements,
        }
        names = [name for name, value in given.items() if value is not None]
        if len(names) > 1:
            raise ExclusiveArguments(names)
        if conda_env is not None:
            conda = conda_environment(conda_env)
            parsed = parse(conda_pip_lines(conda), "conda_env")
            return cls(*_complete(parsed), conda_env=conda)
        if pip_requirements is not None:
            return cls(*_complete(_given(pip_requirements, "pip_requirements")))
        found = parse(inferred() if callable(inferred) else inferred, "the inferred requirements")
        if extra_pip_requirements is None:
            return cls(*_complete(found))
        extra = _given(extra_pip_requirements, "extra_pip_requirements")
        files = {
            line.name
            for line in extra.lines
            if line.kind == "file" or (line.kind == "package" and line.requirement.url)
        }
        kept = tuple(line for line in found.lines if line.name not in files)  # a file is more exact than a pin
        return cls(*_complete(Parsed(kept + extra.lines, extra.constraints)))


def _given(value: Sequence[str] | str | Path, argument: str) -> Parsed:
    if isinstance(value, str | Path):
        return parse([f"-r {value}"], argument)
    return parse(value, argument)


def _complete(parsed: Parsed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lines, constraints = merge(parsed.lines), merge(parsed.constraints)
    names = {line.name for line in lines}
    own = [line for line in own_lines() if not names & ({OURS} if line.startswith(OURS) else OFFICIAL)]
    return (*own, *(line.text for line in lines)), tuple(line.text for line in constraints)
