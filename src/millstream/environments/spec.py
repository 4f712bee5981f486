"""What an environment is made of, read from the files beside a model or a project; of any age, and anybody's.

Reading runs no code: YAML is read with the safe loader, requirement lines are checked (see `requirements`), and every file
that a file names must lie in the same folder.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from millstream.environments.conda import PYTHON_VERSION, conda_packages, conda_pip_lines
from millstream.environments.lines import OURS, Line, Parsed, parse
from millstream.environments.merging import merge
from millstream.environments.yaml_files import read_mapping, read_mlmodel, texts_of
from millstream.errors import InvalidValue

logger = logging.getLogger("millstream")

REQUIREMENTS = "requirements.txt"
CONSTRAINTS = "constraints.txt"
CONDA = "conda.yaml"
PYTHON_ENV = "python_env.yaml"


class EnvironmentSpec(Struct, frozen=True):
    """The environment that a model or project asks for.

    Attributes:
        python: version wanted, such as "3.11.7" or "3.10"; "" for any.
        lines: requirements, each distribution once per marker.
        constraints: versions of what is installed only because something else needs it.
        build: pip, setuptools and wheel as the file pins them; they matter only to installers that use them.
        folder: what relative paths in `lines` are relative to.
        conda: the conda environment, if there is one; for the managers that are conda.
        writer: the version of Millstream that wrote the model; "" for other writers.
        of_conda: requirements that stand for the packages of `conda`; for the managers that are not conda.
    """

    python: str
    lines: tuple[Line, ...]
    constraints: tuple[Line, ...] = ()
    build: tuple[Line, ...] = ()
    folder: Path = Path()
    conda: dict[str, Any] | None = None
    writer: str = ""
    of_conda: tuple[Line, ...] = ()

    @classmethod
    def read(cls, model_root: str | Path) -> EnvironmentSpec:
        """The environment of a model directory.

        python_env.yaml is what counts; models from before it (MLflow 1.26) have conda.yaml, whose packages from conda
        itself are left out with a warning, and requirements.txt. A model without any such file needs nothing.

        Raises:
            InvalidValue: a file is malformed or names a path outside of the model.
            InvalidRequirement, RequirementConflict: a requirement is not one that can be installed.
        """
        root = Path(model_root)
        if not root.is_dir():
            raise InvalidValue(f"There is no model directory {str(root)!r}.")
        return structs.replace(cls._read(root), writer=_writer(root / REQUIREMENTS))

    @classmethod
    def _read(cls, root: Path) -> EnvironmentSpec:
        python_env, conda = _named_files(root)
        if python_env is not None:
            spec = cls.from_python_env(python_env, within=root)
            if conda is None:
                return spec
            return structs.replace(spec, conda=read_mapping(conda))
        has_requirements = (root / REQUIREMENTS).is_file()
        if conda is not None:
            spec = cls.from_conda(conda, within=root)
            if not has_requirements:
                return spec
            listed = parse([f"-r {REQUIREMENTS}"], REQUIREMENTS, folder=root, within=root)
            return cls(spec.python, *_merged(listed), spec.build, root, spec.conda)
        lines = [f"-r {REQUIREMENTS}"] if has_requirements else []
        return cls("", *_merged(parse(lines, REQUIREMENTS, folder=root, within=root)), folder=root)

    @classmethod
    def from_requirements(
        cls, lines: Iterable[str], python: str = "", *, folder: Path | None = None, within: Path | None = None
    ) -> EnvironmentSpec:
        """From requirement lines; relative paths are relative to `folder`, else the working directory.

        `within` is for somebody else's lines: the folder that they may not lead out of.
        """
        base = Path.cwd() if folder is None else folder
        return cls(python, *_merged(parse(lines, folder=base, within=within)), folder=base)

    @classmethod
    def from_pyproject(cls, root: Path) -> EnvironmentSpec | None:
        """From pyproject.toml, and uv.lock if there is one, as somebody else may have written them; see `pyproject`.

        None if pyproject.toml describes no project, but configures tools alone.
        """
        from millstream.environments.pyproject import read_pyproject

        found = read_pyproject(root)
        return None if found is None else cls.from_requirements(found.lines, found.python, folder=root, within=root)

    @classmethod
    def from_python_env(cls, path: Path, *, within: Path | None = None) -> EnvironmentSpec:
        """From a python_env.yaml. `within` is for somebody else's file: the folder that it may not lead out of."""
        content = read_mapping(path)
        python = content.get("python")
        text = "" if python is None else str(python)
        if isinstance(python, float) and re.fullmatch(r"3\.[1-4]", text):  # 3.10 without quotes
            raise InvalidValue(f"{path.name} asks for Python {text}; write the version in quotes: python: '3.10'.")
        if text and not PYTHON_VERSION.fullmatch(text):
            raise InvalidValue(
                f"{path.name} asks for Python {text[:80]!r}; a version is such as '3.11' or '3.11.7' (in quotes)."
            )
        dependencies = parse(texts_of(content, "dependencies", path), path.name, folder=path.parent, within=within)
        build = parse(texts_of(content, "build_dependencies", path), path.name, folder=path.parent, within=within)
        return cls(text, *_merged(dependencies), tuple(merge(build.lines)), path.parent)

    @classmethod
    def from_conda(cls, path: Path, *, within: Path | None = None) -> EnvironmentSpec:
        """From a conda environment: Python's version, the build tools, the pip section, and the packages that PyPI has too.

        What else conda has cannot be told from its name; one warning lists it.
        """
        content = read_mapping(path)
        packages = conda_packages(content, path.name)
        parsed = parse(conda_pip_lines(content), path.name, folder=path.parent, within=within)
        named = {line.name for line in parsed.lines}
        of_conda = tuple(line for line in parse(packages.lines, path.name).lines if line.name not in named)
        if packages.skipped:
            logger.warning(
                "%s lists packages of conda that are not known to be on PyPI; they are left out: %s. Use the manager conda, or "
                "name them in its pip section.", path.name, ", ".join(packages.skipped),
            )  # fmt: skip
        build = parse(packages.build, path.name).lines
        return cls(packages.python, *_merged(parsed), build, path.parent, content, of_conda=of_conda)


