"""The methods of `MillstreamClient` that move files, of runs and of logged models."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import IO, TYPE_CHECKING

from millstream.entities import FileInfo, LoggedModel, Run

if TYPE_CHECKING:
    from millstream.artifacts.repository import Repository
    from millstream.client.recorder import Recorder

MOST_KNOWN_ROOTS = 10_000


class ArtifactMethods:
    """Mixed into the client, which brings what is named first."""

    _recorder: Recorder
    _roots: dict[str, str]
    """Artifact root by run or model id: it never changes, so it is asked for once."""

    if TYPE_CHECKING:

        @property
        def tracking_uri(self) -> str: ...
        def get_run(self, run_id: str) -> Run: ...
        def get_logged_model(self, model_id: str) -> LoggedModel: ...

    def _repository(self, run_id: str) -> Repository:
        from millstream.artifacts import open_repository

        root = self._roots.get(run_id)
        if root is None:
            root = self.get_run(run_id).info.artifact_uri or ""
            self.know_artifact_root(run_id, root)
        return open_repository(root, tracking_uri=self.tracking_uri)

    def _model_repository(self, model_id: str) -> Repository:
        from millstream.artifacts import open_repository

        root = self._roots.get(model_id)
        if root is None:
            root = self.get_logged_model(model_id).artifact_location
            self.know_artifact_root(model_id, root)
        return open_repository(root, tracking_uri=self.tracking_uri)

    def know_artifact_root(self, owner_id: str, root: str) -> None:
        """Keep where a run's or a model's artifacts are, so that it need not be asked for."""
        if len(self._roots) >= MOST_KNOWN_ROOTS:
            self._roots.clear()
        self._roots[owner_id] = root

    def log_artifact(self, run_id: str, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Store a file (or a folder, under its own name) among the run's artifacts, in the folder `artifact_path`.

        For a run that was started offline a copy is kept in the journal and stored with the run.
        """
        source = os.fspath(local_path)
        if os.path.isdir(source):
            name = os.path.basename(os.path.abspath(source))
            self.log_artifacts(run_id, source, f"{artifact_path}/{name}" if artifact_path else name)
        elif self._recorder.is_offline(run_id):
            _check_target(artifact_path, os.path.basename(source))
            self._recorder.keep_files(run_id, source, artifact_path)
        else:
            self._repository(run_id).log_file(source, artifact_path)

    def log_artifacts(self, run_id: str, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Store all files below a folder in the folder `artifact_path` of the run, several at a time."""
        source = os.fspath(local_dir)
        if self._recorder.is_offline(run_id):
            _check_target(artifact_path, None)
            self._recorder.keep_files(run_id, source, artifact_path)
        else:
            self._repository(run_id).log_folder(source, artifact_path)

    def log_stream(self, run_id: str, stream: IO[bytes], artifact_file: str) -> None:
        """Store what a binary stream yields as one file of the run, without a local copy (except for offline runs)."""
        if not self._recorder.is_offline(run_id):
            self._repository(run_id).log_stream(stream, artifact_file)
            return
        folder, _, name = artifact_file.rpartition("/")
        _check_target(folder, name)
        with tempfile.NamedTemporaryFile() as copy:
            shutil.copyfileobj(stream, copy)
            copy.flush()
            self._recorder.keep_files(run_id, copy.name, folder or None, name)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """One level of the run's artifacts, by path; paths are relative to their root. A file gives nothing."""
        return list(self._repository(run_id).list(path))

    def download_artifacts(self, run_id: str, path: str, dst_path: str | os.PathLike[str] | None = None) -> str:
        """Bring a file or folder here; its local path.

        Args:
            path: relative to the run's artifacts; "" is all of them.
            dst_path: an existing folder; None is a new temporary one.
        """
        return _download(self._repository(run_id), path, dst_path)

    def log_model_artifact(self, model_id: str, local_path: str | os.PathLike[str]) -> None:
        """Store a file among a logged model's."""
        self._model_repository(model_id).log_file(os.fspath(local_path))

    def log_model_artifacts(self, model_id: str, local_dir: str | os.PathLike[str]) -> None:
        """Store all files below a folder among a logged model's."""
        self._model_repository(model_id).log_folder(os.fspath(local_dir))

    def list_logged_model_artifacts(self, model_id: str, artifact_directory_path: str | None = None) -> list[FileInfo]:
        """One level of a logged model's files, by path."""
        return list(self._model_repository(model_id).list(artifact_directory_path))

    def download_model_artifacts(
        self, model_id: str, path: str = "", dst_path: str | os.PathLike[str] | None = None
    ) -> str:
        """Bring a file or folder of a logged model here; its local path."""
        return _download(self._model_repository(model_id), path, dst_path)


def _download(repository: Repository, path: str, dst_path: str | os.PathLike[str] | None) -> str:
    folder = tempfile.mkdtemp(prefix="millstream-") if dst_path is None else os.fspath(dst_path)
    return os.fspath(repository.download(path, folder))


def _check_target(folder: str | None, name: str | None) -> None:
    """For artifacts that are stored later: what is wrong with their path is said now."""
    from millstream.artifacts import paths

    paths.check_folder(folder)
    if name is not None:
        paths.check_name(name)
