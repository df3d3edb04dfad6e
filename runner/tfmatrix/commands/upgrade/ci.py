"""The answer for CI systems: JUnit XML, and what GitHub Actions shows (annotations and the job's summary)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfmatrix.analysis.causes import Cause
from tfmatrix.analysis.upgrades import Upgrade, UpgradeVerdict, cells_in_words
from tfmatrix.commands.upgrade.answer import UpgradeAnswer
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.records import CellRecord
from tfmatrix.core.text import escaped, one_line

if TYPE_CHECKING:
    from junitparser import Error, Failure, Skipped, TestSuite

MOST_ANNOTATIONS = 10
"""GitHub shows ten of each kind in one step."""


def to_junit(answer: UpgradeAnswer) -> str:
    """A suite for the upgrade and one for the rollback, a test case per cell that counts.

    What breaks is a failure, and so is what needs a change unless changes are allowed; what was not measured is an
    error; what failed before, and a rollback that nobody requires, is skipped with its reason.
    """
    # Here, since most answers are read by people.
    from junitparser import JUnitXml

    document = JUnitXml("tfmatrix upgrade")
    document.add_testsuite(_suite("upgrade", answer.upgrade, answer, counts=True))
    document.add_testsuite(_suite("rollback", answer.rollback, answer, counts=answer.require_rollback))
    text: bytes = document.tostring()  # type: ignore[no-untyped-call]
    return text.decode("utf-8")


def _suite(name: str, upgrade: Upgrade, answer: UpgradeAnswer, *, counts: bool) -> TestSuite:
    from junitparser import Error, Skipped, TestCase, TestSuite

    suite = TestSuite(f"{name} {upgrade.before} → {upgrade.after}")
    outcomes = {record.cell: kind for kind, record in _outcomes(upgrade)}
    passes = _passes(upgrade, answer)
    for cell in upgrade.missing:
        case = TestCase(name=escaped(cell), classname=name)
        case.result = [(Error if counts else Skipped)("not measured: no part of the run")]
        suite.add_testcase(case)
    for record in answer.run.records:
        if record.cell not in outcomes and record.cell not in passes:
            continue
        case = TestCase(
            name=escaped(record.cell),
            classname=f"{name}.{record.scenario}.{record.format}",
            time=round(record.seconds, 3),
        )
        if kind := outcomes.get(record.cell):
            case.result = [_result(kind, record, answer.allow_changes, counts)]
        suite.add_testcase(case)
    return suite


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


def _result(kind: str, record: CellRecord, allow_changes: bool, counts: bool) -> Failure | Error | Skipped:
    """What is said of a cell that did not simply hold: a failure, an error, or why it does not count."""
    from junitparser import Error, Failure, Skipped

    said = one_line((record.error or {}).get("message") or ", ".join(record.failed_checks) or record.status.value, 500)
    match kind:
        case "breaks":
            return (Failure if counts else Skipped)(escaped(f"{record.status.value}: {said}"))
        case "changes" | "gone":
            needs = f"needs a change: {record.remedy}" if record.remedy else "can no longer be written"
            return (Failure if counts and not allow_changes else Skipped)(escaped(f"{needs} ({said})"))
        case "already":
            return Skipped(escaped(f"failed before already: {said}"))
        case _:
            return (Error if counts else Skipped)(escaped(f"not measured: {said}"))


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
    for what, example in answer.failed_already if not answer.upgrade.tested else ():
        lines.append(_command("warning", place, f"{title}: failed before already", f"{what} (such as {example})"))
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


def append_output(path: Path, verdict: str) -> None:
    """Appends to the file of a step's outputs: `steps.ID.outputs.verdict`, empty where nothing was asked."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"verdict={verdict}\n")
