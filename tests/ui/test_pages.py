"""Experiments, a run, comparisons, models, trash, settings: one test for each thing that a user does there."""

from __future__ import annotations

import io
import re
import urllib.request
import zipfile

import pytest
from playwright.sync_api import expect

from millstream.errors import NotFound

# ---------------------------------------------------------------- experiments


def test_experiments_stand_in_the_folders_of_their_names(page):
    page.goto("/")
    expect(page.get_by_role("link", name="resnet")).to_be_visible()
    page.get_by_role("button", name="vision 2").click()
    expect(page.get_by_role("link", name="resnet")).to_have_count(0)


def test_an_experiment_is_made_renamed_deleted_and_restored(page, world):
    page.goto("/")
    page.get_by_role("button", name="New experiment").click()
    page.get_by_role("dialog").get_by_label("Name").fill("made here")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("No runs yet")).to_be_visible()
    page.goto("/")
    page.get_by_role("button", name="Rename made here").click()
    page.get_by_role("dialog").get_by_label("Name").fill("renamed")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("link", name="renamed")).to_be_visible()
    page.get_by_role("button", name="Move renamed to the trash").click()
    page.get_by_role("dialog").get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_role("link", name="renamed")).to_have_count(0)
    page.goto("/trash")
    page.get_by_role("button", name="Restore renamed").click()
    expect(page.get_by_role("button", name="Restore renamed")).to_have_count(0)
    assert world.client.get_experiment_by_name("renamed").lifecycle_stage == "active"


def test_an_experiment_in_the_trash_is_deleted_for_good_after_a_question(page, world):
    experiment = world.client.create_experiment("doomed")
    run = world.client.create_run(experiment).info.run_id
    world.client.log_text(run, "gone soon", "file.txt")
    world.client.delete_experiment(experiment)
    page.goto("/trash")
    page.get_by_role("button", name="Delete for good doomed").click()
    dialog = page.get_by_role("dialog", name="Delete doomed for good?")
    dialog.get_by_role("button", name="Cancel").click()
    assert world.client.get_experiment(experiment).lifecycle_stage == "deleted"
    page.get_by_role("button", name="Delete for good doomed").click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("doomed deleted for good")).to_be_visible()
    expect(page.get_by_role("button", name="Restore doomed")).to_have_count(0)
    with pytest.raises(NotFound, match="No experiment"):
        world.client.get_experiment(experiment)


def test_runs_in_the_trash_are_deleted_for_good_together(page, world):
    runs = [world.client.create_run("0", run_name=f"doomed-{number}").info.run_id for number in range(2)]
    for run in runs:
        world.client.delete_run(run)
    page.goto("/trash")
    section = page.get_by_role("region", name="Runs of experiments that are not deleted")
    section.get_by_role("button", name="Delete these 2 for good").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(section.get_by_text("None")).to_be_visible()
    for run in runs:
        with pytest.raises(NotFound, match="No run"):
            world.client.get_run(run)


def test_a_name_that_is_taken_is_said_in_the_dialog(page, problems):
    problems.expect("status of 400")
    page.goto("/")
    page.get_by_role("button", name="New experiment").click()
    page.get_by_role("dialog").get_by_label("Name").fill("vision/vit")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert")).to_contain_text("vision/vit")


