from __future__ import annotations

import pytest
from site_runs import write_run

from runner.models import CellRecord, Status
from runner.site.board import Board
from runner.site.upgrades import Verdict, upgrade

PAIRS = [(writer, reader) for writer in ("1", "2") for reader in ("1", "2")]


def board(tmp_path, statuses, **fields):
    error = {"phase": "load", "type": "E", "message": "m"}
    cells = []
    for (writer, reader), status in zip(PAIRS, statuses, strict=True):
        fails = status in ("load-error", "drift")
        if status:
            cells.append(
                CellRecord(
                    run="r", cell=f"s/h5/{writer}/{reader}", scenario="s", format="h5", writer=writer, reader=reader,
                    status=Status(status), error=error if fails else None, **(fields if fails else {}),
                )
            )  # fmt: skip
    return Board.of(write_run(tmp_path, cells=cells, environments=("1", "2")))


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (("pass", "pass", "pass", "pass"), Verdict.SAFE),
        (("pass", "load-error", "pass", "pass"), Verdict.UNSAFE),
        (("pass", "drift", "pass", "pass"), Verdict.UNSAFE),
        # It works in the old version, and not when it is made anew in the new one.
        (("pass", "pass", "pass", "load-error"), Verdict.UNSAFE),
        # A rollback says nothing about the upgrade.
        (("pass", "pass", "load-error", "pass"), Verdict.SAFE),
        # What failed before is no reason; but then nothing is known either.
        (("load-error", "load-error", "pass", "load-error"), Verdict.UNKNOWN),
        (("pass", "infra-error", "pass", "pass"), Verdict.UNKNOWN),
        (("pass", "", "", ""), Verdict.UNKNOWN),
        (("pass", "pass", "unsupported", "unsupported"), Verdict.CHANGES),
        (("unsupported", "unsupported", "pass", "pass"), Verdict.UNKNOWN),
    ],
)
def test_verdict(tmp_path, statuses, verdict):
    assert upgrade(board(tmp_path, statuses), "1", "2").verdict is verdict


def test_a_remedy_turns_a_break_into_a_change(tmp_path):
    found = upgrade(board(tmp_path, ("pass", "load-error", "pass", "pass"), remedy="compile=False"), "1", "2")
    assert found.verdict is Verdict.CHANGES
    assert found.remedies == (("compile=False", 1),)
    assert "compile=False" in found.sentence


def test_one_break_outweighs_what_was_not_measured(tmp_path):
    found = upgrade(board(tmp_path, ("pass", "drift", "pass", "infra-error")), "1", "2")
    assert found.verdict is Verdict.UNSAFE
    assert "not measured" in found.sentence
