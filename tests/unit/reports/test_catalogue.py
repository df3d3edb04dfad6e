from __future__ import annotations

import csv
import io
import json

import pytest
from analysis_runs import record, run_of
from markdown_it import MarkdownIt
from tfmatrix.analysis.warnings import catalogue
from tfmatrix.core.choices import CatalogueFormat
from tfmatrix.reports.catalogue import render
from tfmatrix.store.runs import Run
from warning_runs import cells, hostile


def test_csv_has_a_line_for_each_warning_and_no_formula() -> None:
    for run in (run_of(cells()), hostile()):
        found = catalogue(run)
        text = render(found, "csv")
        assert "\r" not in text.replace("\\r", "")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["id"] for row in rows] == [entry.id for entry in found.entries]
        assert all(value[:1] not in ("=", "+", "-", "@") for row in rows for value in row.values())


def test_markdown_is_the_answer_and_two_tables() -> None:
    for run in (run_of(cells()), hostile()):
        text = render(catalogue(run), CatalogueFormat.MD)
        assert text.isascii() or text.replace("\n", "").isprintable()
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        assert next(token.content for token in tokens if token.type == "inline").startswith("Warnings of run")
        tables = [token for token in tokens if token.type == "table_open"]
        assert len(tables) == 2
        rows = [token for token in tokens if token.type == "tr_open"]
        assert len(rows) == 2 + len(catalogue(run).entries)
        boxes = sum(token.type in ("td_open", "th_open") for token in tokens)
        assert boxes == 7 * len(rows), "no pipe of a message makes a column"
        assert not any(token.type in ("html_block", "html_inline") for token in tokens)


def test_json_says_what_the_answer_says() -> None:
    data = json.loads(render(catalogue(run_of(cells())), "json"))
    assert data["schema"] == 1
    assert data["failed_without_warning"] == {"at_save": 2, "at_load": 2, "at_either": 1}
    assert data["answer"].startswith("2 of 3 saves")
    assert [entry["side"] for entry in data["warnings"]] == ["save", "save", "save", "load"]
    json.loads(render(catalogue(hostile()), "json"))


@pytest.mark.parametrize("fmt", list(CatalogueFormat))
def test_the_order_of_records_does_not_matter(fmt: CatalogueFormat) -> None:
    run = run_of(cells())
    backwards = Run(id=run.id, header=run.header, records=run.records[::-1], folder=run.folder)
    assert {entry.id for entry in catalogue(backwards).entries} == {entry.id for entry in catalogue(run).entries}
    assert render(catalogue(run), fmt) == render(catalogue(run_of(cells()[::-1])), fmt)


def test_a_run_in_which_nothing_was_said() -> None:
    text = render(catalogue(run_of([record("a/h5/2.12.1/2.12.1")])), "md")
    assert text.count("No warnings.") == 2
    assert render(catalogue(run_of([])), "csv").count("\n") == 1
