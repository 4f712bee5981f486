"""Starting and ending runs, and finding those of this thread."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from millstream import settings
from millstream.client import checks
from millstream.client.uris import is_http, redact
from millstream.entities import (
    NOTE_TAG,
    PARENT_RUN_TAG,
    RUN_NAME_TAG,
    LifecycleStage,
    Run,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from millstream.errors import InvalidValue, RunDeleted
from millstream.tracking import active, context, uris
from millstream.tracking.active import ActiveRun, OpenRun, here
from millstream.tracking.experiments import active_experiment_id, chosen_experiment_id


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Start a run, or go on with one, and make it the active run of this thread.

    Args:
        run_id: go on with this run (also `MLFLOW_RUN_ID`, used once): it is RUNNING again, gets `tags` added and `run_name`
            as its name; `experiment_id` does not count.
        experiment_id: where the run belongs; the active experiment if not given.
        run_name: a random one is made if not given.
        nested: whether a run may be active already; that run is the parent.
        parent_run_id: the parent, active or not; must be the active run if there is one.
        tags: beat those of the context (see `millstream.tracking.context`).
        description: Markdown, kept as the tag `mlflow.note.content`.
        log_system_metrics: whether CPU, memory, disk, network and GPU are logged; the setting decides if not given.
    Returns:
        The run, to be used with `with` or ended by `end_run()`.
    Raises:
        Exception: a run is active in this thread and `nested` is False.
        InvalidValue: the run is deleted, belongs to another experiment than `set_experiment` chose, or arguments contradict.
    """
    top = here.top()
    if top is not None and not nested:
        raise Exception(
            f"Run {top.run_id} is already active in this thread. End it with end_run(), or start a run inside of it with "
            "start_run(nested=True)."
        )
    if description is not None and tags is not None and NOTE_TAG in tags:
        raise InvalidValue(f"Give the description either as description= or as the tag {NOTE_TAG!r}.")
    own_tags = {key: str(value) for key, value in (tags or {}).items()}
    if description is not None:
        own_tags[NOTE_TAG] = str(description)
    resumed_id = run_id or settings.RUN_ID.get()
    settings.RUN_ID.unset()
    if resumed_id:
        opened = _resume(resumed_id, run_name, own_tags)
    else:
        opened = _create(experiment_id, run_name, _parent(top, parent_run_id), own_tags)
    active.push(opened)
    wanted = settings.ENABLE_SYSTEM_METRICS_LOGGING.get() if log_system_metrics is None else log_system_metrics
    if wanted:
        try:
            from millstream.tracking.system_metrics import SystemMetrics

            opened.monitor = SystemMetrics(opened.run_id, opened.recorder, opened.client, is_resumed=bool(resumed_id))
            opened.monitor.start()
        except BaseException:
            active.close(active.pop(), RunStatus.FAILED)
            raise
    return opened.run


def _parent(top: OpenRun | None, parent_run_id: str | None) -> str | None:
    if parent_run_id is None:
        return None if top is None else top.run_id
    if top is not None:
        if top.run_id != parent_run_id:
            raise InvalidValue(
                f"The active run is {top.run_id}, so it is the parent of a nested run, not {parent_run_id}. "
                "Leave parent_run_id out, or end the active run first."
            )
        return top.run_id
    parent = uris.client().get_run(parent_run_id)
    if parent.info.lifecycle_stage != LifecycleStage.ACTIVE:
        raise RunDeleted(parent_run_id)
    return parent_run_id


def _as_active(run: Run) -> ActiveRun:
    return ActiveRun(run.info, run.data, run.inputs or RunInputs(), run.outputs or RunOutputs())


def _create(experiment_id: str | None, run_name: str | None, parent: str | None, own_tags: dict[str, str]) -> OpenRun:
    recorder, client = uris.recorder(), uris.client()
    tags = context.resolve_tags(own_tags)
    if parent is not None:
        tags[PARENT_RUN_TAG] = parent
    name = run_name or tags.get(RUN_NAME_TAG) or ""
    if name:
        tags[RUN_NAME_TAG] = name
    run = recorder.create_run(
        str(experiment_id) if experiment_id is not None else active_experiment_id(),
        run_name=name,
        tags=tags,
        user_id=tags.get("mlflow.user", ""),
    )
    if run.info.artifact_uri:  # an offline run has none yet
        client.know_artifact_root(run.info.run_id, run.info.artifact_uri)
    return OpenRun(_as_active(run), client, recorder)