def test_notes_are_written_in_markdown(page, world):
    page.goto(f"/experiments/{world.experiment}?tab=notes")
    page.get_by_role("button", name="Write notes").click()
    page.get_by_label("Notes of the experiment").fill("# Plan\n\n**train** more")
    expect(page.locator("strong", has_text="train")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    assert world.client.get_experiment(world.experiment).tags["mlflow.note.content"].startswith("# Plan")


# ---------------------------------------------------------------- a run


def test_a_runs_page_tells_what_went_in_and_what_came_out(page, world):
    page.goto(f"/runs/{world.runs[0]}")
    expect(page.get_by_role("heading", name="run-00")).to_be_visible()
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("val/accuracy")
    expect(page.get_by_role("region", name="Params")).to_contain_text("lr")
    expect(page.get_by_role("region", name="Lineage").get_by_role("link", name="churn version 1")).to_be_visible()


def test_a_run_is_renamed_by_a_key(page, world):
    run = world.client.create_run("0", run_name="before").info.run_id
    page.goto(f"/runs/{run}")
    page.get_by_role("heading", name="before").wait_for()
    page.keyboard.press("e")
    page.get_by_role("dialog").get_by_label("Name").fill("after")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", name="after")).to_be_visible()
    assert world.client.get_run(run).info.run_name == "after"


def test_children_are_reached_from_their_parent_and_back(page, world):
    page.goto(f"/runs/{world.parent}")
    page.get_by_role("link", name="child-0").click()
    page.get_by_role("link", name="its parent run").click()
    expect(page.get_by_role("heading", name="parent")).to_be_visible()


@pytest.mark.parametrize(
    ("file", "sign"),
    [
        ("notes.md", "h1:has-text('Heading')"),
        ("table.csv", "td:has-text('beta')"),
        ("config.json", "pre:has-text('\"b\"')"),
        ("train.py", "pre:has-text('hello')"),
        ("red.png", "img[alt='red.png']"),
        ("page.html", "iframe[title='page.html']"),
        ("model/MLmodel", "h2:has-text('Model')"),
    ],
)
def test_a_file_is_shown_as_what_it_is(page, world, problems, file, sign):
    if file == "page.html":
        problems.expect("sandboxed")  # the console tells of the script that its frame did not run
    page.goto(f"/runs/{world.runs[0]}?tab=artifacts&path={file}")
    expect(page.locator(f"main {sign}").first).to_be_visible()


def test_files_are_opened_from_the_tree_and_downloaded_as_zip(page, world):
    page.goto(f"/runs/{world.runs[0]}?tab=artifacts")
    page.get_by_role("button", name=re.compile("train.py")).click()
    expect(page.locator("pre", has_text="hello")).to_be_visible()
    link = page.get_by_role("link", name="All as zip").get_attribute("href")
    with urllib.request.urlopen(world.url + link, timeout=30) as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert archive.testzip() is None
    assert archive.read("train.py") == b"print('hello')\n"
    assert "model/MLmodel" in archive.namelist()


def test_json_is_shown_with_the_digits_that_were_written(page, world):
    run = world.client.create_run("0", run_name="digits").info.run_id
    world.client.log_text(run, '{"id":12345678901234567890,"x":1.0}', "digits.json")
    world.client.log_text(run, '{"columns":["id"],"data":[[12345678901234567890]]}', "rows.json")
    page.goto(f"/runs/{run}?tab=artifacts&path=digits.json")
    expect(page.locator("main pre")).to_have_text('{\n  "id": 12345678901234567890,\n  "x": 1.0\n}')
    page.goto(f"/runs/{run}?tab=artifacts&path=rows.json")
    expect(page.get_by_role("cell", name="12345678901234567890")).to_be_visible()


def test_a_models_card_has_code_that_runs_and_the_example_of_its_input(page, world):
    run = world.client.create_run("0", run_name="with a model").info.run_id
    made = {
        "flavors": {"python_function": {"loader_module": "mlflow.sklearn"}},
        "saved_input_example_info": {"artifact_path": "input_example.json", "type": "dataframe"},
    }
    world.client.log_dict(run, made, "deep/model/MLmodel")
    world.client.log_text(run, '{"columns": ["age"], "data": [[41.0]]}', "deep/model/input_example.json")
    page.goto(f"/runs/{run}?tab=artifacts&path=deep/model/MLmodel")
    card = page.get_by_role("region", name="Model", exact=True)
    expect(card).to_contain_text(f'load_model("runs:/{run}/deep/model")')
    expect(card).to_contain_text(f'models serve -m "runs:/{run}/deep/model"')
    expect(card.get_by_role("region", name="Input example").get_by_role("cell", name="41.0")).to_be_visible()
    expect(card).not_to_contain_text("UTC")
    world.client.create_registered_model("carded")
    world.client.create_model_version("carded", f"{world.client.get_run(run).info.artifact_uri}/deep/model", run)
    page.goto("/models/carded/1")
    expect(card).to_contain_text('load_model("models:/carded/1")')
    expect(card.get_by_role("region", name="Input example").get_by_role("cell", name="41.0")).to_be_visible()


def test_a_parent_tells_how_many_runs_are_below_it(page, world):
    experiment = world.client.create_experiment("family")
    parent = world.client.create_run(experiment, run_name="matriarch").info.run_id
    for number in range(203):
        world.client.create_run(experiment, number, {"mlflow.parentRunId": parent}, f"child-{number}")
    page.goto(f"/runs/{parent}")
    card = page.get_by_role("region", name="Child runs")
    expect(card).to_contain_text("The first 200 of 203 runs")
    card.get_by_role("link", name="show all in a table").click()
    expect(page.get_by_text("203 runs")).to_be_visible()


def test_images_of_steps_have_a_slider(page, world):
    page.goto(f"/runs/{world.runs[0]}?tab=artifacts")
    page.get_by_role("button", name="images").click()
    page.get_by_role("button", name="by step").click()
    expect(page.get_by_text("Step 5")).to_be_visible()
    page.get_by_role("slider").fill("0")
    expect(page.get_by_role("img", name="sample at step 0")).to_be_visible()


def test_old_addresses_of_mlflow_lead_to_the_same_thing(page, world):
    page.goto(f"/#/experiments/{world.experiment}/runs/{world.runs[0]}")
    expect(page.get_by_role("heading", name="run-00")).to_be_visible()


def test_what_is_not_there_is_said_with_a_way_on(page, problems):
    problems.expect("status of 404")
    page.goto("/runs/00000000000000000000000000000000")
    expect(page.get_by_role("alert")).to_contain_text("No run")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


# ---------------------------------------------------------------- comparing


def compare(page, world, tab=""):
    page.goto(f'/compare?runs=["{world.runs[0]}","{world.runs[1]}"]{tab}')
    page.get_by_role("heading", name="Compare 2 runs").wait_for()


def test_differences_between_runs_are_marked(page, world):
    compare(page, world)
    expect(page.get_by_role("row").filter(has_text="model (differs)")).to_contain_text("cnn")
    page.get_by_label("Only what differs").check()
    expect(page.locator("tr:not([data-differs]) th[scope=row]", has_text="lr")).to_have_count(0)


def test_metrics_that_differ_late_in_their_digits_are_told_apart(page, world):
    runs = []
    for number, value in enumerate((0.91234411, 0.91234389)):
        run = world.client.create_run("0", run_name=f"close-{number}").info.run_id
        world.client.log_metric(run, "acc", value)
        world.client.log_metric(run, "void", float("nan"))
        runs.append(run)
    world.client.flush()
    page.goto(f'/compare?runs=["{runs[0]}","{runs[1]}"]&only=true')
    line = page.get_by_role("row").filter(has_text="acc (differs)")
    expect(line.get_by_role("cell")).to_have_text(["0.9123441", "0.9123439"])
    expect(line.get_by_role("cell").first).to_have_attribute("title", "0.91234411")
    expect(page.get_by_role("row").filter(has_text="void")).to_have_count(0)


def test_files_in_folders_are_compared(page, world):
    runs = []
    for word in ("hello", "bye"):
        run = world.client.create_run("0", run_name=word).info.run_id
        world.client.log_text(run, f"{word}\nsame\n", "logs/deep/train.txt")
        runs.append(run)
    page.goto(f'/compare?runs=["{runs[0]}","{runs[1]}"]&tab=artifacts')
    files = page.get_by_role("navigation", name="Files")
    files.get_by_role("button", name="logs").click()
    files.get_by_role("button", name="deep").click()
    files.get_by_role("button", name="train.txt").click()
    expect(page.locator("[data-kind=gone]", has_text="hello")).to_be_visible()
    expect(page.locator("[data-kind=new]", has_text="bye")).to_be_visible()
    page.reload()
    expect(page.locator("[data-kind=gone]", has_text="hello")).to_be_visible()


def test_images_of_steps_are_compared(page, world):
    compare(page, world, "&tab=artifacts")
    files = page.get_by_role("navigation", name="Files")
    files.get_by_role("button", name="images").click()
    files.get_by_role("button", name="by step").click()
    expect(page.get_by_role("img", name="sample at step 5")).to_be_visible()


def test_curves_of_compared_runs_lie_over_each_other(page, world):
    compare(page, world, "&tab=charts")
    expect(page.get_by_role("img", name=re.compile("^loss, 2 curves"))).to_be_visible()


def test_pictures_stand_next_to_each_other_and_texts_as_a_difference(page, world):
    compare(page, world, "&tab=artifacts&path=red.png")
    expect(page.locator("main img")).to_have_count(2)
    compare(page, world, "&tab=artifacts&path=train.py")
    expect(page.locator("[data-kind=gone]", has_text="hello")).to_be_visible()
    expect(page.locator("[data-kind=new]", has_text="bye")).to_be_visible()


# ---------------------------------------------------------------- models


def test_models_are_found_by_name_and_by_tag(page):
    page.goto("/models")
    expect(page.get_by_role("link", name="churn")).to_be_visible()
    page.get_by_label("Filter models").fill("nothing like it")
    expect(page.get_by_text("No model matches")).to_be_visible()
    page.get_by_label("Filter models").fill("tags.team = 'blue'")
    expect(page.get_by_role("link", name="churn")).to_be_visible()


def test_a_version_moves_to_production_with_a_comment_and_the_history_tells_it(page, world):
    page.goto("/models/churn")
    page.get_by_role("button", name="Stage of version 2").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Stage").select_option("Production")
    dialog.get_by_label("Comment").fill("better recall")
    dialog.get_by_role("button", name="Move to Production").click()
    expect(page.get_by_role("region", name="In use")).to_contain_text("Production")
    assert world.client.get_model_version("churn", "2").current_stage == "Production"
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("better recall")).to_be_visible()


