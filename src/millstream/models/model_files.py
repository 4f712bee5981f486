"""Checks of a model's files before a library reads them: what anybody may have written is refused with one clear error."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from millstream.artifacts.archives import reason_against
from millstream.errors import InvalidValue, MillstreamError
from millstream.models.locations import inside

PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""First bytes of a pickle of protocol 2 to 5; older protocols have no mark."""


class BrokenModelFile(InvalidValue):
    """A file of a model that its library cannot read, or that is not what its name says."""

    def __init__(self, file: Path, kind: str, reason: object) -> None:
        super().__init__(
            f"{str(file)!r} cannot be read as {kind}: {reason}. Save the model again, or ask its author for an intact copy."
        )


def named(root: Path, section: Mapping[str, Any], *keys: str) -> Path:
    """The file or folder that a section of MLmodel names under the first of `keys` that it has.

    Raises:
        InvalidValue: it has none of them, no text there, or names what is not in the model.
        PathLeavesModel: the path leads out of the model.
    """
    path = next((section[key] for key in keys if section.get(key) is not None), None)
    if not isinstance(path, str):
        raise InvalidValue(
            f"The MLmodel in {str(root)!r} does not say which file holds the model (its key {keys[0]!r})."
        )
    found = inside(root, path)
    if not found.exists():
        raise InvalidValue(f"The MLmodel in {str(root)!r} names {path!r}, which is not there: the model is not whole.")
    return found


@contextmanager
def reading(file: Path, kind: str) -> Iterator[None]:
    """Turn whatever a library raises over a file into BrokenModelFile; a missing file as well.

    Args:
        kind: what the file should be, with its article: "an ONNX model".
    """
    try:
        yield
    except MillstreamError:
        raise
    except ModuleNotFoundError:
        raise  # of a library that is not there, not of the file
    except Exception as error:
        text = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise BrokenModelFile(file, kind, text[:300]) from error


def check_zip(file: Path, kind: str, may_be_pickle: Callable[[str], bool] = lambda name: False) -> None:
    """Refuse an archive that would unpack to too much, or elsewhere, or that hides a pickle.

    Args:
        may_be_pickle: whether a member of this name is read by something that cannot run it (TorchScript's own reader).
    Raises:
        BrokenModelFile: no zip file, over 10,000 members, more than 100 times its size, a name that leaves the archive or
            is there twice, or a pickle among the members.
    """
    with reading(file, kind), zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        reason = reason_against(members, file.stat().st_size)
        if reason is not None:
            raise BrokenModelFile(file, kind, reason)
        for member in members:
            if not member.is_dir() and not may_be_pickle(member.filename):
                _refuse_pickle(file, kind, archive, member)


def _refuse_pickle(file: Path, kind: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with archive.open(member) as stream:
        start = stream.read(2)
    if start in PICKLE_STARTS:
        raise BrokenModelFile(
            file, kind, f"its member {member.filename!r} is a pickle, which this format does not hold"
        )
