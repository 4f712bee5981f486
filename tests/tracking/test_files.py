"""Artifacts of the active run: files, texts, dicts, figures, images, tables."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as PilImage

import millstream
from millstream.entities import Experiment
from millstream.errors import InvalidValue, MillstreamError, NotFound


def names(run: Any, path: str | None = None) -> list[str]:
    return [file.path for file in millstream.MillstreamClient().list_artifacts(run.info.run_id, path)]


def content(run: Any, path: str) -> bytes:
    return Path(millstream.MillstreamClient().download_artifacts(run.info.run_id, path)).read_bytes()


def test_files_and_folders_are_stored(experiment: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub" / "b.txt").write_text("b")
    with millstream.start_run() as run:
        millstream.log_artifact(folder / "a.txt")
        millstream.log_artifact(str(folder / "a.txt"), "in/here")
        millstream.log_artifacts(folder, "all")
        millstream.log_artifact(str(folder))
    assert names(run) == ["a.txt", "all", "folder", "in"]
    assert names(run, "all") == ["all/a.txt", "all/sub"]
    assert content(run, "in/here/a.txt") == b"a"
    assert content(run, "folder/sub/b.txt") == b"b"


def test_texts_dicts_and_streams_are_stored(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.log_text("grüße", "notes/text.txt")
        millstream.log_dict({"b": 1, "a": {"c": [1, 2]}, "o": Path("x")}, "d.json")
        millstream.log_dict({"b": 1, "a": (1, 2), "o": Path("x")}, "d.yaml")
        millstream.log_dict([1, 2], "no_extension")
        millstream.log_stream(io.BytesIO(b"bytes"), "raw/stream.bin")
    millstream.log_text("later", "later.txt", run_id=run.info.run_id)
    assert content(run, "notes/text.txt").decode() == "grüße"
    assert (
        content(run, "d.json").decode()
        == '{\n  "b": 1,\n  "a": {\n    "c": [\n      1,\n      2\n    ]\n  },\n  "o": "x"\n}'
    )
    assert millstream.artifacts.load_dict(f"runs:/{run.info.run_id}/d.yaml") == {"b": 1, "a": [1, 2], "o": "x"}
    assert json.loads(content(run, "no_extension")) == [1, 2]
    assert content(run, "raw/stream.bin") == b"bytes"
    assert content(run, "later.txt") == b"later"
    assert millstream.active_run() is None


@pytest.mark.parametrize("path", ["../x.txt", "/etc/x.txt", "a/../../x.txt", "", "a\\b.txt", "s3://b/x.txt"])
def test_a_path_that_leaves_the_run_is_refused(experiment: Experiment, path: str) -> None:
    with millstream.start_run() as run:
        with pytest.raises(InvalidValue):
            millstream.log_text("x", path)
        with pytest.raises(InvalidValue):
            millstream.log_image(np.zeros((2, 2)), path + ".png" if path and "." not in path else path)
    assert names(run) == []


def test_figures_are_written_in_the_format_of_their_name(experiment: Experiment) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().plot([1, 2, 3])
    with millstream.start_run() as run:
        millstream.log_figure(figure, "plots/a.png")
        millstream.log_figure(figure, "plots/a.svg", save_kwargs={"dpi": 50})
        with pytest.raises(TypeError):
            millstream.log_figure("no figure", "plots/b.png")
    assert content(run, "plots/a.png").startswith(b"\x89PNG")
    assert b"<svg" in content(run, "plots/a.svg")


def test_plotly_figures_become_pages(local_experiment: Experiment) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    figure = graph_objects.Figure(graph_objects.Scatter(x=[1, 2], y=[3, 4]))
    with millstream.start_run() as run:
        millstream.log_figure(figure, "plot.html")
        with pytest.raises(TypeError):
            millstream.log_figure(figure, "plot.txt")
    page = content(run, "plot.html").decode()
    assert "cdn.plot.ly" in page
    assert len(page) < 100_000


IMAGES: dict[str, tuple[Any, str, Any]] = {
    "gray": (np.full((4, 6), 100, np.uint8), "L", 100),
    "gray with channel": (np.full((4, 6, 1), 100, np.int64), "L", 100),
    "rgb": (np.full((4, 6, 3), 7, np.uint8), "RGB", (7, 7, 7)),
    "rgba": (np.full((4, 6, 4), 7, np.uint8), "RGBA", (7, 7, 7, 7)),
    "bool": (np.ones((4, 6), bool), "L", 255),
    "unit floats": (np.full((4, 6), 0.5), "L", 127),
    "nested lists": ([[0, 255], [255, 0]], "L", 0),
    "pillow": (PilImage.new("RGB", (6, 4), (1, 2, 3)), "RGB", (1, 2, 3)),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_images_of_all_forms_are_stored(local_experiment: Experiment, kind: str) -> None:
    value, mode, pixel = IMAGES[kind]
    with millstream.start_run() as run:
        millstream.log_image(value, "image.png")
        millstream.log_image(millstream.Image(value), "again.webp")
    image = millstream.artifacts.load_image(f"runs:/{run.info.run_id}/image.png")
    assert image.mode == mode
    assert image.getpixel((0, 0)) == pixel
    assert PilImage.open(io.BytesIO(content(run, "again.webp"))).format == "WEBP"


def test_floats_beyond_one_are_scaled_with_a_warning(local_experiment: Experiment) -> None:
    with millstream.start_run() as run:
        with pytest.warns(UserWarning, match="scaled"):
            millstream.log_image(np.array([[-1.0, 0.0], [1.0, 3.0]]), "image.png")
        with pytest.raises(ValueError, match=r"0\.\.255"):
            millstream.log_image(np.array([[0, 256]]), "bad.png")
        with pytest.raises(InvalidValue, match="shape"):
            millstream.log_image(np.zeros((2, 2, 2)), "bad.png")
        with pytest.raises(InvalidValue):
            millstream.log_image(np.array([["a"]]), "bad.png")
    image = millstream.artifacts.load_image(f"runs:/{run.info.run_id}/image.png")
    assert [image.getpixel((0, 0)), image.getpixel((1, 1))] == [0, 255]
    assert names(run) == ["image.png"]


def test_a_series_of_images_has_a_file_and_a_small_copy_for_each_step(experiment: Experiment) -> None:
    picture = np.zeros((600, 300, 3), np.uint8)
    with millstream.start_run() as run:
        millstream.log_image(picture, key="out/dogs", step=3, timestamp=1700000000000)
        millstream.log_image(picture, key="out/dogs", step=4, synchronous=True)
        picture[:] = 255  # the images are those of the calls
    files = names(run, "images")
    assert len(files) == 4
    assert re.fullmatch(
        r"images/out~dogs\+step\+3\+timestamp\+1700000000000\+[0-9a-f-]{36}\+compressed\.webp", files[0]
    ), files
    assert re.fullmatch(r"images/out~dogs\+step\+3\+timestamp\+1700000000000\+[0-9a-f-]{36}\.png", files[1])
    assert max(PilImage.open(io.BytesIO(content(run, files[0]))).size) == 256
    assert PilImage.open(io.BytesIO(content(run, files[1]))).getpixel((0, 0)) == (0, 0, 0)
    assert millstream.get_run(run.info.run_id).data.tags["mlflow.loggedImages"] == "True"


def test_an_image_is_either_a_file_or_one_of_a_series(local_experiment: Experiment) -> None:
    picture = np.zeros((2, 2))
    with millstream.start_run():
        for arguments in ({}, {"artifact_file": "a.png", "key": "k"}, {"artifact_file": "a.png", "step": 1}):
            with pytest.raises(TypeError):
                millstream.log_image(picture, **arguments)  # type: ignore[arg-type]
        with pytest.raises(InvalidValue):
            millstream.log_image(picture, key="a:b")


def test_an_upload_that_failed_in_the_background_is_told_at_the_end(
    local_experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise MillstreamError("the disk is full")

    run = millstream.start_run()
    monkeypatch.setattr(millstream.MillstreamClient, "log_stream", fail)
    millstream.log_image(np.zeros((2, 2)), key="k")
    with pytest.raises(MillstreamError, match="disk is full"):
        millstream.end_run()
    assert millstream.get_run(run.info.run_id).info.end_time is not None


def test_a_table_grows_by_every_call(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.log_table({"q": ["a", "b"], "n": [1, 2]}, "t/qa.json")
        millstream.log_table(pd.DataFrame({"q": ["c"], "n": [3]}), "t/qa.json")
        millstream.log_table({"q": "d", "n": 4}, "t/qa.json")
        millstream.log_table({"q": ["x"]}, "other.parquet")
    assert json.loads(content(run, "t/qa.json")) == {
        "columns": ["q", "n"],
        "data": [["a", 1], ["b", 2], ["c", 3], ["d", 4]],
    }
    listed = json.loads(millstream.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"])
    assert listed == [{"path": "t/qa.json", "type": "table"}, {"path": "other.parquet", "type": "table"}]
    pd.testing.assert_frame_equal(millstream.load_table("other.parquet"), pd.DataFrame({"q": ["x"]}))


def test_tables_of_several_runs_are_loaded_as_one(experiment: Experiment) -> None:
    runs = []
    for number in range(3):
        with millstream.start_run() as run:
            millstream.log_param("p", number)
            if number < 2:
                millstream.log_table({"n": [number], "run_id": ["own"]}, "t.json")
        runs.append(run.info.run_id)
    table = millstream.load_table("t.json", extra_columns=["run_id", "params.p"])
    assert sorted(table["n"]) == [0, 1]
    assert list(table.columns) == ["n", "run_id", "run_id_", "params.p"]
    assert set(table["run_id_"]) == set(runs[:2])
    assert list(millstream.load_table("t.json", run_ids=[runs[1]])["n"]) == [1]
    with pytest.raises(NotFound):
        millstream.load_table("missing.json")
    with pytest.raises(InvalidValue):
        millstream.load_table("t.json", extra_columns=["nonsense"])


def test_images_in_a_table_are_files_of_their_own(local_experiment: Experiment) -> None:
    with millstream.start_run() as run:
        millstream.log_table(
            {"i": [millstream.Image(np.zeros((4, 4), np.uint8)), PilImage.new("L", (2, 2))], "n": [1, 2]},
            "t/shown.json",
        )
    cells = json.loads(content(run, "t/shown.json"))["data"]
    cell = cells[0][0]
    assert cell["type"] == "image"
    assert re.fullmatch(r"table_images/t/shown/[0-9a-f-]{36}\.png", cell["filepath"])
    assert content(run, cell["filepath"]).startswith(b"\x89PNG")
    assert PilImage.open(io.BytesIO(content(run, cell["compressed_filepath"]))).format == "WEBP"


@pytest.mark.parametrize("name", ["a.csv", "a", "a'b.json", "a:b.json", "a[b].json", "../a.json"])
def test_a_table_with_a_bad_name_is_refused(local_experiment: Experiment, name: str) -> None:
    with millstream.start_run(), pytest.raises(InvalidValue):
        millstream.log_table({"a": [1]}, name)


def test_a_table_is_made_of_frames_and_dicts_only(local_experiment: Experiment) -> None:
    import polars

    with millstream.start_run():
        millstream.log_table(polars.DataFrame({"a": [1]}), "a.json")
        with pytest.raises(InvalidValue, match="list"):
            millstream.log_table([1, 2], "b.json")
    assert list(millstream.load_table("a.json")["a"]) == [1]


def test_the_address_of_an_artifact_is_below_the_runs(experiment: Experiment) -> None:
    with millstream.start_run() as run:
        root = millstream.get_artifact_uri()
        assert root == run.info.artifact_uri
        assert millstream.get_artifact_uri("a/b.txt") == f"{root}/a/b.txt"
        with pytest.raises(InvalidValue):
            millstream.get_artifact_uri("../b.txt")
        millstream.log_text("x", "a/b.txt")
        assert millstream.artifacts.load_text(millstream.get_artifact_uri("a/b.txt")) == "x"
