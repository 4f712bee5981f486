"""CPU, memory, disk, network and NVIDIA GPUs of a run's machine, sampled by a thread while the run is open.

Every `SYSTEM_METRICS_SAMPLING_INTERVAL` seconds a sample is taken; the mean of `SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING`
samples is one point. Steps count points and go on where a resumed run stopped.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from millstream import settings
from millstream.entities import Metric
from millstream.errors import MillstreamError, MissingLibrary

if TYPE_CHECKING:
    from millstream.client.client import MillstreamClient
    from millstream.client.recorder import Recorder

logger = logging.getLogger(__name__)

MEGABYTE = 1e6
"""Bytes."""

STOP_TIMEOUT_S = 5.0


def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        raise MissingLibrary("psutil", "Logging system metrics") from None
    return psutil


class Machine:
    """Samples of this machine. Network figures count from when this was made."""

    def __init__(self) -> None:
        self._psutil = _psutil()
        self._psutil.cpu_percent()  # its first answer means nothing
        self._network = self._psutil.net_io_counters()
        self._gpus = _gpus()

    def sample(self) -> dict[str, float]:
        """The metrics by name, without the prefix `system/`."""
        psutil = self._psutil
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(os.sep)
        values = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / MEGABYTE,
            "system_memory_usage_percentage": memory.used / memory.total * 100,
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / MEGABYTE,
            "disk_available_megabytes": disk.free / MEGABYTE,
        }
        network = psutil.net_io_counters()
        if network is not None and self._network is not None:
            values["network_receive_megabytes"] = (network.bytes_recv - self._network.bytes_recv) / MEGABYTE
            values["network_transmit_megabytes"] = (network.bytes_sent - self._network.bytes_sent) / MEGABYTE
        for index, gpu in enumerate(self._gpus):
            values.update({f"gpu_{index}_{name}": value for name, value in _sample_gpu(gpu).items()})
        return values


def _gpus() -> list[Any]:
    """Handles of the NVIDIA GPUs; none without pynvml or a driver."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        logger.debug("No GPU is sampled: %s", error)
        return []


def _sample_gpu(gpu: Any) -> dict[str, float]:
    import pynvml

    values: dict[str, float] = {}
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
        values["memory_usage_percentage"] = memory.used / memory.total * 100
        values["memory_usage_megabytes"] = memory.used / MEGABYTE
        values["utilization_percentage"] = pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu
        power = pynvml.nvmlDeviceGetPowerUsage(gpu)  # milliwatts
        values["power_usage_watts"] = power / 1000
        values["power_usage_percentage"] = power / pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) * 100
    except pynvml.NVMLError as error:  # some devices lack some sensors
        logger.debug("A GPU gave no more figures: %s", error)
    return values


def _means(samples: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for sample in samples for name in sample)
    values = {name: [sample[name] for sample in samples if name in sample] for name in names}
    return {name: sum(each) / len(each) for name, each in values.items()}


class SystemMetrics:
    """Logs the machine's figures to one run until `stop`."""

    def __init__(self, run_id: str, recorder: Recorder, client: MillstreamClient, is_resumed: bool = False) -> None:
        """Raises MissingLibrary without psutil."""
        self._run_id = run_id
        self._recorder = recorder
        self._client = client
        self._is_resumed = is_resumed
        self._machine = Machine()
        self._interval = settings.SYSTEM_METRICS_SAMPLING_INTERVAL.get()
        self._samples_per_point = max(1, settings.SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING.get())
        node = settings.SYSTEM_METRICS_NODE_ID.get()
        self._prefix = f"system/{node}/" if node else "system/"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="millstream-system-metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling. What was sampled since the last point is not logged."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _first_step(self) -> int:
        if not self._is_resumed:
            return 0
        metrics = self._client.get_run(self._run_id).data.metric_list
        steps = [metric.step for metric in metrics if metric.key.startswith(self._prefix)]
        return max(steps, default=-1) + 1

    def _sample(self) -> None:
        try:
            step = self._first_step()
            samples: list[dict[str, float]] = []
            while not self._stopped.wait(self._interval):
                samples.append(self._machine.sample())
                if len(samples) >= self._samples_per_point:
                    self._log(_means(samples), step)
                    step += 1
                    samples = []
        except MillstreamError as error:
            logger.warning("System metrics of run %s are not logged any more: %s", self._run_id, error)
        except Exception:  # a sensor that fails must not stop a training
            logger.warning("System metrics of run %s are not logged any more.", self._run_id, exc_info=True)

    def _log(self, values: Mapping[str, float], step: int) -> None:
        import time

        now = time.time_ns() // 1_000_000
        points = [Metric(self._prefix + name, float(value), now, step) for name, value in values.items()]
        self._recorder.log_points(self._run_id, points)
