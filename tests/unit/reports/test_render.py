from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from repository import ROOT
from run_builder import GOLDEN, VERSIONS, article_run, drift, golden_text, load_error, record, run_of
from tfmatrix.core.errors import UsageError
from tfmatrix.core.plugins import names_in
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.reports import export
from tfmatrix.reports.render import render, write
from tfmatrix.store.runs import Run

HOSTILE = "a|b `c` \x1b[2J\x1b[31m\r\n\x00<script>\u202e\udc80 **" + "x" * 2**20
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def hostile_run() -> Run:
    warning = {"phase": "save", "category": HOSTILE, "message": HOSTILE, "count": 1}
    cells = [
        load_error(
            "s/h5/2.12.1/2.15.1", HOSTILE, HOSTILE, remedy=HOSTILE, save={"status": "ok", "warnings": [warning]}
        ),
        record("s/h5/2.15.1/2.12.1", "infra-error", error={"type": "E", "message": HOSTILE}),
        drift("s/h5/2.15.1/2.15.1", "nan", (HOSTILE, "outputs"), known=True),
    ]
    header = {
        "environments": {"2.12.1": {"packages": {"keras": HOSTILE, "h5py": 3}, "python": HOSTILE}, "2.15.1": {}},
        "executor": {"name": HOSTILE, "reason": HOSTILE},
        "set": HOSTILE,
        "scenarios": {"s": {"title": HOSTILE, "description": f"```\n{HOSTILE}\n<!-- open"}},
        "known_failures": [
            {"cells": ["s"], "status": ["drift"], "reason": HOSTILE, "link": f"https://{HOSTILE}", "until": HOSTILE}
        ],
    }
    return run_of(cells, header, problems=(HOSTILE,))


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden(name: str) -> None:
    expected = (Path(__file__).parent / "golden" / name).read_bytes().decode()
    assert golden_text(name) == expected, "see the difference; `python tests/builders/run_builder.py` writes it anew"


