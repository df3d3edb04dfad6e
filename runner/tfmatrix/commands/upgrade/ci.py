"""The answer for CI systems: JUnit XML, and what GitHub Actions shows (annotations and the job's summary)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from tfmatrix.analysis.causes import Cause
from tfmatrix.analysis.upgrades import Upgrade, UpgradeVerdict, cells_in_words
from tfmatrix.commands.upgrade.answer import UpgradeAnswer
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.records import CellRecord
from tfmatrix.core.text import escaped, one_line

MOST_ANNOTATIONS = 10
"""GitHub shows ten of each kind in one step."""


def to_junit(answer: UpgradeAnswer) -> str:
    """A suite for the upgrade and one for the rollback, a test case per cell that counts.

    What breaks is a failure, and so is what needs a change unless changes are allowed; what was not measured is an
    error; what failed before, and a rollback that nobody requires, is skipped with its reason.
    """
    root = ET.Element("testsuites", name="tfmatrix upgrade")
    _suite(root, "upgrade", answer.upgrade, answer, counts=True)
    _suite(root, "rollback", answer.rollback, answer, counts=answer.require_rollback)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, name: str, upgrade: Upgrade, answer: UpgradeAnswer, *, counts: bool) -> None:
    suite = ET.SubElement(root, "testsuite", name=f"{name} {upgrade.before} → {upgrade.after}")
    outcomes = {record.cell: kind for kind, record in _outcomes(upgrade)}
    records = {record.cell: record for _, record in _outcomes(upgrade)}
    for cell in upgrade.missing:
        case = ET.SubElement(suite, "testcase", classname=name, name=cell)
        _say(case, "error" if counts else "skipped", "not measured: no part of the run")
    for record in answer.run.records:
        if record.cell not in outcomes and record.cell not in _passes(upgrade, answer):
            continue
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"{name}.{record.scenario}.{record.format}",
            name=escaped(record.cell),
            time=f"{record.seconds:.3f}",
        )
        kind = outcomes.get(record.cell)
        if kind is not None:
            _tell(case, kind, records[record.cell], answer.allow_changes, counts)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))


def _outcomes(upgrade: Upgrade) -> Iterator[tuple[str, CellRecord]]:
    for kind in ("breaks", "changes", "gone", "already", "unmeasured"):
        for record in getattr(upgrade, kind):
            yield kind, record


def _passes(upgrade: Upgrade, answer: UpgradeAnswer) -> set[str]:
    """Cells that count for a verdict and hold."""
    readers = {(upgrade.before, upgrade.after)}
    if not upgrade.is_rollback:
        readers.add((upgrade.after, upgrade.after))
    return {
        record.cell
        for record in answer.run.records
        if record.status == "pass" and (record.writer, record.reader) in readers
    }


def _tell(case: ET.Element, kind: str, record: CellRecord, allow_changes: bool, counts: bool) -> None:
    said = one_line((record.error or {}).get("message") or ", ".join(record.failed_checks) or record.status.value, 500)
    match kind:
        case "breaks":
            _say(case, "failure" if counts else "skipped", f"{record.status.value}: {said}")
        case "changes" | "gone":
            needs = f"needs a change: {record.remedy}" if record.remedy else "can no longer be written"
            _say(case, "failure" if counts and not allow_changes else "skipped", f"{needs} ({said})")
        case "already":
            _say(case, "skipped", f"failed before already: {said}")
        case _:
            _say(case, "error" if counts else "skipped", f"not measured: {said}")


def _say(case: ET.Element, tag: str, message: str) -> None:
    ET.SubElement(case, tag, message=escaped(message))


# GitHub Actions


def workflow_commands(answer: UpgradeAnswer) -> list[str]:
    """Workflow commands: an error for each cause of an UNSAFE verdict, warnings for changes and for the way back."""
    place = _place(answer)
    title = f"TensorFlow {answer.name(answer.before)} → {answer.name(answer.after)}"
    failed = answer.exit_code is not ExitCode.OK
    lines = []
    if failed:
        verdict = answer.upgrade.verdict.value
        if answer.upgrade.verdict is not answer.deciding:
            verdict = f"the way back is {answer.deciding.value}"
        lines.append(_command("error", place, f"{title}: {verdict}", answer.upgrade.sentence))
    lines += _of_causes("error" if failed else "warning", place, answer.causes)
    for change in answer.changes:
        costs = f"; costs {', '.join(change.costs)}" if change.costs else ""
        lines.append(
            _command("warning", place, f"{title}: change", f"{change.todo}{costs} ({len(change.cells)} cells)")
        )
    if answer.rollback.verdict is UpgradeVerdict.UNSAFE:
        lines.append(_command("warning", place, f"{title}: no way back", answer.rollback.sentence))
    return [line for kind in ("error", "warning") for line in _first(lines, f"::{kind} ")]


def _of_causes(kind: str, place: Sequence[tuple[str, str]], causes: Sequence[Cause]) -> Iterator[str]:
    for cause in causes:
        yield _command(
            kind, place, f"{cause.id}: {cells_in_words(len(cause.cells))}", f"{cause.title} (such as {cause.example})"
        )


def _first(lines: Iterable[str], beginning: str) -> list[str]:
    return [line for line in lines if line.startswith(beginning)][:MOST_ANNOTATIONS]


def _place(answer: UpgradeAnswer) -> list[tuple[str, str]]:
    """The line of the pull request that the annotation belongs to: where the new TensorFlow is pinned."""
    side = answer.after
    if side.file is None or side.file.is_absolute():
        return []
    line = next((pin.line for pin in side.pins if pin.line), None)
    return [("file", side.file.as_posix()), *([("line", str(line))] if line else [])]


def _command(kind: str, place: Sequence[tuple[str, str]], title: str, message: str) -> str:
    properties = ",".join(f"{name}={_property(value)}" for name, value in (*place, ("title", title)))
    return f"::{kind} {properties}::{_data(one_line(message, 1000))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text, 300)).replace(":", "%3A").replace(",", "%2C")


def append_summary(path: Path, markdown: str) -> None:
    """Appends to the file that GitHub shows with the job."""
    with path.open("a", encoding="utf-8") as file:
        file.write(markdown + "\n")
