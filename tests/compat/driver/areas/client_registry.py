"""MlflowClient and the fluent API: the model registry, from a logged model to its files under every form of URI."""

from pathlib import Path

from shapes import nothing, only

VERSION = only(
    "name", "version", "current_stage", "description", "source", "run_id", "run_link", "status", "tags", "aliases"
)
MODEL = only("name", "description", "tags", "aliases")
NAMES = only("name")
NUMBERS = only("name", "version", "current_stage")


def registry(s):
    s.area = "client registry"
    c = s.client
    experiment = s.experiment("client registry")
    run = c.create_run(experiment, start_time=1, run_name="maker").info.run_id
    s.do("create", c.create_registered_model, "net", tags={"a": 1}, description="words", show=MODEL)
    s.do("create again", c.create_registered_model, "net")
    s.do("create bad name", c.create_registered_model, "a/b")
    s.do("create with little", c.create_registered_model, "plain", show=MODEL)
    s.do("get", c.get_registered_model, "net", show=MODEL)
    s.do("get unknown", c.get_registered_model, "nope")
    s.do("update", c.update_registered_model, "net", "other", show=MODEL)
    s.do("tag", c.set_registered_model_tag, "net", "k", "v")
    s.do("untag", c.delete_registered_model_tag, "net", "a")
    s.do("untag missing", c.delete_registered_model_tag, "net", "a")
    s.do(
        "version",
        c.create_model_version,
        "net",
        "s3://b/1",
        run,
        tags={"q": 1},
        run_link="http://x",
        description="d",
        show=VERSION,
    )
    s.do("version with little", c.create_model_version, "net", "s3://b/2", show=VERSION)
    s.do("version of unknown", c.create_model_version, "nope", "s3://b/2")
    s.do("version of a path of the server", c.create_model_version, "net", "/etc")
    s.do("version of a path of the server, with run", c.create_model_version, "net", "/etc", run)
    s.do("get version", c.get_model_version, "net", "1", show=VERSION)
    s.do("get unknown version", c.get_model_version, "net", "9")
    s.do("get no version", c.get_model_version, "net", "x")
    s.do("update version", c.update_model_version, "net", "1", "new", show=VERSION)
    s.do("tag version", c.set_model_version_tag, "net", "1", "k", "v")
    s.do("untag version", c.delete_model_version_tag, "net", "1", "q")
    s.do("move", c.transition_model_version_stage, "net", "1", "Production", show=VERSION)
    s.do(
        "move and archive",
        c.transition_model_version_stage,
        "net",
        "2",
        "production",
        archive_existing_versions=True,
        show=VERSION,
    )
    s.do("move to no stage", c.transition_model_version_stage, "net", "1", "Prod")
    s.do("tag by stage", c.set_model_version_tag, "net", key="staged", value="yes", stage="Production")
    s.do("untag by stage", c.delete_model_version_tag, "net", key="staged", stage="Archived")
    s.do("stages", c.get_model_version_stages, "net", "1")
    s.do("latest", c.get_latest_versions, "net", show=NUMBERS)
    s.do("latest in stages", c.get_latest_versions, "net", ["Archived", "Staging"], show=NUMBERS)
    s.do("latest in no stage", c.get_latest_versions, "net", ["Prod"])
    s.do("alias", c.set_registered_model_alias, "net", "champ", "1")
    s.do("alias moves", c.set_registered_model_alias, "net", "champ", "2")
    s.do("alias reserved", c.set_registered_model_alias, "net", "latest", "2")
    s.do("alias of unknown version", c.set_registered_model_alias, "net", "champ", "9")
    s.do("by alias", c.get_model_version_by_alias, "net", "champ", show=VERSION)
    s.do("by unknown alias", c.get_model_version_by_alias, "net", "nope")
    s.do("aliases, read", c.get_registered_model, "net", show=MODEL)
    s.do("download uri", c.get_model_version_download_uri, "net", "1")
    s.do("copy", c.copy_model_version, "models:/net/1", "copied", show=VERSION)
    s.do("copy by alias", c.copy_model_version, "models:/net@champ", "copied", show=VERSION)
    s.do("copy of no version", c.copy_model_version, "s3://b/1", "copied")
    s.do("download uri of the copy", c.get_model_version_download_uri, "copied", "1")
    s.do("unalias", c.delete_registered_model_alias, "net", "champ")
    s.do("unalias again", c.delete_registered_model_alias, "net", "champ")
    s.do("rename", c.rename_registered_model, "plain", "renamed", show=nothing)
    s.do("rename onto another", c.rename_registered_model, "renamed", "net")
    s.do("search", c.search_registered_models, "name LIKE '%n%'", order_by=["name DESC"], show=NAMES)
    s.do("search, page", c.search_registered_models, max_results=1, show=lambda page: [len(page), bool(page.token)])
    s.do("search, bad filter", c.search_registered_models, "version = 1")
    s.do("search versions", c.search_model_versions, "name = 'net'", order_by=["version_number ASC"], show=NUMBERS)
    s.do("search versions by run", c.search_model_versions, f"run_id = '{run}'", order_by=["name"], show=NUMBERS)
    s.do("search versions, bad filter", c.search_model_versions, "current_stage = 'Production'")
    s.do("fluent search", s.mlflow.search_registered_models, filter_string="name = 'net'", show=NAMES)
    if s.has("fluent search of versions", s.mlflow, "search_model_versions"):
        s.do(
            "fluent search of versions",
            s.mlflow.search_model_versions,
            filter_string="name = 'net'",
            order_by=["version_number"],
            show=NUMBERS,
        )
    s.do("delete version", c.delete_model_version, "net", "1")
    s.do("delete version again", c.delete_model_version, "net", "1")
    s.do("delete", c.delete_registered_model, "net")
    s.do("delete again", c.delete_registered_model, "net")


