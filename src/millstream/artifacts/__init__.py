"""Artifacts: files by URI, wherever they are.

millstream.artifacts.download_artifacts("runs:/<run id>/plots")
millstream.artifacts.load_dict("runs:/<run id>/config.json")
millstream.artifacts.open_repository("s3://bucket/folder").log_file("model.bin")
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue, MissingLibrary

if TYPE_CHECKING:
    from PIL import Image

    from millstream.artifacts.repository import Repository
    from millstream.entities import FileInfo

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text", "open_repository"]


def open_repository(uri: str | os.PathLike[str], tracking_uri: str | None = None, client: Any = None) -> Repository:
    """The repository of an artifact URI; see `millstream.artifacts.repository.open_repository`."""
    from millstream.artifacts import repository

    return repository.open_repository(uri, tracking_uri, client)


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Bring a file or folder here.

    Args:
        artifact_uri: what to bring; exactly one of this and `run_id`.
        run_id: a run, whose `artifact_path` is brought (all its artifacts if that is None).
        artifact_path: path below the run or below `artifact_uri`.
        dst_path: local folder that gets it; made if missing. None is a new temporary folder, or for what is on this machine
            already the thing itself, not a copy.
        tracking_uri: where runs are looked up; None is the one in force.
        registry_uri: accepted for compatibility.
    Returns:
        The local path of the file or folder.
    """
    repository, path = _resolve(artifact_uri, run_id, artifact_path, tracking_uri)
    return repository.download(path, dst_path)


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """One level of a folder of artifacts, sorted by path; exactly one of `artifact_uri` and `run_id` says which."""
    repository, path = _resolve(artifact_uri, run_id, artifact_path, tracking_uri)
    return repository.list(path)


def load_text(artifact_uri: str) -> str:
    """The content of a text artifact (UTF-8)."""
    return _read(artifact_uri).decode()


def load_dict(artifact_uri: str) -> Any:
    """The content of a JSON artifact, or of a YAML one if its name ends so."""
    text = load_text(artifact_uri)
    if artifact_uri.lower().endswith((".yaml", ".yml")):
        import yaml

        return yaml.safe_load(text)
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidValue(f"{artifact_uri!r} is not JSON: {error}.") from None


def load_image(artifact_uri: str) -> Image.Image:
    """An image artifact as a PIL image."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingLibrary("pillow", "load_image") from error
    import io

    image = Image.open(io.BytesIO(_read(artifact_uri)))
    image.load()
    return image


def _read(artifact_uri: str) -> bytes:
    repository, path = _resolve(artifact_uri, None, None, None)
    if path is None:
        raise InvalidValue(f"{artifact_uri!r} names no file.")
    return repository.read_bytes(path)


def _resolve(
    artifact_uri: str | None, run_id: str | None, artifact_path: str | None, tracking_uri: str | None
) -> tuple[Repository, str | None]:
    """The repository to open and the path in it.

    A URI is split before its last segment, so that a file can be named, and a folder keeps its name at its destination.
    """
    from millstream.artifacts.repository import split_uri

    if (artifact_uri is None) == (run_id is None):
        raise InvalidValue("Give exactly one of artifact_uri and run_id.")
    path = artifact_path.strip("/") if artifact_path else ""
    if artifact_uri is None:
        return open_repository(f"runs:/{run_id}", tracking_uri), path or None
    if path:
        return open_repository(artifact_uri, tracking_uri), path
    root, name = split_uri(artifact_uri)
    return open_repository(root, tracking_uri), name or None
