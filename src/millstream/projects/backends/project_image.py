"""An image that holds a project's files, on top of the image of its docker environment."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from millstream import images
from millstream.errors import InvalidProject
from millstream.projects.packing import Pack, pack
from millstream.projects.spec import FILE
from millstream.projects.submission import DockerEnvironment, Project, Source, Submission

CODE = "/mlflow/projects/code/"
"""Where the project's files are in the image."""

IMAGE_URI_TAG = "mlflow.docker.image.uri"
IMAGE_ID_TAG = "mlflow.docker.image.id"

_SHORT_COMMIT, _SHORT_DIGEST = 7, 12


def docker_environment(project: Project, backend: str) -> DockerEnvironment:
    """The docker environment of a project that needs one. Raises InvalidProject, InvalidValue."""
    if project.docker is None:
        raise InvalidProject(FILE, f"the backend {backend!r} runs projects with a docker_env, and this one has none.")
    images.check_reference(project.docker.image)
    return project.docker


def project_name(project: Project, purpose: str) -> str:
    if not project.name:
        raise InvalidProject(FILE, f"the project needs a name: {purpose}.", "name")
    return project.name


def dockerfile(base: str) -> str:
    """The packed project is unpacked by docker itself; its bytes are the same as long as its files are, so docker's cache holds."""
    return f"FROM {base}\nADD project.tar.gz {CODE}\nWORKDIR {CODE}\n"


def tag_of(source: Source, digest: str) -> str:
    """What tells a project's images apart: the commit, and outside of git, or with changes since, the files themselves."""
    if source.commit is None:
        return digest[:_SHORT_DIGEST]
    commit = source.commit[:_SHORT_COMMIT]
    return f"{commit}-{digest[:_SHORT_DIGEST]}" if source.diff else commit


def build(
    submission: Submission, repository: str, login: Mapping[str, str], build_args: Mapping[str, str] | None = None
) -> str:
    """Build the project's image.

    Args:
        repository: its name without a tag.
        login: as `images.logged_in` gives it.
        build_args: of docker, for what the base image asks of images built on it.
    Returns:
        Its name.
    """
    base = docker_environment(submission.project, "docker").image
    with _context(submission.project.root, base) as (folder, packed):
        name = f"{repository}:{tag_of(submission.source, packed.digest)}"
        images.build(name, folder, build_args, login)
    return name


@contextmanager
def _context(root: Path, base: str) -> Iterator[tuple[Path, Pack]]:
    """The folder that docker builds from."""
    with tempfile.TemporaryDirectory(prefix="millstream-image-") as name:
        folder = Path(name)
        packed = pack(root, folder)
        packed.path.rename(folder / "project.tar.gz")
        (folder / "Dockerfile").write_text(dockerfile(base), encoding="utf-8")
        yield folder, packed
