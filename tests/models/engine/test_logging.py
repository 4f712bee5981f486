"""`log_model`: over a local store and over a server, and loading again by every form of URI."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import urllib3
import yaml

import millstream
from millstream import models
from millstream.entities import Experiment
from millstream.errors import InvalidValue, NotFound, Unsupported
from millstream.models.loading import FlavorNotInModel
from millstream.models.locations import ModelNotFound, fetch

NEEDS = ["scikit-learn"]


def log(model: Any, **given: Any) -> models.ModelInfo:
    return millstream.sklearn.log_model(model, **{"name": "model", "pip_requirements": NEEDS, **given})


@pytest.fixture
def expected(estimator: Any, frame: pd.DataFrame) -> list[float]:
    found: list[float] = estimator.predict(frame).tolist()
    return found


def test_a_logged_model_loads_by_every_form_of_uri(
    experiment: Experiment, estimator: Any, frame: pd.DataFrame, expected: list[float]
) -> None:
    name = f"prices {experiment.experiment_id}"
    with millstream.start_run() as run:
        info = log(estimator, registered_model_name=name)
    client = millstream.MillstreamClient()
    client.set_registered_model_alias(name, "best", "1")
    client.transition_model_version_stage(name, "1", "Production")
    location = millstream.get_logged_model(info.model_id or "").artifact_location
    uris = [
        info.model_uri, f"models:/{info.model_id}", f"runs:/{run.info.run_id}/model", f"models:/{name}/1",
        f"models:/{name}@best", f"models:/{name}/Production", f"models:/{name}/latest", location, f"{location}/MLmodel",
    ]  # fmt: skip
    for uri in uris:
        assert millstream.pyfunc.load_model(uri).predict(frame).tolist() == expected, uri
    for uri in uris[:4]:
        assert millstream.sklearn.load_model(uri).predict(frame).tolist() == expected, uri
        assert models.get_model_info(uri).model_uuid == info.model_id


def test_what_log_model_gives_back_is_what_was_stored(
    experiment: Experiment, estimator: Any, frame: pd.DataFrame
) -> None:
    with millstream.start_run() as run:
        millstream.log_param("depth", 3)
        info = log(estimator, input_example=frame, params={"own": 1}, tags={"stage": "try"}, model_type="regressor")
    stored = millstream.get_logged_model(info.model_id or "")
    assert stored.status == "READY"
    assert (stored.name, stored.source_run_id, stored.model_type) == ("model", run.info.run_id, "regressor")
    assert stored.params == info.params == {"depth": "3", "own": "1"}
    assert stored.tags["stage"] == (info.tags or {})["stage"] == "try"
    assert (info.name, info.run_id, info.model_uuid) == ("model", run.info.run_id, info.model_id)
    assert info.model_uri == stored.model_uri
    assert info.artifact_path == stored.artifact_location
    assert info.creation_timestamp == stored.creation_timestamp
    assert info.registered_model_version is None
    assert info.signature is not None
    found = models.Model.load(info.model_uri)
    assert (found.run_id, found.model_id, found.model_uuid) == (run.info.run_id, info.model_id, info.model_id)
    assert found.artifact_path == stored.artifact_location
    last = millstream.last_logged_model()
    assert last is not None
    assert last.model_id == info.model_id


def test_the_run_has_the_model_as_output_and_metrics_of_its_step_belong_to_it(
    experiment: Experiment, estimator: Any
) -> None:
    with millstream.start_run() as run:
        millstream.log_metric("before", 1.0, step=5)
        millstream.log_metric("elsewhere", 1.0, step=4)
        info = log(estimator, step=5)
        millstream.log_metric("after", 2.0, step=5)
    outputs = millstream.get_run(run.info.run_id).outputs
    assert outputs is not None
    assert [(each.model_id, each.step) for each in outputs.model_outputs] == [(info.model_id, 5)]
    stored = millstream.get_logged_model(info.model_id or "")
    assert {(metric.key, metric.value) for metric in stored.metrics} == {("before", 1.0), ("after", 2.0)}


def test_without_a_run_none_is_started(experiment: Experiment, estimator: Any) -> None:
    info = log(estimator)
    assert millstream.active_run() is None
    assert info.run_id is None
    stored = millstream.get_logged_model(info.model_id or "")
    assert (stored.experiment_id, stored.source_run_id) == (experiment.experiment_id, None)
    assert millstream.search_runs(output_format="list") == []


def test_a_model_without_a_name_gets_one(experiment: Experiment, estimator: Any) -> None:
    assert log(estimator, name=None).name


def test_a_model_that_cannot_be_saved_is_failed_and_the_error_is_the_users(experiment: Experiment) -> None:
    import threading

    class Holds(millstream.pyfunc.PythonModel):
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def predict(self, model_input: Any) -> Any:
            return model_input

    with millstream.start_run() as run, pytest.raises(InvalidValue, match="cannot be pickled"):
        millstream.pyfunc.log_model(name="broken", python_model=Holds(), pip_requirements=[])
    (stored,) = millstream.search_logged_models(output_format="list")
    assert stored.status == "FAILED"
    outputs = millstream.get_run(run.info.run_id).outputs
    assert outputs is None or not outputs.model_outputs


def test_versions_count_up_and_say_where_they_came_from(experiment: Experiment, estimator: Any) -> None:
    name = f"counted {experiment.experiment_id}"
    with millstream.start_run() as run:
        first = log(estimator, registered_model_name=name, tags={"team": "a"})
        second = log(estimator, registered_model_name=name)
    assert (first.registered_model_version, second.registered_model_version) == (1, 2)
    version = millstream.MillstreamClient().get_model_version(name, "2")
    assert (version.run_id, version.source, str(version.status)) == (run.info.run_id, second.model_uri, "READY")
    assert millstream.MillstreamClient().get_model_version(name, "1").tags == {"team": "a"}


def test_a_pending_model_can_be_given_its_files(experiment: Experiment, estimator: Any, frame: pd.DataFrame) -> None:
    with millstream.start_run():
        pending = millstream.initialize_logged_model("early", params={"a": 1})
        millstream.log_metric("loss", 0.5, model_id=pending.model_id)
        info = log(estimator, name=None, model_id=pending.model_id, params={"a": 1, "b": 2}, tags={"t": "u"})
    assert info.model_id == pending.model_id
    stored = millstream.get_logged_model(pending.model_id)
    assert stored.status == "READY"
    assert stored.params == {"a": "1", "b": "2"}
    assert stored.tags["t"] == "u"
    assert millstream.pyfunc.load_model(info.model_uri).model_id == pending.model_id


def test_a_flavor_of_somebody_else_s_logs_through_model_log(
    experiment: Experiment, tmp_path: Path, frame: pd.DataFrame
) -> None:
    (tmp_path / "community.py").write_text(COMMUNITY)
    sys.path.insert(0, str(tmp_path))
    import community  # type: ignore[import-not-found]

    with millstream.start_run() as run:
        pass
    info = models.Model.log(
        None, community, name="theirs", run_id=run.info.run_id, metadata={"a": 1}, registered_model_name=f"c {run.info.run_id}",
        weights="3", tags={"t": "u"},
    )  # fmt: skip
    assert (info.run_id, info.registered_model_version, info.flavors["community"]) == (
        run.info.run_id,
        1,
        {"data": "w.txt"},
    )
    assert models.Model.load(info.model_uri).metadata == {"a": 1}
    assert (
        millstream.pyfunc.load_model(f"runs:/{run.info.run_id}/theirs", trust=True).predict(frame)["height"][0] == 3.0
    )


COMMUNITY = """
import os
from millstream import pyfunc

