"""The names that MLflow code imports from `mlflow.exceptions`."""

from millstream.errors import InvalidValue, MillstreamError, from_wire

MlflowException = MillstreamError
RestException = MillstreamError
ExecutionException = MillstreamError
MissingConfigException = InvalidValue

__all__ = ["ExecutionException", "MissingConfigException", "MlflowException", "RestException", "from_wire"]
