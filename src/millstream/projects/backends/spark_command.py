"""What `spark-submit` is started with: the program, its options, its properties and its environment variables."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from msgspec import Struct

from millstream.client import uris
from millstream.errors import InvalidValue, MissingLibrary
from millstream.projects import environment, packing, record
from millstream.projects.backends import spark_archives, spark_driver, spark_properties
from millstream.projects.backends.spark_application import Application
from millstream.projects.backends.spark_cluster import Pod, YarnApplication
from millstream.projects.backends.spark_options import OPTIONS, SparkOptions
from millstream.projects.backends.spark_properties import text_of
from millstream.projects.submission import Submission

if TYPE_CHECKING:
    from millstream.environments import Environment

PARAMETERS_VARIABLE = "MILLSTREAM_RUN_PARAMETERS"
"""The run's parameters as a JSON object, in the environment of driver and executors."""

_PROJECT, _ENVIRONMENT = "project", "environment"
"""Folders in the working directory of a driver on the cluster and of executors."""

_PACKED_PYTHON = f"./{_ENVIRONMENT}/bin/python"

_POD = "spark.kubernetes.driver.pod.name"
_WAITS = {"yarn": "spark.yarn.submit.waitAppCompletion", "k8s": "spark.kubernetes.submission.waitAppCompletion"}
"""The property by which `spark-submit` stays until an application has ended."""


class Spark(Struct, frozen=True):
    """An installed Spark; `home` is None where only the program is known."""

    program: str
    home: Path | None = None

    @property
    def defaults(self) -> Path | None:
        """Its own `spark-defaults.conf`, if there is one."""
        below_home = self.home / "conf" if self.home is not None else _PACKAGED_CONF
        path = Path(os.environ.get("SPARK_CONF_DIR") or below_home, "spark-defaults.conf")
        return path if path.is_file() else None


_PACKAGED_CONF = Path("/etc/spark/conf")
"""For a `spark-submit` that starts one elsewhere: where distributions of Hadoop have the configuration."""


def find_spark(options: SparkOptions, prefix: Path | None) -> Spark:
    """Spark in the configured folder or SPARK_HOME; else PySpark in an environment; else on PATH; else the running Python's.

    Args:
        prefix: the environment's folder.
    Raises:
        InvalidValue: the folder that is named has none. MissingLibrary: there is none anywhere.
    """
    for named, folder in (("spark_home", options.spark_home), ("SPARK_HOME", os.environ.get("SPARK_HOME"))):
        if folder:
            found = _below(Path(folder))
            if found is None:
                raise InvalidValue(f"{named} is {folder!r}, and there is no {folder}/bin/spark-submit.")
            return found
    for home in prefix.glob("lib/python3*/site-packages/pyspark") if prefix is not None else ():
        found = _below(home)
        if found is not None:
            return found
    program = shutil.which("spark-submit")
    if program is not None:
        home = Path(program).resolve().parent.parent
        return Spark(program, home if (home / "jars").is_dir() else None)
    installed = importlib.util.find_spec("pyspark")
    for place in (installed.submodule_search_locations or ()) if installed is not None else ():
        found = _below(Path(place))
        if found is not None:
            return found
    raise MissingLibrary("pyspark", "Running projects on Spark", "pyspark (or set SPARK_HOME to the folder of a Spark)")


def _below(home: Path) -> Spark | None:
    program = home / "bin" / "spark-submit"
    return Spark(str(program), home) if program.is_file() else None


