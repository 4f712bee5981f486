"""Runs, their params, tags and inputs."""

import json

from http_calls import AJAX, API


def runs(s):
    s.area = "runs"
    create, update = "runs/create", "runs/update"
    experiment = s.experiment("runs")
    run = s.post(
        "create",
        create,
        {
            "experiment_id": experiment,
            "user_id": "ann",
            "run_name": "one",
            "start_time": 1234,
            "tags": [{"key": "a", "value": "b"}, {"key": "mlflow.user", "value": "bob"}],
        },
    )["run"]["info"]["run_id"]
    s.read("get", run)
    s.get("get by run_uuid", "runs/get", {"run_uuid": run})
    s.get("get with both ids", "runs/get", {"run_uuid": run, "run_id": run})
    s.get("get unknown", "runs/get", {"run_id": "0" * 32})
    s.get("get without id", "runs/get")
    s.get("get empty id", "runs/get", {"run_id": ""})
    s.get("get odd id", "runs/get", {"run_id": "../../x"})
    s.post("create with little", create, {"experiment_id": experiment})
    s.post("create without experiment", create, {"start_time": 1})
    s.post("create in unknown experiment", create, {"experiment_id": "999999"})
    s.post("create in no number", create, {"experiment_id": "abc"})
    s.post("create with an experiment number", create, {"experiment_id": 1})
    s.post(
        "name from tag", create, {"experiment_id": experiment, "tags": [{"key": "mlflow.runName", "value": "tagged"}]}
    )
    s.post(
        "name and equal tag",
        create,
        {"experiment_id": experiment, "run_name": "same", "tags": [{"key": "mlflow.runName", "value": "same"}]},
    )
    s.post(
        "name and other tag",
        create,
        {"experiment_id": experiment, "run_name": "x", "tags": [{"key": "mlflow.runName", "value": "y"}]},
    )
    s.post(
        "duplicate tags",
        create,
        {
            "experiment_id": experiment,
            "run_name": "n",
            "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}],
        },
    )
    s.post("time as text", create, {"experiment_id": experiment, "run_name": "n", "start_time": "77"})
    s.post("time negative", create, {"experiment_id": experiment, "run_name": "n", "start_time": -5})
    s.post("time as a word", create, {"experiment_id": experiment, "run_name": "n", "start_time": "soon"})
    s.post("long run name", create, {"experiment_id": experiment, "run_name": "x" * 250})
    s.post(
        "start time beyond 2^53", create, {"experiment_id": experiment, "run_name": "n", "start_time": 9007199254740993}
    )

    s.post("update all", update, {"run_id": run, "status": "FINISHED", "end_time": 2345, "run_name": "two"})
    s.read("update all, read", run)
    s.post("update by run_uuid", update, {"run_uuid": run, "status": "FAILED"})
    s.post("update back to running", update, {"run_id": run, "status": "RUNNING"})
    s.post("update status as number", update, {"run_id": run, "status": 5})
    s.post("update scheduled", update, {"run_id": run, "status": "SCHEDULED"})
    s.post("update empty name", update, {"run_id": run, "run_name": ""})
    s.post("update unknown status", update, {"run_id": run, "status": "BOGUS"})
    s.post("update lower-case status", update, {"run_id": run, "status": "finished"})
    s.post("update nothing", update, {"run_id": run})
    s.post("update end time only", update, {"run_id": run, "end_time": 9})
    s.post("update unknown run", update, {"run_id": "0" * 32, "status": "FINISHED"})
    s.post("update without id", update, {"status": "FINISHED"})

    s.post("tag renames", "runs/set-tag", {"run_id": run, "key": "mlflow.runName", "value": "three"})
    s.read("tag renames, read", run)
    s.post("tag renames to nothing", "runs/set-tag", {"run_id": run, "key": "mlflow.runName", "value": ""})
    s.read("tag renames to nothing, read", run)
    s.post("batch tag renames", "runs/log-batch", {"run_id": run, "tags": [{"key": "mlflow.runName", "value": "four"}]})
    s.post("delete name tag", "runs/delete-tag", {"run_id": run, "key": "mlflow.runName"})
    s.read("name without its tag", run)
    s.post("user tag", "runs/set-tag", {"run_id": run, "key": "mlflow.user", "value": "eve"})
    s.read("user tag, read", run)

    s.post("log to a finished run", update, {"run_id": run, "status": "FINISHED"})
    s.post("metric on a finished run", "runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1})
    s.post("delete", "runs/delete", {"run_id": run})
    s.read("deleted, get", run)
    s.post("deleted, delete again", "runs/delete", {"run_id": run})
    s.post("deleted, metric", "runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1})
    s.post("deleted, param", "runs/log-parameter", {"run_id": run, "key": "p", "value": "1"})
    s.post("deleted, tag", "runs/set-tag", {"run_id": run, "key": "t", "value": "1"})
    s.post("deleted, delete tag", "runs/delete-tag", {"run_id": run, "key": "a"})
    s.post("deleted, batch", "runs/log-batch", {"run_id": run, "tags": [{"key": "t", "value": "1"}]})
    s.post("deleted, empty batch", "runs/log-batch", {"run_id": run})
    s.post("deleted, inputs", "runs/log-inputs", {"run_id": run, "datasets": []})
    s.post("deleted, outputs", "runs/outputs", {"run_id": run, "models": [{"model_id": "m-" + "0" * 32, "step": 0}]})
    s.post("deleted, update", update, {"run_id": run, "status": "FINISHED"})
    s.get("deleted, history", "metrics/get-history", {"run_id": run, "metric_key": "m"})
    s.get("deleted, artifacts", "artifacts/list", {"run_id": run})
    s.post("restore", "runs/restore", {"run_id": run})
    s.post("restore again", "runs/restore", {"run_id": run})
    s.read("restored, get", run)
    s.post("delete unknown", "runs/delete", {"run_id": "0" * 32})
    s.post("restore unknown", "runs/restore", {"run_id": "0" * 32})
    s.post("delete by run_uuid", "runs/delete", {"run_uuid": run})
    s.post("delete without id", "runs/delete", {})

    doomed = s.experiment("runs of a deleted experiment")
    inside = s.run(doomed)
    s.quiet("POST", "experiments/delete", {"experiment_id": doomed})
    s.post("restore a run of a deleted experiment", "runs/restore", {"run_id": inside})
    s.post("search it under the deleted experiment", "runs/search", {"experiment_ids": [doomed]})
    s.post(
        "unvalidated tag key",
        create,
        {"experiment_id": experiment, "run_name": "n", "tags": [{"key": "a//b", "value": "1"}]},
    )
    s.post("time as a fraction", create, {"experiment_id": experiment, "run_name": "n", "start_time": 1.5})


def params_and_tags(s):
    s.area = "params and tags"
    run = s.run(s.experiment("params and tags"))
    log, tag = "runs/log-parameter", "runs/set-tag"
    s.post("param", log, {"run_id": run, "key": "lr", "value": "0.1"})
    s.post("param by run_uuid", log, {"run_uuid": run, "key": "by_uuid", "value": "1"})
    s.post("param again", log, {"run_id": run, "key": "lr", "value": "0.1"})
    s.post("param changed", log, {"run_id": run, "key": "lr", "value": "0.2"})
    s.post("param empty", log, {"run_id": run, "key": "empty", "value": ""})
    s.post("param without value", log, {"run_id": run, "key": "missing"})
    s.post("param without key", log, {"run_id": run, "value": "x"})
    s.post("param number", log, {"run_id": run, "key": "number", "value": 3})
    s.post("param null", log, {"run_id": run, "key": "null", "value": None})
    s.post("param of 6000", log, {"run_id": run, "key": "long6000", "value": "v" * 6000})
    s.post("param of 6001", log, {"run_id": run, "key": "long6001", "value": "v" * 6001})
    s.post("param of 7000 with the same beginning", log, {"run_id": run, "key": "long6001", "value": "v" * 7000})
    s.post("param unknown run", log, {"run_id": "0" * 32, "key": "a", "value": "1"})
    s.post("param without run", log, {"key": "a", "value": "1"})
    for key in ["a b", "x:y", ".a", "a.", "-x", "日本", "val/acc", "k" * 250, "k" * 251, "a\tb", "a#b", "a@b", "a%b", "a,b", "a(b)", "a'b",
                "a\\b", "a/", "./a", "a//b", "/a", "a/../b", "", "..", ".", "a/./b", "a\nb"]:  # fmt: skip
        shown = key if len(key) < 50 else f"of {len(key)}"
        s.post(f"param key {shown!r}", log, {"run_id": run, "key": key, "value": "1"})
        s.post(f"tag key {shown!r}", tag, {"run_id": run, "key": key, "value": "1"})
        s.post(f"metric key {shown!r}", "runs/log-metric", {"run_id": run, "key": key, "value": 1, "timestamp": 1})
    s.post("tag", tag, {"run_id": run, "key": "t", "value": "1"})
    s.post("tag overwrite", tag, {"run_id": run, "key": "t", "value": "2"})
    s.post("tag by run_uuid", tag, {"run_uuid": run, "key": "by_uuid", "value": "1"})
    s.post("tag without value", tag, {"run_id": run, "key": "missing"})
    s.post("tag of 8001", tag, {"run_id": run, "key": "long8001", "value": "v" * 8001})
    s.post("tag unknown run", tag, {"run_id": "0" * 32, "key": "a", "value": "1"})
    s.post("untag", "runs/delete-tag", {"run_id": run, "key": "t"})
    s.post("untag again", "runs/delete-tag", {"run_id": run, "key": "t"})
    s.post("untag by run_uuid", "runs/delete-tag", {"run_uuid": run, "key": "by_uuid"})
    s.post("untag unknown run", "runs/delete-tag", {"run_id": "0" * 32, "key": "a"})
    s.read("read all", run)


def inputs(s):
    s.area = "inputs"
    experiment = s.experiment("inputs")
    run, other = s.run(experiment), s.run(experiment, run_name="other", start_time=500)
    log = "runs/log-inputs"

    def dataset(name="iris", digest="d1", context="train", **fields):
        tags = [{"key": "mlflow.data.context", "value": context}] if context else []
        return {
            "tags": tags,
            "dataset": {"name": name, "digest": digest, "source_type": "local", "source": "{}", **fields},
        }

    s.post("dataset", log, {"run_id": run, "datasets": [dataset(schema='{"a":1}', profile='{"n":2}')]})
    s.read("dataset, read", run)
    s.post(
        "again with other fields and context",
        log,
        {"run_id": run, "datasets": [dataset(context="eval", source_type="s3", source="x")]},
    )
    s.read("again, read", run)
    s.post(
        "same dataset on another run", log, {"run_id": other, "datasets": [dataset(context="eval", source="elsewhere")]}
    )
    s.read("same dataset on another run, read", other)
    s.post("without context", log, {"run_id": run, "datasets": [dataset("wine", "w", None)]})
    s.post("two at once", log, {"run_id": run, "datasets": [dataset("a", "1"), dataset("b", "2")]})
    s.post("none", log, {"run_id": run, "datasets": []})
    s.post("missing", log, {"run_id": run})
    s.post("without run", log, {"datasets": [dataset()]})
    s.post("unknown run", log, {"run_id": "0" * 32, "datasets": [dataset()]})
    s.post("digest of 36", log, {"run_id": run, "datasets": [dataset("long", "d" * 36)]})
    s.post("digest of 37", log, {"run_id": run, "datasets": [dataset("long", "d" * 37)]})
    s.post("name of 501", log, {"run_id": run, "datasets": [dataset("n" * 501)]})
    s.post("source of 65536", log, {"run_id": run, "datasets": [dataset("src", source="s" * 65536)]})
    s.post(
        "tag key of 256",
        log,
        {"run_id": run, "datasets": [{**dataset("tk"), "tags": [{"key": "k" * 256, "value": ""}]}]},
    )
    s.post(
        "tag value of 501",
        log,
        {"run_id": run, "datasets": [{**dataset("tv"), "tags": [{"key": "k", "value": "v" * 501}]}]},
    )
    lonely = s.run(experiment, run_name="lonely", start_time=400)
    for field in ("name", "digest", "source_type", "source"):
        body = dataset(f"no {field}")
        del body["dataset"][field]
        s.post(f"without {field}", log, {"run_id": lonely, "datasets": [body]})
    s.post("without dataset", log, {"run_id": lonely, "datasets": [{"tags": []}]})
    s.read("read all", run)
    s.post(
        "search shows them", "runs/search", {"experiment_ids": [experiment], "filter": "attributes.run_name = 'other'"}
    )

    model = "m-" + "7" * 32
    s.post("model input", log, {"run_id": other, "models": [{"model_id": model}]})
    s.post("model input again", log, {"run_id": other, "models": [{"model_id": model}]})
    s.post("model output without step", "runs/outputs", {"run_id": other, "models": [{"model_id": "m-" + "8" * 32}]})
    s.post("model output", "runs/outputs", {"run_id": other, "models": [{"model_id": model, "step": 3}]})
    s.post("model output again", "runs/outputs", {"run_id": other, "models": [{"model_id": model, "step": 3}]})
    s.post("model outputs missing", "runs/outputs", {"run_id": other})
    s.post(
        "model outputs of unknown run", "runs/outputs", {"run_id": "0" * 32, "models": [{"model_id": model, "step": 0}]}
    )
    s.read("models, read", other)
    s.post("models, search", "runs/search", {"experiment_ids": [experiment], "filter": "attributes.run_name = 'other'"})

    summaries = AJAX + "experiments/search-datasets"
    answer = s.http.call("POST", summaries, body={"experiment_ids": [experiment]})
    found = sorted(
        (d["name"], d.get("context") or "")
        for d in answer.json["dataset_summaries"]
        if d["name"] and not d["name"].startswith("no ")
    )
    s.recorder.record("inputs: dataset summaries", {"status": answer.status, "found": found})
    s.post("dataset summaries of none", summaries, {"experiment_ids": []})
    s.post("dataset summaries of 21", summaries, {"experiment_ids": [str(n) for n in range(21)]})
    s.post("dataset summaries, api prefix", API + "experiments/search-datasets", {"experiment_ids": [experiment]})
    s.post("dataset summaries, unknown", summaries, {"experiment_ids": ["999999"]})

    good = {"artifact_path": "model", "flavors": {}, "utc_time_created": "2020-01-01 00:00:00", "run_id": lonely}
    log_model = "runs/log-model"
    s.post("log-model", log_model, {"run_id": lonely, "model_json": json.dumps(good)})
    s.post(
        "log-model twice", log_model, {"run_id": lonely, "model_json": json.dumps({**good, "artifact_path": "second"})}
    )
    for field in good:
        s.post(
            f"log-model without {field}",
            log_model,
            {"run_id": lonely, "model_json": json.dumps({k: v for k, v in good.items() if k != field})},
        )
    s.post("log-model no JSON", log_model, {"run_id": lonely, "model_json": "nonsense"})
    s.post("log-model no model", log_model, {"run_id": lonely})
    s.post("log-model unknown run", log_model, {"run_id": "0" * 32, "model_json": json.dumps(good)})
    tags = s.quiet("GET", "runs/get", query={"run_id": lonely})["run"]["data"]["tags"]
    s.recorder.record(
        "inputs: log-model history", [json.loads(t["value"]) for t in tags if t["key"] == "mlflow.log-model.history"]
    )
