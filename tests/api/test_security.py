"""The lines of the threat model that the server answers for; the numbers in brackets are theirs."""

import asyncio
import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from millstream.api import ENDPOINTS, wire
from millstream.artifacts.storage_errors import RemoteFailed, RemoteRefused
from millstream.asgi import log as server_log
from millstream.asgi.security import HostRules, OriginRules, read_headers, split_host
from millstream.errors import BadRequest, InvalidValue, MillstreamError, PermissionDenied
from millstream.server import run
from millstream.server.call import Call

JSON = {"Content-Type": "application/json"}
WRITES = [name for name, row in ENDPOINTS.items() if row.verb != "GET"]


# ---------------------------------------------------------------- hosts (13)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:5000", "localhost.", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:5000", "10.0.0.8:80",
        "192.168.1.7", "172.16.0.1", "172.31.255.255", "[fd00::1]", "[::ffff:127.0.0.1]", "169.254.1.1",
    ],
)  # fmt: skip
def test_loopback_and_private_addresses_are_served(host):
    HostRules().check(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "10.evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:5000",
        "8.8.8.8", "172.32.0.1", "192.169.0.1", "[2001:db8::1]", "localhost-evil", "xlocalhost", "local_host",
        "192.168.1.7.nip.io", "[::ffff:8.8.8.8]", "0.0.0.0", "[::]",
    ],
)  # fmt: skip
def test_other_hosts_are_refused(host):
    with pytest.raises(PermissionDenied):
        HostRules().check(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "", " ", "localhost:", "localhost:99999", "localhost:5000:1", "local host", "localhost/", "localhost@evil", "user@localhost",
        "[::1", "::1", "[::1]x", "[zz]", "localhost\x00", "lo\tcal", "a..b", ".", "127.1", "2130706433", "0x7f000001", "127.0.0.1.1",
        "0177.0.0.01x.1", "localhost,evil.example", "http://localhost", "localhost#x", "localhost?x", "l\xf6calhost", "x" * 300,
    ],
)  # fmt: skip
def test_malformed_hosts_are_bad_requests(host):
    with pytest.raises(BadRequest):
        HostRules().check(host.encode("latin-1"))


def test_a_missing_host_is_a_bad_request():
    with pytest.raises(BadRequest):
        HostRules().check(None)


def test_the_operator_names_further_hosts():
    rules = HostRules(["Tracking.Example.org", "*.lab.example", "only.example:5000"])
    for host in (
        b"tracking.example.org",
        b"tracking.example.org:443",
        b"a.lab.example",
        b"only.example:5000",
        b"localhost",
    ):
        rules.check(host)
    for host in (b"example.org", b"lab.example", b"xlab.example", b"only.example:5001", b"tracking.example.org.evil"):
        with pytest.raises(PermissionDenied):
            rules.check(host)
    HostRules(["*"]).check(b"anything.example")


def test_all_routes_refuse_foreign_hosts(server, unchanged):
    for path in (
        "/",
        "/health",
        "/version",
        "/metrics",
        "/openapi.json",
        "/api/2.0/mlflow/experiments/search?max_results=1",
        "/nothing",
    ):
        assert server.ask("GET", path, headers={"Host": "evil.example"}).error() == (403, "PERMISSION_DENIED")
    assert (
        server.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": "x"}, {"Host": "rebind.example"}).status
        == 403
    )
    assert server.ask("OPTIONS", "/health", headers={"Host": "evil.example"}).status == 403


def test_the_address_listened_on_is_served_but_no_wildcard(start):
    assert start(host="gpu-box.example").ask("GET", "/health", headers={"Host": "gpu-box.example:5000"}).status == 200
    assert start(host="0.0.0.0").ask("GET", "/health", headers={"Host": "0.0.0.0"}).status == 403


