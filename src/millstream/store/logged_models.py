"""Logged models in SQL. Functions take the session of the caller's transaction; input is checked before it begins."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import bindparam, delete, select, update

from millstream.entities import (
    MAX_DOUBLE,
    LoggedModel,
    LoggedModelData,
    LoggedModelInfo,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    ModelVersionReference,
)
from millstream.errors import AlreadyExists, InvalidValue, LoggedModelNotFound, TagNotFound
from millstream.store import experiments, rules
from millstream.store.database import Session, Statement, insert_into, insert_new, upsert
from millstream.store.random_names import random_name
from millstream.store.registry_rows import registrations
from millstream.store.statement import pages
from millstream.store.tables import (
    ACTIVE,
    DELETED,
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)

_STATUSES = tuple(LoggedModelStatus)  # by number, counted from 0
_COLUMNS = (
    logged_models.c.id,
    logged_models.c.model_id,
    logged_models.c.experiment_id,
    logged_models.c.name,
    logged_models.c.creation_time,
    logged_models.c.last_update_time,
    logged_models.c.artifact_uri,
    logged_models.c.status,
    logged_models.c.model_type,
    logged_models.c.source_run_id,
    logged_models.c.status_message,
)
_BY_KEYS = Statement(select(*_COLUMNS).where(logged_models.c.id.in_(bindparam("models", expanding=True))))
_KEYS_BY_IDS = Statement(
    select(logged_models.c.model_id, logged_models.c.id).where(
        logged_models.c.model_id.in_(bindparam("ids", expanding=True))
    )
)
_FIND = Statement(
    select(logged_models.c.id, logged_models.c.lifecycle).where(logged_models.c.model_id == bindparam("model_id"))
)
_LOCK = Statement(
    select(logged_models.c.id, logged_models.c.lifecycle)
    .where(logged_models.c.model_id == bindparam("model_id"))
    .with_for_update(key_share=True)
)
_INSERT = insert_new(
    logged_models,
    "model_id",
    "experiment_id",
    "name",
    "creation_time",
    "last_update_time",
    "artifact_uri",
    "status",
    "model_type",
    "source_run_id",
    "lifecycle",
)
_SET_STATUS = Statement(
    update(logged_models)
    .where(logged_models.c.id == bindparam("model"))
    .values(status=bindparam("new_status"), last_update_time=bindparam("now"))
)
_SET_STAGE = Statement(
    update(logged_models)
    .where(logged_models.c.id == bindparam("model"))
    .values(lifecycle=bindparam("stage"), deleted_time=bindparam("now"), last_update_time=bindparam("now"))
)
_INSERT_PARAM = insert_into(logged_model_params, "model", "name_id", "value")
_SET_TAG = upsert(logged_model_tags, ("model", "name_id", "value"), ("value",))
_DELETE_TAG = Statement(
    delete(logged_model_tags).where(
        logged_model_tags.c.model == bindparam("model"), logged_model_tags.c.name_id == bindparam("name_id")
    )
)
_PARAMS_OF = Statement(
    select(logged_model_params.c.model, logged_model_params.c.name_id, logged_model_params.c.value).where(
        logged_model_params.c.model.in_(bindparam("models", expanding=True))
    )
)
_TAGS_OF = Statement(
    select(logged_model_tags.c.model, logged_model_tags.c.name_id, logged_model_tags.c.value).where(
        logged_model_tags.c.model.in_(bindparam("models", expanding=True))
    )
)
_METRIC = logged_model_metrics.c
_METRICS_OF = Statement(
    select(
        _METRIC.model,
        _METRIC.name_id,
        _METRIC.value,
        _METRIC.timestamp,
        _METRIC.step,
        _METRIC.dataset_name,
        _METRIC.dataset_digest,
        _METRIC.run_id,
    )
    .where(_METRIC.model.in_(bindparam("models", expanding=True)))
    .order_by(_METRIC.model, _METRIC.name_id, _METRIC.timestamp, _METRIC.step, _METRIC.id)
)
_POINTS_BETWEEN = Statement(
    select(
        _METRIC.run_id,
        _METRIC.timestamp,
        _METRIC.step,
        _METRIC.value,
        _METRIC.dataset_name,
        _METRIC.dataset_digest,
    ).where(
        _METRIC.model == bindparam("model"),
        _METRIC.name_id == bindparam("name_id"),
        _METRIC.timestamp >= bindparam("first"),
        _METRIC.timestamp <= bindparam("last"),
    )
)
_INSERT_METRIC = insert_into(logged_model_metrics)


class NewModel(Struct):
    """A checked `create_logged_model`."""

    experiment_id: int
    name: str
    model_type: str
    source_run_id: str
    params: dict[str, str]
    tags: dict[str, str]
    model_id: str


def check_new(
    experiment_id: str,
    name: str,
    model_type: str,
    source_run_id: str,
    params: Sequence[LoggedModelParameter],
    tags: Sequence[LoggedModelTag],
    model_id: str | None,
) -> NewModel:
    return NewModel(
        rules.experiment_key(experiment_id),
        rules.check_model_name(name) if name else random_name(),
        rules.check_text(model_type, "model_type", 500),
        rules.check_text(source_run_id, "source_run_id", rules.MAX_ID),
        check_params(params),
        check_tags(tags),
        f"m-{uuid.uuid4().hex}" if model_id is None else rules.check_minted_model_id(model_id),
    )


def check_params(params: Sequence[LoggedModelParameter]) -> dict[str, str]:
    return rules.distinct_tags(params, rules.MAX_PARAM_VALUE, "Param key")


def check_tags(tags: Sequence[LoggedModelTag]) -> dict[str, str]:
    return rules.unique_tags(tags, rules.MAX_RUN_TAG_VALUE, "Tag key", rules.check_free_key)


def create(session: Session, new: NewModel) -> LoggedModel:
    """Insert a model, PENDING. One that a client made before, under the same id, is returned as it is."""
    location = experiments.location_for_new_content(session, new.experiment_id)
    now = experiments.now_ms()
    key = session.insert_new(
        _INSERT,
        model_id=new.model_id,
        experiment_id=new.experiment_id,
        name=new.name,
        creation_time=now,
        last_update_time=now,
        artifact_uri=rules.below(location, "models", new.model_id, "artifacts"),
        status=LoggedModelStatus.PENDING.number,
        model_type=new.model_type,
        source_run_id=new.source_run_id,
        lifecycle=ACTIVE,
    )
    if key is None:
        model = get(session, new.model_id, allow_deleted=True)
        if model.experiment_id != str(new.experiment_id):
            raise AlreadyExists(f"Logged model {new.model_id!r} exists already, in experiment {model.experiment_id!r}.")
        return model
    _insert_params(session, key, new.params)
    _set_tags(session, key, new.tags)
    (model,) = load(session, [key])
    return model


def find(session: Session, model_id: str, allow_deleted: bool = False) -> int:
    """The key behind a public model id."""
    return _key(session.row(_FIND, model_id=model_id), model_id, allow_deleted)


def _lock(session: Session, model_id: str, allow_deleted: bool = False) -> int:
    return _key(session.row(_LOCK, model_id=model_id), model_id, allow_deleted)


def _key(row: tuple[int, ...] | None, model_id: str, allow_deleted: bool) -> int:
    if row is None or (row[1] != ACTIVE and not allow_deleted):
        raise LoggedModelNotFound(model_id)
    return row[0]


def get(session: Session, model_id: str, allow_deleted: bool = False) -> LoggedModel:
    (model,) = load(session, [find(session, model_id, allow_deleted)])
    return model


def finalize(session: Session, model_id: str, status: LoggedModelStatus) -> LoggedModel:
    key = _lock(session, model_id)
    session.run(_SET_STATUS, model=key, new_status=status.number, now=experiments.now_ms())
    (model,) = load(session, [key])
    return model


def delete_to_trash(session: Session, model_id: str) -> None:
    """Move a model to the trash; one that is there keeps the time of its deletion."""
    row = session.row(_LOCK, model_id=model_id)
    if _key(row, model_id, allow_deleted=True) and row is not None and row[1] == ACTIVE:
        session.run(_SET_STAGE, model=row[0], stage=DELETED, now=experiments.now_ms())


def set_tags(session: Session, model_id: str, tags: Mapping[str, str]) -> None:
    _set_tags(session, _lock(session, model_id, allow_deleted=True), tags)


def _set_tags(session: Session, key: int, tags: Mapping[str, str]) -> None:
    session.run_many(
        _SET_TAG, [{"model": key, "name_id": session.name_id(tag), "value": value} for tag, value in tags.items()]
    )


def delete_tag(session: Session, model_id: str, tag: str) -> None:
    key = _lock(session, model_id, allow_deleted=True)
    name_id = session.find_name_id(tag)
    if name_id is None or not session.run(_DELETE_TAG, model=key, name_id=name_id):
        raise TagNotFound(tag, f"Logged model {model_id!r}")


def log_params(session: Session, model_id: str, params: Mapping[str, str]) -> None:
    """Add params; a key that the model has already is refused, whatever its value."""
    key = _lock(session, model_id)
    present = {name_id for _, name_id, _ in session.rows(_PARAMS_OF, models=[key])}
    for param in params:
        if session.find_name_id(param) in present:
            raise InvalidValue(f"Logged model {model_id!r} has a param {param!r} already: params are written once.")
    _insert_params(session, key, params)


def _insert_params(session: Session, key: int, params: Mapping[str, str]) -> None:
    session.run_many(
        _INSERT_PARAM,
        [{"model": key, "name_id": session.name_id(param), "value": value} for param, value in params.items()],
    )


# ---------------------------------------------------------------- metrics


def find_many(session: Session, metrics: Iterable[Metric]) -> dict[str, int]:
    """Keys of the models that these points belong to; an unknown model is refused."""
    ids = sorted({metric.model_id for metric in metrics if metric.model_id})
    found: dict[str, int] = dict(session.rows(_KEYS_BY_IDS, ids=ids))
    for model_id in ids:
        if model_id not in found:
            raise InvalidValue(f"A metric names the logged model {model_id!r}, which does not exist.")
    return found


def log_metrics(session: Session, run_id: str, models: Mapping[str, int], metrics: Iterable[Metric]) -> None:
    """Attach points to models; one that is there already (same run, dataset, time, step and value) is dropped."""
    groups: dict[tuple[int, int], list[Metric]] = {}
    for metric in metrics:
        assert metric.model_id is not None
        groups.setdefault((models[metric.model_id], session.name_id(metric.key)), []).append(metric)
    rows = []
    for (model, name_id), points in groups.items():
        times = [point.timestamp for point in points]
        present = set(session.rows(_POINTS_BETWEEN, model=model, name_id=name_id, first=min(times), last=max(times)))
        for point in points:
            value = _stored(point.value)
            identity = (
                run_id,
                point.timestamp,
                point.step,
                value,
                point.dataset_name or None,
                point.dataset_digest or None,
            )
            if identity in present:
                continue
            present.add(identity)
            rows.append(
                {
                    "model": model,
                    "name_id": name_id,
                    "run_id": run_id,
                    "timestamp": point.timestamp,
                    "step": point.step,
                    "value": value,
                    "dataset_name": identity[4],
                    "dataset_digest": identity[5],
                }
            )
    session.run_many(_INSERT_METRIC, rows)


def _stored(value: float) -> float | None:
    """NaN as NULL, infinities as the greatest double, -0.0 as 0.0."""
    return max(-MAX_DOUBLE, min(MAX_DOUBLE, value + 0.0)) if value == value else None


# ---------------------------------------------------------------- reading


def load(session: Session, keys: Sequence[int]) -> list[LoggedModel]:
    """The models of these keys in their order; those that are missing are left out."""
    found: dict[int, LoggedModel] = {}
    for page in pages(keys):
        for row in session.rows(_BY_KEYS, models=page):
            found[row[0]] = LoggedModel(
                LoggedModelInfo(
                    model_id=row[1],
                    experiment_id=str(row[2]),
                    name=row[3],
                    creation_timestamp_ms=row[4],
                    last_updated_timestamp_ms=row[5],
                    artifact_uri=row[6],
                    status=_STATUSES[row[7]],
                    model_type=row[8],
                    source_run_id=row[9],
                    status_message=row[10],
                ),
                LoggedModelData(),
            )
        _add_details(session, page, found)
    return [found[key] for key in keys if key in found]


def _add_details(session: Session, page: Sequence[int], found: Mapping[int, LoggedModel]) -> None:
    params = session.rows(_PARAMS_OF, models=page)
    tags = session.rows(_TAGS_OF, models=page)
    metrics = session.rows(_METRICS_OF, models=page)
    names = session.names_of({row[1] for rows in (params, tags, metrics) for row in rows})
    here = [found[key] for key in page if key in found]
    registered = registrations(session, [model.model_id for model in here])
    for each in here:
        versions = registered.get(each.model_id, ())
        each.info.registrations = [ModelVersionReference(name, str(number)) for name, number in versions]
    for model, name_id, value in params:
        found[model].data.params.append(LoggedModelParameter(names[name_id], value))
    for model, name_id, value in tags:
        found[model].info.tags.append(LoggedModelTag(names[name_id], value))
    for model, name_id, value, timestamp, step, dataset_name, dataset_digest, run_id in metrics:
        found[model].data.metrics.append(
            Metric(
                names[name_id],
                float("nan") if value is None else value,
                timestamp,
                step,
                found[model].model_id,
                dataset_name,
                dataset_digest,
                run_id,
            )
        )
