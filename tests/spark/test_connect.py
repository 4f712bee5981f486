"""Spark Connect: a server in a process of its own, and clients that have no Java."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest

ROOT = Path(__file__).parents[2]
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a running server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    settings = {
        "spark.connect.grpc.binding.port": port, "spark.ui.enabled": "false", "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "2", "spark.sql.warehouse.dir": folder / "warehouse",
    }  # fmt: skip
    options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [Path(pyspark.__file__).parent / "bin" / "spark-submit", "--class", SERVER, "--master", "local[2]", *options,
             "spark-internal"],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, port, folder / "log")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.3)
    raise RuntimeError(log.read_text()[-3000:])


def ask(port: int, folder: Path, host: str = "127.0.0.1") -> dict[str, Any]:
    """What a client's steps gave; it cannot start a Java of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.spark.client", f"sc://{host}:{port}", str(folder)],
        cwd=ROOT, env={**os.environ, "PATH": "/nowhere", "JAVA_HOME": ""}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def answers(port: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return ask(port, tmp_path_factory.mktemp("client"))


def test_a_pipeline_is_logged_loaded_and_predicts(answers: dict[str, Any]) -> None:
    predicted, expected, outputs = answers["model"]
    assert predicted == expected
    assert json.loads(outputs) == [{"type": "double", "required": True}]


def test_a_staging_place_that_both_reach_is_used_and_left_empty(answers: dict[str, Any]) -> None:
    assert answers["staging"] == [[], True]


def test_a_model_is_brought_to_the_workers_by_the_session(answers: dict[str, Any]) -> None:
    predicted, expected = answers["function"]
    assert predicted == pytest.approx(expected)


def test_frames_have_signatures_and_digests(answers: dict[str, Any]) -> None:
    assert json.loads(answers["signature"])[0] == {"type": "double", "name": "rooms", "required": True}
    assert answers["dataset"] == [True, 8]


def test_a_server_elsewhere_without_a_staging_place_is_one_error_that_lists_the_ways(port: int, tmp_path: Path) -> None:
    found = ask(port, tmp_path, host="127.0.0.2")  # an address that is not known to be this machine's
    message = found["model"]["error"]
    for way in ("NoStaging", "MILLSTREAM_SPARK_STAGING", "dfs_tmpdir", "classic session", "log_models=False"):
        assert way in message
    assert found["staging"] == [[], True]
    assert found["function"][0] == pytest.approx(found["function"][1])