def test_missing_and_doubled_hosts_are_refused(server):
    assert server.raw(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    doubled = b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert server.raw(doubled).startswith(b"HTTP/1.1 400 ")
    assert server.raw(b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    absolute = b"GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert server.raw(absolute).startswith(b"HTTP/1.1 403 ")


def test_forwarded_headers_count_only_from_configured_proxies(start):
    plain, behind = start(), start(trusted_proxies=["127.0.0.0/8"], allowed_hosts=["public.example"])
    forwarded = {"X-Forwarded-Host": "evil.example"}
    assert plain.ask("GET", "/health", headers=forwarded).status == 200
    assert behind.ask("GET", "/health", headers=forwarded).status == 403
    assert plain.ask("GET", "/health", headers={"Host": "evil.example", "X-Forwarded-Host": "localhost"}).status == 403
    page = {"Origin": "https://public.example", "X-Forwarded-Host": "public.example", "X-Forwarded-Proto": "https"}
    assert behind.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": "a"}, page).status == 200
    assert plain.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": "a"}, page).status == 403


# ---------------------------------------------------------------- origins (14)


@pytest.mark.parametrize(
    "origin",
    [
        "null", "https://evil.example", "http://localhost", "http://localhost:1", "http://127.0.0.1:9999", "https://127.0.0.1:{port}",
        "http://127.0.0.1:{port}.evil.example", "http://evil.example:{port}", "http://127.0.0.1:{port}@evil", "file://", "", "127.0.0.1:{port}",
        "http://[::1]:{port}", "http://localhost:{port}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["experiments.create", "runs.search", "artifacts.upload", "logged_models.delete"])
def test_pages_of_other_origins_change_nothing(origin, name, server, unchanged):
    row = ENDPOINTS[name]
    path = row.paths[0].replace("{artifact_path:path}", "x/y").replace("{model_id}", "m-1")
    headers = {"Origin": origin.format(port=server.port), **JSON}
    assert server.ask(row.verb, path, b'{"name": "evil"}', headers).error() == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_every_endpoint_that_changes_state_refuses_foreign_pages(name, headers, server, unchanged):
    row = ENDPOINTS[name]
    path = row.paths[0]
    for param in row.path_params:
        path = path.replace(f"{{{param}:path}}", "x").replace(f"{{{param}}}", "x")
    assert server.ask(row.verb, path, b"{}", {**headers, **JSON}).error() == (403, "PERMISSION_DENIED")


def test_what_the_server_does_not_offer_is_no_hole_either(server, unchanged):
    for path in ("/graphql", "/v1/traces", "/api/2.0/mlflow/traces"):
        assert server.ask("POST", path, {}, {"Origin": "https://evil.example"}).status in (403, 501)


def test_own_pages_and_clients_without_origin_may_write(server):
    for headers in (
        {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {},
    ):
        reply = server.ask("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}, headers)
        assert reply.status == 200, reply.body
        assert "access-control-allow-origin" not in reply.headers


def test_configured_origins_may_write_and_see_the_answer(start):
    server = start(cors_allowed_origins=["https://tools.example"])
    headers = {"Origin": "https://tools.example", "Sec-Fetch-Site": "cross-site"}
    reply = server.ask("POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1}, headers)
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "https://tools.example"
    assert "Origin" in reply.headers["vary"]
    preflight = server.ask("OPTIONS", "/api/2.0/mlflow/experiments/search", headers=headers)
    assert preflight.status == 204
    assert "POST" in preflight.headers["access-control-allow-methods"]
    refused = server.ask("POST", "/api/2.0/mlflow/experiments/create", {"name": ""}, headers)
    assert refused.status == 400
    assert refused.headers["access-control-allow-origin"] == "https://tools.example"
    assert (
        server.ask("POST", "/api/2.0/mlflow/experiments/search", {}, {"Origin": "https://tools.example.evil"}).status
        == 403
    )


def test_any_origin_never_comes_with_credentials():
    rules = OriginRules(["*"])
    peer = read_headers([(b"origin", b"https://evil.example")])
    assert rules.answer_headers(peer) == [(b"access-control-allow-origin", b"*")]
    assert OriginRules(["https://a.example"]).answer_headers(peer) == []
    assert OriginRules(["null"]).answer_headers(read_headers([(b"origin", b"null")])) == []


# ---------------------------------------------------------------- media types, methods (15)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/xml",
        "",
        "application/json2; charset=utf-8",
    ],
)
def test_json_routes_take_json_only(kind, server, unchanged):
    for verb, path in [("POST", "experiments/create"), ("PATCH", "logged-models/m-1"), ("DELETE", "logged-models/m-1")]:
        reply = server.ask(verb, f"/api/2.0/mlflow/{path}", b'{"name": "x"}', {"Content-Type": kind})
        assert reply.error() == (400, "INVALID_PARAMETER_VALUE")


def test_posts_must_name_their_media_type(server, unchanged):
    assert server.ask("POST", "/api/2.0/mlflow/experiments/create", b'{"name": "x"}').error()[0] == 400


def test_parameters_of_the_media_type_are_fine(server):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert server.ask("POST", "/api/2.0/mlflow/experiments/search", b'{"max_results": 1}', headers).status == 200


def test_get_changes_nothing_whatever_its_headers_say(server, unchanged):
    headers = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "DELETE", "_method": "POST"}
    for path in ("experiments/create?name=evil", "runs/create?experiment_id=0", "experiments/delete?experiment_id=0"):
        assert server.ask("GET", f"/api/2.0/mlflow/{path}", headers=headers).error()[0] == 405


# ---------------------------------------------------------------- artifact paths through HTTP (4, 6)


BAD_PATHS = [
    "..", "../x", "a/../../x", "a/../b", ".", "./a", "a/./b", "a/..", "%2e%2e", "%2e%2e/x", "%2E%2E%2Fx", "..%2fx", "..%5cx", "a%5cb", "%252e%252e", "%252e%252e%252fx",
    "%25252e%25252e", "%2fetc%2fpasswd", "/etc/passwd", "%2Fx", "a//b", "a%2f%2fb", "C:/x", "c:%5cx", "file:///etc/passwd", "file:%2f%2f%2fetc",
    "http://evil/x", "a%00b", "%00", "a%0ab", "a%0d%0ax", "a%7fb", "a%23b", "%ff", "%c0%ae%c0%ae/x", "..;/x%2f..", "..%c0%afx", "a/%2e", "a/%2e%2e/b",
    "x" * 256, "/".join(["y" * 200] * 30), "%e2%80%8b/../x", "a%2f..%2fb", "..%252f", "a/b/%2e%2e%2f%2e%2e%2f%2e%2e",
]  # fmt: skip


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE"])
def test_paths_that_leave_the_root_or_hide_something_are_refused(path, verb, world, unchanged):
    line = f"{verb} /api/2.0/mlflow-artifacts/artifacts/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    answer = world.server.raw(line.encode())
    assert answer[9:12] in (b"400", b"404"), answer
    assert b'"error_code"' in answer
    if verb == "PUT":
        assert answer[9:12] == b"400"


@pytest.mark.parametrize("path", [p for p in BAD_PATHS if "\n" not in p])
def test_bad_paths_in_query_strings_are_refused(path, world, unchanged):
    for where in (
        f"/get-artifact?run_id={world.run}&path=",
        f"/api/2.0/mlflow/artifacts/list?run_id={world.run}&path=",
        "/api/2.0/mlflow-artifacts/artifacts?path=",
    ):
        assert world.server.get(where + path.replace("#", "%23")).error()[0] == 400


def test_the_root_and_the_folder_of_a_run_are_not_deleted(world, unchanged):
    for path in (
        "",
        "/",
        ".",
        "%2e",
        "/.",
        "%2f",
        "..",
        f"{world.experiment}",
        f"{world.experiment}/",
        f"{world.experiment}/{world.run}",
        f"{world.experiment}/{world.run}/artifacts/..",
    ):
        reply = world.server.ask("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{path}")
        assert 400 <= reply.error()[0] < 500, path


def test_legal_names_come_back_as_they_were(world):
    names = ["a b", "日本", "a..b", "...", "a+b", "100%25", "x,y;z=1", "ü@!$'()*", "-", "..a", "a%2Cb"]
    for name in names:
        path = f"/api/2.0/mlflow-artifacts/artifacts/{world.experiment}/{world.run}/artifacts/names/{_quoted(name)}"
        assert world.server.ask("PUT", path, name.encode()).status == 200, name
        assert world.server.get(path).body == name.encode()


def _quoted(name):
    from urllib.parse import quote

    return quote(name, safe="")


# ---------------------------------------------------------------- browser content (20, 21, 22)


def test_artifacts_are_attachments_that_run_nothing(world):
    path = f"/api/2.0/mlflow-artifacts/artifacts/{world.experiment}/{world.run}/artifacts/p%22age.html"
    world.server.ask("PUT", path, b"<script>alert(1)</script>")
    for where in (path, f"/get-artifact?run_id={world.run}&path=p%22age.html"):
        reply = world.server.get(where)
        assert reply.status == 200
        assert reply.headers["content-disposition"].startswith("attachment;")
        assert reply.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.fixture(scope="module")
def hostile_run(world):
    evil = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"
    server = world.server
    experiment = server.post("experiments/create", {"name": evil}).json()["experiment_id"]
    tags = [
        {"key": "mlflow.runName", "value": evil},
        {"key": "mlflow.note.content", "value": evil},
        {"key": "mlflow.user", "value": evil},
    ]
    run_id = server.post("runs/create", {"experiment_id": experiment, "tags": tags}).json()["run"]["info"]["run_id"]
    server.post("runs/log-parameter", {"run_id": run_id, "key": "p", "value": evil})
    server.post(
        "runs/log-batch",
        {
            "run_id": run_id,
            "metrics": [
                {"key": "m", "value": v, "timestamp": 1, "step": s} for s, v in enumerate([1, "NaN", 1e308, -1e308])
            ],
        },
    )
    dataset = {"name": evil, "digest": "1", "source_type": evil, "source": evil}
    server.post(
        "runs/log-inputs", {"run_id": run_id, "datasets": [{"dataset": dataset, "tags": [{"key": "k", "value": evil}]}]}
    )
    server.post(
        "experiments/set-experiment-tag", {"experiment_id": experiment, "key": "mlflow.note.content", "value": evil}
    )
    root = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts"
    server.ask("PUT", f"{root}/{_quoted('<b>onerror=x')}", b"x")
    return experiment, run_id


def test_pages_show_hostile_texts_as_text(hostile_run, world):
    experiment, run_id = hostile_run
    for path in (
        "/plain/",
        f"/plain/experiments/{experiment}",
        f"/plain/runs/{run_id}",
        f"/plain/experiments/{experiment}?filter={_quoted('<script>')}&order_by={_quoted('<i>')}",
        f"/plain/runs/{_quoted('<script>')}",
        f"/plain/runs/{run_id}?path={_quoted('<x>')}",
    ):
        reply = world.server.get(path)
        assert reply.headers["content-type"] == "text/html; charset=utf-8", path
        text = reply.body.decode()
        assert "<script>" not in text
        assert text.count("<script") == (path == "/plain/")  # our own, by its address
        assert "<img" not in text
        assert "<b>onerror" not in text
        policy = reply.headers["content-security-policy"]
        for rule in (
            "default-src 'none'",
            "script-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ):
            assert rule in policy
        assert "unsafe" not in policy
        assert reply.headers["referrer-policy"] == "same-origin"
        assert reply.headers["x-frame-options"] == "SAMEORIGIN"


def test_pages_need_neither_script_nor_inline_style(hostile_run, world):
    for path in ("/plain/", f"/plain/experiments/{hostile_run[0]}", f"/plain/runs/{hostile_run[1]}"):
        text = world.server.get(path).body.decode()
        assert " style=" not in text
        assert "<style" not in text
        assert " on" + "click" not in text


def test_answers_carry_the_common_headers(server):
    for reply in (server.get("/health"), server.get("/nothing"), server.get("/openapi.json"), server.post("runs/get")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "SAMEORIGIN"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in reply.headers


def test_frame_options_are_the_operators_choice(start):
    assert start(x_frame_options="DENY").get("/").headers["x-frame-options"] == "DENY"
    assert "x-frame-options" not in start(x_frame_options="NONE").get("/").headers
    with pytest.raises(InvalidValue):
        start(x_frame_options="a\r\nb: c")


# ---------------------------------------------------------------- listening (19)


def test_listening_beyond_loopback_needs_to_be_asked_for():
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(InvalidValue, match="--allow-remote-without-auth"):
            run.serve(host=host, port=0)


# ---------------------------------------------------------------- limits (30 to 34)


def test_bodies_are_counted_while_they_stream(server, unchanged):
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = b"POST /api/2.0/mlflow/runs/delete HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(head)
        for _ in range(4):
            sock.sendall(chunk)
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_goes_on_sending_still_gets_its_refusal(server, unchanged):
    reply = server.ask("POST", "/api/2.0/mlflow/runs/delete", b" " * (8 << 20), JSON)
    assert reply.error() == (413, "PAYLOAD_TOO_LARGE")


def test_gzip_bodies_are_read_within_limits(server, unchanged):
    headers = {**JSON, "Content-Encoding": "gzip"}
    path = "/api/2.0/mlflow/experiments/search"
    assert server.ask("POST", path, gzip.compress(b'{"max_results": 1}'), headers).status == 200
    assert server.ask("POST", path, gzip.compress(b" " * (1 << 20) + b"{}"), headers).error() == (
        413,
        "PAYLOAD_TOO_LARGE",
    )
    bomb = gzip.compress(b'{"a": "' + b"x" * 900_000 + b'"}')
    assert len(bomb) * 100 < 900_000
    assert server.ask("POST", path, bomb, headers).error()[0] == 413
    assert server.ask("POST", path, b"not gzip", headers).error()[0] == 400
    assert server.ask("POST", path, gzip.compress(b"{}")[:-4], headers).error()[0] == 400
    assert server.ask("POST", path, b"{}", {**JSON, "Content-Encoding": "br"}).error()[0] == 400


def test_large_gzip_bodies_are_unpacked_beside_the_event_loop():
    packed = gzip.compress(os.urandom(8 << 20).hex().encode(), 1)
    scope = {"method": "POST", "query_string": b""}
    peer = read_headers([(b"content-length", b"%d" % len(packed)), (b"content-encoding", b"gzip")])

    async def receive():
        return {"type": "http.request", "body": packed}

    async def turns_of_the_loop():
        reading = asyncio.create_task(Call(scope, receive, None, peer, "").body(64 << 20))
        turns = 0
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(await reading) == 16 << 20
        return turns

    assert asyncio.run(turns_of_the_loop()) > 20  # 1 or 2 if the loop stood still meanwhile


def test_too_many_or_too_large_headers_are_refused(server):
    lines = b"".join(b"X-%d: 1\r\n" % i for i in range(150))
    assert server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n").startswith(b"HTTP/1.1 431 ")
    large = b"X: " + b"a" * 70_000 + b"\r\n"
    answer = server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + large + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"HEADERS_TOO_LARGE" in answer
    endless = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 400_000
    assert server.raw(endless).startswith((b"HTTP/1.1 431 ", b""))
    long_address = b"GET /health?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert server.raw(long_address)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400")
    fine = b"".join(b"X-%d: 1\r\n" % i for i in range(90))
    assert server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + fine + b"\r\n").startswith(
        b"HTTP/1.1 200 "
    )


def test_trailers_are_counted_and_otherwise_ignored(server, unchanged):
    head = b"POST /api/2.0/mlflow/experiments/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n13\r\n{"max_results": 10}\r\n0\r\n'
    fine = server.raw(head + b"Host: evil.example\r\nOrigin: null\r\nContent-Encoding: gzip\r\n\r\n")
    assert fine.startswith(b"HTTP/1.1 200 "), fine
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(head)
        answer = b""
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                sock.sendall(b"X: " + b"a" * 1000 + b"\r\n")
        with contextlib.suppress(ConnectionError):
            answer = sock.recv(65536)
        assert answer.startswith((b"HTTP/1.1 431 ", b"")), answer
        assert b"HTTP/1.1 200 " not in answer


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 2\r\nContent-Length: 3", b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"Content-Length: -1",
        b"Content-Length: 2x", b"Content-Length: +2", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunked, identity", b"Content-Length : 2",
        b"Content-Length: 99999999999999999999999",
    ],
)  # fmt: skip
def test_ambiguous_lengths_are_refused(lines, server, unchanged):
    head = b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    answer = server.raw(head + lines + b"\r\n\r\n{}")
    assert answer[9:10] == b"4", answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\x00\x01\x02",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"CONNECT evil:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_400_as_json(data, server):
    answer = server.raw(data)
    assert answer[9:12] in (b"400", b"404", b"405"), answer
    assert b'"error_code"' in answer


def test_slow_clients_are_cut_off_and_block_nobody(server, monkeypatch):
    from millstream.asgi import protocol

    monkeypatch.setattr(protocol, "HEADERS_TIMEOUT_S", 1.0)
    monkeypatch.setattr(protocol, "IDLE_TIMEOUT_S", 1.0)
    head = b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    slow = []
    for begun in (b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: loc", head, head + b"{"):
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=15)
        if begun:
            sock.sendall(begun)
        slow.append(sock)
    for _ in range(20):
        began = time.perf_counter()
        assert server.get("/health").status == 200
        assert time.perf_counter() - began < 2
    for sock in slow:
        try:
            assert sock.recv(1000) == b""
        except ConnectionResetError:
            pass
        sock.close()


def test_a_chunked_body_that_never_comes_is_given_up(server, monkeypatch):
    """Its chunk's extension drips on for ever, so the connection is never silent."""
    monkeypatch.setattr("millstream.asgi.body.BODY_TIMEOUT_S", 1.0)
    head = b"POST /api/2.0/mlflow/runs/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.1) as sock:
        sock.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n5;")
        answer = b""
        deadline = time.monotonic() + 15
        while not answer and time.monotonic() < deadline:
            sock.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 408 "), answer


# ---------------------------------------------------------------- errors and logs (3, 37)


@pytest.mark.parametrize(("failure", "status"), [(RemoteRefused, 403), (RemoteFailed, 503)])
def test_what_an_artifact_store_says_stays_in_the_log(failure, status, start, capfd):
    server = start()

    def broken(*args):
        raise failure("'s3://inner-bucket' failed: arn:aws:iam::123:user/anna at http://10.0.0.7:9000")

    server.app.artifacts.list_proxied = broken
    reply = server.get("/api/2.0/mlflow-artifacts/artifacts")
    assert reply.error()[0] == status
    for inner in (b"inner-bucket", b"arn:", b"10.0.0.7", b"anna"):
        assert inner not in reply.body
    assert reply.headers["x-request-id"] in reply.json()["message"]


def test_errors_tell_a_stranger_nothing(start, capfd):
    server = start()

    def broken(*args):
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    server.app.store.get_run = broken
    try:
        reply = server.get("/api/2.0/mlflow/runs/get?run_id=x")
        assert reply.error() == (500, "INTERNAL_ERROR")
        assert b"secret" not in reply.body
        assert reply.headers["x-request-id"] in reply.json()["message"]
    finally:
        del server.app.store.get_run


def test_echoes_are_never_html(server):
    for path in ("/%3Cscript%3E", "/api/2.0/mlflow/%3Cscript%3E", "/api/2.0/mlflow/runs/get?run_id=%3Cscript%3E"):
        reply = server.get(path)
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://anna:hunter22@db/x failed", "hunter22"),
        ("Authorization: Basic YW5uYTpodW50ZXIy", "YW5uYTpodW50ZXIy"),
        ("{'authorization': 'Bearer abcdef123456'}", "abcdef123456"),
        ("Cookie: session=hunter22; a=b", "hunter22"),
        ("password=hunter22&x=1", "hunter22"),
        ("MLFLOW_TRACKING_TOKEN=hunter22", "hunter22"),
        ("aws_secret_access_key: 'hunter22'", "hunter22"),
        ("api_key=hunter22", "hunter22"),
        ("https://user:hunter22@host/path and http://u:p4ssword@h", "hunter22"),
        ("x-api-key: hunter22", "hunter22"),
    ],
)
def test_logs_hold_no_secrets(text, secret):
    cleaned = server_log.without_secrets(text)
    assert secret not in cleaned
    assert "p4ssword" not in cleaned


def test_log_lines_are_json_with_the_trace_and_without_the_secret():
    import logging

    try:
        raise RuntimeError("cannot reach postgresql://anna:hunter22@db/x")
    except RuntimeError:
        record = logging.LogRecord("millstream.server", 40, "f", 1, "failed\nwith \ud800", (), sys.exc_info())
    record.fields = {"uri": "mysql://a:hunter22@h/d", "status": 500}
    line = server_log.JsonLines().format(record)
    assert "\n" not in line
    read = json.loads(line)
    assert "RuntimeError" in read["trace"]
    assert "hunter22" not in line
    assert read["status"] == 500


# ---------------------------------------------------------------- overload (40)


def test_overload_is_answered_429_with_a_time_to_come_back_and_health_goes_on(start):
    server = start()
    writer = server.app.store.db.writer
    writer._max_queued = 0
    try:
        reply = server.post("runs/create", {"experiment_id": "0"})
        assert reply.error() == (429, "REQUEST_LIMIT_EXCEEDED")
        assert int(reply.headers["retry-after"]) >= 1
        assert server.get("/health").body == b"OK"
    finally:
        writer._max_queued = 10_000
    server.app.active += 10_000
    try:
        reply = server.get("/api/2.0/mlflow/runs/get?run_id=x")
        assert reply.error() == (503, "TEMPORARILY_UNAVAILABLE")
        assert "retry-after" in reply.headers
        assert server.get("/health").body == b"OK"
        assert server.get("/ready").status == 200
    finally:
        server.app.active -= 10_000


def test_an_artifact_store_that_hangs_delays_nothing_else(start):
    server = start()
    release = threading.Event()
    server.app.artifacts.list_proxied = lambda path: [release.wait(30)][:0]
    path = "/api/2.0/mlflow-artifacts/artifacts"
    waiting = [threading.Thread(target=server.get, args=(path,)) for _ in range(12)]
    try:
        for thread in waiting:
            thread.start()
        while server.app.artifact_reads._waiting < 12:
            time.sleep(0.01)
        assert server.ask("GET", "/ready", timeout=10).status == 200
        assert server.ask("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=10).status == 200
    finally:
        release.set()
        for thread in waiting:
            thread.join()


def test_a_database_that_is_gone_makes_the_server_not_ready_but_healthy(start):
    server = start()
    original = server.app.store.search_experiments

    def fail(*args):
        raise MillstreamError("unable to open database file")

    server.app.store.search_experiments = fail
    try:
        assert server.get("/ready").error() == (503, "TEMPORARILY_UNAVAILABLE")
        assert server.get("/health").status == 200
    finally:
        server.app.store.search_experiments = original


# ---------------------------------------------------------------- small pieces


def test_hosts_are_taken_apart():
    assert split_host(b"EXAMPLE.org:80") == ("example.org", 80)
    assert split_host(b"[::1]:5000") == ("::1", 5000)
    assert split_host(b"localhost") == ("localhost", None)


def test_trusted_proxies_must_be_addresses():
    from millstream.asgi.security import ProxyRules

    with pytest.raises(InvalidValue):
        ProxyRules(["proxy.example.org"])


def test_errors_with_odd_texts_are_still_json():
    assert json.loads(wire.error_body(InvalidValue("half \ud800 pair")))["message"]


def test_importing_the_server_package_loads_nothing_heavy():
    code = "import sys, millstream.server.security; print('numpy' in sys.modules, 'pandas' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]
