"""Requests that wait for a busy model are predicted together, and each gets what is its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from millstream.errors import InvalidValue
from millstream.models.params import enforce_params
from millstream.models.types import ColSpec, ParamSchema, ParamSpec, Schema
from millstream.serving import Options, create_app
from tests.api.test_telemetry import values
from tests.serving.conftest import Asker, Reply
from tests.serving.test_app import Plain

MIXED = Schema([ColSpec("long", "n"), ColSpec("string", "s")])


class Gate:
    """A model whose first call waits until all others have come."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.calls: list[int] = []
        self.release = threading.Event()

    def __call__(self, frame: Any) -> Any:
        self.calls.append(len(frame))
        if len(self.calls) == 1:
            self.release.wait(10)
        return self.function(frame)


def crowd(
    gate: Gate, bodies: list[Any], schema: Schema | None = None, model: Plain | None = None, **options: Any
) -> tuple[list[Reply], Asker]:
    """Send one request, and while it is predicted all others; gives all answers in order."""
    app = Asker(create_app(model or Plain(gate, schema), Options(**{"batching": True, "threads": 1, **options})))

    def ask(body: Any) -> asyncio.Task[Reply]:
        sent = app.ask("POST", "/invocations", json.dumps(body).encode(), content_type="application/json")
        return asyncio.create_task(sent)

    async def send() -> list[Reply]:
        tasks = [ask(bodies[0])]
        while not gate.calls:
            await asyncio.sleep(0.005)
        tasks += [ask(body) for body in bodies[1:]]
        await asyncio.sleep(0.1)
        gate.release.set()
        return await asyncio.gather(*tasks)

    return asyncio.run(send()), app


def one(number: float, rows: int = 1) -> Any:
    return {"inputs": {"a": [number] * rows, "b": [1] * rows}}


def total(frame: Any) -> Any:
    return (frame["a"] + frame["b"]).to_numpy()


@pytest.mark.parametrize(
    "form",
    [
        lambda frame: (frame["a"] + frame["b"]).to_numpy(),
        lambda frame: (frame["a"] + frame["b"]).tolist(),
        lambda frame: frame["a"] + frame["b"],
        lambda frame: pd.DataFrame({"x": frame["a"], "y": frame["b"]}),
        lambda frame: np.stack([frame["a"], frame["b"]], axis=1),
    ],
)
def test_what_waits_is_predicted_together_and_answered_as_if_alone(form: Callable[[Any], Any]) -> None:
    gate = Gate(form)
    bodies = [one(number, rows=number % 3 + 1) for number in range(20)]
    replies, app = crowd(gate, bodies)
    alone = Asker(create_app(Plain(form)))
    assert [reply.body for reply in replies] == [alone.score(body).body for body in bodies]
    assert len(gate.calls) == 2
    found = values(app.get("/metrics").body)
    assert found["millstream_batches_total"] == 1
    assert found["millstream_batched_requests_total"] == 19


def test_columns_of_several_types_are_joined_too() -> None:
    gate = Gate(lambda frame: [f"{n}{s}" for n, s in zip(frame["n"], frame["s"], strict=True)])
    bodies = [{"dataframe_records": [{"n": number, "s": "x" * number}]} for number in range(5)]
    replies, _ = crowd(gate, bodies, MIXED)
    assert [reply.predictions for reply in replies] == [[f"{n}{'x' * n}"] for n in range(5)]
    assert gate.calls == [1, 4]


def test_a_request_that_fails_fails_alone() -> None:
    def picky(frame: Any) -> Any:
        if (frame["a"] == 13).any():
            raise ValueError("thirteen")
        return total(frame)

    gate = Gate(picky)
    replies, _ = crowd(gate, [one(0), one(13), one(2), one(3)])
    assert [reply.status for reply in replies] == [200, 400, 200, 200]
    assert [reply.predictions for reply in (replies[0], replies[2], replies[3])] == [[1.0], [3.0], [4.0]]


def test_an_error_of_ours_reaches_only_its_request() -> None:
    def picky(frame: Any) -> Any:
        if (frame["a"] == 13).any():
            raise InvalidValue("There is no thirteen here.")
        return total(frame)

    replies, _ = crowd(Gate(picky), [one(0), one(13), one(2)])
    assert replies[1].error() == (400, "INVALID_PARAMETER_VALUE")
    assert (replies[0].status, replies[2].status) == (200, 200)


def test_a_model_that_gives_one_result_for_all_rows_is_asked_for_each_request() -> None:
    gate = Gate(lambda frame: {"rows": len(frame)})
    replies, _ = crowd(gate, [one(0), one(1, 2), one(2, 3)])
    assert [reply.predictions["rows"] for reply in replies] == [1, 2, 3]


def test_batches_stay_within_their_limit() -> None:
    gate = Gate(total)
    replies, _ = crowd(gate, [one(0), *(one(n, 4) for n in range(6)), one(9, 50)], max_batch_rows=10)
    assert all(reply.status == 200 for reply in replies)
    assert gate.calls[0] == 1
    assert sorted(gate.calls[1:]) == [8, 8, 8, 50]


def test_a_request_that_takes_the_general_way_is_not_joined() -> None:
    gate = Gate(total)
    replies, _ = crowd(gate, [one(0), {"dataframe_split": {"columns": ["b", "a"], "data": [[1, 2]]}}, one(2), one(3)])
    assert [reply.predictions for reply in replies] == [[1.0], [3.0], [3.0], [4.0]]


def test_a_bad_body_among_good_ones_is_refused_before_it_waits() -> None:
    replies, _ = crowd(Gate(total), [one(0), {"inputs": {"a": ["x"], "b": [1]}}, one(2)])
    assert [reply.status for reply in replies] == [200, 400, 200]


def test_a_model_that_is_too_slow_is_answered_504_for_each() -> None:
    gate = Gate(total)
    gate.release.wait = lambda timeout=None: threading.Event().wait(0.6)  # type: ignore[method-assign, assignment]
    replies, _ = crowd(gate, [one(0), one(1), one(2)], timeout_s=0.2)
    assert [reply.status for reply in replies] == [504, 504, 504]


def test_params_that_only_python_takes_for_equal_are_not_joined() -> None:
    class Shifting(Plain):
        def predict(self, data: Any, params: Any = None) -> Any:
            k = enforce_params(params, self.metadata.signature.params)["k"]
            return super().predict(data) + k

    gate = Gate(total)
    model = Shifting(gate)
    model.metadata.signature.params = ParamSchema([ParamSpec("k", "long", 5)])
    given = (1, 1, 1.0, True, 1, 2, 2)
    bodies = [{**one(number), "params": {"k": k}} for number, k in enumerate(given)]
    replies, _ = crowd(gate, bodies, model=model)
    assert [reply.status for reply in replies] == [200, 200, 400, 400, 200, 200, 200]
    assert [reply.predictions for reply in replies if reply.status == 200] == [[2.0], [3.0], [6.0], [8.0], [9.0]]
    assert gate.calls == [1, 1, 1, 2]


def test_too_many_that_wait_are_told_to_come_back() -> None:
    replies, _ = crowd(Gate(total), [one(n) for n in range(12)], max_waiting=4)
    statuses = [reply.status for reply in replies]
    assert statuses.count(429) > 0
    assert statuses.count(200) >= 5
    assert set(statuses) == {200, 429}
