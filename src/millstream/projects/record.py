"""What a project's run is in the store: made before anything is prepared, and ended whatever happens."""

from __future__ import annotations

import io
import logging
import socket
from pathlib import Path

import msgspec
from msgspec import Struct

from millstream import settings
from millstream.client import checks
from millstream.client.client import MillstreamClient
from millstream.client.identity import user_name
from millstream.client.recorder import Recorder, get_recorder
from millstream.entities import (
    GIT_BRANCH_TAG,
    GIT_COMMIT_TAG,
    GIT_REPO_URL_TAG,
    PARENT_RUN_TAG,
    RUN_NAME_TAG,
    SOURCE_NAME_TAG,
    SOURCE_TYPE_TAG,
    USER_TAG,
    Run,
    RunStatus,
    SourceType,
)
from millstream.errors import MillstreamError, NotFound
from millstream.processes import Process
from millstream.projects import output
from millstream.projects.submission import Submission

logger = logging.getLogger("millstream")

ENTRY_POINT_TAG = "mlflow.project.entryPoint"
ENVIRONMENT_TAG = "mlflow.project.env"
BACKEND_TAG = "mlflow.project.backend"

NAME_TAG = "millstream.project.name"
ENVIRONMENT_KEY_TAG = "millstream.project.environment"
"""The name of the prepared environment in the cache (`millstream envs list`)."""
FINGERPRINT_TAG = "millstream.project.fingerprint"
"""Equal for runs of the same code with the same parameters, inputs and environment (see `reuse`)."""
SWEEP_TAG = "millstream.project.sweep"
"""On the parent of a sweep: its grid, or its distributions with trials and seed, as JSON."""
PROCESS_TAG = "millstream.project.process"
"""Where the run's supervisor is: host, process id and start time as JSON."""
ERROR_TAG = "millstream.project.error"
"""One sentence on why a run has not succeeded."""

DIFF_ARTIFACT = "project/changes.diff"
"""Changes of the work tree that were not committed."""


class Place(Struct, frozen=True):
    """A process on some machine."""

    host: str
    process: Process

    @classmethod
    def of(cls, process: Process) -> Place:
        return cls(socket.gethostname(), process)

    @property
    def is_here(self) -> bool:
        return self.host == socket.gethostname()


def place_of(run: Run) -> Place | None:
    """Where a run's supervisor is; None for a run that has none."""
    text = run.data.tags.get(PROCESS_TAG)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Place)
    except msgspec.DecodeError:
        return None


def experiment_id_of(name: str | None, experiment_id: str | None, run_id: str | None = None) -> str:
    """The experiment of a run: the one that is named, created if missing; else the active one. A run that exists has its own.

    Raises NotFound if there is no such run.
    """
    from millstream.tracking import experiments, uris

    if run_id is not None:
        return uris.client().get_run(run_id).info.experiment_id
    if name is not None:
        return uris.recorder().get_or_create_experiment(name).experiment_id
    return str(experiment_id) if experiment_id is not None else experiments.active_experiment_id()


def calling_run_id() -> str | None:
    """The run that this call belongs to: the active one, else the one whose command this process is part of."""
    from millstream.tracking.runs import active_run

    active = active_run()
    return settings.RUN_ID.get() if active is None else active.info.run_id


def create(
    submission: Submission,
    *,
    parent_run_id: str | None,
    run_name: str | None,
    place: Place,
    exists: bool,
    backend: str,
    fingerprint: str,
) -> str:
    """Record a run that begins; its id, which a server of others may have chosen.

    Args:
        exists: the run is there already, made by who sent the project here; it gets what is known now.
        backend: which one will run it.
        fingerprint: see `reuse`; "" if there is none.
    """
    found = {
        **_source_tags(submission),
        **_project_tags(submission, backend),
        PARENT_RUN_TAG: parent_run_id,
        RUN_NAME_TAG: run_name,
        PROCESS_TAG: msgspec.json.encode(place).decode(),
        FINGERPRINT_TAG: fingerprint,
    }
    tags = {name: value for name, value in found.items() if value}
    recorder, client = get_recorder(submission.tracking_uri), client_of(submission.tracking_uri)
    run_id = submission.run_id
    if exists:
        client.update_run(run_id, RunStatus.RUNNING, run_name)
        tags.pop(PARENT_RUN_TAG, None)
        recorder.set_tags(run_id, tags)
    else:
        run = recorder.create_run(submission.experiment_id, run_name or "", tags, user_id=tags[USER_TAG], run_id=run_id)
        run_id = run.info.run_id
    recorder.log_params(run_id, submission.parameters)
    if submission.source.diff:
        _keep(client, run_id, DIFF_ARTIFACT, submission.source.diff)
    return run_id