def _resume(run_id: str, run_name: str | None, own_tags: dict[str, str]) -> OpenRun:
    recorder, client = uris.recorder(), uris.client()
    run = client.get_run(run_id)
    if run.info.lifecycle_stage != LifecycleStage.ACTIVE:
        raise RunDeleted(run_id)
    chosen = chosen_experiment_id()
    if chosen is not None and chosen != run.info.experiment_id:
        raise InvalidValue(
            f"Run {run_id} belongs to experiment {run.info.experiment_id}, but experiment {chosen} is active. "
            "Choose the run's experiment with set_experiment first."
        )
    client.update_run(run_id, status=RunStatus.RUNNING.value, name=run_name)
    if own_tags:
        recorder.set_tags(run_id, own_tags)
        recorder.flush(run_id)
    return OpenRun(_as_active(client.get_run(run_id)), client, recorder)


def end_run(status: str = "FINISHED") -> None:
    """End the active run of this thread; nothing happens if there is none.

    Waits until what was logged is stored. Raises what only the server could know of it.
    """
    wanted = checks.status(status)
    settings.RUN_ID.unset()
    if here.stack:
        _end(active.pop(), wanted)


def end_until(run_id: str, status: RunStatus, *, wait: bool = True) -> None:
    """End the runs of this thread that were started inside of a run, and then that run.

    Args:
        wait: until what was logged is stored; else it is delivered in the background, as points of metrics are.
    """
    settings.RUN_ID.unset()
    while here.stack:
        opened = active.pop()
        _end(opened, status, wait)
        if opened.run_id == run_id:
            return


def _end(opened: OpenRun, status: RunStatus, wait: bool = True) -> None:
    try:
        active.close(opened, status, wait=wait)
    finally:
        _print_address(opened)


def _print_address(opened: OpenRun) -> None:
    uri = redact(opened.recorder.tracking_uri)
    if not is_http(uri) or settings.SUPPRESS_PRINTING_URL_TO_STDOUT.get():
        return
    info = opened.run.info
    if opened.recorder.is_offline(info.run_id):
        return  # it has no address yet; where it is kept was said when it was started
    experiment = f"{uri}/#/experiments/{info.experiment_id}"
    sys.stdout.write(
        f"🏃 View run {info.run_name} at: {experiment}/runs/{info.run_id}\n🧪 View experiment at: {experiment}\n"
    )


def active_run() -> ActiveRun | None:
    """The active run of this thread, as it was when it was started."""
    stack = getattr(here, "stack", None)  # destructors ask while the interpreter goes down and `here` is gone
    return stack[-1].run if stack else None


def current() -> OpenRun:
    """The active run of this thread; starts one if there is none."""
    if not here.stack:
        start_run()
    return here.stack[-1]


def last_active_run() -> Run | None:
    """The active run, else the last that ended in this thread, read again."""
    top = here.top()
    run_id = here.last_run_id if top is None else top.run_id
    return None if run_id is None else get_run(run_id)


def get_run(run_id: str) -> Run:
    """The run as it is stored now, with all that this process logged to it before."""
    return uris.client().get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    parent = get_run(run_id).data.tags.get(PARENT_RUN_TAG)
    return None if parent is None else get_run(parent)


def delete_run(run_id: str) -> None:
    """Move a run to the trash."""
    uris.client().delete_run(run_id)


def restore_run(run_id: str) -> None:
    """Take a run out of the trash."""
    uris.client().restore_run(run_id)


def rewind(step: int, keys: list[str] | None = None, run_id: str | None = None) -> int:
    """Delete the points of metrics from a step on, that step included, to train again from a checkpoint.

    Args:
        step: the first step to delete.
        keys: only of these metrics; of all if not given.
        run_id: the active run if not given.
    Returns:
        The number of points deleted.
    """
    opened = None if run_id is not None else current()
    client = uris.client() if opened is None else opened.client
    return client.rewind_run(run_id or current().run_id, step, keys or ())
