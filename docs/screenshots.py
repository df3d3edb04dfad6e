"""Pictures of every kind of page of a site, to be looked at: three widths, light and dark, and as printed.

    python docs/screenshots.py SITE FOLDER [--pages GLOB]

SITE is what `tfmatrix publish` wrote. Of pages that there are many of (scenarios, formats, causes, pairs) the first is
taken; of cells one that fails. Prints are PDF. docs/site/ has those of the published tables that are worth showing:
`--keep` writes them there.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
WIDTHS = {390: 844, 1280: 800, 1920: 1080}
SCHEMES = ("light", "dark")
KEPT = ("overview", "upgrade", "cell", "scenario")
"""Pages of which docs/site/ has a picture: at 1280, light, from the top."""
KEPT_HEIGHT = 1300
"""So much of them: the map of the overview is in it."""


def main() -> None:
    """Takes all pictures."""
    options = argparse.ArgumentParser()
    options.add_argument("site", type=Path)
    options.add_argument("folder", type=Path)
    options.add_argument("--pages", default="*", metavar="GLOB")
    options.add_argument("--keep", action="store_true")
    given = options.parse_args()
    site = given.site.resolve()
    given.folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    pages = {name: address for name, address in every_page(site) if fnmatch(name, given.pages)}
    with sync_playwright() as api:
        browser = api.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width, scheme in product(WIDTHS, SCHEMES):
            context = browser.new_context(viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme)
            page = context.new_page()
            for name, address in pages.items():
                open_page(page, site, address)
                page.screenshot(path=given.folder / f"{name}-{width}-{scheme}.png", full_page=True)
                if width == 1280 and scheme == "light":
                    page.pdf(path=given.folder / f"{name}.pdf", format="A4", prefer_css_page_size=True)
                    if given.keep and name in KEPT:
                        page.set_viewport_size({"width": width, "height": KEPT_HEIGHT})
                        page.screenshot(path=HERE / "site" / f"{name}.png")
                        page.set_viewport_size({"width": width, "height": WIDTHS[width]})
            context.close()
        browser.close()


def every_page(site: Path) -> Iterator[tuple[str, str]]:
    """Name and address of each kind of page."""
    for path in sorted(site.glob("*.html")):
        if path.name != "cell.html":
            yield ("overview" if path.name == "index.html" else path.stem), path.name
    for folder, name in (("scenario", "scenario"), ("format", "format"), ("cause", "cause")):
        for path in sorted((site / folder).glob("*.html"))[:1]:
            yield name, f"{folder}/{path.name}"
    data = json.loads((site / "matrix.json").read_text())
    steps = sorted(data["upgrades"], key=lambda step: (-step["changes"] - step["breaks"], step["from"], step["to"]))
    for step in steps[:1]:
        yield "upgrade-pair", f"upgrade/{quote(step['from'])}--{quote(step['to'])}.html"
    for cell in failing_cells(data):
        yield "cell", f"cell.html?cell={quote(cell, safe='')}"
        break


def failing_cells(data: dict[str, Any]) -> Iterator[str]:
    """Ids of cells that drift, in their order."""
    for row in data["cells"]:
        for environment, said in zip(data["environments"], row["readers"], strict=True):
            if said and said.startswith("drift") and environment["id"] != row["writer"]:
                yield f"{row['scenario']}/{row['format']}/{row['writer']}/{environment['id']}"


def open_page(page: Any, site: Path, address: str) -> None:
    """Opens a page from the disk, and waits until its script has drawn it."""
    page.goto(f"file://{site}/{address}")
    if address.startswith(("index", "cell", "diff")):
        page.wait_for_selector("body[data-ready]")


if __name__ == "__main__":
    main()
