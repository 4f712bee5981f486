"""MlflowClient: logged models (3.x), and one model written by a flavor, which is what ordinary training scripts do."""

import time
from pathlib import Path

from shapes import nothing, only

NAMES = only("name")


def logged_models(s):
    s.area = "client models"
    c = s.client
    if not s.has("create", c, "create_logged_model"):
        return
    experiment = s.experiment("client models")
    run = c.create_run(experiment, start_time=1, run_name="maker").info.run_id
    model = s.do(
        "create",
        c.create_logged_model,
        experiment,
        name="net",
        source_run_id=run,
        tags={"t": "x"},
        params={"lr": "0.1"},
        model_type="Agent",
    ).model_id
    s.do("create bad name", c.create_logged_model, experiment, name="a/b")
    s.do(
        "create with 250 params",
        c.create_logged_model,
        experiment,
        name="wide",
        params={f"p{n}": str(n) for n in range(250)},
        show=lambda m: len(m.params),
    )
    s.do("create in unknown experiment", c.create_logged_model, "999999", name="x")
    s.do("get", c.get_logged_model, model)
    s.do("get unknown", c.get_logged_model, "m-" + "0" * 32)
    s.do("finalize", c.finalize_logged_model, model, "READY")
    s.do("tag", c.set_logged_model_tags, model, {"t": "y", "u": "1"})
    s.do("untag", c.delete_logged_model_tag, model, "u")
    s.do("untag missing", c.delete_logged_model_tag, model, "u")
    s.do("metric", c.log_metric, run, "acc", 0.5, timestamp=5, step=1, model_id=model)
    s.do(
        "metric with dataset",
        c.log_metric,
        run,
        "acc",
        0.7,
        timestamp=6,
        step=2,
        model_id=model,
        dataset_name="d",
        dataset_digest="1",
    )
    if s.has("params", c, "log_model_params"):
        s.do("params", c.log_model_params, model, {"more": "1"})
        s.do("params again", c.log_model_params, model, {"more": "1"})
    s.do("read", c.get_logged_model, model)
    entities = s.mlflow.entities
    if s.has("outputs", c, "log_outputs"):
        s.do("outputs", c.log_outputs, run, [entities.LoggedModelOutput(model, 3)])
        s.do("inputs", c.log_inputs, run, models=[entities.LoggedModelInput(model)])
        s.do("read run", c.get_run, run)
    if s.has("artifacts", c, "log_model_artifact"):
        s.do("artifact", c.log_model_artifact, model, str(s.file("weights.txt", "w")))
        s.do("artifacts", c.log_model_artifacts, model, str(s.file("more/a.txt", "a").parent))
        s.do("list artifacts", c.list_logged_model_artifacts, model, show=only("path", "is_dir", "file_size"))
    s.do(
        "fluent download",
        lambda: sorted(p.name for p in Path(s.mlflow.artifacts.download_artifacts(f"models:/{model}")).iterdir()),
    )
    s.do("delete", c.delete_logged_model, model)
    s.do("deleted", c.get_logged_model, model)


def model_search(s):
    s.area = "client model search"
    c = s.client
    if not s.has("search", c, "search_logged_models"):
        return
    experiment = s.experiment("client model search")
    run = c.create_run(experiment, start_time=1, run_name="maker").info.run_id
    for n, name in enumerate(["ant", "bee", "cat", "dog", "eel"]):
        model = c.create_logged_model(
            experiment, name=name, tags={"n": str(n)}, params={"p": str(n % 2)}, model_type="A" if n < 3 else "B"
        ).model_id
        c.log_metric(run, "acc", n / 10, timestamp=n, step=n, model_id=model)
        time.sleep(0.005)
    for filter in [
        None,
        "name = 'bee'",
        "metrics.acc > 0.15",
        "params.p = '1'",
        "tags.n != '0'",
        "model_type = 'B'",
        "bogus =",
    ]:
        s.do(f"filter {filter!r}", c.search_logged_models, [experiment], filter_string=filter, show=NAMES)
    s.do(
        "order",
        c.search_logged_models,
        [experiment],
        order_by=[{"field_name": "metrics.acc", "ascending": False}],
        show=NAMES,
    )
    s.do(
        "order by time",
        c.search_logged_models,
        [experiment],
        order_by=[{"field_name": "creation_timestamp", "ascending": True}],
        show=NAMES,
    )
    page = c.search_logged_models([experiment], max_results=2)
    s.do("page", lambda: page, show=NAMES)
    s.do("page 2", c.search_logged_models, [experiment], max_results=2, page_token=page.token, show=NAMES)
    s.do(
        "fluent frame",
        lambda: s.mlflow.search_logged_models([experiment], "name = 'cat'", output_format="pandas"),
        show=lambda t: [len(t), sorted(t.columns)],
    )
    s.do(
        "fluent list",
        lambda: s.mlflow.search_logged_models([experiment], "name LIKE '%e%'", output_format="list"),
        show=NAMES,
    )


def flavor(s):
    """scikit-learn's flavor: many calls at once, 2.x logs the model with the run, 3.x as a logged model."""
    from sklearn.linear_model import LinearRegression

    s.area = "flavor"
    s.mlflow.set_experiment("client flavor")
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    with s.mlflow.start_run(run_name="flavor") as run:
        s.mlflow.log_metric("loss", 0.1, step=1)
        s.do(
            "log model",
            lambda: s.mlflow.sklearn.log_model(model, "model", pip_requirements=["scikit-learn"]),
            show=nothing,
        )
    s.do(
        "predict",
        lambda: round(float(s.mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model").predict([[3.0]])[0]), 6),
    )
    s.do("list", s.client.list_artifacts, run.info.run_id, "model", show=only("path", "is_dir"))
    s.do(
        "outputs",
        lambda: getattr(s.client.get_run(run.info.run_id), "outputs", None),
        show=lambda o: [m.step for m in o.model_outputs] if o else None,
    )
    s.do("history tag", lambda: "mlflow.log-model.history" in s.client.get_run(run.info.run_id).data.tags)
