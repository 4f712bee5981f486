"""What the fluent API does at the edges of a process: exit, errors, fork, environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import millstream
from millstream.entities import RunStatus
from millstream.errors import Unsupported

Script = Callable[..., subprocess.CompletedProcess[str]]


def ids(done: subprocess.CompletedProcess[str]) -> list[str]:
    return done.stdout.split()


def status(run_id: str) -> RunStatus:
    return millstream.get_run(run_id).info.status


OPEN_RUNS = """
import threading, sys, millstream
outer = millstream.start_run()
inner = millstream.start_run(nested=True)
def work():
    millstream.log_metric("x", 1.0)
    print(millstream.active_run().info.run_id)
thread = threading.Thread(target=work)
thread.start()
thread.join()
millstream.log_metric("y", 2.0, step=7)
print(outer.info.run_id, inner.info.run_id, flush=True)
"""


def test_at_exit_all_open_runs_are_finished_and_all_points_are_stored(script: Script, tracking_uri: str) -> None:
    in_thread, outer, inner = ids(script(OPEN_RUNS))
    assert [status(run_id) for run_id in (in_thread, outer, inner)] == [RunStatus.FINISHED] * 3
    assert millstream.get_run(in_thread).data.metrics == {"x": 1.0}
    assert millstream.get_run(inner).data.metrics == {"y": 2.0}


def test_after_an_uncaught_error_all_open_runs_have_failed(script: Script, tracking_uri: str) -> None:
    done = script(OPEN_RUNS + "raise ValueError('it went wrong')", check=False)
    assert done.returncode == 1
    assert "it went wrong" in done.stderr
    assert [status(run_id) for run_id in ids(done)] == [RunStatus.FAILED] * 3


def test_a_program_that_logs_nothing_leaves_nothing_behind(script: Script, tmp_path: Path) -> None:
    script("import millstream; millstream.get_tracking_uri(); millstream.active_run(); millstream.end_run()")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.py"]


def test_without_any_setting_runs_go_to_a_database_in_the_working_directory(script: Script, tmp_path: Path) -> None:
    done = script(
        """
import os, millstream
print(millstream.get_tracking_uri(), millstream.is_tracking_uri_set())
millstream.log_metric("x", 1.0)
os.makedirs("elsewhere"); os.chdir("elsewhere")
millstream.end_run()
print(millstream.last_active_run().data.metrics)
"""
    )
    uri, is_set, *metrics = done.stdout.split()
    assert uri.startswith("sqlite:///")
    assert uri.endswith(".db")
    assert is_set == "False"
    assert " ".join(metrics) == "{'x': 1.0}"
    assert list(tmp_path.glob("*.db"))
    assert not list((tmp_path / "elsewhere").iterdir())


def test_variables_of_both_names_say_where_to_log_and_ours_win(
    script: Script, local_store: str, tmp_path: Path
) -> None:
    code = "import millstream; print(millstream.get_tracking_uri(), millstream.is_tracking_uri_set())"
    other = f"sqlite:///{tmp_path}/other.db"
    assert script(code, MLFLOW_TRACKING_URI=local_store).stdout.split() == [local_store, "True"]
    both = {"MLFLOW_TRACKING_URI": other, "MILLSTREAM_TRACKING_URI": local_store}
    assert script(code, **both).stdout.split() == [local_store, "True"]


def test_child_processes_log_to_the_same_place_and_experiment(script: Script, tracking_uri: str) -> None:
    done = script(
        """
import subprocess, sys, uuid, millstream
experiment = millstream.set_experiment(str(uuid.uuid4()))
child = subprocess.run([sys.executable, "-c", '''
import millstream
with millstream.start_run() as run:
    print(millstream.get_tracking_uri(), run.info.experiment_id)
'''], capture_output=True, text=True, check=True)
uri, experiment_id = child.stdout.split()
assert uri == millstream.get_tracking_uri(), child.stdout
assert experiment_id == experiment.experiment_id, child.stdout
print("fine")
"""
    )
    assert done.stdout == "fine\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_no_active_run_and_does_not_end_its_parents(script: Script, tracking_uri: str) -> None:
    done = script(
        """
import os, sys, millstream
run = millstream.start_run()
millstream.log_metric("loss", 1.0, step=0)
pid = os.fork()
if pid == 0:
    assert millstream.active_run() is None
    assert millstream.last_active_run() is None
    millstream.log_metric("loss", 3.0, step=0, run_id=run.info.run_id, timestamp=1)
    with millstream.start_run() as own:
        millstream.log_metric("loss", 2.0)
    print(own.info.run_id, flush=True)
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
millstream.log_metric("loss", 4.0, step=1)
print(run.info.run_id, millstream.get_run(run.info.run_id).info.status.value)
"""
    )
    own, run, state = done.stdout.split()
    assert state == "RUNNING"
    assert status(run) == status(own) == RunStatus.FINISHED
    assert millstream.get_run(own).data.metrics == {"loss": 2.0}
    points = millstream.MillstreamClient().get_metric_history(run, "loss")
    assert sorted(point.value for point in points) == [1.0, 3.0, 4.0]


def test_workers_of_a_forked_pool_log_to_the_parents_run(script: Script, tracking_uri: str) -> None:
    done = script(
        """
import multiprocessing, millstream
def work(number):
    for step in range(100):
        millstream.log_metric(f"worker {number}", float(step), step=step, run_id=RUN)
    millstream.flush()
if __name__ == "__main__":
    with millstream.start_run() as run:
        RUN = run.info.run_id
        with multiprocessing.get_context("fork").Pool(3) as pool:
            pool.map(work, range(3))
    print(RUN)
"""
    )
    data = millstream.get_run(done.stdout.strip()).data
    assert data.metrics == {f"worker {number}": 99.0 for number in range(3)}


def test_doctor_tells_what_a_report_needs_and_no_secrets(
    local_uri: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hush")
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"a": "b"}')
    millstream.doctor()
    told = capsys.readouterr().out
    assert f"Tracking URI: {local_uri}" in told
    assert "MLFLOW_RUN_CONTEXT" in told
    assert "hush" not in told
    millstream.doctor(mask_envs=True)
    assert '{"a"' not in capsys.readouterr().out


def test_tracking_and_registry_addresses_are_set_and_taken_back(tmp_path: Path) -> None:
    millstream.set_tracking_uri(tmp_path / "store")
    assert millstream.get_tracking_uri() == str(tmp_path / "store")
    assert os.environ["MLFLOW_TRACKING_URI"] == str(tmp_path / "store")
    assert millstream.get_registry_uri() == millstream.get_tracking_uri()
    millstream.set_registry_uri("http://localhost:5000/")
    assert millstream.get_registry_uri() == "http://localhost:5000"
    millstream.set_registry_uri("")
    millstream.set_tracking_uri("relative")
    assert millstream.get_tracking_uri() == str(tmp_path / "relative")
    millstream.set_tracking_uri("")
    assert not millstream.is_tracking_uri_set()
    with pytest.raises(millstream.MlflowException):
        millstream.set_tracking_uri("gopher://x")
    with pytest.raises(Unsupported):
        millstream.login()
