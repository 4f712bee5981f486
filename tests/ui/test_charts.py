"""What charts draw, and the files they are downloaded as."""

from __future__ import annotations

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


# ---------------------------------------------------------------- files


def saved(page, name):
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return download.value


def test_a_file_of_points_has_nan_and_infinities_as_logged(page, new_run):
    open_charts(page, new_run([1.0, math.nan, math.inf, -math.inf, 2.0]))
    rows = Path(saved(page, "Download m as CSV").path()).read_text().splitlines()
    assert [row.rsplit(",", 1)[1] for row in rows[1:]] == ["1", "NaN", "Infinity", "-Infinity", "2"]
