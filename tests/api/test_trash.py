"""Removing for good what is in the trash, through HTTP."""

from __future__ import annotations

from .conftest import World

PURGE = "/api/2.0/millstream/trash/purge"


def test_a_deleted_run_is_purged_with_its_files(server):
    world = World(server)
    folder = server.folder / "artifacts" / world.experiment / world.run / "artifacts"
    assert folder.is_dir()
    assert server.ask("POST", PURGE, {"run_ids": [world.run]}).error() == (400, "INVALID_PARAMETER_VALUE")
    assert folder.is_dir()
    server.post("runs/delete", {"run_id": world.run})
    assert server.ask("POST", PURGE, {"run_ids": [world.run]}).json() == {"run_ids": [world.run]}
    assert not folder.exists()
    assert server.get(f"/api/2.0/mlflow/runs/get?run_id={world.run}").error() == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_deleted_experiment_is_purged_and_its_name_is_free(server):
    made = server.post("experiments/create", {"name": "brief"}).json()["experiment_id"]
    server.post("experiments/delete", {"experiment_id": made})
    assert server.ask("POST", PURGE, {"experiment_ids": [made]}).json() == {"experiment_ids": [made]}
    assert server.post("experiments/create", {"name": "brief"}).status == 200


def test_places_of_the_servers_machine_are_not_told(server, tmp_path):
    body = {"name": "elsewhere", "artifact_location": "file:///nowhere/at/all"}
    experiment = server.post("experiments/create", body).json()["experiment_id"]
    run = server.post("runs/create", {"experiment_id": experiment}).json()["run"]["info"]
    server.post("runs/delete", {"run_id": run["run_id"]})
    answer = server.ask("POST", PURGE, {"run_ids": [run["run_id"]]}).json()
    assert answer == {"run_ids": [run["run_id"]], "left_behind": [run["artifact_uri"]]}


def test_nothing_named_purges_nothing(server):
    assert server.ask("POST", PURGE, {}).error() == (400, "INVALID_PARAMETER_VALUE")
