"""Models on a cluster: executors are processes of their own, files pass through the cluster's filesystem."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from millstream.models.spark.staging import DEFAULT_PLACE
from tests.spark.cluster import Cluster

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def answers(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    variables = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    folder = tmp_path_factory.mktemp("client")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.spark.client", cluster.master, str(folder)],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_pipeline_is_saved_and_loaded_through_the_clusters_filesystem(answers: dict[str, Any]) -> None:
    predicted, expected, _ = answers["model"]
    assert predicted == expected


def test_what_was_staged_is_deleted(answers: dict[str, Any]) -> None:
    assert answers["staging"] == [[], True]
    assert list(Path(DEFAULT_PLACE).glob("*")) == []


def test_a_model_is_packed_and_brought_to_the_executors(answers: dict[str, Any]) -> None:
    predicted, expected = answers["function"]
    assert predicted == pytest.approx(expected)
