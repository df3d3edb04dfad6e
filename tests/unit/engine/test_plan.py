"""The plan: cells, saves, and what is settled without running."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest
from format_builder import make_format
from hypothesis import given
from hypothesis import strategies as st
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, NothingSelectedError
from tfmatrix.core.ids import CellId
from tfmatrix.core.scenario import Scenario
from tfmatrix.core.selection import Selector
from tfmatrix.engine.plan import Plan, Save, make_plan, writer_versions
from tfmatrix.project.config import Selection
from tfmatrix.project.formats import own_formats

KERAS_2 = {"keras<3": "Keras 3 has no such format"}
FORMATS = {
    "h5": make_format("h5"),
    "savedmodel": make_format("savedmodel", requires=KERAS_2),
    "savedmodel-raw": make_format("savedmodel-raw", saver="savedmodel", requires=KERAS_2),
    "tf": make_format("tf", models="any"),
    "custom": make_format("custom", models="any", functions=("save_model", "load_model")),
    "code": make_format("code", checks=("load", "updates"), by_name=True),
}


def environment(name: str, **changes: object) -> Environment:
    return Environment(**{"id": name, "tensorflow": name.partition("@")[0], "python": "3.11", **changes})


ENVIRONMENTS = tuple(map(environment, ("2.12.1", "2.15.1", "2.16.2", "2.21.0")))


def scenario(name: str, **changes: object) -> Scenario:
    values: dict[str, object] = {
        "name": name,
        "path": f"{name}.py",
        "title": "A title.",
        "description": "",
        "digest": "0",
        "formats": None,
        "requires": (),
        "tags": (),
        "has_training": False,
        "uses_keras": True,
        "functions": ("build_model", "inputs"),
    }
    return Scenario(**{**values, **changes})


def plan(
    *scenarios: Scenario,
    environments: tuple[Environment, ...] = ENVIRONMENTS[:2],
    selector: Selector | None = None,
    versions: Mapping[str, Mapping[str, str]] | None = None,
    name: str | None = None,
    **selection: tuple[str, ...],
) -> Plan:
    return make_plan(
        Selection(name=name, environments=environments, **selection),
        scenarios or (scenario("dense"),),
        selector,
        formats=FORMATS,
        versions=versions or {},
    )


def unsupported(made: Plan) -> dict[CellId, str]:
    return {cell: reason for cell in made.cells() if (reason := made.reason(cell)) is not None}


def ids(made: Plan) -> list[str]:
    return [str(cell) for cell in made.cells()]


def test_every_cell_stands_once_in_the_order_of_scenario_format_writer_reader() -> None:
    made = plan(scenario("lstm"), scenario("dense"), formats=("h5", "tf"))
    assert ids(made) == [
        "/".join(parts)
        for parts in product(("dense", "lstm"), ("h5", "tf"), ("2.12.1", "2.15.1"), ("2.12.1", "2.15.1"))
    ]
    assert [str(save) for save in made.saves] == [
        "/".join(parts) for parts in product(("dense", "lstm"), ("h5", "tf"), ("2.12.1", "2.15.1"))
    ]
    assert [each.name for each in made.scenarios] == ["dense", "lstm"]
    assert (made.environments, made.formats) == (ENVIRONMENTS[:2], ("h5", "tf"))
    assert list(made.loads) == list(made.cells())
    assert made.counts() == {
        "environments": 2,
        "scenarios": 2,
        "formats": 2,
        "cells": 16,
        "saves": 8,
        "loads": 16,
        "unsupported": 0,
    }


def test_the_order_is_that_of_the_matrix_and_of_the_table_of_formats_not_of_the_alphabet() -> None:
    environments = (environment("nightly"), environment("2.9.3"), environment("2.10.1"))
    made = plan(environments=environments, formats=("tf", "h5"))
    assert list(dict.fromkeys(cell.writer for cell in made.cells())) == ["nightly", "2.9.3", "2.10.1"]
    assert list(dict.fromkeys(cell.reader for cell in made.cells())) == ["nightly", "2.9.3", "2.10.1"]
    assert made.formats == ("h5", "tf")


def test_formats_with_the_same_saver_share_its_artifact() -> None:
    made = plan(formats=("savedmodel*",), pairs=("2.12.1/2.15.1",))
    assert ids(made) == ["dense/savedmodel/2.12.1/2.15.1", "dense/savedmodel-raw/2.12.1/2.15.1"]
    assert made.saves == (Save(scenario="dense", saver="savedmodel", writer="2.12.1"),)
    assert [made.save_of(cell) for cell in made.cells()] == [made.saves[0]] * 2


def test_a_saver_outside_the_selection_still_saves() -> None:
    made = plan(formats=("savedmodel-raw",), pairs=("2.12.1/2.15.1",))
    assert [str(save) for save in made.saves] == ["dense/savedmodel/2.12.1"]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (("all",), "ABCD/ABCD"),
        (("forward",), "A/ABCD B/BCD C/CD D/D"),
        (("adjacent",), "A/AB B/ABC C/BCD D/CD"),
        (("2.12.1/*",), "A/ABCD"),
        (("2.12.1",), "A/ABCD"),
        (("*/2.21.0", "2.21.0/*"), "A/D B/D C/D D/ABCD"),
        (("{2.12.1,2.15.1}/2.16.2",), "A/C B/C"),
        (("forward", "2.21.0/2.12.1"), "A/ABCD B/BCD C/CD D/AD"),
        (("adjacent", "forward"), "A/ABCD B/ABCD C/BCD D/CD"),
        (("same",), "A/A B/B C/C D/D"),
        (("upgrade",), "A/B B/C C/D"),
        (("rollback",), "B/A C/B D/C"),
        (("rollback", "2.12.1/2.21.0"), "A/D B/A C/B D/C"),
    ],
)
def test_pairs(pairs: tuple[str, ...], expected: str) -> None:
    letters = dict(zip("ABCD", (each.id for each in ENVIRONMENTS), strict=True))
    wanted = {
        (letters[writer], letters[reader])
        for group in expected.split()
        for writer, reader in product(*group.split("/"))
    }
    made = plan(environments=ENVIRONMENTS, formats=("h5",), pairs=pairs)
    assert {(cell.writer, cell.reader) for cell in made.cells()} == wanted
    assert made.size == len(wanted)


def union(*parts: Selection) -> Selection:
    used = {each.id for part in parts for each in part.environments}
    return Selection(name="u", environments=tuple(each for each in ENVIRONMENTS if each.id in used), parts=parts)


def test_a_union_holds_each_cell_of_its_parts_once_in_the_order_of_any_plan() -> None:
    scenarios = (scenario("lstm"), scenario("dense"))
    # The neighbours of a part are neighbours among its own environments.
    ends = Selection(environments=(ENVIRONMENTS[0], ENVIRONMENTS[3]), scenarios=("lstm",), formats=("h5",))
    parts = (
        ends,
        Selection(environments=ENVIRONMENTS, formats=("tf", "h5"), pairs=("2.12.1/2.12.1", "2.15.1/2.16.2")),
        union(Selection(environments=ENVIRONMENTS[:2], scenarios=("dense",), formats=("h5",), pairs=("rollback",))),
    )
    made = make_plan(union(*parts), scenarios, formats=FORMATS)
    assert ids(made) == [
        "dense/h5/2.12.1/2.12.1",
        "dense/h5/2.15.1/2.12.1",
        "dense/h5/2.15.1/2.16.2",
        "dense/tf/2.12.1/2.12.1",
        "dense/tf/2.15.1/2.16.2",
        "lstm/h5/2.12.1/2.12.1",
        "lstm/h5/2.12.1/2.21.0",
        "lstm/h5/2.15.1/2.16.2",
        "lstm/h5/2.21.0/2.12.1",
        "lstm/h5/2.21.0/2.21.0",
        "lstm/tf/2.12.1/2.12.1",
        "lstm/tf/2.15.1/2.16.2",
    ]
    assert made.environments == ENVIRONMENTS
    narrowed = make_plan(union(*parts), scenarios, Selector.from_options(reader=["2.21.0"]), formats=FORMATS)
    assert ids(narrowed) == ["lstm/h5/2.12.1/2.21.0", "lstm/h5/2.21.0/2.21.0"]


def test_a_part_without_a_cell_is_an_error_that_names_it_unless_a_selector_left_it_empty() -> None:
    whole = Selection(environments=ENVIRONMENTS[:1])
    empty = Selection(name="depth", environments=ENVIRONMENTS[:1], scenarios=("lstm",))
    with pytest.raises(NothingSelectedError, match='the set "depth" selects no cell at all'):
        make_plan(union(whole, empty), (scenario("dense"),), formats=FORMATS)
    no_candidate = Selection(name="rc", environments=())
    no_pair = Selection(name="rc", environments=ENVIRONMENTS, pairs=())
    made = make_plan(union(whole, no_candidate, no_pair), (scenario("dense"),), formats=FORMATS)
    assert {cell.writer for cell in made.cells()} == {"2.12.1"}


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (("*", "!tag:slow"), ["dense", "lstm"]),
        (("!tag:slow",), ["dense", "lstm"]),
        (("tag:slow", "!large_*"), ["bert"]),
        (("!lstm", "dense", "lstm"), ["dense"]),
    ],
)
def test_scenarios_are_left_out_with_an_exclamation_mark(patterns: tuple[str, ...], names: list[str]) -> None:
    scenarios = [scenario("bert", tags=("slow",)), scenario("dense"), scenario("large_one", tags=("slow",))]
    made = plan(*scenarios, scenario("lstm"), formats=("h5",), scenarios=patterns)
    assert [each.name for each in made.scenarios] == names


def test_environments_without_a_cell_are_left_out() -> None:
    made = plan(environments=ENVIRONMENTS, formats=("h5",), pairs=("2.12.1/2.21.0",))
    assert [each.id for each in made.environments] == ["2.12.1", "2.21.0"]


def test_code_is_trained_anew_where_it_is_asked_for_whatever_it_is_saved_in() -> None:
    scenarios = scenario("any"), scenario("h5", formats=("h5",)), scenario("module", uses_keras=False)
    assert "code" not in {square.format for square in plan(*scenarios).squares}
    for asked in (
        plan(*scenarios, formats=("code", "tf")),
        plan(*scenarios, selector=Selector(format=("code",))),
        plan(*scenarios, selector=Selector(only=("*/code/*/*",))),
    ):
        assert [each.scenario for each in asked.squares if each.format == "code"] == ["any", "h5"]


def test_scenarios_are_selected_by_name_or_tag() -> None:
    scenarios = (scenario("dense", tags=("layers",)), scenario("lstm", tags=("article",)), scenario("other"))
    made = plan(*scenarios, scenarios=("tag:article", "den*"))
    assert [each.name for each in made.scenarios] == ["dense", "lstm"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("h5", "savedmodel", "savedmodel-raw", "tf")),
        ({"uses_keras": False}, ("tf",)),
        ({"formats": ("tf", "h5")}, ("h5", "tf")),
        ({"formats": ("h5",), "uses_keras": False}, ("h5",)),
        (
            {"functions": ("build_model", "inputs", "save_model", "load_model")},
            ("h5", "savedmodel", "savedmodel-raw", "tf", "custom"),
        ),
        ({"functions": ("save_model", "load_model"), "uses_keras": False}, ("tf", "custom")),
        ({"formats": ("custom",)}, ("custom",)),
    ],
)
def test_the_formats_of_a_scenario(changes: dict[str, object], expected: tuple[str, ...]) -> None:
    assert plan(scenario("dense", **changes)).formats == expected


def test_a_scenarios_formats_are_narrowed_by_the_selection() -> None:
    made = plan(scenario("a", formats=("h5", "tf")), scenario("b", formats=("savedmodel",)), formats=("tf", "custom"))
    assert [(cell.scenario, cell.format) for cell in made.cells()] == [("a", "tf")] * 4


# --- the selector ----------------------------------------------------------------------------------------------------


def test_options_narrow_together() -> None:
    selector = Selector(only=("dense",), writer=("2.12.*",), reader=("2.15.1",), format=("h5", "tf"))
    made = plan(scenario("dense"), scenario("lstm"), selector=selector)
    assert ids(made) == ["dense/h5/2.12.1/2.15.1", "dense/tf/2.12.1/2.15.1"]
    assert [str(save) for save in made.saves] == ["dense/h5/2.12.1", "dense/tf/2.12.1"]
    assert made.unmatched == ()


def test_pairs_are_made_before_the_selector_so_that_neighbours_stay_neighbours() -> None:
    made = plan(
        environments=ENVIRONMENTS, formats=("h5",), pairs=("adjacent",), selector=Selector(reader=("2.12.1", "2.21.0"))
    )
    assert ids(made) == [
        "dense/h5/2.12.1/2.12.1",
        "dense/h5/2.15.1/2.12.1",
        "dense/h5/2.16.2/2.21.0",
        "dense/h5/2.21.0/2.21.0",
    ]


def test_a_glob_that_matches_nothing_beside_one_that_does_is_to_be_warned_of() -> None:
    made = plan(selector=Selector(scenario=("dense", "dens")))
    assert [str(each) for each in made.unmatched] == ['--scenario "dens" matches nothing; did you mean "dense"?']


def test_nothing_selected_says_what_was_asked_and_what_there_is() -> None:
    with pytest.raises(NothingSelectedError) as caught:
        plan(selector=Selector(scenario=("dens",)), name="quick", formats=("h5",))
    assert str(caught.value) == (
        "--scenario 'dens' selects none of the 4 cells of the set \"quick\"\n"
        "  expected: scenarios dense; formats h5; environments 2.12.1, 2.15.1\n"
        '  to fix:   --scenario "dens" matches nothing; did you mean "dense"?'
    )
    assert caught.value.exit_code is ExitCode.NOTHING_SELECTED


def test_options_that_exclude_each_other_select_nothing() -> None:
    with pytest.raises(NothingSelectedError) as caught:
        plan(selector=Selector(only=("**/2.12.1",), reader=("2.15.1",)))
    assert caught.value.fix == "loosen one of the options: no cell fits all of them"


def test_a_selection_without_a_cell_is_nothing_selected() -> None:
    with pytest.raises(NothingSelectedError, match=r"matrix\.yaml selects no cell at all"):
        plan(scenario("dense", formats=("h5",)), formats=("tf",))


# --- unsupported -----------------------------------------------------------------------------------------------------


def test_what_a_writer_lacks_is_unsupported_and_not_saved() -> None:
    made = plan(scenario("dense", requires=("tensorflow>=2.13",)), formats=("h5",))
    reason = "the scenario requires tensorflow>=2.13; 2.12.1 has tensorflow 2.12.1"
    assert {str(cell): why for cell, why in unsupported(made).items()} == {
        "dense/h5/2.12.1/2.12.1": reason,
        "dense/h5/2.12.1/2.15.1": reason,
    }
    assert [str(save) for save in made.saves] == ["dense/h5/2.15.1"]
    assert made.size == 4
    assert [str(cell) for cell in made.loads] == ["dense/h5/2.15.1/2.12.1", "dense/h5/2.15.1/2.15.1"]
    assert made.counts()["loads"] == made.counts()["unsupported"] == 2


def test_what_a_reader_lacks_never_makes_a_cell_unsupported() -> None:
    made = plan(scenario("dense", requires=("tensorflow>=2.13",)), formats=("h5",), pairs=("2.15.1/2.12.1",))
    assert unsupported(made) == {}


LEGACY = environment("2.16.2@tf-keras", tensorflow="2.16.2", env={"TF_USE_LEGACY_KERAS": "1"})
LOCKED = {"tensorflow-cpu": "2.16.2", "keras": "3.4.1", "tf_keras": "2.16.0", "h5py": "3.11.0"}


@pytest.mark.parametrize(
    ("requires", "writer", "packages", "reason"),
    [
        ("tensorflow>=2.9", environment("2.12.1"), None, None),
        ("tensorflow<2.9", environment("2.12.1"), None, "tensorflow 2.12.1"),
        ("TensorFlow < 2.9", environment("2.12.1"), None, "tensorflow 2.12.1"),
        ("tensorflow>=2.9", environment("2.22.0rc0"), None, None),
        ("tensorflow>=2.9", environment("nightly"), None, None),
        ("tensorflow<2.9", environment("nightly"), None, None),
        ("tensorflow>=2.9", environment("nightly"), {"tf-nightly": "2.23.0.dev20260101"}, None),
        ("tensorflow<2.9", environment("nightly"), {"tf_nightly_cpu": "2.23.0.dev20260101"}, "tensorflow 2.23.0.dev"),
        ("tensorflow<2.9", environment("own", tensorflow="", python="", image="x"), None, None),
        ("python>=3.9", environment("2.4.4", python="3.8"), None, "python 3.8"),
        ("python>=3.9", environment("2.16.2", python="3.10"), None, None),
        # Before 2.16 Keras is that of TensorFlow's own minor, also where no lock says so.
        ("keras>=3", environment("2.15.1"), None, "keras 2.15.0"),
        ("keras<3", environment("2.4.4"), {"tensorflow": "2.4.4"}, None),
        ("keras>=3", environment("2.16.2"), None, None),
        ("keras<3", environment("2.16.2"), None, None),
        ("keras<3", environment("2.16.2", keras="3.3.3"), None, "keras 3.3.3"),
        ("keras<3", environment("2.16.2"), LOCKED, "keras 3.4.1"),
        ("keras>=3", environment("nightly"), {"keras-nightly": "3.16.0.dev1"}, None),
        # tf.keras is what counts: with this variable it is tf-keras.
        ("keras>=3", LEGACY, LOCKED, "keras 2.16.0"),
        ("keras<3", LEGACY, LOCKED, None),
        ("keras<3", LEGACY, None, None),
        ("h5py>=3.12", environment("2.16.2"), LOCKED, "h5py 3.11.0"),
        ("h5py>=3.12", environment("2.16.2"), None, None),
        ("pandas", environment("2.16.2"), LOCKED, "no pandas"),
        ("pandas", environment("2.16.2"), None, None),
        ("tf-keras", environment("2.16.2"), LOCKED, None),
    ],
)
def test_requirements(requires: str, writer: Environment, packages: dict[str, str] | None, reason: str | None) -> None:
    made = plan(
        scenario("dense", requires=(requires,)),
        environments=(writer,),
        formats=("h5",),
        versions={} if packages is None else {writer.id: packages},
    )
    reasons = list(unsupported(made).values())
    if reason is None:
        assert reasons == []
    else:
        has = f"{writer.id} has {reason}"
        assert len(reasons) == 1
        assert reasons[0].startswith(f"the scenario requires {requires}; {has}")


def test_a_format_the_writer_cannot_write_is_unsupported_where_its_versions_are_known() -> None:
    environments = ENVIRONMENTS[1:3]
    made = plan(environments=environments, formats=("savedmodel-raw",))
    assert unsupported(made) == {}, "the Keras of 2.16.2 is not known without a lock"
    made = plan(environments=environments, formats=("savedmodel-raw",), versions={"2.16.2": LOCKED})
    assert {str(cell): why for cell, why in unsupported(made).items()} == {
        "dense/savedmodel-raw/2.16.2/2.15.1": "Keras 3 has no such format",
        "dense/savedmodel-raw/2.16.2/2.16.2": "Keras 3 has no such format",
    }
    assert [str(save) for save in made.saves] == ["dense/savedmodel/2.15.1"]


def test_adaptive_pairs_are_all_pairs_and_those_that_another_part_wants_are_measured() -> None:
    made = plan(formats=("h5",), pairs=("adaptive",))
    (square,) = made.squares
    assert (made.size, square.adaptive) == (4, frozenset(square.pairs))
    made = plan(formats=("h5",), pairs=("adaptive", "same"))
    assert made.squares[0].adaptive == {("2.12.1", "2.15.1"), ("2.15.1", "2.12.1")}
    parts = (
        Selection(environments=ENVIRONMENTS[:2], formats=("h5",), pairs=("adaptive",)),
        Selection(environments=ENVIRONMENTS[1:3], formats=("h5",), pairs=("upgrade",)),
    )
    united = make_plan(Selection(environments=ENVIRONMENTS[:3], parts=parts), [scenario("dense")], formats=FORMATS)
    assert (united.size, len(united.squares[0].adaptive)) == (5, 4)
    narrowed = plan(formats=("h5",), pairs=("adaptive",), selector=Selector(reader=("2.15.1",)))
    assert narrowed.squares[0].adaptive == {("2.12.1", "2.15.1"), ("2.15.1", "2.15.1")}


def test_a_plan_may_be_all_unsupported() -> None:
    made = plan(scenario("dense", requires=("tensorflow>=3",)), formats=("h5",))
    assert (made.size, made.saves, made.loads) == (4, (), ())


def test_versions_of_an_environment() -> None:
    assert writer_versions(environment("2.16.2"), LOCKED) == {
        "tensorflow-cpu": "2.16.2",
        "tensorflow": "2.16.2",
        "keras": "3.4.1",
        "tf-keras": "2.16.0",
        "h5py": "3.11.0",
        "python": "3.11",
    }
    assert writer_versions(environment("nightly"), None) == {"python": "3.11"}


def test_the_real_formats_fit() -> None:
    made = make_plan(Selection(environments=ENVIRONMENTS), [scenario("dense")], formats=own_formats())
    assert "h5" in made.formats
    assert "custom" not in made.formats


# --- whatever the matrix ---------------------------------------------------------------------------------------------

names = st.sampled_from(["dense", "lstm", "tf_module", "lambda_layer"])
globs = st.sampled_from(["*", "dense", "l*", "tag:a", "zzz"])
versions_of = st.sampled_from(["2.9.3", "2.12.1", "2.15.1", "2.16.2", "nightly"])
patterns = st.sampled_from(["**", "dense", "*/h5", "**/2.15.1", "l*/{h5,tf}", "dense/h5/2.12.1/2.15.1", "zzz"])


@given(
    scenarios=st.lists(
        st.builds(
            scenario,
            names,
            formats=st.none() | st.lists(st.sampled_from(list(FORMATS)), min_size=1, unique=True).map(tuple),
            requires=st.sampled_from([(), ("tensorflow>=2.12",), ("keras>=3",)]),
            tags=st.sampled_from([(), ("a",)]),
            uses_keras=st.booleans(),
        ),
        max_size=4,
        unique_by=lambda each: each.name,
    ),
    environments=st.lists(versions_of, max_size=4, unique=True).map(lambda found: tuple(map(environment, found))),
    selected=st.lists(globs, min_size=1, max_size=2).map(tuple),
    pairs=st.lists(st.sampled_from(["all", "forward", "adjacent", "2.12.1/*"]), min_size=1, max_size=2).map(tuple),
    only=st.lists(patterns, max_size=2).map(tuple),
    reader=st.lists(versions_of, max_size=2).map(tuple),
)
def test_whatever_is_planned_fits_together(
    scenarios: list[Scenario],
    environments: tuple[Environment, ...],
    selected: tuple[str, ...],
    pairs: tuple[str, ...],
    only: tuple[str, ...],
    reader: tuple[str, ...],
) -> None:
    selector = Selector(only=only, reader=reader)
    selection = Selection(environments=environments, scenarios=selected, pairs=pairs)
    try:
        made = make_plan(selection, scenarios, selector, formats=FORMATS)
    except NothingSelectedError:
        made = None
    try:
        whole = make_plan(selection, scenarios, formats=FORMATS)
    except NothingSelectedError:
        assert made is None, "a selector cannot select more than there is"
        return
    kept = [cell for cell in whole.cells() if selector.takes_cell(str(cell)) and selector.takes_reader(cell.reader)]
    assert (list(made.cells()) if made else []) == kept, "a selector only leaves cells out"
    if made is None:
        return
    assert len(set(made.cells())) == made.size
    assert len(set(made.saves)) == len(made.saves)
    assert set(unsupported(made)) <= set(made.cells())
    assert set(made.saves) == {made.save_of(cell) for cell in made.loads}, "what is loaded is saved, and nothing else"
    assert {each.id for each in made.environments} == {n for cell in made.cells() for n in (cell.writer, cell.reader)}
    assert {each.name for each in made.scenarios} == {cell.scenario for cell in made.cells()}
    assert set(made.formats) == {cell.format for cell in made.cells()} == set(made.savers)
    assert made == make_plan(selection, list(reversed(scenarios)), selector, formats=FORMATS), "the order is stable"
    assert all(CellId.parse(str(cell)) == cell for cell in made.cells())
