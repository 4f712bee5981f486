"""Starting, resuming, nesting and ending runs."""

from __future__ import annotations

import threading

import pytest

import millstream
from millstream.entities import Experiment, RunStatus
from millstream.errors import InvalidValue, NotFound
from millstream.tracking.active import ActiveRun


def test_a_run_is_running_until_its_block_is_left(experiment: Experiment) -> None:
    with millstream.start_run(run_name="first") as run:
        assert millstream.active_run() is run
        assert millstream.get_run(run.info.run_id).info.status == RunStatus.RUNNING
    ended = millstream.get_run(run.info.run_id).info
    assert millstream.active_run() is None
    assert ended.status == RunStatus.FINISHED
    assert ended.run_name == "first"
    assert ended.experiment_id == experiment.experiment_id
    assert ended.start_time is not None
    assert ended.end_time is not None
    assert ended.end_time >= ended.start_time


def test_an_error_in_the_block_fails_the_run_and_goes_on(experiment: Experiment) -> None:
    with pytest.raises(ZeroDivisionError), millstream.start_run() as run:
        _ = 1 / 0
    assert millstream.get_run(run.info.run_id).info.status == RunStatus.FAILED


def test_an_interrupt_in_the_block_kills_the_run(experiment: Experiment) -> None:
    with pytest.raises(KeyboardInterrupt), millstream.start_run() as run:
        raise KeyboardInterrupt
    assert millstream.get_run(run.info.run_id).info.status == RunStatus.KILLED


