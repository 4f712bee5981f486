"""Tracking URIs: one spelling for each place, no credentials in what is shown, clear errors for what is not ours."""

import os
import sqlite3

import pytest

from millstream.client import MillstreamClient, uris
from millstream.client.transport import open_transport
from millstream.errors import InvalidValue, MillstreamError


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://Host:5000/", "http://Host:5000"),
        ("HTTPS://u:p@host/prefix/", "https://u:p@host/prefix"),
        ("sqlite:////abs/runs.db", "sqlite:////abs/runs.db"),
        ("sqlite:///runs.db?timeout=5", "sqlite:///{cwd}/runs.db?timeout=5"),
        ("postgresql+psycopg://u@h/db", "postgresql+psycopg://u@h/db"),
        ("runs", "{cwd}/runs"),
        ("./a/../runs", "{cwd}/runs"),
        ("file:///tmp/a%20b", "/tmp/a b"),
    ],
)
def test_a_place_has_one_spelling(given, meant, tmp_path):
    assert uris.normalize(given) == meant.format(cwd=tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        "ftp://host/x",
        "http://",
        "sqlite://",
        "sqlite:///:memory:",
        "file://elsewhere/x",
        "databricks",
        "localhost:5000",
        "127.0.0.1:5000",
    ],
)
def test_what_is_no_tracking_store_is_refused_with_what_to_do(given):
    with pytest.raises(InvalidValue):
        uris.normalize(given)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://user:secret@host:5000/x", "http://host:5000/x"),
        ("postgresql://user:secret@host/db", "postgresql://user@host/db"),
        ("postgresql://h/db?user=u&password=secret&sslmode=require", "postgresql://h/db?user=u&sslmode=require"),
        ("mysql://h/db?Passwd=secret", "mysql://h/db"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("/a/b", "/a/b"),
    ],
)
def test_credentials_are_not_shown(uri, shown):
    assert uris.redact(uri) == shown


def test_without_a_setting_runs_go_to_a_database_in_the_working_directory(tmp_path):
    client = MillstreamClient()
    run = client.create_run("0")
    assert (tmp_path / "millstream.db").exists()
    assert run.info.artifact_uri.startswith(str(tmp_path / "mlartifacts"))


def test_the_setting_names_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///a.db")
    assert MillstreamClient().tracking_uri == f"sqlite:///{tmp_path}/a.db"
    monkeypatch.setenv("MILLSTREAM_TRACKING_URI", "sqlite:///b.db")
    assert MillstreamClient().tracking_uri == f"sqlite:///{tmp_path}/b.db"


def test_a_folder_holds_a_database_and_artifacts(tmp_path):
    client = MillstreamClient(tmp_path / "new" / "runs")
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "x", "a.txt")
    assert sorted(os.listdir(tmp_path / "new" / "runs"))[:2] == ["millstream.db", "millstream.db-shm"]
    assert (tmp_path / "new" / "runs" / "mlartifacts").is_dir()


def test_a_file_store_of_mlflow_is_not_touched_and_the_import_is_named(tmp_path):
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
    with pytest.raises(InvalidValue, match="millstream import"):
        MillstreamClient("mlruns").create_run("0")
    assert os.listdir(tmp_path / "mlruns") == ["0"]


def test_a_database_of_mlflow_is_not_touched_and_the_import_is_named(tmp_path):
    database = sqlite3.connect(tmp_path / "mlflow.db")
    database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    database.execute("INSERT INTO alembic_version VALUES ('451aebb31d03')")
    database.execute("CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY)")
    database.commit()
    with pytest.raises(MillstreamError, match="millstream import"):
        MillstreamClient("sqlite:///mlflow.db").create_run("0")
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    database.close()
    assert tables == [("alembic_version",), ("runs",)]


def test_a_missing_folder_of_a_database_is_named(tmp_path):
    with pytest.raises(InvalidValue, match="does not exist"):
        MillstreamClient("sqlite:///no/such/runs.db").create_run("0")


def test_one_transport_serves_all_of_a_process():
    assert open_transport("sqlite:///a.db") is open_transport(f"sqlite:///{os.getcwd()}/a.db")
