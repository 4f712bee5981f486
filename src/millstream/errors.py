"""Every error a user can meet: its class, its HTTP status and its name on the wire.

A class says what kind of error it is; its constructor takes the values and writes the sentence; the sentence says
what to do. The server turns a `MillstreamError` into the answer, the client raises the same family again, so
`except NotFound` works locally and remotely. Anything else that escapes is a bug.

MLflow code catches `MlflowException`: that name is an alias of `MillstreamError` (see `millstream.exceptions`).
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

STATUS_BY_CODE: dict[str, int] = {
    "INVALID_PARAMETER_VALUE": 400,
    "BAD_REQUEST": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "CUSTOMER_UNAUTHORIZED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "NOT_FOUND": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408,
    "ALREADY_EXISTS": 409,
    "RESOURCE_CONFLICT": 409,
    "ABORTED": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_EXHAUSTED": 429,
    "HEADERS_TOO_LARGE": 431,
    "CANCELLED": 499,
    "INTERNAL_ERROR": 500,
    "DATA_LOSS": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Wire code to HTTP status, as MLflow clients expect them. A name that is not listed is a 500."""


class MillstreamError(Exception):
    """Base of all errors of Millstream; also `MlflowException`.

    Args:
        message: one sentence for the person who reads it, with what to do.
        error_code: a name of `STATUS_BY_CODE`; None takes the class's own.
        json_kwargs: further fields for the JSON form.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(self, message: object, error_code: str | None = None, **json_kwargs: Any) -> None:
        super().__init__(str(message))
        self.message = str(message)
        self.error_code = error_code if error_code is not None else self.code
        self.json_kwargs = json_kwargs

    @property
    def status(self) -> int:
        """The HTTP status of `error_code`."""
        return STATUS_BY_CODE.get(self.error_code, 500)

    def get_http_status_code(self) -> int:
        return self.status

    def serialize_as_json(self) -> str:
        return json.dumps({"error_code": self.error_code, "message": self.message, **self.json_kwargs})

    @classmethod
    def invalid_parameter_value(cls, message: str, **json_kwargs: Any) -> MillstreamError:
        """MLflow's shorthand for an `INVALID_PARAMETER_VALUE` error."""
        return InvalidValue(message, **json_kwargs)


class InvalidValue(MillstreamError):
    """The request itself is wrong; sending it again will fail again."""

    code = "INVALID_PARAMETER_VALUE"


class BadRequest(MillstreamError):
    code = "BAD_REQUEST"


class NotFound(MillstreamError):
    code = "RESOURCE_DOES_NOT_EXIST"


class AlreadyExists(MillstreamError):
    code = "RESOURCE_ALREADY_EXISTS"


class PermissionDenied(MillstreamError):
    code = "PERMISSION_DENIED"


class Unauthenticated(MillstreamError):
    code = "UNAUTHENTICATED"


class EndpointNotFound(MillstreamError):
    code = "ENDPOINT_NOT_FOUND"


class MethodNotAllowed(MillstreamError):
    code = "METHOD_NOT_ALLOWED"


class PayloadTooLarge(MillstreamError):
    code = "PAYLOAD_TOO_LARGE"


class HeadersTooLarge(MillstreamError):
    code = "HEADERS_TOO_LARGE"


class Overloaded(MillstreamError):
    """The server is too busy; the same request may work later (`Retry-After`)."""

    code = "REQUEST_LIMIT_EXCEEDED"


class Unavailable(MillstreamError):
    """The server, its database or its disk cannot take the request now; it may later (`Retry-After`)."""

    code = "TEMPORARILY_UNAVAILABLE"


class Unsupported(MillstreamError):
    code = "NOT_IMPLEMENTED"


class InvalidState(MillstreamError):
    """The object is in a stage that forbids the request (a client-side mistake, hence never a 5xx here)."""

    code = "INVALID_PARAMETER_VALUE"


class StoreError(MillstreamError):
    """The database refused something that no request should be able to cause."""

    code = "INTERNAL_ERROR"


