"""Make the environment of a model or project again: with uv in seconds, or with virtualenv or conda; once, then from the cache.

Requirement lines come from strangers: installers get them in a file that holds checked lines only, are started with argument
lists, and work in a folder of ours, so that a `uv.toml`, `pip.py` or the like beside a model means nothing to them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from millstream import settings
from millstream.environments import cache
from millstream.environments.cache import Entry, Manager
from millstream.environments.conda import conda_dependencies
from millstream.environments.installed import python_version
from millstream.environments.interpreters import find_interpreter
from millstream.environments.own_package import own_wheel
from millstream.environments.requirements import OFFICIAL, OURS, Line, merge, parse
from millstream.environments.spec import EnvironmentSpec
from millstream.environments.tools import beside_or_on_path, find_conda, find_uv
from millstream.errors import EnvironmentFailed, InvalidValue

logger = logging.getLogger("millstream")

MANAGERS: tuple[Manager, ...] = ("uv", "virtualenv", "conda", "local")
_LOWEST_PYTHON = (3, 11)
"""What Millstream itself runs on."""


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


def prepare(
    spec: EnvironmentSpec,
    manager: Manager | None = None,
    *,
    install_millstream: bool = False,
    overrides: Sequence[str] = (),
) -> Environment:
    """The environment that a spec asks for, from the cache or newly made.

    Args:
        spec: what to install.
        manager: who makes it; None is uv, or virtualenv where there is no uv. "local" is the running environment as it is.
        install_millstream: install the running Millstream beside it; lines for `mlflow` then count as met.
        overrides: requirement lines that replace those of the same distributions.
    Raises:
        InvalidValue: there is no such manager, or the spec cannot be met on principle.
        EnvironmentFailed: the manager or the Python version is not installed, or the installation failed; the message ends
            with the installer's own words. Nothing half-made is ever used.
    """
    chosen: Manager = manager or ("uv" if find_uv() else "virtualenv")
    if chosen not in MANAGERS:
        raise InvalidValue(f"There is no environment manager {chosen!r}. They are {', '.join(MANAGERS)}.")
    if chosen == "local":
        return Environment(Path(sys.executable), Path(sys.prefix), "local")
    plan = _plan(spec, chosen, install_millstream, overrides)
    with cache.locked(plan.key, shared=True):
        found = _usable(plan)
    if found is None:
        with cache.locked(plan.key) as lock:
            assert lock is not None
            found = _usable(plan)
            if found is None:
                return _make(plan, lock)
    return found


def environment_key(
    spec: EnvironmentSpec,
    manager: Manager | None = None,
    *,
    install_millstream: bool = False,
    overrides: Sequence[str] = (),
) -> str:
    """The name that `prepare` gives this environment in the cache; "" for the local one."""
    chosen: Manager = manager or ("uv" if find_uv() else "virtualenv")
    return "" if chosen == "local" else _plan(spec, chosen, install_millstream, overrides).key


# ---------------------------------------------------------------- what to install


class _Plan(Struct, frozen=True):
    key: str
    manager: Manager
    python: str
    lines: list[str]
    constraints: list[str]
    build: list[str]
    conda: dict[str, Any] | None
    own_wheel: str
    """Path of Millstream's wheel, whose folder is named by its contents; "" where it is not installed."""

    @property
    def folder(self) -> Path:
        return cache.cache_root() / self.key

    @property
    def prefix(self) -> Path:
        return self.folder / "env"

    @property
    def interpreter(self) -> Path:
        return self.prefix / "bin" / "python"


def _plan(spec: EnvironmentSpec, manager: Manager, install_millstream: bool, overrides: Sequence[str]) -> _Plan:
    python = spec.python or python_version()
    asked = tuple(int(part) for part in python.split(".")[:2])
    if install_millstream and asked < _LOWEST_PYTHON[: len(asked)]:
        lowest = ".".join(map(str, _LOWEST_PYTHON))
        raise InvalidValue(
            f"The model was made with Python {python}, and Millstream needs {lowest} or later to run in its environment. "
            "Use the manager 'local', or save the model again with a later Python."
        )
    replaced = parse(overrides, "the overriding requirements").lines
    names = {line.name for line in replaced if line.name}
    chosen = [line for line in spec.lines if line.name not in names and _is_installed(line, install_millstream)]
    merged = merge([*chosen, *replaced])
    lines = [_absolute(line, spec.folder) for line in merged]
    constraints = [line.text for line in spec.constraints if _is_installed(line, install_millstream)]
    build = [line.text for line in spec.build] if manager == "virtualenv" else []
    conda = _conda_content(spec, python, lines) if manager == "conda" else None
    own = str(own_wheel(cache.cache_root() / "wheels")) if install_millstream else ""
    contents = [_content(line, spec.folder) for line in merged]
    parts = [1, sys.platform, platform.machine(), manager, python, contents, constraints, build, conda, own]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    return _Plan(f"ms-{digest}", manager, python, lines, constraints, build, conda, own)


def _is_installed(line: Line, install_millstream: bool) -> bool:
    """Whether the installer gets a line: those that are met by us, or say only who wrote the file, it does not."""
    if line.name == OURS:
        marker = line.requirement.marker if line.kind == "package" else None
        return not install_millstream and (marker is None or marker.evaluate({"extra": ""}))
    return not (install_millstream and line.name in OFFICIAL)


def _absolute(line: Line, folder: Path) -> str:
    """A line for a file that lies elsewhere: relative paths become URLs."""
    if line.kind != "file" or not line.names_a_local_file or ":" in line.text:
        return line.text
    path, mark, fragment = line.text.partition("#")
    return (folder / path).resolve().as_uri() + mark + fragment


