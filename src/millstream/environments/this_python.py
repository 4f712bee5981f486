"""The running Python: its version, and what is installed in it by the names of folders. Imports nothing heavier than `os`."""

from __future__ import annotations

import os
import sys

METADATA_FOLDERS = (".dist-info", ".egg-info")


def python_version() -> str:
    """Such as "3.11.7", for a pre-release too."""
    return ".".join(map(str, sys.version_info[:3]))


def installed_distributions() -> list[str]:
    """Name and version of all that is installed, as the names of their metadata folders; cheap, nothing is read."""
    return sorted(
        name for folder in folders_of_distributions() for name in os.listdir(folder) if name.endswith(METADATA_FOLDERS)
    )


def folders_of_distributions() -> list[str]:
    """The folders on `sys.path` that hold installed distributions, the innermost first."""
    folders = {os.path.abspath(entry) for entry in sys.path if entry and os.path.isdir(entry)}
    return sorted(
        (folder for folder in folders if any(name.endswith(METADATA_FOLDERS) for name in os.listdir(folder))),
        key=len,
        reverse=True,
    )