class RunNotFound(NotFound):
    def __init__(self, run_id: str) -> None:
        super().__init__(f"No run {run_id!r}. `search_runs` lists the runs there are.")


class RunDeleted(InvalidValue):
    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id!r} is deleted, so nothing can be written to it. Restore it first.")


class ExperimentNotFound(NotFound):
    def __init__(self, experiment_id: str) -> None:
        super().__init__(f"No experiment with id {experiment_id!r}. `search_experiments` lists those there are.")


class ExperimentNameNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"No experiment is named {name!r}. `search_experiments` lists those there are.")


class ExperimentDeleted(InvalidValue):
    def __init__(self, experiment_id: str) -> None:
        super().__init__(f"Experiment {experiment_id!r} is deleted. Restore it first, or choose another.")


class ExperimentExists(AlreadyExists):
    def __init__(self, name: str, deleted: bool = False) -> None:
        hint = (
            "It is deleted: restore it or remove it for good with `millstream gc`."
            if deleted
            else "Choose another name."
        )
        super().__init__(f"An experiment named {name!r} exists already. {hint}")


class ParamChanged(InvalidValue):
    def __init__(self, run_id: str, key: str, old: str, new: str) -> None:
        super().__init__(
            f"Param {key!r} of run {run_id!r} is {old!r} and cannot become {new!r}: params are written once. "
            "Log the new value under another key, or start another run."
        )


class LoggedModelNotFound(NotFound):
    def __init__(self, model_id: str) -> None:
        super().__init__(f"No logged model {model_id!r}. `search_logged_models` lists those there are.")


class RegisteredModelNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"No registered model {name!r}. `search_registered_models` lists those there are.")


class RegisteredModelExists(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"A registered model named {name!r} exists already. Add a version to it, or choose another name."
        )


class ModelVersionNotFound(NotFound):
    def __init__(self, name: str, version: object) -> None:
        super().__init__(
            f"Registered model {name!r} has no version {version}. `search_model_versions` lists those there are."
        )


class AliasNotFound(InvalidValue):
    """Not a NotFound: MLflow answers 400 here, and its clients count on it."""

    def __init__(self, name: str, alias: str) -> None:
        super().__init__(f"Registered model {name!r} has no alias {alias!r}. `get_registered_model` shows its aliases.")


class SourceRefused(InvalidValue):
    """A version would lead the server, or whoever loads it, to files that are not those of the named run or model."""

    def __init__(self, source: str, reason: str) -> None:
        shown = re.sub("//[^/@]*@", "//…@", source[:200])  # without credentials
        super().__init__(f"The source {shown!r} cannot be registered: {reason}")


class WebhookNotFound(NotFound):
    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"No webhook {webhook_id[:100]!r}. `list_webhooks` lists those there are.")


class WebhookUrlRefused(InvalidValue):
    """The server will not send anything there."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The webhook's url is refused: {reason}")


class TagNotFound(NotFound):
    def __init__(self, key: str, owner: str) -> None:
        super().__init__(f"{owner} has no tag {key!r}.")


class ArtifactNotFound(NotFound):
    def __init__(self, path: str) -> None:
        super().__init__(f"No artifact at {path!r}. `list_artifacts` shows what is there.")


class LocalFileNotFound(InvalidValue, FileNotFoundError):
    """A file to be logged is not there; also the built-in error, which is what MLflow raises."""

    def __init__(self, path: str) -> None:
        super().__init__(f"There is no file or folder {path!r}.")
        self.errno = errno.ENOENT


class MissingLibrary(MillstreamError):
    """A library that only this call needs is not installed; the message carries its install line."""

    code = "INVALID_PARAMETER_VALUE"

    def __init__(self, package: str, purpose: str, install: str | None = None) -> None:
        super().__init__(f"{purpose} needs the package {package!r}. Install it: pip install {install or package}")


class ExclusiveArguments(InvalidValue, ValueError):
    """More than one of several arguments that exclude each other; also the built-in error, which is what MLflow raises."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"Give at most one of {', '.join(names)}.")


