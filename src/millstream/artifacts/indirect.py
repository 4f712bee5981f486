"""`runs:/<run id>/<path>` and `models:/…`: names of artifacts that a client looks up."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from millstream.artifacts import model_uris, paths
from millstream.artifacts.paths import ArtifactPath
from millstream.artifacts.repository import Repository, open_repository
from millstream.entities import LoggedModel, Run
from millstream.errors import InvalidValue, MillstreamError


class RunArtifact(Struct, frozen=True):
    """What `runs:/<run id>/<path>` means: where it is, and the logged model that it is part of, if any."""

    uri: str
    run_id: str
    model: LoggedModel | None = None
    path: str = ""  # below the model, or below the run


def open_run(uri: str, tracking_uri: str | None, client: Any) -> Repository:
    """The repository of `runs:/<run id>` or of a folder below it."""
    return open_repository(find_in_run(uri, tracking_uri, client).uri, tracking_uri)


def find_in_run(uri: str, tracking_uri: str | None = None, client: Any = None) -> RunArtifact:
    """Look up `runs:/<run id>/<path>`.

    A first folder that the run itself does not have, but that is the name of a model which the run logged, is that model.
    """
    segments = _segments(uri)
    if not segments:
        raise InvalidValue(f"{uri!r} must be runs:/<run id>/<path>.")
    client = client or _client(tracking_uri)
    run: Run = client.get_run(segments[0])
    run_id, root = run.info.run_id, run.info.artifact_uri
    if not root:
        raise InvalidValue(f"Run {segments[0]!r} has no artifact location.")
    path = paths.check_folder("/".join(segments[1:]))
    if path:
        model = _logged_model(run, segments[1], client)
        if model is not None and not _has(open_repository(root, tracking_uri), ArtifactPath(segments[1])):
            rest = paths.check_folder("/".join(segments[2:]))
            return RunArtifact(below(model.info.artifact_uri, rest), run_id, model, rest)
    return RunArtifact(below(root, path), run_id, path=path)


def open_model(uri: str, tracking_uri: str | None, client: Any) -> Repository:
    """The repository of a `models:/` URI (see `model_uris`), or of a folder below it."""
    named = model_uris.parse(uri)
    client = client or _client(tracking_uri)
    if named.model_id:
        root = client.get_logged_model(named.model_id).info.artifact_uri
    else:
        version = model_uris.find_version(named, client)
        root = client.get_model_version_download_uri(version.name, version.version)
    path = paths.check_folder(named.path.strip("/"))
    return open_repository(below(root, path), tracking_uri)


def below(root: str, path: ArtifactPath) -> str:
    """The URI of a path below a root URI; a query of the root stays behind the path."""
    if not path:
        return root
    head, mark, query = root.partition("?")
    return f"{head.rstrip('/')}/{path}{mark}{query}"


def _segments(uri: str) -> list[str]:
    scheme, _, rest = uri.partition(":")
    if rest.startswith("//"):
        raise InvalidValue(f"{uri!r} must begin with {scheme}:/ (one slash).")
    path = paths.check_folder(rest.strip("/"))  # not split as a URI: a file may have ? and # in its name
    return path.split("/") if path else []


def _logged_model(run: Run, name: str, client: Any) -> LoggedModel | None:
    for output in run.outputs.model_outputs if run.outputs else ():
        model: LoggedModel = client.get_logged_model(output.model_id)
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
