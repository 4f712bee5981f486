"""The fluent API: experiments, runs, nesting, threads, search."""

import threading

from shapes import frame, nothing, only

BRIEF = only("info.run_name", "info.status", "info.lifecycle_stage")


def runs(s):
    s.area = "fluent runs"
    m = s.mlflow
    s.do("set experiment", m.set_experiment, "fluent runs")
    s.do("set experiment again", m.set_experiment, "fluent runs")
    s.do("create experiment", m.create_experiment, "fluent made", artifact_location="s3://b/x", tags={"a": "b"})
    s.do("create experiment taken", m.create_experiment, "fluent made")
    s.do("get experiment by name", m.get_experiment_by_name, "fluent made")
    s.do("get experiment by unknown name", m.get_experiment_by_name, "nope")
    s.do("experiment tags", m.set_experiment_tags, {"x": "1", "y": 2})
    s.do("experiment tag", m.set_experiment_tag, "z", "3")
    with m.start_run(run_name="first", tags={"a": "1"}, description="what it is") as run:
        first = run.info.run_id
        s.do("active run", m.active_run, show=BRIEF)
        s.do("start while active", m.start_run)
        s.do("log", m.log_metric, "loss", 0.5)
        with m.start_run(nested=True, run_name="child"):
            s.do("log in child", m.log_param, "p", 1)
            with m.start_run(nested=True, run_name="grandchild") as grandchild:
                s.do("parent", lambda: m.get_parent_run(grandchild.info.run_id).info.run_name)
        s.do("log after child", m.log_param, "q", 2)
        s.do("artifact uri", m.get_artifact_uri, "a/b")
    s.do("after the block", m.active_run)
    s.do("read", m.get_run, first)
    s.do("read grandchild", m.get_run, grandchild.info.run_id)
    s.do("last active", m.last_active_run, show=BRIEF)
    try:
        with m.start_run(run_name="fails") as failing:
            raise KeyError("x")
    except KeyError:
        pass
    s.do("failed", m.get_run, failing.info.run_id, show=BRIEF)
    with m.start_run(run_id=first):
        s.do("resumed", lambda: m.get_run(first).info.status)
        s.do("resumed, log", m.log_metric, "loss", 0.4, step=1)
    s.do("resumed, read", m.get_run, first)
    s.do("start unnamed", m.start_run, show=nothing)
    s.do("end as failed", m.end_run, "FAILED")
    s.do("end without a run", m.end_run)
    s.do("delete", m.delete_run, first)
    s.do("deleted", m.get_run, first, show=BRIEF)
    s.do("resume deleted", m.start_run, run_id=first)
    s.do("resume unknown", m.start_run, run_id="0" * 32)
    s.do(
        "set experiment by id",
        m.set_experiment,
        experiment_id=m.get_experiment_by_name("fluent runs").experiment_id,
        show=only("name"),
    )
    doomed = m.create_experiment("fluent doomed")
    s.do("delete experiment", m.delete_experiment, doomed)
    s.do("set deleted experiment", m.set_experiment, "fluent doomed")
    s.do(
        "search experiments",
        m.search_experiments,
        filter_string="name LIKE 'fluent %'",
        order_by=["name"],
        show=only("name"),
    )


def threads(s):
    s.area = "fluent threads"
    m = s.mlflow
    m.set_experiment("fluent threads")
    with m.start_run(run_name="main") as run:
        run_id = run.info.run_id

        def work(n):
            for step in range(20):
                m.log_metric(f"thread{n}", step, step=step, run_id=run_id) if _takes_run_id(m) else s.client.log_metric(
                    run_id, f"thread{n}", step, step=step
                )

        workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        [worker.start() for worker in workers]
        [worker.join() for worker in workers]
    s.do("metrics of all threads", lambda: dict(m.get_run(run_id).data.metrics))
    s.do("points of one", lambda: len(s.client.get_metric_history(run_id, "thread2")))


def _takes_run_id(m):
    import inspect

    return "run_id" in inspect.signature(m.log_metric).parameters


def search(s):
    s.area = "fluent search"
    m = s.mlflow
    experiment = m.set_experiment("fluent search").experiment_id
    for n in range(6):
        with m.start_run(run_name=f"r{n}"):
            m.log_params({"n": n, "kind": "even" if n % 2 == 0 else "odd"})
            m.log_metrics({"score": n / 10, "loss": 1 - n / 10}, step=n)
            m.set_tags({"group": n % 3})
    order = ["attributes.run_name ASC"]
    keep = [
        "tags.mlflow.runName",
        "metrics.score",
        "metrics.loss",
        "params.n",
        "params.kind",
        "tags.group",
        "status",
        "end_time",
    ]

    def brief(table):
        columns = sorted(c for c in table.columns if not c.startswith("tags.mlflow.source"))
        return {"columns": columns, "rows": frame(table[[c for c in keep if c in table.columns]])["rows"]}

    s.do("frame", m.search_runs, [experiment], order_by=order, show=brief)
    s.do(
        "frame, filter",
        m.search_runs,
        experiment_names=["fluent search"],
        filter_string="params.kind = 'odd' and metrics.score > 0.1",
        order_by=order,
        show=brief,
    )
    s.do("frame, active experiment", m.search_runs, filter_string="tags.group = '1'", order_by=order, show=brief)
    s.do(
        "frame, none",
        m.search_runs,
        [experiment],
        filter_string="metrics.score > 99",
        show=lambda t: [len(t), list(t.columns)],
    )
    s.do(
        "list",
        m.search_runs,
        [experiment],
        order_by=["metrics.score DESC"],
        max_results=2,
        output_format="list",
        show=BRIEF,
    )
    s.do(
        "all experiments",
        m.search_runs,
        search_all_experiments=True,
        filter_string="params.kind = 'even'",
        order_by=order,
        show=brief,
    )
    s.do("unknown name", m.search_runs, experiment_names=["nope"], show=lambda t: len(t))
    s.do("bad filter", m.search_runs, [experiment], filter_string="nonsense")
    s.do("bad format", m.search_runs, [experiment], output_format="xml")


def errors(s):
    """What user code catches: the class and code of errors that the server decides."""
    s.area = "fluent errors"
    m = s.mlflow
    m.set_experiment("fluent errors")
    with m.start_run(run_name="e"):
        s.do("changed param", lambda: [m.log_param("a", 1), m.log_param("a", 2)])
        s.do("bad param key", m.log_param, "a@b", 1)
        s.do("bad metric value", m.log_metric, "a", "word")
        s.do("bad metric key", m.log_metric, "../x", 1)
        s.do("bad tag key", m.set_tag, "a//b", 1)
        s.do("delete missing tag", m.delete_tag, "nope")
        s.do("too many params", m.log_params, {f"p{n}": n for n in range(101)})
        s.do("long key", m.log_param, "k" * 251, 1)
        s.do("log missing artifact", m.log_artifact, "/nonexistent/file")
    s.do("unknown run", m.get_run, "0" * 32)
    s.do("unknown experiment", m.get_experiment, "999999")
    s.do("start in unknown experiment", m.start_run, experiment_id="999999")
    s.do("experiment and name", m.set_experiment, "x", "1")
