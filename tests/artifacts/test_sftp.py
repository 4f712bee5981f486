"""SFTP against a real SSH server on loopback, whose host key must be known."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from millstream.artifacts import open_repository
from millstream.errors import ArtifactNotFound, InvalidValue, Unavailable

from .test_local import make_tree


class Login(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if (username, password) == ("alice", "se cret") else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def get_allowed_auths(self, username: str) -> str:
        return "password"


class Handle(paramiko.SFTPHandle):
    """An open file; paramiko reads and writes `readfile` and `writefile`."""

    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


def answered(work: Any) -> Any:
    try:
        return work()
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno or errno.EIO)


class Files(paramiko.SFTPServerInterface):
    root = ""

    def _real(self, path: str) -> str:
        return self.root + self.canonicalize(path)

    def list_folder(self, path: str) -> Any:
        def work() -> list[paramiko.SFTPAttributes]:
            with os.scandir(self._real(path)) as entries:
                return [paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name) for entry in entries]

        return answered(work)

    def stat(self, path: str) -> Any:
        return answered(lambda: paramiko.SFTPAttributes.from_stat(os.stat(self._real(path))))

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        def work() -> Handle:
            fd = os.open(self._real(path), flags, 0o666)
            handle = Handle(flags)
            mode = "wb" if flags & os.O_WRONLY else "rb+" if flags & os.O_RDWR else "rb"
            handle.readfile = handle.writefile = os.fdopen(fd, mode)
            return handle

        return answered(work)

    def _done(self, work: Any) -> int:
        result = answered(work)
        return paramiko.SFTP_OK if result is None else result

    def remove(self, path: str) -> int:
        return self._done(lambda: os.remove(self._real(path)))

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._done(lambda: os.replace(self._real(oldpath), self._real(newpath)))

    def mkdir(self, path: str, attr: Any) -> int:
        return self._done(lambda: os.mkdir(self._real(path)))

    def rmdir(self, path: str) -> int:
        return self._done(lambda: os.rmdir(self._real(path)))


class SshServer:
    def __init__(self, folder: Path) -> None:
        self.key = paramiko.ECDSAKey.generate()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._files = type("FilesHere", (Files,), {"root": str(folder)})
        self._transports: list[paramiko.Transport] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(client)
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", paramiko.SFTPServer, self._files)
            transport.start_server(server=Login(), event=threading.Event())
            self._transports.append(transport)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for transport in self._transports:
            transport.close()


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (tmp_path / "remote").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    server = SshServer(tmp_path / "remote")
    known = f"[127.0.0.1]:{server.port} {server.key.get_name()} {server.key.get_base64()}\n"
    (home / ".ssh/known_hosts").write_text(known)
    yield server
    server.stop()


@pytest.fixture
def repository(ssh: SshServer) -> Iterator[Any]:
    opened = open_repository(f"sftp://alice:se%20cret@127.0.0.1:{ssh.port}/runs/1")
    yield opened
    opened.fs.client.close()


def test_what_was_stored_is_read_back(repository, tmp_path):
    repository.log_bytes(b"one", "a/b c.txt")
    repository.log_bytes(b"longer", "a/b c.txt")
    repository.log_stream((b"x" * 100_000 for _ in range(50)), "stream")
    assert [(info.path, info.is_dir, info.file_size) for info in repository.list()] == [
        ("a", True, None),
        ("stream", False, 5_000_000),
    ]
    assert repository.read_bytes("a/b c.txt") == b"longer"
    with repository.open("stream") as file:
        file.seek(4_999_990)
        assert file.read() == b"x" * 10
    assert sorted(os.listdir(tmp_path / "remote/runs/1")) == ["a", "stream"]
    assert "se%20cret" not in repository.uri


def test_a_folder_goes_up_and_comes_down_whole(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_ARTIFACT_TRANSFER_THREADS", "3")
    content = make_tree(tmp_path / "tree")
    repository.log_folder(tmp_path / "tree", "model")
    got = Path(repository.download("model", tmp_path / "back"))
    assert {str(p.relative_to(got)): p.read_bytes() for p in got.rglob("*") if p.is_file()} == content
    repository.delete("model")
    repository.delete("model")
    assert repository.list() == []


def test_a_stream_that_breaks_leaves_nothing(repository, tmp_path):
    def blocks() -> Any:
        yield b"x" * 1_000_000
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        repository.log_stream(blocks(), "f")
    assert [p for p in (tmp_path / "remote").rglob("*") if p.is_file()] == []


def test_what_is_missing_or_in_the_way_is_said(repository, tmp_path):
    with pytest.raises(ArtifactNotFound):
        repository.read_bytes("nope")
    assert repository.list("nope") == []
    repository.log_bytes(b"x", "folder/f")
    with pytest.raises(InvalidValue):
        repository.log_bytes(b"x", "folder")
    with pytest.raises(InvalidValue):
        repository.read_bytes("folder")
    assert (tmp_path / "remote/runs/1/folder/f").read_bytes() == b"x"


def test_a_host_that_is_not_known_is_not_talked_to(ssh, tmp_path):
    (tmp_path / "home/.ssh/known_hosts").write_text("")
    with pytest.raises(Unavailable, match="known_hosts"):
        open_repository(f"sftp://alice:se%20cret@127.0.0.1:{ssh.port}/x").list()
