"""Places to run a project: one module each, with

check(submission) -> None             refuse what cannot run there, before there is a run, without doing anything
submit(submission) -> SubmittedRun    start it; the run exists already, and `running` ends it
reopen(run_id, handle) -> SubmittedRun    of those that call `processes.watch`: what another process has started
"""

from __future__ import annotations

BACKENDS: dict[str, str] = {
    "local": "millstream.projects.backends.local",
    "docker": "millstream.projects.backends.docker",
    "kubernetes": "millstream.projects.backends.kubernetes",
    "databricks": "millstream.projects.backends.databricks",
    "spark": "millstream.projects.backends.spark",
}
"""By name; plug-ins add to them and replace none."""

PREPARING = frozenset({"local", "spark"})
"""Those that prepare the project's environment on this machine."""
