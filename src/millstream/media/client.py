"""The methods of `MillstreamClient` that log texts, dicts, figures, images and tables."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import IO, TYPE_CHECKING, Any

from millstream.artifacts.paths import check as artifact_path
from millstream.entities import LOGGED_ARTIFACTS_TAG, LOGGED_IMAGES_TAG, Run
from millstream.errors import InvalidValue, NotFound
from millstream.media import figures, images, tables, texts

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

UPLOAD_THREADS = 4


class Uploads:
    """Uploads in the background, of images above all. A failed one is told when somebody waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pending: dict[str, list[Future[None]]] = {}

    def submit(self, run_id: str, upload: Any) -> Future[None]:
        """Run `upload()` in the background on behalf of a run."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(UPLOAD_THREADS, thread_name_prefix="millstream-upload")
            future: Future[None] = self._pool.submit(upload)
            pending = self._pending.setdefault(run_id, [])
            pending[:] = [other for other in pending if not other.done() or other.exception() is not None]
            pending.append(future)
        return future

    def flush(self, run_id: str | None = None, timeout: float | None = None) -> None:
        """Wait for the uploads of a run, or of all.

        Raises:
            MillstreamError: (or what the upload raised) the first that failed since the last flush.
        """
        with self._lock:
            keys = list(self._pending) if run_id is None else [run_id]
            futures = [future for key in keys for future in self._pending.pop(key, [])]
        done, running = wait(futures, timeout)
        if running:
            logger.warning("%d uploads are still under way after %s s.", len(running), timeout)
        errors = [error for future in done if (error := future.exception()) is not None]
        for error in errors[1:]:
            logger.warning("An upload failed: %s", error)
        if errors:
            raise errors[0]


uploads = Uploads()


def _forget_uploads() -> None:
    global uploads
    uploads = Uploads()  # the threads did not come along


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_uploads)


class MediaLogging:
    """Mixed into the client, which brings the methods named first."""

    if TYPE_CHECKING:

        def log_stream(self, run_id: str, stream: IO[bytes], artifact_file: str) -> None: ...
        def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str: ...
        def get_run(self, run_id: str) -> Run: ...
        def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any: ...
        def search_runs(self, experiment_ids: Sequence[str], filter_string: str = "", **options: Any) -> Any: ...

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Store `text` as a UTF-8 file."""
        self.log_stream(run_id, io.BytesIO(str(text).encode()), artifact_path(artifact_file))

    def log_dict(self, run_id: str, dictionary: Mapping[str, Any] | Sequence[Any], artifact_file: str) -> None:
        """Store a dict as YAML (`.yml`, `.yaml`) or JSON (any other extension)."""
        self.log_text(run_id, texts.dump_dict(dictionary, artifact_file), artifact_file)

    def log_figure(
        self, run_id: str, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Store a figure of matplotlib or plotly in the format of the file's extension; TypeError for other figures."""
        path = artifact_path(artifact_file)
        self.log_stream(run_id, io.BytesIO(figures.encode(figure, path, save_kwargs)), path)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> Future[None] | None:
        """Store an image, either as one file or as the next of a series.

        Args:
            image: see `millstream.media.images.to_pil`.
            artifact_file: the file's path; its extension decides the format. Always synchronous.
            key: the series' name; a PNG and a small WebP copy go to `images/`.
            step: of the training, 0 if not given; only with `key`.
            timestamp: in ms, now if not given; only with `key`.
            synchronous: False uploads a series' image in the background and returns a Future of it.
        """
        if (artifact_file is None) == (key is None):
            raise TypeError(
                "Give either artifact_file or key, so that it is clear whether the image is one of a series."
            )
        if artifact_file is not None:
            if step is not None or timestamp is not None:
                raise TypeError("step and timestamp belong to images with a key.")
            path = artifact_path(artifact_file)
            data = images.encode(images.to_pil(image), path.rpartition(".")[2])
            self.log_stream(run_id, io.BytesIO(data), path)
            return None
        assert key is not None
        picture = images.to_pil(image)
        now = timestamp if timestamp is not None else time.time_ns() // 1_000_000
        full, small = images.series_files(key, step or 0, now)

        def upload() -> None:
            self.log_stream(run_id, io.BytesIO(images.encode(picture, "png")), full)
            self.log_stream(run_id, io.BytesIO(images.compress(picture)), small)

        self._say_images(run_id)
        if synchronous is False:
            return uploads.submit(run_id, upload)
        upload()
        return None

    def _say_images(self, run_id: str) -> None:
        said: set[str] = self.__dict__.setdefault("_runs_with_images", set())
        if run_id not in said:
            self.set_tag(run_id, LOGGED_IMAGES_TAG, "True")
            said.add(run_id)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Store a table, or append its rows to the one that is there (by reading and writing it whole).

        Args:
            data: DataFrame or dict of columns; cells may be images (`millstream.Image`, Pillow).
            artifact_file: ends in `.json` or `.parquet`.
        """
        path = tables.check_name(artifact_path(artifact_file))
        frame = tables.to_frame(data)
        for column in frame.columns:
            if frame[column].dtype == object and any(images.is_image(cell) for cell in frame[column]):
                frame[column] = [self._log_cell(run_id, cell, path) for cell in frame[column]]
        old = self._read_table(run_id, path)
        if old is not None:
            frame = tables.append(old, frame)
        self.log_stream(run_id, io.BytesIO(tables.write(frame, path)), path)
        listed = tables.listed(self.get_run(run_id).data.tags.get(LOGGED_ARTIFACTS_TAG))
        entry = {"path": path, "type": "table"}
        if entry not in listed:
            self.set_tag(run_id, LOGGED_ARTIFACTS_TAG, json.dumps([*listed, entry]))

    def _log_cell(self, run_id: str, cell: Any, table: str) -> Any:
        if not images.is_image(cell):
            return cell
        picture = images.to_pil(cell)
        full, small = images.table_files(table)
        self.log_stream(run_id, io.BytesIO(images.encode(picture, "png")), full)
        self.log_stream(run_id, io.BytesIO(images.compress(picture)), small)
        return {"type": "image", "filepath": full, "compressed_filepath": small}

    def _read_table(self, run_id: str, path: str) -> pd.DataFrame | None:
        try:
            local = self.download_artifacts(run_id, path)
        except (NotFound, FileNotFoundError):
            return None
        with open(local, "rb") as file:
            return tables.read(file.read(), path)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The rows of a table over all runs of an experiment that have it, one run after the other.

        Args:
            run_ids: only of these runs.
            extra_columns: columns of `search_runs` to add, such as `run_id` or `params.lr`; one whose name the table has
                already gets a `_` at its end.
        Raises:
            MillstreamError: no run has that table, or `extra_columns` names an unknown column.
        """
        path = tables.check_name(artifact_path(artifact_file))
        frames = []
        for run in self._runs_with_table(experiment_id, path):
            if run_ids is not None and run.info.run_id not in run_ids:
                continue
            frame = self._read_table(run.info.run_id, path)
            if frame is None:
                continue
            for column in extra_columns or ():
                name = column + "_" if column in frame.columns else column
                frame[name] = _run_column(run, column)
            frames.append(frame)
        if not frames:
            raise NotFound(f"No run of experiment {experiment_id!r} has a table {artifact_file!r}.")
        return tables.pandas().concat(frames, ignore_index=True)

    def _runs_with_table(self, experiment_id: str, path: str) -> list[Run]:
        entry = json.dumps({"path": path, "type": "table"})
        found: list[Run] = []
        token: str | None = None
        while True:
            page = self.search_runs(
                [experiment_id], f"tags.`{LOGGED_ARTIFACTS_TAG}` LIKE '%{entry}%'", max_results=1000, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found


def _run_column(run: Run, column: str) -> Any:
    """The value of a column of `search_runs` for one run; None where it has no such metric, param or tag."""
    group, _, key = column.partition(".")
    if key and group in ("metrics", "params", "tags"):
        return getattr(run.data, group).get(key)
    if column in ("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time"):
        value = getattr(run.info, column)
        return str(value) if column == "status" else value
    raise InvalidValue(f"Runs have no column {column!r}. Use run_id, status, metrics.<key>, params.<key>, tags.<key>.")
