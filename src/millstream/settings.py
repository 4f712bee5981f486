"""Every setting: its name, type, default and one line of meaning.

A setting `NAME` is read from the environment variable `MILLSTREAM_NAME`, else from `MLFLOW_NAME` where MLflow has one of
that meaning, else it is the default. Nothing is cached: a variable that changes counts from the next read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from millstream.errors import InvalidValue

T = TypeVar("T")


def _boolean(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(text)


_KINDS: dict[Callable[[str], Any], str] = {
    _boolean: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}


class Setting(Struct, Generic[T], frozen=True, eq=False):
    """One row of the table of settings."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    doc: str
    in_mlflow: bool
    mlflow_name: str

    @property
    def variables(self) -> list[str]:
        """The environment variables that set it, the strongest first."""
        return [f"MILLSTREAM_{self.name}"] + ([f"MLFLOW_{self.mlflow_name}"] if self.in_mlflow else [])

    @property
    def kind(self) -> str:
        return _KINDS[self.parse]

    def get(self) -> T:
        """The value in force. Raises InvalidValue naming the variable if its text does not parse."""
        for variable in self.variables:
            text = os.environ.get(variable)
            if text is None or (text == "" and self.parse is not str):
                continue
            try:
                value: T = self.parse(text)
            except ValueError:
                raise InvalidValue(
                    f"{variable}={text!r} is not {self.kind}. Set it to {self.kind} or unset it."
                ) from None
            return value
        default: T = self.default
        return default

    def is_set(self) -> bool:
        return any(os.environ.get(variable) for variable in self.variables)

    def set(self, value: T) -> None:
        """Set it for this process and its children."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        os.environ[f"MILLSTREAM_{self.name}"] = text
        if self.in_mlflow:
            os.environ[f"MLFLOW_{self.mlflow_name}"] = text

    def unset(self) -> None:
        for variable in self.variables:
            os.environ.pop(variable, None)


SETTINGS: dict[str, Setting[Any]] = {}
"""The table, by name; docs and the test of the docs walk it."""


def _setting(name: str, parse: Callable[[str], Any], default: Any, doc: str, *, mlflow: bool | str = False) -> Any:
    mlflow_name = mlflow if isinstance(mlflow, str) else name
    setting: Setting[Any] = Setting(name, parse, default, doc, bool(mlflow), mlflow_name)
    SETTINGS[name] = setting
    return setting


# ---------------------------------------------------------------- where things are
TRACKING_URI: Setting[str | None] = _setting(
    "TRACKING_URI", str, None, "Tracking server or store to log to.", mlflow=True
)
REGISTRY_URI: Setting[str | None] = _setting(
    "REGISTRY_URI", str, None, "Model registry; the tracking URI if unset.", mlflow=True
)
EXPERIMENT_NAME: Setting[str | None] = _setting(
    "EXPERIMENT_NAME", str, None, "Experiment of new runs; created if missing.", mlflow=True
)
EXPERIMENT_ID: Setting[str | None] = _setting("EXPERIMENT_ID", str, None, "Experiment of new runs, by id.", mlflow=True)
RUN_ID: Setting[str | None] = _setting(
    "RUN_ID", str, None, "Run that the next `start_run` resumes (used once).", mlflow=True
)
RUN_CONTEXT: Setting[str | None] = _setting(
    "RUN_CONTEXT", str, None, "JSON object of tags for every new run.", mlflow=True
)

# ---------------------------------------------------------------- client: authentication and HTTP
TRACKING_USERNAME: Setting[str | None] = _setting(
    "TRACKING_USERNAME", str, None, "User name for Basic authentication.", mlflow=True
)
TRACKING_PASSWORD: Setting[str | None] = _setting(
    "TRACKING_PASSWORD", str, None, "Password for Basic authentication.", mlflow=True
)
TRACKING_TOKEN: Setting[str | None] = _setting(
    "TRACKING_TOKEN", str, None, "Bearer token, used when no user and password are set.", mlflow=True
)
TRACKING_AUTH: Setting[str | None] = _setting(
    "TRACKING_AUTH", str, None, "Name of a plug-in that signs requests.", mlflow=True
)
TRACKING_INSECURE_TLS: Setting[bool] = _setting(
    "TRACKING_INSECURE_TLS", _boolean, False, "Do not check the server's certificate.", mlflow=True
)
TRACKING_SERVER_CERT_PATH: Setting[str | None] = _setting(
    "TRACKING_SERVER_CERT_PATH", str, None, "CA bundle to check the server with.", mlflow=True
)
TRACKING_CLIENT_CERT_PATH: Setting[str | None] = _setting(
    "TRACKING_CLIENT_CERT_PATH", str, None, "Client certificate to present.", mlflow=True
)
HTTP_REQUEST_TIMEOUT: Setting[float] = _setting(
    "HTTP_REQUEST_TIMEOUT", float, 120.0, "Seconds to wait for an answer.", mlflow=True
)
HTTP_REQUEST_MAX_RETRIES: Setting[int] = _setting(
    "HTTP_REQUEST_MAX_RETRIES", int, 7, "Tries after 408, 429, 5xx and connection errors, at most 10.", mlflow=True
)
HTTP_REQUEST_BACKOFF_FACTOR: Setting[float] = _setting(
    "HTTP_REQUEST_BACKOFF_FACTOR", float, 2.0, "Seconds of the first pause between tries; it doubles.", mlflow=True
)
HTTP_REQUEST_BACKOFF_JITTER: Setting[float] = _setting(
    "HTTP_REQUEST_BACKOFF_JITTER", float, 1.0, "Random seconds added to each pause.", mlflow=True
)
HTTP_RESPECT_RETRY_AFTER_HEADER: Setting[bool] = _setting(
    "HTTP_RESPECT_RETRY_AFTER_HEADER", _boolean, True, "Wait as long as Retry-After says.", mlflow=True
)
HTTP_POOL_MAXSIZE: Setting[int] = _setting(
    "HTTP_POOL_MAXSIZE", int, 10, "Connections kept open to a server.", mlflow=True
)

# ---------------------------------------------------------------- client: logging
SYNC: Setting[bool] = _setting("SYNC", _boolean, False, "Every log call waits for the store; no journal.")
ENABLE_ASYNC_LOGGING = _setting(
    "ENABLE_ASYNC_LOGGING",
    _boolean,
    False,
    "Log calls return RunOperations; logging never waits in either case.",
    mlflow=True,
)
OFFLINE: Setting[bool] = _setting(
    "OFFLINE", _boolean, False, "Keep everything in the journal; `millstream sync` sends it later."
)
JOURNAL_DIR: Setting[str | None] = _setting(
    "JOURNAL_DIR", str, None, "Folder of the journals; ~/.local/state/millstream/journal if unset."
)
JOURNAL_SEGMENT_BYTES: Setting[int] = _setting(
    "JOURNAL_SEGMENT_BYTES", int, 1 << 22, "Size of one journal file, in bytes."
)
FLUSH_TIMEOUT: Setting[float] = _setting(
    "FLUSH_TIMEOUT", float, 30.0, "Seconds that flush, end_run and exit wait for delivery."
)
SHIP_INTERVAL: Setting[float] = _setting("SHIP_INTERVAL", float, 0.1, "Seconds between deliveries while a run logs.")
TRUNCATE_LONG_VALUES = _setting(
    "TRUNCATE_LONG_VALUES",
    _boolean,
    True,
    "Cut params and tags that are too long instead of refusing them.",
    mlflow=True,
)
ENABLE_SYSTEM_METRICS_LOGGING = _setting(
    "ENABLE_SYSTEM_METRICS_LOGGING",
    _boolean,
    False,
    "Log CPU, memory, disk, network and GPU of every run.",
    mlflow=True,
)
SYSTEM_METRICS_SAMPLING_INTERVAL: Setting[float] = _setting(
    "SYSTEM_METRICS_SAMPLING_INTERVAL", float, 10.0, "Seconds between two samples.", mlflow=True
)
SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING: Setting[int] = _setting(
    "SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", int, 1, "Samples averaged into one logged point.", mlflow=True
)
SYSTEM_METRICS_NODE_ID: Setting[str | None] = _setting(
    "SYSTEM_METRICS_NODE_ID", str, None, "Name of this machine in system metrics.", mlflow=True
)
LOGGING_LEVEL: Setting[str] = _setting(
    "LOGGING_LEVEL", str, "INFO", "Level of Millstream's own log lines.", mlflow=True
)
SUPPRESS_PRINTING_URL_TO_STDOUT: Setting[bool] = _setting(
    "SUPPRESS_PRINTING_URL_TO_STDOUT", _boolean, False, "Do not print the run's address when it ends.", mlflow=True
)
ACTIVE_MODEL_ID: Setting[str | None] = _setting(
    "ACTIVE_MODEL_ID", str, None, "Logged model that metrics are attached to.", mlflow=True
)

# ---------------------------------------------------------------- client: artifacts
ENABLE_ARTIFACTS_PROGRESS_BAR: Setting[bool] = _setting(
    "ENABLE_ARTIFACTS_PROGRESS_BAR", _boolean, True, "Show progress of long transfers in a terminal.", mlflow=True
)
ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT = _setting(
    "ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT",
    float,
    600.0,
    "Seconds without progress after which a transfer fails.",
    mlflow=True,
)
ARTIFACT_TRANSFER_THREADS: Setting[int] = _setting(
    "ARTIFACT_TRANSFER_THREADS", int, 8, "Files of a folder moved at the same time."
)
MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: Setting[int] = _setting(
    "MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", int, 500 << 20, "Bytes from which an upload goes in parts.", mlflow=True
)
MULTIPART_UPLOAD_CHUNK_SIZE: Setting[int] = _setting(
    "MULTIPART_UPLOAD_CHUNK_SIZE", int, 10 << 20, "Bytes of one part.", mlflow=True
)
MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE: Setting[int] = _setting(
    "MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE", int, 500 << 20, "Bytes from which a download goes in parts.", mlflow=True
)
MULTIPART_DOWNLOAD_CHUNK_SIZE: Setting[int] = _setting(
    "MULTIPART_DOWNLOAD_CHUNK_SIZE", int, 100 << 20, "Bytes of one part.", mlflow=True
)
S3_ENDPOINT_URL: Setting[str | None] = _setting(
    "S3_ENDPOINT_URL", str, None, "Address of an S3-compatible store.", mlflow=True
)
S3_IGNORE_TLS: Setting[bool] = _setting(
    "S3_IGNORE_TLS", _boolean, False, "Do not check that store's certificate.", mlflow=True
)
S3_UPLOAD_EXTRA_ARGS: Setting[str | None] = _setting(
    "S3_UPLOAD_EXTRA_ARGS", str, None, "JSON object of extra arguments of uploads.", mlflow=True
)
S3_EXPECTED_BUCKET_OWNER: Setting[str | None] = _setting(
    "S3_EXPECTED_BUCKET_OWNER", str, None, "Account that must own the bucket.", mlflow=True
)
BOTO_CLIENT_ADDRESSING_STYLE: Setting[str] = _setting(
    "BOTO_CLIENT_ADDRESSING_STYLE", str, "auto", "How buckets are addressed: auto, path or virtual.", mlflow=True
)
KERBEROS_TICKET_CACHE: Setting[str | None] = _setting(
    "KERBEROS_TICKET_CACHE", str, None, "Ticket cache for HDFS.", mlflow=True
)
KERBEROS_USER: Setting[str | None] = _setting("KERBEROS_USER", str, None, "User for HDFS.", mlflow=True)

# ---------------------------------------------------------------- models
DISABLE_SCHEMA_DETAILS: Setting[bool] = _setting(
    "DISABLE_SCHEMA_DETAILS",
    _boolean,
    False,
    "Leave data, names and types out of the errors of inputs that do not fit a model's signature.",
    mlflow=True,
)
TRUST_PICKLES: Setting[bool] = _setting(
    "TRUST_PICKLES",
    _boolean,
    False,
    "Let models run the code that came with them (pickles, scripts, code/) when they are loaded.",
    mlflow="ALLOW_PICKLE_DESERIALIZATION",
)
DEFAULT_PREDICTION_DEVICE: Setting[str | None] = _setting(
    "DEFAULT_PREDICTION_DEVICE",
    str,
    None,
    "Where PyTorch models predict, such as cpu or cuda:1; the first GPU, or else the CPU, if not set.",
    mlflow=True,
)
IMPORT_AS_MLFLOW: Setting[bool] = _setting(
    "IMPORT_AS_MLFLOW",
    _boolean,
    False,
    "Serve `import mlflow` with Millstream in the scripts and loader modules of models while they are loaded.",
)
LOG_MODEL_COMPRESSION: Setting[str | None] = _setting(
    "LOG_MODEL_COMPRESSION", str, None, "Compress pickled Python models: lzma, bzip2 or gzip.", mlflow=True
)
PYFUNC_INFERENCE_CONFIG: Setting[str | None] = _setting(
    "PYFUNC_INFERENCE_CONFIG", str, None, "JSON object laid over a loaded model's saved configuration.", mlflow=True
)
SPARK_STAGING: Setting[str | None] = _setting(
    "SPARK_STAGING",
    str,
    None,
    "Where model files pass between Spark and this program: a URI that both reach; /tmp/millstream of a cluster if unset.",
    mlflow="DFS_TMP",
)

# ---------------------------------------------------------------- projects
PROJECT_CACHE: Setting[str | None] = _setting(
    "PROJECT_CACHE",
    str,
    None,
    "Folder of the git repositories fetched for projects; ~/.cache/millstream/projects if unset.",
)
PROJECT_FETCH_TIMEOUT: Setting[float] = _setting(
    "PROJECT_FETCH_TIMEOUT", float, 1800.0, "Seconds that one step of fetching a project may take."
)
PROJECT_STRICT_TYPES: Setting[bool] = _setting(
    "PROJECT_STRICT_TYPES",
    _boolean,
    False,
    "Refuse values of a project's float and int parameters that are none, rather than warn.",
)

# ---------------------------------------------------------------- environments
ENV_ROOT: Setting[str | None] = _setting(
    "ENV_ROOT",
    str,
    None,
    "Folder of the environments made for models and projects; ~/.cache/millstream/environments if unset.",
    mlflow=True,
)
ENV_TIMEOUT: Setting[float] = _setting(
    "ENV_TIMEOUT", float, 1800.0, "Seconds that one step of making an environment may take."
)
REQUIREMENTS_INFERENCE_TIMEOUT: Setting[float] = _setting(
    "REQUIREMENTS_INFERENCE_TIMEOUT", float, 120.0, "Seconds to see what a saved model imports.", mlflow=True
)
INPUT_EXAMPLE_INFERENCE_TIMEOUT: Setting[float] = _setting(
    "INPUT_EXAMPLE_INFERENCE_TIMEOUT", float, 180.0, "The same, when the model also predicts its example.", mlflow=True
)
REQUIREMENTS_INFERENCE_RAISE_ERRORS: Setting[bool] = _setting(
    "REQUIREMENTS_INFERENCE_RAISE_ERRORS",
    _boolean,
    False,
    "Fail when what a model imports cannot be seen.",
    mlflow=True,
)
LOCK_MODEL_DEPENDENCIES: Setting[bool] = _setting(
    "LOCK_MODEL_DEPENDENCIES",
    _boolean,
    False,
    "Pin all that a model's requirements require in turn (needs uv).",
    mlflow=True,
)
HASH_MODEL_DEPENDENCIES: Setting[bool] = _setting(
    "HASH_MODEL_DEPENDENCIES", _boolean, False, "Lock them with the hashes of their files."
)
CONDA_HOME: Setting[str | None] = _setting(
    "CONDA_HOME", str, None, "Folder of the conda installation; the one on PATH if unset.", mlflow=True
)
CONDA_CREATE_ENV_CMD: Setting[str | None] = _setting(
    "CONDA_CREATE_ENV_CMD", str, None, "Command that makes conda environments: conda, mamba or micromamba.", mlflow=True
)

# ---------------------------------------------------------------- server
BACKEND_STORE_URI: Setting[str | None] = _setting(
    "BACKEND_STORE_URI", str, None, "Database of the server.", mlflow=True
)
REGISTRY_STORE_URI: Setting[str | None] = _setting(
    "REGISTRY_STORE_URI", str, None, "Database of the registry; the backend store if unset.", mlflow=True
)
DEFAULT_ARTIFACT_ROOT: Setting[str | None] = _setting(
    "DEFAULT_ARTIFACT_ROOT", str, None, "Artifact root of new experiments.", mlflow=True
)
ARTIFACTS_DESTINATION: Setting[str] = _setting(
    "ARTIFACTS_DESTINATION", str, "./mlartifacts", "Where the artifact proxy stores.", mlflow=True
)
SERVE_ARTIFACTS: Setting[bool] = _setting("SERVE_ARTIFACTS", _boolean, True, "Offer the artifact proxy.", mlflow=True)
ARTIFACTS_ONLY: Setting[bool] = _setting(
    "ARTIFACTS_ONLY", _boolean, False, "Offer nothing but the artifact proxy.", mlflow=True
)
HOST: Setting[str] = _setting("HOST", str, "127.0.0.1", "Address that the server listens on.", mlflow=True)
PORT: Setting[int] = _setting("PORT", int, 5000, "Port that the server listens on.", mlflow=True)
WORKERS: Setting[int] = _setting("WORKERS", int, 1, "Server processes.", mlflow=True)
STATIC_PREFIX: Setting[str] = _setting(
    "STATIC_PREFIX", str, "", "Path under which the server is reached, such as /tracking.", mlflow=True
)
EXPOSE_PROMETHEUS: Setting[str | None] = _setting(
    "EXPOSE_PROMETHEUS", str, None, "Kept for compatibility: /metrics is always there.", mlflow=True
)
SERVER_ALLOWED_HOSTS = _setting(
    "SERVER_ALLOWED_HOSTS",
    str,
    None,
    "Host names served besides loopback and private addresses, by comma.",
    mlflow=True,
)
SERVER_CORS_ALLOWED_ORIGINS: Setting[str | None] = _setting(
    "SERVER_CORS_ALLOWED_ORIGINS", str, None, "Other sites whose pages may change things, by comma.", mlflow=True
)
SERVER_X_FRAME_OPTIONS: Setting[str] = _setting(
    "SERVER_X_FRAME_OPTIONS", str, "SAMEORIGIN", "Value of X-Frame-Options, or NONE.", mlflow=True
)
SERVER_DISABLE_SECURITY_MIDDLEWARE: Setting[bool] = _setting(
    "SERVER_DISABLE_SECURITY_MIDDLEWARE", _boolean, False, "Skip the checks of Host and Origin.", mlflow=True
)
TRUSTED_PROXIES: Setting[str | None] = _setting(
    "TRUSTED_PROXIES", str, None, "Addresses whose Forwarded headers count, by comma."
)
ALLOW_REMOTE_WITHOUT_AUTH: Setting[bool] = _setting(
    "ALLOW_REMOTE_WITHOUT_AUTH", _boolean, False, "Listen beyond loopback although there is no authentication."
)
ARTIFACT_LOCATION_MAX_LENGTH: Setting[int] = _setting(
    "ARTIFACT_LOCATION_MAX_LENGTH", int, 2048, "Longest artifact location of an experiment.", mlflow=True
)
CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX: Setting[str | None] = _setting(
    "CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX",
    str,
    None,
    "Regular expression in which the source of every new model version must match.",
    mlflow=True,
)
ALLOWED_LOCAL_ROOTS: Setting[str | None] = _setting(
    "ALLOWED_LOCAL_ROOTS", str, None, "Folders besides the artifact roots that the server may read, by colon."
)
ALLOWED_ARTIFACT_ROOTS: Setting[str | None] = _setting(
    "ALLOWED_ARTIFACT_ROOTS", str, None, "Artifact URIs besides its own roots that the server may read, by comma."
)
SQLITE_SYNCHRONOUS: Setting[str] = _setting(
    "SQLITE_SYNCHRONOUS", str, "NORMAL", "NORMAL survives a killed process, FULL a power cut too."
)
ARTIFACT_FSYNC: Setting[bool] = _setting(
    "ARTIFACT_FSYNC", _boolean, True, "Uploads reach the disk before they are acknowledged."
)
DATABASE_POOL_SIZE: Setting[int] = _setting("DATABASE_POOL_SIZE", int, 8, "Connections kept to PostgreSQL or MySQL.")
DATABASE_LOCK_TIMEOUT: Setting[float] = _setting(
    "DATABASE_LOCK_TIMEOUT", float, 60.0, "Seconds that a write waits for other processes' locks."
)
MAX_QUEUED_WRITES: Setting[int] = _setting(
    "MAX_QUEUED_WRITES", int, 10_000, "Writes waiting before the server answers 429."
)

# ---------------------------------------------------------------- scoring server
SCORING_SERVER_REQUEST_TIMEOUT: Setting[float] = _setting(
    "SCORING_SERVER_REQUEST_TIMEOUT", float, 60.0, "Seconds that a model may take for one request.", mlflow=True
)
MODELS_WORKERS: Setting[int] = _setting("MODELS_WORKERS", int, 1, "Processes of a scoring server.", mlflow=True)
DISABLE_ENV_CREATION: Setting[bool] = _setting(
    "DISABLE_ENV_CREATION",
    _boolean,
    False,
    "Serve and predict in the running environment, whatever environment manager is asked for (as in images).",
    mlflow=True,
)
SCORING_THREADS: Setting[int] = _setting("SCORING_THREADS", int, 4, "Predictions at once in one process.")
SCORING_MAX_WAITING: Setting[int] = _setting(
    "SCORING_MAX_WAITING", int, 256, "Requests that wait for a prediction before the scoring server answers 429."
)
SCORING_MAX_BODY_BYTES: Setting[int] = _setting(
    "SCORING_MAX_BODY_BYTES", int, 64 << 20, "Largest body of a scoring request."
)
SCORING_BATCHING: Setting[bool] = _setting(
    "SCORING_BATCHING", _boolean, False, "Predict requests together that wait for the same model."
)
SCORING_MAX_BATCH_ROWS: Setting[int] = _setting("SCORING_MAX_BATCH_ROWS", int, 1024, "Most rows of such a batch.")
SCORING_BARE_TOKENS: Setting[bool] = _setting(
    "SCORING_BARE_TOKENS", _boolean, False, "Answer NaN and infinities as bare tokens, as MLflow does, and not as null."
)

# ---------------------------------------------------------------- webhooks
WEBHOOK_SECRET_ENCRYPTION_KEY: Setting[str | None] = _setting(
    "WEBHOOK_SECRET_ENCRYPTION_KEY",
    str,
    None,
    "Key that webhooks' secrets are encrypted with (`millstream webhooks new-key` makes one); a file beside an SQLite store if unset.",
    mlflow=True,
)
WEBHOOK_ALLOWED_SCHEMES: Setting[str] = _setting(
    "WEBHOOK_ALLOWED_SCHEMES", str, "https", "Schemes that a webhook's URL may have, by comma.", mlflow=True
)
WEBHOOK_ALLOW_PRIVATE_IPS: Setting[bool] = _setting(
    "WEBHOOK_ALLOW_PRIVATE_IPS", _boolean, False, "Let webhooks lead to loopback and private addresses.", mlflow=True
)
WEBHOOK_REQUEST_TIMEOUT: Setting[float] = _setting(
    "WEBHOOK_REQUEST_TIMEOUT", float, 30.0, "Seconds that one attempt of a delivery may take.", mlflow=True
)
WEBHOOK_REQUEST_MAX_RETRIES: Setting[int] = _setting(
    "WEBHOOK_REQUEST_MAX_RETRIES",
    int,
    10,
    "Further attempts after one that failed: after about 1, 2, 4, 8 seconds and so on, up to an hour.",
    mlflow=True,
)
WEBHOOK_DELIVERY_MAX_WORKERS: Setting[int] = _setting(
    "WEBHOOK_DELIVERY_MAX_WORKERS", int, 10, "Deliveries at once in a server process.", mlflow=True
)

# ---------------------------------------------------------------- deployments
DEPLOYMENTS_TARGET: Setting[str | None] = _setting(
    "DEPLOYMENTS_TARGET", str, None, "Where `get_deploy_client()` deploys to, such as local.", mlflow=True
)
DEPLOYMENTS_DIR: Setting[str | None] = _setting(
    "DEPLOYMENTS_DIR",
    str,
    None,
    "Folder that knows what is deployed on this machine; ~/.local/state/millstream/deployments if unset.",
)
DEPLOYMENT_PREDICT_TIMEOUT: Setting[float] = _setting(
    "DEPLOYMENT_PREDICT_TIMEOUT", float, 120.0, "Seconds to wait for predictions of a deployment.", mlflow=True
)

DEFAULT_STORE_URI = "sqlite:///millstream.db"
"""The embedded store: a file in the working directory. What clients, server and commands use when nothing else is said."""
