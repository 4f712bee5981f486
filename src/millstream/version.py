"""Two numbers: our own version, and the level of the MLflow REST API that we answer."""

VERSION = "0.1.0"
__version__ = VERSION  # read by the build

MLFLOW_API_VERSION = "3.17.2"
"""What `GET /version` answers: MLflow clients parse it to decide which calls they may make."""
