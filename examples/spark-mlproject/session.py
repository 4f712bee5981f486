"""Spark, wherever it is: installed with pip, below SPARK_HOME, or around us because `spark-submit` started us."""

import importlib.util
import os
import sys


def find_spark():
    """Make `import pyspark` work."""
    if importlib.util.find_spec("pyspark") is None:
        import findspark

        findspark.init()


def start(name):
    """A session: the cluster's under `spark-submit`, else one on this machine (or where SPARK_MASTER says)."""
    find_spark()
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # which `spark-submit` sets, with all that it was told
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = (
            builder.appName(name)
            .master(os.environ.get("SPARK_MASTER", "local[2]"))
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "2")
        )
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
