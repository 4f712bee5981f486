"""Where to deploy to: by name, as set for this process, or by setting."""

from __future__ import annotations

import logging
from typing import Any

from millstream import settings
from millstream.deployments import plugins
from millstream.deployments.base import BaseDeploymentClient
from millstream.errors import InvalidValue

_logger = logging.getLogger("millstream.deployments")
_target: str | None = None


def set_deployments_target(target: str) -> None:
    """Let `get_deploy_client()` of this process mean this target.

    Raises:
        NoPlugin: nothing deploys to it.
    """
    global _target
    scheme = plugins.scheme_of(target)
    if scheme not in plugins.names():
        raise plugins.NoPlugin(scheme)
    _target = target


def get_deployments_target() -> str:
    """The target in force.

    Raises:
        InvalidValue: none is set.
    """
    target = _target or settings.DEPLOYMENTS_TARGET.get()
    if not target:
        raise InvalidValue(
            "No deployments target is set. Call set_deployments_target(), or set MILLSTREAM_DEPLOYMENTS_TARGET."
        )
    return target


def get_deploy_client(target_uri: str | None = None) -> BaseDeploymentClient | None:
    """A client for a target; without one, for the target in force, and None (and a line in the log) if none is set.

    Raises:
        NoPlugin: nothing deploys there.
    """
    if not target_uri:
        try:
            target_uri = get_deployments_target()
        except InvalidValue as error:
            _logger.info("%s", error.message)
            return None
    return plugins.load(target_uri).client(target_uri)


def run_local(
    target: str, name: str, model_uri: str, flavor: str | None = None, config: dict[str, Any] | None = None
) -> None:
    """Deploy a model on this machine as the target would, to try it out."""
    plugins.load(target).run_local(target, name, model_uri, flavor, config or {})
