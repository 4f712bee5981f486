"""Sources: a project's files from a folder, a zip file or git, and what is recorded of where they came from."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from millstream.errors import InvalidValue, NotFound, ProjectNotFetched
from millstream.projects import archives
from millstream.projects.git import inspection
from millstream.projects.git.remote import KEPT_DAYS
from millstream.projects.sources import discard, fetch
from millstream.projects.submission import Source
from tests.projects.repositories import GitServer, commit, git, served, write


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache, a folder for temporary files and settings of git of the test's own."""
    monkeypatch.setenv("MILLSTREAM_PROJECT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Three commits: `first`, which `v1` names and the branch `old` is at, one more, and the last on main."""
    root = tmp_path / "served" / "team" / "repo"
    commit(root, {"MLproject": "name: one", "sub/dir/MLproject": "name: inner"}, "one")
    git(root, "tag", "-a", "v1", "-m", "the first")
    git(root, "branch", "old")
    commit(root, {"MLproject": "name: two"}, "two")
    commit(root, {"MLproject": "name: three", "data/x.txt": "x"}, "three")
    return root


@pytest.fixture
def server(repository: Path, tmp_path: Path) -> Iterator[GitServer]:
    with served(tmp_path / "served") as running:
        yield running


@contextlib.contextmanager
def fetching(uri: str | Path, version: str | None = None) -> Iterator[Source]:
    source = fetch(uri, version)
    try:
        yield source
    finally:
        discard(source)


def name_in(source: Source) -> str:
    return (source.root / "MLproject").read_text().removeprefix("name: ")


# ---------------------------------------------------------------- folders


@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}"', "file://{}"])
def test_a_folder_is_used_in_place(tmp_path: Path, form: str) -> None:
    uri = form.format(tmp_path)
    source = fetch(uri)
    assert (source.root, source.name) == (tmp_path, str(tmp_path))
    assert (source.commit, source.repo_url, source.branch, source.diff, source.temporary) == (
        None,
        None,
        None,
        b"",
        None,
    )
    discard(source)
    assert tmp_path.exists()


def test_a_relative_folder_counts_from_where_the_caller_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p" / "q").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert fetch("p").root == tmp_path / "p"
    assert fetch("./p#q").root == tmp_path / "p" / "q"


def test_a_folder_with_the_sign_in_its_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "c#" / "v1.0").mkdir(parents=True)
    assert fetch(tmp_path / "c#").root == tmp_path / "c#"
    assert fetch(f"{tmp_path}/c##v1.0").root == tmp_path / "c#" / "v1.0"


def test_of_a_folder_in_git_its_place_is_recorded(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    source = fetch(repository)
    assert (source.name, source.commit, source.repo_url) == (repository.as_uri(), head, None)
    git(repository, "remote", "add", "origin", "https://ada:secret@example.org/team/repo.git")
    assert fetch(repository).repo_url == "https://example.org/team/repo.git"
    for uri in (f"{repository}#sub/dir", repository / "sub" / "dir", f"{repository}/sub#dir"):
        inner = fetch(uri)
        assert (inner.name, inner.root) == (f"{repository.as_uri()}#sub/dir", repository / "sub" / "dir")
        assert fetch(inner.name).root == inner.root


def test_changes_are_recorded_whether_staged_or_not_and_can_be_applied(repository: Path, tmp_path: Path) -> None:
    write(repository, {"MLproject": "name: changed", "data/x.txt": "y\x00z", "new.py": "added", "untracked": "no"})
    git(repository, "add", "MLproject", "new.py")
    (repository / "sub" / "dir" / "MLproject").unlink()
    before = git(repository, "status", "--porcelain")
    source = fetch(f"{repository}#data")
    assert git(repository, "status", "--porcelain") == before
    patch = tmp_path / "patch"
    patch.write_bytes(source.diff)
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(copy)], check=True)
    git(copy, "apply", str(patch))
    assert (copy / "MLproject").read_text() == "name: changed"
    assert (copy / "data" / "x.txt").read_text() == "y\x00z"
    assert (copy / "new.py").read_text() == "added"
    assert not (copy / "sub" / "dir" / "MLproject").exists()
    assert not (copy / "untracked").exists()


