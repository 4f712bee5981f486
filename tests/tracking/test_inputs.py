"""Datasets and models as inputs and outputs of runs."""

from __future__ import annotations

import pandas as pd
import pytest

import millstream
from millstream.entities import Experiment, LoggedModelInput, LoggedModelOutput
from millstream.errors import InvalidValue

FRAME = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})


def test_datasets_are_recorded_with_context_and_tags(experiment: Experiment) -> None:
    dataset = millstream.data.from_pandas(FRAME, source="s3://bucket/train.csv", targets="y", name="train")
    with millstream.start_run() as run:
        millstream.log_input(dataset, context="training", tags={"fold": 1})
        millstream.log_input(dataset, context="training")
    inputs = millstream.get_run(run.info.run_id).inputs
    assert inputs is not None
    (link,) = inputs.dataset_inputs
    assert {tag.key: tag.value for tag in link.tags} == {"mlflow.data.context": "training", "fold": "1"}
    assert (link.dataset.name, link.dataset.digest, link.dataset.source_type) == ("train", dataset.digest, "s3")
    assert link.dataset.source == '{"uri": "s3://bucket/train.csv"}'
    assert link.dataset.profile == '{"num_rows": 2, "num_elements": 4}'
    assert millstream.data.get_source(link).to_dict() == {"uri": "s3://bucket/train.csv"}
    found = millstream.search_runs(filter_string="dataset.name = 'train'", output_format="list")
    assert [each.info.run_id for each in found] == [run.info.run_id]


def test_several_datasets_and_models_are_recorded_at_once(experiment: Experiment) -> None:
    datasets = [millstream.data.from_pandas(FRAME, source="/x", name=name) for name in ("a", "b")]
    with millstream.start_run() as run:
        model = millstream.initialize_logged_model("net")
        millstream.log_inputs(datasets, ["train", None], [None, {"k": "v"}], [LoggedModelInput(model.model_id)])
        millstream.log_outputs([LoggedModelOutput(model.model_id, 5)])
        with pytest.raises(InvalidValue, match="contexts"):
            millstream.log_inputs(datasets, ["train"])
        with pytest.raises(InvalidValue, match="dataset"):
            millstream.log_input(FRAME)
    stored = millstream.get_run(run.info.run_id)
    assert stored.inputs is not None
    assert stored.outputs is not None
    assert sorted(link.dataset.name for link in stored.inputs.dataset_inputs) == ["a", "b"]
    assert [each.model_id for each in stored.inputs.model_inputs] == [model.model_id]
    assert [(each.model_id, each.step) for each in stored.outputs.model_outputs] == [(model.model_id, 5)]


def test_a_metric_names_the_dataset_it_was_measured_on(experiment: Experiment) -> None:
    dataset = millstream.data.from_pandas(FRAME, source="/x", name="eval")
    with millstream.start_run() as run:
        model = millstream.initialize_logged_model("net")
        for step in range(3):
            millstream.log_metric("acc", 0.5, step=step, dataset=dataset, model_id=model.model_id)
        millstream.log_metrics({"f1": 0.5}, dataset=dataset)
    stored = millstream.get_run(run.info.run_id)
    assert stored.inputs is not None
    assert [link.dataset.name for link in stored.inputs.dataset_inputs] == ["eval"]
    assert stored.data.metrics == {"acc": 0.5, "f1": 0.5}
    metrics = millstream.get_logged_model(model.model_id).metrics
    assert {(each.dataset_name, each.dataset_digest) for each in metrics} == {("eval", dataset.digest)}


def test_models_are_announced_finished_tagged_and_found(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        model = millstream.initialize_logged_model("net", tags={"a": 1}, params={"lr": 0.1}, model_type="cnn")
        assert model.status == "PENDING"
        assert model.status != "READY"
        assert str(model.status) == "PENDING"
        assert millstream.finalize_logged_model(model.model_id, "READY").status.name == "READY"
    last = millstream.last_logged_model()
    assert last is not None
    assert last.model_id == model.model_id
    assert model.source_run_id == run.info.run_id
    external = millstream.create_external_model("outside", params={"depth": 3})
    assert external.status.name == "READY"
    millstream.set_logged_model_tags(model.model_id, {"b": 2})
    millstream.delete_logged_model_tag(model.model_id, "a")
    millstream.log_model_params({"more": 1}, model_id=model.model_id)
    stored = millstream.get_logged_model(model.model_id)
    assert stored.tags["b"] == "2"
    assert "a" not in stored.tags
    assert stored.tags["mlflow.source.type"] == "LOCAL"
    assert external.tags["mlflow.model.isExternal"] == "true"
    assert stored.params == {"lr": "0.1", "more": "1"}
    found = millstream.search_logged_models(filter_string="params.lr = '0.1'", output_format="list")
    assert [each.model_id for each in found] == [model.model_id]
    frame = millstream.search_logged_models()
    assert set(frame["name"]) == {"net", "outside"}
    assert {"model_id", "status", "params", "metrics", "tags", "source_run_id"} <= set(frame.columns)
    with pytest.raises(ValueError, match="format"):
        millstream.search_logged_models(output_format="csv")


def test_the_active_model_is_found_by_name_or_recorded(experiment: Experiment) -> None:
    first = millstream.set_active_model(name="serving")
    again = millstream.set_active_model(name="serving")
    assert first.model_id == again.model_id == millstream.get_active_model_id()
    millstream.log_model_params({"temperature": 1})
    millstream.clear_active_model()
    with pytest.raises(InvalidValue, match="active"):
        millstream.log_model_params({"x": 1})
    with pytest.raises(InvalidValue):
        millstream.set_active_model()
    assert millstream.get_logged_model(first.model_id).params == {"temperature": "1"}
