"""Logged models and their search (search-grammar 7.4)."""

import json
import time

from http_calls import AJAX, API, PROXY


def logged_models(s):
    s.area = "logged models"
    experiment = s.experiment("logged models")
    run = s.run(experiment)
    base = API + "logged-models"
    tag = lambda key, value: {"key": key, "value": value}  # noqa: E731
    made = s.post(
        "create",
        base,
        {
            "experiment_id": experiment,
            "name": "net",
            "model_type": "Agent",
            "source_run_id": run,
            "params": [tag("lr", "0.1")],
            "tags": [tag("t", "x")],
        },
    )
    model = made["model"]["info"]["model_id"]
    s.post("create with little", base, {"experiment_id": experiment})
    s.post("create without experiment", base, {"name": "x"})
    s.post("create in unknown experiment", base, {"experiment_id": "999999", "name": "x"})
    s.post("create in no number", base, {"experiment_id": "abc", "name": "x"})
    for name in ["a/b", "a:b", "a.b", "a%b", 'a"b', "a'b", "n" * 300, "a b", "日本", ""]:
        shown = name if len(name) < 50 else f"of {len(name)}"
        s.post(f"create name {shown!r}", base, {"experiment_id": experiment, "name": name})
    s.post(
        "create with duplicate params",
        base,
        {"experiment_id": experiment, "name": "dup", "params": [tag("a", "1"), tag("a", "1")]},
    )
    s.get("get", f"{base}/{model}")
    s.get("get unknown", f"{base}/m-{'0' * 32}")
    s.call("finalize", "PATCH", f"{base}/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
    s.call("finalize as number", "PATCH", f"{base}/{model}", {"model_id": model, "status": 3})
    s.call("finalize back", "PATCH", f"{base}/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
    s.call("finalize without model_id", "PATCH", f"{base}/{model}", {"status": "LOGGED_MODEL_READY"})
    s.call("finalize without status", "PATCH", f"{base}/{model}", {"model_id": model})
    s.call(
        "finalize unknown",
        "PATCH",
        f"{base}/m-{'0' * 32}",
        {"model_id": "m-" + "0" * 32, "status": "LOGGED_MODEL_READY"},
    )
    s.call(
        "tags",
        "PATCH",
        f"{base}/{model}/tags",
        {"model_id": model, "tags": [tag("t", "y"), tag("u", "1"), tag("u", "2")]},
    )
    s.call(
        "tags of unknown", "PATCH", f"{base}/m-{'0' * 32}/tags", {"model_id": "m-" + "0" * 32, "tags": [tag("t", "y")]}
    )
    s.get("tags, read", f"{base}/{model}")
    s.call("untag", "DELETE", f"{base}/{model}/tags/u")
    s.call("untag missing", "DELETE", f"{base}/{model}/tags/u")
    s.post("params", f"{base}/{model}/params", {"model_id": model, "params": [tag("more", "1"), tag("empty", "")]})
    s.post("params again", f"{base}/{model}/params", {"model_id": model, "params": [tag("more", "1")]})
    s.post(
        "params of unknown", f"{base}/m-{'0' * 32}/params", {"model_id": "m-" + "0" * 32, "params": [tag("more", "1")]}
    )
    s.post(
        "metric with model",
        "runs/log-metric",
        {"run_id": run, "key": "acc", "value": 0.5, "timestamp": 5, "step": 1, "model_id": model},
    )
    s.post(
        "metrics with model and dataset",
        "runs/log-batch",
        {
            "run_id": run,
            "metrics": [
                {
                    "key": "acc",
                    "value": 0.7,
                    "timestamp": 6,
                    "step": 2,
                    "model_id": model,
                    "dataset_name": "d",
                    "dataset_digest": "1",
                },
                {"key": "inf", "value": "Infinity", "timestamp": 6, "model_id": model},
            ],
        },
    )
    s.get("metrics, read", f"{base}/{model}")
    s.read("metrics, read from the run", run)
    s.post("output of the run", "runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 2}]})
    s.read("output, read from the run", run)
    s.get("artifacts of none", f"{base}/{model}/artifacts/directories")
    path = f"{PROXY}artifacts/{experiment}/models/{model}/artifacts/"
    s.call("upload MLmodel", "PUT", path + "MLmodel", raw=b"flavors: {}\n")
    s.call("upload deeper", "PUT", path + "data/weights.bin", raw=b"\x00\x01")
    s.get("artifacts", f"{base}/{model}/artifacts/directories")
    s.get("artifacts of a folder", f"{base}/{model}/artifacts/directories", {"artifact_directory_path": "data"})
    s.get("artifacts of a bad folder", f"{base}/{model}/artifacts/directories", {"artifact_directory_path": "../x"})
    s.get("artifacts of unknown", f"{base}/m-{'0' * 32}/artifacts/directories")
    files = f"{AJAX}logged-models/{model}/artifacts/files"
    s.get("file", files, {"artifact_file_path": "MLmodel"}, with_headers=True)
    s.get("file missing", files, {"artifact_file_path": "nope"})
    s.get("file without path", files)
    s.get("file with dotdot", files, {"artifact_file_path": "../MLmodel"})
    s.get("file, api prefix", f"{base}/{model}/artifacts/files", {"artifact_file_path": "MLmodel"})
    s.call("delete", "DELETE", f"{base}/{model}")
    s.call("delete again", "DELETE", f"{base}/{model}")
    s.get("deleted, get", f"{base}/{model}")
    s.get("deleted, get allowed", f"{base}/{model}", {"allow_deleted": "true"})
    s.call("deleted, tags", "PATCH", f"{base}/{model}/tags", {"model_id": model, "tags": [tag("late", "1")]})
    s.call("delete unknown", "DELETE", f"{base}/m-{'0' * 32}")
    spare = s.quiet("POST", base, {"experiment_id": experiment, "name": "spare"})["model"]["info"]["model_id"]
    s.call("tags, bad key", "PATCH", f"{base}/{spare}/tags", {"model_id": spare, "tags": [tag("a//b", "y")]})
    s.post("params without model_id", f"{base}/{spare}/params", {"params": [tag("even more", "1")]})
    s.post(
        "create with duplicate tags",
        base,
        {"experiment_id": experiment, "name": "dupt", "tags": [tag("a", "1"), tag("a", "2")]},
    )
    s.quiet("POST", "experiments/delete", {"experiment_id": experiment})
    s.post("create in a deleted experiment", base, {"experiment_id": experiment, "name": "x"})


def logged_model_search(s):
    """search-grammar.md 7.4."""
    s.area = "logged model search"
    experiment = s.experiment("logged model search")
    run = s.run(experiment)
    ids = {}
    pair = lambda key, value: {"key": key, "value": value}  # noqa: E731
    for letter, name, kind, status, params, tags in [
        ("J", "jay", "Agent", "LOGGED_MODEL_READY", {"lr": "0.1"}, {"t": "x"}), ("K", "kit", "Clf", None, {"lr": "0.2"}, {}),
        ("L", "leo", "Clf", "LOGGED_MODEL_UPLOAD_FAILED", {}, {"t": "y"}), ("M", "jay", "Agent", "LOGGED_MODEL_READY", {}, {}),
    ]:  # fmt: skip
        model = s.quiet(
            "POST",
            "logged-models",
            {
                "experiment_id": experiment,
                "name": name,
                "model_type": kind,
                "source_run_id": run,
                "params": [pair(*item) for item in params.items()],
                "tags": [pair(*item) for item in tags.items()],
            },
        )["model"]["info"]["model_id"]
        ids[letter] = model
        if status:
            s.quiet("PATCH", f"logged-models/{model}", {"model_id": model, "status": status})
        time.sleep(0.005)
    for letter, value, name, digest, timestamp in [
        ("J", 0.9, "tr", "d1", 1),
        ("J", 0.5, "te", "d2", 2),
        ("K", 0.7, "te", "d2", 3),
        ("M", "NaN", None, None, 4),
    ]:
        point = {"run_id": run, "key": "acc", "value": value, "timestamp": timestamp, "model_id": ids[letter]}
        s.quiet(
            "POST", "runs/log-metric", {**point, **({"dataset_name": name, "dataset_digest": digest} if name else {})}
        )
    letters = {model: letter for letter, model in ids.items()}

    def search(step, filter="", **fields):
        body = {"experiment_ids": [experiment], "filter": filter, **fields}
        answer = s.http.call("POST", API + "logged-models/search", body=body)
        shown = answer.comparable()
        if answer.status == 200:
            found = [letters[m["info"]["model_id"]] for m in answer.json.get("models", [])]
            shown = {"models": " ".join(found), "has_token": "next_page_token" in answer.json}
        s.recorder.record(f"logged model search: {step}", shown)
        return answer.json

    for filter in [
        "", "name = 'jay'", 'name = "jay"', "name != 'jay'", "name LIKE 'j%'", "name ILIKE 'J%'", "name IN ('jay', 'leo')", "name NOT IN ('jay')",
        "metrics.acc > 0.6", "metrics.acc > 0.95", "metrics.acc = 0", "status = 2", "status = 'READY'", "status != 2", "status = 1", "tags.t != 'x'",
        "tags.t = 'x'", "tag.t = 'x'", "params.lr = '0.1'", "params.lr = 0.1", "params.lr IN ('0.1', '0.2')", "param.lr = '0.1'", "model_type = 'Clf'",
        "attributes.model_type = 'Clf'", "attribute.model_type = 'Clf'", "creation_time > 0", "creation_timestamp > 0", "creation_timestamp_ms > 0",
        "last_updated_timestamp > 0", "tags.t IS NULL", "bogus = 'x'", "metrics.acc > 'x'", "name = 'jay' AND params.lr = '0.1'", "name = 'jay' OR name = 'kit'",
        "attributes.name = 'kit'", "source_run_id = 'nope'", "name", "metrics.acc != 0.7", "metrics.nope > 0",
    ]:  # fmt: skip
        search(f"filter {filter!r}", filter)
    search("filter model_id", f"model_id = '{ids['K']}'")
    search("filter source_run_id", f"source_run_id = '{run}'")
    for order in [
        [{"field_name": "metrics.acc"}], [{"field_name": "metrics.acc", "ascending": False}],
        [{"field_name": "metrics.acc", "dataset_name": "te", "dataset_digest": "d2"}], [{"field_name": "metrics.acc", "dataset_name": "te", "dataset_digest": "d2", "ascending": False}],
        [{"field_name": "name"}], [{"field_name": "name", "ascending": False}], [{"field_name": "creation_timestamp"}], [{"field_name": "creation_time", "ascending": True}],
        [{"field_name": "last_updated_timestamp", "ascending": False}], [{"field_name": "model_type"}, {"field_name": "name", "ascending": False}],
        [{"field_name": "attributes.name"}], [{"field_name": "params.lr"}], [{"field_name": "bogus"}], [{}], [{"field_name": "metrics.nope"}],
    ]:  # fmt: skip
        search(f"order {json.dumps(order)}", order_by=order)
    te, tr = {"dataset_name": "te", "dataset_digest": "d2"}, {"dataset_name": "tr", "dataset_digest": "d1"}
    search("datasets both", datasets=[tr, te])
    search("datasets tr", datasets=[tr])
    search("datasets te with metric", "metrics.acc > 0.6", datasets=[te])
    search("datasets tr with metric", "metrics.acc > 0.6", datasets=[tr])
    search("datasets name alone", datasets=[{"dataset_name": "te"}])
    search("datasets unknown", datasets=[{"dataset_name": "zz", "dataset_digest": "z"}])
    search("datasets without name", datasets=[{"dataset_digest": "d2"}])
    page = search("page of 3", max_results=3)
    search("page of 3, second", max_results=3, page_token=page["next_page_token"])
    search("page of 3, other query", "name = 'jay'", max_results=3, page_token=page["next_page_token"])
    search("page of 4", max_results=4)
    search("max_results 0", max_results=0)
    search("max_results -1", max_results=-1)
    search("max_results 51", max_results=51)
    search("broken token", page_token="nonsense")
    s.post("no experiments", API + "logged-models/search", {"experiment_ids": []})
    s.post("missing experiments", API + "logged-models/search", {})
    s.post("unknown experiments", API + "logged-models/search", {"experiment_ids": ["999999"]})
    s.post("whole model", API + "logged-models/search", {"experiment_ids": [experiment], "filter": "name = 'kit'"})
    s.post("api 3.0", "/api/3.0/mlflow/logged-models/search", {"experiment_ids": [experiment]})
