"""Datasets, inputs and outputs of runs in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from millstream.entities import (
    DATASET_CONTEXT_TAG,
    LOGGED_MODEL_HISTORY_TAG,
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
)
from millstream.errors import InvalidValue
from millstream.store.database import Session, Statement, insert_into, insert_new, insert_or_ignore
from millstream.store.tables import datasets, run_inputs, run_models

MAX_SUMMARIES = 1000
MAX_SUMMARY_EXPERIMENTS = 20

_INSERT_DATASET = insert_new(datasets)
_FIND_DATASET = Statement(
    select(datasets.c.id)
    .where(
        datasets.c.experiment_id == bindparam("experiment_id"),
        datasets.c.name == bindparam("name"),
        datasets.c.digest == bindparam("digest"),
    )
    .with_for_update(read=True, key_share=True)  # it must not be collected before it is linked
)
_LINK = insert_or_ignore(run_inputs, "run", "dataset", "context", "tags")
_MODEL_ROW = ("run", "is_output", "model_id", "step")
_ADD_MODEL_INPUT = insert_or_ignore(run_models, *_MODEL_ROW)
_ADD_MODEL_OUTPUT = insert_into(run_models, *_MODEL_ROW)
_INPUTS_OF = Statement(
    select(
        run_inputs.c.run,
        run_inputs.c.tags,
        datasets.c.name,
        datasets.c.digest,
        datasets.c.source_type,
        datasets.c.source,
        datasets.c.schema,
        datasets.c.profile,
    )
    .join_from(run_inputs, datasets, run_inputs.c.dataset == datasets.c.id)
    .where(run_inputs.c.run.in_(bindparam("runs", expanding=True)))
    .order_by(run_inputs.c.run, run_inputs.c.dataset)
)
_MODELS_OF = Statement(
    select(run_models.c.run, run_models.c.model_id, run_models.c.step)
    .where(run_models.c.run.in_(bindparam("runs", expanding=True)), run_models.c.is_output == bindparam("is_output"))
    .order_by(run_models.c.run, run_models.c.step, run_models.c.model_id)
)
_SUMMARIES = Statement(
    select(datasets.c.experiment_id, datasets.c.name, datasets.c.digest, run_inputs.c.context)
    .join_from(datasets, run_inputs, run_inputs.c.dataset == datasets.c.id)
    .where(datasets.c.experiment_id.in_(bindparam("experiments", expanding=True)))
    .distinct()
    .order_by(datasets.c.experiment_id, datasets.c.name, datasets.c.digest, run_inputs.c.context)
    .limit(MAX_SUMMARIES)
)

_ENCODER = msgspec.json.Encoder()
_TAGS_DECODER = msgspec.json.Decoder(list[tuple[str, str]])


def log_inputs(
    session: Session,
    run: int,
    experiment_id: int,
    entries: Sequence[tuple[DatasetInput, Mapping[str, str]]],
    models: Sequence[LoggedModelInput],
) -> None:
    """Link datasets (with the checked tags of the link) and models to a locked run; what is linked already stays."""
    for entry, tags in entries:
        session.run(
            _LINK,
            run=run,
            dataset=_dataset_key(session, experiment_id, entry.dataset),
            context=tags.get(DATASET_CONTEXT_TAG),
            tags=_ENCODER.encode(list(tags.items())).decode(),
        )
    session.run_many(
        _ADD_MODEL_INPUT, [{"run": run, "is_output": 0, "model_id": model.model_id, "step": 0} for model in models]
    )


def _dataset_key(session: Session, experiment_id: int, dataset: Dataset) -> int:
    """The dataset's row in the experiment; the first one that was written under its name and digest counts."""
    row = session.row(_FIND_DATASET, experiment_id=experiment_id, name=dataset.name, digest=dataset.digest)
    if row is None:
        key = session.insert_new(
            _INSERT_DATASET,
            experiment_id=experiment_id,
            name=dataset.name,
            digest=dataset.digest,
            source_type=dataset.source_type,
            source=dataset.source,
            schema=dataset.schema,
            profile=dataset.profile,
        )
        if key is not None:
            return key
        row = session.row(_FIND_DATASET, experiment_id=experiment_id, name=dataset.name, digest=dataset.digest)
        assert row is not None
    return int(row[0])


def log_outputs(session: Session, run: int, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
    """Link the models that a locked run made; one that is linked already is refused."""
    present = {model_id for _, model_id, _ in session.rows(_MODELS_OF, runs=[run], is_output=1)}
    for model in models:
        if model.model_id in present:
            raise InvalidValue(f"Model {model.model_id!r} is an output of run {run_id!r} already.")
        present.add(model.model_id)
    session.run_many(
        _ADD_MODEL_OUTPUT,
        [{"run": run, "is_output": 1, "model_id": model.model_id, "step": model.step} for model in models],
    )


def dataset_inputs_of(session: Session, runs: Sequence[int]) -> dict[int, list[DatasetInput]]:
    found: dict[int, list[DatasetInput]] = {}
    for run, tags, *dataset in session.rows(_INPUTS_OF, runs=runs):
        pairs = [InputTag(key, value) for key, value in _TAGS_DECODER.decode(tags)]
        found.setdefault(run, []).append(DatasetInput(Dataset(*dataset), pairs))
    return found


def model_inputs_of(session: Session, run: int) -> list[LoggedModelInput]:
    return [LoggedModelInput(model_id) for _, model_id, _ in session.rows(_MODELS_OF, runs=[run], is_output=0)]


def model_outputs_of(session: Session, runs: Sequence[int]) -> dict[int, list[LoggedModelOutput]]:
    found: dict[int, list[LoggedModelOutput]] = {}
    for run, model_id, step in session.rows(_MODELS_OF, runs=runs, is_output=1):
        found.setdefault(run, []).append(LoggedModelOutput(model_id, step))
    return found


def search_datasets(session: Session, experiments: Sequence[int]) -> list[tuple[str, str, str, str | None]]:
    """(experiment_id, name, digest, context) of the datasets that runs of these experiments used."""
    rows = session.rows(_SUMMARIES, experiments=experiments)
    return [(str(experiment), name, digest, context) for experiment, name, digest, context in rows]


_HISTORY_TAG = LOGGED_MODEL_HISTORY_TAG
_HISTORY_FIELDS = ("artifact_path", "flavors", "utc_time_created", "run_id")


def check_model_json(model_json: str) -> dict[str, Any]:
    """A model's description as 2.x clients send it."""
    try:
        model = msgspec.json.decode(model_json)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise InvalidValue("model_json is not JSON.") from None
    if not isinstance(model, dict):
        raise InvalidValue("model_json must be a JSON object.")
    missing = [name for name in _HISTORY_FIELDS if name not in model]
    if missing:
        raise InvalidValue(f"model_json lacks {', '.join(missing)}.")
    return model


def extended_history(history: str | None, model: Mapping[str, Any]) -> str:
    """The value of the tag `mlflow.log-model.history` with one more model."""
    try:
        models = msgspec.json.decode(history) if history else []
    except msgspec.DecodeError:
        models = []
    return _ENCODER.encode([*(models if isinstance(models, list) else []), model]).decode()
