"""A project as one file: the same bytes for the same files, nothing that is not the project's, nothing from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from millstream.errors import InvalidValue
from millstream.projects import packing
from millstream.projects.packing import Pack, pack


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "MLproject": "name: churn\n",
        "fit.py": "print('fit')\n",
        "src/deep/table.py": "ROWS = 3\n",
        "mlruns/0/meta.yaml": "x",
        "millstream.db": "what was recorded here",
        "src/__pycache__/fit.cpython-311.pyc": "x",
        "env/pyvenv.cfg": "home = /usr/bin\n",
        "env/bin/python": "x",
        "notes/Übersicht.txt": "ü",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


OURS = ["MLproject", "fit.py", "notes/Übersicht.txt", "src/deep/table.py"]


def members(packed: Pack) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(packed.path) as archive:
        return {member.name: member for member in archive}


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def test_only_the_files_of_the_project_are_packed(project: Path, tmp_path: Path) -> None:
    os.mkfifo(project / "pipe")
    packed = pack(project, tmp_path)
    assert list(members(packed)) == OURS
    assert packed.path == tmp_path / f"{packed.digest}.tar.gz"
    assert packed.size_bytes == packed.path.stat().st_size
    assert packed.path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(packed.path) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    assert (tmp_path / "out/src/deep/table.py").read_text() == "ROWS = 3\n"


def test_the_same_files_make_the_same_bytes_whenever_and_by_whoever(project: Path, tmp_path: Path) -> None:
    first = pack(project, tmp_path).path.read_bytes()
    other = tmp_path / "other"
    for name in reversed(OURS):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project / name, other / name)
        (other / name).chmod(0o600)
        os.utime(other / name, (1, 1))
    assert pack(other, tmp_path).path.read_bytes() == first


@pytest.mark.parametrize("change", ["text", "name", "right to run", "link"])
def test_any_change_of_the_files_changes_the_digest(project: Path, tmp_path: Path, change: str) -> None:
    before = pack(project, tmp_path).digest
    if change == "text":
        (project / "fit.py").write_text("print('fi_')\n")
    elif change == "name":
        (project / "fit.py").rename(project / "fix.py")
    elif change == "right to run":
        (project / "fit.py").chmod(0o755)
    else:
        (project / "link").symlink_to("fit.py")
    assert pack(project, tmp_path).digest != before


def test_rights_beyond_the_right_to_run_are_left_out(project: Path, tmp_path: Path) -> None:
    (project / "fit.py").chmod(0o6777)
    (project / "MLproject").chmod(0o400)
    found = members(pack(project, tmp_path))
    assert (found["fit.py"].mode, found["MLproject"].mode) == (0o755, 0o644)
    assert {(member.uid, member.gid, member.uname) for member in found.values()} == {(0, 0, "")}


def test_what_git_ignores_is_not_sent_and_what_is_not_committed_yet_is(project: Path, tmp_path: Path) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("*.secret\n")
    (project / "key.secret").write_text("s")
    git(project, "add", "MLproject", "fit.py")
    git(project, "commit", "-q", "-m", "first")
    (project / "fit.py").unlink()
    names = list(members(pack(project, tmp_path)))
    # git has no notion of virtual environments: it names their files unless they are ignored
    assert [name for name in names if not name.startswith("env/")] == [".gitignore", *sorted({*OURS} - {"fit.py"})]


def test_a_project_in_a_folder_of_a_repository_counts_its_ignored_files_out(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("env\nfit.py\n")
    assert list(members(pack(project, tmp_path))) == [name for name in OURS if name != "fit.py"]


def test_a_project_that_a_repository_ignores_as_a_whole_is_packed_as_it_is(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("project\n")
    assert list(members(pack(project, tmp_path))) == OURS


def test_submodules_are_part_of_the_project(project: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "tables.py").write_text("x\n")
    for folder in (library, project):
        git(folder, "init", "-q")
    git(library, "add", ".")
    git(library, "commit", "-q", "-m", "first")
    git(project, "submodule", "add", "-q", str(library), "vendor/library")
    assert "vendor/library/tables.py" in members(pack(project, tmp_path))


def test_a_repository_that_names_a_program_for_git_runs_nothing(project: Path, tmp_path: Path) -> None:
    git(project, "init", "-q")
    canary = tmp_path / "canary"
    git(project, "config", "core.fsmonitor", f"touch {canary}")
    pack(project, tmp_path)
    assert not canary.exists()


def test_a_work_tree_that_git_cannot_read_is_refused(project: Path, tmp_path: Path) -> None:
    git(project, "init", "-q")
    (project / ".git/index").write_bytes(b"nonsense")
    with pytest.raises(InvalidValue, match="git cannot say which files"):
        pack(project, tmp_path)


def test_without_git_all_files_are_packed(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("fit.py\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(members(pack(project, tmp_path))) == [".gitignore", *OURS]


def test_links_in_the_project_are_kept_and_never_lead_through_the_folder_they_were_made_in(
    project: Path, tmp_path: Path
) -> None:
    (project / "notes/absolute").symlink_to(project / "src/deep/table.py")
    (project / "notes/around").symlink_to("../../project/fit.py")
    (project / "notes/folder").symlink_to("../src")
    found = members(pack(project, tmp_path))
    assert {name: found[f"notes/{name}"].linkname for name in ("absolute", "around", "folder")} == {
        "absolute": "../src/deep/table.py",
        "around": "../fit.py",
        "folder": "../src",
    }


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "src/../../outside", "chain"])
def test_a_link_out_of_the_project_is_refused_and_nothing_is_left(project: Path, tmp_path: Path, target: str) -> None:
    (project / "chain").symlink_to("..")
    if target != "chain":
        (project / "chain").unlink()
        (project / "link").symlink_to(target)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InvalidValue, match="link out of the project"):
        pack(project, out)
    assert list(out.iterdir()) == []


def test_a_project_that_is_too_large_names_its_largest_files(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (project / "rows.bin").open("wb") as file:
        file.truncate(3 << 20)
    with pytest.raises(InvalidValue, match=r"3 MiB together; at most 10000 files of 2 MiB .* 'rows.bin' with 3 MiB"):
        pack(project, tmp_path, max_bytes=2 << 20)
    monkeypatch.setattr(packing, "MAX_FILES", 3)
    with pytest.raises(InvalidValue, match="has 5 files"):
        pack(project, tmp_path)
    assert not list(tmp_path.glob("*.gz"))


def test_a_file_that_became_a_link_meanwhile_is_not_followed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = packing.project_files(project)
    (project / "fit.py").unlink()
    (project / "fit.py").symlink_to("/etc/passwd")
    monkeypatch.setattr(packing, "project_files", lambda root: files)
    with pytest.raises(InvalidValue, match=r"fit.py' cannot be packed"):
        pack(project, tmp_path)


def test_names_that_are_no_text_are_kept(project: Path, tmp_path: Path) -> None:
    (project / os.fsdecode(b"\xff-r\xf6.txt")).write_text("x")
    assert os.fsdecode(b"\xff-r\xf6.txt") in members(pack(project, tmp_path))
