from __future__ import annotations

import pytest
from analysis_runs import record
from tfmatrix.analysis.upgrades import UpgradeVerdict, every_upgrade, judge_upgrade, pairs_of

PAIRS = [(writer, reader) for writer in ("1", "2") for reader in ("1", "2")]


def pairs(statuses, scenario="s", **fields):
    """Cells 1/1, 1/2, 2/1 and 2/2 of one scenario and format; an empty status is a cell that there is not."""
    return pairs_of(cells(statuses, scenario, **fields))


def cells(statuses, scenario="s", **fields):
    return [
        record(f"{scenario}/h5/{writer}/{reader}", status, **(fields if status in ("load-error", "drift") else {}))
        for (writer, reader), status in zip(PAIRS, statuses, strict=True)
        if status
    ]


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (("pass", "pass", "pass", "pass"), UpgradeVerdict.SAFE),
        (("pass", "load-error", "pass", "pass"), UpgradeVerdict.UNSAFE),
        (("pass", "drift", "pass", "pass"), UpgradeVerdict.UNSAFE),
        # It works in the old version, and not when it is made anew in the new one.
        (("pass", "pass", "pass", "load-error"), UpgradeVerdict.UNSAFE),
        # A rollback says nothing about the upgrade.
        (("pass", "pass", "load-error", "pass"), UpgradeVerdict.SAFE),
        # What failed before is no reason; but then nothing is known either.
        (("load-error", "load-error", "pass", "load-error"), UpgradeVerdict.UNKNOWN),
        (("pass", "infra-error", "pass", "pass"), UpgradeVerdict.UNKNOWN),
        (("pass", "pass", "pass", "infra-error"), UpgradeVerdict.UNKNOWN),
        (("infra-error", "pass", "pass", "pass"), UpgradeVerdict.UNKNOWN),
        # It fails now; whether it worked before, nobody knows.
        (("infra-error", "load-error", "pass", "pass"), UpgradeVerdict.UNKNOWN),
        (("skipped", "pass", "pass", "pass"), UpgradeVerdict.UNKNOWN),
        (("pass", "", "", ""), UpgradeVerdict.UNKNOWN),
        # That it can be made anew does not say that old files are read, nor the other way round.
        (("pass", "", "pass", "pass"), UpgradeVerdict.UNKNOWN),
        (("pass", "pass", "pass", ""), UpgradeVerdict.UNKNOWN),
        (("", "pass", "pass", "pass"), UpgradeVerdict.UNKNOWN),
        (("", "load-error", "pass", "pass"), UpgradeVerdict.UNKNOWN),
        (("", "", "", ""), UpgradeVerdict.UNKNOWN),
        (("pass", "pass", "unsupported", "unsupported"), UpgradeVerdict.CHANGES),
        (("unsupported", "unsupported", "pass", "pass"), UpgradeVerdict.UNKNOWN),
    ],
)
def test_verdict(statuses, verdict):
    assert judge_upgrade(pairs(statuses), "1", "2").verdict is verdict


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (("pass", "pass", "pass", "pass"), UpgradeVerdict.SAFE),
        (("pass", "pass", "load-error", "pass"), UpgradeVerdict.UNSAFE),
        (("pass", "pass", "", "pass"), UpgradeVerdict.UNKNOWN),
        # The old environment goes on as it did: what failed there, fails there again.
        (("load-error", "pass", "pass", "pass"), UpgradeVerdict.SAFE),
        # What the new environment cannot write leaves no file to read.
        (("pass", "pass", "unsupported", "unsupported"), UpgradeVerdict.UNKNOWN),
    ],
)
def test_a_rollback_asks_whether_new_files_are_read(statuses, verdict):
    assert judge_upgrade(pairs(statuses), "2", "1", rollback=True).verdict is verdict


def test_to_an_environment_before_it_in_the_matrix_is_a_rollback():
    found = every_upgrade(pairs(("load-error", "pass", "pass", "pass")), ("1", "2"))
    assert found["2", "1"].is_rollback
    assert found["2", "1"].verdict is UpgradeVerdict.SAFE
    assert not found["1", "2"].is_rollback


def test_a_remedy_turns_a_break_into_a_change():
    found = judge_upgrade(pairs(("pass", "load-error", "pass", "pass"), remedy="compile=False"), "1", "2")
    assert found.verdict is UpgradeVerdict.CHANGES
    assert found.remedies == (("compile=False", 1),)
    assert found.sentence == "1 cell needs a change (compile=False)"


