"""What the server's trash removes, in the store and of the artifacts, on every database."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.errors import InvalidState, InvalidValue, NotFound, RunNotFound
from millstream.server.artifact_store import ServerArtifacts
from millstream.server.trash import MOST, ServerTrash
from millstream.store.tracking import SqlTrackingStore


@pytest.fixture
def trash(store: SqlTrackingStore, tmp_path: Path) -> ServerTrash:
    return ServerTrash(store.db, ServerArtifacts(store, str(tmp_path / "served")))


def new_run(store: SqlTrackingStore, experiment: str) -> str:
    return store.create_run(experiment, "", "", 0, []).info.run_id


def files_of(tmp_path: Path, experiment: str, run: str) -> Path:
    folder = tmp_path / "served" / experiment / run / "artifacts"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"weights")
    return folder


def test_named_runs_go_with_their_files_and_others_stay(
    store: SqlTrackingStore, trash: ServerTrash, tmp_path: Path
) -> None:
    experiment = store.create_experiment("a", "", [])
    gone, other = new_run(store, experiment), new_run(store, experiment)
    folders = [files_of(tmp_path, experiment, run) for run in (gone, other)]
    for run in (gone, other):
        store.delete_run(run)
    purged = trash.purge([gone], [])
    assert (purged.run_ids, purged.experiment_ids, purged.left_behind) == ([gone], [], [])
    assert [folder.exists() for folder in folders] == [False, True]
    with pytest.raises(RunNotFound):
        store.get_run(gone)
    store.restore_run(other)


def test_an_experiment_takes_its_runs_and_its_folder_along_and_frees_its_name(
    store: SqlTrackingStore, trash: ServerTrash, tmp_path: Path
) -> None:
    experiment = store.create_experiment("a", "", [])
    run = new_run(store, experiment)
    files_of(tmp_path, experiment, run)
    store.delete_experiment(experiment)
    purged = trash.purge([], [experiment])
    assert (purged.run_ids, purged.experiment_ids) == ([run], [experiment])
    assert not (tmp_path / "served" / experiment).exists()
    assert store.create_experiment("a", "", []) != experiment


def test_what_is_active_or_unknown_is_refused_and_nothing_is_removed(
    store: SqlTrackingStore, trash: ServerTrash
) -> None:
    experiment = store.create_experiment("a", "", [])
    deleted, active = new_run(store, experiment), new_run(store, experiment)
    store.delete_run(deleted)
    for runs, experiments, error in (
        ([deleted, active], [], InvalidState),
        ([deleted], [experiment], InvalidState),
        ([deleted, "0" * 32], [], NotFound),
        ([deleted], ["no number"], InvalidValue),
        ([], [], InvalidValue),
        ([deleted] * (MOST + 1), [], InvalidValue),
    ):
        with pytest.raises(error):
            trash.purge(runs, experiments)
    store.restore_run(deleted)


def test_files_outside_of_the_configured_roots_are_left_and_named(
    store: SqlTrackingStore, trash: ServerTrash, tmp_path: Path
) -> None:
    """Its operator's `millstream gc` deletes these; a client that chose the place must not make the server do it."""
    elsewhere = tmp_path / "elsewhere"
    experiment = store.create_experiment("a", str(elsewhere), [])
    run = new_run(store, experiment)
    location = store.get_run(run).info.artifact_uri or ""
    (elsewhere / run / "artifacts").mkdir(parents=True)
    store.delete_run(run)
    purged = trash.purge([run], [])
    assert (purged.run_ids, purged.left_behind) == ([run], [location])
    assert (elsewhere / run / "artifacts").is_dir()
