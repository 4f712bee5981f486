"""On Kubernetes: a Job of the user's template that runs the project's command in an image of the project."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from millstream import images
from millstream.client import uris
from millstream.entities import RunStatus
from millstream.errors import InvalidProjectParameter, InvalidValue
from millstream.projects import commands, output, processes, record
from millstream.projects.backends import kube_job, project_image
from millstream.projects.backends.container import is_loopback
from millstream.projects.backends.docker import environment_of
from millstream.projects.backends.kube_cluster import Cluster, KubernetesFailed, check_library
from millstream.projects.backends.kube_output import PodOutput
from millstream.projects.submission import Submission, SubmittedRun

if TYPE_CHECKING:
    from kubernetes.client import V1Job

logger = logging.getLogger("millstream")

CANCEL_TIMEOUT_S = 90.0
"""How long a cancelled job may take to be gone; pods have 30 s to end by default."""

_POLL_S = 1.0
_NAMES = 3
"""How many names are tried for a job."""


def check(submission: Submission) -> None:
    """Refuse a configuration, template or project that no job can be made of, and a missing client, kubeconfig or docker."""
    config = kube_job.read_config(submission.config)
    kube_job.read_template(submission.caller_dir / config.kube_job_template_path, config)
    kube_job.check_project_name(project_image.project_name(submission.project, "its job is named after it"))
    _line(submission)
    tracking_uri(submission)
    environment_of(submission.project.docker)
    check_library()
    Cluster(config.kube_context)
    if config.image is None:
        project_image.docker_environment(submission.project, "kubernetes")
        images.check_auth(submission.docker_auth)
        images.check_engine("Building the image for Kubernetes")


def submit(submission: Submission) -> SubmittedRun:
    config = kube_job.read_config(submission.config)
    template = kube_job.read_template(submission.caller_dir / config.kube_job_template_path, config)
    project_name = project_image.project_name(submission.project, "its job is named after it")
    cluster = Cluster(config.kube_context)
    image = config.image or _pushed(submission, config)
    variables = record.variables(submission) | environment_of(submission.project.docker)
    variables |= {f"{prefix}_TRACKING_URI": tracking_uri(submission) for prefix in ("MLFLOW", "MILLSTREAM")}
    for _ in range(_NAMES):
        name = kube_job.job_name(project_name, datetime.now(UTC))
        job = kube_job.fill(
            template,
            config,
            name=name,
            project_name=project_name,
            run_id=submission.run_id,
            image=image,
            line=_line(submission),
            variables=variables,
        )
        if _create(cluster, template.namespace, job):
            found = (template.namespace, name, project_name)
            processes.watch(submission.run_id, "kubernetes", {"context": config.kube_context, "job": found})
            output.say(f"Run {submission.run_id} is the job {name} in the namespace {template.namespace}.")
            record.note(submission, **{project_image.IMAGE_URI_TAG: image})
            return JobRun(submission.run_id, cluster, *found)
    raise KubernetesFailed("No job can be created", f"the names that were tried, up to {name!r}, are all taken", 409)


def reopen(run_id: str, handle: Mapping[str, Any]) -> SubmittedRun:
    return JobRun(run_id, Cluster(handle["context"]), *handle["job"])


def tracking_uri(submission: Submission) -> str:
    """The tracking URI for the pods. Raises InvalidValue if it is a place of this machine."""
    found = os.environ.get("KUBE_MLFLOW_TRACKING_URI") or submission.tracking_uri
    scheme = uris.scheme_of(found)
    if scheme in ("", "file", "sqlite") or (uris.is_http(found) and is_loopback(found)):
        raise InvalidValue(
            f"Pods cannot reach the tracking store {uris.redact(found)!r}, which is of this machine. Use a server, or set "
            "KUBE_MLFLOW_TRACKING_URI to the address by which pods reach it."
        )
    return found


def _line(submission: Submission) -> str:
    """The command; `path` values are paths in the image, whose working directory is the project."""
    from millstream.artifacts.repository import scheme_of

    entry = submission.project.entry_point(submission.entry_point)
    for parameter in entry.parameters if entry is not None else ():
        if parameter.type == "path" and scheme_of(submission.parameters[parameter.name]):
            raise InvalidProjectParameter(
                f"The parameter {parameter.name!r} is a path, and on Kubernetes nothing downloads what it names. Declare it as "
                "`uri` and let the command download it, or put the data into the image."
            )
    return commands.command_of(submission.project, submission.entry_point, submission.parameters)


def _pushed(submission: Submission, config: kube_job.KubernetesConfig) -> str:
    """Build the project's image and push it."""
    assert config.repository_uri is not None
    with images.logged_in(submission.docker_auth) as login:
        name = project_image.build(submission, config.repository_uri, login)
        reference = images.push(name, login)
        image_id = images.identify(name, login)
    record.note(submission, **{project_image.IMAGE_ID_TAG: image_id})
    return reference


