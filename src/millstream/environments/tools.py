"""The programs that make environments, where they are installed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from millstream import settings


def find_uv() -> str | None:
    """uv, beside the running interpreter or on PATH."""
    return beside_or_on_path("uv")


def find_conda() -> str | None:
    """conda, mamba or micromamba: what CONDA_CREATE_ENV_CMD names, else the first that there is."""
    home = settings.CONDA_HOME.get()
    named = settings.CONDA_CREATE_ENV_CMD.get()
    for name in [named] if named else ["conda", "mamba", "micromamba"]:
        found = shutil.which(str(Path(home) / "bin" / name)) if home else shutil.which(name)
        if found is not None:
            return found
    return None


def beside_or_on_path(name: str) -> str | None:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name)
