"""A browser, and sites to open in it. Skipped where there is no chromium: `apt-get install chromium`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from needs import lacking

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    try:
        from playwright import sync_api as playwright
    except ImportError:
        lacking("playwright is not installed")
    if CHROMIUM is None:
        lacking("no chromium on PATH")
    with playwright.sync_playwright() as api:
        # Its sandbox needs user namespaces, which containers do not have; the pages are the tests' own.
        found = api.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Tab:
    """A page that keeps what went wrong in it."""

    page: Any
    site: Path
    errors: list[str] = field(default_factory=list)

    def open(self, address: str, *, ready: bool = False) -> Any:
        """Opens a page of the site from the disk; with `ready` waits until its script has drawn it.

        The overview loads its cells when somebody comes to them.
        """
        self.page.goto(f"file://{self.site}/{address}")
        if ready:
            self.page.wait_for_selector("body[data-ready]")
            if address.startswith("index.html"):
                self.page.locator("#cells").scroll_into_view_if_needed()
                self.page.wait_for_selector("body[data-cells]")
        return self.page


@pytest.fixture
def tab(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes tabs: `tab(site, color_scheme="dark", width=390)`. A console error fails the test."""
    contexts = []
    tabs = []

    def make(site: Path, *, width: int = 1280, **options: Any) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": 860}, **options)
        contexts.append(context)
        made = Tab(page=context.new_page(), site=site)
        complaints = ("error", "warning")
        made.page.on("console", lambda said: made.errors.append(said.text) if said.type in complaints else None)
        made.page.on("pageerror", lambda error: made.errors.append(str(error)))
        made.page.on("request", lambda asked: None if asked.url.startswith("file:") else made.errors.append(asked.url))
        tabs.append(made)
        return made

    yield make
    for context in contexts:
        context.close()
    assert [error for each in tabs for error in each.errors] == []


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of four nights."""
    from site_runs import write_nights
    from tfmatrix.reports.site.build import write_site

    results = tmp_path_factory.mktemp("nights")
    runs = write_nights(results, 4)
    return write_site(runs[-1], results / "site", runs[-2::-1]).folder


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of thirty environments."""
    from site_runs import VERSIONS, write_run
    from tfmatrix.reports.site.build import write_site

    results = tmp_path_factory.mktemp("wide")
    return write_site(write_run(results, environments=VERSIONS, scenarios=2), results / "site").folder


@pytest.fixture(scope="session")
def adaptive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site in which the files of one writer are inferred."""
    from site_runs import write_adaptive
    from tfmatrix.reports.site.build import write_site

    results = tmp_path_factory.mktemp("adaptive")
    return write_site(write_adaptive(results), results / "site").folder


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose every foreign text wants to be more than text."""
    from site_runs import write_hostile
    from tfmatrix.reports.site.build import write_site

    results = tmp_path_factory.mktemp("hostile")
    return write_site(write_hostile(results), results / "site").folder
