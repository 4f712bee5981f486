"""The runs A to F and every query on them (search-grammar 7.1)."""

from http_calls import API


def run_search(s):
    """search-grammar.md 7.1: the runs A to F and every query on them."""
    s.area = "run search"
    experiment = s.experiment("search")
    log_input = lambda name, digest, context: {  # noqa: E731
        "tags": [{"key": "mlflow.data.context", "value": context}] if context else [],
        "dataset": {"name": name, "digest": digest, "source_type": "x", "source": "x"},
    }
    rows = {
        "A": ("alpha", "ann", "FINISHED", 1000, 2000, {"acc": 0.9, "loss": 0.1}, {"lr": "0.1", "opt": "SGD"}, {"team": "red", "note one": "x"},
              [("iris", "d1", "train"), ("iris-test", "d2", "eval")]),
        "B": ("beta", "bob", "RUNNING", 2000, None, {"acc": "NaN"}, {"lr": "0.01", "opt": "sgd"}, {"team": "Blue"}, [("iris", "d1", "train")]),
        "C": ("Gamma_1", "ann", "FAILED", 3000, 3500, {"acc": "Infinity"}, {"lr": "1e-3"}, {}, [("wine", "w9", None)]),
        "D": ("alpha", "bob", "KILLED", 3000, 3100, {"acc": -1, "val acc": 0.5}, {"lr": "0.1", "opt": "O'Neil"}, {"team": "red"}, []),
        "E": ("eps%ilon", "cid", "RUNNING", 500, None, {}, {}, {"team": ""}, []),
        "F": ("zeta", "ann", "FINISHED", 4000, 4001, {"acc": 0.9}, {"lr": "10"}, {"team": "red"}, []),
    }  # fmt: skip
    ids = {}
    for letter, (name, user, status, start, end, metrics_, params, tags, inputs_) in rows.items():
        while True:  # the id of C must sort before that of D
            ids[letter] = s.run(
                experiment,
                run_name=name,
                user_id=user,
                start_time=start,
                tags=[{"key": k, "value": v} for k, v in tags.items()],
            )
            if letter != "D" or ids["C"] < ids["D"]:
                break
            s.quiet("POST", "runs/delete", {"run_id": ids[letter]})
        s.quiet(
            "POST",
            "runs/log-batch",
            {
                "run_id": ids[letter],
                "metrics": [{"key": k, "value": v, "timestamp": 1, "step": 0} for k, v in metrics_.items()],
                "params": [{"key": k, "value": v} for k, v in params.items()],
            },
        )
        s.quiet("POST", "runs/log-inputs", {"run_id": ids[letter], "datasets": [log_input(*row) for row in inputs_]})
        s.quiet("POST", "runs/update", {"run_id": ids[letter], "status": status, **({"end_time": end} if end else {})})
    s.quiet("POST", "runs/delete", {"run_id": ids["F"]})
    letters = {run_id: letter for letter, run_id in ids.items()}

    def search(step, filter="", **fields):
        body = {"experiment_ids": [experiment], "filter": filter, **fields}
        answer = s.http.call("POST", API + "runs/search", body=body)
        shown = answer.comparable()
        if answer.status == 200:
            found = [letters.get(r["info"]["run_id"]) for r in answer.json.get("runs", [])]
            shown = {
                "runs": " ".join(letter for letter in found if letter),
                "has_token": "next_page_token" in answer.json,
            }
        s.recorder.record(f"run search: {step}", shown)
        return answer.json

    search("empty filter")
    search("deleted", run_view_type="DELETED_ONLY")
    search("all", run_view_type="ALL")
    filters = [
        "metrics.acc > 0.5", "metrics.acc != 0.9", "metrics.acc = 0", "metrics.acc >= 1e308", "metrics.acc < 1e400", "metrics.`val acc` = 0.5",
        'metrics."val acc" = 0.5', "metrics.acc > '0.5'", "metrics.acc IS NULL", "params.lr = '0.1'", "param.lr = '0.1'", "parameter.lr = '0.1'",
        'params.lr = "0.1"', "params.lr = 0.1", "parameters.lr != '0.1'", "params.opt = 'sgd'", "params.opt LIKE 'S%'", "params.opt like 'S%'",
        "params.opt ILIKE 's%'", "params.lr LIKE '0._1'", 'params.opt = "O\'Neil"', "params.opt = 'O''Neil'", "params.opt IS NULL",
        "params.opt is not null", "params.lr IN ('0.1')", "tags.team = 'red'", "tag.team != 'red'", "tags.team = ''", "tags.team IS NULL",
        "tags.`note one` = 'x'", "tags.mlflow.runName = 'alpha'", "tags.team = 'red' and metrics.acc > 0", "tags.team = 'red' OR tags.team = 'Blue'",
        "(tags.team = 'red')", "status = 'FINISHED'", "attr.status = 'finished'", "attribute.status != 'RUNNING'",
        "attributes.status IN ('FINISHED','KILLED')", "run_id IN ()", "run_id IN ('x', 5)", "run_name LIKE 'Gamma_1'", "run_name LIKE 'eps\\%ilon'",
        "attributes.`Run name` = 'beta'", "user_id = 'ann'", "attributes.user_id != 'ann'", "start_time >= 3000", "attributes.created = 1000",
        "end_time < 3200", "attributes.end_time > 0", "start_time = '1000'", "dataset.name = 'iris'", "dataset.name LIKE 'iris%'",
        "dataset.name != 'iris'", "dataset.name NOT IN ('iris')", "dataset.name = 'iris' AND dataset.context = 'eval'", "dataset.context != 'train'",
        "dataset.name IN ('iris','wine')", "lifecycle_stage = 'active'", "bogus.x = '1'", "metrics.acc", " ", "metrics.acc > -2", "metrics.acc > -1.5e0",
        "metrics.acc > +1", "metrics.acc == 1", "metrics.acc <> 1", "metrics.acc BETWEEN 0 AND 1", "0.5 < metrics.acc", "metrics.acc > 0;",
        "metrics.acc > 0 -- no", "metrics.acc > 0, params.lr = '0.1'", "NOT metrics.acc > 0", "params.opt NOT LIKE 'S%'", "tags.team = red",
        "tags.team = `red`", "tags.team ILIKE 'R%'", "tags.team LIKE 'R%'", "tags.team LIKE '%e%'", "attributes.run_id = 'x'", "experiment_id = '1'",
        "run_uuid = 'x'", "artifact_uri LIKE '%artifacts'", "start_time > 999.5", "start_time != 3000", "metric.acc < 0", "datasets.digest = 'd1'",
        "dataset.digest LIKE 'd_'", "dataset.context = 'train'", "dataset.context IN ('train', 'eval')", "dataset.bogus = 'x'", "dataset.name IS NULL",
        "attributes.status LIKE 'F%'", "status = 'FAILED' AND user_id = 'ann'", "run.status = 'RUNNING'", "Created > 2500", "tags.team IN ('red')",
        "params.lr = '0.1' AND params.opt = 'SGD' AND metrics.loss < 1 AND tags.team = 'red'", "metrics.acc > 0 AND metrics.acc < 0.95",
        "metrics.acc > 0 AND", "AND metrics.acc > 0", "metrics. > 0", "metrics.'acc' > 0", "attributes.start_time IS NOT NULL", "status IS NULL",
        "tags.team IS", "params.`lr` = '0.1'", 'params."lr" = \'0.1\'', "run_name = 'alpha'", "run_name ILIKE 'ALPHA'", "`run name` = 'alpha'",
    ]  # fmt: skip
    for filter in filters:
        search(f"filter {filter}", filter)
    search("filter run_id IN (A, E)", f"run_id IN ('{ids['A']}','{ids['E']}')")
    search("filter run_id NOT IN (A, E)", f"run_id NOT IN ('{ids['A']}','{ids['E']}')")
    search("filter run_id = A", f"attributes.run_id = '{ids['A']}'")
    search("filter run_id LIKE", f"attributes.run_id LIKE '{ids['A'][:20]}%'")
    for order in [
        ["metrics.acc ASC"], ["metrics.acc DESC"], ["metrics.acc"], ["metrics.acc desc"], ["params.lr ASC"], ["params.lr DESC"], ["tags.team ASC"],
        ["tags.team DESC"], ["end_time ASC"], ["end_time DESC"], ["run_name ASC"], ["attributes.run_name DESC"], ["user_id ASC", "start_time ASC"],
        ["status ASC"], ["status DESC"], ["metrics.nope DESC"], ["start_time ASC", "start_time DESC"], ["metrics.acc FOO"], ["dataset.name ASC"], [""],
        ["start_time ASC"], ["attributes.start_time DESC"], ["created ASC"], ["lifecycle_stage ASC"], ["experiment_id ASC"],
        ["`Run name` ASC"], ["metrics.`val acc` DESC"], ["artifact_uri ASC", "bogus"], ["params.lr ASC", "metrics.acc DESC"], ["metrics.acc ASC DESC"],
        ["tags.mlflow.runName ASC"], ["user_id DESC", "metrics.acc ASC", "params.lr DESC"],
    ]:  # fmt: skip
        search(f"order {order}", order_by=order)
    search("filter and order", "params.lr IS NOT NULL", order_by=["params.lr DESC"])
    page = search("page of 2", max_results=2)
    page = search("page of 2, second", max_results=2, page_token=page["next_page_token"])
    search("page of 2, third", max_results=2, page_token=page["next_page_token"])
    search("page of 5", max_results=5)
    page = search("ordered page of 2", max_results=2, order_by=["metrics.acc DESC"])
    page = search(
        "ordered page of 2, second", max_results=2, order_by=["metrics.acc DESC"], page_token=page["next_page_token"]
    )
    search("ordered page of 2, third", max_results=2, order_by=["metrics.acc DESC"], page_token=page["next_page_token"])
    for number in (0, -1, 50000, 50001):
        search(f"max_results {number}", max_results=number)
    search("broken token", page_token="nonsense")
    search("unknown view", run_view_type="BOGUS")
    search("view as number", run_view_type=2)
    s.post("no experiments", "runs/search", {"filter": ""})
    s.post("empty experiments", "runs/search", {"experiment_ids": []})
    s.post("unknown experiment", "runs/search", {"experiment_ids": ["999999"]})
    s.post("no number", "runs/search", {"experiment_ids": ["abc"]})
    s.post("text instead of a list", "runs/search", {"experiment_ids": experiment})
    s.post(
        "whole run", "runs/search", {"experiment_ids": [experiment], "filter": "run_name = 'alpha' AND user_id = 'ann'"}
    )
    s.post(
        "two experiments", "runs/search", {"experiment_ids": [experiment, "999999"], "filter": "run_name = 'eps%ilon'"}
    )
