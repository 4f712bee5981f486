"""What docs/environments.md says is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from millstream import settings
from millstream.environments.lines import parse
from millstream.environments.preparation import MANAGERS
from millstream.environments.requirements import own_lines

PAGE = (Path(__file__).parents[2] / "docs" / "environments.md").read_text()


def test_the_examples_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "environments.md", "exec"), names)
    listed = re.findall(r"```\n(# millstream.*?)```", PAGE, re.DOTALL)[0].splitlines()
    written = (tmp_path / "prices" / "requirements.txt").read_text().splitlines()
    assert listed[:2] == own_lines() == written[:2]
    assert [line.name for line in parse(listed).lines] == [line.name for line in parse(written).lines]


def test_every_manager_and_setting_of_environments_is_on_the_page() -> None:
    for manager in MANAGERS:
        assert f"| `{manager}`" in PAGE
    for name in (
        "ENV_ROOT", "REQUIREMENTS_INFERENCE_TIMEOUT", "INPUT_EXAMPLE_INFERENCE_TIMEOUT", "REQUIREMENTS_INFERENCE_RAISE_ERRORS",
        "LOCK_MODEL_DEPENDENCIES", "HASH_MODEL_DEPENDENCIES", "CONDA_HOME", "CONDA_CREATE_ENV_CMD",
    ):  # fmt: skip
        assert any(variable in PAGE for variable in settings.SETTINGS[name].variables)
