"""Metrics, histories and batches."""

import json

from http_calls import AJAX, API


def metrics(s):
    s.area = "metrics"
    experiment = s.experiment("metrics")
    run = s.run(experiment)
    log = "runs/log-metric"

    def point(name, key, value, timestamp=10, /, **fields):
        s.post(name, log, {"run_id": run, "key": key, "value": value, "timestamp": timestamp, **fields})

    def history(step, key, **query):
        return s.get(step, "metrics/get-history", {"run_id": run, "metric_key": key, **query})

    point("log", "acc", 0.5, 100, step=1)
    point("log, same point", "acc", 0.5, 100, step=1)
    point("log, other value", "acc", 0.7, 100, step=1)
    point("log, later step earlier time", "acc", 0.1, 50, step=2)
    point("log, negative step", "acc", 0.9, 200, step=-3)
    history("history", "acc")
    s.read("latest is by step, time, value", run)
    for name, value in [("NaN", "NaN"), ("Infinity", "Infinity"), ("minus Infinity", "-Infinity"), ("text", "0.5"), ("true", True), ("word", "abc"),
                        ("null", None), ("minus zero", -0.0), ("integer", 3), ("beyond 2^53", 9007199254740993), ("tiny", 5e-324), ("list", [1]),
                        ("greatest", 1.7976931348623157e308), ("exponent text", "1e-3"), ("empty", "")]:  # fmt: skip
        point(f"value {name}", f"value {name}", value)
        history(f"value {name}, history", f"value {name}")
    point("NaN twice", "value NaN", "NaN")
    history("NaN twice, history", "value NaN")
    point("NaN tie, NaN first", "tie", "NaN", 5, step=5)
    point("NaN tie, then minus one", "tie", -1, 5, step=5)
    point("NaN tie2, NaN first", "tie2", "NaN", 5, step=5)
    point("NaN tie2, then one", "tie2", 1, 5, step=5)
    point("timestamp 0", "t0", 1, 0)
    point("timestamp negative", "t-1", 1, -1)
    point("timestamp as text", "ttext", 1, "55")
    point("step as text", "steptext", 1, 5, step="7")
    point("step beyond 2^53", "stepbig", 1, 5, step=9007199254740993)
    history("step beyond 2^53, history", "stepbig")
    odd = s.run(experiment, run_name="odd forms", start_time=900)
    for name, raw in [("word nan", '"value": "nan", "timestamp": 5'), ("word inf", '"value": "inf", "timestamp": 5'), ("bare NaN", '"value": NaN, "timestamp": 5'), ("1e400", '"value": 1e400, "timestamp": 5'),
                      ("bare Infinity", '"value": Infinity, "timestamp": 5'), ("timestamp 15.7", '"value": 2, "timestamp": 15.7, "step": 3'),
                      ("timestamp 2^63", '"value": 2, "timestamp": 9223372036854775808, "step": 3')]:  # fmt: skip
        body = f'{{"run_id": "{odd}", "key": "raw {name}", {raw}}}'
        s.post(f"raw {name}", log, raw=body.encode(), headers={"Content-Type": "application/json"})
        s.get(f"raw {name}, history", "metrics/get-history", {"run_id": odd, "metric_key": f"raw {name}"})
    s.post("without key", log, {"run_id": run, "value": 1, "timestamp": 1})
    s.post("without value", log, {"run_id": run, "key": "a", "timestamp": 1})
    s.post("without timestamp", log, {"run_id": run, "key": "a", "value": 1})
    s.post("without run", log, {"key": "a", "value": 1, "timestamp": 1})
    s.post("unknown run", log, {"run_id": "0" * 32, "key": "a", "value": 1, "timestamp": 1})
    s.post("by run_uuid", log, {"run_uuid": run, "key": "by uuid", "value": 1, "timestamp": 1})
    s.post(
        "dataset name without digest", log, {"run_id": run, "key": "d", "value": 1, "timestamp": 1, "dataset_name": "x"}
    )
    s.post(
        "dataset digest without name",
        log,
        {"run_id": run, "key": "d", "value": 1, "timestamp": 1, "dataset_digest": "x"},
    )
    s.post(
        "dataset both",
        log,
        {"run_id": run, "key": "d", "value": 1, "timestamp": 1, "dataset_name": "x", "dataset_digest": "d"},
    )
    s.post("unknown model", log, {"run_id": run, "key": "d2", "value": 1, "timestamp": 1, "model_id": "m-" + "0" * 32})
    s.read("read all", run)

    history("history of an unknown key", "nope")
    s.get("history of an unknown run", "metrics/get-history", {"run_id": "0" * 32, "metric_key": "acc"})
    s.get("history by run_uuid", "metrics/get-history", {"run_uuid": run, "metric_key": "t0"})
    s.get("history without key", "metrics/get-history", {"run_id": run})
    s.get("history without run", "metrics/get-history", {"metric_key": "acc"})
    page = history("history, page 1", "acc", max_results=2)
    history("history, page 2", "acc", max_results=2, page_token=page["next_page_token"])
    history("history, exactly full page", "acc", max_results=4)
    history("history, page of 0", "acc", max_results=0)
    history("history, negative page", "acc", max_results=-1)
    history("history, broken token", "acc", max_results=2, page_token="nonsense")
    s.get(
        "history with lists in the body",
        "metrics/get-history",
        raw=json.dumps({"run_id": run, "metric_key": "acc"}).encode(),
        headers={"Content-Type": "application/json"},
    )

    other = s.run(experiment, run_name="other")
    points = [{"key": "long", "value": n % 7, "timestamp": n, "step": n} for n in range(500)]
    s.quiet("POST", "runs/log-batch", {"run_id": other, "metrics": points})
    s.quiet("POST", log, {"run_id": run, "key": "long", "value": "NaN", "timestamp": 3, "step": 3})
    bulk, sampled = AJAX + "metrics/get-history-bulk", API + "metrics/get-history-bulk-interval"

    def counted(step, path, query):
        """Long histories are recorded by run, count and ends; runs keep their order of appearance."""
        answer = s.http.call("GET", path, query=query)
        shown = answer.comparable()
        if answer.status == 200:
            points = answer.json.get("metrics")
            shown = {
                "keys": sorted(answer.json),
                "points": points and [[p.get("run_id", p.get("key")), p["step"], p["value"]] for p in points],
            }
        s.recorder.record(f"metrics: {step}", shown)

    counted("bulk, api prefix", API + "metrics/get-history-bulk", {"run_id": run, "metric_key": "acc"})
    counted("bulk", bulk, {"run_id": [other], "metric_key": "long", "max_results": 5})
    counted("bulk, NaN run", bulk, {"run_id": [run], "metric_key": "long"})
    counted("bulk, unknown run", bulk, {"run_id": "0" * 32, "metric_key": "long"})
    counted("bulk, no run", bulk, {"metric_key": "long"})
    counted("bulk, no key", bulk, {"run_id": [run]})
    counted("bulk, 101 runs", bulk, {"run_id": [f"{n:032x}" for n in range(101)], "metric_key": "long"})
    raw = s.http.call("GET", bulk, query={"run_id": [run], "metric_key": "long"}).data.decode()
    s.recorder.record("metrics: bulk, form of NaN", "bare" if '"NaN"' not in raw else "text")
    counted("interval", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 10})
    counted(
        "interval, ajax",
        AJAX + "metrics/get-history-bulk-interval",
        {"run_ids": [other], "metric_key": "long", "max_results": 10},
    )
    counted("interval, whole", sampled, {"run_ids": [other], "metric_key": "long", "start_step": 100, "end_step": 110})
    counted(
        "interval, window sampled",
        sampled,
        {"run_ids": [other], "metric_key": "long", "start_step": 100, "end_step": 400, "max_results": 7},
    )
    counted("interval, one point", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 1})
    counted("interval, two points", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 2})
    counted("interval, 499 of 500", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 499})
    counted("interval, two runs", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 3})
    counted("interval, unknown run", sampled, {"run_ids": "0" * 32, "metric_key": "long"})
    counted(
        "interval, start after end", sampled, {"run_ids": [other], "metric_key": "long", "start_step": 5, "end_step": 4}
    )
    counted("interval, one bound", sampled, {"run_ids": [other], "metric_key": "long", "start_step": 5})
    counted("interval, too many", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 2501})
    counted("interval, none", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 0})
    counted("interval, no runs", sampled, {"metric_key": "long"})
    s.get("interval, shape of a point", sampled, {"run_ids": [other], "metric_key": "long", "max_results": 1})


