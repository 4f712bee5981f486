"""Experiments: their rules, section 3 of the contract."""

from __future__ import annotations

import os

import pytest

from millstream.entities import ExperimentTag, RunTag
from millstream.errors import AlreadyExists, InvalidValue, MillstreamError, NotFound
from millstream.store.tracking import SqlTrackingStore


def test_a_fresh_store_has_the_default_experiment(store: SqlTrackingStore) -> None:
    default = store.get_experiment("0")
    assert (default.name, default.artifact_location) == ("Default", "mlflow-artifacts:/0")
    assert store.get_experiment_by_name("Default") == default


def test_ids_count_upward_from_one_and_locations_lie_below_the_root(store: SqlTrackingStore) -> None:
    assert store.create_experiment("a", "", []) == "1"
    assert store.create_experiment("b", "", []) == "2"
    experiment = store.get_experiment("1")
    assert experiment.artifact_location == "mlflow-artifacts:/1"
    assert experiment.lifecycle_stage == "active"
    assert experiment.creation_time == experiment.last_update_time
    assert experiment.tags == {}


@pytest.mark.parametrize("name", [" leading blank", "a/b:c%d\n", "日本", "x" * 500, "Ω" * 500])
def test_any_name_up_to_500_characters_is_kept(store: SqlTrackingStore, name: str) -> None:
    key = store.create_experiment(name, "", [])
    assert store.get_experiment(key).name == name
    assert store.get_experiment_by_name(name).experiment_id == key


@pytest.mark.parametrize("name", ["", "x" * 501, "a\0b", "\ud800"])
def test_a_bad_name_is_refused(store: SqlTrackingStore, name: str) -> None:
    with pytest.raises(InvalidValue):
        store.create_experiment(name, "", [])
    key = store.create_experiment("good", "", [])
    with pytest.raises(InvalidValue):
        store.rename_experiment(key, name)


