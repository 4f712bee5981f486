"""The model registry over REST: registered models, versions, stages, aliases, tags, sources and search (rest-registry 2 to 4)."""

import time

from http_calls import API

MODELS, VERSIONS = API + "registered-models/", API + "model-versions/"
ZERO = "m-" + "0" * 32


def tag(key, value):
    return {"key": key, "value": value}


def pause():
    """Let the clock go on, so that time stamps differ on every server."""
    time.sleep(0.003)


def add(s, name, source="s3://bucket/model", **more):
    """A version, unrecorded; its number."""
    return s.quiet("POST", VERSIONS + "create", {"name": name, "source": source, **more})["model_version"]["version"]


def models(s):
    s.area = "registry models"
    s.post(
        "create",
        MODELS + "create",
        {"name": "first", "description": "some *words*", "tags": [tag("a", "1"), tag("b", "")]},
    )
    s.post("create with little", MODELS + "create", {"name": "plain"})
    s.post("create again", MODELS + "create", {"name": "first"})
    s.post("create without name", MODELS + "create", {"description": "x"})
    s.post("create with duplicate tags", MODELS + "create", {"name": "dup", "tags": [tag("a", "1"), tag("a", "2")]})
    s.post("create with a bad tag", MODELS + "create", {"name": "badtag", "tags": [tag("a#b", "1")]})
    s.post("create with a long tag", MODELS + "create", {"name": "longtag", "tags": [tag("a", "v" * 100_001)]})
    s.post("create with a longest tag", MODELS + "create", {"name": "longesttag", "tags": [tag("a", "v" * 100_000)]})
    for name in [
        "",
        " ",
        "a/b",
        "a:b",
        ".",
        "..",
        "./a",
        "a b",
        "é",
        "日本",
        "a.b",
        "a%20b",
        "a@b",
        "'",
        "n" * 256,
        "n" * 257,
        "A",
        "a",
        5,
    ]:
        shown = name if not isinstance(name, str) or len(name) < 50 else f"of {len(name)}"
        s.post(f"create name {shown!r}", MODELS + "create", {"name": name})
    s.get("get", MODELS + "get", {"name": "first"})
    s.get("get unknown", MODELS + "get", {"name": "nope"})
    s.get("get without name", MODELS + "get")
    s.call("update", "PATCH", MODELS + "update", {"name": "first", "description": "other"})
    s.call("update without description", "PATCH", MODELS + "update", {"name": "first"})
    s.call("update unknown", "PATCH", MODELS + "update", {"name": "nope", "description": "x"})
    s.call("update without name", "PATCH", MODELS + "update", {"description": "x"})
    s.post("set tag", MODELS + "set-tag", {"name": "first", "key": "a", "value": "2"})
    s.post("set tag without value", MODELS + "set-tag", {"name": "first", "key": "c"})
    s.post("set tag without key", MODELS + "set-tag", {"name": "first", "value": "2"})
    s.post("set bad tag", MODELS + "set-tag", {"name": "first", "key": "../x", "value": "2"})
    s.post("set tag of unknown", MODELS + "set-tag", {"name": "nope", "key": "a", "value": "2"})
    s.post("set long key", MODELS + "set-tag", {"name": "first", "key": "k" * 251, "value": "2"})
    s.get("tags, read", MODELS + "get", {"name": "first"})
    s.call("delete tag", "DELETE", MODELS + "delete-tag", {"name": "first", "key": "a"})
    s.call("delete tag again", "DELETE", MODELS + "delete-tag", {"name": "first", "key": "a"})
    s.call("delete tag of unknown", "DELETE", MODELS + "delete-tag", {"name": "nope", "key": "a"})
    s.call("delete tag without key", "DELETE", MODELS + "delete-tag", {"name": "first"})
    s.call("delete tag by query", "DELETE", MODELS + "delete-tag", query={"name": "first", "key": "b"})
    s.get("tags deleted, read", MODELS + "get", {"name": "first"})
    add(s, "first", tags=[tag("q", "1")])
    s.quiet("POST", MODELS + "alias", {"name": "first", "alias": "best", "version": "1"})
    s.post("rename", MODELS + "rename", {"name": "first", "new_name": "renamed"})
    s.get("renamed, old name", MODELS + "get", {"name": "first"})
    s.get("renamed, version", VERSIONS + "get", {"name": "renamed", "version": "1"})
    s.post("rename onto another", MODELS + "rename", {"name": "renamed", "new_name": "plain"})
    s.post("rename onto itself", MODELS + "rename", {"name": "renamed", "new_name": "renamed"})
    s.post("rename without new name", MODELS + "rename", {"name": "renamed"})
    s.post("rename unknown", MODELS + "rename", {"name": "nope", "new_name": "nope2"})
    s.post("rename to a bad name", MODELS + "rename", {"name": "renamed", "new_name": "a/b"})
    s.post("create under a freed name", MODELS + "create", {"name": "first"})
    s.call("delete by query", "DELETE", MODELS + "delete", query={"name": "renamed"})
    s.call("delete", "DELETE", MODELS + "delete", {"name": "renamed"})
    s.call("delete again", "DELETE", MODELS + "delete", {"name": "renamed"})
    s.get("deleted, version", VERSIONS + "get", {"name": "renamed", "version": "1"})
    s.post("create once more", MODELS + "create", {"name": "renamed"})
    s.post("version of it", VERSIONS + "create", {"name": "renamed", "source": "s3://b/x"})
    s.post("search by POST", MODELS + "search", {})
    s.get("list", MODELS + "list")