def test_an_alias_is_set_and_removed(page, world):
    page.goto("/models/churn/3")
    page.get_by_role("button", name="Set an alias").click()
    page.get_by_role("dialog").get_by_label("Alias").fill("champion")
    page.get_by_role("dialog").get_by_role("button", name="Set the alias").click()
    chip = page.get_by_role("button", name="@champion")
    expect(chip).to_be_visible()
    assert world.client.get_model_version_by_alias("churn", "champion").version == "3"
    chip.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove the alias").click()
    expect(chip).to_have_count(0)


def test_a_version_tells_where_it_comes_from(page):
    page.goto("/models/churn/1")
    page.get_by_role("region", name="Origin").get_by_role("link", name="run-00").click()
    expect(page.get_by_role("heading", name="run-00")).to_be_visible()


def test_versions_are_compared(page):
    page.goto("/models/churn")
    page.get_by_label("Compare version 1").check()
    page.get_by_label("Compare version 2").check()
    page.get_by_role("button", name="Compare 2 versions").click()
    expect(page.get_by_role("row").filter(has_text="loss")).to_be_visible()


def test_a_model_is_made_described_and_deleted(page, world):
    page.goto("/models")
    page.get_by_role("button", name="New model").click()
    page.get_by_role("dialog").get_by_label("Name").fill("short-lived")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    page.get_by_role("link", name="About").click()
    page.get_by_role("button", name="Write notes").click()
    page.get_by_label("Description of the model").fill("for a *test*")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("em", has_text="test")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type short-lived to confirm").fill("short-lived")
    dialog.get_by_role("button", name="Delete for good").click()
    page.wait_for_url(re.compile("/models$"))
    assert "short-lived" not in {model.name for model in world.client.search_registered_models()}