def test_a_long_diff_is_cut_between_lines(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inspection, "MAX_DIFF_BYTES", 2000)
    write(repository, {"MLproject": "0123456789\n" * 1000})
    diff = fetch(repository).diff
    assert 1800 < len(diff) < 2100
    assert diff.endswith(b"+0123456789\n# The diff is longer; it was cut here.\n")
    assert "they are cut" in caplog.text


def test_a_work_tree_before_its_first_commit_has_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    source = fetch(tmp_path)
    assert (source.commit, source.diff) == (None, b"")


def test_variables_that_lead_git_elsewhere_do_not_count(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(repository, "rev-parse", "HEAD")
    other = tmp_path / "other"
    commit(other, {"x": ""})
    for name, value in (("GIT_DIR", other / ".git"), ("GIT_WORK_TREE", other), ("GIT_INDEX_FILE", tmp_path / "index")):
        monkeypatch.setenv(name, str(value))
    source = fetch(repository)
    assert (source.commit, source.diff) == (head, b"")


# ---------------------------------------------------------------- repositories on this machine


@pytest.mark.parametrize(
    ("version", "name", "branch"),
    [
        ("old", "one", "old"),
        ("v1", "one", None),
        ("main", "three", "main"),
        ("main~1", "two", None),
        ("short", "two", None),
    ],
)
def test_a_version_of_a_folder_is_checked_out_elsewhere(
    repository: Path, version: str, name: str, branch: str | None
) -> None:
    write(repository, {"MLproject": "name: dirty"})
    before = git(repository, "status", "--porcelain", "--branch")
    if version in ("main~1", "short"):
        version = git(repository, "rev-parse", *(["--short"] if version == "short" else []), "main~1")
    with fetching(repository, version) as source:
        assert name_in(source) == name
        assert (source.branch, source.diff) == (branch, b"")
        assert source.commit == git(source.root, "rev-parse", "HEAD")
        assert source.root != repository
        assert stat.S_IMODE(source.root.stat().st_mode) == 0o700
    assert not source.root.exists()
    assert git(repository, "status", "--porcelain", "--branch") == before
    assert (repository / "MLproject").read_text() == "name: dirty"


def test_a_version_of_a_folder_within_a_work_tree_is_that_folder(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "git@example.org:team/repo.git")
    for uri in (f"{repository}#sub/dir", f"{repository}/sub#dir", f"{repository}/sub/dir"):
        with fetching(uri, "v1") as source:
            assert name_in(source) == "inner"
            assert source.name == f"{repository.as_uri()}#sub/dir"
            assert source.repo_url == "git@example.org:team/repo.git"


@pytest.mark.parametrize("form", ["git+file://{}", "file://{}.git", "{}.git", "git+file://{}.git"])
def test_a_repository_without_work_tree_or_asked_for_as_one_is_checked_out(repository: Path, form: str) -> None:
    git(repository, "clone", "--quiet", "--bare", ".", f"{repository}.git")
    write(repository, {"MLproject": "name: dirty"})
    uri = form.format(repository)
    with fetching(uri) as source:
        assert (name_in(source), source.name, source.branch) == ("three", uri, None)
    with fetching(f"{uri}#sub/dir", "old") as source:
        assert (name_in(source), source.name, source.branch) == ("inner", f"{uri}#sub/dir", "old")


@pytest.mark.parametrize("version", ["none", "v2", "0" * 40])
def test_a_version_that_is_not_there_is_told(repository: Path, version: str) -> None:
    with pytest.raises(ProjectNotFetched, match=f"no branch, tag or commit '{version}'"):
        fetch(repository, version)


def test_only_repositories_have_versions(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="is in none"):
        fetch(tmp_path, "v1")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("MLproject", "")
    with pytest.raises(InvalidValue, match="is a zip file"):
        fetch(tmp_path / "p.zip", "v1")


# ---------------------------------------------------------------- remote repositories


@pytest.mark.parametrize(
    ("version", "name", "branch"),
    [
        (None, "three", None),
        ("old", "one", "old"),
        ("v1", "one", None),
        ("main", "three", "main"),
        ("commit", "two", None),
    ],
)
def test_a_version_of_a_remote_repository_is_fetched_alone(
    server: GitServer, repository: Path, version: str | None, name: str, branch: str | None
) -> None:
    if version == "commit":
        version = git(repository, "rev-parse", "main~1")
    for prefix in ("", "git+"):
        uri = f"{prefix}{server.url}/team/repo"
        with fetching(uri, version) as source:
            assert (name_in(source), source.branch) == (name, branch)
            assert (source.name, source.repo_url) == (uri, f"{server.url}/team/repo")
            assert source.commit == git(source.root, "rev-parse", "HEAD")
            assert git(source.root, "rev-list", "--all", "--count") == "1"
            assert git(source.root, "branch", "--show-current") == (branch or "")
        with fetching(f"{uri}#sub/dir", version) as source:
            assert name_in(source) == "inner"
            assert source.name == f"{uri}#sub/dir"


def test_what_was_fetched_once_is_not_fetched_again(server: GitServer, repository: Path) -> None:
    uri = f"{server.url}/team/repo"
    with fetching(uri) as source:
        first = server.requests
        head = source.commit
    with fetching(uri):
        assert server.requests - first < first  # asks whether there is news
    asked = server.requests
    with fetching(uri, head) as source:
        assert server.requests == asked
        assert name_in(source) == "three"
    commit(repository, {"MLproject": "name: four"})
    with fetching(uri) as source:
        assert name_in(source) == "four"
    with fetching(uri, head) as source:
        assert name_in(source) == "three"


def test_the_cache_is_for_its_owner_alone(server: GitServer, tmp_path: Path) -> None:
    with fetching(f"{server.url}/team/repo"):
        pass
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    (tmp_path / "cache").chmod(0o777)
    with pytest.raises(InvalidValue, match="written by other users"):
        fetch(f"{server.url}/team/repo")


def test_several_fetches_of_one_repository_at_a_time_do_not_disturb_each_other(server: GitServer) -> None:
    uri = f"{server.url}/team/repo"
    gate = threading.Barrier(4)

    def one(version: str | None) -> str:
        gate.wait()
        with fetching(uri, version) as source:
            return name_in(source)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, [None, "old", "v1", "main"])) == ["three", "one", "one", "three"]


