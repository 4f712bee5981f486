"""The environment files beside a model: requirements.txt, constraints.txt, conda.yaml and python_env.yaml.

All of them say the same, each for another kind of reader: pip and uv, conda, and whatever makes the whole environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from millstream import safe_yaml
from millstream.environments.conda import BUILD_TOOLS, conda_dependencies, conda_packages
from millstream.environments.installed import version_of
from millstream.environments.lines import Line, as_file, parse
from millstream.environments.locking import locked_if_set
from millstream.environments.requirements import Requirements
from millstream.environments.spec import CONDA, CONSTRAINTS, PYTHON_ENV, REQUIREMENTS
from millstream.environments.this_python import python_version
from millstream.errors import InvalidValue, NotFound

CONDA_ENV_NAME = "mlflow-env"
"""What MLflow calls the conda environment of a model."""


def write_environment(root: Path, requirements: Requirements) -> None:
    """Write the files of a model's environment into its directory; locked, where a setting asks for that."""
    requirements = locked_if_set(requirements)
    lines = list(requirements.lines)
    if requirements.constraints:
        (root / CONSTRAINTS).write_text(as_file(requirements.constraints), encoding="utf-8")
        lines.append(f"-c {CONSTRAINTS}")
    (root / REQUIREMENTS).write_text(as_file(lines), encoding="utf-8")
    pip = [line for line in lines if not line.startswith("#")]
    python, build = python_version(), build_dependencies()
    if requirements.conda_env is None:
        conda = default_conda_env(pip)
    else:
        conda = _with_pip(requirements.conda_env, pip)
        packages = conda_packages(conda, "conda_env")
        given, tools = packages.python, packages.build
        python = given or python
        build = tools or build
    (root / CONDA).write_text(_yaml(conda), encoding="utf-8")
    content = {"python": python, "build_dependencies": build, "dependencies": [f"-r {REQUIREMENTS}"]}
    (root / PYTHON_ENV).write_text(_yaml(content), encoding="utf-8")


def default_conda_env(lines: Sequence[str]) -> dict[str, Any]:
    """The conda environment with this Python and requirement lines."""
    pip = version_of("pip")
    return {
        "channels": ["conda-forge"],
        "dependencies": [f"python={python_version()}", "pip" if pip is None else f"pip<={pip}", {"pip": list(lines)}],
        "name": CONDA_ENV_NAME,
    }


def build_dependencies() -> list[str]:
    """pip, setuptools and wheel as they are installed here; pip in any case, for those who make an environment with it."""
    found = [f"{name}=={version}" for name in BUILD_TOOLS if (version := version_of(name)) is not None]
    return found if found and found[0].startswith("pip==") else ["pip", *found]


def _with_pip(conda: dict[str, Any], lines: Sequence[str]) -> dict[str, Any]:
    """A conda environment whose pip section is `lines`."""
    packages = [dependency for dependency in conda_dependencies(conda) if isinstance(dependency, str)]
    if not any(re.match(r"(?:[\w.-]+::)?pip\b(?!-)", package) for package in packages):
        packages.append("pip")
    return {**conda, "dependencies": [*packages, {"pip": list(lines)}]}


def _yaml(content: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10_000))


# ---------------------------------------------------------------- changing them later


def update_model_requirements(
    model_uri: str, operation: Literal["add", "remove"], requirement_list: Sequence[str]
) -> None:
    """Change the requirements of a model that is stored: requirements.txt and the pip section of conda.yaml.

    Args:
        model_uri: a local folder, `runs:/...`, `models:/<model id>` or any artifact URI. A registered version is refused:
            what was registered stays as it is.
        operation: "add" puts a line in the place of that distribution's former ones, or at the end; "remove" takes away all
            lines of the distributions that are named.
        requirement_list: requirement lines; names suffice for "remove". `-r` and `-c` are refused.
    Raises:
        NotFound: the model has no requirements.txt.
        InvalidValue: the URI is a registered version, or a distribution to remove is not listed.
        InvalidRequirement: a line is none.
    """
    from millstream.artifacts import open_repository

    if re.match(r"models:/+[^/]+(/[^/]+/?|@[^/]+/?)$", model_uri):
        raise InvalidValue(
            f"{model_uri!r} is a registered version, whose files do not change. Log the model again and register that."
        )
    if operation not in ("add", "remove"):
        raise InvalidValue(f"The operation is 'add' or 'remove', not {operation!r}.")
    if any(re.match(r"\s*(-r|-c|--requirement|--constraint)", text) for text in requirement_list):
        raise InvalidValue("Give the requirements themselves, not a file of them.")
    changes = _lower_case(parse(requirement_list, "the requirements to change").lines)
    edit = _adding(changes) if operation == "add" else _removing(changes)
    repository = open_repository(model_uri)
    try:
        listed = repository.read_bytes(REQUIREMENTS).decode("utf-8")
    except NotFound:
        raise NotFound(f"The model at {model_uri!r} has no {REQUIREMENTS}, so there is nothing to change.") from None
    edited = edit(listed.splitlines())
    try:
        conda = repository.read_bytes(CONDA)
    except NotFound:
        conda = None
    new_conda = None if conda is None else _edited_conda(conda, edit)
    repository.log_bytes(as_file(edited).encode(), REQUIREMENTS)
    if new_conda is not None:
        repository.log_bytes(new_conda, CONDA)


def _lower_case(lines: Sequence[Line]) -> list[Line]:
    def lowered(line: Line) -> Line:
        if line.kind != "package":
            return line
        name = re.match(r"[A-Za-z0-9._-]+", line.text)
        assert name is not None
        return Line(name[0].lower() + line.text[name.end() :], line.origin, line.kind, line.name)

    return [lowered(line) for line in lines]


Edit = Callable[[list[str]], list[str]]


def _name_in(text: str) -> str:
    """The distribution that a line of a stored file is about; "" for comments, options and what cannot be read."""
    if text.lstrip().startswith(("#", "-")) or not text.strip():
        return ""
    try:
        parsed = parse([text]).lines
    except InvalidValue:
        return ""
    return parsed[0].name if parsed else ""


def _adding(changes: Sequence[Line]) -> Edit:
    def edit(lines: list[str]) -> list[str]:
        names = {line.name for line in changes if line.name}
        kept: list[str] = []
        put: set[str] = set()
        for text in lines:
            name = _name_in(text)
            if name not in names:
                kept.append(text)
            elif name not in put:
                kept += [line.text for line in changes if line.name == name]
                put.add(name)
        new = [line.text for line in changes if line.name not in put and line.text not in kept]
        end = len(kept)
        while end and kept[end - 1].startswith("-c "):
            end -= 1
        return kept[:end] + new + kept[end:]

    return edit


def _removing(changes: Sequence[Line]) -> Edit:
    def edit(lines: list[str]) -> list[str]:
        found = [_name_in(text) for text in lines]
        for line in changes:
            if not line.name or line.name not in found:
                raise InvalidValue(f"{line.text!r} is not among the model's requirements, so it cannot be removed.")
        names = {line.name for line in changes}
        return [text for text, name in zip(lines, found, strict=True) if name not in names]

    return edit


def _edited_conda(content: bytes, edit: Edit) -> bytes:
    conda = safe_yaml.read_mapping(content.decode("utf-8", "replace"), CONDA)
    for dependency in conda_dependencies(conda):
        if isinstance(dependency, dict) and isinstance(dependency.get("pip"), list):
            dependency["pip"] = edit([str(line) for line in dependency["pip"]])
    return _yaml(conda).encode()
