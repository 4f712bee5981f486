"""Every T1 and T2 call of the tracking REST API, with good, odd and bad requests. Each answer is recorded under a sentence.

    python rest_script.py http://127.0.0.1:5000 answers.json

The server must be fresh: experiment ids are recorded as they are.
"""

import sys

from areas import artifacts, experiments, logged_models, metrics, registry, run_search, runs, transport, webhooks
from http_calls import API, Http
from recording import Recorder


class Script:
    """A connection, the record, and short forms for the calls that every area makes."""

    def __init__(self, base_url):
        self.http = Http(base_url)
        self.recorder = Recorder(replace=[(base_url, "<server>")])
        self.area = ""

    def call(self, step, verb, path, body=None, *, query=None, headers=None, raw=None, with_headers=False):
        """Record the answer as `area: step` and return its JSON (None if it has none)."""
        answer = self.http.call(verb, self._full(path), body=body, query=query, headers=headers, raw=raw)
        self.recorder.record(f"{self.area}: {step}", answer.comparable(with_headers=with_headers))
        return answer.json

    def quiet(self, verb, path, body=None, *, query=None):
        """Prepare something; it must succeed and is not recorded."""
        answer = self.http.call(verb, self._full(path), body=body, query=query)
        if answer.status != 200:
            raise RuntimeError(f"{verb} {path} {body}: {answer.status} {answer.data!r}")
        return answer.json

    def post(self, step, path, body=None, **options):
        return self.call(step, "POST", path, body, **options)

    def get(self, step, path, query=None, **options):
        return self.call(step, "GET", path, query=query, **options)

    def _full(self, path):
        return path if path.startswith("/") else API + path

    def experiment(self, name, **fields):
        return self.quiet("POST", "experiments/create", {"name": name, **fields})["experiment_id"]

    def run(self, experiment_id, **fields):
        body = {"experiment_id": experiment_id, "start_time": 1000, "run_name": "run", **fields}
        return self.quiet("POST", "runs/create", body)["run"]["info"]["run_id"]

    def read(self, step, run_id):
        return self.get(step, "runs/get", {"run_id": run_id})


AREAS = (
    transport.service,
    transport.security,
    transport.transport,
    experiments.experiments,
    experiments.experiment_search,
    runs.runs,
    runs.params_and_tags,
    metrics.metrics,
    metrics.batches,
    runs.inputs,
    run_search.run_search,
    logged_models.logged_models,
    logged_models.logged_model_search,
    registry.models,
    registry.versions,
    registry.stages,
    registry.aliases,
    registry.sources,
    registry.times,
    registry.search,
    artifacts.artifacts,
    webhooks.webhooks,
)


def main(base_url, output):
    script = Script(base_url)
    for area in AREAS:
        script.recorder.drive(area, script)
    script.recorder.write(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
