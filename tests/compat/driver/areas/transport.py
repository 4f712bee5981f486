"""How requests are read, which hosts and origins are served, and the service endpoints."""

import json

from http_calls import AJAX, API


def service(s):
    s.area = "service"
    s.get("health", "/health")
    version = s.http.call("GET", "/version").data.decode()
    s.recorder.record("service: version, major and minor", version.split(".")[:2])
    info = s.http.call("GET", "/api/3.0/mlflow/server-info").json
    s.recorder.record("service: server-info, keys", sorted(info))
    s.recorder.record("service: server-info, store type", info["store_type"])
    info = s.http.call("GET", "/ajax-api/3.0/mlflow/server-info").json
    s.recorder.record("service: server-info for browsers, keys", sorted(info))
    s.get("default experiment", "experiments/get", {"experiment_id": "0"})
    s.get("ajax prefix", AJAX + "experiments/get", {"experiment_id": "0"})
    s.get("v2 endpoint under 3.0", "/api/3.0/mlflow/experiments/get", {"experiment_id": "0"})
    s.get("trailing slash", API + "experiments/get/", {"experiment_id": "0"})
    s.get("unknown route", API + "nonsense/get")
    s.post("wrong verb", "experiments/get", {"experiment_id": "0"})
    s.get("wrong verb GET", "experiments/create")
    for gone in ("experiments/list", "runs/list", "registered-models/list"):
        s.get(f"removed {gone}", gone)
    allow = s.http.call("POST", API + "experiments/get", body={}).headers.get("Allow") or ""
    s.recorder.record("service: wrong verb names the right one", "GET" in allow)
    answer = s.http.call("HEAD", API + "experiments/get?experiment_id=0")
    s.recorder.record("service: HEAD on a GET route", answer.status)
    answer = s.http.call("OPTIONS", API + "experiments/get")
    s.recorder.record("service: OPTIONS", answer.status)
    answer = s.http.call("GET", API + "experiments/get?experiment_id=0")
    s.recorder.record(
        "service: headers",
        {name: answer.headers.get(name) for name in ("X-Content-Type-Options", "X-Frame-Options", "Content-Type")},
    )


def security(s):
    s.area = "security"
    good = API + "experiments/get?experiment_id=0"
    s.get("foreign host", good, headers={"Host": "evil.example"})
    s.get("look-alike of a private address", good, headers={"Host": "10.evil.example"})
    s.get("private address", good, headers={"Host": "10.1.2.3:5000"})
    s.get("localhost with port", good, headers={"Host": "localhost:1234"})
    s.get("foreign host on health", "/health", headers={"Host": "evil.example"})
    s.get("foreign host on version", "/version", headers={"Host": "evil.example"})
    s.post("foreign origin writes", "experiments/create", {"name": "x"}, headers={"Origin": "https://evil.example"})
    s.get("foreign origin reads", good, headers={"Origin": "https://evil.example"})


def transport(s):
    """1.2 and 1.3: how requests are read."""
    s.area = "transport"
    name = iter(f"transport {n}" for n in range(1000))
    json_type = {"Content-Type": "application/json"}
    create = "experiments/create"
    s.post(
        "charset in the media type",
        create,
        {"name": next(name)},
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    s.post("text media type", create, {"name": next(name)}, headers={"Content-Type": "text/plain"})
    s.post("no media type", create, raw=json.dumps({"name": next(name)}).encode())
    s.post("form media type", create, raw=b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"})
    s.post("camel case", create, {"name": next(name), "artifactLocation": "/tmp/camel"})
    s.post("camel case of a required field", "experiments/get-by-name", {"experimentName": "Default"})
    s.post(
        "unknown fields",
        create,
        {"name": next(name), "bogus": {"deep": [1]}, "tags": [{"key": "a", "value": "b", "more": 1}]},
    )
    s.post("malformed JSON", create, raw=b'{"name": ', headers=json_type)
    s.post("empty body", create, raw=b"", headers=json_type)
    s.post("null body", create, raw=b"null", headers=json_type)
    s.post("not UTF-8", create, raw=b'{"name": "\xff\xfe"}', headers=json_type)
    s.post("list body", create, raw=b"[]", headers=json_type)
    s.post("number body", create, raw=b"3", headers=json_type)
    s.post(
        "doubly encoded body",
        create,
        raw=json.dumps(json.dumps({"name": "transport doubly"})).encode(),
        headers=json_type,
    )
    s.post("query string on POST is ignored", create + "?name=from-query", {"name": next(name)})
    s.get("body on GET without query", "experiments/get", raw=b'{"experiment_id": "0"}', headers=json_type)
    s.get("repeated scalar in GET", API + "experiments/get?experiment_id=0&experiment_id=99")
    s.get(
        "GET search with lists",
        "experiments/search",
        {"max_results": 1, "order_by": ["name ASC", "creation_time DESC"], "view_type": "ALL"},
    )
    s.get(
        "GET search, single order",
        "experiments/search",
        {"max_results": 1, "order_by": "name DESC", "filter": "name = 'Default'"},
    )
    s.get("enum as digits in GET", "experiments/search", {"max_results": 100, "view_type": "2"})
    s.post("enum as a number", "experiments/search", {"max_results": 100, "view_type": 2})
    s.post(
        "unknown enum value",
        "experiments/search",
        {"max_results": 1, "view_type": "BOGUS", "filter": "name = 'Default'"},
    )
    s.post("int as text", "experiments/search", {"max_results": "1", "filter": "name = 'Default'"})
    s.post("int as an integral float", "experiments/search", {"max_results": 1.0, "filter": "name = 'Default'"})
    s.post("int as a broken float", "experiments/search", {"max_results": 1.5})
    s.post("int as a word", "experiments/search", {"max_results": "many"})
    s.get("id as a number", "experiments/get", raw=b'{"experiment_id": 0}', headers=json_type)
    s.post("name as a number", create, {"name": 5})
    s.post("name as a list", create, {"name": ["a"]})
    s.post("tags as an object", create, {"name": next(name), "tags": {"a": "b"}})
    s.post("tag value as a number", create, {"name": next(name), "tags": [{"key": "a", "value": 3}]})
    s.post("both spellings", create, {"name": next(name), "artifactLocation": "/a", "artifact_location": "/b"})
