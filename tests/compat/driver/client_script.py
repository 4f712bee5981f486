"""The public API of the official client against a server: MlflowClient and the fluent API, the parts that record runs.

    python client_script.py http://127.0.0.1:5000 answers.json

Runs inside an official environment. Calls that a client's version lacks are recorded as such.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

from areas import (
    client_artifacts,
    client_models,
    client_registry,
    client_runs,
    client_webhooks,
    fluent_logging,
    fluent_runs,
)
from recording import Recorder
from shapes import plain

AREAS = (
    client_runs.experiments,
    client_runs.runs,
    client_runs.metrics,
    client_runs.search,
    client_runs.inputs,
    client_artifacts.artifacts,
    client_artifacts.media,
    client_models.logged_models,
    client_models.model_search,
    client_models.flavor,
    client_webhooks.webhooks,
    fluent_runs.runs,
    fluent_runs.threads,
    fluent_runs.search,
    fluent_runs.errors,
    fluent_logging.logging,
    fluent_logging.datasets,
    fluent_logging.asynchronous,
    fluent_logging.system_metrics,
    client_registry.registry,
    client_registry.loading,
)


class Script:
    """The record, a scratch folder, and the one way to make a call that is recorded."""

    def __init__(self, base_url, folder):
        import mlflow

        self.mlflow = mlflow
        self.base_url = base_url
        self.folder = Path(folder)
        self.client = mlflow.MlflowClient(base_url)
        self.recorder = Recorder(replace=[(base_url, "<server>"), (str(folder), "<folder>")])
        self.area = ""

    def do(self, step, call, /, *args, show=plain, **kwargs):
        """Call and record the answer, or the class and code of the error; gives back the answer (None on an error)."""
        try:
            answer = call(*args, **kwargs)
        except self.mlflow.exceptions.MlflowException as error:
            self.recorder.record(
                f"{self.area}: {step}", {"raises": type(error).__name__, "error_code": error.error_code}
            )
            return None
        except Exception as error:
            self.recorder.record(f"{self.area}: {step}", {"raises": type(error).__name__})
            return None
        self.recorder.record(f"{self.area}: {step}", show(answer))
        return answer

    def has(self, step, owner, name):
        """Whether this version has the call; its absence is recorded."""
        if hasattr(owner, name):
            return True
        self.recorder.record(f"{self.area}: {step}", "<not in this version>")
        return False

    def experiment(self, name, **fields):
        return self.client.create_experiment(name, **fields)

    def file(self, name, text):
        path = self.folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path


def main(base_url, output):
    os.environ.update(
        MLFLOW_TRACKING_URI=base_url,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
        LOGNAME="tester",
        USER="tester",
        GIT_PYTHON_REFRESH="quiet",
        MPLBACKEND="Agg",
    )
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        script = Script(base_url, folder)
        script.mlflow.set_tracking_uri(base_url)
        for area in AREAS:
            script.mlflow.end_run()  # some calls start a run by themselves
            script.recorder.drive(area, script)
        script.recorder.write(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
