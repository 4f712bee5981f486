"""What log calls give back, as their argument `synchronous` and the settings say."""

from __future__ import annotations

from millstream import settings
from millstream.client.operations import RunOperations
from millstream.client.recorder import Recorder


def after_logging(recorder: Recorder, run_id: str, synchronous: bool | None) -> RunOperations | None:
    """What a log call returns, once everything is in the journal.

    Args:
        synchronous: True waits for the store, False gives `RunOperations`; None does so if async logging is enabled.
    """
    if synchronous is True:
        recorder.flush(run_id)
        return None
    if synchronous is False or settings.ENABLE_ASYNC_LOGGING.get():
        return RunOperations(recorder, run_id)
    return None


__all__ = ["RunOperations", "after_logging"]
