"""The official clients and raw requests get from our server what the official server answers, but for named differences.

By default the official answers are those recorded in `golden/`. `--official` runs the official server too, compares with it and
checks the record; `--regenerate` writes the record anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.compat.answers import SCRIPTS, Answers, answers, golden, golden_path
from tests.compat.differences import DIFFERENCES, as_markdown, find
from tests.compat.servers import official_server, our_server


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def is_client(script: str) -> bool:
    """The clients' scripts have webhooks delivered to them; the raw one asks where they may not lead."""
    return SCRIPTS[script] is not None


@pytest.fixture
def official(script: str, tmp_path: Path, request: pytest.FixtureRequest) -> Answers:
    regenerate = request.config.getoption("--regenerate", default=False)
    if not regenerate and not request.config.getoption("--official", default=False):
        return golden(script)
    folder = tmp_path / "official"
    folder.mkdir()
    with official_server(folder, webhooks_at_home=is_client(script)) as server:
        live = answers(script, server.url, folder)
    if regenerate:
        shutil.copyfile(folder / f"{script}.json", golden_path(script))
    assert _changes(live, golden(script)) == [], "the recorded answers are out of date: run with --regenerate"
    return live


def test_answers_are_those_of_the_official_server(script: str, official: Answers, tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    folder.mkdir()
    with our_server(folder, webhooks_at_home=is_client(script)) as server:
        ours = answers(script, server.url, folder)
    changes = _changes(official, ours)
    wrong = [step for step in changes if not _is_allowed(step, official, ours)]
    assert not wrong, f"{len(wrong)} steps:\n" + "\n\n".join(
        _shown(step, official, ours) for step in wrong[:MOST_SHOWN]
    )
    stale = [row.name for row in DIFFERENCES if any(map(row.covers, official)) and not any(map(row.covers, changes))]
    assert not stale, f"answered alike by now, so delete these rows of differences.py: {stale}"


def test_every_named_difference_is_one() -> None:
    steps = {step for script in SCRIPTS for step in golden(script)}
    unused = [row.name for row in DIFFERENCES if not any(row.covers(step) for step in steps)]
    assert not unused, f"no step is covered by {unused}"


def test_the_documentation_lists_every_difference() -> None:
    page = Path(__file__).parents[2] / "docs" / "compatibility.md"
    assert as_markdown() in page.read_text(encoding="utf-8"), "paste what `python -m tests.compat.differences` prints"


MOST_SHOWN = 30


def _changes(one: Answers, other: Answers) -> list[str]:
    return [step for step in {**one, **other} if one.get(step, _ABSENT) != other.get(step, _ABSENT)]


def _is_allowed(step: str, official: Answers, ours: Answers) -> bool:
    row = find(step)
    return row is not None and row.allows(official.get(step, _ABSENT), ours.get(step, _ABSENT))


def _shown(step: str, official: Answers, ours: Answers) -> str:
    text = [json.dumps(side.get(step, _ABSENT), ensure_ascii=False)[:1500] for side in (official, ours)]
    return f"{step}\n  official: {text[0]}\n  ours:     {text[1]}"


_ABSENT: Any = "<no such step>"
