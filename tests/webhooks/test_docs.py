from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from millstream.entities import WEBHOOK_ACTIONS
from millstream.webhooks import payloads

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "webhooks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(BLOCKS)], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "model_version.created PENDING\n"


def test_the_receivers_check_of_the_page_is_right() -> None:
    names: dict[str, object] = {}
    exec(BLOCKS[1], names)
    is_genuine = names["is_genuine"]
    assert callable(is_genuine)
    headers = payloads.headers("id", 1_795_700_151, b"{}", "hush")
    assert is_genuine(headers, b"{}", "hush")
    assert not is_genuine(headers, b"{ }", "hush")
    assert not is_genuine(headers, b"{}", "other")


def test_the_page_names_every_event() -> None:
    table = PAGE.partition("## Events")[2].partition("## What arrives")[0]
    for entity, actions in WEBHOOK_ACTIONS.items():
        assert f"`{entity}.{actions[0]}`" in table
