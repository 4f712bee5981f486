"""The types of projects: what an `MLproject` file says, where its files came from, and what a backend gets and gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

if TYPE_CHECKING:
    from millstream.environments import EnvironmentSpec

EnvironmentManager = Literal["uv", "virtualenv", "conda", "local"]
"""Who makes a project's environment; a project with a docker environment has none."""


class Parameter(Struct, frozen=True):
    """A declared parameter.

    Attributes:
        type: `string`, `float`, `path`, `uri`, or any other word (treated as `string`).
        default: None if the caller must give it.
    """

    name: str
    type: str = "string"
    default: str | None = None


class EntryPoint(Struct, frozen=True):
    """A declared entry point.

    Attributes:
        parameters: in the order of the file.
        line: of the file, where `command` is; None if it is from no file.
    """

    name: str
    command: str
    parameters: tuple[Parameter, ...] = ()
    line: int | None = None


class DockerEnvironment(Struct, frozen=True):
    """Where a project runs in a container.

    Attributes:
        volumes: as docker's `-v` takes them.
        environment: a name is copied from the host, a pair is set.
        line: of the file, where `environment` is; None if it is from no file.
    """

    image: str
    volumes: tuple[str, ...] = ()
    environment: tuple[str | tuple[str, str], ...] = ()
    line: int | None = None


class Project(Struct, frozen=True):
    """A project's folder and what its `MLproject` file says; without the file, what is there by convention.

    Attributes:
        python_env, conda_env: the files, below `root`; at most one of these and `docker` is set.
        databricks_spark_job: that section as it is.
    """

    root: Path
    name: str | None = None
    entry_points: tuple[EntryPoint, ...] = ()
    python_env: Path | None = None
    conda_env: Path | None = None
    docker: DockerEnvironment | None = None
    databricks_spark_job: Mapping[str, Any] | None = None

    def entry_point(self, name: str) -> EntryPoint | None:
        return next((each for each in self.entry_points if each.name == name), None)


class Source(Struct, frozen=True):
    """A fetched project's files.

    Attributes:
        uri: as the caller gave it; there may be credentials in it, so it is not to be recorded.
        root: the folder of the project; for a local folder the folder itself.
        name: what the run records as its source.
        commit: of the work tree, None outside of git.
        repo_url: of the remote, None if there is none.
        branch: the asked version, if it names a branch.
        diff: uncommitted changes of a local work tree, as git prints them; empty if clean.
        temporary: folder to remove when the run has ended (`sources.discard`), None if the files are used in place.
    """

    uri: str
    root: Path
    name: str
    commit: str | None = None
    repo_url: str | None = None
    branch: str | None = None
    diff: bytes = b""
    temporary: Path | None = None


class Submission(Struct, frozen=True, kw_only=True):
    """A run that exists, and everything a backend needs to start it.

    Attributes:
        parameters: declared ones with their defaults, then further ones, each as the caller gave it (no shell quotes, `path`
            values neither downloaded nor made absolute).
        environment: what its files ask for, read once; None where nothing is prepared on this machine.
        caller_dir: what relative `path` values are relative to.
        storage_dir: where `path` values are downloaded to, in a fresh folder.
        config: the backend's configuration.
        docker_args: further options of `docker run`; True is a flag.
    """

    project: Project
    source: Source
    entry_point: str
    parameters: Mapping[str, str]
    run_id: str
    experiment_id: str
    tracking_uri: str
    caller_dir: Path
    environment_manager: EnvironmentManager | None = None
    environment: EnvironmentSpec | None = None
    storage_dir: Path | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    docker_args: Mapping[str, str | bool] = field(default_factory=dict)
    docker_auth: Mapping[str, str] | None = None
    build_image: bool = False
    version: str | None = None


class SubmittedRun(ABC):
    """A run that a backend has started, as plug-ins implement it."""

    @property
    @abstractmethod
    def run_id(self) -> str:
        """The run's id."""

    @abstractmethod
    def wait(self) -> bool:
        """Wait for the end; whether it was successful."""

    @abstractmethod
    def get_status(self) -> str:
        """The name of a `RunStatus`."""

    @abstractmethod
    def cancel(self) -> None:
        """End it, and wait until it has ended."""

    @property
    def reason(self) -> str:
        """Once it has ended: why it was not successful, in one sentence; "" if that is not known."""
        return ""
