"""From the findings of a drifting cell to what was lost, in words that are the same in every scenario.

A cell may have lost several things: each is named on its own, so that cells are grouped by what they share. What a
model computes follows from what it is: outputs differ because weights do, training goes elsewhere because the
optimizer's state is gone. So a check on what is computed names a loss only where nothing that is stored explains it;
which checks failed beside it is kept with the cell. The words stand with the checks (`tfmatrix.checks.contract`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.analysis.reasons import reason
from tfmatrix.checks.contract import NO_KERAS_MODEL, WRONG
from tfmatrix.checks.registry import checks
from tfmatrix.core.records import CellRecord, Finding
from tfmatrix.core.status import CheckStatus
from tfmatrix.core.text import one_line

_DOING: Mapping[str, str] = {
    "resume": "training on",
    "outputs": "using the loaded model",
    "signatures": "a signature",
}
"""What raises where a check could not be made."""


def losses(record: CellRecord) -> tuple[str, ...]:
    """What was lost, in the order of the checks, without what follows from another loss. Never empty for a drift."""
    follow = consequences(record)
    is_wrong = any(finding.code == WRONG for finding in record.findings("signatures"))
    found: list[str] = []
    for name in record.failed_checks:
        if is_wrong and name == "outputs":
            # They are what the signature gives.
            continue
        check, findings = record.checks.get(name) or {}, record.findings(name)
        if check.get("status") == CheckStatus.ERROR:
            found.append(_raised(name, record, findings))
        elif any(finding.code == "no-keras-model" for finding in findings):
            found.append(NO_KERAS_MODEL)
        elif name not in follow:
            found += _of_check(name, record, findings) or [f"{one_line(name, 30)} failed"]
    return tuple(dict.fromkeys(found)) or ("something is different, but no check says what",)


def consequences(record: CellRecord) -> tuple[str, ...]:
    """Failed checks that name no loss, because another one explains them."""
    failed = set(record.failed_checks)
    known = checks() if failed else {}
    return tuple(
        name
        for name in record.failed_checks
        if name in known
        and known[name].explained_by & failed
        and (record.checks.get(name) or {}).get("status") != CheckStatus.ERROR
    )


def is_no_keras_model(record: CellRecord) -> bool:
    """Whether the loader gave something else than a Keras model where one was promised."""
    return any(finding.code == "no-keras-model" for name in record.failed_checks for finding in record.findings(name))


def _of_check(name: str, record: CellRecord, findings: Sequence[Finding]) -> list[str]:
    check = checks().get(name)
    if check is None:
        # Of a plug-in that is not installed here.
        return [f"{one_line(name, 30)}: {one_line(finding.code, 60)}" for finding in findings[:1]]
    found = check.losses(findings, record.checks.get(name) or {})
    if name == "outputs" and any(finding.code == "beyond" for finding in findings):
        return [f"{said}{_share(record)}" if said == check.kinds["beyond"].loss else said for said in found]
    return found


def _share(record: CellRecord) -> str:
    """Where values that differ come from, as far as the control could tell."""
    shares = record.attribution or {}
    numerics, serialization = (bool((shares.get(share) or {}).get("found")) for share in ("numerics", "serialization"))
    if numerics == serialization:
        return ""
    # More than another order of the same sums: that much passes (`tfmatrix.checks.outputs`).
    return ": the same code computes otherwise in the reader" if numerics else ", though what is stored is the same"


def _raised(name: str, record: CellRecord, findings: Sequence[Finding]) -> str:
    """A check that could not be made, because the loaded model raises."""
    doing = _DOING.get(name, f"the check {one_line(name, 30)}")
    if record.error and name == "outputs":
        return f"{doing} raises: {reason(record.error).title}"
    figures: Mapping[str, Any] = next((each.figures for each in findings if "type" in each.figures), {})
    if not figures:
        return f"{doing} raises"
    return f"{doing} raises: {reason(figures).title}"
