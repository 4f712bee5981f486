"""The examples of docs/pyfunc.md run, one after the other."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "pyfunc.md"


def test_the_examples_run(script: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    shown = script("\n".join(blocks)).stdout
    assert "'python_model.pkl'" in shown or "python_model.pkl' is a pickle" in shown
    assert "['Hello Ada?Hello Ada?', 'Hello Grace?Hello Grace?']" in shown
    assert "['Hello', 'Ada']" in shown
    assert "['HI']" in shown
    assert "Row 0 is no Message: role: Field required." in shown
    assert "[False, True, True]" in shown
