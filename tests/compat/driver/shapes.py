"""What the client's objects hold, as plain JSON: entities by their public attributes, frames by columns and rows."""

from datetime import date, datetime
from pathlib import Path

ENTITY_ATTRIBUTES = {
    "Experiment": ("experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time", "tags"),
    "Run": ("info", "data", "inputs", "outputs"),
    "ActiveRun": ("info", "data", "inputs", "outputs"),
    "RunInfo": ("run_id", "run_name", "experiment_id", "user_id", "status", "start_time", "end_time", "artifact_uri", "lifecycle_stage"),
    "RunData": ("metrics", "params", "tags"),
    "RunInputs": ("dataset_inputs", "model_inputs"),
    "RunOutputs": ("model_outputs",),
    "DatasetInput": ("dataset", "tags"),
    "Dataset": ("name", "digest", "source_type", "source", "schema", "profile"),
    "InputTag": ("key", "value"),
    "LoggedModelInput": ("model_id",),
    "LoggedModelOutput": ("model_id", "step"),
    "Metric": ("key", "value", "timestamp", "step"),
    "FileInfo": ("path", "is_dir", "file_size"),
    "LoggedModel": ("experiment_id", "model_id", "name", "artifact_location", "creation_timestamp", "last_updated_timestamp", "model_type",
                    "source_run_id", "status", "tags", "params", "metrics"),
    "Webhook": ("webhook_id", "name", "url", "events", "creation_timestamp", "last_updated_timestamp", "description", "status", "secret"),
    "WebhookEvent": ("entity", "action"),
    "WebhookTestResult": ("success", "response_status", "response_body", "error_message"),
}  # fmt: skip
UNSTABLE_TAGS = ("mlflow.source.git.commit", "mlflow.source.name", "mlflow.source.git.repoURL", "mlflow.source.git.branch", "mlflow.source.git.dirty",
                 "mlflow.source.git.diff")  # fmt: skip


def plain(value):
    attributes = ENTITY_ATTRIBUTES.get(type(value).__name__)
    if attributes:
        return {name: plain(getattr(value, name)) for name in attributes if hasattr(value, name)}
    if type(value).__name__ == "DataFrame":
        return frame(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in sorted(value.items()) if key not in UNSTABLE_TAGS}
    if type(value).__name__ == "PagedList":
        return {"items": [plain(item) for item in value], "has_token": bool(value.token)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (Path, datetime, date)):
        return str(value)
    if hasattr(value, "name") and hasattr(value, "value"):  # an enum
        return value.name
    return f"<{type(value).__name__}>"


def frame(table):
    columns = sorted(
        str(c) for c in table.columns if not str(c).startswith(tuple(f"tags.{tag}" for tag in UNSTABLE_TAGS))
    )
    rows = [[cell(row[column]) for column in columns] for _, row in table.iterrows()]
    return {"columns": columns, "rows": rows}


def cell(value):
    if value is None or value != value:
        return None
    if hasattr(value, "item"):
        return value.item()
    return plain(value) if isinstance(value, (str, int, float, list, dict)) else str(value)


def nothing(_):
    """For answers that differ between clients' versions and do not come from the server."""
    return "ok"


def only(*names):
    """Show these attributes of an entity (dotted paths)."""

    def show(value):
        if isinstance(value, list):
            return [show(item) for item in value]
        shown = {}
        for name in names:
            item = value
            for part in name.split("."):
                item = item.get(part) if isinstance(item, dict) else getattr(item, part)
            shown[name] = plain(item)
        return shown

    return show