def _content(line: Line, folder: Path) -> str:
    """What of a line decides the environment: of a wheel in the model its bytes, wherever the model was fetched to."""
    path = folder / line.text.partition("#")[0]
    if _absolute(line, folder) == line.text or not path.is_file():
        return _absolute(line, folder)
    return f"{line.text} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _conda_content(spec: EnvironmentSpec, python: str, lines: Sequence[str]) -> dict[str, Any]:
    """The conda environment to make: channels and packages as given, nothing else that conda would act on."""
    content = spec.conda or {"channels": ["conda-forge"], "dependencies": [f"python={python}", "pip"]}
    packages = [item for item in conda_dependencies(content) if isinstance(item, str)]
    channels = content.get("channels") or []
    if not isinstance(channels, list):
        raise InvalidValue("A conda environment's 'channels' must be a list.")
    for text in [*packages, *map(str, channels)]:
        if text.startswith("-") or not text.isprintable():
            raise InvalidValue(f"A conda environment's channels and packages cannot be {text[:80]!r}.")
    return {"channels": [str(channel) for channel in channels], "dependencies": [*packages, {"pip": list(lines)}]}


# ---------------------------------------------------------------- making it


def _usable(plan: _Plan) -> Environment | None:
    entry = cache.find(plan.key)
    if entry is None or not plan.interpreter.exists():  # its interpreter may have been uninstalled
        return None
    cache.touch(entry)
    return Environment(plan.interpreter, plan.prefix, plan.manager, plan.key)


def _make(plan: _Plan, lock: int) -> Environment:
    """Make an environment; its lock is held."""
    began = time.time()
    folder = plan.folder
    cache.remove(folder)  # what an interrupted build left
    try:
        folder.mkdir(mode=0o700)
        steps = _Steps(folder, lock)
        (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in plan.lines), encoding="utf-8")
        (folder / "constraints.txt").write_text("".join(f"{line}\n" for line in plan.constraints), encoding="utf-8")
        _MAKERS[plan.manager](plan, steps)
        version = steps.run(
            [str(plan.interpreter), "-I", "-c", "import platform; print(platform.python_version())"], "ask"
        )
        entry = Entry(
            key=plan.key,
            manager=plan.manager,
            python_version=version.strip(),
            requirements=plan.lines,
            created_time=int(began * 1000),
            seconds=round(time.time() - began, 2),
        )
        cache.complete(entry)
    except OSError as error:
        cache.remove(folder)
        raise EnvironmentFailed(f"The environment cannot be made in {folder} ({error.strerror})", "") from error
    except BaseException:
        cache.remove(folder)
        raise
    return Environment(plan.interpreter, plan.prefix, plan.manager, plan.key, was_cached=False)


class _Steps:
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


def _make_with_uv(plan: _Plan, steps: _Steps) -> None:
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


def _make_with_virtualenv(plan: _Plan, steps: _Steps) -> None:
    python = find_interpreter(plan.python)
    if python is None:
        raise EnvironmentFailed(_no_interpreter(".".join(plan.python.split(".")[:2])), "")
    virtualenv = beside_or_on_path("virtualenv")
    if virtualenv is not None:
        steps.run([virtualenv, "--python", str(python), str(plan.prefix)], "make a virtual environment")
    else:
        steps.run([str(python), "-I", "-m", "venv", str(plan.prefix)], "make a virtual environment")
    pip = [str(plan.interpreter), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if plan.build:
        build = steps.folder / "build.txt"
        build.write_text("".join(f"{line}\n" for line in plan.build), encoding="utf-8")
        steps.run([*pip, "-r", str(build)], "install the build tools")
    if _is_something(plan):
        steps.run([*pip, *_what_to_install(plan, steps)], "install the requirements")


def _make_with_conda(plan: _Plan, steps: _Steps) -> None:
    import yaml

    conda = find_conda()
    if conda is None:
        raise EnvironmentFailed("None of conda, mamba and micromamba is installed. Use the manager 'uv'", "")
    assert plan.conda is not None
    file = steps.folder / "conda.yaml"
    file.write_text(yaml.safe_dump(plan.conda, sort_keys=False), encoding="utf-8")
    verb = ["create", "--yes"] if Path(conda).name == "micromamba" else ["env", "create"]
    steps.run([conda, *verb, "--prefix", str(plan.prefix), "--file", str(file)], "make a conda environment")
    if plan.own_wheel:
        pip = [str(plan.interpreter), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        steps.run([*pip, plan.own_wheel], "install Millstream")


_MAKERS: dict[Manager, Callable[[_Plan, _Steps], None]] = {
    "uv": _make_with_uv,
    "virtualenv": _make_with_virtualenv,
    "conda": _make_with_conda,
}


def _what_to_install(plan: _Plan, steps: _Steps) -> list[str]:
    """Arguments of `pip install`: the files of checked lines, and our own wheel."""
    arguments = []
    if plan.lines:
        arguments += ["-r", str(steps.folder / "requirements.txt")]
    if plan.constraints:
        arguments += ["-c", str(steps.folder / "constraints.txt")]
    if plan.own_wheel:
        arguments.append(plan.own_wheel)
    return arguments


def _is_something(plan: _Plan) -> bool:
    return bool(plan.lines or plan.own_wheel)


def _no_interpreter(minor: str) -> str:
    return (
        f"Python {minor} is not installed here. Install it (uv python install {minor}, pyenv, or your system's package), or use "
        "the manager 'local' to run with the Python that there is"
    )
