"""What is deployed on this machine, as files: a folder for each deployment and a file for each endpoint.

    deployments/<name>/deployment.json    what it is; there from the moment that its server answers
    deployments/<name>/server-<time>.log  of the server that answers, or of the one that starts
    deployments/<name>/starting.json      the process of a server that does not answer yet
    endpoints/<name>.json
    locks/<name>                          held by whoever changes the deployment or endpoint

Folders are the owner's alone (0700) and files are replaced whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from millstream.errors import AlreadyExists, InvalidValue, NotFound, StoreError
from millstream.processes import Process

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
R = TypeVar("R", bound=Struct)


class Deployment(Struct, frozen=True, kw_only=True):
    """A deployment and the server that answers for it."""

    name: str
    model_uri: str
    flavor: str
    endpoint: str | None
    config: dict[str, str]
    process: Process
    url: str
    log: str  # name of the file
    creation_time: int
    last_update_time: int


class Endpoint(Struct, frozen=True, kw_only=True):
    """A name that deployments may stand behind."""

    name: str
    config: dict[str, str] = field(default_factory=dict)
    creation_time: int
    last_update_time: int


class DeploymentNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"No deployment {name!r} on this machine. `list_deployments` lists those there are.")


class EndpointNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"No endpoint {name!r} on this machine. `create_endpoint` makes one.")


class DeploymentExists(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(f"A deployment named {name!r} exists already. Update or delete it, or choose another name.")


class Folder:
    """The records of one folder. Nothing is made before the first change."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.contextmanager
    def changing(self, name: str, what: str = "deployment") -> Iterator[None]:
        """Keep other processes from changing this deployment (or endpoint) meanwhile."""
        check_name(name, what)
        try:
            for folder in (self._root, *(self._root / part for part in ("deployments", "endpoints", "locks"))):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._root.stat().st_uid != os.getuid():
                raise StoreError(f"The folder {str(self._root)!r} belongs to another user. Choose another.")
            fd = os.open(self._root / "locks" / f"{what}-{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"Deployments cannot be kept in {str(self._root)!r}: {error.strerror}.") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    # ------------------------------------------------------------ deployments

    def deployment_folder(self, name: str) -> Path:
        return self._root / "deployments" / check_name(name)

    def find_deployment(self, name: str) -> Deployment | None:
        return _read(self.deployment_folder(name) / "deployment.json", Deployment)

    def deployment(self, name: str) -> Deployment:
        """Raises DeploymentNotFound."""
        found = self.find_deployment(name)
        if found is None:
            raise DeploymentNotFound(name)
        return found

    def deployments(self) -> list[Deployment]:
        """All that are there, by name."""
        folders = sorted((self._root / "deployments").glob("*/deployment.json"))
        return [found for file in folders if (found := _read(file, Deployment)) is not None]

    def keep_deployment(self, deployment: Deployment) -> None:
        _write(self.deployment_folder(deployment.name) / "deployment.json", deployment)

    def note_starting(self, name: str, process: Process) -> None:
        """Let the next one know, should we be killed before the server answers."""
        _write(self.deployment_folder(name) / "starting.json", process)

    def end_leftover(self, name: str) -> None:
        """End a server that somebody started and did not live to see answering."""
        file = self.deployment_folder(name) / "starting.json"
        process = _read(file, Process)
        if process is None:
            return
        kept = self.find_deployment(name)
        if kept is None or kept.process != process:
            process.stop()
        self.started(name)

    def started(self, name: str) -> None:
        """The server that was starting has a record of its own, or is gone."""
        (self.deployment_folder(name) / "starting.json").unlink(missing_ok=True)

    def forget_log(self, name: str, log: str) -> None:
        (self.deployment_folder(name) / log).unlink(missing_ok=True)

    def forget_deployment(self, name: str) -> None:
        folder = self.deployment_folder(name)
        (folder / "deployment.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    # ------------------------------------------------------------ endpoints

    def endpoint(self, name: str) -> Endpoint:
        """Raises EndpointNotFound."""
        found = _read(self._endpoint_file(name), Endpoint)
        if found is None:
            raise EndpointNotFound(name)
        return found

    def endpoints(self) -> list[Endpoint]:
        files = sorted((self._root / "endpoints").glob("*.json"))
        return [found for file in files if (found := _read(file, Endpoint)) is not None]

    def keep_endpoint(self, endpoint: Endpoint) -> None:
        _write(self._endpoint_file(endpoint.name), endpoint)

    def forget_endpoint(self, name: str) -> None:
        self._endpoint_file(name).unlink(missing_ok=True)

    def _endpoint_file(self, name: str) -> Path:
        return self._root / "endpoints" / f"{check_name(name, 'endpoint')}.json"


def check_name(name: str, what: str = "deployment") -> str:
    """A name that is safe as a file's."""
    if _NAME.fullmatch(name) is None:
        raise InvalidValue(
            f"{name[:120]!r} is no name of a {what}: up to 100 letters, digits, '.', '_' and '-', the first a letter or digit."
        )
    return name


def _read(file: Path, kind: type[R]) -> R | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.MsgspecError as error:
        raise StoreError(f"{str(file)!r} is damaged: {error}. Delete its folder, and deploy again.") from None


def _write(file: Path, record: Struct) -> None:
    fd, fresh = tempfile.mkstemp(prefix=".", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, file)
    except BaseException:
        os.unlink(fresh)
        raise
