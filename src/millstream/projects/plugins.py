"""Backends that plug-ins bring: entry points of the group `mlflow.project_backend`, which published ones use, or of our own
`millstream.project_backend`.

The entry point's name is the backend's, its value a class (or any callable) that gives an object with

    run(project_uri, entry_point, params, version, backend_config, tracking_uri, experiment_id) -> SubmittedRun

which fetches the project, makes the run and starts it. `backend_config` also holds what the interface has no argument for:
ENV_MANAGER, SYNCHRONOUS, DOCKER_ARGS, STORAGE_DIR, build_image and docker_auth.
"""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue, MillstreamError
from millstream.projects import record
from millstream.projects.backends import BACKENDS
from millstream.projects.submission import SubmittedRun

if TYPE_CHECKING:
    from millstream.projects.running import Request

GROUPS = ("millstream.project_backend", "mlflow.project_backend")


class AbstractBackend(ABC):
    """What a plug-in's class implements; the name that MLflow gives it."""

    @abstractmethod
    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any],
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> SubmittedRun:
        """Start a run of the project, and give it."""


class NoBackend(InvalidValue):
    """Nothing runs projects under a name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no backend {name[:100]!r}. There are: {', '.join(names())}. Install the plug-in for it with pip."
        )


class BrokenBackend(MillstreamError):
    """A plug-in does not bring what the interface asks for."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"The plug-in for the backend {name!r} cannot be used: {reason}")


def names() -> list[str]:
    """All backends that there are."""
    found = {entry.name for group in GROUPS for entry in importlib.metadata.entry_points(group=group)}
    return sorted(found | BACKENDS.keys())


def run(request: Request, tracking_uri: str, synchronous: bool) -> SubmittedRun:
    """Run a project by the plug-in of its backend, and wait for the end if it says how and the caller wants that.

    Raises:
        NoBackend: there is no such plug-in. BrokenBackend: it cannot be imported, or gives no run.
    """
    backend = _load(request.backend)
    config = {
        **request.config,
        "ENV_MANAGER": request.env_manager,
        "SYNCHRONOUS": synchronous,
        "DOCKER_ARGS": request.docker_args,
        "STORAGE_DIR": request.storage_dir,
        "build_image": request.build_image,
        "docker_auth": request.docker_auth,
    }
    submitted = backend.run(
        request.uri,
        request.entry_point,
        request.parameters,
        request.version,
        config,
        tracking_uri,
        record.experiment_id_of(request.experiment_name, request.experiment_id),
    )
    if not all(hasattr(submitted, name) for name in ("run_id", "wait", "get_status", "cancel")):
        raise BrokenBackend(
            request.backend, f"its run() has to give a SubmittedRun, and gave {type(submitted).__name__}."
        )
    found: SubmittedRun = submitted  # its class may be that of the official package
    return found


def _load(name: str) -> Any:
    from millstream.alias import load_with_mlflow

    for group in GROUPS:
        for entry in importlib.metadata.entry_points(group=group, name=name):
            try:
                return load_with_mlflow(entry)()
            except Exception as error:
                raise BrokenBackend(name, f"loading {entry.value} failed: {error}.") from error
    raise NoBackend(name)
