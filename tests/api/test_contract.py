"""The endpoint table, walked: every endpoint answers, refuses, is guarded and is documented."""

import io
import json
import uuid
import zipfile
from urllib.parse import urlencode

import pytest

from millstream.api import ENDPOINTS, wire
from millstream.api.endpoint import ACCESS_RIGHTS, Stream
from millstream.store.outbox import SqlOutbox
from millstream.webhooks.dispatcher import Dispatcher

PLAIN = {name: row for name, row in ENDPOINTS.items() if row.stream is None}
STREAMS = {name: row for name, row in ENDPOINTS.items() if row.stream is not None}
UNSUPPORTED = {  # on a local disk
    "artifacts.create_upload", "artifacts.complete_upload", "artifacts.abort_upload", "artifacts.presign",
    "artifacts.presign_upload", "artifacts.presign_download",
}  # fmt: skip


def new_name():
    return uuid.uuid4().hex[:12]


def deleted_experiment(w):
    experiment = w.server.post("experiments/create", {"name": new_name()}).json()["experiment_id"]
    w.server.post("experiments/delete", {"experiment_id": experiment})
    return experiment


def new_experiment(w):
    return w.server.post("experiments/create", {"name": new_name()}).json()["experiment_id"]


def tagged_experiment(w):
    experiment = new_experiment(w)
    w.server.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "a", "value": "b"})
    return experiment


def tagged_run(w):
    run = w.new_run()
    w.server.post("runs/set-tag", {"run_id": run, "key": "a", "value": "b"})
    return run


def tagged_model(w):
    model = w.new_model()
    body = {"tags": [{"key": "a", "value": "b"}]}
    assert w.server.ask("PATCH", f"/api/2.0/mlflow/logged-models/{model}/tags", body).status == 200
    return model


def registered(w):
    """A registered model with a version of the run's artifacts and an alias."""
    name = new_name()
    assert w.server.post("registered-models/create", {"name": name}).status == 200
    source = f"mlflow-artifacts:/{w.experiment}/{w.run}/artifacts/a"
    body = {"name": name, "source": source, "run_id": w.run, "tags": [{"key": "a", "value": "b"}]}
    assert w.server.post("model-versions/create", body).status == 200
    assert w.server.post("registered-models/alias", {"name": name, "alias": "best", "version": "1"}).status == 200
    return name


def model_json(w):
    return json.dumps({"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": w.run})


def new_webhook(w, event=("PROMPT", "CREATED")):
    body = {"name": "hook", "url": "https://192.0.1.1/", "events": [{"entity": event[0], "action": event[1]}]}
    return w.server.post("webhooks", body).json()["webhook"]["webhook_id"]


def failed_delivery(w):
    """The webhook is disabled before its delivery is tried."""
    webhook = new_webhook(w, ("REGISTERED_MODEL", "CREATED"))
    w.server.post("registered-models/create", {"name": new_name()})
    assert w.server.ask("PATCH", f"/api/2.0/mlflow/webhooks/{webhook}", {"status": "DISABLED"}).status == 200
    Dispatcher(SqlOutbox(w.server.app.store.db), print).run_once()
    (delivery,) = w.server.get(f"/api/2.0/millstream/webhooks/{webhook}/deliveries").json()["deliveries"]
    return {"webhook_id": webhook, "delivery_id": delivery["delivery_id"]}


