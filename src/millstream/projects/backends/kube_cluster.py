"""A cluster's API, through the official client: what may work later is tried again, a watch that breaks is begun anew."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from millstream.errors import InvalidValue, MillstreamError, MissingLibrary

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, V1Job, V1Pod

logger = logging.getLogger("millstream")

RETRIED = (429, 500, 502, 503, 504)
RETRIES = 6
BACKOFF_S = 1.0
"""The second pause between tries; it doubles. A server that says how long to wait is obeyed."""

WATCH_S = 240
"""How long one watch may last; API servers end them after some minutes anyway."""

_TIMEOUT_S = (10.0, 60.0)  # to connect, to read
_LONGEST_PAUSE_S = 30.0


class KubernetesFailed(MillstreamError):
    """A cluster could not do what was asked of it.

    Attributes:
        http_status: of its answer; 0 if there was none.
    """

    code = "INVALID_STATE"

    def __init__(self, what: str, reason: str, http_status: int = 0) -> None:
        super().__init__(f"{what}: {reason.rstrip('.')}.")
        self.http_status = http_status


def check_library() -> None:
    """Raises MissingLibrary if the client is not installed."""
    import importlib.util

    if importlib.util.find_spec("kubernetes") is None:
        raise MissingLibrary("kubernetes", "The backend 'kubernetes'", "'millstream[kubernetes]'")


class Cluster:
    """The API of one cluster. Safe for threads."""

    def __init__(self, context: str | None) -> None:
        """Read how the cluster is reached, without asking it anything. Raises InvalidValue if nothing says how."""
        from kubernetes import client

        api = _connection(context)
        self._batch = client.BatchV1Api(api)
        self._core = client.CoreV1Api(api)
        self._untyped = client.CustomObjectsApi(api)

    def create_job(self, namespace: str, job: dict[str, Any]) -> None:
        """Raises KubernetesFailed; its `http_status` is 409 if there is a job of that name."""
        with _failing(f"The job {job['metadata']['name']!r} cannot be created in the namespace {namespace!r}"):
            # not as a V1Job: its class drops fields that are newer than itself, and refuses `cpu: 1` for not being text
            self._untyped.create_namespaced_custom_object(
                "batch", "v1", namespace, "jobs", job, _request_timeout=_TIMEOUT_S
            )

    def job(self, namespace: str, name: str) -> V1Job | None:
        """A job as it is now; None if it is gone."""
        try:
            with _failing(f"The job {name!r} cannot be read"):
                return self._batch.read_namespaced_job(name, namespace, _request_timeout=_TIMEOUT_S)
        except KubernetesFailed as error:
            if error.http_status == 404:
                return None
            raise

    def delete_job(self, namespace: str, name: str) -> None:
        """Begin to delete a job: its pods are ended first, and it is gone when they are. One that is gone already is no error."""
        try:
            with _failing(f"The job {name!r} cannot be deleted"):
                self._batch.delete_namespaced_job(
                    name, namespace, propagation_policy="Foreground", _request_timeout=_TIMEOUT_S
                )
        except KubernetesFailed as error:
            if error.http_status != 404:
                raise

    def changes(self, namespace: str, name: str) -> Iterator[V1Job | None]:
        """The job as it is now, and after each change, without end; the last is None when it is gone.

        Raises KubernetesFailed if the cluster refuses to tell. If it does not answer it is asked again and again.
        """
        from kubernetes import watch

        selector = f"metadata.name={name}"
        pause = BACKOFF_S
        while True:
            try:
                with _failing(f"The job {name!r} cannot be watched"):
                    found = self._batch.list_namespaced_job(
                        namespace, field_selector=selector, _request_timeout=_TIMEOUT_S
                    )
                    yield found.items[0] if found.items else None
                    events = watch.Watch().stream(
                        self._batch.list_namespaced_job,
                        namespace,
                        field_selector=selector,
                        resource_version=found.metadata.resource_version,
                        timeout_seconds=WATCH_S,
                        _request_timeout=(_TIMEOUT_S[0], WATCH_S + _TIMEOUT_S[1]),
                    )
                    with contextlib.closing(events):
                        for event in events:
                            if event is not None:
                                yield None if event["type"] == "DELETED" else event["object"]
                                pause = BACKOFF_S
            except KubernetesFailed as error:
                if error.http_status not in (0, 410, *RETRIED):
                    raise
                logger.info("%s It is watched again in %g s.", error, pause)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def pods(self, namespace: str, job_name: str) -> list[V1Pod]:
        """The pods of a job."""
        with _failing(f"The pods of the job {job_name!r} cannot be listed"):
            found = self._core.list_namespaced_pod(
                namespace, label_selector=f"job-name={job_name}", _request_timeout=_TIMEOUT_S
            )
            return list(found.items)

    def log(self, namespace: str, pod: str, container: str, since_s: int | None) -> Iterator[bytes]:
        """What a container prints, line by line with a time before each, until it ends or the connection breaks.

        Args:
            since_s: leave out what is older, in seconds.
        """
        options = {} if since_s is None else {"since_seconds": since_s}
        with _failing(f"The output of the pod {pod!r} cannot be read"):
            answer = self._core.read_namespaced_pod_log(
                pod, namespace, container=container, follow=True, timestamps=True, _preload_content=False,
                _request_timeout=(_TIMEOUT_S[0], WATCH_S), **options,
            )  # fmt: skip
            with contextlib.closing(answer):
                if answer.status >= 300:
                    raise KubernetesFailed(
                        f"The output of the pod {pod!r} cannot be read", answer.reason, answer.status
                    )
                rest = b""
                for block in answer.stream(1 << 16):
                    *lines, rest = (rest + block).split(b"\n")
                    yield from lines
                if rest:
                    yield rest


def _connection(context: str | None) -> ApiClient:
    import urllib3
    from kubernetes import client, config

    settings = client.Configuration()
    settings.retries = urllib3.Retry(
        total=RETRIES, status_forcelist=RETRIED, allowed_methods=None, backoff_factor=BACKOFF_S, raise_on_status=False
    )
    try:
        config.load_kube_config(os.environ.get("KUBECONFIG"), context, settings)
    except config.ConfigException as error:
        if context is not None:
            raise InvalidValue(f"There is no context {context!r} in the kubeconfig: {error}") from None
        try:
            config.load_incluster_config(settings)
        except config.ConfigException:
            raise InvalidValue(
                f"No cluster is known, as there is no kubeconfig that says how it is reached: {error}"
            ) from None
    return client.ApiClient(settings)


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    """The client's errors as ours."""
    import urllib3
    from kubernetes.client import ApiException

    try:
        yield
    except ApiException as error:
        raise KubernetesFailed(what, _message(error), error.status or 0) from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise KubernetesFailed(what, f"the cluster does not answer ({error})") from None


def _message(error: Any) -> str:
    """What the API server said, of its Status object."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)
