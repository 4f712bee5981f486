"""On Databricks: a one-time run on a new cluster, which unpacks the uploaded project and runs its command there."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from millstream.client import uris
from millstream.entities import RunStatus
from millstream.errors import InvalidProject, InvalidValue
from millstream.projects import commands, output, processes, record
from millstream.projects.backends.container import is_loopback
from millstream.projects.backends.databricks_driver import LAUNCHER, Order
from millstream.projects.backends.databricks_workspace import (
    PLACES,
    DatabricksFailed,
    Workspace,
    check_library,
)
from millstream.projects.packing import pack
from millstream.projects.spec import FILE
from millstream.projects.submission import Submission, SubmittedRun

RUN_PAGE_TAG = "mlflow.databricks.runURL"
RUN_ID_TAG = "mlflow.databricks.shellJobRunID"
JOB_ID_TAG = "mlflow.databricks.shellJobID"
WORKSPACE_TAG = "mlflow.databricks.webappURL"

CANCEL_TIMEOUT_S = 120.0
POLL_S = 10.0
TASK = "project"

_LONGEST_ORDER = 10_000
"""What Databricks takes as the parameters of a task, in bytes of JSON."""


class DatabricksConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The backend's configuration; a cluster's specification alone is taken as `new_cluster`.

    Attributes:
        new_cluster: as Databricks' API has it; secrets of the project's command go into its `spark_env_vars`.
        libraries: to be installed on the cluster, as Databricks' API has them.
        upload_dir: folder below one of `PLACES`; the user's own one in the workspace if None.
        tracking_uri: by which the cluster reaches the tracking server, where that is another address than from here.
        profile: of ~/.databrickscfg.
        timeout_seconds: after which Databricks ends the run.
    """

    new_cluster: dict[str, Any]
    libraries: tuple[dict[str, Any], ...] = ()
    upload_dir: str | None = None
    tracking_uri: str | None = None
    profile: str | None = None
    timeout_seconds: int | None = None


def check(submission: Submission) -> None:
    """Refuse a configuration that starts no new cluster, what that could not run or reach, and a missing SDK or login."""
    config = read_config(submission.config)
    if submission.project.docker is not None:
        raise InvalidProject(
            FILE, "a project with a docker_env has no environment that Databricks can make", "docker_env"
        )
    order_of(submission, config, "")
    check_library()
    Workspace(config.profile)


def submit(submission: Submission) -> SubmittedRun:
    from millstream.environments.own_package import own_wheel

    config = read_config(submission.config)
    workspace = Workspace(config.profile)
    folder = (config.upload_dir or workspace.own_folder()).rstrip("/")
    with tempfile.TemporaryDirectory(prefix="millstream-databricks-") as name:
        scratch = Path(name)
        packed = pack(submission.project.root, scratch)
        archive = f"{folder}/projects/{packed.path.name}"
        if workspace.upload(packed.path, archive):
            output.say(f"Project: uploaded to {archive}.")
        wheel = own_wheel(scratch)
        library = f"{folder}/wheels/{wheel.parent.name}/{wheel.name}"
        workspace.upload(wheel, library)
        launcher = scratch / f"{hashlib.sha256(LAUNCHER.encode()).hexdigest()[:24]}.py"
        launcher.write_text(LAUNCHER, encoding="utf-8")
        python_file = f"{folder}/launchers/{launcher.name}"
        workspace.upload(launcher, python_file)
    order = order_of(submission, config, _on_cluster(archive))
    databricks_run_id = workspace.submit(request_of(submission, config, python_file, library, order))
    processes.watch(submission.run_id, "databricks", {"profile": config.profile, "run_id": databricks_run_id})
    run = OneTimeRun(submission.run_id, workspace, databricks_run_id)
    try:
        page = run.note_where(submission)
    except BaseException:
        run.cancel()  # nobody else will know of it
        raise
    output.say(f"Run {submission.run_id} runs on Databricks: {page}")
    return run


