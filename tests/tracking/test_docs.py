"""The examples of the documentation run, and what it lists is what there is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from millstream import alias

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["tracking.md", "migration.md", "registry.md"])
def test_the_examples_of_a_page_run_one_after_the_other(
    page: str, script: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert blocks
    script("\n".join(blocks))


def test_names_that_are_missing_are_listed_with_the_part_that_brings_them() -> None:
    text = (DOCS / "migration.md").read_text()
    table = text.split("begin -->")[1].split("<!-- names")[0]
    listed = {
        name: part.strip()
        for names, part in re.findall(r"^\| (`.*`) \| (.*) \|$", table, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", names)
    }
    assert listed == alias.LATER