def test_the_same_run_gives_the_same_bytes_in_every_process() -> None:
    code = (
        "from run_builder import article_run; from tfmatrix.reports.render import render\n"
        "for fmt in ('table', 'md', 'csv', 'json'): print(ascii(render(article_run(), fmt)))"
    )
    here = {"PYTHONPATH": f"{ROOT / 'tests/builders'}:{ROOT / 'runner'}"}
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={**here, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
    assert len(texts.pop()) > 10_000


def test_an_unknown_format_names_the_choices() -> None:
    with pytest.raises(UsageError, match="unknown report format 'html'") as caught:
        render(article_run(), "html")
    assert caught.value.expected == "one of: table, archive, csv, json, md, site"


# What the report says


def text_of(run: Run, **options: Any) -> str:
    return render(run, "table", width=100, **options)


def test_news_stand_before_everything_else() -> None:
    text = text_of(article_run())
    assert "!!! 2 unexpected incompatibilities" in text
    assert text.index("!!!") < text.index("Overview")
    assert "- optimizer_state/h5/2.12.1/2.21.0 drift: optimizer" in text
    assert "\n    tfmatrix explain optimizer_state/h5/2.12.1/2.21.0\n" in text


def test_no_news_is_no_heading() -> None:
    text = text_of(run_of([record("s/h5/2.12.1/2.12.1"), load_error("s/h5/2.12.1/2.15.1", "x", known=True)]))
    assert "unexpected" not in text
    assert "!!!" not in text
    assert "1 incompatible, of which 1 known and 0 new" in text


def test_what_is_inferred_and_not_listed_is_neither_known_nor_news() -> None:
    inferred = {"from": "s/h5/2.12.1/2.15.1", "by": "block"}
    failing = [
        load_error("s/h5/2.12.1/2.15.1", "x", known=True),
        load_error("s/h5/2.12.1/2.16.2", "x", inferred=inferred),
    ]
    text = text_of(run_of([record("s/h5/2.12.1/2.12.1"), *failing]))
    assert "2 incompatible, of which 1 known and 0 new. Inferred, and not listed: 1." in " ".join(text.split())


def test_many_news_are_cut_and_counted() -> None:
    cells = [load_error(f"s{number:03}/h5/2.12.1/2.15.1", "x") for number in range(100)]
    text = render(run_of(cells), "md", detail=False)
    assert text.count("- `s") == 30
    assert "and 70 more" in text


def test_fixed_cells_are_an_alarm() -> None:
    text = text_of(article_run())
    assert "!!! 1 cell listed in known_failures.yaml now passes" in text
    assert "- optimizer_state/savedmodel/2.15.1/2.12.1 pass" in text


def test_what_could_not_be_measured_is_never_silent() -> None:
    error = {"type": "InfrastructureError", "message": "no lock"}
    cells = [
        record("s/h5/2.12.1/2.12.1"),
        *(record(f"s/h5/2.12.1/2.1{n}.0", "infra-error", error=error) for n in (5, 6)),
    ]
    text = text_of(run_of(cells))
    assert "!!! 2 cells were not measured (infra-error)" in text
    assert "- 2 cells: InfrastructureError: no lock" in text


def test_known_failures_stand_once_with_their_cells() -> None:
    text = render(article_run(), "md")
    assert text.count("Keras 3 knows the layer only with") == 1
    assert "- 14 cells: Keras 3 knows the layer only with `custom_objects`" in text
    assert "<https://github.com/keras-team/keras/issues/1>" in text
    assert "1 entry of known_failures.yaml applies to no cell of this run." in text


def test_a_known_cell_counts_for_the_entry_that_lists_its_status() -> None:
    entries = [
        {"cells": ["s/**"], "status": ["load-error"], "reason": "raises"},
        {"cells": ["s/**"], "status": ["drift"], "reason": "differs"},
        {"cells": ["t/**"], "status": ["drift"], "reason": "elsewhere"},
    ]
    cells = [
        load_error("s/h5/2.12.1/2.15.1", "x", known=True),
        load_error("s/h5/2.15.1/2.12.1", "x", known=True),
        drift("s/h5/2.15.1/2.15.1", 1.0, known=True),
    ]
    text = text_of(run_of(cells, {"known_failures": entries}))
    assert "- 2 cells: raises — s/**" in text
    assert "- 1 cell: differs — s/**" in text
    assert "elsewhere" not in text


def test_an_interrupted_run_says_so() -> None:
    run = run_of([record("s/h5/2.12.1/2.12.1")], {"complete": False}, problems=("cells.jsonl:2: cut off",))
    text = text_of(run)
    assert "!!! This run did not come to its end" in text
    assert "- cells.jsonl:2: cut off" in text


@pytest.mark.parametrize("fmt", ["table", "md", "csv", "json"])
def test_a_run_without_cells_and_with_the_barest_header(fmt: str) -> None:
    run = Run(id="r", header={"schema": 1, "run": "r", "complete": False}, records=(), folder=Path("r"))
    assert render(run, fmt)
    assert render(replace(run, records=(record("s/h5/a/b"),)), fmt)


def test_environments_are_in_the_order_of_the_matrix() -> None:
    run = article_run(["2.21.0", "2.12.1"])
    reordered = replace(
        run, header={**run.header, "environments": dict(reversed(list(run.header["environments"].items())))}
    )
    assert re.search(r"writer↓ reader→ +2\.21\.0 +2\.12\.1", text_of(reordered))
    overview = text_of(reordered).split("Overview")[1].split("Environments")[0]
    assert [line.split()[0] for line in overview.splitlines() if line[:2] == "2."] == ["2.21.0", "2.12.1"]
    assert "2.16.2" not in text_of(reordered)


def test_environments_that_are_not_described_yet_have_no_table() -> None:
    text = text_of(run_of([record("s/h5/2.12.1/2.15.1")], {"environments": {"2.12.1": {}, "2.15.1": {}}}))
    assert "Environments" not in text


def test_package_names_are_found_however_they_are_spelt() -> None:
    run = article_run(["nightly", "2.16.2+tf-keras"])
    table = render(run, "table", width=160, detail=False).split("Environments")[1].splitlines()
    lines = [re.split(" {2,}", line) for line in table if line.startswith(("environment", "nightly"))]
    assert lines[0] == ["environment", "TensorFlow", "Keras", "tf-keras", "Python", "numpy", "h5py", "protobuf"]
    assert lines[1][:3] == ["nightly", "2.22.0.dev20251120", "3.16.0.dev2025112003"]


def test_without_detail_there_are_no_scenarios_and_no_marks_of_theirs() -> None:
    text = text_of(article_run(), detail=False)
    assert "Overview" in text
    assert "custom_layer / h5" not in text
    assert "flaky" not in text


def test_cells_that_were_not_run_are_empty_and_explained() -> None:
    text = text_of(run_of([record("s/h5/2.12.1/2.15.1"), record("s/h5/2.15.1/2.12.1")]))
    assert "an empty cell is not part of this run" in text


# table


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("count", range(2, 9))
def test_nothing_is_wider_than_the_terminal(width: int, count: int) -> None:
    text = render(article_run(list(VERSIONS)[:count]), "table", width=width)
    assert max(map(len, text.splitlines())) <= width
    assert text.endswith("\n")
    assert not re.search(r" $", text, re.MULTILINE)


@pytest.mark.parametrize(("count", "width"), [(4, 80), (6, 100)])
def test_the_overview_is_in_one_piece(count: int, width: int) -> None:
    text = render(article_run(list(VERSIONS)[:count]), "table", width=width, detail=False)
    assert text.count("writer↓") == 1


def test_a_table_that_is_too_wide_keeps_every_column() -> None:
    names = list(VERSIONS)[:5]
    text = render(article_run(names), "table", width=60)
    overview = text.split("Overview")[1].split("Environments")[0]
    headers = [name for line in overview.splitlines() if line.startswith("writer↓") for name in line.split()[1:]]
    assert headers == names


def test_commands_and_ids_are_never_broken() -> None:
    cell = f"{'long-' * 30}/tf-savedmodel/2.12.1/2.15.1"
    text = render(run_of([load_error(cell, "x")]), "table", width=60)
    assert f"tfmatrix explain {cell}\n" in text
    assert f"- {cell}\n" in text
    short = "s/tf-savedmodel-with-a-long-name/2.12.1/2.16.2+tf-keras"
    assert f" {short}\n" in render(run_of([load_error(short, "x")]), "table", width=60)


@pytest.mark.parametrize("make", [article_run, hostile_run])
def test_colours_change_nothing_but_colour(make: Any) -> None:
    plain, coloured = text_of(make()), text_of(make(), colour=True)
    assert ESCAPE.search(coloured)
    assert not ESCAPE.search(plain)
    assert ESCAPE.sub("", coloured) == plain


def test_alarms_and_statuses_are_coloured() -> None:
    coloured = text_of(article_run(), colour=True)
    assert "\x1b[1;31m!!! 2 unexpected" in coloured
    assert "\x1b[32m✓" in coloured
    assert "\x1b[31mload-error" in coloured


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO, fmt: str = "table") -> str:
    write(article_run(), fmt, stream)
    return stream.getvalue()


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert ESCAPE.search(written(Terminal()))
    assert not ESCAPE.search(written(io.StringIO()))
    for fmt in ("md", "csv", "json"):
        assert not ESCAPE.search(written(Terminal(), fmt))
    monkeypatch.setenv("TERM", "dumb")
    assert not ESCAPE.search(written(Terminal()))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not ESCAPE.search(written(Terminal()))
    monkeypatch.setenv("NO_COLOR", "")
    assert ESCAPE.search(written(Terminal()))


