"""What asynchronous log calls give back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from millstream.client.recorder import Recorder


class RunOperations:
    """Things logged to a run that may not be stored yet; `wait` is the barrier."""

    def __init__(self, recorder: Recorder, run_id: str) -> None:
        self._recorder = recorder
        self._run_id = run_id

    def wait(self) -> None:
        """Wait until they are stored (as `Recorder.flush`); raises what the server refused."""
        self._recorder.flush(self._run_id)


def get_combined_run_operations(operations: list[RunOperations]) -> RunOperations:
    """One barrier for several: those of one run are ordered, so the last one's is enough."""
    return operations[-1]