def versions(s):
    s.area = "registry versions"
    experiment = s.experiment("registry versions")
    run = s.run(experiment)
    s.quiet("POST", MODELS + "create", {"name": "net"})
    s.post(
        "create",
        VERSIONS + "create",
        {
            "name": "net",
            "source": "s3://bucket/1",
            "run_id": run,
            "run_link": "http://link",
            "description": "words",
            "tags": [tag("a", "1"), tag("a", "2")],
        },
    )
    s.post("create with little", VERSIONS + "create", {"name": "net", "source": "s3://bucket/2"})
    s.post(
        "create with a run that is none",
        VERSIONS + "create",
        {"name": "net", "source": "s3://b/3", "run_id": "free text"},
    )
    s.post("create of unknown", VERSIONS + "create", {"name": "nope", "source": "s3://b/3"})
    s.post("create without source", VERSIONS + "create", {"name": "net"})
    s.post("create with empty source", VERSIONS + "create", {"name": "net", "source": ""})
    s.post("create without name", VERSIONS + "create", {"source": "s3://b/3"})
    s.post(
        "create with a bad tag", VERSIONS + "create", {"name": "net", "source": "s3://b/3", "tags": [tag("a#b", "1")]}
    )
    s.get("get", VERSIONS + "get", {"name": "net", "version": "1"})
    for version in ("9", "0", "-1", "x", "1.0", "", " 1"):
        s.get(f"get version {version!r}", VERSIONS + "get", {"name": "net", "version": version})
    s.get("get without version", VERSIONS + "get", {"name": "net"})
    s.get("get of unknown", VERSIONS + "get", {"name": "nope", "version": "1"})
    s.call("update", "PATCH", VERSIONS + "update", {"name": "net", "version": "1", "description": "new"})
    s.call("update without description", "PATCH", VERSIONS + "update", {"name": "net", "version": "1"})
    s.call("update with a number", "PATCH", VERSIONS + "update", {"name": "net", "version": 1, "description": "x"})
    s.call("update unknown", "PATCH", VERSIONS + "update", {"name": "net", "version": "9", "description": "x"})
    s.post("set tag", VERSIONS + "set-tag", {"name": "net", "version": "1", "key": "q", "value": "hi"})
    s.post("set tag without value", VERSIONS + "set-tag", {"name": "net", "version": "1", "key": "empty"})
    s.post("set tag with a number", VERSIONS + "set-tag", {"name": "net", "version": 1, "key": "q", "value": "hi"})
    s.post("set tag of unknown", VERSIONS + "set-tag", {"name": "net", "version": "9", "key": "q", "value": "hi"})
    s.post("set bad tag", VERSIONS + "set-tag", {"name": "net", "version": "1", "key": "a//b", "value": "hi"})
    s.post("set long tag", VERSIONS + "set-tag", {"name": "net", "version": "1", "key": "q", "value": "v" * 100_001})
    s.call("delete tag", "DELETE", VERSIONS + "delete-tag", {"name": "net", "version": "1", "key": "q"})
    s.call("delete tag again", "DELETE", VERSIONS + "delete-tag", {"name": "net", "version": "1", "key": "q"})
    s.call("delete tag of unknown", "DELETE", VERSIONS + "delete-tag", {"name": "net", "version": "9", "key": "q"})
    s.get("tags, read", VERSIONS + "get", {"name": "net", "version": "1"})
    s.get("download uri", VERSIONS + "get-download-uri", {"name": "net", "version": "1"})
    s.get("download uri of unknown", VERSIONS + "get-download-uri", {"name": "net", "version": "9"})
    s.call("delete by query", "DELETE", VERSIONS + "delete", query={"name": "net", "version": "3"})
    s.call("delete", "DELETE", VERSIONS + "delete", {"name": "net", "version": "3"})
    s.call("delete again", "DELETE", VERSIONS + "delete", {"name": "net", "version": "3"})
    s.call("delete with a number", "DELETE", VERSIONS + "delete", {"name": "net", "version": 2})
    s.get("deleted, get", VERSIONS + "get", {"name": "net", "version": "3"})
    s.get("deleted, search", VERSIONS + "search", {"filter": "name = 'net'"})
    s.get("deleted, tag", VERSIONS + "get-download-uri", {"name": "net", "version": "3"})
    s.post("number after a deletion", VERSIONS + "create", {"name": "net", "source": "s3://bucket/4"})
    s.get("model, read", MODELS + "get", {"name": "net"})
    s.post("search by POST", VERSIONS + "search", {})


