"""The table of runs, its charts and plots: one test for each thing that a user does there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect


@pytest.fixture
def table(page, world):
    page.goto(f"/experiments/{world.experiment}")
    found = page.get_by_role("table", name="Runs")
    found.get_by_text("run-29").wait_for()
    return found


def names(table):
    return table.locator("[role=rowheader] a").all_inner_texts()


def test_the_newest_runs_stand_first_with_their_number(page, table):
    assert names(table)[:2] == ["run-29", "run-28"]
    expect(page.get_by_text("34 runs")).to_be_visible()


def test_a_click_on_a_column_sorts_by_it_and_the_address_keeps_it(page, table):
    table.get_by_role("button", name="loss").click()
    expect(table.locator("[role=rowheader] a").first).to_have_text("run-29")
    assert "order=" in page.url
    table.get_by_role("button", name="loss").click()
    expect(table.locator("[role=rowheader] a").first).to_have_text("run-00")
    page.reload()
    expect(table.locator("[role=rowheader] a").first).to_have_text("run-00")


def test_a_filter_is_completed_and_applied(page, table):
    table.get_by_role("button", name="loss").wait_for()  # the names that can be completed are there
    page.keyboard.press("/")
    page.keyboard.type("params.mod")
    page.get_by_role("option", name=re.compile("params.model")).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("= 'cnn'")
    page.keyboard.press("Enter")
    expect(page.get_by_text("15 runs")).to_be_visible()
    assert all(int(name[4:]) % 2 for name in names(table))


def test_a_wrong_filter_says_what_is_wrong_and_keeps_the_page(page, table, problems):
    page.get_by_label("Filter runs").fill("metrics.loss <")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Filter runs")).to_have_attribute("aria-invalid", "true")
    assert all("400" in problem for problem in problems)
    problems.clear()


def test_columns_are_chosen_and_come_back_with_the_address(page, table):
    page.get_by_role("button", name="Columns").click()
    picker = page.get_by_role("dialog", name="Columns")
    picker.get_by_label("team").check()
    picker.get_by_label("Duration").uncheck()
    page.keyboard.press("Escape")
    expect(table.get_by_role("button", name="team")).to_be_visible()
    expect(table.get_by_role("button", name="Duration")).to_have_count(0)
    page.reload()
    expect(table.get_by_role("button", name="team")).to_be_visible()


def test_a_column_is_made_wider_by_keyboard(page, table):
    handle = page.get_by_role("separator", name="Width of Status")
    before = int(handle.get_attribute("aria-valuenow"))
    handle.focus()
    page.keyboard.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", str(before + 10))


def test_children_stand_below_their_parent_from_the_first_paint(page, world, table):
    page.goto(f"/experiments/{world.experiment}?group=parent")
    expect(table.get_by_text("child-0")).to_be_visible()
    table.get_by_role("button", name="Runs below parent").click()
    expect(table.get_by_text("child-0")).to_have_count(0)


def test_runs_are_grouped_by_a_param_with_the_mean_of_their_metrics(page, table):
    page.get_by_label("Group runs").select_option("p.model")
    table.get_by_text("mlp", exact=True).wait_for()
    group = table.get_by_role("row").filter(has_text="cnn").first
    shown = group.locator("[title*=mean]").first
    assert re.search(r"least .*, mean .*, greatest", shown.get_attribute("title"))
    table.get_by_role("button", name="Runs of mlp").click()
    expect(table.get_by_text("run-28")).to_be_visible()


def test_selected_runs_are_starred_tagged_and_moved_to_the_trash_and_back(page, world, table):
    run = world.runs[7]
    table.get_by_label("Select run-07").check()
    bar = page.get_by_role("toolbar", name="1 run selected")
    bar.get_by_role("button", name="Star").click()
    expect(table.get_by_role("img", name="starred")).to_have_count(1)
    bar.get_by_role("button", name="Tag").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("review")
    dialog.get_by_label("Value").fill("done")
    dialog.get_by_role("button", name="Set the tag").click()
    expect(dialog).to_have_count(0)
    assert world.client.get_run(run).data.tags["review"] == "done"
    bar.get_by_role("button", name="Move to the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_text("33 runs")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("34 runs")).to_be_visible()
    assert world.client.get_run(run).info.lifecycle_stage == "active"


def test_selected_runs_are_exported_as_csv_and_json(page, table):
    table.get_by_label("Select run-05").check()
    table.get_by_label("Select run-06").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].startswith("run_id,name,status")
    assert len(lines) == 3
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    assert {row["name"] for row in json.loads(Path(download.value.path()).read_text())} == {"run-05", "run-06"}


def test_the_keyboard_moves_selects_and_compares(page, table):
    for key in ("j", "j", "x", "j", "x", "c"):
        page.keyboard.press(key)
    page.wait_for_url(re.compile("/compare"))
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()


def test_a_view_is_saved_shared_and_opened_by_default(page, world, table):
    experiment = world.client.create_experiment("views")
    world.client.set_terminated(world.client.create_run(experiment, run_name="only").info.run_id)
    wanted = "status = 'FINISHED'"
    page.goto(f"/experiments/{experiment}?filter={quote(wanted)}&tab=table")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Save this view").click()
    dialog = page.get_by_role("dialog").filter(has=page.get_by_label("Name"))
    dialog.get_by_label("Name").fill("finished ones")
    dialog.get_by_label("Open the experiment with this view").check()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    page.goto(f"/experiments/{experiment}")
    expect(page.get_by_label("Filter runs")).to_have_value(wanted)


def test_runs_of_all_experiments_stand_in_one_table(page):
    page.goto("/runs")
    expect(page.get_by_role("table", name="Runs").get_by_text("run-29")).to_be_visible()
    expect(page.get_by_role("table", name="Runs").get_by_role("button", name="Experiment")).to_be_visible()


def test_a_new_run_appears_by_itself(page, world, table):
    experiment = world.client.create_experiment("live")
    page.goto(f"/experiments/{experiment}")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.locator("[data-state=live]")).to_be_visible()
    run = world.client.create_run(experiment, run_name="just now")
    expect(page.get_by_text("just now").first).to_be_visible()
    expect(page.get_by_text("1 running")).to_be_visible()
    world.client.set_terminated(run.info.run_id)
    expect(page.get_by_text("1 running")).to_have_count(0)


# ---------------------------------------------------------------- charts


def test_charts_show_a_curve_for_each_shown_run(page, world):
    page.goto(f"/experiments/{world.experiment}?tab=charts")
    chart = page.get_by_role("img", name=re.compile("^loss, 10 curves"))
    expect(chart).to_be_visible()
    page.get_by_role("list", name="Runs in charts").get_by_role("button", name="run-29").click()
    expect(page.get_by_role("img", name=re.compile("^loss, 9 curves"))).to_be_visible()


@pytest.mark.parametrize(
    "change",
    [
        "logy=true",
        "logx=true",
        "clip=true",
        "band=true",
        "x=%22time%22",
        "x=%22relative%22",
        "smooth=%22ema%22",
        "smooth=%22gaussian%22",
        "smooth=%22mean%22",
    ],
)
def test_the_look_of_charts_is_in_the_address(page, world, change):
    page.goto(f"/experiments/{world.experiment}?tab=charts&{change}")
    expect(page.get_by_role("img", name=re.compile("^loss, 10 curves"))).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()


def test_a_spike_of_one_point_is_seen_whole_and_zoomed(page, world):
    asked = []
    page.on("response", lambda answer: asked.append(answer) if "metrics/windows" in answer.url else None)
    page.goto(f"/runs/{world.long}?tab=charts")
    expect(page.get_by_role("img", name=re.compile("^spiky"))).to_be_visible()
    page.wait_for_timeout(500)
    assert max(asked[-1].json()["windows"][0]["values"]) == 1000
    assert len(asked[-1].json()["windows"][0]["values"]) < 10_000
    page.goto(f"/runs/{world.long}?tab=charts&zoom=%5B31300,31400%5D")
    page.wait_for_timeout(1000)
    found = asked[-1].json()["windows"][0]
    assert found["steps"][0] == 31300
    assert 31_337 in found["steps"]


def test_dragging_over_a_chart_zooms_and_a_double_click_resets(page, world):
    page.goto(f"/runs/{world.runs[0]}?tab=charts")
    expect(page.get_by_role("img", name=re.compile("^loss, 1 curve"))).to_be_visible()
    over = page.locator(".u-over").first
    over.wait_for()
    page.wait_for_timeout(500)  # its points have come, so it is not drawn anew under the pointer
    box = over.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile("zoom="))
    page.locator(".u-over").first.dblclick()
    page.wait_for_function("!location.search.includes('zoom')")


def test_a_charts_data_and_picture_are_downloaded(page, world):
    page.goto(f"/runs/{world.runs[0]}?tab=charts")
    expect(page.get_by_role("img", name=re.compile("^loss, 1 curve"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download loss as CSV").click()
    assert len(Path(download.value.path()).read_text().splitlines()) == 21
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG of loss").click()
    assert Path(download.value.path()).read_text().startswith("<svg")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG of loss").click()
    assert Path(download.value.path()).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("plot", ["parallel", "scatter", "contour", "bar", "importance"])
def test_other_plots_are_drawn_and_downloaded(page, world, plot):
    page.goto(f"/experiments/{world.experiment}?tab=plots&plot=%22{plot}%22")
    expect(page.locator("figure canvas").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    text = Path(download.value.path()).read_text()
    assert text.startswith("<svg")
    assert text.count("<path") > 5
