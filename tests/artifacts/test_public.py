"""The functions that users call, with runs and models looked up by a client, over a local store and over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from millstream import artifacts
from millstream.artifacts.repository import PLUGIN_GROUP, SCHEMES, open_repository, scheme_of, split_uri
from millstream.client import MillstreamClient
from millstream.entities import LoggedModelOutput
from millstream.errors import ArtifactNotFound, InvalidValue, MissingLibrary, NotFound

from .conftest import ProxyServer

LOGGED = "m-" + "0a" * 16


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tracked")
    server = ProxyServer(str(folder / "dest"), f"sqlite:///{folder}/t.db")
    yield server
    server.stop()


@pytest.fixture(params=["local", "http"])
def client(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "local":
        uri = f"sqlite:///{tmp_path}/local.db"
        monkeypatch.chdir(tmp_path)
    else:
        uri = request.getfixturevalue("tracked").uri
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MILLSTREAM_JOURNAL_DIR", str(tmp_path / "journal"))
    made = MillstreamClient(uri)
    yield made
    made.transport.close()


@pytest.fixture
def run_id(client: MillstreamClient) -> str:
    run = client.create_run("0")
    client.flush()
    repository = open_repository(f"runs:/{run.info.run_id}", client=client)
    for path, data in (
        ("conf.json", b'{"a": 1}'), ("conf.yaml", b"a: 1\n"), ("t.txt", "grüß".encode()),
        ("d/e/x.bin", b"x"), ("d/y.bin", b"y"),
    ):  # fmt: skip
        repository.log_bytes(data, path)
    return run.info.run_id


def test_a_file_of_a_run_comes_down(client, run_id, tmp_path):
    for got in (
        artifacts.download_artifacts(f"runs:/{run_id}/d/e/x.bin", dst_path=str(tmp_path / "a")),
        artifacts.download_artifacts(artifact_uri=f"runs:/{run_id}/d/e/x.bin"),
        artifacts.download_artifacts(run_id=run_id, artifact_path="d/e/x.bin"),
    ):
        assert Path(got).read_bytes() == b"x"
    assert os.path.exists(tmp_path / "a/x.bin")
    got = artifacts.download_artifacts(run_id=run_id, artifact_path="d/e/x.bin", dst_path=str(tmp_path / "b"))
    assert got == str(tmp_path / "b/d/e/x.bin")


def test_a_file_may_have_any_name_in_the_address_of_its_run(client, run_id):
    repository = open_repository(f"runs:/{run_id}", client=client)
    for name in ("q?x.txt", "d/q?x.txt", "100%.txt", "a b;c.txt"):
        repository.log_bytes(name.encode(), name)
        assert artifacts.load_text(f"runs:/{run_id}/{name}") == name


def test_a_folder_of_a_run_comes_down(client, run_id, tmp_path):
    got = artifacts.download_artifacts(f"runs:/{run_id}/d/", dst_path=str(tmp_path / "a"))
    assert got == str(tmp_path / "a/d")
    assert sorted(str(p.relative_to(got)) for p in Path(got).rglob("*.bin")) == ["e/x.bin", "y.bin"]
    whole = artifacts.download_artifacts(run_id=run_id, dst_path=str(tmp_path / "all"))
    assert sorted(os.listdir(whole)) == ["conf.json", "conf.yaml", "d", "t.txt"]


def test_artifacts_of_a_run_are_listed(client, run_id):
    for listed in (artifacts.list_artifacts(f"runs:/{run_id}"), artifacts.list_artifacts(run_id=run_id)):
        assert [info.path for info in listed] == ["conf.json", "conf.yaml", "d", "t.txt"]
    assert [info.path for info in artifacts.list_artifacts(f"runs:/{run_id}/d")] == ["d/e", "d/y.bin"]
    assert [info.path for info in artifacts.list_artifacts(run_id=run_id, artifact_path="d/e")] == ["d/e/x.bin"]


def test_artifacts_are_loaded_without_a_copy(client, run_id):
    assert artifacts.load_text(f"runs:/{run_id}/t.txt") == "grüß"
    assert (
        artifacts.load_dict(f"runs:/{run_id}/conf.json") == {"a": 1} == artifacts.load_dict(f"runs:/{run_id}/conf.yaml")
    )
    with pytest.raises(InvalidValue, match="not JSON"):
        artifacts.load_dict(f"runs:/{run_id}/t.txt")
    with pytest.raises(ArtifactNotFound):
        artifacts.load_text(f"runs:/{run_id}/nope")


def test_an_image_is_loaded(client, run_id):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(buffer, "PNG")
    open_repository(f"runs:/{run_id}").log_bytes(buffer.getvalue(), "i.png")
    image = artifacts.load_image(f"runs:/{run_id}/i.png")
    assert (image.size, image.getpixel((0, 0))) == ((3, 2), (255, 0, 0))


def test_a_model_that_a_run_logged_is_found_by_its_name(client, run_id, tmp_path):
    model = client.create_logged_model("0", name="net", source_run_id=run_id)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    client.flush()
    open_repository(f"models:/{model.model_id}").log_bytes(b"flavors: {}", "data/MLmodel")
    assert artifacts.load_text(f"models:/{model.model_id}/data/MLmodel") == "flavors: {}"
    assert artifacts.load_text(f"runs:/{run_id}/net/data/MLmodel") == "flavors: {}"
    got = artifacts.download_artifacts(f"models:/{model.model_id}", dst_path=str(tmp_path / "m"))
    assert os.listdir(got) == ["data"]
    open_repository(f"runs:/{run_id}").log_bytes(b"own", "net/f")
    assert artifacts.load_text(f"runs:/{run_id}/net/f") == "own"


def test_versions_of_a_registered_model_that_is_named_like_a_logged_one_are_found(client, tmp_path):
    name = "m-" + uuid.uuid4().hex
    run = client.create_run("0")
    client.flush()
    open_repository(f"runs:/{run.info.run_id}", client=client).log_bytes(b"flavors: {}", "net/MLmodel")
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run.info.run_id}/net", run.info.run_id)
    client.transition_model_version_stage(name, "1", "Production")
    client.set_registered_model_alias(name, "champion", "1")
    for reference in ("/1", "/latest", "/LATEST", "/Production", "/production", "@champion"):
        uri = f"models:/{name}{reference}"
        assert artifacts.load_text(f"{uri}/MLmodel") == "flavors: {}", reference
        got = artifacts.download_artifacts(uri, dst_path=str(tmp_path / reference.strip("/@")))
        assert os.listdir(got) == ["MLmodel"]
        assert client.copy_model_version(uri, f"{name} copy").source == f"models:/{name}/1"
    with pytest.raises(NotFound, match="logged model"):
        artifacts.load_text(f"models:/{name}/MLmodel")


def test_exactly_one_of_uri_and_run_is_wanted(client):
    for uri, run in ((None, None), ("x", "y")):
        with pytest.raises(InvalidValue, match="exactly one"):
            artifacts.download_artifacts(uri, run)


def test_what_is_local_stays_where_it_is(tmp_path):
    (tmp_path / "f").write_text("x")
    assert artifacts.download_artifacts(str(tmp_path / "f")) == str(tmp_path / "f")
    assert artifacts.download_artifacts((tmp_path / "f").as_uri()) == str(tmp_path / "f")
    copy = artifacts.download_artifacts(str(tmp_path / "f"), dst_path=str(tmp_path / "copy"))
    assert copy == str(tmp_path / "copy/f")
    assert [info.path for info in artifacts.list_artifacts(str(tmp_path))] == [
        f"{tmp_path.name}/copy",
        f"{tmp_path.name}/f",
    ]


@pytest.mark.parametrize("uri", ["runs:/", "runs://host/x/y", "runs:/../x/y", "models:/", "runs:/a/%2e%2e/x"])
def test_a_malformed_name_of_a_run_or_model_is_refused(uri, tmp_path):
    with pytest.raises(InvalidValue):
        open_repository(uri, f"sqlite:///{tmp_path}/x.db")


@pytest.mark.parametrize(
    ("uri", "root", "name"),
    [
        ("s3://b", "s3://b", ""), ("s3://b/", "s3://b/", ""), ("s3://b/f", "s3://b", "f"), ("s3://b/a/f/", "s3://b/a", "f"),
        ("runs:/id", "runs:/id", ""), ("runs:/id/f", "runs:/id", "f"), ("runs:/id/a/f", "runs:/id/a", "f"),
        ("mlflow-artifacts:/f", "mlflow-artifacts:/", "f"), ("mlflow-artifacts:/1/r/f", "mlflow-artifacts:/1/r", "f"),
        ("mlflow-artifacts://h:1/1/f", "mlflow-artifacts://h:1/1", "f"), ("models:/m/1", "models:/m/1", ""),
        ("models:/m/1/d/f", "models:/m/1/d", "f"), ("models:/m@best/f", "models:/m@best", "f"),
        (f"models:/{LOGGED}", f"models:/{LOGGED}", ""), (f"models:/{LOGGED}/f", f"models:/{LOGGED}", "f"),
        (f"models:/{LOGGED}/3", f"models:/{LOGGED}/3", ""), (f"models:/{LOGGED}/3/f", f"models:/{LOGGED}/3", "f"),
        ("http://h/a/f?v=1", "http://h/a?v=1", "f"), ("/a/b", "/a", "b"), ("file:///a/b%20c", "/a", "b c"),
    ],
)  # fmt: skip
def test_a_uri_is_split_before_its_last_segment(uri, root, name):
    assert split_uri(uri) == (root, name)


def test_schemes_are_told_from_paths():
    assert [scheme_of(uri) for uri in ("S3://b", "/a/b", "a", "C:\\x", "a b:c", "mlflow-artifacts:/x")] == [
        "s3", "", "", "", "", "mlflow-artifacts",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", [row for row in SCHEMES.values() if row.package], ids=lambda row: row.name)
def test_a_missing_library_is_named_with_its_install_line(scheme, monkeypatch):
    monkeypatch.setitem(sys.modules, scheme.package, None)
    with pytest.raises(MissingLibrary, match="pip install") as error:
        open_repository(f"{scheme.name}://host/x")
    assert scheme.install in str(error.value)


def test_a_plug_in_brings_a_scheme(tmp_path, monkeypatch):
    """As a published MLflow plug-in does: an entry point, and a class with MLflow's methods."""
    package = tmp_path / "odd_store"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import os, shutil\n"
        "from types import SimpleNamespace\n"
        "class OddRepository:\n"
        "    def __init__(self, uri): self.root = uri.removeprefix('odd://')\n"
        "    def log_artifact(self, local_file, artifact_path=None):\n"
        "        folder = os.path.join(self.root, artifact_path or '')\n"
        "        os.makedirs(folder, exist_ok=True); shutil.copy(local_file, folder)\n"
        "    def list_artifacts(self, path=None):\n"
        "        folder = os.path.join(self.root, path or '')\n"
        "        if not os.path.isdir(folder): return []\n"
        "        return [SimpleNamespace(path=os.path.join(path or '', n), is_dir=os.path.isdir(os.path.join(folder, n)),\n"
        "                                file_size=os.path.getsize(os.path.join(folder, n))) for n in os.listdir(folder)]\n"
        "    def _download_file(self, remote, local): shutil.copy(os.path.join(self.root, remote), local)\n"
    )
    info = tmp_path / "odd_store-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-store\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{PLUGIN_GROUP}]\nodd = odd_store:OddRepository\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    repository = open_repository(f"odd://{tmp_path}/stored")
    repository.log_bytes(b"one", "a/one.txt")
    repository.log_stream(iter([b"tw", b"o"]), "two.txt")
    (tmp_path / "three.txt").write_bytes(b"three")
    repository.log_file(tmp_path / "three.txt", "a")
    assert [info.path for info in repository.list()] == ["a", "two.txt"]
    assert repository.read_bytes("two.txt") == b"two"
    got = repository.download(None, tmp_path / "back")
    assert sorted(str(p.relative_to(got)) for p in Path(got).rglob("*.txt")) == ["a/one.txt", "a/three.txt", "two.txt"]


def test_every_scheme_is_documented():
    page = (Path(__file__).parents[2] / "docs/artifacts.md").read_text(encoding="utf-8")
    for row in SCHEMES.values():
        assert not row.name or f"`{row.name}:" in page, row.name
        assert row.install is None or f"`{row.install.strip(chr(39))}`" in page, row.name


def test_importing_artifacts_loads_nothing_heavy():
    code = (
        "import sys, millstream.artifacts, millstream.artifacts.local, millstream.artifacts.proxy\n"
        "print([m for m in ('fsspec', 's3fs', 'urllib3', 'rich', 'sqlalchemy', 'numpy', 'yaml', 'PIL', 'ssl') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
