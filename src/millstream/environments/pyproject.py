"""What pyproject.toml and uv.lock ask for. The project itself is not built or installed: nothing in the folder is run."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

from msgspec import Struct

from millstream.environments.this_python import python_version
from millstream.environments.tools import find_uv
from millstream.errors import EnvironmentFailed, InvalidValue

FILE = "pyproject.toml"
LOCK = "uv.lock"
_MAX_BYTES = 1 << 20
_MINORS = range(7, 30)
_TIMEOUT_S = 60.0


class Pyproject(Struct, frozen=True):
    """The dependencies of a project.

    Attributes:
        python: version wanted; "" for any.
        lines: requirement lines.
    """

    python: str
    lines: list[str]


def read_pyproject(root: Path) -> Pyproject | None:
    """The dependencies that the folder's pyproject.toml lists, at the versions of uv.lock if that is there.

    Returns:
        None without a table [project].
    Raises:
        InvalidValue: the file is malformed. EnvironmentFailed: there is a lock, and uv cannot read it or is not installed.
    """
    path = root / FILE
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidValue(f"{FILE} is larger than {_MAX_BYTES >> 20} MiB.")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{FILE} is not TOML: {error}.") from None
    project = content.get("project")
    if not isinstance(project, dict):
        return None
    python = _python(project.get("requires-python", ""))
    if (root / LOCK).is_file():
        return Pyproject(python, _locked(root))
    return Pyproject(python, _texts(project.get("dependencies", [])))


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise InvalidValue(f"{FILE}: project.dependencies must be a list of texts.")
    return value


def _python(requires: Any) -> str:
    """The version to take: the running one if it may be, else the oldest minor version that may."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    if not requires:
        return ""
    try:
        allowed = SpecifierSet(str(requires))
    except InvalidSpecifier:
        raise InvalidValue(f"{FILE}: requires-python is {str(requires)[:80]!r}, which is no set of versions.") from None
    if python_version() in allowed:
        return python_version()
    minors = [minor for minor in _MINORS if any(f"3.{minor}.{patch}" in allowed for patch in (0, 99))]
    if not minors:
        raise InvalidValue(f"{FILE}: no version of Python 3 meets requires-python {str(requires)[:80]!r}.")
    return f"3.{minors[0]}"


def _locked(root: Path) -> list[str]:
    """The lock as requirement lines, without the project itself, written by uv; it reads the lock and nothing else."""
    uv = find_uv()
    if uv is None:
        raise EnvironmentFailed(f"{LOCK} is read by uv, which is not installed (pip install uv)", "")
    command = [uv, "export", "--frozen", "--no-config", "--no-dev", "--no-hashes", "--no-emit-workspace", "--no-header",
               "--no-annotate", "--quiet", "--project", str(root)]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"uv took longer than {_TIMEOUT_S:g} s to read {LOCK}", "") from None
    if done.returncode:
        raise EnvironmentFailed(f"uv cannot read {LOCK}", done.stderr)
    return done.stdout.splitlines()
