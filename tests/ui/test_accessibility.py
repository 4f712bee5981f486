"""axe finds no serious fault on any page, in both themes and on a phone; nothing is wider than the page."""

from __future__ import annotations

from pathlib import Path

import pytest

AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = {
    "experiments": "/",
    "table": "/experiments/{experiment}",
    "tree": "/experiments/{experiment}?group=parent",
    "charts": "/experiments/{experiment}?tab=charts",
    "plots": "/experiments/{experiment}?tab=plots",
    "notes": "/experiments/{hostile}?tab=notes",
    "run": "/runs/{run}",
    "run-charts": "/runs/{run}?tab=charts",
    "artifacts": "/runs/{run}?tab=artifacts&path=table.csv",
    "compare": '/compare?runs=["{run}","{other}"]',
    "models": "/models",
    "model": "/models/churn",
    "version": "/models/churn/1",
    "trash": "/trash",
    "settings": "/settings",
}


def address(world, name):
    return PAGES[name].format(
        experiment=world.experiment, hostile=world.hostile, run=world.runs[0], other=world.runs[1]
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_fault(browser, world, name, theme):
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, base_url=world.url, color_scheme=theme, bypass_csp=True
    )
    page = context.new_page()
    page.goto(address(world, name))
    page.locator("main h1, main h2, main table, main [role=table]").first.wait_for(state="attached")
    page.wait_for_timeout(600)
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    context.close()
    serious = [
        f"{each['id']}: {each['nodes'][0]['html'][:200]} ({len(each['nodes'])})"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_every_page_without_scrolling_sideways(browser, world, name):
    context = browser.new_context(viewport={"width": 400, "height": 800}, base_url=world.url)
    page = context.new_page()
    page.goto(address(world, name))
    page.locator("main h1, main h2, main table, main [role=table]").first.wait_for(state="attached")
    page.wait_for_timeout(400)
    wide = page.evaluate("[document.documentElement.scrollWidth, document.querySelector('main').scrollWidth]")
    context.close()
    assert max(wide) <= 400