def latest(s, step, verb, **request):
    """The newest versions, whose order is unspecified."""
    answer = s.http.call(verb, MODELS + "get-latest-versions", **request)
    shown = answer.comparable()
    if shown.get("body"):
        shown["body"]["model_versions"].sort(key=lambda version: int(version["version"]))
    s.recorder.record(f"{s.area}: {step}", shown)


def stages(s):
    s.area = "registry stages"
    s.quiet("POST", MODELS + "create", {"name": "staged"})
    for number in range(5):
        add(s, "staged", f"s3://b/{number}")

    def move(step, version, stage, **more):
        s.post(step, VERSIONS + "transition-stage", {"name": "staged", "version": version, "stage": stage, **more})

    move("to production", "1", "Production", archive_existing_versions=False)
    move("in lower case", "2", "production", archive_existing_versions=False)
    move("without the flag", "3", "STAGING")
    move("to the same", "3", "Staging", archive_existing_versions=False)
    for stage in ("Prod", "", "Deleted_Internal", "none", "archived"):
        move(f"to {stage!r}", "4", stage, archive_existing_versions=False)
    move("unknown version", "9", "Staging", archive_existing_versions=False)
    move("with a number", 1, "Staging", archive_existing_versions=False)
    s.post(
        "without stage",
        VERSIONS + "transition-stage",
        {"name": "staged", "version": "1", "archive_existing_versions": False},
    )
    s.post(
        "unknown model",
        VERSIONS + "transition-stage",
        {"name": "nope", "version": "1", "stage": "Staging", "archive_existing_versions": False},
    )
    s.get("model, read", MODELS + "get", {"name": "staged"})
    move("archiving the others", "3", "Production", archive_existing_versions=True)
    s.get("archived, read", VERSIONS + "search", {"filter": "name = 'staged'", "order_by": "version_number"})
    move("archiving with None", "3", "None", archive_existing_versions=True)
    move("archiving with Archived", "3", "Archived", archive_existing_versions=True)
    for wanted in ([], ["Production"], ["production", "None"], ["Staging"], ["Prod"]):
        query = {"name": "staged", **({"stages": wanted} if wanted else {})}
        latest(s, f"latest, stages {wanted}", "GET", query=query)
        latest(s, f"latest by POST, stages {wanted}", "POST", body=query)
    s.get("latest of unknown", MODELS + "get-latest-versions", {"name": "nope"})
    s.get("latest without name", MODELS + "get-latest-versions")


