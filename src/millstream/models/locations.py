"""From a model's URI to a folder on this machine, and from a path in its MLmodel to a file in that folder."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from millstream import safe_yaml
from millstream.artifacts import model_uris, paths
from millstream.errors import InvalidValue, MillstreamError, NotFound
from millstream.models.mlmodel import MLMODEL, folder_of

if TYPE_CHECKING:
    from millstream.artifacts.repository import Repository
    from millstream.entities import ModelVersion

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
    try:
        if not (root / MLMODEL).is_file():
            raise ModelNotFound(uri, f"{str(root)!r} holds no file {MLMODEL}.")
        refuse_links_out(root)
    except MillstreamError:
        discard(root)
        raise
    return root


_temporary: set[Path] = set()
"""Folders that models were downloaded to."""


def discard(root: Path) -> None:
    """Remove a model that `fetch` downloaded to a temporary folder before the program ends; what is elsewhere stays."""
    if root in _temporary:
        _temporary.discard(root)
        shutil.rmtree(root, ignore_errors=True)


@atexit.register
def _discard_all() -> None:
    for root in list(_temporary):
        discard(root)


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
    from millstream.artifacts.repository import split_uri
    from millstream.artifacts.transfer import download_to

    try:
        repository, version = _opened(uri)
        here = repository.local_path(paths.ROOT)
        if here is not None and not os.path.isdir(here):
            raise ModelNotFound(uri, f"{here!r} is not a folder.")
        if dst_path is not None:
            folder = os.path.join(dst_path, split_uri(uri)[1])
        elif here is not None:
            return Path(here)
        else:
            folder = tempfile.mkdtemp(prefix="millstream-model-")
            _temporary.add(Path(folder))
        try:
            root = Path(download_to(repository, paths.ROOT, folder))
        except BaseException:
            discard(Path(folder))
            raise
    except ModelNotFound:
        raise
    except NotFound as error:
        raise ModelNotFound(uri, error) from error
    if model_uris.is_model_uri(uri):
        _write_meta(root, version)
    return root


def _opened(uri: str) -> tuple[Repository, ModelVersion | None]:
    """Where a model's files are, and the registered version that a `models:/` URI means now."""
    from millstream.artifacts.indirect import below
    from millstream.artifacts.repository import open_repository
    from millstream.client import MillstreamClient

    named = model_uris.parse(uri) if model_uris.is_model_uri(uri) else None
    if named is None or named.model_id:
        return open_repository(uri), None
    client = MillstreamClient()
    version = model_uris.find_version(named, client)
    source = client.get_model_version_download_uri(version.name, version.version)
    return open_repository(below(source, paths.check_folder(named.path.strip("/")))), version


def _write_meta(root: Path, version: ModelVersion | None) -> None:
    """Say beside a download which registered version it is, as MLflow does."""
    name, number = (None, None) if version is None else (version.name, str(version.version))
    text = safe_yaml.write({"model_name": name, "model_version": number})
    (root / DOWNLOAD_META).write_text(text, encoding="utf-8")


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
