"""Requirement lines: what pip's requirement files may say here, checked once.

A line is a requirement (`numpy==2.1; python_version < "3.13"`), a reference to a file (`git+https://...`, `./wheels/x.whl`) or
one of a few options for the index. Lines come from strangers' models and end in the hands of an installer, so everything
else is refused: unknown options, control characters, `${NAME}` (installers would put the reader's secrets into a
stranger's URL), revisions and hosts that begin with `-`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.requirements import InvalidRequirement as NotPep508
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from millstream.errors import InvalidRequirement

OURS = "millstream"
OFFICIAL = frozenset({"mlflow", "mlflow-skinny", "mlflow-tracing"})
"""Distributions of the official package: where a file asks for one, Millstream serves in its place."""

MAX_LINE = 4_000
"""Characters of a line, its hashes not counted."""

MAX_LINES = 10_000
_MAX_HASHES = 100_000
MAX_VERSIONS = 50
_MAX_DEPTH = 10
_MAX_FILES = 100
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
        return Requirement(without_hashes(self.text)[0])

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


def as_file(lines: Iterable[str]) -> str:
    """The text of a requirements file of these lines."""
    return "".join(f"{line}\n" for line in lines)


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
        self._files = 0

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
        self._files += 1
        if self._files > _MAX_FILES:
            raise InvalidRequirement(value, f"more than {_MAX_FILES} files are included", where)
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
        comment = re.search(r"(?:^|\s)#", text)
        stripped = text[: comment.start()] if comment else text
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
    if len(text) > MAX_LINE + _MAX_HASHES or len(without_hashes(text)[0]) > MAX_LINE:
        raise InvalidRequirement(text[:80] + "...", f"a line is at most {MAX_LINE} characters long", origin)
    if _CONTROL.search(text.replace("\t", " ")):
        raise InvalidRequirement(text, "it holds control characters", origin)
    if "${" in text:
        reason = (
            "variables are not expanded: keep credentials in the installer's own settings (netrc, UV_INDEX, pip.conf)"
        )
        raise InvalidRequirement(text, reason, origin)
    option, value = _option(text)
    if option == "--editable" and not value.startswith("-"):
        return _parse_line(value, origin)  # nothing is edited in a copy
    if option:
        return _parse_option(text, option, value, origin)
    if _is_file(text):
        return _parse_reference(text, origin)
    bare, hashes = without_hashes(text)
    try:
        requirement = Requirement(bare)
    except (NotPep508, RecursionError) as error:
        raise InvalidRequirement(text, str(error).splitlines()[0], origin) from None
    if len(requirement.specifier) > MAX_VERSIONS:
        raise InvalidRequirement(text, f"it names more than {MAX_VERSIONS} versions", origin)
    if requirement.url is not None:
        _check_url(requirement.url, text, origin)
    for value in hashes:
        if not _HASH.fullmatch(value):
            raise InvalidRequirement(text, f"{value!r} is no hash", origin)
    whole = " ".join([written(requirement), *(f"--hash={value}" for value in hashes)])
    return Line(whole, origin, "package", canonicalize_name(requirement.name))


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
        raise InvalidRequirement(text, reason, origin)

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


def without_hashes(text: str) -> tuple[str, list[str]]:
    """A requirement, and the hashes that follow it."""
    bare, *hashes = re.split(r" --hash[= ]", " ".join(text.split()))
    return bare.strip(), [value.strip() for value in hashes]


def written(requirement: Requirement) -> str:
    """Without blanks but those that count: around `@`, after `;`, and before it where a URL ends."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    url = f" @ {requirement.url}" if requirement.url else ""
    marker = f"{' ' if url else ''}; {requirement.marker}" if requirement.marker else ""
    return f"{requirement.name}{extras}{_specifiers(requirement.specifier)}{url}{marker}"


def _specifiers(specifier: SpecifierSet) -> str:
    return ",".join(sorted(map(str, specifier), key=lambda text: (text.lstrip("=<>~!"), text)))
