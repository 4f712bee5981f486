"""The OpenAPI document, printed from the endpoint table."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from millstream.api import ENDPOINTS
from millstream.api.endpoint import Endpoint, Stream
from millstream.version import VERSION

_REF = "#/components/schemas/{name}"
_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_CONTENT_TYPES = {
    Stream.DOWNLOAD: "application/octet-stream",
    Stream.ARCHIVE: "application/zip",
    Stream.PAGE: "text/html",
}


@functools.cache
def document() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(describe(ENDPOINTS.values()))


def describe(endpoints: Iterable[Endpoint[Any, Any]]) -> dict[str, Any]:
    """The document of these endpoints."""
    rows = list(endpoints)
    types = list({t: None for row in rows for t in (row.request, row.response) if t is not str})
    refs, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    names = dict(zip(types, refs, strict=True))
    _allow_nan(schemas)
    schemas["Error"] = _ERROR
    paths: dict[str, Any] = {}
    for row in rows:
        for index, path in enumerate(row.paths):
            for verb in row.verbs:
                operation = _operation(row, verb, names, schemas)
                operation["operationId"] = (
                    row.name + (f".{index}" if index else "") + (f".{verb}" if verb != row.verb else "")
                )
                paths.setdefault(re.sub(r"{(\w+):\w+}", r"{\1}", path), {})[verb.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Millstream",
            "version": VERSION,
            "description": "Tracking of machine-learning runs over MLflow's REST API. Metrics' NaN travels as the text \"NaN\".",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _allow_nan(schemas: dict[str, Any]) -> None:
    texts = {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}
    for name in ("Metric", "LogMetric"):
        value = schemas[name]["properties"]["value"]
        schemas[name]["properties"]["value"] = {"anyOf": [value, texts]}


def _operation(row: Endpoint[Any, Any], verb: str, names: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = schemas[names[row.request]["$ref"].rsplit("/", 1)[-1]]
    properties: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    in_path = row.path_params
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {**properties[name], "minLength": 1}}
        for name in in_path
    ]
    operation: dict[str, Any] = {
        "tags": [row.name.split(".")[0]],
        "summary": row.doc.split("\n")[0],
        "x-access": row.access,
        "parameters": parameters,
        "responses": {"200": _answer(row, names), "default": _problem()},
    }
    if verb == "GET" or row.stream is not None:
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": value}
            for name, value in properties.items()
            if name not in in_path
        ]
    else:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(schema, names[row.request], in_path)}},
        }
    if row.stream is Stream.UPLOAD:
        operation["requestBody"] = {"required": True, "content": {"application/octet-stream": _BYTES}}
    return operation


def _body(schema: dict[str, Any], ref: dict[str, Any], in_path: list[str]) -> dict[str, Any]:
    """The body's schema: what stands in the path need not be repeated."""
    if not in_path:
        return ref
    return {
        **schema,
        "required": [name for name in schema.get("required", []) if name not in in_path],
        "properties": {name: value for name, value in schema.get("properties", {}).items() if name not in in_path},
    }


def _answer(row: Endpoint[Any, Any], names: dict[Any, Any]) -> dict[str, Any]:
    if row.stream is Stream.UPLOAD:
        return {"description": "Stored."}
    if row.stream is not None:
        return {"description": "The file.", "content": {_CONTENT_TYPES[row.stream]: _BYTES}}
    return {"description": "Done.", "content": {"application/json": {"schema": names[row.response]}}}


def _problem() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": "Refused or failed; `error_code` says why.", "content": content}
