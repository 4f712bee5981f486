"""This machine as a target: real scoring servers, in the background, known by files."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from millstream.cli.main import cli
from millstream.deployments import BaseDeploymentClient, local, processes, records
from millstream.deployments.local import LocalDeploymentClient
from millstream.deployments.processes import ServerFailed
from millstream.deployments.records import DeploymentExists, DeploymentNotFound, EndpointNotFound
from millstream.errors import InvalidState, InvalidValue, MillstreamError, StoreError, Unsupported
from millstream.processes import Process

Client = LocalDeploymentClient


def values(client: BaseDeploymentClient, name: str | None = None, **where: str) -> list[float]:
    """What a deployment says of x = 1, 2."""
    answer = client.predict(name, pd.DataFrame({"x": [1.0, 2.0]}), **where)
    return [round(value, 6) for value in answer["predictions"]]


def check_inputs(client: Client) -> None:
    """Every kind is sent; what cannot be is refused."""
    for inputs in (
        np.array([[1.0], [2.0]]),
        [[1.0], [2.0]],
        {"dataframe_records": [{"x": 1.0}, {"x": 2.0}]},
        {"instances": [[1.0], [2.0]]},
    ):
        answer = client.predict("m", inputs)
        assert answer.get_predictions("ndarray").round(6).tolist() == [2.0, 4.0]
    with pytest.raises(MillstreamError) as refused:
        client.predict("m", {"dataframe_records": [{"x": "no number"}]})
    assert refused.value.status == 400
    for inputs in (None, object(), [float("nan")]):
        with pytest.raises(InvalidValue):
            client.predict("m", inputs)
    with pytest.raises(Unsupported):
        client.explain("m", [[1.0]])


def test_a_deployment_lives_until_it_is_deleted(client: Client, models: Path, tmp_path: Path) -> None:
    made = client.create_deployment("m", str(models / "double"))
    assert (made["name"], made["flavor"], made["status"]) == ("m", "python_function", "READY")
    assert made["url"].startswith("http://127.0.0.1:")
    assert values(client, "m") == [2.0, 4.0]
    assert client.list_deployments() == [client.get_deployment("m")] == [made]
    folder = tmp_path / "state"
    for path in (folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    with pytest.raises(DeploymentExists):
        client.create_deployment("m", str(models / "triple"))
    check_inputs(client)
    process = Process(made["pid"], records.Folder(folder).deployment("m").process.started)
    assert process.is_alive()
    client.delete_deployment("m")
    assert not process.is_alive()
    assert client.list_deployments() == []
    assert list((folder / "deployments").iterdir()) == []
    client.delete_deployment("m")  # once more is no error
    with pytest.raises(DeploymentNotFound, match="list_deployments"):
        client.get_deployment("m")


def test_an_update_changes_the_model_without_a_gap(client: Client, models: Path) -> None:
    first = client.create_deployment("m", str(models / "double"))
    seen: list[float] = []
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            seen.append(values(client, "m")[0])

    thread = threading.Thread(target=ask)
    thread.start()
    second = client.update_deployment("m", str(models / "triple"))
    stopping.set()
    thread.join()
    assert set(seen) <= {2.0, 3.0}  # and no error ended the thread
    assert values(client, "m") == [3.0, 6.0]
    assert first["pid"] != second["pid"]
    assert first["creation_time"] == second["creation_time"] < second["last_update_time"]
    with pytest.raises(ServerFailed):
        client.update_deployment("m", str(models / "missing"))
    assert values(client, "m") == [3.0, 6.0]


def test_a_deployment_on_a_port_of_its_own_keeps_it(client: Client, models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    made = client.create_deployment("m", str(models / "double"), config={"port": port})
    assert made["url"] == f"http://127.0.0.1:{port}"
    with pytest.raises(ServerFailed, match="Cannot listen"):
        client.create_deployment("other", str(models / "double"), config={"port": port})
    assert [each["name"] for each in client.list_deployments()] == ["m"]
    with pytest.raises(ServerFailed):
        client.update_deployment("m", str(models / "missing"))
    assert values(client, "m") == [2.0, 4.0]  # it was tried elsewhere first
    updated = client.update_deployment("m", str(models / "triple"))
    assert updated["url"] == made["url"]
    assert values(client, "m") == [3.0, 6.0]


def test_a_server_that_died_is_seen_and_started_again(client: Client, models: Path) -> None:
    made = client.create_deployment("m", str(models / "double"))
    os.kill(made["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while client.get_deployment("m")["status"] != "DEAD" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.get_deployment("m")["status"] == "DEAD"
    with pytest.raises(InvalidState, match="Update the deployment"):
        client.predict("m", [[1.0]])
    assert client.update_deployment("m")["status"] == "READY"
    assert values(client, "m") == [2.0, 4.0]


def test_what_cannot_start_says_why_and_leaves_nothing(client: Client, models: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match=r"missing"):
        client.create_deployment("m", str(models / "missing"))
    assert client.list_deployments() == []
    with pytest.raises(ServerFailed, match=r"did not answer within 0\.01 s"):
        client.create_deployment("m", str(models / "double"), config={"startup_timeout": 0.01})
    assert client.list_deployments() == []
    assert list((tmp_path / "state" / "deployments" / "m").iterdir()) == []


def test_a_server_whose_starter_was_killed_is_ended_by_the_next_one(
    client: Client, models: Path, tmp_path: Path
) -> None:
    folder = records.Folder(tmp_path / "state")
    with folder.changing("m"):
        (tmp_path / "state" / "deployments" / "m").mkdir()
        sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
        orphan = processes.start(sleeping, tmp_path / "log", os.environ)
        folder.note_starting("m", orphan)
    assert orphan.is_alive()
    with pytest.raises(ServerFailed):
        client.create_deployment("m", str(models / "missing"))
    assert not orphan.is_alive()


def test_a_starter_that_was_killed_at_its_last_step_costs_no_server(
    client: Client, models: Path, tmp_path: Path
) -> None:
    client.create_deployment("m", str(models / "double"))
    folder = records.Folder(tmp_path / "state")
    running = folder.deployment("m").process
    folder.note_starting("m", running)  # the record is there, and the note about its start too
    with pytest.raises(ServerFailed):
        client.update_deployment("m", str(models / "missing"))
    assert running.is_alive()
    assert values(client, "m") == [2.0, 4.0]


def test_another_process_with_the_same_number_is_left_alone() -> None:
    mine = Process(os.getpid(), 1.0)  # started long before us
    assert not mine.is_alive()
    mine.stop()


def test_endpoints_answer_by_the_deployment_behind_them(client: Client, models: Path) -> None:
    with pytest.raises(EndpointNotFound):
        client.create_deployment("double", str(models / "double"), endpoint="front")
    made = client.create_endpoint("front")
    assert (made["name"], made["deployments"]) == ("front", [])
    with pytest.raises(InvalidState, match="exists already"):
        client.create_endpoint("front")
    with pytest.raises(InvalidState, match="No deployment stands behind"):
        client.predict(endpoint="front", inputs=[[1.0]])
    client.create_deployment("double", str(models / "double"), endpoint="front")
    client.create_deployment("triple", str(models / "triple"), endpoint="front")
    assert values(client, endpoint="front") == [3.0, 6.0]  # the one that came last
    client.update_endpoint("front", {"deployment": "double"})
    assert values(client, endpoint="front") == [2.0, 4.0]
    assert client.get_endpoint("front")["deployments"] == ["double", "triple"]
    assert [each["name"] for each in client.list_endpoints()] == ["front"]
    assert [each["name"] for each in client.list_deployments("front")] == ["double", "triple"]
    assert client.list_deployments("other") == []
    with pytest.raises(InvalidState, match="double, triple"):
        client.delete_endpoint("front")
    for name in ("double", "triple"):
        client.delete_deployment(name)
    client.delete_endpoint("front")
    client.delete_endpoint("front")
    assert client.list_endpoints() == []


def test_the_command_line_deploys_and_goes_away(client: Client, models: Path, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(pd.DataFrame({"x": [1.0, 2.0]}).to_json(orient="split"))

    relative = os.path.relpath(models / "double", tmp_path)
    command = [
        sys.executable,
        "-m",
        "millstream.cli.main",
        "deployments",
        "create",
        "-t",
        "local",
        "--name",
        "m",
        "-m",
        relative,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "python_function deployment m is created\n", done.stderr

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["deployments", *arguments, "-t", "local"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert call("list") == "m\n"
    assert "status: READY" in call("get", "--name", "m")
    answer = json.loads(call("predict", "--name", "m", "-I", "in.json"))
    assert [round(value, 6) for value in answer["predictions"]] == [2.0, 4.0]
    assert call("delete", "--name", "m") == "Deployment m is deleted\n"
    assert call("list") == ""
    assert "startup_timeout" in call("help")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a b", "a\n", "ü", "n" * 101, "../../x"])
def test_names_cannot_lead_out_of_the_folder(client: Client, name: str, models: Path, tmp_path: Path) -> None:
    calls: list[Any] = [
        lambda: client.create_deployment(name, str(models / "double")),
        lambda: client.update_deployment(name),
        lambda: client.delete_deployment(name),
        lambda: client.get_deployment(name),
        lambda: client.create_endpoint(name),
        lambda: client.delete_endpoint(name),
    ]
    for each in calls:
        with pytest.raises(InvalidValue, match="no name of"):
            each()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "config",
    [{"color": "red"}, {"port": "--host"}, {"host": "-x"}, {"trust": "maybe"}, {"timeout": "soon"}, {"follow": "-1"}, {"workers": ""}],
)  # fmt: skip
def test_settings_are_checked_before_anything_starts(client: Client, config: dict[str, str], models: Path) -> None:
    with pytest.raises(InvalidValue):
        client.create_deployment("m", str(models / "double"), config=config)
    assert client.list_deployments() == []


def test_models_and_flavors_are_checked(client: Client, models: Path) -> None:
    with pytest.raises(InvalidValue, match="python_function"):
        client.create_deployment("m", str(models / "double"), flavor="sklearn")
    for uri in ("", "--host=0.0.0.0"):
        with pytest.raises(InvalidValue, match="no model"):
            client.create_deployment("m", uri)


def test_damaged_records_are_named(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "deployments" / "m"
    folder.mkdir(parents=True)
    (folder / "deployment.json").write_text("{")
    with pytest.raises(StoreError, match=r"deployment\.json"):
        client.list_deployments()
    (folder / "deployment.json").unlink()


def test_the_folder_may_stand_in_the_target(tmp_path: Path) -> None:
    client = LocalDeploymentClient(f"local:{tmp_path}/elsewhere")
    client.create_endpoint("front")
    assert (tmp_path / "elsewhere" / "endpoints" / "front.json").exists()
    result = CliRunner().invoke(cli, ["deployments", "list-endpoints", "-t", f"local:{tmp_path}/elsewhere", "--json"])
    assert [each["name"] for each in json.loads(result.output)] == ["front"]


def test_all_settings_of_the_target_are_explained() -> None:
    text = local.target_help()
    for key in (*local._OPTIONS, *local._OWN, *local._ENDPOINT_KEYS):
        assert f"  {key}: " in text


def test_code_that_came_with_a_model_runs_only_if_the_deployment_says_so(
    client: Client, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MILLSTREAM_TRUST_PICKLES")
    with pytest.raises(ServerFailed, match="trust"):
        client.create_deployment("m", str(models / "double"))
    client.create_deployment("m", str(models / "double"), config={"trust": True})
    assert values(client, "m") == [2.0, 4.0]
