"""What goes to a cluster beside the project's files: its modules for executors, and the environment.

An environment's interpreter is a link to the Python that made it, which every machine needs at the same path; what is installed in
it needs nothing else, wherever the archive is unpacked. Spark brings its own PySpark, so that of the environment stays here.
"""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from millstream.projects.packing import project_files

_TIME = (1980, 1, 1, 0, 0, 0)


def zip_modules(root: Path, folder: PurePosixPath, path: Path) -> Path | None:
    """Write the project's Python files below a folder of it, as the script beside them imports them.

    Args:
        folder: of the script, relative to `root`.
        path: of the zip.
    Returns:
        `path`, or None if there is nothing but the script itself to import.
    """
    prefix = "" if folder == PurePosixPath(".") else f"{folder}/"
    names = [name for name in project_files(root) if name.endswith(".py") and name.startswith(prefix)]
    if len(names) < 2:
        return None
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(
                zipfile.ZipInfo(name.removeprefix(prefix), _TIME), (root / name).read_bytes(), zipfile.ZIP_DEFLATED
            )
    return path


def pack_environment(prefix: Path, path: Path) -> Path:
    """Write an environment as a .tar.gz whose `bin/python` runs where it is unpacked, without PySpark and compiled files."""
    with tarfile.open(path, "x:gz", compresslevel=1) as archive:
        for entry in sorted(os.listdir(prefix)):
            archive.add(prefix / entry, entry, filter=_kept)
    return path


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = PurePosixPath(member.name).parts
    if parts[-1] == "__pycache__" or parts[-2:] == ("site-packages", "pyspark"):
        return None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
