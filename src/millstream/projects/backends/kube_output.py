"""What the pods of a job print, followed while they run; and what keeps pods from running, said once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from millstream.projects import output
from millstream.projects.backends.kube_cluster import BACKOFF_S, RETRIED, Cluster, KubernetesFailed

if TYPE_CHECKING:
    from kubernetes.client import V1Pod

LOOK_S = 1.0
"""Between two looks at the job's pods."""

DRAIN_S = 30.0
"""How long the end of the output is waited for after the job's end."""

_USUAL = frozenset(("ContainerCreating", "PodInitializing"))
_TRIES = 5
_STEADY_S = 30.0
"""A connection that lived so long was none that breaks at once."""


class PodOutput:
    """Follows the pods of one job, each in a thread of its own.

    Args:
        container: the one whose output counts.
        show: gets whole lines, of one pod at a time.
    """

    def __init__(
        self, cluster: Cluster, namespace: str, job: str, container: str, show: Callable[[bytes], None]
    ) -> None:
        self._cluster, self._namespace, self._job, self._container = cluster, namespace, job, container
        self._show = show
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._said: set[str] = set()
        self._followers: dict[str, threading.Thread] = {}
        self._watcher = threading.Thread(target=self._watch, name=f"millstream-pods-{job}", daemon=True)
        self.failure = ""
        """How the container of a pod ended that was not successful."""

    def start(self) -> None:
        self._watcher.start()

    def finish(self, timeout_s: float = DRAIN_S) -> None:
        """The job has ended: wait for the rest of the output."""
        self._over.set()
        deadline = time.monotonic() + timeout_s
        for thread in (self._watcher, *list(self._followers.values())):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._look()  # pods that came and went since the last time
        for thread in self._followers.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def abandon(self) -> None:
        """Stop looking at pods, without waiting for output."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.is_set() and self._look():
            self._over.wait(LOOK_S)

    def _look(self) -> bool:
        """Begin to follow what has begun; whether to look again."""
        try:
            pods = self._cluster.pods(self._namespace, self._job)
        except KubernetesFailed as error:
            if error.http_status in (0, *RETRIED):
                return True
            self._say(f"The output is not shown. {error}")
            return False
        for pod in pods:
            self._look_at(pod)
        return True

    def _look_at(self, pod: V1Pod) -> None:
        name, state = pod.metadata.name, self._state_of(pod)
        ended = getattr(state, "terminated", None)
        if ended is not None and ended.exit_code != 0:
            said = f" ({ended.reason})" if ended.reason and ended.reason != "Error" else ""
            self.failure = f"Its container in the pod {name} ended with exit status {ended.exit_code}{said}."
        waiting = getattr(state, "waiting", None)
        if waiting is not None and waiting.reason and waiting.reason not in _USUAL:
            self._say(f"The pod {name} waits: {waiting.reason}{': ' if waiting.message else ''}{waiting.message or ''}")
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                self._say(f"The pod {name} waits: {condition.reason}: {condition.message}")
        if (ended or getattr(state, "running", None)) and name not in self._followers:
            thread = threading.Thread(target=self._follow, args=(name,), name=f"millstream-pod-{name}", daemon=True)
            self._followers[name] = thread
            thread.start()

    def _state_of(self, pod: V1Pod) -> Any:
        """The state of the container, None if it has none yet."""
        statuses = pod.status.container_statuses or ()
        return next((each.state for each in statuses if each.name == self._container), None)

    def _follow(self, pod: str) -> None:
        """Show what a pod prints until its container has ended; go on where a connection broke."""
        last, heard, tries = "", 0.0, 0
        while tries < _TRIES:
            began = time.monotonic()
            since_s = int(time.monotonic() - heard) + 2 if last else None
            try:
                for line in self._cluster.log(self._namespace, pod, self._container, since_s):
                    stamp, _, text = line.partition(b" ")
                    key = _comparable(stamp)
                    if key > last:
                        last, heard, tries = key, time.monotonic(), 0
                        with self._lock:
                            self._show(text + b"\n")
                if not self._is_running(pod):
                    return
            except KubernetesFailed as error:
                if error.http_status not in (0, *RETRIED):
                    self._say(str(error))
                    return
            tries = (
                tries + 1 if time.monotonic() - began < _STEADY_S else 0
            )  # who prints nothing for long is disconnected
            time.sleep(BACKOFF_S * tries)
        self._say(f"The output of the pod {pod} is not shown any longer: its connection breaks again and again.")

    def _is_running(self, pod: str) -> bool:
        found = (each for each in self._cluster.pods(self._namespace, self._job) if each.metadata.name == pod)
        return any(getattr(self._state_of(each), "running", None) is not None for each in found)

    def _say(self, sentence: str) -> None:
        with self._lock:
            if sentence not in self._said:
                self._said.add(sentence)
                output.say(sentence)


def _comparable(stamp: bytes) -> str:
    """A time as RFC 3339 writes it, with nine decimals, of which it leaves out zeros at the end."""
    whole, _, fraction = stamp.decode("ascii", "replace").removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}"
