"""`models:/…`: the names under which models are loaded, parsed once.

| form | meaning |
|---|---|
| `models:/<name>/<number>` | a version |
| `models:/<name>/latest` | the version with the highest number |
| `models:/<name>/<stage>` | the newest version in a stage, in any letter case |
| `models:/<name>@<alias>` | the version that an alias means |
| `models:/<model id>` | a logged model |

A path below the model's folder may follow each. A registered model may be named like a logged model's id: `models:/m-…/3`,
`/latest` and the stages mean its versions, never a folder of the logged model.
"""

from __future__ import annotations

import re
from typing import Protocol

from msgspec import Struct

from millstream.entities import ModelVersion, ModelVersionStages
from millstream.errors import InvalidValue, NotFound

MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_MOVING = frozenset({"latest", *(stage.value.lower() for stage in ModelVersionStages)})
FORMS = "models:/<name>/<version>, models:/<name>@<alias> or models:/<model id>"


class ModelUri(Struct, frozen=True):
    """A parsed `models:/` URI: either `model_id` is set, or `name` and one of `alias` and `version`.

    `version` is a number, "latest" or a stage.
    """

    name: str = ""
    version: str = ""
    alias: str = ""
    model_id: str = ""
    path: str = ""


class Registry(Protocol):
    """What looks versions up: a client."""

    def get_model_version(self, name: str, version: str) -> ModelVersion: ...
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion: ...
    def get_latest_versions(self, name: str, stages: list[str] | None = None) -> list[ModelVersion]: ...


def is_model_uri(uri: str) -> bool:
    return uri[:7].lower() == "models:"


def parse(uri: str) -> ModelUri:
    """
    Raises:
        InvalidValue: it is none of the forms, or names another server (`models://…`).
    """
    rest = uri.partition(":")[2]
    if not is_model_uri(uri) or not rest.startswith("/") or rest.startswith("//"):
        raise InvalidValue(f"{uri!r} must be {FORMS}, with one slash.")
    first, _, more = rest[1:].rstrip("/").partition("/")
    name, at, alias = first.rpartition("@")
    if at:
        if not name.strip() or not alias:
            raise InvalidValue(f"{uri!r} must be {FORMS}.")
        return ModelUri(name, alias=alias, path=more)
    version, _, path = more.partition("/")
    if names_logged_model(first, version):
        return ModelUri(model_id=first, path=more)
    if not first.strip():
        raise InvalidValue(f"{uri!r} must be {FORMS}.")
    if not version:
        raise InvalidValue(f"{uri!r} names no version: models:/{first}/<version> or models:/{first}@<alias>.")
    return ModelUri(first, version, path=path)


def names_logged_model(first: str, second: str) -> bool:
    """Whether these are the first segments of a logged model's URI, which has no version behind the id.

    Args:
        second: "" if there is none.
    """
    return MODEL_ID.fullmatch(first) is not None and not (_is_number(second) or second.lower() in _MOVING)


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdigit()


def find_version(uri: ModelUri, registry: Registry) -> ModelVersion:
    """The version of a registered model that a URI means now."""
    if uri.alias:
        return registry.get_model_version_by_alias(uri.name, uri.alias)
    if _is_number(uri.version):
        return registry.get_model_version(uri.name, uri.version)
    is_latest = uri.version.lower() == "latest"
    found = registry.get_latest_versions(uri.name, None if is_latest else [uri.version])
    if not found:
        what = "version" if is_latest else f"version in stage {uri.version!r}"
        raise NotFound(f"The registered model {uri.name!r} has no {what}.")
    return max(found, key=lambda version: int(version.version))
