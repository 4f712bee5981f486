"""Running projects: a run is made, a backend starts it, and whatever happens it is ended."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, cast

from msgspec import Struct
from msgspec.structs import replace

from millstream.client import checks
from millstream.client.recorder import new_run_id
from millstream.entities import RunStatus
from millstream.errors import ExclusiveArguments, InvalidValue, MillstreamError, NotFound
from millstream.projects import output, processes, record
from millstream.projects.backends import BACKENDS, PREPARING
from millstream.projects.submission import EnvironmentManager, Source, Submission, SubmittedRun

MANAGERS: tuple[EnvironmentManager, ...] = ("uv", "virtualenv", "conda", "local")


class RunFailed(MillstreamError):
    """A project's run was not successful."""

    code = "INVALID_STATE"

    def __init__(self, run_id: str, reason: str, status_name: str) -> None:
        super().__init__(f"Run {run_id} failed. {reason}".rstrip())
        self.run_id = run_id
        self.status_name = status_name


class Backend(Protocol):
    """A module below `backends`."""

    def check(self, submission: Submission) -> None: ...
    def submit(self, submission: Submission) -> SubmittedRun: ...


class Request(Struct, frozen=True, kw_only=True):
    """What a caller asks for: the arguments of `run`, read and with their defaults."""

    uri: str
    entry_point: str
    version: str | None
    parameters: dict[str, Any]
    docker_args: dict[str, Any]
    experiment_name: str | None
    experiment_id: str | None
    backend: str
    config: dict[str, Any]
    storage_dir: str | None
    run_id: str | None
    run_name: str | None
    env_manager: str | None
    build_image: bool
    docker_auth: Mapping[str, str] | None


class Task(Struct, frozen=True, kw_only=True):
    """A run to be made, and all that decides how.

    Attributes:
        submission: its `run_id` is what the run shall have.
        backend: as it is recorded.
        module: of `backends`, by name; a project with a docker environment goes to docker when it is run locally.
        exists: the run is there already.
        fingerprint: see `reuse`; "" if it was not made.
        prefix: put before each line of output that is shown.
        owns_source: whether files that were fetched for it are removed when it has ended.
    """

    submission: Submission
    backend: str
    module: str
    run_name: str | None = None
    parent_run_id: str | None = None
    exists: bool = False
    fingerprint: str = ""
    prefix: str = ""
    owns_source: bool = True


def run(
    uri: str,
    entry_point: str = "main",
    version: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    docker_args: Mapping[str, Any] | None = None,
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    backend: str | None = "local",
    backend_config: Mapping[str, Any] | str | None = None,
    storage_dir: str | None = None,
    synchronous: bool = True,
    run_id: str | None = None,
    run_name: str | None = None,
    env_manager: str | None = None,
    build_image: bool = False,
    docker_auth: Mapping[str, str] | None = None,
    *,
    reuse: bool = False,
) -> SubmittedRun:
    """Run a project as a tracked run.

    Args:
        uri: a folder, a zip file or a git repository; `#sub/folder` at its end is a folder in it.
        entry_point: one that the project declares, or a `.py`, `.sh` or `.R` script in it.
        version: branch, tag or commit of a git repository.
        parameters: by name. Those that the entry point does not declare go to the end of its command as `--name value`.
        docker_args: options of `docker run`; True is a flag.
        experiment_name, experiment_id: at most one; a name that is missing is created. None is the active experiment.
        backend: local, docker, kubernetes, databricks, spark, or a plug-in's name.
        backend_config: a mapping, JSON text, or the path of a file that ends in `.json`.
        storage_dir: where `path` parameters are downloaded to; the system's folder for temporary files if None.
        synchronous: whether to wait for the end. Else a process of its own runs it, and outlives this one.
        run_id: a run that exists already, to go on with.
        run_name: a random one is made if None.
        env_manager: uv, virtualenv, conda or local; None is uv, or virtualenv where there is no uv.
        build_image: build an image with the project's files, where the backend is docker.
        docker_auth: login to the image's registry.
        reuse: if a run of the same code, parameters, inputs and environment has FINISHED in this experiment, give that.
    Returns:
        The run. If one is active in this thread, or this process is part of a run's command, that is its parent.
    Raises:
        RunFailed: it has ended without success (only when synchronous).
        InvalidValue, NotFound, ProjectNotFetched: it cannot be run as asked; no run was made.
        MillstreamError: it could not be started; the run is FAILED, and says why.
    """
    request = request_of(
        uri, entry_point, version, parameters, docker_args, experiment_name, experiment_id, backend, backend_config,
        storage_dir, run_id, run_name, env_manager, build_image, docker_auth,
    )  # fmt: skip
    if request.backend not in BACKENDS:
        from millstream.projects import plugins
        from millstream.tracking.uris import get_tracking_uri

        return plugins.run(request, get_tracking_uri(), synchronous)
    return start(plan(request), synchronous=synchronous, reuse=reuse)


