"""Where a project's files come from: a folder, a zip file or a git repository, by one URI.

| form | what is done |
|---|---|
| a folder, `file:///folder` | used in place; with a version, a checkout of its repository |
| `x.zip`, `file:///x.zip`, `https://host/x.zip` | unpacked |
| `https://`, `http://`, `ssh://`, `git://`, `user@host:path`, `git+<any of these or file>://` | checked out |

Each may end with `#folder`, the project's place in it. What is unpacked or checked out has a folder of its own, for one run.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from msgspec.structs import replace

from millstream.artifacts.repository import local_root, scheme_of
from millstream.errors import InvalidValue, NotFound, ProjectNotFetched
from millstream.projects import archives, git
from millstream.projects.places import is_below
from millstream.projects.submission import Source
from millstream.tracking.context import without_user_info

logger = logging.getLogger("millstream")

_GIT_SCHEMES = ("https", "http", "ssh", "git")
_SCP = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9_][\w.-]*:(?![:-])\S+")
"""`git@host:path`, which git takes for ssh. `ext::command` is none of these."""


def fetch(uri: str | os.PathLike[str], version: str | None = None) -> Source:
    """Bring a project's files here.

    Args:
        uri: see the module; quotes around it are taken off.
        version: branch, tag or full commit of a git repository; of one on this machine also a commit that is cut short.
    Raises:
        InvalidValue: the URI or version is none, or a version is given for what is not in git.
        NotFound: there is no such folder or file on this machine, or no such folder in the project.
        ProjectNotFetched: the files cannot be had. Nothing of them is left.
    """
    text = os.fspath(uri).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    location, folder = _split(text)
    if not location or location.startswith("-") or not text.isprintable():
        raise InvalidValue(
            f"{text[:200]!r} is no project: give a folder, a zip file or the address of a git repository."
        )
    if location.startswith("git+"):
        return _from_git(text, location.removeprefix("git+"), folder, version)
    if scheme_of(location) == "file" or os.path.exists(local_root(location)):
        return _from_this_machine(text, Path(local_root(location)), folder, version)
    if scheme_of(location) in ("http", "https") and urlsplit(location).path.lower().endswith(".zip"):
        return _from_zip(text, location, folder, version)
    if "://" in location or _SCP.fullmatch(location):
        return _from_git(text, location, folder, version)
    raise NotFound(
        f"There is no project {text[:300]!r}: no such folder or zip file, and no address of a git repository."
    )


def discard(source: Source) -> None:
    """Remove what was brought here for one run. Of a folder that is used in place, and the second time, nothing."""
    if source.temporary is None or not source.temporary.exists():
        return
    try:
        _open_folders(source.temporary)
        shutil.rmtree(source.temporary)
    except OSError as error:
        logger.warning("The project's files in %s could not be removed: %s", source.temporary, error)


def _open_folders(top: Path) -> None:
    """See that what is in the folders can be removed, whatever the project has made of their modes."""
    for folder, names, _ in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)


def _split(text: str) -> tuple[str, str]:
    """A URI without its `#folder`, and the folder, checked; "" for none. Raises InvalidValue."""
    location, mark, folder = text.rpartition("#")
    if not mark or (scheme_of(text) == "" and os.path.exists(text)):  # a folder may have the sign in its name
        return text, ""
    folder = folder.rstrip("/")
    if folder.startswith("/") or "\\" in folder or any(part in ("", ".", "..") for part in folder.split("/") if folder):
        raise InvalidValue(f"The folder {folder[:200]!r} of the project must be a path in it, such as #examples/train.")
    return location, folder


def _below(top: Path, folder: str, uri: str) -> Path:
    """A folder of fetched files. Raises NotFound if it is not there, or leads out of them."""
    root = top / folder
    if not os.path.isdir(root) or not is_below(top, root):
        raise NotFound(f"The project {without_user_info(uri)!r} has no folder {folder!r}.")
    return root


# ---------------------------------------------------------------- each kind of place


def _from_this_machine(uri: str, path: Path, folder: str, version: str | None) -> Source:
    if os.path.isfile(path) and path.suffix.lower() == ".zip":
        return _from_zip(uri, path, folder, version)
    if not os.path.isdir(path):
        raise NotFound(f"There is no project folder {str(path)[:300]!r}.")
    if git.is_bare(path):
        return _from_git(uri, path.as_uri(), folder, version)
    root = _below(path, folder, uri)
    tree = git.work_tree(root)
    if version is None:
        diff = b"" if tree is None else git.diff(tree)
        return Source(uri, root, *_recorded(tree, root), diff=diff)
    if tree is None:
        raise InvalidValue(f"A version is for git repositories, and {str(path)!r} is in none.")
    inside = root.resolve().relative_to(tree.top.resolve()).as_posix()
    name, _, url = _recorded(tree, root)
    return _temporary(
        uri, "" if inside == "." else inside, name,
        lambda target: replace(git.check_out_local(tree.top, version, target), repo_url=url),
    )  # fmt: skip


def _recorded(tree: git.WorkTree | None, root: Path) -> tuple[str, str | None, str | None]:
    """Name, commit and repository of a folder; the name says where in its work tree it is, as MLflow's does."""
    if tree is None:
        return str(root.resolve()), None, None
    top = tree.top.resolve()
    inside = root.resolve().relative_to(top).as_posix()
    return top.as_uri() + ("" if inside == "." else f"#{inside}"), tree.commit, tree.repo_url


