"""Logged models (MLflow 3): models that runs make, and the one that metrics of this thread belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from millstream.entities import LoggedModel, LoggedModelStatus
from millstream.errors import InvalidValue
from millstream.tracking import uris
from millstream.tracking.active import forget_appenders, here
from millstream.tracking.context import resolve_tags
from millstream.tracking.experiments import active_experiment_id
from millstream.tracking.runs import active_run

EXTERNAL_TAG = "mlflow.model.isExternal"


class ActiveModel(LoggedModel):
    """A logged model that `set_active_model` made active; `with` ends that."""

    def __enter__(self) -> ActiveModel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if here.model_id == self.model_id:
            clear_active_model()


def initialize_logged_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Announce a model, PENDING until `finalize_logged_model`.

    Args:
        source_run_id: the run that makes it; the active run if not given.
        experiment_id: of the source run, or the active experiment, if not given.
    """
    run = active_run()
    if source_run_id is None and run is not None:
        source_run_id = run.info.run_id
        experiment_id = experiment_id or run.info.experiment_id
    model = uris.client().create_logged_model(
        str(experiment_id) if experiment_id is not None else active_experiment_id(),
        name=name,
        source_run_id=source_run_id,
        tags=resolve_tags(tags),
        params={key: str(value) for key, value in params.items()} if params else None,
        model_type=model_type,
    )
    here.last_model_id = model.model_id
    return model


def create_external_model(
    name: str | None = None,
    source_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    experiment_id: str | None = None,
) -> LoggedModel:
    """Record a model whose files are elsewhere; it is READY at once."""
    tags = {**(tags or {}), EXTERNAL_TAG: "true"}
    model = initialize_logged_model(name, source_run_id, tags, params, model_type, experiment_id)
    return finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def finalize_logged_model(model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
    """Say that a model's files are there (READY), or could not be written (FAILED)."""
    return uris.client().finalize_logged_model(model_id, LoggedModelStatus(status))


def get_logged_model(model_id: str) -> LoggedModel:
    return uris.client().get_logged_model(model_id)


def last_logged_model() -> LoggedModel | None:
    """The model that this thread logged last, read again."""
    return None if here.last_model_id is None else get_logged_model(here.last_model_id)


def log_model_params(params: Mapping[str, Any], model_id: str | None = None) -> None:
    """Add params to a model, the active one if not named."""
    uris.client().log_model_params(_named_or_active(model_id), {key: str(value) for key, value in params.items()})


def set_logged_model_tags(model_id: str, tags: Mapping[str, Any]) -> None:
    uris.client().set_logged_model_tags(model_id, {key: str(value) for key, value in tags.items()})


def delete_logged_model_tag(model_id: str, key: str) -> None:
    uris.client().delete_logged_model_tag(model_id, key)


def _named_or_active(model_id: str | None) -> str:
    model_id = model_id or get_active_model_id()
    if not model_id:
        raise InvalidValue("No model is named and none is active. Give model_id, or call set_active_model first.")
    return model_id


def set_active_model(*, name: str | None = None, model_id: str | None = None) -> ActiveModel:
    """Attach the metrics that this thread logs to a model from now on.

    Args:
        name: the newest model of that name in the active experiment; an external one is recorded if there is none.
        model_id: a model that exists; exactly one of the two is given.
    """
    if (name is None) == (model_id is None):
        raise InvalidValue("Give either the name of a model or its id.")
    if model_id is not None:
        model = get_logged_model(model_id)
    else:
        found = uris.client().search_logged_models(
            [active_experiment_id()], filter_string="name = '{}'".format(str(name).replace("'", "\\'")), max_results=1
        )
        model = found[0] if found else create_external_model(name)
    here.model_id = model.model_id
    forget_appenders()
    return ActiveModel(model.info, model.data)


def get_active_model_id() -> str | None:
    from millstream.settings import ACTIVE_MODEL_ID

    return here.model_id or ACTIVE_MODEL_ID.get()


def clear_active_model() -> None:
    here.model_id = None
    forget_appenders()


def search_logged_models(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    datasets: Sequence[Mapping[str, str]] | None = None,
    max_results: int | None = None,
    order_by: Sequence[Mapping[str, Any]] | None = None,
    output_format: str = "pandas",
) -> Any:
    """Logged models that match a filter.

    Args:
        experiment_ids: where to search; the active experiment if not given.
        filter_string: such as `metrics.acc > 0.9 and name LIKE 'cnn%'`.
        datasets: dicts of `dataset_name` and perhaps `dataset_digest`: metrics in the filter are of these.
        max_results: all if not given.
        order_by: dicts of `field_name`, `ascending` and perhaps `dataset_name`, `dataset_digest`.
        output_format: "pandas" or "list".
    """
    if output_format not in ("pandas", "list"):
        raise ValueError(f"Unsupported output format {output_format!r}. Use 'pandas' or 'list'.")
    ids = [str(each) for each in experiment_ids] if experiment_ids else [active_experiment_id()]
    client = uris.client()
    found: list[LoggedModel] = []
    token: str | None = None
    while max_results is None or len(found) < max_results:
        wanted = 50 if max_results is None else min(50, max_results - len(found))
        page = client.search_logged_models(
            ids,
            filter_string=filter_string,
            datasets=list(datasets) if datasets else None,
            max_results=wanted,
            order_by=list(order_by) if order_by else None,
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            break
    return found if output_format == "list" else _frame(found)


_COLUMNS = (
    "artifact_location", "creation_timestamp", "experiment_id", "last_updated_timestamp", "metrics", "model_id",
    "model_type", "name", "params", "source_run_id", "status", "status_message", "tags",
)  # fmt: skip


def _frame(models: Sequence[LoggedModel]) -> Any:
    from millstream.media.tables import pandas

    rows = [
        {
            **{name: getattr(model, name) for name in _COLUMNS if name not in ("status", "status_message")},
            "metrics": model.metrics or None,
            "status": model.status.name,
            "status_message": model.info.status_message,
        }
        for model in models
    ]
    return pandas().DataFrame(rows, columns=list(_COLUMNS))
