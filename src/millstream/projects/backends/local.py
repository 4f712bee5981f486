"""On this machine: the project's environment is prepared, then its command runs in the project's folder."""

from __future__ import annotations

import os
import shutil

from millstream.projects import commands, environment, output, parameters, processes, record
from millstream.projects.submission import Submission, SubmittedRun


def check(submission: Submission) -> None:
    """Refuse an entry point that there is not, and values that do not fit into its command."""
    commands.command_of(submission.project, submission.entry_point, submission.parameters)


def submit(submission: Submission) -> SubmittedRun:
    project = submission.project
    values = parameters.resolve(
        project.entry_point(submission.entry_point),
        submission.parameters,
        submission.storage_dir,
        submission.caller_dir,
    )
    line = commands.command_of(project, submission.entry_point, values)
    prepared = environment.prepare(submission)
    output.say(f"Run {submission.run_id}: {line}")
    variables = environment.command_variables(prepared, record.variables(submission))
    return processes.start(submission.run_id, shell(line), folder=project.root, environment=variables)


def shell(line: str) -> list[str]:
    """The call of the shell that runs a line: bash, or sh where there is no bash."""
    if os.name == "nt":
        return ["cmd", "/c", line]
    return [shutil.which("bash") or "/bin/sh", "-c", line]
