"""Servers as processes on free ports: the official one and ours, started and stopped the same way."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.compat.environments import OFFICIAL


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    ready_s: float  # from the start of the process to the first good answer


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without settings of either product; both may keep their compiled modules, as they do for users."""
    settings = ("MLFLOW_", "MILLSTREAM_", "PYTEST_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(settings)}
    return {**kept, "DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", **extra}


def official_command(folder: Path, port: int, workers: int | None = 1) -> list[str]:
    """`mlflow server` over a fresh SQLite file in `folder`; `workers` None is its default number."""
    return [
        str(OFFICIAL["3.17"].python().with_name("mlflow")), "server",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
        "--host", "127.0.0.1", "--port", str(port),
        *(["--workers", str(workers)] if workers else []),
    ]  # fmt: skip


def our_command(folder: Path, port: int) -> list[str]:
    """`millstream server` over a fresh SQLite file in `folder`."""
    return [
        sys.executable, "-m", "millstream.cli.main", "server",
        "--backend-store-uri", f"sqlite:///{folder}/millstream.db",
        "--artifacts-destination", str(folder / "artifacts"),
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip


@contextmanager
def running(
    command: Sequence[str], folder: Path, port: int, *, timeout_s: float = 300, webhooks_at_home: bool = False
) -> Iterator[Server]:
    """The process of `command` once it answers; ended, with its children, at the end.

    `webhooks_at_home`: webhooks may lead to receivers on this machine.
    """
    log = folder / "server.log"
    environment = clean_environment(MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=str(webhooks_at_home).lower())
    if webhooks_at_home:
        environment["MLFLOW_WEBHOOK_ALLOWED_SCHEMES"] = "http"
    started = time.perf_counter()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log, started + timeout_s)
        yield Server(url, process, folder, time.perf_counter() - started)
    finally:
        _stop(process)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    while True:
        try:
            with urllib.request.urlopen(url + "/api/2.0/mlflow/experiments/search?max_results=1", timeout=30) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        if process.poll() is not None or time.perf_counter() > deadline:
            raise RuntimeError(f"the server at {url} did not become ready:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.01)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and all that it started: the official one's workers are in sessions of their own, and finish their
    queries before they heed SIGTERM, which may take minutes."""
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=10)
    for each in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    psutil.wait_procs(alive, timeout=10)
    process.wait(timeout=10)


@contextmanager
def official_server(folder: Path, workers: int | None = 1, *, webhooks_at_home: bool = False) -> Iterator[Server]:
    port = free_port()
    with running(official_command(folder, port, workers), folder, port, webhooks_at_home=webhooks_at_home) as server:
        yield server


@contextmanager
def our_server(folder: Path, *, webhooks_at_home: bool = False) -> Iterator[Server]:
    port = free_port()
    with running(our_command(folder, port), folder, port, webhooks_at_home=webhooks_at_home) as server:
        yield server
