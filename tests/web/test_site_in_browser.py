"""The site in a real browser, opened from the disk."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from needs import lacking

PAGES = [
    "index.html", "upgrade.html", "upgrade/2.12.1--2.16.2.html", "upgrade/2.12.1--2.12.1.html", "scenarios.html",
    "scenario/dense.html", "formats.html", "format/h5.html", "causes.html", "cause", "warnings.html", "history.html",
    "regressions.html", "diff.html", "cell.html?cell=dense/h5/2.12.1/2.16.2",
    "cell.html?cell=gru/h5/2.15.1/2.16.2", "cell.html?cell=none", "cell.html",
]  # fmt: skip
SCRIPTED = ("index", "cell", "diff")


def is_scripted(page):
    return page.startswith(SCRIPTED)


def at(site, page):
    """The address of a page; `cause` is that of the first cause."""
    return page if page != "cause" else f"cause/{sorted(path.name for path in (site / 'cause').iterdir())[0]}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("width", [1280, 1920])
def test_every_page_opens_without_an_error_and_fits(tab, nights, page, width):
    opened = tab(nights, width=width).open(at(nights, page), ready=is_scripted(page))
    assert opened.locator("h1").inner_text()
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("light", 1280), ("dark", 1920)])
@pytest.mark.parametrize("page", PAGES)
def test_no_page_breaks_a_rule_of_accessibility(tab, nights, page, scheme, width):
    try:
        from axe_playwright_python import sync_playwright as axe
    except ImportError:
        lacking("axe-playwright-python is not installed")
    opened = tab(nights, color_scheme=scheme, width=width).open(at(nights, page), ready=is_scripted(page))
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    # Style sheets are not fetched for it: a page from the disk may not, and no rule that is asked for needs them.
    found = axe.Axe().run(opened, options={"runOnly": rules, "preload": False})
    said = [(each["id"], each["nodes"][0]["html"][:200], len(each["nodes"])) for each in found.response["violations"]]
    assert said == []


@pytest.mark.parametrize(
    "page", ["index.html", "upgrade.html", "scenario/dense.html", "format/h5.html", "causes.html", "history.html"]
)
def test_thirty_environments_fit_into_1280_pixels(tab, wide, page):
    opened = tab(wide).open(page, ready=is_scripted(page))
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    overflowing = opened.evaluate(
        "[...document.querySelectorAll('.scroll')].filter((each) => each.scrollWidth > each.clientWidth + 1).length"
    )
    assert overflowing == 0


@pytest.mark.parametrize("page", PAGES)
def test_a_phone_scrolls_down_only(tab, nights, page):
    opened = tab(nights, width=390).open(at(nights, page), ready=is_scripted(page))
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("page", ["index.html", "upgrade.html", "format/h5.html", "regressions.html"])
def test_a_phone_scrolls_down_only_with_thirty_environments_too(tab, wide, page):
    opened = tab(wide, width=390).open(page, ready=is_scripted(page))
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_phone_shows_every_entry_of_the_navigation_and_no_list_sideways(tab, nights):
    for page in ("scenarios.html", "causes.html", "warnings.html", "formats.html", "history.html", "regressions.html"):
        opened = tab(nights, width=390).open(page)
        beyond = opened.evaluate(
            "[...document.querySelectorAll('.top nav a, .list:has([data-label]) td')]"
            ".filter((each) => each.getBoundingClientRect().right > innerWidth).length"
        )
        assert beyond == 0, page


def test_a_regression_leads_to_its_night_and_its_cells(tab, nights):
    page = tab(nights).open("index.html", ready=True)
    page.locator("a[href='regressions.html']").click()
    row = page.locator("table[data-search] tbody tr").first
    assert "yes" in row.inner_text()
    row.locator("td").nth(1).locator("a").click()
    page.wait_for_selector("body[data-ready]")
    assert page.locator("h2:has-text('Worse'), h2:has-text('different'), p:has-text('what they were')").count()


def count(page):
    return int(page.locator("#count").inner_text().split()[0].rstrip(","))


def test_filters_change_list_map_and_address_and_the_link_opens_the_same(tab, nights):
    page = tab(nights).open("index.html", ready=True)
    everything = count(page)
    page.select_option("[name=format]", "h5")
    page.get_by_role("checkbox", name="drift").check()
    page.select_option("[name=readers-from]", "2.16.2")
    page.fill("[name=text]", "dense")
    assert 0 < count(page) < everything
    assert {row.inner_text() for row in page.locator("#list tbody td:nth-child(3)").all()} == {"h5"}
    assert page.url.endswith("?status=drift&format=h5&readers=2.16.2..&text=dense")
    field = page.locator("#map tbody tr:first-child td").last
    assert "drift" in field.locator("a").get_attribute("aria-label")

    again = tab(nights).open(page.url.rpartition("/")[2], ready=True)
    assert again.locator("#list").inner_text() == page.locator("#list").inner_text()
    assert again.locator("#map").inner_text() == page.locator("#map").inner_text()

    before = page.locator("#map").inner_text()
    page.get_by_role("button", name="Clear").click()
    page.wait_for_url("**/index.html")
    assert count(page) == everything
    assert page.locator("#map").inner_text() != before


@pytest.mark.parametrize(
    ("query", "column", "expected"),
    [
        ("tag=article", 2, {"dense", "lstm", "bidirectional"}),
        ("writers=2.12.1&readers=2.12.1..2.13.1", 4, {"2.12.1"}),
        ("readers=2.13.1..2.12.1", 5, {"2.12.1", "2.13.1"}),
        ("scenario=gru", 2, {"gru"}),
    ],
)
def test_each_filter(tab, nights, query, column, expected):
    page = tab(nights).open(f"index.html?{query}", ready=True)
    while page.locator("#more").is_visible():
        page.locator("#more").click()
    assert len(page.locator("#list tbody tr").all()) == count(page)
    found = set(page.locator(f"#list tbody td:nth-child({column})").all_inner_texts())
    assert found
    assert found <= expected


def test_a_cause_leads_to_its_cells_and_back_to_all(tab, nights):
    page = tab(nights).open("causes.html")
    page.locator("tbody a").first.click()
    page.wait_for_url("**/cause/C-*.html")
    link = page.locator("p.lead a")
    cells = int(link.inner_text().split()[0])
    link.click()
    page.wait_for_selector("body[data-ready]")
    assert count(page) == cells
    page.locator("#cause-filter").click()
    assert count(page) > cells


def test_nothing_found_says_so(tab, nights):
    page = tab(nights).open("index.html?text=nothing-has-this-name", ready=True)
    assert count(page) == 0
    assert not page.locator("#more").is_visible()


def test_arrow_keys_move_in_the_map_and_enter_opens(tab, nights):
    page = tab(nights).open("index.html", ready=True)
    first = page.locator("#map tbody a").first
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("2.13.1 read by 2.13.1")
    stops = page.evaluate("[...document.querySelectorAll('#map a')].filter((each) => each.tabIndex === 0).length")
    assert stops == 1
    page.keyboard.press("Enter")
    page.wait_for_url("**/upgrade/2.13.1--2.13.1.html")


def test_tab_alone_reaches_everything_on_the_way_to_the_filters(tab, nights):
    page = tab(nights).open("index.html", ready=True)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("(({ name, id, text }) => name || id || text)(document.activeElement)"))
    assert {"Overview", "find", "theme", "from", "to", "status", "format", "scenario", "tag", "text"} <= seen


def test_a_cell_shows_its_evidence_and_its_earlier_runs(tab, nights):
    page = tab(nights).open("cell.html?cell=dense/h5/2.12.1/2.16.2", ready=True)
    text = page.locator("#cell").inner_text()
    for expected in (
        "drift", "iterations 3 → 0", "Attribution", "tfmatrix reproduce dense/h5/2.12.1/2.16.2", "≠ differs", "keras",
    ):  # fmt: skip
        assert expected in text
    rows = page.locator("#cell details table").last.locator("tbody tr")
    rows.nth(3).wait_for()
    rows.nth(1).locator("a").first.click()
    page.get_by_text("as it was in the run").wait_for()
    assert "run=20251103" in page.url


def test_a_failing_cell_shows_traceback_and_remedies(tab, nights):
    page = tab(nights).open("index.html?status=load-error&mark=remedy", ready=True)
    page.locator("#list tbody a").first.click()
    page.wait_for_selector("body[data-ready]")
    text = page.locator("#cell").inner_text()
    assert "Traceback (most recent call last)" in text
    assert "compile=False (recommended)" in text


def test_an_inferred_cell_says_so_and_leads_to_its_evidence(tab, adaptive):
    page = tab(adaptive).open("index.html?mark=inferred", ready=True)
    assert count(page) == 48
    row = page.locator("#list tbody tr").first
    assert "inferred" in row.inner_text()
    row.locator("a").first.click()
    page.wait_for_selector("body[data-ready]")
    assert "Not measured: inferred from" in page.locator(".note").inner_text()
    page.locator(".note a").click()
    page.get_by_role("heading", name="Checks").or_(page.get_by_role("heading", name="Saving")).first.wait_for()
    assert "Not measured" not in page.locator("main").inner_text()


def test_upgrade_is_chosen(tab, nights):
    page = tab(nights).open("upgrade.html")
    page.select_option("[name=from]", label="2.12.1")
    page.select_option("[name=to]", label="2.15.1")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/upgrade/2.12.1--2.15.1.html")
    assert "2.12.1 → 2.15.1" in page.locator("h1").inner_text()


def test_any_two_runs_are_compared_and_the_address_is_a_link(tab, nights):
    page = tab(nights).open("diff.html", ready=True)
    assert "Better" in page.locator("#diff").inner_text()
    page.select_option("[name=a]", index=3)
    page.select_option("[name=b]", index=1)
    page.get_by_role("heading", name="Worse").wait_for()
    again = tab(nights).open(page.url.rpartition("/")[2], ready=True)
    assert again.locator("#diff").inner_text() == page.locator("#diff").inner_text()


def test_the_switch_of_light_and_dark_is_remembered(tab, nights):
    page = tab(nights, color_scheme="light").open("index.html")
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(paper)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(paper)
    assert dark != before
    page.reload()
    assert page.evaluate(paper) == dark


def test_search_narrows_a_list_and_stands_in_the_address(tab, nights):
    page = tab(nights).open("scenarios.html")
    page.get_by_role("searchbox").fill("lstm")
    assert page.locator("tbody tr:visible").count() == 1
    again = tab(nights).open(page.url.rpartition("/")[2])
    assert again.locator("tbody tr:visible").count() == 1


def test_without_javascript_there_is_enough_to_read(tab, nights):
    page = tab(nights, java_script_enabled=False).open("index.html")
    assert page.locator("#map tbody a").count() == 36
    assert not page.locator("#filters").is_visible()
    page.locator("#map tbody a").nth(4).click()
    assert "UNSAFE" in page.locator("main").inner_text()
    page.goto(f"file://{nights}/scenario/dense.html")
    assert "saving to h5" in page.locator("main").inner_text()


def test_print_shows_the_map_without_controls(tab, nights):
    page = tab(nights).open("index.html", ready=True)
    page.emulate_media(media="print")
    assert page.locator("#map").is_visible()
    assert not page.locator("#filters").is_visible()
    assert not page.locator("#theme").is_visible()


def test_hostile_content_executes_nothing(tab, hostile):
    opened = tab(hostile)
    pages = [str(path.relative_to(hostile)) for path in sorted(hostile.rglob("*.html"))]
    addresses = ["index.html?text=%3Cscript%3E&cause=%3Cb%3E", "cell.html?cell=%3Cimg%20src=x%3E&run=..%2F..%2Fx"]
    for page in [*pages, *addresses]:
        opened.open(page, ready=is_scripted(page))
        assert opened.page.evaluate("window.hacked") is None
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
    for number in range(0, 100, 9):
        opened.open("index.html", ready=True)
        while opened.page.locator("#more").is_visible():
            opened.page.locator("#more").click()
        opened.page.locator("#list tbody tr a.plain").nth(number).click()
        opened.page.wait_for_selector("body[data-ready]")
        assert opened.page.locator("h2").count() > 3
        assert opened.page.evaluate("window.hacked") is None


def test_the_first_screen_has_the_three_questions(tab, nights):
    for width, height in ((1280, 800), (390, 844)):
        page = tab(nights, width=width).open("index.html", ready=True)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_selector("#answer:not([hidden])")
        for section in page.locator(".questions section").all():
            box = section.bounding_box()
            assert box["y"] + box["height"] <= height, (width, section.inner_text())


def test_from_a_to_b_is_answered_on_the_first_screen(tab, nights):
    page = tab(nights).open("index.html", ready=True)
    page.wait_for_selector("#answer:not([hidden])")
    page.select_option("[name=from]", "2.12.1")
    page.select_option("#choose [name=to]", "2.16.2")
    answer = page.locator("#answer").inner_text()
    assert "UNSAFE" in answer
    assert "break" in answer
    page.locator(".steps a").first.click()
    assert page.locator("#choose [name=from]").input_value() == page.locator(".steps a").first.get_attribute(
        "data-from"
    )
    page.locator("#answer a").click()
    page.wait_for_url("**/upgrade/*.html")


PASTED = """Traceback (most recent call last):
  File "train.py", line 3, in <module>
    model = tf.keras.models.load_model("/srv/models/churn.h5")
