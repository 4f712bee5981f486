"""MlflowClient: experiments, runs, metrics, search, inputs."""

import math

from shapes import only, plain

RUN_NAMES = only("info.run_name")


def experiments(s):
    s.area = "client experiments"
    c = s.client
    made = s.do("create", c.create_experiment, "client one")
    s.do(
        "create with all",
        c.create_experiment,
        "client two",
        artifact_location="s3://bucket/x",
        tags={"a": "1", "b": "2"},
    )
    s.do("create taken", c.create_experiment, "client one")
    s.do("create empty name", c.create_experiment, "")
    s.do("get", c.get_experiment, made)
    s.do("get by name", c.get_experiment_by_name, "client two")
    s.do("get by unknown name", c.get_experiment_by_name, "nope")
    s.do("get unknown", c.get_experiment, "999999")
    s.do("tag", c.set_experiment_tag, made, "team", "red")
    s.do("tag number", c.set_experiment_tag, made, "n", 3)
    s.do("rename", c.rename_experiment, made, "client renamed")
    s.do("rename to taken", c.rename_experiment, made, "client two")
    s.do("get renamed", c.get_experiment, made)
    if s.has("untag", c, "delete_experiment_tag"):
        s.do("untag", c.delete_experiment_tag, made, "n")
        s.do("untag missing", c.delete_experiment_tag, made, "n")
    s.do("delete", c.delete_experiment, made)
    s.do("deleted", c.get_experiment, made)
    s.do("deleted by name", c.get_experiment_by_name, "client renamed")
    s.do("delete again", c.delete_experiment, made)
    s.do("create run in deleted", c.create_run, made, run_name="x", start_time=1)
    s.do("restore", c.restore_experiment, made)
    s.do("restored", c.get_experiment, made)
    names = only("name")
    s.do("search", c.search_experiments, filter_string="name LIKE 'client %'", order_by=["name ASC"], show=names)
    s.do("search by tag", c.search_experiments, filter_string="tags.a = '1'", show=names)
    s.do(
        "search page",
        c.search_experiments,
        max_results=1,
        filter_string="name LIKE 'client %'",
        order_by=["name DESC"],
        show=plain,
    )
    s.do("search bad filter", c.search_experiments, filter_string="bogus = 1")
    s.do("search deleted", c.search_experiments, view_type=2, show=names)


def runs(s):
    s.area = "client runs"
    c = s.client
    experiment = s.experiment("client runs")
    run = s.do("create", c.create_run, experiment, start_time=1000, tags={"a": "1"}, run_name="one").info.run_id
    s.do("create unnamed", c.create_run, experiment, start_time=900)
    s.do("create in unknown", c.create_run, "999999", start_time=1)
    s.do("get", c.get_run, run)
    s.do("get unknown", c.get_run, "0" * 32)
    s.do("log param", c.log_param, run, "lr", 0.1)
    s.do("log param again", c.log_param, run, "lr", 0.1)
    s.do("log param changed", c.log_param, run, "lr", 0.2)
    s.do("log param object", c.log_param, run, "layers", [1, 2])
    s.do("log param long", c.log_param, run, "long", "x" * 6500)
    s.do("log param bad key", c.log_param, run, "a//b", 1)
    s.do("set tag", c.set_tag, run, "t", "x")
    s.do("set tag number", c.set_tag, run, "n", 5)
    s.do("set tag long", c.set_tag, run, "long", "x" * 8500)
    s.do("delete tag", c.delete_tag, run, "n")
    s.do("delete tag missing", c.delete_tag, run, "n")
    s.do("log metric", c.log_metric, run, "loss", 0.5, timestamp=10, step=1)
    entities = s.mlflow.entities
    s.do("log batch", c.log_batch, run, metrics=[entities.Metric("loss", 0.4, 11, 2), entities.Metric("acc", 1, 11, 0)],
         params=[entities.Param("p", "1"), entities.Param("q", "")], tags=[entities.RunTag("bt", "1")])  # fmt: skip
    s.do("log batch, duplicate params", c.log_batch, run, params=[entities.Param("z", "1"), entities.Param("z", "2")])
    s.do(
        "log batch, 1000 metrics",
        c.log_batch,
        run,
        metrics=[entities.Metric(f"many/{n}", n, 1, 0) for n in range(1000)],
    )
    s.do(
        "log batch, 1001 metrics",
        c.log_batch,
        run,
        metrics=[entities.Metric(f"many/{n}", n, 1, 0) for n in range(1001)],
    )
    s.do("log batch, 150 params", c.log_batch, run, params=[entities.Param(f"many{n}", "1") for n in range(150)])
    s.do("metrics after the batches", lambda: len(c.get_run(run).data.metrics))
    s.do("params after the batches", lambda: len(c.get_run(run).data.params))
    other = c.create_run(experiment, start_time=2000, run_name="two", tags={"mlflow.parentRunId": run}).info.run_id
    s.do("parent", lambda: c.get_parent_run(other).info.run_name)
    s.do("no parent", c.get_parent_run, run)
    s.do("update", c.update_run, other, status="FAILED", name="renamed")
    s.do("updated", c.get_run, other)
    s.do("terminate", c.set_terminated, other, "KILLED", 5000)
    s.do("terminated", c.get_run, other)
    s.do("terminate by default", c.set_terminated, run)
    s.do("terminated by default", lambda: c.get_run(run).info.status)
    s.do("delete", c.delete_run, other)
    s.do("deleted", lambda: c.get_run(other).info.lifecycle_stage)
    s.do("log to deleted", c.log_metric, other, "x", 1)
    s.do("tag deleted", c.set_tag, other, "x", 1)
    s.do("restore", c.restore_run, other)
    s.do("restored", lambda: c.get_run(other).info.lifecycle_stage)
    s.do("delete unknown", c.delete_run, "0" * 32)