def loading(s):
    """A model is logged, registered in every way, promoted, and loaded back by every form of its URI."""
    s.area = "client registry loading"
    mlflow, c = s.mlflow, s.client
    from sklearn.linear_model import LinearRegression

    mlflow.set_experiment("client registry loading")
    fitted = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    with mlflow.start_run(run_name="train") as run:
        info = mlflow.sklearn.log_model(
            fitted, "model", registered_model_name="line", pip_requirements=["scikit-learn"]
        )
    s.do("registered while logging", c.get_model_version, "line", "1", show=only("version", "status", "current_stage"))
    s.do(
        "register by runs:",
        mlflow.register_model,
        f"runs:/{run.info.run_id}/model",
        "line",
        show=only("name", "version", "run_id", "status"),
    )
    s.do(
        "register by the uri of the info",
        mlflow.register_model,
        info.model_uri,
        "line",
        show=only("name", "version", "run_id"),
    )
    s.do(
        "register with tags",
        mlflow.register_model,
        info.model_uri,
        "line2",
        tags={"a": "b"},
        show=only("name", "version", "tags"),
    )
    c.copy_model_version("models:/line/2", "line3")
    s.do("register a version", mlflow.register_model, "models:/line/1", "line3", show=only("name", "version", "run_id"))
    c.transition_model_version_stage("line", "1", "Production")
    c.transition_model_version_stage("line", "2", "Staging")
    c.set_registered_model_alias("line", "champ", "2")
    s.do("load by the uri of the info", lambda: mlflow.pyfunc.load_model(info.model_uri).predict([[3.0]]).tolist())
    for uri in ["models:/line/1", "models:/line/latest", "models:/line/Production", "models:/line/staging", "models:/line@champ", "models:/line3/1",
                f"runs:/{run.info.run_id}/model", "models:/line/9", "models:/line@nope", "models:/line/Archived", "models:/nope/1"]:  # fmt: skip
        shown = uri.replace(run.info.run_id, "<run>")
        s.do(f"load {shown}", lambda uri=uri: mlflow.pyfunc.load_model(uri).predict([[3.0]]).tolist())
    s.do(
        "download",
        lambda: sorted(p.name for p in Path(mlflow.artifacts.download_artifacts("models:/line@champ")).iterdir()),
    )
    s.do("download one file", lambda: Path(mlflow.artifacts.download_artifacts("models:/line/1/MLmodel")).name)
