"""Print the parts of the documentation that the code says already: `make docs`. A test fails when they are out of date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from millstream.api import ENDPOINTS, Endpoint
from millstream.settings import SETTINGS, Setting

HERE = Path(__file__).resolve().parent


def settings_page() -> str:
    """docs/settings.md: the table of settings."""
    rows = [
        "# Settings",
        "",
        "Made from `millstream/settings.py` by `make docs`. The first variable that is set wins; an option on the command line",
        "wins over both.",
        "",
        "| Variables | Kind | Default | Meaning |",
        "|---|---|---|---|",
    ]
    rows += [_row(setting) for setting in SETTINGS.values()]
    return "\n".join(rows) + "\n"


def _row(setting: Setting[object]) -> str:
    variables = "<br>".join(f"`{name}`" for name in setting.variables)
    default = "" if setting.default is None else f"`{setting.default}`"
    return f"| {variables} | {setting.kind} | {default} | {setting.doc} |"


def api_page() -> str:
    """docs/api.md: the table of endpoints."""
    rows = [
        "# REST API",
        "",
        "Made from the endpoint table in `millstream/api/` by `make docs`. The same table makes the server's routes, the client's",
        "calls and `/openapi.json`, which has every field. Paths below are the canonical ones; most also answer below",
        "`/ajax-api/` in place of `/api/`. A field in **bold** must be given. How values travel is in [server.md](server.md).",
    ]
    areas: dict[str, list[Endpoint[Any, Any]]] = {}
    for row in ENDPOINTS.values():
        areas.setdefault(row.name.partition(".")[0], []).append(row)
    for area, endpoints in areas.items():
        rows += [
            "",
            f"## {area.replace('_', ' ').capitalize()}",
            "",
            "| Call | Fields | Right | What it does |",
            "|---|---|---|---|",
        ]
        rows += [_endpoint_row(row) for row in endpoints]
    return "\n".join(rows) + "\n"


def _endpoint_row(row: Endpoint[Any, Any]) -> str:
    names, defaults = row.request.__struct_encode_fields__, row.request.__struct_defaults__
    required = len(names) - len(defaults)
    fields = ", ".join(f"**{name}**" if i < required else name for i, name in enumerate(names))
    verbs = "&#124;".join(row.verbs)
    return f"| `{row.paths[0]}`<br>{verbs} | {fields} | {row.access} | {row.doc.splitlines()[0]} |"


def flavors_page() -> str:
    """docs/flavors.md, with its table of models in place of the one that is there."""
    start, end = "tests/models/flavors/cases.py and the flavors' own facts -->\n", "<!-- end of flavors -->"
    page = (HERE / "flavors.md").read_text(encoding="utf-8")
    head, _, rest = page.partition(start)
    return head + start + "\n".join(_flavor_rows()) + "\n" + end + rest.partition(end)[2]


def _flavor_rows() -> list[str]:
    from millstream.autologging.libraries import LIBRARIES
    from millstream.models.flavors import flavor
    from tests.models.flavors.cases import CASES

    rows = [
        "",
        "| Model | Flavor | Library, made for | Files | Loads | As a function | Autologging | MLflow that reads it |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES.values():
        if case.flavor == "python_function":
            library, logs = "any Python code", ""
        else:
            facts = flavor(case.flavor)
            library = f"{facts.install or facts.package} {facts.tested}"
            logs = ", ".join(LIBRARIES[case.flavor].packages) if case.flavor in LIBRARIES else ""
        files = ", ".join(f"`{name}`" for name in case.files)
        loads = "on trust" if case.needs_trust else "without trust"
        readers = "3.17, 2.22" if case.old else "3.17"
        function = "yes" if case.has_function else "no"
        rows.append(
            f"| {case.name} | `{case.flavor}` | {library} | {files} | {loads} | {function} | {logs} | {readers} |"
        )
    return [*rows, ""]


PAGES = {"settings.md": settings_page, "api.md": api_page, "flavors.md": flavors_page}


def main() -> None:
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
    sys.stdout.write(f"Wrote {', '.join(PAGES)}.\n")


if __name__ == "__main__":
    main()
