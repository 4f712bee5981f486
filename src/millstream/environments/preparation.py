"""The environment of a model or project, made again: once, then from the cache."""

from __future__ import annotations

import time
from collections.abc import Sequence

from millstream.environments import cache
from millstream.environments.cache import Entry, Manager
from millstream.environments.lines import as_file
from millstream.environments.making import MAKERS, Steps
from millstream.environments.plan import Plan, plan_of
from millstream.environments.prepared import Environment, running_environment
from millstream.environments.spec import EnvironmentSpec
from millstream.environments.tools import find_uv
from millstream.errors import EnvironmentFailed, InvalidValue

MANAGERS: tuple[Manager, ...] = ("uv", "virtualenv", "conda", "local")


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
    chosen = _chosen(manager)
    if chosen == "local":
        return running_environment()
    plan = plan_of(spec, chosen, install_millstream, overrides)
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
    chosen = _chosen(manager)
    return "" if chosen == "local" else plan_of(spec, chosen, install_millstream, overrides).key


def _chosen(manager: Manager | None) -> Manager:
    if manager is not None and manager not in MANAGERS:
        raise InvalidValue(f"There is no environment manager {manager!r}. They are {', '.join(MANAGERS)}.")
    return manager or ("uv" if find_uv() else "virtualenv")


def _usable(plan: Plan) -> Environment | None:
    entry = cache.find(plan.key)
    if entry is None or not plan.interpreter.exists():  # its interpreter may have been uninstalled
        return None
    cache.touch(entry)
    return Environment(plan.interpreter, plan.prefix, plan.manager, plan.key)


def _make(plan: Plan, lock: int) -> Environment:
    """Make an environment; its lock is held."""
    began = time.time()
    folder = plan.folder
    cache.remove(folder)  # what an interrupted build left
    try:
        folder.mkdir(mode=0o700)
        steps = Steps(folder, lock)
        (folder / "requirements.txt").write_text(as_file(plan.lines), encoding="utf-8")
        (folder / "constraints.txt").write_text(as_file(plan.constraints), encoding="utf-8")
        MAKERS[plan.manager](plan, steps)
        version = steps.run(
            [str(plan.interpreter), "-I", "-c", "import platform; print(platform.python_version())"], "start"
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