def _create(cluster: Cluster, namespace: str, job: dict[str, object]) -> bool:
    """Create a job; False if its name is another's.

    A try whose answer was lost may have created it: then the next one finds the name taken, by our own job.
    """
    try:
        cluster.create_job(namespace, job)
    except KubernetesFailed as error:
        if error.http_status != 409:
            raise
        metadata = job["metadata"]
        assert isinstance(metadata, dict)
        found = cluster.job(namespace, metadata["name"])
        labels = (found.metadata.labels or {}) if found is not None else {}
        return bool(labels.get(kube_job.RUN_LABEL) == metadata["labels"][kube_job.RUN_LABEL])
    return True


class JobRun(SubmittedRun):
    """A run that is a job of a cluster."""

    def __init__(self, run_id: str, cluster: Cluster, namespace: str, name: str, container: str) -> None:
        self._run_id = run_id
        self._cluster, self._namespace, self._name, self._container = cluster, namespace, name, container
        self._reason = ""
        self._failure = ""

    @property
    def run_id(self) -> str:
        return self._run_id

    def wait(self) -> bool:
        """Show the pods' output until the job has ended."""
        supervisor = processes.supervised(self._run_id)
        show = supervisor.show if supervisor is not None else (lambda data: None)
        pods = PodOutput(self._cluster, self._namespace, self._name, self._container, show)
        pods.start()
        try:
            status = self._ended()
            pods.finish()
        finally:
            pods.abandon()
        self._failure = pods.failure
        return status is RunStatus.FINISHED

    def get_status(self) -> str:
        return self._look(self._cluster.job(self._namespace, self._name)).value

    def cancel(self) -> None:
        """Delete the job, and wait until it and its pods are gone. Raises KubernetesFailed if that takes too long."""
        if self.get_status() in (RunStatus.FINISHED.value, RunStatus.FAILED.value, RunStatus.KILLED.value):
            return
        self._cluster.delete_job(self._namespace, self._name)
        deadline = time.monotonic() + CANCEL_TIMEOUT_S
        while self._cluster.job(self._namespace, self._name) is not None:
            if time.monotonic() > deadline:
                raise KubernetesFailed(
                    f"The job {self._name!r} is being deleted", f"not gone after {CANCEL_TIMEOUT_S:g} s"
                )
            time.sleep(_POLL_S)

    @property
    def reason(self) -> str:
        return " ".join(each for each in (self._failure, self._reason) if each)

    def _ended(self) -> RunStatus:
        for job in self._cluster.changes(self._namespace, self._name):
            status = self._look(job)
            if RunStatus.is_terminated(status):
                return status
        raise AssertionError("changes of a job have no end")

    def _look(self, job: V1Job | None) -> RunStatus:
        """The status that a job says; also why it failed."""
        if job is None:
            self._reason = f"The job {self._name} was deleted."
            return RunStatus.KILLED
        if job.status is None:  # nothing has looked at it yet
            return RunStatus.SCHEDULED
        for condition in job.status.conditions or ():
            if condition.status == "True" and condition.type == "Complete":
                return RunStatus.FINISHED
            if condition.status == "True" and condition.type == "Failed":
                self._reason = f"The job {self._name} failed: {condition.reason}: {condition.message}"
                return RunStatus.FAILED
        return RunStatus.SCHEDULED if job.status.start_time is None else RunStatus.RUNNING
