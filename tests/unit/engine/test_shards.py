"""Splitting a plan over machines."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import UsageError
from tfmatrix.core.ids import CellId
from tfmatrix.core.scenario import Scenario
from tfmatrix.engine.plan import Plan, make_plan
from tfmatrix.engine.shards import Shard, assign, group_name, job_matrix, parse_shard, shard_plan
from tfmatrix.project.config import Selection
from tfmatrix.project.formats import own_formats

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
VERSIONS = ("2.4.4", "2.9.3", "2.12.1", "2.15.1", "2.16.2", "2.21.0")


def plan_of(scenarios: int = 12, environments: tuple[str, ...] = VERSIONS, **selection: object) -> Plan:
    chosen = Selection(
        environments=tuple(Environment(id=version, tensorflow=version) for version in environments),
        **selection,  # type: ignore[arg-type]
    )
    named = [
        Scenario(
            name=f"s{number:02}",
            path=f"s{number:02}.py",
            digest="",
            title="",
            description="",
            formats=None,
            requires=(),
            tags=(),
            has_training=True,
            uses_keras=True,
        )
        for number in range(scenarios)
    ]
    return make_plan(chosen, named, formats=own_formats())


def unsupported(made: Plan) -> dict[CellId, str]:
    return {cell: reason for cell in made.cells() if (reason := made.reason(cell)) is not None}


def parts_of(plan: Plan, of: int) -> list[Plan]:
    return [shard_plan(plan, Shard(group="night", number=number, of=of)) for number in range(1, of + 1)]


@pytest.mark.parametrize(("seconds", "count"), [(0, 1), (3000, 1), (3100, 2), (7000, 4), (13_000, 8), (1e9, 256)])
def test_a_matrix_of_jobs_has_as_many_shards_as_the_time_asks_for_and_github_takes(seconds, count):
    # Ten environments take 530 s in each of them.
    shards = job_matrix(10, seconds, 60)["shard"]
    assert len(shards) == count
    assert [parse_shard(each) for each in shards] == [(number, count) for number in range(1, count + 1)]


def test_a_job_too_short_to_provide_the_environments_is_refused():
    with pytest.raises(UsageError, match="providing 45 environments takes about 40 minutes"):
        job_matrix(45, 1, 30)


@pytest.mark.parametrize("of", [1, 2, 3, 4, 7])
def test_shards_are_the_whole_and_share_nothing(of):
    plan = plan_of()
    parts = parts_of(plan, of)
    assert sorted(cell for part in parts for cell in part.cells()) == sorted(plan.cells())
    assert sorted(save for part in parts for save in part.saves) == sorted(plan.saves)
    assert sorted(cell for part in parts for cell in unsupported(part)) == sorted(unsupported(plan))


def test_every_load_finds_its_artifact_in_its_own_shard():
    for part in parts_of(plan_of(), 4):
        assert {part.save_of(cell) for cell in part.loads} == set(part.saves)


def test_shards_keep_the_order_of_the_matrix():
    plan = plan_of(pairs=("forward",))
    for part in parts_of(plan, 3):
        assert list(part.cells()) == [cell for cell in plan.cells() if cell in set(part.cells())]
        assert [each.id for each in part.environments] == sorted(
            (each.id for each in part.environments), key=VERSIONS.index
        )


@pytest.mark.parametrize("of", [2, 3, 4, 8])
def test_shards_are_balanced(of):
    plan = plan_of(scenarios=30)
    work = [len(part.loads) + len(part.saves) for part in parts_of(plan, of)]
    largest_group = max(Counter((cell.scenario, cell.writer) for cell in plan.loads).values())
    assert max(work) - min(work) <= 0.02 * sum(work) + 2 * largest_group


def test_most_of_a_matrix_stays_where_its_measurements_are():
    before, after = assign(plan_of(scenarios=30), 4), assign(plan_of(scenarios=31), 4)
    moved = [group for group, number in before.items() if after[group] != number]
    assert len(moved) < 0.15 * len(before)


def test_more_shards_than_groups_leaves_empty_ones():
    plan = plan_of(scenarios=1, environments=("2.15.1", "2.21.0"))
    parts = parts_of(plan, 5)
    assert [bool(part.size) for part in parts].count(True) == 2
    assert all(not part.environments for part in parts if not part.size)


def test_an_environment_that_remedies_need_is_provided_too():
    plan = plan_of(scenarios=2, environments=("2.15.1", "2.16.2", "2.21.0"), pairs=("2.15.1/2.15.1", "2.21.0/2.21.0"))
    helped = parts_of(plan, 1)[0]
    assert [each.id for each in helped.environments] == ["2.15.1", "2.21.0"]
    for number in (1, 2):
        part = shard_plan(plan, Shard(group="x", number=number, of=2), helpers={"2.21.0": "2.15.1"})
        if any(cell.reader == "2.21.0" for cell in part.cells()):
            assert "2.15.1" in [each.id for each in part.environments]


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/0", "a/b", "1/4/2", "-1/4", "1.0/4"])
def test_what_is_no_shard(text):
    with pytest.raises(UsageError, match="no part of a whole"):
        parse_shard(text)


def test_what_is_one():
    assert parse_shard("3/4") == (3, 4)


def group(plan, of=4, given=None, environ=(), now=NOW):
    return group_name(plan, of, given=given, environ=dict(environ), now=now)


def test_the_group_is_that_of_the_night_and_the_selection():
    plan = plan_of()
    assert group(plan) == group(plan, now=NOW.astimezone(timezone(timedelta(hours=9))))
    assert group(plan).startswith("20261122-")
    assert len({group(plan), group(plan, of=3), group(plan_of(scenarios=11)), group(plan, now=NOW + timedelta(1))}) == 4


def test_a_ci_names_the_group_by_its_run():
    plan = plan_of()
    assert group(plan, environ={"GITHUB_RUN_ID": "77"}).startswith("77-")
    # The shards of a job that is repeated after midnight are the same night's.
    assert group(plan, environ={"GITHUB_RUN_ID": "77"}, now=NOW + timedelta(1)) == group(
        plan, environ={"GITHUB_RUN_ID": "77"}
    )


def test_a_given_group_is_taken_as_it_is_or_refused():
    assert group(plan_of(), given="night-7") == "night-7"
    with pytest.raises(UsageError, match="--shard-group"):
        group(plan_of(), given="../night")


def test_what_is_inferred_from_other_writers_stays_in_their_shard():
    plan = plan_of(4, pairs=("adaptive",))
    for part in parts_of(plan, 3):
        for square in part.squares:
            assert square == plan.by_name[square.scenario, square.format]
