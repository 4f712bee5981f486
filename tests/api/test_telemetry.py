import re

from millstream.asgi.telemetry import BUCKETS_S, Telemetry
from millstream.server.app import COUNTERS


def values(text):
    """Prometheus' text form as {name with labels: value}; fails on lines that are neither comments nor samples."""
    found = {}
    for line in text.decode().splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+", line), line
            continue
        match = re.fullmatch(r'([a-z_]+(?:\{(?:[a-z_]+="[^"\\\n]*",?)+\})?) ([0-9.e+-]+)', line)
        assert match, line
        assert match[1] not in found, line
        found[match[1]] = float(match[2])
    return found


def test_requests_points_and_times_are_counted(start):
    server = start()
    run = server.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    metrics = [{"key": "m", "value": i, "timestamp": i, "step": i} for i in range(100)]
    server.post("runs/log-batch", {"run_id": run, "metrics": metrics})
    server.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1000})
    server.post("runs/log-metric", {"run_id": run})
    server.get("/nothing")
    server.get("/plain/runs/" + run)
    reply = server.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = values(reply.body)
    assert found["millstream_points_written_total"] == 101
    assert found['millstream_requests_total{route="runs.log_metric",verb="POST",status="200"}'] == 1
    assert found['millstream_requests_total{route="runs.log_metric",verb="POST",status="400"}'] == 1
    assert found['millstream_requests_total{route="-",verb="GET",status="404"}'] == 1
    assert found['millstream_requests_total{route="pages.run",verb="GET",status="200"}'] == 1
    assert found['millstream_request_seconds_count{route="runs.log_metric"}'] == 2
    assert found['millstream_request_seconds_bucket{route="runs.log_metric",le="+Inf"}'] == 2
    assert found["millstream_writes_total"] == 3
    assert 1 <= found["millstream_write_groups_total"] <= 3
    assert found["millstream_writer_queue"] == 0
    assert found["millstream_active_requests"] == 1
    assert run not in reply.body.decode(), "an id as label would make a time series per run"


def test_buckets_are_cumulative():
    telemetry = Telemetry()
    for seconds in (0.0001, 0.0005, 0.003, 100):
        telemetry.request_done("r", "GET", 200, seconds)
    found = values(telemetry.text())
    counts = [found[f'millstream_request_seconds_bucket{{route="r",le="{bound}"}}'] for bound in [*BUCKETS_S, "+Inf"]]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (2, 4)


def test_workers_add_up_their_counts(tmp_path):
    one, two = Telemetry(tmp_path, COUNTERS), Telemetry(tmp_path, COUNTERS)
    two._mine = tmp_path / "other.json"
    one.add("millstream_points_written_total", 3)
    two.add("millstream_points_written_total", 4)
    two.request_done("r", "GET", 200, 0.1)
    two.share()
    (tmp_path / "broken.json").write_text("{")
    found = values(one.text())
    assert found["millstream_points_written_total"] == 7
    assert found['millstream_requests_total{route="r",verb="GET",status="200"}'] == 1
