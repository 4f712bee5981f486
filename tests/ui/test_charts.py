"""What charts draw, and the files they are downloaded as."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from millstream.entities import Metric
from tests.ui.world import NOW

ORANGE = "#d55e00"
DAY_MS = 86_400_000

NOTE_TEXTS = """() => {
    window.texts = [];
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
        const width = this.measureText(text).width;
        window.texts.push({ text, x, y, width, align: this.textAlign, height: this.canvas.height });
        return draw.call(this, text, x, y, ...more);
    };
}"""
"""Notes what is written on canvases, and where."""

ORANGE_AT = """share => {
    const canvas = document.querySelector('.uplot canvas');
    const ratio = canvas.width / canvas.clientWidth;
    const plot = document.querySelector('.u-over').getBoundingClientRect();
    const x = Math.round((plot.left + plot.width * share - canvas.getBoundingClientRect().left) * ratio);
    const { data } = canvas.getContext('2d').getImageData(x - 1, 0, 3, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4)
        if (data[at + 3] > 200 && data[at] > 0xb0 && Math.abs(data[at + 1] - 0x5e) < 24 && data[at + 2] < 40) found++;
    return found;
}"""
"""Pixels of a run's colour at a share of the plot's width."""


@pytest.fixture
def new_run(world):
    """Makes runs in an experiment of their own, all in one colour, from the values of a metric `m` at steps 0, 1, ..."""
    experiment = world.client.create_experiment(f"charts-{world.client.create_run('0').info.run_id}")

    def make(values, start=NOW, apart_ms=1000, name="lines"):
        run = world.client.create_run(experiment, start, {"millstream.color": ORANGE}, name).info.run_id
        points = [Metric("m", value, start + step * apart_ms, step) for step, value in enumerate(values)]
        world.client.log_batch(run, points)
        world.client.set_terminated(run)
        world.client.flush()
        return run

    make.experiment = experiment
    return make


def open_charts(page, runs, look=""):
    runs = [runs] if isinstance(runs, str) else runs
    ids = quote("[" + ",".join(f'"{run}"' for run in runs) + "]")
    page.goto(f"/compare?runs={ids}&tab=charts{look}" if len(runs) > 1 else f"/runs/{runs[0]}?tab=charts{look}")
    expect(page.get_by_role("img", name=re.compile("^m, "))).to_be_visible()
    expect(page.locator(".uplot").first).to_have_attribute("data-drawn", re.compile("^[1-9]"))
    page.wait_for_timeout(300)


def drawn(page):
    return [float(each) for each in page.locator(".uplot").first.get_attribute("data-drawn").split(",")]


# ---------------------------------------------------------------- what is drawn


def test_zooming_relative_time_fetches_the_same_seconds_of_each_run(page, new_run):
    runs = [new_run([float(step % 100) for step in range(50_000)], NOW + day * 10 * DAY_MS, 10) for day in range(2)]
    open_charts(page, runs, "&x=%22relative%22&zoom=%5B100,101%5D")
    assert drawn(page) == [2, 202, 100, 101]


@pytest.mark.parametrize("x", ["step", "time", "relative"])
def test_a_nan_is_a_gap_and_a_point_between_two_is_a_dot(page, new_run, x):
    open_charts(page, new_run([1.0, 2.0, math.nan, 2.5, math.nan, 1.5, 2.0]), f"&x=%22{x}%22")
    edges = drawn(page)[2:]
    first, last = (NOW / 1000, NOW / 1000 + 6) if x == "time" else (0, 6)
    share = [(first + step * (last - first) / 6 - edges[0]) / (edges[1] - edges[0]) for step in range(7)]
    found = [page.evaluate(ORANGE_AT, each) for each in share]
    assert [count > 0 for count in found[1:6]] == [True, False, True, False, True]


def test_the_mean_at_a_single_place_is_a_dot(page, new_run):
    open_charts(page, [new_run([1.0]), new_run([3.0])], "&band=true")
    assert page.evaluate(ORANGE_AT, 0.5) > 0


@pytest.mark.parametrize(
    ("values", "words"),
    [([math.nan, math.inf, -math.inf], "3 points, none of them a number"), ([math.nan], "1 point, not a number")],
)
def test_a_metric_without_a_number_says_so_without_axes(page, new_run, values, words):
    page.goto(f"/runs/{new_run(values)}?tab=charts")
    expect(page.get_by_text(words)).to_be_visible()
    expect(page.locator("figure canvas")).to_be_hidden()


# ---------------------------------------------------------------- axes


def test_a_time_axis_has_the_clock_of_the_chosen_zone(page, new_run):
    noon = 1_789_992_000_000  # 2026-09-21 12:00 UTC, 21:00 in Tokyo
    run = new_run([float(step) for step in range(8)], noon, 3_600_000)
    page.add_init_script(f"localStorage.setItem('millstream.timeZone', 'Asia/Tokyo'); ({NOTE_TEXTS})()")
    open_charts(page, run, "&x=%22time%22")
    labels = page.evaluate("texts.filter(each => each.align === 'center')")
    assert {each["text"] for each in labels} >= {"22:00", "00:00", "02:00", "2026-09-22"}
    assert all(each["y"] + 10 < each["height"] for each in labels)
    page.locator(".u-over").first.hover()
    expect(page.get_by_text(re.compile(r"^2026-09-2\d \d\d:\d\d:\d\d GMT\+9$"))).to_be_visible()


@pytest.mark.parametrize(
    ("values", "look"),
    [
        ([1.9e305, 2.5e305], "&logy=true"),
        ([1.9e305, 2.5e305], ""),
        ([-1.234e-10, 1.7e-10], ""),
        ([1.00001e-10, 1.00004e-10], ""),
        ([2e-12, 3e12], "&logy=true"),
        ([31_337.5, 31_338.25], ""),
    ],
)
def test_an_axis_has_labels_for_every_size_of_number_and_room_for_them(page, new_run, values, look):
    run = new_run(values)
    page.add_init_script(f"({NOTE_TEXTS})()")
    open_charts(page, run, look)
    labels = page.evaluate("texts.filter(each => each.align === 'right')")
    assert len({each["text"] for each in labels}) >= 2
    assert all(each["x"] - each["width"] >= 0 for each in labels)


# ---------------------------------------------------------------- the toolbar


def test_typing_and_sliding_leave_one_page_behind(page, world):
    page.goto(f"/runs/{world.runs[0]}?tab=charts&smooth=%22ema%22")
    before = page.evaluate("history.length")
    page.get_by_label("Filter metrics").press_sequentially("loss")
    expect(page).to_have_url(re.compile("metrics=loss"))
    slider = page.get_by_label("Strength of smoothing")
    for _ in range(3):
        slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("strength=0.63"))
    assert page.evaluate("history.length") == before


# ---------------------------------------------------------------- files


def saved(page, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value


def test_a_file_of_points_has_all_of_them(page, world):
    page.goto(f"/runs/{world.long}?tab=charts")
    expect(page.get_by_text("100,000 points")).to_be_visible()
    file = saved(page, "Download spiky as CSV")
    rows = Path(file.path()).read_text().splitlines()
    assert file.suggested_filename == "spiky.csv"
    assert len(rows) == 100_001
    assert rows[31_338].endswith(",31337,1000")


def test_a_file_of_points_has_nan_and_infinities_as_logged(page, new_run):
    open_charts(page, new_run([1.0, math.nan, math.inf, -math.inf, 2.0]))
    rows = Path(saved(page, "Download m as CSV").path()).read_text().splitlines()
    assert [row.rsplit(",", 1)[1] for row in rows[1:]] == ["1", "NaN", "Infinity", "-Infinity", "2"]


def test_a_file_of_too_many_points_says_so_in_its_name(page, new_run):
    open_charts(page, new_run([float(step % 10) for step in range(200_001)]))
    file = saved(page, "Download m as CSV")
    rows = len(Path(file.path()).read_text().splitlines()) - 1
    assert file.suggested_filename == f"m-drawn-{rows}-of-200001-points.csv"


@pytest.mark.parametrize(("theme", "ground"), [("light", (255, 255, 255)), ("dark", (0x1B, 0x20, 0x25))])
def test_a_picture_has_a_ground_a_title_and_a_legend(page, new_run, theme, ground):
    from PIL import Image

    page.add_init_script(f"localStorage.setItem('millstream.theme', '{theme}')")
    open_charts(page, new_run([1.0, 2.0, 3.0]))
    chart = page.locator(".uplot canvas").evaluate("canvas => [canvas.width, canvas.height]")
    picture = Image.open(io.BytesIO(Path(saved(page, "PNG of m").path()).read_bytes())).convert("RGBA")
    assert picture.getpixel((1, 1)) == (*ground, 255)
    assert picture.width > chart[0]
    assert picture.height >= chart[1] + 30 + 18
    legend = picture.crop((0, chart[1] + 30, picture.width, picture.height))
    assert (0xD5, 0x5E, 0, 255) in {color for _, color in legend.getcolors(100_000)}


def test_a_drawing_has_the_axes_and_the_range_in_view(page, new_run):
    open_charts(page, new_run([10.0**step for step in range(10)]), "&logy=true&zoom=%5B2,6%5D")
    text = Path(saved(page, "SVG of m").path()).read_text()
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert "10" not in labels
    assert {"100", "1k", "10k", "100k", "1M", "2", "6"} <= set(labels)
