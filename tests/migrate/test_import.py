"""Imports of what the official MLflow 3.6 and 3.17 recorded (`data/record.py`), from a folder, a database, a server."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from millstream.entities import MAX_DOUBLE, Run, ViewType
from millstream.errors import InvalidValue, MissingLibrary, ServerUnreachable
from millstream.migrate import Report, import_into, open_source
from millstream.store.tables import run_tags, runs
from millstream.store.tracking import SqlTrackingStore, open_store

DATA = Path(__file__).parent / "data"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlTrackingStore]:
    opened = open_store(f"sqlite:///{tmp_path / 'ours.db'}")
    yield opened
    opened.close()


@pytest.fixture(params=["folder", "3.6", "3.17"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return make_source(request.param, tmp_path)


def make_source(kind: str, tmp_path: Path) -> str:
    if kind == "folder":
        with tarfile.open(DATA / "mlruns.tar.gz") as archive:
            archive.extractall(tmp_path, filter="data")
        return str(tmp_path / "mlruns")
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    connection.executescript((DATA / f"mlflow{kind.replace('.', '')}.sql").read_text(encoding="utf-8"))
    connection.close()
    return f"sqlite:///{path}"


def run_import(store: SqlTrackingStore, address: str) -> Report:
    source = open_source(address)
    try:
        return import_into(store.db, source)
    finally:
        source.close()


def all_runs(store: SqlTrackingStore, experiment_id: str) -> dict[str, Run]:
    found = store.search_runs([experiment_id], "", ViewType.ALL, 1000, ["start_time ASC"], "")
    return {f"{run.info.run_name}/{run.info.lifecycle_stage}": store.get_run(run.info.run_id) for run in found}


def test_everything_is_counted_on_both_sides(store: SqlTrackingStore, address: str) -> None:
    report = run_import(store, address)
    assert report.is_complete
    assert report.there.experiments == 3
    assert report.there.runs == 5
    assert report.there.models == 2
    assert report.there.datasets == 2
    assert report.there.points == 2 * (20 + 5) + 2 + 1
    assert report.notes == []


def test_a_run_arrives_as_it_was(store: SqlTrackingStore, address: str) -> None:
    run_import(store, address)
    experiment = store.get_experiment_by_name("sweep/one")
    assert experiment.tags == {"team": "a", "note one": "x"}
    run = all_runs(store, experiment.experiment_id)["r0/active"]
    assert run.data.params == {"lr": "0.0", "opt": "a'b\nc: é"}
    assert run.data.tags["t"] == "multi\nline"
    assert run.data.tags["empty"] == ""
    assert run.data.tags["mlflow.note.content"] == "hello\nworld: [x]"
    assert run.data.metrics["val/loss"] == 0.05
    assert math.isnan(run.data.metrics["nan"])
    assert run.data.metrics["inf"] == MAX_DOUBLE
    assert run.data.metrics["neg"] == -MAX_DOUBLE
    assert [m.step for m in store.get_metric_history(run.info.run_id, "val/loss", None, "")] == list(range(20))
    assert run.info.status == "FINISHED"
    assert run.info.end_time is not None
    assert run.info.start_time is not None
    assert run.info.end_time >= run.info.start_time > 1_700_000_000_000
    assert run.info.artifact_uri is not None
    assert run.info.artifact_uri.endswith(f"{run.info.run_id}/artifacts")
    assert "/srv/team/" in run.info.artifact_uri
    assert run.inputs is not None
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.source_type) == ("df", "code")
    assert {tag.key: tag.value for tag in used.tags} == {"k": "v", "mlflow.data.context": "train"}
    assert run.outputs is not None
    (output,) = run.outputs.model_outputs
    model = store.get_logged_model(output.model_id)
    assert (model.name, model.model_type, model.params, model.tags["a"]) == ("mod", "agent", {"p": "1"}, "b")
    assert [(m.key, m.value, m.step, m.dataset_name) for m in model.metrics] == [("acc", 0.7, 1, "df")]


def test_the_trash_stays_the_trash(store: SqlTrackingStore, address: str) -> None:
    run_import(store, address)
    gone = store.get_experiment_by_name("gone")
    assert gone.lifecycle_stage == "deleted"
    assert [run.info.lifecycle_stage for run in all_runs(store, gone.experiment_id).values()] == ["deleted"]
    kept = all_runs(store, store.get_experiment_by_name("sweep/one").experiment_id)
    assert "r1/deleted" in kept


def test_a_second_import_doubles_nothing(store: SqlTrackingStore, address: str) -> None:
    first = run_import(store, address)
    second = run_import(store, address)
    assert second.is_complete
    assert (second.there, second.here) == (first.there, first.here)
    assert second.skipped_runs == 5


def test_an_import_that_was_cut_goes_on(store: SqlTrackingStore, address: str) -> None:
    source = open_source(address)
    points = source.points
    calls = 0

    def cut(run: object) -> Iterator[object]:
        nonlocal calls
        for batch in points(run):  # type: ignore[arg-type]
            calls += 1
            if calls == 4:
                raise KeyboardInterrupt
            yield batch

    source.points = cut  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        import_into(store.db, source)
    source.close()
    report = run_import(store, address)
    assert report.is_complete
    assert report.there.points == 53


def test_an_experiment_whose_name_is_taken_is_kept_under_another(store: SqlTrackingStore, tmp_path: Path) -> None:
    store.create_experiment("other", "", [])  # takes the id
    mine = store.create_experiment("sweep/one", "", [])
    address = make_source("3.6", tmp_path)
    for _ in range(2):
        report = run_import(store, address)
        assert report.is_complete
        assert report.here.runs == 5
    names = {e.name for e in store.search_experiments("", [], 100, "", ViewType.ALL)}
    assert names == {"Default", "gone", "other", "sweep/one", "sweep/one (imported 1)"}
    assert store.search_runs([mine], "", ViewType.ALL, 10, [], "") == []


def test_runs_stay_in_an_experiment_that_was_renamed_since(store: SqlTrackingStore, tmp_path: Path) -> None:
    address = make_source("3.6", tmp_path)
    run_import(store, address)
    store.rename_experiment("1", "mine")
    here = {run.info.run_id for run in all_runs(store, "1").values()}
    for run in all_runs(store, "1").values():
        if run.info.lifecycle_stage == "active":
            for key in run.data.tags:
                store.delete_run_tag(run.info.run_id, key)
    assert run_import(store, address).is_complete
    assert {run.info.run_id for run in all_runs(store, "1").values()} == here
    elsewhere = (
        select(func.count()).select_from(runs.join(run_tags)).where(run_tags.c.experiment_id != runs.c.experiment_id)
    )
    with store.db.read() as session:
        assert session.sa.execute(elsewhere).scalar_one() == 0


def test_experiments_that_come_after_an_import_get_free_ids(database_url: str, tmp_path: Path) -> None:
    with open_store(database_url) as store:
        run_import(store, make_source("3.6", tmp_path))
        taken = {experiment.experiment_id for experiment in store.search_experiments("", [], 100, "", ViewType.ALL)}
        assert store.create_experiment("new", "", []) not in taken


def test_what_is_not_mlflows_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="no folder"):
        open_source(str(tmp_path / "nothing"))
    sqlite3.connect(tmp_path / "other.db").close()
    with pytest.raises(InvalidValue, match="not made by MLflow"):
        open_source(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(InvalidValue, match="no file"):
        open_source(f"sqlite:///{tmp_path / 'missing.db'}")
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(InvalidValue, match="not a database URL"):
        open_source("sqlite:mlflow.db")
    with pytest.raises(InvalidValue, match=r"no experiment is in it\. Give the path"):
        open_source(str(tmp_path))
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
    with pytest.raises(InvalidValue, match=r"Did you mean '.*/mlruns'\?"):
        open_source(str(tmp_path))
    with pytest.raises(ServerUnreachable):  # without the retries of a client
        open_source("http://127.0.0.1:9")


def test_a_database_is_read_with_our_driver_unless_another_is_named(database_url: str) -> None:
    path = make_url(database_url)
    if path.database and path.get_backend_name() == "sqlite":
        sqlite3.connect(path.database).close()
    plain = path.set(drivername=path.get_backend_name()).render_as_string(hide_password=False)
    with pytest.raises(InvalidValue, match="not made by MLflow"):
        open_source(plain)
    with pytest.raises(MissingLibrary):
        open_source("mssql+pymssql://nobody@127.0.0.1/nothing")
    with pytest.raises(InvalidValue, match="Cannot import from gopher:"):
        open_source("gopher://x")


def test_lines_of_the_oldest_releases_and_torn_lines_are_read(store: SqlTrackingStore, tmp_path: Path) -> None:
    run = tmp_path / "mlruns" / "0" / "aabb"
    (run / "metrics").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("experiment_id: 0\nname: Default\nlifecycle_stage: active\n")
    (run / "meta.yaml").write_text(
        "run_uuid: aabb\nexperiment_id: 0\nstatus: 3\nstart_time: 5\nend_time: 6\nname: old\n"
    )
    (run / "metrics" / "acc").write_text("1500000000 0.5\n1500000001 0.75\n15000000")
    report = run_import(store, str(tmp_path / "mlruns"))
    assert report.here.points == 2
    found = store.get_run("aabb")
    assert (found.info.run_name, found.data.metrics) == ("old", {"acc": 0.75})


def test_a_running_server_is_imported_over_rest(store: SqlTrackingStore, tmp_path: Path, served_folder: str) -> None:
    report = run_import(store, served_folder)
    assert report.is_complete
    assert (report.here.runs, report.here.points, report.here.models) == (5, 53, 2)
    assert store.get_experiment_by_name("gone").lifecycle_stage == "deleted"


@pytest.fixture
def served_folder(tmp_path: Path) -> Iterator[str]:
    """The address of a server of ours that holds what the folder holds."""
    theirs = open_store(f"sqlite:///{tmp_path / 'theirs.db'}")
    run_import(theirs, make_source("folder", tmp_path))
    theirs.close()
    command = [sys.executable, "-m", "millstream.cli.main", "server", "--port", "0"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'theirs.db'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.terminate()
