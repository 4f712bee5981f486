"""Where a run comes from: the tags that `start_run` adds by itself (user, source, git commit, notebook, plug-ins).

Providers run in a fixed order and later ones win; what the caller says wins over all. A provider that fails is skipped
with a warning: context must never stop a training.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from millstream import settings
from millstream.client.identity import user_name
from millstream.entities import (
    GIT_BRANCH_TAG,
    GIT_COMMIT_TAG,
    GIT_REPO_URL_TAG,
    SOURCE_NAME_TAG,
    SOURCE_TYPE_TAG,
    USER_TAG,
    SourceType,
)

logger = logging.getLogger(__name__)

PROVIDER_GROUP = "run_context_provider"
"""Entry-point group of context plug-ins, below `mlflow.` or `millstream.`."""

GIT_TIMEOUT_S = 2.0


class RunContextProvider:
    """What a context plug-in offers: whether it applies, and then its tags."""

    def in_context(self) -> bool:
        raise NotImplementedError

    def tags(self) -> Mapping[str, str]:
        raise NotImplementedError


# ---------------------------------------------------------------- user and source


def _default_tags() -> dict[str, str]:
    return {
        USER_TAG: user_name(),
        SOURCE_NAME_TAG: (sys.argv[0] if sys.argv else "") or "<console>",
        SOURCE_TYPE_TAG: SourceType.LOCAL.value,
    }


def _notebook_tags() -> dict[str, str]:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is None or not hasattr(shell, "kernel"):
        return {}
    name = os.environ.get("JPY_SESSION_NAME") or getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__")
    tags = {SOURCE_TYPE_TAG: SourceType.NOTEBOOK.value}
    if name:
        tags[SOURCE_NAME_TAG] = os.path.basename(str(name))
    return tags


# ---------------------------------------------------------------- git


def without_user_info(url: str) -> str:
    """The address of a repository without what stands before the host's `@` (`https://token@host/x`).

    The user of ssh, who is somebody's name and no secret (`git@host:path`, `ssh://git@host/path`), is kept.
    """
    if "://" not in url:
        return url
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    if not at:
        return url
    user = user_info.partition(":")[0] if parts.scheme in ("ssh", "git+ssh") else ""
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))


def _main_file() -> Path | None:
    """The file that Python was started with, if it is a file."""
    main = sys.argv[0] if sys.argv else ""
    if not main:
        return None
    path = Path(main).absolute()
    return path if path.is_file() else None


def _in_work_tree(path: Path) -> bool:
    """Whether a `.git` stands in any folder above; spares a process where there is none."""
    if "GIT_DIR" in os.environ:
        return True
    return any((folder / ".git").exists() for folder in path.resolve().parents)


def git_tags(main: Path) -> dict[str, str]:
    """Commit, branch and repository of the work tree that `main` lies in; empty if there is none or `main` is ignored.

    Three `git` processes run side by side (about 5 ms together); settings of the repository that run programs are off.
    """
    if not _in_work_tree(main):
        return {}
    git = ["git", "-C", str(main.parent), "-c", "core.fsmonitor=false"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    commands = {
        "head": [*git, "rev-parse", "HEAD", "--abbrev-ref", "HEAD"],
        "ignored": [*git, "check-ignore", "--quiet", "--", main.name],
        "remotes": [*git, "config", "--get-regexp", r"^remote\..*\.url$"],
    }
    processes: dict[str, subprocess.Popen[str]] = {}
    outputs: dict[str, tuple[int, str]] = {}
    try:
        for name, command in commands.items():
            processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
            )
        for name, process in processes.items():
            out, _ = process.communicate(timeout=GIT_TIMEOUT_S)
            outputs[name] = (process.returncode, out)
    except FileNotFoundError:  # no git on this machine
        return {}
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.communicate()
    status, head = outputs["head"]
    lines = head.split()
    if status != 0 or not lines or outputs["ignored"][0] == 0:
        return {}
    tags = {GIT_COMMIT_TAG: lines[0]}
    if len(lines) > 1 and lines[1] != "HEAD":  # detached
        tags[GIT_BRANCH_TAG] = lines[1]
    remotes = outputs["remotes"][1].splitlines()
    if remotes and " " in remotes[0]:
        tags[GIT_REPO_URL_TAG] = without_user_info(remotes[0].split(" ", 1)[1])
    return tags


_git_cache: dict[Path, dict[str, str]] = {}


def _cached_git_tags() -> dict[str, str]:
    main = _main_file()
    if main is None:
        return {}
    if main not in _git_cache:  # once a process: the code that runs is the code that was loaded
        _git_cache[main] = git_tags(main)
    return _git_cache[main]


# ---------------------------------------------------------------- environment and plug-ins


def _environment_tags() -> dict[str, str]:
    text = settings.RUN_CONTEXT.get()
    if not text:
        return {}
    tags = json.loads(text)
    if not isinstance(tags, dict):
        raise ValueError("MLFLOW_RUN_CONTEXT must be a JSON object of tags")
    return {str(key): str(value) for key, value in tags.items()}


_plugins: list[RunContextProvider] | None = None


def load_plugins(group: str) -> list[Any]:
    """Instances of what is registered under `mlflow.<group>` and `millstream.<group>`.

    One that cannot be loaded is skipped with a warning.
    """
    from importlib.metadata import entry_points

    loaded = []
    installed = entry_points()
    for entry in (*installed.select(group=f"mlflow.{group}"), *installed.select(group=f"millstream.{group}")):
        try:
            loaded.append(entry.load()())
        except Exception as error:
            logger.warning("Plug-in %r of %s is skipped: it could not be loaded (%s).", entry.name, group, error)
    return loaded


def _plugin_providers() -> list[RunContextProvider]:
    global _plugins
    if _plugins is None:
        _plugins = load_plugins(PROVIDER_GROUP)
    return _plugins


def _plugin_tags(provider: RunContextProvider) -> Callable[[], Mapping[str, str]]:
    return lambda: provider.tags() if provider.in_context() else {}


def resolve_tags(tags: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The tags of a new run: context of this process, with `tags` on top."""
    providers: list[tuple[str, Callable[[], Mapping[str, str]]]] = [
        ("default", _default_tags),
        ("git", _cached_git_tags),
        ("notebook", _notebook_tags),
        ("MLFLOW_RUN_CONTEXT", _environment_tags),
    ]
    providers += [(type(plugin).__name__, _plugin_tags(plugin)) for plugin in _plugin_providers()]
    resolved: dict[str, str] = {}
    for name, provide in providers:
        try:
            resolved.update(provide())
        except Exception as error:
            logger.warning("Context of the run: provider %s is skipped (%s: %s).", name, type(error).__name__, error)
    resolved.update({key: str(value) for key, value in (tags or {}).items()})
    return resolved
