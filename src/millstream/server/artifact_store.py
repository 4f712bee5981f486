"""Artifacts as the server sees them: every location that a request or a stored run leads to becomes a checked place below a root
that the operator configured, or it is refused.

Stored locations are text that a client once chose, so they are checked at every use, not when they were stored. The server never
fetches from an address that only a client has named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from millstream import settings
from millstream.api.stores import RegistryStore, TrackingStore
from millstream.artifacts import paths
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import (
    Files,
    PresigningRepository,
    Repository,
    local_root,
    open_repository,
    scheme_of,
)
from millstream.entities import FileInfo
from millstream.errors import InvalidValue, PermissionDenied, Unavailable, Unsupported

if TYPE_CHECKING:
    from millstream.api.artifacts import Presigned, PresignedUrl, UploadPart

PROXY_SCHEME = "mlflow-artifacts"
MAX_PARTS = 10_000
PRESIGNED_SECONDS = 300
MAX_EXPIRATION_SECONDS = 604_800

R = TypeVar("R", bound=Repository)

_EXPERIMENT = re.compile(r"[0-9]+")
_RUN = re.compile(r"[0-9a-f]{32}|models")


class LocatedUri(str):
    """A URI that was checked, together with what it was checked to be: a path below one of the server's own repositories."""

    __slots__ = ("path", "repository")

    repository: Repository
    path: ArtifactPath

    def __new__(cls, repository: Repository, path: ArtifactPath) -> LocatedUri:
        text = repository.uri.rstrip("/")
        self = super().__new__(cls, f"{text}/{path}" if path else text)
        self.repository = repository
        self.path = path
        return self

    def below(self, path: ArtifactPath) -> LocatedUri:
        return LocatedUri(self.repository, paths.join(self.path, path))


def located(uri: str) -> LocatedUri:
    """The text that a handler gave, as the checked place that it is. Raises TypeError if nobody has checked it."""
    if not isinstance(uri, LocatedUri):
        raise TypeError("only what ServerArtifacts has located and checked is served")
    return uri


