"""Runs, metrics, params and tags: sections 4 and 9 of the contract."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable

import pytest

from millstream.entities import (
    MAX_DOUBLE,
    Dataset,
    DatasetInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunStatus,
    RunTag,
    SeriesView,
)
from millstream.errors import AlreadyExists, InvalidValue, MillstreamError, NotFound, ParamChanged
from millstream.store.tracking import SqlTrackingStore

GOOD_KEYS = ["a b", "x:y", ".a", "a.", "-x", "日本", "val/acc", "a" * 250, "a..b", "_", "é"]
BAD_KEYS = [
    "a\tb", "a#b", "a@b", "a%b", "a,b", "a(b)", "a'b", "a\\b", "a/", "./a", "a//b", "/a", "a/../b", "", ".", "..", "../a",
    "a" * 251, "a\n", "a\0", "\ud800", "a/.", "a/./b",
]  # fmt: skip


@pytest.fixture
def run_id(store: SqlTrackingStore) -> str:
    return store.create_run("0", "ann", "first", 1000, []).info.run_id


def metric(key: str, value: float, timestamp: int = 1, step: int = 0) -> Metric:
    return Metric(key, value, timestamp, step)


# ---------------------------------------------------------------- life


def test_a_new_run_is_what_the_store_gives_back(store: SqlTrackingStore) -> None:
    run = store.create_run("0", "ann", "first", 1234, [RunTag("team", "red")])
    info = run.info
    assert re.fullmatch("[0-9a-f]{32}", info.run_id)
    assert info.run_uuid == info.run_id
    assert (info.run_name, info.user_id, info.start_time, info.end_time) == ("first", "ann", 1234, None)
    assert info.status is RunStatus.RUNNING
    assert info.artifact_uri == f"mlflow-artifacts:/0/{info.run_id}/artifacts"
    assert run.data.tags == {"team": "red", "mlflow.runName": "first"}
    assert run.inputs is not None
    assert run.outputs is None
    again = store.get_run(info.run_id)
    assert again.info == info
    assert again.data.tags == run.data.tags
    assert again.outputs is not None


def test_without_a_start_time_it_is_zero(store: SqlTrackingStore) -> None:
    assert store.create_run("0", "", "", 0, []).info.start_time == 0


def test_a_run_without_a_name_gets_a_random_one(store: SqlTrackingStore) -> None:
    names = [store.create_run("0", "", "", 0, []).info.run_name for _ in range(20)]
    assert all(re.fullmatch("[a-z]+-[a-z]+-[0-9]+", name) and len(name) <= 20 for name in names)
    assert len(set(names)) > 10


def test_name_and_name_tag_are_one(store: SqlTrackingStore) -> None:
    assert store.create_run("0", "", "", 0, [RunTag("mlflow.runName", "x")]).info.run_name == "x"
    assert store.create_run("0", "", "x", 0, [RunTag("mlflow.runName", "x")]).info.run_name == "x"
    with pytest.raises(InvalidValue):
        store.create_run("0", "", "x", 0, [RunTag("mlflow.runName", "y")])


def test_a_tag_key_given_twice_is_refused_on_creation(store: SqlTrackingStore) -> None:
    with pytest.raises(InvalidValue):
        store.create_run("0", "", "", 0, [RunTag("a", "1"), RunTag("a", "1")])


def test_an_unknown_experiment_is_not_found_and_an_odd_one_refused(store: SqlTrackingStore) -> None:
    with pytest.raises(NotFound):
        store.create_run("99", "", "", 0, [])
    for odd in ("", "x"):
        with pytest.raises(InvalidValue):
            store.create_run(odd, "", "", 0, [])


def test_a_client_may_bring_the_id_and_send_it_again(store: SqlTrackingStore) -> None:
    minted = uuid.uuid4().hex
    first = store.create_run("0", "", "x", 5, [RunTag("a", "b")], run_id=minted)
    assert first.info.run_id == minted
    store.log_batch(minted, [metric("acc", 1.0)], [], [])
    again = store.create_run("0", "", "x", 5, [RunTag("a", "b")], run_id=minted)
    assert again.info == first.info
    assert again.data.metrics == {"acc": 1.0}
    other = store.create_experiment("other", "", [])
    with pytest.raises(AlreadyExists):
        store.create_run(other, "", "x", 5, [], run_id=minted)


@pytest.mark.parametrize("bad", ["", "abc", "A" * 32, "g" * 32, "../" + "a" * 29, "a" * 33])
def test_a_brought_id_must_be_32_hexadecimal_digits(store: SqlTrackingStore, bad: str) -> None:
    with pytest.raises(InvalidValue):
        store.create_run("0", "", "", 0, [], run_id=bad)


def test_update_changes_what_is_given(store: SqlTrackingStore, run_id: str) -> None:
    info = store.update_run(run_id, RunStatus.FINISHED, 2000, None)
    assert (info.status, info.end_time, info.run_name) == (RunStatus.FINISHED, 2000, "first")
    info = store.update_run(run_id, RunStatus.RUNNING, None, "")
    assert (info.status, info.end_time, info.run_name) == (RunStatus.RUNNING, 2000, "first")
    info = store.update_run(run_id, None, None, "second")
    assert info.run_name == "second"
    assert store.get_run(run_id).data.tags == {"mlflow.runName": "second"}
    assert store.get_run(run_id).info == info


def test_the_name_tag_renames_and_its_deletion_does_not(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [], [], [RunTag("mlflow.runName", "second")])
    assert store.get_run(run_id).info.run_name == "second"
    store.log_batch(run_id, [], [], [RunTag("mlflow.runName", ""), RunTag("t", "")])
    run = store.get_run(run_id)
    assert (run.info.run_name, run.data.tags) == ("second", {"mlflow.runName": "second", "t": ""})
    store.delete_run_tag(run_id, "mlflow.runName")
    assert store.get_run(run_id).info.run_name == "second"


def test_the_user_tag_does_not_change_the_user(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [], [], [RunTag("mlflow.user", "bob")])
    assert store.get_run(run_id).info.user_id == "ann"


def test_a_finished_run_may_be_logged_to(store: SqlTrackingStore, run_id: str) -> None:
    store.update_run(run_id, RunStatus.FAILED, 5, None)
    store.log_batch(run_id, [metric("a", 1)], [Param("p", "1")], [RunTag("t", "1")])
    assert store.get_run(run_id).data.metrics == {"a": 1.0}


WRITES: list[Callable[[SqlTrackingStore, str], object]] = [
    lambda store, run: store.log_batch(run, [metric("a", 1)], [], []),
    lambda store, run: store.log_batch(run, [], [Param("a", "1")], []),
    lambda store, run: store.log_batch(run, [], [], [RunTag("a", "1")]),
    lambda store, run: store.log_batch(run, [], [], []),
    lambda store, run: store.delete_run_tag(run, "mlflow.runName"),
    lambda store, run: store.update_run(run, RunStatus.FINISHED, None, None),
    lambda store, run: store.log_inputs(run, [DatasetInput(Dataset("a", "b"))], []),
    lambda store, run: store.log_inputs(run, [], []),
    lambda store, run: store.log_outputs(run, [LoggedModelOutput("m-1")]),
    lambda store, run: store.log_model_history(
        run, '{"artifact_path":"m","flavors":{},"utc_time_created":"x","run_id":"y"}'
    ),
    lambda store, run: store.rewind_run(run, 0, []),
]


@pytest.mark.parametrize("write", WRITES)
def test_a_deleted_run_takes_no_writes_and_an_unknown_one_is_not_found(
    store: SqlTrackingStore, run_id: str, write: Callable[[SqlTrackingStore, str], object]
) -> None:
    with pytest.raises(NotFound):
        write(store, "0" * 32)
    store.delete_run(run_id)
    with pytest.raises(InvalidValue) as caught:
        write(store, run_id)
    assert caught.value.status == 400
    store.restore_run(run_id)
    write(store, run_id)


def test_deletion_and_restoration_may_be_repeated_and_reads_go_on(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [metric("a", 1)], [], [])
    store.delete_run(run_id)
    store.delete_run(run_id)
    assert store.get_run(run_id).info.lifecycle_stage == "deleted"
    assert len(store.get_metric_history(run_id, "a", None, "")) == 1
    store.restore_run(run_id)
    store.restore_run(run_id)
    assert store.get_run(run_id).info.lifecycle_stage == "active"
    for action in (store.get_run, store.delete_run, store.restore_run):
        with pytest.raises(NotFound):
            action("0" * 32)


def test_a_run_of_a_deleted_experiment_may_be_restored(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    run_id = store.create_run(key, "", "", 0, []).info.run_id
    store.delete_experiment(key)
    store.restore_run(run_id)
    store.log_batch(run_id, [metric("a", 1)], [], [])
    assert store.get_run(run_id).info.lifecycle_stage == "active"


# ---------------------------------------------------------------- metrics


def test_the_latest_point_has_the_greatest_step_then_time_then_value(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [metric("a", 1, 10, 5), metric("a", 2, 99, 4)], [], [])
    assert store.get_run(run_id).data.metrics == {"a": 1.0}
    store.log_batch(run_id, [metric("a", 0.5, 10, 5)], [], [])
    assert store.get_run(run_id).data.metrics == {"a": 1.0}
    store.log_batch(run_id, [metric("a", 3, 10, 5), metric("a", -1, 11, -7)], [], [])
    assert store.get_run(run_id).data.metrics == {"a": 3.0}
    (latest,) = store.get_run(run_id).data.metric_list
    assert (latest.step, latest.timestamp) == (5, 10)


def test_an_identical_point_is_dropped(store: SqlTrackingStore, run_id: str) -> None:
    points = [metric("a", 1, 1, 1), metric("a", 1, 1, 1), metric("a", 2, 1, 1), metric("a", math.nan, 1, 1)]
    for _ in range(2):
        store.log_batch(run_id, points, [], [])
    history = store.get_metric_history(run_id, "a", None, "")
    assert len(history) == 3
    assert sorted(point.value for point in history if point.value == point.value) == [1.0, 2.0]


def test_odd_numbers_are_stored_as_the_contract_says(store: SqlTrackingStore, run_id: str) -> None:
    values = [math.nan, math.inf, -math.inf, -0.0, True, 7]
    store.log_batch(run_id, [metric(f"m{i}", value) for i, value in enumerate(values)], [], [])
    metrics = store.get_run(run_id).data.metrics
    assert math.isnan(metrics["m0"])
    assert [metrics[f"m{i}"] for i in range(1, 6)] == [MAX_DOUBLE, -MAX_DOUBLE, 0.0, 1.0, 7.0]
    assert math.copysign(1, metrics["m3"]) == 1


def test_step_and_time_reach_to_the_ends_of_64_bits(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [metric("a", 1, 2**63 - 1, -(2**63)), metric("a", 2, 0, 2**63 - 1)], [], [])
    history = store.get_metric_history(run_id, "a", None, "")
    assert [(point.timestamp, point.step) for point in history] == [(0, 2**63 - 1), (2**63 - 1, -(2**63))]


@pytest.mark.parametrize(
    "bad",
    [
        Metric("a", 1.0, -1), Metric("a", 1.0, 2**63), Metric("a", 1.0, 1, 2**63), Metric("a", 1.0, 1, -(2**63) - 1),
        Metric("a", "x", 1), Metric("a", None, 1), Metric("a", 1.0, 1.5), Metric("a", 1.0, 1, "1"),  # type: ignore[arg-type]
        Metric("a", 1.0, 1, 0, dataset_name="d"), Metric("a", 1.0, 1, 0, dataset_digest="d"),
        Metric("a", 1.0, 1, 0, model_id="m-unknown"),
    ],
)  # fmt: skip
def test_a_bad_point_is_refused_with_its_whole_batch(store: SqlTrackingStore, run_id: str, bad: Metric) -> None:
    with pytest.raises(InvalidValue):
        store.log_batch(run_id, [metric("good", 1.0), bad], [Param("p", "1")], [RunTag("t", "1")])
    data = store.get_run(run_id).data
    assert (data.metrics, data.params, data.tags) == ({}, {}, {"mlflow.runName": "first"})


def test_a_history_of_an_unknown_run_or_key_is_empty(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [metric("a", 1)], [], [])
    assert store.get_metric_history("0" * 32, "a", None, "") == []
    assert store.get_metric_history(run_id, "b", None, "") == []
    assert store.get_metric_history_bulk(["0" * 32], "a", 10) == []
    assert store.sample_metric_history(["0" * 32], "a", None, None, 10) == []
    with pytest.raises(InvalidValue):
        store.get_metric_history(run_id, "b", 0, "")
    with pytest.raises(InvalidValue):
        store.get_metric_history_bulk([], "a", 10)
    with pytest.raises(InvalidValue):
        store.get_metric_history_bulk(["x"] * 101, "a", 10)


def test_a_window_counts_from_an_origin_for_each_run(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [Metric("a", float(step), 1000 + step, step) for step in range(10)], [], [])
    view = SeriesView(100, "time", 2, 4, {"0" * 32: 5000, run_id: 1000})
    (window,) = store.get_metric_windows(["0" * 32, run_id], ["a"], view)
    assert window.steps == [2, 3, 4]
    (line,) = store.get_metric_lines(["0" * 32, run_id], ["a"], view)
    assert line.count == 3


# ---------------------------------------------------------------- params


def test_a_param_is_written_once_and_may_be_repeated(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [], [Param("lr", "0.1"), Param("empty", "")], [])
    store.log_batch(run_id, [], [Param("lr", "0.1"), Param("opt", "sgd")], [])
    with pytest.raises(ParamChanged, match="written once"):
        store.log_batch(run_id, [metric("a", 1)], [Param("lr", "0.2"), Param("new", "1")], [RunTag("t", "1")])
    data = store.get_run(run_id).data
    assert data.params == {"lr": "0.1", "empty": "", "opt": "sgd"}
    assert (data.metrics, data.tags) == ({}, {"mlflow.runName": "first"})


def test_a_long_param_is_cut_and_compared_after_that(
    store: SqlTrackingStore, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.log_batch(run_id, [], [Param("p", "x" * 6001)], [])
    assert store.get_run(run_id).data.params == {"p": "x" * 6000}
    store.log_batch(run_id, [], [Param("p", "x" * 6000 + "other")], [])
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    with pytest.raises(InvalidValue):
        store.log_batch(run_id, [], [Param("q", "x" * 6001)], [])


@pytest.mark.parametrize("length", [159, 160, 161, 320])
def test_texts_around_the_indexed_head_come_back_whole(store: SqlTrackingStore, run_id: str, length: int) -> None:
    text = ("é日" * length)[:length]
    store.log_batch(run_id, [], [Param("p", text)], [RunTag("t", text)])
    data = store.get_run(run_id).data
    assert data.params["p"] == text
    assert data.tags["t"] == text
    with pytest.raises(ParamChanged):
        store.log_batch(run_id, [], [Param("p", text + "x")], [])
    with pytest.raises(ParamChanged):
        store.log_batch(run_id, [], [Param("p", text + " ")], [])


def test_a_param_twice_in_a_batch_is_refused(store: SqlTrackingStore, run_id: str) -> None:
    with pytest.raises(InvalidValue):
        store.log_batch(run_id, [], [Param("p", "1"), Param("p", "1")], [])


# ---------------------------------------------------------------- tags


def test_a_new_run_takes_tags_of_any_key_and_a_batch_does_not(store: SqlTrackingStore, run_id: str) -> None:
    odd = {"a//b": "1", "../c": "2", "日 #!": "3"}
    run = store.create_run("0", "", "n", 0, [RunTag(key, value) for key, value in odd.items()])
    assert store.get_run(run.info.run_id).data.tags == odd | {"mlflow.runName": "n"}
    for key in ("", "x" * 251, "a\0b", "\ud800"):
        with pytest.raises(InvalidValue):
            store.create_run("0", "", "n", 0, [RunTag(key, "")])
    for key in odd:
        with pytest.raises(InvalidValue):
            store.log_batch(run_id, [], [], [RunTag(key, "")])


def test_tags_are_replaced_cut_and_deleted(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [], [], [RunTag("a", "1"), RunTag("a", "2"), RunTag("long", "x" * 8001)])
    store.log_batch(run_id, [], [], [RunTag("b", "")])
    tags = store.get_run(run_id).data.tags
    assert tags == {"a": "2", "b": "", "long": "x" * 8000, "mlflow.runName": "first"}
    store.log_batch(run_id, [], [], [RunTag("long", "short")])
    store.delete_run_tag(run_id, "a")
    assert store.get_run(run_id).data.tags == {"b": "", "long": "short", "mlflow.runName": "first"}
    for missing in ("a", "never", "a//b"):
        with pytest.raises(NotFound):
            store.delete_run_tag(run_id, missing)


# ---------------------------------------------------------------- keys and batches


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_good_keys_are_kept(store: SqlTrackingStore, run_id: str, key: str) -> None:
    store.log_batch(run_id, [metric(key, 1)], [Param(key, "p")], [RunTag(key, "t")])
    data = store.get_run(run_id).data
    assert data.metrics == {key: 1.0}
    assert data.params == {key: "p"}
    assert data.tags[key] == "t"


def test_bad_keys_are_refused(store: SqlTrackingStore, run_id: str) -> None:
    for key in BAD_KEYS:
        for batch in (([metric(key, 1)], [], []), ([], [Param(key, "1")], []), ([], [], [RunTag(key, "1")])):
            with pytest.raises(InvalidValue):
                store.log_batch(run_id, *batch)  # type: ignore[arg-type]
    assert store.get_run(run_id).data.metrics == {}


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x\udfff"])
def test_text_that_no_database_holds_is_refused(store: SqlTrackingStore, run_id: str, text: str) -> None:
    refused: list[Callable[[], object]] = [
        lambda: store.log_batch(run_id, [], [Param("p", text)], []),
        lambda: store.log_batch(run_id, [], [], [RunTag("p", text)]),
        lambda: store.create_run("0", text, "", 0, []),
        lambda: store.create_run("0", "", text, 0, []),
        lambda: store.update_run(run_id, None, None, text),
        lambda: store.get_run(text),
        lambda: store.get_experiment_by_name(text),
        lambda: store.get_metric_history(run_id, text, None, ""),
        lambda: store.log_inputs(run_id, [DatasetInput(Dataset("d", "1", "", text))], []),
        lambda: store.create_logged_model("0", text, "", "", [], []),
        lambda: store.get_logged_model(text),
    ]
    for call in refused:
        with pytest.raises(MillstreamError) as caught:
            call()
        assert caught.value.status == 400


def test_the_limits_of_a_batch_hold(store: SqlTrackingStore, run_id: str) -> None:
    metrics = [metric("a", i, i, i) for i in range(1001)]
    params = [Param(f"p{i}", "1") for i in range(101)]
    tags = [RunTag(f"t{i}", "1") for i in range(101)]
    for batch in ((metrics, [], []), ([], params, []), ([], [], tags), (metrics[:950], params[:51], [])):
        with pytest.raises(InvalidValue):
            store.log_batch(run_id, *batch)  # type: ignore[arg-type]
    store.log_batch(run_id, metrics[:800], params[:100], tags[:100])
    data = store.get_run(run_id).data
    assert (len(data.params), len(data.tags), data.metrics) == (100, 101, {"a": 799.0})
    assert len(store.get_metric_history(run_id, "a", None, "")) == 800


def test_an_empty_batch_is_fine(store: SqlTrackingStore, run_id: str) -> None:
    store.log_batch(run_id, [], [], [])


@pytest.mark.parametrize("bad", ["", "-a", "a b", "a/b", "../x", "a" * 257, "ä", "a\0"])
def test_a_run_id_of_another_form_is_refused(store: SqlTrackingStore, bad: str) -> None:
    with pytest.raises(InvalidValue):
        store.log_batch(bad, [], [], [])


def test_many_runs_are_read_in_the_order_asked_for(store: SqlTrackingStore) -> None:
    from millstream.store.runs import find, load_runs, parse_select

    ids = [store.create_run("0", "", f"r{i}", i, []).info.run_id for i in range(30)]
    for i, run_id in enumerate(ids):
        store.log_batch(run_id, [metric("a", i), metric("b", i)], [Param("p", str(i))], [RunTag("t", str(i))])
    with store.db.read() as session:
        keys = [find(session, run_id) for run_id in reversed(ids)]
        runs = load_runs(session, [*keys, 10**6])
        few = load_runs(session, keys[:2], parse_select(["metrics.a", "tags", "metrics.unknown"]))
    assert [run.info.run_name for run in runs] == [f"r{i}" for i in reversed(range(30))]
    assert runs[0].data.metrics == {"a": 29.0, "b": 29.0}
    assert few[0].data.metrics == {"a": 29.0}
    assert few[0].data.params == {}
    assert set(few[0].data.tags) == {"t", "mlflow.runName"}
    assert few[0].inputs is None
    with pytest.raises(InvalidValue):
        parse_select(["bogus.x"])
