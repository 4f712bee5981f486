"""Python interpreters of other versions that are installed on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from millstream.environments.this_python import python_version


def find_interpreter(version: str) -> Path | None:
    """The interpreter to make an environment of a Python version with.

    Args:
        version: such as "3.11.7", "3.11" or "3"; "" takes the running one.
    Returns:
        One of exactly that version; else one of the same minor version, the running interpreter before all others; else
        None. Looked for are the running one, those of pyenv and of uv, and `python3.<minor>` on PATH.
    """
    running = Path(getattr(sys, "_base_executable", None) or sys.executable)
    wanted = version.split(".")
    here = python_version().split(".")
    if here[: len(wanted)] == wanted or not version:
        return running
    if len(wanted) < 2:
        return None
    same_minor = [(here, running)] if here[:2] == wanted[:2] else []
    for found, path in _installed(".".join(wanted[:2])):
        if found[: len(wanted)] == wanted:
            return path
        same_minor.append((found, path))
    return same_minor[0][1] if same_minor else None


def _installed(minor: str) -> Iterator[tuple[list[str], Path]]:
    """Version and path of what is installed of a minor version, newest first in each place."""
    for folder, pattern in _places():
        known = []
        for path in folder.glob(pattern.format(minor=minor)):
            found = re.search(r"\d+\.\d+\.\d+$", path.name) or re.search(r"(?<=-)\d+\.\d+\.\d+(?=-)", path.name)
            if found and (path / "bin" / "python").exists():
                known.append((found[0].split("."), path / "bin" / "python"))
        yield from sorted(known, key=lambda item: int(item[0][2]), reverse=True)
    on_path = shutil.which(f"python{minor}")
    if on_path and (version := _asked(on_path)) is not None:
        yield version, Path(on_path)


def _places() -> list[tuple[Path, str]]:
    home = Path.home()
    return [
        (Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions", "{minor}.*"),
        (Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python"), "cpython-{minor}.*"),
    ]


def _asked(path: str) -> list[str] | None:
    """The version that an interpreter says; None for one that does not start (pyenv's shims of other versions)."""
    command = [path, "-I", "-c", "import platform; print(platform.python_version())"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = done.stdout.strip()
    return version.split(".") if done.returncode == 0 and re.fullmatch(r"\d+\.\d+\.\d+\S*", version) else None
