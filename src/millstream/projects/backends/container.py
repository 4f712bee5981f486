"""What a container gets of this machine, so that the run in it finds its store: folders, files and credentials.

A store that is a folder or an SQLite file here is mounted, and named to the container by where it is there. Artifacts are mounted where
they are here, as runs and models name them by these paths.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from msgspec import Struct, field

from millstream.artifacts.repository import local_root
from millstream.artifacts.repository import scheme_of as artifact_scheme_of
from millstream.client import uris
from millstream.projects import record
from millstream.projects.submission import Submission

STORE = "/mlflow/tmp/mlruns"
_CA_BUNDLE = "/mlflow/tmp/tracking-ca.pem"


class Surroundings(Struct):
    """What a container is started with.

    Attributes:
        mounts: where it is in the container, and what is to be seen there: a path of this machine.
        read_only: those of them that the container may only read.
        variables: by name; they may be secret.
        paths: variables that name what is mounted.
    """

    mounts: dict[str, str] = field(default_factory=dict)
    read_only: set[str] = field(default_factory=set)
    variables: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def lend(self, source: str | Path, target: str) -> None:
        """Mount a file or folder to be read."""
        self.mounts[target] = str(source)
        self.read_only.add(target)


class Credentials(Struct, frozen=True):
    """What reaches a kind of storage.

    Attributes:
        variables: passed on if they are set.
        files: variables that name a file of credentials, and where the file is mounted.
        folder: one of the home directory, where it is mounted, and variables that name files of it there.
    """

    variables: tuple[str, ...] = ()
    files: Mapping[str, str] = {}
    folder: tuple[str, str, Mapping[str, str]] | None = None


_AZURE = Credentials(("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY"))
_HDFS = Credentials(
    ("MLFLOW_KERBEROS_USER", "MLFLOW_PYARROW_EXTRA_CONF"), {"MLFLOW_KERBEROS_TICKET_CACHE": "/mlflow/tmp/krb5cc"}
)
CREDENTIALS: dict[str, Credentials] = {
    "s3": Credentials(
        (
            "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
            "MLFLOW_S3_ENDPOINT_URL", "MLFLOW_S3_IGNORE_TLS", "MILLSTREAM_S3_ENDPOINT_URL", "MILLSTREAM_S3_IGNORE_TLS",
        ),
        folder=(
            "~/.aws", "/.aws",
            {"AWS_SHARED_CREDENTIALS_FILE": "/.aws/credentials", "AWS_CONFIG_FILE": "/.aws/config"},
        ),
    ),
    "gs": Credentials(files={"GOOGLE_APPLICATION_CREDENTIALS": "/.gcs"}),
    "wasb": _AZURE, "wasbs": _AZURE, "abfs": _AZURE, "abfss": _AZURE,
    "hdfs": _HDFS, "viewfs": _HDFS,
}  # fmt: skip
"""By the scheme of the run's artifacts: only what it needs."""

TRACKING_VARIABLES = tuple(
    f"{prefix}_TRACKING_{name}"
    for prefix in ("MLFLOW", "MILLSTREAM")
    for name in ("USERNAME", "PASSWORD", "TOKEN", "INSECURE_TLS")
)
_CA_VARIABLES = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "MILLSTREAM_TRACKING_SERVER_CERT_PATH")


def surroundings_of(submission: Submission) -> Surroundings:
    """What a run's container gets. Raises what the tracking store does."""
    found = Surroundings(variables=record.variables(submission))
    add_store(found, submission.tracking_uri)
    for uri in _artifact_places(submission):
        scheme = artifact_scheme_of(uri)
        if scheme in ("", "file"):
            folder = local_root(uri)
            os.makedirs(folder, exist_ok=True)
            found.mounts[folder] = folder
        elif scheme in CREDENTIALS:
            _add_credentials(found, CREDENTIALS[scheme])
    return found


def is_loopback(uri: str) -> bool:
    """Whether a server's address means this very machine, to each that reads it itself."""
    host = urlsplit(uri).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def add_store(found: Surroundings, tracking_uri: str) -> None:
    """The tracking store as the container reaches it, with what a server asks for."""
    uri = tracking_uri
    if uris.is_http(uri):
        found.variables |= {name: os.environ[name] for name in TRACKING_VARIABLES if os.environ.get(name)}
        for name in _CA_VARIABLES:
            _lend_file(found, name, _CA_BUNDLE)
    elif uris.scheme_of(uri) == "sqlite":
        driver, _, rest = uri.partition(":///")
        path, question, query = rest.partition("?")
        folder, name = os.path.split(path)  # the folder, as SQLite keeps files beside the database
        found.mounts[STORE] = folder
        uri = f"{driver}:///{STORE}/{name}{question}{query}"
    elif uris.scheme_of(uri) in ("", "file"):
        found.mounts[STORE] = str(uris.folder_of(uri))
        uri = f"file://{quote(STORE)}"
    found.variables |= {f"{prefix}_TRACKING_URI": uri for prefix in ("MLFLOW", "MILLSTREAM")}


def _artifact_places(submission: Submission) -> list[str]:
    """Where the run's artifacts are, and the experiment's, where its models are; the latter alone if it holds the former."""
    client = record.client_of(submission.tracking_uri)
    run = client.get_run(submission.run_id).info.artifact_uri or ""
    experiment = client.get_experiment(submission.experiment_id).artifact_location or run
    return [experiment] if run.startswith(f"{experiment.rstrip('/')}/") else [experiment, run]


def _add_credentials(found: Surroundings, credentials: Credentials) -> None:
    found.variables |= {name: os.environ[name] for name in credentials.variables if os.environ.get(name)}
    for name, target in credentials.files.items():
        _lend_file(found, name, target)
    if credentials.folder is not None:
        source, target, named = credentials.folder
        if os.path.isdir(os.path.expanduser(source)):
            found.lend(os.path.expanduser(source), target)
            found.paths |= named


def _lend_file(found: Surroundings, variable: str, target: str) -> None:
    path = os.path.abspath(os.environ.get(variable) or "/")
    if os.path.isfile(path):
        found.lend(path, target)
        found.paths[variable] = target