@pytest.mark.parametrize(
    ("fields", "untried"),
    [
        ({"load": {"status": "error"}}, 1),
        ({"inferred": {"from": "t/h5/1/2", "by": "reader"}}, 1),
        ({"load": {"status": "error"}, "remedies": ({"name": "save as keras", "status": "pass"},)}, 1),
        ({"load": {"status": "error"}, "remedies": ({"name": "compile=False", "status": "load-error"},)}, 0),
        ({"load": {}}, 0),
    ],
)
def test_a_break_on_which_no_remedy_was_tried_says_so(fields, untried):
    found = judge_upgrade(pairs(("pass", "load-error", "pass", "pass"), **fields), "1", "2")
    assert (found.verdict, found.untried) == (UpgradeVerdict.UNSAFE, untried)
    assert ("no remedy was tried on 1" in found.sentence) is bool(untried)


def test_one_break_outweighs_what_was_not_measured():
    found = judge_upgrade(pairs(("pass", "drift", "pass", "infra-error")), "1", "2")
    assert found.verdict is UpgradeVerdict.UNSAFE
    assert "not measured" in found.sentence


def test_files_without_code_need_not_be_made_anew():
    statuses = ("pass", "pass", "", "")
    assert judge_upgrade(pairs(statuses), "1", "2", files_only={"s"}).verdict is UpgradeVerdict.SAFE
    assert judge_upgrade(pairs(statuses), "1", "2", files_only={"other"}).missing == ("s/h5/2/2",)


def test_what_failed_already_is_counted_beside_what_was_tested():
    found = judge_upgrade(
        pairs_of([*cells(("pass",) * 4), *cells(("drift", "load-error", "pass", "infra-error"), "t")]), "1", "2"
    )
    assert found.verdict is UpgradeVerdict.SAFE
    assert found.sentence == "2 cells that worked still do; 1 failed in 1 already"
    assert len(found.already) == 1


HELD = {"load": {"status": "pass"}, "outputs": {"status": "pass"}, "optimizer": {"status": "fail"}}


@pytest.mark.parametrize(
    ("read", "fields", "verdict", "already"),
    [
        # Its predictions were right, and now it is not even loaded.
        ("load-error", {}, UpgradeVerdict.UNSAFE, 0),
        ("load-error", {"remedy": "compile=False"}, UpgradeVerdict.CHANGES, 0),
        ("drift", {"failed_checks": ("outputs", "optimizer")}, UpgradeVerdict.UNSAFE, 0),
        # The same is lost as before, and nothing more.
        ("drift", {"failed_checks": ("optimizer",)}, UpgradeVerdict.SAFE, 1),
        ("pass", {}, UpgradeVerdict.SAFE, 0),
        ("infra-error", {}, UpgradeVerdict.UNKNOWN, 0),
    ],
)
def test_of_what_drifted_before_the_checks_that_held_are_asked_for(read, fields, verdict, already):
    base = record("s/h5/1/1", "drift", failed_checks=("optimizer",), checks=HELD)
    found = judge_upgrade(pairs_of([base, record("s/h5/1/2", read, **fields), record("s/h5/2/2")]), "1", "2")
    assert (found.verdict, len(found.already)) == (verdict, already)


def test_a_file_that_the_old_environment_does_not_read_was_not_tested():
    records = [record("m/h5/1/1", "load-error"), record("m/h5/1/2", "skipped"), *cells(("pass",) * 4)]
    assert judge_upgrade(pairs_of(records), "1", "2", files_only={"m"}).verdict is UpgradeVerdict.UNKNOWN
    records[1] = record("m/h5/1/2", "load-error")
    assert judge_upgrade(pairs_of(records), "1", "2", files_only={"m"}).verdict is UpgradeVerdict.UNKNOWN
    assert judge_upgrade(pairs_of(records), "1", "2").verdict is UpgradeVerdict.SAFE


@pytest.mark.parametrize(("status", "verdict"), [("pass", UpgradeVerdict.SAFE), ("load-error", UpgradeVerdict.UNSAFE)])
def test_a_layer_of_keras_3_replaces_the_signature_that_keras_2_calls(status, verdict):
    found = pairs_of([record("s/savedmodel-signature/1/1", "pass"), record("s/savedmodel-tfsm/1/2", status)])
    upgrade = judge_upgrade(found, "1", "2", files_only={"s"})
    assert (upgrade.verdict, upgrade.tested, upgrade.missing) == (verdict, 1, ())
    alone = pairs_of([record("s/savedmodel-tfsm/1/2", status)])
    assert judge_upgrade(alone, "1", "2", files_only={"s"}).verdict is UpgradeVerdict.UNKNOWN
