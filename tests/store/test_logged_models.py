"""Logged models: section 5 of the contract."""

from __future__ import annotations

import math
import re

import pytest

from millstream.entities import (
    MAX_DOUBLE,
    LoggedModel,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
)
from millstream.errors import InvalidValue, NotFound
from millstream.store.tracking import SqlTrackingStore


@pytest.fixture
def model(store: SqlTrackingStore) -> LoggedModel:
    return store.create_logged_model(
        "0", "resnet", "Clf", "run1", [LoggedModelParameter("lr", "0.1")], [LoggedModelTag("t", "x")]
    )


def test_a_new_model_is_pending_and_reads_back_the_same(store: SqlTrackingStore, model: LoggedModel) -> None:
    assert re.fullmatch("m-[0-9a-f]{32}", model.model_id)
    assert model.status is LoggedModelStatus.PENDING
    assert model.artifact_location == f"mlflow-artifacts:/0/models/{model.model_id}/artifacts"
    assert (model.params, model.tags, model.model_type, model.source_run_id) == (
        {"lr": "0.1"},
        {"t": "x"},
        "Clf",
        "run1",
    )
    assert model.creation_timestamp == model.last_updated_timestamp > 0
    assert store.get_logged_model(model.model_id) == model


def test_a_model_without_a_name_gets_one_and_names_need_not_differ(store: SqlTrackingStore, model: LoggedModel) -> None:
    assert re.fullmatch("[a-z]+-[a-z]+-[0-9]+", store.create_logged_model("0", "", "", "", [], []).name)
    assert store.create_logged_model("0", "resnet", "", "", [], []).name == "resnet"
    assert store.create_logged_model("0", "x" * 300, "", "", [], []).name == "x" * 300


def test_tags_may_have_any_key_and_params_may_not(store: SqlTrackingStore) -> None:
    odd = {"a//b": "1", "日 #!": "2"}
    model = store.create_logged_model("0", "m", "", "", [], [LoggedModelTag(key, text) for key, text in odd.items()])
    assert store.get_logged_model(model.model_id).tags == odd
    for key in odd:
        with pytest.raises(InvalidValue):
            store.create_logged_model("0", "m", "", "", [LoggedModelParameter(key, "1")], [])


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a%b", 'a"b', "a'b"])
def test_a_name_that_would_break_uris_is_refused(store: SqlTrackingStore, name: str) -> None:
    with pytest.raises(InvalidValue):
        store.create_logged_model("0", name, "", "", [], [])


def test_an_unknown_experiment_is_not_found(store: SqlTrackingStore) -> None:
    with pytest.raises(NotFound):
        store.create_logged_model("7", "m", "", "", [], [])


def test_a_client_may_bring_the_id_and_send_it_again(store: SqlTrackingStore) -> None:
    minted = "m-" + "0a" * 16
    first = store.create_logged_model("0", "m", "", "", [LoggedModelParameter("p", "1")], [], model_id=minted)
    assert store.create_logged_model("0", "m", "", "", [LoggedModelParameter("p", "1")], [], model_id=minted) == first
    for bad in ("m-1", minted.upper(), "0a" * 16):
        with pytest.raises(InvalidValue):
            store.create_logged_model("0", "m", "", "", [], [], model_id=bad)


def test_finalizing_sets_the_status(store: SqlTrackingStore, model: LoggedModel) -> None:
    for status in (LoggedModelStatus.READY, LoggedModelStatus.FAILED):
        assert store.finalize_logged_model(model.model_id, status).status is status
        assert store.get_logged_model(model.model_id).status is status
    with pytest.raises(InvalidValue):
        store.finalize_logged_model(model.model_id, LoggedModelStatus.UNSPECIFIED)
    with pytest.raises(NotFound):
        store.finalize_logged_model("m-unknown", LoggedModelStatus.READY)


def test_params_are_written_once_even_with_the_same_value(store: SqlTrackingStore, model: LoggedModel) -> None:
    store.log_logged_model_params(model.model_id, [LoggedModelParameter("depth", "3")])
    for value in ("3", "4"):
        with pytest.raises(InvalidValue):
            store.log_logged_model_params(
                model.model_id, [LoggedModelParameter("new", "1"), LoggedModelParameter("depth", value)]
            )
    assert store.get_logged_model(model.model_id).params == {"lr": "0.1", "depth": "3"}


def test_tags_are_replaced_and_deleted_on_deleted_models_too(store: SqlTrackingStore, model: LoggedModel) -> None:
    store.set_logged_model_tags(
        model.model_id, [LoggedModelTag("t", "y"), LoggedModelTag("u", "1"), LoggedModelTag("u", "2")]
    )
    store.delete_logged_model(model.model_id)
    store.set_logged_model_tags(model.model_id, [LoggedModelTag("v", "")])
    store.delete_logged_model_tag(model.model_id, "t")
    assert store.get_logged_model(model.model_id, allow_deleted=True).tags == {"u": "2", "v": ""}
    with pytest.raises(NotFound):
        store.delete_logged_model_tag(model.model_id, "t")


def test_deletion_may_be_repeated_and_hides_the_model(store: SqlTrackingStore, model: LoggedModel) -> None:
    for _ in range(2):
        store.delete_logged_model(model.model_id)
    with pytest.raises(NotFound):
        store.get_logged_model(model.model_id)
    assert store.get_logged_model(model.model_id, allow_deleted=True).name == "resnet"
    for action in (store.delete_logged_model, store.get_logged_model):
        with pytest.raises(NotFound):
            action("m-unknown")


def test_points_that_name_a_model_are_attached_to_it_once(store: SqlTrackingStore, model: LoggedModel) -> None:
    run_id = store.create_run("0", "", "", 0, []).info.run_id
    points = [
        Metric("acc", 0.5, 10, 1, model.model_id),
        Metric("acc", 0.6, 20, 2, model.model_id, "iris", "d1"),
        Metric("acc", 0.6, 20, 2, model.model_id, "wine", "d2"),
        Metric("odd", math.inf, 1, 0, model.model_id),
        Metric("nan", math.nan, 1, 0, model.model_id),
        Metric("other", 1.0, 1, 0),
    ]
    for _ in range(2):
        store.log_batch(run_id, points, [], [])
    metrics = store.get_logged_model(model.model_id).metrics
    assert sorted(
        (m.key, m.timestamp, m.step, m.dataset_name, m.dataset_digest)
        for m in metrics
        if m.key == "acc" and m.dataset_name
    ) == [
        ("acc", 20, 2, "iris", "d1"),
        ("acc", 20, 2, "wine", "d2"),
    ]
    assert len(metrics) == 5
    assert {m.run_id for m in metrics} == {run_id}
    values = {m.key: m.value for m in metrics}
    assert values["odd"] == MAX_DOUBLE
    assert math.isnan(values["nan"])
    assert len(store.get_metric_history(run_id, "acc", None, "")) == 2
    data = store.get_run(run_id).data
    assert all(point.model_id is None for point in data.metric_list)
