"""The schema, once: SQLAlchemy tables that the migrations create and every query is written against.

Integer keys inside, public ids outside. Names of metrics, params and tags are interned in `names`. Rows of a run carry its
`experiment_id`, so that a search walks one experiment's part of an index only; a run never moves between experiments.

Texts of params and tags are split for the sake of the index: `head` holds the first `HEAD_CHARS` characters, `rest` what
follows (NULL when there is nothing more). Equality is `head = :h AND rest IS NULL` for short values; order is by code point.

Changing the schema: change it here, add a migration under `store/migrations/versions/`, run `make test`: a test compares
both on every database.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

HEAD_CHARS = 160

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key; SQLite gives its fast rowid only to INTEGER."""

# compared by code point, blanks at the end included (the older utf8mb4_bin pads)
_MYSQL_COLLATION = "utf8mb4_0900_bin"
_MARIADB_COLLATION = "utf8mb4_nopad_bin"
_LONG = 2**32 - 1  # TEXT and BLOB of this length are LONGTEXT and LONGBLOB; naming these would import the dialect


def _string(length: int) -> String:
    """Text up to `length` characters, compared by code point on every database."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(String(length, collation=_MYSQL_COLLATION), "mysql")
        .with_variant(String(length, collation=_MARIADB_COLLATION), "mariadb")
    )


def _text() -> Text:
    return (
        Text()
        .with_variant(Text(collation="C"), "postgresql")
        .with_variant(Text(_LONG, collation=_MYSQL_COLLATION), "mysql")
        .with_variant(Text(_LONG, collation=_MARIADB_COLLATION), "mariadb")
    )


_BLOB = LargeBinary().with_variant(LargeBinary(_LONG), "mysql", "mariadb")
# nothing is said about MySQL's engine and character set: InnoDB is the default, each text has its collation, and any
# `mysql_` argument here would load that dialect
_ROWLESS: dict[str, Any] = {"sqlite_with_rowid": False}
_PLAIN: dict[str, Any] = {"sqlite_autoincrement": True}

ACTIVE, DELETED = 1, 2
"""Values of the `lifecycle` columns."""

names = Table(
    "names",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", _string(512), nullable=False, unique=True),
    **_PLAIN,
)

# ---------------------------------------------------------------- experiments

experiments = Table(
    "experiments",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", _string(500), nullable=False, unique=True),
    Column("artifact_location", _text(), nullable=False),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("deleted_time", BigInteger),
    Index("ix_experiments_page", "lifecycle", "creation_time", "id"),
    **_PLAIN,
)

experiment_tags = Table(
    "experiment_tags",
    metadata,
    Column("experiment_id", BigId, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("value", _text(), nullable=False),
    **_ROWLESS,
)

# ---------------------------------------------------------------- runs

runs = Table(
    "runs",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("run_id", _string(256), nullable=False, unique=True),  # the public id
    Column("experiment_id", BigId, ForeignKey("experiments.id"), nullable=False),
    Column("name", _text(), nullable=False),
    Column("user_id", _string(256), nullable=False),
    Column("status", SmallInteger, nullable=False),  # RunStatus.number
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("deleted_time", BigInteger),
    Column("artifact_uri", _text(), nullable=False),
    Index("ix_runs_page", "experiment_id", "lifecycle", "start_time", "run_id"),
    Index("ix_runs_deleted", "lifecycle", "deleted_time"),
    **_PLAIN,
)

run_params = Table(
    "run_params",
    metadata,
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("experiment_id", BigId, nullable=False),
    Column("head", _string(HEAD_CHARS), nullable=False),
    Column("rest", _text()),
    Index("ix_run_params_search", "experiment_id", "name_id", "head", "run"),
    **_ROWLESS,
)

run_tags = Table(
    "run_tags",
    metadata,
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("experiment_id", BigId, nullable=False),
    Column("head", _string(HEAD_CHARS), nullable=False),
    Column("rest", _text()),
    Index("ix_run_tags_search", "experiment_id", "name_id", "head", "run"),
    **_ROWLESS,
)

# ---------------------------------------------------------------- metrics (the series store)

series = Table(
    "series",
    metadata,
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("experiment_id", BigId, nullable=False),
    # `last` is the point with the greatest (step, timestamp, value); a NaN value is stored as NULL everywhere
    Column("count", BigInteger, nullable=False),
    Column("nan_count", BigInteger, nullable=False),
    Column("last_value", Double),
    Column("last_step", BigInteger, nullable=False),
    Column("last_time", BigInteger, nullable=False),
    Column("first_value", Double),
    Column("first_step", BigInteger, nullable=False),
    Column("first_time", BigInteger, nullable=False),
    Column("min_value", Double),
    Column("min_step", BigInteger),
    Column("min_time", BigInteger),
    Column("max_value", Double),
    Column("max_step", BigInteger),
    Column("max_time", BigInteger),
    Column("unfolded", Integer, nullable=False),  # points still in `tails`
    Index("ix_series_search", "experiment_id", "name_id", "last_value", "run"),
    **_ROWLESS,
)

tails = Table(
    "tails",
    metadata,
    # points as they came, one row per write and series, until they are folded into `chunks`; `seq` grows with each write
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("points", _BLOB, nullable=False),
    # SQLite: with rowid, long rows fill their pages and are twice as fast to write (2026-11-23)
)

chunks = Table(
    "chunks",
    metadata,
    # folded points: disjoint stretches of a series in order of (step, timestamp, value); `seq` orders them.
    # The three texts of bytes are described in `store.series.codec`; `points` stands last, so that it is read only if wanted
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("first_step", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("min_time", BigInteger, nullable=False),
    Column("max_time", BigInteger, nullable=False),
    Column("root", _BLOB, nullable=False),
    Column("pyramid", _BLOB, nullable=False),
    Column("points", _BLOB, nullable=False),
    # SQLite: with rowid, long rows fill their pages and are twice as fast to write (2026-11-23)
)

fold_queue = Table(
    "fold_queue",
    metadata,
    # series whose tails are worth folding
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, primary_key=True),
    **_ROWLESS,
)

# ---------------------------------------------------------------- datasets, inputs, outputs

datasets = Table(
    "datasets",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("experiment_id", BigId, ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("name", _string(500), nullable=False),
    Column("digest", _string(36), nullable=False),
    Column("source_type", _text(), nullable=False),
    Column("source", _text(), nullable=False),
    Column("schema", _text()),
    Column("profile", _text()),
    Index("ix_datasets_identity", "experiment_id", "name", "digest", unique=True),
    **_PLAIN,
)

run_inputs = Table(
    "run_inputs",
    metadata,
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("dataset", BigId, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("context", _string(500)),  # the tag mlflow.data.context, for search
    Column("tags", _text(), nullable=False),  # JSON: [[key, value], ...]
    Index("ix_run_inputs_dataset", "dataset", "run"),
    **_ROWLESS,
)

run_models = Table(
    "run_models",
    metadata,
    Column("run", BigId, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("is_output", SmallInteger, primary_key=True),
    Column("model_id", _string(64), primary_key=True),
    Column("step", BigInteger, nullable=False),
    Index("ix_run_models_model", "model_id"),
    **_ROWLESS,
)

# ---------------------------------------------------------------- logged models

logged_models = Table(
    "logged_models",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("model_id", _string(64), nullable=False, unique=True),
    Column("experiment_id", BigId, ForeignKey("experiments.id"), nullable=False),
    Column("name", _text(), nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("artifact_uri", _text(), nullable=False),
    Column("status", SmallInteger, nullable=False),  # LoggedModelStatus.number
    Column("status_message", _text()),
    Column("model_type", _text(), nullable=False),
    Column("source_run_id", _string(256), nullable=False),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("deleted_time", BigInteger),
    Index("ix_logged_models_page", "experiment_id", "lifecycle", "creation_time", "model_id"),
    **_PLAIN,
)

logged_model_params = Table(
    "logged_model_params",
    metadata,
    Column("model", BigId, ForeignKey("logged_models.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("value", _text(), nullable=False),
    **_ROWLESS,
)

logged_model_tags = Table(
    "logged_model_tags",
    metadata,
    Column("model", BigId, ForeignKey("logged_models.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("value", _text(), nullable=False),
    **_ROWLESS,
)

logged_model_metrics = Table(
    "logged_model_metrics",
    metadata,
    # few points a model: a row each; identity is the whole point, kept unique by the store
    Column("id", BigId, primary_key=True),
    Column("model", BigId, ForeignKey("logged_models.id", ondelete="CASCADE"), nullable=False),
    Column("name_id", BigId, ForeignKey("names.id"), nullable=False),
    Column("run_id", _string(256), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("value", Double),  # NULL is NaN
    Column("dataset_name", _string(500)),
    Column("dataset_digest", _string(36)),
    Index("ix_logged_model_metrics_model", "model", "name_id", "timestamp", "step"),
    Index("ix_logged_model_metrics_search", "name_id", "value", "model"),
    **_PLAIN,
)

# ---------------------------------------------------------------- registry

registered_models = Table(
    "registered_models",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("name", _string(256), nullable=False, unique=True),
    Column("description", _text()),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("last_version", BigInteger, nullable=False),  # the highest number ever given
    Index("ix_registered_models_page", "last_update_time", "name"),
    **_PLAIN,
)

registered_model_tags = Table(
    "registered_model_tags",
    metadata,
    Column("model", BigId, ForeignKey("registered_models.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("value", _text(), nullable=False),
    **_ROWLESS,
)

model_versions = Table(
    "model_versions",
    metadata,
    # what is not deleted: a deleted version leaves its number (`last_version`) and its history only
    Column("id", BigId, primary_key=True),
    Column("model", BigId, ForeignKey("registered_models.id", ondelete="CASCADE"), nullable=False),
    Column("name", _string(256), nullable=False),  # the model's, so that searches walk one index
    Column("version", BigInteger, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    Column("stage", SmallInteger, nullable=False),  # place in `registry_rules.STAGES`
    Column("status", SmallInteger, nullable=False),  # ModelVersionStatus.number
    Column("status_message", _text()),
    Column("description", _text()),
    Column("source", _text(), nullable=False),  # as the client named it
    Column("location", _text()),  # where the files are, if `source` only refers to them
    Column("run_id", _string(256), nullable=False),
    Column("run_link", _text(), nullable=False),
    Column("user_id", _string(256), nullable=False),
    Column("model_id", _string(64)),  # the logged model that was registered
    Index("ix_model_versions_identity", "model", "version", unique=True),
    Index("ix_model_versions_stage", "model", "stage", "version"),
    Index("ix_model_versions_page", "last_update_time", "name", "version"),
    Index("ix_model_versions_name", "name", "version"),
    Index("ix_model_versions_run", "run_id", "last_update_time"),
    Index("ix_model_versions_model_id", "model_id"),
    **_PLAIN,
)

model_version_tags = Table(
    "model_version_tags",
    metadata,
    Column("version", BigId, ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True),
    Column("name_id", BigId, ForeignKey("names.id"), primary_key=True),
    Column("value", _text(), nullable=False),
    **_ROWLESS,
)

registered_model_aliases = Table(
    "registered_model_aliases",
    metadata,
    Column("model", BigId, ForeignKey("registered_models.id", ondelete="CASCADE"), primary_key=True),
    Column("alias", _string(256), primary_key=True),
    Column("version", BigId, ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False),
    Index("ix_registered_model_aliases_version", "version"),
    **_ROWLESS,
)

registry_history = Table(
    "registry_history",
    metadata,
    # one row a change, never changed but for the name when the model is renamed; it outlives what it tells of
    Column("id", BigId, primary_key=True),
    Column("model", BigInteger, nullable=False),
    Column("name", _string(256), nullable=False),
    Column("version", BigInteger),
    Column("action", SmallInteger, nullable=False),  # RegistryAction.number
    Column("key", _string(256)),  # of a tag, or an alias
    Column("from_value", _text()),
    Column("to_value", _text()),
    Column("from_version", BigInteger),  # that an alias left
    Column("user_id", _string(256), nullable=False),
    Column("comment", _text()),
    Column("time", BigInteger, nullable=False),
    Index("ix_registry_history_model", "model"),
    Index("ix_registry_history_name", "name", "id"),
    Index("ix_registry_history_version", "name", "version", "id"),
    Index("ix_registry_history_from", "name", "from_version", "id"),
    **_PLAIN,
)

# ---------------------------------------------------------------- webhooks

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("webhook_id", _string(36), nullable=False, unique=True),  # the public id, a UUID
    Column("name", _string(63), nullable=False),
    Column("description", _text()),
    Column("url", _text(), nullable=False),
    Column("secret", _text()),  # encrypted, see `webhooks.secrets`
    Column("status", SmallInteger, nullable=False),  # WebhookStatus.number
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
    **_PLAIN,
)

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("webhook", BigId, ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
    Column("event", _string(64), primary_key=True),  # "model_version.created"
    Index("ix_webhook_events_event", "event", "webhook"),
    **_ROWLESS,
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    # the outbox: one row for each event and webhook, written in the transaction of the change
    Column("id", BigId, primary_key=True),
    Column("delivery_id", _string(36), nullable=False, unique=True),
    Column("webhook", BigId, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event", _string(64), nullable=False),
    Column("body", _text(), nullable=False),  # the JSON that is sent
    Column("status", SmallInteger, nullable=False),  # WebhookDeliveryStatus.number
    Column("attempts", Integer, nullable=False),
    Column("creation_time", BigInteger, nullable=False),
    # pending: when it is to be tried next, for one that is being tried when its lease ends; else when it was done with
    Column("due_time", BigInteger, nullable=False),
    Column("last_attempt_time", BigInteger),
    Column("response_status", Integer),
    Column("error", _text()),
    Index("ix_webhook_deliveries_due", "status", "due_time"),
    Index("ix_webhook_deliveries_webhook", "webhook", "id"),
    **_PLAIN,
)
