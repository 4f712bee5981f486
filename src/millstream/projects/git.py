"""Projects in git: a checkout of its own for each run, and what a folder's work tree says.

The git that is installed does the work, with the user's own credentials, and is never asked to do what a repository wants it to
do: hooks, file-system monitors, filters and differs of a repository's own settings are off, and so is every transport but https,
http, ssh, git and, for what is on this machine, files. Nothing here writes to a work tree of the user's.

    <cache>/git/<24 hex digits>        bare repository of one remote address, shallow: only what was asked for
    <cache>/git/<24 hex digits>.lock   held while it is used; the git processes inherit it
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from millstream import settings
from millstream.errors import InvalidValue, ProjectNotFetched
from millstream.tracking.context import without_user_info

logger = logging.getLogger("millstream")

MAX_DIFF_BYTES = 10 << 20
INSPECTION_TIMEOUT_S = 60.0
OLDEST = (2, 31)
"""The first git that takes settings from variables, which hides credentials and reaches every name of a filter."""

_REMOTE = "http:https:ssh:git"
_LOCAL = f"{_REMOTE}:file"
_NONE = "none"
"""Transports that git may use: an allow-list of its own, which no setting of a repository overrides."""

_OPTIONS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "safe.bareRepository": "explicit",  # a folder in a project that looks like one is none
    "protocol.version": "2",  # lets a commit be asked for by its hash
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
    "diff.noprefix": "false",
    "diff.mnemonicPrefix": "false",
}
_KEPT_VARIABLES = re.compile(
    "GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|EXEC_PATH|SSL_.*|HTTP_.*|PROXY_.*|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_.*|VALUE_.*))"
)
"""The user's way to repositories. The other variables of git would lead it to another repository, as in a hook."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
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


# ---------------------------------------------------------------- a remote repository


def check_out_remote(url: str, version: str | None, folder: Path) -> Checkout:
    """Put a version of a remote repository into an empty folder, by way of the cache.

    Args:
        url: of http, https, ssh or git, or `user@host:path`; credentials in it are used, and written nowhere.
        version: branch, tag or full commit; None is what the remote's HEAD is at.
    Raises:
        InvalidValue: the version is none.
        ProjectNotFetched: the repository or the version cannot be had.
    """
    _check_version(version)
    clean, credentials = _without_credentials(url)
    git = _Git(url, _REMOTE, credentials)
    with _cached(git, clean) as repository:
        commit, branch = _bring(git, repository, clean, version)
        _check_out(git, repository.as_uri(), f"refs/millstream/{commit}", branch, folder)
    _add_submodules(git, clean, folder)
    return Checkout(commit, branch, without_user_info(url))


def _bring(git: _Git, repository: Path, url: str, version: str | None) -> tuple[str, str | None]:
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


def _list(git: _Git, url: str, version: str | None) -> dict[str, str]:
    """What a remote has under the names that a version can mean: hashes by name; `^{}` follows what a tag stands for."""
    names = ["HEAD"] if version is None else [f"refs/heads/{version}", f"refs/tags/{version}"]
    lines = git("ls-remote", "--", url, *names, *(f"{name}^{{}}" for name in names[1:])).splitlines()
    return {name: commit for commit, _, name in (line.partition("\t") for line in lines)}


def _has(git: _Git, repository: Path, commit: str) -> bool:
    return git.succeeds(*_at(repository), "rev-parse", "--quiet", "--verify", f"refs/millstream/{commit}")


def _fetch(git: _Git, repository: Path, url: str, refs: Sequence[str]) -> str:
    """Bring the first ref and only that, or where the server does not give single commits the others; its commit."""
    inside = _at(repository)
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
def _cached(git: _Git, url: str) -> Iterator[Path]:
    """The cache's repository of an address, made if missing, for us alone."""
    import fcntl

    folder = _cache_root() / "git" / hashlib.sha256(url.encode()).hexdigest()[:24]
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        git.inherited = (lock,)
        if not (folder / "HEAD").exists():
            draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
            git("init", "--quiet", "--bare", "--template=", str(draft))
            draft.rename(folder)
        for left in folder.rglob("*.lock"):  # by a process that was killed: the living ones hold our lock
            left.unlink()
        yield folder
    finally:
        git.inherited = ()
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


