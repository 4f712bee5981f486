"""What runs on a cluster of Databricks: unpacks the project, prepares its environment, and runs its command or script there.

The file that the task names is `LAUNCHER`; Millstream itself is one of the task's libraries.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from millstream.projects.submission import EnvironmentManager, Source, Submission

LAUNCHER = "from millstream.projects.backends.databricks_driver import main\n\nmain()\n"


class Order(Struct, frozen=True, kw_only=True):
    """What to run; the task's one parameter, as JSON.

    Attributes:
        archive: the packed project, as the cluster sees it.
        variables: environment variables by which the run is found.
        script: of a Databricks Spark job: it runs in this very process, which has a Spark session.
        arguments: of the script.
        entry_point, parameters, environment_manager: of a project's command, where there is no script.
    """

    archive: str
    run_id: str
    experiment_id: str
    tracking_uri: str
    variables: dict[str, str]
    script: str | None = None
    arguments: tuple[str, ...] = ()
    entry_point: str = "main"
    parameters: dict[str, str] = {}
    environment_manager: EnvironmentManager | None = None


def main() -> None:
    """Carry out the order in `sys.argv`; ends with the status of the project's command."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    with tempfile.TemporaryDirectory(prefix="millstream-project-") as name:
        root = Path(name)
        with tarfile.open(order.archive) as archive:
            archive.extractall(root, filter="data")
        os.environ.update(order.variables)
        if order.script is not None:
            _run_script(root, order.script, order.arguments)
            return
        status = _run_command(root, order)
    sys.exit(status)


def _run_script(root: Path, script: str, arguments: tuple[str, ...]) -> None:
    """As `python script arguments` in the project's folder."""
    os.chdir(root)
    sys.argv = [script, *arguments]
    sys.path.insert(0, str((root / script).parent))
    runpy.run_path(script, run_name="__main__")


def _run_command(root: Path, order: Order) -> int:
    from millstream.projects import commands, environment, parameters
    from millstream.projects.backends.local import shell
    from millstream.projects.spec import read_project
    from millstream.tracking.uris import set_tracking_uri

    set_tracking_uri(order.tracking_uri)
    project = read_project(root)
    manager = environment.chosen_manager(order.environment_manager)
    submission = Submission(
        project=project,
        source=Source(str(root), root, str(root)),
        entry_point=order.entry_point,
        parameters=order.parameters,
        run_id=order.run_id,
        experiment_id=order.experiment_id,
        tracking_uri=order.tracking_uri,
        caller_dir=root,
        environment_manager=manager,
        environment=environment.spec_of(project) if manager != "local" else None,
    )
    values = parameters.resolve(project.entry_point(order.entry_point), order.parameters, None, root)
    line = commands.command_of(project, order.entry_point, values)
    variables = environment.command_variables(environment.prepare(submission), order.variables)
    command = subprocess.Popen(
        shell(line),
        cwd=root,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert command.stdout is not None
    for text in command.stdout:  # the task's output is what Python prints, not what its file descriptors get
        sys.stdout.write(text)
    return command.wait()