def metrics(s):
    s.area = "client metrics"
    c = s.client
    run = c.create_run(s.experiment("client metrics"), start_time=1, run_name="m").info.run_id
    for n, value in enumerate([0.1, float("nan"), float("inf"), float("-inf"), -0.0, 1e-300, True, 7]):
        s.do(f"log {value}", c.log_metric, run, "odd", value, timestamp=100 + n, step=n)
    s.do("history of odd values", c.get_metric_history, run, "odd")
    s.do("log a word", c.log_metric, run, "odd", "word", timestamp=1, step=0)
    s.do("log numeric text", c.log_metric, run, "text", "1.5", timestamp=1, step=0)
    s.do("log negative time", c.log_metric, run, "neg", 1, timestamp=-1, step=0)
    s.do("log bad key", c.log_metric, run, "a#b", 1, timestamp=1, step=0)
    s.do("log unknown run", c.log_metric, "0" * 32, "a", 1, timestamp=1, step=0)
    points = [s.mlflow.entities.Metric("curve", math.sin(n / 100), n, n) for n in range(3000)]
    for start in range(0, 3000, 1000):
        c.log_batch(run, metrics=points[start : start + 1000])
    c.log_batch(run, metrics=points[:1000])
    history = c.get_metric_history(run, "curve")
    s.do("long history", lambda: [len(history), history[0].step, history[-1].step, sum(m.value for m in history)])
    s.do("history of unknown key", c.get_metric_history, run, "nope")
    s.do("history of unknown run", c.get_metric_history, "0" * 32, "nope")
    s.do("latest", lambda: dict(c.get_run(run).data.metrics))


def search(s):
    s.area = "client search"
    c = s.client
    experiment = s.experiment("client search")
    entities = s.mlflow.entities
    for n in range(25):
        run = c.create_run(
            experiment, start_time=1000 + n, run_name=f"r{n:02d}", tags={"group": "even" if n % 2 == 0 else "odd"}
        ).info.run_id
        c.log_batch(run, metrics=[entities.Metric("score", (n * 7) % 25, 1, 0)], params=[entities.Param("n", str(n))])
        if n % 5 == 0:
            c.set_terminated(run, "FINISHED", 9000 + n)
        if n == 24:
            c.delete_run(run)
    for filter in ["", "metrics.score > 20", "params.n = '7'", "tags.group = 'even' and metrics.score < 5", "attributes.status = 'FINISHED'",
                   "attributes.run_name LIKE 'r1%'", "params.n IN ('1')", "metrics.score >", "tags.group ILIKE 'EV%'"]:  # fmt: skip
        s.do(f"filter {filter!r}", c.search_runs, [experiment], filter, show=RUN_NAMES)
    for order in [
        ["metrics.score DESC"],
        ["params.n ASC"],
        ["attributes.start_time ASC"],
        ["tags.group", "metrics.score DESC"],
        ["bogus.x"],
    ]:
        s.do(f"order {order}", c.search_runs, [experiment], order_by=order, show=RUN_NAMES)
    page, names = None, []
    for _ in range(10):
        found = c.search_runs([experiment], order_by=["metrics.score ASC"], max_results=7, page_token=page)
        names.append([run.info.run_name for run in found])
        page = found.token
        if not page:
            break
    s.do("pages", lambda: names)
    s.do("deleted only", c.search_runs, [experiment], run_view_type=entities.ViewType.DELETED_ONLY, show=RUN_NAMES)
    s.do("all views", lambda: len(c.search_runs([experiment], run_view_type=entities.ViewType.ALL)))
    s.do("none", c.search_runs, [], show=RUN_NAMES)
    s.do("too many results", c.search_runs, [experiment], max_results=100000, show=RUN_NAMES)
    s.do("whole", c.search_runs, [experiment], "params.n = '5'")


def inputs(s):
    s.area = "client inputs"
    c = s.client
    e = s.mlflow.entities
    experiment = s.experiment("client inputs")
    run = c.create_run(experiment, start_time=1, run_name="i").info.run_id
    dataset = e.Dataset("iris", "d1", "local", "{}", schema="{}", profile="{}")
    s.do("log", c.log_inputs, run, [e.DatasetInput(dataset, [e.InputTag("mlflow.data.context", "train")])])
    s.do("log again", c.log_inputs, run, [e.DatasetInput(dataset, [e.InputTag("mlflow.data.context", "eval")])])
    s.do("read", lambda: c.get_run(run).inputs)
    s.do("search", c.search_runs, [experiment], "dataset.name = 'iris' AND dataset.context = 'train'", show=RUN_NAMES)
    s.do("log without datasets", c.log_inputs, run, [])
