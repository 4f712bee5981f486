"""A driver on a cluster, while `spark-submit` waits for it here: how it ended, and how it is ended.

On YARN the exit status of `spark-submit` is the application's. On Kubernetes it is 0 whatever the driver's was (SPARK-26365), so the
driver's pod is asked for.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from millstream.entities import RunStatus
from millstream.projects.submission import SubmittedRun

logger = logging.getLogger("millstream")

_TIMEOUT_S = 60.0
_YARN_ID = re.compile(rb"application_\d+_\d+")
_PHASE = re.compile(rb"phase: (\w+)")


class Pod(Struct, frozen=True):
    """A driver on Kubernetes.

    Attributes:
        program: `spark-submit` with its properties and the cluster's address.
        name: `namespace:pod`.
    """

    program: Sequence[str]
    name: str
    environment: Mapping[str, str]

    def failure(self, printed: bytes) -> str:
        """Why the driver has not succeeded; "" if it has. `printed` tells how a pod ended that is gone."""
        asked = _run([*self.program, "--status", self.name], self.environment)
        for text in (asked.stderr + asked.stdout if asked is not None else b"", printed):
            phases = _PHASE.findall(text)
            if phases:
                phase = phases[-1].decode()
                return "" if phase == "Succeeded" else f"The driver's pod {self.name} is {phase}."
        return f"The driver's pod {self.name} is gone, and how it ended is not known."

    def kill(self, printed: bytes) -> None:
        _kill([*self.program, "--kill", self.name], self.environment)


class YarnApplication(Struct, frozen=True):
    """A driver on YARN, whose name is in what `spark-submit` prints."""

    environment: Mapping[str, str]

    def failure(self, printed: bytes) -> str:
        return ""

    def kill(self, printed: bytes) -> None:
        found = _YARN_ID.search(printed)
        if found is not None:  # else it has not begun
            home = os.environ.get("HADOOP_HOME")
            program = str(Path(home, "bin", "yarn")) if home else "yarn"
            _kill([program, "application", "-kill", found[0].decode()], self.environment)


class ClusterRun(SubmittedRun):
    """A run whose driver is on a cluster.

    Args:
        process: `spark-submit`.
        printed: gives what it has printed so far.
    """

    def __init__(
        self, process: SubmittedRun, driver: Pod | YarnApplication, printed: Callable[[], Iterable[bytes]]
    ) -> None:
        self._process = process
        self._driver = driver
        self._printed = printed
        self._failure: str | None = None
        self._is_killed = False

    @property
    def run_id(self) -> str:
        return self._process.run_id

    @property
    def reason(self) -> str:
        return self._process.reason or self._failure or ""

    def get_status(self) -> str:
        status = self._process.get_status()
        if status == RunStatus.FINISHED.value and self._look():
            return RunStatus.FAILED.value
        return status

    def wait(self) -> bool:
        succeeded = self._process.wait()
        if self._process.get_status() == RunStatus.KILLED.value:  # perhaps by another process
            self._kill()
        return succeeded and not self._look()

    def cancel(self) -> None:
        if self._process.get_status() == RunStatus.RUNNING.value:
            self._process.cancel()
            self._kill()

    def _look(self) -> str:
        """Why a driver that has ended has not succeeded; asked once."""
        if self._failure is None:
            self._failure = self._driver.failure(b"".join(self._printed()))
        return self._failure

    def _kill(self) -> None:
        if not self._is_killed:
            self._is_killed = True
            self._driver.kill(b"".join(self._printed()))


def _kill(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """End a driver. What keeps it from that is a warning: the run has ended anyway."""
    done = _run(command, environment)
    if done is None or done.returncode:
        reason = "" if done is None else done.stderr.decode(errors="replace").strip()[-500:]
        logger.warning("The application may still run: %s failed. %s", " ".join(command), reason)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes] | None:
    """A command that has ended; None if it cannot be run, or takes too long."""
    try:
        return subprocess.run(
            command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=False
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
