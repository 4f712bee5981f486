"""Every command, as a person types it: against a store in a folder, and against a real server."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from millstream.cli.main import _COMMANDS, cli, main
from millstream.cli.store import delete_artifacts
from millstream.client import MillstreamClient
from millstream.errors import PermissionDenied
from millstream.server.artifact_store import ServerArtifacts

Call = Callable[..., Result]


@pytest.fixture
def store_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    monkeypatch.chdir(tmp_path)
    return uri


@pytest.fixture
def call(store_uri: str) -> Call:
    def invoke(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
        assert result.exit_code == status, result.output
        return result

    return invoke


def read(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def run_id(call: Call, store_uri: str) -> str:
    """A finished run of the experiment "vision" with a metric, a param and a tag."""
    call("experiments", "create", "-n", "vision")
    client = MillstreamClient(store_uri)
    run = client.create_run("1", run_name="first")
    client.log_param(run.info.run_id, "lr", 0.1)
    for step in range(5):
        client.log_metric(run.info.run_id, "acc", step / 10, step=step)
    client.set_tag(run.info.run_id, "team", "a, b")
    client.set_terminated(run.info.run_id)
    return run.info.run_id


def test_experiments_are_created_found_renamed_deleted_and_restored(call: Call) -> None:
    created = call("experiments", "create", "--experiment-name", "vision", "--artifact-location", "s3://bucket/x")
    assert created.stdout == "Created experiment 'vision' with id 1\n"
    assert read(call("experiments", "create", "-n", "text", "--json")) == {"experiment_id": "2"}
    call("experiments", "rename", "-x", "1", "--new-name", "seen")
    found = read(call("experiments", "search", "--filter", "name = 'seen'", "--json"))
    assert [(e["name"], e["artifact_location"]) for e in found] == [("seen", "s3://bucket/x")]
    assert "has been deleted" in call("experiments", "delete", "-x", "1").stdout
    assert {e["name"] for e in read(call("experiments", "search", "--json"))} == {"Default", "text"}
    assert [e["name"] for e in read(call("experiments", "search", "--view", "deleted_only", "--json"))] == ["seen"]
    assert "has been restored" in call("experiments", "restore", "-x", "1").stdout
    assert read(call("experiments", "get", "-n", "seen", "--json"))["lifecycle_stage"] == "active"
    assert "seen" in call("experiments", "search").stdout


def test_runs_are_listed_described_deleted_and_restored(call: Call, run_id: str) -> None:
    listed = call("runs", "list", "--experiment-id", "1").stdout
    assert run_id in listed
    assert "first" in listed
    assert [run["info"]["run_id"] for run in read(call("runs", "list", "-x", "1", "--json"))] == [run_id]
    assert read(call("runs", "list", "-x", "1", "--filter", "metrics.acc > 0.5", "--json")) == []
    described = read(call("runs", "describe", "--run-id", run_id))
    assert described["data"]["params"] == [{"key": "lr", "value": "0.1"}]
    call("runs", "delete", "--run-id", run_id)
    assert read(call("runs", "list", "-x", "1", "--json")) == []
    call("runs", "restore", "--run-id", run_id)
    assert len(read(call("runs", "list", "-x", "1", "--json"))) == 1


def test_what_is_stored_does_not_command_the_terminal(call: Call, store_uri: str, run_id: str) -> None:
    MillstreamClient(store_uri).create_run("1", run_name="\x1b]0;owned\x07\x1b[2Jevil\x9b1m")
    listed = call("runs", "list", "-x", "1").stdout
    assert "evil" in listed
    assert not {"\x1b", "\x07", "\x9b"} & set(listed)


def test_a_run_can_be_created_and_rewound(call: Call, run_id: str) -> None:
    created = read(call("runs", "create", "-n", "vision", "--run-name", "empty", "--json"))
    assert read(call("runs", "describe", "-r", created["run_id"]))["info"]["status"] == "FINISHED"
    assert read(call("runs", "rewind", "-r", run_id, "--step", "3", "--json"))["deleted_points"] == 2
    assert read(call("runs", "describe", "-r", run_id))["data"]["metrics"][0]["value"] == 0.2


def test_runs_are_written_as_csv(call: Call, run_id: str, tmp_path: Path) -> None:
    call("experiments", "csv", "-x", "1", "-o", "runs.csv")
    for text in ((tmp_path / "runs.csv").read_text(), call("experiments", "csv", "-x", "1").stdout):
        (row,) = csv.DictReader(io.StringIO(text))
        assert (row["run_id"], row["metrics.acc"], row["params.lr"], row["tags.team"]) == (run_id, "0.4", "0.1", "a, b")


def test_artifacts_go_up_and_come_down(call: Call, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("hello")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    call("artifacts", "log-artifact", "-l", "note.txt", "-r", run_id, "-a", "deep")
    call("artifacts", "log-artifacts", "-l", "folder", "-r", run_id)
    assert read(call("artifacts", "list", "-r", run_id)) == [
        {"path": "a.txt", "is_dir": False, "file_size": 1},
        {"path": "deep", "is_dir": True, "file_size": None},
    ]
    path = call("artifacts", "download", "-r", run_id, "-a", "deep/note.txt", "-d", "out").stdout.strip()
    assert Path(path).read_text() == "hello"
    again = read(call("artifacts", "download", "-u", f"runs:/{run_id}/a.txt", "-d", "out", "--json"))
    assert Path(again["local_path"]).read_text() == "a"


def test_gc_removes_what_is_in_the_trash_with_its_artifacts(
    call: Call, run_id: str, store_uri: str, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("hello")
    call("artifacts", "log-artifact", "-l", "note.txt", "-r", run_id)
    kept = list((tmp_path / "mlartifacts").rglob("note.txt"))
    assert len(kept) == 1
    call("runs", "delete", "--run-id", run_id)
    old = read(call("gc", "--backend-store-uri", store_uri, "--older-than", "1h", "--json"))
    assert old["run_ids"] == []
    assert f"Run with ID {run_id} has been permanently deleted." in call("gc", "--backend-store-uri", store_uri).stdout
    assert not kept[0].exists()
    with pytest.raises(Exception, match="No run"):
        call("runs", "describe", "-r", run_id)


@pytest.mark.parametrize("is_reached_through_a_link", [False, True])
def test_gc_leaves_what_stored_locations_wrongly_name(
    call: Call, store_uri: str, tmp_path: Path, is_reached_through_a_link: bool
) -> None:
    """Locations are text that clients chose: they lead to folders of others, to whole disks, through links."""
    client = MillstreamClient(store_uri)
    home = tmp_path / "home"
    (home / "1").mkdir(parents=True)
    ids = [client.create_experiment(name, str(place)) for name, place in (("a", home / "1"), ("b", home), ("c", "/"))]
    assert ids[0] == "1"
    run_id = client.create_run("1").info.run_id
    place = home / "1" / run_id
    if is_reached_through_a_link:
        (home / "artifacts").mkdir()
        place.symlink_to(home)
    else:
        (place / "artifacts").mkdir(parents=True)
    for folder in (home, home / "1", place / "artifacts"):
        (folder / "file").write_text("x")
    for experiment_id in ids:
        client.delete_experiment(experiment_id)
    removed = read(call("gc", "--backend-store-uri", store_uri, "--json"))
    assert removed["run_ids"] == [run_id]
    assert sorted(removed["experiment_ids"]) == ids
    assert (home / "file").exists()
    assert (home / "1" / "file").exists()
    assert (home / "artifacts" / "file").exists() == is_reached_through_a_link
    assert is_reached_through_a_link or not (place / "artifacts").exists()
    assert any(failure.startswith(f"{home}/1: ") for failure in removed["failures"])


@pytest.mark.parametrize(
    "location", ["/", "/home", "file:///home", "mlflow-artifacts:/", "mlflow-artifacts:/1", "", "~"]
)
def test_gc_never_deletes_what_does_not_carry_the_id(tmp_path: Path, location: str) -> None:
    configured = ServerArtifacts(None, str(tmp_path))  # type: ignore[arg-type] - asked for nothing of the store
    for object_id in ("a" * 32, "m-" + "a" * 32, "7"):
        with pytest.raises(PermissionDenied):
            delete_artifacts(configured, location, object_id)
    for outside in (f"/nowhere/{'7'}", "runs:/x/7", "unknown:/x/7"):
        with pytest.raises(PermissionDenied):
            delete_artifacts(configured, outside, "7")


@pytest.mark.parametrize("option", ["--run-ids", "--experiment-ids", "--logged-model-ids"])
@pytest.mark.parametrize("ids", ["", " ", " , "])
def test_gc_takes_no_ids_for_none(call: Call, run_id: str, store_uri: str, option: str, ids: str) -> None:
    """As a script gives them whose variable is not set."""
    call("runs", "delete", "--run-id", run_id)
    refused = call("gc", "--backend-store-uri", store_uri, option, ids, status=2)
    assert f"{option} names nothing" in refused.stderr
    assert MillstreamClient(store_uri).get_run(run_id).info.lifecycle_stage == "deleted"


def test_gc_works_on_the_database_that_is_meant(call: Call, run_id: str, store_uri: str, tmp_path: Path) -> None:
    assert f"Nothing to remove in {store_uri}." in call("gc", "--backend-store-uri", store_uri).stdout
    call("runs", "delete", "--run-id", run_id)
    assert "There is no database" in call("gc", "--backend-store-uri", "sqlite:///typo.db", status=2).stderr
    assert "There is no database" in call("gc", status=2).stderr
    assert "not through a server" in call("gc", "--tracking-uri", "http://127.0.0.1:9", status=2).stderr
    assert {path.name for path in tmp_path.glob("*.db")} == {"runs.db"}
    assert run_id in call("gc", "--tracking-uri", store_uri).stdout


def test_a_server_that_was_to_have_passwords_does_not_start_without(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "which this server does not have" in call("server", "--app-name", "basic-auth", status=2).stderr
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", "auth.ini")
    assert "MLFLOW_AUTH_CONFIG_PATH asks for" in call("server", status=2).stderr


def test_doctor_asks_a_server_that_does_not_answer_once(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "does not answer" in read(call("doctor", "--json"))["Server answers"]


def test_a_path_that_cannot_be_written_is_one_line(
    run_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["experiments", "csv", "-x", "1", "-o", str(tmp_path / "missing" / "x.csv")])
    assert left.value.code == 1
    assert capsys.readouterr().err == f"Error: {tmp_path}/missing/x.csv: No such file or directory\n"


def test_the_schema_is_upgraded_to_where_it_is(call: Call, store_uri: str, run_id: str) -> None:
    assert "The schema is at revision" in call("db", "upgrade", store_uri).stdout


def test_sync_says_what_it_delivered(call: Call, tmp_path: Path) -> None:
    script = "import millstream as m, os; m.start_run(); [m.log_metric('x', i, step=i) for i in range(7)]; os._exit(9)"
    environment = {"MILLSTREAM_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path / 'runs.db'}"
    environment["MILLSTREAM_JOURNAL_DIR"] = str(tmp_path / "journal")
    subprocess.run([sys.executable, "-c", script], env=environment, check=False, capture_output=True)
    report = read(call("sync", "--json"))
    assert report["left"] == 0
    assert [journal["sent"]["points"] for journal in report["journals"]] == [7]
    (run,) = read(call("runs", "list", "-x", "0", "--json"))
    assert run["data"]["metrics"][0]["value"] == 6
    assert "Delivered 0 points" in call("sync").stdout


def test_doctor_shows_settings_but_no_secrets(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2-hunter2")
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "postgresql://me:hunter2-hunter2@db/x")
    for output in (call("doctor").stdout, call("doctor", "--json").stdout):
        assert "hunter2" not in output
        assert "SQL" in output.upper()
    assert read(call("doctor", "--json"))["MLflow API"].startswith("3.")


def test_an_import_is_reported(call: Call, tmp_path: Path) -> None:
    run = tmp_path / "mlruns" / "0" / "aabb"
    (run / "metrics").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("experiment_id: '0'\nname: Default\n")
    (run / "meta.yaml").write_text("run_id: aabb\nexperiment_id: '0'\nstatus: 3\nstart_time: 5\n")
    (run / "metrics" / "acc").write_text("15 0.5 0\n16 0.75 1\n")
    target = f"sqlite:///{tmp_path / 'runs.db'}"
    report = read(call("import", "mlruns", "--to", target, "--json"))
    assert report["here"] == report["there"]
    assert report["here"]["points"] == 2
    assert read(call("runs", "list", "-x", "0", "--json"))[0]["data"]["metrics"][0]["value"] == 0.75


def test_errors_are_one_line_and_status_1(store_uri: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["runs", "describe", "-r", "ffff"])
    assert exit_.value.code == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "No run 'ffff'" in captured.err
    with pytest.raises(SystemExit):
        main(["runs", "describe", "-r", "ffff", "--json"])
    assert json.loads(capsys.readouterr().err)["error_code"] == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize("name", sorted(_COMMANDS))
def test_every_command_explains_itself_and_is_documented(call: Call, name: str) -> None:
    assert "Usage:" in call(name, "--help").stdout
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    assert f"`{name}`" in page or f"`millstream {name}" in page


def test_variables_of_a_file_count_unless_they_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").write_text("# comment\nexport MILLSTREAM_TEST_ONE='1'\nMILLSTREAM_TEST_TWO=2\n")
    monkeypatch.setenv("MILLSTREAM_TEST_TWO", "kept")
    monkeypatch.setenv("MILLSTREAM_TEST_ONE", "")
    monkeypatch.delenv("MILLSTREAM_TEST_ONE")
    script = "import os; print(os.environ['MILLSTREAM_TEST_ONE'], os.environ['MILLSTREAM_TEST_TWO'])"
    code = f"import sys; from millstream.cli.main import _load_environment; _load_environment(sys.argv[1]); {script}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "env")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1 kept\n"


# ---------------------------------------------------------------- registry


@pytest.fixture
def registered(call: Call) -> str:
    """A registered model with two versions; its name."""
    for number in (1, 2):
        call("registry", "register", f"s3://bucket/{number}", "net work")
    return "net work"


def test_models_are_registered_promoted_and_shown(call: Call, registered: str) -> None:
    call("registry", "alias", "set", registered, "champ", "1", "-m", "first")
    call("registry", "alias", "set", registered, "champ", "2")
    call("registry", "transition", registered, "1", "production")
    out = call("registry", "transition", registered, "2", "Production", "--archive-existing", "-m", "better").output
    assert "Version 2 of 'net work' is in Production." in out
    call("registry", "tag", "set", registered, "team", "red")
    call("registry", "tag", "set", registered, "ok", "yes", "--version", "2")
    call("registry", "set-description", registered, "Some *words*")
    call("registry", "set-description", registered, "Fine", "--version", "2")
    (model,) = read(call("registry", "search", "--filter", "tags.team = 'red'", "--json"))
    assert (model["name"], model["description"]) == (registered, "Some *words*")
    assert model["aliases"] == [{"alias": "champ", "version": "2"}]
    versions = read(call("registry", "versions", registered, "--json"))
    assert [(v["version"], v["current_stage"], v.get("aliases")) for v in versions] == [
        ("2", "Production", ["champ"]),
        ("1", "Archived", None),
    ]
    assert [
        v["version"] for v in read(call("registry", "versions", registered, "--filter", "tags.ok = 'yes'", "--json"))
    ] == ["2"]
    table = call("registry", "describe", registered, "--version", "2").output
    for text in ("Production", "s3://bucket/2", "champ", "tag ok", "Fine"):
        assert text in table
    assert read(call("registry", "describe", registered, "--json"))["tags"] == [{"key": "team", "value": "red"}]
    assert "latest in Archived" in call("registry", "describe", registered).output
    assert "champ=2" in call("registry", "search").output


def test_the_history_is_shown_and_survives_the_model(call: Call, registered: str) -> None:
    call("registry", "alias", "set", registered, "champ", "1")
    call("registry", "alias", "delete", registered, "champ", "-m", "not good enough")
    call("registry", "tag", "set", registered, "k", "v")
    call("registry", "tag", "delete", registered, "k")
    call("registry", "rename", registered, "net")
    call("registry", "delete", "net", "--version", "1", "--yes")
    call("registry", "delete", "net", "--yes", "-m", "over")
    told = read(call("registry", "history", "net", "--json"))
    assert [(change["action"], change.get("comment")) for change in told[:2]] == [
        ("MODEL_DELETED", "over"),
        ("VERSION_DELETED", None),
    ]
    assert len(read(call("registry", "history", "net", "--max-results", "3", "--json"))) == 3
    table = call("registry", "history", "net", "--version", "1").output
    for text in ("alias deleted", "not good enough", "s3://bucket/1"):
        assert text in table


def test_nothing_is_deleted_without_a_yes(call: Call, registered: str) -> None:
    result = CliRunner().invoke(cli, ["registry", "delete", registered], input="n\n")
    assert result.exit_code == 1
    assert read(call("registry", "describe", registered, "--json"))["name"] == registered
