"""How long a run will take, by the runs before it."""

from __future__ import annotations

import pytest
from tfmatrix.core.environment import Environment
from tfmatrix.core.scenario import Scenario
from tfmatrix.engine.estimate import Timings, duration, estimate, may_take_long
from tfmatrix.engine.plan import Plan, make_plan
from tfmatrix.project.config import Selection
from tfmatrix.project.formats import own_formats

VERSIONS = ("2.12.1", "2.13.1", "2.14.1", "2.15.1")


def plan_of(pairs: str = "all", scenarios: int = 3) -> Plan:
    named = [
        Scenario(
            name=f"s{number}", path="", digest="", title="", description="", formats=("h5", "keras"), has_training=True
        )
        for number in range(scenarios)
    ]
    environments = tuple(Environment(id=version, tensorflow=version) for version in VERSIONS)
    return make_plan(Selection(environments=environments, pairs=(pairs,)), named, formats=own_formats())


def header(**inference: int) -> dict[str, object]:
    timings = Timings()
    for _ in range(10):
        timings.add_save("h5", 4.0, 1_000_000)
        timings.add_save("keras", 2.0, 500_000)
        timings.add_load("h5", 1.0, 0.0)
        timings.add_load("keras", 0.5, 2.5)
    return {"timings": timings.to_json(), "inference": inference}


def test_earlier_runs_tell():
    plan = plan_of()
    found = estimate(plan, plan.saves, plan.size, headers=[{}, header()], jobs=2)
    assert (found.saves, found.loads, found.inferred) == (24, 96, 0)
    assert found.seconds == pytest.approx((12 * 4 + 12 * 2 + 96 * 2.0) / 2)
    assert found.bytes == pytest.approx(12 * 1.5e6 + 120 * 50_000)
    assert found.basis == "by earlier runs"


def test_the_newest_run_that_measured_a_format_tells_of_it():
    newer = {"timings": {"loads": {"h5": [1, 9.0], "keras": [0, 0.0]}}}
    found = estimate(plan_of(), [], 96, headers=[newer, header()], jobs=1)
    assert found.seconds == pytest.approx(96 * (9.0 + 3.0) / 2)


def test_what_the_store_has_takes_nothing():
    found = estimate(plan_of(), [], 0, headers=[header()], jobs=2)
    assert (found.seconds, found.bytes, found.loads) == (0, 0, 0)


def test_of_adaptive_cells_a_share_is_measured():
    plan = plan_of("adaptive")
    found = estimate(plan, plan.saves, plan.size, headers=[header(measured=25, inferred=75)], jobs=2)
    assert (found.loads, found.inferred) == (24, 72)
    assert "72 cells inferred" in str(found)
    beside = header(measured=1000, inferred=75, of=100)
    told = estimate(plan, plan.saves, plan.size, headers=[beside], jobs=2)
    assert told.loads == 24, "what was measured beside them tells nothing of their share"
    without = estimate(plan, plan.saves, plan.size, headers=[], jobs=2)
    assert without.loads == round(0.28 * 96)
    assert "no run tells" in str(without)


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (720, "12 minutes"), (12600, "4 hours")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_a_small_plan_is_never_long():
    assert not may_take_long(plan_of())
    assert may_take_long(plan_of(scenarios=20))
