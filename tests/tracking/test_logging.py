"""Logging metrics, params and tags to the active run."""

from __future__ import annotations

import math
import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import millstream
from millstream.client.transport import LocalTransport
from millstream.entities import Experiment
from millstream.errors import InvalidValue, ParamChanged
from millstream.tracking import metrics
from millstream.tracking.active import here


def history(run_id: str, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in millstream.MillstreamClient().get_metric_history(run_id, key)]


def test_logging_starts_a_run_if_none_is_active(experiment: Experiment) -> None:
    millstream.log_metric("x", 1.0)
    run = millstream.active_run()
    assert run is not None
    assert run.info.experiment_id == experiment.experiment_id
    millstream.end_run()
    assert millstream.get_run(run.info.run_id).data.metrics == {"x": 1.0}


def test_points_are_read_back_with_their_steps_and_times(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        for step in range(2000):
            millstream.log_metric("loss", 1 / (step + 1), step=step)
        millstream.log_metric("timed", 1.0, step=3, timestamp=1234567890123)
        millstream.log_metric("plain", 2.0)
    assert history(run.info.run_id, "loss") == [(step, 1 / (step + 1)) for step in range(2000)]
    (point,) = millstream.MillstreamClient().get_metric_history(run.info.run_id, "timed")
    assert (point.step, point.timestamp) == (3, 1234567890123)
    assert history(run.info.run_id, "plain") == [(0, 2.0)]


class Tensor:
    """Of torch's kind: one number, or several."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def item(self) -> float:
        if len(self.values) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self.values[0]


class EagerTensor:
    """Of TensorFlow's kind."""

    def numpy(self) -> Any:
        return np.float32(0.5)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.int64(7), 7.0),
        (np.bool_(True), 1.0),
        (np.array([0.5]), 0.5),
        (np.array(0.5), 0.5),
        (Tensor(0.125), 0.125),
        (EagerTensor(), 0.5),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 4), 0.25),
        (math.inf, 1.7976931348623157e308),
        (-math.inf, -1.7976931348623157e308),
    ],
)
def test_all_kinds_of_numbers_are_values(local_experiment: Experiment, value: Any, stored: float) -> None:
    with millstream.start_run() as run:
        millstream.log_metric("x", value)
        millstream.log_metric("x", value, step=1)
        millstream.log_metrics({"y": value})
    data = millstream.get_run(run.info.run_id).data.metrics
    assert data == {"x": stored, "y": stored}
    assert history(run.info.run_id, "x") == [(0, stored), (1, stored)]