class ServerArtifacts:
    """Implements `millstream.api.stores.ArtifactStore`.

    Args:
        tracking_store: knows where runs and logged models have their artifacts.
        artifacts_destination: path or URI behind the proxy.
        serve_artifacts: whether there is a proxy.
        default_artifact_root: root of new experiments; what lies below it may be read, if it is not a proxied one.
        more_roots: other paths and URIs that may be read; those of the settings come on top.
        registry: knows where versions of registered models have their files; None serves none.
    """

    def __init__(
        self,
        tracking_store: TrackingStore,
        artifacts_destination: str | None = None,
        serve_artifacts: bool = True,
        default_artifact_root: str | None = None,
        more_roots: Sequence[str] = (),
        registry: RegistryStore | None = None,
    ) -> None:
        self._store = tracking_store
        self._registry = registry
        self._destination: Repository | None = None
        if serve_artifacts:
            self._destination = open_repository(artifacts_destination or settings.ARTIFACTS_DESTINATION.get())
        self._roots: list[Repository] = [] if self._destination is None else [self._destination]
        for uri in (default_artifact_root, *more_roots, *_configured_roots()):
            if uri and scheme_of(uri) != PROXY_SCHEME:
                self._roots.append(open_repository(uri))

    # ------------------------------------------------------------ what server-info tells clients
    @property
    def serves_artifacts(self) -> bool:
        return self._destination is not None

    @property
    def takes_multipart(self) -> bool:
        """Whether the store behind the proxy takes uploads in parts and gives presigned addresses."""
        return isinstance(self._destination, PresigningRepository)

    # ------------------------------------------------------------ by run and by model
    def list_run_artifacts(self, run_id: str, path: str) -> tuple[str, Files]:
        checked = paths.check_folder(path)
        uri = self._run_root(run_id)
        return uri, _list_below(self.locate(uri), checked)

    def list_model_artifacts(self, model_id: str, path: str) -> tuple[str, Files]:
        checked = paths.check_folder(path)
        uri = self._model_root(model_id)
        return uri, _list_below(self.locate(uri), checked)

    def run_artifact_uri(self, run_id: str, path: str) -> LocatedUri:
        checked = paths.check(path)
        return self.locate(self._run_root(run_id)).below(checked)

    def model_artifact_uri(self, model_id: str, path: str) -> LocatedUri:
        checked = paths.check(path)
        return self.locate(self._model_root(model_id)).below(checked)

    def version_artifact_uri(self, name: str, version: str, path: str) -> LocatedUri:
        checked = paths.check(path)
        if self._registry is None:
            raise Unavailable("This server has no model registry. Ask the one that the model is registered at.")
        return self.locate(self._registry.get_artifact_root(name, version)).below(checked)

    def owned_uri(self, run_id: str, model_id: str, path: str) -> LocatedUri:
        checked = paths.check_folder(path)
        if bool(run_id) == bool(model_id):
            raise InvalidValue("Give run_id or model_id.")
        return self.locate(self._run_root(run_id) if run_id else self._model_root(model_id)).below(checked)

    def _run_root(self, run_id: str) -> str:
        return self._store.get_run(run_id).info.artifact_uri or ""

    def _model_root(self, model_id: str) -> str:
        return self._store.get_logged_model(model_id).info.artifact_uri

    # ------------------------------------------------------------ the proxy
    def list_proxied(self, path: str) -> Files:
        folder = paths.check_folder(path)
        return [_renamed(info, paths.name(ArtifactPath(info.path))) for info in self._proxied().list(folder)]

    def delete_proxied(self, path: str) -> None:
        checked = paths.check_folder(path) or paths.check(path)
        repository = self._proxied()
        segments = checked.split("/")
        if _EXPERIMENT.fullmatch(segments[0]) and (
            len(segments) == 1 or (len(segments) == 2 and _RUN.fullmatch(segments[1]))
        ):
            raise InvalidValue(
                f"{path!r} is the folder of an experiment or run, which cannot be deleted as an artifact. "
                "Delete the experiment or run, then use `millstream gc`."
            )
        repository.delete(checked)

    def proxied_uri(self, path: str) -> LocatedUri:
        checked = paths.check(path)
        return LocatedUri(self._proxied(), checked)

    def _proxied(self) -> Repository:
        if self._destination is None:
            raise Unavailable(
                "This server does not serve artifacts (it was started with --no-serve-artifacts). "
                "Use an artifact location that clients reach themselves."
            )
        return self._destination

    # ------------------------------------------------------------ parts and presigned addresses
    def create_multipart(self, directory: str, name: str, parts: int) -> tuple[str, list[UploadPart]]:
        from millstream.api.artifacts import UploadPart

        path = _file_in(directory, name)
        repository = _presigning(self._proxied())
        if not 1 <= parts <= MAX_PARTS:
            raise InvalidValue(f"num_parts must be from 1 to {MAX_PARTS}, not {parts}.")
        upload_id, urls = repository.create_parts(path, parts)
        return upload_id, [UploadPart(number, url) for number, url in enumerate(urls, 1)]

    def complete_multipart(self, directory: str, name: str, upload_id: str, parts: Sequence[UploadPart]) -> None:
        path = _file_in(directory, name)
        repository = _presigning(self._proxied())
        if not parts or not all(part.etag and 1 <= part.part_number <= MAX_PARTS for part in parts):
            raise InvalidValue("parts must name at least one part, each with its part_number and etag.")
        repository.complete_parts(path, _upload_id(upload_id), [(part.part_number, part.etag) for part in parts])

    def abort_multipart(self, directory: str, name: str, upload_id: str) -> None:
        path = _file_in(directory, name)
        _presigning(self._proxied()).abort_parts(path, _upload_id(upload_id))

    def presign_proxied(self, path: str) -> Presigned:
        from millstream.api.artifacts import Presigned

        checked = paths.check(path)
        repository = _presigning(self._proxied())
        size = _size(repository, checked)
        return Presigned(repository.presign_get(checked, PRESIGNED_SECONDS), {}, size)

    def presign_upload(self, run_id: str, model_id: str, path: str, expiration: int) -> PresignedUrl:
        from millstream.api.artifacts import PresignedUrl

        if bool(run_id) == bool(model_id):
            raise InvalidValue("Give either run_id or model_id.")
        checked = paths.check(path)
        root = self._run_root(run_id) if run_id else self._model_root(model_id)
        place = self._presignable(root).below(checked)
        repository = _presigning(place.repository)
        return PresignedUrl(repository.presign_put(place.path, _seconds(expiration)))

    def presign_download(self, run_id: str, path: str, expiration: int) -> PresignedUrl:
        from millstream.api.artifacts import PresignedUrl

        checked = paths.check(path)
        place = self._presignable(self._run_root(run_id)).below(checked)
        repository = _presigning(place.repository)
        size = _size(repository, place.path)
        return PresignedUrl(repository.presign_get(place.path, _seconds(expiration)), {}, size)

    def _presignable(self, root: str) -> LocatedUri:
        if scheme_of(root) == PROXY_SCHEME:
            raise InvalidValue("These artifacts go through this server's proxy: upload and download them there.")
        return self.locate(root)

    # ------------------------------------------------------------ stored locations
    def delete_own(self, location: str, object_id: str) -> None:
        """Delete the folder of artifacts at a stored location, if it carries the object's id and lies below a configured root.

        Raises:
            PermissionDenied: it does not.
            MillstreamError, OSError: the store behind it refuses.
        """
        own_end(location, object_id)
        place = self.locate(location)
        place.repository.delete(place.path)

    def locate(self, uri: str) -> LocatedUri:
        """The place that a stored location means, if it lies below a configured root.

        Raises:
            Unavailable: it goes through the proxy, which is off.
            PermissionDenied: it lies elsewhere.
            InvalidValue: it is malformed.
        """
        scheme = scheme_of(uri)
        if scheme == PROXY_SCHEME:
            # A host in it is this server's business only as a name of itself: nothing is fetched from there.
            return LocatedUri(self._proxied(), _path_of(uri))
        for repository in self._roots:
            path = _relative(uri, scheme, repository)
            if path is not None:
                return LocatedUri(repository, path)
        raise PermissionDenied(
            f"The artifacts are at {uri!r}, which this server does not serve. Read them there yourself, or let the operator "
            "add the location to MILLSTREAM_ALLOWED_LOCAL_ROOTS (folders) or MILLSTREAM_ALLOWED_ARTIFACT_ROOTS (URIs)."
        )


