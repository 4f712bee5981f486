"""S3, by its real protocol: a moto server on loopback."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3

from millstream import artifacts
from millstream.artifacts import open_repository, paths
from millstream.artifacts.s3 import S3Repository
from millstream.errors import ArtifactNotFound, InvalidValue, PermissionDenied, Unavailable
from millstream.server.artifact_store import ServerArtifacts

from .conftest import BUCKET, ProxyServer
from .test_local import make_tree

PART = 5 << 20


@pytest.fixture
def repository(s3) -> S3Repository:
    opened = open_repository(f"s3://{s3.bucket}/some/prefix")
    assert isinstance(opened, S3Repository)
    return opened


def test_what_was_stored_is_read_back(repository, tmp_path):
    repository.log_bytes(b"one", "a/b.txt")
    repository.log_bytes(b"", "empty")
    repository.log_stream((b"x" * 1_000_000 for _ in range(20)), "stream")
    assert [(info.path, info.is_dir, info.file_size) for info in repository.list()] == [
        ("a", True, None), ("empty", False, 0), ("stream", False, 20_000_000),
    ]  # fmt: skip
    assert [info.path for info in repository.list("a")] == ["a/b.txt"]
    assert repository.list("a/b.txt") == repository.list("nope") == []
    assert repository.read_bytes("a/b.txt") == b"one"
    with repository.open("stream") as file:
        file.seek(19_999_990)
        assert file.read() == b"x" * 10
    assert Path(repository.download("a/b.txt", tmp_path)).read_bytes() == b"one"


def test_a_folder_goes_up_and_comes_down_whole(repository, tmp_path):
    content = make_tree(tmp_path / "tree")
    repository.log_folder(tmp_path / "tree", "model")
    got = Path(repository.download("model", tmp_path / "back"))
    assert {str(p.relative_to(got)): p.read_bytes() for p in got.rglob("*") if p.is_file()} == content
    repository.delete("model/d0")
    assert [info.path for info in repository.list("model")] == ["model/d1", "model/d2"]
    repository.delete("model")
    repository.delete("model")
    assert repository.list() == []


def test_odd_names_round_trip(repository):
    for name in ("a b", "ü", "100%", "a%20b", "a+b", "a?b=c&d", "a,b;c"):
        repository.log_bytes(name.encode(), f"odd/{name}")
        assert repository.read_bytes(f"odd/{name}") == name.encode()
    assert len(repository.list("odd")) == 7


def test_names_are_not_patterns(repository):
    for name in ("a*", "a?", "a[b]", "ab", "ac", "deep/x"):
        repository.log_bytes(b"x", name)
    for name in ("a*", "a?", "a[b]", "*", "**", "?"):
        repository.delete(name)
    assert [info.path for info in repository.list()] == ["ab", "ac", "deep"]


def test_what_is_missing_is_not_found(repository, tmp_path):
    with pytest.raises(ArtifactNotFound):
        repository.read_bytes("nope")
    with pytest.raises(ArtifactNotFound):
        repository.download("nope", tmp_path)
    with pytest.raises((ArtifactNotFound, PermissionDenied)):
        open_repository("s3://no-such-bucket/x").log_bytes(b"x", "f")
    for path in ("", "..", "a/../../x"):
        with pytest.raises(InvalidValue):
            repository.delete(path)


def test_a_stream_that_breaks_leaves_nothing(repository):
    def blocks() -> Any:
        for _ in range(15):
            yield b"x" * 1_000_000
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        repository.log_stream(blocks(), "f")
    assert repository.list() == []
    assert "Uploads" not in repository.fs.call_s3("list_multipart_uploads", Bucket="artifacts")


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of five parts and a bit."""
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART))
    monkeypatch.setenv("MILLSTREAM_ARTIFACT_TRANSFER_THREADS", "2")
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(5 * PART + 1000))
    return path