def save_model(path, mlflow_model, weights):
    os.makedirs(path)
    with open(os.path.join(path, "w.txt"), "w") as file:
        file.write(weights)
    mlflow_model.add_flavor("community", data="w.txt")
    pyfunc.add_to_model(mlflow_model, loader_module="community", data="w.txt")
    mlflow_model.save(os.path.join(path, "MLmodel"))

def _load_pyfunc(path):
    return Wrapper(path)

class Wrapper:
    def __init__(self, path):
        with open(path) as file:
            self.factor = float(file.read())
    def predict(self, data, params=None):
        return data * self.factor
"""


def test_name_and_its_older_word_exclude_each_other(local_experiment: Experiment, estimator: Any) -> None:
    assert millstream.sklearn.log_model(estimator, "older", pip_requirements=NEEDS).name == "older"
    with pytest.raises(InvalidValue, match="artifact_path"):
        log(estimator, artifact_path="other")
    with pytest.raises(InvalidValue, match="a/b"):
        log(estimator, name="a/b")
    assert len(millstream.search_logged_models(output_format="list")) == 1


def test_a_model_cannot_be_logged_offline(
    experiment: Experiment, estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILLSTREAM_OFFLINE", "true")
    with millstream.start_run(), pytest.raises(Unsupported, match="save_model"):
        log(estimator)


def test_log_model_sends_few_requests(
    experiment: Experiment, tracking_uri: str, estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not tracking_uri.startswith("http"):
        return
    calls: list[str] = []
    real = urllib3.HTTPConnectionPool.urlopen

    def counted(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        calls.append(f"{method} {url}")
        return real(self, method, url, *args, **kwargs)

    with millstream.start_run():
        millstream.log_param("p", 1)
        millstream.flush()
        with monkeypatch.context() as patch:
            patch.setattr(urllib3.HTTPConnectionPool, "urlopen", counted)
            log(estimator)
    files = [call for call in calls if "/mlflow-artifacts/" in call]
    assert len(files) == 5, calls  # MLmodel, the model, and three files of its environment: one request each
    assert [call.split("?")[0].rsplit("mlflow/")[-1] for call in calls if call not in files] == [
        "runs/get", "logged-models", f"logged-models/{millstream.last_logged_model().model_id}", "runs/outputs",  # type: ignore[union-attr]
    ], calls  # fmt: skip


def test_a_download_says_which_version_it_is_and_loading_ignores_that(
    experiment: Experiment, tracking_uri: str, estimator: Any, frame: pd.DataFrame, tmp_path: Path
) -> None:
    name = f"fetched {experiment.experiment_id}"
    info = log(estimator, registered_model_name=name)
    (tmp_path / "here").mkdir()
    model = millstream.pyfunc.load_model(f"models:/{name}/1", dst_path=str(tmp_path / "here"))
    assert model.predict(frame) is not None
    meta = tmp_path / "here" / "registered_model_meta"
    assert yaml.safe_load(meta.read_text()) == {"model_name": name, "model_version": "1"}
    millstream.MillstreamClient().set_registered_model_alias(name, "best", "1")
    again = fetch(f"models:/{name}@best", tmp_path / "again")
    assert (again / "registered_model_meta").read_text() == meta.read_text()
    fetch(info.model_uri, tmp_path / "other")
    assert "model_name: null" in (tmp_path / "other" / "registered_model_meta").read_text()
    names = {file.path for file in millstream.artifacts.list_artifacts(info.model_uri)}
    assert "registered_model_meta" not in names
    if tracking_uri.startswith("http"):
        assert fetch(info.model_uri) != fetch(info.model_uri)  # each download has a folder of its own
    else:
        assert os.fspath(fetch(info.model_uri)) == info.artifact_path  # what is on this machine is used in place


def test_models_that_are_not_there_say_what_a_uri_can_be(
    experiment: Experiment, estimator: Any, tmp_path: Path
) -> None:
    with millstream.start_run() as run:
        info = log(estimator)
    (tmp_path / "empty").mkdir()
    for uri in (
        str(tmp_path / "nothing"), str(tmp_path / "empty"), f"models:/m-{'0' * 32}", f"runs:/{run.info.run_id}/nope",
        "models:/nobody/1", "models:/nobody@best", f"file://{tmp_path}/nothing",
    ):  # fmt: skip
        with pytest.raises(NotFound):
            millstream.pyfunc.load_model(uri)
    with pytest.raises(ModelNotFound, match="MLmodel"):
        millstream.sklearn.load_model(str(tmp_path / "empty"))
    with pytest.raises(FlavorNotInModel, match="only python_function, sklearn"):
        millstream.xgboost.load_model(info.model_uri)