# ---------------------------------------------------------------- a repository on this machine


def check_out_local(repository: Path, version: str | None, folder: Path) -> Checkout:
    """Put a version of a repository on this machine into an empty folder; its own work tree is left alone.

    Args:
        repository: a work tree's top, or a bare repository.
        version: branch, tag or commit, also one that is cut short; None is its HEAD.
    Raises: as `check_out_remote`.
    """
    _check_version(version)
    git = _Git(str(repository), _LOCAL)
    commit = branch = None
    for name in (f"refs/heads/{version}", f"refs/tags/{version}", version) if version else ("HEAD",):
        found = git.try_(*_at(repository), "rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        if found is not None:
            commit = found.strip()
            branch = version if name.startswith("refs/heads/") else None
            break
    if commit is None:
        what = f"branch, tag or commit {version[:200]!r}" if version else "commit yet"
        raise ProjectNotFetched(str(repository), f"it has no {what}")
    origin = _remote_url(git, repository)
    _check_out(git, repository.resolve().as_uri(), commit, branch, folder)
    _add_submodules(git, origin or repository.resolve().as_uri(), folder)
    return Checkout(commit, branch, None if origin is None else without_user_info(origin))


def _at(repository: Path) -> list[str]:
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
        git = _Git(str(folder), _NONE)
        top = git("-C", str(folder), "rev-parse", "--show-toplevel")
    except ProjectNotFetched as error:
        logger.warning("What git knows of the project is not recorded: %s", error.message)
        return None
    commit = git.try_("-C", str(folder), "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    url = _remote_url(git, folder)
    return WorkTree(
        Path(top.removesuffix("\n")), None if commit is None else commit.strip(), url and without_user_info(url)
    )


def _remote_url(git: _Git, repository: Path) -> str | None:
    """Of the first remote."""
    found = git.try_(*_at(repository), "config", "-z", "--get-regexp", r"^remote\..*\.url$")
    return found.split("\0")[0].partition("\n")[2] or None if found else None


def diff(tree: WorkTree) -> bytes:
    """Changes against the commit, staged or not, of files that git tracks, as a patch; cut after MAX_DIFF_BYTES.

    Files go into it as they are: filters of the repository's own settings, which are commands, do not run; the user's do.
    """
    if tree.commit is None:
        return b""
    uri = str(tree.top)
    try:
        git = _Git(uri, _NONE, _without_own_filters(_Git(uri, _NONE), tree.top))
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


def _without_own_filters(git: _Git, top: Path) -> dict[str, str]:
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


# ---------------------------------------------------------------- checking out


def _check_version(version: str | None) -> None:
    if version is not None and (not version or _BAD_VERSION.search(version)):
        raise InvalidValue(f"{version[:200]!r} cannot be a version: it is the name of a branch or tag, or a commit.")


def _check_out(git: _Git, url: str, ref: str, branch: str | None, folder: Path) -> None:
    inside = ["-C", str(folder)]
    git("init", "--quiet", "--template=", str(folder))
    git(*inside, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--depth=1", "--", url, ref, files=True)
    git(*inside, "checkout", "--quiet", *(["-B", branch] if branch else ["--detach"]), "FETCH_HEAD", "--")


def _add_submodules(git: _Git, origin: str, folder: Path) -> None:
    """The submodules at any depth, by the transports that the repository itself may be had by."""
    inside = ["-C", str(folder)]
    if not origin.startswith("-"):
        git(*inside, "config", "remote.origin.url", origin)  # what relative addresses are relative to
    if not (folder / ".gitmodules").exists():
        return
    update = [*inside, "submodule", "--quiet", "update", "--init", "--recursive"]
    if not git.succeeds(*update, "--depth=1"):  # a server that does not give single commits
        git(*update)


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """An address without the user and password in it, and the settings that put them in again when git connects."""
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    if not at or parts.scheme not in ("http", "https"):
        return url, {}
    clean = urlunsplit(parts._replace(netloc=host))
    return clean, {f"url.{parts.scheme}://{user_info}@{host}/.insteadOf": f"{parts.scheme}://{host}/"}


# ---------------------------------------------------------------- running git


class _Git:
    """Calls git.

    Args:
        uri: the project, for errors.
        transports: what may be used, as GIT_ALLOW_PROTOCOL takes it.
        options: further settings; they reach git by variables, which nobody else sees.
    """

    def __init__(self, uri: str, transports: str, options: Mapping[str, str] | None = None) -> None:
        self.uri = uri
        self.inherited: tuple[int, ...] = ()
        self._program = _program(uri)
        self._environment = _environment(transports, options or {})

    def __call__(self, *arguments: str, files: bool = False) -> str:
        """What a command prints.

        Args:
            files: repositories on this machine may be fetched from, too.
        Raises: ProjectNotFetched: it failed, or took too long.
        """
        environment = self._environment | ({"GIT_ALLOW_PROTOCOL": _LOCAL} if files else {})
        process = self._start(arguments, environment, subprocess.PIPE)
        timeout_s = settings.PROJECT_FETCH_TIMEOUT.get()
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ProjectNotFetched(
                self.uri, f"git took longer than {timeout_s:g} s (MILLSTREAM_PROJECT_FETCH_TIMEOUT)"
            ) from None
        finally:
            _end(process)
        if process.returncode:
            reason = err.decode(errors="replace").strip() or f"git ended with status {process.returncode}"
            raise ProjectNotFetched(self.uri, reason[-2000:])
        return os.fsdecode(out)

    def try_(self, *arguments: str) -> str | None:
        """What a command prints; None if it fails."""
        try:
            return self(*arguments)
        except ProjectNotFetched:
            return None

    def succeeds(self, *arguments: str) -> bool:
        return self.try_(*arguments) is not None

    def start_of_output(self, count: int, *arguments: str) -> bytes:
        """The first bytes that a command prints, which is then ended. Raises ProjectNotFetched."""
        process = self._start(arguments, self._environment, subprocess.DEVNULL)
        assert process.stdout is not None
        timer = threading.Timer(INSPECTION_TIMEOUT_S, lambda: os.killpg(process.pid, signal.SIGKILL))
        timer.start()
        try:
            content = process.stdout.read(count)
            status = process.wait() if len(content) < count else 0
        finally:
            timer.cancel()
            _end(process)
        if status:
            raise ProjectNotFetched(
                self.uri, f"git {arguments[2]} failed or took longer than {INSPECTION_TIMEOUT_S:g} s"
            )
        return content

    def _start(self, arguments: Sequence[str], environment: Mapping[str, str], errors: int) -> subprocess.Popen[bytes]:
        options = [part for name, value in _OPTIONS.items() for part in ("-c", f"{name}={value}")]
        return subprocess.Popen(
            [self._program, *options, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            pass_fds=self.inherited,
            start_new_session=True,  # without a terminal, so nothing that it starts asks there and waits
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """See that nothing is left of a command."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _environment(transports: str, options: Mapping[str, str]) -> dict[str, str]:
    found = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or _KEPT_VARIABLES.fullmatch(name)
    }
    count = int(found.get("GIT_CONFIG_COUNT") or 0)
    for index, (name, value) in enumerate(options.items(), count):
        found[f"GIT_CONFIG_KEY_{index}"], found[f"GIT_CONFIG_VALUE_{index}"] = name, value
    return found | {
        "GIT_CONFIG_COUNT": str(count + len(options)),
        "GIT_ALLOW_PROTOCOL": transports,
        "GIT_TERMINAL_PROMPT": "0",
        "GCM_INTERACTIVE": "never",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def _program(uri: str) -> str:
    try:
        return _checked_program()
    except (OSError, ValueError) as error:
        raise ProjectNotFetched(uri, f"{error}. Install git {OLDEST[0]}.{OLDEST[1]} or later") from None


@cache
def _checked_program() -> str:
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise ValueError(f"{said.strip() or 'git'} is too old")
    return "git"
