"""What to install for a spec, and by what name the cache knows it."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from millstream.environments import cache
from millstream.environments.cache import Manager
from millstream.environments.conda import conda_dependencies
from millstream.environments.lines import OFFICIAL, OURS, Line, parse
from millstream.environments.merging import merge
from millstream.environments.own_package import own_wheel
from millstream.environments.spec import EnvironmentSpec
from millstream.environments.this_python import python_version
from millstream.errors import InvalidValue

_LOWEST_PYTHON = (3, 11)
"""What Millstream itself runs on."""


class Plan(Struct, frozen=True):
    """What to make.

    Attributes:
        key: its name in the cache: a hash of all the rest.
        python: version wanted.
        lines, constraints: for pip and uv; paths in them are absolute.
        build: versions of pip, setuptools and wheel, for the manager virtualenv.
        conda: channels and packages, for the manager conda.
        own_wheel: path of Millstream's wheel, whose folder is named by its contents; "" where it is not installed.
    """

    key: str
    manager: Manager
    python: str
    lines: list[str]
    constraints: list[str]
    build: list[str]
    conda: dict[str, list[str]]
    own_wheel: str

    @property
    def folder(self) -> Path:
        return cache.cache_root() / self.key

    @property
    def prefix(self) -> Path:
        return self.folder / "env"

    @property
    def interpreter(self) -> Path:
        return self.prefix / "bin" / "python"


def plan_of(spec: EnvironmentSpec, manager: Manager, install_millstream: bool, overrides: Sequence[str]) -> Plan:
    python = spec.python or python_version()
    asked = tuple(int(part) for part in python.split(".")[:2])
    if install_millstream and asked < _LOWEST_PYTHON[: len(asked)]:
        lowest = ".".join(map(str, _LOWEST_PYTHON))
        raise InvalidValue(
            f"The model was made with Python {python}, and Millstream needs {lowest} or later to run in its environment. "
            "Use the manager 'local', or save the model again with a later Python."
        )
    replaced = parse(overrides, "the overriding requirements").lines
    names = {line.name for line in replaced if line.name}
    met = {OURS, *OFFICIAL} if install_millstream else set()
    asked_for = spec.lines if manager == "conda" else (*spec.of_conda, *spec.lines)
    chosen = [line for line in asked_for if line.name not in names | met]
    merged = merge([*chosen, *replaced])
    lines = [_absolute(line, spec.folder) for line in merged]
    constraints = [line.text for line in spec.constraints if line.name not in met]
    build = [line.text for line in spec.build] if manager == "virtualenv" else []
    conda = _conda_packages(spec, python) if manager == "conda" else {}
    own = str(own_wheel(cache.cache_root() / "wheels")) if install_millstream else ""
    contents = [_content(line, spec.folder) for line in merged]
    parts = [1, sys.platform, platform.machine(), manager, python, contents, constraints, build, conda, own]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    return Plan(f"ms-{digest}", manager, python, lines, constraints, build, conda, own)


def _absolute(line: Line, folder: Path) -> str:
    """A line for a file that lies elsewhere: relative paths become URLs."""
    if line.kind != "file" or not line.names_a_local_file or ":" in line.text:
        return line.text
    path, mark, fragment = line.text.partition("#")
    return (folder / path).resolve().as_uri() + mark + fragment


def _content(line: Line, folder: Path) -> str:
    """What of a line decides the environment: of a wheel in the model its bytes, wherever the model was fetched to."""
    path = folder / line.text.partition("#")[0]
    if _absolute(line, folder) == line.text or not path.is_file():
        return _absolute(line, folder)
    return f"{line.text} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _conda_packages(spec: EnvironmentSpec, python: str) -> dict[str, list[str]]:
    """Channels and packages of a conda environment as given, and nothing else that conda would act on."""
    content = spec.conda or {"channels": ["conda-forge"], "dependencies": [f"python={python}", "pip"]}
    packages = [item for item in conda_dependencies(content) if isinstance(item, str)]
    channels = content.get("channels") or []
    if not isinstance(channels, list):
        raise InvalidValue("A conda environment's 'channels' must be a list.")
    found = {"channels": [str(channel) for channel in channels], "dependencies": packages}
    for text in [*found["channels"], *packages]:
        if text.startswith("-") or not text.isprintable():
            raise InvalidValue(f"A conda environment's channels and packages cannot be {text[:80]!r}.")
    return found