def count_parts(repository: S3Repository, monkeypatch: pytest.MonkeyPatch, fail_from: int = 99) -> list[int]:
    """The parts that are really sent; those from `fail_from` on are cut."""
    sent: list[int] = []
    call = repository.fs.call_s3

    def watched(method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "upload_part":
            if kwargs["PartNumber"] >= fail_from:
                raise ConnectionError("cut")
            sent.append(kwargs["PartNumber"])
        return call(method, *args, **kwargs)

    monkeypatch.setattr(repository.fs, "call_s3", watched)
    return sent


def test_a_large_file_goes_up_in_parts(repository, large, monkeypatch):
    sent = count_parts(repository, monkeypatch)
    repository.log_file(large)
    assert sorted(sent) == [1, 2, 3, 4, 5, 6]
    assert repository.read_bytes("large.bin") == large.read_bytes()


def test_a_cut_upload_goes_on_with_the_parts_that_are_missing(repository, large, monkeypatch):
    with monkeypatch.context() as patch:
        first = count_parts(repository, patch, fail_from=4)
        with pytest.raises(Unavailable, match="cut"):
            repository.log_file(large)
    assert repository.list() == []
    second = count_parts(repository, monkeypatch)
    repository.log_file(large)
    assert 1 <= len(first) <= 3
    assert sorted(first + second) == [1, 2, 3, 4, 5, 6]
    assert repository.read_bytes("large.bin") == large.read_bytes()


def test_parts_of_another_content_are_sent_again(repository, large, monkeypatch):
    with monkeypatch.context() as patch:
        count_parts(repository, patch, fail_from=4)
        with pytest.raises(Unavailable):
            repository.log_file(large)
    large.write_bytes(os.urandom(5 * PART + 1000))
    sent = count_parts(repository, monkeypatch)
    repository.log_file(large)
    assert sorted(sent) == [1, 2, 3, 4, 5, 6]
    assert repository.read_bytes("large.bin") == large.read_bytes()


def test_a_cut_download_goes_on_where_it_was_cut(repository, large, tmp_path, monkeypatch):
    repository.log_file(large)
    source_type = type(repository._source(paths.check("large.bin")))
    read = source_type.read
    reads: list[int] = []

    def cut(self: Any, offset: int, length: int) -> bytes:
        if offset >= 3 * PART and len(reads) < 1000:
            reads.extend([0] * 1000)
            raise Unavailable("cut")
        return read(self, offset, length)

    monkeypatch.setattr(source_type, "read", cut)
    with pytest.raises(Unavailable):
        repository.download("large.bin", tmp_path / "back")

    offsets = []

    def watched(self: Any, offset: int, length: int) -> bytes:
        offsets.append(offset)
        return read(self, offset, length)

    monkeypatch.setattr(source_type, "read", watched)
    got = repository.download("large.bin", tmp_path / "back")
    assert Path(got).read_bytes() == large.read_bytes()
    assert min(offsets) == 3 * PART
    assert os.listdir(tmp_path / "back") == ["large.bin"]


def test_extra_arguments_reach_the_store(s3, monkeypatch):
    monkeypatch.setenv("MLFLOW_S3_UPLOAD_EXTRA_ARGS", '{"ContentType": "text/weird"}')
    repository = open_repository(f"s3://{s3.bucket}/extra")
    repository.log_bytes(b"x", "f")
    assert repository.fs.call_s3("head_object", Bucket=s3.bucket, Key="extra/f")["ContentType"] == "text/weird"
    monkeypatch.setenv("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "not json")
    with pytest.raises(InvalidValue, match="JSON object"):
        open_repository(f"s3://{s3.bucket}/x")


def test_the_public_functions_take_s3_addresses(s3, tmp_path):
    open_repository(f"s3://{s3.bucket}").log_bytes(b'{"a": 1}', "deep/er/f.json")
    assert artifacts.load_dict(f"s3://{s3.bucket}/deep/er/f.json") == {"a": 1}
    got = artifacts.download_artifacts(f"s3://{s3.bucket}/deep/er", dst_path=str(tmp_path))
    assert got == str(tmp_path / "er")
    assert os.listdir(got) == ["f.json"]
    assert [info.path for info in artifacts.list_artifacts(f"s3://{s3.bucket}/deep/er")] == ["er/f.json"]
    assert [info.path for info in artifacts.list_artifacts(f"s3://{s3.bucket}")] == ["deep"]


def test_a_store_that_is_down_is_unavailable(monkeypatch, s3):
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    repository = open_repository("s3://artifacts/x")
    repository.fs.retries = 1
    with pytest.raises(Unavailable):
        repository.read_bytes("f")


# ---------------------------------------------------------------- the server's proxy over S3


@pytest.fixture(scope="module")
def proxy_process(s3_process: str) -> Any:
    server = ProxyServer(
        f"s3://{BUCKET}/proxied",
        MLFLOW_S3_ENDPOINT_URL=s3_process,
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_DEFAULT_REGION="us-east-1",
    )
    yield server
    server.stop()


@pytest.fixture
def proxied(s3, proxy_process: ProxyServer) -> ProxyServer:
    return proxy_process


def test_the_proxy_streams_to_and_from_s3(proxied, s3):
    for size in (0, 1000, 12_000_000):
        data = os.urandom(size)
        assert urllib3.request("PUT", f"{proxied.artifacts}/1/f{size}", body=data).status == 200
        answer = urllib3.request("GET", f"{proxied.artifacts}/1/f{size}")
        assert (answer.status, answer.data == data) == (200, True)
        assert open_repository(f"s3://{s3.bucket}/proxied").read_bytes(f"1/f{size}") == data
    part = urllib3.request("GET", f"{proxied.artifacts}/1/f12000000", headers={"Range": "bytes=5000000-5000009"})
    assert (part.status, part.data) == (206, data[5_000_000:5_000_010])
    assert urllib3.request("GET", f"{proxied.artifacts}/1/nope").status == 404
    listed = urllib3.request("GET", f"{proxied.artifacts}?path=1").json()["files"]
    assert [entry["path"] for entry in listed] == ["f0", "f1000", "f12000000"]
    assert urllib3.request("DELETE", f"{proxied.artifacts}/1/f1000").status == 200
    assert urllib3.request("GET", f"{proxied.artifacts}/1/f1000").status == 404


def test_a_cut_upload_leaves_nothing_in_s3(proxied, s3):
    import socket
    import time

    with socket.create_connection(proxied.address) as connection:
        host = proxied.uri.removeprefix("http://")
        head = f"PUT /api/2.0/mlflow-artifacts/artifacts/1/cut HTTP/1.1\r\nHost: {host}\r\nContent-Length: 90000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 20_000_000)
        time.sleep(1)
    time.sleep(1)
    assert urllib3.request("GET", f"{proxied.artifacts}/1/cut").status == 404
    assert open_repository(f"s3://{s3.bucket}/proxied").list("1") == []


def test_a_large_file_goes_through_the_proxy_in_parts_and_comes_back_by_a_presigned_address(
    proxied, s3, large, tmp_path, monkeypatch
):
    from millstream.artifacts import http

    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE", str(PART))
    asked: list[tuple[str, str]] = []
    once = http.Connection._once

    def watched(self: Any, method: str, url: str, body: Any, headers: Any) -> Any:
        asked.append((method, url))
        return once(self, method, url, body, headers)

    monkeypatch.setattr(http.Connection, "_once", watched)
    repository = open_repository("mlflow-artifacts:/1/run/artifacts", proxied.uri)
    repository.log_file(large, "model")
    direct = [url for method, url in asked if method == "PUT"]
    assert len(direct) == 6
    assert all(url.startswith(s3.endpoint) for url in direct)
    asked.clear()
    got = repository.download("model/large.bin", tmp_path / "back")
    assert Path(got).read_bytes() == large.read_bytes()
    assert asked[-1][1].startswith(s3.endpoint)
    repository.log_bytes(b"small", "small")
    assert Path(repository.download("small", tmp_path / "back")).read_bytes() == b"small"
    assert asked[-1][1].startswith(proxied.uri)


def call(server: ProxyServer, path: str, body: Any) -> tuple[int, Any]:
    url = f"{server.uri}/api/2.0/mlflow-artifacts/{path}"
    answer = urllib3.request(
        "POST", url, body=msgspec.json.encode(body), headers={"Content-Type": "application/json"}, retries=False
    )
    return answer.status, msgspec.json.decode(answer.data)


def test_parts_follow_the_contract_of_the_proxy(proxied, s3):
    status, created = call(proxied, "mpu/create/1/dir", {"path": "f.bin", "num_parts": 2})
    assert status == 200
    assert [part["part_number"] for part in created["credentials"]] == [1, 2]
    parts = []
    for part, data in zip(created["credentials"], (b"a" * PART, b"b"), strict=True):
        answer = urllib3.request("PUT", part["url"], body=data)
        parts.append({"part_number": part["part_number"], "etag": answer.headers["ETag"], "url": part["url"]})
    finish = {"path": "f.bin", "upload_id": created["upload_id"], "parts": parts[::-1]}
    assert call(proxied, "mpu/complete/1/dir", finish) == (200, {})
    stored = open_repository(f"s3://{s3.bucket}/proxied").read_bytes("1/dir/f.bin")
    assert hashlib.md5(stored).hexdigest() == hashlib.md5(b"a" * PART + b"b").hexdigest()
    _, created = call(proxied, "mpu/create/1/dir", {"path": "g.bin", "num_parts": 1})
    assert call(proxied, "mpu/abort/1/dir", {"path": "g.bin", "upload_id": created["upload_id"]}) == (200, {})


def test_bad_requests_for_parts_are_400(proxied):
    for path, body in (
        ("mpu/create/1", {"path": "f", "num_parts": 0}),
        ("mpu/create/1", {"path": "f", "num_parts": 10_001}),
        ("mpu/create/1", {"path": "../f", "num_parts": 1}),
        ("mpu/create/1", {"path": "a/f", "num_parts": 1}),
        ("mpu/create/%252e%252e", {"path": "f", "num_parts": 1}),
        ("mpu/complete/1", {"path": "f", "upload_id": "no-such-upload", "parts": [{"part_number": 1, "etag": "x"}]}),
        ("mpu/complete/1", {"path": "f", "upload_id": "", "parts": [{"part_number": 1, "etag": "x"}]}),
        ("mpu/complete/1", {"path": "f", "upload_id": "x", "parts": []}),
        ("mpu/abort/1", {"path": "f", "upload_id": "no-such-upload"}),
    ):
        status, answer = call(proxied, path, body)
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), (path, body)


def test_presigned_addresses_let_others_download_and_upload(s3):
    store = ServerArtifacts(None, f"s3://{s3.bucket}/proxied")  # type: ignore[arg-type]
    repository = open_repository(f"s3://{s3.bucket}/proxied")
    repository.log_bytes(b"content", "1/page.html")
    presigned = store.presign_proxied("1/page.html")
    answer = urllib3.request("GET", presigned.url)
    assert (answer.data, presigned.file_size) == (b"content", 7)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="page.html"'
    assert isinstance(repository, S3Repository)
    url = repository.presign_put(paths.check("1/new"), 60)
    assert urllib3.request("PUT", url, body=b"put").status == 200
    assert repository.read_bytes("1/new") == b"put"
    with pytest.raises(ArtifactNotFound):
        store.presign_proxied("1/nope")
