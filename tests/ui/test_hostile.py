"""Whatever somebody logged, registered or wrote is shown as text or stands in a sandbox, and runs nothing."""

from __future__ import annotations

import pytest

from tests.ui.world import EVIL_KINDS, HOSTILE


def calm(page):
    """Nothing ran in the page, and it is still where it was."""
    page.wait_for_timeout(60)
    assert page.evaluate("window.pwned") is None
    assert "evil.example" not in page.url


@pytest.fixture
def requests(page):
    """Addresses elsewhere that were really asked for: all but those that the policy stopped."""
    found = []

    def note(request):
        stopped = request.failure is not None and "csp" in request.failure.lower()
        if "evil.example" in request.url and not stopped:
            found.append((request.url, request.failure))

    page.on("requestfinished", note)
    page.on("requestfailed", note)
    yield found
    assert found == []


def runs(world):
    return world.client.search_runs([world.hostile], order_by=["attributes.start_time ASC"])


def test_there_are_at_least_thirty_payloads():
    assert len(HOSTILE) >= 30


def test_names_tags_and_params_are_text_in_the_table(page, world, requests):
    page.goto(f"/experiments/{world.hostile}?cols=%5B%22name%22,%22p.p%22,%22t.payload%22%5D")
    page.get_by_role("table", name="Runs").get_by_text(HOSTILE[0]).first.wait_for()
    calm(page)


def test_notes_in_markdown_run_nothing_and_load_nothing(page, world, requests):
    page.goto(f"/experiments/{world.hostile}?tab=notes")
    page.get_by_text("click").first.wait_for()
    for link in page.locator("main a[href]").all():
        assert link.get_attribute("href").split(":")[0] in ("http", "https", "mailto") or link.get_attribute(
            "href"
        ).startswith("/")
    calm(page)
    page.goto("/models/hostile?tab=about")
    page.get_by_text("click").first.wait_for()
    calm(page)


def test_every_payload_is_text_on_its_runs_page(page, world, requests):
    for run in runs(world)[1:]:
        page.goto(f"/runs/{run.info.run_id}?tab=notes")
        page.get_by_role("button", name="Edit").wait_for()
        page.get_by_role("link", name="Overview").click()
        page.get_by_role("region", name="Params").wait_for()
        calm(page)


@pytest.mark.parametrize("kind", EVIL_KINDS)
def test_no_file_runs_anything_in_the_page(page, world, kind, requests, problems):
    problems.expect("sandboxed|Content Security Policy|srcdoc")  # what the sandbox and the policy refuse
    for number in range(len(HOSTILE)):
        name = f"MLmodel/{number:02}/MLmodel" if kind == "MLmodel" else f"{kind}/{number:02}.{kind}"
        if number == 0:
            page.goto(f"/runs/{world.evil}?tab=artifacts&path={name}")
        else:  # as the page itself does, without loading it anew
            page.evaluate(
                "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate')) }",
                f"?tab=artifacts&path={name}",
            )
        page.locator("main code", has_text=name).first.wait_for()
        page.get_by_role("link", name="Download").wait_for()
        calm(page)


def test_a_logged_page_that_may_run_its_scripts_has_no_origin(page, world, problems):
    problems.expect("sandboxed|Content Security Policy")
    page.goto(f"/runs/{world.runs[0]}?tab=artifacts&path=page.html")
    page.get_by_role("button", name="Page with its scripts").click()
    frame = page.frame_locator("iframe")
    frame.get_by_text("Logged page").wait_for()
    inside = next(each for each in page.frames if each != page.main_frame)
    assert inside.evaluate("document.title") == "ran"
    assert inside.evaluate("window.origin") == "null"
    assert (
        inside.evaluate("(() => { try { return String(parent.document) } catch { return 'refused' } })()") == "refused"
    )
    assert inside.evaluate("fetch('/api/2.0/millstream/version').then(() => 'answered', () => 'refused')") == "refused"


def test_the_page_says_what_may_run(page):
    answer = page.goto("/")
    policy = answer.headers["content-security-policy"]
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert scripts.strip() == "script-src 'self'"
    for rule in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'self'"):
        assert rule in policy
