"""Searches through the store: what is found is loaded, in order and in full. The grammar has tests of its own."""

from __future__ import annotations

import pytest

from millstream.api.logged_models import ModelOrder
from millstream.entities import (
    Dataset,
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunTag,
    ViewType,
)
from millstream.errors import InvalidValue
from millstream.store.tracking import SqlTrackingStore


def test_runs_are_found_page_by_page_with_all_that_they_logged(store: SqlTrackingStore) -> None:
    ids = [store.create_run("0", "", f"r{i}", i, []).info.run_id for i in range(5)]
    for i, run_id in enumerate(ids):
        store.log_batch(run_id, [Metric("acc", i / 10, 1, 1)], [Param("p", str(i))], [RunTag("t", "x")])
    store.log_inputs(ids[4], [DatasetInput(Dataset("d", "1"))], [LoggedModelInput("m-1")])
    store.log_outputs(ids[4], [LoggedModelOutput("m-2")])
    found, token = [], ""
    while True:
        page = store.search_runs(
            ["0"],
            "metrics.acc >= 0.1 AND tags.t = 'x'",
            ViewType.ACTIVE_ONLY,
            3,
            ["metrics.acc DESC"],
            token,
            count=True,
        )
        assert page.total == 4
        found += page
        if page.token is None:
            break
        token = page.token
    assert [run.info.run_name for run in found] == ["r4", "r3", "r2", "r1"]
    assert found[0].data.params == {"p": "4"}
    assert found[0].inputs is not None
    assert found[0].outputs is not None
    assert found[0].inputs.dataset_inputs[0].dataset.name == "d"
    assert found[0].inputs.model_inputs == []
    assert found[0].outputs.model_outputs == [LoggedModelOutput("m-2")]


def test_views_unknown_and_odd_experiments(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    run_id = store.create_run(key, "", "", 0, []).info.run_id
    store.delete_experiment(key)
    assert store.search_runs([key, "99"], "", ViewType.ACTIVE_ONLY, 10, [], "") == []
    (run,) = store.search_runs([key, "99"], "", ViewType.ALL, 10, [], "")
    assert run.info.run_id == run_id
    assert store.search_runs([], "", ViewType.ALL, 10, [], "") == []
    for bad in (["x"], [""], ["0", "1.5"]):
        with pytest.raises(InvalidValue):
            store.search_runs(bad, "", ViewType.ALL, 10, [], "")
    for size in (0, -1, 50_001):
        with pytest.raises(InvalidValue):
            store.search_runs(["0"], "", ViewType.ALL, size, [], "")
        with pytest.raises(InvalidValue):
            store.search_experiments("", [], size, "", ViewType.ALL)


def test_experiments_are_found_with_their_tags(store: SqlTrackingStore) -> None:
    keys = [store.create_experiment(f"e{i}", "", []) for i in range(3)]
    store.set_experiment_tag(keys[1], "team", "red")
    store.delete_experiment(keys[2])
    (found,) = store.search_experiments("tags.team = 'red'", [], 10, "", ViewType.ACTIVE_ONLY)
    assert (found.name, found.tags) == ("e1", {"team": "red"})
    page = store.search_experiments("", ["name ASC"], 2, "", ViewType.ALL)
    assert [each.name for each in page] == ["Default", "e0"]
    assert page.token is not None
    rest = store.search_experiments("", ["name ASC"], 2, page.token, ViewType.ALL)
    assert [each.name for each in rest] == ["e1", "e2"]
    assert rest.token is None


def test_logged_models_are_found_with_their_details(store: SqlTrackingStore) -> None:
    run_id = store.create_run("0", "", "", 0, []).info.run_id
    for i in range(3):
        model = store.create_logged_model("0", f"m{i}", "", run_id, [], [])
        store.log_batch(run_id, [Metric("acc", i / 10, 1, 1, model.model_id)], [], [])
    found = store.search_logged_models(["0"], "metrics.acc > 0.05", [], [ModelOrder("metrics.acc", False)], 0, "")
    assert [(each.name, each.metrics[0].value) for each in found] == [("m2", 0.2), ("m1", 0.1)]
