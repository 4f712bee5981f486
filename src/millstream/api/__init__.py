"""The contract: every endpoint with its types, access right and handler. Importing this package fills `ENDPOINTS`."""

from millstream.api import artifacts, experiments, logged_models, metrics, registry, runs, service, trash, webhooks
from millstream.api.endpoint import ENDPOINTS, Empty, Endpoint

__all__ = [
    "ENDPOINTS",
    "Empty",
    "Endpoint",
    "artifacts",
    "experiments",
    "logged_models",
    "metrics",
    "registry",
    "runs",
    "service",
    "trash",
    "webhooks",
]