def test_a_run_that_was_ended_inside_its_block_keeps_its_status(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.end_run("KILLED")
    assert millstream.get_run(run.info.run_id).info.status == RunStatus.KILLED


def test_end_run_without_a_run_does_nothing_and_a_wrong_status_is_refused() -> None:
    millstream.end_run()
    with pytest.raises(InvalidValue, match="DONE"):
        millstream.end_run("DONE")


def test_a_second_run_in_a_thread_must_be_nested(experiment: Experiment) -> None:
    with millstream.start_run() as outer:
        with pytest.raises(Exception, match="already active"):
            millstream.start_run()
        with millstream.start_run(nested=True) as inner:
            assert inner.data.tags["mlflow.parentRunId"] == outer.info.run_id
            assert millstream.active_run() is inner
        assert millstream.active_run() is outer
    parent = millstream.get_parent_run(inner.info.run_id)
    assert parent is not None
    assert parent.info.run_id == outer.info.run_id
    assert millstream.get_parent_run(outer.info.run_id) is None


def test_leaving_an_outer_block_ends_the_runs_left_open_inside(experiment: Experiment) -> None:
    with millstream.start_run() as outer:
        inner = millstream.start_run(nested=True)
    assert millstream.active_run() is None
    for run in (outer, inner):
        assert millstream.get_run(run.info.run_id).info.status == RunStatus.FINISHED


def test_a_parent_that_is_not_active_can_be_named(experiment: Experiment) -> None:
    with millstream.start_run() as parent:
        pass
    with millstream.start_run(parent_run_id=parent.info.run_id) as child:
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        with pytest.raises(InvalidValue, match="is the parent"):
            millstream.start_run(nested=True, parent_run_id=parent.info.run_id)
    with pytest.raises(NotFound):
        millstream.start_run(parent_run_id="0" * 32)
    assert millstream.active_run() is None


def test_a_nested_run_belongs_to_the_active_experiment_not_to_its_parents(experiment: Experiment) -> None:
    other = millstream.create_experiment(experiment.name + " other")
    with millstream.start_run(experiment_id=other) as outer, millstream.start_run(nested=True) as inner:
        assert outer.info.experiment_id == other
        assert inner.info.experiment_id == experiment.experiment_id


def test_a_resumed_run_is_running_again_and_gets_name_and_tags(experiment: Experiment) -> None:
    with millstream.start_run(tags={"a": 1}) as first:
        millstream.log_param("p", 1)
    ended = millstream.get_run(first.info.run_id).info.end_time
    with millstream.start_run(run_id=first.info.run_id, run_name="renamed", tags={"b": 2}, description="text") as again:
        assert again.info.run_id == first.info.run_id
        assert again.info.status == RunStatus.RUNNING
        assert again.info.run_name == "renamed"
        assert again.info.end_time == ended
        assert {"a": "1", "b": "2", "mlflow.note.content": "text"}.items() <= again.data.tags.items()
    assert millstream.get_run(first.info.run_id).info.status == RunStatus.FINISHED


def test_the_variable_for_a_run_to_resume_is_used_once(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    with millstream.start_run() as first:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", first.info.run_id)
    with millstream.start_run() as resumed:
        assert resumed.info.run_id == first.info.run_id
    with millstream.start_run() as new:
        assert new.info.run_id != first.info.run_id


def test_a_deleted_run_or_one_of_another_experiment_is_not_resumed(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        pass
    millstream.set_experiment(experiment.name + " other")
    with pytest.raises(InvalidValue, match="belongs to experiment"):
        millstream.start_run(run_id=run.info.run_id)
    millstream.set_experiment(experiment.name)
    millstream.delete_run(run.info.run_id)
    with pytest.raises(InvalidValue, match="deleted"):
        millstream.start_run(run_id=run.info.run_id)
    millstream.restore_run(run.info.run_id)
    with millstream.start_run(run_id=run.info.run_id):
        pass


def test_tags_of_the_caller_win_and_the_description_is_a_tag(experiment: Experiment) -> None:
    with millstream.start_run(
        tags={"mlflow.source.name": "mine", "mlflow.runName": "named by tag"}, description="why"
    ) as run:
        assert run.data.tags["mlflow.source.name"] == "mine"
        assert run.data.tags["mlflow.note.content"] == "why"
        assert run.info.run_name == "named by tag"
    with pytest.raises(InvalidValue, match="description"):
        millstream.start_run(description="a", tags={"mlflow.note.content": "b"})


def test_a_run_without_a_name_gets_a_random_one(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        assert len(run.info.run_name.split("-")) == 3
        assert run.data.tags["mlflow.runName"] == run.info.run_name


def test_every_thread_has_its_own_run(experiment: Experiment) -> None:
    seen: dict[str, str | None] = {}

    def work() -> None:
        seen["before"] = None if millstream.active_run() is None else "a run"
        millstream.log_metric("x", 1.0)
        run = millstream.active_run()
        assert isinstance(run, ActiveRun)
        seen["run"] = run.info.run_id
        millstream.end_run()

    with millstream.start_run() as run:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        millstream.log_metric("y", 2.0)
    assert seen["before"] is None
    assert seen["run"] not in (None, run.info.run_id)
    assert millstream.get_run(str(seen["run"])).data.metrics == {"x": 1.0}
    assert millstream.get_run(run.info.run_id).data.metrics == {"y": 2.0}


def test_threads_log_to_one_run_by_its_id(experiment: Experiment) -> None:
    def work(number: int) -> None:
        for step in range(100):
            millstream.log_metric(f"worker {number}", float(step), step=step, run_id=run.info.run_id)
        millstream.log_params({f"p{number}": number}, run_id=run.info.run_id)

    with millstream.start_run() as run:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    data = millstream.get_run(run.info.run_id).data
    assert data.metrics == {f"worker {number}": 99.0 for number in range(4)}
    assert data.params == {f"p{number}": str(number) for number in range(4)}


def test_the_last_run_of_a_thread_is_remembered(experiment: Experiment) -> None:
    assert millstream.last_active_run() is None
    with millstream.start_run() as run:
        assert millstream.last_active_run().info.run_id == run.info.run_id  # type: ignore[union-attr]
    last = millstream.last_active_run()
    assert last is not None
    assert last.info.run_id == run.info.run_id
    assert last.info.status == RunStatus.FINISHED


def test_an_address_is_printed_when_a_run_on_a_server_ends(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    millstream.set_tracking_uri(server.replace("http://", "http://user:secret@"))
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "false")
    with millstream.start_run(run_name="n") as run:
        pass
    printed = capsys.readouterr().out
    assert f"View run n at: {server}/#/experiments/0/runs/{run.info.run_id}" in printed
    assert "secret" not in printed


def test_rewinding_deletes_points_from_a_step_on(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        for step in range(10):
            millstream.log_metrics({"loss": float(step), "acc": float(step)}, step=step)
        assert millstream.rewind(6, ["loss"]) == 4
        millstream.log_metric("loss", 60.0, step=6)
        assert millstream.rewind(8) == 2
    client = millstream.MillstreamClient()
    assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [0, 1, 2, 3, 4, 5, 6]
    assert [point.step for point in client.get_metric_history(run.info.run_id, "acc")] == list(range(8))
