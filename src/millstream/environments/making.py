"""How each manager makes an environment.

Requirement lines come from strangers: installers get them in a file that holds checked lines only, are started with argument
lists, and work in a folder of ours, so that a `uv.toml`, `pip.py` or the like beside a model means nothing to them.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from millstream import settings
from millstream.environments.cache import Manager
from millstream.environments.interpreters import find_interpreter
from millstream.environments.lines import as_file
from millstream.environments.plan import Plan
from millstream.environments.tools import beside_or_on_path, find_conda, find_uv
from millstream.errors import EnvironmentFailed


class Steps:
    """Runs the commands that make one environment, in its folder and holding its lock."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def run(self, command: Sequence[str], what: str) -> str:
        """What a command prints. Raises EnvironmentFailed when it fails or takes too long."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT")
        }
        timeout_s = settings.ENV_TIMEOUT.get()
        child = subprocess.Popen(
            list(command),
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[self._lock],
            start_new_session=True,
        )
        try:
            output, _ = child.communicate(timeout=timeout_s)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
            child.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise EnvironmentFailed(
                    f"To {what} took longer than {timeout_s:g} s (MILLSTREAM_ENV_TIMEOUT)", ""
                ) from None
            raise
        text = output.decode(errors="replace")
        if child.returncode:
            raise EnvironmentFailed(f"The environment cannot be made: {Path(command[0]).name} failed to {what}", text)
        return text


def _make_with_uv(plan: Plan, steps: Steps) -> None:
    uv = find_uv()
    if uv is None:
        raise EnvironmentFailed("uv is not installed. Install it (pip install uv), or use the manager 'virtualenv'", "")
    python = find_interpreter(plan.python)
    minor = ".".join(plan.python.split(".")[:2])
    chosen = str(python) if python is not None else minor  # uv looks further, and may fetch one
    try:
        steps.run([uv, "venv", "--no-project", "--python", chosen, str(plan.prefix)], f"find or fetch Python {minor}")
    except EnvironmentFailed as error:
        if python is None:
            raise EnvironmentFailed(f"{_no_interpreter(minor)}. uv said", error.message) from None
        raise
    command = [uv, "pip", "install", "--python", str(plan.interpreter), *_what_to_install(plan, steps)]
    if _is_something(plan):
        steps.run(command, "install the requirements")


def _make_with_virtualenv(plan: Plan, steps: Steps) -> None:
    python = find_interpreter(plan.python)
    if python is None:
        raise EnvironmentFailed(_no_interpreter(".".join(plan.python.split(".")[:2])), "")
    virtualenv = beside_or_on_path("virtualenv")
    if virtualenv is not None:
        steps.run([virtualenv, "--python", str(python), str(plan.prefix)], "make a virtual environment")
    else:
        steps.run([str(python), "-I", "-m", "venv", str(plan.prefix)], "make a virtual environment")
    pip = _pip_install(plan)
    if plan.build:
        build = steps.folder / "build.txt"
        build.write_text(as_file(plan.build), encoding="utf-8")
        steps.run([*pip, "-r", str(build)], "install the build tools")
    if _is_something(plan):
        steps.run([*pip, *_what_to_install(plan, steps)], "install the requirements")


def _make_with_conda(plan: Plan, steps: Steps) -> None:
    import yaml

    conda = find_conda()
    if conda is None:
        raise EnvironmentFailed("None of conda, mamba and micromamba is installed. Use the manager 'uv'", "")
    limits = [f"-c {steps.folder / 'constraints.txt'}"] if plan.constraints else []
    content = {**plan.conda, "dependencies": [*plan.conda["dependencies"], {"pip": [*plan.lines, *limits]}]}
    file = steps.folder / "conda.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    verb = ["create", "--yes"] if Path(conda).name == "micromamba" else ["env", "create"]
    steps.run([conda, *verb, "--prefix", str(plan.prefix), "--file", str(file)], "make a conda environment")
    if plan.own_wheel:
        steps.run([*_pip_install(plan), plan.own_wheel], "install Millstream")


MAKERS: dict[Manager, Callable[[Plan, Steps], None]] = {
    "uv": _make_with_uv,
    "virtualenv": _make_with_virtualenv,
    "conda": _make_with_conda,
}


def _pip_install(plan: Plan) -> list[str]:
    """The environment's own pip."""
    return [str(plan.interpreter), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]


def _what_to_install(plan: Plan, steps: Steps) -> list[str]:
    """Arguments of `pip install`: the files of checked lines, and our own wheel."""
    arguments = []
    if plan.lines:
        arguments += ["-r", str(steps.folder / "requirements.txt")]
    if plan.constraints:
        arguments += ["-c", str(steps.folder / "constraints.txt")]
    if plan.own_wheel:
        arguments.append(plan.own_wheel)
    return arguments


def _is_something(plan: Plan) -> bool:
    return bool(plan.lines or plan.own_wheel)


def _no_interpreter(minor: str) -> str:
    return (
        f"Python {minor} is not installed here. Install it (uv python install {minor}, pyenv, or your system's package), or use "
        "the manager 'local' to run with the Python that there is"
    )
