"""What running a project costs beside the project: the whole command around an entry point that does nothing.

Each side runs in the environment that it is installed in (`--env-manager local`), in a folder without git, and records in a
store that exists already: its own default, a database in the working directory.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measures import OURS
from tests.compat.servers import clean_environment

MLPROJECT = """\
name: nothing
entry_points:
  main:
    parameters: {alpha: {type: float, default: 0.5}}
    command: "true {alpha}"
"""


def run(bench: Bench) -> None:
    sides = {OURS: OURS, **({"official": "mlflow"} if bench.with_official else {})}
    with bench.scratch() as folder:
        project = folder / "project"
        project.mkdir()
        (project / "MLproject").write_text(MLPROJECT, encoding="utf-8")
        for side in sides:
            (folder / side).mkdir()
        for repeat in range(bench.repeats(7) + 1):
            for side, package in sides.items():
                seconds = _seconds(Path(bench.python(package)).with_name(package), project, folder / side)
                if repeat or bench.is_quick:  # the first one makes the store
                    bench.results.add("project_run", side, seconds)


def _seconds(program: Path, project: Path, folder: Path) -> float:
    command = [str(program), "run", str(project), "--env-manager", "local"]
    environment = clean_environment(
        MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'runs.db'}", MILLSTREAM_JOURNAL_DIR=str(folder / "journal")
    )
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=folder)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return seconds
