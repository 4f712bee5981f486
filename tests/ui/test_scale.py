"""A table stays small and asks little, however many runs there are: counted, not timed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from millstream.entities import Metric

if TYPE_CHECKING:
    from tests.ui.world import World

RUNS = 900
PAGES = 5
"""Of 200 runs each."""
START = 1_790_000_000_000
LIVE_MS = 6000
"""Long enough for two refreshes."""


@pytest.fixture(scope="module")
def many(world: World) -> tuple[str, list[str]]:
    """An experiment with so many runs that a table loads several pages."""
    experiment = world.client.create_experiment("many")
    runs = [
        world.client.create_run(experiment, START + number, run_name=f"many-{number}").info.run_id
        for number in range(RUNS)
    ]
    world.client.log_batch(runs[-1], [Metric("loss", 1.0 / (step + 1), START + step, step) for step in range(50)])
    world.client.log_batch(runs[0], [Metric("loss", 2.0, START, 0)])
    world.client.flush()
    return experiment, runs


@contextmanager
def requests_to(page: Any, path: str) -> Iterator[list[str]]:
    found: list[str] = []

    def note(request: Any) -> None:
        if path in request.url:
            found.append(request.post_data or "")

    page.on("request", note)
    yield found
    page.remove_listener("request", note)


def _scroll_to_end(page: Any, last: str) -> None:
    table = page.get_by_role("table", name="Runs")
    for _ in range(60):
        table.evaluate("box => { box.scrollTop = box.scrollHeight; }")
        page.wait_for_timeout(150)
        if page.get_by_role("link", name=last, exact=True).count():
            return
    raise AssertionError(f"{last} was not reached")


def test_a_table_of_many_runs_holds_few_rows_and_loads_each_page_once(page: Any, many: tuple[str, list[str]]) -> None:
    with requests_to(page, "runs/search") as searches:
        page.goto(f"/experiments/{many[0]}")
        page.get_by_role("link", name=f"many-{RUNS - 1}", exact=True).wait_for()
        _scroll_to_end(page, "many-0")
    assert page.get_by_role("row").count() < 70
    assert len([body for body in searches if '"count":true' not in body]) == PAGES
    assert len([body for body in searches if '"count":true' in body]) == 1


def test_a_change_costs_three_searches_however_many_pages_are_loaded(
    page: Any, world: World, many: tuple[str, list[str]]
) -> None:
    experiment, runs = many
    page.goto(f"/experiments/{experiment}?cols=%5B%22name%22,%22m.loss%22%5D")
    page.get_by_role("link", name=f"many-{RUNS - 1}", exact=True).wait_for()
    _scroll_to_end(page, "many-0")
    page.get_by_text("live", exact=True).wait_for()
    page.wait_for_timeout(LIVE_MS)  # what the fixtures wrote has been told
    with requests_to(page, "runs/search") as searches:
        world.client.log_batch(runs[0], [Metric("loss", 0.125, START + 1, 1)])
        world.client.flush()
        page.get_by_role("cell", name="0.125", exact=True).wait_for()
        page.wait_for_timeout(500)
    assert 1 <= len(searches) <= 3


def test_charts_do_not_ask_when_another_run_is_written(page: Any, world: World, many: tuple[str, list[str]]) -> None:
    experiment, runs = many
    page.goto(f"/experiments/{experiment}?tab=charts")
    page.get_by_role("img", name="loss, 1 curve").wait_for()
    page.get_by_text("live", exact=True).wait_for()
    page.wait_for_timeout(LIVE_MS)
    with requests_to(page, "metrics/lines") as windows:
        world.client.log_batch(runs[1], [Metric("loss", 0.5, START + 1, 1)])  # not among the first ten, which are drawn
        world.client.flush()
        page.wait_for_timeout(LIVE_MS)
        assert windows == []
        world.client.log_batch(runs[-1], [Metric("loss", 0.5, START + 60, 60)])
        world.client.flush()
        page.get_by_role("img", name="ends at 0.5").wait_for()
    assert len(windows) == 2  # for the chart, and for the courses beside the runs


def test_groups_are_made_of_all_runs_not_only_of_those_in_view(page: Any, many: tuple[str, list[str]]) -> None:
    page.goto(f"/experiments/{many[0]}?group=status")
    group = page.get_by_role("rowheader", name="RUNNING")
    expect(group).to_contain_text(str(RUNS))
    expect(page.get_by_text(f"{RUNS} runs", exact=False)).to_be_visible()
    expect(page.get_by_text("so far")).to_have_count(0)


def test_of_many_charts_those_are_made_that_come_into_view(page: Any, world: World) -> None:
    experiment = world.client.create_experiment("many metrics")
    run = world.client.create_run(experiment, START).info.run_id
    world.client.log_batch(run, [Metric(f"m{number:03}", float(number), START, 0) for number in range(200)])
    world.client.flush()
    with requests_to(page, "metrics/lines") as lines:
        page.goto(f"/experiments/{experiment}?tab=charts")
        page.get_by_role("img", name="m000, 1 curve").wait_for()
        assert page.locator("figure").count() == 200
        assert page.locator("figure .uplot").count() < 20
        assert len(lines) < 20
        page.locator("figure").last.scroll_into_view_if_needed()
        page.get_by_role("img", name="m199, 1 curve").wait_for()
    assert page.locator("figure .uplot").count() < 40


def test_many_runs_are_compared_in_few_requests_and_those_left_out_are_counted(
    page: Any, many: tuple[str, list[str]]
) -> None:
    experiment, runs = many[0], many[1][:203]
    with requests_to(page, "/mlflow/runs/") as asked:
        page.goto(f"/compare?runs={json.dumps(runs[:60])}")
        expect(page.get_by_role("heading", name="Compare 60 runs")).to_be_visible()
    assert len(asked) <= 2
    expect(page.get_by_text("first 200 of")).to_have_count(0)
    page.goto(f"/compare?runs={json.dumps(runs)}")
    expect(page.get_by_role("heading", name="Compare 200 runs")).to_be_visible()
    expect(page.get_by_text("first 200 of 203")).to_be_visible()
    expect(page.get_by_role("link", name="many-199", exact=True)).to_have_count(1)
    page.goto(f"/experiments/{experiment}")
    page.get_by_role("link", name=f"many-{RUNS - 1}", exact=True).wait_for()
    _scroll_to_end(page, "many-0")
    page.get_by_label("Select all loaded runs").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text(f"first 200 of {RUNS}")).to_be_visible()


def test_runs_of_several_experiments_are_compared_in_few_requests(
    page: Any, world: World, many: tuple[str, list[str]]
) -> None:
    gone = world.client.create_experiment("gone")
    lost = world.client.create_run(gone, START, run_name="lost").info.run_id
    world.client.delete_experiment(gone)
    runs = [*many[1][:10], *world.runs[:10], lost]
    with requests_to(page, "/mlflow/runs/") as asked:
        page.goto(f"/compare?runs={json.dumps(runs)}")
        expect(page.get_by_role("heading", name="Compare 21 runs")).to_be_visible()
    assert len(asked) <= 4
    assert page.locator("thead a").all_inner_texts()[9:11] == ["many-9", "run-00"]
    expect(page.get_by_role("link", name="lost")).to_be_visible()
