"""`mlflow.version`."""

from millstream.version import MLFLOW_API_VERSION as VERSION

__all__ = ["VERSION"]
