"""The HTTP transport: what it sends, what it tries again, how it says who it is."""

import base64

import pytest

from millstream.api import experiments, logged_models, metrics, runs
from millstream.client.http import HttpTransport
from millstream.client.uris import normalize
from millstream.entities import Metric
from millstream.errors import EndpointNotFound, InvalidValue, MillstreamError, NotFound, Overloaded, ServerUnreachable

from .scripted import ScriptedServer

RUN = {"run": {"info": {"run_id": "r", "run_uuid": "r", "start_time": "5", "status": "RUNNING"}}}


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.01")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")


@pytest.fixture
def serve():
    servers, transports = [], []

    def start(answer, path="", user=""):
        server = ScriptedServer(answer)
        servers.append(server)
        transport = HttpTransport(normalize(server.uri.replace("//", f"//{user}") + path))
        transports.append(transport)
        return server, transport

    yield start
    for transport in transports:
        transport.close()
    for server in servers:
        server.close()


def test_input_of_get_travels_in_the_query_and_of_post_in_the_body(serve):
    server, transport = serve(lambda request: (200, RUN))
    transport.call(runs.get, runs.GetRun("a b&c"))
    transport.call(runs.log_batch, runs.LogBatch("r", [Metric("k", float("nan"), 1)]))
    got, posted = server.requests
    assert (got.verb, got.path, got.query) == ("GET", "/api/2.0/mlflow/runs/get", "run_id=a+b%26c")
    assert posted.json["metrics"] == [{"key": "k", "value": "NaN", "timestamp": 1, "step": 0}]
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["user-agent"].startswith("millstream-python-client/")


def test_path_parameters_are_quoted_and_a_static_prefix_is_kept(serve):
    server, transport = serve(lambda request: (200, {}), path="/tracking/")
    transport.call(logged_models.delete_tag, logged_models.DeleteModelTag("m-1", "a b/c"))
    assert server.requests[0].path == "/tracking/api/2.0/mlflow/logged-models/m-1/tags/a%20b%2Fc"


def test_numbers_as_text_and_nan_as_text_are_understood(serve):
    answer = {"metrics": [{"key": "k", "value": "NaN", "timestamp": "12", "step": "3"}]}
    _, transport = serve(lambda request: (200, answer))
    [point] = transport.call(metrics.get_history, metrics.GetHistory("r", "k")).metrics
    assert point.value != point.value
    assert (point.timestamp, point.step) == (12, 3)


def test_connections_stay_open(serve):
    server, transport = serve(lambda request: (200, RUN))
    for _ in range(5):
        transport.call(runs.get, runs.GetRun("r"))
    assert server.connections == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(serve, status):
    server, transport = serve(lambda request: (200, RUN) if len(server.requests) > 2 else (status, "busy"))
    assert transport.call(runs.get, runs.GetRun("r")).run.info.start_time == 5
    assert len(server.requests) == 3


def test_a_cut_connection_is_tried_again(serve):
    server, transport = serve(lambda request: (200, RUN) if len(server.requests) > 1 else None)
    transport.call(runs.get, runs.GetRun("r"))
    assert len(server.requests) == 2


def test_tries_end(serve, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    server, transport = serve(lambda request: (429, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "slow down"}))
    with pytest.raises(Overloaded, match="slow down"):
        transport.call(runs.get, runs.GetRun("r"))
    assert len(server.requests) == 3


def test_the_server_says_how_long_to_wait(serve, monkeypatch):
    slept = []
    monkeypatch.setattr("millstream.client.http.time.sleep", slept.append)
    server, transport = serve(
        lambda request: (200, RUN) if len(server.requests) > 1 else (503, "later", {"Retry-After": "3"})
    )
    transport.call(runs.get, runs.GetRun("r"))
    assert slept == [3.0]


def test_without_retry_the_first_failure_is_raised_with_the_pause_that_the_server_asked_for(serve):
    server, transport = serve(lambda request: (503, "later", {"Retry-After": "3"}))
    with pytest.raises(MillstreamError) as caught:
        transport.call(runs.get, runs.GetRun("r"), retry=False)
    assert caught.value.retry_after_s == 3.0
    assert len(server.requests) == 1


