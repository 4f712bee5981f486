"""The fluent API: params, metrics, tags, artifacts, datasets, asynchronous logging, system metrics."""

import time

from shapes import nothing, only


def logging(s):
    import matplotlib.pyplot as plt
    import numpy as np

    s.area = "fluent logging"
    m = s.mlflow
    m.set_experiment("fluent logging")
    with m.start_run(run_name="all") as run:
        run_id = run.info.run_id
        s.do("param", m.log_param, "lr", 0.01)
        s.do("params", m.log_params, {"a": 1, "b": "two", "c": None, "d": [1, 2]})
        s.do("metric", m.log_metric, "loss", 0.5)
        s.do("metric with step", m.log_metric, "loss", 0.4, step=3)
        s.do("metric with time", m.log_metric, "loss", 0.3, step=4, timestamp=123456)
        s.do("metric of numpy", m.log_metric, "np", np.float32(0.25))
        s.do("metrics", m.log_metrics, {"x": 1, "y": float("nan")}, step=2)
        s.do("tag", m.set_tag, "t", 1)
        s.do("tags", m.set_tags, {"u": "v", "w": True})
        s.do("delete tag", m.delete_tag, "u")
        s.do("artifact", m.log_artifact, str(s.file("fluent.txt", "f")), "where")
        s.do("artifacts", m.log_artifacts, str(s.file("fluent/a.txt", "a").parent), "dir")
        s.do("text", m.log_text, "text", "text.txt")
        s.do("dict", m.log_dict, {"a": 1}, "dict.json")
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        s.do("figure", m.log_figure, figure, "figure.png")
        s.do("image", m.log_image, np.zeros((4, 4, 3), dtype="uint8"), "image.png")
        s.do(
            "keyed image",
            m.log_image,
            np.zeros((4, 4, 3), dtype="uint8"),
            key="k/one",
            step=1,
            timestamp=5,
            synchronous=True,
            show=nothing,
        )
        s.do("table", m.log_table, {"a": [1]}, "table.json")
        s.do("artifact uri", m.get_artifact_uri)
    s.do("read", m.get_run, run_id, show=only("info.status", "data.params", "data.metrics", "data.tags"))
    s.do("history", lambda: [[p.step, p.value] for p in s.client.get_metric_history(run_id, "loss")])
    s.do("list", s.client.list_artifacts, run_id, show=only("path", "is_dir"))
    s.do("load table", lambda: m.load_table("table.json", run_ids=[run_id]))
    s.do("load dict", lambda: m.artifacts.load_dict(f"runs:/{run_id}/dict.json"))


def datasets(s):
    import numpy as np
    import pandas as pd

    s.area = "fluent datasets"
    m = s.mlflow
    m.set_experiment("fluent datasets")
    table = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"], "y": [0.1, 0.2, 0.3]})
    frame = m.data.from_pandas(table, source="https://example.org/data.csv", name="table", targets="y")
    array = m.data.from_numpy(np.arange(12.0).reshape(4, 3), targets=np.arange(4), name="array")
    with m.start_run(run_name="d") as run:
        s.do("pandas", m.log_input, frame, context="training")
        s.do("pandas again", m.log_input, frame, context="testing")
        s.do("numpy", m.log_input, array)
        s.do("with tags", m.log_input, m.data.from_pandas(table.head(2), name="head"), context="eval", tags={"k": "v"})
        if s.has("metric of a dataset", frame, "name") and "dataset" in m.log_metric.__code__.co_varnames:
            s.do("metric of a dataset", m.log_metric, "acc", 0.5, dataset=frame)
    s.do("read", lambda: sorted((i.dataset.name, i.dataset.source_type, i.dataset.digest, sorted((t.key, t.value) for t in i.tags))
                                for i in m.get_run(run.info.run_id).inputs.dataset_inputs))  # fmt: skip
    s.do(
        "source",
        lambda: (
            m.data.get_source(
                next(i for i in m.get_run(run.info.run_id).inputs.dataset_inputs if i.dataset.name == "table")
            ).url
        ),
    )
    s.do(
        "search",
        m.search_runs,
        experiment_names=["fluent datasets"],
        filter_string="dataset.name = 'table'",
        show=lambda t: len(t),
    )


def asynchronous(s):
    s.area = "fluent asynchronous"
    m = s.mlflow
    m.set_experiment("fluent asynchronous")
    with m.start_run(run_name="a") as run:
        operations = [m.log_metric("loss", n, step=n, synchronous=False) for n in range(300)]
        operations += [m.log_param(f"p{n}", n, synchronous=False) for n in range(30)]
        operations.append(m.set_tags({"t": "1"}, synchronous=False))
        s.do("wait", lambda: [operation.wait() for operation in operations], show=nothing)
        m.flush_async_logging()
    s.do("points", lambda: len(s.client.get_metric_history(run.info.run_id, "loss")))
    s.do("params", lambda: len(m.get_run(run.info.run_id).data.params))


def system_metrics(s):
    s.area = "fluent system metrics"
    m = s.mlflow
    try:
        import psutil  # noqa: F401
    except ImportError:
        s.recorder.record("fluent system metrics: keys", "<no psutil>")
        return
    m.set_experiment("fluent system metrics")
    m.set_system_metrics_sampling_interval(0.2)
    with m.start_run(run_name="s", log_system_metrics=True) as run:
        time.sleep(1.2)
    s.do("keys", lambda: sorted(m.get_run(run.info.run_id).data.metrics))
    m.set_system_metrics_sampling_interval(10)
