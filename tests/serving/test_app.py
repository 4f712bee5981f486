"""The scoring server's routes, errors, limits and headers."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from millstream.errors import InvalidValue
from millstream.exceptions import MlflowException
from millstream.models.enforcement import enforce_inputs
from millstream.models.mlmodel import Model as Metadata
from millstream.models.signature import ModelSignature
from millstream.models.types import ColSpec, Schema
from millstream.serving import Options, create_app
from millstream.serving.scorer import Options as ScorerOptions
from millstream.version import VERSION
from tests.api.test_telemetry import values
from tests.serving.conftest import Asker


class Plain:
    """A model around a function of a frame with the double columns a and b."""

    def __init__(self, function: Callable[[Any], Any], schema: Schema | None = None, loader: str = "x.y.z") -> None:
        self.function = function
        signature = ModelSignature(schema or Schema([ColSpec("double", "a"), ColSpec("double", "b")]))
        self.metadata = Metadata(signature=signature, flavors={"python_function": {"loader_module": loader}})

    def predict(self, data: Any, params: Any = None) -> Any:
        return self.function(enforce_inputs(data, self.metadata.signature.inputs))


def total(frame: Any) -> Any:
    return (frame["a"] + frame["b"]).to_numpy()


ONE = {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}


def asker(function: Callable[[Any], Any] = total, **options: Any) -> Asker:
    return Asker(create_app(Plain(function), Options(**options)))


# ---------------------------------------------------------------- routes


def test_the_routes_of_mlflow_answer_as_mlflow_does() -> None:
    app = asker()
    for path in ("/ping", "/health"):
        reply = app.get(path)
        assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"\n", "application/json")
    assert app.get("/version").body.decode() == VERSION
    assert app.get("/invocations").error() == (405, "METHOD_NOT_ALLOWED")
    assert app.get("/invocations").headers["allow"] == "POST, OPTIONS"
    for verb, path in (("POS", "/invocations"), ("ET", "/ping"), ("POST", "/ping")):
        assert asyncio.run(app.ask(verb, path, content_type="application/json")).error() == (405, "METHOD_NOT_ALLOWED")
    assert app.get("/nothing").error() == (404, "ENDPOINT_NOT_FOUND")
    assert app.score(ONE).predictions == [3.0]


def test_every_answer_says_that_it_is_not_to_be_guessed_at_or_stored() -> None:
    app = asker()
    for reply in (app.get("/ping"), app.score(ONE), app.score({}), app.get("/nothing"), app.get("/metrics")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert reply.headers["cache-control"] == "no-store"
        assert int(reply.headers["content-length"]) == len(reply.body)
        assert "access-control-allow-origin" not in reply.headers


def test_requests_are_counted() -> None:
    app = asker()
    app.score(ONE)
    app.score({})
    app.get("/a/path/of/a/stranger")
    found = values(app.get("/metrics").body)
    assert found['millstream_requests_total{route="/invocations",verb="POST",status="200"}'] == 1
    assert found['millstream_requests_total{route="/invocations",verb="POST",status="400"}'] == 1
    assert found['millstream_requests_total{route="-",verb="GET",status="404"}'] == 1
    assert found['millstream_request_seconds_count{route="/invocations"}'] == 2
    assert found["millstream_model_failures_total"] == 0


# ---------------------------------------------------------------- forms in and out


@pytest.mark.parametrize("name", ["application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"])
def test_arrow_goes_in_and_out(name: str) -> None:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    table = pa.table({"a": [1.0, 2.0], "b": [3.0, 4.5]})
    with (pa.ipc.new_file if name.endswith("file") else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table)
    app = asker()
    body = bytes(sink.getvalue())
    assert app.post(body, name).predictions == [4.0, 6.5]
    reply = app.post(body, name, accept=f"{name}, application/json;q=0.5")
    assert reply.headers["content-type"] == name
    read = pa.ipc.open_file(reply.body) if name.endswith("file") else pa.ipc.open_stream(reply.body)
    assert read.read_all().to_pydict() == {"predictions": [4.0, 6.5]}


@pytest.mark.parametrize(
    ("result", "columns"),
    [
        (np.array([1, 2]), {"predictions": [1, 2]}),
        (np.array([[0.5, 1], [2, 3]]), {"predictions": [[0.5, 1], [2, 3]]}),
        (pd.DataFrame({"x": [1], "y": ["t"]}), {"x": [1], "y": ["t"]}),
        (pd.Series([1.5], name="s"), {"s": [1.5]}),
        (["a", "b"], {"predictions": ["a", "b"]}),
        ({"p": np.array([1]), "q": [2]}, {"p": [1], "q": [2]}),
    ],
)
def test_results_of_each_kind_have_an_arrow_form(result: Any, columns: Any) -> None:
    import pyarrow as pa

    reply = asker(lambda frame: result).score(ONE, accept="application/vnd.apache.arrow.stream")
    assert reply.status == 200, reply.body
    assert pa.ipc.open_stream(reply.body).read_all().to_pydict() == columns


def test_a_result_that_is_no_table_is_refused_as_arrow_and_given_as_json() -> None:
    app = asker(lambda frame: "text")
    assert app.score(ONE, accept="application/vnd.apache.arrow.stream").error() == (500, "INTERNAL_ERROR")
    assert app.score(ONE, accept="*/*").predictions == "text"


def test_a_number_that_arrow_has_not_is_refused_with_the_reason() -> None:
    for result in ([2**70], {"x": [2**70]}, pd.DataFrame({"x": [2**70]}), pd.Series([2**70])):
        app = asker(lambda frame, result=result: result)
        reply = app.score(ONE, accept="application/vnd.apache.arrow.stream")
        assert reply.error() == (500, "INTERNAL_ERROR")
        assert "Ask for JSON" in reply.json()["message"]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pd.array([1, None], dtype="Int64"), [1, None]),
        (pd.array([True, None], dtype="boolean"), [True, None]),
        (pd.array([0.5, None], dtype="Float32"), [0.5, None]),
        (pd.array([0.5, None], dtype="double[pyarrow]"), [0.5, None]),
        (pd.array([1, None], dtype="int64[pyarrow]"), [1, None]),
        (pd.array([True, None], dtype="bool[pyarrow]"), [True, None]),
        (pd.array(["a", None], dtype="string"), ["a", None]),
        (pd.array([1, 2], dtype="Int8"), [1, 2]),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
@pytest.mark.parametrize("bare_tokens", [False, True])
def test_what_pandas_says_is_missing_is_null(column: Any, values: list[Any], bare_tokens: bool) -> None:
    options = {"scoring": ScorerOptions(bare_tokens=bare_tokens)}
    rows = [{"x": value} for value in values]
    assert asker(lambda frame: pd.DataFrame({"x": column}), **options).score(ONE).predictions == rows
    assert asker(lambda frame: pd.Series(column, name="x"), **options).score(ONE).predictions == rows


def test_numbers_that_json_has_not_are_null_unless_their_tokens_are_asked_for() -> None:
    def strange(frame: Any) -> Any:
        return np.array([1.5, np.nan, np.inf, -np.inf])

    assert asker(strange).score(ONE).predictions == [1.5, None, None, None]
    bare = asker(strange, scoring=ScorerOptions(bare_tokens=True)).score(ONE).body
    assert bare == b'{"predictions":[1.5,NaN,Infinity,-Infinity]}'


def test_a_result_without_a_json_form_is_the_servers_fault() -> None:
    reply = asker(lambda frame: object()).score(ONE)
    assert reply.error() == (500, "INTERNAL_ERROR")
    assert "object" in reply.json()["message"]


def test_a_result_that_holds_itself_is_refused() -> None:
    def loop(frame: Any) -> Any:
        made: list[Any] = []
        made.append(made)
        return made

    assert asker(loop).score(ONE).error() == (500, "INTERNAL_ERROR")


def test_gzip_bodies_are_read() -> None:
    body = gzip.compress(json.dumps(ONE).encode())
    assert asker().post(body, content_encoding="gzip").predictions == [3.0]


# ---------------------------------------------------------------- errors


def test_what_a_model_raises_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(frame: Any) -> Any:
        raise ValueError("secret of the model")

    caplog.set_level(logging.WARNING, "millstream.server")
    app = asker(fail)
    reply = app.score(ONE)
    assert reply.error() == (400, "BAD_REQUEST")
    assert "secret" not in reply.body.decode()
    assert reply.headers["x-request-id"] in reply.json()["message"]
    record = next(r for r in caplog.records if r.message == "the model failed")
    assert record.exc_info is not None
    assert "secret of the model" in str(record.exc_info[1])
    assert values(app.get("/metrics").body)["millstream_model_failures_total"] == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [("RESOURCE_DOES_NOT_EXIST", 404), ("PERMISSION_DENIED", 403), ("TEMPORARILY_UNAVAILABLE", 503), ("INTERNAL_ERROR", 500),
     ("REQUEST_LIMIT_EXCEEDED", 429)],
)  # fmt: skip
def test_an_error_of_ours_that_a_model_raises_keeps_code_status_and_message(code: str, status: int) -> None:
    def fail(frame: Any) -> Any:
        raise MlflowException("the model says no, " + "x" * 5000, error_code=code)

    reply = asker(fail).score(ONE)
    assert reply.error() == (status, code)
    assert reply.json()["message"].startswith("the model says no")
    assert ("retry-after" in reply.headers) == (status in (429, 503))


def test_errors_repeat_little_of_the_data() -> None:
    secret = "S" * 100_000
    for body in (
        {"dataframe_split": {"columns": ["a", "b"], "data": [[secret, 1]]}},
        {"inputs": {"a": [secret], "b": [1]}},
        {"dataframe_records": [{secret: 1}]},
        {secret: 1},
        {"dataframe_split": {secret: 1, "data": []}},
    ):
        assert len(asker().score(body).json()["message"]) < 1100


def test_errors_repeat_nothing_of_the_data_where_a_setting_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_SCHEMA_DETAILS", "true")
    for body in ({"inputs": {"a": ["secret"], "b": [1]}}, {"dataframe_split": {"columns": ["a", "b"], "data": [["secret", 1]]}},
                 {"dataframe_records": [{"secret": 1}]}):  # fmt: skip
        reply = asker().score(body)
        assert reply.error()[0] == 400
        assert "secret" not in reply.body.decode()


def test_415_and_504_are_plain_text() -> None:
    app = asker(lambda frame: time.sleep(0.5), timeout_s=0.05)
    reply = app.post(b"x", "text/plain")
    assert (reply.status, reply.headers["content-type"]) == (415, "text/plain; charset=utf-8")
    assert b"application/json" in reply.body
    assert app.post(b"x", None).status == 415
    reply = app.score(ONE)
    assert (reply.status, reply.headers["content-type"]) == (504, "text/plain; charset=utf-8")
    assert values(app.get("/metrics").body)["millstream_timeouts_total"] == 1


# ---------------------------------------------------------------- limits


def test_a_body_beyond_the_limit_is_refused_packed_or_not() -> None:
    app = asker(max_body_bytes=1000)
    assert app.post(b" " * 1001).error() == (413, "PAYLOAD_TOO_LARGE")
    assert app.post(gzip.compress(b" " * 100_000), content_encoding="gzip").error() == (413, "PAYLOAD_TOO_LARGE")
    assert app.score(ONE).status == 200


def test_a_gzip_body_that_grows_too_much_is_refused() -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    assert asker().post(bomb, content_encoding="gzip").error() == (413, "PAYLOAD_TOO_LARGE")


def test_other_encodings_are_refused() -> None:
    assert asker().post(b"x", content_encoding="br").error() == (400, "INVALID_PARAMETER_VALUE")
    assert asker().post(b"x", content_encoding="gzip").error() == (400, "INVALID_PARAMETER_VALUE")


def test_more_than_may_wait_are_told_to_come_back_and_health_goes_on() -> None:
    release = threading.Event()

    def slow(frame: Any) -> Any:
        release.wait(10)
        return [1]

    async def crowd() -> tuple[list[int], int, list[Any]]:
        app = asker(slow, threads=2, max_waiting=3)
        body = json.dumps(ONE).encode()
        tasks = [
            asyncio.create_task(app.ask("POST", "/invocations", body, content_type="application/json"))
            for _ in range(9)
        ]
        await asyncio.sleep(0.2)
        refused = [task.result() for task in tasks if task.done()]
        health = await app.ask("GET", "/ping")
        release.set()
        replies = await asyncio.gather(*tasks)
        return [reply.status for reply in replies], health.status, refused

    statuses, health, refused = asyncio.run(crowd())
    assert health == 200
    assert sorted(statuses) == [200] * 5 + [429] * 4
    assert all(reply.headers["retry-after"] == "1" for reply in refused)


def test_a_request_that_waits_too_long_is_given_up_and_never_predicted() -> None:
    release = threading.Event()
    predicted: list[float] = []

    def slow(frame: Any) -> Any:
        predicted.append(frame["a"][0])
        release.wait(10)
        return [1]

    async def two() -> list[int]:
        app = asker(slow, threads=1, timeout_s=0.2)
        bodies = [json.dumps({"inputs": {"a": [number], "b": [1]}}).encode() for number in (1, 2)]
        replies = await asyncio.gather(
            *(app.ask("POST", "/invocations", body, content_type="application/json") for body in bodies)
        )
        release.set()
        await asyncio.sleep(0.1)
        return [reply.status for reply in replies]

    assert asyncio.run(two()) == [504, 504]
    assert predicted == [1.0]


@pytest.mark.parametrize("batching", [False, True])
def test_a_request_that_hangs_leaves_the_other_threads_to_those_who_come_after(batching: bool) -> None:
    release = threading.Event()
    threads: set[str] = set()

    def model(frame: Any) -> Any:
        threads.add(threading.current_thread().name)
        if frame["a"][0] == 13:
            release.wait(10)
        return [1]

    async def one_by_one() -> list[int]:
        app = asker(model, threads=3, timeout_s=0.5, batching=batching)
        statuses = []
        for number in (13, 1, 13, 2, 3, 13, 4):
            body = json.dumps({"inputs": {"a": [number], "b": [1]}}).encode()
            reply = await app.ask("POST", "/invocations", body, content_type="application/json")
            statuses.append(reply.status)
        release.set()
        return statuses

    assert asyncio.run(one_by_one()) == [504, 200, 504, 200, 200, 504, 504]
    assert len(threads) == 3


def test_who_asks_one_at_a_time_needs_one_thread() -> None:
    threads: set[str] = set()
    release = threading.Event()

    def model(frame: Any) -> Any:
        threads.add(threading.current_thread().name)
        if frame["a"][0] == 13:
            release.wait(10)
        return [1]

    async def one_by_one() -> None:
        app = asker(model, threads=4, timeout_s=1)
        given_up = json.dumps({"inputs": {"a": [13], "b": [1]}}).encode()
        quick = json.dumps({"inputs": {"a": [0], "b": [1]}}).encode()
        for _ in range(20):
            await app.ask("POST", "/invocations", quick, content_type="application/json")
        assert len(threads) == 1
        tasks = [app.ask("POST", "/invocations", given_up, content_type="application/json") for _ in range(6)]
        await asyncio.gather(*tasks)  # four hang and two are never begun
        release.set()
        for _ in range(200):
            await asyncio.sleep(0.02)
            if not app.app.pool._unfinished:
                break
        assert (len(threads), app.app.pool._unfinished) == (4, 0)

    asyncio.run(one_by_one())


# ---------------------------------------------------------------- hosts and origins


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:5000", "[::1]:80", "10.1.2.3", "model.example.org"])
def test_hosts_that_are_known_are_answered(host: str) -> None:
    app = asker(allowed_hosts=["model.example.org"])
    assert app.score(ONE, host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "10.evil.example", "localhost.evil.example", None, "a b", ""])
def test_hosts_that_are_unknown_are_refused_everywhere(host: str | None) -> None:
    app = asker()
    for reply in (app.score(ONE, host=host), app.get("/ping", host=host), app.get("/metrics", host=host)):
        assert reply.error()[0] in (400, 403)


def test_pages_of_other_sites_cannot_send_requests() -> None:
    app = asker()
    for headers in (
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://localhost:9999"},
        {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"},
    ):  # fmt: skip
        assert app.score(ONE, **headers).error() == (403, "PERMISSION_DENIED"), headers
    assert app.score(ONE, origin="http://localhost:5000").status == 200
    assert app.score(ONE, sec_fetch_site="same-origin").status == 200


def test_a_configured_origin_may_send_requests_and_is_told_so() -> None:
    app = asker(cors_allowed_origins=["https://shop.example"])
    reply = app.score(ONE, origin="https://shop.example")
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "https://shop.example"
    preflight = asyncio.run(app.ask("OPTIONS", "/invocations", origin="https://shop.example"))
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert "access-control-allow-origin" not in app.score(ONE, origin="https://evil.example").headers


def test_doubled_headers_are_refused() -> None:
    app = asker()

    async def send() -> list[Any]:
        got: list[Any] = []
        headers = [(b"host", b"localhost"), (b"host", b"evil.example"), (b"content-type", b"application/json")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/invocations",
            "raw_path": b"/invocations",
            "headers": headers,
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": b"{}"}

        async def keep(message: Any) -> None:
            got.append(message)

        await app.app(scope, receive, keep)
        return got

    assert asyncio.run(send())[0]["status"] == 400


# ---------------------------------------------------------------- threads and the loop


def test_code_of_users_never_runs_in_the_event_loop() -> None:
    threads: set[int] = set()

    def remember(frame: Any) -> Any:
        threads.add(threading.get_ident())
        return [1]

    app = asker(remember)

    async def many() -> None:
        for _ in range(200):
            await app.ask("POST", "/invocations", json.dumps(ONE).encode(), content_type="application/json")

    asyncio.run(many())
    assert threading.get_ident() not in threads


def test_a_model_that_only_computes_is_answered_in_the_loop_while_it_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millstream.serving.app.QUICK_S", 0.5)  # of a machine that does other things too
    threads: list[int] = []

    def remember(frame: Any) -> Any:
        threads.append(threading.get_ident())
        return [1]

    app = Asker(create_app(Plain(remember, loader="mlflow.onnx")))

    async def many() -> None:
        for _ in range(200):
            await app.ask("POST", "/invocations", json.dumps(ONE).encode(), content_type="application/json")

    asyncio.run(many())
    assert threads[0] != threading.get_ident(), "nothing is known of its time yet"
    assert threads[-1] == threading.get_ident()


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidValue, match="followed"):
        create_app(Plain(total), follow_s=1.0)
    with pytest.raises(InvalidValue, match="cannot be followed"):
        create_app("models:/name/3", follow_s=1.0)
    with pytest.raises(InvalidValue, match="address"):
        create_app(Plain(total), Options(trusted_proxies=["nonsense"]))
