"""Runs projects by the `run` command of the official package or of ours, and writes down what the store has of them then.

    python project_runs.py official|ours <file of cases> <file for the answers>

The command line is loaded once; each case is a fork of it, which costs a moment and not the import. A case has a `name`, which is
its experiment's too, the `arguments` of `run`, and the `folder` to run it in.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from typing import Any

CLI = {"official": ("mlflow.cli", "cli"), "ours": ("millstream.cli.main", "main")}


def run(product: str, case: dict[str, Any], given: str) -> dict[str, Any]:
    """Exit status of the command, whether it printed a traceback, and what the project's scripts were given."""
    output = f"{given}.output"
    child = os.fork()
    if not child:
        status = 1
        with contextlib.suppress(BaseException):
            status = _run(product, case, given, output)
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    found: dict[str, Any] = {"exit": os.waitstatus_to_exitcode(ended)}
    if os.path.exists(given):
        with open(given, encoding="utf-8") as file:
            found["given"] = [json.loads(line) for line in file]
    return found


def _run(product: str, case: dict[str, Any], given: str, output: str) -> int:
    os.chdir(case["folder"])
    os.environ["GIVEN"] = given
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), stream)
    module, name = CLI[product]
    command = getattr(importlib.import_module(module), name)
    arguments = ["run", "--experiment-name", case["name"], *case["arguments"]]
    try:
        command(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def runs(client: Any, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The runs of each experiment, the oldest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        experiment = client.get_experiment_by_name(name)
        listed = client.search_runs([experiment.experiment_id], order_by=["start_time ASC"]) if experiment else []
        found[name] = [
            {
                "id": run.info.run_id,
                "status": run.info.status,
                "params": run.data.params,
                "metrics": run.data.metrics,
                "tags": run.data.tags,
            }
            for run in listed
        ]
    return found


def main() -> None:
    product, cases_file, answers_file = sys.argv[1:]
    with open(cases_file, encoding="utf-8") as file:
        cases = json.load(file)
    importlib.import_module(CLI[product][0])
    if product == "ours":
        importlib.import_module("millstream.cli.projects")
        importlib.import_module("millstream.projects.running")
    answers = {case["name"]: run(product, case, f"{answers_file}.{index}") for index, case in enumerate(cases)}
    client = importlib.import_module({"official": "mlflow", "ours": "millstream"}[product]).MlflowClient()
    for name, found in runs(client, list(answers)).items():
        answers[name]["runs"] = found
    with open(answers_file, "w", encoding="utf-8") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main()
