"""What a shell completes, and that nothing of a mistake reaches the line that is typed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tfmatrix.cli import completion, load_commands
from tfmatrix.cli.app import app
from tfmatrix.store.runs import RunWriter
from typer import Context
from typer.main import get_command

load_commands()
MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.11"}
  - {tensorflow: "2.21.0", python: "3.11"}
sets: {quick: {scenarios: ["dense"]}, night: {}}
"""
SCENARIO = '"""A layer."""\nTAGS = ("layers",)\ndef build_model(): ...\ndef inputs(rng): ...\n'


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "dense.py").write_text(SCENARIO)
    with RunWriter(tmp_path / "results", "20261101-1", {"started": "2026-11-01T00:00:00+00:00"}) as writer:
        writer.finish(datetime(2026, 11, 1, 1, tzinfo=UTC))
    found = Context(get_command(app))
    found.params["project"] = str(tmp_path)
    return found


@pytest.mark.parametrize(
    ("complete", "begun", "expected"),
    [
        (completion.sets, "", ["quick", "night"]),
        (completion.environments, "2.2", ["2.21.0"]),
        (completion.scenarios, "d", ["dense"]),
        (completion.scenarios, "tag", ["tag:layers"]),
        (completion.formats, "h", ["h5", "h5-unsafe"]),
        (completion.runs, "", ["latest", "previous", "20261101-1"]),
        (completion.cells, "", []),
    ],
)
def test_names_of_the_project(context, complete, begun, expected):
    assert complete(context, begun) == expected


def test_a_mistake_completes_to_nothing(context, capsys):
    matrix = Path(context.params["project"]) / "matrix.yaml"
    matrix.write_text("environments: [")
    assert completion.sets(context, "") == []
    matrix.unlink()
    assert completion.sets(context, "") == []
    assert capsys.readouterr() == ("", "")


def _options(command, path=()):
    for name, each in getattr(command, "commands", {}).items():
        yield from _options(each, (*path, name))
    if not hasattr(command, "commands"):
        options = [option for option in command.params if option.param_type_name == "option" and not option.hidden]
        yield " ".join(path), options


load_commands()


@pytest.mark.parametrize(("command", "options"), dict(_options(get_command(app))).items())
def test_no_name_of_an_option_is_cut_at_80_columns(command, options, capsys, monkeypatch):
    from tfmatrix.cli import run_command

    monkeypatch.setenv("COLUMNS", "80")
    assert run_command([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    for option in options:
        for name in (*option.opts, *option.secondary_opts):
            assert f"{name} " in text or f"{name}," in text or f"{name}\n" in text, name
