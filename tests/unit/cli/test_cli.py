"""The command line as a user meets it: what goes to which stream, exit codes, errors without tracebacks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from tfmatrix import cli
from tfmatrix.cli import run_command
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine import run as commands
from tfmatrix.store.runs import RunWriter

MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.11"}
  - {tensorflow: "2.21.0", python: "3.11"}
sets:
  quick: {scenarios: ["dense"]}
"""
SCENARIO = '"""A dense layer."""\nimport tensorflow as tf\nFORMATS = ("h5", "keras")\n'
SCENARIO += "def build_model(): return tf.keras.Sequential()\ndef inputs(rng): return rng.rand(2)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "dense.py").write_text(SCENARIO)
    return tmp_path


def test_plan_counts_on_stdout(project, capsys):
    assert run_command(["plan", "--set", "quick", "-C", str(project)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^cells +8$", out, re.MULTILINE)
    assert re.search(r"^saves +4$", out, re.MULTILINE)


def test_plan_as_json_and_as_cells(project, capsys):
    assert run_command(["plan", "--json", "-C", str(project)]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["cells"] == 8
    assert run_command(["plan", "--cells", "--only", "dense/h5/*/2.21.0", "-C", str(project)]) == 0
    assert capsys.readouterr().out.split() == ["dense/h5/2.15.1/2.21.0", "dense/h5/2.21.0/2.21.0"]


def test_a_glob_that_matches_nothing_is_a_warning_beside_one_that_does(project, capsys):
    assert run_command(["plan", "--format", "h5", "--format", "keras3", "-C", str(project)]) == 0
    assert 'warning: --format "keras3" matches nothing; did you mean "keras"?' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["plan", "--set", "quik"], ExitCode.USAGE, 'did you mean "quick"?'),
        (["plan", "--scenario", "dens"], ExitCode.NOTHING_SELECTED, 'did you mean "dense"?'),
        (["plan", "--only", "@missing.txt"], ExitCode.USAGE, "missing.txt"),
        (["run", "--executor", "dokcer"], ExitCode.USAGE, 'did you mean "docker"?'),
        (["report"], ExitCode.USAGE, "no run"),
        (["explain", "dense/h5"], ExitCode.USAGE, "no run"),
        (["reproduce", "dense/h5"], ExitCode.USAGE, "scenario/format/writer/reader"),
        (["lock", "--check"], ExitCode.USAGE, "tfmatrix lock"),
        (["lock", "2.15"], ExitCode.USAGE, 'did you mean "2.15.1"?'),
        (["nonsense"], ExitCode.USAGE, "nonsense"),
        (["run", "--jobs", "0"], ExitCode.USAGE, "--jobs"),
    ],
)
def test_errors_say_what_to_do_and_own_their_code(project, capsys, arguments, code, words):
    if arguments[0] != "nonsense":
        arguments = [*arguments, "-C", str(project)]
    assert run_command(arguments) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_folder_without_a_matrix(tmp_path, capsys):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "dense.py").write_text(SCENARIO)
    assert run_command(["plan", "-C", str(tmp_path)]) == ExitCode.USAGE
    assert "matrix.yaml" in capsys.readouterr().err


def test_tracebacks_are_shown_to_those_who_ask(project, capsys):
    assert run_command(["report", "-C", str(project)], debug=True) == ExitCode.USAGE
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_of_tfmatrix_is_not_an_incompatibility(project, capsys, monkeypatch):
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(commands, "plan_project", broken)
    assert run_command(["plan", "-C", str(project)]) == ExitCode.INFRASTRUCTURE
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error
    assert "--debug" in error
    assert "Traceback" not in error


def test_interrupted(project, capsys, monkeypatch):
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "plan_project", interrupted)
    assert run_command(["plan", "-C", str(project)]) == ExitCode.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_infrastructure(project, capsys, monkeypatch):
    def unreachable(*_arguments: object, **_options: object) -> None:
        raise InfrastructureError("the index does not answer", fix="check the network")

    monkeypatch.setattr(commands, "run_project", unreachable)
    assert run_command(["run", "-C", str(project)]) == ExitCode.INFRASTRUCTURE
    assert "check the network" in capsys.readouterr().err


@pytest.fixture
def stored_run(project):
    """A project with one run of one cell."""
    record = CellRecord(
        run="one", cell="dense/h5/a/b", scenario="dense", format="h5", writer="a", reader="b", status=Status.PASS
    )
    header = {
        "started": "2026-01-01T00:00:00+00:00",
        "environments": {"a": {}, "b": {}},
        "scenarios": {},
        "formats": [],
    }
    header |= {"executor": {"name": "fake", "reason": ""}, "known_failures": [], "set": None, "tfmatrix": "0"}
    with RunWriter(project / "results", "one", header) as writer:
        writer.add(record)
        writer.finish(datetime(2026, 1, 1, tzinfo=UTC))
    return project


@pytest.mark.parametrize("report_format", ["table", "md", "csv", "json"])
def test_report_of_a_stored_run(stored_run, capsys, report_format):
    assert run_command(["report", "--format", report_format, "-C", str(stored_run)]) == 0
    assert "dense" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "written"),
    [
        (["report", "--format", "csv", "-o", "a.csv"], "a.csv"),
        (["report", "--format", "archive", "-o", "kept"], "kept/run.json"),
        (["explain", "dense/h5/a/b", "-o", "why.txt"], "why.txt"),
        (["warnings", "-o", "said.txt"], "said.txt"),
        (["publish", "-o", "site"], "site/index.html"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_written_lies_below_the_project(stored_run, tmp_path, monkeypatch, command, written):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run_command([*command, "-C", str(stored_run)])
    assert (stored_run / written).exists()
    assert not list(elsewhere.iterdir())


def test_an_archive_is_a_run_that_reports_read(stored_run, capsys, tmp_path):
    archive = tmp_path / "archive"
    assert run_command(["report", "--format", "archive", "-C", str(stored_run), "-o", str(archive)]) == 0
    assert sorted(path.name for path in archive.iterdir()) == ["README.md", "cells.jsonl.gz", "run.json", "tables.md"]
    capsys.readouterr()
    assert run_command(["report", str(archive), "--format", "csv", "-C", str(tmp_path)]) == 0
    assert "dense/h5/a/b" in capsys.readouterr().out


@pytest.mark.parametrize("report_format", ["site", "archive"])
def test_what_is_a_folder_wants_one(stored_run, capsys, report_format):
    assert run_command(["report", "--format", report_format, "-C", str(stored_run)]) == ExitCode.USAGE
    assert "-o DIR" in capsys.readouterr().err


def test_schema_is_json(capsys):
    assert run_command(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_version(capsys):
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tfmatrix ")


cli.load_commands()
COMMANDS = sorted(typer.main.get_command(cli.app).commands.keys() - {"env"})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    assert run_command([command, "--help"]) == 0
    assert "tfmatrix" in capsys.readouterr().out


@pytest.mark.parametrize("code", [ExitCode.OK, ExitCode.INCOMPATIBLE])
def test_a_reader_that_goes_changes_no_exit_code(code):
    """`tfmatrix diff | head`: quiet, and the answer is still in the code."""
    program = (
        "import sys, typer\nfrom tfmatrix import cli\n"
        "@cli.app.command('much')\ndef much() -> None:\n"
        "    for _ in range(100_000): typer.echo('a line of some length')\n"
        f"    raise typer.Exit({int(code)})\n"
        "sys.argv = ['tfmatrix', 'much']\ncli.main()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"a line of some length\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == code