def test_the_terminals_width_is_used_and_a_file_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "64")
    assert max(map(len, written(Terminal()).splitlines())) <= 64
    assert written(io.StringIO()) == text_of(article_run())


def test_a_stream_that_knows_no_unicode() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="")
    write(article_run(), "table", stream)
    stream.flush()
    assert b"\\u2713" in raw.getvalue()


# md


def tables_of(markdown: str) -> list[list[str]]:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("th_open", "td_open"):
            rows[-1].append(token.content)
    return rows


def test_markdown_tables_are_tables() -> None:
    rows = tables_of(render(article_run(), "md"))
    assert ["writer↓ reader→", "2.12.1", "2.15.1", "2.16.2", "2.21.0"] in rows
    assert len(rows) == 5 * 5, "overview, environments, and three scenario × format"
    assert {len(row) for row in rows} == {5, 7}


def test_hostile_text_breaks_no_markdown() -> None:
    text = render(hostile_run(), "md")
    assert text.isascii() or text.encode()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert len(text) < 40_000
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = {child.type for token in tokens for child in token.children or []} | {token.type for token in tokens}
    # The author's description may hold HTML, which GitHub sanitizes; it is quoted, so that it ends with its quote.
    outside = [token for token in tokens if token.level == 0]
    assert not {token.type for token in outside} & {"html_block", "fence_open", "code_block"}
    assert "html_inline" not in kinds
    assert [token for token in outside if token.type == "heading_open"][-1].markup == "##"
    assert "## Legend" in text


