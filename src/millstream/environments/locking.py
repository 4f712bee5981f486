"""A model's requirements with all that they require in turn, each at one version: made by uv from what the index has now."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from pathlib import Path

from millstream import settings
from millstream.environments.lines import OFFICIAL, OURS, as_file, parse
from millstream.environments.requirements import Requirements
from millstream.environments.this_python import python_version
from millstream.environments.tools import find_uv
from millstream.errors import EnvironmentFailed

logger = logging.getLogger("millstream")


def locked_if_set(requirements: Requirements) -> Requirements:
    """Locked, if LOCK_MODEL_DEPENDENCIES or HASH_MODEL_DEPENDENCIES is set; where that fails, as they are, with a warning."""
    hashes = settings.HASH_MODEL_DEPENDENCIES.get()
    if not (hashes or settings.LOCK_MODEL_DEPENDENCIES.get()):
        return requirements
    try:
        return lock(requirements, hashes=hashes)
    except EnvironmentFailed as error:
        logger.warning("The model's requirements are written without a lock. %s", error.message)
        return requirements


def lock(requirements: Requirements, *, hashes: bool = False) -> Requirements:
    """A universal lock: for every platform, for the running version of Python.

    The lines as they were come first, as comments. What stands for Millstream itself is not locked, so that the lock does not
    hold the official package's own requirements. With hashes even that `mlflow` line goes: pip takes either hashes for all or
    for none.

    Raises:
        EnvironmentFailed: uv is not installed, or finds no solution, or reaches no index.
    """
    uv = find_uv()
    if uv is None:
        raise EnvironmentFailed("To lock requirements needs uv (pip install uv)", "")
    lines = parse(requirements.lines).lines
    writer = [line for line in requirements.lines if line.startswith("#")]
    own = [line.text for line in lines if line.name == OURS or (line.name in OFFICIAL and not hashes)]
    options = [line.text for line in lines if line.kind == "option"]
    rest = [line.text for line in lines if not line.is_own]
    with tempfile.TemporaryDirectory(prefix="millstream-lock-") as folder:
        source, constraints = Path(folder, "requirements.in"), Path(folder, "constraints.txt")
        source.write_text(as_file(rest), encoding="utf-8")
        constraints.write_text(as_file(requirements.constraints), encoding="utf-8")
        command = [uv, "pip", "compile", "--quiet", "--universal", "--no-header", "--no-annotate"]
        command += ["--python-version", python_version(), "-c", str(constraints), str(source)]
        command += ["--generate-hashes"] if hashes else []
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=settings.ENV_TIMEOUT.get(),
        )
    if done.returncode:
        raise EnvironmentFailed("uv found no lock for the requirements", done.stderr)
    found = [line.text for line in parse(done.stdout.splitlines(), "uv's lock").lines]
    comments = [f"# {line}" for line in rest if line not in options]
    return Requirements((*writer, *own, *options, *comments, *found), requirements.constraints, requirements.conda_env)
