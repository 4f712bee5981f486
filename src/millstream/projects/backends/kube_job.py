"""The Job that runs a project: the user's template, filled in.

The template has the last word on all but the first container's name, image, command and variables: registry secrets, volumes,
resources, node selectors, how often a failed pod is tried again (`backoffLimit: 0` for once), how long it is kept.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from millstream import images, safe_yaml
from millstream.errors import InvalidProject, InvalidValue
from millstream.projects.spec import FILE

RUN_LABEL = "millstream-run-id"

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_PREFIX = 63 - len("-2026-01-01-00-00-00-000000")
"""Pods carry their job's name in a label, which has 63 characters at most."""


class KubernetesConfig(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The backend's configuration.

    Attributes:
        kube_job_template_path: a YAML file with a Job, relative to the caller's folder.
        repository_uri: where the image that is built of the project is pushed to.
        image: an image with the project in it; nothing is built then, and no docker is needed.
        kube_context: of the kubeconfig; its current one if None, and without a kubeconfig the cluster that this runs in.
        namespace, service_account, resources: in place of what the template says.
    """

    kube_job_template_path: str
    repository_uri: str | None = None
    image: str | None = None
    kube_context: str | None = None
    namespace: str | None = None
    service_account: str | None = None
    resources: dict[str, dict[str, str | int | float]] | None = None


class Template(Struct, frozen=True):
    """A Job as its file says it, known to have a namespace and a container."""

    content: dict[str, Any]
    namespace: str


def read_config(config: Mapping[str, Any]) -> KubernetesConfig:
    """Raises InvalidValue for keys that there are not, or names that are none."""
    try:
        found = msgspec.convert(dict(config), KubernetesConfig)
    except msgspec.ValidationError as error:
        keys = ", ".join(KubernetesConfig.__struct_encode_fields__)
        raise InvalidValue(
            f"The configuration of the backend 'kubernetes' is wrong: {error}. Its keys: {keys}."
        ) from None
    if (found.image is None) == (found.repository_uri is None):
        raise InvalidValue(
            "The configuration of the backend 'kubernetes' needs either 'repository-uri', where an image of the project is "
            "pushed to, or 'image', one that holds the project already."
        )
    if found.image is not None:
        images.check_reference(found.image)
    if (
        found.repository_uri is not None
        and images.repository_of(images.check_name(found.repository_uri)) != found.repository_uri
    ):
        raise InvalidValue(f"'repository-uri' is the name of an image without a tag; {found.repository_uri!r} has one.")
    return found


def read_template(path: Path, config: KubernetesConfig) -> Template:
    """Raises InvalidValue if the file is not there, or holds no Job with a namespace and a container."""
    what = f"The job template {str(path)!r}"
    try:
        content = safe_yaml.read_mapping(path.read_text(encoding="utf-8"), what)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{what} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if content.get("kind") != "Job" or content.get("apiVersion") != "batch/v1":
        raise InvalidValue(f"{what} is no Job: it needs 'apiVersion: batch/v1' and 'kind: Job'.")
    containers = _at(content, what, "spec", "template", "spec").get("containers")
    if not isinstance(containers, list) or not containers or not all(isinstance(each, dict) for each in containers):
        raise InvalidValue(f"{what} needs a container in spec.template.spec.containers: a mapping that may be empty.")
    variables = containers[0].get("env") or []
    if not isinstance(variables, list) or not all(isinstance(each, dict) for each in variables):
        raise InvalidValue(f"{what} has variables in 'env' that are no list of mappings.")
    metadata = content.setdefault("metadata", {})
    if not isinstance(metadata, dict) or not isinstance(metadata.get("labels") or {}, dict):
        raise InvalidValue(f"{what} needs mappings in metadata and metadata.labels.")
    namespace = config.namespace or metadata.get("namespace")
    if not isinstance(namespace, str) or not _LABEL.fullmatch(namespace):
        raise InvalidValue(f"{what} needs a namespace in metadata.namespace, or give 'namespace' in the configuration.")
    return Template(content, namespace)


def _at(content: dict[str, Any], what: str, *keys: str) -> dict[str, Any]:
    """The mapping at a path of keys."""
    found: Any = content
    for depth, key in enumerate(keys, 1):
        found = found.get(key)
        if not isinstance(found, dict):
            raise InvalidValue(f"{what} needs a mapping in {'.'.join(keys[:depth])}.")
    return dict(found)


def check_project_name(name: str) -> None:
    """Raises InvalidProject for a name that no container can have."""
    if not _LABEL.fullmatch(name):
        raise InvalidProject(
            FILE,
            f"Kubernetes names a container after the project, and cannot with {name[:100]!r}: it takes lower-case letters, digits "
            "and - within, 63 at most",
            "name",
        )


def job_name(project_name: str, now: datetime) -> str:
    """The project's name and the time, to the microsecond."""
    return f"{project_name[:_LONGEST_PREFIX].rstrip('-')}-{now.strftime('%Y-%m-%d-%H-%M-%S-%f')}"


def fill(
    template: Template,
    config: KubernetesConfig,
    *,
    name: str,
    project_name: str,
    run_id: str,
    image: str,
    line: str,
    variables: Mapping[str, str],
) -> dict[str, Any]:
    """The Job to be created.

    Args:
        name: of the job.
        line: what bash runs in the first container.
        variables: environment variables of that container; they win over the template's.
    """
    job = copy.deepcopy(template.content)
    job.pop("status", None)
    metadata, pod = job["metadata"], job["spec"]["template"]
    job["metadata"] = metadata | {
        "name": name,
        "namespace": template.namespace,
        "labels": {**(metadata.get("labels") or {}), RUN_LABEL: run_id},
    }
    job["metadata"].pop("generateName", None)
    if config.service_account is not None:
        pod["spec"]["serviceAccountName"] = config.service_account
    container = pod["spec"]["containers"][0]
    container.pop("args", None)  # they would go to bash
    kept = [each for each in container.get("env") or () if each.get("name") not in variables]
    container |= {
        "name": project_name,
        "image": image,
        "command": ["bash", "-c", line],
        "env": kept + [{"name": key, "value": value} for key, value in variables.items()],
    }
    if config.resources is not None:
        container["resources"] = config.resources
    return job
