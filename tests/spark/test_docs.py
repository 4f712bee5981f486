"""The examples of docs/spark.md run, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "spark.md").read_text()


def test_the_examples_run(spark: Any, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 2
    exec("\n".join(blocks), {"__name__": "page"})
    assert capsys.readouterr().out.count("estimate") == 3
