"""The answer: the verdict there and back, why, what must be changed, and what else moves. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tfmatrix.analysis.causes import Cause, find_causes
from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.training import is_of_training
from tfmatrix.analysis.upgrades import WORST_VERDICT_FIRST, Upgrade, UpgradeVerdict
from tfmatrix.analysis.warnings import WarningEntry, catalogue
from tfmatrix.checks.registry import checks
from tfmatrix.commands.upgrade.measure import Alternative, Measured
from tfmatrix.commands.upgrade.sides import Side
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.packages import DISTRIBUTIONS, version_among
from tfmatrix.core.records import SAVE_AS, CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import figure, one_line
from tfmatrix.envs.resolve import LEGACY_KERAS
from tfmatrix.store.runs import Run
from tfmatrix.worker.remedies import AND, remedies

_COSTS: Mapping[str, str] = {
    "optimizer": "the optimizer's state",
    "resume": "training that goes on where it stopped",
    "compile": "loss, metrics and optimizer settings",
    "config": "the model's configuration",
    "weights": "the layout of the weights",
    "outputs": "the same outputs",
    "signatures": "the signatures",
}
"""What is gone where a check does not hold even with the remedy."""


@dataclass(frozen=True, kw_only=True)
class RequiredChange:
    """Something to do, for `cells`, after which the model is back. `costs` are what stays lost even then,
    `price` is what the remedy itself asks.

    `when` says whether it is about files of the old environment ("read") or about new ones ("anew").
    """

    name: str
    todo: str
    when: str
    cells: tuple[str, ...]
    scenarios: tuple[str, ...]
    formats: tuple[str, ...]
    costs: tuple[str, ...]
    price: str


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How far outputs of a scenario move when its files are read by the new environment: the worst of its formats.

    `within`: all are within the calibrated tolerance. `by_kernels`: the rebuilt model moves as far, so that it is the
    arithmetic of the new version, and nothing in the file.
    """

    scenario: str
    formats: tuple[str, ...]
    max_abs: float
    max_ulp: float | None
    argmax_flips: int
    within: bool
    by_kernels: bool


@dataclass(frozen=True, kw_only=True)
class UpgradeAnswer:
    """Everything that is to be told. Build it with `answer_of`.

    `has_code`: there is code that could be trained anew; `training` is None where that was not asked for.
    """

    before: Side
    after: Side
    origin: str
    upgrade: Upgrade
    rollback: Upgrade
    training: Upgrade | None = None
    training_causes: tuple[Cause, ...] = ()
    has_code: bool = False
    causes: tuple[Cause, ...]
    rollback_causes: tuple[Cause, ...]
    changes: tuple[RequiredChange, ...]
    warnings: tuple[WarningEntry, ...]
    drifts: tuple[Drift, ...]
    read_cells: int
    flaky: tuple[str, ...]
    run: Run
    folders: tuple[str, ...]
    alternative: Alternative | None = None
    notes: tuple[str, ...] = ()
    allow_changes: bool = False
    require_rollback: bool = False

    @property
    def deciding(self) -> UpgradeVerdict:
        """The verdict that the exit code follows."""
        verdicts = [each.verdict for each in self._asked]
        return min(verdicts, key=WORST_VERDICT_FIRST.index)

    @property
    def _asked(self) -> list[Upgrade]:
        """What was asked: of files there, perhaps back, and of training where that was measured."""
        back = self.rollback if self.require_rollback else None
        return [each for each in (self.upgrade, back, self.training) if each is not None]

    @property
    def exit_code(self) -> ExitCode:
        """0 SAFE, 1 UNSAFE or not without changes, 3 nothing could be asked, 4 something could not be measured."""
        match self.deciding:
            case UpgradeVerdict.SAFE:
                return ExitCode.OK
            case UpgradeVerdict.CHANGES:
                return ExitCode.OK if self.allow_changes else ExitCode.INCOMPATIBLE
            case UpgradeVerdict.UNSAFE:
                return ExitCode.INCOMPATIBLE
        lost = any(each.unmeasured or each.missing for each in self._asked)
        return ExitCode.INFRASTRUCTURE if lost else ExitCode.NOTHING_SELECTED

    @cached_property
    def unmeasured_reasons(self) -> tuple[tuple[str, int, str], ...]:
        """Why cells were not measured, most first, with an example of each."""
        found: dict[str, list[str]] = {}
        for record in self.upgrade.unmeasured:
            found.setdefault(_why(record), []).append(record.cell)
        if self.upgrade.missing:
            found.setdefault("no part of the run", []).extend(self.upgrade.missing)
        return tuple(
            (why, len(cells), cells[0]) for why, cells in sorted(found.items(), key=lambda each: -len(each[1]))
        )

    @property
    def failed_already(self) -> tuple[tuple[str, str], ...]:
        """What failed on the old side as well, with an example of each; what is said most often first."""
        found: dict[str, list[str]] = {}
        for record in self.upgrade.already:
            base = self.own.get((record.scenario, record.format), record)
            found.setdefault(failure_in_words(base), []).append(base.cell)
        return tuple((what, cells[0]) for what, cells in sorted(found.items(), key=lambda each: -len(each[1])))

    @cached_property
    def own(self) -> Mapping[tuple[str, str], CellRecord]:
        """The cells of the old side by itself, by scenario and format."""
        before = self.upgrade.before
        return {
            (each.scenario, each.format): each
            for each in self.run.records
            if (each.writer, each.reader) == (before,) * 2
        }

    def name(self, side: Side) -> str:
        """What a side is called: its TensorFlow, or its id where that does not tell the two apart."""
        return _names(self.run, self.before, self.after)[side is self.after]

    def versions(self, side: Side) -> dict[str, str]:
        """The packages of a side that a reader wants to know, Python first."""
        return _versions(self.run, side)


