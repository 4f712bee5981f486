"""Virtual environments of other people's packages: made on first use with uv, kept outside of the clone.

An environment is named by the hash of its requirements, so a changed requirement is a new one. It is built under a lock and
marked ready at the end: several test processes may ask for the same one at once, and a cut build is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON_VERSION = "3.11"


@dataclass(frozen=True)
class Environment:
    """What is installed. Each entry of `steps` is one call of an installer: ("uv" or "pip", requirements...)."""

    name: str
    steps: tuple[tuple[str, ...], ...]

    @property
    def folder(self) -> Path:
        digest = hashlib.sha256(repr((PYTHON_VERSION, self.steps)).encode()).hexdigest()[:12]
        return cache_folder() / "envs" / f"{self.name}-{digest}"

    def python(self) -> Path:
        """The interpreter, after building the environment if it is not there yet."""
        folder = self.folder
        python = folder / "bin" / "python"
        if (folder / "ready").exists():
            return python
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "ready").exists():
                self._build(folder)
        return python

    def _build(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # a build that was interrupted
        uv = _uv()
        _run([uv, "venv", "--quiet", "--seed", "--python", PYTHON_VERSION, str(folder)])
        python = str(folder / "bin" / "python")
        for installer, *requirements in self.steps:
            if installer == "uv":
                _run([uv, "pip", "install", "--quiet", "--python", python, *requirements])
            else:
                _run([python, "-m", "pip", "install", "--quiet", *requirements])
        (folder / "ready").touch()


def cache_folder() -> Path:
    """`MILLSTREAM_CACHE`, else ~/.cache/millstream."""
    return Path(os.environ.get("MILLSTREAM_CACHE") or Path.home() / ".cache" / "millstream")


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise RuntimeError("uv is needed to build the environments: pip install uv")
    return uv


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


_DRIVEN = ("pandas<3", "matplotlib", "pillow", "scikit-learn", "psutil")
"""What the scripts use besides the client itself."""

OFFICIAL = {
    "2.22": Environment("mlflow-2.22", (("uv", "mlflow-skinny==2.22.*", *_DRIVEN),)),
    "3.6": Environment("mlflow-3.6", (("uv", "mlflow-skinny==3.6.0", *_DRIVEN),)),
    "3.17": Environment("mlflow-3.17", (("uv", "mlflow==3.17.2", *_DRIVEN),)),
}
"""The official clients by version. mlflow-skinny holds the whole tracking client, without the server's dependencies;
3.17 is the full package, since it is the reference server as well."""

AUTOLOG = Environment(
    "autolog-3.17",
    (("uv", "mlflow==3.17.2", "pandas<3", "matplotlib", "scikit-learn==1.9.*", "skops", "xgboost-cpu==3.2.*", "lightgbm",
      "statsmodels"),),
)  # fmt: skip
"""The official autologgers of libraries that need no torch (see `tests/autologging/record.py`)."""

AUTOLOG_TORCH = Environment(
    "autolog-torch-3.17",
    (("pip", "torch==2.13.0"), ("uv", "mlflow==3.17.2", "pandas<3", "matplotlib", "lightning==2.6.*", "keras>=3")),
)
"""The official autologgers of PyTorch Lightning and Keras."""

OPTUNA = Environment("optuna", (("uv", "mlflow-skinny==3.17.2", "optuna", "optuna-integration"),))
"""Optuna's callback alone, which is small."""

LOGGERS = Environment(
    "loggers",
    (
        ("pip", "torch==2.13.0"),  # with pip: it finds a CPU wheel where one is at hand
        ("uv", "mlflow-skinny==3.17.2", *_DRIVEN, "lightning", "keras"),
        ("uv", "transformers", "accelerate", "tokenizers"),
    ),
)
"""Third-party loggers with the official client."""
