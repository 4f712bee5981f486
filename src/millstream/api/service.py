"""What the server says of itself. `/health`, `/ready`, `/metrics` and `/openapi.json` are the server's own (no JSON types)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from millstream.api.endpoint import MILLSTREAM, MLFLOW_3, Empty, endpoint
from millstream.api.stores import ArtifactStore
from millstream.version import MLFLOW_API_VERSION, VERSION


class ServerInfo(Struct):
    store_type: str = "SqlStore"
    workspaces_enabled: bool = False
    trace_archival_enabled: bool = False
    multipart_uploads_enabled: bool = False
    multipart_downloads_enabled: bool = False
    presigned_upload_run_id_supported: bool = False
    presigned_upload_model_id_supported: bool = False
    features_enabled: dict[str, bool] = field(default_factory=dict)


class Version(Struct):
    """A server that answers this is a Millstream server: run ids may be minted by its clients."""

    version: str = VERSION
    mlflow_api_version: str = MLFLOW_API_VERSION


@endpoint("GET", "server-info", access="public", prefixes=MLFLOW_3)
def server_info(store: ArtifactStore, req: Empty) -> ServerInfo:
    """What the server can do; clients ask before large transfers."""
    has_parts = store.takes_multipart
    return ServerInfo(multipart_uploads_enabled=has_parts, multipart_downloads_enabled=has_parts)


@endpoint("GET", "version", access="public", prefixes=MILLSTREAM)
def version(store: Any, req: Empty) -> Version:
    """Our own version and the level of the MLflow API that we answer."""
    return Version()
