"""Datasets, inputs and outputs: section 4.5 of the contract."""

from __future__ import annotations

import json

import pytest

from millstream.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, LoggedModelOutput
from millstream.errors import InvalidValue
from millstream.store.tracking import SqlTrackingStore

CONTEXT = "mlflow.data.context"


@pytest.fixture
def run_id(store: SqlTrackingStore) -> str:
    return store.create_run("0", "", "", 0, []).info.run_id


def dataset(name: str = "iris", digest: str = "d1", source: str = "{}", context: str | None = None) -> DatasetInput:
    return DatasetInput(Dataset(name, digest, "local", source), [InputTag(CONTEXT, context)] if context else [])


def inputs_of(store: SqlTrackingStore, run_id: str) -> list[DatasetInput]:
    inputs = store.get_run(run_id).inputs
    assert inputs is not None
    return inputs.dataset_inputs


def test_the_first_write_of_a_dataset_counts_in_its_experiment(store: SqlTrackingStore, run_id: str) -> None:
    full = DatasetInput(Dataset("iris", "d1", "s3", "first", '{"a":1}', '{"rows":3}'), [InputTag("k", "v")])
    store.log_inputs(run_id, [full], [])
    other = store.create_run("0", "", "", 0, []).info.run_id
    store.log_inputs(other, [dataset(source="second", context="eval")], [])
    assert inputs_of(store, run_id) == [full]
    (seen,) = inputs_of(store, other)
    assert seen.dataset == full.dataset
    assert seen.tags == [InputTag(CONTEXT, "eval")]
    elsewhere = store.create_run(store.create_experiment("b", "", []), "", "", 0, []).info.run_id
    store.log_inputs(elsewhere, [dataset(source="third")], [])
    assert inputs_of(store, elsewhere)[0].dataset.source == "third"


def test_a_dataset_is_linked_once_and_the_first_links_tags_stay(store: SqlTrackingStore, run_id: str) -> None:
    store.log_inputs(run_id, [dataset(context="train"), dataset(context="twice")], [])
    store.log_inputs(run_id, [dataset(context="eval"), dataset(digest="d2")], [])
    assert [(each.dataset.digest, each.tags) for each in inputs_of(store, run_id)] == [
        ("d1", [InputTag(CONTEXT, "train")]),
        ("d2", []),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        Dataset("", "d"), Dataset("n", ""), Dataset("n" * 501, "d"), Dataset("n", "d" * 37), Dataset("n", "d", "", "s" * 65_536),
        Dataset("n", "d", schema="s" * 1_048_576), Dataset("n", "d", profile="s" * 16_777_216), Dataset("n\0", "d"),
    ],
    ids=["no name", "no digest", "name", "digest", "source", "schema", "profile", "nul"],
)  # fmt: skip
def test_a_dataset_over_the_limits_is_refused_with_the_whole_request(
    store: SqlTrackingStore, run_id: str, bad: Dataset
) -> None:
    with pytest.raises(InvalidValue):
        store.log_inputs(run_id, [dataset(), DatasetInput(bad)], [LoggedModelInput("m-1")])
    assert inputs_of(store, run_id) == []


@pytest.mark.parametrize("tag", [InputTag("", "v"), InputTag("k" * 256, "v"), InputTag("k", "v" * 501)])
def test_a_bad_tag_of_an_input_is_refused(store: SqlTrackingStore, run_id: str, tag: InputTag) -> None:
    with pytest.raises(InvalidValue):
        store.log_inputs(run_id, [DatasetInput(Dataset("n", "d"), [tag])], [])


def test_model_inputs_may_repeat_and_outputs_may_not(store: SqlTrackingStore, run_id: str) -> None:
    store.log_inputs(run_id, [], [LoggedModelInput("m-1"), LoggedModelInput("m-1")])
    store.log_inputs(run_id, [], [LoggedModelInput("m-1"), LoggedModelInput("m-2")])
    store.log_outputs(run_id, [LoggedModelOutput("m-1", 3), LoggedModelOutput("m-3", 1)])
    for again in ([LoggedModelOutput("m-1", 4)], [LoggedModelOutput("m-9"), LoggedModelOutput("m-9")]):
        with pytest.raises(InvalidValue):
            store.log_outputs(run_id, again)
    run = store.get_run(run_id)
    assert run.inputs is not None
    assert run.outputs is not None
    assert sorted(each.model_id for each in run.inputs.model_inputs) == ["m-1", "m-2"]
    assert sorted((each.model_id, each.step) for each in run.outputs.model_outputs) == [("m-1", 3), ("m-3", 1)]


def test_datasets_of_experiments_are_listed_once_for_each_context(store: SqlTrackingStore, run_id: str) -> None:
    second = store.create_run("0", "", "", 0, []).info.run_id
    store.log_inputs(run_id, [dataset(context="train"), dataset("wine", "w1")], [])
    store.log_inputs(second, [dataset(context="train"), dataset("wine", "w1", context="eval")], [])
    found = store.search_datasets(["0", "77"])
    assert sorted(found, key=str) == sorted(
        [("0", "iris", "d1", "train"), ("0", "wine", "w1", None), ("0", "wine", "w1", "eval")], key=str
    )
    for bad in ([], ["0"] * 21, ["x"]):
        with pytest.raises(InvalidValue):
            store.search_datasets(bad)


def test_descriptions_of_models_are_appended_to_the_history_tag(store: SqlTrackingStore, run_id: str) -> None:
    model = {"artifact_path": "m", "flavors": {"f": {"x": 1.5}}, "utc_time_created": "now", "run_id": run_id}
    store.log_model_history(run_id, json.dumps(model))
    store.log_model_history(run_id, json.dumps({**model, "artifact_path": "n" * 9000}))
    history = json.loads(store.get_run(run_id).data.tags["mlflow.log-model.history"])
    assert [len(each["artifact_path"]) for each in history] == [1, 9000]
    assert history[0] == model
    for bad in ("", "x", "[]", "1", '{"artifact_path": "m"}', '{"a":"\ud800"}'):
        with pytest.raises(InvalidValue):
            store.log_model_history(run_id, bad)
