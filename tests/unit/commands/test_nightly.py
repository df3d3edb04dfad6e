"""A night's steps, and what its exit code tells: news first, then infrastructure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tfmatrix.commands.nightly import NightOptions, night
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.project.project import Project
from tfmatrix.store.runs import RunWriter

MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.11"}
  - {tensorflow: nightly, python: "3.11"}
sets: {nightly: {}, quick: {}}
"""
START = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


class Commands:
    """Stands for tfmatrix: writes a run where one is asked for, and ends with the codes that it was given."""

    def __init__(self, project: Project, **codes: int) -> None:
        self.project = project
        self.codes = codes
        self.lines: list[list[str]] = []
        self.statuses = [Status.PASS]
        self.writes_run = "run"

    def __call__(self, line: Sequence[str]) -> int:
        self.lines.append(list(line))
        if line[0] == self.writes_run:
            write_run(self.project.results, "tonight", 5, *self.statuses)
        if line[0] == "diff":
            print("# News")
        return self.codes.get(line[0], 0)

    @property
    def names(self) -> list[str]:
        return [line[0] for line in self.lines]


def write_run(results: Path, name: str, day: int, *statuses: Status, **header: object) -> None:
    started = START + timedelta(days=day)
    about = {"started": started.isoformat(), "environments": {}, "set": "nightly"} | header
    with RunWriter(results, name, about) as writer:
        for number, status in enumerate(statuses):
            cell = f"s{number}/h5/a/b"
            writer.add(
                CellRecord(
                    run=name, cell=cell, scenario=f"s{number}", format="h5", writer="a", reader="b", status=status
                )
            )
        writer.finish(started + timedelta(hours=1))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "s0.py").write_text('"""One."""\ndef build_model(): ...\ndef inputs(rng): ...\n')
    return Project(root=tmp_path)


def run_night(project, commands, **options):
    said: list[str] = []
    code = night(project, NightOptions(**options), commands, said.append)
    return code, "\n".join(said)


def test_a_quiet_night(project, capsys, tmp_path):
    write_run(project.results, "before", 4, Status.PASS)
    commands = Commands(project)
    code, said = run_night(project, commands, summary=tmp_path / "summary.md", site="https://example.org/m")
    assert (code, said) == (ExitCode.OK, "")
    assert commands.names == ["lock", "run", "publish", "diff"]
    assert commands.lines[0][:3] == ["lock", "--upgrade", "nightly"]
    assert commands.lines[-1][1:3] == ["before", "tonight"]
    assert commands.lines[-1][5:7] == ["--site", "https://example.org/m"]
    assert capsys.readouterr().out == "# News\n"
    assert (tmp_path / "summary.md").read_text() == "# News\n"


@pytest.mark.parametrize(
    ("codes", "expected", "words"),
    [
        ({"diff": 1}, ExitCode.INCOMPATIBLE, ""),
        ({"run": 1}, ExitCode.OK, ""),  # not in known_failures.yaml, and not news either
        ({"lock": 4}, ExitCode.INFRASTRUCTURE, "measured with the old pins"),
        ({"lock": 4, "diff": 1}, ExitCode.INCOMPATIBLE, "measured with the old pins"),
        ({"lock": 2}, ExitCode.INFRASTRUCTURE, "could not be renewed"),
        ({"run": 4}, ExitCode.INFRASTRUCTURE, "could not be measured"),
        ({"publish": 4}, ExitCode.INFRASTRUCTURE, "gaps"),
        ({"publish": 4, "diff": 1}, ExitCode.INCOMPATIBLE, "gaps"),
        ({"diff": 4}, ExitCode.INFRASTRUCTURE, "the comparison with before"),
        ({"diff": 2}, ExitCode.INFRASTRUCTURE, "the comparison with before"),
    ],
)
def test_the_exit_code(project, codes, expected, words):
    write_run(project.results, "before", 4, Status.PASS)
    code, said = run_night(project, Commands(project, **codes))
    assert code == expected
    assert words in said


@pytest.mark.parametrize("code", [ExitCode.USAGE, ExitCode.NOTHING_SELECTED, ExitCode.INTERRUPTED])
def test_a_run_that_cannot_be_made_is_the_answer(project, code):
    commands = Commands(project, run=code)
    assert run_night(project, commands)[0] == code
    assert "publish" not in commands.names


@pytest.mark.parametrize(("status", "expected"), [(Status.PASS, ExitCode.OK), (Status.DRIFT, ExitCode.INCOMPATIBLE)])
def test_the_first_night_has_nothing_to_compare_with(project, status, expected):
    commands = Commands(project)
    commands.statuses = [status]
    code, said = run_night(project, commands)
    assert (code, commands.names[-1]) == (expected, "publish")
    assert "first night" in said


def test_the_night_before_is_one_of_the_same_set(project):
    write_run(project.results, "a", 1, Status.PASS)
    write_run(project.results, "b", 2, Status.PASS)
    write_run(project.results, "by-hand", 3, Status.PASS, set="quick")
    write_run(project.results, "part", 4, Status.PASS, shard={"group": "g", "number": 1, "of": 2})
    commands = Commands(project)
    run_night(project, commands)
    assert commands.lines[-1][1:3] == ["b", "tonight"]


def test_shards_of_other_machines_are_joined_by_publishing(project):
    write_run(project.results, "before", 4, Status.PASS)
    commands = Commands(project)
    commands.writes_run = "publish"
    code, _ = run_night(project, commands, run=False, refreshed=True)
    assert code is ExitCode.OK
    assert commands.names == ["publish", "diff"]
    assert commands.lines[-1][1:3] == ["before", "tonight"]


def test_a_night_without_a_whole_run_is_not_compared_with_older_ones(project):
    write_run(project.results, "a", 1, Status.PASS)
    write_run(project.results, "b", 2, Status.PASS)
    commands = Commands(project, publish=4)
    commands.writes_run = ""
    code, said = run_night(project, commands, run=False, refreshed=False)
    assert code is ExitCode.INFRASTRUCTURE
    assert "diff" not in commands.names
    assert "no complete run of this night" in said
    assert "measured with the old ones" in said


def test_a_matrix_in_which_nothing_moves_renews_nothing(project):
    project.matrix_file.write_text(MATRIX.replace("nightly, python", '"2.16.2", python'))
    commands = Commands(project)
    run_night(Project(root=project.root), commands)
    assert "lock" not in commands.names
