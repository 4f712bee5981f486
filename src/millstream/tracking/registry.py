"""The model registry in the fluent API: register what was logged, and find it again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from millstream.client.paging import gather
from millstream.entities import MODEL_VERSIONS_TAG, ModelVersion, RegisteredModel
from millstream.tracking import uris

AWAIT_REGISTRATION_S = 300
_MODELS_AT_ONCE = 1000
_VERSIONS_AT_ONCE = 10_000


class _Origin(Struct):
    """What a model URI names, as it is registered; `address` is where the files are, for a registry that knows no runs."""

    source: str
    address: str
    run_id: str | None = None
    model_id: str | None = None


def register_model(
    model_uri: str | os.PathLike[str],
    name: str,
    await_registration_for: float | None = AWAIT_REGISTRATION_S,
    *,
    tags: Mapping[str, Any] | None = None,
    env_pack: Any = None,
) -> ModelVersion:
    """Register a model under a name, which is created if it is missing (and deleted again if the version is refused).

    Args:
        model_uri: `runs:/<run id>/<path or model name>`, `models:/<model id>`, a version of a registered model
            (`models:/<name>/<version>`), or the address of a model's folder. No file is copied.
        await_registration_for: seconds to wait until the version is ready; 0 or None does not wait.
        tags: of the new version.
        env_pack: of the hosted service; ignored.
    """
    client = uris.client()
    origin = _origin_of(os.fspath(model_uri))
    is_elsewhere = client.registry_uri != client.tracking_uri
    with client.registered_model_for_version(name):
        version = client.create_model_version(
            name,
            origin.address if is_elsewhere else origin.source,
            origin.run_id,
            tags,
            await_creation_for=await_registration_for,
            model_id=None if is_elsewhere else origin.model_id,
        )
    if origin.model_id and is_elsewhere:
        _note_on_logged_model(origin.model_id, version)
    return version


def _origin_of(uri: str) -> _Origin:
    from millstream.artifacts import indirect, model_uris
    from millstream.artifacts.repository import scheme_of

    scheme = scheme_of(uri)
    if scheme == "runs":
        client = uris.client()
        found = indirect.find_in_run(uri, uris.get_tracking_uri(), client)
        if found.model is None:
            return _Origin(found.uri, found.uri, found.run_id)
        source = found.uri if found.path else found.model.model_uri
        return _Origin(source, found.uri, found.run_id, found.model.model_id)
    if scheme == "models":
        model_id = model_uris.parse(uri).model_id
        if model_id:
            model = uris.client().get_logged_model(model_id)
            return _Origin(model.model_uri, model.artifact_location, model.source_run_id, model_id)
    source = uri if scheme else os.path.abspath(uri)
    return _Origin(source, source)


def _note_on_logged_model(model_id: str, version: ModelVersion) -> None:
    """Say on a logged model that it was registered, where the registry cannot."""
    client = uris.client()
    known = json.loads(client.get_logged_model(model_id).tags.get(MODEL_VERSIONS_TAG, "[]"))
    known.append({"name": version.name, "version": int(version.version)})
    client.set_logged_model_tags(model_id, {MODEL_VERSIONS_TAG: json.dumps(known)})


def search_registered_models(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[RegisteredModel]:
    """Registered models that match a filter such as `name LIKE 'a%' AND tags.team = 'x'`; all unless `max_results` is given."""
    search = uris.client().search_registered_models
    return gather(lambda size, token: search(filter_string, size, order_by, token), max_results, _MODELS_AT_ONCE)


def search_model_versions(
    max_results: int | None = None, filter_string: str | None = None, order_by: Sequence[str] | None = None
) -> list[ModelVersion]:
    """Versions that match a filter such as `name = 'a' AND version_number > 3`; all unless `max_results` is given."""
    search = uris.client().search_model_versions
    return gather(lambda size, token: search(filter_string, size, order_by, token), max_results, _VERSIONS_AT_ONCE)


def set_model_version_tag(
    name: str, version: str | int | None = None, key: str | None = None, value: Any = None
) -> None:
    """Set a tag of a version."""
    uris.client().set_model_version_tag(name, version, key, value)
