"""Write the types of the wire that the pages use, from the server's OpenAPI document: `make ui-types`."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import hatch_build

from millstream.server import openapi

QUERIES = Path(__file__).parents[1] / "ui" / "src" / "queries"
TARGET = QUERIES / "schema.ts"
BANNER = "// Made by `make ui-types` from the server's OpenAPI document, with what types.ts names: do not edit.\n"


def generated() -> str:
    """What `schema.ts` has to be. Needs the packages of `ui/`."""
    with tempfile.TemporaryDirectory() as folder:
        document, types = Path(folder, "openapi.json"), Path(folder, "schema.ts")
        document.write_text(json.dumps(_used()), encoding="utf-8")
        hatch_build.npm(
            "exec", "--silent", "--", "openapi-typescript", str(document), "--output", str(types),
            "--alphabetize", "--immutable", "--default-non-nullable=false",
        )  # fmt: skip
        return BANNER + types.read_text(encoding="utf-8")


def _used() -> dict[str, Any]:
    """The document with no paths, and of its schemas those that `types.ts` names and what they are made of."""
    document = json.loads(openapi.document())
    schemas = document["components"]["schemas"]
    names = re.findall(r'Schemas\["(\w+)"\]', (QUERIES / "types.ts").read_text(encoding="utf-8"))
    used: dict[str, Any] = {}
    while names:
        name = names.pop()
        if name not in used:
            used[name] = schemas[name]
            names += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas[name]))
    return {**document, "paths": {}, "components": {"schemas": used}}


if __name__ == "__main__":
    TARGET.write_text(generated(), encoding="utf-8")
