"""Whether a path is in a project, whatever links somebody else has put on the way."""

from __future__ import annotations

import os
from pathlib import Path


def is_below(top: Path, path: Path) -> bool:
    """Whether a path is `top` or in it once its links are followed; what is not there, or loops, is where its name says."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top))