def request_of(
    uri: str,
    entry_point: str = "main",
    version: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    docker_args: Mapping[str, Any] | None = None,
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    backend: str | None = None,
    backend_config: Mapping[str, Any] | str | None = None,
    storage_dir: str | None = None,
    run_id: str | None = None,
    run_name: str | None = None,
    env_manager: str | None = None,
    build_image: bool = False,
    docker_auth: Mapping[str, str] | None = None,
) -> Request:
    """Arguments of `run`, read and with their defaults."""
    if experiment_name is not None and experiment_id is not None:
        raise ExclusiveArguments(["experiment_name", "experiment_id"])
    if parameters is not None and not isinstance(parameters, Mapping):
        raise InvalidValue(f"The parameters are a mapping of names to values, not a {type(parameters).__name__}.")
    return Request(
        uri=uri,
        entry_point=entry_point,
        version=version,
        parameters=dict(parameters or {}),
        docker_args=dict(docker_args or {}),
        experiment_name=experiment_name,
        experiment_id=experiment_id,
        backend=backend or "local",
        config=read_config(backend_config),
        storage_dir=storage_dir,
        run_id=run_id,
        run_name=run_name,
        env_manager=env_manager,
        build_image=build_image,
        docker_auth=docker_auth,
    )


def plan(request: Request) -> Task:
    """Fetch a project and check all that can be checked without a run."""
    from millstream.projects.sources import discard, fetch
    from millstream.tracking.context import without_user_info

    manager = request.env_manager
    if manager is not None and manager not in MANAGERS:
        raise InvalidValue(f"There is no environment manager {manager!r}. They are {', '.join(MANAGERS)}.")
    if not os.path.exists(request.uri):
        output.say(f"Project: fetching {without_user_info(request.uri)} ...")
    source = fetch(request.uri, request.version)
    try:
        return _planned(request, source)
    except BaseException:
        discard(source)
        raise


def _planned(request: Request, source: Source) -> Task:
    from millstream.projects.environment import chosen_manager, spec_of
    from millstream.projects.parameters import complete
    from millstream.projects.spec import read_project
    from millstream.tracking.uris import get_tracking_uri

    project = read_project(source.root)
    is_docker = request.backend == "local" and project.docker is not None and request.env_manager != "local"
    module = "docker" if is_docker else request.backend
    manager = cast("EnvironmentManager | None", request.env_manager)
    if module in PREPARING:
        manager = chosen_manager(manager)
    submission = Submission(
        project=project,
        source=source,
        entry_point=request.entry_point,
        parameters=complete(project.entry_point(request.entry_point), request.parameters),
        run_id=request.run_id or new_run_id(),
        experiment_id="",
        tracking_uri=get_tracking_uri(),
        caller_dir=Path.cwd(),
        environment_manager=manager,
        environment=spec_of(project) if module in PREPARING and manager != "local" else None,
        storage_dir=Path(request.storage_dir) if request.storage_dir else None,
        config=request.config,
        docker_args=request.docker_args,
        docker_auth=request.docker_auth,
        build_image=request.build_image,
        version=request.version,
    )
    task = Task(
        submission=submission,
        backend=request.backend,
        module=module,
        run_name=request.run_name,
        parent_run_id=record.calling_run_id(),
        exists=request.run_id is not None,
    )
    checks.params(submission.parameters)
    _module(task).check(submission)
    experiment_id = record.experiment_id_of(request.experiment_name, request.experiment_id, request.run_id)
    return replace(task, submission=replace(submission, experiment_id=experiment_id))


def start(task: Task, *, synchronous: bool, reuse: bool) -> SubmittedRun:
    """Make a planned run, or find an earlier one that is equal to it."""
    from millstream.projects import reuse as earlier

    task = replace(task, fingerprint=earlier.fingerprint(task, thorough=reuse))
    if reuse:
        found = earlier.find(task)
        if found is not None:
            output.say(f"Run {found.run_id} has done the same; it is reused.")
            _discard(task)
            return found
    if synchronous:
        return run_here(task)
    from millstream.projects import background

    return background.start(task)


def run_here(task: Task, announce: Callable[[str], None] | None = None) -> SubmittedRun:
    """Make a run, wait for its end and record it.

    Args:
        announce: is called with the run's id as soon as the run is sure to be tried: when it is in the store for the local
            backend, when it is submitted for others.
    """
    try:
        return _run_here(task, announce)
    finally:
        _discard(task)