def reopen(run_id: str, handle: Mapping[str, Any]) -> SubmittedRun:
    return OneTimeRun(run_id, Workspace(handle["profile"]), handle["run_id"])


def read_config(given: Mapping[str, Any]) -> DatabricksConfig:
    """Raises InvalidValue for keys that there are not, for no cluster, or for one that exists already."""
    content = dict(given)
    if not content:
        raise InvalidValue(
            "The backend 'databricks' needs the specification of a new cluster as its configuration: --backend-config"
        )
    if "new_cluster" not in content and not content.keys() & set(DatabricksConfig.__struct_fields__):
        content = {"new_cluster": content}
    cluster = content.get("new_cluster")
    if "existing_cluster_id" in content or (isinstance(cluster, dict) and "existing_cluster_id" in cluster):
        raise InvalidValue(
            "'existing_cluster_id' is not supported: a project's run has a cluster of its own. Give 'new_cluster'."
        )
    try:
        config = msgspec.convert(content, DatabricksConfig)
    except msgspec.ValidationError as error:
        keys = ", ".join(DatabricksConfig.__struct_fields__)
        raise InvalidValue(
            f"The configuration of the backend 'databricks' is wrong: {error}. It is a cluster's specification, or has the keys "
            f"{keys}."
        ) from None
    if config.upload_dir is not None and not config.upload_dir.startswith(PLACES):
        raise InvalidValue(f"'upload_dir' is a folder below {', '.join(PLACES)}; {config.upload_dir!r} is none.")
    return config


def order_of(submission: Submission, config: DatabricksConfig, archive: str) -> Order:
    """What the cluster is told to do. Raises InvalidProject, InvalidValue, NotFound for what it could not."""
    uri = _tracking_uri(submission, config)
    variables = record.variables(submission) | {f"{prefix}_TRACKING_URI": uri for prefix in ("MLFLOW", "MILLSTREAM")}
    job = submission.project.databricks_spark_job
    script = (job or {}).get("python_file")
    arguments: list[str] = []
    if script is not None:
        path, root = submission.project.root / script, submission.project.root.resolve()
        if not path.is_file() or not path.resolve().is_relative_to(root):
            raise InvalidProject(
                FILE, f"there is no file {script!r} in the project", "databricks_spark_job.python_file"
            )
        arguments = [str(each) for each in (job or {}).get("parameters") or ()]
        for name, value in submission.parameters.items():
            arguments += [f"--{name}", value]
    else:
        commands.command_of(submission.project, submission.entry_point, submission.parameters)
    order = Order(
        archive=archive,
        run_id=submission.run_id,
        experiment_id=submission.experiment_id,
        tracking_uri=uri,
        variables=variables,
        script=script,
        arguments=tuple(arguments),
        entry_point=submission.entry_point,
        parameters=dict(submission.parameters),
        environment_manager="local" if job is not None else submission.environment_manager,
    )
    if len(msgspec.json.encode(order)) > _LONGEST_ORDER:
        raise InvalidValue(
            f"The parameters are too long for a run of Databricks, which takes {_LONGEST_ORDER} bytes in all. Put them into a file."
        )
    return order


def request_of(
    submission: Submission, config: DatabricksConfig, python_file: str, library: str, order: Order
) -> dict[str, Any]:
    """The body of `runs/submit`."""
    named = (submission.project.databricks_spark_job or {}).get("python_libraries") or ()
    task = {
        "task_key": TASK,
        "new_cluster": config.new_cluster,
        "libraries": [{"whl": library}, *({"pypi": {"package": each}} for each in named), *config.libraries],
        "spark_python_task": {"python_file": python_file, "parameters": [msgspec.json.encode(order).decode()]},
    }
    timeout = {} if config.timeout_seconds is None else {"timeout_seconds": config.timeout_seconds}
    return {
        "run_name": f"Millstream run {submission.run_id}",
        "idempotency_token": secrets.token_hex(16),  # a try whose answer was lost is not a second run
        "tasks": [task],
        **timeout,
    }


