"""Finding Spark, and the session that a call works in."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from millstream.errors import MillstreamError, MissingLibrary

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class NoJava(MillstreamError):
    """Spark runs in Java, and there is none."""

    code = "INVALID_PARAMETER_VALUE"

    def __init__(self) -> None:
        super().__init__(
            "Spark needs Java, and there is neither a program `java` on the PATH nor one below JAVA_HOME. Install Java 17 or 21 "
            "(Debian: apt-get install openjdk-17-jre-headless), or connect to a Spark server: SPARK_REMOTE=sc://host:15002."
        )


def make_importable() -> None:
    """Let `import pyspark` find the Spark below SPARK_HOME, where pip has not installed one."""
    if importlib.util.find_spec("pyspark") is not None:
        return
    home = os.environ.get("SPARK_HOME")
    if not home or not Path(home, "python", "pyspark").is_dir():
        return
    python = Path(home, "python")
    sys.path[:0] = [str(python), *map(str, sorted((python / "lib").glob("py4j-*-src.zip")))]
    importlib.invalidate_caches()


def require(purpose: str) -> Any:
    """The package pyspark. Raises MissingLibrary saying that `purpose` needs it."""
    make_importable()
    try:
        return importlib.import_module("pyspark")
    except ModuleNotFoundError as error:
        if error.name != "pyspark":
            raise
        raise MissingLibrary("pyspark", purpose, "pyspark (or set SPARK_HOME to the folder of a Spark)") from None


def active() -> Any:
    """The session in use in this thread, else in this process; None if there is none."""
    from pyspark.sql import SparkSession

    found = SparkSession.getActiveSession()
    return found if found is not None else getattr(SparkSession, "_instantiatedSession", None)


def active_or_local() -> Any:
    """The session in use; without one, a small one on this machine (or the one that SPARK_REMOTE or spark-submit means).

    Raises NoJava.
    """
    found = active()
    return found if found is not None else _new()


def _new() -> Any:
    from pyspark import TaskContext
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    if "SPARK_REMOTE" in os.environ or "PYSPARK_GATEWAY_PORT" in os.environ:
        return builder.getOrCreate()
    if not has_java():
        raise NoJava
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else the address of a network interface, which may be down
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # else `python3` of the PATH, which may lack what we have
    settings = {
        "spark.master": "local[2]",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": Path(tempfile.gettempdir(), "millstream-spark-warehouse").as_uri(),
    }
    if TaskContext.get() is not None:  # in a Python worker of another Spark
        settings |= {"spark.master": "local[1]", "spark.executor.allowSparkContext": "true"}
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def has_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") is not None or bool(home and Path(home, "bin", "java").exists())


def is_connect(session: Any) -> bool:
    """Whether a session speaks to a Spark server instead of a Java process of its own."""
    return type(session).__module__.startswith("pyspark.sql.connect.")


def runs_here(session: Any) -> bool:
    """Whether all of Spark runs on this machine, so that every part of it sees the paths of this process.

    Of a Spark server only its address is known: one at a loopback address may still be elsewhere, behind a tunnel.
    """
    if is_connect(session):
        return _host_of(session) in LOOPBACK
    master = str(session.sparkContext.master)
    return master.startswith("local[") or master == "local"


def _host_of(session: Any) -> str:
    client = session.client
    found = getattr(client, "host", None)
    if found is None:
        found = urlsplit(str(getattr(client, "_builder", ""))).hostname
    return str(found)
