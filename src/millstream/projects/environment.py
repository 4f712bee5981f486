"""The environment that a project's command runs in: what its files ask for, prepared, or the running one."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from millstream.projects import output, record
from millstream.projects.submission import EnvironmentManager, Project, Submission

if TYPE_CHECKING:
    from millstream.environments import Environment, EnvironmentSpec

AS_MLFLOW = Path(__file__).parent / "as_mlflow"
"""Goes on PYTHONPATH, so that scripts that say `import mlflow` log to the run that was made for them."""

_LOWEST_PYTHON = (3, 11)
"""What Millstream itself runs on; in older environments the command has what the project asks for alone."""


def chosen_manager(given: EnvironmentManager | None) -> EnvironmentManager:
    """Who makes the environment: as given, else uv, or virtualenv where there is no uv."""
    from millstream.environments.tools import find_uv

    return given or ("uv" if find_uv() else "virtualenv")


def spec_of(project: Project) -> EnvironmentSpec:
    """What the project asks for: the file that its MLproject names or python_env.yaml or conda.yaml; without them uv.lock,
    pyproject.toml or requirements.txt; without those nothing.

    Raises InvalidValue, InvalidRequirement and the like for a file that no environment is made from.
    """
    from millstream.environments import EnvironmentSpec

    root = project.root
    if project.python_env is not None:
        return EnvironmentSpec.from_python_env(project.python_env, within=root)
    if project.conda_env is not None:
        return EnvironmentSpec.from_conda(project.conda_env, within=root)
    if (root / "pyproject.toml").is_file():
        found = EnvironmentSpec.from_pyproject(root)
        if found is not None:
            return found
    lines = ["-r requirements.txt"] if (root / "requirements.txt").is_file() else []
    return EnvironmentSpec.from_requirements(lines, folder=root, within=root)


def prepare(submission: Submission) -> Environment:
    """The environment of a run, from the cache that models use too, or newly made, with words on its progress.

    Millstream is in it where it can be. The run records which it is.
    """
    from millstream import environments
    from millstream.environments.prepared import running_environment

    spec = submission.environment
    if spec is None:
        return running_environment()
    manager = chosen_manager(submission.environment_manager)
    output.say(f"Environment: {manager} ...")
    began = time.monotonic()
    prepared = environments.prepare(spec, manager, install_millstream=_takes_millstream(spec))
    how = "from the cache" if prepared.was_cached else f"made in {time.monotonic() - began:.1f} s"
    output.say(f"Environment: {prepared.key}, {how}.")
    record.note(submission, **{record.ENVIRONMENT_KEY_TAG: prepared.key})
    return prepared


def key_of(submission: Submission) -> str:
    """What tells the environment from others without making it; of the running one, all that is installed in it."""
    from millstream import environments
    from millstream.environments.this_python import installed_distributions, python_version

    spec = submission.environment
    if spec is None:
        return "\n".join(["local", python_version(), *installed_distributions()])
    manager = chosen_manager(submission.environment_manager)
    return environments.environment_key(spec, manager, install_millstream=_takes_millstream(spec))


def _takes_millstream(spec: EnvironmentSpec) -> bool:
    asked = tuple(int(part) for part in spec.python.split(".")[:2]) if spec.python else ()
    return asked >= _LOWEST_PYTHON[: len(asked)]


def command_variables(environment: Environment, run: Mapping[str, str]) -> dict[str, str]:
    """All environment variables of a command: those of this process, of the environment, and of its run."""
    found = {**environment.variables(), **run}
    if environment.manager == "local":  # `python` means the running interpreter, also when it is not on the PATH
        found["PATH"] = os.pathsep.join(filter(None, [str(environment.python.parent), found.get("PATH", "")]))
    found["PYTHONPATH"] = os.pathsep.join(filter(None, [found.get("PYTHONPATH", ""), str(AS_MLFLOW)]))
    found.setdefault("PYTHONUNBUFFERED", "1")  # what it prints is shown when it prints it
    return found
