import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream.api import artifacts, experiments, logged_models, metrics, runs, wire
from millstream.api.endpoint import ENDPOINTS
from millstream.entities import (
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunStatus,
    RunTag,
    ViewType,
)
from millstream.errors import InvalidValue, MillstreamError, NotFound, Overloaded, RunNotFound

RUN = "a" * 32


def body(**fields):
    return json.dumps(fields).encode()


def parse(endpoint, data=b"", query=(), path=None, verb=None):
    return wire.parse_request(endpoint, query, data, path or {}, verb)


def metric_body(value, timestamp="1", step="0"):
    return f'{{"run_id":"{RUN}","key":"k","value":{value},"timestamp":{timestamp},"step":{step}}}'.encode()


# ---------------------------------------------------------------- plain requests


def test_a_plain_request_is_decoded():
    req = parse(runs.log_metric, metric_body(0.5, 7, 3))
    assert req == runs.LogMetric(RUN, "k", 0.5, 7, 3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"0.5"', 0.5), ("true", 1.0), ("false", 0.0), ('"Infinity"', math.inf), ('"-Infinity"', -math.inf),
        ("Infinity", math.inf), ("-Infinity", -math.inf), ("3", 3.0), ("-0.0", 0.0),
    ],
)  # fmt: skip
def test_metric_values_come_in_many_forms(text, value):
    assert parse(runs.log_metric, metric_body(text)).value == value


@pytest.mark.parametrize("text", ["NaN", '"NaN"'])
def test_nan_is_a_metric_value(text):
    assert math.isnan(parse(runs.log_metric, metric_body(text)).value)


def test_the_odd_forms_are_understood_inside_a_batch():
    data = f'{{"run_id":"{RUN}","metrics":[{{"key":"a","value":NaN,"timestamp":"5"}},{{"key":"b","value":true,"timestamp":16.0,"step":null}}]}}'
    req = parse(runs.log_batch, data.encode())
    assert math.isnan(req.metrics[0].value)
    assert req.metrics[0].timestamp == 5
    assert req.metrics[1] == Metric("b", 1.0, 16, 0)


@pytest.mark.parametrize("text", ['"abc"', "null", "1e400", '"1e400"', "[]", "{}", "1" + "0" * 400, "9" * 5000])
def test_what_is_no_number_is_refused_as_a_metric_value(text):
    with pytest.raises(InvalidValue, match=r"value|out of range"):
        parse(runs.log_metric, metric_body(text))


@pytest.mark.parametrize(
    "text", ["15.7", "9223372036854775808", '"9223372036854775808"', "true", '"x"', "1e400", "NaN"]
)
def test_times_and_steps_must_be_64_bit_integers(text):
    with pytest.raises(InvalidValue, match=r"timestamp|out of range"):
        parse(runs.log_metric, metric_body(1, text))
    with pytest.raises(InvalidValue, match=r"step|out of range"):
        parse(runs.log_metric, metric_body(1, 1, text))


def test_integers_beyond_the_precision_of_doubles_are_exact():
    assert parse(runs.log_metric, metric_body(1, 9007199254740993)).timestamp == 9007199254740993
    assert parse(runs.log_metric, metric_body(1, '"9007199254740993"', "-9223372036854775808")).step == -(2**63)


def test_ids_and_values_are_texts_only():
    with pytest.raises(InvalidValue, match="experiment_id"):
        parse(experiments.delete, body(experiment_id=1))
    with pytest.raises(InvalidValue, match="'value'"):
        parse(runs.log_param, body(run_id=RUN, key="a", value=3))


@pytest.mark.parametrize(
    "data", [b"", b"null", b"{", b"\xff\xfe", b'{"run_id": "a"', b'"text"', b"{}", b'""', b"{} {}"]
)
def test_an_unreadable_body_is_an_empty_one(data):
    with pytest.raises(InvalidValue, match="'run_id'"):
        parse(runs.log_batch, data)
    assert parse(runs.search, data) == runs.SearchRuns()


@pytest.mark.parametrize("data", [b"[]", b"1", b"true", b'[{"run_id":"a"}]', b'"[1]"', b"NaN"])
def test_a_body_that_is_no_object_is_refused(data):
    with pytest.raises(InvalidValue, match="not a JSON object"):
        parse(runs.search, data)


def test_json_inside_a_json_string_is_read():
    assert parse(runs.delete, json.dumps(json.dumps({"run_id": RUN})).encode()).run_id == RUN


def test_unknown_fields_are_ignored_at_every_level():
    req = parse(runs.log_batch, body(run_id=RUN, params=[{"key": "a", "value": "b", "x": [{}]}], y={"z": 1}))
    assert req.params == [Param("a", "b")]


