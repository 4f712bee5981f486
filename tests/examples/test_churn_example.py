"""The project that docs/projects.md runs: its commands do what the page says, in the environment of the tests."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "projects.md").read_text()


def millstream(tmp_path: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'runs.db'}",
        "MILLSTREAM_JOURNAL_DIR": str(tmp_path / "journal"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "millstream.cli.main", *arguments],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_command_of_the_page_fits_a_model(tmp_path: Path) -> None:
    found = re.search(r"^millstream (run examples/churn .*)$", PAGE, re.MULTILINE)
    assert found is not None
    assert "auc 0." in millstream(tmp_path, *shlex.split(found[1]), "--env-manager", "local")


@pytest.mark.parametrize("option", ["--grid", "--sample"])
def test_its_sweeps_vary_parameters_that_there_are(tmp_path: Path, option: str) -> None:
    found = re.search(rf"^millstream (run examples/churn {option} .*)$", PAGE, re.MULTILINE)
    assert found is not None
    shown = millstream(tmp_path, *shlex.split(found[1]), "--env-manager", "local", "--trials", "1")
    assert "depth" in shown


def test_its_other_entry_point_looks_at_the_data(tmp_path: Path) -> None:
    shown = millstream(
        tmp_path, "run", "examples/churn", "-e", "check", "-P", "customers=200", "--env-manager", "local"
    )
    assert "200 customers, " in shown
