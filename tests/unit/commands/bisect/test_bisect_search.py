"""The search itself, over functions instead of environments: bounds, gaps, contradictions, several cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
from tfmatrix.commands.bisect.search import Bisection, Level, Point, Reading, bisect, bound_of
from tfmatrix.core.errors import InfrastructureError

VERSIONS = tuple(f"2.{minor}.0" for minor in range(20))
PASS, DRIFT, ERROR = Reading(status="pass"), Reading(status="drift"), Reading(status="load-error")


class Measuring:
    """Measures by a function of the version's place, and remembers what it was asked for."""

    def __init__(
        self, read: Callable[[int], Reading | Mapping[str, Reading]], skipped: tuple[str, ...] = (), versions=VERSIONS
    ) -> None:
        self.asked: list[str] = []
        self._read, self._skipped, self._versions = read, skipped, versions

    def __call__(self, versions) -> dict[str, Point]:
        points = {}
        for version in versions:
            self.asked.append(version)
            if version in self._skipped:
                points[version] = Point(version=version, skipped="no wheel")
                continue
            read = self._read(self._versions.index(version))
            points[version] = Point(version=version, cells=read if isinstance(read, dict) else {"a/h5": read})
        return points


def from_(place: int, new: Reading = ERROR, old: Reading = PASS) -> Callable[[int], Reading]:
    return lambda index: new if index >= place else old


def only(found: Bisection):
    (change,) = found.breaks
    return change


@pytest.mark.parametrize("place", range(1, 20))
def test_every_place_is_found_within_the_bound(place):
    measure = Measuring(from_(place))
    found = bisect(VERSIONS, measure)
    change = only(found)
    assert (change.before, change.after) == (VERSIONS[place - 1], VERSIONS[place])
    assert change.is_exact
    assert (change.old, change.new) == (PASS, ERROR)
    assert len(measure.asked) == len(set(measure.asked)) == found.measured <= bound_of(20) == 2 + 5
    assert found.contradictions == ()


@pytest.mark.parametrize("length", [2, 3, 4, 5, 9, 17, 33, 100])
def test_the_bound_is_log2_and_both_ends(length):
    versions = tuple(f"3.{minor}.0" for minor in range(length))
    worst = 0
    for place in range(1, length):
        measure = Measuring(from_(place), versions=versions)
        bisect(versions, measure)
        worst = max(worst, len(measure.asked))
    assert worst <= bound_of(length) <= 2 + math.ceil(math.log2(length))


def test_a_version_that_cannot_be_provided_is_passed_over_for_its_neighbour():
    measure = Measuring(from_(7), skipped=("2.9.0", "2.10.0", "2.5.0"))
    found = bisect(VERSIONS, measure)
    assert only(found).after == "2.7.0"
    assert only(found).is_exact
    assert "2.9.0" in measure.asked
    assert [point.version for point in found.skipped] == [v for v in measure.asked if v in ("2.9.0", "2.10.0", "2.5.0")]


def test_where_only_unprovidable_versions_are_left_they_are_named():
    found = bisect(VERSIONS, Measuring(from_(9), skipped=("2.8.0", "2.9.0")))
    change = only(found)
    assert (change.before, change.unmeasured, change.after) == ("2.7.0", ("2.8.0", "2.9.0"), "2.10.0")
    assert not change.is_exact


@pytest.mark.parametrize("end", [VERSIONS[0], VERSIONS[-1]])
def test_an_end_that_cannot_be_measured_is_an_error(end):
    with pytest.raises(InfrastructureError, match="both ends: no wheel"):
        bisect(VERSIONS, Measuring(from_(5), skipped=(end,)))


def test_the_same_at_both_ends_is_no_change_and_costs_two_measurements():
    measure = Measuring(lambda index: PASS)
    found = bisect(VERSIONS, measure)
    assert found.breaks == ()
    assert found.unchanged == ("a/h5",)
    assert measure.asked == [VERSIONS[0], VERSIONS[-1]]