def test_the_users_mistakes_are_not_tried_again_and_raise_the_class_of_their_code(serve):
    server, transport = serve(lambda request: (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}))
    with pytest.raises(NotFound, match="no run"):
        transport.call(runs.get, runs.GetRun("r"))
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_named_without_credentials(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    transport = HttpTransport(normalize("http://user:secret@127.0.0.1:9"))
    with pytest.raises(ServerUnreachable, match=r"http://127\.0\.0\.1:9 does not answer") as caught:
        transport.call(runs.get, runs.GetRun("r"))
    assert "secret" not in str(caught.value)
    transport.close()


def test_an_answer_of_something_else_is_an_error_of_ours(serve):
    _, transport = serve(lambda request: (200, "<html>a portal</html>"))
    with pytest.raises(MillstreamError, match="not understood"):
        transport.call(runs.get, runs.GetRun("r"))


def test_what_only_millstream_can_do_is_said_to_be_so(serve):
    _, transport = serve(lambda request: (404, "<html>not found</html>"))
    with pytest.raises(EndpointNotFound, match="not a Millstream server"):
        transport.call(metrics.get_summaries, metrics.GetSummaries("r"))


def _authorization(serve, user=""):
    server, transport = serve(lambda request: (200, RUN), user=user)
    transport.call(runs.get, runs.GetRun("r"))
    return server.requests[0].headers.get("authorization")


def _basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_credentials_come_from_the_settings_the_address_a_file_or_a_token(serve, monkeypatch, tmp_path):
    assert _authorization(serve) is None
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    assert _authorization(serve) == "Bearer t0ken"
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = f\nmlflow_tracking_password = p%w\n"
    )
    assert _authorization(serve) == _basic("f:p%w")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "u")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "p")
    assert _authorization(serve) == _basic("u:p")
    assert _authorization(serve, "a:b%40@") == _basic("a:b@")


def test_new_credentials_count_from_the_next_request(serve, monkeypatch):
    server, transport = serve(lambda request: (200, RUN))
    transport.call(runs.get, runs.GetRun("r"))
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "new")
    transport.call(runs.get, runs.GetRun("r"))
    assert [request.headers.get("authorization") for request in server.requests] == [None, "Bearer new"]


class _HeaderPlugin:
    def in_context(self):
        return True

    def request_headers(self):
        return {"X-Team": "vision"}


class _BrokenPlugin:
    def in_context(self):
        raise RuntimeError("no")


class _AuthPlugin:
    def get_name(self):
        return "signer"

    def get_auth(self):
        def sign(request):
            request.headers["Authorization"] = f"Signed {request.method} {request.url.rpartition('/')[2]}"
            return request

        return sign


def _install(monkeypatch, **plugins):
    class Point:
        def __init__(self, plugin):
            self.name = plugin.__name__
            self.load = lambda: plugin

    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group: [Point(plugin) for plugin in plugins.get(group.split(".")[1], [])],
    )


def test_plugins_add_headers_and_a_broken_one_is_skipped(serve, monkeypatch, caplog):
    _install(monkeypatch, request_header_provider=[_HeaderPlugin, _BrokenPlugin])
    server, transport = serve(lambda request: (200, RUN))
    transport.call(runs.get, runs.GetRun("r"))
    assert server.requests[0].headers["x-team"] == "vision"
    assert "_BrokenPlugin failed" in caplog.text


def test_a_plugin_signs_requests(serve, monkeypatch):
    _install(monkeypatch, request_auth_provider=[_AuthPlugin])
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "signer")
    server, transport = serve(lambda request: (200, {"experiment_id": "1"}))
    transport.call(experiments.create, experiments.CreateExperiment("x"))
    assert server.requests[0].headers["authorization"] == "Signed POST create"


def test_an_unknown_signer_is_an_error_that_names_it(serve, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "nobody")
    _, transport = serve(lambda request: (200, RUN))
    with pytest.raises(InvalidValue, match="nobody"):
        transport.call(runs.get, runs.GetRun("r"))


def test_contradicting_tls_settings_are_refused(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/x")
    with pytest.raises(InvalidValue, match="contradict"):
        HttpTransport("https://127.0.0.1:9").call(runs.get, runs.GetRun("r"))


def test_the_probe_tells_millstream_from_others(serve):
    _, ours = serve(lambda request: (200, {"version": "9.9", "mlflow_api_version": "3.17.2"}))
    _, other = serve(lambda request: (404, "<html>"))
    assert ours.probe().version == "9.9"
    assert other.probe() is None
