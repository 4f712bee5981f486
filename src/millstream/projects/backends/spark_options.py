"""What the configuration of the backend `spark` may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from millstream.errors import InvalidValue

Place = Literal["shared", "packed", "cluster"]
"""Where executors find their Python: at the same path as here, in an archive that is sent along, or as the cluster has it."""


class SparkOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """The backend's configuration; what is not given is left to Spark's own defaults.

    Attributes:
        master: `local[2]`, `spark://host:7077`, `yarn`, `k8s://https://host:443`.
        deploy_mode: where the driver runs: here, or on the cluster.
        conf: Spark's properties. They reach Spark in a file for the owner alone, so that no secret stands on a command line.
        py_files, files, archives: paths below the project's folder, absolute ones, or URIs; archives with `#name`.
        spark_home: the folder of Spark; else SPARK_HOME, PATH, or the installed pyspark.
        properties_file: used in place of Spark's own `spark-defaults.conf`.
        driver_memory, executor_memory: as Spark writes them, `2g`.
        environment: None is `shared` for a local master and `cluster` for others.
        python: the executors' interpreter, where `environment` is `cluster`.
        env: names of variables of this process that executors, and a driver on the cluster, get too, such as
            MLFLOW_TRACKING_TOKEN.
    """

    master: str | None = None
    deploy_mode: Literal["client", "cluster"] = "client"
    name: str | None = None
    conf: dict[str, str | int | float | bool] = {}
    py_files: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    spark_home: str | None = None
    properties_file: str | None = None
    driver_memory: str | None = None
    driver_cores: int | None = None
    executor_memory: str | None = None
    executor_cores: int | None = None
    num_executors: int | None = None
    total_executor_cores: int | None = None
    queue: str | None = None
    environment: Place | None = None
    python: str | None = None
    env: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether executors are threads of a process here."""
        return self.master is not None and re.fullmatch(r"local(\[.*\])?", self.master) is not None

    @property
    def place(self) -> Place:
        return self.environment or ("shared" if self.is_local else "cluster")

    @property
    def cluster(self) -> str:
        """What manages the cluster: `local`, `spark`, `yarn`, `k8s`, or "" where Spark's defaults say it."""
        return "local" if self.is_local else (self.master or "").partition(":")[0]


OPTIONS: dict[str, tuple[str, str]] = {
    "master": ("--master", "spark.master"),
    "deploy_mode": ("--deploy-mode", "spark.submit.deployMode"),
    "name": ("--name", "spark.app.name"),
    "py_files": ("--py-files", "spark.submit.pyFiles"),
    "files": ("--files", "spark.files"),
    "archives": ("--archives", "spark.archives"),
    "driver_memory": ("--driver-memory", "spark.driver.memory"),
    "driver_cores": ("--driver-cores", "spark.driver.cores"),
    "executor_memory": ("--executor-memory", "spark.executor.memory"),
    "executor_cores": ("--executor-cores", "spark.executor.cores"),
    "num_executors": ("--num-executors", "spark.executor.instances"),
    "total_executor_cores": ("--total-executor-cores", "spark.cores.max"),
    "queue": ("--queue", "spark.yarn.queue"),
}
"""A key of the configuration, its option of `spark-submit`, and the property that means the same."""

_LISTS = ("py_files", "files", "archives")
_OURS = ("master", "deploy_mode", "name", *_LISTS)
"""Keys that the backend itself reads or adds to, so their properties would be lost."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROPERTY = re.compile(r"spark\.[^\s=:#!\\]+")


def read_options(config: Mapping[str, Any], root: Path) -> SparkOptions:
    """The configuration, checked; keys may have dashes for underscores.

    Args:
        root: the project's folder, which relative paths are below.
    Raises:
        InvalidValue: an unknown key, a value of the wrong type or that nothing can be done with, a missing file.
    """
    given = {key.replace("-", "_"): value for key, value in config.items()}
    try:
        options = msgspec.convert(given, SparkOptions)
    except msgspec.ValidationError as error:
        keys = ", ".join(SparkOptions.__struct_fields__)
        raise InvalidValue(f"The configuration of the backend 'spark' is wrong: {error}. Its keys: {keys}.") from None
    for key in SparkOptions.__struct_fields__:
        value = getattr(options, key)
        for text in value if isinstance(value, tuple) else [value]:
            if isinstance(text, str):
                _check_text(key, text)
    _check_properties(options)
    _check_files(options, root)
    _check_place(options)
    return options


def _check_text(key: str, text: str) -> None:
    if not text or text.startswith("-") or any(character < " " for character in text):
        raise InvalidValue(f"{key!r} of the backend 'spark' cannot be {text[:200]!r}.")
    if key in _LISTS and "," in text:
        raise InvalidValue(
            f"A name in {key!r} of the backend 'spark' cannot have a comma, which Spark splits at: {text!r}."
        )
    if key == "env" and not _VARIABLE.fullmatch(text):
        raise InvalidValue(f"'env' of the backend 'spark' is a list of names of variables; {text[:200]!r} is none.")


def _check_properties(options: SparkOptions) -> None:
    own = {name: key for key, (_, name) in OPTIONS.items()}
    for name, value in options.conf.items():
        if not _PROPERTY.fullmatch(name):
            raise InvalidValue(
                f"'conf' of the backend 'spark' has {name[:200]!r}; Spark's properties begin with 'spark.'."
            )
        if name in own and (own[name] in _OURS or getattr(options, own[name]) is not None):
            raise InvalidValue(f"The backend 'spark' has a key for {name!r}: give {own[name]!r}, not the property.")
        if isinstance(value, str) and "\0" in value:
            raise InvalidValue(f"The property {name!r} of the backend 'spark' contains a NUL character.")


def _check_files(options: SparkOptions, root: Path) -> None:
    named = [(key, path) for key in _LISTS for path in getattr(options, key)]
    if options.properties_file is not None:
        named.append(("properties_file", options.properties_file))
    for key, path in named:
        place = path.partition("#")[0] if key == "archives" else path
        if "://" not in place and not place.startswith("file:") and not (root / place).exists():
            raise InvalidValue(
                f"{key!r} of the backend 'spark' names {path!r}, which is not there. Paths are below {root}."
            )


def _check_place(options: SparkOptions) -> None:
    if options.python is not None and options.place != "cluster":
        raise InvalidValue(
            f"The backend 'spark' has 'python' for environment 'cluster' alone, and the environment is {options.place!r}."
        )
    if options.deploy_mode == "client":
        return
    if options.is_local or options.cluster == "spark":
        raise InvalidValue(
            f"Spark runs Python drivers on YARN and Kubernetes alone; with the master {options.master!r} the driver runs "
            "here: leave 'deploy_mode' out."
        )
    if options.place == "shared":
        raise InvalidValue(
            "A driver on the cluster cannot have an environment of this machine: let 'environment' be 'packed' or 'cluster'."
        )
