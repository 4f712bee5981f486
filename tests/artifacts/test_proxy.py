"""Our client's side of the proxy, against a real server."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream import settings
from millstream.artifacts import open_repository, transfer
from millstream.artifacts.http import Connection
from millstream.artifacts.proxy import ProxyRepository
from millstream.errors import InvalidValue, MillstreamError, NotFound, ServerUnreachable, Unavailable

from .conftest import ProxyServer
from .test_local import make_tree

pytestmark = pytest.mark.usefixtures("_quick_retries")


@pytest.fixture
def repository(server: ProxyServer, request: pytest.FixtureRequest) -> ProxyRepository:
    """A folder of the proxy for one test alone."""
    folder = "".join(char if char.isalnum() else "-" for char in request.node.name)
    opened = open_repository(f"mlflow-artifacts:/{folder}/artifacts", server.uri)
    assert isinstance(opened, ProxyRepository)
    return opened


def test_a_file_goes_up_and_comes_down(repository, tmp_path):
    (tmp_path / "f.bin").write_bytes(data := os.urandom(3_000_000))
    (tmp_path / "empty").write_bytes(b"")
    repository.log_file(tmp_path / "f.bin", "in side")
    repository.log_file(tmp_path / "empty")
    repository.log_file_as(tmp_path / "f.bin", "other name")
    assert [(info.path, info.is_dir, info.file_size) for info in repository.list()] == [
        ("empty", False, 0), ("in side", True, None), ("other name", False, 3_000_000),
    ]  # fmt: skip
    assert [info.path for info in repository.list("in side")] == ["in side/f.bin"]
    got = repository.download("in side/f.bin", tmp_path / "back")
    assert got == str(tmp_path / "back/in side/f.bin")
    assert Path(got).read_bytes() == data
    assert Path(repository.download("empty")).read_bytes() == b""
    assert os.listdir(tmp_path / "back/in side") == ["f.bin"]


def test_a_folder_goes_up_and_comes_down_whole(repository, tmp_path):
    content = make_tree(tmp_path / "tree")
    repository.log_folder(tmp_path / "tree", "model")
    for path, base in (("model", "back/model"), (None, "all")):
        got = Path(repository.download(path, tmp_path / base.partition("/")[0]))
        assert got == tmp_path / base
        found = {str(p.relative_to(got)): p.read_bytes() for p in got.rglob("*") if p.is_file()}
        assert found == (content if path else {f"model/{name}": data for name, data in content.items()})


def test_streams_and_bytes_need_no_local_copy(repository):
    repository.log_stream((b"x" * 50_000 for _ in range(100)), "stream")
    repository.log_bytes(b"bytes", "small")
    with repository.open("stream") as file:
        assert file.read() == b"x" * 5_000_000
    assert repository.read_bytes("small") == b"bytes"


def test_a_stored_file_can_be_read_from_the_middle(repository):
    repository.log_bytes(data := os.urandom(5_000_000), "f")
    with repository.open("f") as file:
        for position in (4_000_000, 10, 2_500_000):
            file.seek(position)
            assert file.read(1000) == data[position : position + 1000]
        assert file.seek(0, os.SEEK_END) == len(data)
        assert file.read() == b""


def test_odd_names_round_trip(repository, tmp_path):
    for name in ("a b", "ü", "100%", "a%20b", "a+b", "a?b=c&d", "a,b;c", "~x"):
        repository.log_bytes(name.encode(), f"odd/{name}")
        assert repository.read_bytes(f"odd/{name}") == name.encode()
        assert Path(repository.download(f"odd/{name}", tmp_path)).read_bytes() == name.encode()
    assert len(repository.list("odd")) == 8


def test_deletion_takes_a_file_or_a_folder(repository):
    for path in ("a/b", "a/c", "d"):
        repository.log_bytes(b"x", path)
    repository.delete("a/b")
    repository.delete("a/b")
    repository.delete("d")
    assert [info.path for info in repository.walk()] == ["a/c"]
    with pytest.raises(InvalidValue):
        repository.delete("")
    repository.delete_all()
    assert repository.list() == []


def test_errors_are_the_servers_own(repository, tmp_path):
    with pytest.raises(NotFound):
        repository.read_bytes("nope")
    with pytest.raises(NotFound):
        repository.download("nope", tmp_path)
    assert os.listdir(tmp_path) == []
    repository.log_bytes(b"x", "folder/f")
    with pytest.raises(InvalidValue):
        repository.log_bytes(b"x", "folder")
    with pytest.raises(InvalidValue):
        repository.log_bytes(b"x", "../x")


def test_a_proxy_needs_a_server(server, monkeypatch):
    with pytest.raises(InvalidValue, match="tracking server"):
        open_repository("mlflow-artifacts:/x", "sqlite:///x.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    open_repository("mlflow-artifacts:/settings").log_bytes(b"x", "f")
    host = server.uri.removeprefix("http://")
    assert open_repository(f"mlflow-artifacts://{host}/settings", server.uri).read_bytes("f") == b"x"
    assert open_repository(f"mlflow-artifacts://{host}/settings", "sqlite:///x.db").read_bytes("f") == b"x"


def test_a_server_that_is_down_is_said_to_be(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ServerUnreachable, match=uri):
        open_repository("mlflow-artifacts:/x", uri).log_bytes(b"x", "f")


class CuttingProxy:
    """Passes TCP connections on to the server, and cuts each answer after `budgets` bytes (None: not at all)."""

    def __init__(self, server: ProxyServer, budgets: list[int | None]) -> None:
        self.requests: list[bytes] = []
        self._server, self._budgets = server, budgets
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server.address) as upstream:
            client.settimeout(5)
            upstream.settimeout(5)
            try:
                while True:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        block = client.recv(65536)
                        if not block:
                            return
                        head += block
                    self.requests.append(head)
                    port = self._server.address[1]
                    upstream.sendall(
                        head.replace(self.uri.removeprefix("http://").encode(), f"127.0.0.1:{port}".encode())
                    )
                    budget = self._budgets.pop(0) if b"server-info" not in head and self._budgets else None
                    self._answer(client, upstream, budget)
                    if budget is not None:
                        return
            except OSError:
                return

    def _answer(self, client: socket.socket, upstream: socket.socket, budget: int | None) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += upstream.recv(65536)
        head = answer.partition(b"\r\n\r\n")[0].lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        left = len(head) + 4 + length - len(answer)
        sent = 0
        while True:
            part = answer if budget is None else answer[: budget - sent]
            client.sendall(part)
            sent += len(part)
            if budget is not None and sent >= budget:
                return
            if not left:
                return
            answer = upstream.recv(min(left, 1 << 20))
            left -= len(answer)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in [self._accepting, *self._threads]:
            thread.join(10)


@pytest.fixture
def cutting(server: ProxyServer) -> Iterator[object]:
    started: list[CuttingProxy] = []

    def start(*budgets: int | None) -> CuttingProxy:
        started.append(CuttingProxy(server, list(budgets)))
        return started[-1]

    yield start
    for proxy in started:
        proxy.stop()


SIZE = 40_000_000


def ranges(proxy: CuttingProxy) -> list[int]:
    found = []
    for head in proxy.requests:
        if b"/artifacts/big" in head.split(b"\r\n")[0] and head.startswith(b"GET"):
            _, _, rest = head.lower().partition(b"range: bytes=")
            found.append(int(rest.partition(b"-")[0]) if rest else 0)
    return found


def test_a_cut_download_goes_on_where_it_was_cut(server, repository, cutting, tmp_path):
    repository.log_bytes(data := os.urandom(SIZE), "big")
    proxy = cutting(None, 15_000_000, 10_000_000)
    got = open_repository(repository.uri, proxy.uri).download("big", tmp_path)
    assert Path(got).read_bytes() == data
    first, second, third = ranges(proxy)
    assert first == 0
    assert 14_000_000 < second < third < 25_000_000
    assert os.listdir(tmp_path) == ["big"]


def test_a_download_of_another_process_is_taken_up_later(repository, cutting, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv("MILLSTREAM_HTTP_REQUEST_MAX_RETRIES")
    repository.log_bytes(data := os.urandom(SIZE), "big")
    proxy = cutting(None, 20_000_000)
    with pytest.raises(ServerUnreachable, match="cut"):
        open_repository(repository.uri, proxy.uri).download("big", tmp_path)
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".millstream-")
    later = cutting()
    got = open_repository(repository.uri, later.uri).download("big", tmp_path)
    assert Path(got).read_bytes() == data
    assert ranges(later)[0] > 19_000_000
    assert os.listdir(tmp_path) == ["big"]


def test_a_file_that_changed_meanwhile_is_fetched_anew(repository, cutting, tmp_path, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_HTTP_REQUEST_MAX_RETRIES", "0")
    repository.log_bytes(os.urandom(SIZE), "big")
    with pytest.raises(ServerUnreachable):
        open_repository(repository.uri, cutting(None, 20_000_000).uri).download("big", tmp_path)
    for size in (SIZE, 1000):
        repository.log_bytes(data := os.urandom(size), "big")
        monkeypatch.setenv("MILLSTREAM_HTTP_REQUEST_MAX_RETRIES", "2")
        assert Path(repository.download("big", tmp_path)).read_bytes() == data


def test_two_downloads_to_one_place_do_not_mix(repository, tmp_path):
    repository.log_bytes(data := os.urandom(SIZE), "big")
    source = repository.source(transfer.paths.check("big"))
    (tmp_path / "here").mkdir()
    other = transfer.Partial(str(tmp_path / "here/big"), source.etag)
    other.append(b"?" * 10_000_000)  # another download, which is still going on
    try:
        assert Path(repository.download("big", tmp_path / "here")).read_bytes() == data
    finally:
        other.close()
    source.close()


def test_little_of_a_small_file_is_not_kept(repository, cutting, tmp_path, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_HTTP_REQUEST_MAX_RETRIES", "0")
    repository.log_bytes(os.urandom(2_000_000), "big")
    with pytest.raises(ServerUnreachable):
        open_repository(repository.uri, cutting(None, 1_000_000).uri).download("big", tmp_path)
    assert os.listdir(tmp_path) == []


def test_an_upload_is_repeated_when_the_server_comes_back(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_HTTP_REQUEST_MAX_RETRIES", "8")
    monkeypatch.setenv("MILLSTREAM_HTTP_REQUEST_BACKOFF_FACTOR", "0.1")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    opened = open_repository("mlflow-artifacts:/repeated", f"http://127.0.0.1:{port}")
    (tmp_path / "f").write_bytes(b"x" * 100_000)

    def refuse_twice() -> None:
        for _ in range(2):
            client, _ = listener.accept()
            client.recv(10)
            client.close()
        listener.close()

    refusing = threading.Thread(target=refuse_twice)
    refusing.start()
    outcome: list[Exception] = []

    def put() -> None:
        try:
            opened.log_file(tmp_path / "f")
        except MillstreamError as error:
            outcome.append(error)

    putting = threading.Thread(target=put)
    putting.start()
    refusing.join()
    relay = socket.create_server(("127.0.0.1", port))
    answered = threading.Event()

    def answer() -> None:
        client, _ = relay.accept()
        with client:
            received = b""
            while len(received) < 100_000:
                received += client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            answered.set()

    answering = threading.Thread(target=answer)
    answering.start()
    putting.join(20)
    answering.join(20)
    relay.close()
    assert answered.is_set()
    assert outcome == []


def test_a_stream_is_not_sent_twice(cutting, repository):
    listener = socket.create_server(("127.0.0.1", 0))

    def cut() -> None:
        for _ in range(2):
            client, _ = listener.accept()
            client.recv(1000)
            client.close()

    thread = threading.Thread(target=cut, daemon=True)
    thread.start()
    opened = open_repository("mlflow-artifacts:/x", f"http://127.0.0.1:{listener.getsockname()[1]}")
    with pytest.raises(Unavailable):
        opened.log_stream((b"x" * 100_000 for _ in range(50)), "f")
    listener.close()


def test_names_from_a_hostile_server_do_not_leave_the_destination(tmp_path):
    class Hostile(ProxyRepository):
        names: tuple[str, ...] = ()

        def _list(self, folder):  # type: ignore[no-untyped-def]
            from millstream.entities import FileInfo

            return [FileInfo(name, False, 1) for name in self.names]

    hostile = Hostile("mlflow-artifacts:/x", Connection("http://127.0.0.1:9", False), transfer.paths.check("x"))
    for name in ("../evil", "/etc/evil", "folder/../../evil", "folder/..\\evil", "other/evil", "folder/"):
        hostile.names = (name,)
        with pytest.raises(InvalidValue):
            hostile.download("folder", tmp_path / "deep/down")
    assert not list(tmp_path.rglob("*evil*"))


def test_credentials_are_sent_to_the_tracking_server_only(monkeypatch, tmp_path):
    heads: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(3):
            client, _ = listener.accept()
            with client:
                heads.append(client.recv(65536))
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    thread = threading.Thread(target=serve)
    thread.start()
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "alice")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    open_repository("mlflow-artifacts:/x", f"http://{host}").list()
    open_repository(f"mlflow-artifacts://{host}/x", "http://127.0.0.1:9").list()
    open_repository("mlflow-artifacts:/x", f"http://bob:word@{host}").list()
    thread.join(10)
    listener.close()
    assert b"Authorization: Basic YWxpY2U6c2VjcmV0" in heads[0]
    assert b"Authorization" not in heads[1]
    assert b"Authorization: Basic Ym9iOndvcmQ=" in heads[2]


def test_a_bar_is_shown_only_on_a_terminal_and_only_for_long_transfers(monkeypatch, repository, tmp_path):
    import io
    import sys

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for kind, seconds, is_shown in ((Terminal, 0.0, True), (Terminal, 60.0, False), (io.StringIO, 0.0, False)):
        screen = kind()
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(transfer, "PROGRESS_AFTER_S", seconds)
        repository.log_stream(iter([b"x" * 100_000]), "f")
        repository.download("f", tmp_path / f"{kind.__name__}{seconds}")
        assert ("Downloading" in screen.getvalue()) == is_shown
    monkeypatch.setenv(settings.ENABLE_ARTIFACTS_PROGRESS_BAR.variables[0], "false")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert not transfer.Progress("x", 1)._is_wanted


def test_files_of_a_folder_move_at_the_same_time(repository, tmp_path, monkeypatch):
    together = []
    running = []
    whole = type(repository)._put

    def slow(self, local_path, path, progress):  # type: ignore[no-untyped-def]
        running.append(path)
        together.append(len(running))
        time.sleep(0.05)
        whole(self, local_path, path, progress)
        running.remove(path)

    monkeypatch.setattr(type(repository), "_put", slow)
    monkeypatch.setenv("MILLSTREAM_ARTIFACT_TRANSFER_THREADS", "4")
    make_tree(tmp_path / "tree")
    repository.log_folder(tmp_path / "tree")
    assert 2 <= max(together) <= 4