EXAMPLES = {
    "experiments.create": lambda w: ({}, {"name": new_name(), "tags": [{"key": "a", "value": "b"}]}),
    "experiments.get": lambda w: ({}, {"experiment_id": w.experiment}),
    "experiments.get_by_name": lambda w: ({}, {"experiment_name": "vision"}),
    "experiments.search": lambda w: ({}, {"max_results": 5, "filter": "name LIKE 'v%'"}),
    "experiments.delete": lambda w: ({}, {"experiment_id": new_experiment(w)}),
    "experiments.restore": lambda w: ({}, {"experiment_id": deleted_experiment(w)}),
    "experiments.update": lambda w: ({}, {"experiment_id": new_experiment(w), "new_name": new_name()}),
    "experiments.set_tag": lambda w: ({}, {"experiment_id": w.experiment, "key": "a", "value": "b"}),
    "experiments.delete_tag": lambda w: ({}, {"experiment_id": tagged_experiment(w), "key": "a"}),
    "experiments.search_datasets": lambda w: ({}, {"experiment_ids": [w.experiment]}),
    "experiments.get_overview": lambda w: ({}, {}),
    "experiments.get_keys": lambda w: ({}, {"experiment_ids": [w.experiment]}),
    "trash.purge": lambda w: ({}, {"experiment_ids": [deleted_experiment(w)]}),
    "runs.create": lambda w: ({}, {"experiment_id": w.experiment, "start_time": 5, "tags": [{"key": "a", "value": "b"}]}),
    "runs.get": lambda w: ({}, {"run_id": w.run}),
    "runs.update": lambda w: ({}, {"run_id": w.run, "status": "FINISHED", "end_time": 9}),
    "runs.delete": lambda w: ({}, {"run_id": w.new_run()}),
    "runs.restore": lambda w: ({}, {"run_id": w.run}),
    "runs.log_metric": lambda w: ({}, {"run_id": w.run, "key": "m", "value": 1.5, "timestamp": 7, "step": 2}),
    "runs.log_param": lambda w: ({}, {"run_id": w.run, "key": "rate", "value": "0.1"}),
    "runs.set_tag": lambda w: ({}, {"run_id": w.run, "key": "a", "value": "b"}),
    "runs.delete_tag": lambda w: ({}, {"run_id": tagged_run(w), "key": "a"}),
    "runs.log_batch": lambda w: ({}, {"run_id": w.run, "metrics": [{"key": "m", "value": 2, "timestamp": 8}]}),
    "runs.log_inputs": lambda w: ({}, {"run_id": w.run, "datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "{}"}, "tags": []}]}),
    "runs.log_outputs": lambda w: ({}, {"run_id": w.run, "models": [{"model_id": w.new_model(), "step": 1}]}),
    "runs.log_model": lambda w: ({}, {"run_id": w.run, "model_json": model_json(w)}),
    "runs.search": lambda w: ({}, {"experiment_ids": [w.experiment], "filter": "metrics.loss < 1", "count": True}),
    "runs.rewind": lambda w: ({}, {"run_id": w.new_run(), "step": 5}),
    "metrics.get_history": lambda w: ({}, {"run_id": w.run, "metric_key": "loss"}),
    "metrics.get_history_bulk": lambda w: ({}, {"run_id": [w.run], "metric_key": "loss"}),
    "metrics.get_history_bulk_interval": lambda w: ({}, {"run_ids": [w.run], "metric_key": "loss"}),
    "metrics.get_windows": lambda w: ({}, {"run_ids": [w.run], "keys": ["loss"], "width": 100}),
    "metrics.get_lines": lambda w: ({}, {"run_ids": [w.run], "keys": ["loss"], "width": 100}),
    "metrics.get_summaries": lambda w: ({}, {"run_id": w.run}),
    "logged_models.create": lambda w: ({}, {"experiment_id": w.experiment, "name": "m"}),
    "logged_models.search": lambda w: ({}, {"experiment_ids": [w.experiment]}),
    "logged_models.get": lambda w: ({"model_id": w.model}, {}),
    "logged_models.finalize": lambda w: ({"model_id": w.new_model()}, {"status": "LOGGED_MODEL_READY"}),
    "logged_models.delete": lambda w: ({"model_id": w.new_model()}, {}),
    "logged_models.set_tags": lambda w: ({"model_id": w.model}, {"tags": [{"key": "a", "value": "b"}]}),
    "logged_models.delete_tag": lambda w: ({"model_id": tagged_model(w), "key": "a"}, {}),
    "logged_models.log_params": lambda w: ({"model_id": w.new_model()}, {"params": [{"key": "a", "value": "b"}]}),
    "logged_models.list_artifacts": lambda w: ({"model_id": w.model}, {}),
    "registry.create": lambda w: ({}, {"name": new_name(), "description": "d", "tags": [{"key": "a", "value": "b"}]}),
    "registry.get": lambda w: ({}, {"name": registered(w)}),
    "registry.update": lambda w: ({}, {"name": registered(w), "description": "new"}),
    "registry.rename": lambda w: ({}, {"name": registered(w), "new_name": new_name()}),
    "registry.delete": lambda w: ({}, {"name": registered(w)}),
    "registry.search": lambda w: ({}, {"filter": "name LIKE '%'", "max_results": 5, "order_by": ["name DESC"]}),
    "registry.get_latest_versions": lambda w: ({}, {"name": registered(w), "stages": ["None", "production"]}),
    "registry.set_tag": lambda w: ({}, {"name": registered(w), "key": "a", "value": "b"}),
    "registry.delete_tag": lambda w: ({}, {"name": registered(w), "key": "a"}),
    "registry.set_alias": lambda w: ({}, {"name": registered(w), "alias": "champion", "version": "1"}),
    "registry.get_by_alias": lambda w: ({}, {"name": registered(w), "alias": "best"}),
    "registry.delete_alias": lambda w: ({}, {"name": registered(w), "alias": "best"}),
    "registry.create_version": lambda w: ({}, {"name": registered(w), "source": "s3://bucket/model", "run_id": w.run}),
    "registry.get_version": lambda w: ({}, {"name": registered(w), "version": "1"}),
    "registry.update_version": lambda w: ({}, {"name": registered(w), "version": "1", "description": "new"}),
    "registry.delete_version": lambda w: ({}, {"name": registered(w), "version": "1"}),
    "registry.search_versions": lambda w: ({}, {"filter": "version_number > 0", "max_results": 5}),
    "registry.transition_stage": lambda w: ({}, {"name": registered(w), "version": "1", "stage": "staging", "comment": "good"}),
    "registry.get_download_uri": lambda w: ({}, {"name": registered(w), "version": "1"}),
    "registry.set_version_tag": lambda w: ({}, {"name": registered(w), "version": "1", "key": "a", "value": "b"}),
    "registry.delete_version_tag": lambda w: ({}, {"name": registered(w), "version": "1", "key": "a"}),
    "registry.get_history": lambda w: ({}, {"name": registered(w), "version": "1", "max_results": 5}),
    "artifacts.list_artifacts": lambda w: ({}, {"run_id": w.run}),
    "artifacts.list_folder": lambda w: ({}, {"path": w.experiment}),
    "artifacts.delete": lambda w: ({"artifact_path": f"{w.experiment}/{w.run}/artifacts/nothing.txt"}, {}),
    "artifacts.create_upload": lambda w: ({"directory": "1"}, {"path": "a", "num_parts": 2}),
    "artifacts.complete_upload": lambda w: ({"directory": "1"}, {"path": "a", "upload_id": "x", "parts": [{"part_number": 1}]}),
    "artifacts.abort_upload": lambda w: ({"directory": "1"}, {"path": "a", "upload_id": "x"}),
    "artifacts.presign": lambda w: ({"artifact_path": "1/a"}, {}),
    "artifacts.presign_upload": lambda w: ({}, {"run_id": w.run, "path": "a"}),
    "artifacts.presign_download": lambda w: ({}, {"run_id": w.run, "path": "a/b.txt"}),
    "webhooks.create": lambda w: ({}, {"name": "hook", "url": "https://192.0.1.1/", "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]}),
    "webhooks.list_all": lambda w: ({}, {"max_results": 5}),
    "webhooks.get": lambda w: ({"webhook_id": new_webhook(w)}, {}),
    "webhooks.update": lambda w: ({"webhook_id": new_webhook(w)}, {"name": "other", "secret": "hush", "status": "DISABLED"}),
    "webhooks.delete": lambda w: ({"webhook_id": new_webhook(w)}, {}),
    "webhooks.test": lambda w: ({"webhook_id": new_webhook(w)}, {"event": {"entity": "MODEL_VERSION_TAG", "action": "SET"}}),
    "webhooks.list_deliveries": lambda w: ({"webhook_id": new_webhook(w)}, {"status": "FAILED"}),
    "webhooks.redeliver": lambda w: (failed_delivery(w), {}),
    "service.server_info": lambda w: ({}, {}),
    "service.version": lambda w: ({}, {}),
}  # fmt: skip


def full_path(path, in_path):
    for name, value in in_path.items():
        path = path.replace(f"{{{name}:path}}", value).replace(f"{{{name}}}", value)
    return path


def send(server, row, path, verb, in_path, fields):
    where = full_path(path, in_path)
    if verb == "GET":
        return server.ask("GET", f"{where}?{urlencode(fields, doseq=True)}" if fields else where)
    return server.ask(verb, where, fields)


def test_every_endpoint_has_an_example():
    assert set(EXAMPLES) == set(PLAIN)


@pytest.mark.parametrize("name", PLAIN)
def test_every_endpoint_answers_under_all_its_prefixes_and_verbs(name, world):
    row = PLAIN[name]
    for path in row.paths:
        for verb in row.verbs:
            in_path, fields = EXAMPLES[name](world)
            reply = send(world.server, row, path, verb, in_path, fields)
            if name in UNSUPPORTED:
                assert reply.error()[0] in (400, 501), reply.body
                continue
            assert reply.status == 200, reply.body
            assert reply.headers["content-type"] == "application/json"
            assert isinstance(reply.json(), dict)
            wire.decode(row.response, reply.body)


@pytest.mark.parametrize("name", [n for n, row in PLAIN.items() if row.verb != "GET"])
@pytest.mark.parametrize(
    "body", [b"[]", b"7", b'"[1]"', b'{"run_id": "\\u0000", "experiment_id": "\\ud800", "model_id": "\\u0000"}']
)
def test_every_endpoint_refuses_bodies_that_are_no_objects_or_hold_no_text(name, body, world, unchanged):
    row = PLAIN[name]
    where = full_path(
        row.paths[0], EXAMPLES["logged_models.get"](world)[0] | {"key": "k", "directory": "d", "artifact_path": "zz"}
    )
    reply = world.server.ask(row.verb, where, body, {"Content-Type": "application/json"})
    assert reply.error() == (400, "INVALID_PARAMETER_VALUE")


def required_fields(row):
    fields, defaults = row.request.__struct_fields__, row.request.__struct_defaults__
    return [f for f in fields[: len(fields) - len(defaults)] if f not in row.path_params]


@pytest.mark.parametrize("name", [name for name, row in PLAIN.items() if required_fields(row)])
def test_every_endpoint_names_the_parameter_that_is_missing(name, world, unchanged):
    row = PLAIN[name]
    required = required_fields(row)
    in_path = dict.fromkeys(row.path_params, "x")
    reply = send(world.server, row, row.paths[0], row.verb, in_path, {})
    assert reply.error() == (400, "INVALID_PARAMETER_VALUE")
    assert f"'{required[0]}'" in reply.json()["message"]


@pytest.mark.parametrize("name", [n for n, row in PLAIN.items() if row.verb != "GET"])
def test_every_endpoint_refuses_a_body_beyond_its_limit(name, world, unchanged):
    row = PLAIN[name]
    where = full_path(row.paths[0], dict.fromkeys(row.path_params, "x"))
    head = f"{row.verb} {where} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {row.body_limit + 1}\r\nConnection: close\r\n\r\n"
    answer = world.server.raw(head.encode())
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert b"PAYLOAD_TOO_LARGE" in answer


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_has_an_access_right_a_policy_and_a_sentence(name, server):
    row = ENDPOINTS[name]
    assert row.access in ACCESS_RIGHTS
    assert row.doc.endswith((".", ")"))
    for route in server.app.router.routes:
        if route.endpoint is row:
            assert route.policy is not None
            assert route.policy.access == row.access
            assert route.policy.changes_state == (route.verb != "GET")


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_refuses_other_verbs_and_says_which_it_takes(name, server):
    row = ENDPOINTS[name]
    path = full_path(row.paths[0], dict.fromkeys(row.path_params, "x"))
    reply = server.ask("TRACE", path)
    assert reply.error() == (405, "METHOD_NOT_ALLOWED")
    allowed = set(reply.headers["allow"].split(", "))
    assert set(row.verbs) | {"OPTIONS"} <= allowed
    options = server.ask("OPTIONS", path)
    assert options.status == 204
    assert set(options.headers["allow"].split(", ")) == allowed
    assert "access-control-allow-origin" not in options.headers
    if row.verb == "GET":
        assert "HEAD" in allowed


@pytest.mark.parametrize("name", [n for n, row in PLAIN.items() if row.verb == "GET" and n not in UNSUPPORTED])
def test_every_get_answers_head_without_a_body(name, world):
    in_path, fields = EXAMPLES[name](world)
    path = full_path(PLAIN[name].paths[0], in_path)
    reply = world.server.ask("HEAD", f"{path}?{urlencode(fields, doseq=True)}")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) > 0


@pytest.mark.parametrize("name", STREAMS)
def test_streams_move_bytes(name, world):
    row = STREAMS[name]
    folder = f"{world.experiment}/{world.run}/artifacts"
    model_root = f"{world.experiment}/models/{world.model}/artifacts"
    upload = "/api/2.0/mlflow-artifacts/artifacts/"
    assert world.server.ask("PUT", f"{upload}{model_root}/MLmodel", b"flavors: {}").status == 200
    assert world.server.ask("PUT", f"{upload}{folder}/p.html", b"hello").status == 200
    paths = {
        "artifacts.download": f"{upload}{folder}/a/b.txt",
        "artifacts.upload": f"{upload}{folder}/c.txt",
        "artifacts.get_artifact": f"/get-artifact?run_id={world.run}&path=a/b.txt",
        "artifacts.upload_artifact": f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={world.run}&path=d.txt",
        "logged_models.get_file": f"/ajax-api/2.0/mlflow/logged-models/{world.model}/artifacts/files?artifact_file_path=MLmodel",
        "registry.get_file": f"/model-versions/get-artifact?name={registered(world)}&version=1&path=b.txt",
        "artifacts.get_archive": f"/api/2.0/millstream/artifacts/zip?run_id={world.run}&path=a",
        "artifacts.get_page": f"/api/2.0/millstream/artifacts/page?run_id={world.run}&path=p.html",
    }
    reply = world.server.ask(row.verb, paths[name], b"bytes" if row.stream is Stream.UPLOAD else None)
    assert reply.status == 200, reply.body
    if row.stream is Stream.ARCHIVE:
        assert zipfile.ZipFile(io.BytesIO(reply.body)).read("b.txt") == b"hello"
    else:
        assert reply.body == {"logged_models.get_file": b"flavors: {}"}.get(
            name, b"" if row.stream is Stream.UPLOAD else b"hello"
        )
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"


def test_routes_without_a_policy_stop_the_start():
    from millstream.server.routes import Route, Router

    with pytest.raises(RuntimeError, match="policy"):
        Router([Route("x", "GET", "/x", None, None)])  # type: ignore[arg-type]


def test_two_routes_for_one_path_and_verb_stop_the_start():
    from millstream.server.routes import Route, Router
    from millstream.server.security import PUBLIC

    with pytest.raises(RuntimeError, match="Two routes"):
        Router([Route("x", "GET", "/x", None, PUBLIC), Route("y", "GET", "/x", None, PUBLIC)])  # type: ignore[arg-type]


def test_trailing_slashes_and_removed_endpoints_are_not_there(server):
    for path in ("experiments/get/", "experiments/list", "runs/list", "registered", "runs", ""):
        assert server.get(f"/api/2.0/mlflow/{path}").error() == (404, "ENDPOINT_NOT_FOUND")
    for path in (
        "/api/3.0/mlflow/logged-models/search",
        "/api/2.0/mlflow/metrics/get-history-bulk",
        "/API/2.0/mlflow/runs/get",
        "/nothing",
        "//",
    ):
        assert server.get(path).error() == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/traces", "/api/3.0/mlflow/traces/search", "/ajax-api/3.0/mlflow/traces/x/tags", "/graphql",
        "/v1/traces", "/ajax-api/3.0/jobs",
        "/api/2.0/mlflow/users/create", "/api/3.0/mlflow/scorers/register", "/api/3.0/mlflow/datasets/create",
        "/api/3.0/mlflow/gateway/secrets/list", "/api/2.0/mlflow/experiments/permissions/create",
        "/ajax-api/2.0/mlflow/runs/create-promptlab-run", "/ajax-api/2.0/mlflow/get-trace-artifact",
    ],
)  # fmt: skip
def test_what_mlflow_has_and_this_server_has_not_says_so(path, server, unchanged):
    for verb in ("GET", "POST"):
        assert server.ask(verb, path, None if verb == "GET" else {}).error() == (501, "NOT_IMPLEMENTED")


def test_no_gateway_has_no_endpoints(server):
    assert server.get("/ajax-api/2.0/mlflow/gateway-proxy").json() == {"endpoints": []}


def test_uploads_of_the_ui_have_1_byte_to_10_megabytes(world, unchanged):
    path = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={world.run}&path=e.txt"
    assert world.server.ask("POST", path, b"").error()[0] == 400
    assert world.server.ask("POST", path, b"x" * ((10 << 20) + 1)).error() == (400, "INVALID_PARAMETER_VALUE")
    wrong = f"/ajax-api/2.0/mlflow/upload-artifact?run_id={world.run}&path=e.txt"
    assert world.server.ask("POST", wrong, b"x").error() == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("path", ["windows", "lines"])
def test_there_is_an_origin_for_each_run_or_none(path, server):
    body = {"run_ids": ["a", "b"], "keys": ["loss"], "origins": [1000]}
    reply = server.post(f"/api/2.0/millstream/metrics/{path}", body)
    assert reply.status == 400
    assert "1 origins for 2 run_ids" in reply.json()["message"]
