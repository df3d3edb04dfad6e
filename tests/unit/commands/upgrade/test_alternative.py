"""The search for the newest release that is safe: what is tried, in which order, what is said. Cells are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from analysis_runs import record, run_of
from tfmatrix.analysis.upgrades import UpgradeVerdict
from tfmatrix.commands.upgrade import measure as measuring
from tfmatrix.commands.upgrade.measure import MOST_TRIED, Material, Measured, find_alternative, share_of_python
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.engine.run import RunOptions
from tfmatrix.envs.releases import Index, Release
from tfmatrix.project.project import Project
from upgrade_answers import side

RELEASES = (
    "2.9.3",
    "2.12.0",
    "2.12.1",
    "2.13.0",
    "2.13.1",
    "2.14.1",
    "2.15.0",
    "2.15.1",
    "2.16.0rc0",
    "2.16.1",
    "2.16.2",
)
KINDS = ("dense/h5", "dense/keras", "lstm/h5")


class Laboratory:
    """What each release comes to: `fails["2.15.1"] = {"dense/h5"}`. `runs` are the cells that were asked for."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root=root)
        self.fails: dict[str, set[str]] = {}
        self.broken: set[str] = set()
        self.runs: list[tuple[str, int]] = []

    def run_project(self, project, *, selector, options):
        candidate = project.environments[1].id
        self.runs.append((candidate, len(selector.only)))
        if candidate in self.broken:
            raise InfrastructureError("no wheel")
        return run_of([self.cell(glob, candidate) for glob in selector.only]), ExitCode.OK

    def cell(self, cell: str, candidate: str):
        scenario, fmt, writer, reader = cell.split("/")
        fails = reader == candidate != writer and f"{scenario}/{fmt}" in self.fails.get(candidate, ())
        return record(cell, "load-error" if fails else "pass")

    def search(self, before: str, after: str, index: Index | None = None):
        pairs = [(writer, reader) for writer in (before, after) for reader in (before, after)]
        cells = [f"{kind}/{writer}/{reader}" for kind in KINDS for writer, reader in pairs]
        broken = f"dense/h5/{before}/{after}"
        records = [record(cell, "load-error" if cell == broken else "pass") for cell in cells]
        measured = Measured(run=run_of(records), files_only=frozenset(), folders=())
        return find_alternative(
            self.project,
            side(before),
            side(after),
            measured,
            measured.judge(before, after),
            Material(scenarios=self.project.root, models=(), origin=""),
            RunOptions(),
            index or Index(),
            lambda text: None,
        )


@pytest.fixture
def laboratory(tmp_path, monkeypatch):
    made = Laboratory(tmp_path)
    monkeypatch.setattr(measuring, "run_project", made.run_project)
    listed = tuple(Release(version=version, pythons=("3.11",)) for version in RELEASES)
    monkeypatch.setattr("tfmatrix.envs.releases.releases", lambda package, index: listed)
    return made


def test_the_newest_patch_of_each_minor_newest_first(laboratory):
    laboratory.fails = {"2.15.1": {"dense/h5"}}
    found = laboratory.search("2.12.0", "2.16.2")
    assert found.version == "2.14.1"
    assert [(each.version, each.verdict) for each in found.tried] == [
        ("2.15.1", UpgradeVerdict.UNSAFE),
        ("2.14.1", UpgradeVerdict.SAFE),
    ]
    assert found.untried == ("2.13.1", "2.12.1")
    # The scenario that fails with 2.16.2 tells that 2.15.1 is not safe; before 2.14.1 is called so, all is measured.
    assert laboratory.runs == [("2.15.1", 6), ("2.14.1", 6), ("2.14.1", 9)]


def test_what_did_not_fail_with_the_asked_one_may_fail_with_another(laboratory):
    laboratory.fails = {version: {"lstm/h5"} for version in ("2.15.1", "2.14.1", "2.13.1", "2.12.1")}
    found = laboratory.search("2.12.0", "2.16.2")
    assert found.version is None
    assert found.untried == ()
    assert {each.verdict for each in found.tried} == {UpgradeVerdict.UNSAFE}


def test_a_release_that_cannot_be_had_is_unknown_and_the_search_goes_on(laboratory):
    laboratory.broken = {"2.15.1"}
    found = laboratory.search("2.12.0", "2.16.2")
    assert (found.tried[0].verdict, found.tried[0].sentence) == (UpgradeVerdict.UNKNOWN, "no wheel")
    assert found.version == "2.14.1"


@pytest.mark.parametrize(("before", "after"), [("2.16.1", "2.16.2"), ("2.15.1", "2.16.2"), ("2.16.2", "2.15.1")])
def test_nothing_lies_between(laboratory, before, after):
    found = laboratory.search(before, after)
    assert (found.tried, found.untried, laboratory.runs) == ((), (), [])


def test_the_search_is_bounded(laboratory, monkeypatch):
    listed = tuple(Release(version=f"2.{minor}.1", pythons=("3.11",)) for minor in range(5, 17))
    monkeypatch.setattr("tfmatrix.envs.releases.releases", lambda package, index: listed)
    laboratory.fails = {each.version: {"dense/h5"} for each in listed}
    found = laboratory.search("2.5.0", "2.16.2")
    assert len(found.tried) == MOST_TRIED
    assert found.untried[0] == "2.9.1"
    assert found.version is None


def test_without_an_index_only_matrix_yaml_is_tried(laboratory, monkeypatch):
    def unreachable(package, index):
        raise InfrastructureError("offline")

    monkeypatch.setattr("tfmatrix.envs.releases.releases", unreachable)
    (laboratory.project.root / "matrix.yaml").write_text(
        'schema: 1\nenvironments:\n  - {tensorflow: "2.14.1"}\n  - {tensorflow: "2.14.1", keras: "2.14.0"}\n'
    )
    found = laboratory.search("2.12.0", "2.16.2")
    assert [each.version for each in found.tried] == ["2.14.1"]
    assert "only versions of matrix.yaml" in found.note


@pytest.mark.parametrize(
    ("fails", "broken", "words"),
    [
        (set(), False, "brings none of it"),
        ({"dense/h5"}, False, "on what failed: 1 of 2 cells that worked break"),
        (set(), True, "cannot be told apart from the rest: no wheel"),
    ],
)
def test_where_python_moves_what_it_brings_is_told_apart(laboratory, fails, broken, words):
    bridge = "2.14.1+py3.12"
    laboratory.fails = {bridge: fails}
    laboratory.broken = {bridge} if broken else set()
    before, after = side("2.14.1"), side("2.16.2")
    after = replace(after, environment=replace(after.environment, python="3.12"))
    said = share(laboratory, before, after)
    assert said.startswith("Python 3.11 → 3.12 alone")
    assert words in said
    # Only what failed is asked again.
    assert laboratory.runs == [(bridge, 3)]
    assert share(laboratory, before, side("2.16.2")) == ""


def share(laboratory: Laboratory, before, after) -> str:
    old, new = before.environment.id, after.environment.id
    cells = [f"{kind}/{writer}/{reader}" for kind in KINDS for writer in (old, new) for reader in (old, new)]
    broken = f"dense/h5/{old}/{new}"
    measured = Measured(
        run=run_of([record(cell, "load-error" if cell == broken else "pass") for cell in cells]),
        files_only=frozenset(),
        folders=(),
    )
    material = Material(scenarios=laboratory.project.root, models=(), origin="")
    verdict = measured.judge(old, new)
    return share_of_python(
        laboratory.project, before, after, measured, verdict, material, RunOptions(), lambda text: None
    )
