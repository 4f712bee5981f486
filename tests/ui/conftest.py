"""A real browser (Debian's Chromium) on a real server with real runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from millstream.server import ui_files
from tests.ui.world import CHROMIUM, FLAGS, World, fill, served

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test installs it")

PATIENCE_MS = 30_000
"""How long a test waits for what must come; a machine may be busy with other tests."""
playwright.expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    problem = None
    if CHROMIUM is None:
        problem = "There is no Chromium: make test installs it when root (apt-get install chromium)."
    elif not ui_files.is_built():
        problem = "The pages are not built: make ui."
    if problem:
        for item in items:
            if Path(item.fspath).parent == Path(__file__).parent:
                item.add_marker(pytest.mark.skip(reason=problem))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("ui")
    with served(folder) as found:
        fill(found, folder)
        yield found


# ---------------------------------------------------------------- the browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as tool:
        running = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Problems:
    """What a page complained of: faults of scripts, errors on the console, refusals of the security policy.

    A test that provokes some says which before it does, since the browser reports them whenever it likes, even after
    the last line of the test.
    """

    def __init__(self) -> None:
        self._found: list[str] = []
        self._expected: list[str] = []

    def expect(self, pattern: str) -> None:
        """Whatever this regular expression is found in is no surprise."""
        self._expected.append(pattern)

    def note(self, text: str) -> None:
        self._found.append(text)

    @property
    def surprises(self) -> list[str]:
        return [each for each in self._found if not any(re.search(pattern, each) for pattern in self._expected)]


@pytest.fixture
def problems() -> Problems:
    return Problems()


def watch(page: Any, problems: Problems) -> None:
    page.on("pageerror", lambda error: problems.note(f"fault: {error}"))
    page.on("console", lambda message: problems.note(message.text) if message.type == "error" else None)


@pytest.fixture
def page(browser: Any, world: World, problems: Problems) -> Iterator[Any]:
    """A page of a desktop's size. At the end nothing may have gone wrong on it."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=world.url, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    found = context.new_page()
    watch(found, problems)
    yield found
    context.close()
    assert problems.surprises == []