class OneTimeRun(SubmittedRun):
    """A run that is a one-time run of Databricks."""

    def __init__(self, run_id: str, workspace: Workspace, databricks_run_id: int) -> None:
        self._run_id = run_id
        self._workspace = workspace
        self._id = databricks_run_id
        self._reason = ""
        self._cancelled = threading.Event()

    @property
    def run_id(self) -> str:
        return self._run_id

    def note_where(self, submission: Submission) -> str:
        """Record where the run is to be seen; the address of its page."""
        state = self._workspace.state(self._id)
        tags = {
            RUN_ID_TAG: str(self._id),
            JOB_ID_TAG: str(state.job_id or ""),
            RUN_PAGE_TAG: state.page,
            WORKSPACE_TAG: self._workspace.host,
        }
        record.note(submission, **tags)
        return state.page

    def wait(self) -> bool:
        said = ""
        while True:
            try:
                state = self._workspace.state(self._id)
            except DatabricksFailed as error:
                if not error.is_passing:
                    raise
                output.say(str(error))
            else:
                if state.life_cycle != said:
                    output.say(f"Run {self._run_id}: {state.life_cycle}. {state.message}".rstrip())
                    said = state.life_cycle
                if state.has_ended:
                    break
            self._cancelled.wait(POLL_S)
        self._reason = (
            ""
            if state.result == "SUCCESS"
            else f"Databricks reports {state.result or state.life_cycle}: {state.message}"
        )
        if state.task_run_id is not None:
            self._show_output(state.task_run_id)
        return state.result == "SUCCESS"

    def get_status(self) -> str:
        state = self._workspace.state(self._id)
        if not state.has_ended:
            is_running = state.life_cycle in ("RUNNING", "TERMINATING")
            return (RunStatus.RUNNING if is_running else RunStatus.SCHEDULED).value
        found = {"SUCCESS": RunStatus.FINISHED, "CANCELED": RunStatus.KILLED}
        return found.get(state.result, RunStatus.FAILED).value

    def cancel(self) -> None:
        """End it. Raises DatabricksFailed if that takes too long."""
        self._workspace.cancel(self._id)
        deadline = time.monotonic() + CANCEL_TIMEOUT_S
        while not self._workspace.state(self._id).has_ended:
            if time.monotonic() > deadline:
                raise DatabricksFailed(
                    f"The run {self._id} is being cancelled", f"it goes on after {CANCEL_TIMEOUT_S:g} s"
                )
            time.sleep(min(POLL_S, 1.0))
        self._cancelled.set()

    @property
    def reason(self) -> str:
        return self._reason

    def _show_output(self, task_run_id: int) -> None:
        """Show what the task has printed; that there is none is no failure of the run."""
        try:
            logs, error = self._workspace.output(task_run_id)
        except DatabricksFailed as failure:
            output.say(f"The output is not shown. {failure}")
            return
        if error:
            self._reason = f"{self._reason} {error}".strip()
        supervisor = processes.supervised(self._run_id)
        if supervisor is not None and logs:
            supervisor.show(logs.encode())


def _tracking_uri(submission: Submission, config: DatabricksConfig) -> str:
    """The tracking URI for the cluster. Raises InvalidValue if it is a place of this machine."""
    found = config.tracking_uri or submission.tracking_uri
    if not uris.is_http(found) or is_loopback(found):
        raise InvalidValue(
            f"A cluster of Databricks cannot reach the tracking store {uris.redact(found)!r}. Use a server, or give the address by "
            "which it is reached from there as 'tracking_uri' in the backend's configuration."
        )
    return found


def _on_cluster(path: str) -> str:
    """The path of an uploaded file for programs on the cluster."""
    return f"/dbfs/{path.removeprefix('dbfs:/')}" if path.startswith("dbfs:/") else path