def batches(s):
    s.area = "batches"
    experiment = s.experiment("batches")
    log = "runs/log-batch"
    run = s.run(experiment)

    def metrics_(n):
        return [{"key": f"m{i}", "value": i, "timestamp": 1, "step": 0} for i in range(n)]

    def pairs(n, prefix):
        return [{"key": f"{prefix}{i}", "value": str(i)} for i in range(n)]

    s.post("all kinds", log, {"run_id": run, "metrics": metrics_(3), "params": pairs(2, "p"), "tags": pairs(2, "t")})
    s.read("all kinds, read", run)
    s.post("again", log, {"run_id": run, "metrics": metrics_(3), "params": pairs(2, "p"), "tags": pairs(2, "t")})
    s.read("again, read", run)
    s.post("empty", log, {"run_id": run})
    s.post("empty lists", log, {"run_id": run, "metrics": [], "params": [], "tags": []})
    s.post("empty body", log, raw=b"", headers={"Content-Type": "application/json"})
    s.post("without run", log, {"metrics": metrics_(1)})
    s.post("unknown run", log, {"run_id": "0" * 32, "metrics": metrics_(1)})
    s.post("odd run id", log, {"run_id": "a/b", "metrics": metrics_(1)})
    s.post("run id of 257", log, {"run_id": "a" * 257, "metrics": metrics_(1)})
    s.post("run_uuid", log, {"run_uuid": run, "metrics": metrics_(1)})
    for step, body in [
        ("1000 metrics", {"metrics": metrics_(1000)}), ("1001 metrics", {"metrics": metrics_(1001)}), ("100 params", {"params": pairs(100, "hp")}),
        ("101 params", {"params": pairs(101, "hp")}), ("100 tags", {"tags": pairs(100, "ht")}), ("101 tags", {"tags": pairs(101, "ht")}),
        ("1001 in all", {"metrics": metrics_(950), "params": pairs(51, "hp")}), ("1000 in all", {"metrics": metrics_(950), "params": pairs(50, "hp")}),
        ("duplicate param, equal values", {"params": [{"key": "dup", "value": "1"}, {"key": "dup", "value": "1"}]}),
        ("duplicate param, other values", {"params": [{"key": "dup", "value": "1"}, {"key": "dup", "value": "2"}]}),
        ("duplicate tag", {"tags": [{"key": "dupt", "value": "1"}, {"key": "dupt", "value": "2"}]}),
        ("duplicate metric points", {"metrics": [{"key": "dupm", "value": 1, "timestamp": 1}] * 2}),
        ("changed param", {"params": [{"key": "p0", "value": "changed"}], "metrics": [{"key": "not1", "value": 1, "timestamp": 1}]}),
        ("bad tag key", {"tags": [{"key": "a//b", "value": ""}], "metrics": [{"key": "not2", "value": 1, "timestamp": 1}]}),
        ("bad metric key", {"metrics": [{"key": "ok?", "value": 1, "timestamp": 1}], "params": [{"key": "not3", "value": ""}]}),
        ("metric without key", {"metrics": [{"value": 1, "timestamp": 1}]}), ("metric without value", {"metrics": [{"key": "a", "timestamp": 1}]}),
        ("metric without timestamp", {"metrics": [{"key": "a", "value": 1}]}), ("metric with null", {"metrics": [{"key": "a", "value": None, "timestamp": 1}]}),
        ("metric with null timestamp", {"metrics": [{"key": "a", "value": 1, "timestamp": None}]}),
        ("metric without step", {"metrics": [{"key": "nostep", "value": 1, "timestamp": 1}]}),
        ("metric as text", {"metrics": [{"key": "astext", "value": "1.5", "timestamp": "9", "step": "4"}]}),
        ("metric NaN and infinite", {"metrics": [{"key": "nan", "value": "NaN", "timestamp": 1}, {"key": "inf", "value": "-Infinity", "timestamp": 1}]}),
        ("metric with a word", {"metrics": [{"key": "a", "value": "word", "timestamp": 1}]}), ("metric negative time", {"metrics": [{"key": "a", "value": 1, "timestamp": -1}]}),
        ("param without key", {"params": [{"value": "x"}]}), ("param without value", {"params": [{"key": "novalue"}]}), ("tag without key", {"tags": [{"value": "x"}]}),
        ("tag without value", {"tags": [{"key": "novalue"}]}), ("param number", {"params": [{"key": "n", "value": 3}]}), ("metrics as object", {"metrics": {"a": 1}}),
        ("metrics as text", {"metrics": "abc"}), ("metrics with a number", {"metrics": [3]}), ("long values", {"params": [{"key": "longp", "value": "v" * 7000}], "tags": [{"key": "longt", "value": "v" * 9000}]}),
        ("unknown model", {"metrics": [{"key": "um", "value": 1, "timestamp": 1, "model_id": "m-" + "1" * 32}]}),
        ("unknown fields", {"metrics": [{"key": "uf", "value": 1, "timestamp": 1, "bogus": []}], "more": 1}),
    ]:  # fmt: skip
        fresh = run if step in ("changed param",) else s.run(experiment, run_name=step)
        s.post(step, log, {"run_id": fresh, **body})
        data = s.quiet("GET", "runs/get", query={"run_id": fresh})["run"]["data"]
        if step.endswith(("metrics", "in all", "params", "tags")) and step[0].isdigit():
            s.recorder.record(f"batches: {step}, stored", {kind: len(items) for kind, items in data.items()})
        else:
            s.recorder.record(f"batches: {step}, stored", data)
    big = s.run(experiment, run_name="1.4 MB")
    s.post(
        "body of 1.4 MB", log, {"run_id": big, "params": [{"key": f"p{i}", "value": "v" * 14000} for i in range(100)]}
    )
