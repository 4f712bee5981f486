"""Datasets and models that a run used, and models that it made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from millstream.entities import DATASET_CONTEXT_TAG, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput
from millstream.errors import InvalidValue
from millstream.tracking import runs
from millstream.tracking.active import forget_appenders, state_of

if TYPE_CHECKING:
    from millstream.client.recorder import Recorder


def _input(dataset: Any, context: str | None, tags: Mapping[str, Any] | None) -> DatasetInput:
    from millstream.data.dataset import entity_of

    pairs = {key: str(value) for key, value in (tags or {}).items()}
    if context is not None:
        pairs = {DATASET_CONTEXT_TAG: str(context), **pairs}
    return DatasetInput(entity_of(dataset), [InputTag(key, value) for key, value in pairs.items()])


def record_dataset(recorder: Recorder, run_id: str, dataset: Any) -> tuple[str, str]:
    """Record a dataset as an input of a run, once; gives its name and digest."""
    from millstream.data.dataset import entity_of

    entity = entity_of(dataset)
    identity = (entity.name, entity.digest)
    opened = state_of(run_id)
    if opened is None or identity not in opened.datasets:
        recorder.log_inputs(run_id, [DatasetInput(entity)])
        if opened is not None:
            opened.datasets.add(identity)
    return identity


def _model_id(model: Any) -> str:
    model_id = getattr(model, "model_id", model)
    if not isinstance(model_id, str):
        raise InvalidValue(f"{type(model).__name__} is no logged model. Give a LoggedModelInput or LoggedModelOutput.")
    return model_id


def log_input(
    dataset: Any = None,
    context: str | None = None,
    tags: Mapping[str, Any] | None = None,
    model: LoggedModelInput | None = None,
) -> None:
    """Record a dataset, or a model, that the active run uses.

    Args:
        dataset: made by `millstream.data.from_*`.
        context: what for, such as "training" or "evaluation".
        tags: of the link between run and dataset.
        model: a logged model that the run uses.
    """
    log_inputs(
        None if dataset is None else [dataset],
        None if dataset is None else [context],
        None if dataset is None else [tags],
        None if model is None else [model],
    )


def log_inputs(
    datasets: Sequence[Any] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[Mapping[str, Any] | None] | None = None,
    models: Sequence[LoggedModelInput] | None = None,
) -> None:
    """Record several datasets, with a context and tags each, and models. Lists must be of one length."""
    given = list(datasets or [])
    for name, values in (("contexts", contexts), ("tags_list", tags_list)):
        if values is not None and len(values) != len(given):
            raise InvalidValue(f"{name} has {len(values)} entries for {len(given)} datasets. Give one for each.")
    links = [
        _input(dataset, contexts[i] if contexts else None, tags_list[i] if tags_list else None)
        for i, dataset in enumerate(given)
    ]
    opened = runs.current()
    opened.recorder.log_inputs(opened.run_id, links, [LoggedModelInput(_model_id(model)) for model in models or ()])


def log_outputs(models: Sequence[LoggedModelOutput] | None = None) -> None:
    """Record models that the active run made, with the step of each; metrics of that step belong to them."""
    if not models:
        return
    opened = runs.current()
    outputs = [LoggedModelOutput(_model_id(model), int(getattr(model, "step", 0) or 0)) for model in models]
    opened.client.log_outputs(opened.run_id, outputs)
    opened.outputs += outputs
    forget_appenders()  # points may belong to these models now