ValueError: Could not deserialize 'keras.metrics.mse' because it is not a KerasSaveable subclass
"""


def test_slash_searches_and_a_pasted_error_leads_to_its_cause(tab, nights):
    page = tab(nights).open("scenarios.html")
    page.keyboard.press("/")
    page.keyboard.type("lstm")
    page.locator("#found a").first.wait_for()
    assert "lstm" in page.locator("#found a").first.inner_text()
    page.fill("#find", "")
    page.evaluate(
        """text => {
            const data = new DataTransfer();
            data.setData("text", text);
            const pasted = new ClipboardEvent("paste", { clipboardData: data, cancelable: true });
            document.getElementById("find").dispatchEvent(pasted);
        }""",
        PASTED,
    )
    page.locator("#found .kind", has_text="cause").first.wait_for()
    page.focus("#find")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cause/C-*.html")
    assert "KerasSaveable" in page.locator("main").inner_text()
    assert "compile=False" in " ".join(page.locator("dl.facts").all_inner_texts())


def test_nothing_that_is_looked_for_and_escape(tab, nights):
    page = tab(nights).open("index.html", ready=True)
    page.fill("#find", "nothing-has-this-name")
    page.get_by_text("Nothing in this run has these words.").wait_for()
    page.keyboard.press("Escape")
    assert not page.locator("#found").is_visible()


def test_groups_of_versions_fold(tab, wide):
    page = tab(wide).open("index.html", ready=True)
    columns = page.locator("#map thead th:visible").count()
    page.locator("#folds button", has_text="Keras 2").click()
    assert page.locator("#map thead th:visible").count() < columns
    assert page.locator("#map tbody th:visible").count() == page.locator("#map thead th:visible").count()
    page.locator("#folds button", has_text="Keras 2").click()
    assert page.locator("#map thead th:visible").count() == columns


def test_no_figure_of_the_map_is_cut(tab, wide):
    for width in (1280, 1920):
        page = tab(wide, width=width).open("index.html", ready=True)
        cut = page.evaluate(
            "[...document.querySelectorAll('#map td a')]"
            ".filter((each) => each.scrollWidth > each.clientWidth + 1).length"
        )
        assert cut == 0


def test_a_phone_has_strips_in_place_of_a_wide_map(tab, wide):
    page = tab(wide, width=390).open("index.html", ready=True)
    assert not page.locator("#map").is_visible()
    page.select_option("#writer", "2.15.1")
    assert page.locator("#narrow-strips .strip").count() > 1
    page.locator("#narrow-strips a").last.click()
    assert "writers=2.15.1" in page.url


def test_a_run_is_not_compared_with_itself(tab, nights):
    page = tab(nights).open("diff.html", ready=True)
    page.select_option("[name=a]", index=1)
    page.select_option("[name=b]", index=1)
    page.get_by_text("one and the same run").wait_for()


def weight(site, *names):
    """Bytes of some files, as they are and compressed."""
    contents = [(site / name).read_bytes() for name in names]
    return sum(map(len, contents)), sum(len(gzip.compress(each)) for each in contents)


@pytest.mark.parametrize("address", ["index.html", "cell.html?cell=dense/h5/2.15.1/2.16.2"])
def test_the_first_load_is_light_and_has_not_all_cells(tab, wide, address):
    made = tab(wide)
    loaded = []
    made.page.on("request", lambda asked: loaded.append(unquote(urlsplit(asked.url).path)))
    made.open(address)
    made.page.wait_for_selector("body[data-ready]")
    assert address.startswith("index") or made.page.locator("h1").inner_text() == address.partition("=")[2]
    unpacked, packed = weight(wide, *{Path(each).relative_to(wide) for each in loaded})
    assert unpacked <= 2_500_000
    assert packed <= 300_000
    assert not [each for each in loaded if each.endswith("/cells.js")]


QUESTIONS = {
    "May I go from 2.15.1 to 2.16.2?": ("index.html", (), "#answer strong"),
    "What do I have to change for it?": ("index.html", ("#answer a",), "h2:has-text('change'), h2:has-text('breaks')"),
    "What is new since last night?": ("index.html", (), "section:has(#news) p"),
    "Which warnings matter?": ("index.html", (), "section:has(#signs) p"),
    "May I ignore one?": ("index.html", ("section:has(#signs) > p a",), "td:has-text(':'), td:has-text('few')"),
    "Which format should I save in?": (
        "index.html",
        ("nav a:has-text('Formats')",),
        "h2:has-text('Which one to choose')",
    ),
    "What breaks most?": ("index.html", ("nav a:has-text('Causes')",), "td.figure"),
    "What helps against it?": ("causes.html", ("tbody a",), "dt:has-text('Remedy')"),
    "How does my kind of layer fare?": ("index.html", ("nav a:has-text('Scenarios')", "tbody a"), ".strip"),
    "What happened over the nights?": ("index.html", ("nav a:has-text('History')",), "svg.chart"),
    "When did it begin, and is it still there?": ("index.html", ("a[href='regressions.html']",), "td:has-text('yes')"),
}


def test_questions_are_answered_within_ten_seconds(tab, nights, capsys):
    told = []
    for question, (start, clicks, answer) in QUESTIONS.items():
        begun = time.monotonic()
        page = tab(nights).open(start, ready=is_scripted(start))
        for click in clicks:
            page.locator(click).first.click()
        page.locator(answer).first.wait_for()
        seconds = time.monotonic() - begun
        told.append(f"{question:<42} {seconds:5.1f} s {len(clicks)} clicks")
        assert seconds < 10
    with capsys.disabled():
        print("", *told, sep="\n")


def test_filters_are_quick(tab, wide):
    page = tab(wide).open("index.html", ready=True)
    milliseconds = page.evaluate(
        """() => {
            const field = document.querySelector("#filters [name=format]");
            // The best of five: a busy machine says nothing of the page.
            return Math.min(...["h5", "keras", "h5", "", "h5"].map((value) => {
                field.value = value;
                const begun = performance.now();
                field.dispatchEvent(new Event("input", { bubbles: true }));
                document.body.offsetHeight;
                return performance.now() - begun;
            }));
        }"""
    )
    assert milliseconds < 300