def _source_tags(submission: Submission) -> dict[str, str | None]:
    source = submission.source
    return {
        USER_TAG: user_name(),
        SOURCE_TYPE_TAG: SourceType.PROJECT.value,
        SOURCE_NAME_TAG: source.name,
        GIT_COMMIT_TAG: source.commit,
        GIT_REPO_URL_TAG: source.repo_url,
        GIT_BRANCH_TAG: source.branch,
    }


def _project_tags(submission: Submission, backend: str) -> dict[str, str | None]:
    return {
        NAME_TAG: submission.project.name,
        ENTRY_POINT_TAG: submission.entry_point,
        ENVIRONMENT_TAG: _environment(submission, backend),
    }


def _environment(submission: Submission, backend: str) -> str | None:
    if submission.project.docker is not None and backend in ("docker", "kubernetes"):
        return "docker"
    manager = submission.environment_manager
    return None if manager == "local" else manager


def note(submission: Submission, **tags: str) -> None:
    """Add to what is recorded, without waiting for the store."""
    get_recorder(submission.tracking_uri).set_tags(submission.run_id, tags)


def variables(submission: Submission) -> dict[str, str]:
    """The environment variables by which the command finds its run."""
    found = {
        "RUN_ID": submission.run_id,
        "TRACKING_URI": submission.tracking_uri,
        "EXPERIMENT_ID": submission.experiment_id,
    }
    return {f"{prefix}_{name}": value for name, value in found.items() for prefix in ("MLFLOW", "MILLSTREAM")}


def client_of(tracking_uri: str) -> MillstreamClient:
    return MillstreamClient(tracking_uri)


def end(tracking_uri: str, run_id: str, status: RunStatus, reason: str = "", printed: Path | None = None) -> RunStatus:
    """End a run, unless its own program has ended it; the status that it has then.

    Waits until the store has all of it. If the store does not answer, the end stays in the journal and is delivered later.

    Args:
        reason: why it has not succeeded.
        printed: folder of `output.Kept`; becomes an artifact.
    """
    recorder, client = get_recorder(tracking_uri), client_of(tracking_uri)
    if printed is not None:
        _keep_output(client, run_id, printed)
    known = _status_now(recorder, client, run_id)
    if known is not None and RunStatus.is_terminated(known):
        return known
    if reason:
        text = reason.encode("utf-8", "replace").decode().replace("\0", "")
        recorder.set_tags(run_id, {ERROR_TAG: text[: checks.MAX_TAG_VALUE]})
    recorder.end_run(run_id, status.value)
    return status


def _status_now(recorder: Recorder, client: MillstreamClient, run_id: str) -> RunStatus | None:
    """The status in the store, once all is there that processes of the run's command have logged and could not deliver.

    None if the store does not answer. Raises NotFound if there is no such run.
    """
    try:
        recorder.flush(run_id, adopt=True)
    except MillstreamError as error:
        logger.warning("Of what run %s has logged, something was refused: %s", run_id, error)
    try:
        return client.get_run(run_id).info.status
    except NotFound:
        raise
    except MillstreamError as error:
        logger.warning("Whether run %s has ended is not known: %s", run_id, error)
        return None


def _keep_output(client: MillstreamClient, run_id: str, printed: Path) -> None:
    try:
        with output.as_file(printed) as file:
            if file is not None:
                client.log_artifact(run_id, str(file), str(Path(output.ARTIFACT).parent))
    except (MillstreamError, OSError) as error:
        logger.warning("The output of run %s could not be kept as an artifact: %s", run_id, error)


def _keep(client: MillstreamClient, run_id: str, name: str, content: bytes) -> None:
    try:
        client.log_stream(run_id, io.BytesIO(content), name)
    except (MillstreamError, OSError) as error:
        logger.warning("%s of run %s could not be kept as an artifact: %s", name, run_id, error)
