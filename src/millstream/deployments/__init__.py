"""Deploying models: one interface for every place to deploy to, and this machine as one of them.

    client = get_deploy_client("local")
    client.create_deployment("churn", "models:/churn/Production")
    client.predict("churn", frame).get_predictions()

Places come from plug-ins: see `plugins` for what one has to bring.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from millstream.deployments.base import BaseDeploymentClient
    from millstream.deployments.targets import (
        get_deploy_client,
        get_deployments_target,
        run_local,
        set_deployments_target,
    )
    from millstream.serving.responses import PredictionsResponse

_WHERE = {
    "BaseDeploymentClient": "deployments.base",
    "PredictionsResponse": "serving.responses",
    "get_deploy_client": "deployments.targets",
    "get_deployments_target": "deployments.targets",
    "run_local": "deployments.targets",
    "set_deployments_target": "deployments.targets",
}

__all__ = [
    "BaseDeploymentClient",
    "PredictionsResponse",
    "get_deploy_client",
    "get_deployments_target",
    "run_local",
    "set_deployments_target",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"millstream.{_WHERE[name]}"), name)