def test_there_and_back_between_equal_ends_is_seen_by_exhaustive():
    broken = Measuring(lambda index: ERROR if index in (4, 5) else PASS)
    assert bisect(VERSIONS, broken).breaks == ()
    found = bisect(VERSIONS, broken, exhaustive=True)
    assert next((change.before, change.after) for change in found.breaks) == ("2.3.0", "2.4.0")
    assert "does not change once and for all" in found.contradictions[0]
    assert "2.6.0 reads pass again" in found.contradictions[0]


def test_a_second_change_is_said_and_found_by_every():
    def read(index: int) -> Reading:
        return PASS if index < 6 else DRIFT if index < 12 else ERROR

    found = bisect(VERSIONS, Measuring(read))
    assert only(found).after == "2.6.0"
    assert only(found).new == DRIFT
    assert "changes again" in " ".join(found.contradictions)
    every = bisect(VERSIONS, Measuring(read), every=True)
    assert [change.after for change in every.breaks] == ["2.6.0", "2.12.0"]
    assert every.contradictions == ()


def test_a_contradiction_that_the_search_met_is_said():
    # 3 fails already and recovers: met by --verify, which looks at the neighbours.
    read = Measuring(lambda index: ERROR if index == 8 or index >= 10 else PASS)
    quiet = bisect(VERSIONS, read)
    assert only(quiet).after == "2.10.0"
    assert quiet.contradictions == ()
    verified = bisect(VERSIONS, read, verify=True)
    assert {"2.8.0", "2.11.0"} <= set(read.asked)
    assert "2.8.0 reads load-error" in verified.contradictions[0]


def test_cells_are_bisected_each_and_share_what_was_measured():
    def read(index: int) -> dict[str, Reading]:
        return {"a/h5": from_(6)(index), "b/h5": from_(6, DRIFT)(index), "c/h5": from_(13)(index), "d/h5": PASS}

    measure = Measuring(read)
    found = bisect(VERSIONS, measure)
    assert {change.cell: change.after for change in found.breaks} == {
        "a/h5": "2.6.0",
        "b/h5": "2.6.0",
        "c/h5": "2.13.0",
    }
    assert found.unchanged == ("d/h5",)
    assert len(measure.asked) == len(set(measure.asked)) <= bound_of(20) + 5


def test_the_coarsest_level_that_differs_is_searched():
    first = Reading(status="load-error", causes=("unknown layer",))
    second = Reading(status="load-error", causes=("unknown argument",))
    found = bisect(VERSIONS, Measuring(from_(5, second, first)))
    assert (only(found).after, only(found).level) == ("2.5.0", Level.CAUSE)

    def figures(index: int) -> Reading:
        return Reading(status="drift", causes=("outputs",), figure="1e-3" if index < 15 else "0.2")

    assert only(bisect(VERSIONS, Measuring(figures))).level is Level.FIGURE
    # Another cause on the way, where the status changes at the ends, is no change of the status.
    mixed = Measuring(lambda index: PASS if index >= 11 else second if index > 3 else first)
    assert only(bisect(VERSIONS, mixed)).after == "2.11.0"
    assert only(bisect(VERSIONS, mixed, by=Level.CAUSE)).after == "2.4.0"


def test_a_warning_that_appears_can_be_searched():
    warned = Reading(status="pass", warnings=frozenset({"legacy"}))
    assert bisect(VERSIONS, Measuring(from_(3, warned))).breaks == ()
    assert only(bisect(VERSIONS, Measuring(from_(3, warned)), by=Level.WARNINGS)).after == "2.3.0"


def test_a_cell_that_was_not_measured_is_passed_over_or_said():
    lost = Reading(status="infra-error", measured=False)
    found = bisect(VERSIONS, Measuring(lambda index: lost if index == 9 else from_(9)(index)))
    assert only(found).unmeasured == ("2.9.0",)
    ends = bisect(VERSIONS, Measuring(lambda index: {"a/h5": lost if index == 0 else PASS, "b/h5": from_(2)(index)}))
    assert ends.unmeasured == ("a/h5",)
