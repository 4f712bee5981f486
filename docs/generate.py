"""Print the parts of the documentation that the code says already: `make docs`. A test fails when they are out of date."""

from __future__ import annotations

import sys
from pathlib import Path

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


PAGES = {"settings.md": settings_page}


def main() -> None:
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
    sys.stdout.write(f"Wrote {', '.join(PAGES)}.\n")


if __name__ == "__main__":
    main()
