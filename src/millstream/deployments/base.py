"""What a place to deploy to offers. Plug-ins subclass `BaseDeploymentClient` exactly once."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any

from millstream.errors import Unsupported

Config = dict[str, Any]


class BaseDeploymentClient(abc.ABC):
    """Deployments at one target.

    Configurations are dicts that the target alone understands; on the command line their values are text. What a target does
    not offer raises Unsupported.

    Args:
        target_uri: `scheme` or `scheme:/suffix`.
    """

    def __init__(self, target_uri: str) -> None:
        self.target_uri = target_uri

    # ------------------------------------------------------------ deployments

    @abc.abstractmethod
    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Config | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Deploy a model under a name that is free; a dict with at least `name`."""

    @abc.abstractmethod
    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Config | None = None,
        endpoint: str | None = None,
    ) -> dict[str, Any]:
        """Change model or configuration of a deployment; what is None stays. A dict, with `flavor` if there is one."""

    @abc.abstractmethod
    def delete_deployment(self, name: str, config: Config | None = None, endpoint: str | None = None) -> None:
        """Remove a deployment; one that is not there is no error."""

    @abc.abstractmethod
    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """All deployments (of an endpoint), each a dict with at least `name`."""

    @abc.abstractmethod
    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        """What is known of a deployment, at least `name`."""

    @abc.abstractmethod
    def predict(self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None) -> Any:
        """Predictions of a deployment, or of an endpoint, as a PredictionsResponse."""

    def predict_stream(
        self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Predictions piece by piece."""
        raise _unsupported(self, "predict_stream")

    def explain(self, deployment_name: str | None = None, df: Any = None, endpoint: str | None = None) -> Any:
        """Why a model predicts what it does: one explanation for each row."""
        raise _unsupported(self, "explain")

    # ------------------------------------------------------------ endpoints

    def create_endpoint(self, name: str, config: Config | None = None) -> dict[str, Any]:
        """Make an address that deployments may stand behind; a dict with at least `name`."""
        raise _unsupported(self, "create_endpoint")

    def update_endpoint(self, endpoint: str, config: Config | None = None) -> dict[str, Any]:
        raise _unsupported(self, "update_endpoint")

    def delete_endpoint(self, endpoint: str) -> None:
        raise _unsupported(self, "delete_endpoint")

    def list_endpoints(self) -> list[dict[str, Any]]:
        raise _unsupported(self, "list_endpoints")

    def get_endpoint(self, endpoint: str) -> dict[str, Any]:
        raise _unsupported(self, "get_endpoint")


def _unsupported(client: BaseDeploymentClient, method: str) -> Unsupported:
    return Unsupported(f"The deployment target {client.target_uri!r} does not offer {method}.")
