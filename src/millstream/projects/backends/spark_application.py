"""An entry point's command as an application of Spark: a script and its arguments, which no shell ever sees."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from millstream.errors import InvalidValue

_PYTHON = re.compile(r"python(\d(\.\d+)?)?")
_PIECE = re.compile(
    r"""'(?P<single>[^']*)'"""
    r'''|"(?P<double>[^"$`\\]*)"'''
    r"""|\\(?P<escaped>[^\n])"""
    r"""|(?P<plain>[^\s'"\\$`;&|<>()*?\[\]{}#~!]+)"""
    r"""|(?<=[^\s])(?P<inner>[#~!])"""  # they mean something at a word's start alone
    r"""|(?P<blank>(?:[ \t]|\\\n)+)"""
)


class Application(Struct, frozen=True):
    """What `spark-submit` is given.

    Attributes:
        script: below the project's folder.
        arguments: as the script's `sys.argv[1:]`.
    """

    script: str
    arguments: tuple[str, ...] = ()


class NoApplication(InvalidValue):
    """A command that only a shell could run, or that runs no Python script."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(
            f"The command {command[:300]!r} cannot be sent to Spark: {reason}. Spark runs a Python script of the project and "
            "passes it arguments, without a shell: write 'python <script>.py <arguments>'."
        )


def application_of(command: str, root: Path) -> Application:
    """The script and arguments of `python script.py ...` (or `spark-submit script.py ...`), read as a shell would.

    Args:
        command: the shell line, its values quoted.
        root: the project's folder.
    Raises:
        NoApplication: an operator, an expansion, another program, or a script that is not a file of the project.
    """
    words = _words(command)
    if not words:
        raise NoApplication(command, "it is empty")
    program, *rest = words
    if _PYTHON.fullmatch(program):
        rest = rest[1:] if rest[:1] == ["-u"] else rest  # Spark starts it so anyway
    elif program != "spark-submit":
        raise NoApplication(command, f"it starts {program[:100]!r}")
    if not rest:
        raise NoApplication(command, "it names no script")
    script, *arguments = rest
    if script.startswith("-"):
        hint = " (they belong into the backend's configuration)" if program == "spark-submit" else ""
        raise NoApplication(command, f"there is the option {script[:100]!r} before the script{hint}")
    _check_script(command, script, root)
    return Application(script, tuple(arguments))


def _check_script(command: str, script: str, root: Path) -> None:
    path = root / script
    if Path(script).is_absolute() or not path.resolve().is_relative_to(root.resolve()):
        raise NoApplication(command, f"{script[:200]!r} is not in the project's folder")
    if not script.endswith(".py") or not path.is_file():
        raise NoApplication(command, f"{script[:200]!r} is not a Python file of the project")


def _words(command: str) -> list[str]:
    """The words of a shell line in which every character means itself, once quotes are taken off."""
    text = command.strip()
    words: list[str] = []
    at, in_word = 0, False
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise NoApplication(command, f"{text[at]!r} at position {at + 1} is for a shell")
        if piece["blank"] is not None:
            in_word = False
        else:
            if not in_word:
                words.append("")
            words[-1] += "".join(part for part in piece.groups() if part is not None)
            in_word = True
        at = piece.end()
    if any("\0" in word for word in words):
        raise NoApplication(command, "it contains a NUL character")
    return words
