"""From a model's URI to a folder on this machine, and from a path in its MLmodel to a file in that folder."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from millstream.artifacts import paths
from millstream.errors import InvalidValue, MillstreamError, NotFound
from millstream.models.mlmodel import MLMODEL, folder_of

DOWNLOAD_META = "registered_model_meta"
"""What MLflow writes beside a model that it downloaded; never uploaded again."""


class ModelNotFound(NotFound):
    def __init__(self, uri: str, reason: object) -> None:
        super().__init__(
            f"There is no model at {uri!r}: {reason} A model is a folder with a file MLmodel; its URI is a path, "
            "models:/<name>/<version>, models:/<name>@<alias>, models:/<model id>, runs:/<run id>/<name> or that of an "
            "artifact store."
        )


class PathLeavesModel(InvalidValue):
    """A path in a model's folder or MLmodel that leads out of the folder."""

    def __init__(self, path: str, root: Path) -> None:
        super().__init__(
            f"The model in {str(root)!r} is refused: {path!r} leads out of its folder. No path or link in a model may do so."
        )


def fetch(model_uri: str | os.PathLike[str], dst_path: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a model on this machine.

    Args:
        model_uri: a folder or its MLmodel file, or any URI of those.
        dst_path: local folder to download to. None takes what is on this machine in place, and downloads the rest to a temporary
            folder that goes when the program ends.
    Raises:
        ModelNotFound: nothing is there, or no MLmodel in it.
        PathLeavesModel: a link in the folder leads out of it.
    """
    uri = os.fspath(model_uri)
    folder = folder_of(uri)
    root = _local(folder) if dst_path is None else None
    if root is None:
        root = _downloaded(folder, dst_path)
    if not (root / MLMODEL).is_file():
        raise ModelNotFound(uri, f"{str(root)!r} holds no file {MLMODEL}.")
    refuse_links_out(root)
    return root


def _local(uri: str) -> Path | None:
    """The folder of a path or `file:` URI; None for a URI that has to be looked up."""
    from millstream.artifacts import repository

    scheme = repository.scheme_of(uri)
    if scheme not in ("", "file"):
        return None
    root = Path(repository.local_root(uri))
    if not root.is_dir():
        raise ModelNotFound(uri, f"{str(root)!r} is not a folder.")
    return root


def _downloaded(uri: str, dst_path: str | os.PathLike[str] | None) -> Path:
    from millstream.artifacts.repository import open_repository, split_uri
    from millstream.artifacts.transfer import download_to

    try:
        repository = open_repository(uri)
        here = repository.local_path(paths.ROOT)
        if here is not None and not os.path.isdir(here):
            raise ModelNotFound(uri, f"{here!r} is not a folder.")
        if dst_path is not None:
            folder = os.path.join(dst_path, split_uri(uri)[1])
        elif here is not None:
            return Path(here)
        else:
            folder = tempfile.mkdtemp(prefix="millstream-model-")
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        root = Path(download_to(repository, paths.ROOT, folder))
    except ModelNotFound:
        raise
    except NotFound as error:
        raise ModelNotFound(uri, error) from error
    _write_meta(uri, root)
    return root


def _write_meta(uri: str, root: Path) -> None:
    """Say beside a download which registered version it is, as MLflow does."""
    reference = registered(uri)
    if uri.startswith("models:"):
        name, version = reference or (None, None)
        text = f"model_name: {_yaml(name)}\nmodel_version: {_yaml(version)}\n"
        (root / DOWNLOAD_META).write_text(text)


def _yaml(value: str | None) -> str:
    return "null" if value is None else "'{}'".format(value.replace("'", "''"))


class RegisteredVersion(NamedTuple):
    name: str
    version: str


def registered(uri: str) -> RegisteredVersion | None:
    """The registered model and version, stage or alias that a `models:/` URI names; None for any other URI."""
    from millstream.artifacts.repository import MODEL_ID

    if not uri.startswith("models:/"):
        return None
    first, _, rest = uri.removeprefix("models:/").strip("/").partition("/")
    name, at, alias = first.partition("@")
    if at:
        return RegisteredVersion(name, alias)
    if MODEL_ID.fullmatch(first) or not rest:
        return None
    return RegisteredVersion(first, rest.partition("/")[0])


def inside(root: Path, path: str) -> Path:
    """The file or folder that a path of MLmodel names. It need not be there.

    Raises:
        PathLeavesModel: the path is absolute, has `..` or the like, or leads out of the model's folder through a link.
    """
    try:
        checked = paths.check(str(path))
    except MillstreamError as error:
        raise PathLeavesModel(str(path), root) from error
    found = root / checked
    if not found.resolve().is_relative_to(root.resolve()):
        raise PathLeavesModel(str(path), root)
    return found


def refuse_links_out(root: Path) -> None:
    """Raises PathLeavesModel if a symbolic link anywhere in a model's folder leads out of it."""
    real = None
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                real = real or root.resolve()
                if not Path(path).resolve().is_relative_to(real):
                    raise PathLeavesModel(os.path.relpath(path, root), root)
