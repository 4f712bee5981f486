"""A real standalone cluster on the loopback: a master and two workers, processes out of the pyspark wheel.

They end with this process, also when it is killed.

python -m tests.spark.cluster -- COMMAND...    runs a command with the cluster's address as SPARK_MASTER
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyspark
from msgspec import Struct

HOME = Path(pyspark.__file__).parent
START_TIMEOUT_S = 180
SETTINGS = {
    "spark.driver.host": "127.0.0.1",  # else the address of a network interface
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.executor.memory": "700m",
    "spark.sql.shuffle.partitions": "2",
}
"""What a job on this cluster needs to say."""


class Cluster(Struct, frozen=True):
    """A running cluster.

    Attributes:
        master: its address, `spark://...`.
        page: of the master, `http://...`.
        workers: their processes.
        folder: of its logs and its workers' files.
    """

    master: str
    page: str
    workers: list[subprocess.Popen[bytes]]
    folder: Path

    def state(self) -> dict[str, Any]:
        """What the master says of its workers and applications."""
        with urllib.request.urlopen(f"{self.page}/json/", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def applications(self) -> dict[str, str]:
        """The states of all applications, by name."""
        state = self.state()
        return {each["name"]: each["state"] for each in [*state["activeapps"], *state["completedapps"]]}


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A master and two workers of one core each, ended with the block."""
    folder = Path(tempfile.mkdtemp(prefix="ms-spark-cluster-"))
    port, page, *rest = _free_ports(6)
    master = f"spark://127.0.0.1:{port}"
    processes = [
        _start(
            folder / "master", "master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)
        )
    ]
    cluster = Cluster(master, f"http://127.0.0.1:{page}", processes[1:], folder)
    try:
        for number in (1, 2):
            work = folder / f"worker{number}"
            ports = ["--port", str(rest.pop()), "--webui-port", str(rest.pop())]
            size = ["--cores", "1", "--memory", "1500m", "--work-dir", str(work)]
            processes.append(_start(work, "worker.Worker", "--host", "127.0.0.1", *ports, *size, master))
        cluster = Cluster(master, cluster.page, processes[1:], folder)
        _wait_for_workers(cluster, processes)
        yield cluster
    finally:
        for process in reversed(processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    folder.mkdir()
    environment = {
        **os.environ,
        "SPARK_HOME": str(HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "384m",
        "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # executors start `python3`
    }
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", HOME / "bin" / "spark-class", f"org.apache.spark.deploy.{name}", *arguments],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def _wait_for_workers(cluster: Cluster, processes: Sequence[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        with contextlib.suppress(urllib.error.URLError, OSError, ValueError):  # at first it has only a page for people
            if cluster.state()["aliveworkers"] == len(cluster.workers):
                return
        if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            logs = "\n".join(log.read_text(errors="replace")[-2000:] for log in cluster.folder.glob("*/log"))
            raise RuntimeError(f"The cluster did not start:\n{logs}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def main(command: Sequence[str]) -> int:
    with running_cluster() as cluster:
        return subprocess.run(command, env={**os.environ, "SPARK_MASTER": cluster.master}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:]))
