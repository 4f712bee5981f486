"""Artifact repositories that published MLflow plug-ins bring (entry-point group `mlflow.artifact_repository`).

Such a class is made with the URI and offers `log_artifact`, `list_artifacts`, `_download_file` and maybe `delete_artifacts`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

from millstream.artifacts import paths
from millstream.artifacts.local import LocalSource
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import Files, Repository, Sink, Source, cannot
from millstream.entities import FileInfo


class PluginRepository(Repository):
    """A plug-in's repository behind our interface; files pass through the local disk, as its interface demands.

    Args:
        uri: what the plug-in's class is made with.
        factory: the plug-in's class.
    """

    def __init__(self, uri: str, factory: Callable[[str], Any]) -> None:
        super().__init__(uri)
        self._plugin = factory(uri)

    def _list(self, folder: ArtifactPath) -> Files:
        found = self._plugin.list_artifacts(folder or None) or ()
        return [FileInfo(info.path, info.is_dir, None if info.is_dir else info.file_size) for info in found]

    def _put(self, local_path: str, path: ArtifactPath, progress: Callable[[int], None]) -> None:
        name = paths.name(path)
        with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
            source = local_path
            if os.path.basename(local_path) != name:
                source = os.path.join(folder, name)
                os.symlink(os.path.abspath(local_path), source)
            self._plugin.log_artifact(source, paths.parent(path) or None)
        progress(os.path.getsize(local_path))

    def _fetch(self, path: ArtifactPath, local_path: str, progress: Callable[[int], None]) -> None:
        self._plugin._download_file(path, local_path)
        progress(os.path.getsize(local_path))

    def _create(self, path: ArtifactPath, size: int | None) -> Sink:
        return _FileSink(self, path)

    def _source(self, path: ArtifactPath) -> Source:
        with tempfile.TemporaryDirectory(prefix="millstream-") as folder:
            target = os.path.join(folder, paths.name(path))
            self._plugin._download_file(path, target)
            fd = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
            return LocalSource(fd, os.fstat(fd))

    def _delete(self, path: ArtifactPath) -> None:
        delete = getattr(self._plugin, "delete_artifacts", None)
        if delete is None:
            raise cannot("delete", self.uri)
        delete(path or None)


class _FileSink:
    def __init__(self, repository: PluginRepository, path: ArtifactPath) -> None:
        self._repository, self._path = repository, path
        self._file = tempfile.NamedTemporaryFile(prefix="millstream-")  # noqa: SIM115 - closed by abort

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def commit(self) -> None:
        try:
            self._file.flush()
            self._repository._put(self._file.name, self._path, lambda count: None)
        finally:
            self.abort()

    def abort(self) -> None:
        self._file.close()