def _versions(run: Run, side: Side) -> dict[str, str]:
    environments = Environments.of(run)
    described = environments.described.get(side.environment.id) or {}
    packages = environments.packages(side.environment.id) if described else {}
    found = {"Python": str(described.get("python") or side.environment.python)}
    for title, names in DISTRIBUTIONS.items():
        version = version_among(packages, names)
        if title == "TensorFlow":
            version = version or side.environment.tensorflow
        if version:
            found[title] = version
    if LEGACY_KERAS in side.environment.env and "tf-keras" in found:
        # The Keras that `tf.keras` is there.
        found["Keras"] = f"{found.pop('tf-keras')} (tf-keras)"
    return found


def _names(run: Run, before: Side, after: Side) -> tuple[str, str]:
    first, second = (_versions(run, side).get("TensorFlow", "") for side in (before, after))
    if not first or not second or first == second:
        return before.environment.id, after.environment.id
    return first, second


def answer_of(
    measured: Measured,
    before: Side,
    after: Side,
    origin: str,
    *,
    alternative: Alternative | None = None,
    notes: Sequence[str] = (),
    allow_changes: bool = False,
    require_rollback: bool = False,
) -> UpgradeAnswer:
    """The answer to what was measured."""
    old, new = before.environment.id, after.environment.id
    there, back = measured.judge(old, new), measured.judge(new, old, rollback=True)
    run = measured.run
    training = measured.judge(old, new, training=True) if any(map(is_of_training, run.records)) else None
    return UpgradeAnswer(
        before=before,
        after=after,
        origin=origin,
        upgrade=there,
        rollback=back,
        training=training,
        training_causes=find_causes(replace(run, records=(*training.breaks, *training.changes))) if training else (),
        has_code=any(record.scenario not in measured.files_only for record in run.records),
        causes=find_causes(replace(run, records=there.breaks)),
        rollback_causes=find_causes(replace(run, records=back.breaks)),
        changes=_changes(there, run, *_names(run, before, after)),
        warnings=_new_warnings(run, old, new),
        drifts=_drifts(there.read, run),
        read_cells=sum(record.status in (Status.PASS, Status.DRIFT) for record in there.read),
        flaky=tuple(record.cell for record in run.records if record.flaky),
        run=run,
        folders=tuple(str(folder) for folder in measured.folders),
        alternative=alternative,
        notes=tuple(dict.fromkeys((*before.notes, *after.notes, *notes))),
        allow_changes=allow_changes,
        require_rollback=require_rollback,
    )


def _changes(upgrade: Upgrade, run: Run, old: str, new: str) -> tuple[RequiredChange, ...]:
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in upgrade.changes:
        when = "read" if record.writer == upgrade.before else "anew"
        groups.setdefault((str(record.remedy), when), []).append(record)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    changes = [_change(name, when, _todo(name, when, old), records) for (name, when), records in ranked]
    gone: dict[str, list[CellRecord]] = {}
    for record in upgrade.gone:
        gone.setdefault(record.format, []).append(record)
    for fmt, records in sorted(gone.items(), key=lambda item: (-len(item[1]), item[0])):
        todo = f"{new} cannot write `{fmt}`: {_in_its_place(records, upgrade, run)}"
        changes.append(_change(f"write another format than {fmt}", "anew", todo, records))
    return tuple(changes)


def _change(name: str, when: str, todo: str, records: Sequence[CellRecord]) -> RequiredChange:
    return RequiredChange(
        name=one_line(name, 120),
        todo=todo,
        when=when,
        cells=tuple(record.cell for record in records),
        scenarios=tuple(dict.fromkeys(record.scenario for record in records)),
        formats=tuple(dict.fromkeys(record.format for record in records)),
        costs=_costs(records),
        price="; ".join(
            dict.fromkeys(filter(None, (one_line(_tried(each).get("price") or "", 300) for each in records)))
        ),
    )


