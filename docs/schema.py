"""Write the schemas of the server's OpenAPI document to a file, for `make ui-types`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from millstream.server import openapi


def main(target: str) -> None:
    document = json.loads(openapi.document())
    Path(target).write_text(json.dumps({**document, "paths": {}}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
