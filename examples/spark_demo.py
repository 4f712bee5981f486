"""The demo of Spark: `spark-mlproject/` as a tracked run, with Spark on this machine and on a cluster.

    make demo-spark            # starts a cluster of two workers for it

Everything is kept in `demo-data/spark/`. SPARK_MASTER is the cluster's address.
"""

from __future__ import annotations

import os
from pathlib import Path

import millstream
from millstream import projects

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "demo-data" / "spark"
ON_LOOPBACK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
}


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    millstream.set_tracking_uri(f"sqlite:///{DATA / 'millstream.db'}")
    on_cluster = {
        "master": os.environ.pop("SPARK_MASTER"),  # else the run on this machine would find it, too
        "environment": "shared",  # its workers are on this machine
        "executor_memory": "700m",
        "conf": ON_LOOPBACK,
    }
    project = str(HERE / "spark-mlproject")
    client = millstream.MlflowClient()
    for backend, config in (("local", None), ("spark", on_cluster)):
        run_id = projects.run(project, backend=backend, backend_config=config, env_manager="local").run_id
        run = client.get_run(run_id)
        tags, metrics = run.data.tags, run.data.metrics
        print(f"{backend}: run {run_id} on {tags['spark.master']}: {tags['best']}, accuracy {metrics['accuracy']:.3f}")
    print(f"See them: millstream server --backend-store-uri sqlite:///{DATA / 'millstream.db'}")


if __name__ == "__main__":
    main()