def test_null_means_not_given():
    req = parse(runs.create, body(experiment_id="1", run_name=None, start_time=None, tags=None))
    assert req == runs.CreateRun("1")
    with pytest.raises(InvalidValue, match="experiment_id"):
        parse(runs.create, body(experiment_id=None))
    with pytest.raises(InvalidValue, match="tags"):
        parse(runs.create, body(experiment_id="1", tags=[None]))


def test_a_required_text_that_is_empty_counts_as_missing():
    with pytest.raises(InvalidValue, match="required parameter 'run_id'"):
        parse(runs.log_batch, body(run_id=""))
    with pytest.raises(InvalidValue, match="required parameter 'experiment_name'"):
        parse(experiments.get_by_name, query=[("experiment_name", "")])


def test_a_missing_field_of_a_list_item_is_named_with_its_place():
    with pytest.raises(InvalidValue, match=r"metrics\[1\].timestamp"):
        parse(
            runs.log_batch,
            body(run_id=RUN, metrics=[{"key": "a", "value": 1, "timestamp": 1}, {"key": "a", "value": 1}]),
        )


def test_run_uuid_stands_in_for_run_id_where_mlflow_says_so():
    for endpoint, more in [
        (runs.update, {}),
        (runs.log_metric, {"key": "a", "value": 1, "timestamp": 1}),
        (runs.log_param, {"key": "a"}),
        (runs.set_tag, {"key": "a"}),
    ]:
        assert parse(endpoint, body(run_uuid=RUN, **more)).run_id == RUN
        assert parse(endpoint, body(run_uuid=RUN, run_id="", **more)).run_id == RUN
        assert parse(endpoint, body(run_uuid="b" * 32, run_id=RUN, **more)).run_id == RUN
    for endpoint in (runs.get, artifacts.list_artifacts):
        assert parse(endpoint, query=[("run_uuid", RUN)]).run_id == RUN
    with pytest.raises(InvalidValue, match="run_id"):
        parse(runs.delete, body(run_uuid=RUN))


# ---------------------------------------------------------------- enums


@pytest.mark.parametrize("value", ["FINISHED", 3, "3", 3.0])
def test_enums_are_named_or_numbered(value):
    assert parse(runs.update, body(run_id=RUN, status=value)).status is RunStatus.FINISHED


@pytest.mark.parametrize("value", ["BOGUS", "finished", 9, 0, 1.5, True, [], -1, math.nan, math.inf, 10**400])
def test_unknown_enum_values_are_refused(value):
    with pytest.raises(InvalidValue):
        parse(runs.update, body(run_id=RUN, status=value))


def test_enums_in_query_strings_are_named_or_numbered():
    for text in ("DELETED_ONLY", "2"):
        req = parse(experiments.search, query=[("max_results", "5"), ("view_type", text)], verb="GET")
        assert req.view_type is ViewType.DELETED_ONLY


def test_logged_model_states_are_named_or_numbered():
    for value in ("LOGGED_MODEL_UPLOAD_FAILED", 3):
        req = parse(logged_models.finalize, body(status=value), path={"model_id": "m-1"})
        assert req == logged_models.FinalizeLoggedModel("m-1", LoggedModelStatus.FAILED)


# ---------------------------------------------------------------- hostile bodies


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udfff", "a\\ud83dz"])
def test_nul_and_half_surrogates_are_refused_everywhere(text):
    for data in (
        f'{{"run_id":"{text}"}}',
        f'{{"run_id":"{RUN}","unknown":["{text}"]}}',
        f'{{"run_id":"{RUN}","{text}":1}}',
    ):
        with pytest.raises(InvalidValue):
            parse(runs.delete, data.encode())


def test_an_escaped_backslash_before_u0000_is_just_text():
    assert parse(runs.set_tag, b'{"run_id":"r","key":"k","value":"\\\\u0000"}').value == "\\u0000"


def test_surrogate_pairs_are_characters():
    assert parse(runs.set_tag, b'{"run_id":"r","key":"k","value":"\\ud83d\\ude00"}').value == "😀"


