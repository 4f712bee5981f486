"""Remote repositories, by way of a cache.

<cache>/git/<24 hex digits>        bare repository of one address, shallow: only what was asked for
<cache>/git/<24 hex digits>.lock   held while it is used, by the git processes too; its time is that of the last use

Repositories that nobody used for `KEPT_DAYS` are removed when another one is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from millstream import settings
from millstream.errors import InvalidValue, ProjectNotFetched
from millstream.projects.git.checkout import Checkout, add_submodules, check_out, check_version
from millstream.projects.git.inspection import at
from millstream.projects.git.program import REMOTE, Git, without_credentials
from millstream.tracking.context import without_user_info

KEPT_DAYS = 30

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def check_out_remote(url: str, version: str | None, folder: Path) -> Checkout:
    """Put a version of a remote repository into an empty folder, by way of the cache.

    Args:
        url: of http, https, ssh or git, or `user@host:path`; credentials in it are used, and written nowhere.
        version: branch, tag or full commit; None is what the remote's HEAD is at.
    Raises:
        InvalidValue: the version is none.
        ProjectNotFetched: the repository or the version cannot be had.
    """
    check_version(version)
    clean, credentials = without_credentials(url)
    git = Git(url, REMOTE, credentials)
    with _cached(git, clean) as repository:
        commit, branch = _bring(git, repository, clean, version)
        check_out(git, repository.as_uri(), f"refs/millstream/{commit}", branch, folder)
    add_submodules(git, clean, folder)
    return Checkout(commit, branch, without_user_info(url))


def _bring(git: Git, repository: Path, url: str, version: str | None) -> tuple[str, str | None]:
    """See that a version's commit is in the cache, at refs/millstream/<commit>; its hash, and the branch that it is."""
    if version is not None and _COMMIT.fullmatch(version) and _has(git, repository, version):
        return version, None
    listed = _list(git, url, version)
    for ref, branch in ((f"refs/heads/{version}", version), (f"refs/tags/{version}", None), ("HEAD", None)):
        commit = listed.get(f"{ref}^{{}}", listed.get(ref))
        if commit is None:
            continue
        if not _has(git, repository, commit):
            commit = _fetch(git, repository, url, [ref])
        return commit, branch
    if version is None:
        raise ProjectNotFetched(git.uri, "the repository is empty")
    if not _COMMIT.fullmatch(version):
        raise ProjectNotFetched(
            git.uri, f"it has no branch or tag {version[:200]!r}. A commit is named by all of its digits"
        )
    return _fetch(git, repository, url, [version, "refs/heads/*:refs/all/heads/*", "refs/tags/*:refs/all/tags/*"]), None


def _list(git: Git, url: str, version: str | None) -> dict[str, str]:
    """What a remote has under the names that a version can mean: hashes by name; `^{}` follows what a tag stands for."""
    names = ["HEAD"] if version is None else [f"refs/heads/{version}", f"refs/tags/{version}"]
    lines = git("ls-remote", "--", url, *names, *(f"{name}^{{}}" for name in names[1:])).splitlines()
    return {name: commit for commit, _, name in (line.partition("\t") for line in lines)}


def _has(git: Git, repository: Path, commit: str) -> bool:
    return git.succeeds(*at(repository), "rev-parse", "--quiet", "--verify", f"refs/millstream/{commit}")


def _fetch(git: Git, repository: Path, url: str, refs: Sequence[str]) -> str:
    """Bring the first ref and only that, or where the server does not give single commits the others; its commit."""
    inside = at(repository)
    incoming = "refs/incoming"
    first, *others = refs
    fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--force"]
    try:
        git(*inside, *fetch, "--depth=1", "--", url, f"{first}:{incoming}")
    except ProjectNotFetched:
        git(*inside, *fetch, "--", url, *(others or [f"{first}:{incoming}"]))
        if others:
            git(*inside, "update-ref", incoming, f"{first}^{{commit}}")
    commit = git(*inside, "rev-parse", "--verify", f"{incoming}^{{commit}}").strip()
    git(*inside, "update-ref", f"refs/millstream/{commit}", commit)
    git(*inside, "update-ref", "-d", incoming)
    return commit


@contextlib.contextmanager
def _cached(git: Git, url: str) -> Iterator[Path]:
    """The cache's repository of an address, made if missing, for us alone."""
    import fcntl

    folder = _cache_root() / "git" / hashlib.sha256(url.encode()).hexdigest()[:24]
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.utime(lock)
        git.inherited = (lock,)
        if not (folder / "HEAD").exists():
            for left in folder.parent.glob(f"{folder.name}-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            _remove_unused(folder.parent)
            draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
            git("init", "--quiet", "--bare", "--template=", str(draft))
            draft.rename(folder)
        for left in folder.rglob("*.lock"):  # by a process that was killed: the living ones hold our lock
            left.unlink()
        yield folder
    finally:
        git.inherited = ()
        os.close(lock)


def _remove_unused(folder: Path) -> None:
    """Remove repositories that were not used for long. Their locks stay: somebody may be waiting for one."""
    import fcntl

    limit = time.time() - KEPT_DAYS * 86_400
    for path in folder.glob("*.lock"):
        if path.stat().st_mtime > limit:
            continue
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        except BlockingIOError:  # it is used
            pass
        finally:
            os.close(lock)


def _cache_root() -> Path:
    configured = settings.PROJECT_CACHE.get()
    root = Path(configured) if configured else Path.home() / ".cache" / "millstream" / "projects"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = root.stat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o022:
        raise InvalidValue(
            f"The folder {str(root)!r} belongs to or can be written by other users. Set MILLSTREAM_PROJECT_CACHE to a folder of "
            "your own."
        )
    return root.resolve()
