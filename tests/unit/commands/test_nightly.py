"""A night's steps, and what its exit code tells: news first, then infrastructure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tfmatrix.commands import nightly
from tfmatrix.commands.nightly import NightOptions, Steps, night
from tfmatrix.core.errors import ExitCode, InfrastructureError, NothingSelectedError, UsageError
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.project.project import Project
from tfmatrix.store.runs import Run, RunWriter

MATRIX = """\
schema: 1
environments:
  - {tensorflow: "2.15.1", python: "3.11"}
  - {tensorflow: nightly, python: "3.11"}
sets: {nightly: {}, quick: {}}
"""
START = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


class World:
    """What the steps of a night come to."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.called: list[str] = []
        self.renewed: list[str] = []
        self.statuses = [Status.PASS]
        self.codes: dict[str, ExitCode] = {}
        self.errors: dict[str, Exception] = {}
        self.header: dict[str, object] = {}
        self.asked: str | None = ""

    @property
    def steps(self) -> Steps:
        return Steps(renew=self._renew, run=self._run, publish=self._publish)

    def _call(self, name: str) -> None:
        self.called.append(name)
        if name in self.errors:
            raise self.errors[name]

    def _renew(self, project: Project, ids: Sequence[str]) -> list[str]:
        self.renewed = list(ids)
        self._call("renew")
        return ["nightly: new"]

    def _run(self, project: Project, options: NightOptions) -> tuple[Run, ExitCode]:
        self._call("run")
        self.asked = options.set_name
        return write_run(project.results, "tonight", 5, *self.statuses, **self.header), self.codes.get(
            "run", ExitCode.OK
        )

    def _publish(self, project: Project, output: Path) -> ExitCode:
        self._call("publish")
        return self.codes.get("publish", ExitCode.OK)


def write_run(results: Path, name: str, day: int, *statuses: Status, **header: object) -> Run:
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
        return writer.finish(started + timedelta(hours=1))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "s0.py").write_text('"""One."""\ndef build_model(): ...\ndef inputs(rng): ...\n')
    return Project(root=tmp_path)


def run_night(project, world, **options):
    return night(project, NightOptions(**options), world.steps)


def test_a_quiet_night(project):
    write_run(project.results, "before", 4, Status.PASS)
    world = World(project)
    found = run_night(project, world)
    assert (found.exit_code, found.problems, found.note) == (ExitCode.OK, [], "")
    assert world.called == ["renew", "run", "publish"]
    assert world.renewed == ["nightly"]
    assert found.renewed == ["nightly: new"]
    assert "before" in found.news


def test_what_got_worse_is_news(project):
    write_run(project.results, "before", 4, Status.PASS, Status.PASS)
    world = World(project)
    world.statuses = [Status.PASS, Status.DRIFT]
    found = run_night(project, world, site="https://example.org/m")
    assert found.exit_code is ExitCode.INCOMPATIBLE
    assert "https://example.org/m" in found.news


def test_a_matrix_without_that_set_is_measured_whole(project):
    """As `tfmatrix init` writes it."""
    project.matrix_file.write_text(MATRIX.replace("nightly: {}, ", ""))
    write_run(project.results, "before", 4, Status.PASS, set=None)
    write_run(project.results, "of-a-set", 4, Status.DRIFT, set="quick")
    world = World(project)
    world.header = {"set": None}
    found = run_night(project, world)
    assert (found.exit_code, found.problems) == (ExitCode.OK, [])
    assert world.asked is None
    assert "before" in found.news


def test_what_failed_before_is_none(project):
    write_run(project.results, "before", 4, Status.DRIFT)
    world = World(project)
    world.statuses, world.codes = [Status.DRIFT], {"run": ExitCode.INCOMPATIBLE}
    assert run_night(project, world).exit_code is ExitCode.OK


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("renew", "nightly could not be renewed, measured with the old pins: no answer"),
        ("run", "nothing could be measured: no answer"),
        ("publish", "the site could not be built: no answer"),
    ],
)
def test_a_step_that_fails_is_infrastructure(project, step, words):
    write_run(project.results, "before", 4, Status.PASS)
    world = World(project)
    world.errors = {step: InfrastructureError("no answer")}
    found = run_night(project, world)
    assert found.exit_code is ExitCode.INFRASTRUCTURE
    assert words in found.problems
    assert "publish" in world.called


