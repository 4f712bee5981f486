"""Logging artifacts to the active run; `run_id` names another one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from millstream.artifacts.paths import check
from millstream.tracking import runs, uris
from millstream.tracking.active import state_of
from millstream.tracking.experiments import active_experiment_id

if TYPE_CHECKING:
    import pandas as pd

    from millstream.client.client import MillstreamClient


def _target(run_id: str | None) -> tuple[MillstreamClient, str]:
    if run_id is None:
        opened = runs.current()
        return opened.client, opened.run_id
    known = state_of(run_id)
    return (uris.client() if known is None else known.client), run_id


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Store a file, or a folder, below the folder `artifact_path` of the run's artifacts."""
    client, target = _target(run_id)
    client.log_artifact(target, os.fspath(local_path), artifact_path)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Store all that is in a folder below the folder `artifact_path` of the run's artifacts."""
    client, target = _target(run_id)
    client.log_artifacts(target, os.fspath(local_dir), artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Store a text as a UTF-8 file."""
    client, target = _target(run_id)
    client.log_text(target, text, artifact_file)


def log_dict(dictionary: Mapping[str, Any] | Sequence[Any], artifact_file: str, run_id: str | None = None) -> None:
    """Store a dict as YAML (`.yml`, `.yaml`), else as JSON; objects that these lack as text."""
    client, target = _target(run_id)
    client.log_dict(target, dictionary, artifact_file)


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Store a figure of matplotlib or plotly in the format of the file's extension.

    Args:
        save_kwargs: for `savefig`, or for plotly's writers.
    """
    client, target = _target(None)
    client.log_figure(target, figure, artifact_file, save_kwargs=save_kwargs)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = False,
) -> None:
    """Store an image: as one file, or (`key`) as the next of a series, which is uploaded in the background.

    Args:
        image: array of shape H×W, H×W×1, H×W×3 or H×W×4, Pillow image, or `millstream.Image`.
        artifact_file: the file, which is stored before the call returns; exactly one of it and `key`.
        key: name of the series.
        step: 0 if not given.
        timestamp: in ms, now if not given.
        synchronous: whether the call waits for an image of a series.
    """
    client, target = _target(None)
    client.log_image(target, image, artifact_file, key, step, timestamp, synchronous)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Store a DataFrame or a dict of columns as a `.json` or `.parquet` table, or append its rows to the one there."""
    client, target = _target(run_id)
    client.log_table(target, data, artifact_file)


def load_table(
    artifact_file: str, run_ids: Sequence[str] | None = None, extra_columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """The rows of a table over all runs of the active experiment that have it.

    Args:
        run_ids: only of these runs.
        extra_columns: columns of `search_runs` to add, such as "run_id".
    """
    client = uris.client()
    return client.load_table(active_experiment_id(), artifact_file, run_ids, extra_columns)


def log_stream(stream: IO[bytes], artifact_file: str, run_id: str | None = None) -> None:
    """Store what a binary stream gives, without a temporary copy."""
    client, target = _target(run_id)
    client.log_stream(target, stream, artifact_file)


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Where the active run's artifacts are, or the one at `artifact_path`; starts a run if none is active."""
    uri = runs.current().run.info.artifact_uri or ""
    if not artifact_path:
        return uri
    parts = urlsplit(uri)
    path = f"{parts.path.rstrip('/')}/{check(str(artifact_path))}"
    return urlunsplit(parts._replace(path=path)) if parts.scheme else f"{uri.rstrip('/')}/{artifact_path}"


def flush_artifact_async_logging() -> None:
    """Wait for the uploads that go on in the background. Raises what the first failed one raised."""
    from millstream.media.client import uploads

    uploads.flush()
