"""The printed document, and a server that never fails at what is generated from it."""

import os
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from millstream.api import ENDPOINTS
from millstream.server import openapi

EXAMPLES = int(os.environ.get("MILLSTREAM_TEST_EXAMPLES", "8"))
DOCUMENT = openapi.describe(ENDPOINTS.values())

# the aliases of /ajax-api reach the same handlers; one path of each endpoint is enough here
CANONICAL = {re.sub(r"{(\w+):\w+}", r"{\1}", row.paths[0]) for row in ENDPOINTS.values()}
SCHEMA = schemathesis.openapi.from_dict(
    {**DOCUMENT, "paths": {path: item for path, item in DOCUMENT["paths"].items() if path in CANONICAL}}
)


def test_every_endpoint_is_documented_under_all_its_paths():
    for row in ENDPOINTS.values():
        for path in row.paths:
            item = DOCUMENT["paths"][re.sub(r"{(\w+):\w+}", r"{\1}", path)]
            for verb in row.verbs:
                operation = item[verb.lower()]
                assert operation["summary"]
                assert operation["x-access"] == row.access
                assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == set(row.path_params)


def test_operations_have_names_of_their_own():
    names = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_the_document_is_served(server):
    reply = server.get("/openapi.json")
    assert reply.json()["openapi"].startswith("3.1")
    assert set(reply.json()["paths"]) == set(DOCUMENT["paths"])


def test_nan_of_metrics_is_in_the_document():
    value = DOCUMENT["components"]["schemas"]["Metric"]["properties"]["value"]
    assert {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]} in value["anyOf"]


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.filterwarnings("ignore")
def test_generated_requests_are_answered_as_documented_and_never_with_a_server_error(case, server):
    response = case.call(base_url=f"http://127.0.0.1:{server.port}", timeout=30)
    assert response.status_code < 500 or response.status_code == 501, response.text
    case.validate_response(response, checks=[response_schema_conformance, content_type_conformance])
    if response.status_code >= 400 and case.method != "HEAD":
        assert set(response.json()) >= {"error_code", "message"}