def arguments(
    submission: Submission, options: SparkOptions, application: Application, prepared: Environment, folder: Path
) -> list[str]:
    """The options of `spark-submit`, the application and its arguments.

    Args:
        folder: gets the archives.
    """
    root = submission.project.root
    py_files, archives = list(options.py_files), list(options.archives)
    modules = spark_archives.zip_modules(root, PurePosixPath(application.script).parent, folder / "modules.zip")
    if modules is not None:
        py_files.append(str(modules))
    if options.place == "packed":
        packed = spark_archives.pack_environment(prepared.prefix, folder / "environment.tar.gz")
        archives.append(f"{packed}#{_ENVIRONMENT}")
    start = [application.script]
    if options.deploy_mode == "cluster":
        archives.append(f"{packing.pack(root, folder).path}#{_PROJECT}")
        start = [spark_driver.__file__, _PROJECT, application.script]
    values = {key: getattr(options, key) for key in OPTIONS}
    values |= {"name": options.name or application_name(submission), "files": list(options.files)}
    values |= {"py_files": py_files, "archives": archives}
    found = []
    for key, (option, _) in OPTIONS.items():
        value = ",".join(values[key]) if isinstance(values[key], list) else values[key]
        if value:
            found += [option, str(value)]
    return [*found, *start, *application.arguments]


def application_name(submission: Submission) -> str:
    """What Spark's pages call the run."""
    project = submission.project
    return f"{project.name or project.root.name}-{submission.entry_point}-{submission.run_id[:8]}"


def _pod(submission: Submission) -> str:
    return f"millstream-{submission.run_id}"


def properties(submission: Submission, options: SparkOptions, prepared: Environment) -> dict[str, str]:
    """Spark's properties: how executors and the driver find Python, the user's own, and what belongs to the run."""
    on_cluster = options.deploy_mode == "cluster"
    pythons = {"shared": str(prepared.python), "packed": _PACKED_PYTHON, "cluster": options.python}
    python = pythons[options.place]
    driver = python if on_cluster else str(prepared.python)
    named = {"spark.pyspark.python": python, "spark.pyspark.driver.python": driver}
    conf = {name: value for name, value in named.items() if value is not None}
    conf |= {name: text_of(value) for name, value in options.conf.items()}
    own = run_variables(submission) | {name: os.environ[name] for name in options.env}
    if options.place == "shared":
        own["PYTHONPATH"] = str(environment.AS_MLFLOW)
    conf |= spark_properties.executor_variables(own)
    if on_cluster:
        conf |= spark_properties.driver_variables(options.cluster, own) | {_WAITS[options.cluster]: "true"}
        if options.cluster == "k8s":
            conf.setdefault(_POD, _pod(submission))
    has_credentials = uris.redact(submission.tracking_uri) != submission.tracking_uri
    secret = {*options.env, *(name for name in own if has_credentials and name.endswith("_TRACKING_URI"))}
    return conf | spark_properties.redaction(conf, secret)


def run_variables(submission: Submission) -> dict[str, str]:
    """The environment variables by which driver and executors find the run."""
    parameters = json.dumps(dict(submission.parameters), separators=(",", ":"))
    return {**record.variables(submission), PARAMETERS_VARIABLE: parameters}


def surroundings(submission: Submission, options: SparkOptions, prepared: Environment, spark: Spark) -> dict[str, str]:
    """The environment variables of `spark-submit`, which a driver here has too."""
    found = environment.command_variables(prepared, run_variables(submission))
    if spark.home is not None:
        found["SPARK_HOME"] = str(spark.home)
    if options.is_local:
        found.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # else the address of a network interface, open to others
    locale = next(filter(None, map(found.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    if not re.search("utf-?8", locale, re.IGNORECASE):
        found["LC_ALL"] = "C.UTF-8"  # else Java makes question marks of other letters
    return found


def driver(
    submission: Submission, options: SparkOptions, program: Sequence[str], variables: Mapping[str, str]
) -> Pod | YarnApplication:
    """The run's driver on a cluster.

    Args:
        program: `spark-submit`, with its properties.
        variables: its environment.
    """
    if options.cluster == "yarn":
        return YarnApplication(variables)
    namespace = text_of(options.conf.get("spark.kubernetes.namespace", "default"))
    pod = text_of(options.conf.get(_POD, _pod(submission)))
    return Pod([*program, "--master", str(options.master)], f"{namespace}:{pod}", variables)
