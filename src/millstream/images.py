"""Container images, by the command `docker` (or one that takes its arguments): their names, building, pulling, pushing.

No client library is needed, and no shell is used; names are checked, so that none is taken for an option. What docker says on its
progress goes to stderr.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from millstream.errors import InvalidValue, MillstreamError, MissingLibrary

HUB = "https://index.docker.io/v1/"
"""The name of Docker Hub in a login."""

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
_NAME = rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*"
_TAGGED = re.compile(rf"{_NAME}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?")
_PINNED = re.compile(rf"{_TAGGED.pattern}@sha256:[0-9a-f]{{64}}")
_LONGEST_NAME = 400
_LOGIN = frozenset(("username", "password", "registry", "email", "reauth"))
"""What Docker's client for Python takes; the last two say nothing that is needed."""


class MissingDocker(MissingLibrary):
    """There is no command docker."""

    def __init__(self, purpose: str) -> None:
        MillstreamError.__init__(
            self,
            f"{purpose} needs the command docker, and there is none on PATH. See https://docs.docker.com/get-docker/",
        )


class DockerFailed(MillstreamError):
    """docker could not do what was asked of it."""

    code = "INVALID_STATE"

    def __init__(self, what: str, said: str = "it says why above") -> None:
        super().__init__(f"{what}: {said.strip()[-1000:]}")


def check_name(text: str) -> str:
    """A name that an image can be given: `[host[:port]/]path[:tag]`. Raises InvalidValue."""
    if len(text) > _LONGEST_NAME or not _TAGGED.fullmatch(text):
        raise InvalidValue(f"{text[:200]!r} is no name of an image: lower-case letters, digits, and . _ - / : within.")
    return text


def check_reference(text: str) -> str:
    """What an image is found by: a name, perhaps with `@sha256:...`. Raises InvalidValue."""
    if len(text) <= _LONGEST_NAME and _PINNED.fullmatch(text):
        return text
    return check_name(text)


def repository_of(reference: str) -> str:
    """An image's name without tag and digest."""
    name = reference.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def program(purpose: str) -> str:
    """The path of the command docker. Raises MissingDocker; `purpose` begins its sentence: "Building an image"."""
    found = shutil.which("docker")
    if found is None:
        raise MissingDocker(purpose)
    return found


def check_engine(purpose: str) -> None:
    """Ask for an engine. Raises MissingDocker without the command, DockerFailed if no engine answers it."""
    done = _ask("version", "--format", "{{.Server.Version}}", purpose=purpose)
    if done.returncode:
        raise DockerFailed(f"{purpose} needs a Docker engine, and none answers", done.stderr)


def build(
    name: str, folder: Path, build_args: Mapping[str, str] | None = None, login: Mapping[str, str] | None = None
) -> None:
    """Build an image of the Dockerfile in a folder. `login` as `logged_in` returns it."""
    arguments = [f"--build-arg={key}={value}" for key, value in (build_args or {}).items()]
    _do("build", "-t", check_name(name), *arguments, str(folder), environment=login)


def identify(reference: str, login: Mapping[str, str] | None = None) -> str:
    """The id of an image, which is pulled if it is not here yet."""
    check_reference(reference)
    found = _inspect(reference, "{{.Id}}")
    if not found:
        _do("pull", reference, environment=login)
        found = _inspect(reference, "{{.Id}}")
    if not found:
        raise DockerFailed(f"docker has pulled {reference!r}, but does not know it", "no image of that name")
    return found


def push(name: str, login: Mapping[str, str] | None = None) -> str:
    """Push an image to the registry that its name names; its reference by digest, which always means this very image."""
    _do("push", check_name(name), environment=login)
    digests = json.loads(_inspect(name, "{{json .RepoDigests}}") or "null") or []
    repository = repository_of(name)
    for reference in digests:
        if repository_of(reference).removeprefix("docker.io/") == repository.removeprefix("docker.io/"):
            return f"{name}@{reference.partition('@')[2]}"
    raise DockerFailed(f"docker has pushed {name!r}, but does not know its digest", f"only of {digests}")


@contextlib.contextmanager
def logged_in(auth: Mapping[str, str] | None) -> Iterator[dict[str, str]]:
    """Variables by which docker is logged in to a registry, without a trace in the user's own configuration.

    Args:
        auth: `username`, `password`, and `registry` (Docker Hub if not given); None changes nothing.
    Raises: InvalidValue for other keys, or missing ones.
    """
    if not auth:
        yield {}
        return
    check_auth(auth)
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    with tempfile.TemporaryDirectory(prefix="millstream-docker-") as name:  # 0700
        folder = Path(name)
        for entry in own.iterdir() if own.is_dir() else ():
            if entry.name != "config.json":
                (folder / entry.name).symlink_to(entry)  # contexts, plug-ins
        (folder / "config.json").write_text(json.dumps(_with_login(own / "config.json", auth)), encoding="utf-8")
        yield {"DOCKER_CONFIG": name}


def check_auth(auth: Mapping[str, str] | None) -> None:
    """Raises InvalidValue for a login that `logged_in` does not take."""
    given = set(auth or ())
    if given and not {"username", "password"} <= given <= {"username", "password", "registry"}:
        raise InvalidValue(
            "A login of docker has a username, a password and, but for Docker Hub, a registry; nothing else."
        )


def _with_login(config_file: Path, auth: Mapping[str, str]) -> dict[str, object]:
    """The user's configuration with one more login. An empty helper says that it is in the file itself."""
    try:
        config = json.loads(config_file.read_text(encoding="utf-8")) if config_file.is_file() else {}
    except ValueError as error:
        raise InvalidValue(f"docker's configuration {str(config_file)!r} is no JSON: {error}") from None
    registry = auth.get("registry") or HUB
    secret = base64.b64encode(f"{auth['username']}:{auth['password']}".encode()).decode()
    config["auths"] = {**config.get("auths", {}), registry: {"auth": secret}}
    config["credHelpers"] = {**config.get("credHelpers", {}), registry: ""}
    return dict(config)


def _inspect(reference: str, form: str) -> str:
    """What docker knows of an image; "" if it does not know the image."""
    done = _ask("image", "inspect", f"--format={form}", reference, purpose="Looking at an image")
    return done.stdout.strip() if done.returncode == 0 else ""


def _ask(*arguments: str, purpose: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program(purpose), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _do(action: str, *arguments: str, environment: Mapping[str, str] | None) -> None:
    purpose: dict[str, str] = {"build": "Building an image", "pull": "Pulling an image", "push": "Pushing an image"}
    command: Sequence[str] = [program(purpose[action]), action, *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=2, check=False, env={**os.environ, **(environment or {})}
    )
    if done.returncode:
        raise DockerFailed(f"docker {action} ended with status {done.returncode}")
