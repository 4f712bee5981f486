"""Scoring servers that outlive whoever starts them: how to start one, and whether it answers."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from millstream.errors import MillstreamError
from millstream.processes import Process, start

PING_TIMEOUT_S = 2.0
_POLL_S = 0.05
_ADDRESS = re.compile(r"^The model is served at (https?://\S+)/invocations$", re.MULTILINE)
_LOG_TAIL = 2000


class ServerFailed(MillstreamError):
    """A scoring server did not come up."""

    code = "INVALID_STATE"

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(f"The scoring server {reason}. Its log ends with:\n{log.strip()[-_LOG_TAIL:]}")


def start_server(
    arguments: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    on_start: Callable[[Process], None],
) -> tuple[Process, str]:
    """Start `millstream models serve` and wait until it answers; the process and its address.

    Args:
        on_start: called with the process as soon as there is one.
    Raises:
        ServerFailed: it ended, or did not answer in time; nothing of it is left but its log.
    """
    process = start([sys.executable, "-m", "millstream.cli.main", "models", "serve", *arguments], log, environment)
    deadline = time.monotonic() + timeout_s
    try:
        on_start(process)
        while True:
            text = read_log(log)
            said = _ADDRESS.search(text)
            if said is not None and answers(said[1]):
                return process, said[1]
            if not process.is_alive():
                raise ServerFailed("ended at once", read_log(log))
            if time.monotonic() > deadline:
                raise ServerFailed(f"did not answer within {timeout_s:g} s", text)
            time.sleep(_POLL_S)
    except BaseException:
        process.stop()
        raise


def answers(url: str) -> bool:
    """Whether a scoring server is there and has its model."""
    import urllib3

    try:
        with urllib3.PoolManager() as pool:
            answer = pool.request("GET", f"{url}/ping", timeout=PING_TIMEOUT_S, retries=False, redirect=False)
            return answer.status == 200
    except urllib3.exceptions.HTTPError:
        return False


def read_log(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