# csv


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_csv_has_one_row_per_cell_and_ends_its_lines_with_crlf() -> None:
    text = render(article_run(), "csv")
    rows = rows_of(text)
    assert len(rows) == 48
    assert text.count("\r\n") == 49
    assert text.count("\n") == 49
    by_cell = {row["cell"]: row for row in rows}
    cell = by_cell["custom_layer/h5/2.12.1/2.15.1"]
    assert (cell["status"], cell["known"], cell["outputs_max_abs"]) == ("drift", "True", "0.0312")
    assert by_cell["custom_layer/h5/2.12.1/2.16.2"]["error_type"] == "TypeError"


def test_csv_of_hostile_text_has_its_shape() -> None:
    text = render(hostile_run(), "csv")
    rows = rows_of(text)
    assert len(rows) == 3
    assert all(None not in row and None not in row.values() for row in rows)
    assert all(len(value) <= 1000 for row in rows for value in row.values())
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f]", text)
    text.encode()


# json


def test_json_holds_everything() -> None:
    run = article_run()
    data = json.loads(render(run, "json"))
    assert list(data) == ["schema", "run", "cells"]
    assert data["schema"] == 1
    assert data["run"] == json.loads(json.dumps(run.header))
    assert [CellRecord.from_json(cell) for cell in data["cells"]] == list(run.records)


def test_json_of_hostile_text_is_complete_and_ascii() -> None:
    text = render(hostile_run(), "json")
    assert text.isascii()
    assert json.loads(text)["cells"][0]["error"]["message"] == HOSTILE


# everything


NAMES = st.sampled_from(["2.12.1", "2.15.1", "2.16.2+tf-keras", "nightly", "2.99"])


ERRORS = st.fixed_dictionaries({"phase": st.sampled_from(["save", "load"]), "message": st.text()})


@st.composite
def runs(draw: st.DrawFn) -> Run:
    pairs = draw(
        st.lists(st.tuples(st.sampled_from(["s", "t"]), st.sampled_from(["h5", "keras"]), NAMES, NAMES), unique=True)
    )
    cells = []
    for pair in pairs:
        text = draw(st.text(max_size=20))
        status = draw(st.sampled_from(list(Status)))
        cells.append(
            record(
                "/".join(pair),
                status,
                known=draw(st.booleans()),
                fixed=draw(st.booleans()),
                flaky=draw(st.booleans()),
                promised=draw(st.booleans()),
                failed_checks=tuple(draw(st.lists(st.sampled_from(["outputs", "weights", text])))),
                checks={"outputs": {"status": "fail", "max_abs": draw(st.floats() | st.sampled_from(["nan", "inf"]))}},
                error=draw(st.none() | ERRORS),
                remedy=draw(st.none() | st.just(text)),
            )
        )  # fmt: skip
    return run_of(cells, {"known_failures": [{"cells": ["s/**"], "status": ["drift"], "reason": draw(st.text())}]})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(run=runs(), width=st.integers(0, 150))
def test_any_run_can_be_reported(run: Run, width: int) -> None:
    text = render(run, "table", width=width)
    assert all(line.isprintable() for line in text.split("\n"))
    assert ESCAPE.sub("", render(run, "table", width=width, colour=True)) == text
    rows = tables_of(render(run, "md"))
    assert all(len(row) == len(rows[0]) or len(row) > 1 for row in rows)
    assert len(rows_of(render(run, "csv"))) == len(run.records)
    assert len(json.loads(render(run, "json"))["cells"]) == len(run.records)


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("tfmatrix.reports", ["pandas", "numpy", "tabulate", "rich", "pydantic"]),
        ("tfmatrix.engine.progress", ["rich", "pandas", "pydantic"]),
    ],
)
def test_importing_is_cheap(module: str, forbidden: Sequence[str]) -> None:
    code = f"import sys, {module}; print([name for name in {list(forbidden)} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_form_is_found_by_its_file(tmp_path, monkeypatch) -> None:
    (tmp_path / "count.py").write_text(
        '"""The number of cells."""\n\nNAME = "count"\n\n\n'
        'def render(run, *, detail, width, colour):\n    return f"{len(run.records)}\\n"\n'
    )
    folder = Path(export.__file__).parent
    monkeypatch.setattr(export, "names_in", lambda place: {"count": "count", **names_in(str(folder))})
    monkeypatch.setattr(export, "__path__", [*export.__path__, str(tmp_path)])
    assert export.form_names() == ("table", "archive", "count", "csv", "json", "md", "site")
    assert render(article_run(), "count") == f"{len(article_run().records)}\n"
