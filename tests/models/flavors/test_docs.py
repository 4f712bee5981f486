"""What docs/flavors.md says is so: its table is printed from the cases, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import generate

PAGE = (Path(__file__).parents[3] / "docs" / "flavors.md").read_text()


def test_the_table_is_up_to_date() -> None:
    assert generate.flavors_page() == PAGE, "run `make docs`"


def test_the_examples_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 2
    exec("\n".join(blocks), {"__name__": "page"})