@pytest.mark.parametrize("levels", [101, 500, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused_even_where_nobody_reads(levels, opening):
    closing = "]" if opening == "[" else "}"
    data = '{"run_id":"r","unknown":' + opening * levels + "1" + closing * levels + "}"
    with pytest.raises(InvalidValue, match="nested"):
        parse(runs.delete, data.encode())


def test_many_brackets_side_by_side_are_not_deep():
    many = [{"key": "a", "value": 1, "timestamp": i} for i in range(1000)]
    assert len(parse(runs.log_batch, body(run_id=RUN, metrics=many)).metrics) == 1000
    assert parse(runs.set_tag, body(run_id=RUN, key="k", value="[{" * 500)).value == "[{" * 500
    deep = {"run_id": RUN, "x": eval("[" * 98 + "]" * 98)}
    assert parse(runs.delete, body(**deep)).run_id == RUN


def test_long_echoes_are_cut():
    with pytest.raises(InvalidValue) as raised:
        parse(runs.update, body(run_id=RUN, status="x" * 100_000))
    assert len(raised.value.message) < 2000


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_an_invalid_value(data):
    for endpoint in (runs.log_batch, runs.search, logged_models.search):
        try:
            parse(endpoint, data)
        except InvalidValue:
            pass


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.data())
def test_any_json_in_any_field_gives_a_request_or_an_invalid_value(data):
    endpoint = data.draw(st.sampled_from(list(ENDPOINTS.values())))
    names = st.sampled_from([*endpoint.request.__struct_encode_fields__, "other"])
    fields = data.draw(st.dictionaries(names, JSON, max_size=5))
    try:
        parse(endpoint, json.dumps(fields).encode(), path=dict.fromkeys(endpoint.path_params, "x"))
    except InvalidValue:
        pass


# ---------------------------------------------------------------- query strings and paths


def test_query_strings_are_decoded_once():
    assert wire.parse_query(b"a=1&b=x+y&a=%2541&&c&d=%E6%97%A5") == [
        ("a", "1"),
        ("b", "x y"),
        ("a", "%41"),
        ("c", ""),
        ("d", "日"),
    ]
    with pytest.raises(InvalidValue):
        wire.parse_query(b"a=%ff")


def test_lists_in_query_strings_repeat_their_name_and_scalars_take_the_first():
    query = [("max_results", "5"), ("max_results", "7"), ("order_by", "a"), ("order_by", "b"), ("zzz", "1")]
    req = parse(experiments.search, query=query, verb="GET")
    assert (req.max_results, req.order_by) == (5, ["a", "b"])
    assert parse(metrics.get_history_bulk, query=[("run_id", "a"), ("metric_key", "k")]).run_id == ["a"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("TRUE", True), ("False", False)])
def test_booleans_in_query_strings_have_any_case(text, value):
    req = parse(logged_models.get, query=[("allow_deleted", text)], path={"model_id": "m-1"})
    assert req.allow_deleted is value


@pytest.mark.parametrize("query", [[("allow_deleted", "yes")], [("allow_deleted", "")]])
def test_other_texts_are_no_booleans(query):
    with pytest.raises(InvalidValue, match="allow_deleted"):
        parse(logged_models.get, query=query, path={"model_id": "m-1"})


@pytest.mark.parametrize("text", ["", "x", "1.5", "9223372036854775808"])
def test_other_texts_are_no_integers(text):
    with pytest.raises(InvalidValue, match="max_results"):
        parse(metrics.get_history, query=[("run_id", "r"), ("metric_key", "k"), ("max_results", text)])


def test_nul_in_a_query_or_a_path_is_refused():
    with pytest.raises(InvalidValue):
        parse(runs.get, query=[("run_id", "a\0")])
    with pytest.raises(InvalidValue):
        parse(logged_models.get, path={"model_id": "a\0"})


def test_a_get_without_a_query_is_read_from_its_body():
    assert parse(runs.get, body(run_id=RUN)).run_id == RUN
    assert parse(runs.get, body(run_id="other"), query=[("run_id", RUN)]).run_id == RUN


def test_a_post_ignores_its_query():
    with pytest.raises(InvalidValue, match="run_id"):
        parse(runs.delete, b"{}", query=[("run_id", RUN)])


def test_path_parts_fill_their_fields_and_win():
    req = parse(logged_models.finalize, body(model_id="m-2", status="LOGGED_MODEL_READY"), path={"model_id": "m-1"})
    assert req.model_id == "m-1"


def test_streams_take_their_input_from_path_and_query():
    assert parse(artifacts.upload, b"\xff", path={"artifact_path": "a/b"}).artifact_path == "a/b"
    assert parse(artifacts.upload_artifact, b'{"x', query=[("run_uuid", RUN), ("path", "a")]).run_uuid == RUN
    with pytest.raises(InvalidValue, match="run_uuid"):
        parse(artifacts.upload_artifact, b"", query=[("run_id", RUN), ("path", "a")])


# ---------------------------------------------------------------- answers


def test_a_metrics_nan_is_written_as_text():
    run = Run(RunInfo("r"), RunData([Metric("a", math.nan, 1), Metric("b", 1.0, 2), Metric("c", math.inf, 3)]))
    read = json.loads(wire.encode(runs.RunAnswer(run)), parse_constant=pytest.fail)
    assert [m["value"] for m in read["run"]["data"]["metrics"]] == ["NaN", 1.0, "Infinity"]


