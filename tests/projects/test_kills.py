"""Whoever is killed, cancelled or interrupted, and whatever fills up: no run stays RUNNING, and nothing of it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from millstream import projects
from millstream.client.client import MillstreamClient
from millstream.client.transport import close_transports
from millstream.entities import Run, RunStatus
from millstream.errors import InvalidState
from millstream.projects import output
from millstream.projects.running import RunFailed
from tests.projects.conftest import Millstream, Project

TREE = """\
entry_points:
  main:
    command: "echo begun; python -c 'import time; time.sleep(1000)' & setsid sleep 1000 & echo $$ > @FOLDER@/pid; wait"
  deaf: {command: "trap '' TERM INT HUP; echo $$ > @FOLDER@/pid; while true; do sleep 0.1; done"}
  brief: {command: "echo $$ > @FOLDER@/pid; kill -9 $$"}
"""


@pytest.fixture
def root(project: Project, tmp_path: Path) -> Path:
    return project(TREE.replace("@FOLDER@", str(tmp_path)))


class Runner:
    """`millstream run` as a process, and what it has started."""

    def __init__(self, root: Path, tmp_path: Path, *options: str) -> None:
        self.pid_file = tmp_path / "pid"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "millstream.cli.main", "run", str(root), "--env-manager", "local", *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=tmp_path, text=True,
            env={"TMPDIR": str(tmp_path), **os.environ},
        )  # fmt: skip

    def wait_until_it_runs(self) -> list[psutil.Process]:
        """The command's processes, once they are there."""
        until(lambda: self.pid_file.is_file() and bool(self.pid_file.read_text().strip()))
        time.sleep(0.3)  # its children too
        leader = psutil.Process(int(self.pid_file.read_text()))
        return [leader, *leader.children(recursive=True)]

    def supervisor(self) -> psutil.Process:
        (child,) = psutil.Process(self.process.pid).children()
        return child

    def finish(self) -> str:
        out, _ = self.process.communicate(timeout=60)
        return out


@pytest.fixture
def start(root: Path, tmp_path: Path, tracking: MillstreamClient) -> Iterator[Callable[..., Runner]]:
    started: list[Runner] = []

    def begin(*options: str) -> Runner:
        started.append(Runner(root, tmp_path, *options))
        return started[-1]

    yield begin
    for runner in started:
        runner.process.kill()
        runner.process.communicate()


def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def only_run(client: MillstreamClient) -> Run:
    (run,) = client.search_runs(["0"])
    return run


def ended(client: MillstreamClient) -> Run:
    until(lambda: RunStatus.is_terminated(only_run(client).info.status))
    return only_run(client)


def assert_all_gone(processes: list[psutil.Process]) -> None:
    until(lambda: not any(lives(process) for process in processes), 20)