def own_end(location: str, object_id: str) -> str:
    """The last part of a stored location, which says by the object's id that the folder is its own.

    Raises PermissionDenied if it does not: a location is text that a client once chose, and the folder may be something else.
    """
    for end in (f"{object_id}/artifacts", object_id):
        if location.endswith("/" + end):
            return end
    raise PermissionDenied("its path does not end with the id of what it belonged to. Delete it yourself.")


def _configured_roots() -> list[str]:
    folders = settings.ALLOWED_LOCAL_ROOTS.get() or ""
    uris = settings.ALLOWED_ARTIFACT_ROOTS.get() or ""
    return [text.strip() for text in [*folders.split(os.pathsep), *uris.split(",")] if text.strip()]


def _relative(uri: str, scheme: str, root: Repository) -> ArtifactPath | None:
    """The path of `uri` below `root`, compared by whole segments; None if it is not below it."""
    if not uri or (scheme != scheme_of(root.uri) and {scheme, scheme_of(root.uri)} != {"", "file"}):
        return None
    if scheme in ("", "file"):
        base = root.local_path(paths.ROOT)
        if base is None:
            return None
        here = local_root(uri)
        for candidate in (base, os.path.realpath(base)):
            if here == candidate:
                return paths.ROOT
            prefix = candidate.rstrip("/") + "/"
            if here.startswith(prefix):
                return paths.check(here[len(prefix) :])
        return None
    ours, theirs = urlsplit(root.uri), urlsplit(uri)
    if ours.netloc != theirs.netloc or theirs.query or theirs.fragment:
        return None
    prefix = ours.path.strip("/")
    path = theirs.path.strip("/")
    if not prefix or path == prefix:
        return paths.check_folder(path[len(prefix) :])
    return paths.check(path[len(prefix) + 1 :]) if path.startswith(prefix + "/") else None


def _path_of(uri: str) -> ArtifactPath:
    parts = urlsplit(uri)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidValue(f"Invalid artifact location {uri!r}: it must be mlflow-artifacts:/path.")
    return paths.check_folder(parts.path.strip("/"))


def _list_below(place: LocatedUri, folder: ArtifactPath) -> Files:
    files = place.repository.list(paths.join(place.path, folder))
    cut = len(place.path) + 1 if place.path else 0
    return [_renamed(info, info.path[cut:]) for info in files]


def _renamed(info: FileInfo, path: str) -> FileInfo:
    return FileInfo(path, info.is_dir, info.file_size)


def _file_in(directory: str, name: str) -> ArtifactPath:
    return paths.join(paths.check_folder(directory), paths.check_name(name))


def _presigning(repository: Repository) -> PresigningRepository:
    if not isinstance(repository, PresigningRepository):
        raise Unsupported(
            "The artifact store of this server has no uploads in parts and no presigned addresses. Send the file whole."
        )
    return repository


def _size(repository: Repository, path: ArtifactPath) -> int:
    source = repository.source(path)
    try:
        return source.size
    finally:
        source.close()


def _upload_id(text: str) -> str:
    if not text or len(text) > 4096 or not text.isascii() or not text.isprintable():
        raise InvalidValue("upload_id must be the one that mpu/create answered.")
    return text


def _seconds(expiration: int) -> int:
    if not 1 <= expiration <= MAX_EXPIRATION_SECONDS:
        raise InvalidValue(f"expiration must be from 1 to {MAX_EXPIRATION_SECONDS} seconds, not {expiration}.")
    return expiration
