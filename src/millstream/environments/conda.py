"""Conda environments: what they say that pip understands too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from millstream.environments.conda_names import pypi_line
from millstream.environments.yaml_files import read_mapping
from millstream.errors import InvalidValue

BUILD_TOOLS = ("pip", "setuptools", "wheel")
"""What a python_env.yaml pins besides the requirements themselves."""

PYTHON_VERSION = re.compile(r"\d{1,2}(?:\.\d{1,3}){0,2}")

_SPEC = re.compile(
    r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<operator>==|<=|>=|~=|!=|=|<|>)?\s*(?P<version>[^\s=,|]*)(?P<rest>.*)"
)


def conda_environment(given: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """A conda environment that the caller gave as a mapping or as the path of a YAML file; checked, and a copy."""
    content = dict(given) if isinstance(given, Mapping) else read_mapping(Path(given))
    conda_pip_lines(content)
    return content


def conda_dependencies(content: Mapping[str, Any]) -> list[Any]:
    dependencies = content.get("dependencies") or []
    if not isinstance(dependencies, list):
        raise InvalidValue("A conda environment's 'dependencies' must be a list.")
    return dependencies


def conda_pip_lines(content: Mapping[str, Any]) -> list[str]:
    """The lines of the pip section of a conda environment."""
    found: list[str] = []
    for dependency in conda_dependencies(content):
        if isinstance(dependency, str):
            continue
        lines = dependency.get("pip") if isinstance(dependency, dict) and set(dependency) == {"pip"} else None
        if lines is None and dependency == {"pip": None}:
            continue
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise InvalidValue(
                f"A conda environment's dependencies are texts and one mapping 'pip' to a list of texts, not {str(dependency)[:200]!r}."
            )
        found += lines
    return found


class CondaPackages(Struct):
    """What a conda environment lists beside its pip section.

    Attributes:
        python: its version; "" if none is asked for.
        build: lines for pip, setuptools and wheel.
        lines: lines for the packages that PyPI has too (see `conda_names`).
        skipped: the texts of all others.
    """

    python: str = ""
    build: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def conda_packages(content: Mapping[str, Any], origin: str) -> CondaPackages:
    """The packages of a conda environment, as far as pip understands them."""
    found = CondaPackages()
    for text in _texts(content):
        spec = _SPEC.fullmatch(text.strip())
        name = spec["name"].lower() if spec else ""
        if spec is None or name not in ("python", *BUILD_TOOLS):
            line = pypi_line(text)
            (found.skipped if line is None else found.lines).append(text[:100] if line is None else line)
            continue
        version = spec["version"].removesuffix(".*").removesuffix("*").rstrip(".")
        if name == "python":
            if version and (spec["operator"] in ("!=", "<", ">") or not PYTHON_VERSION.fullmatch(version)):
                raise InvalidValue(f"{origin}: Python is given as {text[:80]!r}; write it as 'python=3.11'.")
            found.python = version
        elif version:
            operator = "==" if spec["operator"] == "=" else spec["operator"]
            found.build.append(f"{name}{operator}{version}")
    return found


def _texts(content: Mapping[str, Any]) -> Iterable[str]:
    return (dependency for dependency in conda_dependencies(content) if isinstance(dependency, str))
