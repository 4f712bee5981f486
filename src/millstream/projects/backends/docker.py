"""In a container: `docker run` of the project's docker environment, its command within the container's `bash`.

The engine is told everything in an argument list; values that are or may be secret reach it in the environment, where no list of
processes shows them.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from millstream import images
from millstream.client import uris
from millstream.errors import InvalidProject, InvalidValue
from millstream.projects import commands, output, parameters, processes, record
from millstream.projects.backends import project_image
from millstream.projects.backends.container import Surroundings, is_loopback, surroundings_of
from millstream.projects.spec import FILE
from millstream.projects.submission import DockerEnvironment, Submission, SubmittedRun

logger = logging.getLogger("millstream")

PARAMETERS = "/mlflow/tmp/params"
"""Where the files and folders that are values of `path` parameters are in the container."""

_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_OURS_TO_CHANGE = frozenset(("rm", "name", "cidfile", "d", "detach"))
_ENGINE_FAILED = 125
"""What `docker run` ends with when it is not the command that failed."""


class DockerConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The backend's configuration.

    Attributes:
        mount_project: whether the project's folder is mounted on `project_image.CODE` and the command runs there.
        build_args: of `docker build`, for the image that `--build-image` builds.
    """

    mount_project: bool = False
    build_args: dict[str, str] = {}


def check(submission: Submission) -> None:
    """Refuse a project without docker environment, what cannot be an argument of docker, and a machine without docker."""
    environment = project_image.docker_environment(submission.project, "docker")
    config = _config(submission.config)
    commands.command_of(submission.project, submission.entry_point, submission.parameters)
    environment_of(environment)
    list(_own_arguments(submission.docker_args))
    for name in config.build_args:
        if not _VARIABLE.fullmatch(name):
            raise InvalidValue(f"{name[:100]!r} of 'build-args' is no name of a variable.")
    images.check_auth(submission.docker_auth)
    if submission.build_image:
        _repository(submission)
    images.check_engine("A project with a docker_env")


def submit(submission: Submission) -> SubmittedRun:
    environment = project_image.docker_environment(submission.project, "docker")
    with images.logged_in(submission.docker_auth) as login:
        image = environment.image
        if submission.build_image:
            image = project_image.build(
                submission, _repository(submission), login, _config(submission.config).build_args
            )
        image_id = images.identify(image, login)
    tags = {project_image.IMAGE_URI_TAG: image, project_image.IMAGE_ID_TAG: image_id}
    record.note(submission, **tags)
    surroundings = surroundings_of(submission)
    line = commands.command_of(submission.project, submission.entry_point, _values(submission, surroundings))
    name = f"millstream-{submission.run_id}"
    if is_loopback(submission.tracking_uri) and not submission.docker_args.keys() & {"network", "net"}:
        logger.warning(
            "The container does not reach %s, which means itself there. Add --docker-args network=host, or use another address.",
            uris.redact(submission.tracking_uri),
        )
    output.say(f"Run {submission.run_id} in {image}: {line}")
    return ContainerRun(
        processes.start(
            submission.run_id,
            run_command(submission, surroundings, name, image, line),
            folder=submission.project.root,
            environment={**os.environ, **surroundings.variables},
        ),
        name,
    )


def run_command(submission: Submission, surroundings: Surroundings, name: str, image: str, line: str) -> list[str]:
    """The argument list of `docker run`; the values of `surroundings.variables` are to be in its environment.

    Args:
        name: of the container.
        line: what bash runs there.
    """
    environment = project_image.docker_environment(submission.project, "docker")
    arguments = [images.program("A project with a docker_env"), "run", "--rm", "--init", f"--name={name}"]
    arguments += _own_arguments(submission.docker_args)
    arguments += [f"--volume={volume}" for volume in environment.volumes]
    arguments += [
        _mount(source, target, target in surroundings.read_only) for target, source in surroundings.mounts.items()
    ]
    if _config(submission.config).mount_project:
        arguments += [
            _mount(str(submission.project.root), project_image.CODE, False),
            f"--workdir={project_image.CODE}",
        ]
    arguments += [f"--env={variable}" for variable in surroundings.variables]
    arguments += [f"--env={variable}={path}" for variable, path in surroundings.paths.items()]
    # the init process passes a signal on to all of the command's processes
    arguments += ["--env=TINI_KILL_PROCESS_GROUP=1", *_environment_arguments(environment)]
    return [*arguments, image, "bash", "-c", line]


