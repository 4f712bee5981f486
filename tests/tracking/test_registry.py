"""Registering what was logged, under every kind of URI, over a local store and over a server."""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

import millstream
from millstream.entities import Experiment, Run
from millstream.errors import InvalidValue, NotFound


@pytest.fixture
def name() -> str:
    return f"m{uuid.uuid4().hex[:8]}"


@pytest.fixture
def run(experiment: Experiment) -> Run:
    """A run with the folder `model` among its artifacts."""
    with millstream.start_run() as run:
        millstream.log_text("flavors: {}", "model/MLmodel")
    return millstream.get_run(run.info.run_id)


def test_an_artifact_of_a_run_is_registered_under_a_new_name(run: Run, name: str) -> None:
    version = millstream.register_model(f"runs:/{run.info.run_id}/model", name, tags={"a": 1})
    assert (version.name, version.version, version.run_id, version.tags) == (name, "1", run.info.run_id, {"a": "1"})
    assert version.source == f"{run.info.artifact_uri}/model"
    assert millstream.register_model(f"runs:/{run.info.run_id}/model", name).version == "2"
    assert millstream.artifacts.load_text(f"models:/{name}/latest/MLmodel") == "flavors: {}"


def test_a_logged_model_is_registered_by_its_id_and_by_its_name_in_the_run(experiment: Experiment, name: str) -> None:
    with millstream.start_run() as run:
        model = millstream.initialize_logged_model("net")
        millstream.log_outputs([millstream.entities.LoggedModelOutput(model.model_id, 0)])
    by_id = millstream.register_model(f"models:/{model.model_id}", name)
    by_run = millstream.register_model(f"runs:/{run.info.run_id}/net", name)
    for version in (by_id, by_run):
        assert (version.source, version.model_id) == (f"models:/{model.model_id}", model.model_id)
        assert version.run_id == run.info.run_id
    below = millstream.register_model(f"runs:/{run.info.run_id}/net/part", f"{name}-part")
    assert below.source == f"{model.artifact_location}/part"
    millstream.MillstreamClient().delete_registered_model(f"{name}-part")
    logged = millstream.get_logged_model(model.model_id)
    assert logged.tags["mlflow.modelVersions"] == (
        f'[{{"name": "{name}", "version": 1}}, {{"name": "{name}", "version": 2}}]'
    )
    assert [each.version for each in logged.info.registrations] == ["1", "2"]


def test_a_version_is_registered_under_another_name(run: Run, name: str) -> None:
    millstream.register_model("s3://bucket/model", name)
    copy = millstream.register_model(f"models:/{name}/1", f"{name}-copy")
    assert (copy.version, copy.source) == ("1", f"models:/{name}/1")
    with pytest.raises(NotFound):
        millstream.register_model(f"models:/{name}/7", f"{name}-copy")


def test_a_folder_is_registered_where_its_user_can_read_it_anyway(
    tracking_uri: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    if tracking_uri.startswith("http"):
        with pytest.raises(InvalidValue, match="run_id"):
            millstream.register_model("model", name)
    else:
        assert millstream.register_model("model", name).source == str(tmp_path / "model")


REFUSED = "s3://me:password@bucket/model"


def test_a_version_that_is_refused_leaves_no_new_name_behind(experiment: Experiment, name: str) -> None:
    with pytest.raises(InvalidValue, match="password"):
        millstream.register_model(REFUSED, name)
    assert millstream.search_registered_models(filter_string=f"name = '{name}'") == []
    millstream.register_model("s3://bucket/model", name)
    with pytest.raises(InvalidValue, match="password"):
        millstream.register_model(REFUSED, name)
    assert millstream.MillstreamClient().get_registered_model(name).latest_versions[0].version == "1"


def test_a_name_that_was_there_or_is_used_by_others_meanwhile_stays(experiment: Experiment, name: str) -> None:
    client = millstream.MillstreamClient()
    client.create_registered_model(f"{name}-empty")
    with pytest.raises(InvalidValue, match="password"):
        millstream.register_model(REFUSED, f"{name}-empty")
    assert client.get_registered_model(f"{name}-empty").latest_versions == []

    def add_while(change: Callable[[], object]) -> None:
        with client.registered_model_for_version(name):
            change()
            client.create_model_version(name, REFUSED)

    for change in (
        lambda: client.create_model_version(name, "s3://bucket/model"),
        lambda: client.set_registered_model_tag(name, "a", "b"),
    ):
        with pytest.raises(InvalidValue, match="password"):
            add_while(change)
        assert client.get_registered_model(name).name == name
        client.delete_registered_model(name)


def test_versions_and_models_are_searched_whole(run: Run, name: str) -> None:
    for number in range(3):
        millstream.register_model(f"s3://b/{number}", name)
    millstream.set_model_version_tag(name, "2", "q", "hi")
    versions = millstream.search_model_versions(filter_string=f"name = '{name}'", order_by=["version_number ASC"])
    assert [(version.version, version.tags) for version in versions] == [("1", {}), ("2", {"q": "hi"}), ("3", {})]
    assert len(millstream.search_model_versions(max_results=2, filter_string=f"name = '{name}'")) == 2
    assert [model.name for model in millstream.search_registered_models(filter_string=f"name = '{name}'")] == [name]


def test_a_registry_elsewhere_gets_what_it_can_find(
    experiment: Experiment, run: Run, name: str, tmp_path: Path
) -> None:
    model = millstream.initialize_logged_model("net")
    millstream.set_registry_uri(f"sqlite:///{tmp_path / 'registry.db'}")
    try:
        version = millstream.register_model(f"models:/{model.model_id}", name)
        assert version.source == model.artifact_location
        assert millstream.register_model(f"runs:/{run.info.run_id}/model", name).version == "2"
        assert millstream.search_model_versions(filter_string=f"run_id = '{run.info.run_id}'")[0].version == "2"
    finally:
        millstream.set_registry_uri(None)
    assert millstream.search_registered_models(filter_string=f"name = '{name}'") == []
    logged = millstream.get_logged_model(model.model_id)
    assert logged.tags["mlflow.modelVersions"] == f'[{{"name": "{name}", "version": 1}}]'


def test_code_for_mlflow_finds_the_entities_of_the_registry(script: object, tracking_uri: str, name: str) -> None:
    code = f"""
        import millstream
        millstream.install_as_mlflow()
        from mlflow.entities.model_registry import ModelVersion, RegisteredModel
        from mlflow.entities.model_registry.model_version_status import ModelVersionStatus
        from mlflow import MlflowClient, register_model, search_model_versions
        client = MlflowClient()
        client.create_registered_model("{name}")
        version = client.create_model_version("{name}", "s3://b/1")
        assert isinstance(version, ModelVersion) and version.status == ModelVersionStatus.to_string(ModelVersionStatus.READY)
        assert isinstance(client.get_registered_model("{name}"), RegisteredModel)
        """
    script(textwrap.dedent(code))  # type: ignore[operator]


def test_code_for_mlflow_finds_the_stages(script: object) -> None:
    code = """
        import millstream
        millstream.install_as_mlflow()
        from mlflow.entities.model_registry import model_version_stages as stages
        assert stages.ALL_STAGES == ["None", "Staging", "Production", "Archived"]
        assert stages.ALL_STAGES == [
            stages.STAGE_NONE, stages.STAGE_STAGING, stages.STAGE_PRODUCTION, stages.STAGE_ARCHIVED
        ]
        assert stages.DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS == ["Staging", "Production"]
        assert stages.STAGE_DELETED_INTERNAL == "Deleted_Internal"
        """
    script(textwrap.dedent(code))  # type: ignore[operator]