def test_what_a_killed_fetch_left_behind_does_not_stop_the_next(server: GitServer, tmp_path: Path) -> None:
    uri = f"{server.url}/team/repo"
    with fetching(uri):
        pass
    (cached,) = (path for path in (tmp_path / "cache" / "git").iterdir() if path.is_dir())
    for name in ("shallow.lock", "refs/incoming.lock", "config.lock"):
        (cached / name).touch()
    with fetching(uri, "old") as source:
        assert name_in(source) == "one"


def test_repositories_that_nobody_used_for_long_are_removed(
    server: GitServer, repository: Path, tmp_path: Path
) -> None:
    def cached() -> set[str]:
        return {path.name for path in (tmp_path / "cache" / "git").iterdir() if path.is_dir()}

    kept = []
    for name in ("used", "unused", "busy"):
        shutil.copytree(repository, repository.with_name(name))
        before = cached() if kept else set()
        with fetching(f"{server.url}/team/{name}"):
            kept += cached() - before
    used, unused, busy = kept
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    for name in (unused, busy):
        os.utime(tmp_path / f"cache/git/{name}.lock", (long_ago, long_ago))
    with open(tmp_path / f"cache/git/{busy}.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with fetching(f"{server.url}/team/repo"):
            assert {used, busy} < cached()
            assert unused not in cached()
    with fetching(f"{server.url}/team/unused") as source:
        assert name_in(source) == "three"


@pytest.mark.parametrize(
    ("version", "reason"),
    [("none", "no branch or tag 'none'"), ("0" * 40, "cannot be fetched"), ("0123abc", "named by all of its digits")],
)
def test_a_remote_version_that_is_not_there_is_told_and_nothing_is_left(
    server: GitServer, tmp_path: Path, version: str, reason: str
) -> None:
    with pytest.raises(ProjectNotFetched, match=re.escape(reason)):
        fetch(f"{server.url}/team/repo", version)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_folder_that_is_not_there_is_told_and_nothing_is_left(server: GitServer, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="has no folder 'none'"):
        fetch(f"{server.url}/team/repo#none")
    with pytest.raises(ProjectNotFetched):
        fetch(f"{server.url}/team/none")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_branch_wins_over_a_tag_of_the_same_name(server: GitServer, repository: Path) -> None:
    git(repository, "tag", "old", "main")
    with fetching(f"{server.url}/team/repo", "old") as source:
        assert (name_in(source), source.branch) == ("one", "old")
    with fetching(repository, "old") as source:
        assert (name_in(source), source.branch) == ("one", "old")


# ---------------------------------------------------------------- private repositories


def test_credentials_in_an_address_are_used_and_written_nowhere(server: GitServer, tmp_path: Path) -> None:
    server.password = "s3cret/%"
    uri = server.url.replace("//", "//ada:s3cret%2F%25@") + "/team/repo"
    with fetching(f"{uri}#sub/dir") as source:
        assert name_in(source) == "inner"
        assert (source.name, source.repo_url) == (f"{server.url}/team/repo#sub/dir", f"{server.url}/team/repo")
        assert source.temporary is not None
        for folder in (source.temporary, tmp_path / "cache"):
            for file in folder.rglob("*"):
                assert file.is_dir() or b"s3cret" not in file.read_bytes()


def test_wrong_credentials_are_told_without_them_and_without_asking(server: GitServer) -> None:
    server.password = "right"
    with pytest.raises(ProjectNotFetched) as raised:
        fetch(server.url.replace("//", "//ada:wr0ng@") + "/team/repo")
    assert "wr0ng" not in raised.value.message
    with pytest.raises(ProjectNotFetched, match="terminal prompts disabled"):
        fetch(f"{server.url}/team/repo")


def test_the_users_own_helper_gives_credentials(server: GitServer, tmp_path: Path) -> None:
    server.password = "kept"
    helper = tmp_path / "helper"
    helper.write_text("#!/bin/sh\n[ \"$1\" = get ] && printf 'username=ada\\npassword=kept\\n'\n")
    helper.chmod(0o700)
    (tmp_path / "gitconfig").write_text(f"[credential]\nhelper = {helper}\n")
    with fetching(f"{server.url}/team/repo") as source:
        assert name_in(source) == "three"


@pytest.mark.parametrize("form", ["git@example.org:{}", "ssh://git@example.org{}", "git+ssh://git@example.org:22{}"])
def test_ssh_is_the_users_own(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    ssh = tmp_path / "ssh"  # stands for the other machine: runs there, here, what it is asked to
    ssh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/called\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o700)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    uri = form.format(repository)
    with fetching(uri, "v1") as source:
        assert name_in(source) == "one"
        assert (source.name, source.repo_url) == (uri, uri.removeprefix("git+"))
    assert "git@example.org" in (tmp_path / "called").read_text()


# ---------------------------------------------------------------- submodules


def test_submodules_come_along_at_any_depth(server: GitServer, repository: Path, tmp_path: Path) -> None:
    for name in ("inner", "middle"):
        commit(tmp_path / "served" / "team" / name, {f"{name}.py": name})
    middle = tmp_path / "served" / "team" / "middle"
    git(middle, "submodule", "--quiet", "add", f"{server.url}/team/inner", "inner")
    commit(middle, {})
    commit(middle, {"later.py": "not in the project"})
    git(repository, "submodule", "--quiet", "add", "../middle", "lib/middle")
    git(repository / "lib" / "middle", "fetch", "--quiet", "origin")
    git(repository / "lib" / "middle", "checkout", "--quiet", git(middle, "rev-parse", "HEAD~1"))
    commit(repository, {})
    for uri in (f"{server.url}/team/repo", f"git+file://{repository}"):
        with fetching(uri) as source:
            assert (source.root / "lib" / "middle" / "middle.py").read_text() == "middle"
            assert (source.root / "lib" / "middle" / "inner" / "inner.py").read_text() == "inner"
            assert not (source.root / "lib" / "middle" / "later.py").exists()


# ---------------------------------------------------------------- zip files


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "zipped"
    write(folder, {"MLproject": "name: zipped", "sub/dir/MLproject": "name: inner", "run.sh": "#!/bin/sh\n"})
    (folder / "run.sh").chmod(0o775)
    file = tmp_path / "project.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted(folder.rglob("*")):
            made.write(path, path.relative_to(folder))
        link = zipfile.ZipInfo("sub/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "../MLproject")
    return file


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_zip_file_is_unpacked_for_one_run(archive: Path, form: str) -> None:
    with fetching(form.format(archive)) as source:
        assert (name_in(source), source.name) == ("zipped", str(archive))
        assert (source.commit, source.repo_url, source.diff) == (None, None, b"")
        assert os.access(source.root / "run.sh", os.X_OK)
        assert not os.access(source.root / "MLproject", os.X_OK)
        assert (source.root / "sub" / "link").read_text() == "name: zipped"
        assert {stat.S_IMODE(path.lstat().st_mode) & 0o077 for path in source.root.rglob("*") if path.is_file()} <= {
            0,
            0o077,
        }
    assert not source.root.exists()
    with fetching(form.format(archive) + "#sub/dir") as source:
        assert (name_in(source), source.name) == ("inner", f"{archive}#sub/dir")


def test_a_zip_file_is_brought_from_a_web_server(archive: Path, site: str, tmp_path: Path) -> None:
    archive.rename(tmp_path / "site" / "project.zip")
    uri = f"{site}/project.zip?a=b#sub/dir".replace("//", "//ada:secret@")
    with fetching(uri) as source:
        assert (name_in(source), source.name) == ("inner", f"{site}/project.zip?a=b#sub/dir")
    assert list((tmp_path / "temporary").iterdir()) == []
    with pytest.raises(ProjectNotFetched, match=re.escape("none.zip")):
        fetch(f"{site}/none.zip")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_zip_file_that_is_too_large_or_cut_is_told_and_nothing_is_left(
    archive: Path, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / "project.zip").write_bytes(archive.read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(archives, "MAX_ARCHIVE_BYTES", archive.stat().st_size - 1)
        with pytest.raises(ProjectNotFetched, match="larger than"):
            fetch(f"{site}/project.zip")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nPK")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ProjectNotFetched, match="was cut"):
            fetch(f"http://127.0.0.1:{listening.getsockname()[1]}/project.zip")
        thread.join()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_full_disk_is_told_and_nothing_is_left(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(ProjectNotFetched, match="No such file"):
        fetch(archive)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (4, limits[1])
    )  # what a file may have; the kernel says it as it does on full disks
    try:
        with pytest.raises(ProjectNotFetched, match="File too large"):
            fetch(archive)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize("uri", ["", " ", "none", "/none/at/all", "none.zip", "file:///none/at/all", "./none#sub"])
def test_what_is_nowhere_is_told(uri: str) -> None:
    with pytest.raises((NotFound, InvalidValue), match=r"project"):
        fetch(uri)


def test_a_discarded_source_may_have_folders_that_nobody_may_write(archive: Path) -> None:
    source = fetch(archive)
    (source.root / "sub" / "dir").chmod(0o500)
    (source.root / "sub").chmod(0o500)
    discard(source)
    assert not source.root.exists()
    discard(source)
