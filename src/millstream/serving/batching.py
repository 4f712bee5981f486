"""Micro-batching: requests that arrive while the model predicts are gathered and predicted together.

Nothing is waited for: an idle model gets a request at once, and a busy one finds all that came meanwhile. It pays where a call costs much
and a row little. It is only right where each row's prediction depends on that row alone, which nobody can see from outside, so it is off
unless it is asked for; and numerical libraries may sum a row's terms in another order within a larger batch, so that last bits of floats
can differ. A batch that fails is predicted again request by request, so a bad request fails alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from millstream.serving.columns import Table
from millstream.serving.pool import DeadlineExceeded, Pool
from millstream.serving.scorer import Request, Scorer

MAX_ROWS = 1024


class _Waiting(Struct, eq=False):
    scorer: Scorer
    request: Request
    future: asyncio.Future[Any]
    params: bytes
    """As JSON: values that Python takes for equal (1, 1.0 and True) are different params."""


class Batcher:
    """
    Args:
        pool: where predictions run; as many batches at once as it has threads.
        max_rows: of one batch; a larger request is a batch of its own.
        on_batch: called with the number of requests of a batch that has more than one.
    """

    def __init__(self, pool: Pool, max_rows: int, on_batch: Callable[[int], None]) -> None:
        self._pool = pool
        self._max_rows = max_rows
        self._waiting: deque[_Waiting] = deque()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_batch = on_batch

    def takes(self, request: Request) -> bool:
        """Whether the request can be put together with others: typed columns, fewer rows than a batch."""
        return request.table is not None and request.table.rows < self._max_rows

    async def predict(self, scorer: Scorer, request: Request, timeout_s: float) -> Any:
        """The model's result for that request. Raises what `Scorer.predict` raises, Overloaded and DeadlineExceeded."""
        if len(self._waiting) >= self._pool.max_waiting:
            self._pool.refuse()
        loop = asyncio.get_running_loop()
        waiting = _Waiting(scorer, request, loop.create_future(), msgspec.json.encode(request.params))
        self._waiting.append(waiting)
        if self._running < self._pool.threads:
            self._running += 1
            task = loop.create_task(self._drain(timeout_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiting.future
        except TimeoutError:
            raise DeadlineExceeded(timeout_s) from None

    async def _drain(self, timeout_s: float) -> None:
        try:
            while self._waiting:
                group = self._take()
                if not group:
                    continue
                outcomes = await self._predict(group, timeout_s)
                for waiting, outcome in zip(group, outcomes, strict=True):
                    if waiting.future.done():
                        continue
                    if isinstance(outcome, BaseException):
                        waiting.future.set_exception(outcome)
                    else:
                        waiting.future.set_result(outcome)
        finally:
            self._running -= 1

    def _take(self) -> list[_Waiting]:
        """The first that waits and those behind it that can go with it: same model, same params, rows within the limit."""
        group: list[_Waiting] = []
        rows = 0
        while self._waiting:
            candidate = self._waiting[0]
            if candidate.future.done():
                self._waiting.popleft()
                continue
            count = candidate.request.table.rows if candidate.request.table is not None else 0
            first = group[0] if group else candidate
            if group and (
                candidate.scorer is not first.scorer
                or candidate.params != first.params
                or rows + count > self._max_rows
            ):
                break
            group.append(self._waiting.popleft())
            rows += count
        return group

    async def _predict(self, group: Sequence[_Waiting], timeout_s: float) -> Sequence[Any]:
        scorer = group[0].scorer
        requests = [waiting.request for waiting in group]
        if len(group) > 1:
            self._on_batch(len(group))
        try:
            return await self._pool.run(lambda: predict_together(scorer, requests), timeout_s)
        except Exception as error:
            return [error] * len(group)


def predict_together(scorer: Scorer, requests: Sequence[Request]) -> list[Any]:
    """The result of each request, or what it raised."""
    if len(requests) > 1:
        tables = [request.table for request in requests if request.table is not None]
        try:
            result = scorer.predict(Request(_joined(tables), None, requests[0].params))
        except Exception:
            pass  # one of them is at fault: each for itself
        else:
            parts = _split(result, [table.rows for table in tables])
            if parts is not None:
                return parts
    return [_outcome(scorer, request) for request in requests]


def _outcome(scorer: Scorer, request: Request) -> Any:
    try:
        return scorer.predict(request)
    except Exception as error:
        return error


def _joined(tables: Sequence[Table]) -> Table:
    import numpy as np

    first = tables[0]
    rows = sum(table.rows for table in tables)
    if first.matrix is not None:
        matrices = [table.matrix for table in tables if table.matrix is not None]
        return Table(first.names, np.asfortranarray(np.concatenate(matrices)), (), rows)
    arrays = [np.concatenate(columns) for columns in zip(*(table.arrays for table in tables), strict=True)]
    return Table(first.names, None, arrays, rows)


def _split(result: Any, sizes: Sequence[int]) -> list[Any] | None:
    """The result cut into pieces of those many rows; None if it does not have one row for each row."""
    import numpy as np
    import pandas as pd

    is_frame = isinstance(result, pd.DataFrame | pd.Series)
    if not (is_frame or isinstance(result, np.ndarray | list)) or (isinstance(result, np.ndarray) and not result.ndim):
        return None
    if len(result) != sum(sizes):
        return None
    parts, start = [], 0
    for size in sizes:
        parts.append(result.iloc[start : start + size] if is_frame else result[start : start + size])
        start += size
    return parts
