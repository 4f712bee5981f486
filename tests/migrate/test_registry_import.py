"""Imports of registered models that the official MLflow 3.6 (files) and 3.17 (database) recorded (`data/record_registry.py`)."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from millstream.errors import NotFound
from millstream.migrate import Report, import_into, open_source
from millstream.store.tracking import SqlTrackingStore, open_store

DATA = Path(__file__).parent / "data"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlTrackingStore]:
    url = f"sqlite:///{tmp_path / 'ours.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_database")()
    with open_store(url) as opened:
        yield opened


def make_source(kind: str, tmp_path: Path) -> str:
    if kind == "folder":
        with tarfile.open(DATA / "registry.tar.gz") as archive:
            archive.extractall(tmp_path, filter="data")
        return str(tmp_path / "mlruns")
    path = tmp_path / "mlflow.db"
    if not path.exists():
        connection = sqlite3.connect(path)
        connection.executescript((DATA / "registry317.sql").read_text(encoding="utf-8"))
        connection.close()
    return f"sqlite:///{path}"


@pytest.fixture(params=["folder", "database"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def address(kind: str, tmp_path: Path) -> str:
    return make_source(kind, tmp_path)


def run_import(store: SqlTrackingStore, address: str) -> Report:
    source = open_source(address)
    try:
        return import_into(store.db, source)
    finally:
        source.close()


def test_everything_is_counted_on_both_sides(store: SqlTrackingStore, address: str, kind: str) -> None:
    report = run_import(store, address)
    assert report.is_complete
    assert report.notes == []
    prompts = kind == "database"
    assert (report.here.registered_models, report.here.model_versions) == (3 + prompts, 4 + prompts)
    assert report.here.aliases == 2
    assert report.here.registry_tags >= 2 + 3 * 2


def test_a_registered_model_arrives_as_it_was(store: SqlTrackingStore, address: str) -> None:
    run_import(store, address)
    registry = store.registry
    model = registry.get_registered_model("net one")
    assert model.description == "hello\nworld: *x* é"
    assert (model.tags, model.aliases) == ({"empty": "", "team": "red"}, {"Old-1": "1", "champ": "2"})
    assert {v.version: v.current_stage for v in model.latest_versions} == {
        "1": "Archived",
        "2": "Production",
        "3": "Staging",
    }
    assert 1_700_000_000_000 < (model.creation_timestamp or 0) < (model.last_updated_timestamp or 0)
    first = registry.get_model_version("net one", "1")
    assert (first.description, first.run_link, first.tags) == ("version 1", "http://ci/7", {"q": "1", "o k": "a'\nb"})
    assert first.source.endswith(f"{first.run_id}/artifacts/model1")
    assert store.get_run(first.run_id).info.run_name == "train"
    assert (first.status, first.aliases) == ("READY", ["Old-1"])
    assert (model.creation_timestamp or 0) < (first.creation_timestamp or 0) < (first.last_updated_timestamp or 0)
    second = registry.get_model_version("net one", "2")
    assert second.source == f"models:/{second.model_id}"
    logged = store.get_logged_model(second.model_id or "")
    assert [(each.name, each.version) for each in logged.info.registrations] == [("net one", "2")]
    assert registry.get_download_uri("net one", "2").endswith(f"{second.model_id}/artifacts")
    assert registry.get_model_version("copy", "1").source == "models:/net one/1"
    assert registry.get_download_uri("copy", "1") == first.source
    assert registry.get_registered_model("bare").latest_versions == []


def test_deleted_versions_stay_deleted_and_their_numbers_taken(store: SqlTrackingStore, address: str) -> None:
    run_import(store, address)
    with pytest.raises(NotFound):
        store.registry.get_model_version("net one", "4")
    assert store.registry.create_model_version("net one", "s3://b/x", "", "", "", [], "").version == "5"


def test_the_history_begins_with_what_was_imported(store: SqlTrackingStore, address: str) -> None:
    run_import(store, address)
    told = [
        (change.action.value, change.version, change.key, change.to_value)
        for change in reversed(store.registry.get_history("net one", None, 100, ""))
        if not change.action.value.startswith("VERSION_CREATED")
    ]
    assert told == [
        ("MODEL_CREATED", None, None, "hello\nworld: *x* é"),
        ("STAGE_CHANGED", "1", None, "Archived"),
        ("STAGE_CHANGED", "2", None, "Production"),
        ("STAGE_CHANGED", "3", None, "Staging"),
        *sorted([("ALIAS_SET", "2", "champ", "2"), ("ALIAS_SET", "1", "Old-1", "1")], key=lambda row: str(row[2])),
    ]
    comments = {change.comment for change in store.registry.get_history("net one", None, 100, "")}
    assert all((comment or "").startswith("imported from ") for comment in comments)


def test_a_second_import_doubles_nothing_and_takes_over_what_changed(store: SqlTrackingStore, tmp_path: Path) -> None:
    address = make_source("database", tmp_path)
    first = run_import(store, address)
    history = list(store.registry.get_history("net one", None, 100, ""))
    store.registry.create_model_version("net one", "s3://b/mine", "", "", "", [], "")
    mine = list(store.registry.get_history("net one", None, 1, ""))
    second = run_import(store, address)
    assert (second.there, second.here) == (first.there, first.here)
    assert store.registry.get_history("net one", None, 100, "") == [*mine, *history]
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute(
            "UPDATE model_versions SET current_stage = 'Production' WHERE name = 'net one' AND version = 3"
        )
        connection.execute("UPDATE registered_model_aliases SET version = 3 WHERE alias = 'champ'")
    connection.close()
    assert run_import(store, address).is_complete
    assert store.registry.get_registered_model("net one").aliases["champ"] == "3"
    newest = store.registry.get_history("net one", None, 2, "")
    assert [(c.action.value, c.from_value, c.to_value) for c in newest] == [
        ("ALIAS_SET", "2", "3"),
        ("STAGE_CHANGED", "Staging", "Production"),
    ]
    assert store.registry.create_model_version("net one", "s3://b/x", "", "", "", [], "").version == "6"


def test_a_model_whose_name_is_taken_is_kept_under_another(store: SqlTrackingStore, address: str) -> None:
    store.registry.create_registered_model("net one", "mine", [])
    for _ in range(2):
        report = run_import(store, address)
        assert report.is_complete
        (note,) = report.notes
        assert "'net one (imported)'" in note
    assert store.registry.get_registered_model("net one").description == "mine"
    assert store.registry.get_model_version("net one (imported)", "2").current_stage == "Production"


def test_a_running_server_is_imported_over_rest(store: SqlTrackingStore, tmp_path: Path, served: str) -> None:
    report = run_import(store, served)
    assert report.is_complete
    assert (report.here.registered_models, report.here.model_versions, report.here.aliases) == (4, 5, 2)
    assert store.registry.get_registered_model("net one").aliases == {"Old-1": "1", "champ": "2"}
    assert store.registry.get_download_uri("copy", "1").endswith("artifacts/model1")
    assert store.registry.get_model_version("net one", "2").model_id is not None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a server of ours that holds what the database holds."""
    with open_store(f"sqlite:///{tmp_path / 'theirs.db'}") as theirs:
        run_import(theirs, make_source("database", tmp_path))
    command = [sys.executable, "-m", "millstream.cli.main", "server", "--port", "0"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'theirs.db'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.terminate()
