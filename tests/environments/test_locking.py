"""Locked requirements: all that they require in turn, each at one version, with hashes if asked for."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from millstream.environments import EnvironmentSpec, Requirements, prepare, write_environment
from millstream.environments.locking import lock
from millstream.environments.requirements import own_lines
from millstream.errors import EnvironmentFailed

Wheels = Callable[..., list[str]]


@pytest.fixture
def given(wheels: Wheels) -> Requirements:
    wheels("beta==1.5")
    wheels("beta==2.0")
    options = wheels("alpha==1.0", requires="beta")[:2]
    return Requirements.resolve(pip_requirements=[*options, "alpha"])


def test_a_lock_names_what_is_required_in_turn(given: Requirements) -> None:
    options = list(given.lines[2:4])
    assert lock(given).lines == (*own_lines(), *options, "# alpha", "alpha==1.0", "beta==2.0")
    limited = Requirements(given.lines, ("beta<2",))
    assert lock(limited).lines[-1] == "beta==1.5"
    assert lock(limited).constraints == ("beta<2",)


def test_with_hashes_only_the_very_files_are_installed(given: Requirements) -> None:
    lines = lock(given, hashes=True).lines
    assert not any(line.startswith("mlflow") for line in lines)
    assert all("--hash=sha256:" in line for line in lines if line.startswith(("alpha", "beta")))
    assert prepare(EnvironmentSpec.from_requirements(lines), "uv").python.exists()
    other = [re.sub("sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", line) for line in lines]
    with pytest.raises(EnvironmentFailed, match=r"(?i)hash"):
        prepare(EnvironmentSpec.from_requirements(other), "uv")


def test_a_setting_locks_what_is_written(given: Requirements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_LOCK_MODEL_DEPENDENCIES", "true")
    write_environment(tmp_path, given)
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    assert lines[0].startswith("# millstream==")
    assert lines[-3:] == ["# alpha", "alpha==1.0", "beta==2.0"]
    pip = yaml.safe_load((tmp_path / "conda.yaml").read_text())["dependencies"][-1]["pip"]
    assert pip == [line for line in lines if not line.startswith("#")]


def test_what_cannot_be_locked_is_written_as_it_is_after_one_warning(
    given: Requirements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MILLSTREAM_HASH_MODEL_DEPENDENCIES", "true")
    broken = Requirements((*given.lines, "gamma==1"))
    write_environment(tmp_path, broken)
    assert (tmp_path / "requirements.txt").read_text().splitlines() == list(broken.lines)
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "gamma" in warnings[0].message
