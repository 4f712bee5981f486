"""The `MLproject` file: what a project says about itself, read without running or fetching anything.

Somebody else may have written it. Every error names the file, the line and the key; keys that the format does not have are
ignored, with a warning where one looks like a slip of the pen.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from millstream import safe_yaml
from millstream.errors import InvalidProject, InvalidValue
from millstream.projects.places import is_below
from millstream.projects.submission import DockerEnvironment, EntryPoint, Parameter, Project

logger = logging.getLogger("millstream")

FILE = "MLproject"
MAX_BYTES = 1 << 20
PYTHON_ENV = "python_env.yaml"
CONDA_ENV = "conda.yaml"

ENVIRONMENT_KEYS = ("python_env", "conda_env", "docker_env")
_KEYS = ("name", "entry_points", *ENVIRONMENT_KEYS, "databricks_spark_job")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
Keys = tuple[str, ...]


def read_project(root: Path) -> Project:
    """The project in a folder.

    Without an `MLproject` file it has no name and no entry points; its environment is then found by convention, as it is where
    the file names none: python_env.yaml, else conda.yaml, else nothing.

    Raises:
        InvalidValue: there is no such folder.
        InvalidProject: the file is malformed, or names a file that is missing or outside of the folder.
    """
    if not root.is_dir():
        raise InvalidValue(f"There is no project folder {str(root)!r}.")
    file = _find(root)
    if file is None:
        return _by_convention(Project(root), root)
    return _Reader(root, file).project()


def _find(root: Path) -> Path | None:
    """The file by its name in any case; the usual spelling first."""
    found = sorted(path for path in root.iterdir() if path.name.lower() == FILE.lower() and path.is_file())
    file = next((path for path in found if path.name == FILE), found[0] if found else None)
    if file is not None and not is_below(root, file):
        raise InvalidProject(file.name, "it is a link that leads out of the project")
    return file


def _by_convention(project: Project, root: Path) -> Project:
    for name in (PYTHON_ENV, CONDA_ENV):
        file = root / name
        if file.is_file():
            if not is_below(root, file):
                raise InvalidProject(name, "it is a link that leads out of the project")
            return replace(project, python_env=file) if name == PYTHON_ENV else replace(project, conda_env=file)
    return project


class _Reader:
    """Reads one file; holds what errors need to say where."""

    def __init__(self, root: Path, file: Path) -> None:
        self.root, self.file = root, file
        self.lines: safe_yaml.Lines = {}

    def error(self, keys: Keys, reason: str) -> InvalidProject:
        line = next((self.lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in self.lines), None)
        return InvalidProject(self.file.name, reason, ".".join(keys), line)

    def project(self) -> Project:
        content = self._content()
        self._warn_of_slips(content)
        environments = [key for key in ENVIRONMENT_KEYS if content.get(key) is not None]
        if len(environments) > 1:
            raise self.error((environments[1],), f"a project has one environment, and {environments[0]!r} is given too")
        name = content.get("name")
        if name is not None and not isinstance(name, str | int | float):
            raise self.error(("name",), "a name is a text")
        job = self._spark_job(content)
        project = Project(
            self.root,
            name=None if name is None else self._text(("name",), name),
            entry_points=self._entry_points(content.get("entry_points")),
            python_env=self._named_file("python_env", content),
            conda_env=self._named_file("conda_env", content),
            docker=self._docker(content.get("docker_env")),
            databricks_spark_job=job,
        )
        if environments or job is not None:
            return project
        return _by_convention(project, self.root)

    def _content(self) -> dict[str, Any]:
        try:
            if self.file.stat().st_size > MAX_BYTES:
                raise InvalidProject(self.file.name, f"it is larger than {MAX_BYTES >> 20} MiB")
            text = self.file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise InvalidProject(self.file.name, "it is not UTF-8 text") from None
        except OSError as error:
            raise InvalidProject(self.file.name, f"it cannot be read ({error.strerror})") from None
        try:
            content, self.lines = safe_yaml.read_located(text, self.file.name)
        except safe_yaml.HostileYaml as error:
            raise InvalidProject(self.file.name, f"it is not YAML that a project can hold: {error.reason}",
                                 line=error.line) from None  # fmt: skip
        return content

    def _warn_of_slips(self, content: Mapping[str, Any]) -> None:
        for key in content.keys() - set(_KEYS):
            similar = difflib.get_close_matches(key.replace("-", "_"), _KEYS, 1, 0.85)
            if similar:
                where = f"{self.file.name}, line {self.lines.get((key,), '?')}"
                logger.warning("%s: the key %r is ignored. Is %r meant?", where, key, similar[0])

    # ------------------------------------------------------------ kinds of values
    def _mapping(self, keys: Keys, value: Any) -> dict[str, Any]:
        """A mapping, its keys as text; none at all is an empty one."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.error(keys, f"it must map names to values, and is {_kind(value)}")
        for name in value:
            if isinstance(name, bool) or not isinstance(name, str | int | float):
                raise self.error(keys, f"YAML reads one of its names as {name!r}; put the name in quotes")
        return {str(name): each for name, each in value.items()}

    def _text(self, keys: Keys, value: Any) -> str:
        """A scalar as Python prints it, which is what MLflow does: `yes` is `True`."""
        if value is None or isinstance(value, bytes | dict | list | set | tuple):
            raise self.error(keys, f"it must be a text, and is {_kind(value)}")
        text = str(value)
        if "\0" in text:
            raise self.error(keys, "it holds a NUL, which no program can be given")
        return text

    def _texts(self, keys: Keys, value: Any) -> tuple[str, ...]:
        if value is not None and not isinstance(value, list):
            raise self.error(keys, f"it must be a list of texts, and is {_kind(value)}")
        return tuple(self._text(keys, each) for each in value or ())

    # ------------------------------------------------------------ sections
    def _entry_points(self, section: Any) -> tuple[EntryPoint, ...]:
        above = ("entry_points",)
        return tuple(
            self._entry_point((*above, name), name, content) for name, content in self._mapping(above, section).items()
        )

    def _entry_point(self, keys: Keys, name: str, content: Any) -> EntryPoint:
        fields = self._mapping(keys, content)
        if fields.get("command") is None:
            raise self.error(keys, "an entry point has a 'command', the shell line to run")
        command = self._text((*keys, "command"), fields["command"])
        above = (*keys, "parameters")
        parameters = self._mapping(above, fields.get("parameters"))
        return EntryPoint(
            name,
            command,
            tuple(self._parameter((*above, each), each, value) for each, value in parameters.items()),
            self.lines.get((*keys, "command")),
        )

    def _parameter(self, keys: Keys, name: str, content: Any) -> Parameter:
        if isinstance(content, str):
            return Parameter(name, content)
        if not isinstance(content, dict):
            raise self.error(
                keys,
                f"a parameter is its type, or a mapping such as {{type: float, default: 0.1}}; this is {_kind(content)}",
            )
        fields = self._mapping(keys, content)
        kind = fields.get("type")
        default = fields.get("default")
        return Parameter(
            name,
            "string" if kind is None else self._text((*keys, "type"), kind),
            None if default is None else self._default((*keys, "default"), default),
        )

    def _default(self, keys: Keys, value: Any) -> str:
        """As text; a list or mapping as Python prints it, which scripts that evaluate their arguments count on."""
        return str(value) if isinstance(value, list | dict) else self._text(keys, value)

    def _named_file(self, key: str, content: Mapping[str, Any]) -> Path | None:
        value = content.get(key)
        if value is None:
            return None
        name = self._text((key,), value)
        path = self.root / name
        if not is_below(self.root, path):
            raise self.error((key,), f"the path {name[:200]!r} leads out of the project")
        if not os.path.isfile(path):  # unlike Path's, no error for a name that is too long
            raise self.error((key,), f"there is no file {name[:200]!r} in the project")
        return path

    def _docker(self, section: Any) -> DockerEnvironment | None:
        if section is None:
            return None
        keys = ("docker_env",)
        fields = self._mapping(keys, section)
        if not fields.get("image"):
            raise self.error(keys, "it needs an 'image'")
        image = self._text((*keys, "image"), fields["image"])
        volumes = self._texts((*keys, "volumes"), fields.get("volumes"))
        for key, value in (("image", image), *(("volumes", volume) for volume in volumes)):
            if value.startswith("-") or not value.isprintable():
                raise self.error((*keys, key), f"{value[:100]!r} would be taken for an option of docker")
        environment = fields.get("environment")
        if environment is not None and not isinstance(environment, list):
            raise self.error((*keys, "environment"), f"it must be a list, and is {_kind(environment)}")
        variables = tuple(self._variable(each) for each in environment or ())
        return DockerEnvironment(image, volumes, variables, self.lines.get((*keys, "environment")))

    def _variable(self, entry: Any) -> str | tuple[str, str]:
        keys = ("docker_env", "environment")
        if isinstance(entry, list):
            if len(entry) != 2:
                raise self.error(keys, f"a list in it is [name, value], and one has {len(entry)} items")
            name, value = self._text(keys, entry[0]), self._text(keys, entry[1])
        else:
            name, value = self._text(keys, entry), None
        if not _VARIABLE.fullmatch(name):
            raise self.error(keys, f"{name[:100]!r} is no name of a variable")
        return name if value is None else (name, value)

    def _spark_job(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        section = content.get("databricks_spark_job")
        if section is None:
            return None
        keys = ("databricks_spark_job",)
        fields = self._mapping(keys, section)
        for other in ENVIRONMENT_KEYS:
            if content.get(other) is not None:
                raise self.error(
                    (other,), "a Databricks Spark job has no environment of its own; list 'python_libraries'"
                )
        python_file = fields.get("python_file")
        if (python_file is None) == (content.get("entry_points") is None):
            raise self.error(keys, "it needs either a 'python_file' or entry points of the project, not both")
        if python_file is not None:
            self._text((*keys, "python_file"), python_file)
        for key in ("parameters", "python_libraries"):
            self._texts((*keys, key), fields.get(key))
        for entry in self._entry_points(content.get("entry_points")):
            for parameter in entry.parameters:
                if parameter.type == "path":
                    where = ("entry_points", entry.name, "parameters", parameter.name)
                    raise self.error(where, "a Databricks Spark job takes no parameters of type 'path'; use 'uri'")
        return fields


def _kind(value: Any) -> str:
    """What a value is in YAML's words."""
    kinds = {dict: "a mapping", list: "a list", bytes: "binary data", type(None): "empty", bool: "a truth value"}
    return kinds.get(type(value), "a text" if isinstance(value, str) else f"{value!r}"[:100])
