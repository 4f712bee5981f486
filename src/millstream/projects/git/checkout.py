"""Versions of a repository in folders of their own."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from millstream.errors import InvalidValue, ProjectNotFetched
from millstream.projects.git.inspection import at, remote_url
from millstream.projects.git.program import LOCAL, Git, without_credentials
from millstream.tracking.context import without_user_info

_BAD_VERSION = re.compile(r"^[-/]|[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|[/.]$|\.lock$")
"""What no name of a branch or tag can be, and what could be taken for an option or a file elsewhere."""


class Checkout(Struct, frozen=True):
    """A version of a repository in a folder of its own.

    Attributes:
        commit: its hash.
        branch: the asked version, if it is a branch.
        repo_url: of the remote, without credentials; None if there is none.
    """

    commit: str
    branch: str | None
    repo_url: str | None


def check_out_local(repository: Path, version: str | None, folder: Path) -> Checkout:
    """Put a version of a repository on this machine into an empty folder; its own work tree is left alone.

    Args:
        repository: a work tree's top, or a bare repository.
        version: branch, tag or commit, also one that is cut short; None is its HEAD.
    Raises: as `check_out_remote`.
    """
    check_version(version)
    git = Git(str(repository), LOCAL)
    commit = branch = None
    for name in (f"refs/heads/{version}", f"refs/tags/{version}", version) if version else ("HEAD",):
        found = git.try_(*at(repository), "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        if found is not None:
            commit = found.strip()
            branch = version if name.startswith("refs/heads/") else None
            break
    if commit is None:
        what = f"branch, tag or commit {version[:200]!r}" if version else "commit yet"
        raise ProjectNotFetched(str(repository), f"it has no {what}")
    url, origin = repository.resolve().as_uri(), remote_url(git, repository)
    clean, credentials = without_credentials(origin or url)
    check_out(git, url, commit, branch, folder)
    add_submodules(Git(str(repository), LOCAL, credentials), clean, folder)
    return Checkout(commit, branch, None if origin is None else without_user_info(origin))


def check_version(version: str | None) -> None:
    """Raise InvalidValue for what git could take for anything but the name of a version."""
    if version is not None and (not version or _BAD_VERSION.search(version)):
        raise InvalidValue(f"{version[:200]!r} cannot be a version: it is the name of a branch or tag, or a commit.")


def check_out(git: Git, url: str, ref: str, branch: str | None, folder: Path) -> None:
    """Put what a name or hash stands for into an empty folder, from a repository on this machine.

    Args:
        url: a file URI.
        branch: what it shall be called there; None is no branch.
    """
    inside = ["-C", str(folder)]
    git("init", "--quiet", "--template=", str(folder))
    git(*inside, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--depth=1", "--", url, ref, files=True)
    git(*inside, "checkout", "--quiet", *(["-B", branch] if branch else ["--detach"]), "FETCH_HEAD", "--")


def add_submodules(git: Git, origin: str, folder: Path) -> None:
    """Fill in the submodules at any depth, by the transports of `git`.

    Args:
        origin: what relative addresses of submodules are relative to, without credentials.
    """
    inside = ["-C", str(folder)]
    if not origin.startswith("-"):
        git(*inside, "config", "remote.origin.url", origin)
    if not (folder / ".gitmodules").exists():
        return
    update = [*inside, "submodule", "--quiet", "update", "--init", "--recursive"]
    if not git.succeeds(*update, "--depth=1"):  # a server that does not give single commits
        git(*update)
