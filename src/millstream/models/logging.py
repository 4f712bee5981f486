"""`log_model`: a model's folder stored as a logged model of the active run, and registered if asked for.

The logged model is PENDING while its files are made and stored, then READY; FAILED if that fails, and the error goes on to
the caller. No run is started: without an active one the model belongs to the active experiment alone.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from millstream import settings
from millstream.errors import InvalidValue, MillstreamError, Unsupported
from millstream.models import saving
from millstream.models.flavor import Flavor
from millstream.models.mlmodel import Model, ModelInfo

if TYPE_CHECKING:
    from millstream.client.client import MillstreamClient
    from millstream.entities import LoggedModel, Run

logger = logging.getLogger("millstream")


class Logging(Struct, kw_only=True):
    """The arguments that every `log_model` has besides those of `save_model`; see `millstream.models.flavor.LogModel`."""

    artifact_path: str | None = None
    name: str | None = None
    registered_model_name: str | None = None
    await_registration_for: int | None = 300
    params: Mapping[str, Any] | None = None
    tags: Mapping[str, Any] | None = None
    model_type: str | None = None
    step: int = 0
    model_id: str | None = None
    run_id: str | None = None
    """The run that made the model, if it is not the active one."""
    link_metrics: bool = True
    """Whether what the run logged at that step belongs to the model too; not where metrics were logged with their model."""


def log(flavor: Flavor, model: Any, *, options: dict[str, Any], **given: Any) -> ModelInfo:
    """`log_model` of a flavor."""
    wanted, rest = split(given)

    def write(path: Path, metadata: Model) -> Model:
        content = saving.FlavorContent(flavor, model, options, rest.get("input_example"), metadata.artifact_path)
        return saving.write(path, content, saving.Given(**rest, mlflow_model=metadata))

    return store(write, wanted)


def split(given: dict[str, Any]) -> tuple[Logging, dict[str, Any]]:
    """The arguments of a `log_model`: those of logging, and those of saving."""
    own = {name: given[name] for name in Logging.__struct_fields__ if name in given}
    return Logging(**own), {name: value for name, value in given.items() if name not in own}


def log_content(content: saving.Content, wanted: Logging, given: saving.Given) -> ModelInfo:
    """Save a model to a temporary folder and store it as a logged model."""

    def write(path: Path, metadata: Model) -> Model:
        given.mlflow_model = metadata
        return saving.write(path, content, given)

    return store(write, wanted)


def store(write: Callable[[Path, Model], Model], wanted: Logging) -> ModelInfo:
    """Store what `write` makes as a logged model.

    Args:
        write: writes a model's folder, given its path and what is known of the model already; returns what its MLmodel says.
    Raises:
        InvalidValue: both `name` and `artifact_path` are given.
        Unsupported: the run was started offline.
    """
    from millstream.artifacts import open_repository
    from millstream.tracking import uris

    if wanted.name is not None and wanted.artifact_path is not None:
        raise InvalidValue("Give either name or artifact_path (its older word).")
    client = uris.client()
    run = _run(client, wanted.run_id)
    entity = _entity(client, run, wanted)
    try:
        with tempfile.TemporaryDirectory(prefix="millstream-model-") as folder:
            metadata = write(Path(folder) / "model", _metadata(entity, run))
            open_repository(entity.artifact_location, client.tracking_uri).log_folder(Path(folder) / "model")
        entity = client.finalize_logged_model(entity.model_id, "READY")
    except BaseException:
        with contextlib.suppress(MillstreamError):  # the first error is the one to tell
            client.finalize_logged_model(entity.model_id, "FAILED")
        raise
    if run is not None:
        _link(client, run, entity, wanted)
    version = _register(entity, wanted)
    return ModelInfo.of(
        metadata,
        entity.model_uri,
        registered_model_version=version,
        params=entity.params,
        tags=entity.tags,
        creation_timestamp=entity.creation_timestamp,
        name=entity.name,
    )


def log_foreign(flavor: Any, wanted: Logging, metadata: Mapping[str, Any] | None, given: dict[str, Any]) -> ModelInfo:
    """`Model.log`: a flavor of somebody else's writes the model with its `save_model(path=, mlflow_model=, ...)`."""

    def write(path: Path, model: Model) -> Model:
        model.metadata = dict(metadata) if metadata is not None else None
        flavor.save_model(path=str(path), mlflow_model=model, **given)
        return Model.load(path)

    return store(write, wanted)


def _run(client: MillstreamClient, run_id: str | None) -> Run | None:
    """The named or active run as it is stored now. Raises Unsupported for one that is offline."""
    from millstream.tracking import uris
    from millstream.tracking.active import here

    opened = here.top()
    run_id = run_id or (opened.run_id if opened is not None else None)
    if settings.OFFLINE.get() or (run_id is not None and uris.recorder().is_offline(run_id)):
        raise Unsupported(
            "A model cannot be logged offline: its files are stored and listed where the store answers. Save it with save_model "
            "now, and log it with log_model when the tracking server can be reached."
        )
    return client.get_run(run_id) if run_id is not None else None


def _entity(client: MillstreamClient, run: Run | None, wanted: Logging) -> LoggedModel:
    """The logged model that gets the files, PENDING."""
    from millstream.tracking.active import here
    from millstream.tracking.logged_models import initialize_logged_model

    params = {**(run.data.params if run is not None else {}), **(wanted.params or {})}
    if wanted.model_id is None:
        return initialize_logged_model(
            wanted.name or wanted.artifact_path,
            source_run_id=run.info.run_id if run is not None else None,
            tags=wanted.tags,
            params=params,
            model_type=wanted.model_type,
            experiment_id=run.info.experiment_id if run is not None else None,
        )
    entity = client.get_logged_model(wanted.model_id)
    here.last_model_id = entity.model_id
    new = {key: value for key, value in params.items() if key not in entity.params}
    if new:
        client.log_model_params(entity.model_id, new)
    if wanted.tags:
        client.set_logged_model_tags(entity.model_id, wanted.tags)
    return entity


def _metadata(entity: LoggedModel, run: Run | None) -> Model:
    return Model(
        artifact_path=entity.artifact_location,
        run_id=run.info.run_id if run is not None else None,
        model_id=entity.model_id,
        model_uuid=entity.model_id,
    )


def _link(client: MillstreamClient, run: Run, entity: LoggedModel, wanted: Logging) -> None:
    """Make the model an output of the run; metrics that the run logged at that step belong to it as well."""
    from millstream.entities import LoggedModelOutput, Metric
    from millstream.tracking.active import here
    from millstream.tracking.inputs import log_outputs

    output = [LoggedModelOutput(entity.model_id, wanted.step)]
    opened = here.top()
    if opened is not None and opened.run_id == run.info.run_id:
        log_outputs(output)  # which tells later points of that step whose they are
    else:
        client.log_outputs(run.info.run_id, output)
    if not wanted.link_metrics:
        return
    points = [
        Metric(point.key, point.value, point.timestamp, point.step, model_id=entity.model_id)
        for point in run.data.metric_list
        if point.step == wanted.step and not point.model_id
    ]
    if points:
        client.log_batch(run.info.run_id, metrics=points)


def _register(entity: LoggedModel, wanted: Logging) -> int | None:
    if wanted.registered_model_name is None:
        return None
    from millstream.tracking.registry import register_model

    version = register_model(
        entity.model_uri, wanted.registered_model_name, wanted.await_registration_for, tags=wanted.tags
    )
    return int(version.version)