def _run_here(task: Task, announce: Callable[[str], None] | None) -> SubmittedRun:
    submission, module = task.submission, _module(task)
    with supervision(task) as supervisor:
        submitted: SubmittedRun | None = None
        try:
            submission = begin(task, supervisor)
            if announce is not None and task.module == "local":
                announce(submission.run_id)
            submitted = module.submit(submission)
            supervisor.on_cancel(submitted.cancel)
            record.note(submission, **{record.BACKEND_TAG: task.backend})
            if announce is not None and task.module != "local":
                announce(submission.run_id)
            succeeded = submitted.wait()
        except BaseException as error:
            status, reason = (RunStatus.KILLED, "It was cancelled.") if supervisor.is_cancelled else after(error)
            try:
                (submitted or supervisor).cancel()
            except MillstreamError as failed:  # must not hide the first error, nor keep the run from its end
                reason = f"{reason} What was started could not be cancelled: {failed.message}"
            end_after_error(submission, supervisor, status, reason)
            raise
        status = _status(submitted, succeeded, supervisor.is_cancelled)
        reason = submitted.reason or f"The backend {task.backend} reports {status}."
        ended = end(submission, supervisor, status, "" if succeeded else reason)
    output.say(f"Run {submission.run_id}: {ended.value}.")
    if not succeeded:
        raise RunFailed(submission.run_id, reason, status.value)
    return submitted


def supervision(task: Task) -> AbstractContextManager[processes.Supervisor]:
    """A supervisor for a task's run; see `processes.supervision`."""
    submission = task.submission
    temporary = submission.source.temporary if task.owns_source else None
    return processes.supervision(submission.run_id, submission.tracking_uri, task.parent_run_id, temporary, task.prefix)


def begin(task: Task, supervisor: processes.Supervisor) -> Submission:
    """Record that a task's run begins; the submission with the id that the run has."""
    submission = task.submission
    run_id = record.create(
        submission,
        parent_run_id=task.parent_run_id,
        run_name=task.run_name,
        place=record.Place.of(supervisor.process),
        exists=task.exists,
        backend=task.module,
        fingerprint=task.fingerprint,
    )
    if run_id != submission.run_id:
        supervisor.rename(run_id)
    return replace(submission, run_id=run_id)


def end(submission: Submission, supervisor: processes.Supervisor, status: RunStatus, reason: str) -> RunStatus:
    supervisor.output.close()
    ended = record.end(submission.tracking_uri, submission.run_id, status, reason, supervisor.output.folder)
    supervisor.done()
    return ended


def end_after_error(submission: Submission, supervisor: processes.Supervisor, status: RunStatus, reason: str) -> None:
    """As `end`, but nothing is raised that would hide the error."""
    try:
        end(submission, supervisor, status, reason)
    except NotFound:  # it is the run's creation that has failed
        supervisor.done()
    except MillstreamError as failed:
        output.say(f"Run {submission.run_id} could not be ended: {failed.message}")


def after(error: BaseException) -> tuple[RunStatus, str]:
    """How a run ends that an error left, and why."""
    if isinstance(error, SystemExit):  # the process was told to end
        return RunStatus.KILLED, "The process that ran it was told to end."
    if isinstance(error, processes.Cancelled):
        return RunStatus.KILLED, "It was cancelled."
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.FAILED, "It was interrupted."
    if isinstance(error, MillstreamError):
        return RunStatus.FAILED, error.message
    return RunStatus.FAILED, f"{type(error).__name__}: {error}"


def _discard(task: Task) -> None:
    """Remove the project's files, if they were fetched for this run alone."""
    from millstream.projects.sources import discard

    if task.owns_source:
        discard(task.submission.source)


def _status(submitted: SubmittedRun, succeeded: bool, is_cancelled: bool) -> RunStatus:
    if succeeded:
        return RunStatus.FINISHED
    is_killed = is_cancelled or submitted.get_status() == RunStatus.KILLED.value
    return RunStatus.KILLED if is_killed else RunStatus.FAILED


def read_config(given: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """A backend's configuration as a mapping. Raises InvalidValue if it is none."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    text, what = given, "The backend's configuration"
    if given.endswith(".json"):
        what = f"The backend's configuration {given!r}"
        try:
            text = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidValue(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidValue(f"{what} is neither JSON nor the path of a file that ends in .json: {error}.") from None
    if not isinstance(content, dict):
        raise InvalidValue(f"{what} must be a JSON object.")
    return content


def _module(task: Task) -> Backend:
    return cast(Backend, importlib.import_module(BACKENDS[task.module]))
