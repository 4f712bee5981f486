"""What pages show at a glance: counts of runs, and the names that runs use."""

from __future__ import annotations

import pytest

from millstream.entities import Metric, Param, RunTag, ViewType
from millstream.errors import InvalidValue


def test_experiments_come_by_their_latest_run_with_its_start_and_the_number_of_active_runs(store):
    quiet = store.create_experiment("quiet", "", [])
    busy = store.create_experiment("busy", "", [])
    later = 9_000_000_000_000
    store.create_run(busy, "", "", later - 5, [])
    gone = store.create_run(busy, "", "", later, []).info.run_id
    store.delete_run(gone)
    found = store.get_overview(ViewType.ACTIVE_ONLY)
    assert next(each.experiment.name for each in found) == "busy"
    rows = {each.experiment.experiment_id: (each.run_count, each.last_start_time) for each in found}
    assert rows[busy] == (1, later - 5)
    assert rows[quiet] == (0, None)


def test_deleted_experiments_are_in_an_overview_of_their_own(store):
    gone = store.create_experiment("gone", "", [])
    store.delete_experiment(gone)
    assert gone not in {each.experiment.experiment_id for each in store.get_overview(ViewType.ACTIVE_ONLY)}
    assert [each.experiment.experiment_id for each in store.get_overview(ViewType.DELETED_ONLY)] == [gone]


def test_names_are_those_of_the_asked_experiments_each_once_and_sorted(store):
    one, two = store.create_experiment("one", "", []), store.create_experiment("two", "", [])
    for number in range(3):
        run = store.create_run(one, "", f"r{number}", 1, []).info.run_id
        store.log_batch(run, [Metric("b", 1.0, 1), Metric("a", 1.0, 1)], [Param("p", "1")], [RunTag("t", "1")])
    other = store.create_run(two, "", "r", 1, []).info.run_id
    store.log_batch(other, [Metric("c", 1.0, 1)], [], [])
    assert store.get_keys([one]) == (["a", "b"], ["p"], ["mlflow.runName", "t"])
    assert store.get_keys([one, two])[0] == ["a", "b", "c"]
    assert store.get_keys([store.create_experiment("empty", "", [])]) == ([], [], [])


@pytest.mark.parametrize("ids", [[], ["1"] * 101, ["nonsense"]])
def test_names_of_no_too_many_or_unknown_experiments_are_refused(store, ids):
    with pytest.raises(InvalidValue):
        store.get_keys(ids)
