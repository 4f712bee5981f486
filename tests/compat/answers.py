"""Runs the scripts of `driver/` against a server and gives their answers; keeps those of the official server as files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.compat.environments import OFFICIAL
from tests.compat.servers import clean_environment

HERE = Path(__file__).parent
Answers = dict[str, Any]

SCRIPTS = {"rest": None, "client-2.22": "2.22", "client-3.6": "3.6", "client-3.17": "3.17"}
"""Script to official environment; raw REST needs none."""


def answers(script: str, url: str, folder: Path) -> Answers:
    """What the server at `url`, which must be fresh, answers to a script."""
    version = SCRIPTS[script]
    python = str(OFFICIAL[version].python()) if version else sys.executable
    program = HERE / "driver" / ("client_script.py" if version else "rest_script.py")
    output = folder / f"{script}.json"
    done = subprocess.run(
        [python, str(program), url, str(output)],
        capture_output=True,
        text=True,
        timeout=600,
        env=clean_environment(PYTHONDONTWRITEBYTECODE="1"),
    )
    if done.returncode:
        raise RuntimeError(f"the script {script} did not finish:\n{done.stderr[-6000:]}")
    return _read(output)


def golden_path(script: str) -> Path:
    return HERE / "golden" / f"{script}.json"


def golden(script: str) -> Answers:
    """What the official server 3.17.2 answered when it was recorded."""
    return _read(golden_path(script))


def _read(path: Path) -> Answers:
    read: Answers = json.loads(path.read_text(encoding="utf-8"))
    return read
