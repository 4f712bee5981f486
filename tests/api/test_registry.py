"""The registry through HTTP: bad values and hostile sources are refused with a 4xx and nothing is written; files of versions."""

import json
import sqlite3
import uuid
from urllib.parse import quote

import pytest

LONG = "x" * 100_001
JSON = {"Content-Type": "application/json"}


class Registry:
    """A registered model with one version of the run's artifacts, in the server of `world`."""

    def __init__(self, w):
        self.w = w
        self.name = f"m {uuid.uuid4().hex[:8]}"
        self.run, self.model = w.run, w.model
        self.root = f"mlflow-artifacts:/{w.experiment}/{w.run}/artifacts"
        assert w.server.post("registered-models/create", {"name": self.name}).status == 200
        assert self.add(f"{self.root}/a", w.run).status == 200

    def add(self, source, run_id="", model_id="", **more):
        body = {"name": self.name, "source": source, "run_id": run_id, "model_id": model_id, **more}
        return self.w.server.post("model-versions/create", body)

    def ask(self, verb, path, body):
        return self.w.server.ask(verb, f"/api/2.0/mlflow/{path}", json.dumps(body).encode(), JSON)


@pytest.fixture(scope="module")
def registry(world):
    return Registry(world)


MODEL, VERSION = "registered-models/", "model-versions/"
BAD = [
    *(("POST", MODEL + "create", lambda r, name=name: {"name": name}) for name in (5, None, [], {}, "", " ", "a/b", "a:b", ".", "..", "n" * 257, "a\0b")),
    ("POST", MODEL + "create", lambda r: {"name": r.name}),
    ("POST", MODEL + "create", lambda r: {"name": "new", "description": LONG}),
    ("POST", MODEL + "create", lambda r: {"name": "new", "description": 5}),
    ("POST", MODEL + "create", lambda r: {"name": "new", "tags": [{"key": "k", "value": LONG}]}),
    ("POST", MODEL + "create", lambda r: {"name": "new", "tags": [{"key": "", "value": "v"}]}),
    ("POST", MODEL + "create", lambda r: {"name": "new", "tags": {"k": "v"}}),
    ("POST", MODEL + "create", lambda r: {"name": "new", "user": "u" * 257}),
    ("POST", MODEL + "create", lambda r: {"name": "new", "comment": "c" * 10_001}),
    ("PATCH", MODEL + "update", lambda r: {"name": r.name, "description": LONG}),
    ("POST", MODEL + "rename", lambda r: {"name": r.name, "new_name": "a/b"}),
    ("POST", MODEL + "set-tag", lambda r: {"name": r.name, "key": "a#b", "value": "v"}),
    ("POST", MODEL + "set-tag", lambda r: {"name": r.name, "key": "k", "value": LONG}),
    ("POST", MODEL + "set-tag", lambda r: {"name": r.name, "key": "k", "value": 3}),
    *(("POST", MODEL + "alias", lambda r, alias=alias: {"name": r.name, "alias": alias, "version": "1"}) for alias in ("", "latest", "v3", "a b", "a/b", "../x", "x" * 256, 7)),
    *(("POST", MODEL + "alias", lambda r, version=version: {"name": r.name, "alias": "a", "version": version}) for version in (1, "x", "1.5", "99", "9" * 400, "1 OR 1=1", "٣")),
    ("DELETE", MODEL + "alias", lambda r: {"name": r.name, "alias": "a'; DROP TABLE names"}),
    ("DELETE", MODEL + "delete", lambda r: {"name": "' OR 1=1 --"}),
    *(("POST", VERSION + "transition-stage", lambda r, stage=stage: {"name": r.name, "version": "1", "stage": stage}) for stage in ("", "Prod", 2, None, "Deleted_Internal")),
    ("POST", VERSION + "transition-stage", lambda r: {"name": r.name, "version": "1", "stage": "None", "archive_existing_versions": True}),
    ("POST", VERSION + "transition-stage", lambda r: {"name": r.name, "version": "1", "stage": "Staging", "archive_existing_versions": "maybe"}),
    ("POST", VERSION + "set-tag", lambda r: {"name": r.name, "version": "1", "key": "k", "value": LONG}),
    ("PATCH", VERSION + "update", lambda r: {"name": r.name, "version": 1}),
    ("DELETE", VERSION + "delete", lambda r: {"name": r.name, "version": "77"}),
    ("POST", MODEL + "get-latest-versions", lambda r: {"name": r.name, "stages": "Production"}),
    ("POST", MODEL + "get-latest-versions", lambda r: {"name": r.name, "stages": ["'"]}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "path", "make"), BAD, ids=[f"{i}-{path}" for i, (_, path, _) in enumerate(BAD)])