def test_texts_that_look_like_a_null_value_stay_as_they_are():
    evil = '"value":null'
    req = runs.LogBatch(evil, [Metric(evil, math.nan, 1)], [Param(evil, evil)], [RunTag(evil, evil)])
    read = json.loads(wire.encode(req))
    assert read["metrics"][0] == {"key": evil, "value": "NaN", "timestamp": 1, "step": 0}
    assert read["params"] == read["tags"] == [{"key": evil, "value": evil}]


@given(st.lists(st.floats()), st.floats())
def test_every_metric_survives_the_wire(values, single):
    req = runs.LogBatch("r", [Metric(str(i), v, i) for i, v in enumerate(values)])
    again = parse(runs.log_batch, wire.encode(req))
    assert [repr(m.value) for m in again.metrics] == [repr(v) for v in values]
    one = parse(runs.log_metric, wire.encode(runs.LogMetric("r", "k", single, 1)))
    assert repr(one.value) == repr(single)


def test_absent_is_absent_and_zero_is_written():
    read = json.loads(wire.encode(runs.RunAnswer(Run(RunInfo("r", start_time=0), RunData([Metric("a", 0.0, 0)])))))
    assert read["run"]["info"]["start_time"] == 0
    assert read["run"]["info"]["run_uuid"] == "r"
    assert "end_time" not in read["run"]["info"]
    assert read["run"]["data"] == {"metrics": [{"key": "a", "value": 0.0, "timestamp": 0, "step": 0}]}
    assert wire.encode(runs.RunPage()) == b"{}"
    assert wire.encode(metrics.AllMetrics([])) == b'{"metrics":[]}'


def test_a_million_metrics_with_nan_encode_in_well_under_a_second():
    page = metrics.MetricPage([Metric("loss", math.nan if i % 3 == 0 else 0.1, i, i) for i in range(1_000_000)])
    began = time.thread_time()
    data = wire.encode(page)
    assert time.thread_time() - began < 1.5  # 0.5 s alone on the machine (2026-11); loose for busy ones
    assert data.count(b'"NaN"') == 333_334


def test_half_a_surrogate_pair_cannot_be_sent():
    with pytest.raises(InvalidValue, match="surrogate"):
        wire.encode(Param("a", "\ud800"))


def test_answers_of_other_servers_are_read_with_their_oddities():
    page = wire.decode(
        metrics.MetricPage, b'{"metrics":[{"key":"a","value":NaN,"timestamp":"12","step":"3","more":1}]}'
    )
    assert math.isnan(page.metrics[0].value)
    assert (page.metrics[0].timestamp, page.metrics[0].step) == (12, 3)
    answer = wire.decode(runs.RunInfoAnswer, b'{"run_info":{"run_uuid":"r","run_id":"r","status":3,"end_time":null}}')
    assert answer.run_info.status is RunStatus.FINISHED


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b'{"run": 1}', b"\xff"])
def test_an_answer_that_is_none_is_an_error(data):
    with pytest.raises(MillstreamError, match="not understood"):
        wire.decode(runs.RunAnswer, data)


def test_requests_become_query_strings():
    req = experiments.SearchExperiments(5, order_by=["a", "b"], view_type=ViewType.ALL)
    assert wire.to_query(req) == [("max_results", "5"), ("order_by", "a"), ("order_by", "b"), ("view_type", "ALL")]
    assert wire.to_query(logged_models.GetLoggedModel("m", True), exclude=["model_id"]) == [("allow_deleted", "true")]


def test_errors_travel_and_keep_their_class():
    assert isinstance(wire.read_error(404, wire.error_body(RunNotFound("r"))), NotFound)
    assert isinstance(wire.read_error(429, b"busy"), Overloaded)
    assert wire.read_error(500, b"<html>").error_code == "INTERNAL_ERROR"
    assert wire.read_error(404, b"[]").error_code == "ENDPOINT_NOT_FOUND"


def test_lower_camel_names_are_read_where_nothing_is_required_but_not_beside_the_plain_ones():
    body = b'{"name": "x", "artifactLocation": "s3://b/x"}'
    assert wire.parse_request(experiments.create, [], body, {}).artifact_location == "s3://b/x"
    both = b'{"name": "x", "artifactLocation": "s3://b/x", "artifact_location": "s3://b/y"}'
    with pytest.raises(InvalidValue, match="both 'artifact_location' and 'artifactLocation'"):
        wire.parse_request(experiments.create, [], both, {})
    with pytest.raises(InvalidValue, match="experiment_id"):
        wire.parse_request(experiments.get, [], b'{"experimentId": "0"}', {})
