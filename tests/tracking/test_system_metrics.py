"""CPU, memory, disk, network and GPU of a run's machine."""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Iterator

import pytest

import millstream
from millstream.entities import Experiment
from millstream.errors import MissingLibrary
from millstream.tracking import system_metrics

ALWAYS = {
    "cpu_utilization_percentage",
    "system_memory_usage_megabytes",
    "system_memory_usage_percentage",
    "disk_usage_percentage",
    "disk_usage_megabytes",
    "disk_available_megabytes",
    "network_receive_megabytes",
    "network_transmit_megabytes",
}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    millstream.set_system_metrics_sampling_interval(0.02)
    yield
    for setting in (
        millstream.set_system_metrics_sampling_interval,
        millstream.set_system_metrics_samples_before_logging,
        millstream.set_system_metrics_node_id,
    ):
        setting(None)
    millstream.disable_system_metrics_logging()


def wait_for_points(run_id: str, key: str, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(millstream.MillstreamClient().get_metric_history(run_id, key)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_points_are_logged_while_the_run_is_open_and_go_on_after_a_resume(experiment: Experiment) -> None:
    with millstream.start_run(log_system_metrics=True) as run:
        wait_for_points(run.info.run_id, "system/cpu_utilization_percentage", 3)
    metrics = millstream.get_run(run.info.run_id).data.metrics
    assert {f"system/{name}" for name in ALWAYS} <= set(metrics)
    assert 0 <= metrics["system/system_memory_usage_percentage"] <= 100
    client = millstream.MillstreamClient()
    first = client.get_metric_history(run.info.run_id, "system/disk_usage_percentage")
    assert [point.step for point in first] == list(range(len(first)))
    time.sleep(0.1)
    assert len(client.get_metric_history(run.info.run_id, "system/disk_usage_percentage")) == len(first)
    with millstream.start_run(run_id=run.info.run_id, log_system_metrics=True):
        wait_for_points(run.info.run_id, "system/disk_usage_percentage", len(first) + 1)
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "system/disk_usage_percentage")]
    assert steps == list(range(len(steps)))


def test_a_node_has_its_own_names_and_points_are_means_of_samples(local_experiment: Experiment) -> None:
    millstream.enable_system_metrics_logging()
    millstream.set_system_metrics_node_id("node7")
    millstream.set_system_metrics_samples_before_logging(2)
    with millstream.start_run() as run:
        wait_for_points(run.info.run_id, "system/node7/cpu_utilization_percentage", 1)
    assert system_metrics._means([{"a": 1.0, "b": 2.0}, {"a": 3.0}]) == {"a": 2.0, "b": 2.0}


def test_nothing_is_sampled_unless_asked_for(local_experiment: Experiment) -> None:
    millstream.enable_system_metrics_logging()
    with millstream.start_run(log_system_metrics=False) as run:
        time.sleep(0.1)
    assert millstream.get_run(run.info.run_id).data.metrics == {}


def test_without_psutil_the_run_does_not_start(local_experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(MissingLibrary, match="psutil"):
        millstream.start_run(log_system_metrics=True)
    assert millstream.active_run() is None


@pytest.mark.parametrize("call", [lambda: millstream.set_system_metrics_sampling_interval(0)])
def test_senseless_settings_are_refused(call: types.FunctionType) -> None:
    with pytest.raises(millstream.MlflowException):
        call()


class Nvml(types.ModuleType):
    """The driver's library, at the edge of the process: two devices, one without a power sensor."""

    class NVMLError(Exception):
        pass

    nvmlInit = staticmethod(lambda: None)  # noqa: N815
    nvmlDeviceGetCount = staticmethod(lambda: 2)  # noqa: N815
    nvmlDeviceGetHandleByIndex = staticmethod(lambda index: index)  # noqa: N815
    nvmlDeviceGetMemoryInfo = staticmethod(lambda gpu: types.SimpleNamespace(used=2e9, total=8e9))  # noqa: N815
    nvmlDeviceGetUtilizationRates = staticmethod(lambda gpu: types.SimpleNamespace(gpu=40 + gpu))  # noqa: N815
    nvmlDeviceGetEnforcedPowerLimit = staticmethod(lambda gpu: 300_000)  # noqa: N815

    @staticmethod
    def nvmlDeviceGetPowerUsage(gpu: int) -> int:  # noqa: N802
        if gpu == 1:
            raise Nvml.NVMLError("not supported")
        return 150_000


def test_nvidia_gpus_are_sampled_as_far_as_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Nvml("pynvml"))
    sample = system_metrics.Machine().sample()
    gpus = {name: value for name, value in sample.items() if name.startswith("gpu")}
    assert gpus == {
        "gpu_0_memory_usage_percentage": 25.0,
        "gpu_0_memory_usage_megabytes": 2000.0,
        "gpu_0_utilization_percentage": 40,
        "gpu_0_power_usage_watts": 150.0,
        "gpu_0_power_usage_percentage": 50.0,
        "gpu_1_memory_usage_percentage": 25.0,
        "gpu_1_memory_usage_megabytes": 2000.0,
        "gpu_1_utilization_percentage": 41,
    }
