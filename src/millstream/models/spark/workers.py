"""The part of a function over Spark frames that runs in Spark's Python workers: the model is loaded, batches are predicted.

A worker's process is used for many tasks, and loads a model once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from millstream.models.spark import results

if TYPE_CHECKING:
    import pandas as pd

_KEPT = 4
"""Models that a worker keeps at most."""

_lock = threading.Lock()
_loaded: dict[str, Callable[[Any], Any]] = {}


class Job(Struct, frozen=True):
    """What a worker has to know. It travels to workers as a pickle, with the task."""

    key: str
    """Differs for any two functions."""
    folder: str | None
    """The model's folder, where workers see the paths of the program; else `archive` is the name of what Spark brought along."""
    archive: str
    trust: bool
    names: list[str]
    """Of the model's inputs, where its signature has names."""
    result: Any
    """The type of Spark's."""
    time_zone: str
    """In which times without a zone are meant: the session's."""
    params: Mapping[str, Any] | None = None
    model_config: Mapping[str, Any] | None = None
    variables: Mapping[str, str] = {}
    """Environment variables to set."""
    env_manager: str = "local"


def arrow_function(job: Job) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """For Spark 4.1 on: from Arrow arrays, of structs for several columns, to Arrow arrays."""

    def predict(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            yield _score(job, _of_arrow(job, batch))

    return predict


def pandas_function(job: Job) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """For Spark before: from Series, or frames for structs, to the same."""

    def predict(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            frame = batch if hasattr(batch, "columns") else batch.to_frame(_only_name(job))
            yield _to_pandas(_score(job, frame))

    return predict


def _of_arrow(job: Job, batch: Any) -> pd.DataFrame:
    import pyarrow as pa

    if pa.types.is_struct(batch.type):
        table = pa.Table.from_batches([pa.RecordBatch.from_struct_array(batch)])
    else:
        table = pa.Table.from_arrays([batch], [_only_name(job)])
    frame = table.to_pandas(maps_as_pydicts="lossy")
    for name, dtype in frame.dtypes.items():
        if getattr(dtype, "tz", None) is not None:  # Spark's times are in UTC, models take those of the session's zone
            frame[name] = frame[name].dt.tz_convert(job.time_zone).dt.tz_localize(None)
    return frame


def _to_pandas(column: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_struct(column.type):
        return column.to_pandas()
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(column)]).to_pandas()


def _only_name(job: Job) -> str:
    return job.names[0] if job.names else "0"


# ---------------------------------------------------------------- predicting
def _score(job: Job, frame: pd.DataFrame) -> Any:
    """The predictions for a batch, as an Arrow array."""
    import pyarrow as pa

    arrow_type = results.arrow_type_of(results.carrier(job.result), job.time_zone)
    if not len(frame):
        return pa.array([], arrow_type)
    return results.converted(_model(job)(frame), job.result, arrow_type, len(frame))


def _model(job: Job) -> Callable[[pd.DataFrame], Any]:
    with _lock:
        if job.key not in _loaded:
            os.environ.update(job.variables)
            while len(_loaded) >= _KEPT:
                _loaded.pop(next(iter(_loaded)))
            _loaded[job.key] = _load(job)
        return _loaded[job.key]


def _load(job: Job) -> Callable[[pd.DataFrame], Any]:
    folder = Path(job.folder) if job.folder is not None else brought(job.archive)
    if job.env_manager != "local":
        return _in_environment(job, folder)
    from millstream.models.pyfunc.loading import load_model

    model = load_model(folder, suppress_warnings=True, model_config=job.model_config, trust=job.trust)
    return lambda frame: model.predict(frame, params=dict(job.params) if job.params else None)


def _in_environment(job: Job, folder: Path) -> Callable[[pd.DataFrame], Any]:
    """The model in a process of its own environment, which ends with this one."""
    import json

    from millstream.models.examples import serving_payload
    from millstream.serving.lines import LineScorer
    from millstream.serving.surroundings import prepare_env

    environment = prepare_env(str(folder), job.env_manager)
    variables = environment.variables()
    if job.model_config is not None:
        variables["MILLSTREAM_PYFUNC_INFERENCE_CONFIG"] = json.dumps(dict(job.model_config))
    scorer = LineScorer(str(environment.python), str(folder), trust=job.trust, env=variables)
    params = dict(job.params) if job.params else None
    return lambda frame: scorer.invoke(serving_payload(frame, params), timeout_s=_SCORING_TIMEOUT_S)


_SCORING_TIMEOUT_S = 3600.0
"""For a batch, the first of which waits for the model to load. Spark itself gives up on workers that hang."""


def brought(archive: str) -> Path:
    """The folder of an archive that Spark unpacked for this worker."""
    from pyspark import SparkFiles

    return Path(SparkFiles.get(archive))
