"""`tfmatrix diff`: what it finds, what it says of it, and its exit code."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from pathlib import Path

import pytest
from answer_schemas import hold
from diff_runs import NEW, OLD, header, record, write_run
from tfmatrix.cli import run_command
from tfmatrix.reports.site.files import matrix_json
from tfmatrix.reports.site.grid import Grid
from tfmatrix.store.runs import read_run

CELL = f"dense/h5/{OLD}/{NEW}"
OTHER = f"lstm/keras/{OLD}/{NEW}"


@pytest.fixture
def nights(tmp_path):
    """A function that writes two runs, and returns the project folder."""

    def written(before, after, head_before=None, head_after=None, *, complete: bool = True) -> Path:
        results = tmp_path / "results"
        write_run(results, "night-1", before, head_before or header(), finished="2026-11-21T02:00:00+00:00")
        write_run(
            results, "night-2", after, head_after or header(), finished="2026-11-22T02:00:00+00:00", complete=complete
        )
        return tmp_path

    return written


def diffed(project: Path, capsys, *arguments: str) -> tuple[int, str]:
    code = run_command(["diff", *(arguments or ("night-1", "night-2")), "-C", str(project)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out or captured.err


def as_json(project: Path, capsys, *more: str) -> dict:
    code = run_command(["diff", "night-1", "night-2", "--json", *more, "-C", str(project)])
    data = json.loads(capsys.readouterr().out)
    assert data["exit_code"] == code
    hold("diff", data)
    return data


def test_worse_and_not_known_is_exit_code_1(nights, capsys):
    project = nights(
        [record(CELL), record(OTHER)], [record(CELL, "load-error", error="Unknown layer: 'A'"), record(OTHER)]
    )
    code, text = diffed(project, capsys)
    assert code == 1
    assert "1 worse; 1 unchanged" in text
    assert CELL in text
    assert "pass → load-error" in text
    assert "nothing else is recorded as different" in text


def test_worse_but_known_is_exit_code_0_and_said(nights, capsys):
    code, text = diffed(nights([record(CELL)], [record(CELL, "drift", delta=0.5, known=True)]), capsys)
    assert code == 0
    assert "1 worse (1 of the worse are known)" in text


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (record(CELL, "load-error", error="Unknown layer: 'A'"), record(CELL, "pass"), "better"),
        (record(CELL, "load-error", error="one thing"), record(CELL, "load-error", error="quite another"), "other"),
        (record(CELL, "load-error", error="one"), record(CELL, "drift", delta=0.1), "other"),
        (record(CELL, "drift", delta=0.1), record(CELL, "drift", delta=0.1), None),
        (record(CELL, "drift", delta=0.1), record(CELL, "drift", delta=0.1001), None),
        (record(CELL, "drift", delta=0.1), record(CELL, "drift", delta=0.001), None),
    ],
)
def test_nothing_else_is_exit_code_1(nights, capsys, before, after, kind):
    data = as_json(nights([before], [after]), capsys)
    assert data["exit_code"] == 0
    assert [name for name, cells in data["changes"].items() if cells] == ([kind] if kind else [])


def test_drift_that_grew_beyond_the_noise_of_the_writer_is_worse(nights, capsys):
    drifts = [record(CELL, "drift", delta=1e-3)], [record(CELL, "drift", delta=3e-3)]
    data = as_json(nights(*drifts), capsys)
    assert (data["exit_code"], data["counts"]["grown"]) == (1, 1)


def test_drift_that_grew_within_the_noise_is_none(nights, capsys):
    noise = {f"dense/{OLD}": {"outputs": {"output_0": {"max_abs": 5e-3, "max_ulp": 9}}}}
    project = nights(
        [record(CELL, "drift", delta=1e-3)], [record(CELL, "drift", delta=3e-3)], header(), header(noise=noise)
    )
    assert as_json(project, capsys)["counts"]["grown"] == 0


def test_new_and_gone_cells_are_counted_and_no_alarm(nights, capsys):
    data = as_json(
        nights([record(CELL), record(OTHER)], [record(CELL), record(f"new/h5/{OLD}/{NEW}", "drift")]), capsys
    )
    assert (data["exit_code"], data["counts"]["added"], data["counts"]["removed"]) == (0, 1, 1)


def test_what_cannot_be_measured_any_more_is_no_success(nights, capsys):
    data = as_json(nights([record(CELL)], [record(CELL, "infra-error")]), capsys)
    assert (data["exit_code"], data["counts"]["measured_no_more"]) == (4, 1)


def test_cells_that_an_interrupted_run_lacks_are_no_success(nights, capsys):
    project = nights([record(CELL), record(OTHER)], [record(CELL)], complete=False)
    data = as_json(project, capsys)
    assert data["exit_code"] == 4
    assert "did not come to its end" in data["notes"][0]


def test_warnings_that_came_and_went(nights, capsys):
    old, new = "`model.save` is legacy", "the optimizer's state is skipped"
    project = nights(
        [record(CELL, warnings=[old]), record(OTHER)],
        [record(CELL, warnings=[new]), record(OTHER), record(f"new/h5/{OLD}/{NEW}", warnings=["of a new cell only"])],
    )
    found = {(each["change"], each["text"]) for each in as_json(project, capsys)["warnings"]}
    assert found == {("new", new), ("gone", old)}
    _, text = diffed(project, capsys)
    assert "gone W-" in text


def test_what_else_is_different_is_said_where_it_concerns_the_cell(nights, capsys):
    head = header(
        "3.15.1",
        code={"worker": "w2", "checks": "c1"},
        host={"system": "Linux", "machine": "x86_64", "cpu_flags": ["avx", "avx512f"]},
        settings={"seed": 0, "timeout": 60},
    )
    head["scenarios"] = {**head["scenarios"], "lstm": {"digest": "l2"}}
    project = nights(
        [record(CELL), record(OTHER)], [record(CELL, "load-error", error="no"), record(OTHER)], header(), head
    )
    data = as_json(project, capsys)
    told = {each["kind"]: each["text"] for each in data["also_different"]}
    assert told["environment"] == "keras 3.14.0 → 3.15.1"
    assert told["scenario"] == "another version of the scenario file"
    assert "worker" in told["code"]
    assert told["host"] == "a CPU with avx512f, without avx2 fma"
    assert told["settings"] == "timeout 120 → 60"
    meanwhile = " ".join(data["groups"][0]["meanwhile"])
    assert f"{NEW}: keras 3.14.0 → 3.15.1" in meanwhile
    assert "scenario" not in meanwhile, "only the other scenario's file changed"


def test_the_very_same_measurement_judged_anew_is_said(nights, capsys):
    project = nights([record(CELL, key="k")], [record(CELL, "drift", delta=0.1, key="k")])
    assert "judged anew" in diffed(project, capsys)[1]


def test_previous_and_latest_are_the_default(nights, capsys):
    project = nights([record(CELL)], [record(CELL, "load-error", error="no")])
    assert run_command(["diff", "-C", str(project)]) == 1
    assert "before  night-1" in capsys.readouterr().out


def test_a_run_is_not_compared_with_itself(nights, capsys):
    project = nights([record(CELL)], [record(CELL)])
    assert run_command(["diff", "latest", "night-2", "-C", str(project)]) == 2
    assert "latest and night-2 are the same run, night-2" in capsys.readouterr().err


def test_what_is_written_lies_below_the_project(nights, tmp_path, monkeypatch):
    project = nights([record(CELL)], [record(CELL)])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert run_command(["diff", "-o", "diff.txt", "-C", str(project)]) == 0
    assert (project / "diff.txt").read_text().startswith("before  night-1")
    assert not list(elsewhere.iterdir())


def test_text_fits_80_columns_and_md_is_short(nights, capsys):
    scenario = "a_scenario_with_a_long_name" * 2
    cells = [f"{scenario}_{number}/savedmodel-tfsm/2.16.2+keras3.11.3/2.16.2+keras3.13.2" for number in range(40)]
    project = nights(
        [record(cell) for cell in cells],
        [record(cell, "load-error", error=f"reason {n % 8} " + "a long message " * 20) for n, cell in enumerate(cells)],
    )
    _, text = diffed(project, capsys)
    # But for ids, which stay whole to be copied.
    assert max(len(line) for line in text.splitlines() if scenario not in line) <= 80
    assert text.count(cells[0]) == 1
    code, md = diffed(project, capsys, "night-1", "night-2", "--format", "md")
    assert code == 1
    assert md.startswith("**✗ tfmatrix: 40 worse")
    assert "({SITE}/diff.html?a=night-1&b=night-2)" in md
    assert len(md) < 4000
    assert "more groups" in md or md.count("\n- ") <= 8
    _, md = diffed(project, capsys, "night-1", "night-2", "--as", "md", "--site", "https://example.org/m/")
    assert "(https://example.org/m/diff.html?a=night-1&b=night-2)" in md


def test_a_selection_narrows_both(nights, capsys):
    project = nights([record(CELL), record(OTHER)], [record(CELL, "load-error", error="no"), record(OTHER)])
    assert as_json(project, capsys, "--scenario", "lstm")["exit_code"] == 0
    assert as_json(project, capsys, "--scenario", "tag:layers")["counts"]["worse"] == 1
    for name in ("--format", "--of-format"):  # the second, and --format for how it is written, are older names
        assert as_json(project, capsys, name, "keras")["exit_code"] == 0
        assert run_command(["diff", "-C", str(project), name, "no-such"]) == 3
        assert "no-such" in capsys.readouterr().err
    assert diffed(project, capsys, "night-1", "night-2", "--reader", "2.99.0")[0] == 3


def test_runs_without_a_common_cell(nights, capsys):
    code, text = diffed(nights([record(CELL)], [record(OTHER)]), capsys)
    assert code == 3
    assert "no cell in common" in text


def published(project: Path, tmp_path: Path, run: str) -> Path:
    """matrix.json as a site has it."""
    site = tmp_path / f"site-{run}"
    site.mkdir()
    for name, content in matrix_json(Grid.of(read_run(project / "results", run)), {}, []):
        (site / name).write_text(content)
    return site / "matrix.json"


def test_a_published_file_is_compared_by_its_statuses(nights, capsys, tmp_path):
    project = nights(
        [record(CELL), record(OTHER, "drift", delta=0.1)],
        [record(CELL, "load-error", error="no"), record(OTHER, "drift", delta=9.0)],
        header(), header("3.15.1"),
    )  # fmt: skip
    file = published(project, tmp_path, "night-1")
    code, text = diffed(project, capsys, str(file), "night-2")
    assert code == 1
    assert "1 worse" in text
    assert "a published file has statuses only" in " ".join(text.split())
    assert "keras 3.14.0 → 3.15.1" in text
    assert diffed(project, capsys, str(file.parent), "night-1")[0] == 0


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def served(tmp_path):
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_published_address_is_fetched(nights, capsys, tmp_path, served):
    project = nights([record(CELL)], [record(CELL, "load-error", error="no")])
    published(project, tmp_path, "night-1")
    for address in (
        f"{served}/site-night-1/matrix.json",
        f"{served}/site-night-1/",
        f"{served}/site-night-1/index.html",
    ):
        assert diffed(project, capsys, address, "night-2")[0] == 1


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 4, "answers 404"),
        ("<html>", 2, "not JSON"),
        ('{"run": "r", "schema": 99}', 2, "newer tfmatrix"),
        ('{"run": "r", "schema": 1, "environments": [], "cells": [{"x": 1}]}', 2, "not the matrix.json"),
        ('{"run": "r", "schema": 1, "parts": ["matrix.json", "../secret.json"]}', 2, "not a file beside it"),
        ('{"run": "r", "schema": 1, "cells": "' + "x" * 21_000_000 + '"}', 2, "more than 20 MB"),
    ],
)
def test_an_address_that_is_none(nights, capsys, tmp_path, served, content, code, words):
    project = nights([record(CELL)], [record(CELL)])
    if content is not None:
        (tmp_path / "matrix.json").write_text(content)
    got, text = diffed(project, capsys, f"{served}/matrix.json", "night-2")
    assert (got, words in text) == (code, True), text


def test_plain_http_and_nobody_there(nights, capsys):
    project = nights([record(CELL)], [record(CELL)])
    assert diffed(project, capsys, "http://example.org/matrix.json", "latest") == (
        2,
        "error: http://example.org/matrix.json: not over plain http\n  expected: https\n"
        "  to fix:   https://example.org/matrix.json\n",
    )
    code, text = diffed(project, capsys, "http://127.0.0.1:9/matrix.json", "latest")
    assert code == 4
    assert "cannot be had" in text
