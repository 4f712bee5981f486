"""Where a version's files may be: section 3.1 of the contract, as a server applies it, and as a program of its own does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from millstream.entities import LoggedModel, RegisteredModelTag
from millstream.errors import InvalidValue, MillstreamError, NotFound, SourceRefused
from millstream.store.database import Database
from millstream.store.registry import SqlRegistryStore
from millstream.store.tracking import SqlTrackingStore

NO_RUN = "f" * 32
NO_MODEL = "m-" + "f" * 32


class World:
    """A run and a logged model with artifacts below one root, and registries over them."""

    def __init__(self, store: SqlTrackingStore) -> None:
        self.store = store
        self.registry = store.registry.for_strangers()
        self.registry.create_registered_model("m", None, [])
        run = store.create_run("0", "", "", 0, [])
        self.run, self.root = run.info.run_id, run.info.artifact_uri or ""
        self.other_root = store.create_run("0", "", "", 0, []).info.artifact_uri or ""
        self.model: LoggedModel = store.create_logged_model("0", "x", "", self.run, [], [])

    def accepts(self, source: str, run_id: str = "", model_id: str = "", name: str = "m") -> str:
        """What is stored."""
        return self.registry.create_model_version(name, source, run_id, "", "", [], model_id).source

    def refuses(self, source: str, run_id: str = "", model_id: str = "", error: type[Exception] = InvalidValue) -> None:
        before = len(self.registry.search_model_versions("", [], 1000, ""))
        with pytest.raises(error) as found:
            self.registry.create_model_version("m", source, run_id, "", "", [], model_id)
        assert isinstance(found.value, MillstreamError)
        assert 400 <= found.value.status < 500
        assert len(self.registry.search_model_versions("", [], 1000, "")) == before


@pytest.fixture
def proxied(store: SqlTrackingStore) -> World:
    return World(store)


@pytest.fixture
def local(db: Database, tmp_path: Path) -> World:
    return World(SqlTrackingStore(db, str(tmp_path / "root")))


# ---------------------------------------------------------------- other stores


@pytest.mark.parametrize(
    "source",
    ["s3://b/k", "gs://b/a b/c", "abfss://container@account/x", "dbfs:/x", "hdfs://h:1/x", "S3://B/k", "odd+scheme:x", "http://h/x",
     "s3://b/a..b", "s3://b/%41", "ftp://user@h/x"],
)  # fmt: skip
def test_sources_of_other_stores_are_stored_as_they_are(proxied: World, source: str) -> None:
    assert proxied.accepts(source) == source


@pytest.mark.parametrize(
    "source",
    ["s3://b/../c", "s3://b/%2e%2e/c", "s3://b/%252e%252e/c", "s3://b/..%2fc", "s3://b\\..\\c", "s3://b?x=../c", "s3://b/a%00b",
     "s3://b/a%0ab", "s3://b/a\0b", " s3://b/k", "s3://b/k\n", "", "  ", "s3://user:secret@h/k", "\ud800", "s3://b/" + "x" * 4096,
     "http://[h/x"],
)  # fmt: skip
def test_sources_with_tricks_are_refused(proxied: World, source: str) -> None:
    proxied.refuses(source)


def test_a_password_does_not_come_back_in_the_error(proxied: World) -> None:
    with pytest.raises(SourceRefused) as error:
        proxied.accepts("s3://user:hunter2@h/k")
    assert "hunter2" not in str(error.value)


def test_the_operator_may_demand_a_form(proxied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX", "^s3://ours/")
    proxied.accepts("s3://ours/x")
    proxied.refuses("s3://theirs/x")
    proxied.refuses("x-s3://ours/")


# ---------------------------------------------------------------- paths of the server


def test_a_local_source_must_lie_inside_of_the_run_or_model_that_is_named(local: World) -> None:
    root, model_root = local.root, local.model.artifact_location
    for source in (root, f"{root}/model", f"file://{root}/model", f"file:{root}/a%20b"):
        local.accepts(source, local.run)
        local.refuses(source)
        local.refuses(source, NO_RUN)
    local.accepts(f"{model_root}/x", model_id=local.model.model_id)
    local.refuses(f"{model_root}/x", local.run)
    local.refuses(f"{root}/x", model_id=local.model.model_id)
    local.accepts(f"{root}/x", local.run, local.model.model_id)
    for source in ("/etc", "/etc/passwd", f"{root}-evil/model", f"{root}/../x", local.other_root, "model", "file:model", "/",
                   os.path.dirname(root), "file://localhost/etc", "file://elsewhere/etc", f"file:{root}/%2e%2e/x"):  # fmt: skip
        local.refuses(source, local.run)


def test_a_link_that_leads_out_of_the_run_is_followed_before_it_is_judged(local: World, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    Path(local.root).mkdir(parents=True)
    (Path(local.root) / "link").symlink_to(tmp_path / "secret")
    local.refuses(f"{local.root}/link", local.run)
    local.refuses(f"{local.root}/link/below", local.run)


def test_what_was_stored_is_checked_again_when_it_is_read(local: World, tmp_path: Path) -> None:
    Path(local.root).mkdir(parents=True)
    local.accepts(f"{local.root}/model", local.run)
    assert local.registry.get_artifact_root("m", "1") == f"{local.root}/model"
    (Path(local.root) / "model").symlink_to("/etc")
    with pytest.raises(SourceRefused):
        local.registry.get_artifact_root("m", "1")
    local.store.registry.create_model_version("m", "/etc", "", "", "", [], "")  # as a program of its own may
    with pytest.raises(SourceRefused):
        local.registry.get_artifact_root("m", "2")


def test_a_program_of_its_own_may_register_any_path(local: World) -> None:
    registry: SqlRegistryStore = local.store.registry
    for source in ("/srv/models/a", "relative/model", "file:///srv/a"):
        assert registry.create_model_version("m", source, "", "", "", [], "").source == source
    with pytest.raises(SourceRefused):
        registry.create_model_version("m", "../a", "", "", "", [], "")


# ---------------------------------------------------------------- behind the proxy


def test_a_proxied_source_must_belong_to_the_run_or_model_that_is_named(proxied: World) -> None:
    path = proxied.root.removeprefix("mlflow-artifacts:/")
    for source in (proxied.root, f"{proxied.root}/model", f"mlflow-artifacts://host:5000/{path}/m",
                   f"http://host/api/2.0/mlflow-artifacts/artifacts/{path}/m",
                   f"https://h/pfx/ajax-api/2.0/mlflow-artifacts/artifacts/{path}"):  # fmt: skip
        proxied.accepts(source, proxied.run)
        proxied.refuses(source)
        proxied.refuses(source, NO_RUN)
    proxied.accepts(f"{proxied.model.artifact_location}/x", model_id=proxied.model.model_id)
    for source in ("mlflow-artifacts:/", "mlflow-artifacts:/0", f"{proxied.root}x/model", f"{proxied.root}/../x",
                   f"{proxied.root}/%2e%2e/x", proxied.other_root, f"{proxied.root}?x=1", f"{proxied.root}#x", "/etc/passwd",
                   "http://host/api/2.0/mlflow-artifacts/artifacts/0/other"):  # fmt: skip
        proxied.refuses(source, proxied.run)


# ---------------------------------------------------------------- names of other things


def test_a_runs_source_must_name_the_run_of_the_version(proxied: World) -> None:
    source = f"runs:/{proxied.run}/model"
    assert proxied.accepts(source, proxied.run) == source
    assert proxied.registry.get_download_uri("m", "1") == source
    assert proxied.registry.get_artifact_root("m", "1") == f"{proxied.root}/model"
    for wrong in (source, f"runs:/{NO_RUN}/model", f"runs:/{proxied.run}", "runs:/", f"runs://{proxied.run}/model"):
        proxied.refuses(wrong)
    proxied.refuses(source, NO_RUN)


def test_a_logged_models_source_must_name_the_model_of_the_version(proxied: World) -> None:
    source = f"models:/{proxied.model.model_id}"
    assert proxied.accepts(source, model_id=proxied.model.model_id) == source
    assert proxied.registry.get_download_uri("m", "1") == proxied.model.artifact_location
    assert proxied.registry.get_model_version("m", "1").run_id == proxied.run
    proxied.refuses(source)
    proxied.refuses(source, proxied.run)
    proxied.refuses(source, model_id=NO_MODEL)
    proxied.refuses(f"models:/{NO_MODEL}", model_id=proxied.model.model_id)
    proxied.refuses(f"models:/{NO_MODEL}", model_id=NO_MODEL, error=NotFound)
    proxied.refuses("s3://b/x", model_id=NO_MODEL, error=NotFound)


def test_a_source_that_is_a_version_is_stored_by_its_number(proxied: World) -> None:
    proxied.accepts("s3://b/1", "r1")
    proxied.accepts("s3://b/2", "r2")
    proxied.registry.set_alias("m", "champ", "1")
    proxied.registry.transition_model_version_stage("m", "1", "Production", False)
    proxied.registry.create_registered_model("n", None, [])
    for source, number in (("models:/m/1", 1), ("models:/m@champ", 1), ("models:/m/production", 1), ("models:/m/Latest", 2),
                           ("models:/m/2", 2), ("models:/m/none", 2)):  # fmt: skip
        version = proxied.registry.create_model_version("n", source, "", "", "", [], "")
        assert (version.source, version.run_id) == (f"models:/m/{number}", f"r{number}")
        assert proxied.registry.get_download_uri("n", version.version) == f"s3://b/{number}"
    assert proxied.accepts("models:/n/1", "r1", name="n") == "models:/n/1"
    proxied.registry.delete_registered_model("m")
    assert proxied.registry.get_download_uri("n", "7") == "s3://b/1"


def test_a_source_that_is_no_version_is_refused(proxied: World) -> None:
    proxied.accepts("s3://b/1", "r1")
    proxied.refuses("models:/m/1", "r2")
    for missing in ("models:/m/9", "models:/no/1", "models:/m/Staging"):
        proxied.refuses(missing, error=NotFound)
    for wrong in ("models:/m@nope", "models:/m/Prod", "models:/m/1/path", "models://host/m/1", "models:/", "models:/m/",
                  "models:/@a", "models:/m@", "models:m/1?x"):  # fmt: skip
        proxied.refuses(wrong)
    proxied.registry.create_registered_model("p", None, [RegisteredModelTag("mlflow.prompt.is_prompt", "true")])
    assert proxied.accepts("dummy-source", name="p") == "dummy-source"
    with pytest.raises(SourceRefused, match="prompt"):
        proxied.accepts("s3://b/x", name="p")
    proxied.refuses("models:/p/1")
    proxied.refuses("dummy-source")


def test_files_of_what_is_in_the_trash_can_still_be_read(proxied: World) -> None:
    proxied.accepts(f"{proxied.root}/model", proxied.run)
    proxied.accepts(f"models:/{proxied.model.model_id}", model_id=proxied.model.model_id)
    proxied.store.delete_run(proxied.run)
    proxied.store.delete_logged_model(proxied.model.model_id)
    assert proxied.registry.get_artifact_root("m", "1") == f"{proxied.root}/model"
    assert proxied.registry.get_artifact_root("m", "2") == proxied.model.artifact_location


def test_a_copy_inherits_the_logged_model(proxied: World) -> None:
    proxied.accepts(f"models:/{proxied.model.model_id}", model_id=proxied.model.model_id)
    copy = proxied.registry.create_model_version("m", "models:/m/1", "", "", "", [], "")
    assert (copy.model_id, copy.run_id) == (proxied.model.model_id, proxied.run)
    proxied.refuses("models:/m/1", model_id=NO_MODEL)
