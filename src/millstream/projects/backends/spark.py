"""A Spark cluster, or Spark on this machine: the entry point's script is handed to `spark-submit`.

The driver runs here, in the project's folder and environment (deploy mode `client`), or on the cluster, where the project is
unpacked for it (`cluster`, on YARN and Kubernetes). In both `spark-submit` waits for the application. See `spark_options` for the
configuration.
"""

from __future__ import annotations

import os

from millstream.client import uris
from millstream.errors import InvalidValue
from millstream.projects import commands, environment, output, parameters, processes
from millstream.projects.backends import spark_command, spark_properties
from millstream.projects.backends.spark_application import application_of
from millstream.projects.backends.spark_cluster import ClusterRun
from millstream.projects.backends.spark_options import SparkOptions, read_options
from millstream.projects.submission import Submission, SubmittedRun


def check(submission: Submission) -> None:
    """Refuse what `spark-submit` cannot run."""
    project = submission.project
    options = read_options(submission.config, project.root)
    application_of(commands.command_of(project, submission.entry_point, submission.parameters), project.root)
    manager = environment.chosen_manager(submission.environment_manager)
    if manager == "local":
        spark_command.find_spark(options, None)
    if options.place == "packed" and manager in ("local", "conda"):
        raise InvalidValue(
            f"'environment' cannot be 'packed' with the environment manager {manager!r}: an archive is made of what uv or "
            "virtualenv make. Name an archive of your own in 'archives', and its interpreter in 'python'."
        )
    missing = [name for name in options.env if name not in os.environ]
    if missing:
        raise InvalidValue(f"'env' of the backend 'spark' names {', '.join(missing)}, which is not set here.")
    if options.deploy_mode == "cluster":
        _check_cluster(submission, options)


def _check_cluster(submission: Submission, options: SparkOptions) -> None:
    if options.cluster not in ("yarn", "k8s"):
        raise InvalidValue(
            "A driver on a cluster needs the cluster's address: 'master' is 'yarn' or 'k8s://https://host:port'."
        )
    if uris.scheme_of(submission.tracking_uri) in ("", "file", "sqlite"):
        raise InvalidValue(
            f"A driver on a cluster cannot log to {submission.tracking_uri!r}, which is a file of this machine. Start a server "
            "(millstream server) and name its address as the tracking URI."
        )
    entry = submission.project.entry_point(submission.entry_point)
    paths = [each.name for each in (entry.parameters if entry is not None else ()) if each.type == "path"]
    if paths:
        raise InvalidValue(
            f"{', '.join(paths)} is of type 'path', a file of this machine, and the driver runs on the cluster. Give it the "
            "type 'uri', and an address that the cluster can read."
        )


def submit(submission: Submission) -> SubmittedRun:
    project = submission.project
    options = read_options(submission.config, project.root)
    entry = project.entry_point(submission.entry_point)
    values = parameters.resolve(entry, submission.parameters, submission.storage_dir, submission.caller_dir)
    line = commands.command_of(project, submission.entry_point, values)
    application = application_of(line, project.root)
    prepared = environment.prepare(submission)
    spark = spark_command.find_spark(options, prepared.prefix)
    supervisor = processes.supervised(submission.run_id)
    assert supervisor is not None  # `running` submits inside of `supervision`
    folder = supervisor.output.folder / "spark"  # goes with the run's output, whoever ends the run
    folder.mkdir(mode=0o700)
    named = options.properties_file
    settings = spark_properties.write(
        folder / "spark.properties",
        project.root / named if named is not None else spark.defaults,
        spark_command.properties(submission, options, prepared),
    )
    program = [spark.program, "--properties-file", str(settings)]
    arguments = spark_command.arguments(submission, options, application, prepared, folder)
    variables = spark_command.surroundings(submission, options, prepared, spark)
    output.say(f"Run {submission.run_id}: spark-submit of {line}")
    started = processes.start(submission.run_id, [*program, *arguments], folder=project.root, environment=variables)
    if options.deploy_mode == "client":
        return started
    driver = spark_command.driver(submission, options, program, variables)
    return ClusterRun(started, driver, lambda: output.parts(supervisor.output.folder))
