"""The registry's methods of `MillstreamClient` over both transports and two databases."""

import uuid
from pathlib import Path

import pytest

from millstream.client import MillstreamClient
from millstream.entities import ModelVersion, RegistryChange
from millstream.errors import AlreadyExists, InvalidValue, NotFound


@pytest.fixture
def name(client):
    """A registered model with two versions."""
    name = f"m {uuid.uuid4().hex[:8]}"
    client.create_registered_model(name, {"team": "red", "n": 1}, "words")
    client.create_model_version(name, "s3://b/1", tags={"q": 1})
    client.create_model_version(name, "s3://b/2")
    return name


def test_a_model_is_created_read_changed_renamed_and_deleted(client, name):
    model = client.get_registered_model(name)
    assert (model.tags, model.description, model.aliases) == ({"team": "red", "n": "1"}, "words", {})
    with pytest.raises(AlreadyExists):
        client.create_registered_model(name)
    assert client.update_registered_model(name, "other").description == "other"
    assert client.update_registered_model(name).description is None
    client.set_registered_model_tag(name, "k", 2.5)
    client.delete_registered_model_tag(name, "team")
    client.delete_registered_model_tag(name, "team")
    assert client.get_registered_model(name).tags == {"k": "2.5", "n": "1"}
    renamed = client.rename_registered_model(name, name + "!")
    assert [version.version for version in renamed.latest_versions] == ["2"]
    client.delete_registered_model(name + "!")
    with pytest.raises(NotFound):
        client.get_registered_model(name + "!")


def test_versions_are_created_described_tagged_and_deleted(client, name, run):
    run_id = run.info.run_id
    version = client.create_model_version(name, "s3://b/3", run_id, {"a": None}, "http://x", "words", model_id=None)
    assert isinstance(version, ModelVersion)
    assert (version.version, version.run_id, version.run_link, version.description) == (
        "3",
        run_id,
        "http://x",
        "words",
    )
    assert (version.status, version.current_stage, version.tags) == ("READY", "None", {"a": "None"})
    assert client.get_model_version(name, 3) == version
    assert client.update_model_version(name, "3", "more").description == "more"
    client.set_model_version_tag(name, 3, "k", 1)
    client.delete_model_version_tag(name, "3", "a")
    assert client.get_model_version(name, "3").tags == {"k": "1"}
    assert client.get_model_version_download_uri(name, "3") == "s3://b/3"
    client.delete_model_version(name, "3")
    with pytest.raises(NotFound):
        client.get_model_version(name, "3")
    assert client.create_model_version(name, "s3://b/4", await_creation_for=0).version == "4"


def test_versions_move_through_stages(client, name):
    assert client.transition_model_version_stage(name, 1, "production").current_stage == "Production"
    client.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True, comment="better")
    assert {v.version: v.current_stage for v in client.get_latest_versions(name)} == {
        "1": "Archived",
        "2": "Production",
    }
    assert [v.version for v in client.get_latest_versions(name, ["Production", "Staging"])] == ["2"]
    assert client.get_model_version_stages(name, "1") == ["None", "Staging", "Production", "Archived"]
    client.set_model_version_tag(name, key="live", value="yes", stage="Production")
    assert client.get_model_version(name, "2").tags == {"live": "yes"}
    client.delete_model_version_tag(name, key="live", stage="Production")
    assert client.get_model_version(name, "2").tags == {}
    with pytest.raises(InvalidValue):
        client.get_latest_versions(name, "Production")
    with pytest.raises(InvalidValue, match="either version or stage"):
        client.set_model_version_tag(name, key="k", value="v")
    with pytest.raises(NotFound):
        client.set_model_version_tag(name, key="k", value="v", stage="Staging")


def test_aliases_are_set_moved_read_and_deleted(client, name):
    client.set_registered_model_alias(name, "champ", "1")
    client.set_registered_model_alias(name, "champ", 2)
    assert client.get_model_version_by_alias(name, "champ").aliases == ["champ"]
    assert client.get_registered_model(name).aliases == {"champ": "2"}
    client.delete_registered_model_alias(name, "champ")
    client.delete_registered_model_alias(name, "champ")
    with pytest.raises(InvalidValue):
        client.get_model_version_by_alias(name, "champ")
    assert client.get_model_version_by_alias(name, "latest").version == "2"


def test_models_and_versions_are_searched_page_by_page(client, name):
    versions = client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"], max_results=1)
    assert ([v.version for v in versions], versions[0].tags) == (["1"], {"q": "1"})
    more = client.search_model_versions(
        f"name = '{name}'", order_by=["version_number ASC"], max_results=1, page_token=versions.token
    )
    assert ([v.version for v in more], more.token) == (["2"], None)
    assert [m.name for m in client.search_registered_models(f"name LIKE '{name}%' OR name = 'nothing'")] == [name]


