"""Artifacts through the server: listings, the proxy, downloads and uploads of the UI.

Endpoints with `stream` move raw bytes: their handlers only say *which* artifact (its checked URI), the server does the rest.
"""

from __future__ import annotations

from msgspec import Struct, field

from millstream.api.endpoint import AJAX_ONLY, MILLSTREAM, PROXY, ROOT, Empty, Stream, endpoint
from millstream.api.stores import ArtifactStore
from millstream.entities import FileInfo, Int64

UNLIMITED = 1 << 62
"""Uploads stream to the store; their size is the store's business."""


class ListArtifacts(Struct, omit_defaults=True):
    run_id: str
    path: str = ""
    page_token: str = ""
    run_uuid: str = ""


class ArtifactList(Struct, omit_defaults=True):
    root_uri: str | None = None
    files: list[FileInfo] = field(default_factory=list)


class ProxyFolder(Struct, omit_defaults=True):
    path: str = ""


class ProxyPath(Struct, omit_defaults=True):
    artifact_path: str


class CreateUpload(Struct, omit_defaults=True):
    directory: str
    path: str
    num_parts: Int64 = 1


class UploadPart(Struct, omit_defaults=True):
    part_number: Int64
    url: str = ""
    etag: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class UploadCreated(Struct, omit_defaults=True):
    upload_id: str
    credentials: list[UploadPart] = field(default_factory=list)


class CompleteUpload(Struct, omit_defaults=True):
    directory: str
    path: str
    parts: list[UploadPart]
    upload_id: str = ""


class AbortUpload(Struct, omit_defaults=True):
    directory: str
    path: str
    upload_id: str = ""


class Presigned(Struct, omit_defaults=True):
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    file_size: Int64 | None = None


class PresignUpload(Struct, omit_defaults=True):
    path: str
    run_id: str = ""
    model_id: str = ""
    expiration: Int64 = 900


class PresignDownload(Struct, omit_defaults=True):
    run_id: str
    path: str
    expiration: Int64 = 300


class PresignedUrl(Struct, omit_defaults=True):
    presigned_url: str
    headers: dict[str, str] = field(default_factory=dict)
    file_size: Int64 | None = None


class GetArtifact(Struct, omit_defaults=True):
    run_id: str
    path: str
    run_uuid: str = ""


class OwnedArtifact(Struct, omit_defaults=True):
    """A place in the artifacts of a run or of a logged model, one of which is named."""

    run_id: str = ""
    model_id: str = ""
    path: str = ""


class UploadArtifact(Struct, omit_defaults=True):
    run_uuid: str
    path: str


@endpoint("GET", "artifacts/list", access="run:read")
def list_artifacts(store: ArtifactStore, req: ListArtifacts) -> ArtifactList:
    """One level of a run's artifacts, by path; a file or a missing folder gives no files."""
    root, files = store.list_run_artifacts(req.run_id, req.path)
    return ArtifactList(root, files)


@endpoint("GET", "artifacts", access="artifact:read", prefixes=PROXY)
def list_folder(store: ArtifactStore, req: ProxyFolder) -> ArtifactList:
    """One level of a folder of the proxy; `files` hold base names."""
    return ArtifactList(None, store.list_proxied(req.path))


@endpoint("GET", "artifacts/{artifact_path:path}", access="artifact:read", prefixes=PROXY, stream=Stream.DOWNLOAD)
def download(store: ArtifactStore, req: ProxyPath) -> str:
    """One file, streamed; ranges are served."""
    return store.proxied_uri(req.artifact_path)


@endpoint(
    "PUT",
    "artifacts/{artifact_path:path}",
    access="artifact:update",
    prefixes=PROXY,
    stream=Stream.UPLOAD,
    body_limit=UNLIMITED,
)
def upload(store: ArtifactStore, req: ProxyPath) -> str:
    """Store one file, streamed; it appears whole or not at all."""
    return store.proxied_uri(req.artifact_path)


@endpoint("DELETE", "artifacts/{artifact_path:path}", access="artifact:delete", prefixes=PROXY, is_write=False)
def delete(store: ArtifactStore, req: ProxyPath) -> Empty:
    """Delete a file or folder; a missing one is fine, the root is refused."""
    store.delete_proxied(req.artifact_path)
    return Empty()


@endpoint("POST", "mpu/create/{directory:path}", access="artifact:update", prefixes=PROXY, is_write=False)
def create_upload(store: ArtifactStore, req: CreateUpload) -> UploadCreated:
    """Begin an upload in parts, if the store behind the proxy can; else 501 and the client sends the file whole."""
    return UploadCreated(*store.create_multipart(req.directory, req.path, req.num_parts))


@endpoint("POST", "mpu/complete/{directory:path}", access="artifact:update", prefixes=PROXY, is_write=False)
def complete_upload(store: ArtifactStore, req: CompleteUpload) -> Empty:
    """Put the parts together."""
    store.complete_multipart(req.directory, req.path, req.upload_id, req.parts)
    return Empty()


@endpoint("POST", "mpu/abort/{directory:path}", access="artifact:update", prefixes=PROXY, is_write=False)
def abort_upload(store: ArtifactStore, req: AbortUpload) -> Empty:
    """Throw the parts away."""
    store.abort_multipart(req.directory, req.path, req.upload_id)
    return Empty()


@endpoint("GET", "presigned/{artifact_path:path}", access="artifact:read", prefixes=PROXY)
def presign(store: ArtifactStore, req: ProxyPath) -> Presigned:
    """An address to download from directly, if the store behind the proxy can give one; else 501."""
    return store.presign_proxied(req.artifact_path)


@endpoint("POST", "artifacts/presigned-upload-url", access="run:update", is_write=False)
def presign_upload(store: ArtifactStore, req: PresignUpload) -> PresignedUrl:
    """An address to upload a run's or a model's artifact to directly."""
    return store.presign_upload(req.run_id, req.model_id, req.path, req.expiration)


@endpoint("POST", "artifacts/presigned-download-url", access="run:read", is_write=False)
def presign_download(store: ArtifactStore, req: PresignDownload) -> PresignedUrl:
    """An address to download a run's artifact from directly."""
    return store.presign_download(req.run_id, req.path, req.expiration)


@endpoint("GET", "get-artifact", access="run:read", prefixes=ROOT, stream=Stream.DOWNLOAD)
def get_artifact(store: ArtifactStore, req: GetArtifact) -> str:
    """One artifact of a run, as an attachment."""
    return store.run_artifact_uri(req.run_id, req.path)


@endpoint(
    "POST",
    "upload-artifact",
    access="run:update",
    prefixes=AJAX_ONLY,
    stream=Stream.UPLOAD,
    body_limit=10 << 20,
)
def upload_artifact(store: ArtifactStore, req: UploadArtifact) -> str:
    """Upload of 1 byte to 10 MB from the UI; its input is in the query string."""
    return store.run_artifact_uri(req.run_uuid, req.path)


@endpoint("GET", "artifacts/zip", access="run:read", prefixes=MILLSTREAM, stream=Stream.ARCHIVE)
def get_archive(store: ArtifactStore, req: OwnedArtifact) -> str:
    """A folder of a run's or a logged model's artifacts as one zip file, made while it is sent."""
    return store.owned_uri(req.run_id, req.model_id, req.path)


@endpoint("GET", "artifacts/page", access="run:read", prefixes=MILLSTREAM, stream=Stream.PAGE)
def get_page(store: ArtifactStore, req: OwnedArtifact) -> str:
    """An HTML file of a run or a logged model, to be shown with its scripts in a sandbox without network."""
    return store.owned_uri(req.run_id, req.model_id, req.path)
