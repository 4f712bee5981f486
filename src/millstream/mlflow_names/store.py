"""`mlflow.store.artifact.*`: opening the artifacts of a URI."""

from __future__ import annotations

from typing import Any

from millstream.artifacts import open_repository


def get_artifact_repository(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
    """The repository of a URI, with the methods that MLflow's have."""
    return ArtifactRepository(open_repository(artifact_uri, tracking_uri))


class ArtifactRepository:
    """Our repository under MLflow's method names."""

    def __init__(self, repository: Any) -> None:
        self._repository = repository

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        self._repository.log_file(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        self._repository.log_folder(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        return list(self._repository.list(path))

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        return str(self._repository.download(artifact_path, dst_path))

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        if artifact_path:
            self._repository.delete(artifact_path)
        else:
            self._repository.delete_all()


__all__ = ["ArtifactRepository", "get_artifact_repository"]
