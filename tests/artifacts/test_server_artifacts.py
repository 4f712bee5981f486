"""Stored locations become places below the server's own roots, or nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3

from millstream.errors import (
    InvalidValue,
    MillstreamError,
    NotFound,
    PermissionDenied,
    Unavailable,
    Unsupported,
)
from millstream.server.artifact_store import ServerArtifacts
from millstream.store.tracking import SqlTrackingStore, open_store

from .conftest import ProxyServer


@pytest.fixture
def tracking(tmp_path: Path) -> Any:
    store = open_store(f"sqlite:///{tmp_path}/t.db", artifact_root="mlflow-artifacts:/")
    yield store
    store.db.close()


@pytest.fixture
def served(tracking: SqlTrackingStore, tmp_path: Path) -> ServerArtifacts:
    return ServerArtifacts(tracking, str(tmp_path / "dest"), default_artifact_root="mlflow-artifacts:/")


def new_run(tracking: SqlTrackingStore, location: str = "", name: str = "e") -> str:
    experiment = tracking.create_experiment(name, location, [])
    return tracking.create_run(experiment, "", "", 1, []).info.run_id


def put(place: Any, data: bytes = b"x") -> None:
    place.repository.log_bytes(data, place.path)


def test_artifacts_of_a_run_are_listed_relative_to_it(tracking, served, tmp_path):
    run = new_run(tracking)
    uri = tracking.get_run(run).info.artifact_uri
    assert served.list_run_artifacts(run, "") == (uri, [])
    for path in ("b/c/d.txt", "b/a.txt", "z.txt"):
        put(served.run_artifact_uri(run, path))
    root, files = served.list_run_artifacts(run, "")
    assert root == uri
    assert [(info.path, info.is_dir, info.file_size) for info in files] == [("b", True, None), ("z.txt", False, 1)]
    assert [info.path for info in served.list_run_artifacts(run, "b")[1]] == ["b/a.txt", "b/c"]
    for path in ("z.txt", "nope", "b/a.txt"):
        assert served.list_run_artifacts(run, path) == (uri, [])
    assert (tmp_path / "dest" / uri.removeprefix("mlflow-artifacts:/") / "z.txt").read_bytes() == b"x"


def test_artifacts_of_a_model_are_listed_relative_to_it(tracking, served):
    run = new_run(tracking)
    model = tracking.create_logged_model(tracking.get_run(run).info.experiment_id, "m", "", run, [], [])
    put(served.model_artifact_uri(model.model_id, "MLmodel"))
    root, files = served.list_model_artifacts(model.model_id, "")
    assert root == model.info.artifact_uri
    assert [info.path for info in files] == ["MLmodel"]


def test_the_proxy_lists_base_names(served):
    for path in ("1/a/x.txt", "1/b.txt"):
        put(served.proxied_uri(path))
    assert [(info.path, info.is_dir) for info in served.list_proxied("1")] == [("a", True), ("b.txt", False)]
    assert [info.path for info in served.list_proxied("1/a")] == ["x.txt"]
    assert [info.path for info in served.list_proxied("")] == ["1"]
    assert served.list_proxied("1/b.txt") == served.list_proxied("nope") == []


@pytest.mark.parametrize("path", ["..", "../x", "/etc", "a//b", "%2e%2e/x", "a\\b", "a\0", "file:/x"])
def test_hostile_paths_are_refused_everywhere(tracking, served, path):
    run = new_run(tracking)
    for ask in (
        lambda: served.list_run_artifacts(run, path),
        lambda: served.run_artifact_uri(run, path),
        lambda: served.list_model_artifacts("m-1", path),
        lambda: served.model_artifact_uri("m-1", path),
        lambda: served.list_proxied(path),
        lambda: served.delete_proxied(path),
        lambda: served.proxied_uri(path),
        lambda: served.presign_proxied(path),
        lambda: served.create_multipart(path, "f", 1),
        lambda: served.create_multipart("d", path, 1),
        lambda: served.presign_upload(run, "", path, 10),
        lambda: served.presign_download(run, path, 10),
    ):
        with pytest.raises(InvalidValue):
            ask()


def test_unknown_runs_and_models_are_not_found(served):
    for ask in (
        lambda: served.list_run_artifacts("f" * 32, ""),
        lambda: served.run_artifact_uri("f" * 32, "x"),
        lambda: served.list_model_artifacts("m-" + "f" * 32, ""),
    ):
        with pytest.raises(NotFound):
            ask()


ELSEWHERE = [
    "/etc", "file:///etc", "file:/etc", "FILE:///etc", "http://169.254.169.254/latest", "https://internal/x", "s3://other/x", "hdfs://namenode/x",
    "sftp://host/x", "ftp://host/x", "gs://bucket/x", "webhdfs://host/x", "abfss://c@a.dfs.core.windows.net/x",
]  # fmt: skip


@pytest.mark.parametrize("location", ELSEWHERE)
def test_a_location_that_only_a_client_has_named_is_not_touched(tracking, served, location):
    try:
        run = new_run(tracking, location)
    except MillstreamError:
        pytest.skip("the store refuses the location already")
    for ask in (lambda: served.list_run_artifacts(run, ""), lambda: served.run_artifact_uri(run, "passwd")):
        with pytest.raises((PermissionDenied, InvalidValue)):
            ask()


def test_a_root_is_compared_by_whole_segments_and_after_normalising(tracking, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root-evil").mkdir()
    (tmp_path / "root-evil/f").write_text("secret")
    served = ServerArtifacts(tracking, str(tmp_path / "dest"), default_artifact_root=str(tmp_path / "root"))
    assert str(served.locate(f"{tmp_path}/root/1/a")) == f"{tmp_path}/root/1/a"
    assert str(served.locate((tmp_path / "root/1").as_uri())) == f"{tmp_path}/root/1"
    for uri in ("root-evil", "root-evil/f", "root/../root-evil", "root/1/../../root-evil", "", "rOOt"):
        with pytest.raises(PermissionDenied):
            served.locate(f"{tmp_path}/{uri}")
    for uri in (f"file://other-host{tmp_path}/root", f"{tmp_path}/root/a#b"):
        with pytest.raises(InvalidValue):
            served.locate(uri)


def test_a_stored_location_is_checked_again_when_it_is_used(tracking, tmp_path):
    """A link that appears below the root after the location was stored leads nowhere."""
    (tmp_path / "root").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/f").write_text("secret")
    served = ServerArtifacts(tracking, str(tmp_path / "dest"), default_artifact_root=str(tmp_path / "root"))
    run = new_run(tracking, f"{tmp_path}/root/1")
    (tmp_path / "root/1").symlink_to(tmp_path / "secrets")
    place = served.run_artifact_uri(run, "f")
    with pytest.raises(NotFound):
        place.repository.source(place.path)
    for uri in ("", "f"):
        assert served.list_run_artifacts(run, uri)[1] == []


def test_settings_add_roots(tracking, tmp_path, monkeypatch):
    monkeypatch.setenv("MILLSTREAM_ALLOWED_LOCAL_ROOTS", f"{tmp_path}/one:{tmp_path}/two")
    served = ServerArtifacts(tracking, str(tmp_path / "dest"))
    for name in ("one", "two", "dest"):
        served.locate(f"{tmp_path}/{name}/x")
    with pytest.raises(PermissionDenied):
        served.locate(f"{tmp_path}/three/x")


def test_proxy_locations_with_a_host_mean_this_server(served):
    assert served.locate("mlflow-artifacts://evil.example:1/1/a") == served.locate("mlflow-artifacts:/1/a")
    for uri in (
        "mlflow-artifacts:/../x",
        "mlflow-artifacts:/a/%2e%2e/x",
        "mlflow-artifacts://user@host/x",
        "mlflow-artifacts:/x?y",
    ):
        with pytest.raises(InvalidValue):
            served.locate(uri)


def test_a_server_without_proxy_says_so(tracking, tmp_path):
    served = ServerArtifacts(tracking, str(tmp_path / "dest"), serve_artifacts=False)
    run = new_run(tracking)
    assert served.takes_multipart is served.serves_artifacts is False
    for ask in (
        lambda: served.list_proxied(""),
        lambda: served.proxied_uri("x"),
        lambda: served.delete_proxied("x"),
        lambda: served.presign_proxied("x"),
        lambda: served.create_multipart("d", "f", 1),
        lambda: served.list_run_artifacts(run, ""),
    ):
        with pytest.raises(Unavailable, match="no-serve-artifacts"):
            ask()


def test_disks_have_no_presigned_addresses(tracking, tmp_path):
    served = ServerArtifacts(tracking, str(tmp_path / "dest"), default_artifact_root=str(tmp_path / "root"))
    run = new_run(tracking, f"{tmp_path}/root/1")
    proxied = new_run(tracking, "", "proxied")
    for ask in (lambda: served.presign_proxied("x"), lambda: served.presign_download(run, "x", 10)):
        with pytest.raises(Unsupported):
            ask()
    for ask in (
        lambda: served.presign_download(proxied, "x", 10),
        lambda: served.presign_upload(proxied, "", "x", 10),
        lambda: served.presign_upload("", "", "x", 10),
        lambda: served.presign_upload(run, "m-1", "x", 10),
    ):
        with pytest.raises(InvalidValue):
            ask()


def test_runs_directly_in_s3_get_presigned_addresses(tracking, s3):
    root = f"s3://{s3.bucket}/runs"
    served = ServerArtifacts(tracking, serve_artifacts=False, default_artifact_root=root)
    run = new_run(tracking, f"{root}/1")
    up = served.presign_upload(run, "", "a b.txt", 60)
    assert urllib3.request("PUT", up.presigned_url, body=b"direct").status == 200
    assert [info.path for info in served.list_run_artifacts(run, "")[1]] == ["a b.txt"]
    down = served.presign_download(run, "a b.txt", 60)
    assert (urllib3.request("GET", down.presigned_url).data, down.file_size) == (b"direct", 6)
    for seconds in (0, -1, 604_801):
        with pytest.raises(InvalidValue):
            served.presign_download(run, "a b.txt", seconds)
    with pytest.raises(NotFound):
        served.presign_download(run, "nope", 60)
    for location in (f"s3://{s3.bucket}/runs-evil", f"s3://{s3.bucket}-evil/runs", f"s3://{s3.bucket}/other"):
        with pytest.raises(PermissionDenied):
            served.locate(location)


# ---------------------------------------------------------------- over HTTP


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tracked")
    server = ProxyServer(str(folder / "dest"), f"sqlite:///{folder}/t.db")
    yield server
    server.stop()


def post(server: ProxyServer, path: str, body: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    answer = urllib3.request(
        "POST", f"{server.uri}/api/2.0/mlflow/{path}", body=msgspec.json.encode(body), headers=headers
    )
    return answer.status, answer.json()


def get(server: ProxyServer, path: str, /, **query: str) -> Any:
    return urllib3.request("GET", f"{server.uri}{path}", fields=query, retries=False)


@pytest.fixture
def run(tracked: ProxyServer) -> str:
    created = post(tracked, "runs/create", {"experiment_id": "0", "start_time": 1})[1]
    run_id: str = created["run"]["info"]["run_id"]
    uri = created["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert urllib3.request("PUT", f"{tracked.artifacts}/{uri}/plots/p.html", body=b"<b>").status == 200
    return run_id


def test_the_ui_downloads_an_artifact_of_a_run(tracked, run):
    for name in ("run_id", "run_uuid"):
        answer = get(tracked, "/get-artifact", path="plots/p.html", **{name: run})
        assert (answer.status, answer.data) == (200, b"<b>")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    for path, status in (("nope", 404), ("plots", 400), ("../x", 400), ("", 400), ("%2e%2e/x", 400)):
        assert get(tracked, "/get-artifact", run_id=run, path=path).status == status, path
    assert get(tracked, "/get-artifact", run_id=run).status == 400
    assert get(tracked, "/get-artifact", run_id="f" * 32, path="x").status == 404


def test_the_ui_uploads_an_artifact_of_a_run(tracked, run):
    url = f"{tracked.uri}/ajax-api/2.0/mlflow/upload-artifact"
    for size, status in ((1, 200), (10 << 20, 200), (0, 400)):
        answer = urllib3.request("POST", f"{url}?run_uuid={run}&path=up/f{size}", body=b"x" * size, retries=False)
        assert answer.status == status, size
    answer = urllib3.request("POST", f"{url}?run_uuid={run}&path=up/large", body=b"x" * ((10 << 20) + 1), retries=False)
    assert 400 <= answer.status < 500
    assert urllib3.request("POST", f"{url}?run_uuid={run}&path=../x", body=b"x", retries=False).status == 400
    listed = get(tracked, "/api/2.0/mlflow/artifacts/list", run_id=run, path="up").json()
    assert [entry["path"] for entry in listed["files"]] == ["up/f1", f"up/f{10 << 20}"]


def test_listings_by_run_and_model_follow_the_contract(tracked, run):
    answer = get(tracked, "/api/2.0/mlflow/artifacts/list", run_id=run).json()
    assert answer["files"] == [{"path": "plots", "is_dir": True}]
    for path in ("plots/p.html", "nope"):
        assert get(tracked, "/api/2.0/mlflow/artifacts/list", run_id=run, path=path).json() == {
            "root_uri": answer["root_uri"]
        }
    assert get(tracked, "/api/2.0/mlflow/artifacts/list", run_id=run, path="..").status == 400
    assert get(tracked, "/api/2.0/mlflow/artifacts/list", run_id="f" * 32).status == 404
    status, model = post(tracked, "logged-models", {"experiment_id": "0", "name": "m", "source_run_id": run})
    assert status == 200
    info = model["model"]["info"]
    uri = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert urllib3.request("PUT", f"{tracked.artifacts}/{uri}/MLmodel", body=b"flavors: {}").status == 200
    listed = get(tracked, f"/api/2.0/mlflow/logged-models/{info['model_id']}/artifacts/directories").json()
    assert listed == {
        "root_uri": info["artifact_uri"],
        "files": [{"path": "MLmodel", "is_dir": False, "file_size": 11}],
    }
    file = get(
        tracked, f"/ajax-api/2.0/mlflow/logged-models/{info['model_id']}/artifacts/files", artifact_file_path="MLmodel"
    )
    assert file.data == b"flavors: {}"


def test_a_server_without_proxy_answers_503(tmp_path):
    server = ProxyServer(str(tmp_path / "dest"), f"sqlite:///{tmp_path}/t.db", str(tmp_path / "root"))
    try:
        assert urllib3.request("PUT", f"{server.artifacts}/f", body=b"x", retries=False).status == 503
        assert get(server, "/api/2.0/mlflow-artifacts/artifacts").status == 503
        created = post(server, "runs/create", {"experiment_id": "0", "start_time": 1})[1]["run"]["info"]
        assert created["artifact_uri"].startswith(str(tmp_path / "root"))
        os.makedirs(created["artifact_uri"])
        Path(created["artifact_uri"], "f").write_text("direct")
        assert get(server, "/get-artifact", run_id=created["run_id"], path="f").data == b"direct"
    finally:
        server.stop()