def test_bad_input_is_refused_and_nothing_is_written(verb, path, make, registry, unchanged):
    status, code = registry.ask(verb, path, make(registry)).error()
    assert 400 <= status < 500, code


SOURCES = [
    "/etc/passwd", "file:///etc/passwd", "FILE:///etc/passwd", "file:etc", "etc", "./etc", "../etc", "C:\\Windows", "\\\\host\\share", "~", "~root/x",
    "mlflow-artifacts:/", "mlflow-artifacts:", "mlflow-artifacts://host/", "MLFLOW-ARTIFACTS:/1", "{root}/..", "{root}/../../..", "{root}/%2e%2e/%2e%2e",
    "{root}/%252e%252e", "{root}/..%2f..", "{root}/..%5c..", "{root}x", "{root}?a=../..", "{root}#..", "{root};..", "{root}/a\0", "{root}/a%00", "{root}/\n",
    " {root}", "runs:/", "runs:/{run}", "runs:/{run}/../x", "runs:/00000000000000000000000000000000/x", "runs://{run}/a", "models:/", "models://h/m/1",
    "models:/m-00000000000000000000000000000000", "models:/../1", "models:/nope/1/../2", "models:/a/1?x=1", "s3://b/../x", "s3://u:p@h/x", "s3://b/%00", "x" * 5000,
    "http://[", "http://h/api/2.0/mlflow-artifacts/artifacts/1/x", "http://h/api/2.0/mlflow-artifacts/artifacts/%2e%2e/x",
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES, ids=[f"{i}" for i in range(len(SOURCES))])
@pytest.mark.parametrize("names", ["nothing", "run", "model", "both"])
def test_hostile_sources_are_refused_whatever_they_are_registered_with(source, names, registry, unchanged):
    run = registry.run if names in ("run", "both") else ""
    model = registry.model if names in ("model", "both") else ""
    reply = registry.add(source.replace("{root}", registry.root).replace("{run}", registry.run), run, model)
    assert 400 <= reply.error()[0] < 500


@pytest.mark.parametrize(
    "query",
    [
        "registered-models/get", "registered-models/get?name=", "registered-models/get?name=%ff", "registered-models/get?name=%00", "registered-models/get?name=nope",
        "registered-models/search?filter=name%20=%20x", "registered-models/search?filter=name%20=%20%27a%27;%20DROP", "registered-models/search?order_by=nope",
        "registered-models/search?max_results=0", "registered-models/search?max_results=1001", "registered-models/search?max_results=9e9", "registered-models/search?page_token=x",
        "registered-models/alias?name={name}&alias=nope", "registered-models/alias?name={name}&alias=%00", "registered-models/get-latest-versions?name={name}&stages=x",
        "model-versions/get?name={name}", "model-versions/get?name={name}&version=x", "model-versions/get?name={name}&version=2",
        "model-versions/get-download-uri?name={name}&version=-1", "model-versions/search?max_results=200001", "model-versions/search?filter=current_stage%20=%20%27x%27",
        "model-versions/search?page_token=e30=",
    ],
)  # fmt: skip
def test_bad_query_strings_are_refused(query, registry, unchanged):
    reply = registry.w.server.get("/api/2.0/mlflow/" + query.format(name=quote(registry.name)))
    assert 400 <= reply.error()[0] < 500


