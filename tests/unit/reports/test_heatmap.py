"""The overview of many environments: it folds into blocks, loses nothing, and no sign is told by colour alone."""

from __future__ import annotations

import importlib.util
import re
import sys
from xml.etree import ElementTree

import pytest
from repository import ROOT
from run_builder import drift, load_error, record, run_of
from tfmatrix.analysis.squares import Squares
from tfmatrix.reports import terminal
from tfmatrix.reports.document import Table
from tfmatrix.reports.heatmap import heat_map
from tfmatrix.reports.render import render
from tfmatrix.reports.run_report import build

NAMES = [f"2.{number}.0" for number in range(1, 39)] + ["2.16.2+keras3.11.3", "nightly"]
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def forty(scenarios: int = 3):
    cells = []
    for row, writer in enumerate(NAMES):
        for column, reader in enumerate(NAMES):
            for number in range(scenarios):
                cell = f"s{number}/h5/{writer}/{reader}"
                if (row + column) % 7 == 0:
                    cells.append(drift(cell, known=column % 2 == 0))
                elif (row * column) % 11 == 3 and number == 0:
                    cells.append(load_error(cell, "x"))
                else:
                    cells.append(record(cell))
    return run_of(cells, {"environments": {name: {} for name in NAMES}})


@pytest.fixture(scope="module")
def run():
    return forty()


def overview(text: str) -> str:
    return text.split("Overview\n--------\n")[1].split("\nLegend\n")[0]


@pytest.mark.parametrize(("width", "blocks"), [(60, 5), (80, 3), (120, 2), (200, 1)])
def test_forty_environments_fold_into_even_blocks(run, width, blocks):
    shown = overview(render(run, detail=False, width=width))
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    heads = [line for line in lines if line.startswith("writer↓")]
    assert len(heads) == blocks
    numbers = [int(number) for line in heads for number in line.split()[2:]]
    assert numbers == list(range(1, 41))
    sizes = [len(line.split()) - 2 for line in heads]
    assert max(sizes) - min(sizes) < blocks + 1
    # Every block names all its rows, with the number that a column has.
    assert len(re.findall(r"^39 2\.16\.2\+keras3\.11\.3 ", shown, re.MULTILINE)) == blocks


def pairs_of(cells):
    return Squares.of(run_of(list(cells))).counts_by_pair()


def test_a_field_is_the_worst_status_and_its_count(run):
    fields = heat_map(pairs_of(run.records), NAMES).rows[1][1]
    assert fields[0].text == "✓3"
    assert fields[3].text == "✗1"
    assert fields[6].text == "≠3*"
    assert heat_map(pairs_of(run.records), NAMES).key.endswith("≠ drift, ✗ load-error, ✓ pass")


def test_one_cell_a_pair_needs_no_count(run):
    heat = heat_map(pairs_of(each for each in run.records if each.scenario == "s0"), NAMES)
    assert {field.text for _, row in heat.rows for field in row if field} == {"✓", "✗", "≠", "≠*"}


def test_pairs_that_were_not_run_are_empty():
    heat = heat_map(pairs_of([record("s/h5/a/a"), record("s/h5/b/b")]), ["a", "b"])
    assert heat.rows == (("a", (heat.rows[0][1][0], None)), ("b", (None, heat.rows[1][1][1])))
    table = Table(head=("w", "a", "b", "c", "d"), rows=((("x" * 50,),) * 5,), narrow=((("x" * 50,),) * 5,), heat=heat)
    assert terminal.render([table], width=40).splitlines()[:3] == ["w   1 2", "1 a ✓", "2 b   ✓"]


def test_colour_says_only_what_the_signs_say(run):
    plain = render(run, detail=False, width=80)
    coloured = render(run, detail=False, width=80, colour=True)
    assert ESCAPE.sub("", coloured) == plain
    assert "\x1b" not in plain
    assert re.search(r"\x1b\[[0-9;]*41m≠3\x1b\[0m", coloured), "what fails, and is not known, is filled"


def test_every_field_has_its_colour_and_nothing_else_has(run):
    coloured = render(run, detail=False, width=80, colour=True)
    shown = coloured[coloured.index("writer↓") : coloured.index("Legend")]
    fields = re.findall(r"\x1b\[[0-9;]+m([^\x1b]*)\x1b\[0m", shown)
    assert len([field for field in fields if field[0] in "✓✗≠"]) == 40 * 40


def test_few_environments_are_shown_in_words(run):
    few = run_of([each for each in run.records if {each.writer, each.reader} <= set(NAMES[:4])])
    assert "✗ load-error 1" in overview(terminal.render(build(few, detail=False), width=100))


def test_thousands_stay_narrow():
    cells = [record(f"s{number}/h5/a/a") for number in range(1200)]
    assert heat_map(pairs_of(cells), ["a"]).rows[0][1][0].text == "✓1k"


@pytest.mark.parametrize("environments", [4, 40])
def test_the_readmes_picture_is_the_overview_of_a_run(run, environments, monkeypatch):
    """docs/generate.py makes docs/overview.svg of it: one file, nothing from elsewhere."""
    path = ROOT / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    assert spec is not None
    assert spec.loader is not None
    monkeypatch.setattr(sys, "path", [*sys.path])
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    chosen = NAMES[:environments]
    described = {name: {"tensorflow": name, "python": "3.11"} for name in chosen}
    part = run_of(
        [each for each in run.records if {each.writer, each.reader} <= set(chosen)], {"environments": described}
    )
    svg = generate.picture(part)
    ElementTree.fromstring(svg)
    assert "@font-face" not in svg
    assert not re.findall(r'(?:href|src)="|url\((?!#)', svg)
    text = svg.replace("&#160;", " ")
    assert all(name in text for name in chosen)
    assert ("✗3" in text or "✗1" in text) == (environments == 40)
