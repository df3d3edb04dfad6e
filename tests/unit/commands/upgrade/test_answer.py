"""What the answer says, in every form, and which exit code it gives."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from analysis_runs import HOSTILE, drift, load_error, record, warning
from answer_schemas import hold
from tfmatrix.analysis.upgrades import UpgradeVerdict
from tfmatrix.cli.answers import answer_json
from tfmatrix.commands.upgrade.ci import to_junit, workflow_commands
from tfmatrix.commands.upgrade.measure import Alternative, Tried
from tfmatrix.commands.upgrade.render import document, to_markdown, to_text
from tfmatrix.core.errors import ExitCode
from upgrade_answers import NEW, OLD, answer, pinned

SAME = {"outputs": {"status": "pass", "max_abs": 0.0}}


def four(scenario, fmt="h5", *, read="pass", anew="pass", back="pass", own="pass", **fields):
    """The four cells of a scenario; `fields` go to those that fail."""

    def cell(writer, reader, status):
        failing = fields if status in ("load-error", "drift") else {}
        return record(f"{scenario}/{fmt}/{writer}/{reader}", status, **failing)

    return [cell(OLD, OLD, own), cell(OLD, NEW, read), cell(NEW, OLD, back), cell(NEW, NEW, anew)]


def refused(scenario, **fields):
    message = "File format not supported: filepath=m.h5"
    return [
        *[each for each in four(scenario) if each.cell != f"{scenario}/h5/{OLD}/{NEW}"],
        load_error(f"{scenario}/h5/{OLD}/{NEW}", message, **fields),
    ]


REMEDY = {
    "remedy": "compile=False",
    "remedies": (
        {
            "name": "compile=False",
            "status": "drift",
            "held": ["outputs", "weights"],
            "missing": ["optimizer", "resume"],
            "detail": "its wording is nobody's business",
        },
    ),
}


@pytest.mark.parametrize(
    ("records", "options", "verdict", "code"),
    [
        (four("a"), {}, UpgradeVerdict.SAFE, ExitCode.OK),
        (refused("a"), {}, UpgradeVerdict.UNSAFE, ExitCode.INCOMPATIBLE),
        (refused("a", **REMEDY), {}, UpgradeVerdict.CHANGES, ExitCode.INCOMPATIBLE),
        (refused("a", **REMEDY), {"allow_changes": True}, UpgradeVerdict.CHANGES, ExitCode.OK),
        (refused("a"), {"allow_changes": True}, UpgradeVerdict.UNSAFE, ExitCode.INCOMPATIBLE),
        (four("a", read="infra-error"), {}, UpgradeVerdict.UNKNOWN, ExitCode.INFRASTRUCTURE),
        (four("a", own="unsupported", read="unsupported"), {}, UpgradeVerdict.UNKNOWN, ExitCode.NOTHING_SELECTED),
        (four("a", own="load-error", read="load-error"), {}, UpgradeVerdict.UNKNOWN, ExitCode.NOTHING_SELECTED),
        # The way back decides only where it is required.
        (four("a", back="load-error"), {}, UpgradeVerdict.SAFE, ExitCode.OK),
        (four("a", back="load-error"), {"require_rollback": True}, UpgradeVerdict.SAFE, ExitCode.INCOMPATIBLE),
        (four("a", back="infra-error"), {"require_rollback": True}, UpgradeVerdict.SAFE, ExitCode.INFRASTRUCTURE),
        (refused("a"), {"require_rollback": True}, UpgradeVerdict.UNSAFE, ExitCode.INCOMPATIBLE),
    ],
)
def test_exit_codes(records, options, verdict, code):
    found = answer(records, **options)
    assert (found.upgrade.verdict, found.exit_code) == (verdict, code)


def test_a_change_says_what_to_do_and_what_it_costs():
    found = answer([*refused("a", **REMEDY), *four("b", read="load-error", remedy="save as keras")])
    compiled, saved = found.changes
    assert (compiled.name, compiled.when, compiled.scenarios) == ("compile=False", "read", ("a",))
    assert compiled.costs == ("the optimizer's state", "training that goes on where it stopped")
    assert saved.todo == f"save again as `keras` with {OLD}, before you upgrade"
    assert saved.costs == ()
    text = to_text(found)
    assert "load with compile=False, then call compile yourself" in text
    assert "costs the optimizer's state, training that goes on where it stopped" in " ".join(text.split())


def test_what_can_no_longer_be_written_names_what_can():
    records = [*four("a", "savedmodel", back="unsupported", anew="unsupported"), *four("a", "keras")]
    (change,) = answer(records).changes
    assert change.todo == f"{NEW} cannot write `savedmodel`: write `keras` (1 of 1 models) in its place"
    (change,) = answer(records[:4]).changes
    assert "no other format works" in change.todo


def test_only_warnings_that_are_new_are_told():
    old, both, new = (warning(text) for text in ("an old one", "one of both", "something new"))
    records = [
        record(f"a/h5/{OLD}/{OLD}", save_warnings=[old, both]),
        record(f"a/h5/{OLD}/{NEW}", save_warnings=[old, both]),
        record(f"a/h5/{NEW}/{OLD}"),
        record(f"a/h5/{NEW}/{NEW}", save_warnings=[both, new]),
    ]
    assert [entry.text for entry in answer(records).warnings] == ["something new"]
    assert "1 new warning" in to_text(answer(records))


def test_numerics_are_figures():
    moved = {"outputs": {"status": "pass", "max_abs": 3e-7, "max_ulp": 4, "argmax_flips": 0}}
    beyond = {"outputs": {"max_abs": 0.5, "max_ulp": 9e6, "argmax_flips": 3}}
    records = [
        *[each for each in four("a") if not each.cell.endswith(f"{OLD}/{NEW}")],
        record(f"a/h5/{OLD}/{NEW}", checks=moved),
        *[each for each in four("b") if not each.cell.endswith(f"{OLD}/{NEW}")],
        drift(f"b/h5/{OLD}/{NEW}", beyond, attribution={"numerics": {"found": True}}),
    ]
    found = answer(records)
    worse, fine = found.drifts
    assert (worse.scenario, worse.max_abs, worse.argmax_flips, worse.within, worse.by_kernels) == (
        "b", 0.5, 3, False, True,
    )  # fmt: skip
    assert (fine.scenario, fine.max_abs, fine.max_ulp, fine.within) == ("a", 3e-7, 4, True)
    line = next(line for line in to_text(found).splitlines() if line.startswith("b "))
    assert line.split() == ["b", "0.5", "9e6", "3", "BEYOND", "kernels"]


def test_training_that_was_not_asked_for_is_said_where_there_is_code():
    asked = "was not\nasked: --training."
    found = answer(four("a"))
    assert asked in to_text(found)
    assert asked not in to_text(replace(found, has_code=False))
    assert asked not in to_text(replace(found, training=found.upgrade))


def test_the_text_is_narrow_and_ranks_causes():
    records = [each for name in ("a", "b", "c") for each in refused(name)]
    records += [*four("d", read="drift", failed_checks=("optimizer",), checks={"optimizer": {"status": "fail"}})]
    tried = (
        Tried(version="2.15.0", verdict=UpgradeVerdict.CHANGES, sentence="1 cell needs a change", is_complete=False),
    )
    text = to_text(answer(records, alternative=Alternative(tried=tried, untried=("2.14.1",))))
    assert max(map(len, [line for line in text.splitlines() if not line.startswith("    tfmatrix")])) <= 80
    breaks = text.partition("May you roll back")[0]
    first, second = [line for line in breaks.splitlines() if line.startswith(("- 1.", "- 2."))]
    assert "File format not supported" in first
    assert "optimizer" in second
    words = "2.15.0: SAFE WITH CHANGES, or worse (only the scenarios that failed above were tried)"
    assert words in " ".join(text.split())
    assert "not tried: 2.14.1" in text
    assert "No version that is SAFE was found among those tried" in text


def test_markdown_and_json_say_the_same():
    tried = (Tried(version="2.15.0", verdict=UpgradeVerdict.SAFE, sentence="4 cells that worked still do"),)
    found = answer(refused("a"), alternative=Alternative(tried=tried, untried=()))
    assert to_markdown(found).startswith("# ⚠ TensorFlow 2.15.1 → 2.16.2: UNSAFE\n")
    assert "| package" in to_markdown(found)
    data = document(found)
    hold("upgrade", data)
    assert (data["schema"], data["verdict"], data["exit_code"]) == (1, "UNSAFE", 1)
    assert data["upgrade"]["breaks"] == [f"a/h5/{OLD}/{NEW}"]
    assert data["upgrade"]["causes"][0]["cells"] == [f"a/h5/{OLD}/{NEW}"]
    assert data["rollback"]["verdict"] == "SAFE"
    assert data["alternative"]["version"] == "2.15.0"
    assert data["from"]["packages"]["Keras"] == "2.15.0"


def test_junit_counts_what_ci_shows():
    records = [*refused("a"), *refused("b", **REMEDY), *four("c", read="infra-error"), *four("d", back="load-error")]
    root = ET.fromstring(to_junit(answer(records)))
    there, back = root.findall("testsuite")
    assert {name: there.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8", "failures": "2", "errors": "1", "skipped": "0",
    }  # fmt: skip
    assert (back.get("tests"), back.get("failures"), back.get("skipped")) == ("4", "0", "1")
    allowed = ET.fromstring(to_junit(answer(records, allow_changes=True, require_rollback=True)))
    there, back = allowed.findall("testsuite")
    assert (there.get("failures"), there.get("skipped"), back.get("failures")) == ("1", "1", "1")


def test_annotations_stand_at_the_pin():
    records = [*refused("a"), *refused("b", **REMEDY), *four("d", back="load-error")]
    lines = workflow_commands(answer(records, before=pinned(OLD), after=pinned(NEW)))
    assert lines[0].startswith("::error file=requirements.txt,line=3,title=TensorFlow 2.15.1 → 2.16.2%3A UNSAFE::")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::warning"]
    assert workflow_commands(answer(four("a"))) == []


def test_hostile_texts_stay_texts():
    found = answer(refused("a", remedy=HOSTILE, remedies=({"name": HOSTILE, "detail": HOSTILE},)))
    broken = answer([*four("a")[:1], load_error(f"a/h5/{OLD}/{NEW}", HOSTILE), *four("a")[2:]])
    for each in (found, broken):
        hold("upgrade", document(each))
        for text in (
            to_text(each),
            to_markdown(each),
            answer_json("upgrade", document(each)),
            to_junit(each),
            *workflow_commands(each),
        ):
            assert "\x1b" not in text
            assert "\x00" not in text
        assert all("\n" not in line for line in workflow_commands(each))
        ET.fromstring(to_junit(each))


def test_what_failed_on_both_sides_is_told_with_its_exception_and_a_cell():
    broken = [
        load_error(f"net/h5/{writer}/{reader}", "no module named layers", "ImportError")
        for writer in (OLD, NEW)
        for reader in (OLD, NEW)
    ]
    made = answer(broken)
    assert made.upgrade.verdict is UpgradeVerdict.UNKNOWN
    for text in (to_text(made), to_markdown(made)):
        assert "ImportError: no module named layers" in text
        assert f"net/h5/{OLD}/{OLD}" in text
        assert "tfmatrix explain" in text
    failures = document(made)["upgrade"]["failures"]
    assert {each["said"] for each in failures} == {"ImportError: no module named layers"}
    assert any("failed before already" in line and "ImportError" in line for line in workflow_commands(made))


def test_the_table_shows_the_keras_that_tf_keras_is():
    environment = replace(pinned(NEW).environment, env={"TF_USE_LEGACY_KERAS": "1"})
    after = replace(pinned(NEW), environment=environment)
    made = answer([record(f"net/h5/{OLD}/{reader}") for reader in (OLD, NEW)], after=after)
    packages = dict(made.run.header["environments"][NEW]["packages"]) | {"tf-keras": "2.16.0"}
    described = made.run.header["environments"] | {NEW: {"packages": packages}}
    run = replace(made.run, header={**made.run.header, "environments": described})
    versions = replace(made, run=run).versions(after)
    assert versions["Keras"] == "2.16.0 (tf-keras)"
    assert "tf-keras" not in versions


def code_cells(status: str = "pass", **fields):
    """The cells of a scenario whose code is trained anew; `fields` go to that of the new environment."""
    return [
        record(f"a/code/{writer}/{reader}", status if (writer, reader) == (OLD, NEW) else "pass", **found)
        for writer, reader in ((OLD, OLD), (OLD, NEW), (NEW, OLD), (NEW, NEW))
        for found in [fields if (writer, reader) == (OLD, NEW) else {}]
    ]


MOVED = {
    "failed_checks": ("updates",),
    "checks": {
        "updates": {
            "status": "fail",
            "findings": [
                {
                    "code": "statistics",
                    "subject": "bn/moving_variance",
                    "figures": {
                        "step": 1,
                        "steps": 20,
                        "beyond": 4,
                        "moved": 8,
                        "max_abs": 0.04,
                        "max_abs_last": 0.08,
                        "class": "BatchNormalization",
                    },
                }
            ],
        }
    },
    "attribution": {
        "serialization": None,
        "numerics": {"found": False, "checks": []},
        "training": {"by": ["arithmetic"], "first": {"check": "updates", "subject": "bn/moving_variance"}},
        "sentence": "the same configuration computes something else: bn/moving_variance",
    },
}


def test_files_may_be_safe_where_training_is_not() -> None:
    told = answer([*four("a"), *code_cells("drift", **MOVED)])
    assert told.upgrade.verdict is UpgradeVerdict.SAFE
    assert told.training is not None
    assert told.training.verdict is UpgradeVerdict.UNSAFE
    assert told.exit_code is ExitCode.INCOMPATIBLE
    text = to_text(told)
    assert f"TensorFlow {OLD} → {NEW}: SAFE" in text
    assert "Your code trains differently: UNSAFE" in text
    assert "training moves `moving_variance` of `BatchNormalization` elsewhere" in to_markdown(told)
    found = document(told)
    assert (found["verdict"], found["training"]["verdict"]) == ("SAFE", "UNSAFE")
    hold("upgrade", found)


def test_a_remedy_of_training_is_told_as_it_was_tried() -> None:
    remedied = {
        **MOVED,
        "remedy": "TF_USE_LEGACY_KERAS=1",
        "remedies": ({"name": "TF_USE_LEGACY_KERAS=1", "status": "pass", "held": ["updates"], "missing": []},),
    }
    told = answer([*four("a"), *code_cells("drift", **remedied)])
    assert told.training is not None
    assert told.training.verdict is UpgradeVerdict.CHANGES
    assert "install tf-keras and set TF_USE_LEGACY_KERAS=1" in " ".join(to_text(told).split())


def test_training_that_stays_is_said_and_files_alone_say_nothing_of_it() -> None:
    assert "Your code trains the same: SAFE" in to_text(answer([*four("a"), *code_cells()]))
    alone = answer(four("a"))
    assert "Your code" not in to_text(alone)
    assert document(alone)["training"] is None