def aliases(s):
    s.area = "registry aliases"
    s.quiet("POST", MODELS + "create", {"name": "named"})
    s.get("latest of none", MODELS + "alias", {"name": "named", "alias": "latest"})
    for number in range(11):
        add(s, "named", f"s3://b/{number}")
    for alias in [
        "champ",
        "Champ",
        "7",
        "v1a",
        "a-b_c",
        "é",
        "latest",
        "Latest",
        "v1",
        "V22",
        "a b",
        "a.b",
        "a/b",
        "",
        "x" * 255,
        "x" * 256,
        5,
    ]:
        shown = alias if not isinstance(alias, str) or len(alias) < 50 else f"of {len(alias)}"
        s.post(f"set {shown!r}", MODELS + "alias", {"name": "named", "alias": alias, "version": "1"})
    s.post("move", MODELS + "alias", {"name": "named", "alias": "champ", "version": "2"})
    s.post("set on a number", MODELS + "alias", {"name": "named", "alias": "champ", "version": 2})
    s.post("set on unknown", MODELS + "alias", {"name": "named", "alias": "champ", "version": "99"})
    s.post("set on a word", MODELS + "alias", {"name": "named", "alias": "champ", "version": "x"})
    s.post("set of unknown", MODELS + "alias", {"name": "nope", "alias": "champ", "version": "2"})
    s.post("set without version", MODELS + "alias", {"name": "named", "alias": "champ"})
    s.get("get", MODELS + "alias", {"name": "named", "alias": "champ"})
    s.get("get in other case", MODELS + "alias", {"name": "named", "alias": "Champ"})
    s.get("get unknown", MODELS + "alias", {"name": "named", "alias": "nope"})
    s.get("get of unknown", MODELS + "alias", {"name": "nope", "alias": "champ"})
    s.get("get latest", MODELS + "alias", {"name": "named", "alias": "latest"})
    s.get("get without alias", MODELS + "alias", {"name": "named"})
    s.get("model, read", MODELS + "get", {"name": "named"})
    s.get("version, read", VERSIONS + "get", {"name": "named", "version": "1"})
    s.get("search of models", MODELS + "search", {"filter": "name = 'named'"})
    s.get("search of versions", VERSIONS + "search", {"filter": "name = 'named' AND version_number < 3"})
    s.get("latest versions", MODELS + "get-latest-versions", {"name": "named"})
    s.call("update of its version", "PATCH", VERSIONS + "update", {"name": "named", "version": "2", "description": "x"})
    s.post(
        "transition of its version",
        VERSIONS + "transition-stage",
        {"name": "named", "version": "2", "stage": "Staging", "archive_existing_versions": False},
    )
    s.call("delete", "DELETE", MODELS + "alias", {"name": "named", "alias": "Champ"})
    s.call("delete again", "DELETE", MODELS + "alias", {"name": "named", "alias": "Champ"})
    s.call("delete of unknown", "DELETE", MODELS + "alias", {"name": "nope", "alias": "champ"})
    s.call("delete by query", "DELETE", MODELS + "alias", query={"name": "named", "alias": "champ"})
    s.call("delete its version", "DELETE", VERSIONS + "delete", {"name": "named", "version": "2"})
    s.get("gone with its version", MODELS + "alias", {"name": "named", "alias": "champ"})
    s.get("model without it", MODELS + "get", {"name": "named"})


