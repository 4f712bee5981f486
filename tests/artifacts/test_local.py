"""Local folders: whole files or none, and no way out of the root."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from millstream.artifacts import open_repository, paths, staging
from millstream.artifacts.local import LocalRepository
from millstream.errors import ArtifactNotFound, InvalidValue, Unavailable


@pytest.fixture(params=["unnamed", "named"])
def repository(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRepository:
    """Both ways of writing a file that is not there yet."""
    if request.param == "named":
        monkeypatch.setattr(staging, "_TMPFILE", 0)
    return LocalRepository(str(tmp_path / "root"))


def everything(root: str | Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in folders + files]
    return sorted(name for name in found if name != staging.STAGING_FOLDER)


def test_what_was_stored_is_read_back(repository, tmp_path):
    repository.log_bytes(b"one", "a/b/c.txt")
    repository.log_bytes(b"", "empty")
    assert repository.read_bytes("a/b/c.txt") == b"one"
    assert repository.read_bytes("empty") == b""
    assert [(info.path, info.is_dir, info.file_size) for info in repository.list()] == [
        ("a", True, None),
        ("empty", False, 0),
    ]
    assert [(info.path, info.file_size) for info in repository.list("a/b")] == [("a/b/c.txt", 3)]
    assert sorted(info.path for info in repository.walk()) == ["a/b/c.txt", "empty"]


def test_a_file_is_replaced_as_a_whole(repository):
    repository.log_bytes(b"long content", "f")
    with repository.open("f") as old:
        repository.log_bytes(b"new", "f")
        assert old.read() == b"long content"
    assert repository.read_bytes("f") == b"new"
    assert everything(repository.root) == ["f"]


@pytest.mark.parametrize("name", ["a b", "ü/日本", "a..b", "a+b", "100%", "a,b", "x" * 255, "-rf", "a%20b"])
def test_odd_names_come_back_as_they_went(repository, name):
    repository.log_bytes(b"x", name)
    assert [info.path for info in repository.walk()] == [name]
    assert repository.read_bytes(name) == b"x"
    repository.delete(name)
    assert list(repository.walk()) == []


def test_an_aborted_file_leaves_nothing(repository):
    sink = repository.create(paths.check("deep/er/file"))
    sink.write(b"x" * 1000)
    sink.abort()
    sink.abort()
    assert everything(repository.root) == []


def test_a_stream_that_breaks_leaves_nothing(repository):
    def blocks():
        yield b"x" * 1000
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        repository.log_stream(blocks(), "a/b")
    assert everything(repository.root) == []


def test_streams_may_be_files_or_iterables_of_bytes(repository, tmp_path):
    (tmp_path / "source").write_bytes(b"from a file")
    with open(tmp_path / "source", "rb") as file:
        repository.log_stream(file, "one")
    repository.log_stream(iter([b"from ", b"", b"pieces"]), "two")
    assert (repository.read_bytes("one"), repository.read_bytes("two")) == (b"from a file", b"from pieces")
    with open(tmp_path / "source") as text, pytest.raises(InvalidValue, match="binary"):
        repository.log_stream(text, "three")
    assert everything(repository.root) == ["one", "two"]


def test_a_file_can_be_read_from_the_middle(repository):
    repository.log_bytes(bytes(range(256)) * 100, "f")
    with repository.open("f") as file:
        file.seek(300)
        assert file.read(4) == bytes([44, 45, 46, 47])
        assert file.seek(-1, os.SEEK_END) == 25599
        assert file.read() == b"\xff"


@pytest.mark.parametrize("path", ["taken", "taken/below/x"])
def test_a_file_cannot_stand_where_the_other_kind_is(repository, path):
    if path == "taken":
        repository.log_bytes(b"x", "taken/inner")
    else:
        repository.log_bytes(b"x", "taken")
    before = everything(repository.root)
    with pytest.raises(InvalidValue, match="folder"):
        repository.log_bytes(b"y", path)
    assert everything(repository.root) == before


def test_a_folder_that_appears_meanwhile_is_not_replaced(repository):
    sink = repository.create(paths.check("a/b"))
    sink.write(b"x")
    os.makedirs(os.path.join(repository.root, "a/b/c"))
    with pytest.raises(InvalidValue):
        sink.commit()
    assert everything(repository.root) == ["a", "a/b", "a/b/c"]


def test_new_folders_vanish_when_the_name_is_refused(repository):
    with pytest.raises(InvalidValue):
        repository.log_bytes(b"x", "new/folder/" + "x" * 256)
    sink = repository.create(paths.check("one/two/three"))
    sink.write(b"x")
    Path(repository.root, "one").write_bytes(b"in the way")
    with pytest.raises(InvalidValue):
        sink.commit()
    assert everything(repository.root) == ["one"]


def test_what_is_missing_is_not_found_and_lists_nothing(repository):
    for path in ("nope", "nope/deeper"):
        with pytest.raises(ArtifactNotFound):
            repository.read_bytes(path)
        assert repository.list(path) == []
        repository.delete(path)
    repository.log_bytes(b"x", "file")
    assert repository.list("file") == []
    with pytest.raises(ArtifactNotFound):
        repository.read_bytes("file/below")
    repository.log_bytes(b"x", "d/x")
    with pytest.raises(InvalidValue, match="folder"):
        repository.read_bytes("d")


def test_deletion_takes_files_and_whole_folders_but_never_the_root(repository):
    for path in ("a/b/c", "a/d", "keep/e"):
        repository.log_bytes(b"x", path)
    repository.delete("a/d")
    repository.delete("a")
    repository.delete("a")
    assert everything(repository.root) == ["keep", "keep/e"]
    for path in ("", ".", "./", "keep/..", "/", "%2e"):
        with pytest.raises(InvalidValue):
            repository.delete(path)
    assert everything(repository.root) == ["keep", "keep/e"]
    repository.delete_all()
    assert not os.path.exists(repository.root)
    repository.delete_all()


# ---------------------------------------------------------------- links


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


def plant(repository: LocalRepository, name: str, target: Path) -> None:
    os.makedirs(repository.root, exist_ok=True)
    os.symlink(target, os.path.join(repository.root, name))


def test_links_are_not_followed_by_reading_or_listing(repository, outside):
    plant(repository, "folder", outside)
    plant(repository, "file", outside / "secret")
    for path in ("folder/secret", "file", "folder"):
        with pytest.raises(ArtifactNotFound):
            repository.read_bytes(path)
        assert repository.list(path) == []
    assert repository.list() == []


def test_links_are_not_followed_by_writing(repository, outside):
    plant(repository, "folder", outside)
    plant(repository, "file", outside / "secret")
    with pytest.raises(InvalidValue):
        repository.log_bytes(b"x", "folder/new")
    with pytest.raises(InvalidValue):
        repository.log_bytes(b"x", "folder/secret")
    repository.log_bytes(b"mine", "file")
    assert (outside / "secret").read_text() == "secret"
    assert os.listdir(outside) == ["secret"]
    assert repository.read_bytes("file") == b"mine"


def test_deletion_takes_the_link_and_not_what_it_points_to(repository, outside):
    plant(repository, "folder", outside)
    plant(repository, "file", outside / "secret")
    repository.delete("folder/secret")
    repository.log_bytes(b"x", "tree/x")
    os.symlink(outside, os.path.join(repository.root, "tree/link"))
    for path in ("folder", "file", "tree"):
        repository.delete(path)
    assert everything(repository.root) == []
    assert (outside / "secret").read_text() == "secret"


def test_a_link_swapped_in_during_writes_never_leads_outside(repository, outside):
    """A folder is replaced by a link again and again while files are written below it."""
    repository.log_bytes(b"x", "a/first")
    swapped = os.path.join(repository.root, "a")
    stop = threading.Event()
    swaps = []

    def swap() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                os.rename(swapped, f"{swapped}-{len(swaps)}")
                swaps.append(None)
            with contextlib.suppress(OSError):
                os.symlink(outside, swapped)
                os.unlink(swapped)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(200):
            with contextlib.suppress(InvalidValue, Unavailable):
                repository.log_bytes(b"x", f"a/f{number}")
    finally:
        stop.set()
        thread.join()
    assert swaps
    assert os.listdir(outside) == ["secret"]


def test_the_root_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")
    repository = LocalRepository(str(tmp_path / "link"))
    repository.log_bytes(b"x", "f")
    assert repository.read_bytes("f") == b"x"


def test_devices_and_pipes_are_no_artifacts(repository):
    os.makedirs(repository.root)
    os.mkfifo(os.path.join(repository.root, "pipe"))
    assert repository.list() == []
    with pytest.raises(ArtifactNotFound):
        repository.read_bytes("pipe")


def test_the_staging_folder_is_nobodys_business(repository):
    repository.log_bytes(b"1", "f")
    repository.log_bytes(b"2", "f")  # replaces, which needs a name in the staging folder
    assert [info.path for info in repository.list()] == ["f"]
    inside = f"{staging.STAGING_FOLDER}/x"
    with pytest.raises(InvalidValue):
        repository.log_bytes(b"x", inside)
    with pytest.raises(ArtifactNotFound):
        repository.read_bytes(inside)
    repository.delete(staging.STAGING_FOLDER)
    if os.path.exists(os.path.join(repository.root, staging.STAGING_FOLDER)):
        assert os.stat(os.path.join(repository.root, staging.STAGING_FOLDER)).st_mode & 0o777 == 0o700


def test_what_a_killed_process_left_is_swept_away_with_time(repository, monkeypatch):
    repository.log_bytes(b"1", "tree/f")
    left = Path(repository.root, staging.STAGING_FOLDER)
    left.mkdir(exist_ok=True)
    (left / "half").write_text("half")
    (left / "tree").mkdir()
    (left / "tree/f").write_text("half")
    repository.delete("tree")
    assert sorted(os.listdir(left)) == ["half", "tree"]
    monkeypatch.setattr(staging, "_LEFT_OVER_S", -10)
    repository.log_bytes(b"1", "tree/f")
    repository.delete("tree")
    assert os.listdir(left) == []


def test_uploads_into_a_folder_that_is_being_deleted_still_arrive(repository):
    stop = threading.Event()

    def delete() -> None:
        while not stop.is_set():
            repository.delete("a")

    thread = threading.Thread(target=delete)
    thread.start()
    try:
        for number in range(100):
            repository.log_bytes(b"x", f"a/b/f{number}")
    finally:
        stop.set()
        thread.join()
    repository.log_bytes(b"x", "a/b/last")
    assert repository.read_bytes("a/b/last") == b"x"


# ---------------------------------------------------------------- folders and URIs


def make_tree(folder: Path) -> dict[str, bytes]:
    content = {f"d{n % 3}/e{n % 2}/f{n}.txt": b"%d" % n * n for n in range(20)}
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return content


def test_a_folder_goes_up_and_comes_down_whole(repository, tmp_path):
    content = make_tree(tmp_path / "tree")
    repository.log_folder(tmp_path / "tree", "in/side")
    got = repository.download("in/side", tmp_path / "back")
    assert got == str(tmp_path / "back/in/side")
    assert {str(p.relative_to(got)): p.read_bytes() for p in Path(got).rglob("*") if p.is_file()} == content
    assert repository.download("in/side") == os.path.join(repository.root, "in/side")
    file = repository.download("in/side/d1/e1/f1.txt", tmp_path / "one")
    assert file == str(tmp_path / "one/in/side/d1/e1/f1.txt")
    assert Path(file).read_bytes() == b"1"


def test_a_circle_of_links_in_a_source_folder_ends(repository, tmp_path):
    make_tree(tmp_path / "tree")
    os.symlink(tmp_path / "tree", tmp_path / "tree/d0/again")
    os.symlink(tmp_path / "tree/d1", tmp_path / "tree/d0/other")
    repository.log_folder(tmp_path / "tree")
    assert repository.read_bytes("d0/other/e1/f1.txt") == b"1"
    assert repository.list("d0/again") == []


def test_an_empty_folder_comes_down_as_one(repository, tmp_path):
    os.makedirs(os.path.join(repository.root, "empty"))
    got = repository.download("empty", tmp_path / "back")
    assert os.listdir(got) == []


def test_what_is_missing_cannot_be_stored_or_fetched(repository, tmp_path):
    with pytest.raises(InvalidValue, match="no file"):
        repository.log_file(tmp_path / "nope")
    with pytest.raises(InvalidValue, match="no file or folder"):
        repository.log_folder(tmp_path / "nope")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValue, match="not a folder"):
        repository.log_folder(tmp_path / "file")
    for destination in (None, tmp_path / "back"):
        with pytest.raises(ArtifactNotFound):
            repository.download("nope", destination)
    with pytest.raises(ArtifactNotFound):
        repository.download()


def test_file_uris_are_decoded_once(tmp_path):
    repository = open_repository((tmp_path / "a b%20c").as_uri())
    repository.log_bytes(b"x", "f")
    assert (tmp_path / "a b%20c/f").read_bytes() == b"x"
    with pytest.raises(InvalidValue, match="host"):
        open_repository("file://elsewhere/x")
    with pytest.raises(InvalidValue, match="scheme"):
        open_repository("gopher://x/y")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_is_a_clean_error_and_leaves_nothing(tmp_path):
    import subprocess

    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    try:
        repository = LocalRepository(str(mount / "root"))
        repository.log_bytes(b"x" * 1000, "first")
        for path in ("big", "new/folder/big"):
            with pytest.raises(Unavailable, match="full"):
                repository.log_stream((b"x" * 100_000 for _ in range(20)), path)
        assert everything(repository.root) == ["first"]
        with pytest.raises(Unavailable, match="full"):
            repository.log_bytes(b"y" * 2_000_000, "first")
        assert repository.read_bytes("first") == b"x" * 1000
        repository.log_bytes(b"y" * 2000, "second")
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        with pytest.raises(Unavailable, match="read-only"):
            repository.log_bytes(b"x", "third")
        with pytest.raises(Unavailable, match="read-only"):
            repository.delete("first")
        assert repository.read_bytes("first") == b"x" * 1000
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
