from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
import tfmatrix.reports.site
from jsonschema import Draft202012Validator
from site_runs import VERSIONS, write_adaptive, write_hostile, write_nights, write_run
from tfmatrix.core.errors import UsageError
from tfmatrix.reports.site import data, files
from tfmatrix.reports.site.build import write_site
from tfmatrix.reports.site.data import MAX_FILE
from tfmatrix.reports.site.grid import Grid


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    results = tmp_path_factory.mktemp("nights")
    runs = write_nights(results, 3)
    write_site(runs[-1], results / "site", runs[-2::-1])
    return results / "site", runs[-1]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    results = tmp_path_factory.mktemp("hostile")
    run = write_hostile(results)
    write_site(run, results / "site")
    return results / "site", run


@pytest.fixture(params=["nights", "hostile"])
def either(request):
    return request.getfixturevalue(request.param)


def test_matrix_json_is_what_its_schema_says_and_has_every_cell(either):
    site, run = either
    schema = json.loads((site / "matrix.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    data = json.loads((site / "matrix.json").read_text())
    Draft202012Validator(schema).validate(data)
    cells = [cell for row in data["cells"] for cell in row["readers"] if cell]
    assert len(cells) == len(run.records)
    assert sorted(cell.split()[0] for cell in cells) == sorted(record.status.value for record in run.records)


def test_cells_csv_has_a_line_per_cell(either):
    site, run = either
    rows = list(csv.DictReader(io.StringIO((site / "cells.csv").read_text(), newline="")))
    assert len(rows) == len(run.records)
    assert {row["status"] for row in rows} == {record.status.value for record in run.records}


def test_a_spreadsheet_computes_nothing():
    line = files._csv_line(["=cmd()", "+1", "plain"])
    assert line == "'=cmd(),'+1,plain\r\n"


def test_junit_counts_what_it_holds(either):
    site, run = either
    suite = ET.parse(site / "junit.xml").getroot().find("testsuite")
    assert int(suite.get("tests")) == len(suite.findall("testcase")) == len(run.records)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == sum(r.is_news for r in run.records)
    assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))


def test_the_feed_has_an_entry_for_each_run_that_changed_something(nights):
    site, _ = nights
    feed = ET.parse(site / "news.atom").getroot()
    atom = "{http://www.w3.org/2005/Atom}"
    entries = feed.findall(f"{atom}entry")
    assert entries
    for entry in entries:
        assert entry.find(f"{atom}id").text.startswith("tag:")
        assert re.match(r"\d{4}-\d\d-\d\dT", entry.find(f"{atom}updated").text)
        assert "diff.html?a=" in entry.find(f"{atom}link").get("href")


def test_a_badge_in_both_forms_for_the_steps_that_people_ask_for(nights):
    site, run = nights
    environments = len(run.header["environments"])
    assert environments - 1 <= len(list((site / "badges").glob("*.svg"))) <= environments + 5
    assert "Badge" not in (site / "upgrade/2.12.1--2.16.2.html").read_text()
    assert "badges/2.15.1--2.16.2.svg" in (site / "upgrade/2.15.1--2.16.2.html").read_text()
    svg = ET.parse(site / "badges/2.15.1--2.16.2.svg").getroot()
    endpoint = json.loads((site / "badges/2.15.1--2.16.2.json").read_text())
    assert endpoint["schemaVersion"] == 1
    assert f"{endpoint['label']}: {endpoint['message']}" == svg.get("aria-label")


