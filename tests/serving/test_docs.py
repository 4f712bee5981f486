"""What docs/serving.md says is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from millstream.cli.models import models
from millstream.serving import create_app
from tests.compat.servers import clean_environment
from tests.serving.conftest import Asker
from tests.serving.test_app import Plain, total
from tests.serving.test_corpus import DIFFERENCES, cases

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def test_the_examples_run(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("body", re.findall(r"^\| `(\{.*\})` \| a frame", PAGE, re.MULTILINE))
def test_each_form_gives_the_same_frame(body: str) -> None:
    assert Asker(create_app(Plain(total))).score(json.loads(body)).predictions == [3.0, 7.0]


def test_the_forms_are_all_listed() -> None:
    assert len(re.findall(r"^\| `(\{.*\})` \| a frame", PAGE, re.MULTILINE)) == 5


def test_the_page_counts_the_corpus() -> None:
    assert f"{len(cases())} requests over all forms" in PAGE
    assert len(DIFFERENCES) == 11, "name the new difference on the page"


def test_every_command_and_every_option_of_ours_is_on_the_page() -> None:
    for name, command in models.commands.items():
        assert f"models {name}" in PAGE or f"`{name} " in PAGE, name
        assert isinstance(command, click.Command)
    ours = (
        "--follow",
        "--batching",
        "--max-batch-rows",
        "--threads",
        "--max-body-bytes",
        "--bare-tokens",
        "--trust",
        "--timeout",
    )
    for option in ours:
        assert option in PAGE, option
