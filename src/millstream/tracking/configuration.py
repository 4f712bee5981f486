"""Switches of the fluent API, and what `doctor` tells about them."""

from __future__ import annotations

import sys

from millstream import settings
from millstream.errors import InvalidValue, Unsupported
from millstream.tracking import active, uris


def enable_async_logging(enable: bool = True) -> None:
    """Let log calls return something to wait for. Logging never waits for the store in either case."""
    settings.ENABLE_ASYNC_LOGGING.set(enable)
    active.forget_appenders()


def flush(timeout: float | None = None) -> bool:
    """Wait until all that this process logged is stored, uploads included.

    Args:
        timeout: in seconds; the setting FLUSH_TIMEOUT if not given.
    Returns:
        Whether all of it could be delivered in time; what could not stays in the journal and is delivered later.
    Raises:
        MillstreamError: the first error that the server gave for what was logged since the last time.
    """
    from millstream.media.client import uploads

    uploads.flush(timeout=timeout)
    recorders = {id(opened.recorder): opened.recorder for opened in active.all_open()}
    recorder = uris.recorder()
    recorders[id(recorder)] = recorder
    results = [each.flush(None, timeout) for each in recorders.values()]
    return all(results)


def flush_async_logging() -> None:
    """Wait until all that this process logged is stored."""
    flush()


def enable_system_metrics_logging() -> None:
    """Log CPU, memory, disk, network and GPU of the runs that start from now on, here and in child processes."""
    settings.ENABLE_SYSTEM_METRICS_LOGGING.set(True)


def disable_system_metrics_logging() -> None:
    settings.ENABLE_SYSTEM_METRICS_LOGGING.set(False)


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Sample every `interval` seconds; None goes back to the default."""
    if interval is None:
        settings.SYSTEM_METRICS_SAMPLING_INTERVAL.unset()
    elif interval <= 0:
        raise InvalidValue("The interval between samples is a positive number of seconds.")
    else:
        settings.SYSTEM_METRICS_SAMPLING_INTERVAL.set(interval)


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """Log the mean of so many samples as one point; None goes back to the default."""
    if samples is None:
        settings.SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING.unset()
    elif samples < 1:
        raise InvalidValue("At least one sample makes a point.")
    else:
        settings.SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING.set(samples)


def set_system_metrics_node_id(node_id: str | None) -> None:
    """Name this machine: metrics are then called `system/<node_id>/...`; None goes back to `system/...`."""
    if node_id is None:
        settings.SYSTEM_METRICS_NODE_ID.unset()
    else:
        settings.SYSTEM_METRICS_NODE_ID.set(node_id)


def login(backend: str = "databricks", interactive: bool = True) -> None:
    """Kept for compatibility: there is nothing to log in to but a hosted product that is not offered."""
    raise Unsupported(
        f"Logging in to {backend!r} is not offered. For a server with authentication set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
    )


def doctor(mask_envs: bool = False) -> None:
    """Print what a report of a problem should say: system, versions, where is logged to, the variables that are set.

    Passwords and tokens are never printed; `mask_envs` hides the values of all variables.
    """
    from millstream.tracking import diagnosis, experiments

    told = diagnosis.facts(mask_envs)
    try:
        told["Active experiment ID"] = str(experiments.active_experiment_id())
    except Exception as error:  # the report must come out, above all if something is wrong
        told["Active experiment ID"] = f"unknown ({error})"
    run = active.here.top()
    told["Active run ID"] = str(None if run is None else run.run_id)
    told["Active run artifact URI"] = str(None if run is None else run.run.info.artifact_uri)
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in told.items()))