def _writer(path: Path) -> str:
    """What the comment above the requirements says; see `requirements.own_lines`."""
    if not path.is_file():
        return ""
    with open(path, encoding="utf-8", errors="replace") as file:
        found = re.match(rf"# {OURS}==(\d[\w.+!-]{{0,40}})\s*$", file.readline(200))
    return found[1] if found else ""


def _named_files(root: Path) -> tuple[Path | None, Path | None]:
    """python_env.yaml and conda.yaml of a model, by the names that its MLmodel says, else the usual ones."""
    entry: Any = None
    if (root / "MLmodel").is_file():
        flavors = read_mlmodel(root / "MLmodel").get("flavors")
        function = flavors.get("python_function") if isinstance(flavors, dict) else None
        entry = function.get("env") if isinstance(function, dict) else None
    if isinstance(entry, str):  # before MLflow 1.26
        entry = {"conda": entry}
    names = entry if isinstance(entry, dict) else {}
    python_env = _below(root, names.get("virtualenv") or PYTHON_ENV)
    conda = _below(root, names.get("conda") or CONDA)
    return (python_env if python_env.is_file() else None), (conda if conda.is_file() else None)


def _below(root: Path, name: Any) -> Path:
    path = root / str(name)
    if Path(str(name)).is_absolute() or not path.resolve().is_relative_to(root.resolve()):
        raise InvalidValue(
            f"The model names {str(name)[:200]!r} as its environment, which leads out of the model directory."
        )
    return path


def _merged(parsed: Parsed) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    return tuple(merge(parsed.lines)), tuple(merge(parsed.constraints))