def sources(s):
    """rest-registry 3.1."""
    s.area = "registry sources"
    experiment = s.experiment("registry sources")
    run, other = s.run(experiment), s.run(experiment)
    root = f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    model = s.quiet("POST", "logged-models", {"experiment_id": experiment, "name": "net", "source_run_id": run})[
        "model"
    ]["info"]["model_id"]
    model_root = f"mlflow-artifacts:/{experiment}/models/{model}/artifacts"
    s.quiet("POST", MODELS + "create", {"name": "src"})
    places = iter(f"dst{number}" for number in range(1000))

    def create(step, source, **fields):
        """In a model of its own, so that a refusal on one server does not shift all later numbers."""
        name = next(places)
        s.quiet("POST", MODELS + "create", {"name": name})
        s.post(step, VERSIONS + "create", {"name": name, "source": source, **fields})

    for source in ["s3://b/k", "gs://b/k", "abfss://c@a/x", "dbfs:/x", "odd:x", "http://h/x", "s3://b/a..b", "s3://b/../c", "s3://b/%2e%2e/c",
                   "s3://b/%252e%252e/c", "s3://b/a%00b", "s3://b/a\u0000b", "/etc/passwd", "file:///etc", "relative/x", "word", ".", "..", "mlflow-artifacts:/", root,
                   "mlflow-artifacts:/1", f"http://h/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts", "models:/", "runs:/"]:  # fmt: skip
        shown = (
            "the run's" if source == root else source.replace(f"{experiment}/{run}", "run") if run in source else source
        )
        create(f"{shown!r}", source)
        create(f"{shown!r} with run", source, run_id=run)
    create("below the run's", root + "/model", run_id=run)
    create("below the run's, of another run", root + "/model", run_id=other)
    create("below the run's, of unknown run", root + "/model", run_id="f" * 32)
    create("below the run's, dotdot", root + "/../../x", run_id=run)
    create("below the run's, encoded dotdot", root + "/%2e%2e/x", run_id=run)
    create("beside the run's", root + "-evil/model", run_id=run)
    create("runs:", f"runs:/{run}/model", run_id=run)
    create("runs: without run", f"runs:/{run}/model")
    create("runs: of another", f"runs:/{run}/model", run_id=other)
    create("logged model", f"models:/{model}", model_id=model)
    create("logged model without id", f"models:/{model}")
    create("logged model of another", f"models:/{model}", model_id=ZERO)
    create("unknown logged model", f"models:/{ZERO}", model_id=ZERO)
    create("remote with logged model", "s3://b/k", model_id=model)
    create("remote with unknown logged model", "s3://b/k", model_id=ZERO)
    create("artifacts of the logged model", model_root, model_id=model)
    create("artifacts of the logged model with run alone", model_root, run_id=run)
    s.get("logged model, read", f"logged-models/{model}")
    s.get("download uri of a logged model", VERSIONS + "search", {"filter": f"source_path = 'models:/{model}'"})
    first = add(s, "src", "s3://b/first", run_id=run)
    add(s, "src", f"models:/{model}", model_id=model)
    s.quiet("POST", MODELS + "alias", {"name": "src", "alias": "champ", "version": first})
    s.quiet(
        "POST",
        VERSIONS + "transition-stage",
        {"name": "src", "version": first, "stage": "Production", "archive_existing_versions": False},
    )
    for reference in ["src/1", "src/2", "src@champ", "src/Production", "src/production", "src/latest", "src/9", "src@nope", "src/Staging", "src/Prod", "nope/1",
                      "src/1/path", "/src/1", "src"]:  # fmt: skip
        create(f"version models:/{reference}", f"models:/{reference}")
    create("version with its run", "models:/src/1", run_id=run)
    create("version with another run", "models:/src/1", run_id=other)
    create("version with its logged model", "models:/src/2", model_id=model)
    create("version with another logged model", "models:/src/1", model_id=ZERO)
    s.quiet("POST", MODELS + "create", {"name": "copies"})
    for reference in ("src/1", "src/2"):
        number = add(s, "copies", f"models:/{reference}")
        s.get(
            f"download uri of a copy of {reference}",
            VERSIONS + "get-download-uri",
            {"name": "copies", "version": number},
        )
    add(s, "copies", "models:/copies/2")
    s.get("download uri of a copy of a copy", VERSIONS + "get-download-uri", {"name": "copies", "version": "3"})
    s.get("download uri of a run's", VERSIONS + "search", {"filter": f"source_path = 'runs:/{run}/model'"})
    s.quiet("POST", MODELS + "create", {"name": "asked", "tags": [tag("mlflow.prompt.is_prompt", "true")]})
    s.quiet(
        "POST",
        VERSIONS + "create",
        {"name": "asked", "source": "dummy-source", "tags": [tag("mlflow.prompt.is_prompt", "true")]},
    )
    create("version of a prompt", "models:/asked/1")


