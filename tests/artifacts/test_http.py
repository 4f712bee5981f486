"""Files of a plain web server: read, never written."""

from __future__ import annotations

import os

import pytest

from millstream import artifacts
from millstream.artifacts import open_repository
from millstream.errors import ArtifactNotFound, InvalidValue, Unsupported

pytestmark = pytest.mark.usefixtures("_quick_retries")


def test_a_file_comes_down(web, tmp_path):
    (web.folder / "a b").mkdir()
    (web.folder / "a b/f.bin").write_bytes(data := os.urandom(2_000_000))
    repository = open_repository(web.uri)
    got = repository.download("a b/f.bin", tmp_path / "back")
    with open(got, "rb") as file:
        assert file.read() == data
    assert repository.read_bytes("a b/f.bin") == data
    moved = artifacts.download_artifacts(f"{web.uri}/moved/a%20b/f.bin", dst_path=str(tmp_path / "moved"))
    assert os.path.getsize(moved) == len(data)


def test_text_is_read_without_a_copy(web):
    (web.folder / "t.json").write_text('{"a": [1, 2]}')
    assert artifacts.load_dict(f"{web.uri}/t.json") == {"a": [1, 2]}
    assert artifacts.load_text(f"{web.uri}/t.json?version=1") == '{"a": [1, 2]}'


def test_what_is_missing_is_not_found(web, tmp_path):
    with pytest.raises(ArtifactNotFound):
        open_repository(web.uri).download("nope", tmp_path / "back")


def test_it_is_for_reading_only(web, tmp_path):
    repository = open_repository(web.uri)
    (tmp_path / "f").write_text("x")
    for attempt in (
        lambda: repository.log_file(tmp_path / "f"),
        lambda: repository.log_bytes(b"x", "f"),
        lambda: repository.delete("f"),
        lambda: repository.list(),
    ):
        with pytest.raises(Unsupported):
            attempt()


def test_a_redirect_to_another_scheme_is_refused(web, tmp_path):
    with pytest.raises(InvalidValue, match="less safe"):
        open_repository(web.uri).download("downgrade/x", tmp_path)
