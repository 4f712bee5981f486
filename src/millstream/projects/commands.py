"""The shell line of an entry point: its template with the values in it, or the call of a script."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from millstream.errors import InvalidProject, InvalidProjectParameter, NotFound
from millstream.projects.places import is_below
from millstream.projects.quoting import Slot, Unquotable, fill
from millstream.projects.spec import FILE
from millstream.projects.submission import EntryPoint, Project

MAIN = "main"

_PIECE = re.compile(r"(?P<text>[^{}]+)|(?P<open>\{\{)|(?P<close>\}\})|\{(?P<name>[^{}]*)\}|(?P<stray>[{}])")


def command_of(project: Project, entry_point: str, values: Mapping[str, str]) -> str:
    """The line for `bash -c`, to be run in the project's folder.

    `python` in it is the environment's: the one that comes first on the PATH that the backend sets.

    Args:
        entry_point: a declared one, or the path of a `.py`, `.sh` or `.R` script in the project.
        values: as `parameters.resolve` gave them; those that the entry point does not declare go to the end of the line as
            `--name value`, in their order.
    Raises:
        NotFound: there is no such entry point.
        InvalidProject: the template is malformed, or names an undeclared parameter.
        InvalidProjectParameter: a value cannot be put where the template wants it without changing what the shell runs.
    """
    declared = project.entry_point(entry_point)
    if declared is None:
        pieces: list[str | Slot] = [_script_line(project, entry_point)]
        names: set[str] = set()
    else:
        names = {each.name for each in declared.parameters}
        pieces = list(_template(declared, {name: values[name] for name in names}))
        if pieces and isinstance(pieces[-1], str):
            pieces[-1] = pieces[-1].rstrip()
    for name, value in values.items():
        if name not in names:
            pieces += [" ", Slot(f"--{name}", name, is_word=True), " ", Slot(value, name, is_word=True)]
    try:
        return fill(pieces)
    except Unquotable as error:
        raise InvalidProjectParameter(_explain(entry_point, error)) from None


def _template(entry: EntryPoint, values: Mapping[str, str]) -> Iterator[str | Slot]:
    """The pieces of a command: `{name}` is a value, `{{` and `}}` are braces."""

    def error(reason: str) -> InvalidProject:
        return InvalidProject(FILE, f"{reason} A brace that the shell shall see is written twice: {{{{ or }}}}",
                              f"entry_points.{entry.name}.command", entry.line)  # fmt: skip

    for found in _PIECE.finditer(entry.command):
        name = found["name"]
        if found["stray"]:
            raise error(f"a {found['stray']!r} at character {found.start() + 1} has no counterpart.")
        if name is None:
            yield found["text"] or found[0][0]
        elif name in values:
            yield Slot(values[name], name)
        else:
            known = ", ".join(values) or "none"
            raise error(f"{{{name[:100]}}} is no parameter of this entry point (declared: {known}).")


def _explain(entry_point: str, error: Unquotable) -> str:
    slot = error.slot
    if slot.is_word:
        return (
            f"The parameter {slot.name!r} is not declared by the entry point {entry_point!r}, so it belongs at the end of the "
            f"command, and there is {error.place}. Declare it, and say in the command where its value goes."
        )
    return (
        f"The value of {slot.name!r} cannot be put into the command of the entry point {entry_point!r} as it is: {{{slot.name}}} "
        f"stands in {error.place}. Values are quoted already; leave it as a word of its own, without quotes around it."
    )


# ---------------------------------------------------------------- scripts


def _script_line(project: Project, entry_point: str) -> str:
    """The call of a script that is named as an entry point. `mlflow_source` is how MLflow's R package runs one."""
    path = PurePosixPath(entry_point)
    if path.suffix not in (".py", ".sh", ".R") or entry_point == MAIN:
        known = ", ".join(repr(each.name) for each in project.entry_points) or "none"
        raise NotFound(
            f"The project has no entry point {entry_point[:200]!r} (declared: {known}). Name one of them, or a .py, .sh or .R "
            "script in the project."
        )
    file = project.root / entry_point
    if not entry_point.isprintable() or not is_below(project.root, file):
        raise NotFound(f"The script {entry_point[:200]!r} is outside of the project.")
    if not os.path.isfile(file):
        raise NotFound(f"The project has neither an entry point nor a script {entry_point[:200]!r}.")
    name = f"./{entry_point}" if entry_point.startswith("-") else entry_point
    if path.suffix == ".R":
        text = name.replace("\\", "\\\\").replace("'", "\\'")
        call = shlex.quote(f"mlflow::mlflow_source('{text}')")
        return f"Rscript -e {call} --args"
    program = "python" if path.suffix == ".py" else '"${SHELL:-bash}"'
    return f"{program} {shlex.quote(name)}"
