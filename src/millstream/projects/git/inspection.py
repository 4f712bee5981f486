"""What a repository on this machine says of itself. Looking at it changes nothing and runs nothing of its own."""

from __future__ import annotations

import logging
from pathlib import Path

from msgspec import Struct

from millstream.errors import ProjectNotFetched
from millstream.projects.git.program import NONE, Git
from millstream.tracking.context import without_user_info

logger = logging.getLogger("millstream")

MAX_DIFF_BYTES = 10 << 20


class WorkTree(Struct, frozen=True):
    """A work tree of the user's.

    Attributes:
        top: its folder.
        commit: that it is at; None before the first one.
        repo_url: of its first remote, without credentials.
    """

    top: Path
    commit: str | None
    repo_url: str | None


def at(repository: Path) -> list[str]:
    """Options that make git work in just this repository, even a bare one."""
    return ["--git-dir", str(repository)] if is_bare(repository) else ["-C", str(repository)]


def is_bare(folder: Path) -> bool:
    """Whether a folder is a repository without a work tree."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def work_tree(folder: Path) -> WorkTree | None:
    """The work tree that a folder is in; None if there is none, or no git, or git does not trust its owner."""
    if not any((each / ".git").exists() for each in (folder.resolve(), *folder.resolve().parents)):
        return None
    try:
        git = Git(str(folder), NONE)
        top = git("-C", str(folder), "rev-parse", "--show-toplevel")
    except ProjectNotFetched as error:
        logger.warning("What git knows of the project is not recorded: %s", error.message)
        return None
    commit = git.try_("-C", str(folder), "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    url = remote_url(git, folder)
    return WorkTree(
        Path(top.removesuffix("\n")), None if commit is None else commit.strip(), url and without_user_info(url)
    )


def remote_url(git: Git, repository: Path) -> str | None:
    """Of the first remote."""
    found = git.try_(*at(repository), "config", "-z", "--get-regexp", r"^remote\..*\.url$")
    return found.split("\0")[0].partition("\n")[2] or None if found else None


def diff(tree: WorkTree) -> bytes:
    """Changes against the commit, staged or not, of files that git tracks, as a patch; cut after MAX_DIFF_BYTES.

    Files go into it as they are: filters of the repository's own settings, which are commands, do not run; the user's do.
    """
    if tree.commit is None:
        return b""
    uri = str(tree.top)
    try:
        git = Git(uri, NONE, _without_own_filters(Git(uri, NONE), tree.top))
        content = git.start_of_output(
            MAX_DIFF_BYTES, "-C", uri, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-relative", "--binary",
            "--ignore-submodules=dirty", "HEAD", "--",
        )  # fmt: skip
    except ProjectNotFetched as error:
        logger.warning("The uncommitted changes of the project are not recorded: %s", error.message)
        return b""
    if len(content) < MAX_DIFF_BYTES:
        return content
    logger.warning("The project's uncommitted changes are more than %d MiB; they are cut.", MAX_DIFF_BYTES >> 20)
    return content[: content.rfind(b"\n") + 1] + b"# The diff is longer; it was cut here.\n"


def _without_own_filters(git: Git, top: Path) -> dict[str, str]:
    """Settings that switch off the filters that the repository itself defines."""
    listed = git.try_("-C", str(top), "config", "-z", "--show-scope", "--name-only", "--get-regexp", r"^filter\.") or ""
    fields = listed.split("\0")
    own = {name.rpartition(".")[0] for scope, name in zip(fields[::2], fields[1::2], strict=False)
           if scope in ("local", "worktree")}  # fmt: skip
    return {
        f"{name}.{key}": value
        for name in sorted(own)
        for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
    }
