"""Raw bytes through a real server: what goes in comes out, in a bounded amount of memory, and never half."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import urllib3

from millstream.artifacts import staging
from millstream.artifacts.local import LocalRepository
from millstream.errors import InvalidValue, Unavailable
from millstream.server import streams
from millstream.server.artifact_store import LocatedUri, ServerArtifacts

from .conftest import ProxyServer

BASE = "/api/2.0/mlflow-artifacts/artifacts/"


def send(
    server: ProxyServer, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """A request whose path is sent as it is."""
    connection = http.client.HTTPConnection(*server.address, timeout=30)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def stored(server: ProxyServer) -> dict[str, bytes]:
    root = Path(server.destination)
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() and staging.STAGING_FOLDER not in p.parts
    }


# ---------------------------------------------------------------- what goes in comes out


@pytest.mark.parametrize("size", [0, 1, 1000, streams.SMALL_BYTES, streams.SMALL_BYTES + 1, 3_000_000, 20_000_001])
def test_files_of_any_size_come_back_as_they_went(server, size):
    data = os.urandom(size)
    assert send(server, "PUT", f"{BASE}sizes/f{size}", data)[::2] == (200, b"")
    status, headers, back = send(server, "GET", f"{BASE}sizes/f{size}")
    assert (status, back == data, headers["content-length"]) == (200, True, str(size))


def test_a_chunked_upload_needs_no_length(server):
    for size in (10, 5_000_000):
        data = os.urandom(size)
        answer = urllib3.request(
            "PUT", f"{server.artifacts}/chunked/{size}", body=(data[i : i + 70_000] for i in range(0, size, 70_000))
        )
        assert answer.status == 200
        assert urllib3.request("GET", f"{server.artifacts}/chunked/{size}").data == data


@pytest.mark.parametrize(
    "name", ["a b.txt", "ü.txt", "日本/語", "a..b", "a+b", "100%", "a%20b", "a,b;c", "q?x=1", "a&b=c", "'\"", "x" * 255]
)
def test_odd_names_round_trip(server, name):
    path = BASE + "odd/" + quote(name)
    assert send(server, "PUT", path, name.encode())[0] == 200
    assert send(server, "GET", path)[2] == name.encode()
    assert stored(server)["odd/" + name] == name.encode()
    assert send(server, "DELETE", path)[::2] == (200, b"{}")
    assert send(server, "GET", path)[0] == 404


def test_a_second_upload_replaces_the_first(server):
    for data in (b"first, and longer", b"second"):
        send(server, "PUT", BASE + "again", data)
    assert send(server, "GET", BASE + "again")[2] == b"second"


def test_both_prefixes_reach_the_same_file(server):
    send(server, "PUT", BASE + "both", b"x")
    assert send(server, "GET", "/ajax-api/2.0/mlflow-artifacts/artifacts/both")[2] == b"x"


# ---------------------------------------------------------------- headers, ranges, conditions


def test_an_artifact_is_a_download_that_no_browser_runs(server):
    send(server, "PUT", BASE + "page/" + quote('e"vil ü.html'), b"<script>alert(1)</script>")
    _, headers, _ = send(server, "GET", BASE + "page/" + quote('e"vil ü.html'))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert (
        headers["content-disposition"]
        == "attachment; filename=\"e_vil _.html\"; filename*=UTF-8''e%22vil%20%C3%BC.html"
    )
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["accept-ranges"] == "bytes"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("a.json", "application/json"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("MLmodel", "application/octet-stream"),
    ],
)
def test_the_type_is_guessed_from_the_name(server, name, kind):
    send(server, "PUT", BASE + "kinds/" + name, b"x")
    assert send(server, "GET", BASE + "kinds/" + name)[1]["content-type"] == kind


CONTENT = bytes(range(256)) * 10_000


@pytest.fixture(scope="module")
def ranged(server: ProxyServer) -> str:
    send(server, "PUT", BASE + "ranged", CONTENT)
    return BASE + "ranged"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=2559999-", 2559999, 2560000), ("bytes=-5", 2559995, 2560000),
        ("bytes=5-99999999999", 5, 2560000), ("bytes=-99999999", 0, 2560000), ("bytes=100-2000099", 100, 2000100),
        ("bytes= 10 - 19 ", 10, 20), ("BYTES=0-1", 0, 2),
    ],
)  # fmt: skip
def test_a_range_is_answered_with_its_bytes(server, ranged, asked, start, end):
    status, headers, body = send(server, "GET", ranged, Range=asked)
    assert status == 206
    assert headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert headers["content-length"] == str(end - start)
    assert body == CONTENT[start:end]


@pytest.mark.parametrize("asked", ["bytes=2560000-", "bytes=99999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_416(server, ranged, asked):
    status, headers, body = send(server, "GET", ranged, Range=asked)
    assert (status, headers["content-range"]) == (416, "bytes */2560000")
    assert msgspec.json.decode(body)["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=5-1",
        "bytes=a-b",
        "bytes=",
        "bytes=-",
        "lines=1-2",
        "bytes=0-1,5-6",
        "bytes=0x1-2",
        "bytes=+1-2",
        "b" * 999,
        "bytes=" + "9" * 30 + "-",
    ],
)
def test_a_range_that_says_nothing_is_ignored(server, ranged, asked):
    status, _, body = send(server, "GET", ranged, Range=asked)
    assert (status, len(body)) == (200, len(CONTENT))


def test_a_client_that_has_the_file_gets_304(server, ranged):
    _, headers, _ = send(server, "GET", ranged)
    for condition in (
        {"If_None_Match": headers["etag"]},
        {"If_None_Match": f'"other", W/{headers["etag"]}'},
        {"If_None_Match": "*"},
        {"If_Modified_Since": headers["last-modified"]},
    ):
        status, again, body = send(server, "GET", ranged, **condition)
        assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    earlier = formatdate(parsedate_to_datetime(headers["last-modified"]).timestamp() - 5, usegmt=True)
    for condition in (
        {"If_None_Match": '"other"'},
        {"If_Modified_Since": earlier},
        {"If_Modified_Since": "yesterday"},
        {"If_None_Match": '"other"', "If_Modified_Since": headers["last-modified"]},
    ):
        assert send(server, "GET", ranged, **condition)[0] == 200


def test_a_range_of_another_version_is_the_whole_file(server, ranged):
    _, headers, _ = send(server, "GET", ranged)
    for condition in (headers["etag"], headers["last-modified"]):
        assert send(server, "GET", ranged, Range="bytes=0-0", If_Range=condition)[0] == 206
    for condition in ('"other"', "W/" + headers["etag"], "Sat, 01 Jan 2000 00:00:00 GMT", "nonsense"):
        assert send(server, "GET", ranged, Range="bytes=0-0", If_Range=condition)[0] == 200


def test_the_etag_changes_with_the_content(server):
    send(server, "PUT", BASE + "tagged", b"one")
    first = send(server, "GET", BASE + "tagged")[1]["etag"]
    send(server, "PUT", BASE + "tagged", b"two")
    assert send(server, "GET", BASE + "tagged")[1]["etag"] != first


def test_head_says_what_get_would(server, ranged):
    _, wanted, _ = send(server, "GET", ranged)
    status, headers, body = send(server, "HEAD", ranged)
    assert (status, body) == (200, b"")
    for name in ("content-length", "etag", "last-modified", "content-type", "content-disposition"):
        assert headers[name] == wanted[name]
    assert send(server, "HEAD", BASE + "nope")[0] == 404


# ---------------------------------------------------------------- refusals

HOSTILE = [
    "..", "../x", "a/../../x", "%2e%2e/x", "%2e%2e%2fx", "a/%2e%2e/%2e%2e/x", "%252e%252e/x", "%252e%252e%252fx", "..%5cx", "..%255cx",
    "%2fetc%2fpasswd", "/etc/passwd", "%252fetc", "a//b", "a/./b", "./a", "a/%2e/b", "a%00b", "a%2500b", "a%0ab", "a%5cb", "a%23b",
    "C:/x", "C%3A/x", "c%3A%5Cx", "file:/etc/passwd", "file:%2F%2F%2Fetc", "a//", "x" * 256, "/".join(["y" * 200] * 22),
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_leads_elsewhere_is_400_for_every_verb(server, path):
    before = stored(server)
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        status, headers, body = send(server, method, BASE + path, b"x" if method == "PUT" else None)
        assert 400 <= status < 500, (method, status)
        assert headers["content-type"].startswith("application/json")
        assert method == "HEAD" or server.destination not in body.decode()
    assert stored(server) == before


@pytest.mark.parametrize("path", ["..", ".", "a//b", "../..", "%2e%2e", "%252e%252e", "/etc", "a%5cb", "a%00", "a%23"])
def test_a_listing_of_elsewhere_is_400(server, path):
    status, _, body = send(server, "GET", f"{BASE[:-1]}?path={path}")
    assert status == 400
    assert msgspec.json.decode(body)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_what_is_missing_is_404_and_a_folder_400(server):
    send(server, "PUT", BASE + "folder/file", b"x")
    for path, status, code in (
        ("nope", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("folder/file/x", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("folder", 400, "INVALID_PARAMETER_VALUE"),
    ):
        got, _, body = send(server, "GET", BASE + path)
        assert (got, msgspec.json.decode(body)["error_code"]) == (status, code)


def test_an_upload_over_a_folder_or_below_a_file_is_400(server):
    send(server, "PUT", BASE + "kind/folder/file", b"x")
    before = stored(server)
    for data in (b"small", b"l" * 2_000_000):
        for path in ("kind/folder", "kind/folder/file/below", "kind/folder/file/be/low"):
            status, _, body = send(server, "PUT", BASE + path, data)
            assert (status, msgspec.json.decode(body)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert stored(server) == before


def test_links_in_the_store_lead_nowhere(server, tmp_path):
    (tmp_path / "secret").write_text("secret")
    root = Path(server.destination)
    (root / "links").mkdir(exist_ok=True)
    (root / "links/folder").symlink_to(tmp_path)
    (root / "links/file").symlink_to(tmp_path / "secret")
    for path in ("links/file", "links/folder/secret"):
        assert send(server, "GET", BASE + path)[0] == 404
    assert send(server, "PUT", BASE + "links/folder/new", b"x")[0] == 400
    assert send(server, "DELETE", BASE + "links/folder/secret")[0] == 200
    assert send(server, "GET", BASE[:-1] + "?path=links/folder")[2] == b"{}"
    assert send(server, "GET", BASE[:-1] + "?path=links")[2] == b"{}"
    assert send(server, "DELETE", BASE + "links")[0] == 200
    assert os.listdir(tmp_path) == ["secret"]


def test_the_root_and_the_folders_of_runs_and_experiments_stay(server):
    run = "7/" + "a" * 32
    send(server, "PUT", f"{BASE}{run}/artifacts/f", b"x")
    for path in ("7", "7/", run, run + "/", "", "/", ".", "%2e", "7/models"):
        assert 400 <= send(server, "DELETE", BASE + path)[0] < 500, path
    assert f"{run}/artifacts/f" in stored(server)
    # an MLflow client that removes a run's artifacts for good sends this
    assert send(server, "DELETE", f"{BASE}{run}/artifacts/")[0] == 200
    assert f"{run}/artifacts/f" not in stored(server)


def test_stores_on_disks_have_no_parts_and_no_presigned_addresses(server):
    api = BASE.removesuffix("artifacts/")
    for method, path, body in (
        ("POST", "mpu/create/dir", b'{"path":"f","num_parts":2}'),
        ("POST", "mpu/complete/dir", b'{"path":"f","upload_id":"u","parts":[{"part_number":1,"etag":"e","url":"u"}]}'),
        ("POST", "mpu/abort/dir", b'{"path":"f","upload_id":"u"}'),
        ("GET", "presigned/dir/f", None),
    ):
        status, _, answer = send(server, method, api + path, body, Content_Type="application/json")
        assert (status, msgspec.json.decode(answer)["error_code"]) == (501, "NOT_IMPLEMENTED")


# ---------------------------------------------------------------- cut and concurrent transfers


@pytest.mark.parametrize("sent", [10, 3_000_000])
def test_a_cut_upload_leaves_nothing(server, sent):
    before = stored(server)
    with socket.create_connection(server.address) as connection:
        head = f"PUT {BASE}cut{sent}/deep/file HTTP/1.1\r\nHost: {server.address[0]}:{server.address[1]}\r\nContent-Length: 10000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * sent)
        time.sleep(0.3)
    time.sleep(0.3)
    assert stored(server) == before
    assert not os.path.exists(os.path.join(server.destination, f"cut{sent}"))
    assert send(server, "PUT", f"{BASE}cut{sent}/deep/file", b"whole")[0] == 200


def open_files(server: ProxyServer, name: str) -> int:
    found = 0
    for fd in os.listdir(f"/proc/{server.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found += os.readlink(f"/proc/{server.pid}/fd/{fd}").endswith(name)
    return found


def test_a_download_that_nobody_reads_to_its_end_does_not_stay_open(server):
    send(server, "PUT", BASE + "large", b"x" * 30_000_000)
    host = server.uri.removeprefix("http://")
    for _ in range(5):
        with socket.create_connection(server.address) as connection:
            connection.sendall(f"GET {BASE}large HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            connection.recv(1000)
    deadline = time.monotonic() + 10
    while open_files(server, "/large") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert open_files(server, "/large") == 0


def test_many_small_uploads_at_once_all_arrive(server):
    def put(number: int) -> int:
        return send(server, "PUT", f"{BASE}many/{number % 7}/f{number}", str(number).encode())[0]

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(put, range(300))) == {200}
    found = stored(server)
    assert all(found[f"many/{number % 7}/f{number}"] == str(number).encode() for number in range(300))


def test_one_bad_file_of_a_group_does_not_harm_the_others(server):
    send(server, "PUT", BASE + "group/taken/x", b"x")

    def put(number: int) -> int:
        path = "group/taken" if number % 5 == 0 else f"group/f{number}"
        return send(server, "PUT", BASE + path, b"x")[0]

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(put, range(100)))
    assert statuses == [400 if number % 5 == 0 else 200 for number in range(100)]


def test_what_was_answered_survives_the_kill_of_the_server(tmp_path):
    doomed = ProxyServer(str(tmp_path / "store"))
    answered: dict[str, bytes] = {}

    def put(number: int) -> None:
        data = hashlib.sha256(str(number).encode()).digest() * (1 + number % 3 * 20_000)
        try:
            if send(doomed, "PUT", f"{BASE}{number % 4}/f{number}", data)[0] == 200:
                answered[f"{number % 4}/f{number}"] = data
        except (OSError, http.client.HTTPException):
            pass

    with ThreadPoolExecutor(8) as pool:
        moves = [pool.submit(put, number) for number in range(400)]
        while sum(move.done() for move in moves) < 100:
            time.sleep(0.005)
        doomed.kill()
    found = stored(doomed)
    assert len(answered) >= 90
    assert {path: found[path] for path in answered} == answered
    for path, data in found.items():
        number = int(path.rpartition("f")[2])
        assert data == hashlib.sha256(str(number).encode()).digest() * (1 + number % 3 * 20_000), "a torn file"


# ---------------------------------------------------------------- without a server: limits and memory


class Client:
    """An ASGI peer that counts what is asked of it."""

    def __init__(self, messages: Any, method: str = "PUT", **headers: str) -> None:
        self._messages = iter(messages)
        self.scope = {
            "type": "http",
            "method": method,
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        }
        self.sent: list[dict[str, Any]] = []
        self.largest = 0
        self.total = 0

    async def receive(self) -> dict[str, Any]:
        try:
            return next(self._messages)
        except StopIteration:
            await asyncio.sleep(3600)
            raise

    async def send(self, message: dict[str, Any]) -> None:
        size = len(message.get("body", b""))
        self.largest = max(self.largest, size)
        self.total += size
        self.sent.append({**message, "body": None})


def place(tmp_path: Path, name: str = "f") -> LocatedUri:
    return ServerArtifacts(None, str(tmp_path / "store")).proxied_uri(name)  # type: ignore[arg-type]


def chunks(count: int, size: int) -> Any:
    for number in range(count):
        yield {"type": "http.request", "body": b"x" * size, "more_body": number < count - 1}


@pytest.fixture
def one_thread(monkeypatch):
    """A thread that is preempted before it lets go of its block holds one more: with one of them, memory has an exact bound."""
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(streams, "_threads", threads)
        yield


def test_an_upload_holds_a_few_blocks_at_most(tmp_path, one_thread):
    import tracemalloc

    client = Client(chunks(1000, 100_000))

    async def run() -> int:
        await streams._in_thread(int)  # threads and caches exist before we count
        tracemalloc.start()
        await streams.upload(client.scope, client.receive, client.send, place(tmp_path))
        return tracemalloc.get_traced_memory()[1]

    peak = asyncio.run(run())
    tracemalloc.stop()
    assert (tmp_path / "store/f").stat().st_size == 100_000_000
    assert peak < 5 * streams.UPLOAD_BLOCK_BYTES


def test_a_download_holds_a_few_blocks_at_most(tmp_path, one_thread):
    import tracemalloc

    LocalRepository(str(tmp_path / "store")).log_stream((b"x" * 1_000_000 for _ in range(100)), "f")
    client = Client([{"type": "http.request", "body": b""}], "GET")

    async def run() -> int:
        await streams._in_thread(int)
        tracemalloc.start()
        await streams.download(client.scope, client.receive, client.send, place(tmp_path))
        return tracemalloc.get_traced_memory()[1]

    peak = asyncio.run(run())
    tracemalloc.stop()
    assert client.total == 100_000_000
    assert client.largest <= streams.DOWNLOAD_BLOCK_BYTES
    assert peak < 5 * streams.DOWNLOAD_BLOCK_BYTES


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_over_its_limit_is_refused_and_leaves_nothing(tmp_path, announced):
    headers = {"content_length": "1000000"} if announced else {}
    client = Client(chunks(10, 100_000), **headers)
    with pytest.raises(InvalidValue):
        asyncio.run(streams.upload(client.scope, client.receive, client.send, place(tmp_path), limit=500_000))
    assert client.sent == []
    assert not (tmp_path / "store/f").exists()


def test_a_mistake_in_a_group_of_uploads_is_an_error_and_not_the_end_of_all_uploads(tmp_path, monkeypatch):
    def upload(name: str) -> None:
        client = Client(chunks(1, 10), content_length="10")
        asyncio.run(streams.upload(client.scope, client.receive, client.send, place(tmp_path, name)))

    with monkeypatch.context() as broken:
        broken.setenv("MILLSTREAM_ARTIFACT_FSYNC", "perhaps")
        with pytest.raises(Exception, match="perhaps"):
            upload("a")
    upload("b")
    assert [file.name for file in (tmp_path / "store").iterdir() if file.is_file()] == ["b"]


def test_an_upload_that_is_shorter_than_announced_is_refused(tmp_path):
    for count in (1, 10):
        client = Client(chunks(count, 100_000), content_length="5000000")
        with pytest.raises(Exception, match="announced"):
            asyncio.run(streams.upload(client.scope, client.receive, client.send, place(tmp_path)))
        assert not (tmp_path / "store/f").exists()


def test_only_located_uris_are_served(tmp_path):
    client = Client([], "GET")
    with pytest.raises(TypeError):
        asyncio.run(streams.download(client.scope, client.receive, client.send, "/etc/passwd"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_is_a_clean_503_and_no_restart_is_needed(tmp_path):
    import subprocess

    mount = tmp_path / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)], capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    full = ProxyServer(str(mount / "store"))
    try:
        assert send(full, "PUT", BASE + "first", b"x" * 1_000_000)[0] == 200
        for size in (200_000, 3_000_000):
            statuses = [send(full, "PUT", f"{BASE}new/f{size}-{n}", b"x" * size) for n in range(9)]
            assert statuses[-1][0] == 503
            assert msgspec.json.decode(statuses[-1][2])["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert all(len(data) in (1_000_000, 200_000) for data in stored(full).values())
        assert send(full, "DELETE", BASE + "new")[0] == 200
        assert send(full, "PUT", BASE + "after", b"x" * 500_000)[0] == 200
    finally:
        full.stop()
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_an_answer_that_breaks_off_is_not_a_shorter_file(tmp_path):
    class Shrinking:
        size, etag, modified = 5_000_000, '"x"', 0.0

        def read(self, offset: int, length: int) -> bytes:
            return b"x" * length if offset < 1_000_000 else b""

        def close(self) -> None:
            pass

    class Store(LocalRepository):
        def _source(self, path: Any) -> Any:
            return Shrinking()

    client = Client([{"type": "http.request", "body": b""}], "GET")
    with pytest.raises((ConnectionAbortedError, Unavailable)):
        asyncio.run(
            streams.download(
                client.scope, client.receive, client.send, LocatedUri(Store(str(tmp_path)), place(tmp_path).path)
            )
        )
    assert all(message.get("more_body", True) for message in client.sent)