def test_the_runner_killed_ends_the_run_and_its_command(
    start: Callable[..., Runner], tracking: MillstreamClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    runner = start()
    tree = runner.wait_until_it_runs()
    assert len(tree) >= 3
    runner.process.kill()
    run = ended(tracking)
    assert (run.info.status, run.data.tags["millstream.project.error"]) == (
        "FAILED",
        "The process that ran it was killed.",
    )
    assert_all_gone(tree)
    until(lambda: not list(temporary.iterdir()))
    assert Path(tracking.download_artifacts(run.info.run_id, output.ARTIFACT, tmp_path)).read_text() == "begun\n"


def test_the_supervisor_killed_ends_the_run_and_its_command(
    start: Callable[..., Runner], tracking: MillstreamClient
) -> None:
    runner = start()
    tree = runner.wait_until_it_runs()
    runner.supervisor().kill()
    run = ended(tracking)
    assert (run.info.status, run.data.tags["millstream.project.error"]) == (
        "FAILED", "The process that supervised it was killed.",
    )  # fmt: skip
    assert_all_gone(tree)
    runner.finish()
    assert runner.process.returncode == 1


def test_both_killed_is_found_by_who_looks_at_the_run(start: Callable[..., Runner], tracking: MillstreamClient) -> None:
    runner = start()
    tree = runner.wait_until_it_runs()
    supervisor = runner.supervisor()
    runner.process.send_signal(signal.SIGSTOP)
    supervisor.kill()
    runner.process.kill()
    runner.process.wait()
    assert only_run(tracking).info.status == "RUNNING"
    run = projects.attach(only_run(tracking).info.run_id)
    assert run.get_status() == "FAILED"
    assert run.reason == "The processes that ran it are gone."
    for process in tree:
        process.kill()


def test_the_command_killed_fails_the_run(start: Callable[..., Runner], tracking: MillstreamClient) -> None:
    runner = start()
    tree = runner.wait_until_it_runs()
    tree[0].kill()
    run = ended(tracking)
    assert run.info.status == "FAILED"
    assert run.data.tags["millstream.project.error"] == "Its command was ended by signal 9 (SIGKILL)."
    assert "SIGKILL" in runner.finish()
    assert runner.process.returncode == 1


@pytest.mark.parametrize(
    ("number", "status", "code"), [(signal.SIGINT, "FAILED", 1), (signal.SIGTERM, "KILLED", 143), (signal.SIGHUP, "KILLED", 129)]
)  # fmt: skip
def test_a_runner_that_is_told_to_end_ends_the_run_first(
    number: signal.Signals, status: str, code: int, start: Callable[..., Runner], tracking: MillstreamClient
) -> None:
    runner = start()
    tree = runner.wait_until_it_runs()
    runner.process.send_signal(number)
    runner.finish()
    assert only_run(tracking).info.status == status
    assert runner.process.returncode == code
    assert not any(lives(process) for process in tree)


def test_another_process_cancels_a_run_with_all_that_it_started(
    start: Callable[..., Runner], tracking: MillstreamClient, command: Millstream
) -> None:
    runner = start()
    tree = runner.wait_until_it_runs()
    run_id = only_run(tracking).info.run_id
    done = command("runs", "cancel", "-r", run_id, "--json")
    assert json.loads(done.stdout) == {"run_id": run_id, "status": "KILLED"}
    assert not any(lives(process) for process in tree)
    runner.finish()
    assert runner.process.returncode == 1


def test_a_command_that_does_not_listen_is_ended_by_force(
    root: Path, tracking: MillstreamClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = projects.run(str(root), "deaf", env_manager="local", synchronous=False)
    until((tmp_path / "pid").is_file)
    leader = psutil.Process(int((tmp_path / "pid").read_text()))
    began = time.monotonic()
    run.cancel()
    assert 9 < time.monotonic() - began < 40
    assert run.get_status() == "KILLED"
    assert not lives(leader)


def test_a_command_that_kills_itself_fails_the_run(root: Path, tracking: MillstreamClient) -> None:
    with pytest.raises(RunFailed, match="SIGKILL"):
        projects.run(str(root), "brief", env_manager="local")
    assert only_run(tracking).info.status == "FAILED"


def test_cancelling_a_run_ends_the_runs_that_it_started(
    project: Project, tracking: MillstreamClient, tmp_path: Path
) -> None:
    root = project(
        f"entry_points: {{step: {{command: 'echo $$ > {tmp_path}/pid; sleep 1234'}}}}\n",
        {
            "outer.py": "import mlflow\nwith mlflow.start_run():\n"
            "    mlflow.run('.', 'step', env_manager='local', synchronous=False)\n"
            "    mlflow.run('.', 'step', env_manager='local')\n"
        },
    )
    outer = projects.run(str(root), "outer.py", env_manager="local", synchronous=False)
    until(lambda: len(tracking.search_runs(["0"], "attributes.status = 'RUNNING'")) == 3)
    until((tmp_path / "pid").is_file)
    outer.cancel()
    until(lambda: not tracking.search_runs(["0"], "attributes.status = 'RUNNING'"))
    assert {run.info.status.value for run in tracking.search_runs(["0"])} <= {"KILLED", "FAILED"}
    assert outer.get_status() == "KILLED"
    until(lambda: not [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "1234"]])


def test_an_environment_that_is_being_made_can_be_cancelled(
    project: Project, tracking: MillstreamClient, tmp_path: Path
) -> None:
    """The installer waits for a package index that never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as index:
        address = f"http://127.0.0.1:{index.getsockname()[1]}"
        root = project(
            "python_env: python_env.yaml\nentry_points: {main: {command: 'true'}}\n",
            {"python_env.yaml": f"dependencies: ['--index-url {address}', 'six==1.0.1']\n"},
        )
        run = projects.run(str(root), env_manager="uv", synchronous=False)
        connection, _ = index.accept()
        run.cancel()
        connection.close()
    assert (run.get_status(), run.reason) == ("KILLED", "It was cancelled.")
    assert not [path for path in (tmp_path / "environments").iterdir() if path.is_dir() and path.name.startswith("ms-")]


def test_only_runs_of_projects_on_this_machine_can_be_cancelled(tracking: MillstreamClient) -> None:
    plain = tracking.create_run("0").info.run_id
    with pytest.raises(InvalidState, match="only its own program"):
        projects.attach(plain).cancel()
    place = json.dumps({"host": "elsewhere", "process": {"pid": 1, "started": 1.0}})
    elsewhere = tracking.create_run("0", tags={"millstream.project.process": place}).info.run_id
    with pytest.raises(InvalidState, match="elsewhere"):
        projects.attach(elsewhere).cancel()
    assert projects.attach(elsewhere).get_status() == "RUNNING"


def test_a_run_ends_when_the_disk_is_full(project: Project, tracking: MillstreamClient, tmp_path: Path) -> None:
    """The folder of temporary files, where output is kept, has no room."""
    if os.geteuid() != 0:
        pytest.skip("a full disk is made with a tmpfs, which needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        root = project(files={"script.py": "for number in range(100_000): print(number)\n"})
        done = subprocess.run(
            [sys.executable, "-m", "millstream.cli.main", "run", str(root), "-e", "script.py", "--env-manager", "local"],
            env={**os.environ, "TMPDIR": str(disk)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "99999"
    assert only_run(tracking).info.status == "FINISHED"


def test_a_run_whose_store_is_full_ends_when_there_is_room_again(
    project: Project, tracking: MillstreamClient, command: Millstream, tmp_path: Path
) -> None:
    """The command fills the disk that the store is on; the end waits in the journal, and `sync` delivers it."""
    if os.geteuid() != 0:
        pytest.skip("a full disk is made with a tmpfs, which needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    uri = f"sqlite:///{disk}/runs.db"
    client = MillstreamClient(uri)
    try:
        root = project(f"entry_points: {{main: {{command: 'cat /dev/zero > {disk}/filler; echo full'}}}}\n")
        settings = {"MLFLOW_TRACKING_URI": uri, "MILLSTREAM_TRACKING_URI": uri, "MILLSTREAM_FLUSH_TIMEOUT": "2"}
        client.search_runs(["0"])
        done = command("run", str(root), "--env-manager", "local", environment=settings, check=False)
        assert "full" in done.stdout
        (disk / "filler").unlink()
        command("sync", environment=settings)
        (run,) = client.search_runs(["0"])
        assert run.info.status == "FINISHED", done.stderr
    finally:
        close_transports()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_two_runs_make_the_same_environment_once(
    project: Project, tracking: MillstreamClient, command: Millstream, tmp_path: Path
) -> None:
    root = project("python_env: python_env.yaml\nentry_points: {main: {command: 'python -c \"import sys; print(sys.prefix)\"'}}\n",
                   {"python_env.yaml": "dependencies: []\n"})  # fmt: skip
    runs = [projects.run(str(root), env_manager="uv", synchronous=False) for _ in range(2)]
    assert [run.wait() for run in runs] == [True, True]
    keys = {tracking.get_run(run.run_id).data.tags["millstream.project.environment"] for run in runs}
    assert len(keys) == 1
    made = [path.name for path in (tmp_path / "environments").iterdir() if (path / "environment.json").is_file()]
    assert made == list(keys)
    (listed,) = json.loads(command("envs", "list", "--json").stdout)
    assert listed["key"] == made[0]
    for run in runs:
        prefix = Path(tracking.download_artifacts(run.run_id, output.ARTIFACT, tmp_path / run.run_id)).read_text()
        assert prefix.strip() == str(tmp_path / "environments" / made[0] / "env")
