"""`runs:/<run id>/<path>` and `models:/…`: names of artifacts that a client looks up."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from millstream.artifacts import paths
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import MODEL_ID, Repository, open_repository
from millstream.entities import Run
from millstream.errors import InvalidValue, MillstreamError, Unsupported


def open_run(uri: str, tracking_uri: str | None, client: Any) -> Repository:
    """The repository of `runs:/<run id>` or of a folder below it.

    A first folder that the run itself does not have, but that is the name of a model which the run logged, is that model.
    """
    segments = _segments(uri)
    if not segments:
        raise InvalidValue(f"{uri!r} must be runs:/<run id>/<path>.")
    client = client or _client(tracking_uri)
    run: Run = client.get_run(segments[0])
    if not run.info.artifact_uri:
        raise InvalidValue(f"Run {segments[0]!r} has no artifact location.")
    path = paths.check_folder("/".join(segments[1:]))
    repository = open_repository(run.info.artifact_uri, tracking_uri)
    if not path:
        return repository
    model = _logged_model(run, segments[1], client)
    if model is not None and not _has(repository, ArtifactPath(segments[1])):
        rest = paths.check_folder("/".join(segments[2:]))
        return open_repository(below(model.info.artifact_uri, rest), tracking_uri)
    return open_repository(below(run.info.artifact_uri, path), tracking_uri)


def open_model(uri: str, tracking_uri: str | None, client: Any) -> Repository:
    """The repository of `models:/<model id>`, `models:/<name>/<version or stage>` or `models:/<name>@<alias>`."""
    segments = _segments(uri)
    if not segments:
        raise InvalidValue(f"{uri!r} must be models:/<name>/<version>, models:/<name>@<alias> or models:/<model id>.")
    client = client or _client(tracking_uri)
    if MODEL_ID.fullmatch(segments[0]):
        root = client.get_logged_model(segments[0]).info.artifact_uri
        rest = segments[1:]
    else:
        root, rest = _registered(uri, segments, client)
    return open_repository(below(root, paths.check_folder("/".join(rest))), tracking_uri)


def _registered(uri: str, segments: list[str], client: Any) -> tuple[str, list[str]]:
    locate = getattr(client, "get_model_version_download_uri", None)
    if locate is None:
        raise Unsupported(f"{uri!r} is in the model registry, which this version of Millstream does not read yet.")
    name, at, alias = segments[0].partition("@")
    if at:
        found = client.get_model_version_by_alias(name, alias)
        return locate(name, found.version), segments[1:]
    if len(segments) < 2:
        raise InvalidValue(f"{uri!r} names no version: models:/{name}/<version> or models:/{name}@<alias>.")
    version = segments[1]
    if not version.isdigit():
        stages = None if version.lower() == "latest" else [version]
        latest = client.get_latest_versions(name, stages)
        if not latest:
            raise InvalidValue(f"{uri!r}: the model {name!r} has no such version.")
        version = str(max(int(found.version) for found in latest))
    return locate(name, version), segments[2:]


def below(root: str, path: ArtifactPath) -> str:
    """The URI of a path below a root URI; a query of the root stays behind the path."""
    if not path:
        return root
    head, mark, query = root.partition("?")
    return f"{head.rstrip('/')}/{path}{mark}{query}"


def _segments(uri: str) -> list[str]:
    parts = urlsplit(uri)
    if parts.netloc or parts.query or parts.fragment:
        raise InvalidValue(f"{uri!r} must begin with {parts.scheme}:/ (one slash) and have no query.")
    path = paths.check_folder(parts.path.strip("/"))
    return path.split("/") if path else []


def _logged_model(run: Run, name: str, client: Any) -> Any:
    for output in run.outputs.model_outputs if run.outputs else ():
        model = client.get_logged_model(output.model_id)
        if model.name == name:
            return model
    return None


def _has(repository: Repository, path: ArtifactPath) -> bool:
    if repository.list(path):
        return True
    try:
        repository.source(path).close()
    except MillstreamError:
        return False
    return True


def _client(tracking_uri: str | None) -> Any:
    from millstream.client import MillstreamClient

    return MillstreamClient(tracking_uri)
