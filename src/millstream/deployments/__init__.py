"""Deploying models: one interface for every place to deploy to, and this machine as one of them.

    client = get_deploy_client("local")
    client.create_deployment("churn", "models:/churn/Production")
    client.predict("churn", frame).get_predictions()

Places come from plug-ins: see `plugins` for what one has to bring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from millstream import lazy

if TYPE_CHECKING:
    from millstream.deployments.base import BaseDeploymentClient as BaseDeploymentClient
    from millstream.deployments.targets import get_deploy_client as get_deploy_client
    from millstream.deployments.targets import get_deployments_target as get_deployments_target
    from millstream.deployments.targets import run_local as run_local
    from millstream.deployments.targets import set_deployments_target as set_deployments_target
    from millstream.serving.responses import PredictionsResponse as PredictionsResponse

__getattr__, __dir__, __all__ = lazy.names(
    __name__,
    {
        "deployments.base": "BaseDeploymentClient",
        "deployments.targets": "get_deploy_client get_deployments_target run_local set_deployments_target",
        "serving.responses": "PredictionsResponse",
    },
)