def test_table_md_is_a_table(either):
    site, _ = either
    lines = [line for line in (site / "table.md").read_text().splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert len(widths) <= 2  # The verdicts, and the map.


def test_every_part_is_small_and_whole(tmp_path, monkeypatch):
    run = write_run(tmp_path, scenarios=3)
    grid = Grid.of(run)
    monkeypatch.setattr(files, "_TARGET", 20_000)
    parts = dict(files.cells_csv(grid))
    assert len(parts) > 1
    assert all(len(part) < 30_000 for part in parts.values())
    rows = [row for part in parts.values() for row in csv.DictReader(io.StringIO(part, newline=""))]
    assert len(rows) == len(run.records)
    suites = [ET.fromstring(part.encode()).find("testsuite") for _, part in files.junit(grid)]
    assert sum(int(suite.get("failures")) for suite in suites) == sum(record.is_news for record in run.records)
    matrix = {name: json.loads(part) for name, part in files.matrix_json(grid, {}, ())}
    assert matrix["matrix.json"]["parts"] == list(matrix)
    assert sum(cell is not None for part in matrix.values() for row in part["cells"] for cell in row["readers"]) == len(
        run.records
    )


def received(path):
    """What a data file of the site hands over."""
    return json.loads(re.fullmatch(r"tfmatrix\.receive\(\"[^\"]*\",(.*)\);\n", path.read_text(), re.DOTALL)[1])


def test_what_is_inferred_is_told_from_what_was_measured(tmp_path):
    run = write_adaptive(tmp_path / "results")
    site = write_site(run, tmp_path / "site").folder
    inferred = {record.cell for record in run.records if record.inferred}
    assert inferred
    rows = list(csv.DictReader(io.StringIO((site / "cells.csv").read_text(), newline="")))
    assert {row["cell"] for row in rows} == {record.cell for record in run.records} - inferred
    assert len(ET.parse(site / "junit.xml").getroot().findall(".//testcase")) == len(rows)
    matrix = json.loads((site / "matrix.json").read_text())
    Draft202012Validator(json.loads((site / "matrix.schema.json").read_text())).validate(matrix)
    marked = [cell for row in matrix["cells"] for cell in row["readers"] if cell and cell.endswith(" inferred")]
    assert len(marked) == len(inferred)
    assert f"{len(inferred)} inferred" in (site / "index.html").read_text()


def test_the_evidence_of_an_inferred_cell_is_that_of_its_source(tmp_path):
    run = write_adaptive(tmp_path / "results")
    site = write_site(run, tmp_path / "site").folder
    index = received(site / "data/adaptive/index.js")
    names = [each["name"] for each in index["environments"]]
    block = index["blocks"][0]
    file = received(site / f"data/adaptive/cells/{block['s']}-{block['f']}-{block['files'][0]}.js")
    writer, source = names.index("2.14.1"), names.index("2.13.1")
    assert str(writer) not in file["cells"]
    assert file["inferred"][str(writer)] == [
        [reader, 1, source * len(names) + reader, "artifact"] for reader in range(len(names))
    ]
    assert set(index["inferred"]) == {"artifact", "reader"}


def test_every_cell_of_the_index_is_that_of_the_run(tmp_path):
    run = write_run(tmp_path / "results", scenarios=3)
    site = write_site(run, tmp_path / "site").folder
    index = received(next((site / "data").glob("*/index.js")))
    names = [each["name"] for each in index["environments"]]
    cells = received(next((site / "data").glob("*/cells.js")))
    found = {}
    for block, kinds in zip(index["blocks"], cells["blocks"], strict=True):
        told = iter(kinds["rows"])
        rows = [cells["rows"][place] for place, times in zip(told, told, strict=True) for _ in range(times)]
        runs = [run.split("*") for row in rows for run in row.split(",")]
        outcomes = [outcome for outcome, *times in runs for _ in range(int(*times or "1"))]
        assert len(outcomes) == len(names) ** 2
        for place, outcome in enumerate(outcomes):
            writer, reader = names[place // len(names)], names[place % len(names)]
            scenario, fmt = index["scenarios"][block["s"]]["name"], index["formats"][block["f"]]["name"]
            found[f"{scenario}/{fmt}/{writer}/{reader}"] = cells["outcomes"][int(outcome) - 1][0]
    assert found == {record.cell: record.status.code for record in run.records}


def test_saves_share_a_file_until_there_is_enough_for_one(tmp_path, monkeypatch):
    run = write_run(tmp_path / "results", scenarios=1)
    few = write_site(run, tmp_path / "few").folder
    monkeypatch.setattr(data, "_TARGET", 1)
    many = write_site(run, tmp_path / "many").folder
    counts = [len(list(each.glob("data/*/cells/*.js"))) for each in (few, many)]
    assert counts[0] == len(run.header["formats"])
    assert counts[1] > 3 * counts[0]


def test_same_input_same_bytes(tmp_path):
    runs = write_nights(tmp_path, 2, scenarios=2)

    def digests(folder: Path) -> dict[str, str]:
        write_site(runs[1], folder, runs[:1])
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    first = digests(tmp_path / "one")
    assert first == digests(tmp_path / "two")
    # Over an earlier site, nothing of it remains.
    (tmp_path / "one/stale.html").write_text("old")
    assert first == digests(tmp_path / "one")


def test_a_folder_that_is_not_a_site_is_left_alone(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="not empty"):
        write_site(write_run(tmp_path / "results", scenarios=1), tmp_path / "home")
    assert (tmp_path / "home/letter.txt").read_text() == "dear"


def test_no_file_is_large_and_none_needs_a_network(either):
    site, _ = either
    for path in site.rglob("*"):
        if path.is_file():
            assert path.stat().st_size < MAX_FILE, path
    for page in site.rglob("*.html"):
        for address in re.findall(r'(?:src|<link[^>]* href)="([^"]*)"', page.read_text()):
            assert not re.match(r"[a-z]+:|//", address), (page, address)


def test_every_link_within_the_site_leads_somewhere(either):
    site, _ = either
    for page in site.rglob("*.html"):
        for address in set(re.findall(r'(?:href|src)="([^"#?]+)[^"]*"', page.read_text())):
            if not re.match(r"https?:", address):
                assert (page.parent / unquote(address)).exists(), (page.name, address)


def test_hostile_text_is_no_markup(hostile):
    site, _ = hostile
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert "<script>" not in text
        assert "<img src=x" not in text
        assert not set("\x1b\x00\u202e\u2028") & set(text)
        assert "{{ 7 * 7 }}" in text or "lone" not in text
        assert 'href="javascript:' not in text
    for script in site.rglob("data/**/*.js"):
        assert "<" not in script.read_text(encoding="ascii")


def test_without_javascript_the_pages_say_what_was_measured(nights):
    site, run = nights
    page = (site / "scenario/dense.html").read_text()
    for environment in run.header["environments"]:
        assert f'"{environment}' in page or f", {environment}" in page, "it stands in no strip as a writer"
        assert f"<span>{environment}</span>" in page
    assert "saving to h5" in page
    pair = (site / "upgrade/2.12.1--2.16.2.html").read_text()
    assert "UNSAFE" in pair
    assert "compile=False" in pair


def test_the_package_brings_its_templates_and_scripts():
    folder = Path(tfmatrix.reports.site.__file__).parent
    assert (folder / "templates/base.html").is_file()
    assert (folder / "static/site.css").is_file()
    assert len(VERSIONS) == 30
