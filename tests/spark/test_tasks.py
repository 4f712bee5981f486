"""Metrics that executors log: each point once, also when a worker is killed in the middle of the job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from millstream.client.client import MillstreamClient
from millstream.errors import InvalidState
from millstream.models.spark.tasks import task_metrics
from tests.projects.conftest import tracking as tracking
from tests.spark.cluster import SETTINGS, running_cluster

PARTITIONS, STEPS = 6, 5

JOB = f"""
import json, os, sys, time
import millstream
from millstream.models.spark.tasks import task_metrics
from pyspark.sql import SparkSession

builder = SparkSession.builder.master(sys.argv[1])
for name, value in json.loads(sys.argv[2]).items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
millstream.set_tracking_uri(sys.argv[3])
folder = sys.argv[4]

def train(rows):
    with metrics.task() as log:
        for partition in rows:
            for step in range({STEPS}):
                log("loss", partition + 1 / (step + 1), step)
                log("constant", 1.0, step)
    open(os.path.join(folder, f"logged-{{partition}}-{{os.getpid()}}"), "w").close()
    time.sleep(3)  # the points are stored, the task has not ended
    yield 1

with millstream.start_run() as run:
    metrics = task_metrics()
    done = spark.sparkContext.parallelize(range({PARTITIONS}), {PARTITIONS}).mapPartitions(train).sum()
    print(json.dumps([run.info.run_id, done]))
"""


def test_a_worker_that_is_killed_in_the_middle_doubles_nothing_and_loses_nothing(
    tracking: MillstreamClient, tmp_path: Path
) -> None:
    (tmp_path / "job.py").write_text(JOB)
    logged = tmp_path / "logged"
    logged.mkdir()
    with running_cluster() as cluster:
        command = [sys.executable, "job.py", cluster.master, json.dumps(SETTINGS), tracking.tracking_uri, str(logged)]
        variables = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        job = subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 300
        while len(list(logged.iterdir())) < 2:  # one task on each worker has stored its points
            assert job.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        cluster.workers[0].kill()
        printed, _ = job.communicate(timeout=300)
    assert job.returncode == 0
    run_id, done = json.loads(printed.splitlines()[-1])
    assert done == PARTITIONS
    partitions = Counter(path.name.split("-")[1] for path in logged.iterdir())
    assert sum(partitions.values()) > PARTITIONS  # a task was done twice
    losses = [(each.step, each.value) for each in tracking.get_metric_history(run_id, "loss")]
    expected = [(step, partition + 1 / (step + 1)) for partition in range(PARTITIONS) for step in range(STEPS)]
    assert sorted(losses) == sorted(expected)
    constants = [(each.step, each.value) for each in tracking.get_metric_history(run_id, "constant")]
    assert Counter(constants) == {(step, 1.0): PARTITIONS for step in range(STEPS)}


def test_outside_of_a_task_or_a_run_it_says_so(tracking: MillstreamClient) -> None:
    with pytest.raises(InvalidState, match="No run is active"):
        task_metrics()
    run = tracking.create_run("0")
    with pytest.raises(InvalidState, match="not a task"), task_metrics(run.info.run_id).task():
        pass
