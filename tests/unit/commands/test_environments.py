"""Commands about environments need no scenarios, and what the cache has needs no project."""

from __future__ import annotations

import pytest
from tfmatrix.cli import run_command
from tfmatrix.cli.environments import MOST_SHOWN, _in_a_table
from tfmatrix.core.errors import ExitCode

MATRIX = 'schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\nsets: {one: {scenarios: [nowhere]}}\n'


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("arguments", [["list", "--brief"], ["list", "--set", "one"], ["prune"]])
def test_no_scenarios_are_needed(arguments, tmp_path, capsys):
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    assert run_command(["env", *arguments, "-C", str(tmp_path)]) == ExitCode.OK, capsys.readouterr().err
    assert ("2.15.1" in capsys.readouterr().out) == (arguments[0] == "list")


def test_a_lock_needs_no_scenarios(tmp_path, capsys):
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    assert run_command(["lock", "--check", "-C", str(tmp_path)]) == ExitCode.USAGE
    assert "2.15.1: has no lock" in capsys.readouterr().err


def test_without_a_project_the_cache_is_listed_and_a_run_says_what_is_missing(tmp_path, capsys):
    assert run_command(["env", "list", "-C", str(tmp_path)]) == ExitCode.OK
    for command in ("plan", "run", "lock"):
        assert run_command([command, "-C", str(tmp_path)]) == ExitCode.USAGE
        assert "matrix.yaml: there is no such file" in capsys.readouterr().err


def test_a_table_names_few_projects():
    assert _in_a_table(["a", "b"]) == "a, b"
    assert _in_a_table([str(number) for number in range(MOST_SHOWN + 3)]).endswith(" and 3 more")