def times(s):
    """Which calls move which time stamps."""
    s.area = "registry times"
    s.quiet("POST", MODELS + "create", {"name": "timed"})
    add(s, "timed")
    add(s, "timed")

    def stamps():
        model = s.quiet("GET", MODELS + "get", query={"name": "timed"})["registered_model"]
        version = s.quiet("GET", VERSIONS + "get", query={"name": "timed", "version": "1"})["model_version"]
        return model["last_updated_timestamp"], version["last_updated_timestamp"]

    def moves(step, verb, path, body):
        before = stamps()
        pause()
        s.quiet(verb, path, {"name": "timed", **body})
        after = stamps()
        s.recorder.record(f"registry times: {step}", {"model": before[0] != after[0], "version": before[1] != after[1]})

    moves("update model", "PATCH", MODELS + "update", {"description": "x"})
    moves("tag model", "POST", MODELS + "set-tag", {"key": "a", "value": "b"})
    moves("untag model", "DELETE", MODELS + "delete-tag", {"key": "a"})
    moves("alias", "POST", MODELS + "alias", {"alias": "a", "version": "1"})
    moves("delete alias", "DELETE", MODELS + "alias", {"alias": "a"})
    moves("create version", "POST", VERSIONS + "create", {"source": "s3://b/x"})
    moves("update version", "PATCH", VERSIONS + "update", {"version": "1", "description": "x"})
    moves("tag version", "POST", VERSIONS + "set-tag", {"version": "1", "key": "a", "value": "b"})
    moves("untag version", "DELETE", VERSIONS + "delete-tag", {"version": "1", "key": "a"})
    moves(
        "transition",
        "POST",
        VERSIONS + "transition-stage",
        {"version": "1", "stage": "Staging", "archive_existing_versions": False},
    )
    moves(
        "transition again",
        "POST",
        VERSIONS + "transition-stage",
        {"version": "1", "stage": "Staging", "archive_existing_versions": False},
    )
    moves(
        "transition of another, archiving",
        "POST",
        VERSIONS + "transition-stage",
        {"version": "2", "stage": "Staging", "archive_existing_versions": True},
    )
    moves("delete another version", "DELETE", VERSIONS + "delete", {"version": "2"})