def _from_git(uri: str, url: str, folder: str, version: str | None) -> Source:
    if scheme_of(url) == "file":
        repository = Path(local_root(url))
        tree = git.work_tree(repository)
        if not git.is_bare(repository) and (tree is None or tree.top.resolve() != repository.resolve()):
            raise NotFound(f"{str(repository)[:300]!r} is no git repository.")
        return _temporary(
            uri, folder, uri,
            lambda target: replace(git.check_out_local(repository, version, target), repo_url=url),
        )  # fmt: skip
    parts = urlsplit(url)
    is_url = parts.scheme in _GIT_SCHEMES and parts.hostname and not re.match(r"-|[^@]*@-", parts.netloc)
    if not (is_url or ("://" not in url and _SCP.fullmatch(url))):
        raise InvalidValue(
            f"{without_user_info(url)[:200]!r} is no address that projects are fetched from. Those are http(s), ssh and git "
            "addresses, and user@host:path."
        )
    return _temporary(uri, folder, uri, lambda target: git.check_out_remote(url, version, target))


def _from_zip(uri: str, place: str | Path, folder: str, version: str | None) -> Source:
    if version is not None:
        raise InvalidValue(f"A version is for git repositories, and {without_user_info(uri)!r} is a zip file.")

    def unpack(target: Path) -> None:
        if isinstance(place, Path):
            archives.unpack(place, target, uri)
            return
        with tempfile.TemporaryDirectory(prefix="millstream-zip-") as folder_of_archive:
            file = Path(folder_of_archive, "project.zip")
            archives.download(place, file)
            archives.unpack(file, target, uri)

    name = uri if isinstance(place, str) else str(place.resolve()) + (f"#{folder}" if folder else "")
    return _temporary(uri, folder, name, unpack)


def _temporary(uri: str, folder: str, name: str, fill: Callable[[Path], git.Checkout | None]) -> Source:
    """A source in a folder of its own, which is removed if it cannot be filled."""
    try:
        top = Path(tempfile.mkdtemp(prefix="millstream-project-"))
        source = Source(uri, top, without_user_info(name), temporary=top)
        try:
            made = fill(top)
            if made is not None:
                source = replace(source, commit=made.commit, repo_url=made.repo_url, branch=made.branch)
            return replace(source, root=_below(top, folder, uri))
        except BaseException:
            discard(source)
            raise
    except OSError as error:  # a full disk, a folder that cannot be written to
        raise ProjectNotFetched(uri, f"{error.strerror or error} ({error.filename})") from None
