"""Projects that tests send to Spark, written from here."""

from __future__ import annotations

from pathlib import Path

MLPROJECT = """
name: jobs
entry_points:
  main:
    parameters: {note: {default: none}}
    command: "python report.py {note}"
  fail: {command: "python fail.py"}
  wait: {command: "python wait.py"}
"""

REPORT = """
import json, os, sys
import helper
import mlflow
from pyspark import TaskContext
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()

def look(number):
    import helper
    names = ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MILLSTREAM_RUN_PARAMETERS", "LAKE_TOKEN")
    return {name: os.environ.get(name) for name in names} | {
        "helped": helper.twice(number), "python": sys.executable, "pid": os.getpid(),
    }

seen = spark.sparkContext.parallelize(range(4), 4).map(look).collect()
settings = dict(spark.sparkContext.getConf().getAll())
with mlflow.start_run():
    mlflow.log_dict({
        "arguments": sys.argv[1:], "folder": os.getcwd(), "python": sys.executable, "executors": seen,
        "master": spark.sparkContext.master, "app": spark.sparkContext.appName, "conf": settings.get("spark.speculation"),
        "locals": [spark.sparkContext.getLocalProperty(name) for name in ("LAKE_TOKEN", "MLFLOW_RUN_ID")],
    }, "report.json")
"""

HELPER = """
def twice(number):
    return 2 * number
"""

FAIL = """
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().range(2).rdd.map(lambda row: 1 / 0).collect()
"""

WAIT = """
import time
from pathlib import Path
from pyspark.sql import SparkSession

def sleep(row):
    time.sleep(300)

spark = SparkSession.builder.getOrCreate()
Path("waiting").touch()
spark.range(2).rdd.foreach(sleep)
"""


def write(root: Path) -> Path:
    """The project, in a fresh folder."""
    root.mkdir()
    files = {"MLproject": MLPROJECT, "report.py": REPORT, "helper.py": HELPER, "fail.py": FAIL, "wait.py": WAIT}
    for name, text in files.items():
        (root / name).write_text(text)
    return root