@pytest.mark.parametrize(
    "query",
    [
        "",
        "name=",
        "name={name}&version=x",
        "name={name}&max_results=0",
        "name={name}&max_results=1001",
        "name={name}&page_token=x",
    ],
)
def test_bad_queries_of_the_history_are_refused(query, registry):
    reply = registry.w.server.get("/api/2.0/millstream/registry/history?" + query.format(name=quote(registry.name)))
    assert reply.error() == (400, "INVALID_PARAMETER_VALUE")


def test_the_history_is_told_as_json(registry):
    name = quote(registry.name)
    body = {"name": registry.name, "alias": "best", "version": "1", "user": "ann", "comment": "it is"}
    assert registry.w.server.post("registered-models/alias", body).status == 200
    answer = registry.w.server.get(f"/api/2.0/millstream/registry/history?name={name}&max_results=1").json()
    (change,) = answer["changes"]
    assert change.pop("timestamp") > change.pop("change_id") > 0
    assert change == {
        "name": registry.name, "action": "ALIAS_SET", "version": "1", "key": "best", "to_value": "1", "user_id": "ann", "comment": "it is",
    }  # fmt: skip
    assert answer["next_page_token"]


def test_files_of_a_version_are_served_and_nothing_else(registry):
    where = f"/model-versions/get-artifact?name={quote(registry.name)}&version=1&path="
    reply = registry.w.server.get(where + "b.txt")
    assert (reply.status, reply.body) == (200, b"hello")
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["content-security-policy"].startswith("sandbox")
    for path in ("", "../a/b.txt", "..%2fa", "nope.txt", "%00", "/etc/passwd", "a\\b"):
        assert 400 <= registry.w.server.get(where + path).error()[0] < 500
    version = registry.add("s3://elsewhere/model").json()["model_version"]["version"]
    gone = f"/model-versions/get-artifact?name={quote(registry.name)}&version={version}&path=a"
    assert registry.w.server.get(gone).error() == (403, "PERMISSION_DENIED")
    assert registry.w.server.get(where.replace("version=1", "version=99") + "b.txt").error()[0] == 404


def test_a_version_whose_run_is_deleted_still_has_its_files(registry):
    world = registry.w
    run = world.new_run()
    path = f"/api/2.0/mlflow-artifacts/artifacts/{world.experiment}/{run}/artifacts/x.txt"
    assert world.server.ask("PUT", path, b"kept").status == 200
    root = f"mlflow-artifacts:/{world.experiment}/{run}/artifacts"
    version = registry.add(root, run).json()["model_version"]["version"]
    world.server.post("runs/delete", {"run_id": run})
    where = f"/model-versions/get-artifact?name={quote(registry.name)}&version={version}&path=x.txt"
    assert world.server.get(where).body == b"kept"


def test_the_registry_may_be_in_a_database_of_its_own(start, tmp_path):
    server = start(registry_store_uri=f"sqlite:///{tmp_path / 'registry.db'}")
    experiment = server.post("experiments/create", {"name": "e"}).json()["experiment_id"]
    model = server.post("logged-models", {"experiment_id": experiment}).json()["model"]["info"]["model_id"]
    assert server.post("registered-models/create", {"name": "m"}).status == 200
    body = {"name": "m", "source": f"models:/{model}", "model_id": model}
    assert server.post("model-versions/create", body).json()["model_version"]["version"] == "1"
    tags = server.get(f"/api/2.0/mlflow/logged-models/{model}").json()["model"]["info"]["tags"]
    assert tags == [{"key": "mlflow.modelVersions", "value": '[{"name": "m", "version": 1}]'}]
    with sqlite3.connect(tmp_path / "registry.db") as connection:
        assert connection.execute("SELECT name, version FROM model_versions").fetchall() == [("m", 1)]
    connection.close()
    with sqlite3.connect(server.database) as connection:
        assert connection.execute("SELECT count(*) FROM registered_models").fetchone() == (0,)
    connection.close()
