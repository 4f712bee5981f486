"""Experiments, and which of them new runs belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from millstream import settings
from millstream.entities import Experiment, LifecycleStage, ViewType
from millstream.errors import ExperimentDeleted, InvalidValue
from millstream.tracking import uris
from millstream.tracking.context import load_plugins

DEFAULT_EXPERIMENT_ID = "0"


class _Chosen(Struct):
    """What `set_experiment` chose, for the whole process."""

    tracking_uri: str
    experiment_id: str
    name: str


_chosen: _Chosen | None = None
_by_name: dict[tuple[str, str], str] = {}
"""(tracking URI, name) to id, of names in `MLFLOW_EXPERIMENT_NAME`."""
_providers: list[Any] | None = None


def set_experiment(
    experiment_name: str | None = None, experiment_id: str | None = None, trace_location: Any = None
) -> Experiment:
    """Let new runs belong to an experiment, in all threads and (through the environment) in child processes.

    Args:
        experiment_name: created if there is none of that name.
        experiment_id: an experiment that exists; exactly one of the two is given.
        trace_location: kept for compatibility, not used.
    Raises:
        InvalidValue: both or neither given, or the experiment is deleted. NotFound: no experiment has that id.
    """
    global _chosen
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidValue("Give either the name of an experiment or its id.")
    if experiment_id is not None:
        experiment = uris.client().get_experiment(str(experiment_id))
    else:
        assert experiment_name is not None
        experiment = uris.recorder().get_or_create_experiment(experiment_name)
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise ExperimentDeleted(experiment.experiment_id)
    _chosen = _Chosen(uris.get_tracking_uri(), experiment.experiment_id, experiment.name)
    settings.EXPERIMENT_ID.set(experiment.experiment_id)
    if settings.EXPERIMENT_NAME.is_set():
        settings.EXPERIMENT_NAME.set(experiment.name)  # the two must agree in child processes
    return experiment


def chosen_experiment_id() -> str | None:
    """What `set_experiment` chose, at the tracking URI in force; None if it was not called."""
    global _chosen
    if _chosen is None:
        return None
    uri = uris.get_tracking_uri()
    if _chosen.tracking_uri != uri:  # ids mean nothing elsewhere, names do
        experiment = uris.recorder().get_or_create_experiment(_chosen.name)
        _chosen = _Chosen(uri, experiment.experiment_id, experiment.name)
        settings.EXPERIMENT_ID.set(experiment.experiment_id)
    return _chosen.experiment_id


def active_experiment_id() -> str:
    """The experiment that a new run belongs to: chosen by call, `MLFLOW_EXPERIMENT_NAME`, `_ID`, a plug-in, else "0".

    Raises InvalidValue if the two variables name different experiments.
    """
    chosen = chosen_experiment_id()
    if chosen is not None:
        return chosen
    name, named_id = settings.EXPERIMENT_NAME.get(), settings.EXPERIMENT_ID.get()
    if name:
        place = (uris.get_tracking_uri(), name)
        if place not in _by_name:
            _by_name[place] = uris.recorder().get_or_create_experiment(name).experiment_id
        if named_id and named_id != _by_name[place]:
            raise InvalidValue(
                f"MLFLOW_EXPERIMENT_NAME={name!r} is experiment {_by_name[place]}, but MLFLOW_EXPERIMENT_ID={named_id}. "
                "Set one of them."
            )
        return _by_name[place]
    if named_id:
        return named_id
    return _plugin_experiment_id() or DEFAULT_EXPERIMENT_ID


def _plugin_experiment_id() -> str | None:
    global _providers
    if _providers is None:
        _providers = load_plugins("default_experiment_provider")
    for provider in _providers:
        if provider.in_context():
            return str(provider.get_experiment_id())
    return None


def create_experiment(name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None) -> str:
    """Create an experiment and give its id. Raises ExperimentExists if the name is taken, by a deleted one too."""
    return uris.client().create_experiment(name, artifact_location, dict(tags) if tags else None)


def get_experiment(experiment_id: str) -> Experiment:
    return uris.client().get_experiment(str(experiment_id))


def get_experiment_by_name(name: str) -> Experiment | None:
    """The experiment of that name, deleted ones included; None if there is none."""
    return uris.client().get_experiment_by_name(name)


def search_experiments(
    view_type: int | str = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """All experiments that match, up to `max_results`."""
    found: list[Experiment] = []
    token: str | None = None
    while True:
        wanted = 1000 if max_results is None else min(1000, max_results - len(found))
        if wanted <= 0:
            return found
        page = uris.client().search_experiments(
            view_type=view_type,
            max_results=wanted,
            filter_string=filter_string,
            order_by=list(order_by) if order_by else None,
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            return found


def delete_experiment(experiment_id: str) -> None:
    uris.client().delete_experiment(str(experiment_id))


def restore_experiment(experiment_id: str) -> None:
    uris.client().restore_experiment(str(experiment_id))


def set_experiment_tag(key: str, value: Any) -> None:
    """Set a tag of the active experiment."""
    uris.client().set_experiment_tag(active_experiment_id(), key, value)


def set_experiment_tags(tags: Mapping[str, Any]) -> None:
    for key, value in tags.items():
        set_experiment_tag(key, value)


def delete_experiment_tag(key: str) -> None:
    """Delete a tag of the active experiment; a missing one is an error."""
    uris.client().delete_experiment_tag(active_experiment_id(), key)


def ids_of(names: Sequence[str]) -> list[str]:
    """The ids of experiments by name; unknown names are skipped with a warning."""
    import warnings

    ids = []
    for name in names:
        experiment = get_experiment_by_name(name)
        if experiment is None:
            warnings.warn(f"No experiment is named {name!r}; it is left out of the search.", stacklevel=3)
        else:
            ids.append(experiment.experiment_id)
    return ids