def _todo(name: str, when: str, old: str) -> str:
    if name.startswith(SAVE_AS):
        fmt = one_line(name.removeprefix(SAVE_AS), 40)
        if when == "read":
            return f"save again as `{fmt}` with {old}, before you upgrade"
        return f"save as `{fmt}` from then on"
    advice = {module.NAME: module.ADVICE for module in remedies().values()}
    return ", and ".join(advice.get(part, one_line(part, 80)) for part in name.split(AND))


def _in_its_place(records: Sequence[CellRecord], upgrade: Upgrade, run: Run) -> str:
    """Which formats the same models can be written in and read from there."""
    scenarios = {record.scenario for record in records}
    works = Counter(
        record.format
        for record in run.records
        if record.writer == record.reader == upgrade.after
        and record.scenario in scenarios
        and record.status is Status.PASS
    )
    if not works:
        return "no other format works for these models either"
    shown = ", ".join(f"`{fmt}` ({count} of {len(scenarios)} models)" for fmt, count in works.most_common(3))
    return f"write {shown} in its place"


def _tried(record: CellRecord) -> Mapping[str, Any]:
    """The try of the recommended remedy."""
    return next((each for each in record.remedies if each.get("name") == record.remedy), {})


def _costs(records: Iterable[CellRecord]) -> tuple[str, ...]:
    """What the recommended remedy does not bring back, as its tries found."""
    lost: dict[str, None] = {}
    for record in records:
        tried = _tried(record)
        if tried.get("status") == Status.DRIFT and "missing" not in tried:
            lost["what its record does not name"] = None
        for check in tried.get("missing") or ():
            lost[_COSTS.get(check) or _aspect(check)] = None
    return tuple(lost)


def _aspect(check: str) -> str:
    """What a check looks at; the name of one that is not installed here."""
    return f"the {checks()[check].aspect}" if check in checks() else one_line(check, 40)


def _new_warnings(run: Run, old: str, new: str) -> tuple[WarningEntry, ...]:
    """Warnings that the new environment gives, and the old one gave nowhere."""
    wanted = {(old, old), (old, new), (new, new)}
    chosen = tuple(record for record in run.records if (record.writer, record.reader) in wanted)
    entries = catalogue(replace(run, records=chosen)).entries
    texts_before = {(entry.category, entry.text) for entry in entries if old in entry.environments}
    return tuple(
        entry for entry in entries if new in entry.environments and (entry.category, entry.text) not in texts_before
    )


def _drifts(read: Iterable[CellRecord], run: Run) -> tuple[Drift, ...]:
    groups: dict[str, list[tuple[float, CellRecord]]] = {}
    for record in read:
        moved = figure((record.checks.get("outputs") or {}).get("max_abs"))
        if moved and record.status in (Status.PASS, Status.DRIFT):
            groups.setdefault(record.scenario, []).append((moved, record))
    found = [_drift(scenario, group, run) for scenario, group in groups.items()]
    return tuple(sorted(found, key=lambda drift: (drift.within, -drift.max_abs, drift.scenario)))


def _drift(scenario: str, group: Sequence[tuple[float, CellRecord]], run: Run) -> Drift:
    outputs: list[Mapping[str, Any]] = [record.checks["outputs"] for _, record in group]
    ulps = [found for each in outputs if (found := figure(each.get("max_ulp"))) is not None]
    shares = [record.attribution or {} for _, record in group]
    listed = list(run.header.get("formats") or ())
    formats = {record.format for _, record in group}
    return Drift(
        scenario=scenario,
        formats=tuple(sorted(formats, key=lambda name: listed.index(name) if name in listed else len(listed))),
        max_abs=max(moved for moved, _ in group),
        max_ulp=max(ulps, default=None),
        argmax_flips=max(int(figure(each.get("argmax_flips")) or 0) for each in outputs),
        within=all(each.get("status") == "pass" for each in outputs),
        by_kernels=all((each.get("numerics") or {}).get("found") for each in shares),
    )


def failure_in_words(record: CellRecord) -> str:
    """The exception of a cell, or the checks that do not hold."""
    error = record.error or {}
    if error.get("message") or error.get("type"):
        return one_line(f"{error.get('type') or record.status.value}: {error.get('message') or ''}", 300)
    return f"{record.status.value}: {', '.join(record.failed_checks)}" if record.failed_checks else record.status.value


def _why(record: CellRecord) -> str:
    """Why a cell was not measured, or why what was measured says nothing."""
    if record.status.is_incompatibility:
        return f"fails with {record.reader}, and whether it worked before is not known"
    message = (record.error or {}).get("message")
    return one_line(message or f"{record.status.value}, with no reason given", 300)