def test_nan_is_a_value(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.log_metric("x", math.nan)
    assert math.isnan(millstream.get_run(run.info.run_id).data.metrics["x"])


@pytest.mark.parametrize("value", ["0.5", None, [0.5], {}, Tensor(1.0, 2.0), np.array([1.0, 2.0]), 1j, 10**400])
def test_what_is_no_number_is_refused_at_the_call(local_experiment: Experiment, value: Any) -> None:
    with millstream.start_run() as run:
        millstream.log_metric("x", 1.0)
        for key in ("x", "new"):
            with pytest.raises(InvalidValue):
                millstream.log_metric(key, value)
        with pytest.raises(InvalidValue):
            millstream.log_metrics({"good": 1.0, "bad": value})
    assert millstream.get_run(run.info.run_id).data.metrics == {"x": 1.0}


@pytest.mark.parametrize("key", ["", "a/../b", "/a", "a\nb", "é" * 251, "a,b", 5, None, [], "a//b", "."])
def test_a_key_that_is_none_is_refused_at_the_call(local_experiment: Experiment, key: Any) -> None:
    with millstream.start_run() as run:
        with pytest.raises(InvalidValue):
            millstream.log_metric(key, 1.0)
        if not isinstance(key, list):
            with pytest.raises(InvalidValue):
                millstream.log_metrics({"good": 1.0, key: 2.0})
            with pytest.raises(InvalidValue):
                millstream.log_param(key, 1)
            with pytest.raises(InvalidValue):
                millstream.set_tag(key, 1)
    data = millstream.get_run(run.info.run_id).data
    assert data.metrics == {}
    assert data.params == {}


@pytest.mark.parametrize("step", [1.5, "3", 2**63])
def test_a_step_that_is_no_number_is_refused_at_the_call(local_experiment: Experiment, step: Any) -> None:
    with millstream.start_run():
        millstream.log_metric("x", 1.0)
        with pytest.raises(InvalidValue):
            millstream.log_metric("x", 1.0, step=step)


def test_params_are_text_and_written_once(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        assert millstream.log_param("lr", 0.1) == 0.1
        millstream.log_param("lr", 0.1)
        millstream.log_params({"depth": 3, "name": None, "long": "x" * 7000})
        with pytest.raises(ParamChanged, match="lr"):
            millstream.log_param("lr", 0.2)
    params = millstream.get_run(run.info.run_id).data.params
    assert params == {"lr": "0.1", "depth": "3", "name": "None", "long": "x" * 6000}


def test_a_param_that_another_process_wrote_is_told_at_the_next_barrier(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.log_param("lr", 0.1)
        millstream.flush()
        millstream.MillstreamClient().recorder._params.clear()  # as a process that knows nothing of it
        millstream.log_param("lr", 0.2)
        with pytest.raises(InvalidValue, match="lr"):
            millstream.flush()
    assert millstream.get_run(run.info.run_id).data.params == {"lr": "0.1"}


def test_tags_are_replaced_and_deleted(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.set_tag("a", 1)
        millstream.set_tags({"a": 2, "b": True, "mlflow.note.content": "note"})
        millstream.delete_tag("b")
        with pytest.raises(millstream.MlflowException):
            millstream.delete_tag("b")
    tags = millstream.get_run(run.info.run_id).data.tags
    assert tags["a"] == "2"
    assert "b" not in tags
    assert tags["mlflow.note.content"] == "note"


def test_more_than_a_batch_is_logged_by_one_call(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.log_params({f"p{i}": i for i in range(250)})
        millstream.set_tags({f"t{i}": i for i in range(250)})
        millstream.log_metrics({f"m{i}": float(i) for i in range(2500)})
    data = millstream.get_run(run.info.run_id).data
    assert len(data.params) == 250
    assert len([key for key in data.tags if key.startswith("t")]) == 250
    assert len(data.metrics) == 2500


def test_synchronous_calls_wait_and_asynchronous_ones_give_something_to_wait_for(experiment: Experiment) -> None:
    with millstream.start_run():
        recorder = millstream.MillstreamClient().recorder
        assert millstream.log_metric("x", 1.0, synchronous=True) is None
        assert recorder.journal.pending == 0
        for operations in (
            millstream.log_metric("x", 2.0, step=1, synchronous=False),
            millstream.log_metrics({"y": 1.0}, synchronous=False),
            millstream.log_param("p", 1, synchronous=False),
            millstream.log_params({"q": 1}, synchronous=False),
            millstream.set_tag("t", 1, synchronous=False),
            millstream.set_tags({"u": 1}, synchronous=False),
        ):
            operations.wait()  # type: ignore[union-attr]
            assert recorder.journal.pending == 0


def test_async_logging_can_be_switched_on_for_all_calls(local_experiment: Experiment) -> None:
    with millstream.start_run():
        assert millstream.log_metric("x", 1.0) is None
        millstream.config.enable_async_logging()
        assert millstream.log_metric("x", 2.0) is not None
        assert millstream.log_param("p", 2) != 2
        millstream.config.enable_async_logging(False)
        assert millstream.log_metric("x", 3.0) is None
        millstream.flush_async_logging()


def test_sync_mode_stores_before_the_call_returns(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLSTREAM_SYNC", "1")
    with millstream.start_run() as run:
        millstream.log_metric("x", 1.0)
        millstream.log_param("p", 1)
        assert millstream.MillstreamClient().recorder.journal.pending == 0
        data = millstream.get_run(run.info.run_id).data
        assert data.metrics == {"x": 1.0}
        assert data.params == {"p": "1"}


def test_after_its_first_point_a_metric_touches_neither_store_nor_settings_nor_locks(
    local_experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What keeps a training loop fast: the second point of a metric is one dict look-up and the journal's append."""
    with millstream.start_run() as run:
        millstream.log_metric("loss", 1.0, step=0)
        calls: list[str] = []
        monkeypatch.setattr(metrics, "_log_point", lambda *args: calls.append("slow path"))
        monkeypatch.setattr(metrics, "number", lambda *args: calls.append("conversion"))
        thread = threading.get_ident()
        original = LocalTransport.call

        def call(self: LocalTransport, *args: Any, **options: Any) -> Any:
            if threading.get_ident() == thread:
                calls.append("store")
            return original(self, *args, **options)

        monkeypatch.setattr(LocalTransport, "call", call)
        for step in range(1, 1000):
            millstream.log_metric("loss", 0.5, step=step)
        assert calls == []
        monkeypatch.undo()
        millstream.log_metric("named", 0.5, run_id=run.info.run_id)
        millstream.log_metrics({"a": 0.5, "b": 0.5})
        monkeypatch.setattr(metrics, "_append", lambda *args: calls.append("slow path"))
        for step in range(1, 10):
            millstream.log_metric("named", 0.5, step=step, run_id=run.info.run_id)
            millstream.log_metrics({"a": 0.5, "b": 0.5}, step=step)
        assert calls == []
        monkeypatch.undo()
    assert len(history(run.info.run_id, "loss")) == 1000


def test_after_first_use_the_functions_are_plain_attributes_of_the_module() -> None:
    import millstream as module

    _ = module.log_metric
    assert module.__dict__["log_metric"] is metrics.log_metric


def test_points_belong_to_the_active_model_and_to_models_put_out_at_their_step(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.log_metric("acc", 0.1, step=1)
        model = millstream.initialize_logged_model("net")
        assert model.source_run_id == run.info.run_id
        millstream.log_outputs([millstream.entities.LoggedModelOutput(model.model_id, 2)])
        millstream.log_metric("acc", 0.2, step=2)
        millstream.log_metric("acc", 0.3, step=3)
        other = millstream.initialize_logged_model("other")
        with millstream.set_active_model(model_id=other.model_id):
            assert millstream.get_active_model_id() == other.model_id
            millstream.log_metric("acc", 0.4, step=4)
        assert millstream.get_active_model_id() is None
        millstream.log_metric("acc", 0.5, step=5, model_id=other.model_id)
    values = {
        name: sorted(metric.value for metric in millstream.get_logged_model(each.model_id).metrics)
        for name, each in {"net": model, "other": other}.items()
    }
    assert values["net"] == [0.2]
    assert values["other"][-1] == 0.5
    assert [value for _, value in history(run.info.run_id, "acc")] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_the_appenders_of_a_run_are_not_used_for_the_next(experiment: Experiment) -> None:
    with millstream.start_run() as outer:
        millstream.log_metric("x", 1.0)
        with millstream.start_run(nested=True) as inner:
            assert here.appenders == {}
            millstream.log_metric("x", 2.0)
        millstream.log_metric("x", 3.0, step=1)
    assert [value for _, value in history(outer.info.run_id, "x")] == [1.0, 3.0]
    assert [value for _, value in history(inner.info.run_id, "x")] == [2.0]