def test_a_name_is_taken_by_active_and_by_deleted_experiments(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    with pytest.raises(AlreadyExists) as caught:
        store.create_experiment("a", "", [])
    assert (caught.value.error_code, caught.value.status) == ("RESOURCE_ALREADY_EXISTS", 400)
    store.delete_experiment(key)
    with pytest.raises(AlreadyExists, match="deleted"):
        store.create_experiment("a", "", [])
    store.create_experiment("A", "", [])


@pytest.mark.parametrize(
    "location",
    [
        "runs:/x", "s3://b/p#f", "s3://b/p;x", "s3://b/p?x=../y", "s3://b/../c", "s3://b/%2e%2e/c", "s3://b/%252e%252e/c",
        "s3://b/" + "x" * 2048, " s3://b", "s3://b\n", "a/../../b", "sftp://user:secret@host/p", "s3://b/\0",
    ],
)  # fmt: skip
def test_a_location_that_may_lead_elsewhere_is_refused(store: SqlTrackingStore, location: str) -> None:
    with pytest.raises(InvalidValue):
        store.create_experiment("a", location, [])
    with pytest.raises(NotFound):
        store.get_experiment_by_name("a")


@pytest.mark.parametrize(
    "location",
    [
        "s3://b/p?versioned=true",
        "weird+scheme://x",
        "file:///tmp/x",
        "/tmp/x",
        "abfss://c@a.dfs.core.windows.net/p",
        "s3://b/a..b",
    ],
)
def test_other_locations_are_kept_as_they_are(store: SqlTrackingStore, location: str) -> None:
    key = store.create_experiment("a", location, [])
    assert store.get_experiment(key).artifact_location == location


def test_a_relative_location_is_made_absolute(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "some/folder", [])
    assert store.get_experiment(key).artifact_location == os.path.abspath("some/folder")


def test_a_query_string_stays_behind_what_is_added_to_a_location(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "s3://b/p?v=1", [])
    run = store.create_run(key, "", "", 0, [])
    assert run.info.artifact_uri == f"s3://b/p/{run.info.run_id}/artifacts?v=1"


def test_tags_are_set_replaced_and_deleted(store: SqlTrackingStore) -> None:
    key = store.create_experiment(
        "a", "", [ExperimentTag("team", "red"), ExperimentTag("mlflow.note.content", "x" * 20_000)]
    )
    updated = store.get_experiment(key).last_update_time
    store.set_experiment_tag(key, "team", "blue")
    store.set_experiment_tag(key, "empty", "")
    assert store.get_experiment(key).tags == {"team": "blue", "empty": "", "mlflow.note.content": "x" * 20_000}
    store.delete_experiment_tag(key, "team")
    assert "team" not in store.get_experiment(key).tags
    for missing in ("team", "never seen"):
        with pytest.raises(NotFound):
            store.delete_experiment_tag(key, missing)
    assert store.get_experiment(key).last_update_time == updated


@pytest.mark.parametrize(
    ("key", "value"), [("a//b", "x"), ("", "x"), ("k", "x" * 20_001), ("k", "\0"), ("k" * 251, "x")]
)
def test_a_bad_tag_is_refused_and_not_cut(store: SqlTrackingStore, key: str, value: str) -> None:
    with pytest.raises(InvalidValue):
        store.create_experiment("a", "", [ExperimentTag(key, value)])
    with pytest.raises(InvalidValue):
        store.set_experiment_tag("0", key, value)
    with pytest.raises(NotFound):
        store.get_experiment_by_name("a")


def test_a_repeated_tag_key_is_refused_on_creation(store: SqlTrackingStore) -> None:
    with pytest.raises(InvalidValue):
        store.create_experiment("a", "", [ExperimentTag("k", "1"), ExperimentTag("k", "2")])


def test_unknown_ids_are_not_found_and_odd_ones_refused(store: SqlTrackingStore) -> None:
    for action in (
        store.get_experiment,
        store.delete_experiment,
        store.restore_experiment,
        lambda key: store.rename_experiment(key, "x"),
        lambda key: store.set_experiment_tag(key, "k", "v"),
        lambda key: store.delete_experiment_tag(key, "k"),
    ):
        for unknown in ("77", "9223372036854775807"):
            with pytest.raises(NotFound):
                action(unknown)
        for odd in ("x", "", "-1", "1.0", "9223372036854775808", "9" * 30, "١"):
            with pytest.raises(InvalidValue):
                action(odd)
    with pytest.raises(NotFound):
        store.get_experiment_by_name("nobody")


def test_deletion_takes_the_runs_along_and_restoration_brings_all_back(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    kept, dropped = (store.create_run(key, "", "", 0, []).info.run_id for _ in range(2))
    store.delete_run(dropped)
    before = store.get_experiment(key).last_update_time
    store.delete_experiment(key)
    experiment = store.get_experiment(key)
    assert experiment.lifecycle_stage == "deleted"
    assert experiment.last_update_time is not None
    assert before is not None
    assert experiment.last_update_time >= before
    assert store.get_experiment_by_name("a") == experiment
    assert {store.get_run(run).info.lifecycle_stage for run in (kept, dropped)} == {"deleted"}
    with pytest.raises(NotFound):
        store.delete_experiment(key)
    store.restore_experiment(key)
    assert store.get_experiment(key).lifecycle_stage == "active"
    assert {store.get_run(run).info.lifecycle_stage for run in (kept, dropped)} == {"active"}
    with pytest.raises(NotFound):
        store.restore_experiment(key)


def test_logged_models_of_a_deleted_experiment_stay_readable(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    model = store.create_logged_model(key, "m", "", "", [], [])
    store.delete_experiment(key)
    assert store.get_logged_model(model.model_id).name == "m"


def test_a_deleted_experiment_takes_no_runs_models_tags_or_names(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    store.set_experiment_tag(key, "k", "v")
    store.delete_experiment(key)
    for action in (
        lambda: store.create_run(key, "", "", 0, [RunTag("a", "b")]),
        lambda: store.create_logged_model(key, "", "", "", [], []),
        lambda: store.set_experiment_tag(key, "k", "v"),
        lambda: store.delete_experiment_tag(key, "k"),
        lambda: store.rename_experiment(key, "b"),
    ):
        with pytest.raises(MillstreamError) as caught:
            action()
        assert caught.value.status == 400


def test_the_default_experiment_may_be_deleted(store: SqlTrackingStore) -> None:
    store.delete_experiment("0")
    assert store.get_experiment("0").lifecycle_stage == "deleted"
    assert SqlTrackingStore(store.db, "x").get_experiment("0").lifecycle_stage == "deleted"


def test_renaming_frees_the_old_name_and_refuses_a_taken_one(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    other = store.create_experiment("b", "", [])
    with pytest.raises(AlreadyExists):
        store.rename_experiment(key, "b")
    store.rename_experiment(key, "a")
    store.rename_experiment(key, "c")
    assert store.get_experiment_by_name("c").experiment_id == key
    store.rename_experiment(other, "a")