@pytest.mark.parametrize("step", ["renew", "publish"])
def test_a_step_that_fails_hides_no_news(project, step):
    write_run(project.results, "before", 4, Status.PASS)
    world = World(project)
    world.statuses, world.errors = [Status.CRASH], {step: InfrastructureError("no answer")}
    assert run_night(project, world).exit_code is ExitCode.INCOMPATIBLE


@pytest.mark.parametrize(("step", "words"), [("run", "could not be measured"), ("publish", "gaps")])
def test_what_has_gaps_is_infrastructure(project, step, words):
    write_run(project.results, "before", 4, Status.PASS)
    world = World(project)
    world.codes = {step: ExitCode.INFRASTRUCTURE}
    found = run_night(project, world)
    assert found.exit_code is ExitCode.INFRASTRUCTURE
    assert words in found.problems[0]


def test_a_night_without_a_cell_in_common_cannot_be_compared(project):
    write_run(project.results, "before", 4)
    found = run_night(project, World(project))
    assert found.exit_code is ExitCode.INFRASTRUCTURE
    assert "no comparison with before" in found.problems[0]


@pytest.mark.parametrize("error", [UsageError("no such set"), NothingSelectedError("none")])
def test_a_run_that_cannot_be_made_is_the_answer(project, error):
    world = World(project)
    world.errors = {"run": error}
    with pytest.raises(type(error)):
        run_night(project, world)
    assert "publish" not in world.called


@pytest.mark.parametrize(("status", "expected"), [(Status.PASS, ExitCode.OK), (Status.DRIFT, ExitCode.INCOMPATIBLE)])
def test_the_first_night_has_nothing_to_compare_with(project, status, expected):
    world = World(project)
    world.statuses = [status]
    found = run_night(project, world)
    assert (found.exit_code, found.news) == (expected, "")
    assert "first night" in found.note


def test_the_night_before_is_one_of_the_same_set(project):
    write_run(project.results, "older", 1, Status.PASS)
    write_run(project.results, "newest", 2, Status.PASS)
    write_run(project.results, "by-hand", 3, Status.PASS, set="quick")
    write_run(project.results, "part", 4, Status.PASS, shard={"group": "g", "number": 1, "of": 2})
    news = run_night(project, World(project)).news
    assert "newest" in news
    assert not {"older", "by-hand", "part"} & set(news.split())


def test_shards_of_other_machines_are_joined(project):
    write_run(project.results, "before", 4, Status.PASS)
    for number in (1, 2):
        write_run(
            project.results, f"part-{number}", 5, Status.PASS, shard={"group": "joined", "number": number, "of": 2}
        )
    world = World(project)
    found = run_night(project, world, run=False, refreshed=True)
    assert (found.exit_code, found.problems) == (ExitCode.OK, [])
    assert world.called == ["publish"]
    assert "joined" in found.news


def test_a_night_without_a_whole_run_is_not_compared_with_older_ones(project):
    write_run(project.results, "a", 1, Status.PASS)
    write_run(project.results, "b", 2, Status.PASS)
    found = run_night(project, World(project), run=False, refreshed=False)
    assert found.exit_code is ExitCode.INFRASTRUCTURE
    assert found.problems == [
        "the pins could not be renewed: measured with the old ones",
        "there is no complete run of this night: nothing to compare",
    ]


def test_a_matrix_in_which_nothing_moves_renews_nothing(project):
    project.matrix_file.write_text(MATRIX.replace("nightly, python", '"2.16.2", python'))
    world = World(project)
    run_night(Project(root=project.root), world)
    assert "renew" not in world.called


def test_the_news_are_added_to_a_file(project, tmp_path):
    write_run(project.results, "before", 4, Status.PASS)
    found = run_night(project, World(project))
    summary = tmp_path / "summary.md"
    summary.write_text("Above.\n")
    found.append_news(summary)
    assert summary.read_text() == f"Above.\n{found.news}"
    assert found.exit_code is ExitCode.OK
    found.append_news(tmp_path)
    assert found.exit_code is ExitCode.INFRASTRUCTURE


def test_what_others_measured_is_handed_to_the_run(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(nightly, "run_project", lambda project, **given: seen.append(given))
    nightly.run(Project(root=tmp_path), NightOptions(set_name="quick", known="archive"))
    ((given),) = seen
    assert (given["set_name"], given["options"].known) == ("quick", "archive")