class InvalidRequirement(InvalidValue):
    """A requirement line that no environment is made from."""

    def __init__(self, text: str, reason: str, origin: str = "") -> None:
        where = f" ({origin})" if origin else ""
        sentence = f"The requirement {text[:300]!r}{where} is refused: {reason}."
        super().__init__(re.sub(r"//[^/@\s]*@", "//***@", sentence))  # credentials in a URL


class RequirementConflict(InvalidValue):
    def __init__(self, first: str, first_origin: str, second: str, second_origin: str) -> None:
        super().__init__(
            f"{first!r} ({first_origin}) and {second!r} ({second_origin}) cannot both be met. Change one of them, or "
            "give the whole list as pip_requirements."
        )


class InvalidProject(InvalidValue):
    """A project's `MLproject` file, or what it names, is not as the format wants it.

    Args:
        file: the file, as it is to be shown.
        reason: what is wrong and what to do, without the full stop.
        key: the key it is about, with the keys above it: `entry_points.main.command`.
        line: where, from 1.
    """

    def __init__(self, file: str, reason: str, key: str | None = None, line: int | None = None) -> None:
        place = [file, *([f"line {line}"] if line is not None else []), *([f"key {key!r}"] if key else [])]
        super().__init__(f"{', '.join(place)}: {reason}.")
        self.file, self.key, self.line = file, key, line


class InvalidProjectParameter(InvalidValue):
    """A parameter of a project's entry point that is missing, or whose value cannot be used."""


class ProjectNotFetched(MillstreamError):
    """A project's files could not be brought here; nothing of them is kept."""

    code = "INVALID_STATE"

    def __init__(self, uri: str, reason: str) -> None:
        sentence = f"The project {uri[:300]!r} cannot be fetched: {reason.strip()}"
        super().__init__(re.sub(r"//[^/@\s]*@", "//***@", sentence))  # credentials in a URL


class EnvironmentFailed(MillstreamError):
    """An environment could not be made; nothing of it is kept."""

    code = "INVALID_STATE"

    def __init__(self, what: str, output: str) -> None:
        super().__init__(f"{what}:\n{output.strip()[-3000:]}" if output.strip() else what)


class ServerUnreachable(MillstreamError):
    """No answer came from the tracking server."""

    code = "TEMPORARILY_UNAVAILABLE"

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(
            f"The tracking server at {uri} does not answer ({reason}). Check the address and that it runs."
        )


class Offline(MillstreamError):
    """Only the server could answer, and the user said not to ask it."""

    code = "INVALID_STATE"

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"MILLSTREAM_OFFLINE is set, so the server at {uri} is not asked. Runs with their params, metrics, tags and artifacts "
            "are kept and sent by `millstream sync`; unset it for everything else."
        )


def from_wire(status: int, error_code: str | None, message: str) -> MillstreamError:
    """The error of an answer: the class that names its code, so that `except NotFound` works over HTTP.

    Args:
        status: HTTP status of the answer.
        error_code: the body's `error_code`; None when the body was not JSON (a 404 then means an unknown endpoint).
        message: the body's `message` or its text.
    """
    code = error_code or _DEFAULT_CODE.get(status, "INTERNAL_ERROR")
    cls = _CLASS_BY_CODE.get(code, MillstreamError)
    error = cls.__new__(cls)
    MillstreamError.__init__(error, message, code)
    return error


_DEFAULT_CODE = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "DEADLINE_EXCEEDED",
    409: "RESOURCE_CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    429: "REQUEST_LIMIT_EXCEEDED",
    431: "HEADERS_TOO_LARGE",
    501: "NOT_IMPLEMENTED",
    502: "TEMPORARILY_UNAVAILABLE",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CLASS_BY_CODE: dict[str, type[MillstreamError]] = {
    cls.code: cls
    for cls in (
        InvalidValue, BadRequest, NotFound, AlreadyExists, PermissionDenied, Unauthenticated, EndpointNotFound,
        MethodNotAllowed, PayloadTooLarge, HeadersTooLarge, Overloaded, Unavailable, Unsupported,
    )
}  # fmt: skip
