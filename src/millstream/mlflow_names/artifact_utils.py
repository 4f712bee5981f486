"""`mlflow.tracking.artifact_utils`."""

from __future__ import annotations

from millstream.artifacts import download_artifacts
from millstream.tracking import runs


def get_artifact_uri(run_id: str, artifact_path: str | None = None, tracking_uri: str | None = None) -> str:
    """Where the artifacts of a run are."""
    uri = runs.get_run(run_id).info.artifact_uri or ""
    return f"{uri.rstrip('/')}/{artifact_path}" if artifact_path else uri


def _download_artifact_from_uri(artifact_uri: str, output_path: str | None = None, **options: object) -> str:
    return download_artifacts(artifact_uri, dst_path=output_path)