class ContainerRun(SubmittedRun):
    """A run whose command runs in a container, with a `docker run` here that ends with it."""

    def __init__(self, process: processes.CommandRun, name: str) -> None:
        self._process = process
        self._name = name

    @property
    def run_id(self) -> str:
        return self._process.run_id

    def wait(self) -> bool:
        succeeded = self._process.wait()
        if not succeeded:  # perhaps it is the command docker that was ended, and not the container
            self._remove()
        return succeeded

    def get_status(self) -> str:
        return self._process.get_status()

    def cancel(self) -> None:
        self._process.cancel()
        self._remove()

    @property
    def reason(self) -> str:
        supervisor = processes.supervised(self.run_id)
        if supervisor is not None and supervisor.has_ended and supervisor.wait() == _ENGINE_FAILED:
            return "docker could not run the container; its output says why."
        return self._process.reason

    def _remove(self) -> None:
        """Remove the container, if it is still there."""
        subprocess.run(
            [images.program("Ending a container"), "rm", "--force", self._name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip


# ---------------------------------------------------------------- what is given


def _config(config: Mapping[str, Any]) -> DockerConfig:
    try:
        return msgspec.convert(dict(config), DockerConfig)
    except msgspec.ValidationError as error:
        keys = ", ".join(DockerConfig.__struct_encode_fields__)
        raise InvalidValue(f"The configuration of the backend 'docker' is wrong: {error}. Its keys: {keys}.") from None


def _repository(submission: Submission) -> str:
    name = project_image.project_name(submission.project, "its image is named after it")
    return images.repository_of(images.check_name(name))


def _values(submission: Submission, surroundings: Surroundings) -> dict[str, str]:
    """The parameters' values as the container sees them: what is at `path` values is mounted."""
    entry = submission.project.entry_point(submission.entry_point)
    values = parameters.resolve(entry, submission.parameters, submission.storage_dir, submission.caller_dir)
    for index, parameter in enumerate(entry.parameters if entry is not None else ()):
        if parameter.type == "path":
            source = Path(values[parameter.name])
            target = f"{PARAMETERS}/{index}/{source.name}"
            surroundings.mounts[target] = str(source)
            values[parameter.name] = target
    return values


# ---------------------------------------------------------------- arguments


def _own_arguments(given: Mapping[str, str | bool]) -> Iterator[str]:
    """The user's options of `docker run`, each in one word, so that no value is taken for an option or for the image."""
    for name, value in given.items():
        if not _OPTION.fullmatch(name):
            raise InvalidValue(f"{name[:100]!r} is no option of docker run: name it without dashes before it.")
        if name in _NOT_OURS_TO_CHANGE:
            raise InvalidValue(f"The option {name!r} of docker run cannot be given: the run's end is seen by it.")
        option = f"-{name}" if len(name) == 1 else f"--{name}"
        yield option if value is True else f"{option}={'false' if value is False else value}"


def _environment_arguments(environment: DockerEnvironment) -> Iterator[str]:
    """Values that are copied from here reach docker in its own environment."""
    copied = {each for each in environment.environment if isinstance(each, str)}
    for name, value in environment_of(environment).items():
        yield f"--env={name}" if name in copied else f"--env={name}={value}"


def environment_of(environment: DockerEnvironment | None) -> dict[str, str]:
    """The variables that a docker environment declares. Raises InvalidProject if one to be copied from here is not set."""
    found = {}
    for each in environment.environment if environment is not None else ():
        name, value = (each, os.environ.get(each)) if isinstance(each, str) else each
        if value is None:
            raise InvalidProject(
                FILE,
                f"the variable {name!r} is to be copied from here, and it is not set. Set it, or give its value in the file",
                "docker_env.environment",
                environment.line if environment is not None else None,
            )
        found[name] = value
    return found


def _mount(source: str, target: str, read_only: bool) -> str:
    """The option of a bind mount, a line of CSV."""
    fields = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if read_only else [])]
    return "--mount=" + ",".join(_csv(each) for each in fields)


def _csv(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n') else text