# ---------------------------------------------------------------- everywhere


def test_the_palette_finds_experiments_models_and_commands(page):
    page.goto("/")
    page.get_by_role("link", name="resnet").wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("resnet")
    page.get_by_role("option", name=re.compile("resnet")).first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/experiments/"))
    page.keyboard.press("Control+k")
    page.keyboard.type("churn")
    page.get_by_role("option", name=re.compile("churn")).first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/models/churn"))


def test_keys_go_to_places_and_help_lists_them(page):
    page.goto("/")
    page.get_by_role("link", name="resnet").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url(re.compile("/models"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Go to experiments")


def test_the_theme_is_switched_and_kept(page):
    page.goto("/settings")
    page.get_by_role("combobox", name="Theme").select_option("dark")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_times_are_written_in_the_chosen_zone(page, world):
    page.goto("/settings")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.goto(f"/runs/{world.runs[0]}")
    expect(page.locator("time").first).to_have_attribute("title", re.compile(r"(GMT\+9|JST)"))


def test_back_and_forward_do_what_they_say(page, world):
    page.goto(f"/experiments/{world.experiment}")
    page.get_by_role("link", name="Charts").click()
    page.wait_for_url(re.compile("tab=charts"))
    page.go_back()
    expect(page.get_by_role("table", name="Runs")).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("toolbar", name="How charts look")).to_be_visible()


def test_a_lost_connection_is_one_quiet_word_and_the_page_stays(page, problems):
    problems.expect("ERR_FAILED")
    page.route("**/api/2.0/millstream/live", lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_text("connection lost")).to_be_visible()
    expect(page.get_by_role("link", name="resnet")).to_be_visible()
    page.unroute("**/api/2.0/millstream/live")
    expect(page.locator("[data-state=live]")).to_be_visible()


def test_a_page_whose_script_is_gone_from_an_updated_server_is_loaded_again(page, problems):
    problems.expect("status of 404")
    page.goto("/")
    page.get_by_role("link", name="resnet").wait_for()
    page.evaluate("window.isOld = true")
    gone = ["ModelsPage"]
    page.on("request", lambda request: gone.clear() if request.is_navigation_request() else None)
    page.route("**/ModelsPage-*.js", lambda route: route.fulfill(status=404) if gone else route.continue_())
    page.keyboard.press("g")
    page.keyboard.press("m")
    expect(page.get_by_role("link", name="churn")).to_be_visible()
    assert page.evaluate("window.isOld") is None


def test_only_the_keyboard_reaches_a_run(page, world):
    page.goto("/")
    page.get_by_role("link", name="resnet").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to the page"
    page.get_by_role("link", name="resnet").focus()
    page.keyboard.press("Enter")
    page.get_by_role("table", name="Runs").get_by_text("run-29").wait_for()
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.get_by_role("heading", name="run-29")).to_be_visible()
