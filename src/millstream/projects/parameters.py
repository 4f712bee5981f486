"""The parameters of an entry point: what the caller gave, completed by defaults, checked, and made ready for the command."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from millstream import settings
from millstream.errors import InvalidProjectParameter
from millstream.projects.submission import EntryPoint, Parameter

logger = logging.getLogger("millstream")


def complete(entry: EntryPoint | None, given: Mapping[str, Any]) -> dict[str, str]:
    """Values for all parameters, as they are recorded: the declared ones in the file's order, then further ones as given.

    Args:
        entry: None for a script, which declares nothing.
        given: by name; values are made text.
    Raises:
        InvalidProjectParameter: declared ones without default are not given, or a name or value is none that a program can
            be given; with PROJECT_STRICT_TYPES also a value that is not of its type.
    """
    declared = entry.parameters if entry is not None else ()
    texts = {_checked_name(name): _checked_value(str(name), str(value)) for name, value in given.items()}
    missing = [each.name for each in declared if each.default is None and each.name not in texts]
    if entry is not None and missing:
        options = " ".join(f"-P {name}=..." for name in missing)
        raise InvalidProjectParameter(
            f"The entry point {entry.name!r} needs a value for {', '.join(missing)}. Give it: {options}"
        )
    values = {each.name: texts.get(each.name, each.default or "") for each in declared}
    for parameter in declared:
        _check_type(parameter, values[parameter.name])
    return {**values, **{name: text for name, text in texts.items() if name not in values}}


def resolve(
    entry: EntryPoint | None, values: Mapping[str, str], storage_dir: Path | None, caller_dir: Path
) -> dict[str, str]:
    """The values as the command gets them: `path` ones are on this machine and absolute, `uri` ones are URIs.

    Args:
        values: as `complete` gave them.
        storage_dir: folder that gets a new folder for what is downloaded, if anything is; None is the system's for temporary
            files. Nobody removes it: the project's command may hand the paths on.
        caller_dir: what relative paths are relative to.
    Raises:
        InvalidProjectParameter: a path is not there, or a URI is none.
        MillstreamError: a download failed.
    """
    resolved = dict(values)
    downloads = _Downloads(storage_dir)
    for index, parameter in enumerate(entry.parameters if entry is not None else ()):
        value = values[parameter.name]
        if parameter.type == "path":
            resolved[parameter.name] = _local_path(parameter, value, caller_dir, partial(downloads.folder, index))
        elif parameter.type == "uri":
            _check_uri(parameter, value)
    return resolved


class _Downloads:
    """A folder for one run's downloads, made when the first one needs it."""

    def __init__(self, storage_dir: Path | None) -> None:
        self._parent = storage_dir
        self._folder: Path | None = None

    def folder(self, index: int) -> Path:
        if self._folder is None:
            if self._parent is not None:
                self._parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="millstream-params-", dir=self._parent))
        return self._folder / f"param_{index}"


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise InvalidProjectParameter(f"Parameters are given by name, and {name!r:.100} is none: names are texts.")
    if not name or not name.isprintable():
        raise InvalidProjectParameter(f"{name[:100]!r} cannot be the name of a parameter.")
    return name


def _checked_value(name: str, value: str) -> str:
    if "\0" in value:
        raise InvalidProjectParameter(
            f"The value of the parameter {name!r} holds a NUL, which no program can be given."
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidProjectParameter(f"The value of the parameter {name!r} is not valid Unicode.") from None
    return value


# ---------------------------------------------------------------- types

_CONVERTERS: dict[str, Callable[[str], object]] = {"float": float, "int": int}
"""The types whose values can be told right from wrong. MLflow checks none of them."""


def _check_type(parameter: Parameter, value: str) -> None:
    converter = _CONVERTERS.get(parameter.type)
    if converter is None:
        return
    try:
        converter(value)
    except ValueError:
        sentence = f"The parameter {parameter.name!r} is declared as {parameter.type}, and {value[:100]!r} is none."
        if settings.PROJECT_STRICT_TYPES.get():
            raise InvalidProjectParameter(sentence) from None
        logger.warning("%s It is passed on as it is.", sentence)


def _check_uri(parameter: Parameter, value: str) -> None:
    from millstream.artifacts.repository import scheme_of

    if not scheme_of(value):
        raise InvalidProjectParameter(
            f"The parameter {parameter.name!r} takes a URI, such as s3://bucket/key or file:///data, and {value[:200]!r} has "
            "no scheme."
        )


def _local_path(parameter: Parameter, value: str, caller_dir: Path, folder: Callable[[], Path]) -> str:
    from millstream.artifacts import download_artifacts
    from millstream.artifacts.repository import local_root, scheme_of

    scheme = scheme_of(value)
    if scheme in ("", "file"):
        path = local_root(value) if scheme else os.path.abspath(os.path.join(caller_dir, value))
        if not value or not os.path.exists(path):
            raise InvalidProjectParameter(
                f"The parameter {parameter.name!r} takes a path, and there is nothing at {path[:300]!r}. Relative paths are "
                f"relative to {str(caller_dir)!r}."
            )
        return path
    return download_artifacts(artifact_uri=value, dst_path=str(folder()))
