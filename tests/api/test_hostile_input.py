"""Bad values through HTTP: each is refused with a 4xx that says what is wrong, and nothing is written."""

import json

import pytest

LONG = "x" * 251


def batch(**more):
    return lambda w: {"run_id": w.run, **more}


def metric(**more):
    return {"key": "m", "value": 1.0, "timestamp": 1, **more}


BAD = [
    # wrong types
    ("experiments/create", lambda w: {"name": 5}),
    ("experiments/create", lambda w: {"name": ["a"]}),
    ("experiments/create", lambda w: {"name": "new", "tags": "a"}),
    ("experiments/create", lambda w: {"name": "new", "tags": [1]}),
    ("experiments/create", lambda w: {"name": "new", "tags": [{"key": 1}]}),
    ("experiments/create", lambda w: {"name": "new", "tags": [{"value": "no key"}]}),
    ("experiments/update", lambda w: {"experiment_id": 1, "new_name": "x"}),
    ("runs/create", lambda w: {"experiment_id": w.experiment, "start_time": "soon"}),
    ("runs/create", lambda w: {"experiment_id": w.experiment, "start_time": 1.5}),
    ("runs/create", lambda w: {"experiment_id": w.experiment, "start_time": 2**63}),
    ("runs/create", lambda w: {"experiment_id": w.experiment, "run_id": "../../x"}),
    ("runs/create", lambda w: {"experiment_id": w.experiment, "run_id": "A" * 32}),
    ("runs/update", lambda w: {"run_id": w.run, "status": "BOGUS"}),
    ("runs/update", lambda w: {"run_id": w.run, "status": 17}),
    ("runs/update", lambda w: {"run_id": w.run, "end_time": -(2**63) - 1}),
    ("runs/log-parameter", lambda w: {"run_id": w.run, "key": "new", "value": 3}),
    ("runs/log-batch", batch(metrics={})),
    ("runs/log-batch", batch(metrics=[[]])),
    ("runs/log-batch", batch(params=[{"key": "k", "value": {}}])),
    ("logged-models/search", lambda w: {"experiment_ids": "0"}),
    # names
    ("experiments/create", lambda w: {"name": ""}),
    ("experiments/create", lambda w: {"name": "n" * 501}),
    ("experiments/create", lambda w: {"name": "vision"}),
    ("experiments/create", lambda w: {"name": "a\0b"}),
    ("experiments/create", lambda w: {"name": "new", "tags": [{"key": "k" * 251, "value": "v"}]}),
    ("experiments/create", lambda w: {"name": "new", "tags": [{"key": "k", "value": "v" * 20_001}]}),
    ("experiments/set-experiment-tag", lambda w: {"experiment_id": w.experiment, "key": "a\tb", "value": "v"}),
    ("runs/log-batch", batch(metrics=[metric(key=LONG)])),
    ("runs/log-batch", batch(params=[{"key": LONG, "value": "v"}])),
    ("runs/log-batch", batch(tags=[{"key": LONG, "value": "v"}])),
    *(("runs/log-metric", lambda w, key=key: {"run_id": w.run, **metric(key=key)}) for key in ("", "a#b", "a,b", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\\b", "a'b", "a\nb", "a\0b", "a`b", "a\u2028b")),
    # numbers
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(timestamp=-1)}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(timestamp=2**63)}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(timestamp=15.7)}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(timestamp=float("nan"))}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(step=2**63)}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(step=-(2**63) - 1)}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(value="abc")}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(value=None)}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(value=[1])}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(dataset_name="d")}),
    ("runs/log-metric", lambda w: {"run_id": w.run, **metric(model_id="m-unknown")}),
    ("runs/rewind", lambda w: {"run_id": w.run, "step": 2**64}),
    # batches: one bad entry refuses all
    ("runs/log-batch", batch(metrics=[metric(), metric(timestamp=None)])),
    ("runs/log-batch", batch(metrics=[metric()], params=[{"key": "ok", "value": "v"}], tags=[{"key": "a#b", "value": "v"}])),
    ("runs/log-batch", batch(metrics=[metric()], params=[{"key": "p", "value": "1"}, {"key": "p", "value": "1"}])),
    ("runs/log-batch", batch(metrics=[metric(step=i) for i in range(1001)])),
    ("runs/log-batch", batch(params=[{"key": f"p{i}", "value": "v"} for i in range(101)])),
    ("runs/log-batch", batch(tags=[{"key": f"t{i}", "value": "v"} for i in range(101)])),
    ("runs/log-batch", batch(metrics=[metric(step=i) for i in range(950)], params=[{"key": f"p{i}", "value": "v"} for i in range(51)])),
    ("runs/log-batch", lambda w: {"run_id": "../x", "metrics": []}),
    # unknown ids
    ("runs/log-metric", lambda w: {"run_id": "0" * 32, **metric()}),
    ("runs/create", lambda w: {"experiment_id": "999999"}),
    ("runs/create", lambda w: {"experiment_id": "abc"}),
    ("runs/create", lambda w: {"experiment_id": "1; DROP TABLE runs"}),
    ("runs/create", lambda w: {"experiment_id": "-1"}),
    ("runs/create", lambda w: {"experiment_id": "9" * 400}),
    ("runs/create", lambda w: {"experiment_id": "٣"}),
    ("runs/create", lambda w: {"experiment_id": " 1"}),
    ("experiments/delete", lambda w: {"experiment_id": "1_0"}),
    ("experiments/delete", lambda w: {"experiment_id": str(2**63)}),
    ("runs/delete", lambda w: {"run_id": "' OR 1=1 --"}),
    ("runs/restore", lambda w: {"run_id": "nope"}),
    ("runs/set-tag", lambda w: {"run_id": "nope", "key": "k", "value": "v"}),
    ("runs/delete-tag", lambda w: {"run_id": w.run, "key": "nope"}),
    ("logged-models", lambda w: {"experiment_id": "999999"}),
    ("logged-models", lambda w: {"experiment_id": w.experiment, "name": "a/b"}),
    # artifact locations
    *(("experiments/create", lambda w, uri=uri: {"name": "new", "artifact_location": uri}) for uri in ("runs:/x", "file:///a#b", "s3://b/a;params", "file:///a?x=../..", "x" * 2049, "s3://b/a\0")),
    # inputs
    ("runs/log-inputs", lambda w: {"run_id": w.run, "datasets": [{"dataset": {"name": "n" * 501, "digest": "1", "source_type": "", "source": ""}}]}),
    ("runs/log-inputs", lambda w: {"run_id": w.run, "datasets": [{"dataset": {"name": "d", "digest": "1" * 37, "source_type": "", "source": ""}}]}),
    ("runs/log-inputs", lambda w: {"run_id": w.run, "datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "", "source": ""}, "tags": [{"key": "k" * 256, "value": "v"}]}]}),
    ("runs/log-inputs", lambda w: {"run_id": w.run, "datasets": [{"tags": []}]}),
    ("runs/log-model", lambda w: {"run_id": w.run, "model_json": "{"}),
    ("runs/log-model", lambda w: {"run_id": w.run, "model_json": "[]"}),
    # searches
    *(("runs/search", lambda w, n=n: {"experiment_ids": [w.experiment], "max_results": n}) for n in (0, -1, 50_001, 2**63, 1.5, "x")),
    *(("experiments/search", lambda w, n=n: {"max_results": n}) for n in (0, -1, 50_001)),
    ("experiments/search", lambda w: {}),
    ("experiments/search", lambda w: {"max_results": 5, "page_token": "garbage"}),
    ("runs/search", lambda w: {"experiment_ids": [w.experiment], "page_token": "e30="}),
    ("runs/search", lambda w: {"experiment_ids": [w.experiment], "page_token": "\u0430"}),
    ("runs/search", lambda w: {"experiment_ids": ["x"]}),
    ("runs/search", lambda w: {"experiment_ids": [w.experiment], "run_view_type": "BOGUS"}),
    *(("runs/search", lambda w, f=f: {"experiment_ids": [w.experiment], "filter": f}) for f in (
        "metrics.loss <", "metrics.loss < 1; DROP TABLE runs", "metrics.loss < 1 --", "metrics.loss IN (SELECT 1)", "nonsense.x = 1", "(" * 60 + "metrics.a = 1" + ")" * 60,
        "metrics.a = 1 AND " * 1000 + "metrics.a = 1", "tags.a = 'b' /* x */", "tags.a = 'b", "metrics.`a = 1", "attributes.nope = 1", "metrics.a = 1 metrics.b = 2",
    )),
    *(("runs/search", lambda w, o=o: {"experiment_ids": [w.experiment], "order_by": [o]}) for o in ("metrics.a DESC; DROP", "nope", "metrics.a SIDEWAYS", "random()", "x" * 10_001)),
    ("logged-models/search", lambda w: {"experiment_ids": [w.experiment], "max_results": -1}),
    ("experiments/search-datasets", lambda w: {"experiment_ids": []}),
]  # fmt: skip


def post(w, path, body):
    prefix = (
        "/ajax-api/2.0/mlflow/"
        if path.endswith("search-datasets")
        else "/api/2.0/millstream/"
        if path == "runs/rewind"
        else "/api/2.0/mlflow/"
    )
    return w.server.ask(
        "POST", prefix + path, json.dumps(body, allow_nan=True).encode(), {"Content-Type": "application/json"}
    )


@pytest.mark.parametrize(("path", "make"), BAD, ids=[f"{i}-{path}" for i, (path, _) in enumerate(BAD)])
def test_bad_input_is_refused_and_nothing_is_written(path, make, world, unchanged):
    status, code = post(world, path, make(world)).error()
    assert 400 <= status < 500, code


@pytest.mark.parametrize(
    "query",
    [
        "metrics/get-history?run_id={run}", "metrics/get-history?metric_key=loss", "metrics/get-history?run_id={run}&metric_key=loss&max_results=0",
        "metrics/get-history?run_id={run}&metric_key=loss&max_results=-5", "metrics/get-history?run_id={run}&metric_key=loss&page_token=%00",
        "metrics/get-history?run_id={run}&metric_key=loss&page_token=garbage", "metrics/get-history-bulk-interval?run_ids={run}&metric_key=loss&start_step=1",
        "metrics/get-history-bulk-interval?run_ids={run}&metric_key=loss&start_step=5&end_step=1", "metrics/get-history-bulk-interval?run_ids={run}&metric_key=loss&max_results=2501",
        "metrics/get-history-bulk-interval?metric_key=loss", "runs/get?run_id=%ff", "runs/get?run_id=%00", "runs/get", "runs/get?run_id=", "experiments/get?experiment_id=abc",
        "experiments/get?experiment_id=1%20OR%201", "experiments/get-by-name?experiment_name=%ed%a0%80", "experiments/search?max_results=1&view_type=BOGUS",
        "experiments/search?max_results=1e5", "artifacts/list?run_id={run}&path=../..", "logged-models/m-1?allow_deleted=maybe",
    ],
)  # fmt: skip
def test_bad_query_strings_are_refused(query, world, unchanged):
    reply = world.server.get("/api/2.0/mlflow/" + query.format(run=world.run))
    assert 400 <= reply.error()[0] < 500


@pytest.mark.parametrize("text", ["{run}", "{run}&path=", "nope&path=a", "{run}&path=missing.txt", "{run}&path=a"])
def test_downloads_of_what_is_not_there_are_refused(text, world):
    assert world.server.get(f"/get-artifact?run_id={text}".format(run=world.run)).error()[0] in (400, 404)


def test_values_that_are_odd_but_legal_are_taken(world):
    run = world.new_run()
    for value in (1, "0.5", True, "NaN", "Infinity", "-Infinity", 1e308, -0.0, 0):
        assert post(world, "runs/log-metric", {"run_id": run, **metric(value=value)}).status == 200, value
    for text in (b"NaN", b"Infinity"):
        data = b'{"run_id": "%s", "key": "bare", "value": %s, "timestamp": "5"}' % (run.encode(), text)
        assert (
            world.server.ask(
                "POST", "/api/2.0/mlflow/runs/log-metric", data, {"Content-Type": "application/json"}
            ).status
            == 200
        )
    history = world.server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=bare").json()["metrics"]
    assert sorted(str(point["value"]) for point in history) == ["1.7976931348623157e+308", "NaN"]
    assert post(world, "runs/log-metric", {"run_uuid": run, **metric()}).status == 200
    for key in ("a b", "x:y", ".a", "a.", "-x", "日本", "val/acc"):
        assert post(world, "runs/log-parameter", {"run_id": run, "key": key, "value": "v" * 7000}).status == 200, key


def test_a_deleted_run_takes_nothing_and_still_shows_everything(world):
    run = world.new_run()
    world.server.post("runs/delete", {"run_id": run})
    before = world.server.contents()
    for path, body in [
        ("runs/log-metric", metric()), ("runs/log-batch", {}), ("runs/set-tag", {"key": "k", "value": "v"}), ("runs/update", {"status": "FINISHED"}),
        ("runs/log-parameter", {"key": "k", "value": "v"}), ("runs/log-inputs", {"datasets": []}), ("runs/outputs", {"models": []}),
    ]:  # fmt: skip
        assert post(world, path, {"run_id": run, **body}).error() == (400, "INVALID_PARAMETER_VALUE"), path
    assert world.server.contents() == before
    assert world.server.get(f"/api/2.0/mlflow/runs/get?run_id={run}").status == 200


def test_a_get_with_a_body_and_without_a_query_is_answered(world):
    body = json.dumps({"run_id": world.run}).encode()
    assert world.server.ask("GET", "/api/2.0/mlflow/runs/get", body).json()["run"]["info"]["run_id"] == world.run


def test_a_delete_ignores_its_query_string(world, unchanged):
    reply = world.server.ask("DELETE", "/api/2.0/mlflow/logged-models/nope?model_id=" + world.model, {})
    assert reply.error() == (404, "RESOURCE_DOES_NOT_EXIST")