@pytest.mark.parametrize("reference", ["/1", "@champ", "/Production"])
def test_a_version_is_copied_to_another_name(client, name, reference):
    client.set_registered_model_alias(name, "champ", "1")
    client.transition_model_version_stage(name, "1", "Production")
    for number in ("1", "2"):
        copy = client.copy_model_version(f"models:/{name}{reference}", name + " copy")
        assert (copy.name, copy.version, copy.source) == (name + " copy", number, f"models:/{name}/1")
        assert copy.tags == {"q": "1"}
        assert client.get_model_version_download_uri(copy.name, number) == "s3://b/1"
    for wrong in ("s3://b/1", "models:/m-" + "0" * 32, f"models:/{name}", f"models:/{name}/1/path", "models:///x/1"):
        with pytest.raises(InvalidValue):
            client.copy_model_version(wrong, "other")


def test_the_history_says_who_what_and_why(client, name, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    client.set_registered_model_alias(name, "champ", "1", comment="first")
    client.transition_model_version_stage(name, "1", "Staging", comment="looks good")
    client.delete_registered_model_alias(name, "champ", comment="not any more")
    history = client.get_model_history(name, max_results=3)
    assert all(isinstance(change, RegistryChange) for change in history)
    assert [(c.action, c.user_id, c.key, c.from_value, c.to_value, c.comment) for c in history] == [
        ("ALIAS_DELETED", "ada", "champ", "1", None, "not any more"),
        ("STAGE_CHANGED", "ada", None, "None", "Staging", "looks good"),
        ("ALIAS_SET", "ada", "champ", None, "1", "first"),
    ]
    older = client.get_model_history(name, max_results=100, page_token=history.token)
    assert [change.action for change in older] == ["VERSION_CREATED", "VERSION_CREATED", "MODEL_CREATED"]
    assert [change.version for change in client.get_model_history(name, 2)] == ["2"]


def test_files_are_downloaded_by_every_form_of_a_models_uri(client, name, run, tmp_path, tracking_uri, monkeypatch):
    from millstream import artifacts

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    run_id = run.info.run_id
    (tmp_path / "MLmodel").write_text("flavors: {}")
    client.log_artifact(run_id, str(tmp_path / "MLmodel"), "my model/below")
    client.flush()
    version = client.create_model_version(name, f"{run.info.artifact_uri}/my model", run_id).version
    client.create_model_version(name, f"runs:/{run_id}/my model", run_id)
    client.set_registered_model_alias(name, "champ", version)
    client.transition_model_version_stage(name, version, "Staging")
    copy = client.copy_model_version(f"models:/{name}/{version}", f"{name} copy")
    for uri in (f"{name}/{version}", f"{name}@champ", f"{name}/staging", f"{name}/LATEST", f"{copy.name}/1"):
        folder = artifacts.download_artifacts(f"models:/{uri}", dst_path=str(tmp_path / uuid.uuid4().hex))
        assert (Path(folder) / "below" / "MLmodel").read_text() == "flavors: {}"
        assert artifacts.load_text(f"models:/{uri}/below/MLmodel") == "flavors: {}"
    for uri, error in (
        (f"{name}/99", NotFound),
        (f"{name}@nope", InvalidValue),
        (f"{name}/Production", NotFound),
        (name, InvalidValue),
    ):
        with pytest.raises(error):
            artifacts.download_artifacts(f"models:/{uri}", dst_path=str(tmp_path / "no"))


def test_a_registry_may_be_elsewhere(client, run, tmp_path, tracking_uri):
    place = f"sqlite:///{tmp_path / 'registry.db'}"
    both = MillstreamClient(tracking_uri, place)
    assert both.registry_uri == place
    both.create_registered_model("m")
    both.create_model_version("m", "s3://b/1", run.info.run_id)
    assert [v.run_id for v in MillstreamClient(place).search_model_versions("name = 'm'")] == [run.info.run_id]
    assert client.search_model_versions("name = 'm'") == []
    assert both.get_run(run.info.run_id).info.run_id == run.info.run_id


def test_the_setting_names_the_registry(run, tmp_path, tracking_uri, monkeypatch):
    place = f"sqlite:///{tmp_path / 'registry.db'}"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", place)
    assert MillstreamClient(tracking_uri).registry_uri == place
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", tracking_uri)
    assert MillstreamClient(tracking_uri).registry_uri == MillstreamClient(tracking_uri).tracking_uri
