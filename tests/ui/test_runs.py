"""The table of runs, its charts and plots: one test for each thing that a user does there."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect

from millstream.entities import Metric


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
    problems.expect("status of 400")
    page.get_by_label("Filter runs").fill("metrics.loss <")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Filter runs")).to_have_attribute("aria-invalid", "true")


def test_columns_are_chosen_and_come_back_with_the_address(page, table):
    page.get_by_role("button", name="Columns").click()
    picker = page.get_by_role("dialog", name="Columns")
    picker.get_by_role("checkbox", name="team").check()
    picker.get_by_role("checkbox", name="Duration").uncheck()
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


def test_a_pinned_column_stays_in_view_and_comes_back_with_the_address(page, world, table):
    page.set_viewport_size({"width": 900, "height": 900})
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("dialog", name="Columns").get_by_role("button", name="Keep lr in view").click()
    page.keyboard.press("Escape")
    cell = table.get_by_role("cell", name="0.291", exact=True)
    expect(cell).to_be_visible()
    place = cell.bounding_box()["x"]
    for _ in range(2):
        table.evaluate("box => { box.scrollLeft = 100_000; }")
        page.wait_for_function("document.querySelector('[role=table]').scrollLeft > 200")
        assert cell.bounding_box()["x"] == place
        assert table.get_by_role("button", name="Status").bounding_box()["x"] < place
        page.reload()
        expect(cell).to_be_visible()


def headings(table):
    buttons = table.locator("[role=columnheader] button")
    return buttons.evaluate_all("buttons => buttons.map((button) => button.title)")


def test_a_column_is_moved_by_keyboard_and_by_dragging(page, table):
    status = table.get_by_role("button", name="Status")
    status.focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(status).to_be_focused()
    page.wait_for_function("location.search.includes('cols=')")
    assert headings(table)[:4] == ["Run", "Started", "Status", "Duration"]
    table.get_by_role("button", name="Duration").drag_to(table.get_by_role("button", name="Started"))
    expect(table.locator("[role=columnheader] button").nth(1)).to_have_text("Duration")
    assert headings(table)[:4] == ["Run", "Duration", "Started", "Status"]


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
    rows = json.loads(Path(download.value.path()).read_text())
    assert {row["name"] for row in rows} == {"run-05", "run-06"}
    assert list(rows[0])[:3] == ["run_id", "name", "status"]
    assert all(0 < row["metrics.loss"] < 1 for row in rows)


def test_selected_runs_are_exported_as_parquet(page, world, table):
    table.get_by_label("Select run-05").check()
    table.get_by_label("Select parent").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Parquet").click()
    found = pq.read_table(download.value.path())
    assert found.column_names[:3] == ["run_id", "name", "status"]
    assert found.schema.field("metrics.loss").type == "double"
    rows = {row["name"]: row for row in found.to_pylist()}
    data = world.client.get_run(world.runs[5]).data
    assert rows["run-05"]["metrics.loss"] == data.metrics["loss"]
    assert rows["run-05"]["params.lr"] == data.params["lr"]
    assert rows["parent"]["metrics.loss"] is None


def test_the_keyboard_moves_selects_and_compares(page, table):
    for key in ("j", "j", "x", "j", "x", "c"):
        page.keyboard.press(key)
    page.wait_for_url(re.compile("/compare"))
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()


def test_a_selection_comes_back_with_the_address_and_without_a_step_in_the_history(page, world, table):
    page.goto("/models")
    page.goto(f"/experiments/{world.experiment}?group=parent")
    table.get_by_label("Select run-05").check()
    table.get_by_label("Select run-06").check()
    table.get_by_role("button", name="Runs below parent").click()
    page.wait_for_function("location.search.includes('turned')")
    page.reload()
    expect(page.get_by_role("toolbar", name="2 runs selected")).to_be_visible()
    expect(table.get_by_label("Select run-05")).to_be_checked()
    expect(table.get_by_text("parent", exact=True)).to_be_visible()
    expect(table.get_by_text("child-0")).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("!location.search.includes('selected')")
    page.go_back()
    page.wait_for_url(re.compile("/models$"))


def test_back_brings_the_selection_of_that_time(page, world, table):
    table.get_by_label("Select run-05").check()
    page.wait_for_function("location.search.includes('selected')")
    page.get_by_role("link", name="Notes").click()
    page.get_by_role("link", name="Table").click()
    table.get_by_label("Select run-06").check()
    expect(page.get_by_role("toolbar", name="2 runs selected")).to_be_visible()
    page.wait_for_function("(id) => location.search.includes(id)", arg=world.runs[6])
    page.go_back()
    page.go_back()
    expect(page.get_by_role("toolbar", name="1 run selected")).to_be_visible()


def test_what_a_filter_hides_is_neither_counted_nor_compared(page, table):
    def filter_by(model):
        page.get_by_label("Filter runs").fill(f"params.model = '{model}'")
        page.keyboard.press("Enter")

    for number in ("05", "07", "06"):
        table.get_by_label(f"Select run-{number}").check()
    filter_by("none")
    expect(page.get_by_text("No run matches the filter.")).to_be_visible()
    expect(page.get_by_role("toolbar", name=re.compile("selected"))).to_have_count(0)
    filter_by("cnn")
    bar = page.get_by_role("toolbar", name="2 runs selected")
    expect(bar).to_contain_text("1 more not in the table")
    page.get_by_label("Filter runs").blur()
    page.keyboard.press("c")
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


def test_metrics_and_params_of_new_names_appear_by_themselves(page, world):
    experiment = world.client.create_experiment("live names")
    page.goto(f"/experiments/{experiment}")
    expect(page.get_by_text("No runs yet")).to_be_visible()
    expect(page.locator("[data-state=live]")).to_be_visible()
    run = world.client.create_run(experiment, run_name="just now").info.run_id
    table = page.get_by_role("table", name="Runs")
    expect(table.get_by_role("link", name="just now")).to_be_visible()
    world.client.log_metric(run, "accuracy", 0.75)
    world.client.log_param(run, "depth", 3)
    world.client.flush()
    expect(table.get_by_role("button", name="accuracy")).to_be_visible()
    expect(table.get_by_role("button", name="depth")).to_be_visible()
    page.get_by_role("link", name="Charts").click()
    world.client.log_metric(run, "recall", 0.5)
    world.client.flush()
    expect(page.get_by_role("img", name="recall, 1 curve")).to_be_visible()


def test_names_are_asked_for_seldom_while_runs_are_written(page, world):
    experiment = world.client.create_experiment("busy names")
    run = world.client.create_run(experiment, run_name="busy").info.run_id
    page.goto(f"/experiments/{experiment}")
    page.get_by_role("table", name="Runs").get_by_text("busy").wait_for()
    expect(page.locator("[data-state=live]")).to_be_visible()
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "experiments/keys" in request.url else None)
    for step in range(20):
        world.client.log_metric(run, "loss", 1.0, step=step)
        world.client.flush()
        page.wait_for_timeout(500)
    assert 1 <= len(asked) <= 4


def test_an_experiment_renamed_elsewhere_has_its_new_name(page, world):
    experiment = world.client.create_experiment("old name")
    page.goto(f"/experiments/{experiment}")
    expect(page.get_by_label("Where you are")).to_contain_text("old name")
    expect(page.locator("[data-state=live]")).to_be_visible()
    world.client.rename_experiment(experiment, "new name")
    expect(page.get_by_label("Where you are")).to_contain_text("new name")


def test_a_long_name_does_not_stretch_the_choice_of_groups(page, world):
    experiment = world.client.create_experiment("long names")
    run = world.client.create_run(experiment, run_name="only").info.run_id
    world.client.log_param(run, "n" * 200, 1)
    world.client.flush()
    page.goto(f"/experiments/{experiment}")
    page.get_by_role("table", name="Runs").get_by_text("only").wait_for()
    choice = page.get_by_label("Group runs")
    expect(choice.locator(f"option[value='p.{'n' * 200}']")).to_have_count(1)
    assert choice.bounding_box()["width"] <= 220


# ---------------------------------------------------------------- charts


def test_charts_show_a_curve_for_each_shown_run(page, world):
    page.goto(f"/experiments/{world.experiment}?tab=charts")
    chart = page.get_by_role("img", name=re.compile("^loss, 10 curves"))
    expect(chart).to_be_visible()
    page.get_by_role("list", name="Runs in charts").get_by_role("button", name="run-29").click()
    expect(page.get_by_role("img", name=re.compile("^loss, 9 curves"))).to_be_visible()


def test_the_course_of_the_chosen_metric_stands_beside_each_run(page, world):
    page.goto(f"/experiments/{world.experiment}?tab=charts")
    page.get_by_label("Metric beside the runs").select_option("val/accuracy")
    run = page.get_by_role("list", name="Runs in charts").get_by_role("button", name="run-29")
    expect(run).to_contain_text("0.219")
    expect(run.locator("svg path")).to_have_count(1)
    page.wait_for_function("location.search.includes('beside')")


def order_of_charts(page):
    return [title.get_attribute("title") for title in page.locator("figcaption > span[title]:first-of-type").all()]


def test_charts_are_moved_and_resized_by_keyboard_and_a_view_keeps_it(page, world):
    experiment = world.client.create_experiment("panels")
    run = world.client.create_run(experiment, run_name="only").info.run_id
    world.client.log_batch(run, [Metric(key, 1.0, 0, step) for key in ("a", "b", "c") for step in range(3)])
    world.client.flush()
    page.goto(f"/experiments/{experiment}?tab=charts")
    expect(page.get_by_role("img", name="c, 1 curve")).to_be_visible()
    grip = page.get_by_role("button", name="Move the chart of c")
    grip.focus()
    page.keyboard.press("ArrowLeft")
    expect(grip).to_be_focused()
    page.wait_for_function("location.search.includes('panels')")
    assert order_of_charts(page) == ["a", "c", "b"]
    page.get_by_role("button", name="Size of the chart of a").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="Size of the chart of a: 2 of 2 columns, 240 pixels high")).to_be_visible()
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="Save this view").click()
    dialog = page.get_by_role("dialog").filter(has=page.get_by_label("Name"))
    dialog.get_by_label("Name").fill("arranged")
    dialog.get_by_label("Open the experiment with this view").check()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    page.goto(f"/experiments/{experiment}")
    expect(page.get_by_role("button", name="Size of the chart of a: 2 of 2 columns, 240 pixels high")).to_be_visible()
    assert order_of_charts(page) == ["a", "c", "b"]


def test_charts_are_moved_and_resized_by_dragging(page, world):
    page.goto(f"/runs/{world.runs[0]}?tab=charts&panels=[]")
    expect(page.get_by_role("img", name=re.compile("^loss, 1 curve"))).to_be_visible()
    corner = page.get_by_role("button", name="Size of the chart of loss")
    box = corner.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, box["y"] + 105, steps=4)
    page.mouse.up()
    expect(corner).to_have_accessible_name(re.compile("2 of 3 columns, 320 pixels high"))
    page.goto(f"/experiments/{world.experiment}?tab=charts&cols=[]")
    first = page.get_by_role("img", name=re.compile("^loss, 10 curves"))
    expect(first).to_be_visible()
    spiky = page.locator("figure").filter(has=page.get_by_role("button", name="Move the chart of loss"))
    page.get_by_role("button", name="Move the chart of spiky").drag_to(spiky)
    page.wait_for_function("location.search.includes('panels')")
    assert order_of_charts(page)[:2] == ["spiky", "loss"]


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

    def line():
        found = asked[-1].json()["lines"][0]
        return [memoryview(base64.b64decode(found[name])).cast("d").tolist() for name in ("places", "values")]

    page.on("response", lambda answer: asked.append(answer) if "metrics/lines" in answer.url else None)
    page.goto(f"/runs/{world.long}?tab=charts")
    expect(page.get_by_role("img", name=re.compile("^spiky"))).to_be_visible()
    page.wait_for_timeout(500)
    _, values = line()
    assert max(values) == 1000
    assert len(values) < 10_000
    page.goto(f"/runs/{world.long}?tab=charts&zoom=%5B31300,31400%5D")
    page.wait_for_timeout(1000)
    steps, _ = line()
    assert steps[0] == 31300
    assert 31_337 in steps


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


def drawn(page):
    """Curves, points, and the range of the first chart, as they are painted."""
    page.wait_for_function("document.querySelector('.uplot')?.dataset.drawn")
    return [float(each) for each in page.locator(".uplot").first.get_attribute("data-drawn").split(",")]


def test_a_chart_is_zoomed_and_moved_by_keyboard_and_by_shift_and_dragging(page, world):
    page.goto(f"/runs/{world.runs[0]}?tab=charts&zoom=[4,8]")
    chart = page.get_by_role("img", name=re.compile("^loss, 1 curve"))
    expect(chart).to_be_visible()
    assert drawn(page) == [1, 5, 4, 8]
    chart.focus()
    for key, low, high in (("ArrowRight", 5, 9), ("-", 3, 11), ("+", 5, 9)):
        page.keyboard.press(key)
        page.wait_for_function(
            "([low, high]) => document.querySelector('.uplot').dataset.drawn.endsWith(`,${low},${high}`)",
            arg=[low, high],
        )
    box = page.locator(".u-over").first.bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function("/zoom=%5B(3\\.9|4)/.test(location.search)")
    page.wait_for_function("Math.abs(Number(document.querySelector('.uplot').dataset.drawn.split(',')[3]) - 8) < 0.1")
    chart.focus()
    page.keyboard.press("0")
    page.wait_for_function("!location.search.includes('zoom')")


def test_a_single_point_stands_in_the_middle_of_its_chart(page, world):
    run = world.client.create_run("0", tags={"millstream.color": "#d55e00"}, run_name="one point").info.run_id
    world.client.log_metric(run, "lonely", 3.5, step=7)
    world.client.flush()
    page.goto(f"/runs/{run}?tab=charts")
    expect(page.get_by_role("img", name="lonely, 1 curve. one point ends at 3.5.")).to_be_visible()
    assert drawn(page) == [1, 1, 6, 8]
    orange = """() => { const canvas = document.querySelector('.uplot canvas').getBoundingClientRect();
        const plot = document.querySelector('.u-over').getBoundingClientRect();
        const middle = plot.left + plot.width / 2 - canvas.left;
        const { data } = document.querySelector('.uplot canvas').getContext('2d').getImageData(middle, 0, 1, canvas.height);
        return [...data.keys()].some((at) => at % 4 === 0 && data[at] === 0xd5 && data[at + 1] === 0x5e && data[at + 2] === 0); }"""
    assert page.evaluate(orange)


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


@pytest.mark.parametrize("plot", ["parallel", "scatter", "contour", "bar", "importance", "correlation"])
def test_other_plots_are_drawn_and_downloaded(page, world, plot):
    page.goto(f"/experiments/{world.experiment}?tab=plots&plot=%22{plot}%22")
    expect(page.locator("figure canvas").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    text = Path(download.value.path()).read_text()
    assert text.startswith("<svg")
    assert text.count("<path") > 5
