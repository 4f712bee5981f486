"""An environment that can be used, and how a process gets into it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from millstream.environments.cache import Manager


class Environment(Struct, frozen=True):
    """An environment that can be used.

    Attributes:
        python: its interpreter.
        prefix: its folder.
        manager: what made it.
        key: its name in the cache; "" for the local one.
        was_cached: it was there already.
    """

    python: Path
    prefix: Path
    manager: Manager
    key: str = ""
    was_cached: bool = True

    def variables(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Environment variables for a process that runs in it, made from those of this process (or `base`)."""
        found = dict(os.environ if base is None else base)
        if self.manager == "local":
            return found
        for name in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__"):
            found.pop(name, None)
        found["CONDA_PREFIX" if self.manager == "conda" else "VIRTUAL_ENV"] = str(self.prefix)
        found["PATH"] = os.pathsep.join(filter(None, [str(self.python.parent), found.get("PATH", "")]))
        return found


def running_environment() -> Environment:
    """That of this process, as it is."""
    return Environment(Path(sys.executable), Path(sys.prefix), "local")
