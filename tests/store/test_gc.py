"""Permanent deletion: section 8 of the contract."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy

from millstream.entities import Dataset, DatasetInput, LoggedModelOutput, Metric, Param, RunTag
from millstream.errors import InvalidValue, MillstreamError, NotFound
from millstream.store import gc, series
from millstream.store.database import Database, Session
from millstream.store.gc import collect, parse_age
from millstream.store.tables import logged_models, metadata
from millstream.store.tracking import SqlTrackingStore

KEPT = {"names", "experiments", "millstream_version"}


def fill(store: SqlTrackingStore, experiment_id: str) -> tuple[str, str]:
    run_id = store.create_run(experiment_id, "", "", 0, []).info.run_id
    model = store.create_logged_model(experiment_id, "m", "", run_id, [], [])
    points = [Metric("a", float(i), i, i) for i in range(500)] + [Metric("b", 1.0, 1, 1, model.model_id)]
    store.log_batch(run_id, points, [Param("p", "1")], [RunTag("t", "1")])
    store.log_inputs(run_id, [DatasetInput(Dataset("d", "1"))], [])
    store.log_outputs(run_id, [LoggedModelOutput(model.model_id)])
    series.fold_pending(store.db)
    store.log_batch(run_id, [Metric("a", 0.5, 1000, 1000)], [], [])
    return run_id, model.model_id


def rows_left(store: SqlTrackingStore) -> dict[str, int]:
    with store.db.read() as session:
        counts = {
            table.name: session.sa.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }
    return {name: count for name, count in counts.items() if count and name not in KEPT}


def test_a_removed_experiment_leaves_nothing_and_frees_its_name(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    run_id, model_id = fill(store, key)
    location = store.get_run(run_id).info.artifact_uri
    store.delete_experiment(key)
    deleted: list[str] = []
    collected = collect(store.db, delete_artifacts=lambda location, _: deleted.append(location))
    assert (collected.run_ids, collected.model_ids, collected.experiment_ids) == ([run_id], [model_id], [key])
    assert collected.failures == []
    assert location in deleted
    assert f"mlflow-artifacts:/{key}" in deleted
    assert rows_left(store) == {}
    for missing in (
        lambda: store.get_run(run_id),
        lambda: store.get_logged_model(model_id, allow_deleted=True),
        lambda: store.get_experiment(key),
    ):
        with pytest.raises(NotFound):
            missing()
    assert store.create_experiment("a", "", []) != key


def test_only_the_trash_is_removed(store: SqlTrackingStore) -> None:
    kept, kept_model = fill(store, "0")
    dropped, dropped_model = fill(store, "0")
    store.delete_run(dropped)
    store.delete_logged_model(dropped_model)
    collected = collect(store.db)
    assert (collected.run_ids, collected.model_ids, collected.experiment_ids) == ([dropped], [dropped_model], [])
    assert len(store.get_metric_history(kept, "a", None, "")) == 501
    assert store.get_logged_model(kept_model).metrics[0].value == 1.0
    assert len(store.search_datasets(["0"])) == 1


def test_what_is_too_young_stays(store: SqlTrackingStore) -> None:
    old, _ = fill(store, "0")
    store.delete_run(old)
    time.sleep(0.3)
    young, _ = fill(store, "0")
    store.delete_run(young)
    assert collect(store.db, older_than=60_000).run_ids == []
    assert collect(store.db, older_than=200).run_ids == [old]
    with pytest.raises(MillstreamError) as caught:
        collect(store.db, older_than=60_000, run_ids=[young])
    assert caught.value.status == 400
    assert collect(store.db, older_than=0).run_ids == [young]


def test_what_is_active_is_refused_if_named_and_nothing_else_is_removed(store: SqlTrackingStore) -> None:
    active, model = fill(store, "0")
    dropped, _ = fill(store, "0")
    store.delete_run(dropped)
    for arguments in (
        {"run_ids": [dropped, active]},
        {"run_ids": [dropped], "experiment_ids": ["0"]},
        {"run_ids": [dropped], "logged_model_ids": [model]},
    ):
        with pytest.raises(MillstreamError) as caught:
            collect(store.db, **arguments)  # type: ignore[arg-type]
        assert caught.value.status == 400
    for unknown in ({"run_ids": ["0" * 32]}, {"experiment_ids": ["99"]}, {"logged_model_ids": ["m-0"]}):
        with pytest.raises(NotFound):
            collect(store.db, **unknown)  # type: ignore[arg-type]
    assert store.get_run(dropped).info.lifecycle_stage == "deleted"


def test_with_ids_only_what_they_name_is_removed(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    first, second = (store.create_run("0", "", "", 0, []).info.run_id for _ in range(2))
    store.delete_run(first)
    store.delete_run(second)
    store.delete_experiment(key)
    assert collect(store.db, run_ids=[first]).run_ids == [first]
    assert store.get_run(second).info.lifecycle_stage == "deleted"
    collected = collect(store.db, experiment_ids=[key])
    assert (collected.run_ids, collected.experiment_ids) == ([], [key])


def test_models_of_an_experiment_that_is_restored_meanwhile_stay(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    _, model_id = fill(store, key)
    store.delete_experiment(key)
    with store.db.read() as session:
        chosen = gc._of_experiment(session, logged_models, int(key))
    assert len(chosen) == 1
    store.restore_experiment(key)
    assert store.db.write(lambda session: gc._remove_models(session, chosen, [int(key)])) == ([], [])
    assert store.get_logged_model(model_id).model_id == model_id


def test_a_dataset_that_a_run_just_begins_to_use_is_not_collected(store: SqlTrackingStore, database_url: str) -> None:
    dropped, _ = fill(store, "0")
    run_id = store.create_run("0", "", "", 0, []).info.run_id
    store.delete_run(dropped)
    collecting = threading.Thread(target=collect, args=(store.db,))
    with SqlTrackingStore(Database(database_url), "") as other:

        def link(session: Session) -> None:
            other.log_inputs(run_id, [DatasetInput(Dataset("d", "1"))], [])
            collecting.start()
            collecting.join(0.5)  # it comes as far as the dataset and waits

        other.db.write(link)
    collecting.join()
    inputs = store.get_run(run_id).inputs
    assert inputs is not None
    assert [used.dataset.name for used in inputs.dataset_inputs] == ["d"]


def test_a_deleted_experiment_with_a_restored_run_stays(store: SqlTrackingStore) -> None:
    key = store.create_experiment("a", "", [])
    run_id = store.create_run(key, "", "", 0, []).info.run_id
    store.delete_experiment(key)
    store.restore_run(run_id)
    assert collect(store.db).experiment_ids == []
    assert store.get_run(run_id).info.lifecycle_stage == "active"


def test_artifacts_that_cannot_be_deleted_are_reported(store: SqlTrackingStore) -> None:
    run_id, _ = fill(store, "0")
    store.delete_run(run_id)

    def fail(location: str, public_id: str) -> None:
        raise OSError("the bucket is gone")

    (failure,) = collect(store.db, delete_artifacts=fail).failures
    assert run_id in failure
    assert "the bucket is gone" in failure


@pytest.mark.parametrize(
    ("text", "ms"), [("7d12h", 648_000_000), ("1d2h3m4s", 93_784_000), ("30m", 1_800_000), ("1.5d", 129_600_000)]
)
def test_ages_are_understood(text: str, ms: int) -> None:
    assert parse_age(text) == ms


@pytest.mark.parametrize("text", ["", "7", "d", "12h7d", "7d7d", "7w", "-1d", "1d ", "1..5d", "7D"])
def test_other_ages_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_age(text)


def test_what_registered_versions_have_their_files_in_stays_in_the_trash(store: SqlTrackingStore) -> None:
    used, named, lineage = (store.create_run("0", "", "", 0, []).info for _ in range(3))
    logged, spare = (store.create_logged_model("0", "m", "", "", [], []) for _ in range(2))
    registry = store.registry
    registry.create_registered_model("m", None, [])
    registry.create_model_version("m", f"{used.artifact_uri}/model", used.run_id, "", "", [], "")
    registry.create_model_version("m", f"runs:/{named.run_id}/model", named.run_id, "", "", [], "")
    registry.create_model_version("m", "s3://elsewhere/model", lineage.run_id, "", "", [], "")
    registry.create_model_version("m", f"models:/{logged.model_id}", "", "", "", [], logged.model_id)
    for info in (used, named, lineage):
        store.delete_run(info.run_id)
    for model in (logged, spare):
        store.delete_logged_model(model.model_id)
    collected = collect(store.db)
    assert collected.run_ids == [lineage.run_id]
    assert collected.model_ids == [spare.model_id]
    assert len(collected.kept) == 3
    assert f"Run {used.run_id} stays: version 1 of 'm' has its files there." in collected.kept
    registry.delete_registered_model("m")
    collected = collect(store.db)
    assert set(collected.run_ids) == {used.run_id, named.run_id}
    assert (collected.model_ids, collected.kept) == ([logged.model_id], [])


@pytest.mark.parametrize("root", ["/srv/files", "s3://bucket/files", "mlflow-artifacts:/files"])
def test_a_version_that_names_no_run_keeps_the_run_too(store: SqlTrackingStore, root: str) -> None:
    experiment = store.create_experiment("e", root, [])
    used, spare = (store.create_run(experiment, "", "", 0, []).info for _ in range(2))
    store.registry.create_registered_model("m", None, [])
    store.registry.create_model_version("m", f"{used.artifact_uri}/model", "", "", "", [], "")
    store.registry.create_model_version("m", f"{root}/elsewhere", "", "", "", [], "")
    for info in (used, spare):
        store.delete_run(info.run_id)
    collected = collect(store.db)
    assert collected.run_ids == [spare.run_id]
    assert collected.kept == [f"Run {used.run_id} stays: version 1 of 'm' has its files there."]


def test_an_experiment_whose_run_is_needed_stays_too(store: SqlTrackingStore) -> None:
    experiment = store.create_experiment("e", "", [])
    run = store.create_run(experiment, "", "", 0, []).info
    store.registry.create_registered_model("m", None, [])
    store.registry.create_model_version("m", f"{run.artifact_uri}/model", run.run_id, "", "", [], "")
    store.delete_experiment(experiment)
    assert collect(store.db).experiment_ids == []
    store.registry.delete_model_version("m", "1")
    assert collect(store.db).experiment_ids == [experiment]