def search(s):
    """search-grammar 4, 5 and 7.3."""
    s.area = "registry search"
    for name, tags in (
        ("Ant", {"fw": "sk"}),
        ("bee", {"fw": "torch", "own": "z"}),
        ("Cat", {}),
        ("dprompt", {"mlflow.prompt.is_prompt": "true"}),
    ):
        s.quiet("POST", MODELS + "create", {"name": "s." + name, "tags": [tag(*item) for item in tags.items()]})
        pause()
    one, two = "1" * 32, "2" * 32
    for name, source, run, tags in (
        ("Ant", "s3://b/1", one, {"q": "hi"}),
        ("Ant", "s3://b/2", two, {"q": "lo"}),
        ("bee", "s3://c/1", one, {}),
        ("Ant", "s3://b/3", "", {}),
    ):
        body = {
            "name": "s." + name,
            "source": source,
            "tags": [tag(*item) for item in tags.items()],
            **({"run_id": run} if run else {}),
        }
        s.quiet("POST", VERSIONS + "create", body)
        pause()
    s.quiet(
        "POST",
        VERSIONS + "create",
        {"name": "s.dprompt", "source": "dummy-source", "tags": [tag("mlflow.prompt.is_prompt", "true")]},
    )

    def run(step, path, key, show, filter=None, **query):
        if filter is not None:
            query["filter"] = filter
        answer = s.http.call("GET", path + "search", query=query)
        shown = answer.comparable()
        if answer.status == 200:
            found = [show(each) for each in answer.json.get(key, []) if each["name"].startswith("s.")]
            shown = {"found": " ".join(found), "has_token": "next_page_token" in answer.json}
        s.recorder.record(f"registry search: {step}", shown)
        return answer.json

    def of_models(step, filter=None, **query):
        return run(f"models, {step}", MODELS, "registered_models", lambda m: m["name"][2:], filter, **query)

    def of_versions(step, filter=None, **query):
        return run(
            f"versions, {step}", VERSIONS, "model_versions", lambda v: v["name"][2:] + v["version"], filter, **query
        )

    mine = "name LIKE 's.%'"
    for filter in [
        "", mine, "tag.fw != 'sk'", "tags.fw = 'torch'", "name IN ('s.Ant','s.bee')", "name NOT IN ('s.Ant')", "name LIKE 's.ant%'", "name ILIKE 's.ANT%'",
        "name like 's.A%'", "tags.fw = 'torch' AND tags.own = 'z'", "tags.fw LIKE 's%'", "tags.fw ILIKE 'S%'", "tags.`mlflow.prompt.is_prompt` = 'true'",
        "tags.`mlflow.prompt.is_prompt` != 'false'", f"tags.`mlflow.prompt.is_prompt` = 'false' AND {mine}", f"tags.`mlflow.prompt.is_prompt` != 'true' AND {mine}",
        "tags.fw IN ('sk')", f"tags.fw IS NULL AND {mine}", "name = 's.Ant' OR name = 's.bee'", "name = s.Ant", "name != 's.Ant'", "name > 's.A'", "creation_timestamp > 0",
        "last_updated_timestamp > 0", "description = 'x'", "attribute.name = 's.Ant'", "attributes.name = 's.Ant'", "version = '1'", "name", " ", "name == 's.Ant'",
    ]:  # fmt: skip
        of_models(f"filter {filter!r}", filter)
    for order in ["name", "name DESC", "timestamp DESC", "last_updated_timestamp ASC", "creation_timestamp ASC", "description", "tags.fw", "name FOO", "",
                  ["timestamp ASC", "last_updated_timestamp ASC"], ["name ASC", "timestamp ASC"]]:  # fmt: skip
        of_models(f"order {order!r}", mine, order_by=order)
    for size in ("0", "-1", "1000", "1001", "x"):
        of_models(f"max_results {size}", mine, max_results=size)
    page = of_models("page of 2", mine, max_results="2")
    of_models("page of 2, second", mine, max_results="2", page_token=page["next_page_token"])
    of_models("page of 3", mine, max_results="3")
    of_models("broken token", mine, page_token="nonsense")
    for filter in [
        "", mine, f"run_id = '{one}' AND {mine}", f"run_id = '' AND {mine}", f"run_id IN ('{two}')", f"run_id NOT IN ('{one}') AND {mine}", f"run_id LIKE '1%' AND {mine}",
        "source_path LIKE 's3://b/%' AND name = 's.Ant'", "source_path = 's3://c/1'", "source_path IN ('s3://c/1')", "source_path ILIKE 'S3://C/1'",
        f"version_number >= 2 AND {mine}", f"version_number = '2' AND {mine}", f"version_number != 1 AND {mine}", "version_number = 1.5", "version_number IN (1)",
        "version_number LIKE '1'", f"tags.q != 'hi' AND {mine}", "tags.q = 'hi'", "tag.q ILIKE 'H%'", "tags.q IN ('hi')", "tags.q IS NULL",
        "tags.`mlflow.prompt.is_prompt` = 'true'", "name = 's.Ant' OR name = 's.bee'", "name = 's.Ant' AND name = 's.bee'", "name IN ('s.bee','s.Cat')", "version = '1'",
        "source = 's3://c/1'", "current_stage = 'None'", "stage = 'None'", "aliases = 'x'", "creation_timestamp > 0", "last_updated_timestamp > 0", "name", " ",
    ]:  # fmt: skip
        shown = filter.replace(one, "<r1>").replace(two, "<r2>")
        of_versions(f"filter {shown!r}", filter)
    for order in ["name", "name DESC", "version_number", "version_number DESC", "creation_timestamp", "creation_timestamp DESC", "last_updated_timestamp ASC", "run_id",
                  "source_path", "current_stage", "name FOO", "", ["name ASC", "name DESC"], ["name DESC", "version_number ASC"]]:  # fmt: skip
        of_versions(f"order {order!r}", mine, order_by=order)
    for size in ("0", "-1", "1", "200000", "200001", "x"):
        of_versions(f"max_results {size}", mine, max_results=size)
    page = of_versions("page of 3", mine, max_results="3")
    of_versions("page of 3, second", mine, max_results="3", page_token=page["next_page_token"])
    of_versions("page of 4", mine, max_results="4")
    of_versions("broken token", mine, page_token="nonsense")
    s.get("whole model", MODELS + "search", {"filter": "name = 's.Ant'"})
    s.get("whole version", VERSIONS + "search", {"filter": "name = 's.Ant' AND version_number = 1"})
