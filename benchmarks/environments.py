"""The environment of a stored model, made by each side's own command: `models prepare-env`, cold and from the cache.

Ours with uv, which is our default, and Millstream itself installed beside the requirements; MLflow's with virtualenv, which is
its default. Both have the wheels in their installers' caches: what is compared is not the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measures import OURS
from millstream.environments import Requirements, write_environment
from tests.compat.environments import OFFICIAL
from tests.compat.servers import clean_environment

REQUIREMENTS = ("numpy==2.4.6", "pandas==2.3.3", "scikit-learn==1.9.1", "scipy==1.17.1")

MLMODEL = """\
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
mlflow_version: 3.17.2
utc_time_created: '2026-11-26 12:00:00.000000'
"""


def run(bench: Bench) -> None:
    sides = {OURS: ("millstream", "uv")}
    if bench.with_official:
        if _pyenv() is None:
            bench.say(
                "environments: MLflow's virtualenv manager needs pyenv, which is not here; ours alone is measured"
            )
        else:
            sides["virtualenv"] = ("mlflow", "virtualenv")
    with bench.scratch() as folder:
        model = _model(folder)
        for repeat in range(bench.repeats(3) + 1):
            for side, (package, manager) in sides.items():
                root = folder / f"{side}-environments"
                shutil.rmtree(root, ignore_errors=True)
                cold = _prepare(bench, package, manager, model, root)
                warm = _prepare(bench, package, manager, model, root)
                if repeat or bench.is_quick:  # the first one fills the installers' caches
                    bench.results.add("environment_cold", side, cold)
                    bench.results.add("environment_warm", side, warm)


def _model(folder: Path) -> Path:
    """A model's folder whose requirements are the same for both sides: neither side's own package is among them."""
    model = folder / "model"
    model.mkdir()
    (model / "MLmodel").write_text(MLMODEL, encoding="utf-8")
    write_environment(model, Requirements(REQUIREMENTS))
    return model


def _prepare(bench: Bench, package: str, manager: str, model: Path, root: Path) -> float:
    """Seconds of the whole command."""
    bin_folder = Path(sys.executable if package == OURS else str(OFFICIAL["3.17"].python())).parent
    pyenv = _pyenv()
    path = [str(bin_folder), *([str(pyenv.parent)] if pyenv else []), os.environ["PATH"]]
    environment = clean_environment(
        MILLSTREAM_ENV_ROOT=str(root), MLFLOW_ENV_ROOT=str(root), PATH=os.pathsep.join(path)
    )
    command = [str(bin_folder / package), "models", "prepare-env", "-m", str(model), "--env-manager", manager]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, env=environment, cwd=bench.folder)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return seconds


def _pyenv() -> Path | None:
    found = shutil.which("pyenv") or shutil.which(Path.home() / ".pyenv" / "bin" / "pyenv")
    return Path(found) if found else None
