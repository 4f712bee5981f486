"""How commands print: a table for people, JSON for programs (`--json`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What would command the terminal; names and values are text of strangers. New lines and tabs are fine."""

_PIPED_WIDTH = 10_000
"""Columns; a cell that is longer is folded."""

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """Entities, lists and plain values as indented JSON."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_answer(value: Any, sentence: str, as_json: bool) -> None:
    """What a command did: the value for programs, else the sentence, if there is one."""
    if as_json:
        print_json(value)
    elif sentence:
        click.echo(sentence)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """A table on the terminal; values are printed as text, never as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        numeric = bool(rows) and all(isinstance(row[columns.index(column)], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(show(value)) for value in row))
    console = Console()
    if not console.is_terminal:  # piped output is for grep: as wide as it needs to be
        console = Console(width=_PIPED_WIDTH)
    console.print(table)


def show(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def show_time(milliseconds: int | None) -> str:
    """Local time of a timestamp in milliseconds, to the second."""
    if milliseconds is None:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
